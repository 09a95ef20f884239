"""Loops as people write them: who moves the batch, where gradients are dropped, and what is left of them."""

from __future__ import annotations

import contextlib
import functools
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from graph_steps import Gpu, Training, batch, classifier, one, same, tensors
from on_device import host, put

import minigrad as mg
from minigrad import nn, optim
from minigrad.errors import CaptureWarning
from minigrad.nn import functional as F


def assert_replayed(place: Gpu, work: Callable[..., Any], has_gradients: bool = False, **options: Any) -> None:
    """A step is replayed by one recording, bit for bit: its results over some batches, and the parameters.

    Args:
        place: where.
        work: of a model, its optimizer and a batch.
        has_gradients: whether there are gradients before the first step.
        **options: of the model.
    """
    found = []
    for captured in (False, True):
        mg.manual_seed(0)
        model = nn.MLP(6, (8,), 4, device=place.device, **options)
        step: Any = functools.partial(work, model, optim.Adam(model.parameters(), lr=0.01))
        if has_gradients:
            x, y = tensors(place, 9)
            F.cross_entropy(model(x), y, ignore_index=None).backward()
        step = mg.capture(step, executor="numpy") if captured else step
        results = [step(*tensors(place, number)) for number in range(6)]
        found.append([host(t) for r in results for t in (r if isinstance(r, tuple) else (r,))])
        found[-1] += [host(p) for p in model.parameters()]
        if captured:
            assert step.refusals == {}
            assert len(step.replays) == 1
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("order", ["first", "after other work", "after forward", "after a look", "last"])
def test_gradients_may_be_dropped_anywhere_in_a_step(place: Gpu, order: str) -> None:
    """And there is one recording, whether there are gradients already when it begins or not."""

    def work(model: nn.Module, optimizer: optim.Optimizer, x: Any, y: Any) -> Any:
        if order == "after other work":
            x = x * 2.0
        seen = next(iter(model.parameters())).grad.sum() if order == "after a look" else 0.0
        if order in ("first", "after other work", "after a look"):
            optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y, ignore_index=None)
        if order == "after forward":
            optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if order == "last":
            optimizer.zero_grad()
        return loss + seen

    # batch normalisation writes in the forward pass
    assert_replayed(place, work, has_gradients=order == "after a look", normalization="batch")


def test_the_gradients_are_there_after_a_replay(place: Gpu) -> None:
    """And accumulate, where the step does not drop them."""
    eager, captured = (classifier(place, one(optim.SGD, lr=0.1)) for _ in range(2))

    def of(training: Training) -> Callable[..., mg.Tensor]:
        def step(x: mg.Tensor, y: mg.Tensor) -> mg.Tensor:
            loss = F.cross_entropy(training.model(x), y)
            loss.backward()
            training.optimizers[0].step()
            return loss

        return step

    step = mg.capture(of(captured), executor="numpy")
    for number in range(6):
        args = tensors(place, number)
        for training in (eager, captured):
            if number == 3:
                training.optimizers[0].zero_grad()
        assert np.array_equal(host(of(eager)(*args)), host(step(*args)))
        for a, b in zip(eager.model.parameters(), captured.model.parameters(), strict=True):
            assert a.grad is not None
            assert b.grad is not None
            assert np.array_equal(host(a.grad), host(b.grad))
    assert len(step.replays) == 2  # with gradients, and without


@pytest.mark.parametrize("how", ["to", "tensor"])
def test_a_step_may_move_its_batch_itself(place: Gpu, how: str) -> None:
    """Batches of the host, as PyTorch's loops have them, for a model that may be on a GPU."""

    def moving(training: Training) -> Callable[..., Any]:
        def step(x: Any, y: Any) -> Any:
            if how == "to":
                return training.step(x.to(place.device), y.to(place.device))[0]
            return training.step(mg.tensor(x, device=place.device), mg.tensor(y, device=place.device))[0]

        return step

    eager, captured = (classifier(place, one(optim.Adam, lr=0.01)) for _ in range(2))
    step = mg.capture(moving(captured), executor="numpy")
    for number in range(5):
        given = batch(number) if how == "tensor" else tuple(map(mg.tensor, batch(number)))
        assert np.array_equal(host(moving(eager)(*given)), host(step(*given)))
    assert step.refusals == {}
    assert len(step.replays) == 1
    assert same(eager, captured)


@pytest.mark.parametrize("executor", ["numpy", pytest.param("fast", marks=pytest.mark.numba)])
def test_a_step_in_numpy_s_words(executor: str) -> None:
    """Arrays meet Tensors on either side of operators, in ufuncs and in functions."""

    def training() -> tuple[Callable[..., Any], mg.Tensor]:
        w = mg.tensor(np.ones((3, 2), np.float32), requires_grad=True)
        optimizer = optim.SGD([w], lr=0.1)

        def step(x: np.ndarray, y: np.ndarray) -> Any:
            optimizer.zero_grad()
            errors = np.subtract(y, x @ w)
            loss = np.mean(np.where(x[:, :2] > 0, errors, 0.5 * errors) ** 2)
            loss = loss + np.concatenate([x[:, 0], errors[:, 0]]).sum() * 1e-3
            loss.backward()
            optimizer.step()
            return loss

        return step, w

    rng = np.random.default_rng(0)
    batches = [(rng.standard_normal((4, 3), np.float32), rng.standard_normal((4, 2), np.float32)) for _ in range(5)]
    (eager, w), (step, other) = training(), training()
    captured = mg.capture(step, executor=executor)
    for b in batches:
        np.testing.assert_allclose(host(captured(*b)), host(eager(*b)), rtol=1e-5)
    assert captured.refusals == {}
    np.testing.assert_allclose(host(other), host(w), rtol=1e-5)


def scaled(model: nn.Module, optimizer: optim.Optimizer, x: Any, y: Any) -> Any:
    """Gradients changed by hand between backward and update."""
    optimizer.zero_grad()
    loss = F.cross_entropy(model(x), y, ignore_index=None)
    loss.backward()
    for p in model.parameters():
        p.grad *= 0.5
    optimizer.step()
    return loss


def penalised(model: nn.Module, optimizer: optim.Optimizer, x: Any, y: Any) -> Any:
    """A gradient penalty, of a leaf that the step makes for itself."""
    optimizer.zero_grad()
    x = x.detach()
    x.requires_grad = True
    slope = mg.grad(lambda x: F.cross_entropy(model(x), y, ignore_index=None))(x)
    loss = F.cross_entropy(model(x), y, ignore_index=None) + (slope**2).sum()
    loss.backward()
    optimizer.step()
    return loss, x.grad


def by_hand(model: nn.Module, optimizer: optim.Optimizer, x: Any, y: Any) -> Any:
    """An update without an optimizer."""
    loss = F.cross_entropy(model(x), y, ignore_index=None)
    loss.backward()
    for p in model.parameters():
        p.data -= 0.1 * p.grad.data
        p.grad = None
    return loss


@pytest.mark.parametrize("work", [scaled, penalised, by_hand])
def test_steps_that_look_at_gradients(place: Gpu, work: Callable[..., Any]) -> None:
    assert_replayed(place, work, activation="tanh")


def test_an_argument_that_collects_a_gradient(place: Gpu) -> None:
    """Is not replayed: whether it is tracked from the start, later, or by the step itself."""
    w = mg.tensor(put(np.ones(3, np.float32), place.device), requires_grad=True)

    def step(x: mg.Tensor) -> mg.Tensor:
        w.grad = None
        loss = (w * x).sum()
        loss.backward()
        return loss

    def argument(requires_grad: bool) -> mg.Tensor:
        return mg.tensor(put(np.arange(3, dtype=np.float32), place.device), requires_grad=requires_grad)

    captured = mg.capture(step, executor="numpy")
    for _ in range(3):
        captured(argument(False))
    x = argument(True)
    with pytest.warns(CaptureWarning, match="an argument requires a gradient"):
        captured(x)
    captured(x)
    assert x.grad is not None
    assert host(x.grad).tolist() == [2.0, 2.0, 2.0]
    assert len(captured.replays) == 1  # of the others

    def tracking(x: mg.Tensor) -> mg.Tensor:
        x.requires_grad = True
        return step(x)

    captured = mg.capture(tracking, executor="numpy")
    x = argument(False)
    with pytest.warns(CaptureWarning, match="makes an argument require a gradient"):
        captured(x)
    assert captured.replays == []


def test_a_refused_step_is_made_once(place: Gpu) -> None:
    """Also where it is refused in its midst."""
    found = []
    for captured in (False, True):
        training = classifier(place, one(optim.Adam, lr=0.01))
        schedule = optim.schedulers.ExponentialLR(training.optimizers[0], 0.5)

        def step(x: Any, y: Any, training: Training = training, schedule: Any = schedule) -> Any:
            loss = training.step(x, y)[0]
            schedule.step()
            return loss

        step = mg.capture(step) if captured else step
        with pytest.warns(CaptureWarning, match="belongs after") if captured else contextlib.nullcontext():
            results = [host(step(*tensors(place, number))) for number in range(4)]
        found.append([*results, *training.values()])
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("inside", [False, True])
def test_modes_of_modules(place: Gpu, inside: bool) -> None:
    """Training and evaluation by one function; a step may choose the mode itself, before a look or after it."""
    found = []
    for captured in (False, True):
        mg.manual_seed(0)
        model = nn.MLP(6, (8,), 4, dropout=0.5, normalization="batch", device=place.device)
        optimizer = optim.SGD(model.parameters(), lr=0.1)

        def train(x: Any, y: Any, model: Any = model, optimizer: Any = optimizer) -> Any:
            if inside:
                model.train()
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y, ignore_index=None)
            loss.backward()
            optimizer.step()
            return loss

        def predict(x: Any, model: Any = model) -> Any:
            with mg.no_grad():
                return model(x)

        steps = [mg.capture(f, executor="numpy") if captured else f for f in (train, predict)]
        results = []
        for number in range(4):
            x, y = tensors(place, number)
            if not inside:
                model.train()
            results += [steps[0](x, y), steps[1](x)]  # the second one in training mode
            assert model.training
            model.eval()
            results += [steps[1](x)]
        found.append([*map(host, results), *map(host, (*model.parameters(), *model.buffers()))])
        if captured:
            assert [len(s.replays) for s in steps] == [1, 2]
            assert not any(s.refusals for s in steps)
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("executor", ["numpy", pytest.param("fast", marks=pytest.mark.numba)])
def test_arrays_that_a_step_makes(executor: str) -> None:
    """By minigrad's own functions, which know that they are the same each time."""

    def step(w: Any, x: Any, y: Any) -> Any:
        scores = x @ w
        picked = scores[mg.arange(len(y)), y]
        lower = scores[mg.tril_indices(3)]
        return (picked * mg.linspace(0.0, 1.0, 5, dtype=np.float32)).sum() + (lower * mg.ones(6, np.float32)).sum()

    w = mg.tensor(np.arange(12, dtype=np.float32).reshape(4, 3))
    captured = mg.capture(functools.partial(step, w), executor=executor)
    rng = np.random.default_rng(0)
    for _ in range(3):
        x, y = rng.standard_normal((5, 4), np.float32), rng.integers(0, 3, 5)
        np.testing.assert_allclose(host(captured(x, y)), host(step(w, x, y)), rtol=1e-5)
    assert captured.refusals == {}


def test_what_a_step_returns_is_of_the_same_kind() -> None:
    """Tensors, arrays, NumPy's scalars, numbers and what holds them."""

    def step(x: np.ndarray, t: mg.Tensor) -> Any:
        return {"scalar": (x > 0).sum(), "array": x * 2, "0-d": t.sum().data}, [t * 2, 3, None], x.max()

    captured = mg.capture(step, executor="numpy")
    for number in range(3):
        x = np.arange(4.0) + number
        found, due = captured(x, mg.tensor(x)), step(x, mg.tensor(x))
        assert [type(v) for v in found[0].values()] == [type(v) for v in due[0].values()]
        assert [type(v) for v in found[1]] == [type(v) for v in due[1]]
        assert type(found[2]) is type(due[2]) is np.float64
        assert found[2] == due[2]
        assert found[0]["scalar"] == due[0]["scalar"]
    assert captured.refusals == {}


def test_a_step_that_returns_other_things_each_time() -> None:
    calls = itertools.count()

    def step(x: mg.Tensor) -> Any:
        return [x * 2] * (1 + next(calls))

    with pytest.warns(CaptureWarning, match="returns 1 things at one time and 2 at another"):
        mg.capture(step, executor="numpy")(mg.tensor([1.0]))
