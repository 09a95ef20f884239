"""A function along one direction: all that an oracle may ask about."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from .level import Level

H = 2.0**-17
"""The usual step: about the cube root of the machine epsilon; a power of two adds no rounding of its own."""
EPS = float(np.finfo(np.float64).eps)
FACTOR = 16.0
"""How many error bars a right gradient may be off."""
TINY = 1e-300
_NEAR = 2.0**-5

Direction = dict[int, np.ndarray]
"""Position of a point -> how it moves as t grows; points that are not in it stay."""


class Line:
    """t -> F(x + t v), a vector of all outputs; its derivative at t = 0 is wanted, weighted by a cotangent w.

    An oracle compares the tape's number <gradient, v> with what it makes of F along the line.

    Args:
        level: the function and its point.
        direction: v.
        weights: w, one weight an output; the derivative that is wanted is <w, dF/dt>.
        unit: the step that an entry takes at t = 1; numbers are reported per unit.
        linear: F is linear along the line, so that any step is exact.

    Attributes:
        value: F(x).
        size: sum of |w_j F_j(x)|, and what the function of the order below adds to its rounding; more where F is of
            lower precision than float64, in the ratio of their epsilons.
        own: the size without what has been measured of rounding inside F.
        step: a good step for differences.
        memo: what oracles have found out about the line, under their names.
    """

    __slots__ = ("_seen", "direction", "level", "linear", "magnitudes", "memo", "own", "size", "step", "unit", "value",
                 "weights")  # fmt: skip

    def __init__(
        self, level: Level, direction: Direction, weights: np.ndarray, unit: float = 1.0, linear: bool = False
    ) -> None:
        self.level, self.direction, self.weights, self.unit, self.linear = level, direction, weights, unit, linear
        self.value = level.value
        self.magnitudes = np.abs(weights)
        self.size = float(self.magnitudes @ level.rounding) / EPS + level.below
        self.own = self.size
        self.step = 1.0 if linear else H
        self.memo: dict[str, Any] = {}
        self._seen: dict[float, np.ndarray] = {}

    def rougher(self, size: float) -> Line:
        """The same line for a function whose rounding error is EPS * size."""
        line = Line(self.level, self.direction, self.weights, self.unit, self.linear)
        line.size, line._seen = size, self._seen
        line.memo = {"measured": self.memo["measured"]} if "measured" in self.memo else {}
        return line

    def distance(self) -> float:
        """How far the point is from 0 in units of t, at most: it rounds to that times EPS."""
        return max((_largest_ratio(self.level.hosts[i], v) for i, v in self.direction.items()), default=0.0)

    def at(self, t: float) -> np.ndarray:
        """F(x + t v); entries that are not finite where f is not."""
        found = self._seen.get(t)
        if found is None:
            found = self._seen[t] = self.level.moved(self.direction, t)
        return found

    def extent(self) -> float:
        """The largest sum of |w_j F_j| seen near the point."""
        near = [f for t, f in self._seen.items() if abs(t) <= _NEAR]
        seen = [float(self.magnitudes @ np.abs(f)) for f in near]
        return max([self.level.extent, self.own, *(size for size in seen if np.isfinite(size))])

    def change(self) -> float:
        """The largest sum of |w_j (F_j(x + t v) - F_j(x))| seen near the point."""
        near = [f for t, f in self._seen.items() if abs(t) <= _NEAR]
        seen = [float(self.magnitudes @ np.abs(f - self.value)) for f in near]
        return max((size for size in seen if np.isfinite(size)), default=0.0)

    def changing(self) -> np.ndarray:
        """For every output, whether it has been seen to move: no rounding inside the others is in any difference."""
        found = np.zeros(self.value.shape, bool)
        for f in self._seen.values():
            found |= f != self.value
        return found

    @property
    def floor(self) -> float:
        """Differences below this are rounding, however well two numbers that are zero but for rounding agree."""
        return FACTOR * EPS * self.level.extent + TINY

    def at_complex(self, t: complex) -> np.ndarray:
        """F(x + t v) for complex t, f called with raw NumPy arrays of complex numbers.

        Raises:
            Unsupported: f does not take them.
        """
        return self.level.moved_complex(self.direction, t)

    def tape_slope(self, t: float, recorded: bool = False, factor: float = 1.0) -> float:
        """The tape's own number at x + t v, instead of at x.

        Args:
            t: where.
            recorded: by the backward that can be differentiated again.
            factor: from a cotangent of so many times the size.
        """
        return self.level.tape_slope(self.direction, t, self.weights * factor, recorded) / factor

    def descent_slope(self, step: Callable[[list[Any], float], None], rate: float) -> tuple[float, float]:
        """<(before - after) / rate, v> of the points before and after one step of descent on <w, F>, and its rounding.

        Args:
            step: `step(tensors, rate)` moves leaf tensors along their .grad.
            rate: the learning rate.
        """
        return self.level.descent_slope(self.direction, self.weights, step, rate)


def _largest_ratio(x: np.ndarray, v: np.ndarray) -> float:
    moving = v != 0
    return float(np.abs(x[moving] / v[moving]).max(initial=0.0))
