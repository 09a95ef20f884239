"""Rows of minigrad.ops.index, minigrad.ops.updates, minigrad.ops.selection and minigrad.ops.apply."""

from __future__ import annotations

from typing import Any

import numpy as np
from draws import torch_function as th

from minigrad import Tensor, tensor
from minigrad.backend.device import device_of
from minigrad.core.node import Spec
from minigrad.ops import apply, index, selection, updates
from minigrad.testing import OpSpec

Shape = tuple[int, ...]

WAITING = {
    "index by a boolean Tensor": "the size of the result is a matter of the values, in CuPy too",
    "update where a condition holds": "CuPy counts a mask",
    "add where a condition holds": "CuPy counts a mask",
    "nonzero": "the size of the result is a matter of the values",
    "flatnonzero": "the size of the result is a matter of the values",
    "argwhere": "the size of the result is a matter of the values",
    "place": "the places are counted",
    "compress": "the size of the result is a matter of the values",
    "extract": "the size of the result is a matter of the values",
    "piecewise": "each function gets as many entries as its condition holds for",
}
"""Rows that may wait for the device."""

_i = np.array
INDICES: dict[Shape, list[Any]] = {
    (): [(), None, ..., (None, ...)],
    (4,): [
        1, -1, np.int64(2), slice(None), slice(1, 3), slice(None, None, -1), slice(3, 0, -2), slice(5, 9), ..., None,
        (..., None), (None, slice(1, None)), (..., 2), [0, 2, 0], _i([3, -1, 3, 0]), _i([[0, 1], [1, 1]]),
        _i([], dtype=int), _i([True, False, True, False]), [True, False, False, True], _i(2), np.zeros(4, bool),
        [], _i([3, 1, 3], np.uint8), _i([-1, 0, -1], np.int8), ([1, 1],), (_i([0, 3]), None), (None, [0, 0]),
        _i([[3]]), slice(-9, 9, 3), slice(2, 2), np.uint8(3), (np.int32(-1),),
    ],
    (3, 4): [
        1, (1, 2), (-1, -1), (slice(None), 1), (slice(None, None, -1), slice(None, None, 2)), (..., -1), (None, 1),
        (slice(None), None, slice(1, 2)), ([0, 2, 0], [1, 3, 1]), (_i([[0], [2]]), _i([1, 1])),
        (slice(None), [1, 1, 3]), ([2, 2], slice(1, 3)), (_i([0, 1]), None, slice(None)), _i([True, False, True]),
        np.arange(12).reshape(3, 4) % 3 == 0, (slice(None), _i([True, False, False, True])), (1, [0, 0]),
        (_i([True, False, True]), [1, 2]), (_i([True, False, True]), 1), [1, 1, 1],
        ([0, 0], ..., [1, 1]), (_i(1), [0, 1, 0]), (_i(2), slice(1)), (np.int64(1), np.int64(2)), [[0, 1], [1, 1]],
        (None, [0, 0], None, [1, 1]), ([], [1]), (_i([True, False, True]), _i([True, False, False, True])),
    ],
    (2, 3, 2): [
        (0, slice(None), [1, 1]), ([1, 0, 1], slice(None), [0, 1, 0]), (..., [0, 0]),
        (slice(None), [2, 0], slice(None, None, -1)), (1, ..., None, 0),
        (_i([True, False]), ...), (None, [0, 1], None, [1, 2]), np.ones((2, 3), bool), (1, 2, 0),
        (slice(None), np.ones((3, 2), bool)), ([[0], [1]], [[0, 2]], slice(None)), (1, slice(None), 1),
    ],
    (0, 2): [slice(None), (..., 0), (slice(None), None), _i([], dtype=int), ([], 1), (slice(None), [1, 1, 0])],
    (1, 2): [(0, [0, 0]), _i([False]), ([True], 1)],
}  # fmt: skip


def _indices(s: Shape) -> list[dict[str, Any]]:
    return [{"index": i} for i in INDICES[s]]


def _takes(s: Shape) -> list[dict[str, Any]]:
    some: list[Any] = [0, -1, [0, -1, 0], _i([[0, 0], [-1, 0]]), _i([], dtype=int), [], _i([0, 0], np.uint8),
    np.int64(0),
                       [False, False]]  # fmt: skip
    plain = [{"indices": i, "axis": a} for i in some for a in [None, *range(-len(s), len(s))]]
    far = [{"indices": i, "axis": a, "mode": m} for m in ("wrap", "clip") for a in (None, -1)
           for i in (7, -9, [5, -7, 0], _i([[-128, 127]], np.int8), _i([255], np.uint8))]  # fmt: skip
    return plain + far


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
    OpSpec("index by 0-d Tensors", lambda x: (x[tensor(2, dtype="int64")], x[[tensor(0, dtype="i1"), 1]]),
           lambda x: (x[2], x[[0, 1]]), shapes=(((3,),), ((3, 2),))),
    OpSpec("index by a boolean Tensor", lambda x: index.getitem(x, tensor(_i([True, False, True]))),
           lambda x: x[_i([True, False, True])], shapes=(((3,),), ((3, 2),))),
    OpSpec("reads of one array add up", lambda x: x[0] * x[1] + x[0] + x[[0, 0, 2]].sum() + x[::-1].sum() * x[-1],
           lambda x: x[0] * x[1] + x[0] + x[[0, 0, 2]].sum() + x[::-1].sum() * x[-1], shapes=(((3,),),)),
    OpSpec("reads of one table add up", lambda x: x[[0, 1, 1], [2, 0, 0]] * x[1] + x[0, 1] + x[:, [1, 1]].sum() * x[-1,
           -1],
           lambda x: x[[0, 1, 1], [2, 0, 0]] * x[1] + x[0, 1] + x[:, [1, 1]].sum() * x[-1, -1], shapes=(((2, 3),),)),
    OpSpec("take", index.take, np.take, params=_takes, shapes=(((3,),), ((2, 3),), ((1, 2, 2),))),
    OpSpec("take of a scalar", index.take, np.take, shapes=(((),),),
           params=({"indices": [0, 0], "axis": None}, {"indices": 0, "axis": -1})),
    OpSpec("take from a vector", index.take, np.take, shapes=(((3,),),), params=({"indices": _i([2, 0, 2])},),
           torch=lambda x, indices: th("take")(x, th("tensor")(indices))),
    OpSpec("scatter", lambda a, b: index.scatter(a, b, indices=((slice(0, 2),), (_on_device(a, [3, 3, 1]),)),
                                                 spec=_spec(a)),
           lambda a, b: _scatter(a, b, indices=(slice(0, 2), _i([3, 3, 1])), spec=_spec(a)), 2, shapes=(((2,), (3,)),)),
    OpSpec("indices on a device", lambda x: x[_on_device(x, [1, 0]), ..., _on_device(x, [[0], [-1]])],
           lambda x: x[[1, 0], ..., [[0], [-1]]], shapes=(((2, 3, 2),), ((3, 2),))),
]  # fmt: skip


def _on_device(x: Any, values: list[Any]) -> Any:
    """An array of integers beside x."""
    return index.device_arrays("row", x, lambda xp: xp.asarray(_i(values)))


def _spec(x: Any) -> Spec:
    return Spec((4,), x.dtype, device_of(index.raw(x)))


# --- updates --------------------------------------------------------------------------------------------------------


def _updated(x: np.ndarray, index: Any, v: Any) -> np.ndarray:
    made = x.copy()
    made[index] = v
    return made


def _added(x: np.ndarray, index: Any, v: Any) -> np.ndarray:
    made = x.copy()
    np.add.at(made, index, v)
    return made


def _put(x: np.ndarray, v: np.ndarray, indices: Any, axis: Any) -> np.ndarray:
    made = x.copy()
    np.put_along_axis(made, _at(indices), v, axis)
    return made


def _filled(x: np.ndarray, v: Any, wrap: bool = False) -> np.ndarray:
    made = x.copy()
    np.fill_diagonal(made, v, wrap)
    return made


TARGETS: dict[tuple[Shape, Shape], list[Any]] = {
    ((4,), (3,)): [slice(1, None), slice(3), [0, 2, 1], [1, 1, 1], [3, 0, 3],
                   _i([True, False, True, True]), ([-1, 3, 0],), (None, slice(3)), _i([2, 2, 0], np.int8)],
    ((4,), ()): [slice(1, None), 2, [1, 1], _i([False, True, True, False]), ..., [], np.int64(-1)],
    ((4,), (1,)): [slice(2), [2, 2, 1]],
    ((3, 4), (4,)): [0, [0, 2], [1, 1], _i([True, False, True]), (slice(None),), -1, [], (None, 1)],
    ((3, 4), (2, 1)): [(slice(2), slice(None)), ([0, 2], slice(None, None, 2)), ([2, 2], slice(1)),
    ([[0], [1]], [1, 3]),
                       ([[1], [1]], [0, 0])],
    ((3, 4), (3,)): [(slice(None), 1), ([0, 1, 2], [1, 1, 3]), ([0, 0, 2], [1, 1, 3]), (..., -1), ([0, 1, 0], 2),
                     np.arange(12).reshape(3, 4) % 4 == 0],
    ((3, 4), (1, 1, 4)): [0, [0, 0]],
    ((2, 2, 2), (2, 2)): [(slice(None), 1), ([1, 1], slice(None), [0, 0]), ([0, 1], [1, 0]), (0, ...), (..., [1, 1])],
}  # fmt: skip


def _targets(x: Shape, v: Shape) -> list[dict[str, Any]]:
    return [{"index": i} for i in TARGETS[x, v]]


UPDATES = [
    OpSpec("index_update", lambda x, v, index: updates.index_update(x, index, v), lambda x, v,
           index: _updated(x, index, v),
           2, shapes=tuple(TARGETS), params=_targets),
    OpSpec("index_update by a number", lambda x, index: updates.index_update(x, index, 2.5),
           lambda x, index: _updated(x, index, 2.5), shapes=tuple((s,) for s in INDICES), params=_indices),
    OpSpec("index_update of a constant", lambda v: updates.index_update((v * 0)[[0, 0, 0, 0]], [1, 3, 1], v),
           lambda v: _updated(0 * v[[0, 0, 0, 0]], [1, 3, 1], v), shapes=(((3,),),)),
    OpSpec("index_update of integers", lambda x: updates.index_update(x.astype("i4"), [0, 0, -1], [7, 8, 9]),
           lambda x: _updated(x.astype("i4"), [0, 0, -1], [7, 8, 9]), domain=(-8.0, 8.0), shapes=(((3,),),), order=0),
    OpSpec("update where a condition holds", lambda x: updates.index_update(x, x > 0.5, x[x > 0.5] * 2),
           lambda x: np.where(x > 0.5, x * 2, x), kinks=(0.5,)),
    OpSpec("keep_last", lambda x: updates.keep_last_(x, index=(_on_device(x, [1, 0, 1]),), shape=(2,)),
           lambda x: x * _i([0, 1, 1]).astype(x.dtype), shapes=(((3,),),)),
    OpSpec("index_add", lambda x, v, index: updates.index_add(x, index, v), lambda x, v, index: _added(x, index, v),
           2, shapes=tuple(TARGETS), params=lambda x, v: [{"index": i} for i in TARGETS[x, v] if v != (1, 1, 4)]),
    OpSpec("index_add of a number", lambda x, index: updates.index_add(x, index, 2.5),
           lambda x, index: _added(x, index, 2.5), shapes=tuple((s,) for s in INDICES), params=_indices),
    OpSpec("index_add by rows", lambda x, v, rows: updates.index_add(x, rows, v), lambda x, v,
           rows: _added(x, rows, v), 2,
           shapes=(((3, 2), (4, 2)),), params=({"rows": _i([0, 2, 0, 0])},),
           torch=lambda x, v, rows: th("index_add")(x, 0, th("tensor")(rows), v)),
    OpSpec("add where a condition holds", lambda x: updates.index_add(x, x > 0.5, 1.5), kinks=(0.5,),
           reference=lambda x: np.where(x > 0.5, x + 1.5, x).astype(x.dtype)),
    OpSpec("put_along_axis", lambda x, v, indices, axis: updates.put_along_axis(x, indices, v, axis, inplace=False),
           _put, 2, shapes=(((3, 2), (2, 2)), ((2, 3), (2, 1)), ((2, 3), ()), ((0, 2), (0, 1))),
           params=lambda x, v: [{"indices": i, "axis": a} for i, a in [([[0, 1], [2, 0]], 0), ([[1], [0]], 1)]
                                if (a, x) in ((0, (3, 2)), (1, (2, 3)))] + ([{"indices": np.zeros((0, 1), int),
                                "axis": -1}]
                                                                            if x == (0, 2) else [])),
    OpSpec("put_along_axis flattened", lambda x, v: updates.put_along_axis(x, _i([3, 0, -1]), v, None, inplace=False),
           lambda x, v: _put(x, v, [3, 0, -1], None), 2, shapes=(((2, 3), (3,)), ((2, 3), ()))),
    OpSpec("put_along_axis in torch", lambda x, v: updates.put_along_axis(x, _i([[2, 0], [1, 1]]), v, 0, inplace=False),
           lambda x, v: _put(x, v, [[2, 0], [1, 1]], 0), 2, shapes=(((3, 2), (2, 2)),),
           torch=lambda x, v: th("scatter")(x, 0, th("tensor")([[2, 0], [1, 1]]), v)),
    OpSpec("fill_diagonal", lambda x, v, **how: updates.fill_diagonal(x, v, inplace=False, **how), _filled, 2,
           shapes=(((3, 3), ()), ((2, 3), (2,)), ((5, 2), (3,)), ((5, 2), ()), ((2, 2, 2), (2,)), ((0, 2), ()),
                   ((3, 3), (2,)), ((2, 2), (3,)), ((7, 2), (2, 2))), params=({}, {"wrap": True})),
    OpSpec("fill_diagonal by a number", lambda x: updates.fill_diagonal(x, 0, inplace=False), lambda x: _filled(x, 0),
           shapes=(((3, 3),), ((2, 4),), ((4, 2),))),
]  # fmt: skip


def _after(x: Any, write: Any, *args: Any) -> Any:
    """A copy of x after a function has written to it."""
    target = x.detach().copy() if isinstance(x, Tensor) else x.copy()
    assert write(target, *args) is None
    return target


IN_PLACE = [
    OpSpec("put", lambda x, mode: _after(x, updates.put, [0, -2, 0], [7.5, 1.5], mode), order=0, differentiable=(),
           reference=lambda x, mode: _after(x, np.put, [0, -2, 0], [7.5, 1.5], mode), shapes=(((3,),), ((2, 2),)),
           params=tuple({"mode": m} for m in ("raise", "wrap", "clip"))),
    OpSpec("place", lambda x: _after(x, updates.place, x > 0.5, [1.5, 2.5]), order=0, differentiable=(),
           reference=lambda x: _after(x, np.place, x > 0.5, [1.5, 2.5]), shapes=(((3,),), ((2, 3),))),
    OpSpec("putmask", lambda x, v: _after(x, updates.putmask, x > 0.5, v), lambda x,
           v: _after(x, np.putmask, x > 0.5, v), 2,
           shapes=(((3,), (3,)), ((2, 3), (2,))), order=0, differentiable=()),
    OpSpec("copyto", lambda x, v: _after(x, updates.copyto, v), lambda x, v: _after(x, np.copyto, v), 2, order=0,
           differentiable=(),
           shapes=(((3,), (3,)), ((2, 3), (3,)), ((2, 3), ()))),
    OpSpec("copyto where a condition holds", lambda x, v: _after(x, updates.copyto, v, "same_kind", x > 0.5), order=0,
           differentiable=(),
           reference=lambda x, v: _after(x, np.copyto, v, "same_kind", x > 0.5), arity=2, shapes=(((2, 3), (3,)),)),
    OpSpec("put_along_axis in place", lambda x, v: _after(x, updates.put_along_axis, [[0, 2], [1, 0]], v, 1), order=0,
           differentiable=(),
           reference=lambda x, v: _after(x, np.put_along_axis, _i([[0, 2], [1, 0]]), v, 1), arity=2,
           shapes=(((2, 3), (2, 2)), ((2, 3), ()))),
    OpSpec("fill_diagonal in place", lambda x, v: _after(x, updates.fill_diagonal, v, True), order=0,
           differentiable=(), arity=2,
           reference=lambda x, v: _after(x, np.fill_diagonal, v, True), shapes=(((3, 3), ()), ((5, 2), (2,)))),
]  # fmt: skip

# --- selection ------------------------------------------------------------------------------------------------------


def mask(rng: np.random.Generator, shapes: Any, position: int) -> np.ndarray:
    return rng.integers(0, 2, size=shapes[position]).astype(bool)


def three(rng: np.random.Generator, shapes: Any, position: int) -> np.ndarray:
    return rng.integers(0, 3, size=shapes[position])


def _along(s: Shape) -> list[dict[str, Any]]:
    return [{"indices": i, "axis": a} for i, a in {
        (3,): [([0, 2, 0, -1], 0), ([], -1), ([1], None)],
        (2, 3): [([[0], [2]], 1), ([[1, 0, 1]], 0), ([[0, 1, 1], [1, 1, 1], [0, 0, 0]], -2), ([[2, 2, 1, 0]], -1),
                 ([5, 0, -6], None)],
        (1, 3): [([[0, 0], [2, 1]], 1)],
        (0, 2): [(np.zeros((0, 1), int), 1), (np.zeros((1, 2), int)[:0], 0)],
    }[s]]  # fmt: skip


BOTH = (-2.0, 2.0)
SELECTION = [
    OpSpec("take_along_axis", lambda x, indices, axis: selection.take_along_axis(x, indices, axis),
           lambda x, indices, axis: np.take_along_axis(x, _at(indices), axis), params=_along,
           shapes=tuple((s,) for s in [(3,), (2, 3), (1, 3), (0, 2)])),
    OpSpec("take_along_axis in torch", selection.take_along_axis, np.take_along_axis, shapes=(((2, 3),),),
           params=({"indices": _i([[0, 2, 2, 1], [1, 1, 0, 0]]), "axis": 1},),
           torch=lambda x, indices, axis: th("take_along_dim")(x, th("tensor")(indices), axis)),
    OpSpec("along_axis", lambda x: x[selection.along_axis("row", x, [[0, 1, 0]], 0)],
           lambda x: x[[0, 1, 0], [0, 1, 2]][None],
           shapes=(((2, 3),),)),
    OpSpec("nonzero", selection.nonzero, np.nonzero, domain=mask, order=0, shapes=(((4,),), ((2, 3),), ((0, 2),))),
    OpSpec("flatnonzero", selection.flatnonzero, np.flatnonzero, domain=mask, order=0),
    OpSpec("argwhere", selection.argwhere, np.argwhere, domain=mask, order=0),
    OpSpec("compress", lambda c, x, axis: selection.compress(c, x, axis), lambda c, x, axis: np.compress(c, x, axis), 2,
           domain=(mask, BOTH), shapes=(((3,), (3, 2)), ((2,), (3, 4)), ((2,), (4,))),
           params=({"axis": 0}, {"axis": None})),
    OpSpec("extract", selection.extract, np.extract, 2, domain=(mask, BOTH), shapes=(((3,), (3,)), ((2, 3), (2, 3)))),
    OpSpec("select", lambda a, b, x, y: selection.select([a, b], [x, y], 0.5), lambda a, b, x,
           y: np.select([a, b], [x, y], 0.5),
           4, domain=(mask, mask, BOTH, BOTH), broadcasts=True),
    OpSpec("select with numbers", lambda a, b, x: selection.select([a, b], [1, x]),
           lambda a, b, x: np.select([a, b], [1, x]), 3, domain=(mask, mask, BOTH), broadcasts=True),
    OpSpec("select with integers", lambda a, b, x: selection.select([a, b], [np.int8(1), 2], x),
           lambda a, b, x: np.select([a, b], [np.int8(1), 2], x), 3, domain=(mask, mask, BOTH), broadcasts=True),
    OpSpec("choose", lambda i, x, y, z: selection.choose(i, [x, y, z]), lambda i, x, y, z: np.choose(i, [x, y, z]), 4,
           domain=(three, BOTH, BOTH, BOTH), broadcasts=True),
    OpSpec("choose by numbers out of range", lambda i, x, y, mode: selection.choose(i * 3 - 2, (x, y), mode=mode),
           lambda i, x, y, mode: np.choose(i * 3 - 2, (x, y), mode=mode), 3, domain=(three, BOTH, BOTH),
           broadcasts=True,
           params=({"mode": "wrap"}, {"mode": "clip"})),
    OpSpec("choose among rows", lambda i, x: selection.choose(i, x), lambda i, x: np.choose(i, x), 2,
           domain=(three, BOTH),
           shapes=(((2,), (3, 2)), ((2, 1), (3, 4)))),
    OpSpec("unravel_index", lambda i, order: selection.unravel_index(i, (3, 4), order),
           lambda i, order: np.unravel_index(i, (3, 4), order), domain=three, order=0,
           params=({"order": "C"}, {"order": "F"})),
    OpSpec("ravel_multi_index", lambda i, j, **how: selection.ravel_multi_index((i, j), (3, 3), **how),
           lambda i, j, **how: np.ravel_multi_index((i, j), (3, 3), **how), 2, domain=three, broadcasts=True, order=0,
           params=({}, {"order": "F"}, {"mode": "wrap"}, {"mode": "clip"})),
]  # fmt: skip


def _at(indices: Any) -> Any:
    """Lists as an array."""
    return np.array(indices, dtype=int) if isinstance(indices, list) else indices


APPLY = [
    OpSpec("piecewise", lambda x: apply.piecewise(x, [x < -0.5, x >= 0.5], [lambda v: v * v, lambda v: 2 * v, 3]),
           lambda x: np.piecewise(x, [x < -0.5, x >= 0.5], [lambda v: v * v, lambda v: 2 * v, 3]), kinks=(-0.5, 0.5)),
    OpSpec("apply_along_axis", lambda x, axis: apply.apply_along_axis(lambda v: v * v[0], axis, x),
           lambda x, axis: np.apply_along_axis(lambda v: v * v[0], axis, x),
           params=lambda s: [{"axis": a} for a in range(-len(s), len(s))], shapes=(((3,),), ((2, 3),), ((2, 1, 3),))),
    OpSpec("apply_along_axis to numbers", lambda x: apply.apply_along_axis(lambda v: (v * v).sum(), 1, x),
           lambda x: np.apply_along_axis(lambda v: (v * v).sum(), 1, x), shapes=(((2, 3),), ((1, 2, 3),), ((2, 0),))),
    OpSpec("apply_along_axis to matrices", lambda x: apply.apply_along_axis(lambda v: v[:, None] * v, 1, x),
           lambda x: np.apply_along_axis(lambda v: v[:, None] * v, 1, x), shapes=(((2, 3),), ((2, 2, 1),))),
    OpSpec("apply_over_axes", lambda x, axes: apply.apply_over_axes(lambda v, i: v.sum(axis=i), x, axes),
           lambda x, axes: np.apply_over_axes(lambda v, i: v.sum(axis=i), x, axes),
           params=({"axes": 0}, {"axes": (0, -1)}, {"axes": [1]}), shapes=(((2, 3),), ((2, 1, 3),))),
]  # fmt: skip

ROWS = INDEX + UPDATES + IN_PLACE + SELECTION + APPLY
