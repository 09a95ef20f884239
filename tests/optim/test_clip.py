"""Gradient clipping: value, norm returned, padding, missing gradients, bad input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from on_device import host

import minigrad as mg
from minigrad import optim


def with_gradients(packed: bool, device: str, dtype: Any = np.float32) -> list[mg.Tensor]:
    rng = np.random.default_rng(3)
    params = [mg.tensor(np.zeros(s, dtype), device=device, requires_grad=True) for s in [(5, 3), (7,), ()]]
    if packed:
        optim.SGD(params)
    for p in params:
        p.grad = mg.tensor(np.asarray(rng.standard_normal(p.shape), dtype), device=device)
    return params


def flat(params: list[mg.Tensor]) -> np.ndarray:
    return np.concatenate([host(p.grad).ravel() for p in params if p.grad is not None])


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("norm_type", [2.0, math.inf])
@given(max_norm=st.floats(0, 20))
def test_norm(packed: bool, norm_type: float, max_norm: float, device: str) -> None:
    params = with_gradients(packed, device, np.float64)
    before = flat(params)
    norm = optim.clip_grad_norm(params, max_norm, norm_type)
    expected = np.linalg.norm(before, norm_type)
    assert isinstance(norm, mg.Tensor)
    assert (norm.shape, norm.device) == ((), device)
    np.testing.assert_allclose(norm.item(), expected, rtol=1e-12)
    np.testing.assert_allclose(flat(params), before * min(1.0, max_norm / (expected + 1e-6)), rtol=1e-12)


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("norm_type", [2.0, math.inf])
def test_norm_of_single_precision(packed: bool, norm_type: float, device: str) -> None:
    """What a kernel does on a device."""
    params = with_gradients(packed, device)
    before = flat(params)
    expected = np.linalg.norm(before.astype(float), norm_type)
    assert optim.clip_grad_norm(params, 0.5, norm_type).item() == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(flat(params), before * (0.5 / (expected + 1e-6)), rtol=1e-6)
    assert optim.gradient_norm(params, norm_type).item() == pytest.approx(0.5, rel=1e-5)


@pytest.mark.torch
@pytest.mark.parametrize("max_norm", [0.1, 1.0, 100.0])
def test_equals_torch(max_norm: float, device: str) -> None:
    torch = pytest.importorskip("torch")
    params = with_gradients(True, device, np.float64)
    theirs = [torch.zeros(p.shape, dtype=torch.float64, requires_grad=True) for p in params]
    for p, q in zip(params, theirs, strict=True):
        q.grad = torch.tensor(host(p.grad))
    norm = torch.nn.utils.clip_grad_norm_(theirs, max_norm)
    assert optim.clip_grad_norm(params, max_norm).item() == pytest.approx(norm.item(), rel=1e-12)
    for p, q in zip(params, theirs, strict=True):
        np.testing.assert_allclose(host(p.grad), q.grad.numpy(), rtol=1e-12)


def test_parameters_without_a_gradient_do_not_count(device: str) -> None:
    params = with_gradients(True, device)
    stale = params[1].grad.data
    params[1].grad = None
    expected = np.linalg.norm(flat(params))
    kept = host(stale)
    assert optim.clip_grad_norm(params, 0.5).item() == pytest.approx(expected, rel=1e-6)
    np.testing.assert_array_equal(host(stale), kept)


def test_no_gradients_at_all(device: str) -> None:
    params = [mg.tensor([1.0], device=device, requires_grad=True)]
    for norm in (optim.clip_grad_norm(params, 1.0), optim.gradient_norm(params)):
        assert (norm.item(), norm.device) == (0.0, device)
    assert optim.gradient_norm([]).item() == 0.0
    optim.clip_grad_value(params, 1.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_bad_gradient_does_not_spoil_the_padding(bad: float, device: str) -> None:
    params = with_gradients(True, device)
    with mg.no_grad():
        params[0].grad[0, 0] = bad
    with np.errstate(invalid="ignore"):
        norm = optim.clip_grad_norm(params, 1.0).item()
    assert not math.isfinite(norm)
    store = params[0]._leaf.store
    for stop, start in zip(store.stops, [*store.starts[1:], store.size], strict=True):
        assert not host(store.g[stop:start]).any()


@pytest.mark.parametrize("packed", [True, False])
@given(limit=st.floats(0, 3))
def test_value(packed: bool, limit: float, device: str) -> None:
    params = with_gradients(packed, device, np.float64)
    before = flat(params)
    optim.clip_grad_value(params, limit)
    np.testing.assert_array_equal(flat(params), np.clip(before, -limit, limit))


def test_a_single_tensor_and_a_generator_are_taken(device: str) -> None:
    params = with_gradients(False, device)
    optim.clip_grad_norm(params[0], 1e-3)
    assert np.linalg.norm(host(params[0].grad)) == pytest.approx(1e-3, rel=1e-2)
    optim.clip_grad_norm((p for p in params), 1e-4)
    assert np.linalg.norm(flat(params)) <= 1.001e-4


def test_clipping_makes_saved_gradients_stale(device: str) -> None:
    w = mg.tensor([2.0], device=device, requires_grad=True)
    (w**3).sum().backward(create_graph=True)
    penalty = (w.grad * w.grad).sum()
    optim.clip_grad_value([w], 1.0)
    with pytest.raises(mg.GraphError, match="overwritten"):
        penalty.backward()


ERRORS = [
    (lambda p: optim.clip_grad_norm(p, -1.0), "max_norm must be finite and >= 0, got -1.0"),
    (lambda p: optim.clip_grad_norm(p, math.nan), "max_norm"),
    (lambda p: optim.clip_grad_norm(p, 1.0, 3), "norm_type must be 2 or math.inf, got 3"),
    (lambda p: optim.clip_grad_value(p, -0.5), "clip_value must be finite and >= 0"),
]


@pytest.mark.parametrize(("call", "message"), ERRORS, ids=[e[1] for e in ERRORS])
def test_errors(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(with_gradients(True, "cpu"))
