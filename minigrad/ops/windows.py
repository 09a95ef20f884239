"""Sliding windows over an array: a view, whose gradient adds up what every window saw of an entry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backend.device import device_of
from ..backend.recording import zeros
from ..core.op import Op
from ..errors import ShapeError
from .arguments import Axis, as_operand, normalize_axis
from .shape import as_shape

Numbers = tuple[int, ...]


def _windows(xp: Any, x: Any, *, window: Numbers, axes: Numbers) -> Any:
    if xp is np:
        return np.lib.stride_tricks.sliding_window_view(x, window, axes)
    for n, axis in zip(window, axes, strict=True):  # a copy: CuPy's namespace has no strided views
        count = x.shape[axis] - n + 1
        at = xp.arange(count).reshape((count, 1)) + xp.arange(n)
        x = xp.moveaxis(x[(slice(None),) * axis + (at,)], axis + 1, -1)
    return x


def _overlap(xp: Any, x: Any, *, window: Numbers, axes: Numbers) -> Any:
    for n, axis in zip(reversed(window), reversed(axes), strict=True):
        count, lead = x.shape[axis], (slice(None),) * axis
        shape = (*x.shape[:axis], count + n - 1, *x.shape[axis + 1 : -1])
        dense = zeros(shape, x.dtype, device_of(x))
        if n <= count:
            for i in range(n):
                dense[(*lead, slice(i, i + count))] += x[..., i]
        else:
            last = xp.moveaxis(x, -1, axis + 1)
            for i in range(count):
                dense[(*lead, slice(i, i + n))] += last[(*lead, i)]
        x = dense
    return x


windows_: Op = Op("sliding_window_view", _windows, saves=(), view=True)
overlap_ = Op(
    "overlap_windows", _overlap, saves=(), doc="Windows added up where they overlap; the transpose of sliding windows."
)
windows_.defvjp(lambda g, out, x, *, window, axes: overlap_(g, window=window, axes=axes))
overlap_.defvjp(lambda g, out, x, *, window, axes: windows_(g, window=window, axes=axes))


def sliding_window_view(
    x: Any, window_shape: int | Sequence[int], axis: Axis = None, *, subok: bool = False, writeable: bool = False
) -> Any:
    """Every window of a shape in an array: out[..., i, ..., j] = x[..., i + j, ...].

    Args:
        x: array or Tensor.
        window_shape: length of the window along each of the axes.
        axis: axis or axes; None for all. One may be named more than once.
        subok: ignored, for NumPy's sake.
        writeable: not supported: the windows share their entries.

    Returns:
        The positions of the windows in the place of the axes, and the windows' own axes at the end; a read-only view
        (a copy on a device): an array, or a Tensor where x is one.

    Raises:
        ShapeError: a window is longer than its axis, or the numbers of windows and axes differ.
    """
    if writeable:
        raise TypeError("sliding_window_view: writeable=True is not supported; the windows share their entries")
    x = as_operand(x)
    window = tuple(int(n) for n in as_shape(window_shape))
    if axis is None:
        axes: Numbers = tuple(range(x.ndim))
    else:
        axes = tuple((normalize_axis("sliding_window_view", i, x.ndim) or (0,))[0] for i in as_shape(axis))
    if len(window) != len(axes):
        raise ShapeError(f"sliding_window_view: {len(window)} window length(s) for {len(axes)} axes")
    left = list(x.shape)
    for n, i in zip(window, axes, strict=True):
        left[i] -= n - 1
        if n < 0 or left[i] < 1:
            raise ShapeError(f"sliding_window_view: a window of {window} does not fit shape {x.shape}")
    return windows_(x, window=window, axes=axes)


NUMPY_OTHER = {np.lib.stride_tricks.sliding_window_view: sliding_window_view}
