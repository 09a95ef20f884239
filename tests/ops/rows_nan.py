"""Rows of minigrad.ops.nan_reductions and the nan-versions in .order_statistics and .quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from draws import torch_function as th
from rows_cumulative import one_axis_or_none
from rows_reduce import KEEP, axes_of

from minigrad.ops import elementwise as ew
from minigrad.ops import nan_reductions, order_statistics, quantiles
from minigrad.ops.quantile_methods import METHODS
from minigrad.testing import OpSpec

HOLE = 1.5
"""Elements above become nan."""


def one_hole(rng: np.random.Generator, shapes: Any, position: int) -> np.ndarray:
    """Distinct numbers of which one lies above HOLE."""
    size = int(np.prod(shapes[position]))
    points = (rng.permutation(48)[:size] - 24) / 16
    if size:
        points[rng.integers(size)] = 2.0
    return points.reshape(shapes[position])


def holed(x: Any) -> Any:
    return ew.where(x > HOLE, np.nan, x)


def np_holed(x: np.ndarray) -> np.ndarray:
    return np.where(x > HOLE, np.nan, x)


def _torch(name: str) -> Any:
    def call(x: Any, axis: Any, keepdims: bool) -> Any:
        axis = tuple(range(x.ndim)) if axis is None else axis
        return th(name)(th("where")(x > HOLE, float("nan"), x), dim=axis, keepdim=keepdims)

    return call


def _one_axis(shape: tuple[int, ...]) -> list[dict[str, Any]]:
    axes = [None, *(a for a in range(-len(shape), len(shape)) if shape[a] > 1)]
    return [{"axis": a, "keepdims": k} for a in axes for k in (False, True)]


def above_hole(x: np.ndarray, m: np.ndarray) -> np.ndarray:
    return x - HOLE


def _q(shape: tuple[int, ...]) -> list[dict[str, Any]]:
    return [{**p, "q": q} for p in axes_of(2, **KEEP)(shape) for q in (0.3, 0.5, [0.1, 0.8], MANY)]


MANY = [i / 16 for i in range(17)]
MASK = np.array([[True, False, True, True], [True, True, True, False], [True, True, False, True]])
SHAPES = (((2, 3),), ((2,),), ((5,),), ((6,),), ((4, 2),), ((2, 2, 3),))
COMMON: dict[str, Any] = {"domain": one_hole, "kinks": (HOLE,), "shapes": SHAPES, "min_gap": 1 / 16}
TWO = axes_of(2, **KEEP)
ROWS = [
    OpSpec("nansum", lambda x, **p: nan_reductions.nansum(holed(x), **p), lambda x, **p: np.nansum(np_holed(x), **p),
           params=axes_of(0, **KEEP), **COMMON, torch=_torch("nansum")),
    OpSpec("nanprod", lambda x, **p: nan_reductions.nanprod(holed(x), **p), lambda x, **p: np.nanprod(np_holed(x), **p),
           params=axes_of(0, **KEEP), **COMMON),
    OpSpec("nancumsum", lambda x, **p: nan_reductions.nancumsum(holed(x), **p),
           lambda x, **p: np.nancumsum(np_holed(x), **p),
           params=one_axis_or_none, **COMMON),
    OpSpec("nancumprod", lambda x, **p: nan_reductions.nancumprod(holed(x), **p),
           lambda x, **p: np.nancumprod(np_holed(x), **p),
           params=one_axis_or_none, **COMMON),
    OpSpec("nanmean", lambda x, **p: nan_reductions.nanmean(holed(x), **p), lambda x, **p: np.nanmean(np_holed(x), **p),
           params=TWO, **COMMON, torch=_torch("nanmean")),
    OpSpec("nanvar", lambda x, **p: nan_reductions.nanvar(holed(x), **p), lambda x, **p: np.nanvar(np_holed(x), **p),
           params=TWO, **COMMON),
    OpSpec("nanmax", lambda x, **p: nan_reductions.nanmax(holed(x), **p), lambda x, **p: np.nanmax(np_holed(x), **p),
           params=TWO, **COMMON),
    OpSpec("nanmin", lambda x, **p: nan_reductions.nanmin(holed(x), **p), lambda x, **p: np.nanmin(np_holed(x), **p),
           params=TWO, **COMMON),
    OpSpec("nanvar, ddof=1", lambda x, **p: nan_reductions.nanvar(holed(x), **p),
           lambda x, **p: np.nanvar(np_holed(x), **p), params=axes_of(3, ddof=(1,), **KEEP), **COMMON),
    OpSpec("nanmean, where", lambda x, **p: nan_reductions.nanmean(holed(x), **p),
           lambda x, **p: np.nanmean(np_holed(x), **p), **{**COMMON, "shapes": (((3, 4),),)},
           params=({"axis": 1, "where": MASK}, {"where": MASK, "dtype": np.float64}), dtypes=("float64",)),
    OpSpec("nanvar of a known mean", lambda x, m: nan_reductions.nanvar(holed(x), 1, mean=m),
           lambda x, m: np.nanvar(np_holed(x), 1, mean=m), 2, domain=(one_hole, (-1.0, 1.0)), kinks=(above_hole,),
           shapes=(((2, 4), (2, 1)),)),
    OpSpec("nanstd", lambda x, **p: nan_reductions.nanstd(holed(x), **p), lambda x, **p: np.nanstd(np_holed(x), **p),
           params=axes_of(3, **KEEP), **COMMON),
    OpSpec("nanmax, initial", lambda x, **p: nan_reductions.nanmax(holed(x), **p),
           lambda x, **p: np.nanmax(np_holed(x), **p), params=axes_of(1, initial=(-0.53125,), **KEEP),
           **{**COMMON, "kinks": (HOLE, -0.53125)}),
    OpSpec("nanargmax", lambda x, **p: nan_reductions.nanargmax(holed(x), **p),
           lambda x, **p: np.nanargmax(np_holed(x), **p), params=_one_axis, order=0, **COMMON),
    OpSpec("nanargmin", lambda x, **p: nan_reductions.nanargmin(holed(x), **p),
           lambda x, **p: np.nanargmin(np_holed(x), **p), params=_one_axis, order=0, **COMMON),
    OpSpec("nanmedian", lambda x, **p: order_statistics.nanmedian(holed(x), **p),
           lambda x, **p: np.nanmedian(np_holed(x), **p), params=TWO, **COMMON),
    OpSpec("nanquantile", lambda x, **p: quantiles.nanquantile(holed(x), **p),
           lambda x, **p: np.nanquantile(np_holed(x), **p), params=_q, **COMMON),
    OpSpec("nanquantile, methods", lambda x, **p: quantiles.nanquantile(holed(x), **p),
           lambda x, **p: np.nanquantile(np_holed(x), **p), **COMMON,
           params=[{"q": 0.37, "axis": 0, "method": m} for m in METHODS]),
    OpSpec("nanpercentile", lambda x, **p: quantiles.nanpercentile(holed(x), **p),
           lambda x, **p: np.nanpercentile(np_holed(x), **p), params=({"q": 12.5}, {"q": [5, 95.0]}),
           **COMMON),
]  # fmt: skip
