"""How a batch gets into a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from graph_steps import Gpu, batch, plus_one, settled
from strict_provider import StrictProvider

from minigrad.capture.cuda_graph import GraphStep
from minigrad.errors import CaptureError

pytestmark = pytest.mark.gxx  # minigrad's kernels run as C++ here


def test_host_arrays_go_through_page_locked_memory(gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[np.ndarray] = []
    pinned = gpu.provider.pinned

    def noted(*how: Any) -> np.ndarray:
        made.append(pinned(*how))
        return made[-1]

    monkeypatch.setattr(gpu.provider, "pinned", noted)
    results = []
    for put, copies in ((gpu.put, 0), (lambda a: a, 4)):  # two of the samples, two of the labels
        graphs = settled(gpu, "adam")
        results.append([graphs(*map(put, batch(number)))[0] for number in range(5)])
        assert len(made) == copies
    np.testing.assert_array_equal(*results)


def test_what_a_host_batch_costs(strict: StrictProvider) -> None:
    strict.machine.own_gemm = True
    graphs = settled(Gpu("cuda:0", strict, strict.machine), "adam")
    x, y = batch(0)
    for _ in range(2):
        graphs.launch(x, y)
    strict.machine.reset()
    with strict.machine.no_sync():
        graphs.launch(x[::-1], y)  # of any layout
    tally = strict.machine.tally
    assert tally.launches == {"graph": 1}
    assert (tally.to_device.count, tally.to_device.nbytes) == (2, x.nbytes + y.nbytes)
    assert tally.allocations.count == 0


class Busy:
    """An event that the device has not come to."""

    done = False

    def __init__(self) -> None:
        self.log: list[str] = []

    def synchronize(self) -> None:
        self.log.append("waited for")

    def record(self, stream: Any) -> None:
        self.log.append("recorded")


def test_the_host_does_not_overwrite_what_is_being_copied(gpu: Gpu, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is up to two steps ahead, and waits then."""
    step = plus_one(gpu)
    events = [Busy(), Busy()]
    left = list(events)
    monkeypatch.setattr(gpu.provider, "event", lambda device: left.pop(0))
    for number in range(4):
        found = step.replay([np.full(3, float(number))])
        assert gpu.provider.to_host(found[0]).tolist() == [number + 1.0] * 3
        assert sum(e.log.count("waited for") for e in events) == max(number - 1, 0)
    assert [e.log for e in events] == [["recorded", "waited for", "recorded"]] * 2


def test_an_array_that_the_graph_reads_need_not_be_copied(strict: StrictProvider) -> None:
    step = plus_one(Gpu("cuda:0", strict, strict.machine))
    (x,) = step.inputs
    x[...] = 5
    strict.machine.reset()
    (found,) = step.replay([x])
    assert strict.machine.tally.launches == {"graph": 1}
    assert strict.to_host(found).tolist() == [6.0] * 3


def test_an_empty_input(gpu: Gpu) -> None:
    empty = np.zeros((0, 3))
    step = GraphStep(lambda x, y: [y + x.sum()], [empty, gpu.put(np.ones(2))], gpu.device, lambda: None, list)
    assert gpu.provider.to_host(step.replay([empty, np.ones(2)])[0]).tolist() == [1.0, 1.0]


WRONG = {
    "number": ([], "captured with 1 inputs, got 0"),
    "shape": ([np.ones(4)], r"input 0: the step was captured for float64 of shape \(3,\), got float64 of shape \(4,\)"),
    "dtype": ([np.ones(3, np.float32)], "got float32 of shape"),
}


@pytest.mark.parametrize(("inputs", "message"), WRONG.values(), ids=WRONG)
def test_other_inputs_are_refused(gpu: Gpu, inputs: list[np.ndarray], message: str) -> None:
    step = plus_one(gpu)
    with pytest.raises(CaptureError, match=message):
        step.replay(inputs)
    assert gpu.provider.to_host(step.replay([np.zeros(3)])[0]).tolist() == [1.0] * 3  # it still works


def test_an_input_of_another_device_is_refused(strict: StrictProvider) -> None:
    step = plus_one(Gpu("cuda:0", strict, strict.machine))
    with pytest.raises(CaptureError, match=r"input 0 lies on cuda:1, the step was captured on cuda:0: move it"):
        step.replay([strict.from_host(np.ones(3), "cuda:1")])
