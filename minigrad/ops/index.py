"""Indexing: reading elements and slices. Their gradients are small pieces, added up once per array.

A read of k elements gives the engine an Indexed piece of k values instead of a dense array of zeros, so that
n scalar reads of one array cost O(n), not O(n**2).
"""

from __future__ import annotations

from typing import Any

from ..backend.array import zeros
from ..backend.device import device_of
from ..backend.spec import Spec
from ..core.node import Indexed
from ..core.op import Op
from ..core.variable import Variable
from .shape import reshape


def _is_basic(index: Any) -> bool:
    """True for integers, slices, None and Ellipsis: NumPy answers with a view, and no element is read twice."""
    parts = index if isinstance(index, tuple) else (index,)
    return all(
        p is None or p is Ellipsis or isinstance(p, slice) or (hasattr(p, "__index__") and not hasattr(p, "shape"))
        for p in parts
    )


def _scatter(xp: Any, *values: Any, indices: tuple[Any, ...], spec: Spec) -> Any:
    dense = zeros(spec.shape, values[0].dtype, device_of(values[0]))
    for value, index in zip(values, indices, strict=True):
        if _is_basic(index):
            dense[index] += value
        else:
            xp.add.at(dense, index, value)
    return dense


scatter = Op(
    "scatter",
    _scatter,
    saves=(),
    doc="A dense array of zeros with each of `values` added at its index; the transpose of indexing.",
)
scatter.defvjp_all(
    lambda needs, g, out, *values, indices, spec: tuple(
        getitem_(g, index=index) if needed else None for needed, index in zip(needs, indices, strict=True)
    )
)

getitem_: Op = Op("getitem", lambda xp, x, *, index: x[index], saves=(), view=True)
getitem_.defvjp(lambda g, out, x, *, index: Indexed(scatter, g, index))

# The same for indices that make a copy: its writes are no writes to x.
gather_ = Op("gather", lambda xp, x, *, index: x[index], saves=())
gather_.defvjp(lambda g, out, x, *, index: Indexed(scatter, g, index))

take_ = Op("take", lambda xp, x, indices, *, axis: xp.take(x, indices, axis=axis), saves=(1,))
take_.defvjp(
    lambda g, out, x, indices, *, axis: Indexed(scatter, g, (*(slice(None),) * (axis % x.ndim), indices)), None
)


def _plain(part: Any) -> Any:
    """One part of an index with Tensors turned into arrays, copied: the rule reads the index as it was."""
    if isinstance(part, Variable):
        return part._data.copy()
    if isinstance(part, list) and any(isinstance(p, Variable) for p in part):
        return [_plain(p) for p in part]
    return part


def getitem(x: Any, index: Any) -> Any:
    """x[index] with NumPy's basic, integer, boolean and mixed indexing.

    Args:
        x: array or Tensor.
        index: anything that NumPy takes; integer and boolean Tensors too.

    Returns:
        An array, or a Tensor where x is one; a view for a basic index.
    """
    index = tuple(_plain(p) for p in index) if isinstance(index, tuple) else _plain(index)
    return (getitem_ if _is_basic(index) else gather_)(x, index=index)


def take(x: Any, indices: Any, axis: int | None = None) -> Any:
    """The entries of x at integer indices along an axis.

    Args:
        x: array or Tensor.
        indices: integers: an array, a Tensor, a list or one number.
        axis: axis to take from; None for the flattened array.

    Returns:
        An array, or a Tensor where x is one.
    """
    if axis is None:
        x, axis = reshape(x, -1), 0
    return take_(x, indices, axis=axis)
