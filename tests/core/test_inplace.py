"""Writes into storage that the tape has saved: an error that names them, never a wrong gradient."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.ops import elementwise as ew
from minigrad.ops import fused


def leaf(values: Any, dtype: Any = np.float64) -> Any:
    return mg.tensor(np.asarray(values, dtype), requires_grad=True)


def other() -> Any:
    return mg.tensor(np.array([3.0, 4.0]))


def _augmented(symbol: str) -> Any:
    def write(t: Any) -> None:
        with mg.no_grad():
            before = t
            if symbol == "+=":
                t += 1.0
            elif symbol == "-=":
                t -= 1.0
            elif symbol == "*=":
                t *= 2.0
            elif symbol == "/=":
                t /= 2.0
            else:
                t **= 2
            assert t is before

    return write


def _item(t: Any) -> None:
    with mg.no_grad():
        t[0] = 9.0


def _slice(t: Any) -> None:
    with mg.no_grad():
        t[:1] = mg.tensor(np.array([9.0]))


def _assign(t: Any) -> None:
    t.data = np.array([9.0, 9.0])


WRITES = {s: _augmented(s) for s in ("+=", "-=", "*=", "/=", "**=")} | {
    "t[0] = v": _item,
    "t[:1] = v": _slice,
    ".data = v": _assign,
}
writes = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())


@writes
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_stale_argument_is_refused_and_named(write: Any, create_graph: bool) -> None:
    x, y = leaf([1.0, 2.0]), other()
    z = (x * y).sum()
    write(y)
    with pytest.raises(mg.GraphError, match=r"backward of multiply .*needs argument 1 \('y'\), .*overwritten"):
        z.backward(create_graph=create_graph)
    assert x.grad is None


@writes
def test_a_stale_output_is_refused(write: Any) -> None:
    x = leaf([1.0, 2.0])
    y = ew.exp(x)
    z = y.sum()
    write(y)
    with pytest.raises(mg.GraphError, match=r"backward of exp .*needs its output, .*overwritten"):
        z.backward()


@writes
def test_a_leaf_updated_before_backward_is_refused(write: Any) -> None:
    x = leaf([1.0, 2.0])
    z = (x * x).sum()
    write(x)
    with pytest.raises(mg.GraphError, match=r"needs argument 0 \('x'\)"):
        z.backward()


@writes
def test_what_no_rule_reads_may_be_overwritten(write: Any) -> None:
    x, y = leaf([1.0, 2.0]), other()
    z = (x + y).sum()
    w = (x * 2).sum()
    write(y)
    z.backward()
    w.backward()
    assert np.array_equal(x.grad.data, [3.0, 3.0])


@writes
def test_a_write_before_the_forward_is_no_matter(write: Any) -> None:
    x, y = leaf([1.0, 2.0]), other()
    write(y)
    write(y)
    (x * y).sum().backward()
    assert np.array_equal(x.grad.data, y.data)


def test_a_write_after_backward_is_no_matter() -> None:
    x, y = leaf([1.0, 2.0]), other()
    z = (x * y).sum()
    z.backward(retain_graph=True)
    _assign(y)
    with pytest.raises(mg.GraphError, match="overwritten"):
        z.backward()
    assert np.array_equal(x.grad.data, [3.0, 4.0])


VIEWS = {
    "reshape": lambda t: t.reshape(2, 1),
    "transpose": lambda t: t.reshape(2, 1).T,
    "basic index": lambda t: t[1:],
    "reversed": lambda t: t[::-1],
    "ellipsis": lambda t: t[..., None],
    "detach": lambda t: t.detach(),
    "detach of a view": lambda t: t[:1].detach(),
    "squeeze": lambda t: t[None].squeeze(0),
    "to its own device": lambda t: t.to("cpu"),
}


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
def test_a_write_through_a_view_is_seen(view: Any) -> None:
    x, y = leaf([1.0, 2.0]), other()
    v = view(y)
    z = (x * y).sum()
    with mg.no_grad():
        v *= 2.0
    assert np.shares_memory(v.data, y.data)
    with pytest.raises(mg.GraphError, match="overwritten"):
        z.backward()


@pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
def test_a_write_to_the_base_is_seen_by_what_saved_a_view(view: Any) -> None:
    y = other()
    v = view(y)
    x = mg.tensor(np.ones(v.shape), requires_grad=True)
    z = (x * v).sum()
    with mg.no_grad():
        y += 1.0
    with pytest.raises(mg.GraphError, match="overwritten"):
        z.backward()


COPIES = {
    "clone": lambda t: t.clone(),
    "astype": lambda t: t.astype("float64"),
    "advanced index": lambda t: t[[0, 1]],
    "arithmetic": lambda t: t + 0,
    "take": lambda t: t.take([0, 1]),
}


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES.keys())
def test_a_copy_is_storage_of_its_own(copy: Any) -> None:
    x, y = leaf([1.0, 2.0]), other()
    c = copy(y)
    z = (x * y).sum()
    with mg.no_grad():
        c *= 2.0
    assert np.array_equal(y.data, [3.0, 4.0])
    if c._cell is y._cell:
        pytest.fail("a copy shares its source's version cell: a write to it would refuse a right gradient")
    z.backward()
    assert np.array_equal(x.grad.data, [3.0, 4.0])


def test_fused_operations_check_too() -> None:
    x, w = leaf([[1.0, 2.0]]), leaf([[3.0, 4.0]])
    z = fused.linear(x, w, None, "tanh")
    with mg.no_grad():
        w -= 0.1
    with pytest.raises(mg.GraphError, match=r"backward of linear .*'weight'"):
        z.backward()
    out = fused.linear(x, w, None, "tanh")
    with mg.no_grad():
        out.detach()[...] = 0.0
    with pytest.raises(mg.GraphError, match="its output"):
        out.backward()


def test_a_recorded_gradient_is_checked_too() -> None:
    """After create_graph the gradient's graph holds x: a step in between makes its derivative stale."""
    x = leaf([1.0, 2.0])
    (x * x * x).sum().backward(create_graph=True)
    g = x.grad
    with mg.no_grad():
        x -= 0.1 * g.detach()
    with pytest.raises(mg.GraphError, match="overwritten"):
        g.backward(np.ones(2))


def test_a_write_to_a_recorded_gradient_is_seen() -> None:
    x = leaf([1.0, 2.0])
    (x * x * x).sum().backward(create_graph=True)
    square = (x.grad * x.grad).sum()
    with mg.no_grad():
        g = x.grad
        g *= 0.5
    with pytest.raises(mg.GraphError, match="overwritten"):
        square.backward()


def test_accumulation_into_a_gradient_that_was_used_is_seen() -> None:
    x, y = leaf([1.0, 2.0]), leaf([3.0, 4.0])
    (x * x).sum().backward()
    z = (y * x.grad).sum()
    (x * x).sum().backward()
    assert np.array_equal(x.grad.data, [4.0, 8.0])
    with pytest.raises(mg.GraphError, match="overwritten"):
        z.backward()


def test_constants_given_as_tensors_are_read_as_they_were() -> None:
    """Indices and bounds are parameters: a later write to them must not change the gradient."""
    x, at, bound = leaf([1.0, 2.0, 3.0]), mg.tensor([0, 1], "int64"), mg.tensor(np.asarray(1.5))
    y = x[at].sum() + x[at, ...].sum() + x[[at[0], at[1]]].sum() + ew.clip(x, None, bound).sum()
    z = x.take(at).sum()
    with mg.no_grad():
        at += 1
        bound += 10.0
    y.backward()
    assert np.array_equal(x.grad.data, [4.0, 3.0, 0.0])
    with pytest.raises(mg.GraphError, match="backward of take"):
        z.backward()


def test_raw_writes_through_data_are_not_seen() -> None:
    """The documented limit: `.data` hands out the array itself."""
    x, y = leaf([1.0, 2.0]), other()
    z = (x * y).sum()
    y.data[...] = 0.0
    z.backward()
    assert np.array_equal(x.grad.data, [0.0, 0.0])


def test_several_outputs_have_a_cell_each() -> None:
    op = mg.Op("sincos", lambda xp, x: (xp.sin(x), xp.cos(x)), saves=("out",))
    op.defvjp(lambda g, out, x: g[0] * out[1] - g[1] * out[0])
    for written in (0, 1):
        outs = op(leaf([1.0, 2.0]))
        loss = (outs[0] + outs[1]).sum()
        with mg.no_grad():
            outs[written].detach()[...] = 0.0
        with pytest.raises(mg.GraphError, match=r"backward of sincos .*its output"):
            loss.backward()


# --- in-place operators and assignment under grad -------------------------------------------------------------------


def test_in_place_operators_make_a_new_tensor_under_grad() -> None:
    x = leaf([1.0, 2.0])
    y = x * 1.0
    first = y
    y += 1.0
    y *= x
    y -= 0.5
    y /= 2.0
    y **= 2
    assert y is not first
    assert np.array_equal(first.data, x.data)
    y.backward(np.ones(2))
    a = x.data
    assert np.allclose(x.grad.data, ((a + 1) * a - 0.5) / 2 * (2 * a + 1), rtol=1e-15)


def test_in_place_operators_on_untracked_tensors_follow_the_graph() -> None:
    x, total = leaf([1.0, 2.0]), mg.tensor(np.zeros(2))
    total += x * 3
    total.backward(np.ones(2))
    assert np.array_equal(x.grad.data, [3.0, 3.0])


@pytest.mark.parametrize("symbol", ["+=", "-=", "*=", "/=", "**="])
def test_in_place_operators_are_refused_on_a_tracked_leaf_under_grad(symbol: str) -> None:
    scope = {"t": leaf([1.0, 2.0])}
    with pytest.raises(mg.GraphError, match=r"leaf tensor that requires a gradient: use mg.no_grad\(\)"):
        exec(f"t {symbol} 2.0", scope)
    assert np.array_equal(scope["t"].data, [1.0, 2.0])


def test_an_update_under_no_grad_is_the_same_tensor_and_storage() -> None:
    w = leaf([1.0, 2.0])
    storage, same = w.data, w
    (w * w).sum().backward()
    with mg.no_grad():
        w -= 0.5 * w.grad
    assert w is same
    assert w.data is storage
    assert np.array_equal(w.data, [0.0, 0.0])
    assert w.requires_grad
    assert w.is_leaf


def test_an_update_keeps_shape_and_dtype() -> None:
    w = leaf([1.0, 2.0], np.float32)
    with mg.no_grad():
        w *= np.array([2.0, 2.0])  # float64, cast back as NumPy does
        assert w.dtype == np.float32
        with pytest.raises(mg.ShapeError, match=r"the result has shape \(3, 2\), the tensor \(2,\)"):
            w += np.ones((3, 2))
        i = mg.tensor(np.array([1, 2]))
        with pytest.raises(mg.DTypeError, match="float64 does not fit a tensor of int64"):
            i += 0.5
    assert np.array_equal(w.data, [2.0, 4.0])


REFUSED = {
    "tracked leaf": (lambda: leaf([1.0, 2.0]), 5.0),
    "tracked result": (lambda: leaf([1.0, 2.0]) * 2, 5.0),
    "tracked value": (lambda: mg.tensor(np.zeros(2)), leaf(5.0)),
}


@pytest.mark.parametrize(("target", "value"), REFUSED.values(), ids=REFUSED.keys())
def test_assignment_to_elements_under_grad_names_the_functional_update(target: Any, value: Any) -> None:
    t = target()
    before = t.data.copy()
    with pytest.raises(TypeError, match=r"t\[i\] = v has no gradient.*mg.where.*mg.no_grad\(\)"):
        t[0] = value
    assert np.array_equal(t.data, before)


def test_assignment_to_elements_of_untracked_tensors() -> None:
    t = mg.tensor(np.zeros((2, 3)))
    t[0, 1] = 5.0
    t[1] = mg.tensor(np.array([1.0, 2.0, 3.0]))
    t[mg.tensor(np.array([[True, False, False], [False, False, False]]))] = -1.0
    t[mg.tensor([0], dtype="int64"), 2] = 7
    assert np.array_equal(t.data, [[-1.0, 5.0, 7.0], [1.0, 2.0, 3.0]])


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        (np.ones(3), mg.ShapeError, r"assignment to .data: shape \(2,\) is due, got \(3,\)"),
        (np.ones(2, np.float32), mg.DTypeError, "dtype float64 is due, got float32.*to"),
        ([1.0, 2.0], mg.DTypeError, "an array or Tensor is due, got list"),
    ],
)
def test_assignment_to_data_that_does_not_fit(value: Any, kind: type[Exception], message: str) -> None:
    t = leaf([1.0, 2.0])
    with pytest.raises(kind, match=message):
        t.data = value
    assert np.array_equal(t.data, [1.0, 2.0])


def test_assignment_to_data_copies() -> None:
    t, new = leaf([1.0, 2.0]), np.array([5.0, 6.0])
    storage = t.data
    t.data = new
    new[0] = 0.0
    assert t.data is storage
    assert np.array_equal(t.data, [5.0, 6.0])
