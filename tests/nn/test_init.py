"""Initial values: ranges, moments, orthogonality, seeds, in-place writing, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from on_device import host

import minigrad as mg
from minigrad import nn
from minigrad.nn import init


def tensor(*shape: int, dtype: str = "float64", device: str = "cpu") -> mg.Tensor:
    return mg.tensor(np.full(shape, 7.0, dtype), device=device)


# name -> (filler, standard deviation for a (40, 60) weight, bound of a uniform one)
RANDOM: dict[str, tuple[Callable[..., mg.Tensor], float, float | None]] = {
    "normal": (lambda t, **k: init.normal_(t, 0.0, 2.0, **k), 2.0, None),
    "uniform": (lambda t, **k: init.uniform_(t, -1.0, 1.0, **k), 1 / math.sqrt(3), 1.0),
    "xavier_uniform": (lambda t, **k: init.xavier_uniform_(t, 2.0, **k), 2 * math.sqrt(0.02), 2 * math.sqrt(0.06)),
    "xavier_normal": (init.xavier_normal_, math.sqrt(0.02), None),
    "kaiming_uniform": (init.kaiming_uniform_, math.sqrt(2 / 60), math.sqrt(6 / 60)),
    "kaiming_normal": (lambda t, **k: init.kaiming_normal_(t, mode="fan_out", **k), math.sqrt(2 / 40), None),
    "kaiming a": (lambda t, **k: init.kaiming_normal_(t, a=1.0, **k), math.sqrt(1 / 60), None),
    "kaiming tanh": (
        lambda t, **k: init.kaiming_uniform_(t, nonlinearity="tanh", **k),
        5 / 3 / math.sqrt(60),
        5 / math.sqrt(180),
    ),
    "orthogonal": (init.orthogonal_, 1 / math.sqrt(60), None),
}


@pytest.mark.parametrize("name", RANDOM)
def test_moments_seed_and_range(name: str, device: str) -> None:
    fill, std, bound = RANDOM[name]
    t = tensor(40, 60, device=device)
    storage = t.data
    assert fill(t, generator=5) is t
    assert t.data is storage, "filled in place"
    values = host(t)
    assert abs(values.mean()) < 4 * std / math.sqrt(2400)
    assert values.std() == pytest.approx(std, rel=0.05)
    if bound is not None:
        assert np.abs(values).max() <= bound
        assert np.abs(values).max() > 0.99 * bound
    np.testing.assert_array_equal(fill(tensor(40, 60), generator=5).data, values, err_msg="one seed, one start")
    assert not np.array_equal(fill(tensor(40, 60), generator=6).data, values)

    mg.manual_seed(3)
    first, second = (host(fill(tensor(40, 60, device=device))) for _ in range(2))
    mg.manual_seed(3)
    np.testing.assert_array_equal(fill(tensor(40, 60)).data, first)
    assert not np.array_equal(first, second)
    mg.manual_seed(3)
    single = fill(tensor(40, 60, dtype="float32", device=device))
    np.testing.assert_array_equal(host(single), first.astype(np.float32))


def test_a_generator_continues() -> None:
    g = np.random.default_rng(0)
    a, b = init.normal_(tensor(3), generator=g).data, init.normal_(tensor(3), generator=g).data
    np.testing.assert_array_equal(np.concatenate([a, b]), np.random.default_rng(0).normal(size=6))


@settings(max_examples=30, deadline=None)
@given(shape=st.lists(st.integers(0, 5), min_size=2, max_size=4), gain=st.sampled_from([1.0, 0.5]))
def test_orthogonal(shape: list[int], gain: float, device: str) -> None:
    w = host(init.orthogonal_(tensor(*shape, device=device), gain, generator=1))
    w = w.reshape(shape[0], math.prod(shape[1:]))
    small = w @ w.T if w.shape[0] <= w.shape[1] else w.T @ w
    np.testing.assert_allclose(small, gain**2 * np.eye(len(small)), atol=1e-12)


@pytest.mark.parametrize("name", RANDOM)
@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0), (1, 1)])
def test_degenerate_shapes(name: str, shape: tuple[int, ...], device: str) -> None:
    t = RANDOM[name][0](tensor(*shape, device=device))
    assert t.shape == shape
    assert np.isfinite(host(t)).all()


def test_constants(device: str) -> None:
    np.testing.assert_array_equal(host(init.zeros_(tensor(2, device=device))), [0, 0])
    np.testing.assert_array_equal(host(init.ones_(tensor(2, device=device))), [1, 1])
    np.testing.assert_array_equal(host(init.constant_(tensor(2, device=device), 2.5)), [2.5, 2.5])
    np.testing.assert_array_equal(host(init.eye_(tensor(2, 3, device=device))), [[1, 0, 0], [0, 1, 0]])
    assert init.zeros_(tensor(device=device)).item() == 0


def test_fans_count_the_receptive_field() -> None:
    t = init.kaiming_uniform_(tensor(8, 4, 3, 2), generator=0)
    assert 0.97 < np.abs(t.data).max() / math.sqrt(6 / 24) <= 1


@pytest.mark.parametrize("name", ["zeros", "ones", "constant", "eye", "normal", "uniform", "xavier_uniform",
                                  "xavier_normal", "kaiming_uniform", "kaiming_normal", "orthogonal"])  # fmt: skip
def test_plain_names_are_aliases(name: str) -> None:
    assert getattr(init, name) is getattr(init, name + "_")


def test_a_parameter_stays_the_parameter_and_backward_notices(device: str) -> None:
    layer = nn.Linear(3, 2).to(device)
    x = mg.tensor(np.ones((1, 3), np.float32), device=device, requires_grad=True)
    loss = layer(x).sum()
    assert init.zeros_(layer.weight) is layer.weight
    assert layer.weight.requires_grad
    with pytest.raises(mg.GraphError, match="overwritten"):
        loss.backward()
    np.testing.assert_array_equal(host(layer(x)), host(layer.bias)[None])


def test_gains() -> None:
    assert init.calculate_gain("relu") == math.sqrt(2)
    assert init.calculate_gain("leaky_relu", 1.0) == 1.0
    assert init.calculate_gain("leaky_relu") == math.sqrt(2 / 1.0001)


def test_linear_starts_like_torch() -> None:
    """U(-1/sqrt(in), 1/sqrt(in)) for weight and bias, the same numbers in every dtype."""
    mg.manual_seed(0)
    double = nn.Linear(100, 200, dtype="float64")
    for p in double.parameters():
        assert 0.09 < np.abs(p.data).max() <= 0.1
        assert p.data.std() == pytest.approx(0.1 / math.sqrt(3), rel=0.1)
    mg.manual_seed(0)
    single = nn.Linear(100, 200)
    np.testing.assert_array_equal(single.weight.data, double.weight.data.astype(np.float32))


ERRORS: list[tuple[str, Callable[[], Any], type[Exception], str]] = [
    ("an array", lambda: init.zeros_(np.zeros(3)), TypeError, "zeros_.*ndarray"),
    ("fans of a bias", lambda: init.xavier_uniform_(tensor(3)), mg.ShapeError, r"xavier_uniform_.*\(3,\)"),
    ("orthogonal bias", lambda: init.orthogonal_(tensor(3)), mg.ShapeError, r"at least 2"),
    ("eye", lambda: init.eye_(tensor(3)), mg.ShapeError, "matrix"),
    ("mode", lambda: init.kaiming_normal_(tensor(2, 2), mode="fan"), ValueError, "'fan_out', got 'fan'"),
    ("nonlinearity", lambda: init.kaiming_normal_(tensor(2, 2), nonlinearity="swish"), ValueError, "relu.*'swish'"),
    ("std", lambda: init.normal_(tensor(2), 0, -1), ValueError, "got -1"),
    ("range", lambda: init.uniform_(tensor(2), 1, 0), ValueError, "a=1, b=0"),
]


@pytest.mark.parametrize(("call", "error", "message"), [e[1:] for e in ERRORS], ids=[e[0] for e in ERRORS])
def test_error(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
