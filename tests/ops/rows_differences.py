"""Rows of minigrad.ops.differences, .convolution and .interpolation."""

from __future__ import annotations

from typing import Any

import numpy as np
from draws import torch_function as th
from rows_cumulative import one_axis
from rows_sorting import ascending

from minigrad.ops import convolution, differences, interpolation
from minigrad.testing import OpSpec


def _diffs(shape: tuple[int, ...]) -> list[dict[str, Any]]:
    return [{**p, "n": n} for p in one_axis(shape) for n in (0, 1, 2, 4)]


def _between(ours: bool) -> Any:
    module: Any = differences if ours else np
    return lambda x, y, **p: module.diff(x, prepend=y, **p)


def _undiff(g: np.ndarray, axis: int) -> np.ndarray:
    ends = [(0, 0)] * g.ndim
    ends[axis] = (1, 1)
    return -np.diff(np.pad(g, ends), axis=axis)


def _np_add_at(g: np.ndarray, at: np.ndarray, length: int) -> np.ndarray:
    return np.bincount(at.ravel(), g.ravel(), length).astype(g.dtype)


def _torch_diff(x: Any, n: int, axis: int) -> Any:
    return th("diff")(x, n, axis)


def _torch_gradient(x: Any, axis: Any = None, edge_order: int = 1) -> Any:
    (slopes,) = th("gradient")(x, dim=axis, edge_order=edge_order)
    return slopes


def _modes(*_: Any) -> list[dict[str, Any]]:
    return [{"mode": m} for m in ("full", "same", "valid")]


def _torch_convolve(a: Any, v: Any, mode: str) -> Any:
    long, short = (a, v) if len(a) >= len(v) else (v, a)
    full = th("nn.functional.conv1d")(long[None, None], short.flip(0)[None, None], padding=len(short) - 1)[0, 0]
    start = {"full": 0, "same": (len(short) - 1) // 2, "valid": len(short) - 1}[mode]
    length = {"full": len(full), "same": len(long), "valid": len(long) - len(short) + 1}[mode]
    return full[start : start + length]


def _knots(x: np.ndarray, xp: np.ndarray, fp: np.ndarray) -> np.ndarray:
    return np.min(np.abs(x[..., None] - xp), axis=-1, initial=1.0)


def _off_grid(rng: np.random.Generator, shapes: Any, position: int) -> np.ndarray:
    return rng.integers(-40, 40, size=shapes[position]) / 16 + 1 / 32


def _turned(rng: np.random.Generator, shapes: Any, position: int) -> np.ndarray:
    """Not ascending."""
    return rng.permutation(64)[: shapes[position][0]] / 16 - 2


def _turns(x: np.ndarray, xp: np.ndarray, fp: np.ndarray) -> np.ndarray:
    return np.min(np.abs((x[..., None] - xp + 1.25) % 2.5 - 1.25), axis=-1, initial=1.0)


def _gaps(x: np.ndarray, xp: np.ndarray, fp: np.ndarray) -> np.ndarray:
    distance = (xp[:, None] - xp + 1.25) % 2.5 - 1.25
    return np.abs(distance[np.triu_indices(len(xp), 1)])


SEVERAL = (((4,),), ((3, 3),), ((3, 4),), ((3, 2, 4),))
VECTORS = (((5,), (3,)), ((3,), (5,)), ((4,), (4,)), ((1,), (3,)), ((6,), (2,)), ((2,), (5,)), ((4,), (2,)))
POINTS = (((5,), (4,), (4,)), ((2, 3), (3,), (3,)), ((), (2,), (2,)), ((0,), (2,), (2,)))
ROWS = [
    OpSpec("diff", differences.diff, np.diff, params=_diffs, torch=_torch_diff),
    OpSpec("diff, default", lambda x: differences.diff(x), lambda x: np.diff(x), shapes=(((3,),), ((2, 3),), ((1,),))),
    OpSpec("diff, prepend", _between(True), _between(False), 2, params=({"axis": 1}, {"axis": 1, "append": 0.5}),
           shapes=(((2, 3), (2, 2)), ((2, 3), ()))),
    OpSpec("diff, append", lambda x, y: differences.diff(x, 2, 0, append=y), lambda x, y: np.diff(x, 2, 0, append=y), 2,
           shapes=(((2, 3), (2, 3)), ((3,), ()))),
    OpSpec("diff of booleans", lambda x: differences.diff(x > 0, 2), lambda x: np.diff(x > 0, 2), order=0,
           shapes=(((2, 4),), ((2,),))),
    OpSpec("undiff", differences.undiff_, _undiff, shapes=(((3,),), ((2, 3),), ((0, 2),)),
           params=lambda s: [{"axis": a} for a in range(len(s))]),
    OpSpec("ediff1d", differences.ediff1d, np.ediff1d),
    OpSpec("ediff1d, ends", lambda x, y, z: differences.ediff1d(x, z, y), lambda x, y, z: np.ediff1d(x, z, y), 3,
           shapes=(((2, 3), (2,), ()), ((1,), (), (2, 1)))),
    OpSpec("ediff1d, one end", lambda x, y: differences.ediff1d(x, to_end=y), lambda x, y: np.ediff1d(x, to_end=y), 2,
           shapes=(((2, 3), (2,)),)),
    OpSpec("gradient", lambda x, **p: differences.gradient(x, **p), lambda x, **p: np.gradient(x, **p), shapes=SEVERAL,
           params=lambda s: [{"axis": a, "edge_order": e} for a in range(-len(s), len(s)) for e in (1, 2)
                             if s[a] > 2], torch=_torch_gradient),
    OpSpec("gradient, all axes", lambda x, **p: differences.gradient(x, **p), lambda x, **p: np.gradient(x, **p),
           shapes=(((3, 3),), ((3, 4),), ((4,),)), params=({}, {"edge_order": 2}, {"axis": None})),
    OpSpec("gradient, spacing", lambda x, h: differences.gradient(x, h), lambda x, h: np.gradient(x, h), 2,
           domain=((-2.0, 2.0), (0.5, 2.0)), shapes=(((4,), ()), ((2, 3), ())),
           tolerance={"float64": 1e-12, "float32": 2e-5}),
    OpSpec("gradient, coordinates", lambda f, x, **p: differences.gradient(f, x, **p),
           lambda f, x, **p: np.gradient(f, x, **p), 2, domain=((-2.0, 2.0), ascending),
           min_gap=1 / 16, params=({"axis": 0}, {"axis": -1, "edge_order": 2}),
           shapes=(((4,), (4,)), ((3, 3), (3,)), ((5, 5), (5,))), tolerance={"float64": 1e-11, "float32": 1e-4}),
    OpSpec("gradient, mixed spacings", lambda f, x: differences.gradient(f, 0.5, x),
           lambda f, x: np.gradient(f, 0.5, x), 2, domain=((-2.0, 2.0), ascending), shapes=(((3, 4), (4,)),),
           min_gap=1 / 16, tolerance={"float64": 1e-11, "float32": 1e-4}),
    OpSpec("trapezoid", differences.trapezoid, np.trapezoid,
           torch=lambda y, axis, dx=1.0: th("trapezoid")(y, dx=dx, dim=axis) + 0 * y.sum(),
           params=lambda s: [{**p, **d} for p in one_axis(s) for d in ({}, {"dx": 0.5})]),
    OpSpec("trapezoid, coordinates", lambda y, x, **p: differences.trapezoid(y, x, **p),
           lambda y, x, **p: np.trapezoid(y, x, **p), 2, domain=((-2.0, 2.0), ascending), params=({"axis": -1},),
           shapes=(((4,), (4,)), ((2, 3), (3,))), torch=lambda y, x, axis: th("trapezoid")(y, x, dim=axis)),
    OpSpec("trapezoid, coordinates of each", lambda y, x: differences.trapezoid(y, x, axis=0),
           lambda y, x: np.trapezoid(y, x, axis=0), 2, shapes=(((3, 2), (3, 2)), ((3, 2), (3, 1)))),
    OpSpec("convolve", convolution.convolve, np.convolve, 2, shapes=VECTORS, params=_modes, torch=_torch_convolve),
    OpSpec("correlate", convolution.correlate, np.correlate, 2, shapes=VECTORS, params=_modes),
    OpSpec("embedded", convolution.embedded_, lambda x, start, length: np.pad(x, (start, length - start - len(x))),
           shapes=(((3,),), ((1,),)), params=({"start": 1, "length": 5}, {"start": 0, "length": 3})),
    OpSpec("piece", interpolation.piece_, lambda x, xp: np.clip(np.searchsorted(xp, x, "right") - 1, 0, len(xp) - 2), 2,
           domain=((-2.0, 2.0), ascending), shapes=(((5,), (4,)), ((2, 2), (2,))), order=0),
    OpSpec("add_at", interpolation.add_at_, _np_add_at, 2, shapes=(((5,), (5,)), ((2, 3), (2, 3))),
           domain=((-2.0, 2.0), lambda rng, shapes, _: rng.integers(0, 3, size=shapes[1])), params=({"length": 4},)),
    OpSpec("interp", interpolation.interp, np.interp, 3, domain=(_off_grid, ascending, (-2.0, 2.0)), shapes=POINTS,
           kinks=(_knots,), params=({}, {"left": 0.5}, {"left": -0.5, "right": 1.5})),
    OpSpec("interp of one point", interpolation.interp, np.interp, 3, domain=(_off_grid, ascending, (-2.0, 2.0)),
           shapes=(((5,), (1,), (1,)),), kinks=(_knots,)),
    OpSpec("interp, period", interpolation.interp, np.interp, 3, domain=(_off_grid, _turned, (-2.0, 2.0)),
           shapes=(((5,), (3,), (3,)), ((2, 3), (2,), (2,))), kinks=(_turns, _gaps), params=({"period": 2.5},),
           tolerance={"float64": 1e-12, "float32": 2e-5}),
]  # fmt: skip
