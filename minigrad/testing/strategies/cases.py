"""Calls of an OpSpec row: shapes, parameters, layouts and values drawn by hypothesis, so that failures shrink."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from ...backend.device import resolve_device
from ..cases import Case, allowed_layouts, laid_out
from ..memory_layouts import fits
from ..opspec import OpSpec, Shape
from .shapes import broadcastable_shapes, shapes

_TRIES = 20


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
    for _ in range(_TRIES):
        sides = draw(_shapes(row))
        variants = list(row.variants(sides))
        if variants:
            break
    else:
        raise ValueError(f"OpSpec {row.name}: no parameters fit any of {_TRIES} shapes")
    params = dict(draw(st.sampled_from(variants)) if len(variants) > 1 else variants[0])
    seed = draw(st.integers(0, 2**16))
    arrays = row.arguments(np.random.default_rng(seed), sides, np.dtype(dtype))
    names: tuple[str, ...] = ()
    if layouts:
        names = tuple(draw(st.sampled_from([n for n in allowed_layouts(row) if fits(n, a.shape)])) for a in arrays)
    return laid_out(Case(row, arrays, params, seed, resolve_device(device)), names)


def _shapes(row: OpSpec) -> st.SearchStrategy[tuple[Shape, ...]]:
    if row.shapes is not None:
        return st.sampled_from(row.shapes)
    if row.broadcasts and row.arity > 1:
        return broadcastable_shapes(row.arity, min_side=0)
    return shapes().map(lambda one: (one,) * row.arity)
