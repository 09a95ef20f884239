"""Shapes, shapes that broadcast, axes and indices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

Shape = tuple[int, ...]

INDEX_KINDS = ("basic", "integer", "boolean", "mixed", "duplicates")


def shapes(
    *, min_dims: int = 0, max_dims: int = 3, min_side: int = 0, max_side: int = 3
) -> st.SearchStrategy[tuple[int, ...]]:
    """Shapes of few axes and short sides, which is where bugs of shapes live.

    Args:
        min_dims, max_dims: how many axes.
        min_side, max_side: how long.

    Returns:
        A strategy of tuples; they shrink towards few and short axes.
    """
    return st.lists(st.integers(min_side, max_side), min_size=min_dims, max_size=max_dims).map(tuple)


def broadcastable_shapes(
    count: int = 2, *, min_dims: int = 0, max_dims: int = 3, min_side: int = 1, max_side: int = 3
) -> st.SearchStrategy[tuple[tuple[int, ...], ...]]:
    """Groups of shapes that broadcast against each other.

    Args:
        count: how many shapes.
        min_dims, max_dims: how many axes.
        min_side, max_side: how long.

    Returns:
        A strategy of tuples of shapes.
    """
    return hnp.mutually_broadcastable_shapes(
        num_shapes=count, min_dims=min_dims, max_dims=max_dims, min_side=min_side, max_side=max_side
    ).map(lambda found: found.input_shapes)


@st.composite
def broadcastable_arrays(
    draw: Any, count: int = 2, *, shapes: Any = None, layout: Any = "contiguous", **options: Any
) -> tuple[Any, ...]:
    """Groups of arrays that broadcast against each other and have no number in common.

    Args:
        draw: hypothesis'.
        count: how many arrays.
        shapes: a group of shapes, or a strategy of groups; None is `broadcastable_shapes(count)`.
        layout: as for `arrays`.
        **options: further arguments of `arrays`.

    Returns:
        A strategy of tuples of raw arrays.
    """
    from .arrays import arrays

    group = broadcastable_shapes(count) if shapes is None else shapes
    drawn = draw(group) if isinstance(group, st.SearchStrategy) else group
    n = 1 << max(len(drawn) - 1, 0).bit_length()
    return tuple(draw(arrays(shape=s, layout=layout, offset=i / n, **options)) for i, s in enumerate(drawn))


def axes(ndim: int, *, none: bool = True, several: bool = True) -> st.SearchStrategy[int | tuple[int, ...] | None]:
    """Values of `axis=` that fit: an integer, a tuple of distinct ones, None; negative ones as well.

    Args:
        ndim: how many axes the array has.
        none: whether None is among them.
        several: whether tuples are; the empty one too.

    Returns:
        A strategy.
    """
    options: list[Any] = [st.none()] if none else []
    if ndim:
        options.append(st.integers(0, ndim - 1))
        options.append(st.integers(-ndim, -1))
    if several:
        options.append(hnp.valid_tuple_axes(ndim))
    if not options:
        raise ValueError("axes: an array without axes has none to name: allow none=True or several=True")
    return st.one_of(options)


def indices(shape: Shape, *, kinds: Sequence[str] = INDEX_KINDS) -> st.SearchStrategy[Any]:
    """Indices into an array: basic, integer arrays, boolean masks, mixed ones, integer arrays with duplicates.

    Args:
        shape: of the array.
        kinds: which of these; those that the shape does not allow are left out.

    Returns:
        A strategy of what may stand in brackets.

    Raises:
        ValueError: an unknown kind, or none of them fits the shape.
    """
    unknown = [kind for kind in kinds if kind not in INDEX_KINDS]
    if unknown:
        raise ValueError(f"indices: kinds are {', '.join(INDEX_KINDS)}; got {unknown[0]!r}")
    full = bool(shape) and 0 not in shape
    found: list[Any] = []
    for kind in kinds:
        if kind == "basic":
            found.append(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
        elif kind == "boolean" and shape:
            found.append(_masks(shape))
        elif kind == "integer" and full:
            found.append(hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2, max_side=3)))
        elif kind == "mixed" and full:
            found.append(_mixed(shape))
        elif kind == "duplicates" and full:
            found.append(_duplicates(shape))
    if not found:
        raise ValueError(f"indices: none of {', '.join(kinds)} fits the shape {shape}")
    return st.one_of(found)


@st.composite
def _masks(draw: Any, shape: Shape) -> np.ndarray:
    """A mask over the first axes."""
    covered = shape[: draw(st.integers(1, len(shape)))]
    return draw(hnp.arrays(bool, covered, elements=st.booleans(), fill=st.nothing()))


@st.composite
def _mixed(draw: Any, shape: Shape) -> tuple[Any, ...]:
    """Integers, slices and one array of integers."""
    at = draw(st.integers(0, len(shape) - 1))
    return tuple(
        np.array(draw(st.lists(st.integers(-n, n - 1), min_size=1, max_size=3)))
        if i == at
        else draw(st.one_of(st.slices(n), st.integers(-n, n - 1)))
        for i, n in enumerate(shape)
    )


@st.composite
def _duplicates(draw: Any, shape: Shape) -> np.ndarray:
    """Rows by number, one of them at least twice."""
    rows = draw(st.lists(st.integers(0, shape[0] - 1), min_size=1, max_size=3))
    again = draw(st.sampled_from(rows))
    return np.array([*rows, again - shape[0] if draw(st.booleans()) else again])
