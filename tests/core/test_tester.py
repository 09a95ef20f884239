"""The tester tested: planted wrong gradients must fail gradcheck, right ones must pass."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.core.variable import wrap
from minigrad.ops import elementwise as ew
from minigrad.testing import OpSpec, gradcheck

X = np.array([[0.5, -1.25, 1.75], [1.5, 0.25, -0.75]])
Y = np.array([0.75, 1.25, -0.5])


def cubic(rule: Any) -> Any:
    return mg.Op("cubic", lambda xp, x: x * x * x, saves=(0,)).defvjp(rule)


def unwrapped(x: Any) -> Any:
    """What no rule may do: take the numbers out of the graph."""
    return x.data if isinstance(x, mg.Tensor) else x


def test_right_gradients_pass_and_are_reported() -> None:
    report = gradcheck(cubic(lambda g, out, x: g * (3 * (x * x))), X)
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
    "one entry": lambda g, out, x: g * (3 * (x * x)) * np.where(np.arange(6).reshape(2, 3) == 4, 1.01, 1.0),
    "entries exchanged": lambda g, out, x: (g * (3 * (x * x)))[::-1],
    "not a number": lambda g, out, x: g * (3 * (x * x)) * np.nan,
}


@pytest.mark.parametrize("rule", FIRST_ORDER.values(), ids=FIRST_ORDER.keys())
@pytest.mark.parametrize("max_entries", [24, 0], ids=["entries", "directions"])
def test_wrong_at_first_order(rule: Any, max_entries: int) -> None:
    with pytest.raises(mg.GradientError, match=r"argument 0|zero cotangent"):
        gradcheck(cubic(rule), X, order=1, max_entries=max_entries)


def test_the_message_has_argument_entry_order_both_numbers_and_the_error_bar() -> None:
    op = mg.Op("planted", lambda xp, x, y: x * y, saves=(0, 1), broadcasts=True)
    op.defvjp(lambda g, out, x, y: g * y, lambda g, out, x, y: g * x * 1.5)
    with pytest.raises(mg.GradientError) as caught:
        gradcheck(op, np.array([2.0]), np.array([4.0]))
    message = str(caught.value)
    for part in ("argument 1", "entry (0,)", "order 1", "analytic ", "numeric ", "error bar ", "allowed difference "):
        assert part in message
    analytic, numeric = (float(message.partition(f"{name} ")[2].partition(",")[0]) for name in ("analytic", "numeric"))
    assert analytic / numeric == pytest.approx(1.5, rel=1e-9)


def test_a_missing_broadcast_sum() -> None:
    op = mg.Op("planted", lambda xp, x, y: x * y, saves=(0, 1), broadcasts=True)
    op.defvjp(lambda g, out, x, y: g * y, lambda g, out, x, y: (g * x)[0])
    with pytest.raises(mg.GradientError, match=r"argument 1, entry .*order 1"):
        gradcheck(op, X, Y)


def test_a_transposed_jacobian() -> None:
    matrix = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 10.0]])
    op = mg.Op("planted", lambda xp, x: matrix @ x, saves=()).defvjp(lambda g, out, x: matrix @ g)
    with pytest.raises(mg.GradientError, match=r"argument 0, entry .*order 1"):
        gradcheck(op, Y)
    right = mg.Op("right", lambda xp, x: matrix @ x, saves=()).defvjp(lambda g, out, x: matrix.T @ g)
    gradcheck(right, Y)


SECOND_ORDER = {
    "captured constant": lambda g, out, x: g * (3 * unwrapped(x) ** 2),
    "half captured": lambda g, out, x: g * (3 * unwrapped(x) * x),
    "cotangent captured": lambda g, out, x: unwrapped(g) * (3 * (x * x)),
    "detached": lambda g, out, x: g * (3 * (x * x if isinstance(x, np.ndarray) else x.detach() * x.detach())),
}


@pytest.mark.parametrize("rule", SECOND_ORDER.values(), ids=SECOND_ORDER.keys())
@pytest.mark.parametrize("max_entries", [24, 0], ids=["entries", "directions"])
def test_right_at_first_order_and_wrong_at_second(rule: Any, max_entries: int) -> None:
    gradcheck(cubic(rule), X, order=1)
    with pytest.raises(mg.GradientError, match="order 2"):
        gradcheck(cubic(rule), X, max_entries=max_entries)


def test_a_wrong_second_derivative_of_a_right_first() -> None:
    """exp whose rule is made of another op that is right in value and wrong in slope."""
    inner = mg.Op("inner", lambda xp, x: xp.exp(x), saves=("out",)).defvjp(lambda g, out, x: g * out * 1.001)
    outer = mg.Op("outer", lambda xp, x: xp.exp(x), saves=(0,)).defvjp(lambda g, out, x: g * inner(x))
    gradcheck(outer, X, order=1)
    with pytest.raises(mg.GradientError, match=r"argument 0, .*order 2"):
        gradcheck(outer, X)


def test_a_raw_rule_that_is_right_beside_an_ordinary_one_that_is_wrong() -> None:
    op = mg.Op("planted", lambda xp, x: (x * x, None), saves=(0,), residual=True)
    op.defvjp_all(lambda needs, g, out, x: (g * (2.001 * x),))
    op.def_raw_vjp(lambda dest, needs, g, out, residual, x: (g * (2 * x),))
    with pytest.raises(mg.GradientError, match=r"order 1 \(with create_graph\)"):
        gradcheck(op, X, order=1)


def test_inputs_modified_by_the_forward_or_by_a_rule() -> None:
    def forward(xp: Any, x: Any) -> Any:
        x += 1.0
        return x * 1.0

    op = mg.Op("planted", forward, saves=()).defvjp(lambda g, out, x: g)
    with pytest.raises(mg.GradientError, match="argument 0 was modified"):
        gradcheck(op, X.copy())

    def rule(g: Any, out: Any, x: Any) -> Any:
        raw = unwrapped(x)
        raw *= 2.0
        return g * 2.0

    op = mg.Op("planted", lambda xp, x: x * 2.0, saves=(0,)).defvjp(rule)
    with pytest.raises(mg.GradientError, match="argument 0 was modified"):
        gradcheck(op, X.copy())


def test_the_callers_arrays_are_left_as_they_are() -> None:
    x = X.copy()
    gradcheck(ew.exp, x)
    assert np.array_equal(x, X)


def test_a_backward_that_is_not_deterministic() -> None:
    counter = itertools.count()
    op = cubic(lambda g, out, x: g * (3 * (x * x)) * (1 + 1e-15 * next(counter)))
    with pytest.raises(mg.GradientError, match="two backward passes gave different gradients of argument 0"):
        gradcheck(op, X)


def test_a_rule_that_consumes_its_saved_values() -> None:
    def rule(g: Any, out: Any, x: Any) -> Any:
        result = g * (3 * (x * x))
        saved = unwrapped(out)
        saved *= 0.5
        return result * (1.0 if saved.max() > 2.0 else 2.0)

    op = mg.Op("planted", lambda xp, x: x * x * x, saves=(0, "out")).defvjp(rule)
    with pytest.raises(mg.GradientError, match="two backward passes gave different"):
        gradcheck(op, X)


def test_a_gradient_of_the_wrong_dtype_is_the_engines_error() -> None:
    with pytest.raises(mg.DTypeError, match="returned dtype float32"):
        gradcheck(cubic(lambda g, out, x: (g * (3 * (x * x))).astype(np.float32)), X)


# --- what gradcheck accepts -----------------------------------------------------------------------------------------


def test_inputs_of_every_kind() -> None:
    mask = np.array([True, False, True])

    def f(x: Any, y: Any, condition: Any, scale: Any, power: Any) -> Any:
        assert x.dtype == y.dtype == np.float64
        assert condition is mask
        assert scale.shape == ()
        return ew.where(condition, x * y, scale * y) ** power

    report = gradcheck(f, mg.tensor([1.0, 2.0, 3.0]), Y.astype(np.float32), mask, 0.5, 2)
    assert report.arguments == (0, 1, 3)


def test_argnums_choose_what_is_differentiated() -> None:
    half = mg.Op("half", lambda xp, x, y: x * y, saves=(1,)).defvjp(lambda g, out, x, y: g * y, None)
    assert gradcheck(half, Y, Y + 3, argnums=(0,)).arguments == (0,)
    assert gradcheck(lambda x, y: half(y, x), Y, Y + 3, argnums=(-1,)).arguments == (1,)
    with pytest.raises(mg.GraphError, match="not differentiable in argument 1"):
        gradcheck(half, Y, Y + 3)


def test_tuples_constants_and_independent_arguments() -> None:
    gradcheck(lambda x, y: (x * 2, ew.exp(x), (x > 0), np.ones(2)), Y, Y)
    gradcheck(lambda x: mg.tensor(np.ones(3)), Y)
    gradcheck(lambda x: x, Y)


def test_zero_dimensions_and_no_elements() -> None:
    gradcheck(ew.exp, np.float64(0.5))
    gradcheck(ew.exp, np.zeros((0, 3)))
    gradcheck(lambda x, y: x + y, np.zeros((0, 3)), np.ones(3))


def test_layouts_of_memory() -> None:
    for array in (X.T, X[:, ::2], X[::-1], np.broadcast_to(Y, (2, 3))):
        gradcheck(lambda x: x * x, array)


def test_large_inputs_take_random_directions() -> None:
    rng = np.random.default_rng(0)
    report = gradcheck(lambda x, y: ew.tanh(x @ y), rng.normal(size=(20, 10)), rng.normal(size=(10, 5)), directions=2)
    assert report.comparisons == 2 * 2 * 2 + 2 * 2 * 3


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_sizes_of_values_do_not_matter(scale: float) -> None:
    gradcheck(lambda x: x * x * x * scale, X)
    gradcheck(lambda x: x * x * x / scale**2, X * scale)


def test_cancellation_is_no_false_alarm() -> None:
    gradcheck(lambda x: (x + 1e6) - 1e6, X)
    gradcheck(lambda x: (x * x).sum() - (x * x).sum() * (1 - 1e-9), X)
    gradcheck(lambda x: ew.sin(x) ** 2 + ew.cos(x) ** 2, X)


def test_third_order() -> None:
    gradcheck(ew.tanh, Y, order=3)
    op = cubic(lambda g, out, x: g * (3 * square(x)))
    square = mg.Op("square", lambda xp, x: x * x, saves=(0,)).defvjp(lambda g, out, x: g * 2 * flat(x))
    flat = mg.Op("flat", lambda xp, x: x * 1.0, saves=()).defvjp(lambda g, out, x: g * 0.999)
    gradcheck(op, Y, order=2)
    with pytest.raises(mg.GradientError, match="order 3"):
        gradcheck(op, Y, order=3)


WRONG_CALLS = [
    (lambda: gradcheck(ew.exp, np.array([1, 2])), r"floating-point are \[\]"),
    (lambda: gradcheck(ew.exp, X, argnums=()), "are to be checked"),
    (lambda: gradcheck(lambda x, i: x, X, np.array([1]), argnums=(1,)), r"arguments \[1\] of 2"),
    (lambda: gradcheck(ew.exp, X, order=0), "order must be at least 1"),
    (lambda: gradcheck(lambda x: x > 0, X), "nothing of floating-point dtype"),
    (lambda: gradcheck(lambda x: x * np.inf, X), "f is not finite at the point"),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("call", "message"), WRONG_CALLS, ids=[m[:20] for _, m in WRONG_CALLS])
def test_calls_that_cannot_be_checked(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


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


def test_wrap_keeps_the_layout_that_gradcheck_was_given() -> None:
    strides: list[tuple[int, ...]] = []

    def f(x: Any) -> Any:
        strides.append(x.data.strides)
        return x * 1.0

    gradcheck(f, np.broadcast_to(Y, (2, 3)), order=1)
    assert wrap(Y).data is Y
    assert (0, 8) in strides
