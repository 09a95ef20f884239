"""Paired timing of many calls: rounds in which each runs once, in an order that turns around from round to round.

A shared machine drifts, so no time is compared but with one of the same round. Calls are timed in blocks between two
waits for the device, and a reading is the median over the blocks of a round. Between libraries, and between two BLAS of
one library, there is a pause: the threads of a BLAS spin on for about 25 ms after a call, and would slow the next down.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .contestant import Call, Contestant

PAUSE = 0.12
"""Seconds between two pools of threads."""
BLOCK = 2e-4
"""Seconds of a block of calls on the CPU; a single call where that takes longer."""
DEVICE_BLOCK = 2e-2
"""The same where calls are asynchronous: the wait at the end must not count."""
MANY_CALLS = 10_000


@dataclass(frozen=True)
class Reading:
    """Microseconds of a call in one round: by the host's clock, and by the device's own where it has one."""

    us: float
    device_us: float | None = None


@dataclass
class Program:
    """A call to be timed.

    Attributes:
        key: what it is called in the readings.
        owner: whose it is: the library, the way to wait.
        call: what is timed.
        asynchronous: whether the call returns before its work is done.
        pool: whose threads it uses, where these are not its owner's.
        calls: in a block; set by `warm_up`.
    """

    key: tuple[str, int]
    owner: Contestant
    call: Call
    asynchronous: bool = False
    pool: str = ""
    calls: int = field(default=1, init=False)

    @property
    def threads(self) -> str:
        """The pool of threads that it uses."""
        return self.pool or self.owner.pool

    def warm_up(self, seconds: float) -> None:
        """Run until caches, pools and compilers have settled, and choose the length of a block."""
        end = time.perf_counter() + seconds
        self._block(1)
        shortest = self._block(1).us
        while time.perf_counter() < end:
            shortest = min(shortest, self._block(1).us)
        wanted = (DEVICE_BLOCK if self.asynchronous else BLOCK) * 1e6
        self.calls = max(1, min(MANY_CALLS, int(min(wanted, seconds * 1e6) / max(shortest, 1e-3))))

    def _block(self, calls: int) -> Reading:
        owner, call = self.owner, self.call
        owner.wait()
        mark = owner.events
        begin = mark() if mark else None
        finish = mark() if mark else None
        start = time.perf_counter()
        if begin is not None:
            begin.record()
        for _ in range(calls):
            call()
        if finish is not None:
            finish.record()
        owner.wait()
        us = (time.perf_counter() - start) * 1e6 / calls
        return Reading(us, None if finish is None else owner.elapsed_us(begin, finish) / calls)

    def read(self, seconds: float) -> Reading:
        """The median of blocks over about `seconds`; a single block where it takes longer."""
        end = time.perf_counter() + seconds
        blocks = [self._block(self.calls)]
        while time.perf_counter() < end:
            blocks.append(self._block(self.calls))
        device = [b.device_us for b in blocks if b.device_us is not None]
        return Reading(statistics.median(b.us for b in blocks), statistics.median(device) if device else None)


def in_order(programs: Sequence[Program], round_: int) -> list[Program]:
    """The programs of a round: turned around in every second one."""
    return list(programs)[:: 1 if round_ % 2 == 0 else -1]


def read_rounds(
    programs: Sequence[Program], rounds: int, seconds: float, done: Callable[[], Any] = lambda: None
) -> dict[tuple[str, int], list[Reading]]:
    """Readings of all programs, one a round.

    Args:
        programs: warmed up; those of one pool side by side.
        rounds: how often each runs.
        seconds: for each, in each round.
        done: is called after each reading.

    Returns:
        By key, the readings of the rounds in their order.
    """
    readings: dict[tuple[str, int], list[Reading]] = {p.key: [] for p in programs}
    last = programs[0].threads if programs else ""
    for round_ in range(rounds):
        for program in in_order(programs, round_):
            if program.threads != last:
                time.sleep(PAUSE)
                last = program.threads
            readings[program.key].append(program.read(seconds))
            done()
    return readings


def median_ratio(ours: Sequence[Reading], theirs: Sequence[Reading]) -> float:
    """The median over the rounds of ours / theirs, each within its round."""
    return statistics.median(a.us / b.us for a, b in zip(ours, theirs, strict=True))
