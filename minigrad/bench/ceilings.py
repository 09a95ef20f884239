"""What the machine could do at best, measured beside the steps: an empty call, a copy, the step without its arithmetic.

The fourth ceiling, the matrix products of a step alone, belongs to each contestant: `Contestant.products`.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backend.array import to_device
from ..backend.device import provider_for
from .contestant import Call, Contestant
from .memory import out_of_memory
from .timing import Program, Reading
from .workload import Workload

COPIES = (1 << 16, 1 << 20, 1 << 23, 1 << 26)
"""Bytes of the copies whose rate is measured: in the caches, and far beyond them."""
CALL, COPY, HOLLOW = "call", "copy", "hollow"
"""Keys of the programs."""


@dataclass(frozen=True)
class Ceilings:
    """What was measured.

    Attributes:
        call_us: an addition to one number in place: a call of the array library, or a launch.
        hollow_us: by mode, the step with layers of width 1 on one row: all its calls, next to no arithmetic.
        bandwidth: by the bytes of an array, bytes a second that a copy of it reads and writes.
    """

    call_us: float
    hollow_us: Mapping[str, float]
    bandwidth: Mapping[int, float]

    def bytes_per_second(self, working_set: int) -> float:
        """The rate of passes over so many bytes: that of the copy of the nearest size, by ratio."""
        nearest = min(self.bandwidth, key=lambda size: abs(math.log(max(working_set, 1) / size)))
        return self.bandwidth[nearest]


def programs(owner: Contestant, workload: Workload, modes: Mapping[str, Callable[[Workload], Contestant]]) -> list[Any]:
    """The programs that measure the ceilings; they run with the device current.

    Args:
        owner: one of the library's contestants on the device.
        workload: what is swept.
        modes: by name, what makes the contestants.
    """
    device = workload.device
    asynchronous = device != "cpu"
    one = to_device(np.zeros(1, np.float32), device)

    def call() -> None:
        one.__iadd__(1.0)

    made = [Program((CALL, 0), owner, call, asynchronous)]
    for size in COPIES:
        try:
            made.append(Program((COPY, size), owner, _copy(size, device), asynchronous))
        except Exception as error:
            if not out_of_memory(error) or size == COPIES[0]:
                raise
            break  # the steps have taken it; the rate of a smaller copy has to do
    for name, make in modes.items():
        hollow = make(workload.hollow)
        made.append(Program((f"{HOLLOW} {name}", 1), hollow, hollow.step(1), asynchronous))
    return made


def _copy(size: int, device: str) -> Call:
    source, target = (to_device(np.ones(size // 4, np.float32), device) for _ in range(2))
    xp = provider_for(device).xp

    return lambda: xp.copyto(target, source)


def ceilings_of(readings: Mapping[tuple[str, int], Sequence[Reading]], modes: Sequence[str]) -> Ceilings:
    """The ceilings, medians over the rounds, from the readings of `programs`."""

    def median(key: tuple[str, int]) -> float:
        return statistics.median(r.us for r in readings[key])

    return Ceilings(
        median((CALL, 0)),
        {name: median((f"{HOLLOW} {name}", 1)) for name in modes},
        {size: 2 * size / median((kind, size)) * 1e6 for kind, size in readings if kind == COPY},
    )
