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

from ..line import EPS, Line
from ..verdict import Outcome, Verdict
from .base import FLAT_RESOLUTION, RESOLUTION, Oracle
from .differences import Differences

_LARGEST, _SMALLEST, _RATIO = 2.0**-2, 2.0**-60, 4.0
_FLOOR = 32.0  # remainders below so many rounding errors say nothing
_NOISE_ORDER = 0.6  # a remainder of a lower order is noise
_FIRST_ORDER = 1.35
_SECOND_ORDER = 1.6
_STEADY = 0.4  # the slope of a first-order remainder changes by less than this part of itself from step to step
_FAR = 16.0


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
        outcome = _read(line, analytic, *_ladder(line, analytic)) if math.isfinite(analytic) else None
        if outcome is not None:
            return outcome
        outcome = Differences().judge(line, analytic)
        return replace(outcome, note=outcome.note or "by differences: the remainder has no clear order")


def _ladder(line: Line, analytic: float) -> tuple[list[_Rung], list[float], float]:
    """Remainders that stand out from rounding, by shrinking steps, until they do not any more.

    Returns:
        These; the slopes of F at all steps; and the smallest slope that some step could have told from zero.
    """
    rungs: list[_Rung] = []
    slopes: list[float] = []
    reached = math.inf
    h, hidden = _LARGEST, 0
    while h >= _SMALLEST and hidden < 3:
        increment = float(line.weights @ (line.at(h) - line.value))
        if math.isfinite(increment):
            noise = _FLOOR * EPS * (line.size + abs(h * analytic)) + h * line.floor
            slopes.append(increment / h)
            remainder = abs(increment - h * analytic)
            if remainder > noise:
                rungs.append(_Rung(h, remainder, increment / h))
                hidden = 0
            else:
                hidden += 1
                reached = min(reached, noise / h)
        h /= _RATIO
    return rungs, slopes, reached


def _read(line: Line, analytic: float, rungs: list[_Rung], slopes: list[float], reached: float) -> Outcome | None:
    """OK or WRONG by the order of the remainder at the smallest steps; None where that is neither 1 nor 2."""
    if not slopes:
        return None
    fine = max(RESOLUTION * max(abs(analytic), abs(slopes[-1])), FLAT_RESOLUTION * line.extent())
    if len(rungs) < 3:  # linear, or so nearly that rounding is all there is to see
        offset = abs(slopes[0] - analytic)
        return (
            Outcome(Verdict.OK, analytic, slopes[0], reached, _FAR * max(reached, offset)) if reached <= fine else None
        )
    orders = [rung.order(smaller) for rung, smaller in itertools.pairwise(rungs)]
    last = len(orders) - 1
    while last > 0 and orders[last] < _NOISE_ORDER:
        last -= 1
    if last == 0:
        return None
    smallest, before = rungs[last + 1], rungs[last]
    offset, change = smallest.slope - analytic, before.slope - smallest.slope
    numeric = smallest.slope - change / (before.step / smallest.step - 1)
    if max(orders[last - 1 : last + 1]) >= _SECOND_ORDER:
        bar = abs(offset)
        return Outcome(Verdict.OK, analytic, numeric, bar, _FAR * bar) if min(bar, reached) <= fine else None
    steady = abs(change) <= _STEADY * abs(offset)
    if steady and min(orders[last - 1 : last + 1]) >= _NOISE_ORDER and orders[last] <= _FIRST_ORDER:
        note = f"the remainder is of order {orders[last]:.2f}"
        return Outcome(Verdict.WRONG, analytic, numeric, abs(change), min(reached, abs(change)), note=note)
    return None
