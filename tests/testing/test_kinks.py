"""Kinks: found where they are, and only there; what passes at them; and what hides them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from on_device import put

import minigrad as mg
from minigrad.nn import functional as F
from minigrad.testing import GradcheckReport, InconclusiveError, Verdict, WrongGradientError, gradcheck

X = np.array([0.75, 0.0, -1.5])
TIED = np.array([1.5, -0.25, 1.5])


def slope_at_zero(slope: float) -> Any:
    """|x| with a derivative of its own at 0."""

    def rule(g: Any, out: Any, x: Any) -> Any:
        return g * (mg.sign(x) + slope * (x == 0))

    return mg.Op("kinked", lambda xp, x: abs(x), saves=(0,)).defvjp(rule)


KINKS: dict[str, tuple[Callable[..., Any], list[np.ndarray]]] = {
    "relu": (F.relu, [X]),
    "abs": (mg.absolute, [X]),
    "leaky_relu": (F.leaky_relu, [X]),
    "elu": (lambda x: F.elu(x, alpha=0.5), [X]),
    "clip": (lambda x: mg.clip(x, 0.0, 0.5), [X]),
    "hinge": (lambda x: mg.maximum(1 - x, 0.0), [X + 1]),
    "maximum": (mg.maximum, [X, np.array([1.0, 0.0, 2.0])]),
    "minimum": (mg.minimum, [X, np.array([1.0, 0.0, 2.0])]),
    "max": (mg.max, [TIED]),
    "min of columns": (lambda x: mg.min(x, axis=0), [np.stack([TIED, TIED, X])]),
    "sort": (np.sort, [TIED]),
    "median of ties": (np.median, [np.full(3, 0.5)]),
    "relu in a network": (lambda x: mg.sum(mg.tanh(F.relu(x) * 1.5 + 0.25) * (x + 1)), [X]),
    "abs of a difference": (lambda x, y: mg.exp(-abs(x - y)), [X, X]),
    "sum of abs": (lambda x: mg.sum(abs(x)), [X]),
    "two kinks in one sum": (lambda x: mg.sum(abs(x)) * 2 - mg.sum(F.relu(x)), [X * 0]),
}


@pytest.mark.parametrize("name", KINKS)
@pytest.mark.parametrize("max_entries", [24, 0], ids=["entries", "directions"])
def test_kinks_are_found_and_any_subgradient_passes(name: str, max_entries: int, device: str) -> None:
    f, xs = KINKS[name]
    report = gradcheck(f, *[put(x, device) for x in xs], max_entries=max_entries)
    assert report.verdict is Verdict.KINK
    assert report.order == 1, "there is no second derivative"
    assert all(f.verdict in (Verdict.OK, Verdict.KINK) for f in report.findings)


def test_only_the_entry_with_the_kink_is_one() -> None:
    report = gradcheck(F.relu, X)
    assert {(f.index, f.verdict) for f in report.findings} == {
        ((0,), Verdict.OK), ((1,), Verdict.KINK), ((2,), Verdict.OK)
    }  # fmt: skip
    (kink, _) = (f for f in report.findings if f.verdict is Verdict.KINK)
    low, high = sorted(kink.outcome.slopes or ())
    assert min(abs(low), abs(high)) < 1e-6
    assert 0.5 <= max(abs(low), abs(high)) <= 1.5


@pytest.mark.parametrize(("slope", "accepted"), [(0.0, True), (0.9, True), (-1.0, True), (1.01, False), (-3.0, False)])
@pytest.mark.parametrize("max_entries", [24, 0], ids=["entries", "directions"])
def test_any_slope_between_passes_and_no_other(slope: float, accepted: bool, max_entries: int, device: str) -> None:
    x = put(X, device)
    if accepted:
        assert gradcheck(slope_at_zero(slope), x, max_entries=max_entries).verdict is Verdict.KINK
        return
    with pytest.raises(mg.GradientError, match=r"no allowed subgradient of argument 0, entry \(1,\)") as caught:
        gradcheck(slope_at_zero(slope), x, max_entries=max_entries)
    report: GradcheckReport = caught.value.report  # type: ignore[attr-defined]
    assert report.verdict is Verdict.KINK
    assert report.failing is not None
    assert report.failing.outcome.accepted is False


CONVENTIONS: list[tuple[Callable[..., Any], list[np.ndarray], Any, Any]] = [
    (F.relu, [X], 0.0, 1.0),
    (mg.absolute, [X], 0, 0.5),
    (F.leaky_relu, [X], min, max),
    (lambda x: mg.clip(x, 0.0, 0.5), [X], 1.0, 0.0),
    (mg.maximum, [X, X], 0.5, 1.0),
    (mg.max, [TIED], lambda left, right: (left + right) / 2, max),
    (slope_at_zero(0.25), [X], lambda left, right: 0.625 * max(left, right) + 0.375 * min(left, right), 0.0),
]


@pytest.mark.parametrize(("f", "xs", "right", "wrong"), CONVENTIONS)
@pytest.mark.parametrize("max_entries", [24, 0], ids=["entries", "directions"])
def test_a_declared_convention_is_demanded(f: Any, xs: Any, right: Any, wrong: Any, max_entries: int) -> None:
    assert gradcheck(f, *xs, subgradient=right, max_entries=max_entries).verdict is Verdict.KINK
    with pytest.raises(WrongGradientError, match="the declared convention is demanded") as caught:
        gradcheck(f, *xs, subgradient=wrong, max_entries=max_entries)
    failing = caught.value.report.failing
    assert failing is not None
    assert failing.index is not None, "a direction is taken apart"


def test_a_convention_says_nothing_where_there_is_no_kink() -> None:
    assert gradcheck(mg.tanh, X, subgradient=17.0).verdict is Verdict.OK


def test_a_wrong_rule_is_wrong_beside_a_kink() -> None:
    op = mg.Op("planted", lambda xp, x: abs(x), saves=(0,)).defvjp(lambda g, out, x: g * mg.sign(x) * 1.001)
    with pytest.raises(WrongGradientError) as caught:
        gradcheck(op, X)
    failing = caught.value.report.failing
    assert failing is not None
    assert (failing.verdict, failing.index) == (Verdict.WRONG, (0,))


def test_kinks_that_cancel_are_kinks_and_no_subgradients() -> None:
    """relu(x) - relu(-x) is x, and the tape says 0 at 0."""
    with pytest.raises(WrongGradientError, match="made of parts with kinks") as caught:
        gradcheck(lambda x: F.relu(x) - F.relu(-x), X)
    assert caught.value.report.verdict is Verdict.KINK


def test_a_kink_of_the_derivative_shows_at_its_order() -> None:
    report = gradcheck(lambda x: x * abs(x), X)
    assert report.order == 2
    assert {f.order for f in report.findings if f.verdict is Verdict.KINK} == {2}


def test_steps_are_jumps_with_flat_slopes() -> None:
    step = mg.Op("step", lambda xp, x: xp.where(x >= 0, 2.0, 1.0), saves=()).defvjp(lambda g, out, x: g * 0.0)
    report = gradcheck(step, X)
    assert report.verdict is Verdict.KINK
    assert "f jumps here" in str(report)
    wrong = mg.Op("step", lambda xp, x: xp.where(x >= 0, 2.0, 1.0), saves=()).defvjp(lambda g, out, x: g * 0.5)
    with pytest.raises(WrongGradientError):
        gradcheck(wrong, X)


@pytest.mark.parametrize("distance", [1e-4, 1e-5, 3e-6, 1e-6, 1e-7, 3e-8])
@pytest.mark.parametrize("max_entries", [24, 0], ids=["entries", "directions"])
def test_near_a_kink_the_gradient_counts(distance: float, max_entries: int) -> None:
    x = np.array([distance, -distance])
    assert gradcheck(lambda x: abs(x) * mg.exp(x), x, order=1, max_entries=max_entries).verdict is Verdict.OK
    with pytest.raises(WrongGradientError):
        gradcheck(slope_beside_zero(1.01), x, order=1, max_entries=max_entries)


def slope_beside_zero(factor: float) -> Any:
    op = mg.Op("planted", lambda xp, x: abs(x), saves=(0,))
    return op.defvjp(lambda g, out, x: g * mg.sign(x) * factor)


@given(
    slopes=st.tuples(*[st.integers(-8, 8)] * 2).filter(lambda pair: pair[0] != pair[1]),
    share=st.integers(-4, 8),
    offset=st.integers(-16, 16),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_a_subgradient_passes_exactly_when_it_lies_between(
    slopes: tuple[int, int], share: int, offset: int, scale: float
) -> None:
    """f has any two slopes at any point; the tape says (1 - share/4) left + share/4 right."""
    left, right = slopes
    at = offset / 8

    def forward(xp: Any, x: Any) -> Any:
        return scale * xp.where(x < at, left * (x - at), right * (x - at))

    def rule(g: Any, out: Any, x: Any) -> Any:
        here = scale * (left + (right - left) * share / 4)
        return g * (scale * left * (x < at) + scale * right * (x > at) + here * (x == at))

    op = mg.Op("two slopes", forward, saves=(0,)).defvjp(rule)
    x = np.array([at, at + 1.0])
    if 0 <= share <= 4:
        assert gradcheck(op, x).verdict is Verdict.KINK
    else:
        with pytest.raises(WrongGradientError) as caught:
            gradcheck(op, x)
        assert caught.value.report.verdict is Verdict.KINK


@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 4))
def test_kinks_anywhere_in_an_array_are_never_called_wrong(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, 8)
    x[rng.permutation(8)[:count]] = 0.0
    for f in (F.relu, lambda x: mg.sum(mg.tanh(F.relu(x)) * abs(x)), lambda x: mg.clip(x, 0.0, 1.0)):
        try:
            verdict = gradcheck(f, x, max_entries=(0, 24)[seed % 2], seed=seed % 1000).verdict
        except InconclusiveError as error:
            verdict = error.report.verdict
        assert verdict in (Verdict.KINK, Verdict.OK), "along some direction a kink may not show"
