"""Sine, cosine, tangent, their inverses, angles, and sinc."""

from __future__ import annotations

import math
from typing import Any

from ..backend.device import HOST
from ..core.op import Op
from .arguments import as_operand
from .powers import sqrt

_DEGREE = math.pi / 180

sin = Op("sin", lambda xp, x: xp.sin(x), saves=(0,), doc="The sine, elementwise, of radians.")
sin.defvjp(lambda g, out, x: g * cos(x))

cos: Op = Op("cos", lambda xp, x: xp.cos(x), saves=(0,), doc="The cosine, elementwise, of radians.")
cos.defvjp(lambda g, out, x: -g * sin(x))

tan = Op("tan", lambda xp, x: xp.tan(x), saves=("out",), doc="The tangent, elementwise, of radians.")
tan.defvjp(lambda g, out, x: g * (1 + out * out))

# (1 - x) (1 + x) where 1 - x**2 would cancel near 1
arcsin = Op("arcsin", lambda xp, x: xp.arcsin(x), saves=(0,), doc="The inverse sine, elementwise, in radians.")
arcsin.defvjp(lambda g, out, x: g / sqrt((1 - x) * (1 + x)))

arccos = Op("arccos", lambda xp, x: xp.arccos(x), saves=(0,), doc="The inverse cosine, elementwise, in radians.")
arccos.defvjp(lambda g, out, x: -g / sqrt((1 - x) * (1 + x)))


def _one_plus_square(xp: Any, x: Any) -> Any:
    with HOST.xp.errstate(over="ignore"):  # of which 1 / inf = 0 is left
        return 1 + x * x


one_plus_square = Op("one_plus_square", _one_plus_square, saves=(0,), doc="1 + x**2, elementwise: a silent inf.")
one_plus_square.defvjp(lambda g, out, x: g * (2 * x))

arctan = Op("arctan", lambda xp, x: xp.arctan(x), saves=(0,), doc="The inverse tangent, elementwise, in radians.")
arctan.defvjp(lambda g, out, x: g / one_plus_square(x))


def _inverse(xp: Any, x: Any, y: Any) -> Any:
    with HOST.xp.errstate(all="ignore"):
        size = xp.maximum(xp.absolute(x), xp.absolute(y))
        a, b = x / size, y / size
        b *= b
        b += a * a
        b *= size
        a /= b
        return xp.where(xp.logical_or(xp.equal(size, 0), xp.isinf(size)), 0.0, a)


inverse = Op(
    "inverse",
    _inverse,
    saves=(0, 1),
    broadcasts=True,
    doc="x / (x**2 + y**2) without overflow, the real part of 1 / (x + iy); 0 at (0, 0) and far out.",
)
# 1 / z has the derivative -(1 / z)**2
inverse.defvjp(
    lambda g, out, x, y: g * ((inverse(y, x) - inverse(x, y)) * (inverse(y, x) + inverse(x, y))),
    lambda g, out, x, y: g * (inverse(x, y) * inverse(y, x) * -2),
)

arctan2 = Op(
    "arctan2",
    lambda xp, y, x: xp.arctan2(y, x),
    saves=(0, 1),
    broadcasts=True,
    doc="The angle of the point (x, y), elementwise with broadcasting, y first; slope 0 at (0, 0).",
)
arctan2.defvjp(lambda g, out, y, x: g * inverse(x, y), lambda g, out, y, x: -g * inverse(y, x))

deg2rad = Op("deg2rad", lambda xp, x: xp.deg2rad(x), saves=(), doc="Degrees in radians, elementwise.")
deg2rad.defvjp(lambda g, out, x: g * _DEGREE)

rad2deg = Op("rad2deg", lambda xp, x: xp.rad2deg(x), saves=(), doc="Radians in degrees, elementwise.")
rad2deg.defvjp(lambda g, out, x: g / _DEGREE)


# --- sinc -------------------------------------------------------------------------------------------------------------
# With the spherical Bessel functions j_n, f_n(z) = j_n(z) / z**n has the slope -z f_{n+1}(z), and f_0 = sin(z) / z.


def _bessel_ratio(xp: Any, x: Any, *, n: int) -> Any:
    """f_n(pi x) for n > 0: its power series near 0, the recurrence in n elsewhere."""
    z = xp.multiply(x, math.pi)
    squared = z * z
    edge = (0.5 + 0.5 * n) ** 2
    near, far = xp.minimum(squared, edge), xp.maximum(squared, edge)
    series: Any = 1.0
    for k in range(9 + n, 0, -1):
        series = 1 - near / (2 * k * (2 * n + 2 * k + 1)) * series
    series = series / math.prod(range(1, 2 * n + 2, 2))
    lower, f = xp.cos(z), xp.sinc(x)  # f_{-1} = cos(z)
    for i in range(n):
        lower, f = f, ((2 * i + 1) * f - lower) / far
    inside = squared < edge  # both are finite, and products with a mask are quicker than where
    return series * inside + f * xp.logical_not(inside)


sinc_slope = Op("sinc_slope", _bessel_ratio, saves=(0,), doc="What the derivatives of sinc are made of.")
sinc_slope.defvjp(lambda g, out, x, *, n: g * (x * (-(math.pi**2) * sinc_slope(x, n=n + 1))))

sinc = Op(
    "sinc",
    lambda xp, x: xp.sinc(x),
    saves=(0,),
    doc="sin(pi x) / (pi x), elementwise, 1 at 0; the derivatives are accurate there too.",
)
sinc.defvjp(lambda g, out, x: g * (x * (-(math.pi**2) * sinc_slope(x, n=1))))


# --- angles along an axis ---------------------------------------------------------------------------------------------

unwrap_ = Op(
    "unwrap",
    lambda xp, p, *, discont, axis, period: xp.unwrap(p, discont, axis, period=period),
    saves=(),
)
unwrap_.defvjp(lambda g, out, p, **params: g)


def unwrap(p: Any, discont: float | None = None, axis: int = -1, *, period: float = 2 * math.pi) -> Any:
    """p plus multiples of the period, so that no step along an axis is larger than half a period.

    The multiples are constants to the gradient.

    Args:
        p: array or Tensor of at least one dimension.
        discont: the largest step that is left alone; None for half a period, the least there can be.
        axis: along which to go.
        period: of the values.

    Returns:
        An array, or a Tensor where p is one, of the shape of p.
    """
    return unwrap_(as_operand(p), discont=discont, axis=axis, period=period)


asin, acos, atan, atan2 = arcsin, arccos, arctan, arctan2
radians, degrees = deg2rad, rad2deg

NUMPY = (
    "sin", "cos", "tan", "arcsin", "arccos", "arctan", "arctan2", "asin", "acos", "atan", "atan2", "deg2rad", "rad2deg",
    "radians", "degrees", "sinc", "unwrap",
)  # fmt: skip
