"""The one-launch update of a device: the same trajectory as on the CPU, one launch a step, next to no uploads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from stand_in import FakeProvider

import minigrad as mg
from minigrad import nn, optim
from minigrad.backend import device as devices
from minigrad.backend import kernels
from minigrad.optim.fused_update import AHEAD


class Counting(FakeProvider):
    """Counts launches by entry, and copies to the device."""

    def __init__(self) -> None:
        self.launches: list[str] = []
        self.uploads = 0

    def launch(self, function: Any, grid: int, block: int, args: tuple[Any, ...]) -> None:
        self.launches.append(function[1])
        super().launch(function, grid, block, args)

    def from_host(self, array: np.ndarray, device: str) -> Any:
        self.uploads += 1
        return super().from_host(array, device)


@pytest.fixture
def provider(fake_device: None, monkeypatch: pytest.MonkeyPatch) -> Counting:
    found = Counting()
    devices.install(found)
    monkeypatch.setattr(kernels, "_compiled", {})
    return found


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
}


def train(device: str, make: Make, steps: int) -> tuple[np.ndarray, dict[str, Any], optim.Optimizer]:
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
    values = np.concatenate([p.detach().cpu().numpy().ravel() for p in model.parameters()])
    return values, optimizer.state_dict(), optimizer


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_trajectory_is_that_of_the_cpu(provider: Counting, name: str) -> None:
    host, host_state, _ = train("cpu", OPTIMIZERS[name], 2 * AHEAD + 10)
    there, state, _ = train("cuda:0", OPTIMIZERS[name], 2 * AHEAD + 10)
    np.testing.assert_allclose(there, host, rtol=1e-4, atol=1e-6)
    assert state["param_groups"] == host_state["param_groups"]
    for number, entry in host_state["state"].items():
        for key, value in entry.items():
            np.testing.assert_allclose(state["state"][number][key], value, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize(("name", "entry"), [("adam", "adam_f32"), ("momentum", "sgd_f32")])
def test_one_launch_a_step(provider: Counting, name: str, entry: str) -> None:
    train("cuda:0", OPTIMIZERS[name], 50)
    assert provider.launches.count(entry) == 50


def test_rows_are_uploaded_ahead(provider: Counting) -> None:
    model = nn.Linear(3, 2).to("cuda")
    optimizer = optim.Adam(model.parameters())
    for p in model.parameters():
        p.grad = mg.tensor(np.ones(p.shape, np.float32), device="cuda")
    optimizer.step()
    before = provider.uploads
    for _ in range(AHEAD - 1):
        optimizer.step()
    assert provider.uploads == before
    optimizer.step()
    assert provider.uploads == before + 1
    optimizer.param_groups[0]["lr"] = 0.5
    optimizer.step()
    assert provider.uploads == before + 2


def test_a_state_of_the_cpu_goes_on_there(provider: Counting) -> None:
    whole, _, _ = train("cpu", OPTIMIZERS["adamw"], 20)
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
    assert provider.launches.count("adam_f32") == 9
    values = np.concatenate([p.detach().cpu().numpy().ravel() for p in model.parameters()])
    np.testing.assert_allclose(values, whole, rtol=1e-4, atol=1e-6)


def test_double_precision_takes_the_ordinary_way(provider: Counting) -> None:
    model = nn.Linear(3, 2, dtype=np.float64).to("cuda")
    optimizer = optim.Adam(model.parameters(), lr=0.1)
    before = model.weight.cpu().detach().numpy().copy()
    model(mg.tensor(np.ones((4, 3)), device="cuda")).sum().backward()
    optimizer.step()
    assert "adam_f32" not in provider.launches
    np.testing.assert_allclose(model.weight.detach().cpu().numpy(), before - 0.1, atol=1e-6)
