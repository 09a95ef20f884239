"""Indexing: reading elements and slices. Their gradients are small pieces, added up once per array.

A read of k elements gives the engine an Indexed piece of k values instead of a dense array of zeros, so that
n scalar reads of one array cost O(n), not O(n**2).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backend.array import to_host
from ..backend.device import HOST, common_provider, compute, device_of, on_device, provider_of
from ..backend.recording import lift, zeros
from ..backend.spec import Spec
from ..core.node import Indexed
from ..core.op import Op
from ..core.variable import Variable
from .arguments import as_operand, no_out, normalize_axis


def raw(x: Any) -> Any:
    """The raw array of a Tensor; anything else as it is."""
    return lift(x._data) if isinstance(x, Variable) else x


def on_host(values: Any) -> Any:
    """Numbers that say how often, how far or where, as a NumPy array (waits for a device that holds them)."""
    found = raw(values)
    return np.asarray(to_host(found) if provider_of(found) is not None else found)


# --- what an index is -----------------------------------------------------------------------------------------------


def _integers(index: tuple[Any, ...]) -> int:
    """How many integers an index is made of: 0 where slices, None or Ellipsis are among them, -1 where arrays are."""
    count, other = 0, False
    for p in index:
        if p.__class__ is int:
            count += 1
        elif p is None or p is Ellipsis or p.__class__ is slice:
            other = True
        else:
            return -1
    return 0 if other else count


def is_basic(index: Any) -> bool:
    """True for integers, slices, None and Ellipsis: NumPy answers with a view, and no element is read twice."""
    return _integers(index if index.__class__ is tuple else (index,)) >= 0


def repeats(index: Any) -> bool:
    """Whether an index may name an element twice: it holds an array of integers (masks do not repeat)."""
    parts = index if isinstance(index, tuple) else (index,)
    return any(getattr(getattr(p, "dtype", None), "kind", "") in ("i", "u") for p in parts)


def _as_array(xp: Any, part: Any) -> Any:
    """A list in an index as an array."""
    if any(provider_of(p) is not None for p in part):
        return xp.stack([xp.asarray(p) for p in part])  # 0-d arrays, which only NumPy would collect by itself
    found = np.asarray(part)
    return xp.asarray(found.astype(np.intp) if found.size == 0 and found.dtype.kind == "f" else found)


def _part(x: Any, part: Any, keep: bool) -> Any:
    """One part of an index: numbers as int, lists and arrays as arrays where x is.

    With `keep` arrays are copied, in C order: the rule reads the index as it was.
    """
    if part is None or part is Ellipsis or isinstance(part, slice):
        return part
    if isinstance(part, (np.integer, int)) and not isinstance(part, bool):
        return int(part)
    if isinstance(part, Variable):
        part, keep = lift(part._data), True
    if isinstance(part, (bool, np.bool_)):
        part = np.asarray(part)
    elif isinstance(part, (list, tuple, range)):
        part, keep = compute("index", lambda xp, _: _as_array(xp, [raw(p) for p in part]), [x], {})[1], False
    elif provider_of(part) is None:
        return part.__index__() if hasattr(part, "__index__") else part  # what is no index is NumPy's to refuse
    if provider_of(part) is HOST and provider_of(x) not in (HOST, None):
        return compute("index", lambda xp, _: xp.asarray(part), [x], {})[1]
    return _copied(part) if keep else part


def _copied(array: Any) -> Any:
    """A copy in C order where the array is."""
    with on_device(device_of(array)):
        return array.copy()


def normal_index(x: Any, index: Any, keep: bool = True) -> Any:
    """An index without Tensors, lists or NumPy numbers: ints, slices, None, Ellipsis, and arrays on the device of x.

    Args:
        x: raw array that is indexed.
        index: anything that NumPy takes; integer and boolean Tensors too.
        keep: copy the arrays in it.

    Returns:
        A tuple.
    """
    return tuple(_part(x, p, keep) for p in (index if isinstance(index, tuple) else (index,)))


# --- the transpose of indexing --------------------------------------------------------------------------------------


_ALL = slice(None)


def _not_negative(p: Any, n: int) -> Any:
    """Integers that count from the end as integers that count from the start."""
    p = p.astype(np.intp, copy=False)
    return p if p.size and p.min() >= 0 else np.where(p < 0, p + n, p)


def _positions(shape: tuple[int, ...], index: tuple[Any, ...], grid: list[Any]) -> Any:
    """Where the elements of x[index] lie in a flat x. `grid` keeps what several indices of one shape share."""
    arrays = [(axis, p) for axis, p in enumerate(index) if p.__class__ is not slice or p != _ALL]
    integers = all(getattr(getattr(p, "dtype", None), "kind", "") in ("i", "u") for _, p in arrays)
    if integers and len(arrays) == len(shape):
        total = 0
        for axis, p in arrays:
            total = total + _not_negative(p, shape[axis]) * math.prod(shape[axis + 1 :])
        return total
    if integers and len(arrays) == 1:
        ((axis, p),) = arrays
        inner = math.prod(shape[axis + 1 :])
        lines = np.arange(math.prod(shape[:axis])).reshape((-1,) + (1,) * (p.ndim + 1)) * (shape[axis] * inner)
        flat = lines + (_not_negative(p, shape[axis]) * inner)[..., None] + np.arange(inner)
        return flat.reshape(shape[:axis] + p.shape + shape[axis + 1 :])
    if not grid:
        grid.append(np.arange(math.prod(shape)).reshape(shape))
    return grid[0][index]


def add_at(xp: Any, dense: Any, index: Any, values: Any, grid: list[Any] | None = None) -> None:
    """dense[index] += values in place, where repeated elements get all of their values.

    Args:
        xp: the array module.
        dense: C-contiguous array.
        index: as `normal_index` gives it.
        values: array or number that broadcasts to dense[index].
        grid: a list that calls with one shape of `dense` may share.
    """
    if not repeats(index):
        dense[index] += values
    elif xp is not np:
        xp.add.at(dense, index, values)
    else:  # NumPy adds at a list of positions in a flat array 10 times faster than anywhere else
        at = _positions(dense.shape, index, [] if grid is None else grid)
        np.add.at(dense.reshape(-1), at.reshape(-1), np.broadcast_to(values, at.shape).reshape(-1))


def _scatter(xp: Any, *values: Any, indices: tuple[Any, ...], spec: Spec) -> Any:
    dense = zeros(spec.shape, values[0].dtype, device_of(values[0]))
    grid: list[Any] = []
    first = True
    for value, index in zip(values, indices, strict=True):
        if first and not repeats(index):
            dense[index] = value
        else:
            add_at(xp, dense, index, value, grid)
        first = False
    return dense


scatter = Op(
    "scatter",
    _scatter,
    saves=(),
    doc="A dense array of zeros with each of `values` added at its index; the transpose of indexing.",
)
scatter.defvjp_all(
    lambda needs, g, out, *values, indices, spec: tuple(
        (getitem_ if is_basic(index) else gather_)(g, index=index) if needed else None
        for needed, index in zip(needs, indices, strict=True)
    )
)

getitem_: Op = Op("getitem", lambda xp, x, *, index: x[index], saves=(), view=True)
getitem_.defvjp(lambda g, out, x, *, index: Indexed(scatter, g, index))

# The same for indices that make a copy: its writes are no writes to x.
gather_: Op = Op("gather", lambda xp, x, *, index: x[index], saves=())
gather_.defvjp(lambda g, out, x, *, index: Indexed(scatter, g, index))


def getitem(x: Any, index: Any) -> Any:
    """x[index] with NumPy's basic, integer, boolean and mixed indexing.

    Args:
        x: array or Tensor.
        index: anything that NumPy takes; integer and boolean Tensors too.

    Returns:
        An array, or a Tensor where x is one; a view for a basic index.

    Raises:
        IndexError: out of range, on the CPU (CuPy wraps around: a look at the values would stall the device).
    """
    count = 1
    if index.__class__ is not int:
        count = _integers(index if index.__class__ is tuple else (index,))
        if count < 0:
            index = normal_index(raw(x), index, keep=getattr(x, "_node", None) is not None)
            count = _integers(index)
            if count < 0:
                return gather_(x, index=index)
    # NumPy copies a single element, where CuPy makes a view
    single = count and x.ndim == count and raw(x).__class__ is np.ndarray
    return (gather_ if single else getitem_)(x, index=index)


# --- take -----------------------------------------------------------------------------------------------------------


def _take(xp: Any, x: Any, indices: Any, *, axis: int) -> Any:
    return xp.take(x, indices, axis=axis)


take_ = Op("take", _take, saves=(1,))
take_.defvjp(lambda g, out, x, indices, *, axis: Indexed(scatter, g, (*(slice(None),) * axis, indices)), None)


def as_indices(x: Any, indices: Any) -> Any:
    """Integer indices as an int, an array where x is, or the Tensor that was given.

    Raises:
        TypeError: not integers.
    """
    if isinstance(indices, (int, np.integer)):
        return int(indices)
    found = raw(indices)
    if provider_of(found) is None:
        found = as_operand(found)
        found = found.astype(np.intp) if found.size == 0 and found.dtype.kind == "f" else found
    if found.dtype.kind == "b":
        with on_device(device_of(found)):
            found = found.astype(np.int64)
    if found.dtype.kind not in "iu":
        raise TypeError(f"integer indices are due, got dtype {found.dtype}")
    if provider_of(found) is HOST and provider_of(raw(x)) is not HOST:
        return compute("index", lambda xp, _: xp.asarray(found), [raw(x)], {})[1]
    if isinstance(indices, Variable):
        return indices if found is indices._data else found
    # the rule reads the indices as they were
    return _copied(found) if found is indices and getattr(x, "_node", None) is not None else found


def within(indices: Any, length: int, mode: str, name: str) -> Any:
    """Indices brought into range(length) by NumPy's mode "wrap" or "clip"; as they are for "raise"."""
    if mode not in ("raise", "wrap", "clip"):
        raise ValueError(f"{name}: mode must be 'raise', 'wrap' or 'clip', got {mode!r}")
    if mode == "raise":
        return indices
    if isinstance(indices, int):
        return indices % length if mode == "wrap" else min(max(indices, 0), length - 1)
    found = raw(indices)
    with on_device(device_of(found)):
        found = found.astype(np.int64)  # small dtypes may not hold the length
        return found % length if mode == "wrap" else found.clip(0, length - 1)


def take(a: Any, indices: Any, axis: int | None = None, out: None = None, mode: str = "raise") -> Any:
    """The entries of a at integer indices along an axis.

    Args:
        a: array or Tensor.
        indices: integers: an array of any shape, a Tensor, a list or one number.
        axis: axis to take from; None for the flattened array.
        out: not supported.
        mode: what to do with indices out of range: "raise" (on the CPU; CuPy wraps around), "wrap" or "clip".

    Returns:
        The shape of a with `axis` replaced by the shape of indices: an array, or a Tensor where a is one.

    Raises:
        IndexError: an index out of range, on the CPU; or any index into nothing.
        TypeError: indices are not integers.
    """
    no_out("take", out)
    a = as_operand(a)
    if axis is None or a.ndim == 0:
        normalize_axis("take", axis, 1)
        a, axis = a.reshape(-1), 0
    (axis,) = normalize_axis("take", axis, a.ndim) or (0,)
    indices = as_indices(a, indices)
    if a.shape[axis] == 0 and (isinstance(indices, int) or raw(indices).size):
        raise IndexError(f"take: axis {axis} of shape {a.shape} is empty, so no index is in range")
    return take_(a, within(indices, a.shape[axis], mode, "take"), axis=axis)


def device_arrays(name: str, x: Any, make: Any) -> Any:
    """make(xp), called with the device of x current: constants (index arrays, ramps) where x is.

    Args:
        name: of the function, for errors.
        x: array or Tensor.
        make: function of the array module.

    Returns:
        What it returns.
    """
    provider, label = common_provider(name, [raw(x)])
    with on_device(label):
        return make(provider.xp)


NUMPY = ("take",)
