"""Loops as people write them: who moves the batch, where gradients are dropped, and what is left of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from graph_steps import Gpu, Training, batch, classifier, one, same, tensors
from on_device import host

import minigrad as mg
from minigrad import nn, optim
from minigrad.nn import functional as F


@pytest.mark.parametrize("order", ["first", "after other work", "after forward", "after a look", "last"])
def test_gradients_may_be_dropped_anywhere_in_a_step(place: Gpu, order: str) -> None:
    """And there is one recording, whether there are gradients already when it begins or not."""

    def of(model: nn.Module, optimizer: optim.Optimizer) -> Callable[..., Any]:
        def step(x: Any, y: Any) -> Any:
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

        return step

    found = []
    for captured in (False, True):
        mg.manual_seed(0)
        model = nn.MLP(6, (8,), 4, normalization="batch", device=place.device)  # which writes in the forward pass
        optimizer = optim.Adam(model.parameters(), lr=0.01)
        if order == "after a look":
            F.cross_entropy(model(tensors(place, 9)[0]), tensors(place, 9)[1], ignore_index=None).backward()
        own = of(model, optimizer)
        step = mg.capture(own, executor="numpy") if captured else own
        found.append([host(step(*tensors(place, number))) for number in range(6)])
        found[-1] += [host(p) for p in model.parameters()]
        if captured:
            assert step.refusals == {}
            assert len(step.replays) == 1
    assert all(np.array_equal(a, b) for a, b in zip(*found, strict=True))


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
