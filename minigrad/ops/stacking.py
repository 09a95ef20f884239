"""Joining arrays after giving them axes: rows, columns, layers, blocks; and putting entries in or leaving them out."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError
from .alignment import atleast_1d, atleast_2d, atleast_3d, common_shape
from .arguments import as_operand, normalize_axis
from .arrangement import moveaxis
from .index import getitem, on_host, take
from .joining import as_arrays, concatenate
from .shape import astype, broadcast_to, ravel, reshape_


def vstack(tup: Sequence[Any], *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Arrays joined along the first axis, vectors as rows.

    Args:
        tup: arrays, Tensors or numbers.
        dtype: dtype of the result; None takes the common one.
        casting: what casts to `dtype` are allowed.

    Returns:
        An array of at least two axes, or a Tensor where one of them is.

    Raises:
        ShapeError: the shapes do not fit.
    """
    rows = [atleast_2d(x) for x in as_arrays("vstack", list(tup))]
    return concatenate(rows, 0, dtype=dtype, casting=casting)


row_stack = vstack


def hstack(tup: Sequence[Any], *, dtype: Any = None, casting: str = "same_kind") -> Any:
    """Arrays joined along the second axis, vectors along the first.

    Args:
        tup: arrays, Tensors or numbers.
        dtype: dtype of the result; None takes the common one.
        casting: what casts to `dtype` are allowed.

    Returns:
        An array, or a Tensor where one of them is.

    Raises:
        ShapeError: the shapes do not fit.
    """
    xs = [atleast_1d(x) for x in as_arrays("hstack", list(tup))]
    return concatenate(xs, 0 if not xs or xs[0].ndim == 1 else 1, dtype=dtype, casting=casting)


def dstack(tup: Sequence[Any]) -> Any:
    """Arrays joined along the third axis, matrices as layers (m, n, 1), vectors as (1, n, 1).

    Args:
        tup: arrays, Tensors or numbers.

    Returns:
        An array of at least three axes, or a Tensor where one of them is.

    Raises:
        ShapeError: the shapes do not fit.
    """
    return concatenate([atleast_3d(x) for x in as_arrays("dstack", list(tup))], 2)


def column_stack(tup: Sequence[Any]) -> Any:
    """Arrays joined along the second axis, vectors as columns.

    Args:
        tup: arrays, Tensors or numbers.

    Returns:
        An array of at least two axes, or a Tensor where one of them is.

    Raises:
        ShapeError: the shapes do not fit.
    """
    xs = as_arrays("column_stack", list(tup))
    return concatenate([reshape_(x, shape=(x.size, 1)) if x.ndim < 2 else x for x in xs], 1)


def _leaves(arrays: Any, depth: int = 0) -> tuple[list[Any], set[int]]:
    """What nested lists hold, and how deep it lies."""
    if isinstance(arrays, tuple):
        raise TypeError("block: blocks are arranged by lists, got a tuple")
    if not isinstance(arrays, list):
        return [arrays], {depth}
    if not arrays:
        raise ValueError("block: a list without a block in it")
    found = [_leaves(a, depth + 1) for a in arrays]
    return [leaf for leaves, _ in found for leaf in leaves], set().union(*(depths for _, depths in found))


def block(arrays: Any) -> Any:
    """An array put together from blocks: the innermost lists join along the last axis, the outer ones before it.

    Args:
        arrays: nested lists, all of one depth, of arrays, Tensors and numbers.

    Returns:
        An array, or a Tensor where one of them is.

    Raises:
        ValueError: the depths differ or a list is empty.
        ShapeError: the shapes do not fit.
    """
    leaves, depths = _leaves(arrays)
    if len(depths) > 1:
        raise ValueError(f"block: the blocks lie at different depths of the lists, {sorted(depths)}")
    (depth,) = depths
    leaves = as_arrays("block", leaves)
    ndim = max(depth, *(x.ndim for x in leaves))
    remaining = iter(reshape_(x, shape=(1,) * (ndim - x.ndim) + x.shape) for x in leaves)

    def join(part: Any, axis: int) -> Any:
        return concatenate([join(p, axis + 1) for p in part], axis) if isinstance(part, list) else next(remaining)

    return join(arrays, ndim - depth)


def append(arr: Any, values: Any, axis: int | None = None) -> Any:
    """Values joined to the end of an array.

    Args:
        arr: array or Tensor.
        values: array or Tensor, equal in shape but along `axis`.
        axis: where to join; None flattens both.

    Returns:
        An array, or a Tensor where one of them is.

    Raises:
        ShapeError: the shapes do not fit.
    """
    xs = as_arrays("append", (arr, values))
    if axis is None:
        return concatenate([ravel(x) for x in xs], 0)
    return concatenate(xs, axis)


# --- entries put in and left out ------------------------------------------------------------------------------------


def _positions(name: str, obj: Any, n: int) -> np.ndarray:
    """Positions along an axis of length n: a slice, integers or (for delete) a mask, as integers on the host."""
    if isinstance(obj, slice):
        return np.arange(*obj.indices(n))
    at = on_host(obj)
    if at.ndim > 1:
        raise ShapeError(f"{name}: positions must be one-dimensional, got shape {at.shape}")
    if at.dtype.kind == "b":
        if name == "delete" and at.shape != (n,):
            raise ShapeError(f"delete: a mask must have the axis' length {n}, got shape {at.shape}")
        return np.flatnonzero(at)
    if at.size == 0:
        at = at.astype(np.intp)
    if at.dtype.kind not in "iu":
        raise IndexError(f"{name}: positions must be integers or booleans, got dtype {at.dtype}")
    last = n if name == "insert" else n - 1
    wrong = at[(at < -n) | (at > last)]
    if wrong.size:
        raise IndexError(f"{name}: position {wrong[0]} is out of bounds for an axis of length {n}")
    return np.where(at < 0, at + n, at).astype(np.intp)


def _flattened(name: str, arr: Any, axis: int | None) -> tuple[Any, int]:
    if axis is None:
        return ravel(arr), 0
    (axis,) = normalize_axis(name, operator.index(axis), arr.ndim) or (0,)
    return arr, axis


def insert(arr: Any, obj: Any, values: Any, axis: int | None = None) -> Any:
    """An array with values put in before the given positions along an axis.

    Args:
        arr: array or Tensor.
        obj: positions in `arr`: an int, a slice, integers or a mask.
        values: array, Tensor or number that broadcasts to the entries put in; cast to the dtype of `arr`.
        axis: axis to put them in; None flattens `arr` first.

    Returns:
        An array, or a Tensor where arr or values is one.

    Raises:
        IndexError: a position out of range.
        ShapeError: the values do not fit.
    """
    arr, values = as_arrays("insert", (arr, values))
    arr, axis = _flattened("insert", arr, axis)
    n = arr.shape[axis]
    at = _positions("insert", obj, n)
    values = values if values.dtype == arr.dtype else astype(values, arr.dtype)
    values = reshape_(values, shape=(1,) * (arr.ndim - values.ndim) + values.shape)
    if at.size == 1:
        if at.ndim == 0:
            values = moveaxis(values, 0, axis)
        (index,), count = at.reshape(-1), values.shape[axis]
        shape = (*arr.shape[:axis], count, *arr.shape[axis + 1 :])
        lead = (slice(None),) * axis
        before, after = getitem(arr, (*lead, slice(index))), getitem(arr, (*lead, slice(index, None)))
        return concatenate([before, _fitted(values, shape), after], axis)
    shape = (*arr.shape[:axis], at.size, *arr.shape[axis + 1 :])
    places = at.copy()
    places[at.argsort(kind="stable")] += np.arange(at.size)
    # where each entry of the result comes from, among those of arr and then the values
    source = np.empty(n + at.size, np.intp)
    kept = np.ones(n + at.size, bool)
    kept[places] = False
    source[kept] = np.arange(n)
    source[places] = np.arange(n, n + at.size)
    return take(concatenate([arr, _fitted(values, shape)], axis), source, axis)


def _fitted(values: Any, shape: tuple[int, ...]) -> Any:
    if common_shape("insert", values.shape, shape) != shape:
        raise ShapeError(f"insert: values of shape {values.shape} do not broadcast to {shape}")
    return broadcast_to(values, shape)


def delete(arr: Any, obj: Any, axis: int | None = None) -> Any:
    """An array without some entries along an axis.

    Args:
        arr: array or Tensor.
        obj: positions: an int, a slice, integers or a mask of the axis' length.
        axis: axis to shorten; None flattens `arr` first.

    Returns:
        A new array, or a Tensor where arr is one.

    Raises:
        IndexError: a position out of range.
    """
    arr, axis = _flattened("delete", as_operand(arr), axis)
    kept = np.ones(arr.shape[axis], bool)
    kept[_positions("delete", obj, arr.shape[axis]),] = False
    return take(arr, np.flatnonzero(kept), axis)


NUMPY = (*("vstack", "row_stack", "hstack", "dstack", "column_stack", "block", "append", "insert", "delete"),)
