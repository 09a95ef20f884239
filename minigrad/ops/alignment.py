"""Arrays made to fit together: at least so many axes, one common shape, a grid of all combinations."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import ShapeError
from .arguments import as_operand
from .joining import as_arrays
from .shape import broadcast_to, copy_, reshape_


def _at_least(arys: tuple[Any, ...], grow: Any) -> Any:
    found = [as_operand(a) for a in arys]
    grown = tuple(reshape_(a, shape=grow(a.shape)) if len(grow(a.shape)) > a.ndim else a for a in found)
    return grown[0] if len(grown) == 1 else grown


def atleast_1d(*arys: Any) -> Any:
    """Arrays with at least one axis: numbers become vectors of one element.

    Args:
        *arys: arrays, Tensors or numbers.

    Returns:
        A view for one argument, a tuple of views for several.
    """
    return _at_least(arys, lambda s: s or (1,))


def atleast_2d(*arys: Any) -> Any:
    """Arrays with at least two axes: a vector becomes one row.

    Args:
        *arys: arrays, Tensors or numbers.

    Returns:
        A view for one argument, a tuple of views for several.
    """
    return _at_least(arys, lambda s: (1,) * (2 - len(s)) + s)


def atleast_3d(*arys: Any) -> Any:
    """Arrays with at least three axes: (n,) becomes (1, n, 1), (m, n) becomes (m, n, 1).

    Args:
        *arys: arrays, Tensors or numbers.

    Returns:
        A view for one argument, a tuple of views for several.
    """
    return _at_least(arys, lambda s: {0: (1, 1, 1), 1: (1, *s, 1), 2: (*s, 1)}.get(len(s), s))


def common_shape(name: str, *shapes: tuple[int, ...]) -> tuple[int, ...]:
    """What shapes broadcast to.

    Raises:
        ShapeError: they do not fit together.
    """
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise ShapeError(f"{name}: shapes {', '.join(map(str, shapes))} do not broadcast together") from error


def broadcast_arrays(*args: Any, subok: bool = False) -> tuple[Any, ...]:
    """Arrays repeated to the shape that they broadcast to.

    Args:
        *args: arrays, Tensors or numbers.
        subok: ignored, for NumPy's sake.

    Returns:
        A tuple of views.

    Raises:
        ShapeError: the shapes do not fit together.
    """
    xs = as_arrays("broadcast_arrays", args)
    shape = common_shape("broadcast_arrays", *(x.shape for x in xs))
    return tuple(broadcast_to(x, shape) for x in xs)


def meshgrid(*xi: Any, copy: bool = True, sparse: bool = False, indexing: str = "xy") -> tuple[Any, ...]:
    """The coordinates of a grid: out[k] holds the k-th coordinate of every point.

    Args:
        *xi: vectors of coordinates, arrays or Tensors (numbers count as vectors of one element).
        copy: False returns views.
        sparse: leave the axes along which a coordinate is constant at length 1.
        indexing: "ij" lets axis k belong to the k-th vector; "xy" exchanges the first two axes.

    Returns:
        A tuple with one array, or Tensor where that vector is one, for each vector.

    Raises:
        ValueError: `indexing` is something else.
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"meshgrid: indexing must be 'xy' or 'ij', got {indexing!r}")
    xs = as_arrays("meshgrid", xi)
    places = list(range(len(xs)))
    if indexing == "xy" and len(xs) > 1:
        places[:2] = [1, 0]
    shape = [0] * len(xs)
    for x, place in zip(xs, places, strict=True):
        shape[place] = x.size
    found = []
    for x, place in zip(xs, places, strict=True):
        alone = tuple(x.size if i == place else 1 for i in range(len(xs)))
        grid = reshape_(x, shape=alone)
        grid = grid if sparse else broadcast_to(grid, tuple(shape))
        found.append(copy_(grid, order="C") if copy else grid)
    return tuple(found)


NUMPY = ("atleast_1d", "atleast_2d", "atleast_3d", "broadcast_arrays", "meshgrid")
