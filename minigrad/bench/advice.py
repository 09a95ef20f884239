"""From the rows of a sweep to what to do: the knee, a batch size, a learning rate for it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from ..optim import scale_lr
from ..optim.by_name import BY_NAME
from .knee import knee, recommended
from .rows import measured
from .workload import NOMINAL_ROWS

BASE_BATCH = 32
"""The batch size for which an optimizer's default learning rate is taken to be good."""


def default_rate(optimizer: str) -> float:
    """The learning rate that an optimizer has if none is given."""
    return float(inspect.signature(BY_NAME[optimizer]).parameters["lr"].default)


def rule_of(optimizer: str) -> str:
    """How its learning rate grows with the batch: linearly for SGD, by the square root for those that scale steps."""
    return "linear" if optimizer == "sgd" else "sqrt"


def advise(
    rows: Sequence[Mapping[str, Any]], program: str, optimizer: str, source: str, lr: float | None, base_batch: int
) -> dict[str, Any] | None:
    """What to train with.

    Args:
        rows: of a sweep.
        program: whose.
        optimizer: its name.
        source: the data set whose length matters.
        lr: a learning rate that is good at `base_batch`; None takes the optimizer's default.
        base_batch: rows.

    Returns:
        knee, batch, lr, rule, base_lr, base_batch, best_batch, largest_measured; None where nothing was measured.
    """
    found = measured(rows, program)
    if not found:
        return None
    batches = [r["batch"] for r in found]
    throughput = [r["samples_per_second"] for r in found]
    at_knee = knee(batches, throughput)
    batch = recommended(batches, at_knee, NOMINAL_ROWS[source])
    base = default_rate(optimizer) if lr is None else lr
    rule = rule_of(optimizer)
    return {
        "program": program,
        "knee": at_knee,
        "batch": batch,
        "lr": scale_lr(base, base_batch, batch, rule),
        "rule": rule,
        "base_lr": base,
        "base_batch": base_batch,
        "best_batch": batches[throughput.index(max(throughput))],
        "largest_measured": batches[-1],
    }
