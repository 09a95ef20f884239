"""A float32 or float16 backward, judged against the float64 backward which was itself checked.

Differences in low precision say nothing, so the numbers to compare with are the float64 gradients of the same
function at the same point. How far rounding may take the two apart is estimated first from the size of the
gradients; where that is not enough it is measured, as the spread of their distance over points a few roundings away:
rounding is different at each of them, a wrong rule is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..backend.array import to_host
from ..core.variable import wrap
from .contract import fault, fits
from .level import Level
from .tape import Derivative, Evaluate, flat, leaf, pull
from .verdict import Finding, Outcome, Verdict

_FACTOR = 32.0  # roundings
_SPREADS = 4.0
_LOOKS = 4
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
            for limit, extra in zip(allowed, self._measured(level, low, high), strict=True):
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

    def _measured(self, level: Level, low: list[np.ndarray], high: list[np.ndarray]) -> list[np.ndarray]:
        """What rounding does to the distance of the two gradients, entry by entry."""
        rng = level.noise_rng()
        roundings = 64 if self.eps < 1e-4 else 4
        apart = [[a - b] for a, b in zip(low, high, strict=True)]
        moves = [np.zeros_like(b) for b in high]
        for _ in range(_LOOKS):
            signs = [rng.integers(-roundings, roundings + 1, size=p.shape) * self.eps for p in self.points]
            hosts = [np.asarray(to_host(p)) for p in self.points]
            there = [
                level.put((h + h * s).astype(h.dtype), i) for i, (h, s) in enumerate(zip(hosts, signs, strict=True))
            ]
            _, in_low = self._tape(there, level)
            leaves = [leaf(p.astype(np.float64)) for p in there]
            outs = level.evaluate(leaves, True)
            in_high = pull(leaves, outs, [wrap(w) for w in level.cotangents], create_graph=False)
            for i, (a, b) in enumerate(zip(in_low, in_high, strict=True)):
                apart[i].append(flat([a]) - flat([b]))
                moves[i] = np.maximum(moves[i], np.abs(flat([b]) - high[i]) / roundings)
        return [
            _SPREADS * np.nan_to_num(np.ptp(np.stack(distances), axis=0), nan=np.inf) + _FACTOR * moved
            for distances, moved in zip(apart, moves, strict=True)
        ]

    def _finding(self, level: Level, i: int, a: np.ndarray, b: np.ndarray, allowed: np.ndarray) -> Finding:
        """The first entry that is wrong, or the one that comes closest to it."""
        used = np.abs(a - b) / np.maximum(allowed, 1e-300)
        k = int(np.argmax(used > 1)) if (used > 1).any() else int(np.argmax(used))
        size = float(np.abs(level.weights) @ np.abs(level.recorded_value))
        verdict = Verdict.OK
        if not used[k] <= 1:
            verdict = Verdict.WRONG
        elif allowed[k] > _RESOLUTION * _largest(b) and allowed[k] > _FLAT_RESOLUTION * size:
            verdict = Verdict.NOISY
        note = "beside the float64 gradient, which was checked"
        outcome = Outcome(verdict, float(a[k]), float(b[k]), float(allowed[k]) / _FACTOR, float(allowed[k]), note=note)
        index = tuple(int(n) for n in np.unravel_index(k, self.points[i].shape))
        position = level.positions[i] if i < level.curved else -1
        return Finding(outcome, level.names[i], position, f"entry {index}", index, level.order, self.path, "float64")


def _largest(values: np.ndarray) -> float:
    return float(np.abs(values).max(initial=0.0))
