"""Rows of minigrad.ops.shape and minigrad.ops.index."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
from draws import torch_function as th

from minigrad import tensor
from minigrad.core.node import Spec
from minigrad.ops import index, shape
from minigrad.testing import OpSpec

Shape = tuple[int, ...]


def _reshapes(s: Shape) -> list[dict[str, Any]]:
    size = math.prod(s)
    shapes: list[Any] = [(size,), size, (1, size), (size, 1, 1), s[::-1]]
    return [{"shape": t} for t in [*shapes, -1, *([(1, -1)] if size else []), *([()] if size == 1 else [])]]


def _permutations(s: Shape) -> list[dict[str, Any]]:
    orders = list(itertools.permutations(range(len(s))))
    negative = [tuple(a - len(s) for a in order) for order in orders]
    return [{"axes": None}, *({"axes": order} for order in orders + negative)]


def _swaps(s: Shape) -> list[dict[str, Any]]:
    return [{"axis1": a, "axis2": b} for a in range(-len(s), len(s)) for b in range(len(s))]


def _new_axes(s: Shape) -> list[dict[str, Any]]:
    n = len(s) + 1
    return [{"axis": a} for a in [*range(-n, n), (0, n), (-1, 0)]]


def _squeezes(s: Shape) -> list[dict[str, Any]]:
    ones = tuple(i for i, n in enumerate(s) if n == 1)
    return [{"axis": a} for a in [None, *ones, *(i - len(s) for i in ones), ones]]


def _broadcasts(s: Shape) -> list[dict[str, Any]]:
    wide = tuple(2 if n == 1 else n for n in s)
    return [{"shape": t} for t in (s, wide, (2, *s), (2, 1, *wide), (0, *s))]


def _joins(*shapes: Shape) -> list[dict[str, Any]]:
    return [{"axis": a} for a in [*range(-len(shapes[0]), len(shapes[0])), None]]


def _stacks(*shapes: Shape) -> list[dict[str, Any]]:
    return [{"axis": a} for a in range(-len(shapes[0]) - 1, len(shapes[0]) + 1)]


SHAPE = [
    OpSpec("reshape", shape.reshape, lambda x, shape: np.reshape(x, shape), params=_reshapes,
           torch=lambda x, shape: x.reshape(shape)),
    OpSpec("transpose", shape.transpose, np.transpose, params=_permutations),
    OpSpec("swapaxes", shape.swapaxes, np.swapaxes, params=_swaps,
           torch=lambda x, axis1, axis2: th("swapaxes")(x, axis1, axis2)),
    OpSpec("expand_dims", shape.expand_dims, np.expand_dims, params=_new_axes),
    OpSpec("squeeze", shape.squeeze, np.squeeze, params=_squeezes,
           shapes=(((),), ((1,),), ((2, 1),), ((1, 3, 1),), ((2, 3),), ((1, 0),))),
    OpSpec("broadcast_to", shape.broadcast_to, np.broadcast_to, params=_broadcasts,
           torch=lambda x, shape: th("broadcast_to")(x, shape)),
    OpSpec("astype", shape.astype, lambda x, dtype: x.astype(dtype), params=({"dtype": np.float64}, {"dtype": "f8"})),
    OpSpec("astype of integers", shape.astype, lambda x, dtype: x.astype(dtype), params=({"dtype": np.int32},), order=0,
           domain=(-8.0, 8.0)),
    OpSpec("copy", shape.copy, np.copy),
    OpSpec("to_device", lambda x: shape.to_device_(x, device="cpu"), lambda x: x),
    OpSpec("concatenate", lambda *xs, axis: shape.concatenate(xs, axis), lambda *xs, axis: np.concatenate(xs, axis), 3,
           params=_joins, shapes=(((2,), (2,), (2,)), ((2, 3),) * 3, ((1, 2, 1),) * 3, ((0, 2),) * 3),
           torch=lambda *xs, axis: th("cat")([x.reshape(-1) for x in xs] if axis is None else xs, axis or 0)),
    OpSpec("concatenate, lengths differ", lambda *xs, axis: shape.concatenate(list(xs), axis),
           lambda *xs, axis: np.concatenate(xs, axis), 3,
           params=lambda s, *_: [{"axis": len(s) - 2}, {"axis": -2}],
           shapes=(((1, 2), (3, 2), (0, 2)), ((2, 1, 3), (2, 2, 3), (2, 1, 3)))),
    OpSpec("concatenate with an untracked member", lambda x, y: shape.concatenate([x, np.ones_like(x_of(x)), y], 0),
           lambda x, y: np.concatenate([x, np.ones_like(x), y], 0), 2, shapes=(((2,), (1,)), ((2, 3), (0, 3)))),
    OpSpec("stack", lambda *xs, axis: shape.stack(xs, axis), lambda *xs, axis: np.stack(xs, axis), 3, params=_stacks,
           torch=lambda *xs, axis: th("stack")(xs, axis)),
    OpSpec("stack with numbers", lambda x, y: shape.stack([x, 1.5, y, 2]), lambda x, y: np.stack([x, 1.5, y, 2]), 2,
           shapes=(((), ()),), dtypes=("float64",)),
    OpSpec("methods", lambda x: (x.T, x.reshape(-1, 1), x.reshape((1, -1)), x.ravel(), x.flatten(), x.transpose(1, 0),
                                 x.transpose((1, 0)), x.transpose(), x.swapaxes(0, 1), x.mT, x[None].squeeze(0)),
           lambda x: (x.T, x.reshape(-1, 1), x.reshape((1, -1)), x.ravel(), x.flatten(), x.transpose(1, 0),
                      x.transpose((1, 0)), x.transpose(), x.swapaxes(0, 1), x.mT, x[None].squeeze(0)),
           shapes=(((2, 3),), ((1, 1),), ((3, 1),))),
    OpSpec("clone, astype, to, clip, dot", lambda x: _methods(x), lambda x: _methods(x), shapes=(((3,),), ((2, 2),))),
]  # fmt: skip


def x_of(x: Any) -> Any:
    return getattr(x, "data", x) if not isinstance(x, np.ndarray) else x


def _methods(x: Any) -> Any:
    return x.copy(), x.clip(-1.03125, 0.96875), x.dot(x.T), x.take([0, 1, 0], 0), x.copy().astype(np.float64)


# --- indexing -----------------------------------------------------------------------------------------------------

_i = np.array
INDICES: dict[Shape, list[Any]] = {
    (): [(), None, ..., (None, ...)],
    (4,): [
        1, -1, np.int64(2), slice(None), slice(1, 3), slice(None, None, -1), slice(3, 0, -2), slice(5, 9), ..., None,
        (..., None), (None, slice(1, None)), (..., 2), [0, 2, 0], _i([3, -1, 3, 0]), _i([[0, 1], [1, 1]]),
        _i([], dtype=int), _i([True, False, True, False]), [True, False, False, True], _i(2), np.zeros(4, bool),
    ],
    (3, 4): [
        1, (1, 2), (-1, -1), (slice(None), 1), (slice(None, None, -1), slice(None, None, 2)), (..., -1), (None, 1),
        (slice(None), None, slice(1, 2)), ([0, 2, 0], [1, 3, 1]), (_i([[0], [2]]), _i([1, 1])),
        (slice(None), [1, 1, 3]), ([2, 2], slice(1, 3)), (_i([0, 1]), None, slice(None)), _i([True, False, True]),
        np.arange(12).reshape(3, 4) % 3 == 0, (slice(None), _i([True, False, False, True])), (1, [0, 0]),
        (_i([True, False, True]), [1, 2]), (_i([True, False, True]), 1), [1, 1, 1],
    ],
    (2, 3, 2): [
        (0, slice(None), [1, 1]), ([1, 0, 1], slice(None), [0, 1, 0]), (..., [0, 0]),
        (slice(None), [2, 0], slice(None, None, -1)), (1, ..., None, 0),
        (_i([True, False]), ...), (None, [0, 1], None, [1, 2]), np.ones((2, 3), bool),
    ],
    (0, 2): [slice(None), (..., 0), (slice(None), None), _i([], dtype=int)],
}  # fmt: skip


def _indices(s: Shape) -> list[dict[str, Any]]:
    return [{"index": i} for i in INDICES[s]]


def _takes(s: Shape) -> list[dict[str, Any]]:
    some: list[Any] = [0, -1, [0, -1, 0], _i([[0, 0], [-1, 0]]), _i([], dtype=int)]
    return [{"indices": i, "axis": a} for i in some for a in [None, *range(-len(s), len(s))]]


def _scatter(*values: Any, indices: Any, spec: Spec) -> Any:
    dense = np.zeros(spec.shape, values[0].dtype)
    for v, i in zip(values, indices, strict=True):
        np.add.at(dense, i, v)
    return dense


INDEX = [
    OpSpec("getitem", index.getitem, lambda x, index: x[index], shapes=tuple((s,) for s in INDICES), params=_indices),
    OpSpec("t[i]", lambda x, index: x[index], lambda x, index: x[index], shapes=tuple((s,) for s in INDICES),
           params=_indices),
    OpSpec("index by an integer Tensor", lambda x: index.getitem(x, (tensor([0, 2, 0], dtype="int64"), ...)),
           lambda x: x[[0, 2, 0], ...], shapes=(((3,),), ((3, 2),))),
    OpSpec("index by a boolean Tensor", lambda x: index.getitem(x, tensor(_i([True, False, True]))),
           lambda x: x[_i([True, False, True])], shapes=(((3,),), ((3, 2),))),
    OpSpec("reads of one array add up", lambda x: x[0] * x[1] + x[0] + x[[0, 0, 2]].sum() + x[::-1].sum() * x[-1],
           lambda x: x[0] * x[1] + x[0] + x[[0, 0, 2]].sum() + x[::-1].sum() * x[-1], shapes=(((3,),),)),
    OpSpec("take", index.take, np.take, params=_takes, shapes=(((3,),), ((2, 3),), ((1, 2, 2),))),
    OpSpec("take of a scalar", index.take, np.take, shapes=(((),),), params=({"indices": [0, 0], "axis": None},)),
    OpSpec("scatter", index.scatter, _scatter, 2, shapes=(((2,), (3,)),),
           params=({"indices": (slice(0, 2), _i([3, 3, 1])), "spec": Spec((4,), np.dtype("f8"), "cpu")},)),
]  # fmt: skip

ROWS = SHAPE + INDEX
