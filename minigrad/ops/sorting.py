"""Sorting: the gradient goes back to where each element came from, equal ones in their order in the array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.op import Op
from ..core.variable import Variable
from ..errors import ShapeError
from .arguments import as_operand
from .cumulative import along
from .index import take_
from .joining import as_arrays

NUMPY = ("sort", "argsort", "partition", "argpartition", "lexsort", "searchsorted", "unique")


LARGE = 4096
"""From so many elements on, looking for ties is quicker than a stable sort."""


def _argsort(xp: Any, x: Any, *, axis: int, kind: Any = "stable") -> Any:
    if xp is not np:
        return xp.argsort(x, axis=axis, kind=None if kind is None else "stable")
    if kind != "stable" or x.size < LARGE:
        return np.argsort(x, axis=axis, kind=kind)
    # NumPy sorts five times as fast where it need not be stable, and without ties that is the same
    order = np.argsort(x, axis=axis)
    ordered = np.moveaxis(np.take_along_axis(x, order, axis=axis), axis, -1)
    tied = ordered[..., 1:] == ordered[..., :-1]
    if tied.any() or np.isnan(ordered[..., -2:]).all(axis=-1).any():
        return np.argsort(x, axis=axis, kind="stable")
    return order


argsort_ = Op("argsort", _argsort, saves=(), differentiable=False)


def _put_along(xp: Any, values: Any, order: Any, *, axis: int) -> Any:
    out = xp.empty(order.shape, values.dtype)
    xp.put_along_axis(out, order, values, axis=axis)
    return out


permuted_: Op = Op(
    "permuted",
    lambda xp, x, order, *, axis: xp.take_along_axis(x, order, axis=axis),
    saves=(1,),
    doc="x with the entries along an axis in another order, a permutation for each slice.",
)
permuted_back_: Op = Op("permuted_back", _put_along, saves=(1,), doc="The inverse of permuted.")
permuted_.defvjp(lambda g, out, x, order, *, axis: permuted_back_(g, order, axis=axis), None)
permuted_back_.defvjp(lambda g, out, x, order, *, axis: permuted_(g, order, axis=axis), None)

sort_ = Op("sort", lambda xp, x, *, axis: xp.sort(x, axis=axis), saves=(0,))
sort_.defvjp(lambda g, out, x, *, axis: permuted_back_(g, argsort_(x, axis=axis), axis=axis))

# Which order a partition leaves is the algorithm's choice. The k-th smallest of the output is the k-th smallest input.
partition_ = Op("partition", lambda xp, x, *, kth, axis: xp.partition(x, kth, axis=axis), saves=(0, "out"))
partition_.defvjp(
    lambda g, out, x, *, kth, axis: permuted_back_(
        permuted_(g, argsort_(out, axis=axis), axis=axis), argsort_(x, axis=axis), axis=axis
    )
)

argpartition_ = Op(
    "argpartition", lambda xp, x, *, kth, axis: xp.argpartition(x, kth, axis=axis), saves=(), differentiable=False
)

KINDS = (None, "quicksort", "mergesort", "heapsort", "stable")


def _kind(name: str, kind: str | None, order: Any, stable: bool | None) -> str | None:
    """NumPy's two ways to ask for an algorithm.

    Raises:
        TypeError, ValueError: for fields, of which arrays of numbers have none; for both ways; for an unknown one.
    """
    if order is not None:
        raise TypeError(f"{name}: order= names fields, which arrays of numbers do not have; lexsort has several keys")
    if kind not in KINDS:
        raise ValueError(f"{name}: kind must be one of {', '.join(map(str, KINDS))}, got {kind!r}")
    if stable is None:
        return kind
    if kind is not None:
        raise ValueError(f"{name}: kind and stable are two ways to say the same; give one of them")
    return "stable" if stable else None


def sort(
    a: Any, axis: int | None = -1, kind: str | None = None, order: None = None, *, stable: bool | None = None
) -> Any:
    """The elements in ascending order along an axis, nan last; equal elements take the gradient in their order in a.

    Args:
        a: array or Tensor.
        axis: the axis; None for the flattened array.
        kind: NumPy's name of an algorithm, of which the result does not depend.
        order: not supported.
        stable: of which the result does not depend either.

    Returns:
        An array, or a Tensor where a is one.
    """
    _kind("sort", kind, order, stable)
    a, axis = along("sort", a, axis)
    return sort_(a, axis=axis)


def argsort(
    a: Any, axis: int | None = -1, kind: str | None = None, order: None = None, *, stable: bool | None = None
) -> Any:
    """The indices that sort an array along an axis; carries no gradient.

    Args:
        a: array or Tensor.
        axis: the axis; None for the flattened array.
        kind: NumPy's name of an algorithm.
        order: not supported.
        stable: True keeps equal elements in their order.

    Returns:
        Integers: an array, or a Tensor where a is one.
    """
    kind = _kind("argsort", kind, order, stable)
    a = as_operand(a)
    if a.ndim == 0:
        axis = None
    a, axis = along("argsort", a, axis)
    return argsort_(a, axis=axis, kind=kind)


def _kth(name: str, kth: Any, kind: str, order: Any) -> Any:
    if order is not None:
        raise TypeError(f"{name}: order= names fields, which arrays of numbers do not have")
    if kind != "introselect":
        raise ValueError(f"{name}: kind must be 'introselect', got {kind!r}")
    return tuple(kth) if isinstance(kth, (list, tuple, np.ndarray)) and np.ndim(kth) else kth


def partition(a: Any, kth: Any, axis: int | None = -1, kind: str = "introselect", order: None = None) -> Any:
    """The elements with the smallest up to the kth before it, the others after it, along an axis.

    Equal elements take the gradient in their order in a.

    Args:
        a: array or Tensor.
        kth: the place, or places, whose elements are as in the sorted array.
        axis: the axis; None for the flattened array.
        kind: 'introselect'.
        order: not supported.

    Returns:
        An array, or a Tensor where a is one.
    """
    kth = _kth("partition", kth, kind, order)
    a, axis = along("partition", a, axis)
    return partition_(a, kth=kth, axis=axis)


def argpartition(a: Any, kth: Any, axis: int | None = -1, kind: str = "introselect", order: None = None) -> Any:
    """The indices that partition an array along an axis; carries no gradient.

    Args:
        a: array or Tensor.
        kth: the place, or places, whose elements are as in the sorted array.
        axis: the axis; None for the flattened array.
        kind: 'introselect'.
        order: not supported.

    Returns:
        Integers: an array, or a Tensor where a is one.
    """
    kth = _kth("argpartition", kth, kind, order)
    a, axis = along("argpartition", a, axis)
    return argpartition_(a, kth=kth, axis=axis)


def _lexsort(xp: Any, *keys: Any, axis: int) -> Any:
    if xp is np:
        return np.lexsort(keys, axis=axis)
    if keys[0].ndim != 1:
        raise ShapeError(f"lexsort: on a device keys are vectors, got an array of shape {keys[0].shape}")
    return xp.lexsort(xp.stack(keys))


lexsort_ = Op("lexsort", _lexsort, saves=(), differentiable=False)


def lexsort(keys: Sequence[Any], axis: int = -1) -> Any:
    """The indices that sort by several keys, the last one first; carries no gradient.

    Args:
        keys: arrays or Tensors of one shape, or one array of them along its first axis.
        axis: the axis to sort along.

    Returns:
        Integers: an array, or a Tensor where a key is one.
    """
    if hasattr(keys, "ndim"):
        keys = [keys[i] for i in range(keys.shape[0])]  # type: ignore[attr-defined]
    return lexsort_(*as_arrays("lexsort", list(keys)), axis=axis)


def _searchsorted(xp: Any, a: Any, v: Any, sorter: Any, *, side: str) -> Any:
    return xp.searchsorted(a, v if xp is np else xp.asarray(v), side=side, sorter=sorter)


searchsorted_ = Op("searchsorted", _searchsorted, saves=(), differentiable=False)


def searchsorted(a: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """Where elements belong in a sorted vector; carries no gradient.

    Args:
        a: (n,) in ascending order, or in any with `sorter`: array or Tensor.
        v: the elements.
        side: 'left' puts them before equal ones, 'right' after.
        sorter: indices that sort a.

    Returns:
        Integers of the shape of v: an array, or a Tensor where an argument is one.
    """
    given = [a, v] if sorter is None else [a, v, sorter]
    a, v, *rest = as_arrays("searchsorted", given)
    return searchsorted_(a, v, rest[0] if rest else None, side=side)


# --- distinct elements ----------------------------------------------------------------------------------------------


def _unique(xp: Any, x: Any, *, index: bool, inverse: bool, counts: bool, axis: int | None, equal_nan: bool) -> Any:
    found = xp.unique(x, index, inverse, counts, axis=axis, equal_nan=equal_nan)
    if not inverse or axis is not None:
        return found
    parts = list(found)
    parts[1 + index] = parts[1 + index].reshape(x.shape)  # CuPy leaves it flat
    return tuple(parts)


unique_ = Op("unique", _unique, saves=(), differentiable=False)


def unique(
    ar: Any,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    *,
    equal_nan: bool = True,
    sorted: bool = True,
) -> Any:
    """The distinct elements in ascending order; the first of equal ones takes the gradient.

    Args:
        ar: array or Tensor.
        return_index: also return the index of the first of each.
        return_inverse: also return which of them each element is.
        return_counts: also return how many there are of each.
        axis: compare the entries along this axis; None compares elements.
        equal_nan: count nan as one element.
        sorted: the result is sorted in any case.

    Returns:
        An array, or a Tensor where ar is one; a tuple where more than the elements is asked for.
    """
    a = as_operand(ar)
    wanted = {"inverse": return_inverse, "counts": return_counts, "axis": axis, "equal_nan": equal_nan}
    if not isinstance(a, Variable) or a._node is None:
        return unique_(a, index=return_index, **wanted)
    _, index, *more = unique_(a, index=True, **wanted)
    flat, axis = along("unique", a, axis)
    values = take_(flat, index, axis=axis)
    extra = [index, *more] if return_index else more
    return (values, *extra) if extra else values
