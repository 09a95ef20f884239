"""Questions that are answered with booleans: comparisons, logic, kinds of numbers. Nothing here carries a gradient."""

from __future__ import annotations

from functools import partial
from typing import Any

from ..backend.device import HOST
from ..backend.recording import lift
from ..core.op import Op
from ..core.variable import Variable
from .arguments import as_operand, no_out

constant = partial(Op, saves=(), differentiable=False)
"""An op without a gradient: constant almost everywhere."""

equal = constant("equal", lambda xp, x, y: xp.equal(x, y), doc="x == y, elementwise with broadcasting.")
not_equal = constant("not_equal", lambda xp, x, y: xp.not_equal(x, y), doc="x != y, elementwise with broadcasting.")
less = constant("less", lambda xp, x, y: xp.less(x, y), doc="x < y, elementwise with broadcasting.")
less_equal = constant("less_equal", lambda xp, x, y: xp.less_equal(x, y), doc="x <= y, elementwise with broadcasting.")
greater = constant("greater", lambda xp, x, y: xp.greater(x, y), doc="x > y, elementwise with broadcasting.")
greater_equal = constant(
    "greater_equal", lambda xp, x, y: xp.greater_equal(x, y), doc="x >= y, elementwise with broadcasting."
)

logical_and = constant("logical_and", lambda xp, x, y: xp.logical_and(x, y), doc="x and y, elementwise.")
logical_or = constant("logical_or", lambda xp, x, y: xp.logical_or(x, y), doc="x or y, elementwise.")
logical_xor = constant("logical_xor", lambda xp, x, y: xp.logical_xor(x, y), doc="either x or y, elementwise.")
logical_not = constant("logical_not", lambda xp, x: xp.logical_not(x), doc="not x, elementwise.")

isfinite = constant("isfinite", lambda xp, x: xp.isfinite(x), doc="Neither infinite nor nan, elementwise.")
isinf = constant("isinf", lambda xp, x: xp.isinf(x), doc="Infinite, elementwise.")
isnan = constant("isnan", lambda xp, x: xp.isnan(x), doc="Not a number, elementwise.")
signbit = constant("signbit", lambda xp, x: xp.signbit(x), doc="Negative or -0.0, elementwise.")
isneginf_ = constant("isneginf", lambda xp, x: xp.isneginf(x))
isposinf_ = constant("isposinf", lambda xp, x: xp.isposinf(x))
iscomplex = constant("iscomplex", lambda xp, x: xp.iscomplex(x), doc="With an imaginary part, elementwise.")
isreal = constant("isreal", lambda xp, x: xp.isreal(x), doc="Without an imaginary part, elementwise.")


def isneginf(x: Any, out: Any = None) -> Any:
    """Minus infinity, elementwise.

    Args:
        x: real array or Tensor.
        out: not supported.

    Returns:
        Booleans of the shape of x.
    """
    no_out("isneginf", out)
    return isneginf_(as_operand(x))


def isposinf(x: Any, out: Any = None) -> Any:
    """Plus infinity, elementwise.

    Args:
        x: real array or Tensor.
        out: not supported.

    Returns:
        Booleans of the shape of x.
    """
    no_out("isposinf", out)
    return isposinf_(as_operand(x))


def iscomplexobj(x: Any) -> bool:
    """Whether x has a complex dtype: never true of a Tensor."""
    return bool(HOST.xp.iscomplexobj(_raw(x)))


def isrealobj(x: Any) -> bool:
    """Whether x has a real dtype: always true of a Tensor."""
    return not iscomplexobj(x)


def _isclose(xp: Any, a: Any, b: Any, *, rtol: float, atol: float, equal_nan: bool) -> Any:
    # CuPy's isclose wants an array in front
    return xp.isclose(a if hasattr(a, "dtype") else xp.asarray(a), b, rtol, atol, equal_nan)


isclose_ = constant("isclose", _isclose)


def _operand(x: Any) -> Any:
    """As as_operand, but a Python number stays one: it goes with any dtype and any device."""
    return x if isinstance(x, (int, float)) else as_operand(x)


def isclose(a: Any, b: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> Any:
    """|a - b| <= atol + rtol |b|, elementwise with broadcasting; equal infinities are close.

    Args:
        a: array or Tensor.
        b: array or Tensor, the reference.
        rtol: relative tolerance.
        atol: absolute tolerance.
        equal_nan: whether two nan are close.

    Returns:
        Booleans of the broadcast shape.
    """
    return isclose_(_operand(a), _operand(b), rtol=rtol, atol=atol, equal_nan=equal_nan)


def _raw(x: Any) -> Any:
    return lift(x._data) if isinstance(x, Variable) else x


def _shape(x: Any) -> tuple[int, ...]:
    return tuple(getattr(x, "shape", ()))


def _all(x: Any) -> bool:
    """Every element as one Python bool; waits for a device."""
    return bool(_raw(x).all())


def allclose(a: Any, b: Any, rtol: float = 1e-05, atol: float = 1e-08, equal_nan: bool = False) -> bool:
    """Whether `isclose` holds everywhere.

    Args:
        a: array or Tensor.
        b: array or Tensor, the reference.
        rtol: relative tolerance.
        atol: absolute tolerance.
        equal_nan: whether two nan are close.

    Returns:
        A Python bool, for which a GPU has to be waited.
    """
    return _all(isclose(a, b, rtol, atol, equal_nan))


def array_equal(a1: Any, a2: Any, equal_nan: bool = False) -> bool:
    """Whether two arrays have the same shape and the same elements.

    Args:
        a1: array or Tensor.
        a2: array or Tensor.
        equal_nan: whether two nan are equal.

    Returns:
        A Python bool, for which a GPU has to be waited.
    """
    a1, a2 = _operand(a1), _operand(a2)
    if _shape(a1) != _shape(a2):
        return False
    same = equal(a1, a2)
    return _all(logical_or(same, logical_and(isnan(a1), isnan(a2))) if equal_nan else same)


def array_equiv(a1: Any, a2: Any) -> bool:
    """Whether two arrays are equal once broadcast to one shape.

    Args:
        a1: array or Tensor.
        a2: array or Tensor.

    Returns:
        A Python bool, for which a GPU has to be waited.
    """
    a1, a2 = _operand(a1), _operand(a2)
    try:
        HOST.xp.broadcast_shapes(_shape(a1), _shape(a2))
    except ValueError:
        return False
    return _all(equal(a1, a2))


NUMPY = (
    "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "logical_and", "logical_or", "logical_xor",
    "logical_not", "isfinite", "isinf", "isnan", "signbit", "isneginf", "isposinf", "iscomplex", "isreal",
    "iscomplexobj", "isrealobj", "isclose", "allclose", "array_equal", "array_equiv",
)  # fmt: skip
