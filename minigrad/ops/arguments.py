"""What the functions of this package do with their arguments before any arithmetic."""

from __future__ import annotations

from typing import Any

from ..backend.device import HOST
from ..core.variable import Variable
from ..errors import ShapeError

Axis = int | tuple[int, ...] | None


def as_operand(x: Any) -> Any:
    """An array or Tensor as it is; a number or nested lists of numbers as a NumPy array.

    Raises:
        TypeError: a list that holds Tensors.
    """
    if hasattr(x, "ndim"):
        return x
    if _holds_tensors(x):
        raise TypeError(f"a {type(x).__name__} of Tensors is not an array; join them with mg.stack first")
    return HOST.xp.asarray(x)


def _holds_tensors(x: Any) -> bool:
    return isinstance(x, (list, tuple)) and any(isinstance(i, Variable) or _holds_tensors(i) for i in x)


def no_out(name: str, out: Any) -> None:
    """Refuse NumPy's `out` argument, which would write into memory that the graph may still read.

    Raises:
        TypeError: it was given.
    """
    if out is not None:
        raise TypeError(f"{name}: out= is not supported; assign the result instead")


def normalize_axis(name: str, axis: Axis, ndim: int) -> tuple[int, ...] | None:
    """Axes as a tuple of distinct non-negative integers; None stays None.

    Raises:
        ShapeError: an axis is out of range or repeated (a numpy.exceptions.AxisError is a ValueError too).
    """
    if axis is None:
        return None
    axes = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    for a in axes:
        if isinstance(a, bool) or not hasattr(a, "__index__"):
            raise TypeError(f"{name}: axis must be an integer, a tuple of integers or None, got {axis!r}")
        if not -ndim <= a < ndim:
            raise ShapeError(f"{name}: axis {a} is out of range for an array with {ndim} dimension(s)")
    axes = tuple(int(a) % ndim for a in axes)
    if len(set(axes)) != len(axes):
        raise ShapeError(f"{name}: axis {axis!r} names a dimension twice")
    return axes


def kept_shape(shape: tuple[int, ...], axis: tuple[int, ...] | None) -> tuple[int, ...]:
    """The shape of a reduction with keepdims."""
    return tuple(1 if axis is None or i in axis else n for i, n in enumerate(shape))
