"""ema: the average of the weights, and looking at a model with it."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
from lives import gradients, live, parameters, set_gradients
from on_device import host
from optimizer_rows import ONE_EACH, Row

import minigrad as mg
from minigrad import nn, optim

each = pytest.mark.parametrize("row", ONE_EACH, ids=lambda row: row.cls.__name__)


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_formula(row: Row, dtype: Any, device: str) -> None:
    """average = decay average + (1 - decay) p after each update; what is not updated keeps its average."""
    params = parameters(dtype, device)
    optimizer = row.cls(params, **row.kwargs, ema=0.8)
    averages = [host(p).astype(float) for p in params]
    for step in range(20):
        grads = gradients(step, dtype)
        grads[1] = grads[1] if step > 5 else None
        grads[2] = None if step % 3 else grads[2]
        set_gradients(params, grads)
        optimizer.step()
        for i, (p, g) in enumerate(zip(params, grads, strict=True)):
            if g is not None:
                averages[i] = 0.8 * averages[i] + 0.2 * host(p)
    before = [host(p) for p in params]
    rtol = 1e-12 if dtype == np.float64 else 1e-5
    with optimizer.averaged():
        for p, average in zip(params, averages, strict=True):
            np.testing.assert_allclose(host(p), average, rtol=rtol, atol=rtol)
    for p, value in zip(params, before, strict=True):
        np.testing.assert_array_equal(host(p), value)


@each
def test_the_parameters_go_the_same_way(row: Row, device: str) -> None:
    found = []
    for ema in (None, 0.9):
        params = parameters(np.float32, device)
        live(params, row.cls(params, **row.kwargs, ema=ema), set_gradients, np.float32, 20)
        found.append(params)
    for p, q in zip(*found, strict=True):
        np.testing.assert_array_equal(host(p), host(q))


def trained(device: str, steps: int = 4, **options: Any) -> tuple[nn.Module, optim.Optimizer]:
    mg.manual_seed(0)
    model = nn.MLP(3, [4], 2).to(device)
    optimizer = optim.Adam(model.parameters(), lr=0.1, **options)
    step(model, optimizer, steps)
    return model, optimizer


def step(model: nn.Module, optimizer: optim.Optimizer, steps: int = 1) -> None:
    x = mg.tensor(np.ones((2, 3), np.float32), device=next(iter(model.parameters())).device)
    for _ in range(steps):
        optimizer.zero_grad()
        (model(x) ** 2).sum().backward()
        optimizer.step()


def weights(model: nn.Module) -> list[np.ndarray]:
    return [host(p) for p in model.parameters()]


def test_the_block_puts_everything_back_after_an_error(device: str) -> None:
    model, optimizer = trained(device, ema=0.5)
    before = weights(model)
    with contextlib.suppress(KeyError), optimizer.averaged():
        assert not np.array_equal(weights(model)[0], before[0])
        raise KeyError
    for a, b in zip(weights(model), before, strict=True):
        np.testing.assert_array_equal(a, b)
    step(model, optimizer)  # and goes on


def test_a_step_inside_the_block_is_an_error(device: str) -> None:
    model, optimizer = trained(device, ema=0.5)
    with optimizer.averaged(), pytest.raises(mg.GraphError, match=r"step inside averaged\(\)"):
        step(model, optimizer)


def test_a_graph_does_not_outlive_the_swap(device: str) -> None:
    w = mg.tensor([1.0, 2.0], device=device, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.1, ema=0.5)
    w.grad = mg.tensor([1.0, 1.0], device=device)
    optimizer.step()
    with optimizer.averaged():
        y = (w * w).sum()
    with pytest.raises(mg.GraphError, match="overwritten"):
        y.backward()


def test_blocks_nest(device: str) -> None:
    model, optimizer = trained(device, ema=0.5)
    before = weights(model)
    with optimizer.averaged():
        inside = weights(model)
        with optimizer.averaged():
            np.testing.assert_array_equal(weights(model)[0], inside[0])
        np.testing.assert_array_equal(weights(model)[0], inside[0])
        with pytest.raises(mg.GraphError):
            optimizer.step()
    np.testing.assert_array_equal(weights(model)[0], before[0])


def test_a_model_that_moves_inside_the_block(device: str) -> None:
    model, optimizer = trained(device, ema=0.5)
    before = weights(model)
    with optimizer.averaged():
        model.to(np.float64)
    for a, b in zip(weights(model), before, strict=True):
        assert a.dtype == np.float64
        np.testing.assert_array_equal(a, b)
    step_in_double = mg.tensor(np.ones((2, 3)), device=device)
    optimizer.zero_grad()
    (model(step_in_double) ** 2).sum().backward()
    optimizer.step()
    with optimizer.averaged():
        assert not np.array_equal(weights(model)[0], before[0])


def test_a_parameter_that_was_never_updated_keeps_its_value(device: str) -> None:
    a, b = (mg.tensor([1.0, 2.0], device=device, requires_grad=True) for _ in range(2))
    optimizer = optim.SGD([a, b], lr=0.5, ema=0.5)
    a.grad = mg.tensor([1.0, 1.0], device=device)
    optimizer.step()
    b.data = mg.tensor([7.0, 7.0], device=device)
    with optimizer.averaged():
        np.testing.assert_allclose(host(a), [0.75, 1.75])
        np.testing.assert_allclose(host(b), [7.0, 7.0])
    b.grad = mg.tensor([1.0, 1.0], device=device)
    optimizer.step()  # its average begins with the value it has now
    with optimizer.averaged():
        np.testing.assert_allclose(host(b), [6.75, 6.75])


def test_averages_are_saved(tmp_path: Any, device: str) -> None:
    model, optimizer = trained(device, ema=0.5)
    mg.save(tmp_path / "run.safetensors", model=model, optimizer=optimizer)
    other, again = trained(device, steps=0, ema=0.5)
    state = mg.load(tmp_path / "run.safetensors")
    other.load_state_dict(state["model"])
    again.load_state_dict(state["optimizer"])
    for m, o in ((model, optimizer), (other, again)):
        step(m, o, 3)
    with optimizer.averaged(), again.averaged():
        for a, b in zip(weights(model), weights(other), strict=True):
            np.testing.assert_array_equal(a, b)


def test_averages_can_begin_and_end_on_the_way(device: str) -> None:
    model, optimizer = trained(device)
    before = weights(model)
    optimizer.ema = 0.25
    step(model, optimizer)
    after = weights(model)
    with optimizer.averaged():
        for average, a, b in zip(weights(model), before, after, strict=True):
            np.testing.assert_allclose(average, 0.25 * a + 0.75 * b, rtol=1e-5)
    optimizer.ema = None
    step(model, optimizer)
    assert "ema" not in optimizer.state_dict()["state"][0]
    with pytest.raises(ValueError, match=r"no averages: make the optimizer with ema=0\.999"), optimizer.averaged():
        pass
