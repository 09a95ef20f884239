"""Every optimizer against its formula in plain NumPy, PyTorch, and itself after a resume."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from on_device import host
from optimizer_rows import ROWS, Row

import minigrad as mg
from minigrad import optim

SHAPES = [(5, 3), (3,), (), (70,), (0, 4), (64,)]
BY_NAME = {str(row): row for row in ROWS}
every_row = pytest.mark.parametrize("row", ROWS, ids=BY_NAME)


def parameters(dtype: Any = np.float64, device: str = "cpu") -> list[mg.Tensor]:
    rng = np.random.default_rng(0)
    return [mg.tensor(np.asarray(rng.standard_normal(s), dtype), device=device, requires_grad=True) for s in SHAPES]


def gradients(step: int, dtype: Any = np.float64) -> list[np.ndarray]:
    rng = np.random.default_rng(1000 + step)
    return [np.asarray(rng.standard_normal(s), dtype) for s in SHAPES]


def set_gradients(params: list[mg.Tensor], grads: list[Any]) -> None:
    for p, g in zip(params, grads, strict=True):
        p.grad = None if g is None else mg.tensor(g, device=p.device)


def reference(row: Row, w: float, grads: list[float]) -> float:
    """The docstring's formula for one number, in Python floats, with its hyper-parameters spelled out."""
    h = {"lr": 1e-3, "momentum": 0.0, "dampening": 0.0, "weight_decay": 0.0, "betas": (0.9, 0.999), "eps": 1e-8}
    if row.cls is optim.AdamW:
        h["weight_decay"] = 1e-2
    h.update(row.kwargs)
    velocity = m = v = largest = 0.0
    for t, g in enumerate(grads, 1):
        g = -g if h.get("maximize") else g
        if row.cls is optim.AdamW:
            w *= 1 - h["lr"] * h["weight_decay"]
        else:
            g += h["weight_decay"] * w
        if row.cls is optim.SGD:
            scaled = h.get("scale_velocity_by_lr")
            gain = (1.0 if t == 1 else 1 - h["dampening"]) * (h["lr"] if scaled else 1.0)
            velocity = h["momentum"] * velocity + gain * g if h["momentum"] else g
            step = velocity
            if h.get("nesterov"):
                step = (h["lr"] if scaled else 1.0) * g + h["momentum"] * velocity
            w -= step if scaled else h["lr"] * step
        else:
            b1, b2 = h["betas"]
            m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
            largest = max(largest, v) if h.get("amsgrad") else v
            w -= h["lr"] * (m / (1 - b1**t)) / (math.sqrt(largest / (1 - b2**t)) + h["eps"])
    return w


def test_every_optimizer_has_a_row() -> None:
    def subclasses(cls: type) -> set[type]:
        return {cls} | {s for c in cls.__subclasses__() for s in subclasses(c)}

    library = {c for c in subclasses(optim.Optimizer) if c.__module__.startswith("minigrad.")}
    assert library - {optim.Optimizer} == {row.cls for row in ROWS}
    assert {c.__name__ for c in library} <= set(optim.__all__)


@every_row
def test_formula(row: Row, device: str) -> None:
    params = parameters(device=device)
    start = [host(p) for p in params]
    optimizer = row.cls(params, **row.kwargs)
    for step in range(12):
        set_gradients(params, gradients(step))
        optimizer.step()
    for i, p in enumerate(params):
        expected = np.zeros(p.shape)
        for index in np.ndindex(p.shape):
            expected[index] = reference(row, float(start[i][index]), [float(gradients(s)[i][index]) for s in range(12)])
        np.testing.assert_allclose(host(p), expected, rtol=1e-12, atol=1e-14)


def trajectory(row: Row, params: list[Any], optimizer: Any, assign: Any, dtype: Any, steps: int) -> None:
    """A rough life: learning rates change, gradients are missing, parameters are frozen and thawed."""
    for step in range(steps):
        grads: list[Any] = gradients(step, dtype)
        if step % 7 == 3:
            grads[1] = None
        if step < 5 or step % 11 == 0:
            grads[3] = None
        if 20 <= step < 30:
            grads[0] = None  # PyTorch skips a parameter without a gradient, which is what freezing comes to
        assign(params, grads)
        for group in optimizer.param_groups:
            if step in (25, 60):
                group["lr"] *= 0.5
            if step == 80 and "betas" in group:
                group["betas"] = (0.85, 0.99)
        optimizer.step()


@pytest.mark.torch
@pytest.mark.parametrize(("dtype", "rtol"), [(np.float64, 1e-10), (np.float32, 2e-5)], ids=["float64", "float32"])
@pytest.mark.parametrize("row", [r for r in ROWS if r.torch], ids=str)
def test_trajectory_equals_torch(row: Row, dtype: Any, rtol: float, device: str) -> None:
    torch = pytest.importorskip("torch")
    params = parameters(dtype, device)
    theirs = [torch.tensor(host(p), requires_grad=True) for p in params]

    def assign(ps: list[Any], grads: list[Any]) -> None:
        for p, g in zip(ps, grads, strict=True):
            p.grad = None if g is None else torch.tensor(g)

    groups = [{"params": params[:2], "lr": 0.03}, {"params": params[2:]}]
    their_groups = [{"params": theirs[:2], "lr": 0.03}, {"params": theirs[2:]}]
    trajectory(row, params, row.cls(groups, **row.kwargs), set_gradients, dtype, 200)
    trajectory(row, theirs, getattr(torch.optim, row.cls.__name__)(their_groups, **row.kwargs), assign, dtype, 200)
    for p, q in zip(params, theirs, strict=True):
        np.testing.assert_allclose(host(p), q.detach().numpy(), rtol=rtol, atol=rtol)


@every_row
@given(split=st.integers(0, 9), total=st.integers(10, 14))
def test_resume_is_bitwise(row: Row, split: int, total: int, device: str) -> None:
    straight = parameters(np.float32, device)
    optimizer = row.cls(straight, **row.kwargs)
    trajectory(row, straight, optimizer, set_gradients, np.float32, total)

    first = parameters(np.float32, device)
    optimizer = row.cls(first, **row.kwargs)
    trajectory(row, first, optimizer, set_gradients, np.float32, split)
    second = [mg.tensor(p.data, requires_grad=True) for p in first]
    resumed = row.cls(second, **{**row.kwargs, "lr": 0.5})  # overwritten by the state
    resumed.load_state_dict(optimizer.state_dict())
    for step in range(split, total):
        grads: list[Any] = gradients(step, np.float32)
        grads[1] = None if step % 7 == 3 else grads[1]
        grads[3] = None if step < 5 or step % 11 == 0 else grads[3]
        set_gradients(second, grads)
        resumed.step()
    for p, q in zip(straight, second, strict=True):
        assert host(p).tobytes() == host(q).tobytes()


@every_row
def test_float32_stays_float32(row: Row, device: str) -> None:
    params = parameters(np.float32, device)
    optimizer = row.cls(params, **row.kwargs)
    set_gradients(params, gradients(0, np.float32))
    optimizer.step()
    state = optimizer.state_dict()["state"]
    assert {p.dtype for p in params} == {np.dtype(np.float32)}
    assert {v.dtype for s in state.values() for k, v in s.items() if k != "step"} <= {np.dtype(np.float32)}


@every_row
def test_zero_gradient_and_padding_stay_finite(row: Row, device: str) -> None:
    params = parameters(np.float32, device)
    optimizer = row.cls(params, **row.kwargs)
    for _ in range(3):
        set_gradients(params, [np.zeros(s, np.float32) for s in SHAPES])
        optimizer.step()
    store = params[0]._leaf.store
    p, g = host(store.p), host(store.g)
    assert np.isfinite(p).all()
    used = np.zeros(store.size, bool)
    for a, b in zip(store.starts, store.stops, strict=True):
        used[a:b] = True
    assert not p[~used].any()
    assert not g[~used].any()


@pytest.mark.parametrize("row", [r for r in ROWS if not r.kwargs.get("maximize")], ids=str)
def test_descends_a_parabola(row: Row, device: str) -> None:
    w = mg.tensor([3.0, -2.0], device=device, requires_grad=True)
    optimizer = row.cls([w], **row.kwargs)
    for _ in range(400):
        optimizer.zero_grad()
        ((w - 0.5) ** 2).sum().backward()
        optimizer.step()
    decay = row.kwargs.get("weight_decay", 0.01 if row.cls is optim.AdamW else 0.0)
    assert np.abs(host(w) - 0.5).max() < 0.05 + decay


ERRORS = [
    (lambda p: optim.SGD([]), ValueError, "got no parameters"),
    (lambda p: optim.SGD(iter(())), ValueError, "generator used up"),
    (lambda p: optim.SGD(p[0]), TypeError, "single Tensor: put it in a list"),
    (lambda p: optim.SGD([1.0]), TypeError, "parameter 0 is a float"),
    (lambda p: optim.SGD([p[0], p[0]]), ValueError, r"parameter 1 \(shape \(5, 3\)\) is given twice"),
    (lambda p: optim.SGD([p[0] * 2]), ValueError, "result of an operation"),
    (lambda p: optim.SGD([mg.tensor([1, 2], "int64")]), mg.DTypeError, "int64"),
    (lambda p: optim.SGD([{"lr": 1.0}]), ValueError, "needs the key 'params'"),
    (lambda p: optim.SGD([{"params": p, "beta": 1.0}]), ValueError, "unknown hyper-parameter 'beta'"),
    (lambda p: optim.SGD([{"params": []}]), ValueError, "got no parameters"),
    (lambda p: optim.SGD(p, lr=-1), ValueError, "lr must be finite and >= 0, got -1"),
    (lambda p: optim.SGD(p, lr=math.nan), ValueError, "lr must be finite and >= 0, got nan"),
    (lambda p: optim.SGD(p, lr="fast"), ValueError, "lr must be a number, got 'fast'"),
    (lambda p: optim.SGD(p, momentum=1.0), ValueError, "momentum must be finite and >= 0 and < 1, got 1.0"),
    (lambda p: optim.SGD(p, dampening=-0.1), ValueError, "dampening"),
    (lambda p: optim.SGD(p, weight_decay=math.inf), ValueError, "weight_decay"),
    (lambda p: optim.SGD(p, nesterov=True), ValueError, "nesterov needs momentum > 0"),
    (lambda p: optim.SGD(p, momentum=0.9, dampening=0.1, nesterov=True), ValueError, "dampening = 0"),
    (lambda p: optim.Adam(p, betas=(0.9, 1.0)), ValueError, r"betas\[1\] must be finite and >= 0 and < 1, got 1.0"),
    (lambda p: optim.Adam(p, betas=0.9), ValueError, "betas must be a pair"),
    (lambda p: optim.Adam(p, eps=-1e-8), ValueError, "eps"),
    (lambda p: optim.AdamW(p, weight_decay=-1), ValueError, "weight_decay"),
]


@pytest.mark.parametrize(("call", "kind", "message"), ERRORS, ids=[e[2] for e in ERRORS])
def test_errors(call: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=message):
        call(parameters())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_bad_value_in_a_group_is_refused_at_the_step(dtype: Any, device: str) -> None:
    params = parameters(dtype, device)
    optimizer = optim.Adam(params)
    set_gradients(params, gradients(0, dtype))
    optimizer.param_groups[0]["lr"] = math.nan
    before = host(params[0])
    with pytest.raises(ValueError, match="lr must be finite"):
        optimizer.step()
    np.testing.assert_array_equal(host(params[0]), before)
    optimizer.param_groups[0]["lr"] = 0.1
    optimizer.step()
    assert (host(params[0]) != before).any()


def broken(change: Any) -> Any:
    params = parameters()
    optimizer = optim.Adam(params)
    set_gradients(params, gradients(0))
    optimizer.step()
    state = optimizer.state_dict()
    change(state)
    return state


BROKEN_STATES = [
    (lambda s: s.pop("state"), ValueError, "'state' and 'param_groups' are due"),
    (lambda s: s["param_groups"].pop(), ValueError, r"sizes \[\], this optimizer has \[6\]"),
    (lambda s: s["param_groups"][0].pop("eps"), ValueError, "lacks the hyper-parameter 'eps'"),
    (lambda s: s["param_groups"][0].update(lr=-3.0), ValueError, "lr must be finite"),
    (
        lambda s: s["state"][0].update(exp_avg=np.zeros(4)),
        mg.ShapeError,
        r"'exp_avg' of parameter 0 has shape \(4,\), the parameter \(5, 3\)",
    ),
]


@pytest.mark.parametrize(("change", "kind", "message"), BROKEN_STATES, ids=[e[2] for e in BROKEN_STATES])
def test_a_state_that_does_not_fit_changes_nothing(change: Any, kind: Any, message: str, device: str) -> None:
    params = parameters(device=device)
    optimizer = optim.Adam(params, lr=0.25)
    set_gradients(params, gradients(1))
    optimizer.step()
    before = optimizer.state_dict()
    with pytest.raises(kind, match=message):
        optimizer.load_state_dict(broken(change))
    after = optimizer.state_dict()
    assert before["param_groups"] == after["param_groups"]
    for i, entry in before["state"].items():
        for name, value in entry.items():
            np.testing.assert_array_equal(value, after["state"][i][name])
