"""Second looks before a gradient is called wrong: what they let off, what they must not, and stochastic arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.core.op import Op
from minigrad.ops import elementwise
from minigrad.testing import InconclusiveError, Verdict, WrongGradientError, gradcheck, mutants
from minigrad.testing.faults import factor
from minigrad.testing.stochastic import rounding

HARD: dict[str, tuple[Callable[[Any], Any], list[float], set[str]]] = {
    # turns many times within any step
    "sine of a large cube": (lambda x: mg.sin(x**3), [2.1e4, 7.0e2], {"noisy", "kink"}),
    "cosine of a pole": (lambda x: mg.cos(1 / x), [-4.4e-2, 4.9e-7, 7.1e-9], {"ok", "noisy"}),
    "fast sine far out": (lambda x: mg.sin(300 * x), [5.5e7, -2.2e7], {"noisy"}),
    # a singularity, or a bend, much nearer than a step
    "logarithm beside 0": (
        lambda x: mg.arctan(mg.var(mg.log(x * x))),
        [-3.5e-9, 3.8e-5],
        {"ok", "noisy", "domain", "kink"},
    ),
    "a rounded corner": (lambda x: mg.sqrt(mg.log1p(x * x) ** 2 + 1e-12), [-2.5e-9], {"ok", "noisy"}),
    # coarser inside than its value says
    "swallowed": (
        lambda x: mg.sin(300 * ((mg.prod(x) + 1e6) - 1e6)),
        [8.1e-4, -1.3e-9, -3e-9, -1.6e-9],
        {"ok", "noisy"},
    ),
    "cancelled": (lambda x: mg.expm1(mg.log(x * x)), [-1.2e-6], {"ok", "noisy"}),
    "direction of one number": (lambda x: x / mg.sqrt(mg.sum(x * x)), [-1.6e-7], {"ok", "noisy", "kink"}),
    "rules that cancel": (lambda x: mg.logsumexp(x**3) * x**3, [-1.2e7], {"noisy"}),
}


def verdict_of(f: Callable[..., Any], *xs: Any, **options: Any) -> str:
    try:
        return str(gradcheck(f, *xs, **options).verdict)
    except InconclusiveError as error:
        return str(error.report.verdict)


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", HARD)
@pytest.mark.parametrize("max_entries", [24, 0], ids=["entries", "directions"])
def test_right_gradients_of_hard_functions_are_not_called_wrong(name: str, max_entries: int) -> None:
    f, x, allowed = HARD[name]
    for seed in range(4):
        found = verdict_of(f, np.array(x), max_entries=max_entries, seed=seed)
        assert found in allowed


def planted(forward: Callable[[Any], Any], slope: Callable[[Any], Any]) -> Any:
    return mg.Op("planted", lambda xp, x: forward(x), saves=(0,)).defvjp(lambda g, out, x: g * slope(x))


WRONG: dict[str, tuple[Any, float]] = {
    "a slope 1e8 times too large": (planted(np.sin, lambda x: 1e8 * mg.cos(x)), 0.7),
    "a slope where f is constant": (planted(lambda x: x * 0 + 1.5, lambda x: x * 0 + 1), 0.7),
    "a slope where f is all rounding": (planted(lambda x: (x + 1e3) - x, lambda x: x * 0 + 1), 0.7),
    "no slope far from 0": (planted(lambda x: x * x, lambda x: x * 0), 3e6),
    "no slope near 0": (planted(lambda x: 1 / x, lambda x: x * 0), 1e-7),
    "1e-3 beside a pole": (planted(lambda x: 1 / x, lambda x: -1.001 / (x * x)), 1e-6),
    "1e-3 of a coarse f": (planted(lambda x: (x * x + 1e3) - 1e3, lambda x: 2.002 * x), 0.7),
    "1e-2 of the largest entry": (planted(lambda x: x * x, lambda x: 2 * x * (1 + 0.01 * (x == x.max()))), 0.7),
    "a number for infinity": (planted(np.sin, lambda x: x * np.inf), 0.7),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("name", WRONG)
def test_wrong_gradients_are_not_let_off(name: str) -> None:
    f, x = WRONG[name]
    with pytest.raises(WrongGradientError):
        gradcheck(f, np.array([x, -1.25]), order=1)


def test_a_fault_that_jumps_where_elements_are_equal_is_no_rounding() -> None:
    f, _ = WRONG["1e-2 of the largest entry"]
    with pytest.raises(WrongGradientError):
        gradcheck(f, np.array([4.0, 0.9375, 4.0, -0.125]), order=1)


def test_a_closer_look_lets_no_kink_pass() -> None:
    op = planted(lambda x: np.maximum(x, 0), lambda x: mg.where(x > 0, 1.0, 0.5 * (x == 0)))
    x = np.array([0.0, 1.0])
    assert gradcheck(op, x, order=1).verdict is Verdict.KINK
    with pytest.raises(WrongGradientError, match="convention"):
        gradcheck(op, x, order=1, subgradient=0.0)


def test_what_a_message_says_of_a_fast_function() -> None:
    with pytest.raises(InconclusiveError, match="turns many times within the smallest step"):
        gradcheck(lambda x: mg.sin(x**3), np.array([2.1e4]), order=1)


# --- stochastic arithmetic ------------------------------------------------------------------------------------------


def test_results_are_off_by_a_random_part_of_eps() -> None:
    x = np.linspace(0.5, 2.0, 1000)
    with rounding(1e-6, np.random.default_rng(0)):
        first, second = mg.exp(x), mg.exp(x)
    for found in (first, second):
        error = np.abs(found / np.exp(x) - 1)
        assert 0.9e-6 < error.max() <= 1.01e-6
        assert 0.4e-6 < error.mean() < 0.6e-6
    assert (first != second).any()
    np.testing.assert_array_equal(mg.exp(x), np.exp(x))


@pytest.mark.parametrize(
    "pick",
    [mg.max, mg.sort, lambda x: x[::-1], lambda x: x.reshape(2, -1), lambda x: mg.maximum(x, -x),
     lambda x: mg.where(x > 1, x, -1.0)],
    ids=["max", "sort", "slice", "reshape", "maximum", "where"],
)  # fmt: skip
def test_what_is_only_picked_is_not_rounded(pick: Any) -> None:
    x = mg.tensor(np.linspace(0.5, 2.0, 6))
    due = pick(x).numpy()
    with rounding(1e-3, np.random.default_rng(0)):
        found = pick(x).numpy()
    np.testing.assert_array_equal(found, due)


def test_a_sum_that_swallows_a_term_is_rounded() -> None:
    with rounding(1e-3, np.random.default_rng(0)):
        found = mg.add(np.full(20, 1e-30), np.ones(20))
    assert len(set(found)) == 20


def test_the_operations_are_themselves_again_after_an_error() -> None:
    forwards = {op: op.forward for op in Op.instances}
    errors = np.errstate(divide="raise")
    with pytest.raises(FloatingPointError), errors, rounding(1e-3, np.random.default_rng(0)):
        elementwise.divide(np.ones(1), np.zeros(1))
    assert all(op.forward is forward for op, forward in forwards.items())


@pytest.mark.parametrize(
    ("name", "f", "xs"),
    [
        ("min", mg.min, [[0.5, -1.25, 2.0]]),
        ("max", mg.max, [[[0.5, -1.25], [2.0, 0.75]]]),
        ("power", mg.power, [[-1.5, -0.75, -2.0], [3.0, 2.0, 1.0]]),
        ("where", lambda x: mg.where(x > 0, x * x, -x), [[0.5, -1.25, 2.0]]),
    ],
)
def test_a_fault_of_one_percent_that_only_float32_has_is_found(name: str, f: Any, xs: Any) -> None:
    """Rules that ask which element was picked, and functions that mean nothing beside the point, are no exceptions."""
    op = next(op for op in Op.instances if op.name == name)
    given = [np.array(x, np.float32) for x in xs]
    argnums = [0]
    assert gradcheck(f, *given, argnums=argnums).verdict is Verdict.OK
    count = 0
    for mutant in mutants(op, faults=[factor(1e-2)], dtype=np.float32):
        if mutant.differs(f, *given, argnums=argnums):
            count += 1
            with mutant.planted(), pytest.raises(WrongGradientError):
                gradcheck(f, *given, argnums=argnums)
    assert count


def test_a_scalar_beside_an_array_keeps_its_shape_in_every_layout() -> None:
    """The check of repeated rows once made a scalar an array of one axis, and called f wrong for its shape."""

    def f(x: mg.Tensor, y: mg.Tensor) -> mg.Tensor:
        return (x * y).sum() + (y if y.ndim == 0 else y * 0).sum()

    assert gradcheck(f, np.array([0.78125, 0.34375, 0.03125]), np.array(-0.46875))
