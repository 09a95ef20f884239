"""Cutting an array into pieces: views, whose gradients are put together once, however many pieces there are."""

from __future__ import annotations

import operator
from itertools import pairwise
from typing import Any

import numpy as np

from ..errors import ShapeError
from .arguments import Axis, as_operand, normalize_axis
from .index import getitem_, on_host


def _cut(x: Any, axis: int, start: int | None, stop: int | None) -> Any:
    return getitem_(x, index=(*(slice(None),) * axis, slice(start, stop)))


def _points(name: str, x: Any, indices_or_sections: Any, axis: int, equal: bool) -> list[int]:
    """Where the pieces begin, and where the last one ends."""
    n = x.shape[axis]
    given = on_host(indices_or_sections)
    if given.ndim:
        return [0, *(operator.index(i) for i in given.tolist()), n]
    count = int(given)
    if count <= 0:
        raise ValueError(f"{name}: the number of sections must be positive, got {count}")
    if equal and n % count:
        raise ShapeError(f"{name}: an axis of length {n} does not divide into {count} equal sections; use array_split")
    each, longer = divmod(n, count)
    return [i * each + min(i, longer) for i in range(count + 1)]


def _split(name: str, x: Any, indices_or_sections: Any, axis: int, equal: bool) -> list[Any]:
    x = as_operand(x)
    (axis,) = normalize_axis(name, axis, x.ndim) or (0,)
    points = _points(name, x, indices_or_sections, axis, equal)
    return [_cut(x, axis, start, stop) for start, stop in pairwise(points)]


def split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """An array cut along an axis.

    Args:
        ary: array or Tensor.
        indices_or_sections: the number of equal pieces, or the positions at which to cut.
        axis: axis to cut.

    Returns:
        A list of views.

    Raises:
        ShapeError: no equal division, or no such axis.
    """
    return _split("split", ary, indices_or_sections, axis, equal=True)


def array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> list[Any]:
    """`split` whose pieces may differ in length by one.

    Args:
        ary: array or Tensor.
        indices_or_sections: the number of pieces, or the positions at which to cut.
        axis: axis to cut.

    Returns:
        A list of views.

    Raises:
        ShapeError: no such axis.
    """
    return _split("array_split", ary, indices_or_sections, axis, equal=False)


def _along(name: str, ary: Any, indices_or_sections: Any, ndim: int) -> list[Any]:
    ary = as_operand(ary)
    if ary.ndim < ndim:
        raise ShapeError(f"{name}: at least {ndim} dimension(s) are due, got shape {ary.shape}")
    axis = ndim - 1 if ndim > 1 else min(1, ary.ndim - 1)
    return _split(name, ary, indices_or_sections, 0 if name == "vsplit" else axis, equal=True)


def hsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """`split` along the second axis; of a vector along its only one.

    Args:
        ary: array or Tensor with at least one axis.
        indices_or_sections: as for `split`.

    Returns:
        A list of views.
    """
    return _along("hsplit", ary, indices_or_sections, 1)


def vsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """`split` along the first axis.

    Args:
        ary: array or Tensor with at least two axes.
        indices_or_sections: as for `split`.

    Returns:
        A list of views.
    """
    return _along("vsplit", ary, indices_or_sections, 2)


def dsplit(ary: Any, indices_or_sections: Any) -> list[Any]:
    """`split` along the third axis.

    Args:
        ary: array or Tensor with at least three axes.
        indices_or_sections: as for `split`.

    Returns:
        A list of views.
    """
    return _along("dsplit", ary, indices_or_sections, 3)


def unstack(x: Any, /, *, axis: int = 0) -> tuple[Any, ...]:
    """The entries of x along an axis, each without it; the reverse of `stack`.

    Args:
        x: array or Tensor with at least one axis.
        axis: axis to take apart.

    Returns:
        A tuple of views.

    Raises:
        ShapeError: no such axis.
    """
    x = as_operand(x)
    (axis,) = normalize_axis("unstack", axis, x.ndim) or (0,)
    lead = (slice(None),) * axis
    return tuple(getitem_(x, index=(*lead, i, ...)) for i in range(x.shape[axis]))


def trim_zeros(filt: Any, trim: str = "fb", axis: Axis = None) -> Any:
    """An array without the zeros at its ends: the smallest slice that holds all of its other entries.

    The size of the result depends on the values, so this waits for the device.

    Args:
        filt: array or Tensor.
        trim: "f" cuts at the front, "b" at the back, "fb" at both.
        axis: axis or axes along which to cut; None for all.

    Returns:
        A view, through which gradients pass: an array, or a Tensor where `filt` is one.

    Raises:
        ValueError: `trim` is something else.
    """
    filt = as_operand(filt)
    if sorted(trim.lower()) not in (["b"], ["b", "f"], ["f"]):
        raise ValueError(f"trim_zeros: trim must be 'f', 'b' or 'fb', got {trim!r}")
    axes = normalize_axis("trim_zeros", axis, filt.ndim)
    places = np.nonzero(np.atleast_1d(on_host(filt)))
    cuts = []
    for i in range(filt.ndim):
        if axes is not None and i not in axes:
            cuts.append(slice(None))
        elif places[i].size == 0:
            cuts.append(slice(0, 0))
        else:
            first, last = int(places[i].min()), int(places[i].max())
            cuts.append(slice(first if "f" in trim.lower() else None, last + 1 if "b" in trim.lower() else None))
    return getitem_(filt, index=tuple(cuts)) if cuts else filt


NUMPY = ("split", "array_split", "hsplit", "vsplit", "dsplit", "unstack", "trim_zeros")
