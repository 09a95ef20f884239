"""One update of a partition: by its kernel, by a compiled loop, or in NumPy passes over chunks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..backend.device import on_device
from ..backend.versions import mark_written
from .descent import follow
from .fused_update import AHEAD, SKIP
from .gradient_sum import share_of
from .partition import Partition, UpdateClass

if TYPE_CHECKING:
    from .optimizer import Optimizer

Row = tuple[float, ...]


def update_partition(
    optimizer: Optimizer, group: Mapping[str, Any], hyper: list[Any], part: Partition, shared: Row, total: Any
) -> None:
    """Update the parameters of a partition and count the step.

    Args:
        optimizer: whose formulas they are.
        group: hyper-parameters.
        hyper: their values.
        part: classified.
        shared: values of SHARED_COLUMNS.
        total: the sum of squares of all gradients, where it was asked for.
    """
    if part.fused is not None:
        back = part.fused.back
        part.fused.prepare([*hyper, *shared], lambda: _upcoming(optimizer, group, shared, part.classes, back))
        flags = optimizer.kernel_flags(group) | (SKIP if optimizer.nonfinite == "skip" else 0)
        part.fused.launch(flags, total)
    else:
        _update_here(optimizer, group, part, shared, total)
    for c in part.classes:
        if c.scalars:
            c.earlier.append(c.scalars)
            c.scalars = optimizer.advance(group, c.step + 1, c.scalars)
        c.step += 1
        mark_written(*c.cells)


def _upcoming(
    optimizer: Optimizer, group: Mapping[str, Any], shared: Row, classes: list[UpdateClass], back: int
) -> list[list[Row]]:
    """The rows of `FusedUpdate.prepare`: of `back` steps before the next one, and from it on."""
    table: list[list[Row]] = [[] for _ in range(back + AHEAD)]
    for c in classes:
        known = [*c.earlier, c.scalars]
        scalars: Row = ()
        for k in range(-back, AHEAD):
            step = max(c.step + 1 + k, 1)
            before = scalars if k > 0 else known[max(k - 1, -len(known))]
            scalars = optimizer.advance(group, step, before)
            table[k + back].append(optimizer.row(group, step, scalars) + shared)
    return table


def _update_here(optimizer: Optimizer, group: Mapping[str, Any], part: Partition, shared: Row, total: Any) -> None:
    xp, table, limit = part.xp, part.table, optimizer.max_norm
    for number, c in enumerate(part.classes):
        step = c.step + 1
        after = optimizer.advance(group, step, c.scalars) if c.scalars else ()
        table.fill(number, optimizer.row(group, step, after) + shared)
    with on_device(part.store.device):
        table.upload(None if limit is None else share_of(total, shared[0], limit, xp))
        for number, c in enumerate(part.classes):
            if part.loop is not None:
                row, switches = tuple(table.rounded[number]), _switches(optimizer, group)
                for buffers in c.chunks:
                    part.loop(*buffers, row, *switches)
                continue
            coefficients = table.rows[number]
            for chunk, average in zip(c.chunks, c.averages, strict=True):
                optimizer.update(xp, group, coefficients, *chunk)
                if average is not None:
                    follow(xp, coefficients, chunk[0], average, chunk[-1])


def _switches(optimizer: Optimizer, group: Mapping[str, Any]) -> tuple[bool | None, ...]:
    """The options of `Optimizer.loop`."""
    names = () if optimizer.kernel is None else optimizer.kernel.flags
    chosen = (group["weight_decay"], optimizer.decouples(group), *(group[name] for name in names))
    return tuple(True if on else None for on in chosen)
