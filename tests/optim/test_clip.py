"""Gradient clipping: value, norm returned, padding, missing gradients, bad input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import optim


def with_gradients(packed: bool, dtype: Any = np.float32, scale: float = 1.0) -> list[mg.Tensor]:
    rng = np.random.default_rng(3)
    params = [mg.tensor(np.zeros(s, dtype), requires_grad=True) for s in [(5, 3), (7,), ()]]
    if packed:
        optim.SGD(params)
    for p in params:
        p.grad = mg.tensor(np.asarray(scale * rng.standard_normal(p.shape), dtype))
    return params


def flat(params: list[mg.Tensor]) -> np.ndarray:
    return np.concatenate([p.grad.data.ravel() for p in params if p.grad is not None])


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("norm_type", [2.0, math.inf])
@given(max_norm=st.floats(0, 20))
def test_norm(packed: bool, norm_type: float, max_norm: float) -> None:
    params = with_gradients(packed, np.float64)
    before = flat(params)
    norm = optim.clip_grad_norm(params, max_norm, norm_type)
    expected = np.linalg.norm(before, norm_type)
    assert isinstance(norm, mg.Tensor)
    assert norm.shape == ()
    np.testing.assert_allclose(norm.item(), expected, rtol=1e-12)
    np.testing.assert_allclose(flat(params), before * min(1.0, max_norm / (expected + 1e-6)), rtol=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize("max_norm", [0.1, 1.0, 100.0])
def test_equals_torch(max_norm: float) -> None:
    torch = pytest.importorskip("torch")
    params = with_gradients(True, np.float64)
    theirs = [torch.zeros(p.shape, dtype=torch.float64, requires_grad=True) for p in params]
    for p, q in zip(params, theirs, strict=True):
        q.grad = torch.tensor(p.grad.data.copy())
    norm = torch.nn.utils.clip_grad_norm_(theirs, max_norm)
    assert optim.clip_grad_norm(params, max_norm).item() == pytest.approx(norm.item(), rel=1e-12)
    for p, q in zip(params, theirs, strict=True):
        np.testing.assert_allclose(p.grad.data, q.grad.numpy(), rtol=1e-12)


def test_parameters_without_a_gradient_do_not_count() -> None:
    params = with_gradients(True)
    stale = params[1].grad.data
    params[1].grad = None
    expected = np.linalg.norm(flat(params))
    kept = stale.copy()
    assert optim.clip_grad_norm(params, 0.5).item() == pytest.approx(expected, rel=1e-6)
    np.testing.assert_array_equal(stale, kept)


def test_no_gradients_at_all() -> None:
    assert optim.clip_grad_norm([mg.tensor([1.0], requires_grad=True)], 1.0).item() == 0.0
    optim.clip_grad_value([mg.tensor([1.0], requires_grad=True)], 1.0)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_bad_gradient_does_not_spoil_the_padding(bad: float) -> None:
    params = with_gradients(True)
    with mg.no_grad():
        params[0].grad[0, 0] = bad
    with np.errstate(invalid="ignore"):
        norm = optim.clip_grad_norm(params, 1.0).item()
    assert not math.isfinite(norm)
    store = params[0]._leaf.store
    for stop, start in zip(store.stops, [*store.starts[1:], store.size], strict=True):
        assert not store.g[stop:start].any()


@pytest.mark.parametrize("packed", [True, False])
@given(limit=st.floats(0, 3))
def test_value(packed: bool, limit: float) -> None:
    params = with_gradients(packed, np.float64)
    before = flat(params)
    optim.clip_grad_value(params, limit)
    np.testing.assert_array_equal(flat(params), np.clip(before, -limit, limit))


def test_a_single_tensor_and_a_generator_are_taken() -> None:
    params = with_gradients(False)
    optim.clip_grad_norm(params[0], 1e-3)
    assert np.linalg.norm(params[0].grad.data) == pytest.approx(1e-3, rel=1e-2)
    optim.clip_grad_norm((p for p in params), 1e-4)
    assert np.linalg.norm(flat(params)) <= 1.001e-4


def test_clipping_makes_saved_gradients_stale() -> None:
    w = mg.tensor([2.0], requires_grad=True)
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
        call(with_gradients(True))
