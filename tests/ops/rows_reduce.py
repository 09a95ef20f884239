"""Rows of minigrad.ops.reduce, minigrad.ops.moments and minigrad.ops.softmax."""

from __future__ import annotations

import itertools
import math
import warnings
from typing import Any

import numpy as np
from draws import torch_function as th

from minigrad.ops import reduce, softmax
from minigrad.testing import OpSpec


def _subsets(ndim: int) -> list[Any]:
    """Every axis argument: None, each axis from both ends, tuples of axes."""
    axes: list[Any] = [None, *range(-ndim, ndim)]
    for k in range(2, ndim + 1):
        axes += list(itertools.combinations(range(ndim), k))
    return axes + ([(-1, 0)] if ndim > 1 else [])


def count(shape: tuple[int, ...], axis: Any) -> int:
    """How many elements go into one result."""
    if axis is None:
        return math.prod(shape)
    return math.prod(shape[a] for a in (axis if isinstance(axis, tuple) else (axis,)))


def axes_of(least: int = 0, **more: tuple[Any, ...]) -> Any:
    """params: every axis that reduces at least `least` elements, crossed with the other parameters."""

    def params(shape: tuple[int, ...]) -> list[dict[str, Any]]:
        axes = [a for a in _subsets(len(shape)) if count(shape, a) >= least]
        others = [dict(zip(more, values, strict=True)) for values in itertools.product(*more.values())]
        return [{"axis": a, **other} for a in axes for other in others]

    return params


KEEP = {"keepdims": (False, True)}


def _variance(ddof: int) -> Any:
    return axes_of(ddof + 1, ddof=(ddof,), **KEEP)


def _torch_axis(name: str) -> Any:
    """torch's reductions call the axis dim, and want every axis spelled out."""

    def call(x: Any, axis: Any, **params: Any) -> Any:
        if axis is None:
            axis = tuple(range(x.ndim))
        if "ddof" in params:
            params["correction"] = params.pop("ddof")
        params["keepdim"] = params.pop("keepdims")
        if not x.ndim:
            return th(name)(x) if name in ("amax", "amin") else x * 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of var over no result at all
            return th(name)(x, dim=axis, **params)

    return call


def _np_softmax(x: np.ndarray, axis: Any = -1) -> np.ndarray:
    e = np.exp(x)
    return e / e.sum(axis=axis, keepdims=True)


def _np_logsumexp(x: np.ndarray, axis: Any = None, keepdims: bool = False) -> Any:
    return np.log(np.exp(x).sum(axis=axis, keepdims=keepdims))


def _np_log_softmax(x: np.ndarray, axis: Any = -1) -> np.ndarray:
    return x - _np_logsumexp(x, axis, True)


def _one_axis(shape: tuple[int, ...]) -> list[dict[str, Any]]:
    axes: list[Any] = [None, *range(-len(shape), len(shape))]
    return [{"axis": a, "keepdims": k} for a in axes if count(shape, a) for k in (False, True)]


def _masked(*least: int) -> Any:
    """params: a mask over the axis that is kept at each place, of which the first `least` elements are selected."""

    def params(shape: tuple[int, ...]) -> list[dict[str, Any]]:
        found = []
        for axis in _subsets(len(shape)):
            axes = range(len(shape)) if axis is None else {a % len(shape) for a in np.atleast_1d(axis)}
            mask = np.ones(shape, bool)
            if count(shape, axis) > max(least, default=0):
                mask[tuple(slice(-1, None) if a in axes else slice(None) for a in range(len(shape)))] = False
            found.append({"axis": axis, "where": mask})
        return found

    return params


def _weighted_logsumexp(a: np.ndarray, b: np.ndarray, axis: Any = None, keepdims: bool = False) -> Any:
    return np.log((b * np.exp(a)).sum(axis=axis, keepdims=keepdims))


def _signed_logsumexp(a: np.ndarray, b: np.ndarray) -> Any:
    total = (b * np.exp(a)).sum(axis=0)
    return np.log(np.abs(total)), np.sign(total)


def _axes_of_two(a: tuple[int, ...], b: tuple[int, ...]) -> list[dict[str, Any]]:
    shape = np.broadcast_shapes(a, b)
    return list(axes_of(1, **KEEP)(shape))


def _methods(x: Any) -> Any:
    return x.sum(axis=0), x.mean(axis=-1), x.var(axis=0), x.max(axis=1), x.min(axis=0), x.sum(keepdims=True)


def _std(least: int) -> Any:
    return lambda shape: [p for p in axes_of(2, ddof=(0, 1), **KEEP)(shape) if math.prod(shape) >= least]


SOME = (((3,),), ((2, 3),), ((3, 1, 2),), ((2, 2, 2),))
ROWS = [
    OpSpec("sum", reduce.sum, np.sum, params=axes_of(0, **KEEP), torch=_torch_axis("sum")),
    OpSpec("sum, default", reduce.sum, np.sum),
    OpSpec("sum, dtype", reduce.sum, np.sum, params=axes_of(0, dtype=(np.float64,)), dtypes=("float64",)),
    OpSpec("mean", reduce.mean, np.mean, params=axes_of(1, **KEEP), torch=_torch_axis("mean")),
    OpSpec("var", reduce.var, np.var, params=_variance(0)),
    OpSpec("var, ddof=1", reduce.var, np.var, params=_variance(1), torch=_torch_axis("var")),
    OpSpec("std", reduce.std, np.std, params=_std(2), min_gap=1 / 16, torch=_torch_axis("std"),
           notes="no slope where the variance is 0"),
    OpSpec("max", reduce.max, np.max, params=axes_of(1, **KEEP), min_gap=1 / 16, torch=_torch_axis("amax"),
           notes="ties share the gradient evenly"),
    OpSpec("min", reduce.min, np.min, params=axes_of(1, **KEEP), min_gap=1 / 16, torch=_torch_axis("amin"),
           notes="ties share the gradient evenly"),
    OpSpec("sum, initial and where", reduce.sum, np.sum,
           params=lambda s: [{**p, "initial": 2.5} for p in _masked()(s)]),
    OpSpec("mean, where", reduce.mean, np.mean, params=_masked(1), shapes=SOME),
    OpSpec("mean, dtype", reduce.mean, np.mean, params=({"dtype": np.float64},), shapes=SOME, dtypes=("float64",)),
    OpSpec("var, where", reduce.var, np.var, params=_masked(1), shapes=SOME),
    OpSpec("var, ddof=1.5 of two", reduce.var, np.var, shapes=(((2, 3),),),
           params=({"ddof": 1.5, "axis": 0}, {"ddof": 1.5, "axis": 1, "where": np.array([[True, False, True]] * 2)})),
    OpSpec("var, correction", reduce.var, np.var, params=({"correction": 1, "axis": 0},), shapes=(((3,),), ((2, 3),))),
    OpSpec("var of a known mean", lambda x, m, **p: reduce.var(x, mean=m, **p),
           lambda x, m, **p: np.var(x, mean=m, **p), 2, shapes=(((2, 3), (2, 1)), ((4,), (1,))),
           params=({"axis": -1}, {"axis": -1, "ddof": 1, "keepdims": True})),
    OpSpec("std, where", reduce.std, np.std, params=_masked(2), shapes=(((2, 4),), ((3, 3),)), min_gap=1 / 16),
    OpSpec("max, initial and where", reduce.max, np.max, min_gap=1 / 16, kinks=(-0.125,),
           params=lambda s: [{**p, "initial": -0.125} for p in _masked()(s)]),
    OpSpec("min, initial", reduce.min, np.min, params=axes_of(0, initial=(0.125,), **KEEP), min_gap=1 / 16,
           kinks=(0.125,)),
    OpSpec("amax, amin", lambda x: (reduce.amax(x, 0), reduce.amin(x, 0)), lambda x: (np.amax(x, 0), np.amin(x, 0)),
           shapes=SOME, min_gap=1 / 16),
    OpSpec("argmax", reduce.argmax, np.argmax, params=_one_axis, order=0),
    OpSpec("argmin", reduce.argmin, np.argmin, params=_one_axis, order=0),
    OpSpec("all", reduce.all, np.all, params=axes_of(0, **KEEP), order=0),
    OpSpec("any", reduce.any, np.any, params=axes_of(0, **KEEP), order=0),
    OpSpec("all, any, where", lambda x, **p: (reduce.all(x > 0, **p), reduce.any(x > 0, **p)),
           lambda x, **p: (np.all(x > 0, **p), np.any(x > 0, **p)), params=_masked(), order=0),
    OpSpec("count_nonzero", lambda x, **p: reduce.count_nonzero(x > 0, **p),
           lambda x, **p: np.count_nonzero(x > 0, **p), params=axes_of(0, **KEEP), order=0),
    OpSpec("softmax", softmax.softmax, _np_softmax, params=axes_of(1)),
    OpSpec("softmax, last axis", softmax.softmax, _np_softmax, shapes=(((3,),), ((2, 3),), ((0, 2),), ((2, 1, 2),)),
           torch=lambda x: th("softmax")(x, -1)),
    OpSpec("log_softmax", softmax.log_softmax, _np_log_softmax, params=axes_of(1)),
    OpSpec("log_softmax, last axis", softmax.log_softmax, _np_log_softmax,
           shapes=(((3,),), ((2, 3),), ((0, 2),), ((2, 1, 2),)), torch=lambda x: th("log_softmax")(x, -1)),
    OpSpec("logsumexp", softmax.logsumexp, _np_logsumexp, params=axes_of(1, **KEEP), torch=_torch_axis("logsumexp")),
    OpSpec("logsumexp, weights", lambda a, b, **p: softmax.logsumexp(a, b=b, **p), _weighted_logsumexp, 2,
           domain=((-2.0, 2.0), (0.25, 2.0)), params=_axes_of_two,
           shapes=(((2, 3), (2, 3)), ((2, 3), (3,)), ((3,), (2, 1)))),
    OpSpec("logsumexp, sign", lambda a, b: softmax.logsumexp(a, 0, b, False, True), _signed_logsumexp, 2,
           domain=((-2.0, 2.0), (-2.0, -0.25)), shapes=(((3,), (3,)), ((2, 3), (2, 1)))),
    OpSpec("t.sum() and its kin", _methods, _methods,
           shapes=(((2, 3),), ((3, 1),), ((2, 2, 2),)), min_gap=1 / 16),
    OpSpec("t.std()", lambda x: x.std(axis=0, ddof=1), lambda x: x.std(axis=0, ddof=1), shapes=(((2, 3),), ((4,),)),
           min_gap=1 / 16),
    OpSpec("t.argmax()", lambda x: x.argmax(axis=1), lambda x: x.argmax(axis=1), shapes=(((2, 3),),), order=0),
]  # fmt: skip
