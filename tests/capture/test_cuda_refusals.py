"""What a graph cannot repeat is refused by name, and leaves nothing behind."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from graph_steps import Gpu, batch, plus_one, settled
from strict_provider import StrictProvider

import minigrad as mg
from minigrad import optim
from minigrad.backend import random, recording
from minigrad.capture.cuda_graph import GraphStep
from minigrad.capture.cuda_refusals import refusal
from minigrad.errors import CaptureError, ShapeError

pytestmark = pytest.mark.gxx  # minigrad's kernels run as C++ here

Look = Callable[[Gpu, Any, Any], Any]
"""What a step does with its loss and the raw array of it, on a device."""

LOOKS: dict[str, tuple[Look, str]] = {
    "item": (lambda gpu, loss, raw: loss.item(), "loss.item"),
    "float": (lambda gpu, loss, raw: float(loss.detach()), "float"),
    "bool": (lambda gpu, loss, raw: bool(loss > 0), "bool"),
    "numpy": (lambda gpu, loss, raw: np.asarray(loss.detach().cpu()), "np.asarray"),
    "str": (lambda gpu, loss, raw: str(loss), "str"),
    "get": (lambda gpu, loss, raw: raw.get(), "raw.get"),
    "a mask": (lambda gpu, loss, raw: raw.reshape(1)[raw.reshape(1) > 0], "raw.reshape"),
    "from the host": (lambda gpu, loss, raw: gpu.provider.xp.asarray(np.ones(3)), "xp.asarray"),
    "to the device": (lambda gpu, loss, raw: mg.tensor([1.0], device=gpu.device), "mg.tensor"),
    "set": (lambda gpu, loss, raw: raw.set(np.ones((), np.float32)), "raw.set"),
    "waiting": (lambda gpu, loss, raw: gpu.provider.current_stream(gpu.device).synchronize(), "synchronize"),
    "a product of the library's": (lambda gpu, loss, raw: gpu.provider.xp.linalg.inv(raw.reshape(1, 1)), "linalg.inv"),
}


def is_recording(gpu: Gpu) -> bool:
    with gpu.provider.scope(gpu.device):
        streams = [gpu.provider.current_stream(gpu.device), plus_one(gpu)._side.stream]
        return any(stream.is_capturing() for stream in streams)


@pytest.mark.parametrize("name", LOOKS)
def test_a_look_at_a_value_is_refused_by_its_line(gpu: Gpu, name: str) -> None:
    look, words = LOOKS[name]
    graphs = settled(gpu, "dropout")
    plain, training = graphs.training.step, graphs.training

    def step(x: Any, y: Any) -> Any:
        loss, out = plain(x, y)
        look(gpu, loss, loss.data)
        return [loss, out]

    training.step = step
    x, y = (gpu.put(a) for a in batch(0))
    training.eager(x, y)  # eagerly that is fine
    before, generators = training.values(), random.get_state()
    with pytest.raises(CaptureError) as caught:
        graphs.capture(x, y)
    message = str(caught.value)
    assert "test_cuda_refusals.py, line" in message
    assert words in message.split("Return what is to be looked at")[0]
    assert "nothing may be read back" in message
    assert not is_recording(gpu)
    assert recording.seam.watcher is None
    assert gc.isenabled()
    for ours, due in zip(training.values(), before, strict=True):
        np.testing.assert_array_equal(ours, due)
    assert random.get_state() == generators
    training.step = plain
    graphs.launch(x, y)  # and the next capture works


def test_an_error_of_a_capture_names_the_innermost_line_of_the_user(gpu: Gpu) -> None:
    class Layer(mg.nn.Module):
        def forward(self, x: Any) -> Any:
            self.mean = x.mean().item()  # here
            return x - self.mean

    layer = Layer()

    def step(x: Any) -> list[Any]:
        return [layer(mg.tensor(x)).data]

    with pytest.raises(CaptureError, match=r"line \d+, in forward: 'self.mean = x.mean\(\).item\(\)  # here'"):
        GraphStep(step, [gpu.put(np.ones(3))], gpu.device, lambda: None, list)


def test_a_recording_that_was_broken_off_says_so(gpu: Gpu) -> None:
    def step(x: Any) -> list[Any]:
        stream = gpu.provider.current_stream(gpu.device)
        found = x + 1
        if stream.is_capturing():
            with pytest.raises(RuntimeError):
                stream.synchronize()  # the step hides it
        return [found]

    with pytest.raises(CaptureError, match="the recording was broken off by something in it"):
        GraphStep(step, [gpu.put(np.ones(3))], gpu.device, lambda: None, list)
    assert not is_recording(gpu)


@pytest.mark.parametrize("error", [KeyError("mine"), ShapeError("mine"), KeyboardInterrupt()], ids=repr)
@pytest.mark.parametrize("when", [1, 2, 4])
def test_other_errors_come_through_as_they_are(gpu: Gpu, error: BaseException, when: int) -> None:
    """In a warm-up run of either kind and in the recording; what the step wrote is put back."""
    total, runs = gpu.put(np.zeros(3)), []

    def step(x: Any) -> list[Any]:
        nonlocal total
        total += x
        runs.append(1)
        if len(runs) == when:
            raise error
        return [x + 1]

    with pytest.raises(type(error)) as caught:
        GraphStep(step, [gpu.put(np.ones(3))], gpu.device, lambda: None, lambda: [total])
    assert caught.value is error
    assert len(runs) == when
    assert not is_recording(gpu)
    assert gpu.provider.to_host(total).tolist() == [0.0] * 3


def test_a_schedule_inside_a_step_is_refused_before_it_moves(gpu: Gpu) -> None:
    graphs = settled(gpu, "adam")
    plain = graphs.training.step
    schedule = optim.schedulers.StepLR(graphs.training.optimizers[0], 1)

    def step(x: Any, y: Any) -> Any:
        found = plain(x, y)
        schedule.step()
        return found

    graphs.training.step = step
    rate = graphs.training.optimizers[0].param_groups[0]["lr"]
    with pytest.raises(CaptureError, match="belongs after the recorded step"):
        graphs.capture(*(gpu.put(a) for a in batch(0)))
    assert graphs.training.optimizers[0].param_groups[0]["lr"] == rate


def test_numbers_of_the_host_are_no_results(gpu: Gpu) -> None:
    for value, kind in ((1.5, "float"), (np.ones(2), "ndarray")):
        with pytest.raises(CaptureError, match=f"result 1 of the step is no array on cuda:0 but {kind}"):
            GraphStep(lambda x, v=value: [x + 1, v], [gpu.put(np.ones(3))], gpu.device, lambda: None, list)
        assert not is_recording(gpu)


def test_state_that_the_first_step_makes(gpu: Gpu) -> None:
    made: list[Any] = []

    def step(x: Any) -> list[Any]:
        if not made:
            made.append(x * 0)
        made[0] += x
        return [x + 1]

    with pytest.raises(CaptureError, match=r"made 1 arrays of state when it ran \(one of shape \(3,\)\): run it once"):
        GraphStep(step, [gpu.put(np.ones(3))], gpu.device, lambda: None, lambda: made)
    assert GraphStep(step, [gpu.put(np.ones(3))], gpu.device, lambda: None, lambda: made).replay([np.ones(3)])


@pytest.mark.parametrize("what", ["a replay", "a capture"])
def test_a_graph_inside_of_a_recording_is_refused(gpu: Gpu, what: str) -> None:
    inner = plus_one(gpu)

    def step(x: Any) -> list[Any]:
        return [(inner.replay([x])[0] if what == "a replay" else plus_one(gpu).replay([x])[0]) * 2]

    with pytest.raises(CaptureError, match="cannot be part of another recording"):
        GraphStep(step, [gpu.put(np.ones(3))], gpu.device, lambda: None, list)
    assert not is_recording(gpu)
    assert gpu.provider.to_host(inner.replay([np.ones(3)])[0]).tolist() == [2.0] * 3


def test_where_no_line_of_the_user_is_to_blame(strict: StrictProvider) -> None:
    message = str(refusal(RuntimeError("synchronous API calls are disallowed"), strict))
    assert message.startswith("the step cannot be captured: in minigrad: synchronous API calls are disallowed; while")
