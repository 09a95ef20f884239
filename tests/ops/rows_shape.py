"""Rows of minigrad.ops.shape, minigrad.ops.alignment and minigrad.ops.likes."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from draws import torch_function as th

from minigrad.backend.device import device_of
from minigrad.ops import alignment, likes, shape
from minigrad.ops.index import raw
from minigrad.testing import OpSpec

Shape = tuple[int, ...]


def _reshapes(s: Shape) -> list[dict[str, Any]]:
    size = math.prod(s)
    shapes: list[Any] = [(size,), size, (1, size), (size, 1, 1), s[::-1]]
    return [{"shape": t} for t in [*shapes, -1, *([(1, -1)] if size else []), *([()] if size == 1 else [])]]


def _orders(s: Shape) -> list[dict[str, Any]]:
    return [{"shape": s[::-1], "order": o} for o in "CF"] + [{"shape": s, "order": "F", "copy": True}]


def _permutations(s: Shape) -> list[dict[str, Any]]:
    orders = list(itertools.permutations(range(len(s))))
    negative = [tuple(a - len(s) for a in order) for order in orders]
    return [{"axes": None}, *({"axes": order} for order in orders + negative)]


def _swaps(s: Shape) -> list[dict[str, Any]]:
    return [{"axis1": a, "axis2": b} for a in range(-len(s), len(s)) for b in range(len(s))]


def _new_axes(s: Shape) -> list[dict[str, Any]]:
    n = len(s) + 1
    return [{"axis": a} for a in [*range(-n, n), (0, n), [-1, 0], ()]]


def _squeezes(s: Shape) -> list[dict[str, Any]]:
    ones = tuple(i for i, n in enumerate(s) if n == 1)
    return [{"axis": a} for a in [None, *ones, *(i - len(s) for i in ones), ones, *(() if s else (0, -1))]]


def _broadcasts(s: Shape) -> list[dict[str, Any]]:
    wide = tuple(2 if n == 1 else n for n in s)
    return [{"shape": t} for t in (s, wide, (2, *s), (2, 1, *wide), (0, *s))]


def _there_and_back(x: Any) -> Any:
    """To the CPU and back to where it was."""
    return shape.to_device_(shape.to_device_(x, device="cpu"), device=device_of(raw(x)))


SHAPE = [
    OpSpec("reshape", shape.reshape, lambda x, shape: np.reshape(x, shape), params=_reshapes,
           torch=lambda x, shape: x.reshape(shape)),
    OpSpec("reshape in an order", lambda x, **how: shape.reshape(x, **how),
           lambda x, shape, order, copy=None: np.reshape(x, shape, order), params=_orders),
    OpSpec("ravel", shape.ravel, np.ravel, params=({}, {"order": "C"}, {"order": "F"}),
           torch=lambda x, order="C": x.ravel() if order != "F" else x.permute(tuple(range(x.ndim))[::-1]).ravel()),
    OpSpec("transpose", shape.transpose, np.transpose, params=_permutations),
    OpSpec("swapaxes", shape.swapaxes, np.swapaxes, params=_swaps,
           torch=lambda x, axis1, axis2: th("swapaxes")(x, axis1, axis2)),
    OpSpec("matrix_transpose", shape.matrix_transpose, lambda x: np.swapaxes(x, -1, -2), torch=lambda x: x.mT,
           shapes=(((2, 3),), ((2, 1, 3),), ((0, 2),))),
    OpSpec("expand_dims", shape.expand_dims, np.expand_dims, params=_new_axes),
    OpSpec("squeeze", shape.squeeze, np.squeeze, params=_squeezes,
           shapes=(((),), ((1,),), ((2, 1),), ((1, 3, 1),), ((2, 3),), ((1, 0),))),
    OpSpec("broadcast_to", shape.broadcast_to, np.broadcast_to, params=_broadcasts,
           torch=lambda x, shape: th("broadcast_to")(x, shape)),
    OpSpec("astype", shape.astype, lambda x, dtype: x.astype(dtype), params=({"dtype": np.float64}, {"dtype": "f8"})),
    OpSpec("astype of integers", shape.astype, lambda x, dtype: x.astype(dtype), params=({"dtype": np.int32},), order=0,
           domain=(-8.0, 8.0)),
    OpSpec("astype without a copy", lambda x: shape.astype(x, x.dtype, copy=False), lambda x: x),
    OpSpec("copy", shape.copy, np.copy, params=tuple({"order": o} for o in "CFAK"),
           torch=lambda x, order: x.clone()),
    OpSpec("to_device", _there_and_back, lambda x: x),
    OpSpec("methods", lambda x: (x.T, x.reshape(-1, 1), x.reshape((1, -1)), x.ravel(), x.flatten(), x.transpose(1, 0),
                                 x.transpose((1, 0)), x.transpose(), x.swapaxes(0, 1), x.mT, x[None].squeeze(0)),
           lambda x: (x.T, x.reshape(-1, 1), x.reshape((1, -1)), x.ravel(), x.flatten(), x.transpose(1, 0),
                      x.transpose((1, 0)), x.transpose(), x.swapaxes(0, 1), x.mT, x[None].squeeze(0)),
           shapes=(((2, 3),), ((1, 1),), ((3, 1),))),
    OpSpec("clone, astype, to, clip, dot", lambda x: _methods(x), lambda x: _methods(x), shapes=(((3,),), ((2, 2),))),
]  # fmt: skip


def _methods(x: Any) -> Any:
    return x.copy(), x.clip(-1.03125, 0.96875), x.dot(x.T), x.take([0, 1, 0], 0), x.copy().astype(np.float64)


def _grids(*shapes: Shape) -> list[dict[str, Any]]:
    return [{"indexing": i, "sparse": s, "copy": c} for i in ("xy", "ij") for s in (False, True) for c in (False, True)]


def _meshgrid(*xs: np.ndarray, **how: Any) -> tuple[np.ndarray, ...]:
    return tuple(np.meshgrid(*xs, **how))  # a list for some arguments


ALIGNMENT = [
    *(OpSpec(f"atleast_{n}d", getattr(alignment, f"atleast_{n}d"), getattr(np, f"atleast_{n}d"),
             torch=th(f"atleast_{n}d") if n < 3 else None) for n in (1, 2, 3)),
    OpSpec("atleast_2d of two", alignment.atleast_2d, np.atleast_2d, 2, shapes=(((), (3,)), ((2, 1, 2), (0,)))),
    OpSpec("broadcast_arrays", alignment.broadcast_arrays, np.broadcast_arrays, 3, broadcasts=True),
    OpSpec("broadcast_arrays with a number", lambda x: alignment.broadcast_arrays(x, 2.5)[0],
           lambda x: np.broadcast_arrays(x, 2.5)[0]),
    OpSpec("meshgrid of three", alignment.meshgrid, _meshgrid, 3, params=_grids,
           shapes=(((2,), (3,), (2,)), ((1,), (), (2,)), ((0,), (2,), (1,)))),
    OpSpec("meshgrid of two", alignment.meshgrid, _meshgrid, 2, params=_grids, shapes=(((2,), (3,)),)),
    OpSpec("meshgrid of one", alignment.meshgrid, _meshgrid, params=_grids, shapes=(((3,),),)),
]  # fmt: skip

LIKES = [
    OpSpec("zeros_like", likes.zeros_like, np.zeros_like, order=0, params=({}, {"dtype": "f4"}, {"shape": (2, 3)})),
    OpSpec("ones_like", likes.ones_like, np.ones_like, order=0, params=({}, {"dtype": "i4"}, {"shape": 4})),
    OpSpec("empty_like", lambda x, **how: likes.zeros_like(likes.empty_like(x, **how)),
           lambda x, **how: np.zeros_like(x, **how), order=0, params=({}, {"dtype": "f4"}, {"shape": (2, 3)})),
    OpSpec("full_like", likes.full_like, np.full_like, order=0,
           params=({"fill_value": 2.5}, {"fill_value": -1, "dtype": "i8"}, {"fill_value": True, "shape": (2, 3)})),
    OpSpec("full_like by an array", likes.full_like, np.full_like, 2, order=0, shapes=(((2, 3), (3,)), ((2, 3), ())),
           domain=(-4.0, 4.0), differentiable=(0,)),
    OpSpec("full_like by a Tensor", lambda v: likes.full_like(raw(v), v, shape=(4, 3)),
           lambda v: np.full((4, 3), v), shapes=(((3,),), ((),), ((4, 1),))),
]  # fmt: skip

ROWS = SHAPE + ALIGNMENT + LIKES
