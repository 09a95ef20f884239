"""What every reduction does with its arguments: axis, keepdims, initial and where, as NumPy means them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.variable import Variable
from ..errors import ShapeError
from .arguments import Axis, as_operand, no_out, normalize_axis
from .joining import as_arrays
from .shape import reshape_, transpose_
from .where import untracked
from .where import where as select

NO_VALUE: Any = np._NoValue
"""NumPy's own mark of an argument that was not given, so that functions written over NumPy's may pass it on."""


def operand(
    name: str, a: Any, axis: Axis, out: Any = None, keepdims: Any = False
) -> tuple[Any, tuple[int, ...] | None, bool]:
    """The array, the axes and the keepdims of a reduction called with NumPy's arguments.

    Args:
        name: the function, for errors.
        a: array, Tensor, number or nested lists of numbers.
        axis: axis or axes; None for all.
        out: must be None.
        keepdims: a bool, or NumPy's mark of no value.

    Returns:
        `a` as an array or Tensor, the axes as `normalize_axis` gives them, a bool.

    Raises:
        TypeError, ShapeError: out was given; the axes do not fit.
    """
    if out is not None:
        no_out(name, out)
    if not hasattr(a, "ndim"):
        a = as_operand(a)
    if axis is not None:
        if a.ndim == 0 and (axis == 0 or axis == -1):
            axis = None  # NumPy lets 0-d arrays have an axis here
        axis = normalize_axis(name, axis, a.ndim)
    return a, axis, keepdims is not NO_VALUE and bool(keepdims)


def given(value: Any) -> bool:
    """Whether an `initial` or `where` was given: NumPy's defaults, and None for no `initial`, say no."""
    return value is not NO_VALUE and value is not None and value is not True


def mask_for(name: str, a: Any, where: Any) -> Any:
    """`where` as an array or Tensor that broadcasts to a.

    Raises:
        ShapeError: it does not.
    """
    mask = untracked(as_arrays(name, (a, where))[1])
    lengths = zip(reversed(mask.shape), reversed(a.shape), strict=False)
    if mask.ndim > a.ndim or any(m not in (1, n) for m, n in lengths):
        raise ShapeError(f"{name}: where= of shape {mask.shape} does not broadcast to an array of shape {a.shape}")
    return mask


def selected(name: str, a: Any, where: Any, fill: Any) -> Any:
    """a where `where` holds, `fill` elsewhere; NumPy's default of `where` selects everything."""
    return select(mask_for(name, a, where), a, fill) if given(where) else a


def start(name: str, initial: Any, dtype: Any) -> Any:
    """`initial` as NumPy takes it: one number, cast to the dtype of the result.

    Raises:
        ShapeError: it is more than a number.
    """
    if isinstance(initial, Variable) or hasattr(initial, "astype"):
        value = initial.astype(dtype)
    else:
        value = np.asarray(initial, dtype)[()]
    if value.shape != ():
        raise ShapeError(f"{name}: initial= must be one number, got an array of shape {value.shape}")
    return value


# --- several axes as one --------------------------------------------------------------------------------------------


def axes_last(x: Any, axis: tuple[int, ...] | None) -> Any:
    """x with the axes of a reduction moved to the end and merged into one: (..., n)."""
    if axis is None:
        return x if len(x.shape) == 1 else reshape_(x, shape=(math.prod(x.shape),))
    if axis == (x.ndim - 1,):
        return x
    rest = tuple(i for i in range(x.ndim) if i not in axis)
    moved = transpose_(x, axes=rest + axis)
    if len(axis) == 1:
        return moved
    return reshape_(moved, shape=(*(x.shape[i] for i in rest), math.prod(x.shape[i] for i in axis)))


def axes_back(x: Any, axis: tuple[int, ...] | None, shape: tuple[int, ...]) -> Any:
    """The inverse of `axes_last` for an array of `shape`."""
    if axis is None:
        return x if x.shape == shape else reshape_(x, shape=shape)
    if axis == (len(shape) - 1,):
        return x
    order = (*(i for i in range(len(shape)) if i not in axis), *axis)
    moved = x if len(axis) == 1 else reshape_(x, shape=tuple(shape[i] for i in order))
    back = [0] * len(order)
    for position, i in enumerate(order):
        back[i] = position
    return transpose_(moved, axes=tuple(back))
