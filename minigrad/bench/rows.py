"""A row of the result: everything that is known about one batch size in one program."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from . import counts
from .binding import bind
from .ceilings import HOLLOW, Ceilings
from .sizes import Net
from .timing import Reading, median_ratio
from .workload import NOMINAL_ROWS, epoch_seconds

KEYS = (
    "batch",
    "program",
    "status",
    "us",
    "us_min",
    "us_max",
    "device_us",
    "samples_per_second",
    "epoch_seconds",
    "memory_bytes",
    "capture_seconds",
    "flops",
    "passed_bytes",
    "operations",
    "launches",
    "products_us",
    "calls_us",
    "memory_us",
    "arithmetic_us",
    "binds",
    "explained",
    "ours_over_this",
    "ours_over_this_min",
    "ours_over_this_max",
    "products_ours_over_this",
    "us_rounds",
)
"""Every row has these, None where it has nothing to say.

status: "ok", or why there is no measurement. us: median over the rounds of microseconds of a step. capture_seconds: of
recording and compiling it, before the first round. products_us: of its matrix products alone. binds, explained, *_us:
see `binding`; for the library's own programs. ours_over_this: median over the rounds of our time / this one's.
products_ours_over_this: the same for the products alone.
"""
OK = "ok"


def failed_row(batch: int, program: str, status: str) -> dict[str, Any]:
    """The row of a batch that was not measured."""
    return {**dict.fromkeys(KEYS), "batch": batch, "program": program, "status": status}


class RowMaker:
    """Makes the rows of a sweep.

    Args:
        net: the network.
        source: the data set whose length makes an epoch.
        states: state buffers of the optimizer.
        on_device: whether launches are counted.
        ceilings: what the machine can do.
        readings: by program and batch.
        ours: the program that ratios are about.
    """

    def __init__(
        self,
        net: Net,
        source: str,
        states: int,
        on_device: bool,
        ceilings: Ceilings,
        readings: Mapping[tuple[str, int], Sequence[Reading]],
        ours: str,
    ) -> None:
        self.net, self.source, self.states, self.on_device = net, source, states, on_device
        self.ceilings, self.readings, self.ours = ceilings, readings, ours

    def __call__(
        self, batch: int, program: str, products: str, memory_bytes: int | None, capture_seconds: float | None = None
    ) -> dict[str, Any]:
        """The row of a program.

        Args:
            batch: rows of a step.
            program: its name.
            products: the name of its library's products.
            memory_bytes: the most that a step holds, where known.
            capture_seconds: what recording it took, where it was recorded.
        """
        net = self.net
        readings, theirs = self.readings[program, batch], self.readings[products, batch]
        ours, our_products = self.readings[self.ours, batch], self.readings["minigrad products", batch]
        times = [r.us for r in readings]
        us = statistics.median(times)
        device = [r.device_us for r in readings if r.device_us is not None]
        ratios = [a.us / b.us for a, b in zip(ours, readings, strict=True)]
        products_us = statistics.median(r.us for r in theirs)
        row = failed_row(batch, program, OK) | {
            "us": us,
            "us_min": min(times),
            "us_max": max(times),
            "device_us": statistics.median(device) if device else None,
            "samples_per_second": batch / us * 1e6,
            "epoch_seconds": epoch_seconds(NOMINAL_ROWS[self.source], batch, us),
            "memory_bytes": memory_bytes,
            "capture_seconds": capture_seconds,
            "flops": counts.flops(net, batch),
            "products_us": products_us,
            "ours_over_this": statistics.median(ratios),
            "ours_over_this_min": min(ratios),
            "ours_over_this_max": max(ratios),
            "products_ours_over_this": median_ratio(our_products, theirs),
            "us_rounds": times,
        }
        hollow = self.readings.get((f"{HOLLOW} {program}", 1))
        if hollow is not None:
            # compared within each round, so that no share of a step suffers from the machine's drift
            calls_us, arithmetic_us = (us * median_ratio(part, readings) for part in (hollow, theirs))
            account = bind(net, batch, self.states, us, arithmetic_us, calls_us, self.ceilings)
            row |= {
                "passed_bytes": counts.passed_bytes(net, batch, self.states),
                "operations": counts.operations(net),
                "launches": counts.launches(net) if self.on_device else None,
                "binds": account.binds,
                "explained": account.explained,
                **{f"{kind}_us": value for kind, value in account.by_kind.items()},
            }
        return row


def measured(rows: Sequence[Mapping[str, Any]], program: str) -> list[Mapping[str, Any]]:
    """The rows of a program that hold a measurement, by rising batch."""
    return sorted((r for r in rows if r["program"] == program and r["status"] == OK), key=lambda r: r["batch"])
