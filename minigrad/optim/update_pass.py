"""One update of a partition: by its kernel, by a compiled loop, or in NumPy passes over chunks.

`prepare` and `count` are the host's part of it, `run` is what a captured step repeats.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..backend.device import HOST, on_device, provider_of
from ..backend.recording import lift
from ..backend.versions import mark_written
from . import gradient_sum
from .descent import follow
from .fused_update import SKIP
from .partition import EMA, Partition, UpdateClass

if TYPE_CHECKING:
    from .optimizer import Optimizer

Row = tuple[float, ...]


def prepare(optimizer: Optimizer, group: Mapping[str, Any], hyper: list[Any], part: Partition, shared: Row) -> None:
    """Have the coefficients of the coming step where the update reads them: the host's part of it.

    Args:
        optimizer: whose formulas they are.
        group: hyper-parameters.
        hyper: their values.
        part: classified.
        shared: values of SHARED_COLUMNS.
    """
    if part.fused is not None:
        back = part.fused.back
        part.fused.prepare(
            [*hyper, *shared], lambda steps: _upcoming(optimizer, group, shared, part.classes, back, steps)
        )
        return
    for number, c in enumerate(part.classes):
        step = c.step + 1
        after = optimizer.advance(group, step, c.scalars) if c.scalars else ()
        part.table.fill(number, optimizer.row(group, step, after) + shared)
    part.table.publish()


def run(optimizer: Optimizer, group: Mapping[str, Any], part: Partition, total: Any) -> None:
    """Update the parameters of a partition by the coefficients that were prepared; this is what may be recorded.

    Args:
        optimizer: whose formulas they are.
        group: hyper-parameters.
        part: prepared.
        total: the sum of squares of all gradients, where it was asked for.
    """
    if part.fused is not None:
        flags = optimizer.kernel_flags(group) | (SKIP if optimizer.nonfinite == "skip" else 0)
        part.fused.launch(flags, total)
        return
    with on_device(part.store.device):
        if optimizer.max_norm is not None:
            part.table.scale_by(gradient_sum.share_of(total, part.table.scale, optimizer.max_norm, part.xp))
        if lift(part.store.p) is part.store.p:
            _run_chunks(optimizer, group, part)
        else:
            _run_whole(optimizer, group, part)


def count(optimizer: Optimizer, group: Mapping[str, Any], part: Partition) -> None:
    """Note that the update was made."""
    for c in part.classes:
        if c.scalars:
            c.earlier.append(c.scalars)
            c.scalars = optimizer.advance(group, c.step + 1, c.scalars)
        c.step += 1
        mark_written(*c.cells)


def _upcoming(
    optimizer: Optimizer, group: Mapping[str, Any], shared: Row, classes: list[UpdateClass], back: int, ahead: int
) -> list[list[Row]]:
    """The rows of `FusedUpdate.prepare`: of `back` steps before the next one, and of `ahead` from it on."""
    table: list[list[Row]] = [[] for _ in range(back + ahead)]
    for c in classes:
        known = [*c.earlier, c.scalars]
        scalars: Row = ()
        for k in range(-back, ahead):
            step = max(c.step + 1 + k, 1)
            before = scalars if k > 0 else known[max(k - 1, -len(known))]
            scalars = optimizer.advance(group, step, before)
            table[k + back].append(optimizer.row(group, step, scalars) + shared)
    return table


def _run_chunks(optimizer: Optimizer, group: Mapping[str, Any], part: Partition) -> None:
    """Chunk by chunk, so that a chunk of each buffer stays in the cache; or by the compiled loop."""
    for number, c in enumerate(part.classes):
        if part.loop is not None:
            row, switches = tuple(part.table.rounded[number]), _switches(optimizer, group)
            for buffers in c.chunks:
                part.loop(*buffers, row, *switches)
            continue
        coefficients = part.table.rows[number]
        for chunk, average in zip(c.chunks, c.averages, strict=True):
            optimizer.update(part.xp, group, coefficients, *chunk)
            if average is not None:
                follow(part.xp, coefficients, chunk[0], average, chunk[-1])


def _run_whole(optimizer: Optimizer, group: Mapping[str, Any], part: Partition) -> None:
    """Under the eyes of a recorder: in one piece, for what it makes of the calls it will cut up as it likes."""
    xp = (provider_of(lift(part.store.p)) or HOST).xp
    buffers = (part.store.p, part.store.g, *(part.state[name] for name in part.names))
    average = part.state.get(EMA)
    for number, c in enumerate(part.classes):
        coefficients = part.table.lifted(number, optimizer.max_norm is not None)
        for start, stop in part.store.runs(c.positions):
            chunk = [lift(x[start:stop]) for x in buffers]
            chunk += [xp.empty((stop - start,), part.store.dtype) for _ in range(optimizer.scratch)]
            optimizer.update(xp, group, coefficients, *chunk)
            if average is not None:
                follow(xp, coefficients, chunk[0], lift(average[start:stop]), chunk[-1])


def _switches(optimizer: Optimizer, group: Mapping[str, Any]) -> tuple[bool | None, ...]:
    """The options of `Optimizer.loop`."""
    names = () if optimizer.kernel is None else optimizer.kernel.flags
    chosen = (group["weight_decay"], optimizer.decouples(group), *(group[name] for name in names))
    return tuple(True if on else None for on in chosen)
