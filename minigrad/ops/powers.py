"""Powers, roots, reciprocals and the hypotenuse."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..backend.device import HOST
from ..core.op import Op
from .arithmetic import positive
from .comparison import equal, logical_and
from .where import where_

square = Op("square", lambda xp, x: xp.square(x), saves=(0,), doc="x**2, elementwise.")
square.defvjp(lambda g, out, x: g * (2 * x))

sqrt = Op("sqrt", lambda xp, x: xp.sqrt(x), saves=("out",), doc="The square root, elementwise; slope inf at 0.")
sqrt.defvjp(lambda g, out, x: g * 0.5 / out)

cbrt = Op("cbrt", lambda xp, x: xp.cbrt(x), saves=("out",), doc="The cube root, elementwise; slope inf at 0.")
cbrt.defvjp(lambda g, out, x: g / (3 * (out * out)))

reciprocal = Op("reciprocal", lambda xp, x: xp.reciprocal(x), saves=("out",), doc="1 / x, elementwise.")
reciprocal.defvjp(lambda g, out, x: -g * out * out)


def _scalar_power_vjp(g: Any, out: Any, x: Any, *, exponent: float) -> Any:
    # exponent 0 gives 0 everywhere, also at x = 0 where 0 * x**-1 would be nan
    return g * 0.0 if exponent == 0 else g * (exponent * power(x, exponent - 1))


scalar_power = Op(
    "scalar_power",
    lambda xp, x, *, exponent: xp.power(x, exponent),
    saves=(0,),
    doc="x**exponent for a Python number, elementwise: n x**(n-1) needs no logarithm, so it holds for x <= 0 too.",
)
scalar_power.defvjp(_scalar_power_vjp)


def _log_or_zero(xp: Any, x: Any) -> Any:
    with HOST.xp.errstate(all="ignore"):
        return xp.where(xp.equal(x, 0), 0.0, xp.log(x))


log_or_zero: Op = Op("log_or_zero", _log_or_zero, saves=(0,), doc="log(x), elementwise: 0 at 0, a silent nan below.")
log_or_zero.defvjp(lambda g, out, x: g / where_(equal(x, 0), math.inf, x))


def _power_rules(function: Callable[..., Any]) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """y x**(y-1) and x**y log x for one of the two power ops."""

    def base(g: Any, out: Any, x: Any, y: Any) -> Any:
        # at x = y = 0, x**0 stands in for x**-1: the factor y makes it 0, and 0 * inf never arises
        corner = logical_and(equal(x, 0), equal(y, 0))
        return g * (y * function(x, where_(corner, y, y - 1)))

    return base, lambda g, out, x, y: g * (out * log_or_zero(x))


power_ = Op("power", lambda xp, x, y: xp.power(x, y), saves=(0, 1, "out"), broadcasts=True)
power_.defvjp(*_power_rules(power_))

float_power = Op(
    "float_power",
    lambda xp, x, y: xp.float_power(x, y),
    saves=(0, 1, "out"),
    broadcasts=True,
    doc="x**y in float64, elementwise with broadcasting.",
)
float_power.defvjp(*_power_rules(float_power))

scalar_base_ = Op("scalar_base", lambda xp, x, *, base: xp.power(base, x), saves=("out",))
scalar_base_.defvjp(
    lambda g, out, x, *, base: g * (out * (math.log(base) if base > 0 else 0.0 if base == 0 else math.nan))
)

_SHORT = {-1: reciprocal, 0.5: sqrt, 1: positive, 2: square}
"""What a power of a floating-point array is under another name, a quicker one."""


def power(x1: Any, x2: Any) -> Any:
    """x1**x2, elementwise with broadcasting.

    d/dx1 = x2 x1**(x2-1), 0 where x2 = 0; d/dx2 = x1**x2 log x1, 0 where x1 = 0 and nan where x1 < 0.

    Args:
        x1: base, array or Tensor.
        x2: exponent; a Python number takes the rule that needs no logarithm.

    Returns:
        An array, or a Tensor where an operand is one.

    Raises:
        ValueError: an integer to a negative integer power.
    """
    if type(x2) in (int, float):
        if x2 in _SHORT and hasattr(x1, "dtype") and x1.dtype.kind == "f":
            return _SHORT[x2](x1)
        return scalar_power(x1, exponent=x2)
    if type(x1) in (int, float):  # a 0-d array made of x1 would be float64 and promote a float32 exponent
        return scalar_base_(x2, base=x1)
    return power_(x1, x2)


# inf stands in for a hypotenuse of 0, which makes the slopes of every order 0 there
hypot = Op(
    "hypot",
    lambda xp, x, y: xp.hypot(x, y),
    saves=(0, 1, "out"),
    broadcasts=True,
    doc="sqrt(x**2 + y**2) without overflow, elementwise with broadcasting; slope 0 at (0, 0).",
)
hypot.defvjp(
    lambda g, out, x, y: g * (x / where_(equal(out, 0), math.inf, out)),
    lambda g, out, x, y: g * (y / where_(equal(out, 0), math.inf, out)),
)

pow = power

NUMPY = ("square", "sqrt", "cbrt", "reciprocal", "power", "pow", "float_power", "hypot")
