"""Made-up data sets: shapes, sizes of the classes, the formulas without noise, seeds, errors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sklearn.datasets
from hypothesis import given
from hypothesis import strategies as st
from on_device import host

import minigrad as mg
from minigrad import data
from minigrad.errors import DeviceError, DTypeError, ShapeError

CLASSES: dict[str, tuple[Callable[..., data.Dataset], int]] = {
    "moons": (data.moons, 2),
    "spirals": (data.spirals, 3),
    "blobs": (data.blobs, 3),
}
every = pytest.mark.parametrize("make", [data.moons, data.spirals, data.blobs, data.linear])


@pytest.mark.parametrize("name", CLASSES)
@given(n=st.integers(3, 60), seed=st.integers(0, 2**63))
def test_classes(name: str, n: int, seed: int) -> None:
    make, classes = CLASSES[name]
    found = make(n, seed=seed)
    assert found.x.shape == (n, 2)
    assert (found.x.dtype, found.y.dtype) == (np.float32, np.int64)
    assert found.x.flags.c_contiguous
    assert np.isfinite(found.x).all()
    counts = np.bincount(found.y, minlength=classes)
    assert counts.max() - counts.min() <= 1
    assert (found.name, found.task, found.classes) == (name, "classification", classes)
    assert found.feature_names == ("x0", "x1")


@every
def test_one_seed_one_set(make: Any, device: str) -> None:
    """On every device."""
    first, again, other = make(50, seed=3), make(50, seed=3, device=device), make(50, seed=4)
    assert {mg.tensor(a).device for a in again} == {device}
    assert (again.x.dtype, again.y.dtype) == (first.x.dtype, first.y.dtype)
    np.testing.assert_array_equal(first.x, host(again.x))
    np.testing.assert_array_equal(first.y, host(again.y))
    assert (first.x != other.x).any()
    mg.manual_seed(1)
    one, two = make(50), make(50)
    mg.manual_seed(1)
    np.testing.assert_array_equal(host(make(50, device=device).x), one.x)
    np.testing.assert_array_equal(host(make(50, device=device).x), two.x)
    assert (one.x != two.x).any()
    if make is not data.linear:
        assert (np.diff(first.y) != 0).any()
        assert not np.array_equal(first.y, np.arange(50) % first.classes)  # shuffled


def by_rows(x: np.ndarray) -> np.ndarray:
    return x[np.lexsort(np.round(x.T, 5))]


def test_moons_are_scikit_learns() -> None:
    for n in (2, 3, 40, 41):
        found = data.moons(n, noise=0, seed=0)
        x, y = sklearn.datasets.make_moons((n - n // 2, n // 2))
        for c in (0, 1):
            np.testing.assert_allclose(by_rows(found.x[found.y == c]), by_rows(x[y == c]), atol=1e-6)
    noisy = data.moons(4000, noise=0.3, seed=0).x
    clean = data.moons(4000, noise=0, seed=0).x
    np.testing.assert_allclose(noisy.var(0), clean.var(0) + 0.09, rtol=0.1)


def test_spirals_without_noise() -> None:
    x, y = data.spirals(90, classes=4, noise=0, turns=1.5, seed=0)
    radius = np.hypot(*x.T)
    assert 0 < radius.min() < 0.1
    np.testing.assert_allclose(radius.max(), 1, rtol=1e-6)
    angle = 2 * np.pi * (1.5 * radius + y / 4)
    np.testing.assert_allclose(x, radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1), atol=1e-5)


def test_blobs_lie_around_their_centers(device: str) -> None:
    centers = np.array([[0.0, 0, 5], [8, 0, 0], [0, -9, 1], [3, 3, 3]])
    for given_ in (centers, centers.tolist(), mg.tensor(centers, device=device)):
        x, y = data.blobs(4000, given_, spread=0.5, seed=0)
        assert x.shape == (4000, 3)
        for c in range(4):
            np.testing.assert_allclose(x[y == c].mean(0), centers[c], atol=0.1)
            np.testing.assert_allclose(x[y == c].std(0), 0.5, rtol=0.1)
    x, y = data.blobs(4000, 5, 7, spread=0, seed=0)
    assert x.shape == (4000, 7)
    assert len(np.unique(x, axis=0)) == 5
    assert np.abs(x).max() <= 10


def test_linear_has_the_true_weights() -> None:
    found = data.linear(50, 3, noise=0, seed=0)
    assert (found.task, found.classes, found.y.dtype) == ("regression", 0, np.float32)
    np.testing.assert_allclose(found.y, found.x @ [1, -2, 3] + 0.5, atol=1e-5)
    x, y = data.linear(50, noise=0, weight=[4, 5], bias=-1, seed=0)
    np.testing.assert_allclose(y, x @ [4, 5] - 1, atol=1e-5)
    x, y = data.linear(4000, noise=0.5, seed=0)
    np.testing.assert_allclose((y - x[:, 0] - 0.5).std(), 0.5, rtol=0.05)


def test_they_go_through_split_and_loader(device: str) -> None:
    moons = data.moons(seed=0, device=device)
    x_train, x_test, y_train, _ = data.train_test_split(moons, seed=0, stratify=moons.y)
    assert (len(x_train), len(x_test)) == (160, 40)
    batches = list(data.DataLoader((x_train, y_train), 32))
    assert len(batches) == 5
    assert {t.device for batch in batches for t in batch} == {device}


ERRORS: list[tuple[Any, dict[str, Any], type[Exception], str]] = [
    (data.moons, {"n": 1}, ValueError, r"data\.moons: n must be at least 2, got 1"),
    (data.moons, {"n": 10.0}, TypeError, r"float 10\.0"),
    (data.moons, {"n": True}, TypeError, "bool True"),
    (data.moons, {"noise": -0.1}, ValueError, r"noise must not be negative, got -0\.1"),
    (data.moons, {"noise": "0.1"}, TypeError, "noise must be a number, got str '0.1'"),
    (data.moons, {"noise": float("nan")}, ValueError, "noise must be finite, got nan"),
    (data.moons, {"seed": -1}, ValueError, "seed must not be negative"),
    (data.moons, {"seed": 0.5}, TypeError, "seed must be an integer"),
    (data.moons, {"device": "gpu"}, DeviceError, "'gpu'"),
    (data.spirals, {"classes": 1}, ValueError, r"data\.spirals: classes must be at least 2, got 1"),
    (data.spirals, {"n": 4, "classes": 5}, ValueError, "n must be at least 5, got 4"),
    (data.spirals, {"turns": float("inf")}, ValueError, "turns must be finite"),
    (data.spirals, {"noise": True}, TypeError, "bool True"),
    (data.blobs, {"centers": 1}, ValueError, r"data\.blobs: centers must be at least 2, got 1"),
    (data.blobs, {"centers": 2.5}, TypeError, r"float 2\.5"),
    (data.blobs, {"centers": [1, 2]}, ShapeError, r"centers must be .*got \(2,\)"),
    (data.blobs, {"centers": [[1, 2]]}, ShapeError, r"got \(1, 2\)"),
    (data.blobs, {"centers": [["a"], ["b"]]}, DTypeError, "<U1"),
    (data.blobs, {"centers": [[1, np.nan], [0, 0]]}, ValueError, "centers holds nan or inf"),
    (data.blobs, {"features": 0}, ValueError, "features must be at least 1"),
    (data.blobs, {"spread": -1}, ValueError, "spread must not be negative"),
    (data.blobs, {"n": 2}, ValueError, "n must be at least 3, got 2"),
    (data.linear, {"n": 1}, ValueError, r"data\.linear: n must be at least 2"),
    (data.linear, {"features": 0}, ValueError, "features must be at least 1"),
    (data.linear, {"weight": 3.0}, ShapeError, r"weight must be \(features,\), got shape \(\)"),
    (data.linear, {"weight": []}, ShapeError, r"got shape \(0,\)"),
    (data.linear, {"weight": [np.inf]}, ValueError, "weight holds nan or inf"),
    (data.linear, {"bias": None}, TypeError, "bias must be a number, got NoneType"),
]


@pytest.mark.parametrize(("make", "options", "error", "match"), ERRORS)
def test_errors(make: Any, options: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        make(**options)
