"""Central differences with an adaptive step and a measured error bar.

With D(h) = (F(h) - F(-h)) / 2h, Richardson's (4 D(h/2) - D(h)) / 3 is the number to compare with and
|D(h) - D(h/2)| its error bar. Where that is coarse, other steps are tried and the best one is kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from ..kinks import gap_at, near_kinks
from ..line import EPS, FACTOR, TINY, Line
from ..verdict import Outcome, Verdict
from .base import Oracle, compare

_QUICK = 1e-8  # two numbers this close, relative to the terms of the sum, need no error bar to be believed
_COARSE = 1e-5
_FINE = 1e-8
_STEPS = (0, -3, 3, -6, 6, -9, 9, 12, -12, -15, -18, 15, 17)  # exponents of 2, in units of the step
_LINEAR_STEPS = (0, 3, -3)
_LARGE = 2.0**-5
_NEARER = 0.1
_COUNTS = 0.05  # an estimate that is coarser contradicts nobody
_OTHER_STEPS = (0.43, 0.61, 0.83, 1.7)  # in units of the best step: a second look at the reference


@dataclass(frozen=True, slots=True)
class Estimate:
    """A derivative by differences: the number, its measured error bar, its rounding error, the size of its terms."""

    numeric: float
    bar: float
    rounding: float
    scale: float
    step: float

    @property
    def allowed(self) -> float:
        return FACTOR * self.total + TINY

    @property
    def total(self) -> float:
        return self.bar + self.rounding

    @property
    def is_fine(self) -> bool:
        return self.total <= _FINE * self.scale


class Differences(Oracle):
    """Central differences at two step sizes, Richardson's combination, and an adaptive step."""

    name: ClassVar[str] = "differences"

    def judge(self, line: Line, analytic: float) -> Outcome:
        quick = line.memo.get("quick")
        if quick is None:
            quick = line.memo["quick"] = _quick(line)
        numeric, allowed, sure = quick
        if sure and abs(analytic - numeric) <= allowed:
            return Outcome(Verdict.OK, analytic, numeric, allowed / FACTOR, allowed)
        best: Estimate | None = None
        outcome = Outcome(Verdict.DOMAIN, analytic, note="f is not finite near {where}")
        for name, look in _SEARCHES.items():
            if name not in line.memo:
                line.memo[name] = look(line)
            best = line.memo[name]
            if best is None:
                return outcome
            outcome = compare(line, analytic, best.numeric, best.bar, best.allowed, best.scale)
            # two estimates that agree better than their error bar says may still be told apart by a better reference
            if outcome.verdict is Verdict.OK and (look is search or abs(analytic - best.numeric) <= best.total):
                return outcome
        return (
            outcome if best is None or outcome.verdict is Verdict.NOISY else _unless_contradicted(line, outcome, best)
        )


def _quick(line: Line) -> tuple[float, float, bool]:
    """The difference at the usual step, how far off the tape may be, and whether that is close enough."""
    h, w, sizes = line.step, line.weights, line.magnitudes
    plus, minus = line.at(h), line.at(-h)
    slope = (plus - minus) / (2 * h)
    numeric, scale = float(w @ slope), float(sizes @ np.abs(slope))
    if not math.isfinite(scale):
        return numeric, 0.0, False
    line.level.extent = max(line.level.extent, line.own + h * scale)
    allowed = FACTOR * EPS / h * (scale + line.size) + _QUICK * scale + line.floor
    return numeric, allowed, allowed <= _COARSE * scale or scale == 0.0


def richardson(line: Line, h: float) -> Estimate | None:
    """The derivative from steps h and h/2; None where f is not finite there."""
    coarse = (line.at(h) - line.at(-h)) / (2 * h)
    fine = (line.at(h / 2) - line.at(-h / 2)) / h
    numeric = float(line.weights @ (4 * fine - coarse)) / 3
    if not math.isfinite(numeric):
        return None
    scale = float(line.magnitudes @ np.abs(fine))
    bar = float(line.magnitudes @ np.abs(coarse - fine))
    return Estimate(numeric, bar, EPS / h * (scale + line.size), scale, h)


def search(line: Line) -> Estimate | None:
    """The best estimate of a range of steps; None where f is finite at none of them."""
    found: list[Estimate] = []
    for exponent in _exponents(line):
        estimate = richardson(line, line.step * 2.0**exponent)
        if estimate is None:
            continue
        found.append(estimate)
        if len(found) > 1:
            finest = min((_widened(line, e, found) for e in found), key=lambda e: e.total)
            if finest.is_fine and _confirmed(line, finest).is_fine:
                return _confirmed(line, finest)
    if not found:
        return None
    found = [_widened(line, e, found) for e in found]
    usual = [e for e in found if e.step <= _LARGE] or found
    if not near_kinks(line).any():
        usual = _without_luck(usual)
    best = _best(line, usual)
    # a large step may agree with itself by periodicity: it must agree with the others
    return _best(line, [best, *(e for e in found if abs(e.numeric - best.numeric) <= e.allowed + best.allowed)])


def _widened(line: Line, estimate: Estimate, estimates: list[Estimate]) -> Estimate:
    """The estimate with what the line and other steps say against it."""
    return replace(estimate, bar=max(estimate.bar, gap_at(line, estimate.step), _noise(estimate, estimates)))


def _noise(estimate: Estimate, estimates: list[Estimate]) -> float:
    """The noise of F that smaller steps show, at this step: two values may agree by luck where it is coarse."""
    return max((e.bar * e.step / estimate.step for e in estimates if e.step < estimate.step), default=0.0)


def _without_luck(estimates: list[Estimate]) -> list[Estimate]:
    """Error bars widened where a larger step contradicts a smaller one.

    An error of a larger step shows in its own bar. One of a smaller step need not: where f is coarse it stands still.
    """
    return [replace(e, bar=max([e.bar, *(_gap(e, o) for o in estimates if o.step > e.step)])) for e in estimates]


def _gap(a: Estimate, b: Estimate) -> float:
    """The distance of two estimates where their error bars do not explain it, else 0."""
    distance = abs(a.numeric - b.numeric)
    return distance if distance > a.allowed + b.allowed else 0.0


def _exponents(line: Line) -> tuple[int, ...]:
    return _LINEAR_STEPS if line.linear else _STEPS


def _best(line: Line, estimates: list[Estimate]) -> Estimate:
    """The most precise estimate after a second look at each."""
    best: Estimate | None = None
    for estimate in sorted(estimates, key=lambda e: e.total):
        if best is not None and estimate.total >= best.total:
            break
        confirmed = _confirmed(line, estimate)
        if best is None or confirmed.total < best.total:
            best = confirmed
    return best or estimates[0]


def _confirmed(line: Line, estimate: Estimate) -> Estimate:
    """The estimate with an error bar from more steps: two may agree by luck where f cancels inside."""
    others = (richardson(line, estimate.step * factor) for factor in _OTHER_STEPS)
    bar = max([estimate.bar, *(abs(o.numeric - estimate.numeric) for o in others if o is not None)])
    return replace(estimate, bar=bar)


def _unless_contradicted(line: Line, outcome: Outcome, best: Estimate) -> Outcome:
    """WRONG, or NOISY where another step contradicts the best one and agrees with the tape."""
    still = all((line.at(t) == line.value).all() for t in (best.step, -best.step, best.step / 2, -best.step / 2))
    for other in (richardson(line, line.step * 2.0**e) for e in _exponents(line)):
        if other is None:
            continue
        nearer = abs(outcome.analytic - other.numeric) <= _NEARER * abs(best.numeric - other.numeric)
        if still:  # F moves in steps: where it stands still, its slope is anything that larger steps may see
            contradicted = nearer
        else:
            precise = other.step <= _LARGE and other.allowed <= _COUNTS * other.scale
            contradicted = precise and _gap(other, best) > 0 and abs(outcome.analytic - other.numeric) <= other.allowed
        if contradicted:
            note = f"the references contradict each other: {other.numeric:.12g} with step {other.step:.3g}"
            return replace(outcome, verdict=Verdict.NOISY, note=note)
    return outcome


def _usual(line: Line) -> Estimate | None:
    """The estimate with the usual step."""
    return richardson(line, line.step) or search(line)


_SEARCHES = {"usual": _usual, "best": search}
