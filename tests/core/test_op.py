"""Op: rules of users, what is saved, several outputs, sequences, and the errors for rules that are wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from on_device import host, put

import minigrad as mg
from minigrad.core.node import Spec
from minigrad.ops import elementwise as ew
from minigrad.testing import gradcheck


def leaf(values: Any, device: str, dtype: Any = np.float64) -> Any:
    return mg.tensor(np.asarray(values, dtype), device=device, requires_grad=True)


def product(saves: Any, name: str = "product") -> Any:
    return mg.Op(name, lambda xp, x, y: x * y, saves=saves, broadcasts=True)


# --- what rules get -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("saves", [None, (0, 1), (0, 1, "out")], ids=str)
def test_what_is_saved_arrives(saves: Any, device: str) -> None:
    op = product(saves).defvjp(lambda g, out, x, y: g * y, lambda g, out, x, y: g * x)
    gradcheck(op, put([1.0, 2.0], device), put([3.0, 4.0], device))


def test_what_was_not_saved_is_a_spec(device: str) -> None:
    seen: list[Any] = []

    def rule(g: Any, out: Any, x: Any, y: Any) -> Any:
        seen.append((out, x, y))
        return g * 3.0

    op = product(saves=(), name="triple").defvjp(rule, None)
    op(leaf([1.0, 2.0], device), np.float32(3.0)).backward(put(np.ones(2), device))
    op(leaf([1.0, 2.0], device), 3.0).backward(put(np.ones(2), device))
    (out, x, y), (_, _, number) = seen
    for spec in (out, x):
        assert isinstance(spec, Spec)
        assert (spec.shape, spec.dtype, spec.device, spec.ndim, spec.size) == ((2,), np.float64, device, 1, 2)
    assert isinstance(y, Spec)
    assert y.dtype == np.float32
    assert number == 3.0, "Python scalars arrive unchanged"


USES = {
    "g * x": lambda g, out, x, y: g * x,
    "x * g": lambda g, out, x, y: x * g,
    "x @ g": lambda g, out, x, y: x @ g,
    "x > 0": lambda g, out, x, y: g * (x > 0),
    "x[0]": lambda g, out, x, y: g * x[0],
    "-x": lambda g, out, x, y: -x,
    "out": lambda g, out, x, y: g + out,
    "float(x)": lambda g, out, x, y: g * float(x),
}


@pytest.mark.parametrize("rule", USES.values(), ids=USES.keys())
@pytest.mark.parametrize("create_graph", [False, True])
def test_computing_with_an_unsaved_value_names_saves(rule: Any, create_graph: bool, device: str) -> None:
    op = product(saves=()).defvjp(rule, rule)
    out, seed = op(leaf([1.0, 2.0], device), leaf([3.0, 4.0], device)), put(np.ones(2), device)
    with pytest.raises(mg.GraphError, match="saves="):
        out.backward(seed, create_graph=create_graph)


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_function_of_an_unsaved_value_fails_too(create_graph: bool, device: str) -> None:
    op = mg.Op("unsaved", lambda xp, x: xp.exp(x), saves=()).defvjp(lambda g, out, x: g * ew.exp(x))
    with pytest.raises((mg.GraphError, TypeError)):
        op(leaf([1.0, 2.0], device)).backward(put(np.ones(2), device), create_graph=create_graph)


def test_rules_run_only_for_tracked_arguments(device: str) -> None:
    calls: list[int] = []

    def rule(i: int) -> Any:
        def run(g: Any, out: Any, x: Any, y: Any) -> Any:
            calls.append(i)
            return g

        return run

    op = product(saves=()).defvjp(rule(0), rule(1))
    op(leaf(1.0, device), put(2.0, device)).backward()
    op(3.0, leaf(1.0, device)).backward()
    assert calls == [0, 1]


def test_defvjp_all_is_told_what_is_needed(device: str) -> None:
    seen: list[list[bool]] = []

    def rule(needs: Any, g: Any, out: Any, x: Any, y: Any) -> Any:
        seen.append(list(needs))
        return g * y if needs[0] else None, g * x if needs[1] else None

    op = product(saves=(0, 1)).defvjp_all(rule)
    op(leaf(1.0, device), 2.0).backward()
    op(leaf(1.0, device), leaf(2.0, device)).backward()
    assert seen == [[True, False], [True, True]]
    gradcheck(op, put(np.ones((2, 1)), device), put([1.0, 2.0, 3.0], device))


def test_keyword_parameters_reach_forward_and_rules(device: str) -> None:
    op = mg.Op("scale", lambda xp, x, *, by: x * by, saves=()).defvjp(lambda g, out, x, *, by: g * by)
    x = leaf([1.0, 2.0], device)
    op(x, by=3.0).backward(put(np.ones(2), device))
    assert np.array_equal(host(x.grad), [3.0, 3.0])
    with pytest.raises(TypeError):
        op(x, 3.0)


def test_a_raw_rule_serves_first_order_and_the_other_second(device: str) -> None:
    paths: list[str] = []

    def ordinary(needs: Any, g: Any, out: Any, x: Any) -> Any:
        paths.append("ordinary")
        return (g * (2 * x),)

    def raw(dest: Any, needs: Any, g: Any, out: Any, residual: Any, x: Any) -> Any:
        paths.append("raw")
        assert np.array_equal(host(residual), 2 * host(x))
        return (g * residual,)

    op = mg.Op("square", lambda xp, x: (x * x, 2 * x), saves=(0,), residual=True)
    op.defvjp_all(ordinary).def_raw_vjp(raw)
    x = leaf([3.0], device)
    op(x).backward()
    assert paths == ["raw"]
    op(x).backward(create_graph=True)
    assert paths == ["raw", "ordinary"]
    assert x.grad.item() == 12.0
    assert np.array_equal(host(op(put([3.0], device))), [9.0])


# --- several outputs, sequences -------------------------------------------------------------------------------------


def sincos(saves: Any = ("out",)) -> Any:
    op = mg.Op("sincos", lambda xp, x: (xp.sin(x), xp.cos(x)), saves=saves)
    return op.defvjp(lambda g, out, x: g[0] * out[1] - g[1] * out[0])


def test_outputs_are_a_tuple_of_tensors_or_arrays(device: str) -> None:
    op, x = sincos(), put([0.5, 1.0], device)
    assert [type(o) for o in op(x)] == [type(x), type(x)]
    outs = op(mg.tensor(x, requires_grad=True))
    assert all(isinstance(o, mg.Tensor) and o.requires_grad and o.device == device for o in outs)
    assert not op(mg.tensor(x))[0].requires_grad


@pytest.mark.parametrize("used", [(0,), (1,), (0, 1)])
def test_missing_cotangents_are_zeros(used: tuple[int, ...], device: str) -> None:
    op, a = sincos(), np.array([0.5, 1.0])
    x = leaf(a, device)
    outs = op(x)
    sum((outs[i] for i in used), start=mg.tensor(np.zeros(2), device=device)).backward(put(np.ones(2), device))
    expected = [np.cos(a), -np.sin(a)]
    assert np.allclose(host(x.grad), sum(expected[i] for i in used), rtol=1e-15)


def test_two_outputs_to_third_order(device: str) -> None:
    op = sincos()
    for f in (op, lambda x: op(x)[0], lambda x: op(x)[0] * op(x)[1], lambda x: (op(x)[1] * x, op(x)[1])):
        gradcheck(f, put([0.5, 1.0], device), order=3)


def test_an_output_used_twice_and_an_integer_output(device: str) -> None:
    op = mg.Op("split", lambda xp, x: (x * 2.0, xp.argmax(x)), saves=()).defvjp(lambda g, out, x: g[0] * 2.0)
    x = leaf([1.0, 3.0], device)
    value, where = op(x)
    assert not where.requires_grad
    assert where.item() == 1
    (value * value + value).backward(put(np.ones(2), device))
    assert np.array_equal(host(x.grad), 2 * (2 * np.array([2.0, 6.0]) + 1))


def test_a_sequence_of_arrays(device: str) -> None:
    op = mg.Op("total", lambda xp, *xs: sum(xs[1:], start=xs[0] * 1.0), saves=())
    op.defvjp_all(lambda needs, g, out, *xs: tuple(g if n else None for n in needs))
    leaves = [leaf([1.0, 2.0], device) for _ in range(5)]
    op(*leaves, put(np.ones(2), device)).backward(put([1.0, 2.0], device))
    assert all(np.array_equal(host(t.grad), [1.0, 2.0]) for t in leaves)
    gradcheck(op, *[put(np.ones(2) * i, device) for i in (1, 2, 3)])


def test_a_sequence_op_that_saves_everything(device: str) -> None:
    op = mg.Op("products", lambda xp, *xs: xs[0] * xs[1], saves=None)
    op.defvjp_all(lambda needs, g, out, *xs: (g * xs[1], g * xs[0]))
    gradcheck(op, put([1.0, 2.0], device), put([3.0, 4.0], device))


# --- what is not differentiable -------------------------------------------------------------------------------------


def test_an_op_without_a_rule_fails_at_the_call(device: str) -> None:
    op = mg.Op("mystery", lambda xp, x: x * 2.0)
    assert host(op(put([1.0], device))) == [2.0]
    assert not op(mg.tensor(1.0, device=device)).requires_grad
    with mg.no_grad():
        op(leaf(1.0, device))
    with pytest.raises(mg.GraphError, match=r"mystery has no gradient rule.*mystery.defvjp"):
        op(leaf(1.0, device))


def test_an_argument_without_a_rule_fails_at_the_call(device: str) -> None:
    op = product(saves=(1,), name="half").defvjp(lambda g, out, x, y: g * y, None)
    op(leaf(1.0, device), 2.0).backward()
    with pytest.raises(mg.GraphError, match=r"half is not differentiable in argument 1 \('y'\).*detach"):
        op(1.0, leaf(2.0, device))


def test_integer_results_are_not_tracked(device: str) -> None:
    floor = mg.Op("floor", lambda xp, x: x.astype(int), saves=()).defvjp(lambda g, out, x: g)
    assert not floor(leaf([1.5], device)).requires_grad
    assert not (leaf([1.5], device) > 1).requires_grad


def test_rules_of_the_wrong_number() -> None:
    with pytest.raises(ValueError, match=r"product: forward takes 2 array arguments \(x, y\) but 1 rules were given"):
        product(()).defvjp(lambda g, out, x, y: g)
    op = mg.Op("join", lambda xp, *xs: xp.concatenate(xs), saves=())
    with pytest.raises(ValueError, match="use defvjp_all for a variable number"):
        op.defvjp(lambda g, out, *xs: g)


@pytest.mark.parametrize("unknown", [2, -1, "x", "output"])
def test_saves_that_name_nothing(unknown: Any) -> None:
    with pytest.raises(ValueError, match=f"names {unknown!r}, which is no argument position"):
        product((0, unknown))


# --- rules that are wrong -------------------------------------------------------------------------------------------

WRONG_RULES = {
    "shape": (lambda g, out, x, y: g.sum(), mg.ShapeError, r"planted.* 0.*returned shape \(\).* \(2, 3\)"),
    "transpose": (lambda g, out, x, y: g.T, mg.ShapeError, r"planted.* 0.*returned shape \(3, 2\).* \(2, 3\)"),
    "dtype": (lambda g, out, x, y: g.astype("float32"), mg.DTypeError, "planted.* 0.*returned dtype float32.* float64"),
    "number": (lambda g, out, x, y: 1.0, mg.DTypeError, "planted.* returned a float"),
    "list": (lambda g, out, x, y: [1.0], mg.DTypeError, "planted.* returned a list"),
}


@pytest.mark.parametrize(("rule", "kind", "message"), WRONG_RULES.values(), ids=WRONG_RULES.keys())
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_wrong_rule_is_named(rule: Any, kind: type[Exception], message: str, create_graph: bool, device: str) -> None:
    op = mg.Op("planted", lambda xp, x, y: x * y, saves=()).defvjp(rule, None)
    with pytest.raises(kind, match=message):
        op(leaf(np.ones((2, 3)), device), 2.0).backward(put(np.ones((2, 3)), device), create_graph=create_graph)


def test_only_ops_that_broadcast_have_their_gradients_summed(device: str) -> None:
    rules = (lambda g, out, x, y: g, lambda g, out, x, y: g)
    wide, narrow = np.ones((2, 3)), np.ones(3)
    plain = mg.Op("plain", lambda xp, x, y: x + y, saves=()).defvjp(*rules)
    with pytest.raises(mg.ShapeError, match=r"plain.* 1 .*returned shape \(2, 3\).* \(3,\)"):
        plain(leaf(wide, device), leaf(narrow, device)).backward(put(wide, device))
    broadcasting = mg.Op("wide", lambda xp, x, y: x + y, saves=(), broadcasts=True).defvjp(*rules)
    y = leaf(narrow, device)
    broadcasting(leaf(wide, device), y).backward(put(wide, device))
    assert np.array_equal(host(y.grad), [2.0, 2.0, 2.0])


def test_a_rule_of_many_arguments_that_returns_too_few(device: str) -> None:
    op = product(saves=()).defvjp_all(lambda needs, g, out, x, y: (g,))
    with pytest.raises((mg.GraphError, ValueError)):
        op(leaf(1.0, device), leaf(2.0, device)).backward()


def test_an_error_in_a_rule_reaches_the_caller_and_leaves_the_library_usable(device: str) -> None:
    def broken(g: Any, out: Any, x: Any) -> Any:
        raise KeyError("planted")

    op = mg.Op("broken", lambda xp, x: x * 1.0, saves=()).defvjp(broken)
    x = leaf(1.0, device)
    with pytest.raises(KeyError, match="planted"):
        op(x).backward(create_graph=True)
    assert mg.is_grad_enabled()
    (x * 2).backward()
    assert x.grad.item() == 2.0


# --- operands -------------------------------------------------------------------------------------------------------


def test_raw_arrays_numbers_and_lists(device: str) -> None:
    array = put([10.0, 20.0], device)
    assert type(ew.add(array, 1)) is type(array)
    x = leaf([1.0, 2.0], device)
    for other in ([10.0, 20.0], (10, 20), array, mg.tensor(array)):
        x.grad = None
        y = x * other
        assert np.array_equal(host(y), [10.0, 40.0])
        y.backward(put(np.ones(2), device))
        assert np.array_equal(host(x.grad), [10.0, 20.0])


def test_a_list_that_holds_tensors(device: str) -> None:
    with pytest.raises(TypeError, match=r"multiply: a list .*mg.stack"):
        leaf([1.0, 2.0], device) * [leaf(1.0, device), 2.0]


def test_untracked_tensors_record_nothing(device: str) -> None:
    x = mg.tensor(np.ones(3), device=device)
    y = ew.exp(x * 2) + x
    assert not y.requires_grad
    assert y.is_leaf
    with mg.no_grad():
        assert not (leaf([1.0], device) * 2).requires_grad


def test_scalars_do_not_promote(device: str) -> None:
    x = leaf([1.0], device, np.float32)
    y = (x * 2.5 + 1) ** 2 / 3
    assert y.dtype == np.float32
    y.backward()
    assert x.grad.dtype == np.float32
    z = x * np.float64(2.0)
    assert z.dtype == np.float64
    x.grad = None
    z.backward()
    assert x.grad.dtype == np.float32


def test_an_op_of_three_arrays_may_have_several_outputs(device: str) -> None:
    op = mg.Op("three_in_two_out", lambda xp, x, y, z: (x * y, y + z), saves=(0, 1))
    op.defvjp_all(lambda needs, g, out, x, y, z: (g[0] * y, g[0] * x + g[1], g[1]))
    x, y, z = (leaf([v], device) for v in (2.0, 3.0, 5.0))
    product, total = op(x, y, z)
    (product * total).sum().backward()
    assert [t.grad.item() for t in (x, y, z)] == [3 * 8, 2 * 8 + 6, 6]
