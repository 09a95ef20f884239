"""Surfaces of two parameters to try optimizers on, each with what it is known for.

Sources: Jamil and Yang 2013, "A literature survey of benchmark functions for global optimisation problems"; the
virtual library of simulation experiments at sfu.ca/~ssurjano.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backend.device import provider_of
from ..errors import ShapeError
from ..ops.elementwise import cos, exp, maximum, sqrt
from ..tensor import as_raw

KINDS = ("bowl", "ravine", "local minima", "saddle", "plateau")
_TINY = 1e-30  # float32 holds it


@dataclass(frozen=True)
class Surface:
    """A function of two parameters: `f(x, y)`, or `f(point)` with x and y along the last axis.

    name: its key in SURFACES.
    function: (x, y) -> value, elementwise, of arrays, Tensors or numbers.
    minima: every (x, y) of least value; empty where there is none.
    value: the least value; None where there is none.
    domain: ((x0, x1), (y0, y1)), the part to look at.
    start: where a descent may begin.
    kind: one of KINDS.
    shows: what an optimizer meets here.
    """

    name: str
    function: Callable[[Any, Any], Any]
    minima: tuple[tuple[float, float], ...]
    value: float | None
    domain: tuple[tuple[float, float], tuple[float, float]]
    start: tuple[float, float]
    kind: str
    shows: str

    def __call__(self, x: Any, y: Any = None) -> Any:
        """The height at (x, y), or at points.

        Args:
            x: (...) array, Tensor or number; with y left out, (..., 2) points.
            y: of a shape that broadcasts with x.

        Returns:
            (...) heights, of x's kind and device; differentiable.

        Raises:
            ShapeError: points whose last axis is not 2.
        """
        if y is not None:
            return self.function(x, y)
        points = x if provider_of(as_raw(x)) is not None else np.asarray(x, np.float64)
        if points.ndim == 0 or points.shape[-1] != 2:
            raise ShapeError(f"{self.name}: points must be (..., 2), or x and y apart, got shape {points.shape}")
        return self.function(points[..., 0], points[..., 1])


def _bowl(x: Any, y: Any) -> Any:
    return x * x + y * y


def _ellipse(x: Any, y: Any) -> Any:
    return 0.5 * (x * x + 50 * y * y)


def _rosenbrock(x: Any, y: Any) -> Any:
    return (1 - x) ** 2 + 100 * (y - x * x) ** 2


def _himmelblau(x: Any, y: Any) -> Any:
    return (x * x + y - 11) ** 2 + (x + y * y - 7) ** 2


def _beale(x: Any, y: Any) -> Any:
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def _booth(x: Any, y: Any) -> Any:
    return (x + 2 * y - 7) ** 2 + (2 * x + y - 5) ** 2


def _three_hump_camel(x: Any, y: Any) -> Any:
    return 2 * x**2 - 1.05 * x**4 + x**6 / 6 + x * y + y * y


def _six_hump_camel(x: Any, y: Any) -> Any:
    return 4 * x**2 - 2.1 * x**4 + x**6 / 3 + x * y - 4 * y**2 + 4 * y**4


def _rastrigin(x: Any, y: Any) -> Any:
    return 20 + x * x - 10 * cos(2 * math.pi * x) + y * y - 10 * cos(2 * math.pi * y)


def _ackley(x: Any, y: Any) -> Any:
    # sqrt has no slope at 0, where the minimum is; below the tiny bound the slope is 0, as at the tip of |x|
    distance = sqrt(maximum(0.5 * (x * x + y * y), _TINY))
    waves = 0.5 * (cos(2 * math.pi * x) + cos(2 * math.pi * y))
    return 20 - 20 * exp(-0.2 * distance) + math.e - exp(waves)


def _saddle(x: Any, y: Any) -> Any:
    return x * x - y * y


def _monkey_saddle(x: Any, y: Any) -> Any:
    return x**3 - 3 * x * y * y


def _plateau(x: Any, y: Any) -> Any:
    return 1 - exp(-(x * x + y * y))


def _styblinski_tang(x: Any, y: Any) -> Any:
    return 0.5 * (x**4 - 16 * x**2 + 5 * x + y**4 - 16 * y**2 + 5 * y)


def _square(half: float) -> tuple[tuple[float, float], tuple[float, float]]:
    return ((-half, half), (-half, half))


_HIMMELBLAU = (
    (3.0, 2.0),
    (-2.805118086952745, 3.131312518250573),
    (-3.779310253377747, -3.283185991286169),
    (3.584428340330492, -1.848126526964404),
)
_CAMEL = (0.08984201310031806, -0.7126564030207396)
_TANG = -2.903534027771177

_ROWS = (
    Surface("bowl", _bowl, ((0.0, 0.0),), 0.0, _square(3), (2.0, -1.5), "bowl", "the easiest of all: every step helps"),
    Surface(
        "ellipse", _ellipse, ((0.0, 0.0),), 0.0, _square(3), (-2.5, 1.0), "ravine",
        "curvatures 1 and 50: plain descent zigzags, momentum helps",
    ),
    Surface(
        "rosenbrock", _rosenbrock, ((1.0, 1.0),), 0.0, ((-2.0, 2.0), (-1.0, 3.0)), (-1.5, 2.0), "ravine",
        "a bent, almost flat valley, quick to find and slow to follow",
    ),
    Surface(
        "himmelblau", _himmelblau, _HIMMELBLAU, 0.0, _square(5), (0.0, -4.0), "local minima",
        "four minima of one height: the start decides which",
    ),
    Surface(
        "beale", _beale, ((3.0, 0.5),), 0.0, _square(4.5), (1.0, 1.5), "plateau",
        "steep walls around a flat middle",
    ),
    Surface(
        "booth", _booth, ((1.0, 3.0),), 0.0, _square(10), (-8.0, -6.0), "bowl", "a tilted quadratic of condition 9"
    ),
    Surface(
        "three_hump_camel", _three_hump_camel, ((0.0, 0.0),), 0.0, _square(2.5), (-2.2, 1.5), "local minima",
        "a low minimum between two higher ones",
    ),
    Surface(
        "six_hump_camel", _six_hump_camel, (_CAMEL, (-_CAMEL[0], -_CAMEL[1])), -1.0316284534898774,
        ((-2.0, 2.0), (-1.0, 1.0)), (-1.8, 0.2), "local minima", "six minima, two of them lowest",
    ),
    Surface(
        "rastrigin", _rastrigin, ((0.0, 0.0),), 0.0, _square(5.12), (3.3, -2.4), "local minima",
        "a bowl full of dents, one at every pair of whole numbers",
    ),
    Surface(
        "ackley", _ackley, ((0.0, 0.0),), 0.0, _square(5), (-3.5, 2.6), "local minima",
        "small dents on a slope that leads to a sharp tip",
    ),
    Surface(
        "saddle", _saddle, (), None, _square(2), (1.5, 1e-3), "saddle",
        "flat at the origin, down without end along y: what is slow to leave the axis",
    ),
    Surface(
        "monkey_saddle", _monkey_saddle, (), None, _square(2), (1.5, 1e-2), "saddle",
        "slope and curvature are both 0 at the origin; three ways lead down",
    ),
    Surface(
        "plateau", _plateau, ((0.0, 0.0),), 0.0, _square(4), (2.0, 1.5), "plateau",
        "a hole in a plain whose slope fades to nothing",
    ),
    Surface(
        "styblinski_tang", _styblinski_tang, ((_TANG, _TANG),), -78.33233140754282, _square(5), (4.0, 0.1),
        "local minima", "four minima, one of them lowest",
    ),
)  # fmt: skip
SURFACES = {surface.name: surface for surface in _ROWS}
"""Every surface by its name."""
