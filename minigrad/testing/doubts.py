"""Second looks at a line before the tape's number is called wrong: at rounding inside f, and from much closer.

An error bar of differences is made of f at a few points. It misses what they cannot show: an f that is coarser inside
than its value says, that turns many times within a step, or that has a singularity a millionth away.
"""

from __future__ import annotations

import math

import numpy as np

from .line import EPS, FACTOR, Line
from .oracles.base import RESOLUTION, compare
from .oracles.differences import richardson
from .stochastic import looks
from .verdict import Outcome, Verdict

_LOOKS = 6
_ROUGH = 4.0  # times the usual rounding error are worth a new verdict
_SHARE = 0.25  # an error as measured is the largest of some; FACTOR is for typical ones
_LARGER, _GROWS = 64.0, 8.0  # rounding errors that are so much larger do at least so much more
_DROWNED = 0.25  # a number of which so much is rounding cannot get much worse
_CLEARLY = 64.0  # times a difference must exceed what is uncertain
_CLOSER = (0, -6, -12, -18, -24, -30, -36)  # exponents of 2, in units of the usual step
_HALFWAY = 0.5  # a step is worth more when its slope is nearer to the tape's than to the reference's
_TURN = 2.0**-4  # of what f can change is what a step may change it by


def roughened(line: Line) -> Line:
    """The line with the rounding error of f as measured, where that is more than its value says. Remembered by it."""
    found: Line | None = line.memo.get("roughened")
    if found is None:
        noise = _measured(line)[0]
        changing = line.changing()
        felt = changing if changing.any() else ~changing
        size = _SHARE * float(line.magnitudes[felt] @ noise[felt]) / EPS
        found = line.memo["roughened"] = line.rougher(size) if size > _ROUGH * line.size else line
    return found


def with_rounding(line: Line, outcome: Outcome) -> Outcome:
    """The outcome when rounding inside the tape's own rules counts as well."""
    slope = _measured(line)[1]
    o = outcome
    if not abs(o.analytic - o.numeric) <= o.allowed + FACTOR * slope:
        return o
    if slope < _DROWNED * abs(o.analytic) and not _looked(line, _LARGER * EPS)[1] >= _GROWS * slope:
        return o  # a rule that jumps where elements are equal does so at any noise; rounding errors grow with it
    return compare(line, o.analytic, o.numeric, o.bar, o.allowed + FACTOR * slope, abs(o.numeric))


def _measured(line: Line) -> tuple[np.ndarray, float]:
    """What rounding does to F and to the tape's number. Remembered by the line."""
    found: tuple[np.ndarray, float] | None = line.memo.get("measured")
    if found is None:
        found = line.memo["measured"] = _looked(line, EPS)
    return found


def _looked(line: Line, eps: float) -> tuple[np.ndarray, float]:
    """What rounding errors of size eps do to F and to the tape's number: the most of some looks."""
    level, rng = line.level, line.level.noise_rng()
    usual = line.tape_slope(0.0, recorded=True)
    noise, slope = np.zeros(line.value.shape), 0.0
    for values, gradients in looks(level, level.split(line.weights), eps, rng, _LOOKS):
        number = sum(float(gradients[i] @ v.ravel()) for i, v in line.direction.items())
        # what is not finite is a matter of the domain, not of rounding
        noise = np.fmax(noise, np.where(np.isfinite(values), np.abs(values - line.value), 0.0))
        slope = max(slope, abs(number - usual)) if math.isfinite(number) else slope
    return noise, slope


def closer(line: Line, outcome: Outcome) -> Outcome:
    """The outcome of differences with much smaller steps, where these agree with the tape and not with larger ones.

    f must be smooth at that step, so that no kink passes. OK where they are precise, else NOISY. NOISY also where the
    tape says that f changes by all that it can within a step, and no smaller one can tell.

    Args:
        line: the function; not linear.
        outcome: a fault.
    """
    o = outcome
    if line.linear or not math.isfinite(o.analytic):
        return o
    for exponent in _CLOSER:
        h = line.step * 2.0**exponent
        slope = float(line.weights @ (line.at(h) - line.at(-h))) / (2 * h)
        if not abs(o.analytic - slope) < _HALFWAY * abs(o.analytic - o.numeric):
            continue
        found = _close_look(line, o, h)
        if found is not None:
            return found
    change = line.change()
    needed = _TURN * change / max(abs(o.analytic), 1e-300)
    if needed >= line.step or not change > FACTOR * EPS * line.size:
        return o
    if _precise(line, o.analytic, 2.0 ** math.floor(math.log2(max(needed, 1e-300)))):
        return o
    note = "f turns many times within the smallest step that rounding leaves"
    return Outcome(Verdict.NOISY, o.analytic, o.numeric, o.bar, o.allowed, note=note)


def _close_look(line: Line, o: Outcome, h: float) -> Outcome | None:
    """OK or NOISY where a step h agrees with the tape, and clearly not with the reference; else None."""
    found = _estimate(line, h)
    if found is None:
        return None
    numeric, bar, allowed, bend, scale = found
    if not abs(o.analytic - numeric) <= allowed or not _CLEARLY * (allowed + bend) <= abs(o.analytic - o.numeric):
        return None
    usual = richardson(line, line.step)
    if usual is not None and abs(usual.numeric - numeric) <= usual.allowed + allowed and h < line.step:
        return None  # larger steps see more, and say the same
    if allowed + bend <= RESOLUTION * scale:
        return Outcome(Verdict.OK, o.analytic, numeric, bar, allowed)
    if (line.at(h) == line.value).all():
        return None  # where f stands still its slope may be anything
    note = f"the references contradict each other: {numeric:.12g} with step {h:.3g}"
    return Outcome(Verdict.NOISY, o.analytic, o.numeric, o.bar, o.allowed, note=note)


def _precise(line: Line, analytic: float, h: float) -> bool:
    """Whether a step h would show a slope of this size."""
    found = _estimate(line, h)
    return found is not None and found[2] + found[3] <= RESOLUTION * abs(analytic)


def _estimate(line: Line, h: float) -> tuple[float, float, float, float, float] | None:
    """Slope, error bar, allowed difference, bend and size of the terms with a step h; None where f is not finite."""
    estimate = richardson(line, h)
    if estimate is None:
        return None
    bend = float(line.magnitudes @ np.abs(line.at(h) + line.at(-h) - 2 * line.value)) / h
    apart = EPS * line.distance() / h * estimate.scale  # the points themselves are rounded
    bar = estimate.bar + apart
    return estimate.numeric, bar, FACTOR * (bar + estimate.rounding) + line.floor, bend, estimate.scale
