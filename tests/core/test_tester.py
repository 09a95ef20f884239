"""The tester tested: planted wrong gradients must fail gradcheck, right ones must pass."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from on_device import host, put

import minigrad as mg
from minigrad.backend.device import device_of
from minigrad.core.variable import wrap
from minigrad.ops import elementwise as ew
from minigrad.testing import OpSpec, gradcheck

X = np.array([[0.5, -1.25, 1.75], [1.5, 0.25, -0.75]])
Y = np.array([0.75, 1.25, -0.5])


def cubic(rule: Any) -> Any:
    return mg.Op("cubic", lambda xp, x: x * x * x, saves=(0,)).defvjp(rule)


def beside(values: Any, x: Any) -> Any:
    """A constant on the device of an array or Tensor."""
    return put(values, device_of(unwrapped(x)))


def unwrapped(x: Any) -> Any:
    """What no rule may do: take the numbers out of the graph."""
    return x.data if isinstance(x, mg.Tensor) else x


def test_right_gradients_pass_and_are_reported(device: str) -> None:
    report = gradcheck(cubic(lambda g, out, x: g * (3 * (x * x))), put(X, device))
    assert report.order == 2
    assert report.arguments == (0,)
    assert report.comparisons == 2 * (6 + 12)
    assert 0 <= report.worst < 0.5


FIRST_ORDER = {
    "sign": lambda g, out, x: -g * (3 * (x * x)),
    "factor": lambda g, out, x: g * (3 * (1 + 1e-3) * (x * x)),
    "tiny factor": lambda g, out, x: g * (3 * (1 + 1e-6) * (x * x)),
    "one term of two": lambda g, out, x: g * (2 * (x * x)),
    "cotangent forgotten": lambda g, out, x: 3 * (x * x) + 0 * g,
    "zero": lambda g, out, x: g * 0,
    "one entry": lambda g, out, x: g * (3 * (x * x)) * beside([[1, 1, 1], [1, 1.01, 1]], x),
    "entries exchanged": lambda g, out, x: (g * (3 * (x * x)))[::-1],
    "not a number": lambda g, out, x: g * (3 * (x * x)) * np.nan,
}


@pytest.mark.parametrize("rule", FIRST_ORDER.values(), ids=FIRST_ORDER.keys())
@pytest.mark.parametrize("max_entries", [24, 0], ids=["entries", "directions"])
def test_wrong_at_first_order(rule: Any, max_entries: int, device: str) -> None:
    with pytest.raises(mg.GradientError, match=r"argument 0|zero cotangent"):
        gradcheck(cubic(rule), put(X, device), order=1, max_entries=max_entries)


def test_the_message_has_argument_entry_order_both_numbers_and_the_error_bar(device: str) -> None:
    op = mg.Op("planted", lambda xp, x, y: x * y, saves=(0, 1), broadcasts=True)
    op.defvjp(lambda g, out, x, y: g * y, lambda g, out, x, y: g * x * 1.5)
    with pytest.raises(mg.GradientError) as caught:
        gradcheck(op, put([2.0], device), put([4.0], device))
    message = str(caught.value)
    for part in ("argument 1", "entry (0,)", "order 1", "analytic ", "numeric ", "error bar ", "allowed difference "):
        assert part in message
    analytic, numeric = (float(message.partition(f"{name} ")[2].partition(",")[0]) for name in ("analytic", "numeric"))
    assert analytic / numeric == pytest.approx(1.5, rel=1e-9)


def test_a_missing_broadcast_sum(device: str) -> None:
    op = mg.Op("planted", lambda xp, x, y: x * y, saves=(0, 1), broadcasts=True)
    op.defvjp(lambda g, out, x, y: g * y, lambda g, out, x, y: (g * x)[0])
    with pytest.raises(mg.GradientError, match=r"argument 1, entry .*order 1"):
        gradcheck(op, put(X, device), put(Y, device))


def test_a_transposed_jacobian(device: str) -> None:
    matrix = put([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 10.0]], device)
    op = mg.Op("planted", lambda xp, x: matrix @ x, saves=()).defvjp(lambda g, out, x: matrix @ g)
    with pytest.raises(mg.GradientError, match=r"argument 0, entry .*order 1"):
        gradcheck(op, put(Y, device))
    right = mg.Op("right", lambda xp, x: matrix @ x, saves=()).defvjp(lambda g, out, x: matrix.T @ g)
    gradcheck(right, put(Y, device))


SECOND_ORDER = {
    "captured constant": lambda g, out, x: g * (3 * unwrapped(x) ** 2),
    "half captured": lambda g, out, x: g * (3 * unwrapped(x) * x),
    "cotangent captured": lambda g, out, x: unwrapped(g) * (3 * (x * x)),
    "detached": lambda g, out, x: g * (3 * (x.detach() * x.detach() if isinstance(x, mg.Tensor) else x * x)),
}


@pytest.mark.parametrize("rule", SECOND_ORDER.values(), ids=SECOND_ORDER.keys())
@pytest.mark.parametrize("max_entries", [24, 0], ids=["entries", "directions"])
def test_right_at_first_order_and_wrong_at_second(rule: Any, max_entries: int, device: str) -> None:
    gradcheck(cubic(rule), put(X, device), order=1)
    with pytest.raises(mg.GradientError, match="order 2"):
        gradcheck(cubic(rule), put(X, device), max_entries=max_entries)


def test_a_wrong_second_derivative_of_a_right_first(device: str) -> None:
    """exp whose rule is made of another op that is right in value and wrong in slope."""
    inner = mg.Op("inner", lambda xp, x: xp.exp(x), saves=("out",)).defvjp(lambda g, out, x: g * out * 1.001)
    outer = mg.Op("outer", lambda xp, x: xp.exp(x), saves=(0,)).defvjp(lambda g, out, x: g * inner(x))
    gradcheck(outer, put(X, device), order=1)
    with pytest.raises(mg.GradientError, match=r"argument 0, .*order 2"):
        gradcheck(outer, put(X, device))


def test_a_raw_rule_that_is_right_beside_an_ordinary_one_that_is_wrong(device: str) -> None:
    op = mg.Op("planted", lambda xp, x: (x * x, None), saves=(0,), residual=True)
    op.defvjp_all(lambda needs, g, out, x: (g * (2.001 * x),))
    op.def_raw_vjp(lambda dest, needs, g, out, residual, x: (g * (2 * x),))
    with pytest.raises(mg.GradientError, match=r"order 1 \(with create_graph\)"):
        gradcheck(op, put(X, device), order=1)


def test_inputs_modified_by_the_forward_or_by_a_rule(device: str) -> None:
    def forward(xp: Any, x: Any) -> Any:
        x += 1.0
        return x * 1.0

    op = mg.Op("planted", forward, saves=()).defvjp(lambda g, out, x: g)
    with pytest.raises(mg.GradientError, match="argument 0 was modified"):
        gradcheck(op, put(X, device))

    def rule(g: Any, out: Any, x: Any) -> Any:
        raw = unwrapped(x)
        raw *= 2.0
        return g * 2.0

    op = mg.Op("planted", lambda xp, x: x * 2.0, saves=(0,)).defvjp(rule)
    with pytest.raises(mg.GradientError, match="argument 0 was modified"):
        gradcheck(op, put(X, device))


def test_the_callers_arrays_are_left_as_they_are(device: str) -> None:
    x = put(X, device)
    gradcheck(ew.exp, x)
    assert np.array_equal(host(x), X)


def test_a_backward_that_is_not_deterministic(device: str) -> None:
    counter = itertools.count()
    op = cubic(lambda g, out, x: g * (3 * (x * x)) * (1 + 1e-15 * next(counter)))
    with pytest.raises(mg.GradientError, match="two backward passes gave different gradients of argument 0"):
        gradcheck(op, put(X, device))


def test_a_rule_that_consumes_its_saved_values(device: str) -> None:
    def rule(g: Any, out: Any, x: Any) -> Any:
        result = g * (3 * (x * x))
        saved = unwrapped(out)
        saved *= 0.5
        return result * (1.0 if saved.max() > 2.0 else 2.0)

    op = mg.Op("planted", lambda xp, x: x * x * x, saves=(0, "out")).defvjp(rule)
    with pytest.raises(mg.GradientError, match="two backward passes gave different"):
        gradcheck(op, put(X, device))


def test_a_gradient_of_the_wrong_dtype_is_the_engines_error(device: str) -> None:
    with pytest.raises(mg.DTypeError, match="returned dtype float32"):
        gradcheck(cubic(lambda g, out, x: (g * (3 * (x * x))).astype(np.float32)), put(X, device))


# --- what gradcheck accepts -----------------------------------------------------------------------------------------


def test_inputs_of_every_kind(device: str) -> None:
    mask = put([True, False, True], device)

    def f(x: Any, y: Any, condition: Any, scale: Any, power: Any) -> Any:
        assert x.dtype == y.dtype in (np.float64, np.float32), "checked in float64, then in the dtype that was given"
        assert condition is mask
        assert scale.shape == ()
        return ew.where(condition, x * y, scale * y) ** power

    report = gradcheck(f, mg.tensor([1.0, 2.0, 3.0], device=device), put(Y, device).astype(np.float32), mask, 0.5, 2)
    assert report.arguments == (0, 1, 3)


def test_argnums_choose_what_is_differentiated(device: str) -> None:
    half = mg.Op("half", lambda xp, x, y: x * y, saves=(1,)).defvjp(lambda g, out, x, y: g * y, None)
    x, y = put(Y, device), put(Y + 3, device)
    assert gradcheck(half, x, y, argnums=(0,)).arguments == (0,)
    assert gradcheck(lambda x, y: half(y, x), x, y, argnums=(-1,)).arguments == (1,)
    with pytest.raises(mg.GraphError, match="not differentiable in argument 1"):
        gradcheck(half, x, y)


def test_tuples_constants_and_independent_arguments(device: str) -> None:
    y = put(Y, device)
    gradcheck(lambda x, y: (x * 2, ew.exp(x), (x > 0), put(np.ones(2), device)), y, y)
    gradcheck(lambda x: mg.tensor(np.ones(3), device=device), y)
    gradcheck(lambda x: x, y)


def test_zero_dimensions_and_no_elements(device: str) -> None:
    gradcheck(ew.exp, put(0.5, device))
    gradcheck(ew.exp, np.float64(0.5))
    gradcheck(ew.exp, put(np.zeros((0, 3)), device))
    gradcheck(lambda x, y: x + y, put(np.zeros((0, 3)), device), put(np.ones(3), device))


def test_layouts_of_memory(device: str) -> None:
    x, y = put(X, device), put(Y, device)
    for array in (x.T, x[:, ::2], x[::-1], np.broadcast_to(y, (2, 3))):
        gradcheck(lambda x: x * x, array)


def test_large_inputs_take_random_directions(device: str) -> None:
    rng = np.random.default_rng(0)
    x, y = (put(rng.normal(size=s), device) for s in ((20, 10), (10, 5)))
    report = gradcheck(lambda x, y: ew.tanh(x @ y), x, y, directions=2)
    assert report.comparisons == 2 * 2 * 2 + 2 * 2 * 3


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_sizes_of_values_do_not_matter(scale: float, device: str) -> None:
    gradcheck(lambda x: x * x * x * scale, put(X, device))
    gradcheck(lambda x: x * x * x / scale**2, put(X, device) * scale)


def test_cancellation_is_no_false_alarm(device: str) -> None:
    array = put(X, device)
    gradcheck(lambda x: (x + 1e6) - 1e6, array)
    gradcheck(lambda x: (x * x).sum() - (x * x).sum() * (1 - 1e-9), array)
    gradcheck(lambda x: ew.sin(x) ** 2 + ew.cos(x) ** 2, array)


def test_third_order(device: str) -> None:
    gradcheck(ew.tanh, put(Y, device), order=3)
    op = cubic(lambda g, out, x: g * (3 * square(x)))
    square = mg.Op("square", lambda xp, x: x * x, saves=(0,)).defvjp(lambda g, out, x: g * 2 * flat(x))
    flat = mg.Op("flat", lambda xp, x: x * 1.0, saves=()).defvjp(lambda g, out, x: g * 0.999)
    gradcheck(op, put(Y, device), order=2)
    with pytest.raises(mg.GradientError, match="order 3"):
        gradcheck(op, put(Y, device), order=3)


WRONG_CALLS = [
    (lambda x: gradcheck(ew.exp, x.astype(int)), r"floating-point are \[\]"),
    (lambda x: gradcheck(ew.exp, x, argnums=()), "are to be checked"),
    (lambda x: gradcheck(lambda x, i: x, x, x.astype(int), argnums=(1,)), r"arguments \[1\] of 2"),
    (lambda x: gradcheck(ew.exp, x, order=0), "order must be at least 1"),
    (lambda x: gradcheck(lambda x: x > 0, x), "nothing of floating-point dtype"),
    (lambda x: gradcheck(lambda x: x * np.inf, x), "f is not finite at the point"),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("call", "message"), WRONG_CALLS, ids=[m[:20] for _, m in WRONG_CALLS])
def test_calls_that_cannot_be_checked(call: Any, message: str, device: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(put(X, device))


# --- OpSpec ---------------------------------------------------------------------------------------------------------


def test_arguments_of_a_row_keep_their_distance() -> None:
    kinks = (0.5, lambda x, y: x - y)
    row = OpSpec("maximum", ew.maximum, np.maximum, 2, broadcasts=True, kinks=kinks, distance=1 / 64)
    for seed in range(50):
        x, y = row.arguments(np.random.default_rng(seed), ((3, 3, 3), (3, 1)))
        assert x.shape == (3, 3, 3)
        assert len(np.unique(x)) == 27
        assert (x != 0).all()
        assert (y != 0).all()
        assert np.abs(x - 0.5).min() >= 1 / 64
        assert np.abs(x - y).min() >= 1 / 64
        assert np.array_equal(x, x.astype(np.float16)), "exact in every dtype"
    again = row.arguments(np.random.default_rng(49), ((3, 3, 3), (3, 1)))
    assert np.array_equal(again[0], x)


def test_rows_that_cannot_be_drawn_or_make_no_sense() -> None:
    with pytest.raises(ValueError, match=r"narrow: .* is too narrow for 27 distinct elements"):
        OpSpec("narrow", ew.exp, np.exp, domain=(0.0, 1.0), min_gap=0.25).arguments(np.random.default_rng(0), ((27,),))
    with pytest.raises(ValueError, match="stay away from the kinks"):
        OpSpec("kinky", ew.exp, np.exp, kinks=(lambda x: x * 0,)).arguments(np.random.default_rng(0), ((2,),))
    with pytest.raises(ValueError, match="order must be 0, 1 or 2"):
        OpSpec("row", ew.exp, np.exp, order=3)
    with pytest.raises(ValueError, match="arity is 1"):
        OpSpec("row", ew.exp, np.exp, shapes=(((2,), (2,)),))
    with pytest.raises(ValueError, match="1 domains for 2 arguments"):
        OpSpec("row", ew.add, np.add, 2, domain=((0.0, 1.0),))


def test_wrap_keeps_the_layout_that_gradcheck_was_given(device: str) -> None:
    strides: list[tuple[int, ...]] = []

    def f(x: Any) -> Any:
        strides.append(x.data.strides)
        return x * 1.0

    y = put(Y, device)
    gradcheck(f, np.broadcast_to(y, (2, 3)), order=1)
    assert wrap(y).data is y
    assert (0, 8) in strides
