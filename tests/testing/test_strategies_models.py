"""What the strategies for matrices, networks, optimizers and batches promise."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from on_device import host

import minigrad as mg
from minigrad import nn, optim
from minigrad.backend import random
from minigrad.testing import gradcheck, strategies
from minigrad.testing.strategies.models import optimizer_classes

sizes = st.integers(1, 6)


@given(data=st.data(), n=sizes, batch=st.sampled_from([(), (2,), (2, 1)]))
def test_conditions_hold(data: Any, n: int, batch: tuple[int, ...]) -> None:
    a = data.draw(strategies.well_conditioned(n, batch=batch))
    assert a.shape == (*batch, n, n)
    assert (np.linalg.svd(a, compute_uv=False) >= 0.5 - 1e-12).all()
    assert (np.linalg.svd(a, compute_uv=False) <= 2.5 + 1e-12).all()
    gap = data.draw(st.sampled_from([1 / 4, 1.0]))
    for make in (strategies.symmetric, strategies.positive_definite):
        s = data.draw(make(n, min_gap=gap, batch=batch))
        assert (s == np.swapaxes(s, -1, -2)).all()
        values = np.linalg.eigvalsh(s)
        assert (np.diff(values) >= gap - 1e-9).all()
    assert (values >= 0.5 - 1e-12).all()


@given(a=strategies.well_conditioned(3), s=strategies.symmetric(3))
@settings(max_examples=5)
def test_linear_algebra_can_be_checked_there(a: np.ndarray, s: np.ndarray) -> None:
    gradcheck(mg.linalg.inv, a, max_entries=0, directions=1)
    gradcheck(lambda s: mg.linalg.eigvalsh((s + s.mT) / 2), s, max_entries=0, directions=1)


def test_matrices_go_to_the_device(device: str) -> None:
    @settings(max_examples=3)
    @given(a=strategies.well_conditioned(2, dtype="float32", device=device))
    def look(a: Any) -> None:
        assert mg.tensor(a).device == device
        assert a.dtype == np.float32

    look()


@given(model=strategies.mlps(3, 2), batch=strategies.batches(3, 2))
@settings(max_examples=10)
def test_any_network_has_a_right_gradient(model: nn.MLP, batch: tuple[Any, Any]) -> None:
    x, y = batch
    gradcheck(lambda x: ((model(x) - y) ** 2).mean(), x, max_entries=0, directions=1)


def test_networks_leave_the_random_streams_alone() -> None:
    before = random.get_state()
    drawn = []

    @settings(max_examples=20)
    @given(model=strategies.mlps(2, 1, activations=["relu"], normalizations=[None]))
    def look(model: nn.MLP) -> None:
        drawn.append([p.numpy() if not p.requires_grad else p.detach().numpy() for p in model.parameters()])
        assert model(np.ones((1, 2))).shape == (1, 1)

    look()
    assert str(random.get_state()) == str(before)
    assert len({str(d) for d in drawn}) > 3


def test_every_optimizer_is_drawn_and_every_configuration_steps() -> None:
    seen = set()

    @settings(max_examples=100)
    @given(config=strategies.optimizers())
    def look(config: strategies.OptimizerConfig) -> None:
        p = mg.tensor(np.array([1.0, -2.0]), requires_grad=True)
        optimizer = config.build([p])
        p.grad = mg.tensor(np.array([0.5, 0.4375]))
        optimizer.step()
        assert np.isfinite(host(p)).all()
        assert (host(p) != [1.0, -2.0]).all()
        assert str(config).startswith(config.cls.__name__ + "(lr=")
        seen.add(config.cls)

    look()
    public = {c for c in vars(optim).values() if isinstance(c, type) and issubclass(c, optim.Optimizer)}
    assert set(optimizer_classes()) == public - {optim.Optimizer}
    assert len(seen) >= min(3, len(public) - 1)


@pytest.mark.parametrize("classes", [False, True])
@given(data=st.data())
def test_batches_fit(classes: bool, data: Any) -> None:
    x, y = data.draw(strategies.batches(4, 3, classes=classes, dtype="float32"))
    assert len(x) == len(y) >= 1
    assert x.shape[1] == 4
    if classes:
        assert ((y >= 0) & (y < 3)).all()
    else:
        assert y.shape == (len(x), 3)
