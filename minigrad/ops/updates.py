"""Writing to elements: new arrays that differ from an old one at an index, and NumPy's functions that write in place.

Where an index names an element twice, the last value in C order wins (index_update), and gets the gradient; or all of
them are added (index_add).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backend.array import owned
from ..backend.device import compute
from ..backend.versions import mark_written
from ..core.engine import sum_to
from ..core.modes import mode
from ..core.op import Op
from ..core.variable import Variable
from ..errors import DTypeError, ShapeError
from .arguments import as_operand
from .index import add_at, as_indices, gather_, getitem_, is_basic, normal_index, raw, repeats
from .joining import as_arrays
from .repetition import resize
from .selection import along_axis
from .shape import ravel, reshape_


def _read(x: Any, index: Any) -> Any:
    return (getitem_ if is_basic(index) else gather_)(x, index=index)


def _last_writes(xp: Any, shape: tuple[int, ...], index: Any) -> tuple[Any, Any]:
    """For each element of an array of `shape` the number of the last entry of x[index] that names it; and 0, 1, ...

    The numbers have the shape of x[index]. On a device threads write in any order, so the largest one is asked for.
    """
    at = xp.full(shape, -1, xp.int64)
    count = xp.broadcast_to(xp.zeros((), xp.int8), shape)[index]
    order = xp.arange(count.size, dtype=xp.int64).reshape(count.shape)
    if xp is np:
        at[index] = order
    else:
        xp.maximum.at(at, index, order)
    return at, order


def _keep_last(xp: Any, g: Any, *, index: Any, shape: tuple[int, ...]) -> Any:
    at, order = _last_writes(xp, shape, index)
    return xp.where(at[index] == order, g, 0)


keep_last_: Op = Op(
    "keep_last", _keep_last, saves=(), doc="Entries of x[index] that a later entry at the same element overwrites as 0."
)
keep_last_.defvjp(lambda g, out, x, *, index, shape: keep_last_(g, index=index, shape=shape))


def _lean(values: Any, ndim: int) -> Any:
    """Values without leading axes of length 1 beyond `ndim`, which NumPy's assignments allow."""
    extra = values.ndim - ndim
    if extra <= 0 or values.shape[:extra] != (1,) * extra:
        return values
    return values.reshape(values.shape[extra:])


def _index_update(xp: Any, x: Any, values: Any, *, index: Any) -> Any:
    made = owned(x)
    if repeats(index) and getattr(values, "size", 1) > 1:
        if xp is np:
            values = np.asarray(values, order="C")  # NumPy writes in the order of the memory
        else:
            at = _last_writes(xp, x.shape, index)[0][index]
            values = xp.broadcast_to(_lean(values, at.ndim), at.shape).astype(x.dtype).reshape(-1)[at]
    made[index] = values
    return made


def _spread_vjp(part: Any, values: Any) -> Any:
    """The gradient of values that were broadcast to the shape of `part`."""
    extra = max(len(values.shape) - part.ndim, 0)
    return sum_to(part, values.shape[extra:]).reshape(values.shape)


def _index_update_vjp(g: Any, out: Any, x: Any, values: Any, *, index: Any) -> Any:
    part = _read(g, index)
    return _spread_vjp(keep_last_(part, index=index, shape=g.shape) if repeats(index) else part, values)


index_update_: Op = Op("index_update", _index_update, saves=())
index_update_.defvjp(lambda g, out, x, values, *, index: index_update_(g, 0.0, index=index), _index_update_vjp)


def _index_add(xp: Any, x: Any, values: Any, *, index: Any) -> Any:
    made = owned(x)
    if getattr(values, "ndim", 0):
        at = xp.broadcast_to(xp.zeros((), xp.int8), x.shape)[index]
        values = _lean(values, at.ndim).astype(x.dtype)
    add_at(xp, made, index, values)
    return made


index_add_ = Op("index_add", _index_add, saves=())
index_add_.defvjp(
    lambda g, out, x, values, *, index: g,
    lambda g, out, x, values, *, index: _spread_vjp(_read(g, index), values),
)


def _operands(name: str, x: Any, index: Any, values: Any) -> tuple[Any, Any, Any]:
    if isinstance(values, (int, float)):
        x = as_operand(x)
    else:
        x, values = as_arrays(name, (x, values))
    dtype = np.result_type(values) if isinstance(values, (int, float)) else values.dtype
    if not np.can_cast(dtype, x.dtype, casting="same_kind"):
        raise DTypeError(f"{name}: values of dtype {dtype} do not fit an array of {x.dtype}; convert one with astype")
    return x, normal_index(raw(x), index), values


def index_update(x: Any, index: Any, values: Any) -> Any:
    """A copy of x with x[index] = values; what `x[index] = values` does in place, with gradients in x and values.

    Where the index names an element more than once, the last of its values wins and gets the gradient.

    Args:
        x: array or Tensor.
        index: anything that x[index] takes; integer and boolean Tensors too.
        values: array, Tensor or number that broadcasts to x[index]; cast to the dtype of x.

    Returns:
        A new array of the shape and dtype of x, or a Tensor where x or values is one.

    Raises:
        ShapeError: the values do not fit.
        DTypeError: values that x cannot hold, such as floats in an integer array.
    """
    x, index, values = _operands("index_update", x, index, values)
    try:
        return index_update_(x, values, index=index)
    except ValueError as error:
        raise ShapeError(f"index_update: values of shape {np.shape(values)} do not fit x[index] ({error})") from error


def index_add(x: Any, index: Any, values: Any) -> Any:
    """A copy of x with the values added at x[index]; what `np.add.at(x, index, values)` does in place.

    Where the index names an element more than once, all of its values are added.

    Args:
        x: array or Tensor.
        index: anything that x[index] takes; integer and boolean Tensors too.
        values: array, Tensor or number that broadcasts to x[index]; cast to the dtype of x.

    Returns:
        A new array of the shape and dtype of x, or a Tensor where x or values is one.

    Raises:
        ShapeError: the values do not fit.
        DTypeError: values that x cannot hold, such as floats in an integer array.
    """
    x, index, values = _operands("index_add", x, index, values)
    try:
        return index_add_(x, values, index=index)
    except ValueError as error:
        raise ShapeError(f"index_add: values of shape {np.shape(values)} do not fit x[index] ({error})") from error


# --- NumPy's functions that write in place --------------------------------------------------------------------------


def _write(name: str, instead: str, write: Any, target: Any, *operands: Any) -> None:
    """write(xp, target, *operands) on raw arrays, where no graph could be lost."""
    given = (target, *(x if isinstance(x, (bool, int, float)) else as_arrays(name, (target, x))[1] for x in operands))
    if mode.recording and any(getattr(x, "_node", None) is not None for x in given):
        raise TypeError(
            f"{name} writes in place, which has no gradient: use {instead}, which makes a new array, or write under "
            "mg.no_grad()"
        )
    compute(name, write, [raw(x) for x in given], {})
    if isinstance(target, Variable):
        mark_written(target._cell)


def put_along_axis(arr: Any, indices: Any, values: Any, axis: int | None = -1, *, inplace: bool = True) -> Any:
    """Values written at the places that `take_along_axis` would read.

    Args:
        arr: array or Tensor.
        indices: integers, one for each value along the axis.
        values: array, Tensor or number that broadcasts to indices.
        axis: axis along which the indices count; None for the flattened array.
        inplace: True writes to `arr`, as NumPy does (not where it is tracked); False makes a new array, with gradients.

    Returns:
        None, or the new array: a Tensor where arr or values is one.

    Raises:
        TypeError: in place with a tracked Tensor.
    """
    if inplace:
        instead = "mg.put_along_axis(..., inplace=False)"
        work = lambda xp, a, i, v: xp.put_along_axis(a, i, v, axis)
        return _write("put_along_axis", instead, work, arr, as_indices(arr, indices), values)
    arr = as_operand(arr)
    if axis is None:
        flat = put_along_axis(ravel(arr), indices, values, 0, inplace=False)
        return reshape_(flat, shape=arr.shape)
    return index_update(arr, along_axis("put_along_axis", arr, indices, axis), values)


def fill_diagonal(a: Any, val: Any, wrap: bool = False, *, inplace: bool = True) -> Any:
    """A value, or values over and over, written on the main diagonal.

    Args:
        a: array or Tensor with at least two axes; of equal length where they are more than two.
        val: number, array or Tensor.
        wrap: in a matrix with more rows than columns, start again below an empty row.
        inplace: True writes to `a`, as NumPy does (not where it is tracked); False makes a new array, with gradients.

    Returns:
        None, or the new array: a Tensor where a or val is one.

    Raises:
        TypeError: in place with a tracked Tensor.
        ShapeError: the axes of `a` are too few or differ in length.
    """
    a = a if inplace else as_operand(a)
    if a.ndim < 2 or (a.ndim > 2 and len(set(a.shape)) > 1):
        raise ShapeError(f"fill_diagonal: a matrix, or more axes of equal length, is due, got shape {a.shape}")
    end = a.shape[1] ** 2 if a.ndim == 2 and not wrap else a.size
    places = range(0, min(end, a.size), 1 + sum(math.prod(a.shape[i:]) for i in range(1, a.ndim)))

    def work(xp: Any, x: Any, v: Any) -> None:
        if xp is np:
            np.fill_diagonal(x, v, wrap)
        elif places:
            at = xp.arange(places.start, places.stop, places.step)
            x[xp.unravel_index(at, x.shape)] = (
                v.reshape(-1)[xp.arange(len(places)) % v.size] if getattr(v, "ndim", 0) else v
            )

    if inplace:
        return _write("fill_diagonal", "mg.fill_diagonal(..., inplace=False)", work, a, val)
    if getattr(as_operand(val), "ndim", 0):
        val = resize(val, len(places))
    index = slice(places.start, places.stop, places.step)
    return reshape_(index_update(ravel(a), index, val), shape=a.shape)


def put(a: Any, ind: Any, v: Any, mode: str = "raise") -> None:
    """NumPy's `put`, a.flat[ind] = v in place, for what is not tracked.

    Args:
        a: array or Tensor, written to.
        ind: positions in the flattened array.
        v: values.
        mode: what to do with positions out of range.

    Raises:
        TypeError: with a tracked Tensor; it names the function that makes a new array.
    """
    work = lambda xp, x, i, y: xp.put(x, i, y, mode if xp is np or mode != "raise" else "wrap")
    _write("put", "mg.index_update", work, a, as_indices(a, ind), v)


def place(arr: Any, mask: Any, vals: Any) -> None:
    """NumPy's `place`, arr[mask] = vals in place with vals over and over, for what is not tracked.

    Args:
        arr: array or Tensor, written to.
        mask: booleans.
        vals: values.

    Raises:
        TypeError: with a tracked Tensor; it names the function that makes a new array.
    """

    def work(xp: Any, x: Any, m: Any, v: Any) -> None:
        at = xp.flatnonzero(m)
        if at.size and not v.size:
            raise ShapeError("place: there are places to fill, but no values")
        if at.size:
            at = xp.unravel_index(at, x.shape)
            x[at] = v.reshape(-1)[xp.arange(at[0].size) % v.size].astype(x.dtype)

    _write("place", "mg.index_update", work, arr, mask, vals if hasattr(vals, "ndim") else np.ravel(vals).tolist())


def putmask(a: Any, /, mask: Any, values: Any) -> None:
    """NumPy's `putmask`, a[mask] = values[mask] in place, for what is not tracked.

    Args:
        a: array or Tensor, written to.
        mask: booleans.
        values: values.

    Raises:
        TypeError: with a tracked Tensor; it names the function that makes a new array.
    """
    _write("putmask", "mg.where", lambda xp, x, m, v: xp.putmask(x, m, v), a, mask, values)


def copyto(dst: Any, src: Any, casting: str = "same_kind", where: Any = True) -> None:
    """NumPy's `copyto`, dst[...] = src in place, for what is not tracked.

    Args:
        dst: array or Tensor, written to.
        src: values that broadcast to dst.
        casting: what casts are allowed.
        where: booleans: where to copy.

    Raises:
        TypeError: with a tracked Tensor; it names the function that makes a new array.
    """

    def work(xp: Any, x: Any, y: Any, chosen: Any) -> None:
        xp.copyto(x, y, casting) if chosen is True else xp.copyto(x, y, casting, chosen)

    _write("copyto", "mg.where", work, dst, src, where)


NUMPY = ("put_along_axis", "fill_diagonal", "put", "place", "putmask", "copyto")
