"""A graph has memory of its own, and gives it back."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest
from graph_steps import Gpu, batch, plus_one, settled
from strict_provider import StrictProvider

from minigrad.capture.cuda_graph import WARM_UPS, GraphStep
from minigrad.errors import CaptureError

pytestmark = pytest.mark.gxx  # minigrad's kernels run as C++ here


@pytest.mark.parametrize("end", ["closed", "dropped", "outlived by its results"])
def test_a_graph_gives_its_memory_back(strict: StrictProvider, end: str) -> None:
    machine = strict.machine
    machine.own_gemm = True
    gpu = Gpu("cuda:0", strict, machine)
    graphs = settled(gpu, "dropout")
    x, y = (gpu.put(a) for a in batch(0))
    graphs.capture(x, y).close()  # what lives as long as the device is made now
    live, reserved = machine.live_bytes, machine.reserved[0]
    step = graphs.capture(x, y)
    results = step.replay([x, y])
    assert machine.live_bytes > live
    assert machine.reserved[0] > reserved
    before = [strict.to_host(a) for a in results]
    gone = weakref.ref(step)
    if end == "outlived by its results":
        del step
        np.testing.assert_array_equal(strict.to_host(results[0]), before[0])
        np.testing.assert_array_equal(strict.to_host(results[1]), before[1])
    elif end == "closed":
        step.close()
        step.close()
        with pytest.raises(CaptureError, match="was closed: capture it again"):
            step.replay([x, y])
        del step
    else:
        del step
    assert gone() is None  # at once: there are no cycles
    del results
    assert machine.live_bytes == live
    assert machine.reserved[0] == reserved


def test_many_captures_hold_no_more_than_one(strict: StrictProvider) -> None:
    strict.machine.own_gemm = True
    gpu = Gpu("cuda:0", strict, strict.machine)
    graphs = settled(gpu, "adam")
    x, y = (gpu.put(a) for a in batch(0))
    reserved = []
    for _ in range(4):
        graphs.graphs.clear()
        graphs.launch(x, y)
        reserved.append(strict.machine.reserved[0])
    assert reserved[1:] == [reserved[1]] * 3


def test_a_graph_dropped_during_a_recording_leaves_it_alone(gpu: Gpu) -> None:
    kept = [plus_one(gpu)]

    def step(x: Any) -> list[Any]:
        if gpu.provider.current_stream(gpu.device).is_capturing():
            kept.clear()
        return [x * 2]

    other = GraphStep(step, [gpu.put(np.ones(3))], gpu.device, lambda: None, list)
    assert kept == []
    assert gpu.provider.to_host(other.replay([np.ones(3)])[0]).tolist() == [2.0] * 3


def test_dropping_at_the_end_of_python_does_nothing(gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    step = plus_one(gpu)
    with monkeypatch.context() as patch:
        patch.setattr("sys.is_finalizing", lambda: True)
        step.__del__()
    assert gpu.provider.to_host(step.replay([np.zeros(3)])[0]).tolist() == [1.0] * 3
    step.__del__()
    with pytest.raises(CaptureError, match="was closed"):
        step.replay([np.zeros(3)])


@pytest.mark.parametrize("on", [True, False])
def test_the_collector_is_off_while_a_graph_is_made_and_then_as_before(gpu: Gpu, on: bool) -> None:
    seen = []

    def step(x: Any) -> list[Any]:
        seen.append(gc.isenabled())
        return [x + 1]

    if not on:
        gc.disable()
    try:
        GraphStep(step, [gpu.put(np.ones(3))], gpu.device, lambda: None, list)
        assert gc.isenabled() is on
    finally:
        gc.enable()
    assert seen == [False] * (WARM_UPS + 1)


def test_garbage_in_cycles_is_no_growth(gpu: Gpu) -> None:
    """What a step leaves to the collector is collected between the runs."""

    def step(x: Any) -> list[Any]:
        ring: list[Any] = [x * 2]
        ring.append(ring)
        return [ring[0] + 1]

    made = GraphStep(step, [gpu.put(np.ones(3))], gpu.device, lambda: None, list)
    assert gpu.provider.to_host(made.replay([np.ones(3)])[0]).tolist() == [3.0] * 3


def test_a_step_that_keeps_what_it_makes_is_refused(gpu: Gpu) -> None:
    kept = []

    def step(x: Any) -> list[Any]:
        kept.append(x + 1)
        return [x * 2]

    with pytest.raises(CaptureError, match=r"holds on to memory.* if it keeps results in a list, return them instead"):
        GraphStep(step, [gpu.put(np.ones(3))], gpu.device, lambda: None, list)


def test_memory_that_no_run_took_is_refused_by_name(gpu: Gpu) -> None:
    recording = lambda: gpu.provider.current_stream(gpu.device).is_capturing()

    def step(x: Any) -> list[Any]:
        if recording():
            return [gpu.provider.xp.concatenate([x] * 4)]  # more
        return [x + 1]

    with pytest.raises(CaptureError, match=r"return \[gpu.provider.xp.concatenate.*bytes are more than is left"):
        GraphStep(step, [gpu.put(np.ones(3000))], gpu.device, lambda: None, list)
    assert not recording()


def test_memory_of_another_pool_is_not_the_graphs(strict: StrictProvider) -> None:
    """Nobody keeps it for the graph: a device would run on with whoever has it by then, this one says so."""
    pools = [strict.memory_pool()]

    def step(x: Any) -> list[Any]:
        with strict.allocating(pools[0].malloc):
            between = x + 1
        return [between * 2]

    made = GraphStep(step, [strict.from_host(np.ones(3), "cuda:0")], "cuda:0", lambda: None, list)
    pools.pop().free_all_blocks()
    with pytest.raises(RuntimeError, match="memory that was given back"):
        made.replay([np.ones(3)])
