"""Rows of minigrad.ops.sorting and minigrad.ops.binning."""

from __future__ import annotations

from typing import Any

import numpy as np
from draws import torch_function as th
from rows_cumulative import one_axis_or_none

from minigrad.ops import binning, sorting
from minigrad.testing import OpSpec

GAP = 1 / 16
LONG = (((7,),), ((2, 3),), ((5, 2),), ((2, 2, 3),), ((1,),))


def _kths(shape: tuple[int, ...]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{"kth": 0, "axis": None}]
    for a in range(-len(shape), len(shape)):
        n = shape[a]
        found += [{"axis": a, "kth": kth} for kth in (n - 1, n // 2, -1, (0, n // 2))]
    return found


def _torch_sort(x: Any, axis: int | None = -1, **_: Any) -> Any:
    return th("sort")(x.reshape(-1) if axis is None else x, dim=0 if axis is None else axis, stable=True)[0]


def repeated(rng: np.random.Generator, shapes: Any, position: int) -> np.ndarray:
    """Few distinct numbers."""
    return rng.integers(-2, 3, size=shapes[position]) / 2


def small_integers(rng: np.random.Generator, shapes: Any, position: int) -> np.ndarray:
    return rng.integers(0, 4, size=shapes[position])


def ascending(rng: np.random.Generator, shapes: Any, position: int) -> np.ndarray:
    return np.sort(rng.permutation(64)[: shapes[position][0]]) / 16 - 2


def _unique(x: np.ndarray, **params: Any) -> Any:
    return np.unique(x, **params)


def _histogram(w: Any, x: Any, bins: Any, **params: Any) -> Any:
    return binning.histogram(x, bins, weights=w, **params)


def _np_histogram(w: Any, x: Any, bins: Any, **params: Any) -> Any:
    return np.histogram(x, bins, weights=w, **params)


def _middle(rng: np.random.Generator, shapes: Any, position: int) -> np.ndarray:
    """Numbers away from round ones."""
    return rng.integers(-30, 30, size=shapes[position]) / 16 + 1 / 64


def _no_edge_near(w: np.ndarray, x: np.ndarray) -> np.ndarray:
    """The elements keep away from the edges that three bins, or two, have between the least and the largest."""
    inner = x.min() + np.ptp(x) * np.array([1 / 3, 1 / 2, 2 / 3])
    return x.reshape(-1, 1) - inner


def _no_ties(w: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.diff(np.sort(x, axis=None))


def _orders(rng: np.random.Generator, shapes: Any, position: int) -> np.ndarray:
    """A permutation along the last axis."""
    return np.argsort(rng.random(shapes[position]), axis=-1)


def _permuted_back(x: np.ndarray, order: np.ndarray, axis: int) -> np.ndarray:
    out = np.zeros_like(x)
    np.put_along_axis(out, order, x, axis)
    return out


WAITING = dict.fromkeys(
    ("unique", "unique of equal ones", "unique along an axis", "bincount", "bincount, weights", "histogram",
     "histogram, weights", "histogram between the elements", "histogram_bin_edges", "histogram_bin_edges, given",
     "histogram_bin_edges, rules", "histogram, density"),
    "the size of the result is a matter of the values, and CuPy looks at them",
)  # fmt: skip
EDGES = [-3.0, -0.25, 0.5, 3.0]
ROWS = [
    OpSpec("sort", sorting.sort, np.sort, params=one_axis_or_none, min_gap=GAP, torch=_torch_sort,
           notes="equal elements take the gradient in their order in the array"),
    OpSpec("sort, kinds", sorting.sort, np.sort, shapes=LONG, min_gap=GAP, torch=_torch_sort,
           params=({}, {"kind": "stable"}, {"kind": "heapsort", "axis": 0}, {"stable": True}, {"stable": False})),
    OpSpec("argsort", sorting.argsort, np.argsort, shapes=LONG, min_gap=GAP, order=0,
           params=lambda s: [*one_axis_or_none(s), {"stable": True}, {"kind": "stable"}]),
    OpSpec("argsort of equal ones", sorting.argsort, np.argsort, shapes=LONG, domain=repeated, order=0,
           params=({"stable": True}, {"axis": 0, "kind": "stable"})),
    OpSpec("partition", lambda x, **p: sorting.partition(sorting.sort(x, p["axis"]), **p),
           lambda x, **p: np.sort(x, p["axis"]), shapes=LONG, params=_kths, min_gap=GAP),
    OpSpec("partition, ends", lambda x, kth, axis: sorting.partition(x, kth, axis)[..., kth],
           lambda x, kth, axis: np.sort(x, axis)[..., kth], shapes=LONG, min_gap=GAP,
           params=lambda s: [{"kth": k, "axis": -1} for k in (0, s[-1] - 1, s[-1] // 2)]),
    OpSpec("argpartition", lambda x, kth, axis: sorting.argpartition(x, kth, axis)[..., kth],
           lambda x, kth, axis: np.argsort(x, axis)[..., kth], shapes=LONG, min_gap=GAP, order=0,
           params=lambda s: [{"kth": k, "axis": -1} for k in (0, s[-1] - 1, s[-1] // 2)]),
    OpSpec("permuted", sorting.permuted_, np.take_along_axis, 2, domain=((-2.0, 2.0), _orders), params=({"axis": -1},),
           min_gap=GAP, shapes=(((4,), (4,)), ((2, 3), (2, 3)))),
    OpSpec("permuted back", sorting.permuted_back_, _permuted_back, 2, domain=((-2.0, 2.0), _orders),
           params=({"axis": -1},), min_gap=GAP, shapes=(((4,), (4,)), ((2, 3), (2, 3)))),
    OpSpec("lexsort", lambda x, y: sorting.lexsort([x, y]), lambda x, y: np.lexsort([x, y]), 2, domain=repeated,
           shapes=(((5,), (5,)), ((1,), (1,)), ((0,), (0,))), order=0),
    OpSpec("lexsort of rows", sorting.lexsort, np.lexsort, domain=repeated, shapes=(((2, 5),), ((3, 4),)), order=0),
    OpSpec("searchsorted", sorting.searchsorted, np.searchsorted, 2, domain=(ascending, (-2.0, 2.0)), order=0,
           shapes=(((4,), (3,)), ((1,), (2, 2)), ((3,), ())), params=({}, {"side": "right"})),
    OpSpec("searchsorted, sorter", lambda a, v: sorting.searchsorted(a, v, "left", sorting.argsort(a)),
           lambda a, v: np.searchsorted(a, v, "left", np.argsort(a)), 2, order=0, shapes=(((4,), (3,)),)),
    OpSpec("unique", sorting.unique, np.unique, shapes=LONG, min_gap=GAP),
    OpSpec("unique of equal ones", sorting.unique, _unique, domain=repeated, shapes=LONG, order=0, differentiable=(),
           params=({"return_index": True}, {"return_inverse": True, "return_counts": True}, {"equal_nan": False})),
    OpSpec("unique along an axis", lambda x: sorting.unique(x, axis=0), lambda x: np.unique(x, axis=0),
           shapes=(((3, 2),), ((4, 1),)), min_gap=GAP),
    OpSpec("bincount", binning.bincount, np.bincount, domain=small_integers, shapes=(((6,),), ((1,),)), order=0,
           params=({}, {"minlength": 9})),
    OpSpec("bincount, weights", lambda w, x, **p: binning.bincount(x, w, **p), lambda w, x, **p: np.bincount(x, w, **p),
           2, domain=((-2.0, 2.0), small_integers), shapes=(((6,), (6,)), ((1,), (1,))), params=({}, {"minlength": 9})),
    OpSpec("digitize", binning.digitize, np.digitize, 2, domain=((-2.0, 2.0), ascending), order=0,
           shapes=(((4,), (3,)), ((2, 2), (1,))), params=({}, {"right": True})),
    OpSpec("histogram", binning.histogram, np.histogram, shapes=LONG, order=0, differentiable=(), params=(
           {}, {"bins": 4, "range": (-3, 2)}, {"bins": EDGES, "density": True}), domain=_middle),
    OpSpec("histogram, weights", _histogram, _np_histogram, 2, domain=((0.25, 2.0), _middle), params=(
           {"bins": 4, "range": (-3, 2)}, {"bins": EDGES}, {"bins": 5, "range": (-2.5, 2.5), "density": True}),
           shapes=(((6,), (6,)), ((2, 3), (2, 3)))),
    OpSpec("histogram between the elements", _histogram, _np_histogram, 2, domain=((0.25, 2.0), _middle), min_gap=GAP,
           shapes=(((6,), (6,)), ((2, 3), (2, 3))), params=({"bins": 3}, {"bins": 2, "density": True}),
           kinks=(_no_edge_near, _no_ties)),
    OpSpec("histogram, density", lambda x: binning.histogram(x, 3, density=True),
           lambda x: np.histogram(x, 3, density=True), shapes=(((5,),),), kinks=(lambda x: _no_edge_near(x, x),),
           min_gap=GAP),
    OpSpec("ramp", binning.ramp_, lambda x: np.linspace(0, 1, len(x), dtype=x.dtype), shapes=(((4,),), ((2,),)),
           order=0),
    OpSpec("histogram_bin_edges", binning.histogram_bin_edges, np.histogram_bin_edges, shapes=LONG, min_gap=GAP,
           params=({}, {"bins": 4})),
    OpSpec("histogram_bin_edges, given", binning.histogram_bin_edges, np.histogram_bin_edges, shapes=LONG, order=0,
           differentiable=(), params=({"bins": 4, "range": (-3, 2)}, {"bins": EDGES})),
    OpSpec("histogram_bin_edges, rules", binning.histogram_bin_edges, np.histogram_bin_edges, shapes=LONG, order=0,
           params=({"bins": "sturges"}, {"bins": "fd"}), host_only="CuPy has none of these rules"),
]  # fmt: skip
