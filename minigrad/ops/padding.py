"""Padding: an array with entries added at its ends, taken from the array itself or constant.

All modes but "constant" work axis by axis, as NumPy does, by joining slices of the array, so that gradients add up at
the entries that were copied.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.op import Op
from ..errors import ShapeError
from .arguments import as_operand, normalize_axis
from .elementwise import add, divide, multiply, subtract
from .index import device_arrays, getitem_, on_host, take
from .joining import concatenate_
from .reduce import max as _max
from .reduce import mean
from .reduce import min as _min
from .shape import astype, broadcast_to, copy_

Pair = tuple[Any, Any]
_KEYWORDS = {
    **dict.fromkeys(("empty", "edge", "wrap"), None),
    **dict.fromkeys(("maximum", "mean", "median", "minimum"), "stat_length"),
    **dict.fromkeys(("reflect", "symmetric"), "reflect_type"),
    "constant": "constant_values",
    "linear_ramp": "end_values",
}
_FEW = 8
"""From more slices than this an axis is gathered by an index."""

pad_constant_: Op = Op(
    "pad_constant",
    lambda xp, x, *, widths, values: xp.pad(x, widths, mode="constant", constant_values=values),
    saves=(),
)
pad_constant_.defvjp(
    lambda g, out, x, *, widths, values: g[
        tuple(slice(before, before + n) for (before, _), n in zip(widths, x.shape, strict=True))
    ]
)

# For what has no gradient: integers, which a ramp or a mean rounds, and modes that are NumPy's alone.
pad_plain_ = Op(
    "pad_plain",
    lambda xp, x, *, widths, mode, keywords: xp.pad(x, widths, mode=mode, **keywords),
    saves=(),
    differentiable=False,
)


def _pairs(name: str, values: Any, ndim: int, as_index: bool = False) -> tuple[Pair, ...]:
    """A number, a pair or a pair for each axis, as a pair for each axis."""
    if values is None:
        return ((None, None),) * ndim
    if getattr(values, "_node", None) is not None:
        raise TypeError(f"pad: {name} are constants; pass numbers, or .detach()")
    found = on_host(values)
    if as_index:
        if found.size and found.dtype.kind not in "iu":
            raise TypeError(f"pad: {name} must be integers, got dtype {found.dtype}")
        if (found < 0).any():
            raise ValueError(f"pad: {name} must not be negative, got {values!r}")
    try:
        return tuple((a, b) for a, b in np.broadcast_to(found, (ndim, 2)).tolist())
    except ValueError as error:
        raise ShapeError(f"pad: {name} of shape {found.shape} do not fit an array with {ndim} dimension(s)") from error


def _widths(pad_width: Any, ndim: int) -> tuple[Pair, ...]:
    if not isinstance(pad_width, dict):
        return _pairs("pad_width", pad_width, ndim, as_index=True)
    found = [(0, 0)] * ndim
    for axis, width in pad_width.items():
        ((place,), (pair,)) = (normalize_axis("pad", axis, ndim) or (0,), _pairs("pad_width", width, 1, as_index=True))
        found[place] = pair
    return tuple(found)


def _cut(x: Any, axis: int, start: int | None, stop: int | None, step: int = 1) -> Any:
    return getitem_(x, index=(*(slice(None),) * axis, slice(start, stop, step)))


def _spread(edge: Any, axis: int, width: int) -> Any:
    """An entry of length 1 along `axis`, so many times."""
    return broadcast_to(edge, (*edge.shape[:axis], width, *edge.shape[axis + 1 :]))


def _surround(left: list[Any], x: Any, right: list[Any], axis: int) -> Any:
    return concatenate_(*left, x, *right, axis=axis)


def _edge(x: Any, axis: int, widths: Pair) -> Any:
    n = x.shape[axis]
    left = [_spread(_cut(x, axis, 0, 1), axis, widths[0])] if widths[0] else []
    right = [_spread(_cut(x, axis, n - 1, n), axis, widths[1])] if widths[1] else []
    return _surround(left, x, right, axis)


def _periodic(x: Any, axis: int, widths: Pair, mode: str) -> Any:
    """Wrapped around, or mirrored again and again, beside or at the edge."""
    n = x.shape[axis]
    if n == 1:
        return _edge(x, axis, widths)
    period = n - 1 if mode == "reflect" else n
    if sum(widths) > _FEW * period:
        return take(x, np.pad(np.arange(n), widths, mode=mode), axis)  # type: ignore[call-overload]
    before, after = ((-widths[0], 0), (n, n + widths[1]))
    return _surround(_segments(x, axis, before, period, mode), x, _segments(x, axis, after, period, mode), axis)


def _segments(x: Any, axis: int, span: tuple[int, int], period: int, mode: str) -> list[Any]:
    """The slices of x that fill the positions in `span`, those of x itself being 0, ..., n - 1."""
    found, at = [], span[0]
    while at < span[1]:
        turn, offset = divmod(at, period)
        stop = min(span[1] - turn * period, period)
        if mode == "wrap" or turn % 2 == 0:
            found.append(_cut(x, axis, offset, stop))
        else:  # backwards, from `period` down to 1 for reflect, from `period - 1` to 0 for symmetric
            first = period - (mode == "symmetric")
            end = first - stop
            found.append(_cut(x, axis, first - offset, end if end >= 0 else None, -1))
        at = turn * period + stop
    return found


def _odd(x: Any, axis: int, widths: Pair, mode: str) -> Any:
    """Mirrored at a point instead of a line: 2 * edge - mirrored, over and over until the widths are filled."""
    if x.shape[axis] == 1:
        return _edge(x, axis, widths)
    skip = int(mode == "reflect")
    period = x.shape[axis] - skip
    before, after = widths
    while before or after:
        length = x.shape[axis]
        n = (length - skip) // period * period  # whole periods, so that the next round goes on where this one ends
        left = right = []
        if before:
            count = min(n, before)
            mirrored = _cut(x, axis, skip, skip + count)
            left = [subtract(multiply(_cut(x, axis, 0, 1), 2), _cut(mirrored, axis, None, None, -1))]
            before -= count
        if after:
            count = min(n, after)
            mirrored = _cut(x, axis, length - skip - count, length - skip)
            right = [subtract(multiply(_cut(x, axis, length - 1, length), 2), _cut(mirrored, axis, None, None, -1))]
            after -= count
        x = _surround(left, x, right, axis)
    return x


def _ramp(x: Any, axis: int, widths: Pair, ends: Pair) -> Any:
    """end + k (edge - end) / width for k = 0, ..., width - 1, and its mirror image; in float64, as in NumPy."""
    n = x.shape[axis]
    parts: list[list[Any]] = [[], []]
    edges = (_cut(x, axis, 0, 1), _cut(x, axis, n - 1, n))
    for part, edge, width, end, back in zip(parts, edges, widths, ends, (False, True), strict=True):
        if width:
            steps = device_arrays("pad", x, lambda xp, w=width: xp.arange(w, dtype=np.float64))
            steps = (steps[::-1] if back else steps).reshape((width,) + (1,) * (x.ndim - axis - 1))
            step = divide(subtract(astype(edge, np.float64), end), width)
            part.append(astype(add(multiply(step, steps), end), x.dtype))
    return _surround(parts[0], x, parts[1], axis)


def _statistic(x: Any, axis: int, widths: Pair, lengths: Pair, function: Callable[..., Any]) -> Any:
    """The largest, smallest or mean value of the entries at each end."""
    n = x.shape[axis]
    first, last = (n if length is None else min(length, n) for length in lengths)
    if 0 in (first, last) and function is not mean:
        raise ValueError("pad: stat_length of 0 gives no value to pad with")
    left = function(_cut(x, axis, 0, first), axis=axis, keepdims=True)
    right = left if first == last == n else function(_cut(x, axis, n - last, n), axis=axis, keepdims=True)
    return _surround([_spread(left, axis, widths[0])], x, [_spread(right, axis, widths[1])], axis)


_STATISTICS = {"maximum": _max, "minimum": _min, "mean": mean}


def pad(array: Any, pad_width: Any, mode: Any = "constant", **kwargs: Any) -> Any:
    """An array with entries added before and after it along each axis.

    Args:
        array: array or Tensor.
        pad_width: how many: an integer, a pair (before, after), a pair for each axis, or a dict from axes to either.
        mode: "constant", "edge", "linear_ramp", "maximum", "mean", "minimum", "reflect", "symmetric", "wrap" or
            "empty" (which fills with zeros); "median" and functions for what is not tracked.
        **kwargs: constant_values, end_values, stat_length (as for pad_width) or reflect_type ("even", "odd"), where
            NumPy has them. They are constants.

    Returns:
        An array, or a Tensor where `array` is one.

    Raises:
        TypeError: widths that are no integers; a mode without a gradient rule for a tracked Tensor.
        ValueError: a negative width, an unknown mode or keyword, or an empty axis with nothing to copy.
    """
    x = as_operand(array)
    widths = _widths(pad_width, x.ndim)
    if callable(mode) or mode == "median":
        if getattr(x, "_node", None) is not None:
            raise TypeError(f"pad: mode {mode!r} has no gradient rule; use another one, or pass .detach()")
        return pad_plain_(x, widths=widths, mode=mode, keywords=kwargs)
    if mode not in _KEYWORDS:
        raise ValueError(f"pad: mode {mode!r} is not known; there are {', '.join(_KEYWORDS)}")
    unknown = set(kwargs) - {_KEYWORDS[mode]}
    if unknown:
        raise ValueError(f"pad: mode {mode!r} takes no {', '.join(sorted(unknown))}")
    for axis, width in enumerate(widths):
        if x.shape[axis] == 0 and any(width) and mode not in ("constant", "empty"):
            raise ValueError(f"pad: axis {axis} of shape {x.shape} is empty; only 'constant' and 'empty' can extend it")
    if not any(map(any, widths)):
        return copy_(x, order="C")
    if mode in ("constant", "empty") or x.size == 0:
        values = _pairs("constant_values", kwargs.get("constant_values", 0), x.ndim)
        return pad_constant_(x, widths=widths, values=values)
    if x.dtype.kind != "f" and mode in ("linear_ramp", "mean"):
        return pad_plain_(x, widths=widths, mode=mode, keywords=kwargs)
    return _pad_by_axes(x, widths, mode, kwargs)


def _pad_by_axes(x: Any, widths: tuple[Pair, ...], mode: str, kwargs: dict[str, Any]) -> Any:
    ends = _pairs("end_values", kwargs.get("end_values", 0), x.ndim)
    lengths = _pairs("stat_length", kwargs.get("stat_length"), x.ndim, as_index=True)
    for axis, width in enumerate(widths):
        if not any(width):
            continue
        if mode == "edge":
            x = _edge(x, axis, width)
        elif mode == "linear_ramp":
            x = _ramp(x, axis, width, ends[axis])
        elif mode in _STATISTICS:
            x = _statistic(x, axis, width, lengths[axis], _STATISTICS[mode])
        elif kwargs.get("reflect_type", "even") == "odd":
            x = _odd(x, axis, width, mode)
        else:
            x = _periodic(x, axis, width, mode)
    return x


NUMPY = ("pad",)
