"""Rows of minigrad.ops.joining, minigrad.ops.stacking and minigrad.ops.splitting."""

from __future__ import annotations

from typing import Any

import numpy as np
from draws import raw
from draws import torch_function as th

from minigrad.ops import joining, splitting, stacking
from minigrad.testing import OpSpec

Shape = tuple[int, ...]

WAITING = {
    "trim_zeros": "the size of the result is a matter of the values",
    "trim_zeros of a table": "the size of the result is a matter of the values",
}
"""Rows that may wait for the device."""


def _joins(*shapes: Shape) -> list[dict[str, Any]]:
    return [{"axis": a} for a in [*range(-len(shapes[0]), len(shapes[0])), None]]


def _stacks(*shapes: Shape) -> list[dict[str, Any]]:
    return [{"axis": a} for a in range(-len(shapes[0]) - 1, len(shapes[0]) + 1)]


JOINING = [
    OpSpec("concatenate", lambda *xs, axis: joining.concatenate(xs, axis), lambda *xs, axis: np.concatenate(xs, axis),
           3,
           params=_joins, shapes=(((2,), (2,), (2,)), ((2, 3),) * 3, ((1, 2, 1),) * 3, ((0, 2),) * 3),
           torch=lambda *xs, axis: th("cat")([x.reshape(-1) for x in xs] if axis is None else xs, axis or 0)),
    OpSpec("concatenate, lengths differ", lambda *xs, axis: joining.concatenate(list(xs), axis),
           lambda *xs, axis: np.concatenate(xs, axis), 3,
           params=lambda s, *_: [{"axis": len(s) - 2}, {"axis": -2}],
           shapes=(((1, 2), (3, 2), (0, 2)), ((2, 1, 3), (2, 2, 3), (2, 1, 3)))),
    OpSpec("concatenate to a dtype", lambda x, y: joining.concatenate([x, y], dtype="f8", casting="safe"),
           lambda x, y: np.concatenate([x, y], dtype="f8", casting="safe"), 2, shapes=(((2,), (1,)), ((2, 3), (0, 3)))),
    OpSpec("concatenate to integers", lambda x, y: joining.concat([x, y], dtype="i4", casting="unsafe"),
           lambda x, y: np.concatenate([x, y], dtype="i4", casting="unsafe"), 2, shapes=(((2,), (1,)),), order=0),
    OpSpec("concatenate with lists", lambda x: joining.concatenate([[1.5, 2], x, (3,)]),
           lambda x: np.concatenate([[1.5, 2], x, (3,)]), shapes=(((2,),), ((0,),))),
    OpSpec("concatenate with an untracked member", lambda x, y: joining.concatenate([x, np.ones_like(raw(x)), y], 0),
           lambda x, y: np.concatenate([x, np.ones_like(x), y], 0), 2, shapes=(((2,), (1,)), ((2, 3), (0, 3)))),
    OpSpec("concatenate of one array's rows", lambda x: joining.concatenate(x), lambda x: np.concatenate(x),
           shapes=(((3, 2),), ((2, 1, 2),))),
    OpSpec("stack", lambda *xs, axis: joining.stack(xs, axis), lambda *xs, axis: np.stack(xs, axis), 3, params=_stacks,
           torch=lambda *xs, axis: th("stack")(xs, axis)),
    OpSpec("stack to a dtype", lambda *xs, axis: joining.stack(xs, axis, dtype="f8"),
           lambda *xs, axis: np.stack(xs, axis, dtype="f8"), 2, params=_stacks),
    OpSpec("stack with numbers", lambda x, y: joining.stack([x, 1.5, y, 2]), lambda x, y: np.stack([x, 1.5, y, 2]), 2,
           shapes=(((), ()),)),
    OpSpec("as_arrays", lambda x: joining.as_arrays("f", [x, 1.5, [2]])[0], lambda x: x),
]  # fmt: skip

PAIRS = (((2, 3), (2, 3)), ((2, 0), (2, 0)))


def _of_two(name: str) -> OpSpec:
    ours, theirs = getattr(stacking, name), getattr(np, name)
    shapes = (*PAIRS, ((2,), (2,)), ((), ()), ((2, 1, 3), (2, 1, 3)))
    return OpSpec(name, lambda *xs: ours(xs), lambda *xs: theirs(xs), 2, shapes=shapes, torch=lambda *xs: th(name)(xs))


STACKING = [
    *(_of_two(name) for name in ("vstack", "hstack", "dstack")),
    OpSpec("vstack, rows and a matrix", lambda *xs: stacking.vstack(xs, dtype="f8"),
           lambda *xs: np.vstack(xs, dtype="f8"), 3, shapes=(((3,), (2, 3), (1, 3)),)),
    OpSpec("row_stack of a matrix", lambda x: stacking.row_stack(x), lambda x: np.vstack(x), shapes=(((2, 3),),)),
    OpSpec("hstack, lengths differ", lambda *xs: stacking.hstack(list(xs), dtype="f8"),
           lambda *xs: np.hstack(xs, dtype="f8"), 2, shapes=(((2,), (3,)), ((2, 1), (2, 3)), ((), (2,)))),
    OpSpec("dstack of all ranks", lambda *xs: stacking.dstack(xs), lambda *xs: np.dstack(xs), 3,
           shapes=(((2,), (1, 2), (1, 2, 3)),)),
    OpSpec("column_stack", lambda *xs: stacking.column_stack(xs), lambda *xs: np.column_stack(xs), 2,
           shapes=(((2,), (2, 3)), ((2,), (2,)), ((), ()), ((0,), (0, 1))),
           torch=lambda *xs: th("column_stack")(xs)),
    OpSpec("vstack, hstack, dstack", lambda x: (stacking.vstack([x, x]), stacking.hstack([x, [4.5]]),
                                                stacking.dstack([x, x])),
           lambda x: (np.vstack([x, x]), np.hstack([x, [4.5]]), np.dstack([x, x])), shapes=(((3,),),)),
    OpSpec("block", lambda a, b, c, d: stacking.block([[a, b], [c, d]]), lambda a, b, c, d: np.block([[a, b], [c, d]]),
           4,
           shapes=(((2, 1), (2, 3), (1, 1), (1, 3)), ((1,), (2,), (1,), (2,)), ((1, 1, 2), (1, 1, 1), (2, 2), (2, 1)))),
    OpSpec("block of numbers and rows", lambda x: stacking.block([[x, 1.5], [2, x]]),
           lambda x: np.block([[x, 1.5], [2, x]]), shapes=(((2,),), ((1, 3),), ((),))),
    OpSpec("block of one", lambda x: (stacking.block(x), stacking.block([x]), stacking.block([[[x, x]]])),
           lambda x: (np.block(x), np.block([x]), np.block([[[x, x]]]))),
    OpSpec("append", stacking.append, np.append, 2, params=({"axis": 0}, {"axis": -1}, {"axis": None}), shapes=PAIRS),
    OpSpec("append flattens", lambda x, y: stacking.append(x, y), np.append, 2, shapes=(((2, 3), ()), ((), (2,)))),
    OpSpec("append a number", lambda x: stacking.append(x, 7.5), lambda x: np.append(x, 7.5)),
]  # fmt: skip

MASK = np.array([True, False, True])
INSERTIONS: list[Any] = [0, 3, -1, [1], [0, 2], [2, 0, 2, -3], slice(0, 3, 2), slice(None, None, -1), [],
np.array([3, 1]),
                         MASK]  # fmt: skip
DELETIONS: list[Any] = [
    0,
    -1,
    [1],
    [0, -1, 0],
    slice(0, 3, 2),
    slice(2, None, -1),
    slice(3, 9),
    [],
    np.array([2]),
    MASK,
]


EDITING = [
    OpSpec("insert a number", lambda x, obj, axis: stacking.insert(x, obj, 5.5, axis),
           lambda x, obj, axis: np.insert(x, obj, 5.5, axis), shapes=(((3,),), ((3, 3),), ((3, 3, 2),)),
           params=lambda s: [{"obj": o, "axis": a} for o in INSERTIONS for a in (0, None,
           *((1, -2) if len(s) > 1 else ()))]),
    OpSpec("insert a row", lambda x, v, obj: stacking.insert(x, obj, v, 0), lambda x, v, obj: np.insert(x, obj, v, 0),
           2,
           params=[{"obj": o} for o in INSERTIONS], shapes=(((3, 2), (2,)), ((3, 2), ()), ((3, 2), (1, 2)))),
    OpSpec("insert a column", lambda x, v, obj: stacking.insert(x, obj, v, 1), lambda x, v,
           obj: np.insert(x, obj, v, 1), 2,
           params=[{"obj": 1}, {"obj": -1}, {"obj": 3}], shapes=(((2, 3), (2,)), ((2, 3), ()), ((2, 3), (4, 2)))),
    OpSpec("insert columns", lambda x, v, obj: stacking.insert(x, obj, v, 1), lambda x, v,
           obj: np.insert(x, obj, v, 1), 2,
           params=[{"obj": [0, 3]}, {"obj": [2, 1]}, {"obj": slice(1, 3)}],
           shapes=(((2, 3), (2, 2)), ((2, 3), (2,)), ((2, 3), (2, 1)))),
    OpSpec("insert many at one place", lambda x, v, obj: stacking.insert(x, obj, v),
           lambda x, v, obj: np.insert(x, obj, v), 2, params=[{"obj": 1}, {"obj": [1]}, {"obj": np.array([-1])}],
           shapes=(((3,), (2,)), ((2, 2), (3,)), ((3,), (0,)))),
    OpSpec("insert of floats into integers", lambda x: stacking.insert(x.astype("i8"), 1, x),
           lambda x: np.insert(x.astype("i8"), 1, x), shapes=(((3,),),), order=0, domain=(-8.0, 8.0)),
    OpSpec("delete", lambda x, obj, axis: stacking.delete(x, obj, axis), lambda x, obj, axis: np.delete(x, obj, axis),
           shapes=(((3,),), ((3, 3),), ((3, 3, 2),)),
           params=lambda s: [{"obj": o, "axis": a} for o in DELETIONS for a in (0,
           *((1, -2) if len(s) > 1 else (None,)))]),
]  # fmt: skip


def _pieces(s: Shape) -> list[dict[str, Any]]:
    return [
        {"into": i, "axis": a}
        for a in range(-len(s), len(s))
        for i in [1, *((s[a],) if s[a] else ()), [1], [1, 1], (0, 2, 9), [-1], [], np.array([1, 2])]
    ]


def _unequal(s: Shape) -> list[dict[str, Any]]:
    return [*_pieces(s), *({"into": n, "axis": a} for n in (2, 3, 5) for a in range(len(s)))]


TABLES = (((4, 2, 2),), ((2, 4, 2),), ((2, 2, 2),))
SPLITTING = [
    OpSpec("split", lambda x, into, axis: tuple(splitting.split(x, into, axis)),
           lambda x, into, axis: tuple(np.split(x, into, axis)), params=_pieces,
           shapes=(((4,),), ((2, 3),), ((3, 1, 2),), ((0, 2),))),
    OpSpec("array_split", lambda x, into, axis: tuple(splitting.array_split(x, into, axis)),
           lambda x, into, axis: tuple(np.array_split(x, into, axis)), params=_unequal,
           shapes=(((4,),), ((2, 3),), ((0, 2),)),),
    OpSpec("hsplit", lambda x: tuple(splitting.hsplit(x, 2)), lambda x: tuple(np.hsplit(x, 2)),
           shapes=(((4,),), *TABLES)),
    OpSpec("vsplit", lambda x: tuple(splitting.vsplit(x, [1])), lambda x: tuple(np.vsplit(x, [1])), shapes=TABLES),
    OpSpec("dsplit", lambda x: tuple(splitting.dsplit(x, 2)), lambda x: tuple(np.dsplit(x, 2)), shapes=TABLES),
    OpSpec("a piece of a split", lambda x: splitting.split(x, 2)[1] * 2, lambda x: np.split(x, 2)[1] * 2,
           shapes=(((4,),), ((2, 3),)), torch=lambda x: th("chunk")(x, 2)[1] * 2),
    OpSpec("unstack", lambda x, axis: splitting.unstack(x, axis=axis), lambda x, axis: tuple(np.moveaxis(x, axis, 0)),
           params=lambda s: [{"axis": a} for a in range(-len(s), len(s)) if s[a]],
           shapes=(((3,),), ((2, 3),), ((2, 0),))),
    OpSpec("trim_zeros", lambda x, trim: splitting.trim_zeros(stacking.hstack([[0, 0], x, [0]]), trim),
           lambda x, trim: np.trim_zeros(np.hstack([[0, 0], x, [0]]), trim), shapes=(((3,),), ((0,),)),
           params=tuple({"trim": t} for t in ("fb", "F", "b", "bf"))),
    OpSpec("trim_zeros of a table", lambda x: splitting.trim_zeros(stacking.block([[0 * x, 0 * x], [x, 0 * x]]),
           axis=-1),
           lambda x: np.block([[0 * x], [x]]), shapes=(((2, 3),),)),
]  # fmt: skip

ROWS = JOINING + STACKING + EDITING + SPLITTING
