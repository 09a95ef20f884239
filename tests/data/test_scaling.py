"""Scalers: values against scikit-learn, round trips, constant columns, dtypes, one fit only, state, errors."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import sklearn.preprocessing
from hypothesis import given
from hypothesis import strategies as st
from on_device import put

import minigrad as mg
from minigrad import data
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
def test_there_and_back(device: str, make: Any, seed: int, n: int, columns: int, dtype: str) -> None:
    """The data may lie on a device; what is scaled is on the host."""
    x = draw(seed, n, columns, dtype)
    before = x.copy()
    scaler = make().fit(put(x, device))
    z = scaler.transform(put(x, device))
    assert isinstance(z, np.ndarray)
    assert z.dtype == dtype
    assert z.shape == x.shape
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(scaler.inverse_transform(put(z, device)), x, rtol=tolerance, atol=100 * tolerance)
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
def test_integers_give_float32_and_tensors_are_taken(make: Any, device: str) -> None:
    x = np.arange(12).reshape(4, 3) % 5
    assert make().fit_transform(x).dtype == np.float32
    np.testing.assert_array_equal(make().fit_transform(mg.tensor(x, device=device)), make().fit_transform(x))
    large = np.float32(1e7) + np.arange(8, dtype=np.float32)[:, None]
    assert abs(StandardScaler().fit_transform(large).std() - 1) < 1e-5  # statistics are float64


@every_scaler
def test_the_state_makes_another_scaler_the_same(make: Any) -> None:
    x = draw(3, 20, 4)
    scaler, other = make().fit(x), make()
    other.load_state_dict(scaler.state_dict())
    np.testing.assert_array_equal(other.transform(x), scaler.transform(x))
    assert other.rows == 20
    assert scaler.state_dict()["shift"].dtype == scaler.state_dict()["scale"].dtype == np.float64
    scaler.state_dict()["shift"][:] = 7  # a copy
    np.testing.assert_array_equal(other.transform(x), scaler.transform(x))


@pytest.mark.parametrize("fitted", [True, False])
@pytest.mark.parametrize("arrays", [True, False])
@every_scaler
def test_the_state_survives_a_file(make: Any, fitted: bool, arrays: bool) -> None:
    """JSON turns arrays and tuples into lists; a file of arrays turns numbers into 0-d arrays."""
    x = draw(3, 20, 4)
    scaler = make().fit(x) if fitted else make()
    state = scaler.state_dict()
    if arrays:
        state = {k: v if v is None else np.asarray(v) for k, v in state.items()}
    else:
        state = json.loads(json.dumps({k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in state.items()}))
    other = MinMaxScaler((5, 6)) if isinstance(scaler, MinMaxScaler) else StandardScaler()
    other.load_state_dict(state)
    assert repr(other.state_dict()) == repr(scaler.state_dict())
    if fitted:
        np.testing.assert_array_equal(other.transform(x), scaler.transform(x))
        with pytest.raises(ValueError, match="already fitted on 20 rows"):
            other.fit(x)
    else:
        other.fit(x)  # with the range of the state
        np.testing.assert_array_equal(other.transform(x), make().fit_transform(x))


@every_scaler
def test_a_second_fit_must_be_asked_for(make: Any) -> None:
    """The classic leak: fit_transform of the training set, then of the test set."""
    train, test = draw(0, 20, 3), draw(1, 10, 3)
    scaler = make()
    scaler.fit_transform(train)
    due = scaler.transform(test)
    for leak in (scaler.fit, scaler.fit_transform):
        with pytest.raises(ValueError, match=r"is already fitted on 20 rows: transform .* or fit\(x, refit=True\)"):
            leak(test)
    np.testing.assert_array_equal(scaler.transform(test), due)
    np.testing.assert_array_equal(scaler.fit_transform(test, refit=True), make().fit_transform(test))
    assert scaler.rows == 10
    assert "fitted on 10 rows of 3 columns" in repr(scaler)
    assert "not fitted" in repr(make())


@every_scaler
def test_a_refit_that_fails_changes_nothing(make: Any) -> None:
    x = draw(0, 20, 3)
    scaler = make().fit(x)
    due = scaler.transform(x)
    with pytest.raises(ValueError, match="holds nan"):
        scaler.fit(x * np.nan, refit=True)
    np.testing.assert_array_equal(scaler.transform(x), due)


@every_scaler
def test_a_whole_data_set_is_refused(make: Any) -> None:
    iris = data.load("iris")
    for method in ("fit", "fit_transform"):
        with pytest.raises(TypeError, match=r"a Dataset holds the test rows too: split it first, or pass dataset\.x"):
            getattr(make(), method)(iris)
    scaler = make().fit(iris.x)
    with pytest.raises(TypeError, match=r"pass dataset\.x"):
        scaler.transform(iris)


@every_scaler
def test_numbers_too_large_to_scale(make: Any) -> None:
    with pytest.raises(ValueError, match=r"column 1 holds numbers up to 1\.5e\+308, too large for float64.*divide"):
        make().fit(np.array([[0.0, 1.5e308], [1.0, -1.5e308]]))
    scaler = make().fit(np.array([[0.0], [1e-100]]))
    with pytest.raises(ValueError, match="beyond the range of float64; the rows are far from those it was fitted on"):
        scaler.transform(np.array([[1e300]]))
    with pytest.raises(ValueError, match="beyond the range of float32"):
        scaler.transform(np.ones((1, 1), np.float32))
    with pytest.raises(ValueError, match="beyond the range of float32"):
        make().fit(np.array([[0.0], [1e60]])).inverse_transform(np.ones((1, 1), np.float32))
    tiny = np.array([[0.0], [5e-324]])  # a spread that underflows is none
    assert np.isfinite(make().fit_transform(tiny)).all()


def test_scalers_by_name() -> None:
    assert {"standard": StandardScaler, "minmax": MinMaxScaler} == data.SCALERS


X = np.ones((4, 3), np.float32)
ROW = {"shift": np.zeros(3), "scale": np.ones(3), "rows": 4}
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
    ("load_state_dict", {"shift": np.zeros(3), "scale": np.ones(3)}, ValueError, "lacks 'rows'"),
    ("load_state_dict", {**ROW, "scale": np.ones(2)}, ValueError, r"shift \(3,\) and scale \(2,\)"),
    ("load_state_dict", {**ROW, "scale": None}, ValueError, r"shift \(3,\) and scale none"),
    ("load_state_dict", {**ROW, "scale": [1, 0, 1]}, ValueError, "scale is 0 in column 1"),
    ("load_state_dict", {**ROW, "shift": [1, 2, np.nan]}, ValueError, "shift must be .*finite"),
    ("load_state_dict", {**ROW, "shift": np.eye(3)}, ValueError, r"\(3, 3\)"),
    ("load_state_dict", {**ROW, "shift": ["a", "b", "c"]}, ValueError, "shift must be numbers, got dtype <U1"),
    ("load_state_dict", {**ROW, "rows": 0}, ValueError, "rows must count those of the fit, got 0"),
    ("load_state_dict", {**ROW, "rows": 2.5}, ValueError, r"got 2\.5"),
    ("load_state_dict", {**ROW, "rows": "4"}, ValueError, "got '4'"),
    ("load_state_dict", {**ROW, "other": 1}, ValueError, "holds 'other'; is it that of another scaler"),
]


@every_scaler
@pytest.mark.parametrize(("method", "argument", "error", "match"), ERRORS)
def test_errors(make: Any, method: str, argument: Any, error: type[Exception], match: str) -> None:
    scaler = make() if method == "fit" else make().fit(X)
    if isinstance(scaler, MinMaxScaler) and method == "load_state_dict":
        argument = {**argument, "feature_range": (0, 1)}
    before = repr(scaler.state_dict())
    with pytest.raises(error, match=match):
        getattr(scaler, method)(argument)
    assert repr(scaler.state_dict()) == before


def test_the_state_of_the_other_scaler() -> None:
    standard, minmax = StandardScaler().fit(X), MinMaxScaler((0, 2)).fit(X)
    with pytest.raises(ValueError, match="holds 'feature_range'; is it that of another scaler"):
        standard.load_state_dict(minmax.state_dict())
    with pytest.raises(ValueError, match="lacks 'feature_range'"):
        minmax.load_state_dict(standard.state_dict())
    with pytest.raises(ValueError, match=r"feature_range must be \(low, high\) with low < high, got \[2, 1\]"):
        minmax.load_state_dict({**minmax.state_dict(), "feature_range": [2, 1]})
    assert minmax.feature_range == (0, 2)


@every_scaler
@pytest.mark.parametrize("method", ["transform", "inverse_transform"])
def test_not_fitted(make: Any, method: str) -> None:
    with pytest.raises(ValueError, match="call fit with the training set"):
        getattr(make(), method)(X)


@pytest.mark.parametrize("bounds", [(1, 0), (1, 1), (0, np.inf), (np.nan, 1), (1, 2, 3), 5, None, "01", ("a", "b")])
def test_an_impossible_range(bounds: Any) -> None:
    with pytest.raises(ValueError, match="feature_range"):
        MinMaxScaler(bounds)
