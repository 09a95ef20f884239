"""Calls of an OpSpec row: shapes, parameters, layouts and values drawn by hypothesis, so that failures shrink."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from ...backend.device import resolve_device
from ..cases import Case, allowed_layouts, laid_out
from ..memory_layouts import fits
from ..opspec import OpSpec, Params, Shape

_TRIES = 5
_FULL: tuple[Shape, ...] = (
    (2,), (1,), (3,), (1, 1), (2, 2), (2, 3), (3, 1), (1, 2), (3, 2), (1, 3), (3, 3), (2, 1), (2, 3, 2), (3, 1, 2),
    (2, 2, 1), (1, 3, 2), (2, 2, 2), (3, 2, 3), (1, 2, 3), (2, 1, 1), (4,), (5,), (2, 4),
)  # fmt: skip
_SHAPES: tuple[Shape, ...] = (*_FULL[:1], (), *_FULL[1:], (0,), (2, 0), (2, 0, 3))
"""What rows of any shape are tried with. Drawn axis by axis, every third array would be empty and prove nothing."""
_ONES = (0, 0, 0, 1, 2, 4, 3, 6, 7)
_CUTS = (0, 0, 0, 0, 1, 1, 2, 3)
"""How an argument is narrower than another: bits of the axes whose length is 1, and how many leading axes it lacks."""


@st.composite
def op_cases(draw: Any, row: OpSpec, *, device: str = "cpu", dtype: Any = "float64", layouts: bool = True) -> Case:
    """Calls of a row.

    Args:
        draw: hypothesis'.
        row: the row.
        device: where the call runs.
        dtype: of the floating-point arguments.
        layouts: whether the arguments lie in memory in other ways too.

    Returns:
        A strategy of Case; they shrink towards small contiguous arrays.
    """
    sides, variants = _call(draw, row)
    params = dict(draw(st.sampled_from(variants)) if len(variants) > 1 else variants[0])
    seed = draw(st.integers(0, 2**16))
    arrays = row.arguments(np.random.default_rng(seed), sides, np.dtype(dtype))
    names: tuple[str, ...] = ()
    if layouts:
        names = tuple(draw(st.sampled_from([n for n in allowed_layouts(row) if fits(n, a.shape)])) for a in arrays)
    return laid_out(Case(row, arrays, params, seed, resolve_device(device)), names)


def _call(draw: Any, row: OpSpec) -> tuple[tuple[Shape, ...], list[Params]]:
    """Shapes, and the parameters that fit them.

    Raises:
        ValueError: no parameters fit any shapes.
    """
    drawn = _shapes(row)
    for _ in range(_TRIES):
        sides = draw(drawn)
        variants = list(row.variants(sides))
        if variants:
            return sides, variants
    # hypothesis' first example and its shrinks are all of the same small shape: a full one is always at hand
    for sides in row.shapes if row.shapes is not None else [(one,) * row.arity for one in _FULL]:
        variants = list(row.variants(sides))
        if variants:
            return sides, variants
    raise ValueError(f"OpSpec {row.name}: no parameters fit any of its shapes, {_TRIES} drawn ones among them")


def _shapes(row: OpSpec) -> st.SearchStrategy[tuple[Shape, ...]]:
    if row.shapes is not None:
        return st.sampled_from(row.shapes)
    if row.broadcasts and row.arity > 1:
        return _broadcastable(row.arity)
    return st.sampled_from(_SHAPES).map(lambda one: (one,) * row.arity)


@st.composite
def _broadcastable(draw: Any, count: int) -> tuple[Shape, ...]:
    """Shapes that broadcast to that of one of them."""
    whole, widest = draw(st.sampled_from(_SHAPES)), draw(st.integers(0, count - 1))
    found = [whole] * count
    for i in range(count if whole else 0):
        if i != widest:
            ones, cut = draw(st.sampled_from(_ONES)), draw(st.sampled_from(_CUTS))
            found[i] = tuple(1 if ones >> k & 1 else n for k, n in enumerate(whole))[cut:]
    return tuple(found)
