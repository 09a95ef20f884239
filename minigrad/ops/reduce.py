"""Reductions: sum, mean, variance, extrema, and the softmax family, which normalises by one.

Ties in max and min share the gradient evenly.
"""

from __future__ import annotations

from typing import Any

from ..core.op import Op
from .arguments import Axis, as_operand, kept_shape, normalize_axis
from .elementwise import equal, sqrt
from .shape import broadcast_to


def _count(shape: tuple[int, ...], axis: tuple[int, ...] | None) -> int:
    """How many elements go into one result."""
    count = 1
    for i, n in enumerate(shape):
        count *= n if axis is None or i in axis else 1
    return count


def _spread(g: Any, x: Any, axis: tuple[int, ...] | None) -> Any:
    """The gradient of a reduction over `axis`, repeated along it to the shape of x."""
    return broadcast_to(g.reshape(kept_shape(x.shape, axis)), x.shape)


sum_ = Op("sum", lambda xp, x, *, axis, keepdims, dtype: x.sum(axis=axis, keepdims=keepdims, dtype=dtype), saves=())
sum_.defvjp(lambda g, out, x, *, axis, keepdims, dtype: _spread(g, x, axis))

mean_ = Op("mean", lambda xp, x, *, axis, keepdims: x.mean(axis=axis, keepdims=keepdims), saves=())
mean_.defvjp(lambda g, out, x, *, axis, keepdims: _spread(g / (_count(x.shape, axis) or 1), x, axis))

var_ = Op("var", lambda xp, x, *, axis, ddof, keepdims: x.var(axis=axis, ddof=ddof, keepdims=keepdims), saves=(0,))


def _var_vjp(g: Any, out: Any, x: Any, *, axis: Any, ddof: int, keepdims: bool) -> Any:
    n = _count(x.shape, axis)
    scale = 2.0 / (n - ddof) if n > ddof else float("nan")  # nan as the value itself
    return _spread(g, x, axis) * ((x - mean_(x, axis=axis, keepdims=True)) * scale)


var_.defvjp(_var_vjp)


def _extremum_vjp(g: Any, out: Any, x: Any, *, axis: Any, keepdims: bool) -> Any:
    at = equal(x, out.reshape(kept_shape(x.shape, axis))).astype(g.dtype)
    return _spread(g, x, axis) * (at / sum(at, axis=axis, keepdims=True))


max_ = Op("max", lambda xp, x, *, axis, keepdims: x.max(axis=axis, keepdims=keepdims), saves=(0, "out"))
max_.defvjp(_extremum_vjp)

min_ = Op("min", lambda xp, x, *, axis, keepdims: x.min(axis=axis, keepdims=keepdims), saves=(0, "out"))
min_.defvjp(_extremum_vjp)


def sum(x: Any, axis: Axis = None, dtype: Any = None, keepdims: bool = False) -> Any:
    """The sum over axes.

    Args:
        x: array or Tensor.
        axis: axis or axes to sum over; None for all.
        dtype: dtype of the result; None follows NumPy.
        keepdims: keep reduced axes with length 1.

    Returns:
        An array, or a Tensor where x is one.
    """
    x = as_operand(x)
    return sum_(x, axis=normalize_axis("sum", axis, x.ndim), keepdims=keepdims, dtype=dtype)


def mean(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The mean over axes, sum(x) / n.

    Args:
        x: array or Tensor.
        axis: axis or axes to average over; None for all.
        keepdims: keep reduced axes with length 1.

    Returns:
        An array, or a Tensor where x is one.
    """
    x = as_operand(x)
    return mean_(x, axis=normalize_axis("mean", axis, x.ndim), keepdims=keepdims)


def var(x: Any, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """The variance over axes, sum((x - mean)**2) / (n - ddof).

    Args:
        x: array or Tensor.
        axis: axis or axes; None for all.
        ddof: 0 for the population variance (NumPy's default), 1 for the sample variance.
        keepdims: keep reduced axes with length 1.

    Returns:
        An array, or a Tensor where x is one.
    """
    x = as_operand(x)
    return var_(x, axis=normalize_axis("var", axis, x.ndim), ddof=ddof, keepdims=keepdims)


def std(x: Any, axis: Axis = None, ddof: int = 0, keepdims: bool = False) -> Any:
    """The standard deviation over axes, sqrt(var(x)).

    Args:
        x: array or Tensor.
        axis: axis or axes; None for all.
        ddof: as for `var`.
        keepdims: keep reduced axes with length 1.

    Returns:
        An array, or a Tensor where x is one.
    """
    return sqrt(var(x, axis=axis, ddof=ddof, keepdims=keepdims))


def max(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The largest element over axes; ties share the gradient evenly.

    Args:
        x: array or Tensor, not empty along the axes.
        axis: axis or axes; None for all.
        keepdims: keep reduced axes with length 1.

    Returns:
        An array, or a Tensor where x is one.
    """
    x = as_operand(x)
    return max_(x, axis=normalize_axis("max", axis, x.ndim), keepdims=keepdims)


def min(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """The smallest element over axes; ties share the gradient evenly.

    Args:
        x: array or Tensor, not empty along the axes.
        axis: axis or axes; None for all.
        keepdims: keep reduced axes with length 1.

    Returns:
        An array, or a Tensor where x is one.
    """
    x = as_operand(x)
    return min_(x, axis=normalize_axis("min", axis, x.ndim), keepdims=keepdims)


argmax_ = Op("argmax", lambda xp, x, *, axis, keepdims: xp.argmax(x, axis=axis, keepdims=keepdims), saves=(),
             differentiable=False)  # fmt: skip


def argmax(x: Any, axis: int | None = None, keepdims: bool = False) -> Any:
    """The index of the (first) largest element along an axis; carries no gradient.

    Args:
        x: array or Tensor.
        axis: one axis; None for the flattened array.
        keepdims: keep the reduced axis with length 1.

    Returns:
        Integers: an array, or a Tensor where x is one.
    """
    return argmax_(as_operand(x), axis=axis, keepdims=keepdims)
