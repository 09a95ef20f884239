"""What cannot be repeated is refused, says why, and runs as it is, with the results and state of the step itself."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from graph_steps import Gpu, Training, batch, classifier, one
from on_device import host

import minigrad as mg
from minigrad import data, optim
from minigrad.errors import CaptureError, CaptureWarning
from minigrad.nn import functional as F

CPU = Gpu("cpu", None, None)
MASK = np.array([1.0, 0.0, 1.0], np.float32)


def tensors(number: int, rows: int = 16) -> tuple[mg.Tensor, mg.Tensor]:
    x, y = batch(number, rows)
    return mg.tensor(x), mg.tensor(y)


def usual(training: Training, x: Any, y: Any, change: Callable[[Any], Any] = lambda loss: loss) -> Any:
    training.optimizers[0].zero_grad()
    loss = change(F.cross_entropy(training.model(x), y))
    loss.backward()
    training.optimizers[0].step()
    return loss


def branch(training: Training, x: Any, y: Any) -> Any:
    return usual(training, x, y, lambda loss: loss * 2 if loss > 1 else loss)


def read(training: Training, x: Any, y: Any) -> Any:
    return usual(training, x, y, lambda loss: loss * float(loss.detach()))


def item(training: Training, x: Any, y: Any) -> Any:
    return usual(training, x, y, lambda loss: loss * loss.item())


def to_numpy(training: Training, x: Any, y: Any) -> Any:
    return usual(training, x * np.asarray(x.detach()).mean(), y)


def chosen(training: Training, x: Any, y: Any) -> Any:
    rows = y > 0
    return usual(training, x[rows], y[rows])


def outside(training: Training, x: Any, y: Any) -> Any:
    return usual(training, x, y, lambda loss: loss + (training.model(x) * MASK).sum())


def fresh_weights(training: Training, x: Any, y: Any) -> Any:
    noise = mg.nn.init.normal_(mg.tensor(np.zeros(x.shape, np.float32)))
    return usual(training, x + noise * 0, y)


def schedule(training: Training, x: Any, y: Any) -> Any:
    loss = usual(training, x, y)
    optim.schedulers.StepLR(training.optimizers[0], 1).step()
    return loss


def twice(training: Training, x: Any, y: Any) -> Any:
    usual(training, x, y)
    return usual(training, x, y)


def into_the_argument(training: Training, x: Any, y: Any) -> Any:
    loss = usual(training, x, y)
    with mg.no_grad():
        x += 0.0
    return loss


COUNTER = itertools.count(1)


def counting(training: Training, x: Any, y: Any) -> Any:
    return usual(training, x, y, lambda loss: loss * next(COUNTER))


RNG = np.random.default_rng(0)


def own_noise(training: Training, x: Any, y: Any) -> Any:
    return usual(training, x + mg.tensor(RNG.normal(size=x.shape).astype(np.float32)), y)


HIDDEN = np.ones(3, np.float32)


def unseen_memory(training: Training, x: Any, y: Any) -> Any:
    HIDDEN[:] *= 1.5
    return usual(training, x, y, lambda loss: loss * float(HIDDEN.sum()))


LOADER = data.DataLoader(batch(0), 8)


def from_a_loader(training: Training, x: Any, y: Any) -> Any:
    for rows, labels in LOADER:
        return usual(training, rows, labels)
    return None


def raises(training: Training, x: Any, y: Any) -> Any:
    return usual(training, x, y)


REFUSED: dict[str, tuple[Callable[..., Any], str]] = {
    "a branch on a value": (branch, r"bool\(\), .* of an array of the recorded step .*mg\.where"),
    "float": (read, r"float\(\), .* of an array of the recorded step"),
    "item": (item, r"item\(\) .* of an array of the recorded step"),
    "np.asarray": (to_numpy, r"np\.asarray\(\) of an array of the recorded step"),
    "a boolean index": (chosen, "boolean index .* the shape of the result would differ"),
    "an array from outside": (outside, r"an array of shape \(3,\), float32 enters the recorded step .* constants="),
    "the library's random numbers": (fresh_weights, "cannot draw from the stream 'init'"),
    "a schedule": (schedule, r"scheduler\.step\(\) belongs after the recorded step"),
    "two updates": (twice, r"Adam\.step\(\) is called 2 times in it: one is due"),
    "its argument": (into_the_argument, r"writes into its argument of shape \(16, 6\)"),
    "a number that changes": (counting, "its replay is not what it computes .* Python number"),
    "other random numbers": (own_noise, "its replay is not what it computes .* random numbers of its own"),
    "memory that no Tensor holds": (unseen_memory, "its replay is not what it computes"),
    "a loader": (from_a_loader, "a DataLoader cannot be read inside a recorded step"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_it_says_why_once_and_goes_on(name: str) -> None:
    function, message = REFUSED[name]
    training = classifier(CPU, one(optim.Adam, lr=0.01))

    def step(x: Any, y: Any) -> Any:
        return function(training, x, y)

    captured = mg.capture(step, executor="numpy")
    with pytest.warns(CaptureWarning, match="step runs eagerly, for it cannot be captured: .*" + message):
        captured(*tensors(0))
    assert captured.replays == []
    assert len(captured.refusals) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error", CaptureWarning)
        captured(*tensors(1))


@pytest.mark.parametrize("name", ["a branch on a value", "item", "an array from outside", "two updates"])
def test_a_refused_step_computes_what_it_did_before(name: str) -> None:
    """What was recorded until the refusal is undone."""
    function, _ = REFUSED[name]
    eager, captured = (classifier(CPU, one(optim.Adam, lr=0.01), dropout=0.3) for _ in range(2))
    step = mg.capture(lambda x, y: function(captured, x, y), executor="numpy")
    found = []
    for run in (lambda x, y: function(eager, x, y), step):
        mg.manual_seed(5)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", CaptureWarning)
            found.append([host(run(*tensors(number))) for number in range(3)])
    assert np.array_equal(*found)
    assert all(np.array_equal(a, b) for a, b in zip(eager.values(), captured.values(), strict=True))


def test_a_declared_constant_may_enter() -> None:
    training = classifier(CPU, one(optim.Adam, lr=0.01))
    step = mg.capture(lambda x, y: outside(training, x, y), constants=[MASK], executor="numpy")
    eager = classifier(CPU, one(optim.Adam, lr=0.01))
    for number in range(3):
        assert np.array_equal(host(step(*tensors(number))), host(outside(eager, *tensors(number))))
    assert step.refusals == {}


def test_a_constant_is_not_written_to() -> None:
    table = mg.tensor(np.zeros(3, np.float32))

    def step(x: Any) -> Any:
        with mg.no_grad():
            table[...] = x
        return x

    with pytest.warns(CaptureWarning, match="declared constant"):
        mg.capture(step, constants=[table], executor="numpy")(mg.tensor([1.0, 2.0, 3.0]))
    assert host(table).tolist() == [1.0, 2.0, 3.0]


def test_arguments_that_no_signature_tells_apart() -> None:
    class Batch:
        __hash__ = None  # type: ignore[assignment]
        x = mg.tensor([1.0, 2.0])

    step = mg.capture(lambda batch: batch.x * 2, executor="numpy")
    with pytest.warns(CaptureWarning, match="argument.* of a captured step is a Batch: arrays, Tensors, numbers"):
        assert host(step(Batch())).tolist() == [2.0, 4.0]


def test_an_argument_that_collects_a_gradient() -> None:
    def step(x: Any) -> Any:
        (x * x).sum().backward()
        return x.grad

    x = mg.tensor([1.0, 2.0], requires_grad=True)
    with pytest.warns(CaptureWarning, match="an argument requires a gradient"):
        assert host(mg.capture(step, executor="numpy")(x)).tolist() == [2.0, 4.0]


def test_a_recording_inside_another() -> None:
    inner = mg.capture(lambda x: x * 2, executor="numpy")
    with pytest.warns(CaptureWarning, match="cannot run inside another one"):
        mg.capture(lambda x: inner(x) + 1, executor="numpy")(mg.tensor([1.0]))


def test_an_array_of_a_recording_that_has_ended() -> None:
    kept: list[Any] = []

    def step(x: mg.Tensor) -> mg.Tensor:
        y = x * 2
        kept.extend([y, (y * 3).data])
        return y

    mg.capture(step, executor="numpy")(mg.tensor([1.0]))
    assert float(kept[0].item()) == 2.0  # a Tensor is an ordinary one again
    with pytest.raises(CaptureError, match="belongs to a recording that has ended"):
        kept[1] + 1


def test_nonfinite_on_the_cpu() -> None:
    for how in ("raise", "skip"):
        training = classifier(CPU, one(optim.Adam, lr=0.01, nonfinite=how))
        with pytest.warns(CaptureWarning, match=f"nonfinite='{how}' decides on the host"):
            mg.capture(training.step, executor="numpy")(*tensors(0))


def test_a_step_that_begins_in_another_way_each_time() -> None:
    """Recordings that nothing uses again are no use."""
    weights = [mg.tensor(np.ones(3, np.float32), requires_grad=True) for _ in range(12)]

    def step(x: Any) -> Any:
        loss = sum(((w * x).sum() for w in weights), mg.tensor(0.0))
        loss.backward()
        return loss

    captured = mg.capture(step, executor="numpy")
    x = mg.tensor(np.arange(3, dtype=np.float32))
    step(x)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for w in weights:
            w.grad = None
            captured(x)
    assert [str(t.message) for t in told if "recorded 9 times" in str(t.message)]
    assert len(told) == 1
    assert captured.replays == []
    assert [int(w.grad.data[1]) for w in weights] == list(range(12, 0, -1))
