"""What holds exactly of every gradient, without a reference: shape, dtype, device, determinism, linearity."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..backend.array import to_host
from ..backend.device import device_of
from ..core.variable import wrap
from .level import Level
from .line import EPS, FACTOR
from .stochastic import looks
from .tape import flat
from .verdict import Finding, Outcome, Verdict

_LINEAR = 1e-6  # a rule that is not linear is off by far more; rounding in an ill-conditioned one by less
_NEARLY_ZERO = 1e-9  # gradients of this size, relative to f, may be made of rounding alone
_SAME_VALUE = 1e-4
_LOOKS = 6


def fault(level: Level, i: int | None, verdict: Verdict, note: str, path: str = "") -> Finding:
    """A finding about a whole argument, or about f where `i` is None."""
    name = "f" if i is None else level.names[i]
    position = -1 if i is None or i >= level.curved else level.positions[i]
    return Finding(Outcome(verdict, note=note), name, position, "", None, level.order, path)


def contract(level: Level, unmodified: Sequence[np.ndarray]) -> Iterator[Finding]:
    """Every breach of the contract at one order; `level` has run.

    Args:
        level: function, point and gradients.
        unmodified: copies of what the points were before.
    """
    yield from modified(level, unmodified)
    yield from fits(level, level.gradients)
    cotangents, gradients = level.cotangents, level.gradients
    for i, (g, other) in enumerate(zip(gradients, level.pulled(cotangents), strict=True)):
        if not np.array_equal(flat([g]), flat([other]), equal_nan=True):
            note = (
                f"two backward passes gave different gradients of {level.names[i]}: "
                "not deterministic, or a saved value was modified"
            )
            yield fault(level, i, Verdict.NONDETERMINISTIC, note)
    for i, (g, none) in enumerate(zip(gradients, level.pulled([w * 0 for w in cotangents]), strict=True)):
        if flat([none])[np.isfinite(flat([g]))].any():  # 0 times an infinite slope is nan
            note = f"a zero cotangent gave a gradient of {level.names[i]} that is not zero"
            yield fault(level, i, Verdict.WRONG, note)
    if level.order == 1:  # at higher orders the cotangents are arguments, and this is among what differences check
        yield from _linear(level)
    yield from _value(level)
    yield from modified(level, unmodified)


def modified(level: Level, unmodified: Sequence[np.ndarray]) -> Iterator[Finding]:
    """Points that f or its backward has written to."""
    for i, (old, new) in enumerate(zip(unmodified, level.points, strict=False)):
        if not np.array_equal(old, to_host(new), equal_nan=True):
            yield fault(level, i, Verdict.WRONG, f"{level.names[i]} was modified by f or by its backward")


def fits(
    level: Level, gradients: Sequence[Any], points: Sequence[Any] | None = None, path: str = ""
) -> Iterator[Finding]:
    """Gradients of another shape, dtype or device than their points."""
    for i, (p, g) in enumerate(zip(level.points if points is None else points, gradients, strict=True)):
        got, due = (g.shape, g.dtype, g.device), (p.shape, p.dtype, device_of(p))
        if got != due:
            note = f"gradient of {level.names[i]} has shape, dtype, device {got}; {due} is due"
            yield fault(level, i, Verdict.WRONG, note, path)


def _linear(level: Level) -> Iterator[Finding]:
    """gradient(w - 2u) = gradient(w) - 2 gradient(u), for another cotangent u."""
    others = level.draw_cotangents()
    floor = _NEARLY_ZERO * float(np.abs(level.weights) @ np.abs(level.recorded_value))
    second = level.pulled(others)
    both = level.pulled([w - 2 * u for w, u in zip(level.cotangents, others, strict=True)])
    for i, (g, h, sum_) in enumerate(zip(level.gradients, second, both, strict=True)):
        a, b, c = flat([g]), flat([h]), flat([sum_])
        scale = float(np.abs(a).max(initial=0.0) + 2 * np.abs(b).max(initial=0.0))
        error, allowed = np.abs(c - (a - 2 * b)), _LINEAR * scale + floor
        if not np.isfinite(scale) or (error <= allowed).all():
            continue
        if not (error <= FACTOR * _noise(level)[i] + allowed).all():
            note = f"the gradient of {level.names[i]} is not linear in the cotangent"
            yield fault(level, i, Verdict.WRONG, note)


def _noise(level: Level) -> list[np.ndarray]:
    """What rounding does to every entry of the gradients: the most of some looks."""
    rng, cotangents = level.noise_rng(), [wrap(w) for w in level.cotangents]
    found = [gradients for _, gradients in looks(level, cotangents, EPS, rng, _LOOKS)]
    usual = [flat([g]) for g in level.gradients]
    return [np.max([np.abs(g[i] - u) for g in found], axis=0, initial=0.0) for i, u in enumerate(usual)]


def _value(level: Level) -> Iterator[Finding]:
    """The value does not depend on whether it is recorded, nor on chance."""
    value = level.evaluate_plainly()
    recorded = level.recorded_value
    if value.shape == recorded.shape and np.array_equal(value, recorded):
        return
    if not np.array_equal(value, level.evaluate_plainly(), equal_nan=True):
        yield fault(level, None, Verdict.NONDETERMINISTIC, "f gave different values at the same point")
    elif value.shape != recorded.shape or not np.allclose(value, recorded, _SAME_VALUE, _SAME_VALUE * _size(recorded)):
        yield fault(level, None, Verdict.WRONG, "f gives another value where it is recorded")


def _size(values: np.ndarray) -> float:
    return float(np.abs(values).max(initial=0.0))
