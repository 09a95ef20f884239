"""The same elements many times over. The gradient of each is the sum over its copies."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.op import Op
from ..errors import ShapeError
from .arguments import as_operand, normalize_axis
from .index import getitem_, on_host, take
from .likes import zeros_like
from .shape import as_shape, reshape_

_FEW = 8

tile_ = Op("tile", lambda xp, x, *, reps: xp.tile(x, reps), saves=())


def _tile_vjp(g: Any, out: Any, x: Any, *, reps: tuple[int, ...]) -> Any:
    apart: list[int] = []
    copies: list[int] = []
    for r, n in zip(reps, x.shape, strict=True):
        if r != 1:
            copies.append(len(apart))
            apart.append(r)
        apart.append(n)
    return g.reshape(tuple(apart)).sum(axis=tuple(copies)) if copies else g


tile_.defvjp(_tile_vjp)

repeat_ = Op("repeat", lambda xp, x, *, repeats, axis: xp.repeat(x, repeats, axis), saves=())


def _repeat_vjp(g: Any, out: Any, x: Any, *, repeats: int, axis: int) -> Any:
    if not 0 < repeats <= _FEW:
        return g.reshape((*x.shape[: axis + 1], repeats, *x.shape[axis + 1 :])).sum(axis=axis + 1)
    # NumPy sums over a short last axis 20 times slower than it adds strided slices
    lead = (slice(None),) * axis
    total = g[(*lead, slice(0, None, repeats))]
    for i in range(1, repeats):
        total = total + g[(*lead, slice(i, None, repeats))]
    return total


repeat_.defvjp(_repeat_vjp)


def tile(A: Any, reps: Any) -> Any:
    """Copies of an array side by side.

    Args:
        A: array or Tensor.
        reps: how many along each axis; where there are more numbers than axes, A gets axes in front.

    Returns:
        A new array, or a Tensor where A is one.
    """
    x = as_operand(A)
    counts = tuple(operator.index(r) for r in np.atleast_1d(on_host(reps)).tolist())
    counts = (1,) * (x.ndim - len(counts)) + counts
    if any(r < 0 for r in counts):
        raise ValueError(f"tile: reps must not be negative, got {reps!r}")
    return tile_(reshape_(x, shape=(1,) * (len(counts) - x.ndim) + x.shape), reps=counts)


def repeat(a: Any, repeats: Any, axis: int | None = None) -> Any:
    """Each entry of an array several times in a row.

    Args:
        a: array or Tensor.
        repeats: how often, one integer or one for each entry along the axis. On a device an array of them is waited
            for: the size of the result depends on its values.
        axis: axis along which the copies lie; None flattens first.

    Returns:
        A new array, or a Tensor where a is one.

    Raises:
        ShapeError: as many numbers as entries are due.
        ValueError: a number is negative.
    """
    a = as_operand(a)
    if axis is None or a.ndim == 0:
        normalize_axis("repeat", axis, 1)
        a, axis = reshape_(a, shape=(a.size,)), 0
    (axis,) = normalize_axis("repeat", axis, a.ndim) or (0,)
    counts = on_host(repeats)
    if counts.dtype.kind not in "iub" and counts.size:
        raise TypeError(f"repeat: repeats must be integers, got dtype {counts.dtype}")
    if (counts < 0).any():
        raise ValueError("repeat: repeats must not be negative")
    if counts.size == 1 and counts.ndim < 2:
        return repeat_(a, repeats=int(counts.reshape(-1)[0]), axis=axis)
    if counts.shape != (a.shape[axis],):
        raise ShapeError(f"repeat: {a.shape[axis]} numbers are due along axis {axis}, got shape {counts.shape}")
    return take(a, np.repeat(np.arange(a.shape[axis]), counts.astype(np.intp)), axis)


def resize(a: Any, new_shape: int | Sequence[int]) -> Any:
    """The elements of a, over and over in C order, until they fill a shape; zeros where a is empty.

    Args:
        a: array or Tensor.
        new_shape: shape of the result.

    Returns:
        A new array, or a Tensor where a is one.

    Raises:
        ShapeError: a length is negative.
    """
    a, shape = as_operand(a), as_shape(new_shape)
    if any(n < 0 for n in shape):
        raise ShapeError(f"resize: lengths must not be negative, got {shape}")
    size = math.prod(shape)
    if a.size == 0 or size == 0:
        return zeros_like(a, shape=shape)
    times = -(-size // a.size)
    return reshape_(getitem_(tile_(reshape_(a, shape=(a.size,)), reps=(times,)), index=(slice(size),)), shape=shape)


NUMPY = ("tile", "repeat", "resize")
