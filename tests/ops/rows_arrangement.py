"""Rows of minigrad.ops.arrangement, repetition, windows, triangles and padding."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from draws import torch_function as th

from minigrad.ops import arrangement, padding, repetition, triangles, windows
from minigrad.testing import OpSpec

Shape = tuple[int, ...]


def _moves(s: Shape) -> list[dict[str, Any]]:
    n = len(s)
    pairs: list[Any] = [(a, b) for a in range(-n, n) for b in range(n)]
    pairs += [((0, -1), (-1, 0)), ([1, 0], [0, 1])] if n > 1 else []
    return [{"source": a, "destination": b} for a, b in [*pairs, ((), ())]]


def _rolled_axes(s: Shape) -> list[dict[str, Any]]:
    n = len(s)
    return [{"axis": a, "start": b} for a in range(-n, n) for b in range(-n, n + 1)]


def _axes(s: Shape) -> list[dict[str, Any]]:
    n = len(s)
    pairs = [(0, n - 1), (-1, 0)] if n > 1 else []
    return [{"axis": a} for a in [None, (), *range(-n, n), *pairs]]


def _rolls(s: Shape) -> list[dict[str, Any]]:
    n = len(s)
    one = [{"shift": k, "axis": a} for k in (0, 1, -1, 2, 5, np.int64(-7)) for a in [None, *range(-n, n)]]
    many: list[dict[str, Any]] = [
        {"shift": 1, "axis": (0, 0)},
        {"shift": (1, 2), "axis": 0},
        {"shift": [2], "axis": [0]},
    ]
    many += [{"shift": (1, -1), "axis": (0, -1)}, {"shift": 1, "axis": (0, 1)}] if n > 1 else []
    return one + (many if n else []) + [{"shift": (1, 1), "axis": None}]


MATRICES = (((2, 3),), ((1, 1),), ((3, 1, 2),), ((2, 2, 2),), ((0, 2),))
ARRANGEMENT = [
    OpSpec("moveaxis", arrangement.moveaxis, np.moveaxis, params=_moves, torch=th("moveaxis")),
    OpSpec("rollaxis", arrangement.rollaxis, np.rollaxis, params=_rolled_axes),
    OpSpec("flip", arrangement.flip, np.flip, params=_axes),
    OpSpec("flip in torch", lambda x: arrangement.flip(x, (0, 1)), lambda x: np.flip(x, (0, 1)), shapes=MATRICES,
           torch=lambda x: th("flip")(x, (0, 1))),
    OpSpec("fliplr", arrangement.fliplr, np.fliplr, shapes=MATRICES, torch=th("fliplr")),
    OpSpec("flipud", arrangement.flipud, np.flipud, shapes=(((3,),), *MATRICES), torch=th("flipud")),
    OpSpec("roll", arrangement.roll, np.roll, params=_rolls),
    OpSpec("roll in torch", lambda x: arrangement.roll(x, (1, -3), (0, 1)), lambda x: np.roll(x, (1, -3), (0, 1)),
           shapes=MATRICES, torch=lambda x: th("roll")(x, (1, -3), (0, 1))),
    OpSpec("rot90", arrangement.rot90, np.rot90, shapes=MATRICES,
           params=lambda s: [{"k": k, "axes": a} for k in range(-3, 6) for a in ((0, 1), (-1, 0), [1, 0])],
           torch=lambda x, k, axes: th("rot90")(x, k, axes)),
]  # fmt: skip

REPEATS: dict[Shape, list[Any]] = {
    (): [(3, None), (2, 0), ([2], -1), (0, None)],
    (3,): [(2, 0), (1, None), (0, -1), ([2], 0), ([1, 0, 3], 0), ([0, 0, 0], 0), (np.int8(2), 0), (True, 0)],
    (2, 3): [(2, 0), (3, 1), (2, None), ([1, 2], 0), ([3, 0, 1], -1), ([1, 2, 0, 1, 3, 1], None), ((2,), 1)],
    (2, 1, 2): [(2, 1), (3, -1), ([3], -2), ([0, 2], 0)],
    (0, 2): [(2, 0), (2, 1), ([], 0), (3, None)],
}
REPETITION = [
    OpSpec("tile", repetition.tile, np.tile, params=tuple({"reps": r} for r in (1, 2, 0, (2,), (1, 3), (2, 1, 2),
           (2, 2, 1, 2), (), [3, 1], np.int64(2)))),
    OpSpec("tile in torch", lambda x: repetition.tile(x, (2, 3)), lambda x: np.tile(x, (2, 3)),
           torch=lambda x: th("tile")(x, (2, 3))),
    OpSpec("repeat", repetition.repeat, np.repeat, shapes=tuple((s,) for s in REPEATS),
           params=lambda s: [{"repeats": r, "axis": a} for r, a in REPEATS[s]]),
    OpSpec("repeat in torch", lambda x: (repetition.repeat(x, 3, 0) * repetition.repeat(x, [3] * len(x), 0)),
           lambda x: np.repeat(x, 3, 0) ** 2, shapes=(((2, 3),), ((3,),)),
           torch=lambda x: th("repeat_interleave")(x, 3, 0) ** 2),
    OpSpec("resize", repetition.resize, np.resize, params=tuple({"new_shape": s} for s in ((3, 2), 7, (), (0, 2),
           (2, 2, 2)))),
]  # fmt: skip

WINDOWS = [
    OpSpec("sliding_window_view", windows.sliding_window_view, np.lib.stride_tricks.sliding_window_view,
           shapes=(((5,),), ((3, 4),), ((2, 3, 2),)),
           params=lambda s: [{"window_shape": w, "axis": a} for w, a in {
               1: [(2, None), (4, 0), ((5,), -1), ((2, 3), (0, 0)), (1, 0), (0, 0)],
               2: [((2, 2), None), (3, 1), ((3, 4), (0, 1)), ((2, 1), (1, 0)), ((2, 2), (1, 1)), ([1], [0])],
               3: [((2, 2, 1), None), (3, -2), ((2, 2), (1, 0))],
           }[len(s)]]),
    OpSpec("overlap_windows", lambda x: windows.overlap_(x, window=(3,), axes=(0,)), shapes=(((2, 3),), ((4, 3),)),
           reference=lambda x: sum(np.pad(x[i], (i, len(x) - 1 - i)) for i in range(len(x)))),
    OpSpec("sliding windows in torch", lambda x: windows.sliding_window_view(x, 3, 0), shapes=(((5,),), ((4, 2),)),
           reference=lambda x: np.lib.stride_tricks.sliding_window_view(x, 3, 0), torch=lambda x: x.unfold(0, 3, 1)),
]  # fmt: skip


def _diagonals(s: Shape) -> list[dict[str, Any]]:
    n = len(s)
    return [
        {"offset": k, "axis1": a, "axis2": b}
        for k in (0, 1, -1, 2, -5)
        for a, b in itertools.permutations(range(-n, 0), 2)
    ]


def _offsets(*_: Shape) -> list[dict[str, Any]]:
    return [{"k": k} for k in (0, 1, -1, 3, -4)]


TRIANGLES = [
    OpSpec("diagonal", triangles.diagonal, np.diagonal, shapes=MATRICES, params=_diagonals,
           torch=lambda x, offset, axis1, axis2: th("diagonal")(x, offset, axis1, axis2)),
    OpSpec("trace", triangles.trace, np.trace, shapes=MATRICES, params=_diagonals),
    OpSpec("trace to a dtype", lambda x: triangles.trace(x, dtype="f8"), lambda x: np.trace(x, dtype="f8"),
           shapes=MATRICES),
    OpSpec("trace of integers", lambda x: triangles.trace(x.astype("i1")), lambda x: np.trace(x.astype("i1")),
           shapes=MATRICES, order=0, domain=(-8.0, 8.0)),
    OpSpec("diag", triangles.diag, np.diag, params=_offsets, torch=lambda x, k: th("diag")(x, k) if x.ndim == 1 else
           th("diagonal")(x, k), shapes=(((3,),), ((0,),), ((1,),), ((2, 3),), ((3, 3),), ((2, 0),))),
    OpSpec("diagflat", triangles.diagflat, np.diagflat, params=_offsets, torch=lambda x, k: th("diagflat")(x, k)),
    OpSpec("tril", triangles.tril, np.tril, params=_offsets, shapes=(((3,),), ((1,),), *MATRICES)),
    OpSpec("triu", triangles.triu, np.triu, params=_offsets, shapes=(((3,),), ((1,),), *MATRICES)),
    OpSpec("tril and triu in torch", lambda x: triangles.tril(x, 1) * triangles.triu(x, -1),
           lambda x: np.tril(x, 1) * np.triu(x, -1),
           shapes=MATRICES, torch=lambda x: th("tril")(x, 1) * th("triu")(x, -1)),
]  # fmt: skip

WIDTHS: dict[int, list[Any]] = {
    0: [0, 2],
    1: [0, 1, 2, (1, 0), ((0, 3),), [2], {0: 1}, {-1: (0, 2)}, (4, 5), np.array([1, 2]), (13, 0)],
    2: [1, (1, 2), ((1, 0), (0, 2)), ((2,), (0,)), {1: 2}, {0: (1, 0), -1: 1}, 3, ((0, 7), (9, 1))],
    3: [1, (0, 1), ((1, 0), (0, 0), (2, 1))],
}


def _pads(*modes: str, **options: Any) -> Any:
    def variants(s: Shape) -> list[dict[str, Any]]:
        chosen = [dict(zip(options, values, strict=True)) for values in itertools.product(*options.values())]
        return [{"pad_width": w, "mode": m, **o} for w in WIDTHS[len(s)] for m in modes for o in chosen]

    return variants


FULL = (((4,),), ((1,),), ((2,),), ((3, 2),), ((1, 3),), ((2, 1, 2),), ((),))
PADDING = [
    OpSpec("pad with a constant", padding.pad, np.pad, shapes=(*FULL, ((0,),), ((0, 2),)),
           params=_pads("constant", constant_values=(0, 2.5, (1, -1), [3]))),
    OpSpec("pad", padding.pad, np.pad, shapes=FULL, params=_pads("edge", "wrap", "reflect", "symmetric", "linear_ramp",
                                                                 "mean")),
    OpSpec("pad with an odd reflection", padding.pad, np.pad, shapes=FULL,
           params=_pads("reflect", "symmetric", reflect_type=("odd", "even"))),
    OpSpec("pad with a ramp", padding.pad, np.pad, shapes=FULL, params=_pads("linear_ramp", end_values=(1.5, (-2, 3)))),
    OpSpec("pad with a mean", padding.pad, np.pad, shapes=FULL, params=_pads("mean", stat_length=(1, (2, 1), None, 9))),
    OpSpec("pad with an extremum", padding.pad, np.pad, shapes=FULL, min_gap=1 / 64,
           params=_pads("maximum", "minimum", stat_length=(1, (2, 1), None, 9))),
    OpSpec("pad with zeros", lambda x: padding.pad(x, ((1, 0), (0, 2))), lambda x: np.pad(x, ((1, 0), (0, 2))),
           shapes=(((2, 3),), ((0, 2),)), torch=lambda x: th("nn.functional.pad")(x, (0, 2, 1, 0))),
    OpSpec("pad empty axes by nothing", padding.pad, np.pad, shapes=(((0, 2),), ((2, 0, 1),)),
           params=lambda s: [{"pad_width": tuple((0, 0) if n == 0 else (1, 2) for n in s), "mode": m}
                             for m in ("edge", "reflect", "wrap", "mean", "linear_ramp")]),
    OpSpec("pad of integers", lambda x, **how: padding.pad(x.astype("i4"), 2, **how),
           lambda x, **how: np.pad(x.astype("i4"), 2, **how), order=0, domain=(-9.0, 9.0), shapes=(((3,),), ((2, 2),)),
           params=[{"mode": m} for m in ("constant", "edge", "linear_ramp", "mean", "maximum", "reflect", "wrap")]),
    *(OpSpec(f"pad by {mode} in torch", lambda x, m=mode: padding.pad(x, ((0, 0), (0, 0), (2, 1)), m),
             lambda x, m=mode: np.pad(x, ((0, 0), (0, 0), (2, 1)), m), shapes=(((2, 1, 3),),),
             torch=lambda x, t=theirs: th("nn.functional.pad")(x, (2, 1), t))
      for mode, theirs in (("reflect", "reflect"), ("edge", "replicate"), ("wrap", "circular"))),
]  # fmt: skip

ROWS = ARRANGEMENT + REPETITION + WINDOWS + TRIANGLES + PADDING
