"""Numbers taken apart: sign and size, fraction and integer, mantissa and exponent, real and imaginary part."""

from __future__ import annotations

from typing import Any

from ..core.op import Op
from ..core.variable import Variable
from .arguments import as_operand
from .arithmetic import negative
from .comparison import constant, equal, isfinite
from .where import masked, untracked

# --- sign and size ----------------------------------------------------------------------------------------------------

sign = constant("sign", lambda xp, x: xp.sign(x), doc="-1, 0 or 1, elementwise; carries no gradient.")

absolute = Op("absolute", lambda xp, x: xp.absolute(x), saves=(0,), doc="|x|, elementwise; slope 0 at 0.")
absolute.defvjp(lambda g, out, x: g * sign(x))

fabs = Op("fabs", lambda xp, x: xp.fabs(x), saves=(0,), doc="|x| as floating-point number, elementwise; slope 0 at 0.")
fabs.defvjp(lambda g, out, x: g * sign(x))

copysign_: Op = Op("copysign", lambda xp, x, y: xp.copysign(x, y), saves=(0, 1), broadcasts=True)
copysign_.defvjp(lambda g, out, x, y: g * (sign(x) * copysign_(1.0, y)), None)

heaviside_ = Op("heaviside", lambda xp, x, h: xp.heaviside(x, h), saves=(0,), broadcasts=True)
heaviside_.defvjp(None, lambda g, out, x, h: masked(g, equal(x, 0), keep=True))


def copysign(x1: Any, x2: Any) -> Any:
    """|x1| with the sign of x2, elementwise with broadcasting; slope 0 at x1 = 0, no gradient flows to x2.

    Args:
        x1: array or Tensor.
        x2: array or Tensor; -0.0 is negative.

    Returns:
        An array, or a Tensor where an operand is one.
    """
    return copysign_(x1, untracked(x2))


def heaviside(x1: Any, x2: Any) -> Any:
    """0 where x1 < 0, x2 where x1 = 0, 1 where x1 > 0, elementwise with broadcasting; no gradient flows to x1.

    Args:
        x1: array or Tensor.
        x2: the value at the step, array or Tensor.

    Returns:
        An array, or a Tensor where an operand is one.
    """
    return heaviside_(untracked(x1), x2)


# --- fraction and integer, mantissa and exponent ----------------------------------------------------------------------

modf = Op(
    "modf",
    lambda xp, x: xp.modf(x),
    saves=(),
    doc="The fractional and the integral part, both with the sign of x, elementwise; the gradient is the fraction's.",
)
modf.defvjp(lambda g, out, x: g[0])

ldexp = Op(
    "ldexp", lambda xp, x, n: xp.ldexp(x, n), saves=(1,), broadcasts=True, doc="x 2**n for integers n, elementwise."
)
ldexp.defvjp(lambda g, out, x, n: ldexp(g, n), None)

frexp = Op(
    "frexp",
    lambda xp, x: xp.frexp(x),
    saves=("out",),
    doc="Mantissa m, 1/2 <= |m| < 1, and integer exponent n of x = m 2**n, elementwise.",
)
frexp.defvjp(lambda g, out, x: ldexp(g[0], negative(out[1])))

# --- real and imaginary part ------------------------------------------------------------------------------------------

real_ = Op("real", lambda xp, x: xp.real(x), saves=(), view=True)
real_.defvjp(lambda g, out, x: g)
imag_ = constant("imag", lambda xp, x: xp.imag(x))
conjugate = Op("conjugate", lambda xp, x: xp.conjugate(x), saves=(), doc="The complex conjugate: a copy of real x.")
conjugate.defvjp(lambda g, out, x: g)


def real(val: Any) -> Any:
    """The real part: of a Tensor, which is always real, all of it.

    Args:
        val: array or Tensor.

    Returns:
        A view of the array, or a Tensor where val is one.
    """
    return real_(as_operand(val))


def imag(val: Any) -> Any:
    """The imaginary part: of a Tensor zeros, without a gradient.

    Args:
        val: array or Tensor.

    Returns:
        An array, or a Tensor where val is one.
    """
    return imag_(as_operand(val))


def real_if_close(a: Any, tol: float = 100) -> Any:
    """The real part where the imaginary one is negligible: of a Tensor all of it.

    Args:
        a: array or Tensor.
        tol: how many rounding errors are negligible.

    Returns:
        An array, or a Tensor where a is one.
    """
    return real_if_close_(as_operand(a), tol=tol)


real_if_close_ = Op("real_if_close", lambda xp, x, *, tol: xp.real_if_close(x, tol), saves=(), view=True)
real_if_close_.defvjp(lambda g, out, x, *, tol: g)

# --- neither nan nor infinite -----------------------------------------------------------------------------------------

nan_to_num_ = Op(
    "nan_to_num",
    lambda xp, x, *, nan, posinf, neginf: xp.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf),
    saves=(0,),
)
nan_to_num_.defvjp(lambda g, out, x, **params: masked(g, isfinite(x), keep=True))


def nan_to_num(x: Any, copy: bool = True, nan: float = 0.0, posinf: Any = None, neginf: Any = None) -> Any:
    """x with numbers in the place of nan and infinities, elementwise; no gradient flows to what was replaced.

    Args:
        x: array or Tensor.
        copy: must be true.
        nan: in the place of nan.
        posinf: in the place of inf; None for the largest number of the dtype.
        neginf: in the place of -inf; None for the smallest.

    Returns:
        An array, or a Tensor where x is one.

    Raises:
        TypeError: copy=False, or a replacement that is a Tensor.
    """
    if not copy:
        raise TypeError("nan_to_num: copy=False is not supported; assign the result instead")
    if any(isinstance(v, Variable) for v in (nan, posinf, neginf)):
        raise TypeError("nan_to_num: a replacement is a number; use mg.where(mg.isnan(x), t, x) for a Tensor")
    return nan_to_num_(as_operand(x), nan=nan, posinf=posinf, neginf=neginf)


abs = absolute
conj = conjugate

NUMPY = (
    "sign", "absolute", "abs", "fabs", "copysign", "heaviside", "modf", "ldexp", "frexp", "real", "imag", "conjugate",
    "conj", "real_if_close", "nan_to_num",
)  # fmt: skip
