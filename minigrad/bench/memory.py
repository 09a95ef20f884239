"""How much memory a step takes, and how much there is."""

from __future__ import annotations

import gc
import os
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..backend.device import accelerator_for
from .contestant import Call

USABLE = 0.8
"""Share of the free memory that a sweep may plan with."""


def step_bytes(step: Call, device: str) -> int:
    """The most memory that one step holds beyond what was there before it.

    On the CPU the bytes of its arrays, which NumPy reports to tracemalloc: that slows a step down, so this one is not
    timed; the resident size of the process would also hold what the C library keeps of larger steps before. On a GPU
    what the pool takes from the device, from when it was empty.

    Args:
        step: the call.
        device: the full label of where it runs.
    """
    if device != "cpu":
        return _pool_growth(step, device)
    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start(1)
    try:
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        step()
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        if not running:
            tracemalloc.stop()


def kept_bytes(make: Callable[[], Any], device: str) -> int:
    """Bytes of the arrays that are there after a call and were not before; on a GPU, memory that is no longer free.

    Args:
        make: the call.
        device: the full label of where the arrays are.
    """
    if device != "cpu":
        free = _free_on(device)
        make()
        return max(0, free - _free_on(device))
    arrays = [tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)]  # what else Python keeps is no data
    running = tracemalloc.is_tracing()
    if not running:
        tracemalloc.start(1)
    try:
        before = tracemalloc.take_snapshot().filter_traces(arrays)
        make()
        gc.collect()
        after = tracemalloc.take_snapshot().filter_traces(arrays)
    finally:
        if not running:
            tracemalloc.stop()
    return max(0, sum(t.size for t in after.traces) - sum(t.size for t in before.traces))


def _pool_growth(step: Call, device: str) -> int:
    provider = accelerator_for(device)
    with provider.scope(device):
        pool = provider.xp.get_default_memory_pool()
        provider.synchronize(device)
        pool.free_all_blocks()
        before = pool.total_bytes()
        step()
        provider.synchronize(device)
        return int(pool.total_bytes() - before)


def free_bytes(device: str) -> int:
    """Memory that is free, as far as the system says; physical memory where it does not."""
    if device != "cpu":
        return _free_on(device)
    try:
        found = re.search(r"MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text("ascii"))
    except OSError:  # no Linux
        found = None
    if found:
        return int(found[1]) << 10
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 1 << 62


def _free_on(device: str) -> int:
    provider = accelerator_for(device)
    with provider.scope(device):
        runtime: Any = getattr(getattr(provider.xp, "cuda", None), "runtime", None)
        ask = getattr(runtime, "memGetInfo", None)
        if ask is None:
            return 1 << 62
        return int(ask()[0]) + int(provider.xp.get_default_memory_pool().free_bytes())


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out: MemoryError (CuPy's is one), or another library's of that name."""
    return isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__
