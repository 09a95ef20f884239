"""Rows of minigrad.ops.statistics, .order_statistics and .quantiles."""

from __future__ import annotations

from typing import Any

import numpy as np
from draws import torch_function as th
from rows_reduce import KEEP, axes_of

from minigrad.ops import order_statistics, quantiles, statistics
from minigrad.ops.quantile_methods import METHODS
from minigrad.testing import OpSpec

GAP = {"min_gap": 1 / 16}
FEW_ROWS = (((5,),), ((4,),), ((2, 3),), ((3, 4),), ((2, 2, 3),), ((1,),))
SCALARS = (0.3, 0, 1, 0.5)
LISTS = ([0.25], [0.1, 0.5, 0.9], [[0.0, 1.0], [0.4, 0.6]], [])
MANY = ([i / 16 for i in range(17)],)


def _with_q(values: Any, least: int = 1) -> Any:
    """Every axis, and some q that falls between two elements for any number of them."""

    def params(shape: tuple[int, ...]) -> list[dict[str, Any]]:
        return [{**p, "q": q} for p in axes_of(least, **KEEP)(shape) for q in values]

    return params


def _methods(shape: tuple[int, ...]) -> list[dict[str, Any]]:
    return [{"q": [0.17, 0.83], "axis": a, "method": m} for a in range(len(shape)) for m in METHODS]


def _torch_quantile(x: Any, q: Any, axis: Any, keepdims: bool) -> Any:
    q = th("tensor")(q, dtype=x.dtype)
    if not isinstance(axis, tuple):
        return th("quantile")(x, q, dim=axis, keepdim=keepdims)
    return None


def _torch_median(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    return th("quantile")(x, 0.5, dim=axis, keepdim=keepdims)


def _one_axis(shape: tuple[int, ...]) -> list[dict[str, Any]]:
    return [{"axis": a, "keepdims": k} for a in (None, *range(-len(shape), len(shape))) for k in (False, True)]


def _positive_weights(**more: Any) -> dict[str, Any]:
    return {"domain": ((-2.0, 2.0), (0.25, 2.0)), **more}


def _average(a: Any, w: Any, **params: Any) -> Any:
    return statistics.average(a, weights=w, **params)


def _np_average(a: Any, w: Any, **params: Any) -> Any:
    return np.average(a, weights=w, **params)


def _ranks(rng: np.random.Generator, shapes: Any, position: int) -> np.ndarray:
    return rng.integers(0, shapes[1][-1], size=shapes[position])


def _np_order_statistics(x: np.ndarray, ranks: np.ndarray, skips_nan: bool) -> np.ndarray:
    return np.sort(x)[..., ranks] if ranks.ndim == 1 else np.take_along_axis(np.sort(x), ranks, -1)


def _np_spread(g: np.ndarray, x: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    out = np.zeros(x.shape, g.dtype)
    for row in np.ndindex(*x.shape[:-1]):
        order, at = np.argsort(x[row]), ranks if ranks.ndim == 1 else ranks[row]
        for k, rank in enumerate(at):
            ties = x[row] == x[row][order[rank]]
            out[row][ties] += g[(*row, k)] / ties.sum()
    return out


def _np_average_ties(u: np.ndarray, x: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    shape = (*x.shape[:-1], ranks.shape[-1])
    ranks = np.broadcast_to(ranks, shape)
    out = np.zeros(shape, u.dtype)
    for place in np.ndindex(*shape):
        row = x[place[:-1]]
        out[place] = u[place[:-1]][row == np.sort(row)[ranks[place]]].mean()
    return out


FEW_VALUES: Any = lambda rng, shapes, position: rng.integers(-1, 2, size=shapes[position]) / 2
TIES = (((3,), (5,), (3,)), ((2, 3), (2, 4), (3,)), ((2, 2), (2, 4), (2, 2)), ((1, 2), (1, 1), (2,)))
TIES_BACK = (((5,), (5,), (3,)), ((2, 4), (2, 4), (3,)), ((2, 4), (2, 4), (2, 2)))
MATRICES = (((2, 4),), ((3, 3),), ((1, 3),), ((4,),))
ROWS = [
    OpSpec("ptp", statistics.ptp, np.ptp, params=axes_of(2, **KEEP), **GAP),
    OpSpec("average", statistics.average, np.average, params=axes_of(1, **KEEP), shapes=FEW_ROWS),
    OpSpec("average, returned", statistics.average, np.average, params=({"returned": True, "axis": 0},),
           shapes=(((3,),), ((2, 3),))),
    OpSpec("average, weights", _average, _np_average, 2, params=lambda a, b: axes_of(1, **KEEP)(a),
           **_positive_weights(shapes=tuple(s * 2 for s in FEW_ROWS))),
    OpSpec("average, weights of an axis", _average, _np_average, 2,
           params=({"axis": 1}, {"axis": -2, "returned": True, "keepdims": True}),
           **_positive_weights(shapes=(((2, 3, 2), (3,)), ((1, 3, 3), (3,))))),
    OpSpec("average, weights of two axes", _average, _np_average, 2, params=({"axis": (2, 0)}, {"axis": (-1, 0)}),
           **_positive_weights(shapes=(((2, 1, 3), (3, 2)),))),
    OpSpec("cov", statistics.cov, np.cov, shapes=MATRICES,
           params=({}, {"bias": True}, {"ddof": 0}, {"rowvar": False, "bias": True}, {"dtype": np.float64}),
           torch=lambda x, **p: th("cov")(x) if not p else th("cov")(
               x.T if not p.get("rowvar", True) and x.ndim == 2 else x, correction=int("dtype" in p))),
    OpSpec("cov of two", statistics.cov, np.cov, 2, shapes=(((2, 4), (1, 4)), ((4,), (4,)), ((3, 3), (3, 3)))),
    OpSpec("cov, columns", lambda x, y: statistics.cov(x, y, False), lambda x, y: np.cov(x, y, False), 2,
           shapes=(((4, 2), (4, 1)), ((4,), (4,)))),
    OpSpec("cov, aweights", lambda x, w: statistics.cov(x, aweights=w), lambda x, w: np.cov(x, aweights=w), 2, **GAP,
           **_positive_weights(shapes=(((2, 4), (4,)), ((4,), (4,)))), tolerance={"float64": 1e-12, "float32": 1e-4}),
    OpSpec("cov, both weights", lambda x, w: statistics.cov(x, fweights=[1, 2, 0, 3], aweights=w, ddof=0),
           lambda x, w: np.cov(x, fweights=[1, 2, 0, 3], aweights=w, ddof=0), 2, **GAP,
           **_positive_weights(shapes=(((2, 4), (4,)), ((4,), (4,))))),
    OpSpec("cov, fweights", lambda x: statistics.cov(x, fweights=[1, 2, 1, 3]),
           lambda x: np.cov(x, fweights=[1, 2, 1, 3]), **GAP, shapes=(((2, 4),), ((4,),))),
    OpSpec("corrcoef", statistics.corrcoef, np.corrcoef, shapes=(((2, 4),), ((3, 5),), ((4,),)),
           params=({}, {"dtype": np.float64}), tolerance={"float64": 1e-12, "float32": 1e-5}, **GAP,
           torch=lambda x, **p: th("corrcoef")(x)),
    OpSpec("corrcoef of two", lambda x, y: statistics.corrcoef(x, y, False), lambda x, y: np.corrcoef(x, y, False), 2,
           shapes=(((5, 2), (5, 1)), ((4,), (4,))), **GAP),
    OpSpec("median", order_statistics.median, np.median, shapes=FEW_ROWS, params=axes_of(1, **KEEP), **GAP),
    OpSpec("median of one axis", order_statistics.median, np.median, shapes=FEW_ROWS, params=_one_axis, **GAP,
           torch=_torch_median),
    OpSpec("quantile", quantiles.quantile, np.quantile, shapes=FEW_ROWS, params=_with_q(SCALARS), **GAP),
    OpSpec("quantile of one axis", quantiles.quantile, np.quantile, shapes=FEW_ROWS, **GAP,
           params=lambda s: [{**p, "q": q} for p in _one_axis(s) for q in (0.3, 0.5, [0.1, 0.8])],
           torch=_torch_quantile),
    OpSpec("quantiles", quantiles.quantile, np.quantile, shapes=FEW_ROWS, params=_with_q(LISTS), **GAP),
    OpSpec("quantiles, many", quantiles.quantile, np.quantile, shapes=FEW_ROWS, params=_with_q(MANY), **GAP),
    OpSpec("quantile, methods", quantiles.quantile, np.quantile, shapes=FEW_ROWS, params=_methods, **GAP),
    OpSpec("order_statistics", order_statistics.order_statistics_, _np_order_statistics, 2, **GAP,
           domain=((-2.0, 2.0), lambda rng, shapes, _: rng.integers(0, shapes[0][-1], size=shapes[1])),
           params=({"skips_nan": False}, {"skips_nan": True}), shapes=(((5,), (3,)), ((2, 4), (3,)), ((2, 4), (2, 2)))),
    OpSpec("spread_ties", order_statistics.spread_ties_, _np_spread, 3, domain=((-2.0, 2.0), FEW_VALUES, _ranks),
           differentiable=(0,), shapes=TIES),
    OpSpec("average_ties", order_statistics.average_ties_, _np_average_ties, 3, shapes=TIES_BACK,
           domain=((-2.0, 2.0), FEW_VALUES, _ranks), differentiable=(0,)),
    OpSpec("percentile", quantiles.percentile, np.percentile, shapes=FEW_ROWS, params=_with_q((30, [0, 12.5])), **GAP),
]  # fmt: skip
