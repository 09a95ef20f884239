"""Standardisation to mean 0 and variance 1: the one operation behind batch and layer normalisation."""

from __future__ import annotations

from typing import Any

from ..core.op import Op
from .elementwise import reciprocal, sqrt
from .reduce import mean_, var_

_Axes = tuple[int, ...]


def moments(x: Any, axis: _Axes) -> tuple[Any, Any]:
    """Mean and biased variance over axes, in two passes.

    Args:
        x: raw array.
        axis: non-negative axes.

    Returns:
        Two raw arrays with the reduced axes kept at length 1; zeros where x is empty.
    """
    if x.size == 0:
        empty = x.sum(axis=axis, keepdims=True)
        return empty, empty
    mean = x.mean(axis=axis, keepdims=True)
    centred = x - mean
    centred *= centred
    return mean, centred.mean(axis=axis, keepdims=True)


# `mean` and `scale` are x's own moments, which the caller has anyway: the rule of x accounts for them as functions
# of x. From x again, because the saved scale would be a constant to the second derivative.
standardize_ = Op("standardize", lambda xp, x, mean, scale, *, axis, eps: (x - mean) * scale, saves=(0, 2, "out"))


def _project(g: Any, out: Any, axis: _Axes) -> Any:
    """g less its components along the constant and along `out`, which standardisation removes."""
    return g - mean_(g, axis=axis, keepdims=True) - out * mean_(g * out, axis=axis, keepdims=True)


def _standardize_vjp(
    needs: Any, g: Any, out: Any, x: Any, mean: Any, scale: Any, *, axis: _Axes, eps: float
) -> tuple[Any, None, None]:
    if x.size == 0:
        return g, None, None
    again = reciprocal(sqrt(var_(x, axis=axis, ddof=0, keepdims=True) + eps))
    return _project(g, out, axis) * again, None, None


def _standardize_raw_vjp(
    dest: Any, needs: Any, g: Any, out: Any, residual: Any, x: Any, mean: Any, scale: Any, *, axis: _Axes, eps: float
) -> tuple[Any, None, None]:
    return (g if x.size == 0 else _project(g, out, axis) * scale), None, None


standardize_.defvjp_all(_standardize_vjp)
standardize_.def_raw_vjp(_standardize_raw_vjp)


def standardize(x: Any, mean: Any, variance: Any, axis: _Axes, eps: float) -> Any:
    """(x - mean) / sqrt(variance + eps), differentiated through the moments too.

    Args:
        x: array or Tensor.
        mean: raw mean of x over `axis`, axes kept.
        variance: raw biased variance of x over `axis`, axes kept.
        axis: the axes of `moments`.
        eps: added to the variance.

    Returns:
        An array, or a Tensor where x is one, of the shape of x.
    """
    return standardize_(x, mean, 1 / sqrt(variance + eps), axis=axis, eps=eps)
