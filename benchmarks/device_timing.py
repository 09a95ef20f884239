"""Microseconds of work that a GPU is given: on the device, and to issue it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any


def device_us(xp: Any, work: Callable[[], Any], inner: int = 20, repeats: int = 20) -> float:
    """Median microseconds of work() on the device, by events around `inner` calls."""
    start, stop = xp.cuda.Event(), xp.cuda.Event()
    for _ in range(5):
        work()
    times = []
    for _ in range(repeats):
        start.record()
        for _ in range(inner):
            work()
        stop.record()
        stop.synchronize()
        times.append(xp.cuda.get_elapsed_time(start, stop) * 1e3 / inner)
    return statistics.median(times)


def host_us(xp: Any, work: Callable[[], Any], inner: int = 100, repeats: int = 15) -> float:
    """Median microseconds of host time to issue work(), without waiting for it."""
    for _ in range(10):
        work()
    times = []
    for _ in range(repeats):
        xp.cuda.Device().synchronize()
        begin = time.perf_counter()
        for _ in range(inner):
            work()
        times.append((time.perf_counter() - begin) * 1e6 / inner)
    xp.cuda.Device().synchronize()
    return statistics.median(times)
