"""Scalers: values against scikit-learn, round trips, constant columns, dtypes, state, errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn.preprocessing
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.data import MinMaxScaler, StandardScaler
from minigrad.errors import DTypeError, ShapeError

SCALERS = [StandardScaler, MinMaxScaler, lambda: MinMaxScaler((-2, 3))]
every_scaler = pytest.mark.parametrize("make", SCALERS, ids=["standard", "minmax", "minmax -2..3"])
seeds = st.integers(0, 2**32)


def draw(seed: int, n: int, columns: int, dtype: Any = np.float64) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, columns)) * rng.uniform(0.1, 50, columns) + rng.normal(size=columns)).astype(dtype)


@given(seeds, st.integers(2, 30), st.integers(1, 5))
def test_as_in_scikit_learn(seed: int, n: int, columns: int) -> None:
    x, new = draw(seed, n, columns), draw(seed + 1, 7, columns)
    for ours, theirs in [
        (StandardScaler(), sklearn.preprocessing.StandardScaler()),
        (MinMaxScaler(), sklearn.preprocessing.MinMaxScaler()),
        (MinMaxScaler((-2, 3)), sklearn.preprocessing.MinMaxScaler((-2, 3))),
    ]:
        np.testing.assert_allclose(ours.fit_transform(x), theirs.fit_transform(x), rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(ours.transform(new), theirs.transform(new), rtol=1e-9, atol=1e-9)


@every_scaler
@given(seed=seeds, n=st.integers(1, 20), columns=st.integers(0, 5), dtype=st.sampled_from(["float32", "float64"]))
def test_there_and_back(make: Any, seed: int, n: int, columns: int, dtype: str) -> None:
    x = draw(seed, n, columns, dtype)
    before = x.copy()
    scaler = make().fit(x)
    z = scaler.transform(x)
    assert z.dtype == dtype
    assert z.shape == x.shape
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(scaler.inverse_transform(z), x, rtol=tolerance, atol=100 * tolerance)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("value", [0.0, 0.1, -7.3, 1e8, 1e-30])
@pytest.mark.parametrize("n", [1, 3, 10, 1000])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_constant_column_becomes_a_constant(value: float, n: int, dtype: str) -> None:
    """0.1 summed and divided again is not 0.1: the rounding error must not be blown up to +-1."""
    x = np.full((n, 1), value, dtype)
    assert (StandardScaler().fit_transform(x) == 0).all()
    for low, high in [(0, 1), (-2, 3)]:
        scaler = MinMaxScaler((low, high))
        np.testing.assert_allclose(scaler.fit_transform(x), low, atol=1e-6)
    np.testing.assert_allclose(StandardScaler().fit(x).inverse_transform(x * 0), x)


@every_scaler
def test_statistics_stay_those_of_the_fit(make: Any) -> None:
    x, new = draw(0, 20, 3), draw(1, 5, 3)
    scaler = make().fit(x)
    alone = scaler.transform(new[:1])
    np.testing.assert_array_equal(scaler.transform(new)[:1], alone)
    assert scaler.transform(new[:0]).shape == (0, 3)


@every_scaler
def test_integers_give_float32_and_tensors_are_taken(make: Any) -> None:
    x = np.arange(12).reshape(4, 3) % 5
    assert make().fit_transform(x).dtype == np.float32
    np.testing.assert_array_equal(make().fit_transform(mg.tensor(x)), make().fit_transform(x))
    large = np.float32(1e7) + np.arange(8, dtype=np.float32)[:, None]
    assert abs(StandardScaler().fit_transform(large).std() - 1) < 1e-5  # statistics are float64


@every_scaler
def test_the_state_makes_another_scaler_the_same(make: Any) -> None:
    x = draw(3, 20, 4)
    scaler, other = make().fit(x), make()
    other.load_state_dict(scaler.state_dict())
    np.testing.assert_array_equal(other.transform(x), scaler.transform(x))
    assert all(v.dtype == np.float64 for v in scaler.state_dict().values())


X = np.ones((4, 3), np.float32)
ERRORS: list[tuple[str, Any, type[Exception], str]] = [
    ("fit", np.zeros((0, 3)), ShapeError, "no rows"),
    ("fit", np.zeros(3), ShapeError, r"\(3,\)"),
    ("fit", np.array([[1.0, np.nan]]), ValueError, "column 1 holds nan or inf"),
    ("fit", np.array([[np.inf, 1.0]]), ValueError, "column 0 holds nan or inf"),
    ("fit", np.array([["a"]]), DTypeError, "<U1"),
    ("transform", np.zeros((4, 2)), ShapeError, "3 columns, got 2"),
    ("transform", np.zeros(3), ShapeError, r"\(3,\)"),
    ("inverse_transform", np.zeros((4, 5)), ShapeError, "3 columns, got 5"),
    ("transform", X.astype(complex), DTypeError, "complex128"),
    ("load_state_dict", {"shift": np.zeros(3)}, ValueError, "lacks 'scale'"),
    ("load_state_dict", {"shift": np.zeros(3), "scale": np.ones(2)}, ValueError, r"\(3,\).*\(2,\)"),
]


@every_scaler
@pytest.mark.parametrize(("method", "argument", "error", "match"), ERRORS)
def test_errors(make: Any, method: str, argument: Any, error: type[Exception], match: str) -> None:
    scaler = make().fit(X)
    with pytest.raises(error, match=match):
        getattr(scaler, method)(argument)


@every_scaler
@pytest.mark.parametrize("method", ["transform", "inverse_transform"])
def test_not_fitted(make: Any, method: str) -> None:
    with pytest.raises(ValueError, match="call fit with the training set"):
        getattr(make(), method)(X)


@pytest.mark.parametrize("bounds", [(1, 0), (1, 1), (0, np.inf), (np.nan, 1)])
def test_an_impossible_range(bounds: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="feature_range"):
        MinMaxScaler(bounds)
