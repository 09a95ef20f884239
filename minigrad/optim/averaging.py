"""Looking at a model with the average of its weights in place of the weights."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..backend import array as arrays
from ..backend.device import on_device
from ..backend.versions import mark_written
from .partition import EMA, Partition


@contextmanager
def swapped(parts: Sequence[Partition]) -> Iterator[None]:
    """The parameters hold their averages inside, and what they held before afterwards.

    Args:
        parts: of one optimizer, settled. A parameter that was never updated keeps its value.
    """
    kept: list[tuple[Partition, int, int, Any]] = []
    for part in parts:
        average = part.state.get(EMA)
        if average is None:
            continue
        with on_device(part.store.device):
            for start, stop in part.store.runs([i for i, steps in enumerate(part.steps) if steps]):
                kept.append((part, start, stop, arrays.owned(part.store.p[start:stop])))
                part.store.p[start:stop] = average[start:stop]
    _mark(parts)
    try:
        yield
    finally:
        for part, start, stop, values in kept:
            with on_device(part.store.device):
                part.store.p[start:stop] = values
        _follow_moved(kept)
        _mark(parts)


def _follow_moved(kept: Sequence[tuple[Partition, int, int, Any]]) -> None:
    """Give parameters that have left their store meanwhile (`Module.to`) the values of it, which are right again."""
    for part in {id(part): part for part, *_ in kept}.values():
        if part.store.epoch != part.epoch:
            for i, p in enumerate(part.parameters):
                values = part.store.view(part.store.p, i)
                with on_device(p.device):
                    p.data[...] = arrays.to_device(values, p.device).astype(p.dtype)


def _mark(parts: Sequence[Partition]) -> None:
    mark_written(*(p._cell for part in parts for p in part.parameters))
