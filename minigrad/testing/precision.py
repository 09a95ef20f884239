"""A float32 or float16 backward, judged against the float64 backward which was itself checked.

Differences in low precision say nothing, so the numbers to compare with are the float64 gradients of the same
function at the same point. How far rounding may take the two apart is estimated first from the size of the
gradients; where that is not enough it is measured by stochastic arithmetic: the float64 gradient is computed again
with a rounding error of the low precision, of random size, in the result of every operation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..core.variable import wrap
from .contract import fault, fits
from .level import Level
from .stochastic import looks
from .tape import Derivative, Evaluate, flat, leaf, pull
from .verdict import Finding, Outcome, Verdict

_FACTOR = 32.0  # roundings
_SPREADS = 8.0
_LOOKS = 6
_RESOLUTION = 0.1
_FLAT_RESOLUTION = 1e-3


class LowPrecision:
    """The same function in the dtypes it was given in, order by order.

    Args:
        evaluate: f on tensors of the given dtypes.
        points: its arguments as raw arrays in their own dtypes.
    """

    def __init__(self, evaluate: Evaluate, points: Sequence[Any]) -> None:
        self.evaluate, self.points = evaluate, list(points)
        shortest = min((p.dtype for p in points), key=lambda dtype: dtype.itemsize)
        self.eps = float(np.finfo(shortest).eps)
        self.path = f" in {shortest}"

    def check(self, level: Level) -> Iterator[Finding]:
        """Findings at one order; `level` has run on the same points in float64."""
        outs, gradients = self._tape(self.points, level)
        if not outs or not all(np.isfinite(flat([t])).all() for t in [*outs, *gradients]):
            if all(np.isfinite(flat([g])).all() for g in level.gradients):
                yield fault(level, None, Verdict.DOMAIN, f"f is finite in float64, but not{self.path}", self.path)
            return
        misfits = list(fits(level, gradients, self.points, self.path))
        yield from misfits
        if misfits:
            return
        low, high = [flat([g]) for g in gradients], [flat([g]) for g in level.gradients]
        allowed = [_FACTOR * self.eps * (np.abs(g) + _largest(g)) for g in high]
        if any((np.abs(a - b) > limit).any() for a, b, limit in zip(low, high, allowed, strict=True)):
            for limit, extra in zip(allowed, self._measured(level, high), strict=True):
                limit += extra
        for i, (a, b, limit) in enumerate(zip(low, high, allowed, strict=True)):
            if a.size:
                yield self._finding(level, i, a, b, limit)

    def advance(self, level: Level) -> None:
        """Go on to the gradients, as functions of the points and of the level's cotangents."""
        cotangents = [w.astype(dtype) for w, dtype in zip(level.cotangents, self._dtypes, strict=True)]
        self.evaluate = Derivative(self.evaluate, len(self.points))
        self.points = self.points + cotangents

    def _tape(self, points: Sequence[Any], level: Level) -> tuple[list[Any], list[Any]]:
        leaves = [leaf(p) for p in points]
        outs = self.evaluate(leaves, True)
        self._dtypes = [o.dtype for o in outs]
        seeds = [wrap(w.astype(dtype)) for w, dtype in zip(level.cotangents, self._dtypes, strict=True)]
        return outs, pull(leaves, outs, seeds, create_graph=False)

    def _measured(self, level: Level, high: list[np.ndarray]) -> list[np.ndarray]:
        """What rounding in the low precision does to the gradients, entry by entry."""
        rng = level.noise_rng()
        moves = [np.zeros_like(b) for b in high]
        for _, found in looks(level, [wrap(w) for w in level.cotangents], self.eps, rng, _LOOKS):
            for i, g in enumerate(found):
                moves[i] = np.maximum(moves[i], np.nan_to_num(np.abs(g - high[i]), nan=np.inf))
        return [_SPREADS * moved for moved in moves]

    def _finding(self, level: Level, i: int, a: np.ndarray, b: np.ndarray, allowed: np.ndarray) -> Finding:
        """The first entry that is wrong, or the one that comes closest to it."""
        used = np.abs(a - b) / np.maximum(allowed, 1e-300)
        k = int(np.argmax(used > 1)) if (used > 1).any() else int(np.argmax(used))
        verdict = Verdict.OK
        if not used[k] <= 1:
            verdict = Verdict.WRONG
        elif allowed[k] > _RESOLUTION * _largest(b) and allowed[k] > _FLAT_RESOLUTION * level.extent:
            verdict = Verdict.NOISY
        note = "beside the float64 gradient, which was checked"
        outcome = Outcome(verdict, float(a[k]), float(b[k]), float(allowed[k]) / _FACTOR, float(allowed[k]), note=note)
        index = tuple(int(n) for n in np.unravel_index(k, self.points[i].shape))
        position = level.positions[i] if i < level.curved else -1
        return Finding(outcome, level.names[i], position, f"entry {index}", index, level.order, self.path, "float64")


def _largest(values: np.ndarray) -> float:
    return float(np.abs(values).max(initial=0.0))
