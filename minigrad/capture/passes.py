"""Passes over a recorded program. Each leaves fewer calls, or simpler ones, of the same effect."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from .program import Call, Program, is_copy, is_elementwise, is_product, is_reduction
from .window import Window, replaced

_REDUCTIONS: dict[Any, Any] = {
    np.sum: np.add.reduce, np.ndarray.sum: np.add.reduce, np.max: np.maximum.reduce, np.ndarray.max: np.maximum.reduce,
    np.amax: np.maximum.reduce, np.min: np.minimum.reduce, np.ndarray.min: np.minimum.reduce,
    np.amin: np.minimum.reduce, np.prod: np.multiply.reduce, np.ndarray.prod: np.multiply.reduce,
}  # fmt: skip
_FILLED: dict[Any, Any] = {np.zeros: 0, np.ones: 1}


def lower(program: Program) -> None:
    """Methods become ufunc reductions, copies np.copyto: later passes and executors know fewer kinds of calls."""
    for call in program.calls:
        if call.effect or call.partial or len(call.writes) != 1:
            continue
        if call.fn in _FILLED:
            call.fn, call.args, call.kwargs = np.copyto, (_FILLED[call.fn],), {}
        elif call.fn is np.full and len(call.args) > 1:
            call.fn, call.args, call.kwargs = np.copyto, (call.args[1],), {}
        elif (call.fn is np.ndarray.astype or call.fn in (np.ndarray.copy, np.copy)) and _copies(call):
            call.fn, call.args, call.kwargs = np.copyto, call.args[:1], {}
        elif call.fn in _REDUCTIONS and len(call.args) <= 2 and set(call.kwargs) <= {"axis", "keepdims"}:
            axis = call.args[1] if len(call.args) == 2 else call.kwargs.get("axis")
            call.fn, call.args = _REDUCTIONS[call.fn], call.args[:1]
            call.kwargs = {"axis": axis, "keepdims": call.kwargs.get("keepdims", False)}
        elif is_reduction(call) and len(call.args) <= 2:
            axis = call.args[1] if len(call.args) == 2 else call.kwargs.get("axis", 0)
            call.args, call.kwargs = call.args[:1], {"axis": axis, "keepdims": call.kwargs.get("keepdims", False)}
        elif call.fn is np.square and isinstance(call.args[0], Window):
            call.fn, call.args = np.multiply, (call.args[0], call.args[0])  # which every executor has


def _copies(call: Call) -> bool:
    """Whether astype or copy does no more than to fill its result."""
    return isinstance(call.args[0], Window) and set(call.kwargs) <= {"copy", "order", "dtype", "casting"}


def write_counts(program: Program) -> list[int]:
    """How many calls write to each buffer."""
    counts = [0] * len(program.kinds)
    for call in program.calls:
        for window in call.writes:
            counts[window.buffer] += 1
    return counts


def fold(program: Program) -> None:
    """What reads nothing but constants is a constant, unless somebody writes to it later."""
    counts, kept = write_counts(program), []
    for call in program.calls:
        once = bool(call.writes) and all(counts[w.buffer] == 1 and program.is_temporary(w) for w in call.writes)
        if once and not call.effect and all(program.kinds[r.buffer] == "constant" for r in call.reads):
            for window in call.writes:
                program.kinds[window.buffer] = "constant"
        else:
            kept.append(call)
    program.calls = kept


def share(program: Program) -> None:
    """The same function of the same values is computed once: a rule may recompute what its forward had."""
    counts, versions = write_counts(program), [0] * len(program.kinds)
    seen: dict[str, Call] = {}
    alias: dict[int, int] = {}
    kept = []
    for call in program.calls:
        _rename(call, alias)
        key = repr((id(call.fn), call.name, call.args, sorted(call.kwargs.items()), [w.strides for w in call.writes],
                    [w.dtype for w in call.writes], [versions[r.buffer] for r in call.reads]))  # fmt: skip
        pure = bool(call.writes) and not call.effect and not call.partial
        pure = pure and all(counts[w.buffer] == 1 and program.is_temporary(w) for w in call.writes)
        earlier = seen.get(key)
        if pure and earlier is not None:
            alias |= {w.buffer: e.buffer for w, e in zip(call.writes, earlier.writes, strict=True)}
            continue
        if pure:
            seen[key] = call
        for window in call.writes:
            versions[window.buffer] += 1
        kept.append(call)
    program.calls = kept
    program.outputs = [replace(o, buffer=alias.get(o.buffer, o.buffer)) for o in program.outputs]


def _rename(call: Call, alias: dict[int, int]) -> None:
    def new(window: Window) -> Window:
        return replace(window, buffer=alias[window.buffer]) if window.buffer in alias else window

    call.args, call.kwargs, call.writes = (replaced(v, Window, new) for v in (call.args, call.kwargs, call.writes))


def forward_copies(program: Program) -> None:
    """copyto(outside memory, temporary): whatever made the temporary writes there itself."""
    counts = write_counts(program)
    for copy in [c for c in program.calls if is_copy(c) and not c.kwargs]:
        source, target, at = copy.args[0], copy.write, program.calls.index(copy)
        if not program.is_temporary(source) or counts[source.buffer] != 1:
            continue
        if (source.shape, source.strides, source.dtype) != (target.shape, target.strides, target.dtype):
            continue
        if any(o.buffer == source.buffer for o in program.outputs):
            continue
        made = next((i for i, c in enumerate(program.calls[:at]) if c.writes == (source,)), None)
        if made is None or not any(kind(program.calls[made]) for kind in (is_elementwise, is_reduction, is_product)):
            continue
        users = [c for c in program.calls if any(r.buffer == source.buffer for r in c.reads)]
        between = [w for c in program.calls[made:at] for w in (*c.reads, *c.writes)]
        if users == [copy] and not any(w.overlaps(target) for w in between):
            program.calls[made].writes = (target,)
            program.calls.remove(copy)


def drop_dead(program: Program) -> None:
    """Calls whose results reach neither outside memory nor an output, and that have no other effect, are left out."""
    live = {o.buffer for o in program.outputs}
    kept = []
    for call in reversed(program.calls):
        if call.effect or any(w.buffer in live or not program.is_temporary(w) for w in call.writes):
            live.update(r.buffer for r in call.reads)
            kept.append(call)
    program.calls = kept[::-1]


PASSES: tuple[Callable[[Program], None], ...] = (lower, fold, share, forward_copies, drop_dead)


def simplify(program: Program) -> Program:
    """All passes, in order; returns the program."""
    for one in PASSES:
        one(program)
    return program
