"""Shape operations: the same elements in another arrangement, dtype or storage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backend.array import to_device
from ..backend.device import device_of
from ..core.op import Op
from ..errors import ShapeError

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

copy = Op("copy", lambda xp, x: x.copy(), saves=(), doc="A copy in storage of its own; the gradient passes through.")
copy.defvjp(lambda g, out, x: g)

concatenate_ = Op("concatenate", lambda xp, *xs, axis: xp.concatenate(xs, axis=axis), saves=())


def _concatenate_vjp(needs: Any, g: Any, out: Any, *xs: Any, axis: int) -> tuple[Any, ...]:
    parts, start = [], 0
    lead = (slice(None),) * (axis % out.ndim)
    for needed, x in zip(needs, xs, strict=True):
        stop = start + x.shape[axis]
        parts.append(g[(*lead, slice(start, stop))] if needed else None)
        start = stop
    return tuple(parts)


concatenate_.defvjp_all(_concatenate_vjp)


def _stack(xp: Any, *xs: Any, axis: int) -> Any:
    if xp is not np:  # CuPy stacks arrays alone
        xs = tuple(xp.asarray(x) if isinstance(x, (int, float, np.generic)) else x for x in xs)
    return xp.stack(xs, axis=axis)


stack_ = Op("stack", _stack, saves=())


def _stack_vjp(needs: Any, g: Any, out: Any, *xs: Any, axis: int) -> tuple[Any, ...]:
    lead = (slice(None),) * (axis % out.ndim)
    # the ellipsis keeps a 0-d piece an array where NumPy would hand out a scalar
    return tuple(g[(*lead, i, ...)] if needed else None for i, needed in enumerate(needs))


stack_.defvjp_all(_stack_vjp)


def _as_shape(shape: Any) -> tuple[int, ...]:
    return (shape,) if hasattr(shape, "__index__") else tuple(shape)


def reshape(x: Any, shape: int | Sequence[int]) -> Any:
    """The elements of x in C order under another shape; one length may be -1.

    Args:
        x: array or Tensor.
        shape: new shape.

    Returns:
        An array, or a Tensor where x is one; a view where NumPy gives one.

    Raises:
        ShapeError: the sizes differ.
    """
    shape = _as_shape(shape)
    try:
        return reshape_(x, shape=shape)
    except ValueError as error:
        raise ShapeError(f"reshape: cannot give an array of shape {x.shape} the shape {shape}") from error


def transpose(x: Any, axes: Sequence[int] | None = None) -> Any:
    """The axes of x in another order.

    Args:
        x: array or Tensor.
        axes: permutation of the axes; None reverses them.

    Returns:
        A view: an array, or a Tensor where x is one.

    Raises:
        ShapeError: axes is not a permutation of x's.
    """
    if axes is not None:
        normal = tuple(int(a) + x.ndim if a < 0 else int(a) for a in axes)
        if sorted(normal) != list(range(x.ndim)):
            raise ShapeError(f"transpose: axes {tuple(axes)} are no permutation of the {x.ndim} axes of {x.shape}")
        axes = normal
    return transpose_(x, axes=axes)


def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    """x with two axes exchanged.

    Args:
        x: array or Tensor.
        axis1: one axis.
        axis2: the other.

    Returns:
        A view: an array, or a Tensor where x is one.
    """
    axes = list(range(x.ndim))
    for a in (axis1, axis2):
        if not -x.ndim <= a < x.ndim:
            raise ShapeError(f"swapaxes: axis {a} is out of range for an array with {x.ndim} dimension(s)")
    axes[axis1], axes[axis2] = axes[axis2], axes[axis1]
    return transpose_(x, axes=tuple(axes))


def expand_dims(x: Any, axis: int | tuple[int, ...]) -> Any:
    """x with new axes of length 1 at the given positions of the result.

    Args:
        x: array or Tensor.
        axis: position or positions in the result.

    Returns:
        A view: an array, or a Tensor where x is one.
    """
    axes = axis if isinstance(axis, tuple) else (axis,)
    ndim = x.ndim + len(axes)
    for a in axes:
        if not -ndim <= a < ndim:
            raise ShapeError(f"expand_dims: axis {a} is out of range for a result with {ndim} dimension(s)")
    normal = {a % ndim for a in axes}
    if len(normal) != len(axes):
        raise ShapeError(f"expand_dims: axis {axis!r} names a dimension twice")
    lengths = iter(x.shape)
    return reshape_(x, shape=tuple(1 if i in normal else next(lengths) for i in range(ndim)))


def squeeze(x: Any, axis: int | tuple[int, ...] | None = None) -> Any:
    """x without axes of length 1.

    Args:
        x: array or Tensor.
        axis: axes to drop; None for all of length 1.

    Returns:
        A view: an array, or a Tensor where x is one.

    Raises:
        ShapeError: a named axis is not of length 1.
    """
    if axis is None:
        return reshape_(x, shape=tuple(n for n in x.shape if n != 1))
    axes = axis if isinstance(axis, tuple) else (axis,)
    for a in axes:
        if not -x.ndim <= a < x.ndim or x.shape[a] != 1:
            raise ShapeError(f"squeeze: axis {a} of shape {x.shape} is not of length 1")
    normal = {a % x.ndim for a in axes}
    return reshape_(x, shape=tuple(n for i, n in enumerate(x.shape) if i not in normal))


def broadcast_to(x: Any, shape: int | Sequence[int]) -> Any:
    """x repeated to a larger shape, by NumPy's broadcasting rules.

    Args:
        x: array or Tensor.
        shape: new shape.

    Returns:
        A read-only view: an array, or a Tensor where x is one.

    Raises:
        ShapeError: x does not broadcast to `shape`.
    """
    shape = _as_shape(shape)
    if x.shape == shape:
        return x
    try:
        return broadcast_to_(x, shape=shape)
    except ValueError as error:
        raise ShapeError(f"broadcast_to: shape {x.shape} does not broadcast to {shape}") from error


def astype(x: Any, dtype: Any) -> Any:
    """x in another dtype; the gradient is cast back.

    Args:
        x: array or Tensor.
        dtype: new dtype.

    Returns:
        A copy: an array, or a Tensor where x is one.
    """
    return astype_(x, dtype=dtype)


def concatenate(xs: Sequence[Any], axis: int | None = 0) -> Any:
    """Arrays joined along an existing axis.

    Args:
        xs: arrays or Tensors, equal in shape but along `axis`.
        axis: where to join; None flattens first.

    Returns:
        An array, or a Tensor where one of xs is.
    """
    if axis is None:
        xs, axis = [reshape(x, -1) for x in xs], 0
    return concatenate_(*xs, axis=axis)


def stack(xs: Sequence[Any], axis: int = 0) -> Any:
    """Arrays of one shape joined along a new axis.

    Args:
        xs: arrays, Tensors or Python numbers.
        axis: position of the new axis in the result.

    Returns:
        An array, or a Tensor where one of xs is.
    """
    return stack_(*xs, axis=axis)


# Always a copy: one that shared its storage, or its version cell, would depend on where x happens to be.
to_device_ = Op(
    "to_device", lambda xp, x, *, device: x.copy() if device_of(x) == device else to_device(x, device), saves=()
)
to_device_.defvjp(lambda g, out, x, *, device: to_device_(g, device=x.device))
