"""Products into given storage, the small host-side speed-ups, erf, and aligned storage: each against plain NumPy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from on_device import host, put

from minigrad.backend import array as arrays
from minigrad.backend import gemm
from minigrad.backend.device import provider_for
from minigrad.backend.special import erf

sizes = st.integers(0, 9)
dtypes = st.sampled_from([np.float32, np.float64])


def matrix(rows: int, columns: int, dtype: Any, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-8, 9, (rows, columns)).astype(dtype)  # sums of products are exact


def placed(a: np.ndarray, layout: str, device: str) -> Any:
    """A matrix on a device: C-contiguous, Fortran-contiguous, or every second column of another."""
    if layout == "sliced":
        return put(np.repeat(a, 2, axis=1), device)[:, ::2]
    return put(a.T.copy(), device).T if layout == "f" else put(a, device)


layouts = st.sampled_from(["c", "f", "sliced"])


@given(sizes, sizes, sizes, dtypes, layouts, layouts, st.sampled_from(["new", "write", "add"]))
def test_matmul(device: str, m: int, k: int, n: int, dtype: Any, la: str, lb: str, mode: str) -> None:
    a, b = matrix(m, k, dtype, 1), matrix(k, n, dtype, 2)
    expected = a.astype(np.float64) @ b.astype(np.float64)
    out = None if mode == "new" else put(np.full((m, n), 3, dtype), device)
    result = gemm.matmul(placed(a, la, device), placed(b, lb, device), out=out, accumulate=mode == "add")
    assert result.dtype == dtype
    np.testing.assert_array_equal(host(result), expected + (3 if mode == "add" else 0))
    assert out is None or result is out


@given(sizes, sizes, dtypes, layouts, st.sampled_from(["new", "write", "add"]))
def test_column_sum(device: str, m: int, n: int, dtype: Any, layout: str, mode: str) -> None:
    a = matrix(m, n, dtype, 3)
    out = None if mode == "new" else put(np.full(n, 3, dtype), device)
    result = gemm.column_sum(placed(a, layout, device), out=out, accumulate=mode == "add")
    assert result.dtype == dtype
    np.testing.assert_array_equal(host(result), a.sum(axis=0) + (3 if mode == "add" else 0))


@pytest.mark.parametrize("shape", [(0, 4), (3, 5), (64, 64), (100, 90), (90, 100)])
@pytest.mark.parametrize("layout", ["c", "f"])
def test_relu_in_place_and_its_slope(shape: tuple[int, int], layout: str, device: str) -> None:
    a = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    a.ravel()[:3] = [0.0, -0.0, np.nan][: a.size]
    x = placed(a, layout, device)
    arrays.relu_in_place(provider_for(device).xp, x)
    np.testing.assert_array_equal(host(x), np.maximum(a, 0))
    finite = np.nan_to_num(np.maximum(a, 0))
    np.testing.assert_array_equal(host(arrays.relu_slope(placed(finite, layout, device))), finite > 0)


@given(st.integers(1, 300), st.integers(0, 40), st.sampled_from(["i1", "u1", "i2", "i4", "i8", "u8"]))
def test_flat_positions(device: str, count: int, columns: int, dtype: str) -> None:
    rows = np.random.default_rng(count).integers(0, min(count, 127), columns).astype(dtype)
    at = arrays.flat_positions(provider_for(device).xp, put(rows, device), count, columns)
    grid = np.arange(count * columns).reshape(count, columns)
    np.testing.assert_array_equal(host(at), [grid[int(r), i] for i, r in enumerate(rows)])


@pytest.mark.parametrize("bad", [-1, 5, 2**40])
def test_flat_positions_refuse_what_is_out_of_range(bad: int) -> None:
    """On the CPU: a look at the values would stall a device."""
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
def test_aligned_zeros(device: str, size: int, dtype: Any) -> None:
    a = arrays.aligned_zeros(size, dtype, device)
    assert a.shape == (size,)
    assert a.dtype == dtype
    address = a.ctypes.data if device == "cpu" else a.data.ptr
    assert size == 0 or address % 256 == 0
    assert not host(a).any()
