"""Quantiles and percentiles. Equal elements share the gradient evenly; nan as in order_statistics.py."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend.device import device_of
from ..backend.recording import lift
from ..core.op import Op
from ..core.variable import Variable
from ..errors import GraphError, ShapeError
from .arguments import Axis, as_operand, kept_shape
from .nan_reductions import nanmean
from .order_statistics import beside, order_statistics_, present_
from .quantile_methods import METHODS, bounds, interpolates
from .reduction_arguments import axes_last, operand
from .shape import reshape_, transpose_

NUMPY = ("quantile", "percentile", "nanquantile", "nanpercentile")


def _lerp(xp: Any, a: Any, b: Any, t: Any) -> Any:
    # as NumPy does it, to the bit: monotonic, and exact at both ends
    step = b - a
    if isinstance(t, float):
        return b - step * (1 - t) if t >= 0.5 else a + step * t
    return xp.where(t >= 0.5, b - step * (1 - t), a + step * t)


lerp_ = Op("lerp", _lerp, saves=(2,), doc="a + (b - a) * t.")
lerp_.defvjp(lambda g, out, a, b, t: g * (1 - t), lambda g, out, a, b, t: g * t, None)


def _checked(name: str, q: Any, scale: int, weights: Any, method: str) -> Any:
    """q between 0 and 1, as a raw array where it is.

    Raises:
        TypeError, GraphError, ShapeError, ValueError: what is not supported, or makes no sense.
    """
    if weights is not None:
        raise TypeError(f"{name}: weights= is not supported")
    if method not in METHODS:
        raise ValueError(f"{name}: method must be one of {', '.join(METHODS)}, got {method!r}")
    if isinstance(q, Variable):
        if q._node is not None:
            raise GraphError(f"{name}: q is a constant; pass q.detach()")
        q = lift(q._data)
    q = as_operand(q)
    if scale != 1:
        q = q / scale
    if q.ndim > 2:
        raise ShapeError(f"{name}: q must be a number or a list of numbers, got an array of shape {q.shape}")
    if device_of(q) == "cpu" and not np.all((q >= 0) & (q <= 1)):  # a look at its values would stall a device
        raise ValueError(f"{name}: q must be between 0 and {scale}, got {q * scale}")
    return q


ranks_ = Op(
    "quantile_ranks",
    lambda xp, q, n, *, length, method: bounds(xp, q, n, length, method),
    saves=(),
    differentiable=False,
    doc="The ranks below and above the quantiles q (m,) of n elements, (2 m,), and where each lies in between, (m,).",
)


def _quantile(
    name: str, a: Any, q: Any, axis: Axis, out: Any, method: str, keepdims: bool, weights: Any, scale: int, skips: bool
) -> Any:
    weak = type(q) in (int, float)
    a, axis, keepdims = operand(name, a, axis, out, keepdims)
    q = _checked(name, q, scale, weights, method)
    if skips and a.size == 0:
        return nanmean(a, axis, keepdims=keepdims)
    skips = skips and a.dtype.kind == "f"
    rows = axes_last(a, axis)
    length, m = rows.shape[-1], q.size
    if length == 0:
        raise ShapeError(f"{name}: no elements to choose from in an array of shape {a.shape} along axis {axis}")
    q_shape, q = q.shape, q.reshape(-1)
    if skips:
        ranks, t = ranks_(beside(a, q), present_(rows), length=length, method=method)
    else:
        ranks, t = ranks_(q, length, length=length, method=method)
        ranks = beside(a, ranks)
    found = order_statistics_(rows, ranks, skips_nan=skips)
    if interpolates(q, method):
        if weak:
            t = t.astype(a.dtype if a.dtype.kind == "f" else np.float64) if skips else float(t[0])
        elif not skips:
            t = beside(a, t)
        found = lerp_(found[..., :m], found[..., m:], t)
    rest = kept_shape(a.shape, axis) if keepdims else rows.shape[:-1]
    last = found.ndim - 1
    return reshape_(transpose_(found, axes=(last, *range(last))), shape=q_shape + rest)


def quantile(
    a: Any,
    q: Any,
    axis: Axis = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    """Quantiles over axes: the elements at given fractions of the sorted slice, interpolated.

    Equal elements share the gradient evenly.

    Args:
        a: array or Tensor.
        q: fractions between 0 and 1, constants: a number or an array of any shape with up to two axes.
        axis: axis or axes; None for all.
        out: not supported.
        overwrite_input: allows to overwrite a, which is never done.
        method: one of NumPy's.
        keepdims: keep reduced axes with length 1.
        weights: not supported.

    Returns:
        The axes of q, then those of a that remain: an array, or a Tensor where a is one; nan where there is nan.

    Raises:
        ShapeError: there are no elements to choose from.
        GraphError: q is a tracked Tensor.
        ValueError: q is out of range (on the CPU), or the method is unknown.
    """
    return _quantile("quantile", a, q, axis, out, method, keepdims, weights, 1, False)


def percentile(
    a: Any,
    q: Any,
    axis: Axis = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    """Quantiles over axes, of fractions in percent; otherwise as `quantile`.

    Args:
        a: array or Tensor.
        q: percentages between 0 and 100, constants: a number or an array of any shape with up to two axes.
        axis: axis or axes; None for all.
        out: not supported.
        overwrite_input: allows to overwrite a, which is never done.
        method: one of NumPy's.
        keepdims: keep reduced axes with length 1.
        weights: not supported.

    Returns:
        The axes of q, then those of a that remain: an array, or a Tensor where a is one.
    """
    return _quantile("percentile", a, q, axis, out, method, keepdims, weights, 100, False)


def nanquantile(
    a: Any,
    q: Any,
    axis: Axis = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    """Quantiles over axes of what is not nan; otherwise as `quantile`.

    Args:
        a: array or Tensor.
        q: fractions between 0 and 1, constants: a number or an array of any shape with up to two axes.
        axis: axis or axes; None for all.
        out: not supported.
        overwrite_input: allows to overwrite a, which is never done.
        method: one of NumPy's.
        keepdims: keep reduced axes with length 1.
        weights: not supported.

    Returns:
        The axes of q, then those of a that remain: an array, or a Tensor where a is one; nan where all elements are.
    """
    return _quantile("nanquantile", a, q, axis, out, method, keepdims, weights, 1, True)


def nanpercentile(
    a: Any,
    q: Any,
    axis: Axis = None,
    out: Any = None,
    overwrite_input: bool = False,
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Any = None,
) -> Any:
    """Quantiles over axes, of fractions in percent, of what is not nan; otherwise as `nanquantile`.

    Args:
        a: array or Tensor.
        q: percentages between 0 and 100, constants: a number or an array of any shape with up to two axes.
        axis: axis or axes; None for all.
        out: not supported.
        overwrite_input: allows to overwrite a, which is never done.
        method: one of NumPy's.
        keepdims: keep reduced axes with length 1.
        weights: not supported.

    Returns:
        The axes of q, then those of a that remain: an array, or a Tensor where a is one; nan where all elements are.
    """
    return _quantile("nanpercentile", a, q, axis, out, method, keepdims, weights, 100, True)
