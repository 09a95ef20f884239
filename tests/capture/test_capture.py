"""mg.capture: what is replayed is the step itself, on every device."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from graph_steps import TRAININGS, Gpu, Training, batch, classifier, one, same, tensors
from on_device import host, put

import minigrad as mg
from minigrad import nn, optim
from minigrad.nn import functional as F


@pytest.mark.parametrize("name", TRAININGS)
def test_a_replay_is_the_step(place: Gpu, name: str) -> None:
    """Bit for bit: results, parameters, state, averages and buffers, over new batches and learning rates."""
    make, how = TRAININGS[name]
    how = dict(how)
    if place.device == "cpu" and name in ("skip", "everything"):
        make = one(optim.AdamW, lr=0.01, accumulate=2, max_norm=0.1, ema=0.9)
    found = []
    for captured in (False, True):
        training = classifier(place, make, **how)
        step = mg.capture(training.step, executor="numpy") if captured else training.step
        results = []
        for number in range(9):
            for o in training.optimizers:
                o.param_groups[0]["lr"] = 0.01 / (1 + number)
            results.append([host(t) for t in step(*tensors(place, number))])
        found.append((training, results))
        if captured:
            assert step.refusals == {}
            assert len(step.replays) == training.optimizers[0].accumulate
    for expected, results in zip(found[0][1], found[1][1], strict=True):
        assert all(np.array_equal(a, b) for a, b in zip(expected, results, strict=True))
    assert same(found[0][0], found[1][0])


def test_each_batch_size_has_its_own_recording(place: Gpu) -> None:
    eager, captured = (classifier(place, one(optim.Adam, lr=0.01)) for _ in range(2))
    step = mg.capture(captured.step, executor="numpy")
    for number, rows in enumerate((16, 16, 5, 16, 5, 16)):
        expected = host(eager.step(*tensors(place, number, rows))[0])
        assert np.array_equal(host(step(*tensors(place, number, rows))[0]), expected)
    assert len(step.replays) == 2
    assert same(eager, captured)
    step.clear()
    assert step.replays == []


def test_what_changes_between_steps_is_seen(place: Gpu) -> None:
    """Frozen parameters, options, hyper-parameters that choose a variant, weights written by hand, other gradients."""
    eager, captured = (classifier(place, one(optim.SGD, lr=0.1)) for _ in range(2))
    step = mg.capture(captured.step, executor="numpy")

    def change(training: Training, number: int) -> None:
        optimizer, first = training.optimizers[0], next(iter(training.model.parameters()))
        if number == 2:
            first.requires_grad = False
        if number == 4:
            first.requires_grad = True
        if number == 5:
            optimizer.param_groups[0]["momentum"] = 0.9
        if number == 7:
            optimizer.max_norm = 0.5
        if number == 9:
            first.data = put(np.ones(first.shape, np.float32), place.device)
        if number == 10:
            training.model.load_state_dict({k: t * 0.5 for k, t in training.model.state_dict().items()})

    for number in range(12):
        for training in (eager, captured):
            change(training, number)
        expected = host(eager.step(*tensors(place, number))[0])
        assert np.array_equal(host(step(*tensors(place, number))[0]), expected), number
    assert step.refusals == {}
    assert same(eager, captured)


def test_arguments_and_results_of_all_kinds(place: Gpu) -> None:
    def step(parts: dict[str, Any], factor: float, *, names: tuple[str, ...] = ()) -> Any:
        x = parts["x"] * factor
        return {"sum": x.sum(), "rows": [x, None], "names": names, "raw": (x * 2).data}

    captured = mg.capture(step, executor="numpy")
    for number in range(4):
        x = mg.tensor(put(batch(number)[0], place.device))
        found = captured({"x": x, "none": None}, 2.0, names=("a", "b"))
        expected = step({"x": x}, 2.0, names=("a", "b"))
        assert found["names"] == ("a", "b")
        assert found["rows"][1] is None
        assert isinstance(found["sum"], mg.Tensor)
        assert not isinstance(found["raw"], mg.Tensor)
        for a, b in ((found["sum"], expected["sum"]), (found["rows"][0], expected["rows"][0])):
            assert np.array_equal(host(a), host(b))
        assert np.array_equal(host(found["raw"]), host(expected["raw"]))
    assert len(captured.replays) == 1
    captured({"x": x, "none": None}, 3.0)
    assert len(captured.replays) == 2  # a number is part of the signature


def test_results_are_the_callers_unless_asked_otherwise(place: Gpu) -> None:
    def step(x: mg.Tensor) -> mg.Tensor:
        return (x * 2).sum()

    x, y = (mg.tensor(put(np.full(3, v, np.float32), place.device)) for v in (1.0, 2.0))
    for copies in (True, False):
        captured = mg.capture(step, executor="numpy", copies=copies)
        captured(x)
        first = captured(x)
        assert float(captured(y).item()) == 12.0
        assert float(first.item()) == (6.0 if copies else 12.0)


def test_as_a_decorator_it_keeps_the_name() -> None:
    @mg.capture
    def train_step(x: mg.Tensor) -> mg.Tensor:
        """Twice."""
        return x * 2

    @mg.capture(executor="numpy")
    def other(x: mg.Tensor) -> mg.Tensor:
        return x * 3

    assert (train_step.__name__, train_step.__doc__) == ("train_step", "Twice.")
    assert float(other(mg.tensor(2.0)).item()) == 6.0
    with pytest.raises(ValueError, match="executor must be one of 'auto', 'numpy', 'fast', got 'jit'"):
        mg.capture(train_step, executor="jit")


def test_a_mistake_in_an_argument_is_told_as_without_capture(place: Gpu) -> None:
    """Nothing is lost: the parameters stay as they were, and the next step is a replay again."""
    if place.device != "cpu":
        pytest.skip("labels are not checked on a device")
    training = classifier(place, one(optim.Adam, lr=0.01))
    step = mg.capture(training.step, executor="numpy")
    for number in range(2):
        step(*tensors(place, number))
    before = training.values()
    x, _ = tensors(place, 0)
    with pytest.raises(ValueError, match=r"labels\[0\] is 7, outside the classes 0\.\.2"):
        step(x, mg.tensor(np.full(16, 7)))
    assert all(np.array_equal(a, b) for a, b in zip(before, training.values(), strict=True))
    eager = classifier(place, one(optim.Adam, lr=0.01))
    for number in range(3):
        eager.step(*tensors(place, number))
    step(*tensors(place, 2))
    assert same(eager, training)


def test_an_error_of_the_step_while_it_is_recorded_changes_nothing(place: Gpu) -> None:
    training = classifier(place, one(optim.Adam, lr=0.01))
    for number in range(2):
        training.step(*tensors(place, number))
    before = training.values()

    def step(x: mg.Tensor, y: mg.Tensor) -> None:
        training.step(x, y)
        raise KeyError("mine")

    if place.device == "cpu":
        with pytest.raises(KeyError, match="mine"):
            mg.capture(step, executor="numpy")(*tensors(place, 3))
        assert all(np.array_equal(a, b) for a, b in zip(before, training.values(), strict=True))
    assert mg.tensor(1.0).data.dtype == np.float32  # the door is closed again


def test_memory_is_given_back() -> None:
    training = classifier(Gpu("cpu", None, None), one(optim.Adam, lr=0.01))
    step = mg.capture(training.step, executor="numpy")
    place = Gpu("cpu", None, None)
    step(*tensors(place, 0))
    kept = [weakref.ref(m) for m in step.replays[0].compiled.memory.values() if m.base is not None]
    assert kept
    step.clear()
    gc.collect()
    mine = [a for a in kept if a() is not None and not any(np.shares_memory(a(), m) for m in training.memory())]
    assert mine == []


def test_a_replay_allocates_nothing() -> None:
    """No array, that is: what Python makes and drops in a call is some hundred bytes."""
    place = Gpu("cpu", None, None)
    training = classifier(place, one(optim.Adam, lr=0.01), widths=(64, 128, 128, 3))
    step = mg.capture(training.step, executor="numpy", copies=False)
    x, y = np.random.default_rng(0).random((2048, 64), np.float32), np.arange(2048) % 3
    batch_ = mg.tensor(x), mg.tensor(y)
    for _ in range(3):
        step(*batch_)
    replay = step.replays[0]
    tracemalloc.start()
    replay.step([x, y])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < x.nbytes / 4  # NumPy casts through buffers of 8192 elements


def test_a_tape_free_step_of_many_kinds_of_calls() -> None:
    """Views, reductions, gathers, scatters, where, moments, in-place writes: on NumPy alone, through Tensors' data."""
    rng = np.random.default_rng(0)
    weight, velocity = (mg.tensor(rng.random((8, 5))) for _ in range(2))
    rows = np.arange(6)
    rows.flags.writeable = False

    def step(x: mg.Tensor, y: mg.Tensor) -> mg.Tensor:
        with mg.no_grad():
            normal = (x - mg.mean(x, axis=1, keepdims=True)) / (mg.var(x, axis=1, keepdims=True) + 1e-5)
            z = normal @ weight
            e = mg.exp(z - mg.max(z, axis=1, keepdims=True))
            d = e / mg.sum(e, axis=1, keepdims=True)
            loss = -mg.log(d[rows, y]).mean()
            d[rows, y] -= 1
            d = mg.where(d > 0, d, 2 * d)
            g = normal.T @ d
            g *= mg.minimum(1.0, 1 / mg.sqrt((g * g).sum()))
            velocity[...] = velocity * 0.9
            velocity[1:] += g[1:]
            weight.data = weight - 0.1 * velocity
            parts = mg.concatenate([mg.sort(d, axis=1)[:, ::-1], mg.cumsum(d, axis=1)], axis=1)
        return mg.stack([loss, parts.sum(), mg.ptp(parts), mg.median(x)])

    start = [host(weight), host(velocity)]
    batches = [(mg.tensor(rng.random((6, 8))), mg.tensor(rng.integers(0, 5, 6))) for _ in range(5)]
    expected = [host(step(*b)) for b in batches]
    after = [host(weight), host(velocity)]
    for t, value in zip((weight, velocity), start, strict=True):
        t.data = value
    captured = mg.capture(step, executor="numpy")
    found = [host(captured(*b)) for b in batches]
    assert captured.refusals == {}
    for a, b in zip([*expected, *after], [*found, host(weight), host(velocity)], strict=True):
        assert np.array_equal(a, b)


def test_a_model_without_an_optimizer(place: Gpu) -> None:
    """The update of the tutorials, written by hand under no_grad."""

    def make() -> tuple[nn.Module, Callable[..., mg.Tensor]]:
        mg.manual_seed(3)
        model = nn.MLP(6, [5], 3).to(place.device)

        def step(x: mg.Tensor, y: mg.Tensor) -> mg.Tensor:
            model.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            with mg.no_grad():
                for p in model.parameters():
                    p -= 0.1 * p.grad
            return loss

        return model, step

    (eager, step), (captured, other) = make(), make()
    replayed = mg.capture(other, executor="numpy")
    for number in range(5):
        args = tensors(place, number)
        assert np.array_equal(host(step(*args)), host(replayed(*args)))
    assert replayed.refusals == {}
    for a, b in zip(eager.parameters(), captured.parameters(), strict=True):
        assert np.array_equal(host(a), host(b))
        assert np.array_equal(host(a.grad), host(b.grad))


def test_what_a_device_cannot_repeat_is_refused_there(strict: Any) -> None:
    """By the recording of a graph, or by the comparison with the step; the step has been made, and made once."""
    strict.machine.own_gemm = True
    place = Gpu("cuda:0", strict, strict.machine)
    counter = iter(range(1, 1000))
    for change, message in (
        (lambda loss: loss * loss.item(), "while a graph is recorded nothing may be read back"),
        (lambda loss: loss * next(counter), "its replay is not what it computes"),
    ):
        eager, captured = (classifier(place, one(optim.SGD, lr=0.1)) for _ in range(2))

        def changed(x: mg.Tensor, y: mg.Tensor, change: Any = change, training: Training = captured) -> mg.Tensor:
            return change(training.step(x, y)[0])

        step = mg.capture(changed)
        with pytest.warns(mg.CaptureWarning, match=message):
            step(*tensors(place, 0))
        eager.step(*tensors(place, 0))
        assert same(eager, captured)
        assert step.replays == []


def test_a_step_that_gathers_its_batch_itself(place: Gpu) -> None:
    """The data lies where the model is; the argument is the rows, or nothing at all."""
    found = []
    for captured in (False, True):
        training = classifier(place, one(optim.Adam, lr=0.01))
        x, y = tensors(place, 0, 64)
        rows = mg.tensor(put(np.arange(16), place.device))

        def given(rows: mg.Tensor, training: Training = training, x: mg.Tensor = x, y: mg.Tensor = y) -> mg.Tensor:
            return training.step(mg.take(x, rows, axis=0), mg.take(y, rows, axis=0))[0]

        def nothing(given: Callable[..., mg.Tensor] = given, rows: mg.Tensor = rows) -> mg.Tensor:
            return given(rows)

        first, second = (mg.capture(f, executor="numpy") if captured else f for f in (given, nothing))
        losses = []
        for number in range(4):
            losses.append(host(first(mg.tensor(put((np.arange(16) * 3 + number) % 64, place.device)))))
            rows.data = put((np.arange(16) * 5 + number) % 64, place.device)
            losses.append(host(second()))
        found.append(losses)
        if captured:
            assert first.refusals == second.refusals == {}
    assert np.array_equal(*found)
