"""Elementwise operations: arithmetic, powers, exponentials, hyperbolic and trigonometric functions, selection.

Kinks and ties: |x|' = 0 at 0; maximum and minimum split the gradient in halves on a tie; relu'(0) = 0;
clip passes the gradient at its bounds.
"""

from __future__ import annotations

import math
from typing import Any

from ..backend.device import HOST, provider_of
from ..core.op import Op
from ..core.variable import Variable
from ..errors import GraphError

add = Op("add", lambda xp, x, y: x + y, saves=(), broadcasts=True, doc="x + y, elementwise with broadcasting.")
add.defvjp(lambda g, out, x, y: g, lambda g, out, x, y: g)

subtract = Op(
    "subtract", lambda xp, x, y: x - y, saves=(), broadcasts=True, doc="x - y, elementwise with broadcasting."
)
subtract.defvjp(lambda g, out, x, y: g, lambda g, out, x, y: -g)

multiply = Op(
    "multiply", lambda xp, x, y: x * y, saves=(0, 1), broadcasts=True, doc="x * y, elementwise with broadcasting."
)
multiply.defvjp(lambda g, out, x, y: g * y, lambda g, out, x, y: g * x)

divide = Op(
    "divide", lambda xp, x, y: x / y, saves=(1, "out"), broadcasts=True, doc="x / y, elementwise with broadcasting."
)
divide.defvjp(lambda g, out, x, y: g / y, lambda g, out, x, y: g * out / -y)

negative = Op("negative", lambda xp, x: -x, saves=(), doc="-x, elementwise.")
negative.defvjp(lambda g, out, x: -g)

# where() keeps nan out of the branch not taken: a plain product would turn inf * 0 into nan.
where = Op(
    "where",
    lambda xp, condition, x, y: xp.where(condition, x, y),
    saves=(0,),
    broadcasts=True,
    doc="x where condition is true, else y, elementwise with broadcasting.",
)
where.defvjp(
    None,
    lambda g, out, condition, x, y: where(condition, g, 0.0),
    lambda g, out, condition, x, y: where(condition, 0.0, g),
)


# --- not differentiable: the gradient is zero wherever it exists ------------------------------------------------


def _constant(name: str, symbol: str, forward: Any) -> Op:
    return Op(name, forward, saves=(), differentiable=False, doc=f"{symbol}, elementwise; carries no gradient.")


equal = _constant("equal", "x == y", lambda xp, x, y: xp.equal(x, y))
not_equal = _constant("not_equal", "x != y", lambda xp, x, y: xp.not_equal(x, y))
less = _constant("less", "x < y", lambda xp, x, y: xp.less(x, y))
less_equal = _constant("less_equal", "x <= y", lambda xp, x, y: xp.less_equal(x, y))
greater = _constant("greater", "x > y", lambda xp, x, y: xp.greater(x, y))
greater_equal = _constant("greater_equal", "x >= y", lambda xp, x, y: xp.greater_equal(x, y))
logical_not = _constant("logical_not", "not x", lambda xp, x: xp.logical_not(x))
sign = _constant("sign", "-1, 0 or 1", lambda xp, x: xp.sign(x))
isfinite = _constant("isfinite", "neither inf nor nan", lambda xp, x: xp.isfinite(x))


# --- powers -------------------------------------------------------------------------------------------------------

square = Op("square", lambda xp, x: x * x, saves=(0,), doc="x**2, elementwise.")
square.defvjp(lambda g, out, x: g * (2 * x))

sqrt = Op("sqrt", lambda xp, x: xp.sqrt(x), saves=("out",), doc="The square root, elementwise.")
sqrt.defvjp(lambda g, out, x: g * 0.5 / out)

reciprocal = Op("reciprocal", lambda xp, x: 1 / x, saves=("out",), doc="1 / x, elementwise.")
reciprocal.defvjp(lambda g, out, x: -g * out * out)


def _scalar_power_vjp(g: Any, out: Any, x: Any, *, exponent: float) -> Any:
    # exponent 0 gives 0 everywhere, also at x = 0 where 0 * x**-1 would be nan
    return g * 0.0 if exponent == 0 else g * (exponent * scalar_power(x, exponent=exponent - 1))


scalar_power = Op(
    "scalar_power",
    lambda xp, x, *, exponent: x**exponent,
    saves=(0,),
    doc="x**exponent for a Python number, elementwise: n x**(n-1) needs no logarithm, so it holds for x <= 0 too.",
)
scalar_power.defvjp(_scalar_power_vjp)

power_ = Op("power", lambda xp, x, y: xp.power(x, y), saves=(0, 1, "out"), broadcasts=True)
power_.defvjp(
    # x**(y-1) is evaluated at y = 1 where y = 0: the factor y makes it 0, and 0 * inf never arises at x = 0
    lambda g, out, x, y: g * (y * power_(x, where(equal(y, 0), y, y - 1))),
    # 0**y has slope 0 in y; log(1) stands in for log(0)
    lambda g, out, x, y: g * (out * log(where(equal(x, 0), x + 1, x))),
)


scalar_base_ = Op("scalar_base", lambda xp, x, *, base: base**x, saves=("out",))
scalar_base_.defvjp(
    lambda g, out, x, *, base: g * (out * (math.log(base) if base > 0 else 0.0 if base == 0 else math.nan))
)


def power(x: Any, y: Any) -> Any:
    """x**y, elementwise with broadcasting.

    d/dx = y x**(y-1), d/dy = x**y log x (0 at x = 0).

    Args:
        x: base, array or Tensor.
        y: exponent; a Python number takes the rule that needs no logarithm.

    Returns:
        An array, or a Tensor where an operand is one.
    """
    if type(y) in (int, float):
        return square(x) if y == 2 else scalar_power(x, exponent=y)
    if type(x) in (int, float):  # a 0-d array made of x would be float64 and promote a float32 exponent
        return scalar_base_(y, base=x)
    return power_(x, y)


# --- exponentials ---------------------------------------------------------------------------------------------------

exp = Op("exp", lambda xp, x: xp.exp(x), saves=("out",), doc="e**x, elementwise.")
exp.defvjp(lambda g, out, x: g * out)

expm1 = Op("expm1", lambda xp, x: xp.expm1(x), saves=("out",), doc="e**x - 1, elementwise, accurate near 0.")
expm1.defvjp(lambda g, out, x: g * (out + 1))

log: Op = Op("log", lambda xp, x: xp.log(x), saves=(0,), doc="The natural logarithm, elementwise.")
log.defvjp(lambda g, out, x: g / x)

log1p = Op("log1p", lambda xp, x: xp.log1p(x), saves=(0,), doc="log(1 + x), elementwise, accurate near 0.")
log1p.defvjp(lambda g, out, x: g / (1 + x))

log2 = Op("log2", lambda xp, x: xp.log2(x), saves=(0,), doc="The base-2 logarithm, elementwise.")
log2.defvjp(lambda g, out, x: g / (x * 0.6931471805599453))

log10 = Op("log10", lambda xp, x: xp.log10(x), saves=(0,), doc="The base-10 logarithm, elementwise.")
log10.defvjp(lambda g, out, x: g / (x * 2.302585092994046))


# --- trigonometric and hyperbolic -----------------------------------------------------------------------------------

sin = Op("sin", lambda xp, x: xp.sin(x), saves=(0,), doc="The sine, elementwise, of radians.")
sin.defvjp(lambda g, out, x: g * cos(x))

cos: Op = Op("cos", lambda xp, x: xp.cos(x), saves=(0,), doc="The cosine, elementwise, of radians.")
cos.defvjp(lambda g, out, x: -g * sin(x))

tan = Op("tan", lambda xp, x: xp.tan(x), saves=("out",), doc="The tangent, elementwise, of radians.")
tan.defvjp(lambda g, out, x: g * (1 + out * out))

sinh = Op("sinh", lambda xp, x: xp.sinh(x), saves=(0,), doc="The hyperbolic sine, elementwise.")
sinh.defvjp(lambda g, out, x: g * cosh(x))

cosh: Op = Op("cosh", lambda xp, x: xp.cosh(x), saves=(0,), doc="The hyperbolic cosine, elementwise.")
cosh.defvjp(lambda g, out, x: g * sinh(x))

tanh = Op("tanh", lambda xp, x: xp.tanh(x), saves=("out",), doc="The hyperbolic tangent, elementwise.")
tanh.defvjp(lambda g, out, x: g - g * (out * out))

arctan = Op("arctan", lambda xp, x: xp.arctan(x), saves=(0,), doc="The inverse tangent, elementwise, in radians.")
arctan.defvjp(lambda g, out, x: g / (1 + x * x))


def _erf(xp: Any, x: Any) -> Any:
    return (provider_of(x) or HOST).erf(x)


erf = Op("erf", _erf, saves=(0,), doc="The error function 2/sqrt(pi) int_0^x exp(-t**2) dt, elementwise.")
erf.defvjp(lambda g, out, x: g * (1.1283791670955126 * exp(-(x * x))))


# --- piecewise ------------------------------------------------------------------------------------------------------

absolute = Op("abs", lambda xp, x: xp.abs(x), saves=(0,), doc="|x|, elementwise; slope 0 at 0.")
absolute.defvjp(lambda g, out, x: g * sign(x))


def _share(x: Any, y: Any) -> Any:
    """1 where x > y, 1/2 on ties, 0 elsewhere, in the dtype that the op's result has."""
    return where(greater(x, y), 1.0, where(equal(x, y), 0.5, 0.0))


maximum = Op(
    "maximum",
    lambda xp, x, y: xp.maximum(x, y),
    saves=(0, 1),
    broadcasts=True,
    doc="The larger of x and y, elementwise with broadcasting; ties split the gradient in halves.",
)
maximum.defvjp(
    lambda g, out, x, y: g * _share(x, y).astype(g.dtype), lambda g, out, x, y: g * _share(y, x).astype(g.dtype)
)

minimum = Op(
    "minimum",
    lambda xp, x, y: xp.minimum(x, y),
    saves=(0, 1),
    broadcasts=True,
    doc="The smaller of x and y, elementwise with broadcasting; ties split the gradient in halves.",
)
minimum.defvjp(
    lambda g, out, x, y: g * _share(y, x).astype(g.dtype), lambda g, out, x, y: g * _share(x, y).astype(g.dtype)
)

_clip = Op("clip", lambda xp, x, *, low, high: xp.clip(x, low, high), saves=(0,))


def _clip_vjp(g: Any, out: Any, x: Any, *, low: Any, high: Any) -> Any:
    if low is not None:
        g = where(greater_equal(x, low), g, 0.0)
    return g if high is None else where(less_equal(x, high), g, 0.0)


_clip.defvjp(_clip_vjp)


def clip(x: Any, a_min: Any = None, a_max: Any = None) -> Any:
    """min(max(x, a_min), a_max), elementwise; the gradient passes inside and at the bounds.

    Args:
        x: array or Tensor.
        a_min: lower bound, a constant that broadcasts to x, or None.
        a_max: upper bound, likewise.

    Returns:
        An array, or a Tensor where x is one.

    Raises:
        ValueError: both bounds are None.
        GraphError: a bound is a tracked Tensor.
    """
    if a_min is None and a_max is None:
        raise ValueError("clip: give a_min, a_max or both")
    return _clip(x, low=_bound(a_min), high=_bound(a_max))


def _bound(bound: Any) -> Any:
    """A bound of clip as a raw value; a Tensor's is copied, for the rule reads it as it was."""
    if not isinstance(bound, Variable):
        return bound
    if bound._node is not None:
        raise GraphError("clip: a bound is a constant; use maximum and minimum, or pass .detach()")
    return bound._data.copy()


relu = Op("relu", lambda xp, x: xp.maximum(x, 0), saves=("out",), doc="max(x, 0), elementwise; slope 0 at 0.")
relu.defvjp(lambda g, out, x: g * (out > 0))


def _sigmoid(xp: Any, x: Any) -> Any:
    e = xp.exp(-xp.abs(x))  # at most 1: no overflow, and full relative accuracy in both tails
    return xp.where(x >= 0, 1.0, e) / (1.0 + e)


sigmoid = Op("sigmoid", _sigmoid, saves=("out",), doc="1 / (1 + exp(-x)), elementwise, without overflow.")
sigmoid.defvjp(lambda g, out, x: g * (out * (1 - out)))

softplus = Op(
    "softplus",
    lambda xp, x: xp.logaddexp(x, 0.0),
    saves=(0,),
    doc="log(1 + exp(x)), elementwise, without overflow.",
)
softplus.defvjp(lambda g, out, x: g * sigmoid(x))
