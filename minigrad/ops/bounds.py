"""The larger and the smaller of two, and what is made of them: clip and relu.

Ties are shared in halves; nan counts as a tie where it comes through (maximum, minimum) and loses against a number
where it does not (fmax, fmin); clip and relu are the exceptions, which say so.
"""

from __future__ import annotations

from typing import Any

from ..core.op import Op
from .arguments import as_operand, no_out
from .arithmetic import positive
from .comparison import constant, greater, greater_equal, less, less_equal, logical_and, logical_or
from .where import masked


def _share(xp: Any, x: Any, y: Any, *, dtype: Any) -> Any:
    """1 where x > y, 1/2 on ties and beside nan, 0 elsewhere; by bytes, which costs a fraction of two `where`."""
    balance = xp.greater(x, y).view(xp.int8) - xp.less(x, y).view(xp.int8)
    return xp.multiply(balance + xp.int8(1), 0.5, dtype=dtype)


def _share_of_numbers(xp: Any, x: Any, y: Any, *, larger: bool, dtype: Any) -> Any:
    """The same where a nan loses against a number."""
    x_is_nan, y_is_nan = xp.not_equal(x, x), xp.not_equal(y, y)
    wins, loses = (xp.greater(x, y), xp.less(x, y)) if larger else (xp.less(x, y), xp.greater(x, y))
    balance = xp.logical_or(wins, y_is_nan).view(xp.int8) - xp.logical_or(loses, x_is_nan).view(xp.int8)
    return xp.multiply(balance + xp.int8(1), 0.5, dtype=dtype)


share_ = constant("share", _share)
share_of_numbers_ = constant("share_of_numbers", _share_of_numbers)

maximum = Op(
    "maximum",
    lambda xp, x, y: xp.maximum(x, y),
    saves=(0, 1),
    broadcasts=True,
    doc="The larger of x and y, elementwise with broadcasting; ties split the gradient in halves, so does a nan.",
)
maximum.defvjp(
    lambda g, out, x, y: g * share_(x, y, dtype=g.dtype), lambda g, out, x, y: g * share_(y, x, dtype=g.dtype)
)

minimum = Op(
    "minimum",
    lambda xp, x, y: xp.minimum(x, y),
    saves=(0, 1),
    broadcasts=True,
    doc="The smaller of x and y, elementwise with broadcasting; ties split the gradient in halves, so does a nan.",
)
minimum.defvjp(
    lambda g, out, x, y: g * share_(y, x, dtype=g.dtype), lambda g, out, x, y: g * share_(x, y, dtype=g.dtype)
)

fmax = Op(
    "fmax",
    lambda xp, x, y: xp.fmax(x, y),
    saves=(0, 1),
    broadcasts=True,
    doc="The larger of x and y, a nan losing to a number, elementwise with broadcasting; ties split the gradient.",
)
fmax.defvjp(
    lambda g, out, x, y: g * share_of_numbers_(x, y, larger=True, dtype=g.dtype),
    lambda g, out, x, y: g * share_of_numbers_(y, x, larger=True, dtype=g.dtype),
)

fmin = Op(
    "fmin",
    lambda xp, x, y: xp.fmin(x, y),
    saves=(0, 1),
    broadcasts=True,
    doc="The smaller of x and y, a nan losing to a number, elementwise with broadcasting; ties split the gradient.",
)
fmin.defvjp(
    lambda g, out, x, y: g * share_of_numbers_(x, y, larger=False, dtype=g.dtype),
    lambda g, out, x, y: g * share_of_numbers_(y, x, larger=False, dtype=g.dtype),
)


def _clip_vjp(g: Any, out: Any, x: Any, low: Any, high: Any) -> Any:
    if low is None:
        inside = less_equal(x, high)
    else:
        inside = greater_equal(x, low) if high is None else logical_and(greater_equal(x, low), less_equal(x, high))
    return masked(g, inside, keep=True)


def _low_vjp(g: Any, out: Any, x: Any, low: Any, high: Any) -> Any:
    held = less(x, low)
    return masked(g, held if high is None else logical_and(held, less_equal(low, high)), keep=True)


def _high_vjp(g: Any, out: Any, x: Any, low: Any, high: Any) -> Any:
    held = greater(x, high)
    return masked(g, held if low is None else logical_or(held, greater(low, high)), keep=True)


clip_ = Op("clip", lambda xp, x, low, high: xp.clip(x, low, high), saves=(0, 1, 2), broadcasts=True)
clip_.defvjp(_clip_vjp, _low_vjp, _high_vjp)

_MISSING = object()


def clip(
    a: Any, a_min: Any = _MISSING, a_max: Any = _MISSING, out: Any = None, *, min: Any = _MISSING, max: Any = _MISSING
) -> Any:
    """min(max(a, a_min), a_max), elementwise with broadcasting; the gradient passes inside and at the bounds.

    Outside it goes to the bound that holds, where that is tracked.

    Args:
        a: array or Tensor.
        a_min: lower bound: number, array or Tensor, or None.
        a_max: upper bound, likewise; it wins where the bounds cross.
        out: not supported.
        min: another name of a_min.
        max: another name of a_max.

    Returns:
        An array, or a Tensor where an operand is one.

    Raises:
        ValueError: a bound was given under both of its names.
    """
    no_out("clip", out)
    if (a_min is not _MISSING or a_max is not _MISSING) and (min is not _MISSING or max is not _MISSING):
        raise ValueError("clip: give the bounds as a_min and a_max, or as min and max, not mixed")
    low, high = _bound(a_min, min), _bound(a_max, max)
    if low is None and high is None:
        return positive(a)
    return clip_(as_operand(a), low, high)


def _bound(bound: Any, other: Any) -> Any:
    """A bound under either name; a number stays one, which goes with any dtype and device."""
    found = other if bound is _MISSING else bound
    if found is _MISSING or found is None:
        return None
    return found if isinstance(found, (int, float)) else as_operand(found)


relu = Op("relu", lambda xp, x: xp.maximum(x, 0), saves=("out",), doc="max(x, 0), elementwise; slope 0 at 0.")
relu.defvjp(lambda g, out, x: g * (out > 0))

NUMPY = ("maximum", "minimum", "fmax", "fmin", "clip")
