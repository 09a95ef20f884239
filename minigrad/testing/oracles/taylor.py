"""The order of the Taylor remainder: no step size to choose.

R(h) = <w, F(x + h v) - F(x)> - h <gradient, v> shrinks like h^2 when the gradient is right and like h when it is not.
The order is read off a ladder of steps, above the floor that rounding sets. Where it cannot be read, central
differences are asked instead.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from typing import ClassVar

from ..line import EPS, TINY, Line
from ..verdict import Outcome, Verdict
from .base import FLAT_RESOLUTION, RESOLUTION, Oracle
from .differences import Differences

_STEPS = tuple(2.0**-e for e in range(2, 31, 2))
_FLOOR = 32.0  # remainders below so many rounding errors say nothing
_NOISE_ORDER = 0.6  # a remainder of a lower order is noise
_FIRST_ORDER = 1.35
_SECOND_ORDER = 1.6
_STEADY = 1.4  # a first-order remainder keeps its slope from step to step, within this factor


@dataclass(frozen=True, slots=True)
class _Rung:
    step: float
    remainder: float
    slope: float

    def order(self, smaller: _Rung) -> float:
        """The exponent of h between two steps."""
        return math.log(self.remainder / smaller.remainder) / math.log(self.step / smaller.step)


class Taylor(Oracle):
    """The order of the second-order remainder on a ladder of steps."""

    name: ClassVar[str] = "taylor"

    def judge(self, line: Line, analytic: float) -> Outcome:
        rungs: list[_Rung] = []  # smallest step last
        slopes: list[float] = []
        reached = math.inf  # the smallest slope that some step could have told from zero
        for h in _STEPS:
            increment = float(line.weights @ (line.at(h) - line.value))
            if not math.isfinite(increment):
                continue
            noise = _FLOOR * EPS * (line.size + abs(h * analytic)) + h * line.floor
            slopes.append(increment / h)
            reached = min(reached, noise / h)
            remainder = abs(increment - h * analytic)
            if not remainder <= noise:
                rungs.append(_Rung(h, remainder, increment / h))
        if not slopes:
            return Outcome(Verdict.DOMAIN, analytic, note="f is not finite near {where}")
        if not math.isfinite(analytic):
            return Outcome(Verdict.WRONG, analytic, slopes[-1])
        scale = max(abs(s) for s in slopes)
        if reached <= max(RESOLUTION * scale, FLAT_RESOLUTION * line.extent(), TINY):
            outcome = _read(rungs, analytic, slopes, reached)
            if outcome is not None:
                return outcome
        outcome = Differences().judge(line, analytic)
        return replace(outcome, note=outcome.note or "by differences: the remainder has no clear order")


def _read(rungs: list[_Rung], analytic: float, slopes: list[float], reached: float) -> Outcome | None:
    """OK or WRONG by the order of the remainder at the smallest steps; None where it is neither 1 nor 2."""
    if len(rungs) < 3:  # linear, or so nearly that rounding is all there is to see
        return Outcome(Verdict.OK, analytic, slopes[0], reached, max(2 * reached, 2 * abs(slopes[0] - analytic)))
    orders = [rung.order(smaller) for rung, smaller in itertools.pairwise(rungs)]
    last = len(orders) - 1
    while last > 0 and orders[last] < _NOISE_ORDER:
        last -= 1
    if last == 0:
        return None
    smallest, before = rungs[last + 1], rungs[last]
    offset, offset_before = smallest.slope - analytic, before.slope - analytic
    if max(orders[last - 1 : last + 1]) >= _SECOND_ORDER:
        return Outcome(Verdict.OK, analytic, smallest.slope, abs(offset), 2 * abs(offset))
    steady = abs(offset - offset_before) <= (_STEADY - 1) * abs(offset)
    if steady and min(orders[last - 1 : last + 1]) >= _NOISE_ORDER and orders[last] <= _FIRST_ORDER:
        bar = abs(offset - offset_before)
        return Outcome(
            Verdict.WRONG, analytic, smallest.slope, bar, reached, note=f"order {orders[last]:.2f} remainder"
        )
    return None
