"""The one-launch update of a device: the same trajectory as on the CPU, one launch a step, next to no uploads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from on_device import host
from strict_provider import StrictProvider

import minigrad as mg
from minigrad import nn, optim
from minigrad.optim.fused_update import AHEAD

Make = Callable[[Iterable[Any]], optim.Optimizer]
OPTIMIZERS: dict[str, Make] = {
    "adam": lambda p: optim.Adam(p, lr=1e-2),
    "adam amsgrad, decay": lambda p: optim.Adam(p, lr=1e-2, weight_decay=0.1, amsgrad=True),
    "adam maximize": lambda p: optim.Adam(p, lr=1e-3, maximize=True),
    "adamw": lambda p: optim.AdamW(p, lr=1e-2, weight_decay=0.1),
    "sgd": lambda p: optim.SGD(p, lr=1e-3),
    "sgd decay, maximize": lambda p: optim.SGD(p, lr=1e-5, weight_decay=0.1, maximize=True),
    "momentum": lambda p: optim.SGD(p, lr=1e-4, momentum=0.9, dampening=0.3, weight_decay=0.1),
    "nesterov": lambda p: optim.SGD(p, lr=1e-4, momentum=0.9, nesterov=True),
    "velocity holds lr": lambda p: optim.SGD(p, lr=1e-4, momentum=0.9, scale_velocity_by_lr=True),
    "nesterov, velocity holds lr": lambda p: optim.SGD(p, 1e-4, 0.9, nesterov=True, scale_velocity_by_lr=True),
    "adagrad": lambda p: optim.Adagrad(p, lr_decay=0.01, initial_accumulator_value=0.1, weight_decay=0.1),
    "adadelta": lambda p: optim.Adadelta(p, eps=1e-4, weight_decay=0.1),
    "rmsprop": lambda p: optim.RMSprop(p, lr=1e-3, weight_decay=0.1),
    "rmsprop with momentum, centered": lambda p: optim.RMSprop(p, 1e-3, eps=1e-2, momentum=0.5, centered=True),
    "adamax": lambda p: optim.Adamax(p, weight_decay=0.1),
    "nadam": lambda p: optim.NAdam(p, weight_decay=0.1),
    "nadam, decoupled decay": lambda p: optim.NAdam(p, weight_decay=0.1, decoupled_weight_decay=True),
    "radam": lambda p: optim.RAdam(p, weight_decay=0.1),
    "radam, decoupled decay, maximize": lambda p: optim.RAdam(
        p, lr=1e-4, weight_decay=0.1, decoupled_weight_decay=True, maximize=True
    ),
    "lion": lambda p: optim.Lion(p, lr=1e-6, weight_decay=0.1),  # a sign is another one where rounding makes it so
    "accumulate": lambda p: optim.Adam(p, lr=1e-2, accumulate=3),
    "clip": lambda p: optim.NAdam(p, max_norm=0.1),
    "all options": lambda p: optim.AdamW(p, accumulate=2, max_norm=0.1, ema=0.9, nonfinite="skip"),
}


def flat(model: nn.Module) -> np.ndarray:
    return np.concatenate([host(p).ravel() for p in model.parameters()])


def train(device: str, make: Make, steps: int) -> tuple[np.ndarray, dict[str, Any]]:
    """A run with a changing rate and a parameter that is frozen for a while, so that step counts part."""
    mg.manual_seed(0)
    model = nn.MLP(5, [70, 9], 3).to(device)
    optimizer = make(model.parameters())
    rng = np.random.default_rng(0)
    for step in range(steps):
        if step == 40:
            optimizer.param_groups[0]["lr"] *= 0.5
        model.layers[0].bias.requires_grad = not 20 < step < 30  # type: ignore[index]
        optimizer.zero_grad()
        x = mg.tensor(rng.normal(size=(8, 5)).astype(np.float32), device=device)
        (model(x) ** 2).mean().backward()
        optimizer.step()
    return flat(model), optimizer.state_dict()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_trajectory_is_that_of_the_cpu(device: str, name: str) -> None:
    due, due_state = train("cpu", OPTIMIZERS[name], 2 * AHEAD + 10)
    there, state = train(device, OPTIMIZERS[name], 2 * AHEAD + 10)
    np.testing.assert_allclose(there, due, rtol=1e-4, atol=1e-6)
    assert state["param_groups"] == due_state["param_groups"]
    for number, entry in due_state["state"].items():
        for key, value in entry.items():
            np.testing.assert_allclose(state["state"][number][key], value, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(("name", "entry"), [("adam", "adam_f32"), ("momentum", "sgd_f32")])
def test_one_launch_a_step(strict: StrictProvider, name: str, entry: str) -> None:
    train("cuda", OPTIMIZERS[name], 50)
    assert strict.machine.tally.launches[entry] == 50


def test_rows_are_uploaded_ahead(strict: StrictProvider) -> None:
    uploads = strict.machine.tally.to_device
    model = nn.Linear(3, 2).to("cuda")
    optimizer = optim.Adam(model.parameters())
    for p in model.parameters():
        p.grad = mg.tensor(np.ones(p.shape, np.float32), device="cuda")
    optimizer.step()
    before = uploads.count
    with strict.machine.no_sync():
        for _ in range(AHEAD - 1):
            optimizer.step()
        assert uploads.count == before
        optimizer.step()
        assert uploads.count == before + 1
        optimizer.param_groups[0]["lr"] = 0.5
        optimizer.step()
        assert uploads.count == before + 2


def test_a_state_of_the_cpu_goes_on_there(strict: StrictProvider) -> None:
    whole, _ = train("cpu", OPTIMIZERS["adamw"], 20)
    mg.manual_seed(0)
    model = nn.MLP(5, [70, 9], 3)
    optimizer = OPTIMIZERS["adamw"](model.parameters())
    rng = np.random.default_rng(0)
    for step in range(20):
        if step == 11:
            model.to("cuda")  # the optimizer notices, and its moments go along
        optimizer.zero_grad()
        x = mg.tensor(rng.normal(size=(8, 5)).astype(np.float32), device="cpu" if step < 11 else "cuda")
        (model(x) ** 2).mean().backward()
        optimizer.step()
    assert strict.machine.tally.launches["adam_f32"] == 9
    np.testing.assert_allclose(flat(model), whole, rtol=1e-4, atol=1e-6)


def test_double_precision_takes_the_ordinary_way(strict: StrictProvider) -> None:
    model = nn.Linear(3, 2, dtype=np.float64).to("cuda")
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    before = host(model.weight)
    model(mg.tensor(np.ones((4, 3)), device="cuda")).sum().backward()
    optimizer.step()
    assert "adam_f32" not in strict.machine.tally.launches
    np.testing.assert_allclose(host(model.weight), before - 0.1, atol=1e-6)
