"""Kinks: points where a function has slopes on both sides, but no derivative.

The slopes s+ = (F(h) - F(0)) / h and s- = (F(0) - F(-h)) / h of a smooth function come together as h shrinks; at a
kink they stay apart, at a jump they run away from each other. So their distance is followed down to where rounding
hides it. At a jump, the slopes are taken beside the point: (F(2h) - F(h)) / h.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .line import EPS, FACTOR, TINY, Line
from .verdict import Outcome, Verdict

Subgradient = str | float | Callable[[float, float], float]
"""What a gradient must be at a kink: "any" between the slopes, a number, or a function of the slopes."""

_EXPONENTS = (-11, -14, -17, -20, -23, -26, -29)  # steps, as powers of two
_RESOLVED = 64.0  # so many rounding errors make a distance believable
_STEADY = 1.5  # distances within this factor do not shrink
_LOOSELY = 6.0
_SHARE = 1e-4  # outputs with less of the distance do not make a kink
_CURVED = 1e-2
_GONE = 1e-2
_STILL = 0.1  # beside a jump F moves by less than this part of it
_BENT = 1e-3  # slopes on both sides that differ by more, relative to themselves, are worth a look
_AROUND = 24  # points
_HIDDEN = 0.1  # beside a kink that cancels in f, the tape comes this much closer to the differences


@dataclass(frozen=True, slots=True)
class Kink:
    """The slopes of every output on both sides.

    Args:
        left, right: one slope an output.
        bar: error of their weighted sum.
        jump: F itself is not continuous, and the slopes are those beside the point.
    """

    left: np.ndarray
    right: np.ndarray
    bar: float
    jump: bool = False


def is_bent(line: Line) -> bool:
    """Whether the slopes on both sides differ enough for a closer look. Remembered by the line."""
    found: bool | None = line.memo.get("bent")
    if found is None:
        h, sizes = line.step, line.magnitudes
        plus, minus = line.at(h), line.at(-h)
        scale = float(sizes @ np.abs(plus - minus)) / (2 * h)
        bend = float(sizes @ np.abs(plus + minus - 2 * line.value)) / h
        found = line.memo["bent"] = not bend <= _BENT * scale + FACTOR * EPS / h * line.size
    return found


def kink_of(line: Line) -> Kink | None:
    """The kink that F has at the point of a line; None where it looks smooth. Remembered by the line."""
    if "kink" not in line.memo:
        line.memo["kink"] = _find(line)
    found: Kink | None = line.memo["kink"]
    return found


@dataclass(frozen=True, slots=True)
class _Profile:
    """Distances of the slopes on both sides for shrinking steps, until rounding hides them.

    Args:
        steps: the steps.
        apart: their weighted sum over the outputs.
        each: the distances of every output.
    """

    steps: list[float]
    apart: list[float]
    each: list[np.ndarray]


def near_kinks(line: Line) -> np.ndarray:
    """For every output, whether it has a kink at the point or close by. Remembered by the line.

    The slopes on both sides of a smooth function come together eight times as close with every step, those of noise run
    as fast apart; where they stay apart over some range of steps, there is a kink.
    """
    found: np.ndarray | None = line.memo.get("near")
    if found is None:
        each = _profile(line).each
        found = np.zeros(line.value.shape, bool)
        if len(each) >= 3:
            slopes = np.abs(line.at(line.step) - line.at(-line.step)) / (2 * line.step)
            for window in _windows(each):
                found |= _are_steady(window, _LOOSELY) & ~(window.max(axis=0) <= _BENT * slopes)
        line.memo["near"] = found
    return found


def gap_at(line: Line, h: float) -> float:
    """The distance of the slopes on both sides within a step, summed over the outputs with kinks close by."""
    kinked = near_kinks(line)
    if not kinked.any():
        return 0.0
    each = np.abs(line.at(h) + line.at(-h) - 2 * line.value)
    return float(line.magnitudes[kinked] @ each[kinked]) / h


def _windows(rows: list[np.ndarray]) -> list[np.ndarray]:
    """Every three consecutive rows."""
    return [np.stack(rows[k : k + 3]) for k in range(len(rows) - 2)]


def _profile(line: Line) -> _Profile:
    found: _Profile | None = line.memo.get("profile")
    if found is None:
        found = line.memo["profile"] = _Profile([], [], [])
        for exponent in () if line.linear else _EXPONENTS:
            h = 2.0**exponent
            each = np.abs(line.at(h) + line.at(-h) - 2 * line.value) / h
            apart = float(line.magnitudes @ each)
            if not np.isfinite(apart):
                continue
            if found.apart and _RESOLVED * EPS * line.size / h >= max(found.apart):
                break
            found.steps.append(h)
            found.apart.append(apart)
            found.each.append(each)
    return found


def _find(line: Line) -> Kink | None:
    if line.linear:
        return None
    jump = _jump(line)
    if jump is not None:
        return jump
    profile = _profile(line)
    steps, apart = profile.steps, profile.apart
    if len(apart) < 3:
        return None
    last = profile.each[-1]
    counts = line.magnitudes * np.max(profile.each, axis=0) > _SHARE * max(apart)
    # steady over three steps and not gone since; what is gone with the very last step is too close to be told apart
    kinked = np.zeros(last.shape, bool)
    place = 0
    for k, window in enumerate(_windows(profile.each)):
        if apart[k + 2] <= _RESOLVED * EPS * line.size / steps[k + 2] + TINY:
            continue
        found = _are_steady(window) & counts & ((last > _GONE * window[-1]) | (k == len(steps) - 4))
        kinked |= found
        place = k + 2 if found.any() else place
    if not kinked.any():
        return None
    there, smallest = (_sides(line, steps[k], steps[k - 1]) for k in (place, len(steps) - 1))
    left, right = (np.where(kinked, a, b) for a, b in zip(there[:2], smallest[:2], strict=True))
    return Kink(left, right, max(there[2], smallest[2]))


def _sides(line: Line, h: float, wider: float) -> tuple[np.ndarray, np.ndarray, float]:
    """The slopes on both sides from two steps, and the error of their sum."""
    sides = []
    bar = EPS * line.size / h
    for sign in (-1.0, 1.0):
        near, far = ((line.at(sign * s) - line.value) / (sign * s) for s in (h, wider))
        # a kink between the two steps is no curvature
        curved = np.where(np.abs(near - far) <= _CURVED * np.abs(near), near - far, 0.0)
        sides.append(near + curved / (wider / h - 1))
        bar += float(line.magnitudes @ np.abs(curved)) / (wider / h - 1)
    return sides[0], sides[1], bar


def _are_steady(values: np.ndarray, factor: float = _STEADY) -> np.ndarray:
    """For every output, whether three numbers are the same but for a factor, and not zero."""
    low, high = values.min(axis=0), values.max(axis=0)
    return (high <= factor * low) & (low > TINY)


def _jump(line: Line) -> Kink | None:
    """A jump with the slopes beside it: F(h) - F(-h) stays the same as h shrinks, and F stands still on both sides."""
    h = line.step
    each = np.stack([np.abs(line.at(s) - line.at(-s)) for s in (h, h / 8, h / 64)])
    height = float(line.magnitudes @ np.where(_are_steady(each), each.min(axis=0), 0.0))
    if not height > _RESOLVED * EPS * line.size + TINY:
        return None
    sides = []
    bar = 2 * EPS * line.size / h
    for sign in (-1.0, 1.0):
        near, far = ((line.at(2 * s) - line.at(s)) / s for s in (sign * h, sign * 2 * h))
        if not float(line.magnitudes @ np.abs(near)) * h <= _STILL * height:
            return None  # noise
        sides.append(2 * near - far)
        bar += float(line.magnitudes @ np.abs(near - far))
    return Kink(sides[0], sides[1], bar, True)


def judge_kink(line: Line, analytic: float, kink: Kink, subgradient: Subgradient) -> Outcome:
    """Whether the tape's number is an allowed subgradient.

    Every output may take any slope between its own two, so the weighted sum may lie anywhere in the sum of these
    intervals; a convention picks one number for each output that has a kink.

    Args:
        line: the function along an entry.
        analytic: the tape's number.
        kink: its slopes.
        subgradient: "any", a number, or a function (left, right) -> number of the slopes of an output.

    Returns:
        KINK, accepted or not; DOMAIN where there are no slopes.
    """
    if not np.isfinite(kink.bar):
        return Outcome(Verdict.DOMAIN, analytic, note="f is not continuous at {where}")
    w = line.weights
    allowed = FACTOR * kink.bar + TINY
    left, right = w * kink.left, w * kink.right
    low, high = float(np.minimum(left, right).sum()), float(np.maximum(left, right).sum())
    numeric = (low + high) / 2
    if isinstance(subgradient, str):
        accepted = low - allowed <= analytic <= high + allowed
        note = "f jumps here" if kink.jump else ""
    else:
        numeric, note = _conventional(line, kink, subgradient), "the declared convention is demanded"
        accepted = abs(analytic - numeric) <= allowed
    if kink.jump and line.level.order > 1:  # of a kink of f so small that it did not show in f itself
        accepted, note = True, "the derivative of the order below jumps here, so that this one means nothing"
    return Outcome(Verdict.KINK, analytic, numeric, kink.bar, allowed, (low, high), accepted, note)


def _conventional(line: Line, kink: Kink, subgradient: float | Callable[[float, float], float]) -> float:
    """The derivative when every output with a kink follows a convention."""
    gap = np.abs(kink.right - kink.left)
    kinked = gap > max(float(gap.max()) * 1e-3, TINY)
    total = float(line.weights[~kinked] @ ((kink.left + kink.right)[~kinked] / 2))
    for j in np.flatnonzero(kinked):
        left, right = float(kink.left[j] / line.unit), float(kink.right[j] / line.unit)
        slope = subgradient(left, right) if callable(subgradient) else subgradient
        total += float(line.weights[j]) * slope * line.unit
    return total


def hidden_kink(line: Line, outcome: Outcome, recorded: bool) -> Outcome | None:
    """A kink of the parts of f that does not show along the line: relu(x) - relu(-x) at 0, a median of ties.

    There the tape's number is not the slope of f although each rule is right. Beside the point the tape is right, which
    a wrong rule is not. The number is accepted where f has slopes below and above it at points around.

    Args:
        line: the function along an entry.
        outcome: WRONG, with both numbers.
        recorded: which backward gave the analytic one.

    Returns:
        KINK; None where the tape is wrong beside the point, too.
    """
    error = abs(outcome.analytic - outcome.numeric)
    if line.linear or not np.isfinite(error):
        return None
    if not abs(line.tape_slope(0.0, recorded) - outcome.analytic) <= _HIDDEN * error:
        return None  # a matter of memory layout or of chance, not of the point
    for t in (-line.step / 4, line.step / 4):
        if not abs(line.tape_slope(t, recorded) - outcome.numeric) <= _HIDDEN * error:
            return None
    around = [outcome.numeric, *line.level.slopes_around(line.direction, line.weights, _AROUND)]
    low, high = float(np.nanmin(around)), float(np.nanmax(around))
    accepted = low - _HIDDEN * error <= outcome.analytic <= high + _HIDDEN * error
    note = "f is smooth along this line, but made of parts with kinks"
    if not accepted:
        note += ", whose conventions do not add up to a slope that it has anywhere near"
    o = outcome
    return Outcome(Verdict.KINK, o.analytic, o.numeric, o.bar, o.allowed, (low, high), accepted, note)
