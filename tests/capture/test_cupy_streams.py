"""CupyProvider's part in graphs, line by line, against a module that notes what CuPy would be asked."""

from __future__ import annotations

import sys
from contextlib import contextmanager, nullcontext
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from minigrad.backend.device import CupyProvider


class Cupy:
    """The part of CuPy that is touched; each answer names the device that was current."""

    ndarray = np.ndarray

    def __init__(self) -> None:
        self.current = 0
        self.cuda = SimpleNamespace(
            Device=self.device,
            get_current_stream=lambda index: ("current", index),
            Stream=lambda non_blocking: ("stream", non_blocking, self.current),
            Event=lambda disable_timing: ("event", disable_timing, self.current),
            MemoryPool=lambda: "pool",
            using_allocator=lambda malloc: nullcontext(malloc),
        )

    @contextmanager
    def device(self, index: int) -> Any:
        before, self.current = self.current, index
        yield
        self.current = before


def test_streams_events_and_pools() -> None:
    provider = CupyProvider(Cupy())
    assert provider.current_stream("cuda:1") == ("current", 1)
    assert provider.side_stream("cuda:1") == ("stream", True, 1)
    assert provider.event("cuda:1") == ("event", True, 1)
    assert provider.memory_pool() == "pool"
    with provider.allocating(len) as malloc:
        assert malloc is len
    assert provider.xp.current == 0


def test_page_locked_memory_comes_from_cupyx(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("cupyx")
    module.empty_pinned = np.empty  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cupyx", module)
    made = CupyProvider(Cupy()).pinned((2, 3), np.int64)
    assert (made.shape, made.dtype) == ((2, 3), np.int64)
