"""Streams, captures and graphs of the strict device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from strict_device import StrictDevice
from strict_provider import StrictProvider

ONES = np.ones((2, 3), np.float32)


@pytest.fixture
def provider() -> StrictProvider:
    return StrictProvider()


@pytest.fixture
def xp(provider: StrictProvider) -> Any:
    return provider.xp


@pytest.fixture
def machine(provider: StrictProvider) -> StrictDevice:
    return provider.machine


def test_streams(xp: Any, machine: StrictDevice, provider: StrictProvider) -> None:
    assert xp.cuda.get_current_stream().ptr == provider.stream("cuda:0") == 0
    side = xp.cuda.Stream(non_blocking=True)
    with side:
        assert xp.cuda.get_current_stream() == side
        assert provider.stream("cuda:0") == side.ptr != 0
        assert provider.stream("cuda:1") == 0
        event = side.record()
    assert xp.cuda.get_current_stream() == xp.cuda.Stream(null=True)
    xp.cuda.get_current_stream().wait_event(event)
    with pytest.raises(RuntimeError, match="never recorded"):
        side.wait_event(xp.cuda.Event())
    event.synchronize()
    side.synchronize()
    provider.synchronize("cuda:0")
    assert machine.tally.syncs == ["event synchronize", "stream synchronize", "device synchronize"]
    with xp.cuda.Device(1), pytest.raises(RuntimeError, match="does not match with the current device"), side:
        pass


def test_a_graph_replays_what_was_captured(xp: Any, machine: StrictDevice) -> None:
    x, total = xp.asarray(ONES), xp.zeros((2, 3), np.float32)
    at, table = xp.asarray(np.array([0, 0, 1])), xp.zeros(2, np.float32)
    pool, stream = xp.cuda.MemoryPool(), xp.cuda.Stream(non_blocking=True)
    with stream, xp.cuda.using_allocator(pool.malloc):
        stream.begin_capture()
        assert stream.is_capturing()
        with machine.counting() as tally:
            y = xp.exp(x * 2)
            total += y
            total[0, 0] = 5.0
            table[at] = y[0]
            xp.add.at(table, at, y[1])
            parts = xp.split(y, 2, axis=0)
        graph = stream.end_capture()
    assert tally.launches == {}
    assert graph.names == ("multiply", "exp", "add", "fill", "setitem", "add.at")
    assert np.isnan(y.get()).all()  # nothing has run yet
    assert not total.get().any()
    assert not table.get().any()
    machine.reset()
    for factor in (0.5, 1.0):
        x.set(ONES * np.float32(factor))
        graph.launch()
    e = np.exp(np.float32(2.0))
    np.testing.assert_allclose(y.get(), np.full((2, 3), e), rtol=1e-6)
    np.testing.assert_allclose(parts[1].get(), np.full((1, 3), e), rtol=1e-6)
    np.testing.assert_allclose(total.get()[1], np.full(3, e + np.exp(np.float32(1.0))), rtol=1e-6)
    assert total.get()[0, 0] == 5.0
    np.testing.assert_allclose(table.get(), [3 * e, 2 * e], rtol=1e-6)
    assert machine.tally.launches == {"graph": 2}


def test_a_graph_does_not_keep_its_memory(xp: Any) -> None:
    stream = xp.cuda.Stream(non_blocking=True)

    def capture() -> tuple[Any, Any]:
        x = xp.zeros(3)
        with stream:
            stream.begin_capture()
            y = x + 1
            return y * 2, stream.end_capture()

    kept, graph = capture()
    with pytest.raises(RuntimeError, match="memory that was given back"):
        graph.launch()
    pool = xp.cuda.MemoryPool()
    with xp.cuda.using_allocator(pool.malloc):
        kept, graph = capture()
    graph.launch()
    assert kept.get().tolist() == [2.0] * 3
    del pool, kept
    with pytest.raises(RuntimeError, match="memory that was given back"):
        graph.launch()


def test_a_capture_that_is_broken_says_so_at_its_end(xp: Any, machine: StrictDevice) -> None:
    stream, x = xp.cuda.Stream(non_blocking=True), xp.zeros(3)
    breaks = {
        "synchronize": stream.synchronize,
        "done": lambda: stream.done,
        "the device was synchronised": lambda: machine.synchronize(0),
    }
    for name, work in breaks.items():
        with stream:
            stream.begin_capture()
            x += 1
            with pytest.raises(RuntimeError, match="cudaErrorStreamCaptureUnsupported"):
                work()
            with pytest.raises(RuntimeError, match=f"cudaErrorStreamCaptureInvalidated.*{name}"):
                stream.end_capture()
        assert not x.get().any()
        assert not stream.is_capturing()


def test_the_null_stream_is_off_limits_beside_a_blocking_capture(xp: Any) -> None:
    x = xp.zeros(3)
    with pytest.raises(RuntimeError, match="default"):
        xp.cuda.Stream(null=True).begin_capture()
    for blocking in (True, False):
        stream = xp.cuda.Stream(non_blocking=not blocking)
        stream.begin_capture()
        if blocking:
            with pytest.raises(RuntimeError, match="cudaErrorStreamCaptureImplicit"):
                x + 1
            with pytest.raises(RuntimeError, match="Invalidated"):
                stream.end_capture()
        else:
            assert (x + 1).get().tolist() == [1.0] * 3
            stream.end_capture()


def test_a_capture_may_be_held_to_a_warm_pool(xp: Any, machine: StrictDevice) -> None:
    pool, stream = xp.cuda.MemoryPool(), xp.cuda.Stream(non_blocking=True)
    x = xp.zeros(300)
    machine.warm_pool_only = True
    for warm in (False, True):
        with stream, xp.cuda.using_allocator(pool.malloc):
            if warm:
                x * 2 + 1
            stream.begin_capture()
            if warm:
                y = x * 2 + 1
            else:
                with pytest.raises(RuntimeError, match="asks for 2,560 bytes more than the pool holds"):
                    x * 2 + 1
            graph = stream.end_capture()
    graph.launch()
    assert y.get().tolist() == [1.0] * 300
