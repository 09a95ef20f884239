"""Hyperbolic functions and their inverses."""

from __future__ import annotations

from ..core.op import Op
from .powers import hypot, sqrt

sinh = Op("sinh", lambda xp, x: xp.sinh(x), saves=(0,), doc="The hyperbolic sine, elementwise.")
sinh.defvjp(lambda g, out, x: g * cosh(x))

cosh: Op = Op("cosh", lambda xp, x: xp.cosh(x), saves=(0,), doc="The hyperbolic cosine, elementwise.")
cosh.defvjp(lambda g, out, x: g * sinh(x))

tanh = Op("tanh", lambda xp, x: xp.tanh(x), saves=("out",), doc="The hyperbolic tangent, elementwise.")
tanh.defvjp(lambda g, out, x: g - g * (out * out))

arcsinh = Op("arcsinh", lambda xp, x: xp.arcsinh(x), saves=(0,), doc="The inverse hyperbolic sine, elementwise.")
arcsinh.defvjp(lambda g, out, x: g / hypot(x, 1.0))

# two roots, whose product overflows nowhere
arccosh = Op("arccosh", lambda xp, x: xp.arccosh(x), saves=(0,), doc="The inverse hyperbolic cosine, elementwise.")
arccosh.defvjp(lambda g, out, x: g / (sqrt(x - 1) * sqrt(x + 1)))

arctanh = Op("arctanh", lambda xp, x: xp.arctanh(x), saves=(0,), doc="The inverse hyperbolic tangent, elementwise.")
arctanh.defvjp(lambda g, out, x: g / ((1 - x) * (1 + x)))

asinh, acosh, atanh = arcsinh, arccosh, arctanh

NUMPY = ("sinh", "cosh", "tanh", "arcsinh", "arccosh", "arctanh", "asinh", "acosh", "atanh")
