"""Functions that call functions of the user's: on the entries where a condition holds, on every line, on every axis."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError
from .arguments import as_operand, normalize_axis
from .arrangement import moveaxis
from .index import getitem, getitem_, normal_index, raw
from .joining import as_arrays, stack
from .likes import zeros_like
from .shape import as_shape, expand_dims, reshape_
from .updates import index_update_


def piecewise(x: Any, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Any:
    """Each entry of x through the function of the last condition that holds for it; 0 where none does.

    Each function sees the entries of its condition only, so that none is evaluated outside of its domain.

    Args:
        x: array or Tensor.
        condlist: booleans of the shape of x, one array for each function.
        funclist: functions of a vector, or numbers; one more than conditions for the entries where none holds.
        *args: further arguments of the functions.
        **kw: further arguments of the functions.

    Returns:
        The shape and dtype of x: an array, or a Tensor where x is one. On a device this waits for the conditions.

    Raises:
        ValueError: the lists do not fit.
    """
    x = as_operand(x)
    if np.isscalar(condlist) or (x.ndim and not isinstance(condlist[0], list) and not getattr(condlist[0], "ndim", 0)):
        condlist = [condlist]  # one condition, not a list of them
    conditions = [raw(c).astype(bool) for c in as_arrays("piecewise", [raw(x), *condlist])[1:]]
    if len(funclist) == len(conditions) + 1:
        none = ~conditions[0]
        for c in conditions[1:]:
            none = none & ~c
        conditions.append(none)
    elif len(funclist) != len(conditions):
        n = len(conditions)
        raise ValueError(f"piecewise: with {n} condition(s), {n} or {n + 1} functions are due, got {len(funclist)}")
    result = zeros_like(x)
    for condition, function in zip(conditions, funclist, strict=True):
        value = function
        if callable(function):
            entries = getitem(x, condition)
            if not entries.size:
                continue
            value = function(entries, *args, **kw)
        result = index_update_(result, value, index=normal_index(raw(x), condition))
    return result


def apply_along_axis(func1d: Callable[..., Any], axis: int, arr: Any, *args: Any, **kwargs: Any) -> Any:
    """A function of a vector, called with every line of an array along an axis; its results are stacked.

    Args:
        func1d: function of a vector that returns an array, a Tensor or a number, always of one shape.
        axis: axis along which the lines lie.
        arr: array or Tensor.
        *args: further arguments of the function.
        **kwargs: further arguments of the function.

    Returns:
        The shape of `arr` with `axis` replaced by the axes of a result: an array, or a Tensor where a result is one.

    Raises:
        ValueError: there is no line.
    """
    arr = as_operand(arr)
    (axis,) = normalize_axis("apply_along_axis", axis, arr.ndim) or (0,)
    lines = moveaxis(arr, axis, -1)
    outer = lines.shape[:-1]
    if not math.prod(outer):
        raise ValueError(f"apply_along_axis: an array of shape {arr.shape} has no line along axis {axis}")
    results = [func1d(getitem_(lines, index=(*i, ...)), *args, **kwargs) for i in np.ndindex(*outer)]
    found = stack(results)
    inner = found.ndim - 1
    found = reshape_(found, shape=outer + found.shape[1:])
    ends = tuple(range(found.ndim - inner, found.ndim))
    return moveaxis(found, ends, tuple(range(axis, axis + inner)))


def apply_over_axes(func: Callable[..., Any], a: Any, axes: int | Sequence[int]) -> Any:
    """A function of an array and an axis, called for one axis after the other.

    Args:
        func: called as func(a, axis); where the result lacks the axis, it is put back with length 1.
        a: array or Tensor.
        axes: the axes.

    Returns:
        An array of as many axes as a, or a Tensor where a result is one.

    Raises:
        ShapeError: a result has another number of axes.
    """
    value = as_operand(a)
    ndim = value.ndim
    for axis in as_shape(axes):
        place = axis + ndim if axis < 0 else axis
        result = func(value, place)
        if result.ndim != ndim:
            result = expand_dims(result, place)
        if result.ndim != ndim:
            raise ShapeError(f"apply_over_axes: the function gave shape {result.shape} for an array of {value.shape}")
        value = result
    return value


NUMPY = ("piecewise", "apply_along_axis", "apply_over_axes")
