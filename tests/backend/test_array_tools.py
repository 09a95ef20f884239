"""Products into given storage, the small host-side speed-ups, erf, and aligned storage: each against plain NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad.backend import array as arrays
from minigrad.backend import gemm
from minigrad.backend.special import erf

sizes = st.integers(0, 9)
dtypes = st.sampled_from([np.float32, np.float64])


def matrix(rows: int, columns: int, dtype: Any, layout: str, seed: int) -> np.ndarray:
    a = np.random.default_rng(seed).integers(-8, 9, (rows, columns)).astype(dtype)  # sums of products are exact
    return {"c": a, "f": np.asfortranarray(a), "sliced": np.repeat(a, 2, axis=1)[:, ::2]}[layout]


layouts = st.sampled_from(["c", "f", "sliced"])


@given(sizes, sizes, sizes, dtypes, layouts, layouts, st.sampled_from(["new", "write", "add"]))
def test_matmul(m: int, k: int, n: int, dtype: Any, la: str, lb: str, mode: str) -> None:
    a, b = matrix(m, k, dtype, la, 1), matrix(k, n, dtype, lb, 2)
    expected = a.astype(np.float64) @ b.astype(np.float64)
    out = None if mode == "new" else np.full((m, n), 3, dtype)
    result = gemm.matmul(a, b, out=out, accumulate=mode == "add")
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, expected + (3 if mode == "add" else 0))
    assert out is None or result is out


@given(sizes, sizes, dtypes, layouts, st.sampled_from(["new", "write", "add"]))
def test_column_sum(m: int, n: int, dtype: Any, layout: str, mode: str) -> None:
    a = matrix(m, n, dtype, layout, 3)
    out = None if mode == "new" else np.full(n, 3, dtype)
    result = gemm.column_sum(a, out=out, accumulate=mode == "add")
    assert result.dtype == dtype
    np.testing.assert_array_equal(result, a.sum(axis=0) + (3 if mode == "add" else 0))


@pytest.mark.parametrize("shape", [(0, 4), (3, 5), (64, 64), (100, 90), (90, 100)])
@pytest.mark.parametrize("order", ["C", "F"])
def test_relu_in_place_and_its_slope(shape: tuple[int, int], order: Any) -> None:
    a = np.asarray(np.random.default_rng(0).standard_normal(shape).astype(np.float32), order=order)
    a.ravel(order="K")[:3] = [0.0, -0.0, np.nan][: a.size]
    expected = np.maximum(a, 0)
    arrays.relu_in_place(np, a)
    np.testing.assert_array_equal(a, expected)
    finite = np.nan_to_num(a)
    np.testing.assert_array_equal(arrays.relu_slope(finite), finite > 0)


@given(st.integers(1, 300), st.integers(0, 40), st.sampled_from(["i1", "u1", "i2", "i4", "i8", "u8"]))
def test_flat_positions(count: int, columns: int, dtype: str) -> None:
    rows = np.random.default_rng(count).integers(0, min(count, 127), columns).astype(dtype)
    at = arrays.flat_positions(np, rows, count, columns)
    grid = np.arange(count * columns).reshape(count, columns)
    np.testing.assert_array_equal(at, [grid[int(r), i] for i, r in enumerate(rows)])


@pytest.mark.parametrize("bad", [-1, 5, 2**40])
def test_flat_positions_refuse_what_is_out_of_range(bad: int) -> None:
    with pytest.raises(ValueError, match="invalid entry"):
        arrays.flat_positions(np, np.array([0, bad]), 5, 2)


def test_erf_to_the_last_place() -> None:
    x = np.concatenate([np.linspace(-7, 7, 40001), np.geomspace(1e-300, 1, 200), [0.0, -0.0, np.inf, -np.inf]])
    expected = np.array([math.erf(v) for v in x])
    assert np.max(np.abs(erf(x) - expected) / np.spacing(np.abs(expected) + 1e-320)) <= 1
    assert np.isnan(erf(np.array([np.nan]))).all()
    assert erf(np.float32(0.5)).dtype == np.float32
    assert erf(np.zeros((2, 0), np.float32)).shape == (2, 0)


@given(st.integers(0, 1000), dtypes)
def test_aligned_zeros(size: int, dtype: Any) -> None:
    a = arrays.aligned_zeros(size, dtype, "cpu")
    assert a.shape == (size,)
    assert a.dtype == dtype
    assert size == 0 or a.ctypes.data % 256 == 0
    assert not a.any()
