"""Penalties and constraints on weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from on_device import host

import minigrad as mg
from minigrad import nn, optim
from minigrad.nn import functional as F
from minigrad.testing import gradcheck

W = np.array([[3.0, -4.0], [0.0, 0.5]], np.float32)
B = np.array([0.6, -0.8], np.float32)


def weights(device: str) -> list[Any]:
    return [mg.tensor(a, device=device, requires_grad=True) for a in (W, B)]


def test_penalties(device: str) -> None:
    w, b = weights(device)
    assert F.l1_penalty([w, b], 0.5).item() == pytest.approx(0.5 * (7.5 + 1.4))
    assert F.l2_penalty(w, 0.1).item() == pytest.approx(0.05 * 25.25)
    both = F.elastic_net(iter([w, b]), 0.5, 0.1)
    assert both.item() == pytest.approx(0.5 * 8.9 + 0.05 * 26.25)
    both.backward()
    np.testing.assert_allclose(host(w.grad), 0.5 * np.sign(W) + 0.1 * W, rtol=1e-6)
    assert w.grad.dtype == np.float32


def test_l2_is_weight_decay(device: str) -> None:
    """Its gradient is what the optimizer adds."""
    found = []
    for penalty in (True, False):
        w, b = weights(device)
        optimizer = optim.SGD([w, b], lr=0.1, weight_decay=0 if penalty else 0.3)
        for _ in range(3):
            optimizer.zero_grad()
            loss = (w * b).sum()
            (loss + F.l2_penalty([w, b], 0.3) if penalty else loss).backward()
            optimizer.step()
        found.append(np.concatenate([host(w).ravel(), host(b)]))
    np.testing.assert_allclose(*found, rtol=1e-5)


def test_penalties_to_second_order(device: str) -> None:
    values = np.array([[0.5, -1.25], [2.0, -0.75]])
    gradcheck(lambda x: F.elastic_net(x, 0.3, 0.7) * F.l1_penalty([x, x]), mg.tensor(values, device=device))


@pytest.mark.parametrize("call", [lambda: F.l1_penalty([]), lambda: F.elastic_net(iter(()), 1, 1)])
def test_no_parameters(call: Any) -> None:
    with pytest.raises(ValueError, match="got no parameters"):
        call()


@pytest.mark.parametrize("weight", [-1.0, float("nan")])
def test_a_negative_weight(weight: float) -> None:
    with pytest.raises(ValueError, match="weight must be a number >= 0"):
        F.l2_penalty(mg.tensor([1.0]), weight)


@pytest.mark.parametrize("limit", [0.0, 1.0, 2.0, 100.0])
def test_max_norm(device: str, limit: float) -> None:
    layer = nn.Linear(6, 4).to(device)
    with mg.no_grad():
        layer.weight *= mg.tensor(np.array([[0.0], [1.0], [8.0], [60.0]], np.float32), device=device)
    before = host(layer.weight)
    optim.max_norm_(layer.parameters(), limit)
    norms = np.linalg.norm(before, axis=1, keepdims=True)
    expected = before * np.where(norms > limit, limit / np.where(norms > 0, norms, 1), 1)
    np.testing.assert_allclose(host(layer.weight), expected, rtol=1e-6)
    assert np.linalg.norm(host(layer.bias)) <= limit * (1 + 1e-6)


def test_max_norm_waits_for_nothing_and_is_seen_by_the_tape(strict: Any) -> None:
    layer = nn.Linear(3, 2).to("cuda")
    out = layer(mg.tensor(np.ones((4, 3), np.float32), device="cuda", requires_grad=True))
    with strict.machine.no_sync():
        optim.max_norm_(layer.parameters(), 0.1)
    with pytest.raises(mg.GraphError, match="overwritten"):
        out.sum().backward()


def test_max_norm_over_other_axes() -> None:
    w = nn.Parameter(W.copy())
    optim.max_norm_(w, 1.0, axis=0)
    np.testing.assert_allclose(np.linalg.norm(host(w), axis=0), [1.0, 1.0], rtol=1e-6)
    w = nn.Parameter(W.copy())
    optim.max_norm_([w], 1.0, axis=None)
    assert np.linalg.norm(host(w)) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="max_norm"):
        optim.max_norm_(w, -1.0)
