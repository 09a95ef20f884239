"""Memory of a program: where each buffer lies while it is replayed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from .program import Call, Program, is_elementwise
from .window import Window, address

ALIGNMENT = 64
"""Bytes: a cache line."""


def aligned(size: int) -> np.ndarray:
    """`size` bytes (at least one) of zeros, aligned."""
    size = max(size, 1)
    raw = np.zeros(size + ALIGNMENT, np.uint8)
    start = -address(raw) % ALIGNMENT
    return raw[start : start + size]


def _memory(array: np.ndarray) -> np.ndarray:
    """The bytes of an array that owns its memory, and so has no gaps."""
    order = sorted(range(array.ndim), key=lambda axis: -array.strides[axis])
    return array.transpose(order).reshape(-1, copy=False).view(np.uint8)


def window_of(memory: dict[int, np.ndarray], window: Window) -> np.ndarray:
    """The array that a window is, in a program's memory (bytes by buffer)."""
    return np.ndarray(window.shape, window.dtype, memory[window.buffer], window.offset, window.strides)


def storage(program: Program, units: Sequence[Sequence[Call]]) -> dict[int, np.ndarray]:
    """Bytes for every buffer. Temporaries share memory where one is dead before another is born.

    Args:
        program: simplified.
        units: the granularity at which birth and death are counted: single calls, or loop nests.

    Returns:
        Number of a buffer -> its bytes. Of state and constants it is their own memory.
    """
    first: dict[int, int] = {}
    last: dict[int, int] = {}
    for t, unit in enumerate(units):
        for call in unit:
            for window in (*call.reads, *call.writes):
                if program.is_temporary(window):
                    first.setdefault(window.buffer, t)
                    last[window.buffer] = t
    for output in program.outputs:
        if program.is_temporary(output):
            last[output.buffer] = len(units)
            first.setdefault(output.buffer, 0)
    born: dict[int, list[int]] = {}
    dying: dict[int, list[int]] = {}
    for buffer in first:
        born.setdefault(first[buffer], []).append(buffer)
        dying.setdefault(last[buffer], []).append(buffer)
    memory: dict[int, np.ndarray] = {}
    free: list[np.ndarray] = []
    for t, unit in enumerate(units):
        gone = [b for b in dying.get(t, []) if first[b] < t]
        for buffer in born.get(t, []):
            heir = _in_place(program, unit, buffer, gone)
            if heir is not None:
                memory[buffer] = memory[heir]
                gone.remove(heir)
                continue
            size = program.roots[buffer].nbytes
            fitting = [m for m in free if size <= m.nbytes <= 2 * size]
            if fitting:
                memory[buffer] = min(fitting, key=lambda m: m.nbytes)
                free = [m for m in free if m is not memory[buffer]]
            else:
                memory[buffer] = aligned(size)
        free += [memory[b] for b in gone] + [memory[b] for b in dying.get(t, []) if first[b] == t]
    for buffer, kind in enumerate(program.kinds):
        if kind == "input":
            memory[buffer] = aligned(program.roots[buffer].nbytes)
        elif kind != "temporary":
            memory[buffer] = _memory(program.roots[buffer])
    return memory


def _in_place(program: Program, unit: Sequence[Call], buffer: int, gone: list[int]) -> int | None:
    """A buffer that dies in an elementwise call which reads it only at the very window where the new one is written."""
    call = unit[0]
    if len(unit) != 1 or not is_elementwise(call) or call.write.buffer != buffer:
        return None
    for window in call.reads:
        same = all(r == window for r in call.reads if r.buffer == window.buffer)
        if same and window.buffer in gone and replace(window, buffer=buffer) == call.write:
            return window.buffer
    return None
