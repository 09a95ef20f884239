"""Choosing among entries or arrays by indices and conditions, and finding where conditions hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.op import Op
from ..errors import ShapeError
from .alignment import common_shape
from .arguments import as_operand, no_out, normalize_axis
from .elementwise import equal, where
from .index import as_indices, device_arrays, gather_, raw, take, within
from .joining import as_arrays
from .shape import astype, ravel


def along_axis(name: str, x: Any, indices: Any, axis: int) -> tuple[Any, ...]:
    """The index that pairs integers along one axis with all positions along the others.

    Args:
        name: of the function, for errors.
        x: array or Tensor that is indexed.
        indices: integers with as many axes as x.
        axis: the axis that they count along.

    Returns:
        One array for each axis of x, where x is.

    Raises:
        ShapeError: the numbers of axes differ, or no such axis.
    """
    at = raw(as_indices(x, indices))
    at = as_operand(at)
    if at.ndim != x.ndim:
        raise ShapeError(f"{name}: indices must have the {x.ndim} axes of the array, got shape {at.shape}")
    (axis,) = normalize_axis(name, axis, x.ndim) or (0,)

    def grid(xp: Any) -> tuple[Any, ...]:
        ones = [1] * x.ndim
        parts = []
        for i, n in enumerate(x.shape):
            shape = [*ones[:i], n, *ones[i + 1 :]]
            parts.append(at.copy() if i == axis else xp.arange(n).reshape(shape))
        return tuple(parts)

    return device_arrays(name, x, grid)


def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> Any:
    """The entries of an array at integers along one axis: out[i, j, ...] = arr[i, indices[i, j, ...], ...].

    Args:
        arr: array or Tensor.
        indices: integers with as many axes as `arr`; the other axes broadcast against it.
        axis: axis along which the indices count; None for the flattened array.

    Returns:
        The shape of indices: an array, or a Tensor where `arr` is one.

    Raises:
        ShapeError: the numbers of axes differ.
        IndexError: an index out of range, on the CPU.
    """
    arr = as_operand(arr)
    if axis is None:
        arr, axis = ravel(arr), 0
    return gather_(arr, index=along_axis("take_along_axis", arr, indices, axis))


# --- by conditions --------------------------------------------------------------------------------------------------


def _nonzero(xp: Any, x: Any) -> tuple[Any, ...]:
    if x.ndim == 0:
        raise ShapeError("nonzero: at least one axis is due; use atleast_1d first")
    return tuple(xp.nonzero(x))


nonzero_ = Op("nonzero", _nonzero, saves=(), differentiable=False)
argwhere_ = Op("argwhere", lambda xp, x: xp.argwhere(x), saves=(), differentiable=False)


def nonzero(a: Any) -> tuple[Any, ...]:
    """The indices of the entries that are not zero; they carry no gradient.

    Args:
        a: array or Tensor with at least one axis. On a device this waits: the size depends on the values.

    Returns:
        One vector of integers for each axis: arrays, or Tensors where a is one.

    Raises:
        ShapeError: a has no axis.
    """
    return nonzero_(as_operand(a))


def flatnonzero(a: Any) -> Any:
    """The positions of the entries that are not zero in the flattened array; they carry no gradient.

    Args:
        a: array or Tensor. On a device this waits: the size depends on the values.

    Returns:
        (count,) integers: an array, or a Tensor where a is one.
    """
    return nonzero_(ravel(a))[0]


def argwhere(a: Any) -> Any:
    """The indices of the entries that are not zero, a row for each; they carry no gradient.

    Args:
        a: array or Tensor. On a device this waits: the size depends on the values.

    Returns:
        (count, a.ndim) integers: an array, or a Tensor where a is one.
    """
    return argwhere_(as_operand(a))


def compress(condition: Any, a: Any, axis: int | None = None, out: None = None) -> Any:
    """The entries of a along an axis where a condition holds.

    Args:
        condition: booleans, at most as many as there are entries.
        a: array or Tensor.
        axis: axis to choose along; None flattens first.
        out: not supported.

    Returns:
        A new array, or a Tensor where a is one. On a device this waits: the size depends on the values.

    Raises:
        ShapeError: the condition is not one-dimensional.
    """
    no_out("compress", out)
    condition = as_operand(condition)
    if condition.ndim != 1:
        raise ShapeError(f"compress: the condition must be one-dimensional, got shape {condition.shape}")
    return take(a, raw(flatnonzero(condition)), axis)


def extract(condition: Any, arr: Any) -> Any:
    """The entries of an array where a condition holds, as a vector.

    Args:
        condition: booleans of the size of `arr`.
        arr: array or Tensor.

    Returns:
        (count,): an array, or a Tensor where `arr` is one. On a device this waits: the size depends on the values.
    """
    return take(ravel(arr), raw(flatnonzero(condition)), 0)


def select(condlist: Sequence[Any], choicelist: Sequence[Any], default: Any = 0) -> Any:
    """Elementwise the entry of the first array whose condition holds.

    Args:
        condlist: booleans.
        choicelist: as many arrays, Tensors or numbers; all broadcast together.
        default: value where no condition holds.

    Returns:
        An array, or a Tensor where one of them is.

    Raises:
        ValueError: the lists differ in length or are empty.
        TypeError: a condition is not boolean.
    """
    if len(condlist) != len(choicelist) or not len(condlist):
        raise ValueError(
            f"select: as many conditions as choices are due, at least one: got {len(condlist)} and {len(choicelist)}"
        )
    choices = [*choicelist, default]
    weak = [type(c) in (int, float) for c in choices]
    arrays = as_arrays("select", [*condlist, *(c for c, w in zip(choices, weak, strict=True) if not w)])
    conditions, rest = arrays[: len(condlist)], iter(arrays[len(condlist) :])
    for i, c in enumerate(conditions):
        if c.dtype != np.bool_:
            raise TypeError(f"select: condition {i} must be boolean, got dtype {c.dtype}")
    values = [c if w else next(rest) for c, w in zip(choices, weak, strict=True)]
    dtype = np.result_type(*(v if w else v.dtype for v, w in zip(values, weak, strict=True)))
    result = values.pop()
    for condition, value in zip(reversed(conditions), reversed(values), strict=True):
        result = where(condition, value, result)
    return result if result.dtype == dtype else astype(result, dtype)


def _choose(xp: Any, *choices: Any, at: Any) -> Any:
    if xp is np and len(choices) <= 32:  # as many as NumPy takes
        return np.choose(at, choices)
    made = xp.broadcast_to(choices[0], np.broadcast_shapes(at.shape, *(c.shape for c in choices)))
    for i, choice in enumerate(choices[1:], 1):
        made = xp.where(at == i, choice, made)
    return made.astype(np.result_type(*(c.dtype for c in choices)))


choose_ = Op("choose", _choose, saves=(), broadcasts=True)
choose_.defvjp_all(
    lambda needs, g, out, *choices, at: tuple(
        where(equal(at, i), g, 0.0) if needed else None for i, needed in enumerate(needs)
    )
)


def choose(a: Any, choices: Sequence[Any], out: None = None, mode: str = "raise") -> Any:
    """Elementwise the entry of the array whose number an index array holds: out[i] = choices[a[i]][i].

    Args:
        a: integers.
        choices: arrays, Tensors or numbers; all broadcast together.
        out: not supported.
        mode: what to do with numbers out of range: "raise" (on the CPU; on a device they wrap), "wrap" or "clip".

    Returns:
        An array, or a Tensor where one of them is.

    Raises:
        ValueError: a number out of range, on the CPU.
    """
    no_out("choose", out)
    values = as_arrays("choose", choices)
    at = raw(as_indices(values[0], a))
    if isinstance(at, int):
        at = device_arrays("choose", values[0], lambda xp: xp.asarray(at))
    common_shape("choose", at.shape, *(v.shape for v in values))
    if mode == "raise" and type(at) is np.ndarray:
        if at.size and not 0 <= at.min() <= at.max() < len(values):
            raise ValueError(f"choose: an entry of the index is not in range({len(values)})")
        at = at.astype(np.int64)
    else:
        at = within(at, len(values), "wrap" if mode == "raise" else mode, "choose")
    return choose_(*values, at=at)


# --- positions ------------------------------------------------------------------------------------------------------

unravel_index_ = Op(
    "unravel_index",
    lambda xp, x, *, shape, order: tuple(xp.unravel_index(x, shape, order)),
    saves=(),
    differentiable=False,
)


def _ravel_multi_index(xp: Any, *parts: Any, dims: Any, mode: Any, order: str) -> Any:
    if xp is np:
        return np.ravel_multi_index(parts, dims, mode, order)  # type: ignore[call-overload]
    modes = (mode,) * len(parts) if isinstance(mode, str) else mode
    total, step = 0, 1
    for part, n, how in list(zip(parts, dims, modes, strict=True))[:: 1 if order == "F" else -1]:
        # without "raise": a look at the values would stall the device
        total = total + within(part, n, "wrap" if how == "raise" else how, "ravel_multi_index") * step
        step *= n
    return total


ravel_multi_index_ = Op("ravel_multi_index", _ravel_multi_index, saves=(), differentiable=False)


def unravel_index(indices: Any, shape: Any, order: str = "C") -> tuple[Any, ...]:
    """Positions in a flattened array as an index of each axis.

    Args:
        indices: integers.
        shape: shape of the array.
        order: "C" or "F": how it is flattened.

    Returns:
        One array of integers for each axis; Tensors where `indices` is one.
    """
    return unravel_index_(as_operand(indices), shape=shape, order=order)


def ravel_multi_index(multi_index: Any, dims: Any, mode: Any = "raise", order: str = "C") -> Any:
    """An index of each axis as positions in the flattened array.

    Args:
        multi_index: integers, an array for each axis.
        dims: shape of the array.
        mode: what to do with indices out of range: "raise" (on the CPU; on a device they wrap), "wrap" or "clip".
        order: "C" or "F": how it is flattened.

    Returns:
        Integers: an array, or a Tensor where an index is one.
    """
    return ravel_multi_index_(*as_arrays("ravel_multi_index", multi_index), dims=dims, mode=mode, order=order)


NUMPY = (
    *("take_along_axis", "nonzero", "flatnonzero", "argwhere", "compress", "extract", "select", "choose"),
    *("unravel_index", "ravel_multi_index"),
)
