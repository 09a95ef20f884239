"""The self-check of a capture: what is replayed must be what the step itself computes, on other batches and rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from ..backend.array import to_host
from ..errors import CaptureError
from .replay import Replay
from .state import Snapshot

FACTORS = (1.0, 0.5, 2.0)
"""Of the learning rates and of the data, from step to step of a check."""
TOLERANCE = {np.dtype(np.float32): 1e-2, np.dtype(np.float64): 1e-6, np.dtype(np.float16): 1e-1}
"""How far results may differ, as a share of what the steps changed: sums in another order, not another computation."""


UNSEEN = (
    "It depends on something that no recording sees: a Python number that changes, arrays computed with outside of "
    "Tensors, or random numbers of its own"
)


def steps_once(optimizers: Mapping[Any, Sequence[Any]]) -> None:
    """Raise CaptureError unless each optimizer stepped once.

    Args:
        optimizers: each with the state of its host before, and the number of times.
    """
    for optimizer, (_, times) in optimizers.items():
        if times > 1:
            raise CaptureError(f"{type(optimizer).__name__}.step() is called {times} times in it: one is due")


def check(replay: Replay, batch: Sequence[np.ndarray]) -> None:
    """Raise CaptureError where a replay is not what the step computes; see `difference`."""
    found = difference(replay, batch)
    if found:
        raise CaptureError(f"its replay is not what it computes ({found}). {UNSEEN}")


def other_batches(arrays: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    """Batches made of one: rows in other places, numbers scaled.

    Args:
        arrays: a batch.

    Returns:
        As many as FACTORS.
    """
    batches = []
    for shift, factor in enumerate(FACTORS, 1):
        batch = []
        for array in arrays:
            moved = np.roll(array, shift, axis=0) if array.ndim else array.copy()
            if array.dtype.kind == "f":
                moved *= array.dtype.type(factor)
            batch.append(moved)
        batches.append(batch)
    return batches


def difference(replay: Replay, batch: Sequence[np.ndarray]) -> str:
    """Run the same steps both ways from where things stand, and go back there.

    Args:
        replay: which knows the step itself too.
        batch: the arguments, on the host.

    Returns:
        What differs; "" where nothing does.
    """
    if not all(optimizer.revision == revision for optimizer, revision in replay.revisions):
        return "what an update consists of has changed"
    start, batches = Snapshot(replay.memory, replay.optimizers, replay.leaves), other_batches(batch)
    found = []
    try:
        for run in (replay.eager, replay.step):
            found.append(_trial(replay, run, batches))
            start.restore()
    finally:
        start.restore()
    (results, gradients, memory), (replayed, other_gradients, other_memory) = found
    for these, those in zip(results, replayed, strict=True):
        for number, (a, b) in enumerate(zip(these, those, strict=True)):
            if not _same(a, b):
                return f"result {number} differs by up to {_largest(a, b):.3g}"
    for g, other in zip(gradients, other_gradients, strict=True):
        if g is None or other is None:
            if g is not None or other is not None:
                return "other tensors have a gradient afterwards"
        elif not _same(g, other):
            return f"a gradient of shape {g.shape}, {g.dtype} differs by up to {_largest(g, other):.3g}"
    for (array, was), a, b in zip(start.memory, memory, other_memory, strict=True):
        if not any(array is own for own in replay.own) and not _same(a, b, to_host(was)):
            return f"memory of shape {a.shape}, {a.dtype} differs by up to {_largest(a, b):.3g}"
    return ""


def _trial(
    replay: Replay, run: Callable[[Any], Sequence[Any]], batches: Sequence[Any]
) -> tuple[list[list[np.ndarray]], list[np.ndarray | None], list[np.ndarray]]:
    """Steps on batches, each with other learning rates: their results, the gradients then, and the memory."""
    results = []
    for arrays, factor in zip(batches, FACTORS, strict=True):
        for optimizer in replay.optimizers:
            for group in optimizer.param_groups:
                if "lr" in group:
                    group["lr"] *= factor
        replay.enter()
        results.append([_copy(array) for array in run(arrays)])
    gradients = [_copy(leaf.array) if leaf.live and leaf.array is not None else None for leaf in replay.leaves]
    return results, gradients, [_copy(array) for array in replay.memory]


def _copy(array: Any) -> np.ndarray:
    return np.array(to_host(array))


def _same(a: np.ndarray, b: np.ndarray, was: np.ndarray | None = None) -> bool:
    """Whether two arrays are the same up to rounding, beside how far they have come."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    if np.array_equal(a, b, equal_nan=a.dtype.kind == "f"):
        return True
    if a.dtype.kind != "f" or not np.array_equal(np.isfinite(a), np.isfinite(b)):
        return False
    kept = np.isfinite(a)
    wide, other = a[kept].astype(np.float64), b[kept].astype(np.float64)
    way = wide if was is None else wide - np.where(kept, was, 0)[kept]
    allowed = TOLERANCE.get(a.dtype, 1e-2) * np.linalg.norm(way) + 1e-6 * np.linalg.norm(wide)
    return bool(np.linalg.norm(wide - other) <= allowed)


def _largest(a: np.ndarray, b: np.ndarray) -> float:
    with np.errstate(invalid="ignore"):
        return float(np.max(np.abs(a.astype(np.float64) - b.astype(np.float64)), initial=0.0))
