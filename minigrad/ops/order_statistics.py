"""Order statistics and medians. Equal elements share the gradient of one evenly, as those of a maximum do.

A slice with nan has the result nan and the gradient nan; the nan-versions skip what is nan, which gets the gradient 0.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..backend.array import to_device
from ..backend.device import device_of
from ..core.op import Op
from ..core.variable import Variable
from .arguments import Axis, kept_shape
from .elementwise import equal, not_equal
from .moments import mean, mean_
from .nan_reductions import nanmean
from .reduce import count_nonzero_, extremum_vjp
from .reduction_arguments import axes_last, operand
from .shape import reshape_
from .where import untracked
from .where import where as select

NUMPY = ("median", "nanmedian")

FEW = 8
"""Up to so many order statistics a look at all elements for each is quicker than sorting them."""


def _order_statistics(xp: Any, x: Any, ranks: Any, *, skips_nan: bool) -> Any:
    propagate = x.dtype.kind == "f" and not skips_nan
    if xp is np and ranks.ndim == 1:
        kth = np.unique(ranks)
        ordered = np.partition(x, np.append(kth, x.shape[-1] - 1) if propagate else kth, axis=-1)
    else:
        ordered = xp.sort(x, axis=-1)
    found = ordered[..., ranks] if ranks.ndim == 1 else xp.take_along_axis(ordered, ranks, axis=-1)
    return xp.where(xp.isnan(ordered[..., -1:]), float("nan"), found) if propagate else found


def _order_statistics_vjp(g: Any, out: Any, x: Any, ranks: Any, *, skips_nan: bool) -> Any:
    m, last = out.shape[-1], x.ndim - 1
    if 0 < m <= FEW:
        parts = [
            extremum_vjp(g[..., k : k + 1], out[..., k : k + 1], x, axis=(last,), keepdims=True, skips_nan=skips_nan)
            for k in range(m)
        ]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total
    nan = not_equal(out, out)
    total = spread_ties_(select(nan, 0.0, g), untracked(x), ranks)
    if skips_nan:
        return total
    bad = count_nonzero_(nan, axis=(last,), keepdims=True)
    return select(equal(bad, 0), total, float("nan"))


order_statistics_ = Op(
    "order_statistics",
    _order_statistics,
    saves=(0, 1, "out"),
    doc="The elements of x (..., n) at `ranks` (m,) or (..., m) of its sorted last axis: (..., m).",
)
order_statistics_.defvjp(_order_statistics_vjp, None)


def _runs(xp: Any, x: Any, ranks: Any) -> tuple[Any, Any, Any, Any]:
    """Runs of equal elements in the sorted rows of x.

    Returns the order that sorts the last axis; for each place in it the number of its run, counted through all rows;
    the runs at `ranks`; how long each run is.
    """
    order = xp.argsort(x, axis=-1)
    ordered = xp.take_along_axis(x, order, axis=-1)
    new = xp.ones(x.shape, np.intp)
    new[..., 1:] = ordered[..., 1:] != ordered[..., :-1]
    run = (xp.cumsum(new.reshape(-1)) - 1).reshape(x.shape)
    size = xp.zeros(x.size, np.float64)  # CuPy adds up no int64
    xp.add.at(size, run.reshape(-1), 1)
    at = run[..., ranks] if ranks.ndim == 1 else xp.take_along_axis(run, ranks, axis=-1)
    return order, run, at, xp.maximum(size, 1)


def _spread_ties(xp: Any, g: Any, x: Any, ranks: Any) -> Any:
    order, run, at, size = _runs(xp, x, ranks)
    total = xp.zeros(x.size, g.dtype)
    xp.add.at(total, at.reshape(-1), g.reshape(-1))
    out = xp.empty(x.shape, g.dtype)
    xp.put_along_axis(out, order, (total / size).astype(g.dtype)[run], axis=-1)
    return out


def _average_ties(xp: Any, u: Any, x: Any, ranks: Any) -> Any:
    order, run, at, size = _runs(xp, x, ranks)
    total = xp.zeros(x.size, u.dtype)
    xp.add.at(total, run.reshape(-1), xp.take_along_axis(u, order, axis=-1).reshape(-1))
    return (total / size).astype(u.dtype)[at]


spread_ties_: Op = Op(
    "spread_ties",
    _spread_ties,
    saves=(1, 2),
    doc="g (..., m), each entry shared evenly by the elements of x (..., n) that equal the one of its rank.",
)
average_ties_: Op = Op(
    "average_ties",
    _average_ties,
    saves=(1, 2),
    doc="For each of `ranks` the mean of u over the elements of x that equal the one of that rank.",
)
spread_ties_.defvjp(lambda g, out, u, x, ranks: average_ties_(g, x, ranks), None, None)
average_ties_.defvjp(lambda g, out, u, x, ranks: spread_ties_(g, x, ranks), None, None)


def beside(x: Any, values: Any) -> Any:
    """A raw array on the device of x."""
    return to_device(values, device_of(x._data if isinstance(x, Variable) else x))


def _present(xp: Any, x: Any) -> Any:
    n = (~xp.isnan(x)).sum(axis=-1, keepdims=True)
    if xp is np and not n.all():
        warnings.warn("All-NaN slice encountered", RuntimeWarning, stacklevel=4)
    return n


present_ = Op(
    "present", _present, saves=(), differentiable=False, doc="How many elements along the last axis are not nan."
)


# --- medians --------------------------------------------------------------------------------------------------------


def _back(value: Any, a: Any, axis: tuple[int, ...] | None, keepdims: bool) -> Any:
    """(..., 1) in the shape of a reduction of a."""
    kept = kept_shape(a.shape, axis)
    short = tuple(n for i, n in enumerate(a.shape) if axis is not None and i not in axis)
    return reshape_(value, shape=kept if keepdims else short)


def median(a: Any, axis: Axis = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """The middle element over axes, or the mean of the two in the middle; equal elements share the gradient evenly.

    Args:
        a: array or Tensor.
        axis: axis or axes; None for all.
        out: not supported.
        overwrite_input: allows to overwrite a, which is never done.
        keepdims: keep reduced axes with length 1.

    Returns:
        An array, or a Tensor where a is one; nan where there is nan.
    """
    a, axis, keepdims = operand("median", a, axis, out, keepdims)
    rows = axes_last(a, axis)
    n = rows.shape[-1]
    if n == 0:
        return mean(a, axis, keepdims=keepdims)
    ranks = np.arange((n - 1) // 2, n // 2 + 1)
    ranks.flags.writeable = False  # which a capture takes for a constant
    ranks = beside(a, ranks)
    middle = order_statistics_(rows, ranks, skips_nan=False)
    return _back(mean_(middle, axis=(middle.ndim - 1,), keepdims=True), a, axis, keepdims)


nanmedian_ranks_ = Op(
    "nanmedian_ranks",
    lambda xp, n: xp.maximum(xp.concatenate([(n - 1) // 2, n // 2], axis=-1), 0),
    saves=(),
    differentiable=False,
    doc="The ranks of the two elements in the middle of n (..., 1).",
)


def nanmedian(a: Any, axis: Axis = None, out: Any = None, overwrite_input: bool = False, keepdims: bool = False) -> Any:
    """The median over axes of what is not nan; equal elements share the gradient evenly.

    Args:
        a: array or Tensor.
        axis: axis or axes; None for all.
        out: not supported.
        overwrite_input: allows to overwrite a, which is never done.
        keepdims: keep reduced axes with length 1.

    Returns:
        An array, or a Tensor where a is one; nan where all elements are.
    """
    a, axis, keepdims = operand("nanmedian", a, axis, out, keepdims)
    if a.dtype.kind != "f":
        return median(a, axis, keepdims=keepdims)
    if a.size == 0:
        return nanmean(a, axis, keepdims=keepdims)
    rows = axes_last(a, axis)
    middle = order_statistics_(rows, nanmedian_ranks_(present_(rows)), skips_nan=True)
    # halves first: the sum of two equal large elements would overflow
    return _back(middle[..., :1] * 0.5 + middle[..., 1:] * 0.5, a, axis, keepdims)
