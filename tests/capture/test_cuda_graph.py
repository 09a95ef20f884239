"""A step replayed from a CUDA graph is the eager one, bit for bit, and one launch."""

from __future__ import annotations

from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
from graph_steps import EAGER, TRAININGS, Gpu, Graphed, batch, classifier, plus_one, settled
from neighbours import StandIn
from strict_provider import StrictProvider, install

import minigrad as mg
from minigrad import optim
from minigrad.backend import random
from minigrad.capture.cuda_graph import GraphStep
from minigrad.optim.fused_update import AHEAD

pytestmark = pytest.mark.gxx  # minigrad's kernels run as C++ here

BIG = (784, 256, 128, 10)


def equal(found: Any, due: Any) -> None:
    """The same arrays, bit for bit."""
    for a, b in zip(found, due, strict=True):
        np.testing.assert_array_equal(a, b)


def run(gpu: Gpu, name: str, graphed: bool, steps: int = 9) -> tuple[list[np.ndarray], list[np.ndarray], Any]:
    """Steps of new batches with the rate changed on the way: results of each, what is left, and the generators."""
    graphs = settled(gpu, name)
    training = graphs.training
    results = []
    for number in range(100, 100 + steps):
        if number % 4 == 3:
            for o in training.optimizers:
                o.param_groups[0]["lr"] *= 0.7
        results += (graphs if graphed else training.eager)(*(gpu.put(a) for a in batch(number)))
    assert len(graphs.graphs) == (training.optimizers[0].accumulate if graphed else 0)
    return results, training.values(), random.get_state()


@pytest.mark.parametrize("name", TRAININGS)
def test_replays_are_the_eager_steps(gpu: Gpu, name: str) -> None:
    (results, left, generators), (others, theirs, due) = (run(gpu, name, graphed) for graphed in (True, False))
    equal(results, others)
    equal(left, theirs)
    assert generators == due
    assert not np.array_equal(results[1], results[-1])


def test_the_rows_of_an_optimizer_run_out_and_are_filled_again(gpu: Gpu) -> None:
    found = [run(gpu, "adam", graphed, AHEAD + 9)[1] for graphed in (True, False)]
    equal(*found)


def test_steps_that_the_device_skips(gpu: Gpu) -> None:
    """The host has counted them: the device goes back by as many rows."""
    found = []
    for graphed in (True, False):
        graphs = settled(gpu, "skip")
        for number in range(12):
            x, y = batch(number)
            x *= np.float32(np.inf if number in (3, 4, 8) else 1)
            (graphs if graphed else graphs.training.eager)(gpu.put(x), gpu.put(y))
        found.append(graphs.training.values())
        assert graphs.training.optimizers[0].skipped == 3
        assert np.isfinite(found[-1][0]).all()
    equal(*found)


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_the_big_network_replays_bitwise(gpu: Gpu, dropout: float) -> None:
    found = []
    for graphed in (True, False):
        training = classifier(gpu, lambda m: [optim.Adam(m.parameters())], BIG, dropout=dropout)
        graphs = Graphed(training, gpu.device)
        losses = []
        for number in range(EAGER + 4):
            step = graphs if graphed and number >= EAGER else training.eager
            losses.append(step(*(gpu.put(a) for a in batch(number, 8, 784, 10)))[0])
            training.optimizers[0].param_groups[0]["lr"] *= 0.9
        found.append([*losses, *training.values()])
    equal(*found)


@pytest.mark.parametrize("name", TRAININGS)
def test_a_replay_is_one_launch_and_waits_for_nothing(strict: StrictProvider, name: str) -> None:
    strict.machine.own_gemm = strict.machine.warm_pool_only = True
    gpu = Gpu("cuda:0", strict, strict.machine)
    graphs = settled(gpu, name)
    x, y = (gpu.put(a) for a in batch(0))
    for _ in range(2 * graphs.training.optimizers[0].accumulate):  # the first replay after a capture uploads
        graphs.launch(x, y)
    strict.machine.reset()
    with strict.machine.no_sync():
        graphs.launch(x, y)
    tally = strict.machine.tally
    assert tally.launches == {"graph": 1, "copy": 2}  # of the batch
    assert (tally.syncs, tally.allocations.count, tally.to_device.count, tally.to_host.count) == ([], 0, 0, 0)
    assert all(step._graph.is_uploaded for step in graphs.graphs.values())


def test_the_gather_of_a_batch_may_be_part_of_the_step(gpu: Gpu) -> None:
    """Then a step needs the numbers of its rows alone, and they may come from the host."""
    table, labels = batch(0, 100)
    order = np.random.default_rng(1).permutation(100)
    found = []
    for graphed in (True, False):
        graphs = settled(gpu, "adam")
        training, plain = graphs.training, graphs.training.step
        x, y = (mg.tensor(a, device=gpu.device) for a in (table, labels))
        training.step = lambda rows, x=x, y=y, plain=plain: plain(x[rows.data], y[rows.data])
        for first in range(0, 96, 16):
            rows = order[first : first + 16]
            graphs(rows) if graphed else training.eager(gpu.put(rows))
        found.append(training.values())
    equal(*found)


def mask_step(gpu: Gpu, *sizes: int) -> GraphStep:
    """Draws masks, on a device."""

    def masks(x: Any) -> list[Any]:
        return [random.keep_mask((n,), 0.5, gpu.device) & x for n in sizes]

    return GraphStep(masks, [gpu.put(np.True_)], gpu.device, lambda: None, list)


def masks_of(gpu: Gpu, graphed: bool) -> list[np.ndarray]:
    """Masks drawn in two kinds of steps, between them, and under another seed; where the generator stands then."""
    mg.manual_seed(3)
    random.keep_mask((5,), 0.5, gpu.device)
    kinds = [(30, 9), (100,)]
    steps = [mask_step(gpu, *sizes) for sizes in kinds] if graphed else []
    drawn: list[np.ndarray] = []

    def draw(kind: int) -> None:
        if graphed:
            drawn.extend(gpu.provider.to_host(a) for a in steps[kind].replay([gpu.put(np.True_)]))
        else:
            drawn.extend(random.keep_mask((n,), 0.5, "cpu") for n in kinds[kind])

    draw(0)
    draw(0)
    draw(1)
    drawn.append(gpu.provider.to_host(random.keep_mask((11,), 0.5, gpu.device)))
    draw(0)
    mg.manual_seed(4)
    draw(1)
    draw(0)
    return [*drawn, np.array(random.get_state()["streams"]["dropout"]["state"]["counter"])]


def test_masks_go_on_where_the_host_stands(gpu: Gpu) -> None:
    found = masks_of(gpu, True)
    equal(found, masks_of(gpu, False))
    assert not np.array_equal(found[0], found[2])


def test_a_graph_on_the_second_device(strict: StrictProvider) -> None:
    strict.machine.own_gemm = True
    found = []
    for graphed in (True, False):
        gpu = Gpu("cuda:1", strict, strict.machine)
        graphs = settled(gpu, "dropout")
        for number in range(5):
            (graphs if graphed else graphs.training.eager)(*(gpu.put(a) for a in batch(number)))
        found.append(graphs.training.values())
        assert all(step._side.stream.device_id == 1 for step in graphs.graphs.values())
    equal(*found)
    assert strict.machine.current == 0


def test_products_by_cublas_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    library = StandIn(tmp_path)
    provider = install(monkeypatch, StrictProvider(cublas=library.path))
    gpu = Gpu("cuda:0", provider, provider.machine)
    found = []
    for graphed in (True, False):
        graphs = settled(gpu, "adam")
        for number in range(5):
            (graphs if graphed else graphs.training.eager)(*(gpu.put(a) for a in batch(number)))
        found.append(graphs.training.values())
    equal(*found)
    assert "matmul" not in provider.machine.tally.launches
    assert library.calls().count("create") == 2  # the default stream, and the one of all graphs
    assert all(e.workspace_bytes for e in library.events() if e.name == "gemm")


# --- streams ----------------------------------------------------------------------------------------------------------


class Logged:
    """A stream whose calls are noted."""

    def __init__(self, name: str, stream: Any, log: list[tuple[str, str]]) -> None:
        self.name, self.stream, self.log = name, stream, log

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def __enter__(self) -> Any:
        return self.stream.__enter__()

    def __exit__(self, *error: Any) -> None:
        self.stream.__exit__(*error)

    def record(self, event: Any) -> Any:
        self.log.append((self.name, "record"))
        return self.stream.record(event)

    def wait_event(self, event: Any) -> None:
        self.log.append((self.name, "wait"))
        self.stream.wait_event(event)


def test_a_replay_waits_for_the_current_stream_and_is_waited_for(gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    step = plus_one(gpu)
    log: list[tuple[str, str]] = []
    side, own, graph = step._side.stream, gpu.provider.current_stream, step._graph
    assert side.is_non_blocking
    assert side != own(gpu.device)

    class Graph:
        def launch(self, stream: Any) -> None:
            log.append((stream.name, "launch"))
            graph.launch(side)

    monkeypatch.setattr(step._side, "stream", Logged("side", side, log))
    monkeypatch.setattr(gpu.provider, "current_stream", lambda device: Logged("current", own(device), log))
    monkeypatch.setattr(step, "_graph", Graph())
    found = step.replay([gpu.put(np.full(3, 4.0))])
    due = [("current", "record"), ("side", "wait"), ("side", "launch"), ("side", "record"), ("current", "wait")]
    assert log == due
    assert gpu.provider.to_host(found[0]).tolist() == [5.0] * 3


def test_all_graphs_of_a_device_share_one_stream(gpu: Gpu) -> None:
    """So what kernels and cuBLAS keep for a stream is made once, and two graphs never use it at a time."""
    a, b = plus_one(gpu), plus_one(gpu)
    assert a._side is b._side
    assert [gpu.provider.to_host(s.replay([gpu.put(np.zeros(3))])[0])[0] for s in (a, b)] == [1.0, 1.0]


def test_no_other_thread_launches_into_a_recording(gpu: Gpu) -> None:
    side, free = plus_one(gpu)._side, []

    def step(x: Any) -> list[Any]:
        other = Thread(target=lambda: free.append(side.lock.acquire(blocking=False)))
        other.start()
        other.join()
        return [x + 1]

    GraphStep(step, [gpu.put(np.ones(3))], gpu.device, lambda: None, list)
    assert free == [False] * len(free) != []
    assert side.lock.acquire(blocking=False)
    side.lock.release()
