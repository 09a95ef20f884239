"""Rounding, and division with remainder. What is rounded carries no gradient; a remainder does."""

from __future__ import annotations

import math
from typing import Any

from ..backend.device import HOST
from ..core.op import Op
from .arguments import as_operand, no_out
from .comparison import constant

floor = constant("floor", lambda xp, x: xp.floor(x), doc="The largest integer <= x, elementwise.")
ceil = constant("ceil", lambda xp, x: xp.ceil(x), doc="The smallest integer >= x, elementwise.")
trunc = constant("trunc", lambda xp, x: xp.trunc(x), doc="The integer next to x towards 0, elementwise.")
rint = constant("rint", lambda xp, x: xp.rint(x), doc="The nearest integer, elementwise; halves go to even ones.")
fix_ = constant("fix", lambda xp, x: xp.fix(x))
round_ = constant("round", lambda xp, x, *, decimals: xp.round(x, decimals))


def fix(x: Any, out: Any = None) -> Any:
    """The integer next to x towards 0, elementwise; carries no gradient.

    Args:
        x: array or Tensor.
        out: not supported.

    Returns:
        An array, or an untracked Tensor where x is a Tensor.
    """
    no_out("fix", out)
    return fix_(as_operand(x))


def round(a: Any, decimals: int = 0, out: Any = None) -> Any:
    """a rounded to so many decimals, elementwise, halves to even digits; carries no gradient.

    Args:
        a: array or Tensor.
        decimals: how many; negative ones count digits before the point.
        out: not supported.

    Returns:
        An array, or an untracked Tensor where a is a Tensor.
    """
    no_out("round", out)
    return round_(as_operand(a), decimals=decimals)


def _spacing(xp: Any, x: Any) -> Any:
    if xp is HOST.xp:
        return xp.spacing(x)
    size = xp.absolute(x)  # CuPy has nextafter alone
    return xp.copysign(xp.nextafter(size, xp.full_like(size, math.inf)) - size, x)


nextafter = constant(
    "nextafter", lambda xp, x, y: xp.nextafter(x, y), doc="The next number from x towards y, elementwise."
)
spacing = constant("spacing", _spacing, doc="The distance from x to the next number away from 0, elementwise.")

# --- division with remainder ------------------------------------------------------------------------------------------

floor_divide = constant("floor_divide", lambda xp, x, y: xp.floor_divide(x, y), doc="floor(x / y), elementwise.")

remainder = Op(
    "remainder",
    lambda xp, x, y: xp.remainder(x, y),
    saves=(0, 1, "out"),
    broadcasts=True,
    doc="x - y floor(x / y), elementwise with broadcasting: the sign is y's. Slopes 1 and -floor(x / y).",
)
# x - out is a multiple of y: rounding finds the quotient where x / y may have been rounded up to the next integer, and
# takes a tenth of the time of floor_divide
remainder.defvjp(lambda g, out, x, y: g, lambda g, out, x, y: -g * rint((x - out) / y))

fmod = Op(
    "fmod",
    lambda xp, x, y: xp.fmod(x, y),
    saves=(0, 1, "out"),
    broadcasts=True,
    doc="x - y trunc(x / y), elementwise with broadcasting: the sign is x's. Slopes 1 and -trunc(x / y).",
)
fmod.defvjp(lambda g, out, x, y: g, lambda g, out, x, y: -g * rint((x - out) / y))

divmod = Op(
    "divmod",
    lambda xp, x, y: xp.divmod(x, y),
    saves=("out",),
    broadcasts=True,
    doc="floor_divide and remainder as a pair; the gradient is the remainder's.",
)
divmod.defvjp(lambda g, out, x, y: g[1], lambda g, out, x, y: -g[1] * out[0])

mod = remainder
around = round

NUMPY = (
    "floor", "ceil", "trunc", "rint", "fix", "round", "around", "nextafter", "spacing", "floor_divide", "remainder",
    "mod", "fmod", "divmod",
)  # fmt: skip
