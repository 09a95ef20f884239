"""Every optimizer against its formula in plain NumPy, PyTorch, and itself after a resume."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lives import SHAPES, gradients, live, parameters, set_gradients
from on_device import host
from optimizer_formulas import FORMULAS, reference
from optimizer_rows import ROWS, Row

import minigrad as mg
from minigrad import optim
from minigrad.optim.descent import descent

BY_NAME = {str(row): row for row in ROWS}
every_row = pytest.mark.parametrize("row", ROWS, ids=BY_NAME)


def test_every_optimizer_has_a_row() -> None:
    def subclasses(cls: type) -> set[type]:
        return {cls} | {s for c in cls.__subclasses__() for s in subclasses(c)}

    library = {c for c in subclasses(optim.Optimizer) if c.__module__.startswith("minigrad.")}
    assert library - {optim.Optimizer} == {row.cls for row in ROWS} == set(FORMULAS)
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


@every_row
@given(split=st.integers(0, 9), total=st.integers(10, 14))
def test_resume_is_bitwise(row: Row, split: int, total: int, device: str) -> None:
    straight = parameters(np.float32, device)
    optimizer = row.cls(straight, **row.kwargs)
    live(straight, optimizer, set_gradients, np.float32, total)

    first = parameters(np.float32, device)
    optimizer = row.cls(first, **row.kwargs)
    live(first, optimizer, set_gradients, np.float32, split)
    second = [mg.tensor(p.data, requires_grad=True) for p in first]
    resumed = row.cls(second, **{**row.kwargs, "lr": 0.5})  # overwritten by the state
    resumed.load_state_dict(optimizer.state_dict())
    live(second, resumed, set_gradients, np.float32, total, since=split)
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
    kept = [v for s in state.values() for k, v in s.items() if k != "step" and k not in row.cls.scalars]
    assert {v.dtype for v in kept} <= {np.dtype(np.float32)}


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
    assert np.abs(host(w) - 0.5).max() < row.near + decay


class SignDescent(optim.Optimizer):
    """What a user writes who needs no kernel."""

    columns = ("lr",)

    def __init__(self, params: Any, lr: float = 0.1, **options: Any) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": 0}, **options)

    def validate(self, group: Any) -> None: ...

    def state_names(self, group: Any) -> tuple[str, ...]:
        return ("last",)

    def coefficients(self, group: Any, step: int) -> tuple[float, ...]:
        return (group["lr"],)

    def update(self, xp: Any, group: Any, c: Any, p: Any, g: Any, *buffers: Any) -> None:
        last, t, d = buffers
        g = descent(xp, group, c, p, g, t, d)
        xp.sign(g, last)
        xp.multiply(last, c.lr, t)
        p -= t


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [3, 1 << 17])
def test_an_optimizer_of_ones_own(dtype: Any, size: int, device: str) -> None:
    """With every option, wherever it runs."""
    w = mg.tensor(np.ones(size, dtype), device=device, requires_grad=True)
    optimizer = SignDescent([w], ema=0.5, max_norm=1.0, nonfinite="skip", accumulate=2)
    for g in (1.0, 3.0, np.nan, 1.0, -3.0, 1.0):
        optimizer.zero_grad()
        new = mg.tensor(np.full(size, g, dtype), device=device)
        w.grad = new if w.grad is None else w.grad + new
        optimizer.step()
    np.testing.assert_allclose(host(w), np.ones(size), rtol=1e-6)  # down, not at all, up
    assert optimizer.skipped == 1
    assert optimizer.state_dict()["state"][0]["step"] == 2
    with optimizer.averaged():
        np.testing.assert_allclose(host(w), np.full(size, 0.5 * 0.95 + 0.5), rtol=1e-6)


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
    (lambda p: optim.Adagrad(p, lr_decay=-1), ValueError, "lr_decay must be finite and >= 0, got -1"),
    (lambda p: optim.Adagrad(p, initial_accumulator_value=-1), ValueError, "initial_accumulator_value must be"),
    (lambda p: optim.Adagrad(p, eps=math.nan), ValueError, "eps must be finite and >= 0, got nan"),
    (lambda p: optim.Adadelta(p, rho=1.0), ValueError, "rho must be finite and >= 0 and < 1, got 1.0"),
    (lambda p: optim.Adadelta(p, lr=-1.0), ValueError, "lr must be finite and >= 0, got -1.0"),
    (lambda p: optim.RMSprop(p, alpha=1.5), ValueError, "alpha must be finite and >= 0 and < 1, got 1.5"),
    (lambda p: optim.RMSprop(p, momentum=-0.5), ValueError, "momentum must be finite and >= 0 and < 1, got -0.5"),
    (lambda p: optim.Adamax(p, betas=(-0.1, 0.9)), ValueError, r"betas\[0\] must be finite and >= 0 and < 1, got -0.1"),
    (lambda p: optim.NAdam(p, momentum_decay=-1), ValueError, "momentum_decay must be finite and >= 0, got -1"),
    (lambda p: optim.NAdam([]), ValueError, "got no parameters"),
    (lambda p: optim.RAdam(p, eps=math.inf), ValueError, "eps must be finite and >= 0, got inf"),
    (lambda p: optim.RAdam([p[0], p[0]]), ValueError, "is given twice"),
    (lambda p: optim.Lion(p, betas=(0.9,)), ValueError, r"betas must be a pair of numbers in \[0, 1\), got \(0.9,\)"),
    (lambda p: optim.Lion(p, lr=None), ValueError, "lr must be a number, got None"),
    (lambda p: optim.Lion([{"params": p, "eps": 1e-8}]), ValueError, "unknown hyper-parameter 'eps'"),
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
    (lambda s: s["param_groups"][0].update(betas=(0.9, 2.0)), ValueError, r"betas\[1\] must be finite"),
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
