"""Rows of minigrad.ops.norms."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from draws import torch_function as th

from minigrad.ops import norms
from minigrad.testing import OpSpec

INF = np.inf
ALL = (
    {"ord": None},
    {"ord": 2},
    {"ord": 1},
    {"ord": INF},
    {"ord": -INF},
    {"ord": 3},
    {"ord": 0.5},
    {"ord": -2},
    {"ord": -1.5},
)
"""Norms of vectors."""
SMOOTH = ({"ord": None}, {"ord": "fro"}, {"ord": 1}, {"ord": -1}, {"ord": INF}, {"ord": -INF})
SPECTRAL = ({"ord": 2}, {"ord": -2}, {"ord": "nuc"})
"""Norms of matrices."""
LOOSE = {"float64": 1e-11, "float32": 2e-4}


def crossed(orders: Any, axes: Any) -> list[dict[str, Any]]:
    both = itertools.product(orders, axes, (False, True))
    return [{**order, "axis": axis, "keepdims": keep} for order, axis, keep in both]


def _vector_axes(shape: tuple[int, ...]) -> list[dict[str, Any]]:
    return crossed(ALL, [None] * (len(shape) == 1) + [0, -1] + [1] * (len(shape) > 1))


def _matrix_axes(shape: tuple[int, ...]) -> list[Any]:
    return [None, (0, 1), (1, 0)] if len(shape) == 2 else [(0, 1), (-1, -2), (2, 0)]


def _sums_apart(x: Any) -> Any:
    """Sums of absolute values along each axis must differ, or the largest is not smooth."""
    parts = [np.diff(np.sort(np.abs(x).sum(axis=a), axis=None)) for a in range(x.ndim)]
    return np.concatenate([np.abs(x).ravel() - 0.0, *parts]) if x.size else np.ones(1)


def _values_apart(x: Any) -> Any:
    """No two singular values of any pair of axes are equal, and none is zero."""
    found = []
    for i, j in itertools.permutations(range(x.ndim), 2):
        s = np.linalg.svd(np.moveaxis(x, (i, j), (-2, -1)), compute_uv=False)
        found += [np.diff(s, axis=-1).ravel(), s.ravel()]
    return np.concatenate(found) / 4


def _torch_norm(x: Any, ord: Any, axis: Any, keepdims: bool) -> Any:
    return th("linalg.norm")(x, ord, axis, keepdims)


def _torch_cond(x: Any, p: Any) -> Any:
    """torch.linalg.cond(x, "fro") cannot be differentiated: it writes to the inverse that it has saved."""
    of = th("linalg.matrix_norm")
    return of(x, p) * of(th("linalg.inv")(x), p)


ROWS = [
    OpSpec("norm of everything", norms.norm, np.linalg.norm, params=({}, {"keepdims": True}), torch=None),
    OpSpec(
        "norm of vectors",
        norms.norm,
        np.linalg.norm,
        params=_vector_axes,
        min_gap=1 / 16,
        shapes=(((3,),), ((2, 3),), ((2, 1, 2),), ((1,),)),
        kinks=(lambda x: np.diff(np.sort(np.abs(x), axis=None)),),
        tolerance={"float64": 1e-12, "float32": 2e-5},
        torch=_torch_norm,
    ),
    OpSpec(
        "norm by powers",
        norms.norm,
        np.linalg.norm,
        shapes=(((3,),), ((2, 3),), ((2, 1, 2),)),
        params=[{"ord": p, "axis": -1} for p in (3, 0.5, -2, 4, 2.5)],
        tolerance={"float64": 1e-12, "float32": 2e-5},
    ),
    OpSpec(
        "norm of no vectors",
        norms.norm,
        np.linalg.norm,
        shapes=(((0, 3),), ((2, 0),)),
        params=lambda s: crossed(({"ord": 1}, {"ord": 2}, {"ord": 3}, {"ord": INF}), (0, 1)),
    ),
    OpSpec(
        "norm, how many",
        norms.norm,
        np.linalg.norm,
        params=lambda s: crossed(({"ord": 0},), (0, -1)),
        order=0,
        shapes=(((3,),), ((2, 3),)),
    ),
    OpSpec(
        "norm of matrices",
        norms.norm,
        np.linalg.norm,
        params=lambda s: crossed(SMOOTH, _matrix_axes(s)),
        shapes=(((2, 3),), ((3, 2),), ((2, 2, 3),), ((1, 1),)),
        kinks=(_sums_apart,),
    ),
    OpSpec(
        "norm of matrices against torch",
        norms.norm,
        np.linalg.norm,
        params=lambda s: crossed(SMOOTH[1:], _matrix_axes(s)[1:]),
        shapes=(((2, 3),), ((2, 2, 3),)),
        kinks=(_sums_apart,),
        torch=_torch_norm,
    ),
    OpSpec(
        "norm by singular values",
        norms.norm,
        np.linalg.norm,
        params=lambda s: crossed(SPECTRAL, _matrix_axes(s)),
        shapes=(((2, 3),), ((3, 2),), ((2, 2, 3),), ((1, 1),)),
        kinks=(_values_apart,),
        tolerance=LOOSE,
    ),
    OpSpec(
        "norm by singular values against torch",
        norms.norm,
        np.linalg.norm,
        kinks=(_values_apart,),
        tolerance=LOOSE,
        params=lambda s: crossed(SPECTRAL, _matrix_axes(s)[1:]),
        shapes=(((2, 3),), ((2, 2, 3),)),
        torch=_torch_norm,
    ),
    OpSpec(
        "vector_norm",
        norms.vector_norm,
        np.linalg.vector_norm,
        min_gap=1 / 16,
        shapes=(((3,),), ((2, 3),), ((2, 1, 2),)),
        params=lambda s: crossed(ALL[1:], [None, -1] + [(0, 1), (-1, 0)] * (len(s) > 1)),
        kinks=(lambda x: np.diff(np.sort(np.abs(x), axis=None)),),
        tolerance={"float64": 1e-12, "float32": 2e-5},
        torch=lambda x, ord, axis, keepdims: th("linalg.vector_norm")(x, ord, axis, keepdims),
    ),
    OpSpec(
        "matrix_norm",
        norms.matrix_norm,
        np.linalg.matrix_norm,
        shapes=(((2, 3),), ((2, 2, 3),)),
        tolerance=LOOSE,
        params=[{**o, "keepdims": keep} for o in (*SMOOTH[1:], *SPECTRAL) for keep in (False, True)],
        kinks=(_sums_apart, _values_apart),
    ),
    OpSpec(
        "cond",
        norms.cond,
        np.linalg.cond,
        shapes=(((2, 3),), ((3, 3),), ((2, 2, 2),)),
        kinks=(_values_apart,),
        params=({"p": None}, {"p": 2}, {"p": -2}),
        tolerance=LOOSE,
        torch=th("linalg.cond"),
    ),
    OpSpec(
        "cond by the inverse",
        norms.cond,
        np.linalg.cond,
        shapes=(((3, 3),), ((2, 2, 2),)),
        kinks=(_sums_apart, _values_apart, lambda x: _sums_apart(np.linalg.inv(x))),
        distance=1 / 64,
        params=({"p": "fro"}, {"p": 1}, {"p": INF}, {"p": -1}, {"p": "nuc"}),
        tolerance={"float64": 1e-10, "float32": 1e-3},
    ),
    OpSpec(
        "cond by the inverse against torch",
        norms.cond,
        np.linalg.cond,
        shapes=(((3, 3),), ((2, 2, 2),)),
        kinks=(_sums_apart, _values_apart, lambda x: _sums_apart(np.linalg.inv(x))),
        distance=1 / 64,
        params=({"p": "fro"}, {"p": 1}, {"p": INF}, {"p": -1}),
        tolerance={"float64": 1e-10, "float32": 1e-3},
        torch=_torch_cond,
    ),
    OpSpec(
        "matrix_rank",
        norms.matrix_rank,
        np.linalg.matrix_rank,
        order=0,
        shapes=(((2, 3),), ((2, 3, 3),), ((3,),), ((0, 2),)),
        params=({}, {"tol": 1.0}, {"rtol": 0.25}),
    ),
]
