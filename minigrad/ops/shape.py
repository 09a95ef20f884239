"""Shape operations: the same elements under another shape, in another dtype or storage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backend.array import to_device
from ..backend.device import HOST, device_of, provider_of, resolve_device
from ..core.op import Op
from ..core.variable import Variable
from ..errors import DTypeError, ShapeError
from .arguments import as_operand, normalize_axis
from .joining import concatenate as concatenate
from .joining import stack as stack

reshape_ = Op("reshape", lambda xp, x, *, shape: x.reshape(shape), saves=(), view=True)
reshape_.defvjp(lambda g, out, x, *, shape: g.reshape(x.shape))

transpose_ = Op("transpose", lambda xp, x, *, axes: x.transpose(axes), saves=(), view=True)


def _transpose_vjp(g: Any, out: Any, x: Any, *, axes: tuple[int, ...] | None) -> Any:
    if axes is None:
        return g.transpose()
    inverse = [0] * len(axes)
    for i, a in enumerate(axes):
        inverse[a] = i
    return g.transpose(tuple(inverse))


transpose_.defvjp(_transpose_vjp)

# The rule of a broadcast is a sum, which is what the engine does for an op that says it broadcasts.
broadcast_to_ = Op(
    "broadcast_to", lambda xp, x, *, shape: xp.broadcast_to(x, shape), saves=(), broadcasts=True, view=True
)
broadcast_to_.defvjp(lambda g, out, x, *, shape: g)

astype_ = Op("astype", lambda xp, x, *, dtype: x.astype(dtype), saves=())
astype_.defvjp(lambda g, out, x, *, dtype: g.astype(x.dtype))

copy_ = Op("copy", lambda xp, x, *, order: x.copy(order), saves=())
copy_.defvjp(lambda g, out, x, *, order: g)

# Always a copy: one that shared its storage, or its version cell, would depend on where x happens to be.
to_device_ = Op(
    "to_device", lambda xp, x, *, device: x.copy() if device_of(x) == device else to_device(x, device), saves=()
)
to_device_.defvjp(lambda g, out, x, *, device: to_device_(g, device=x.device))


def as_shape(shape: Any) -> tuple[int, ...]:
    """A shape given as an int or a sequence, as a tuple."""
    return (shape,) if hasattr(shape, "__index__") else tuple(shape)


def _memory_order(name: str, x: Any, order: str) -> str:
    """NumPy's order argument for this array: "C", "F" or "K" (where that is neither)."""
    if order not in ("C", "F", "A", "K"):
        raise ValueError(f"{name}: order must be 'C', 'F', 'A' or 'K', got {order!r}")
    if order in ("C", "F"):
        return order
    flags = (x._data if isinstance(x, Variable) else x).flags
    if flags.c_contiguous:
        return "C"
    return "F" if flags.f_contiguous else "C" if order == "A" else "K"


def _by_stride(strides: Sequence[int]) -> tuple[int, ...]:
    """Axes from the longest steps in memory to the shortest; those of step 0 stay where they are, as in NumPy."""
    inner_first: list[int] = []
    for axis in reversed(range(len(strides))):
        place = len(inner_first)
        for k in reversed(range(place)):
            step, other = abs(strides[axis]), abs(strides[inner_first[k]])
            if step and other:
                if other <= step:
                    break
                place = k
        inner_first.insert(place, axis)
    return tuple(reversed(inner_first))


def reshape(a: Any, shape: Any = None, order: str = "C", *, newshape: Any = None, copy: bool | None = None) -> Any:
    """The elements of a under another shape.

    Args:
        a: array or Tensor.
        shape: new shape, an int or ints; one length may be -1.
        order: "C" reads and writes the last axis fastest, "F" the first, "A" as a lies in memory.
        newshape: NumPy's old name of `shape`.
        copy: True copies always, None where no view is possible, False raises then.

    Returns:
        An array, or a Tensor where a is one; a view where NumPy gives one.

    Raises:
        ShapeError: the sizes differ.
        ValueError: copy=False where a copy is needed.
    """
    a = as_operand(a)
    if shape is None:
        shape = newshape
    if shape is None:
        raise TypeError("reshape: a shape is due")
    shape = as_shape(shape)
    try:
        if order == "C":
            result = reshape_(a, shape=shape)
        elif order == "K":
            raise ValueError("order 'K' is not for reshaping")
        elif _memory_order("reshape", a, order) == "F":
            result = transpose_(reshape_(transpose_(a, axes=None), shape=shape[::-1]), axes=None)
        else:
            result = reshape_(a, shape=shape)
    except ValueError as error:
        raise ShapeError(f"reshape: cannot give an array of shape {a.shape} the shape {shape} ({error})") from error
    if copy:
        return copy_(result, order="K")
    if copy is False and result.size and not _shares_memory(a, result):
        raise ValueError("reshape: copy=False, but this layout needs a copy")
    return result


def _shares_memory(x: Any, y: Any) -> bool:
    """Whether one array is a view of the other."""
    a, b = (v._data if isinstance(v, Variable) else v for v in (x, y))
    provider = provider_of(a) or HOST
    return bool(provider.xp.may_share_memory(a, b))


def ravel(a: Any, order: str = "C") -> Any:
    """The elements of a as a vector.

    Args:
        a: array or Tensor.
        order: "C" runs through the last axis first, "F" through the first, "A" and "K" as a lies in memory.

    Returns:
        (size,): an array, or a Tensor where a is one; a view where NumPy gives one.
    """
    a = as_operand(a)
    if order != "C":
        order = _memory_order("ravel", a, order)
        if order == "F":
            a = transpose_(a, axes=None)
        elif order == "K":  # the axes by their steps in memory
            strides = (a._data if isinstance(a, Variable) else a).strides
            a = transpose_(a, axes=_by_stride(strides))
    return reshape_(a, shape=(-1,) if a.size else (0,))


def transpose(a: Any, axes: Sequence[int] | None = None) -> Any:
    """The axes of a in another order.

    Args:
        a: array or Tensor.
        axes: permutation of the axes; None reverses them.

    Returns:
        A view: an array, or a Tensor where a is one.

    Raises:
        ShapeError: axes is not a permutation of a's.
    """
    a = as_operand(a)
    if axes is not None:
        axes = as_shape(axes)
        normal = tuple(int(i) + a.ndim if i < 0 else int(i) for i in axes)
        if sorted(normal) != list(range(a.ndim)):
            raise ShapeError(f"transpose: axes {tuple(axes)} are no permutation of the {a.ndim} axes of {a.shape}")
        axes = normal
    return transpose_(a, axes=axes)


permute_dims = transpose


def swapaxes(a: Any, axis1: int, axis2: int) -> Any:
    """a with two axes exchanged.

    Args:
        a: array or Tensor.
        axis1: one axis.
        axis2: the other.

    Returns:
        A view: an array, or a Tensor where a is one.
    """
    a = as_operand(a)
    axes = list(range(a.ndim))
    for i in (axis1, axis2):
        if not -a.ndim <= i < a.ndim:
            raise ShapeError(f"swapaxes: axis {i} is out of range for an array with {a.ndim} dimension(s)")
    axes[axis1], axes[axis2] = axes[axis2], axes[axis1]
    return transpose_(a, axes=tuple(axes))


def matrix_transpose(x: Any, /) -> Any:
    """x with its last two axes exchanged.

    Args:
        x: (..., m, n), array or Tensor.

    Returns:
        (..., n, m), a view: an array, or a Tensor where x is one.

    Raises:
        ShapeError: x has fewer than two axes.
    """
    x = as_operand(x)
    if x.ndim < 2:
        raise ShapeError(f"matrix_transpose: at least two axes are due, got shape {x.shape}")
    return swapaxes(x, -1, -2)


def expand_dims(a: Any, axis: int | Sequence[int]) -> Any:
    """a with new axes of length 1 at the given positions of the result.

    Args:
        a: array or Tensor.
        axis: position or positions in the result.

    Returns:
        A view: an array, or a Tensor where a is one.
    """
    a = as_operand(a)
    axes = tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    ndim = a.ndim + len(axes)
    for i in axes:
        if not -ndim <= i < ndim:
            raise ShapeError(f"expand_dims: axis {i} is out of range for a result with {ndim} dimension(s)")
    normal = {i % ndim for i in axes}
    if len(normal) != len(axes):
        raise ShapeError(f"expand_dims: axis {axis!r} names a dimension twice")
    lengths = iter(a.shape)
    return reshape_(a, shape=tuple(1 if i in normal else next(lengths) for i in range(ndim)))


def squeeze(a: Any, axis: int | tuple[int, ...] | None = None) -> Any:
    """a without axes of length 1.

    Args:
        a: array or Tensor.
        axis: axes to drop; None for all of length 1.

    Returns:
        A view: an array, or a Tensor where a is one.

    Raises:
        ShapeError: a named axis is not of length 1.
    """
    a = as_operand(a)
    if axis is None:
        return reshape_(a, shape=tuple(n for n in a.shape if n != 1))
    if a.ndim == 0 and axis in (0, -1):  # NumPy lets this pass
        return reshape_(a, shape=())
    axes = axis if isinstance(axis, tuple) else (axis,)
    for i in axes:
        if not -a.ndim <= i < a.ndim or a.shape[i] != 1:
            raise ShapeError(f"squeeze: axis {i} of shape {a.shape} is not of length 1")
    normal = normalize_axis("squeeze", axes, a.ndim) or ()
    return reshape_(a, shape=tuple(n for i, n in enumerate(a.shape) if i not in normal))


def broadcast_to(array: Any, shape: int | Sequence[int], subok: bool = False) -> Any:
    """An array repeated to a larger shape, by NumPy's broadcasting rules.

    Args:
        array: array or Tensor.
        shape: new shape.
        subok: ignored, for NumPy's sake.

    Returns:
        A read-only view: an array, or a Tensor where `array` is one.

    Raises:
        ShapeError: it does not broadcast to `shape`.
    """
    array, shape = as_operand(array), as_shape(shape)
    if array.shape == shape:
        return array
    try:
        return broadcast_to_(array, shape=shape)
    except ValueError as error:
        raise ShapeError(f"broadcast_to: shape {array.shape} does not broadcast to {shape}") from error


def astype(x: Any, dtype: Any, *, copy: bool = True, device: str | None = None) -> Any:
    """x in another dtype; the gradient is cast back.

    Args:
        x: array or Tensor.
        dtype: new dtype. Integers and bools carry no gradient.
        copy: False gives x itself where it has the dtype.
        device: label of the device for the result; None leaves it where x is.

    Returns:
        An array, or a Tensor where x is one.

    Raises:
        DTypeError: a complex (or other) dtype for a Tensor.
    """
    x = as_operand(x)
    if isinstance(x, Variable) and np.dtype(dtype).kind not in "fiub":
        raise DTypeError(f"astype: Tensors hold real numbers and booleans, not {np.dtype(dtype)}")
    result = x if not copy and x.dtype == np.dtype(dtype) else astype_(x, dtype=dtype)
    if device is not None and resolve_device(device) != device_of(getattr(result, "_data", result)):
        result = to_device_(result, device=resolve_device(device))
    return result


def copy(a: Any, order: str = "K", subok: bool = False) -> Any:
    """A copy in storage of its own; the gradient passes through.

    Args:
        a: array or Tensor.
        order: memory layout, "C", "F", "A" or "K" (as a lies).
        subok: ignored, for NumPy's sake.

    Returns:
        An array, or a Tensor where a is one.
    """
    return copy_(as_operand(a), order=order)


NUMPY = (
    *("reshape", "ravel", "transpose", "permute_dims", "swapaxes", "matrix_transpose", "expand_dims", "squeeze"),
    *("broadcast_to", "astype", "copy"),
)
