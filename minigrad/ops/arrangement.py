"""The same elements in another arrangement: axes moved, entries reversed or shifted around."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.op import Op
from ..errors import ShapeError
from .arguments import Axis, as_operand, normalize_axis
from .index import on_host
from .shape import as_shape, copy_, reshape_, transpose_


def _reversed(xp: Any, x: Any, *, axes: tuple[int, ...]) -> Any:
    return x[tuple(slice(None, None, -1) if i in axes else slice(None) for i in range(x.ndim))] if axes else x[...]


flip_: Op = Op("flip", _reversed, saves=(), view=True)
flip_.defvjp(lambda g, out, x, *, axes: flip_(g, axes=axes))

roll_: Op = Op("roll", lambda xp, x, *, shift, axes: xp.roll(x, shift, axes), saves=())
roll_.defvjp(lambda g, out, x, *, shift, axes: roll_(g, shift=tuple(-s for s in shift), axes=axes))


def moveaxis(a: Any, source: int | Sequence[int], destination: int | Sequence[int]) -> Any:
    """a with axes moved to other positions; the others keep their order.

    Args:
        a: array or Tensor.
        source: axes to move.
        destination: where each goes.

    Returns:
        A view: an array, or a Tensor where a is one.

    Raises:
        ShapeError: an axis is out of range or named twice.
        ValueError: source and destination differ in length.
    """
    a = as_operand(a)
    source = normalize_axis("moveaxis", as_shape(source), a.ndim) or ()
    destination = normalize_axis("moveaxis", as_shape(destination), a.ndim) or ()
    if len(source) != len(destination):
        raise ValueError(f"moveaxis: {len(source)} source axes, but {len(destination)} destinations")
    order = [i for i in range(a.ndim) if i not in source]
    for to, from_ in sorted(zip(destination, source, strict=True)):
        order.insert(to, from_)
    return transpose_(a, axes=tuple(order))


def rollaxis(a: Any, axis: int, start: int = 0) -> Any:
    """a with one axis moved before position `start` (moveaxis is easier to read).

    Args:
        a: array or Tensor.
        axis: axis to move.
        start: it comes to lie before the axis that is here.

    Returns:
        A view: an array, or a Tensor where a is one.

    Raises:
        ShapeError: axis or start is out of range.
    """
    a = as_operand(a)
    (axis,) = normalize_axis("rollaxis", axis, a.ndim) or (0,)
    if not -a.ndim <= start <= a.ndim:
        raise ShapeError(f"rollaxis: start {start} is out of range for an array with {a.ndim} dimension(s)")
    start = start + a.ndim if start < 0 else start
    return moveaxis(a, axis, start - 1 if axis < start else start)


def flip(m: Any, axis: Axis = None) -> Any:
    """m with the entries along axes in reverse order.

    Args:
        m: array or Tensor.
        axis: axis or axes; None for all.

    Returns:
        A view: an array, or a Tensor where m is one.

    Raises:
        ShapeError: an axis is out of range.
    """
    m = as_operand(m)
    axes = normalize_axis("flip", axis, m.ndim)
    return flip_(m, axes=tuple(range(m.ndim)) if axes is None else axes)


def _flip_one(name: str, m: Any, axis: int) -> Any:
    m = as_operand(m)
    if m.ndim <= axis:
        raise ShapeError(f"{name}: at least {axis + 1} dimension(s) are due, got shape {m.shape}")
    return flip_(m, axes=(axis,))


def fliplr(m: Any) -> Any:
    """m with the order along the second axis reversed.

    Args:
        m: array or Tensor with at least two axes.

    Returns:
        A view: an array, or a Tensor where m is one.
    """
    return _flip_one("fliplr", m, 1)


def flipud(m: Any) -> Any:
    """m with the order along the first axis reversed.

    Args:
        m: array or Tensor with at least one axis.

    Returns:
        A view: an array, or a Tensor where m is one.
    """
    return _flip_one("flipud", m, 0)


def roll(a: Any, shift: Any, axis: Axis = None) -> Any:
    """a with its entries shifted along axes; what leaves at one end comes back at the other.

    Args:
        a: array or Tensor.
        shift: by how many positions, one number or one for each axis.
        axis: axis or axes; None shifts the flattened array.

    Returns:
        A copy: an array, or a Tensor where a is one.

    Raises:
        ShapeError: an axis is out of range, or the numbers of shifts and axes do not fit.
    """
    a = as_operand(a)
    if axis is None:
        return reshape_(roll(reshape_(a, shape=(a.size,)), int(on_host(shift).sum()), 0), shape=a.shape)
    axes = [normalize_axis("roll", i, a.ndim) or (0,) for i in as_shape(axis)]
    shifts, places = on_host(shift), np.array([i for (i,) in axes], dtype=int)
    try:
        pairs = np.broadcast_arrays(shifts, places if isinstance(axis, (tuple, list)) else places[0])
    except ValueError as error:
        raise ShapeError(f"roll: {shifts.size} shifts do not fit {places.size} axes") from error
    if pairs[0].ndim > 1:
        raise ShapeError(f"roll: shift and axis are numbers or vectors, got {shift!r} and {axis!r}")
    total = dict.fromkeys(places.tolist(), 0)
    for by, i in zip(*(p.reshape(-1).tolist() for p in pairs), strict=True):
        total[i] += int(by)
    moved = {i: by % a.shape[i] for i, by in total.items() if a.shape[i] and by % a.shape[i]}
    if not moved:
        return copy_(a, order="C")
    return roll_(a, shift=tuple(moved.values()), axes=tuple(moved))


def rot90(m: Any, k: int = 1, axes: Sequence[int] = (0, 1)) -> Any:
    """m turned by k right angles in the plane of two axes, from the first towards the second.

    Args:
        m: array or Tensor with at least two axes.
        k: how many times.
        axes: the two axes.

    Returns:
        A view: an array, or a Tensor where m is one.

    Raises:
        ValueError: not two different axes of m.
    """
    m = as_operand(m)
    if len(axes) != 2:
        raise ValueError(f"rot90: two axes are due, got {tuple(axes)}")
    first, second = normalize_axis("rot90", tuple(axes), m.ndim) or (0, 1)
    k = int(k) % 4
    if k == 0:
        return flip_(m, axes=())
    if k == 2:
        return flip_(m, axes=(first, second))
    order = list(range(m.ndim))
    order[first], order[second] = second, first
    if k == 1:
        return transpose_(flip_(m, axes=(second,)), axes=tuple(order))
    return flip_(transpose_(m, axes=tuple(order)), axes=(second,))


NUMPY = ("moveaxis", "rollaxis", "flip", "fliplr", "flipud", "roll", "rot90")
