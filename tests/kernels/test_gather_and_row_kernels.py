"""Gathered rows bitwise; row sums within a bound, row maxima exactly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kernel_support import SEEDS, VARIANTS, f4, i4, i8, launch_all, same_bits, values
from shim import host_kernels

pytestmark = pytest.mark.gxx

COUNTS = st.sampled_from([0, 1, 31, 33, 128]) | st.integers(0, 60)
WIDTHS = st.sampled_from([0, 1, 2, 3, 4, 8, 33, 64]) | st.integers(0, 70)
BAD_ROWS = (-1, -(2**63), 2**62)


@pytest.mark.parametrize("dtype", [f4, i8])
@given(count=COUNTS, width=WIDTHS, height=st.integers(0, 40), seed=SEEDS)
@example(count=128, width=784, height=1000, seed=1)
@example(count=100_003, width=1, height=7, seed=1)
def test_gather(dtype: type, count: int, width: int, height: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    if dtype is f4:
        table, missing = values(rng, (height, width), special=True), f4(np.nan)
    else:
        table, missing = rng.integers(-(2**62), 2**62, (height, width)), i8(-1)
    rows = rng.integers(0, max(height, 1), count)
    rows = np.where(rng.random(count) < 0.1, rng.choice([*BAD_ROWS, height], count), rows)
    out = np.full((count, width), 7, dtype)
    got = launch_all(
        host_kernels("gather"),
        f"gather_rows_{'f32' if dtype is f4 else 'i64'}",
        table=table,
        rows=rows,
        out=out,
        count=i8(count),
        width=i8(width),
        height=i8(height),
    )["out"]
    here = (rows >= 0) & (rows < height)
    want = np.full_like(out, missing)
    want[here] = table[rows[here]]
    assert same_bits(got, want)


def reduce_rows(entry: str, x: np.ndarray) -> np.ndarray:
    rows, columns = x.shape
    out = np.full(rows, 7, f4)
    return launch_all(host_kernels("rows"), entry, x=x, out=out, rows=i8(rows), columns=i4(columns))["out"]


@given(rows=COUNTS, columns=WIDTHS, seed=SEEDS)
@example(rows=3, columns=4096, seed=1)
@example(rows=3, columns=10_001, seed=1)
@example(rows=10_007, columns=10, seed=1)
def test_row_sum(rows: int, columns: int, seed: int) -> None:
    x = values(np.random.default_rng(seed), (rows, columns))
    wide = x.astype(np.float64)
    # a lane adds columns / 32 numbers, or / 1024 from 4096 on, and the lanes are added in a tree
    rounds = 10 + columns / (32 if columns < 4096 else 1024)
    bound = rounds * 2.0**-24 * np.abs(wide).sum(axis=1)
    assert np.all(np.abs(reduce_rows("row_sum_f32", x) - wide.sum(axis=1)) <= bound)


@given(rows=COUNTS, columns=WIDTHS, seed=SEEDS, special=st.booleans())
@example(rows=5, columns=10_001, seed=1, special=False)
@example(rows=10_007, columns=10, seed=1, special=True)
def test_row_max(rows: int, columns: int, seed: int, special: bool) -> None:
    x = values(np.random.default_rng(seed), (rows, columns), special)
    # equal_nan and no bits: which of two zeros is larger is nobody's business
    np.testing.assert_array_equal(reduce_rows("row_max_f32", x), x.max(axis=1, initial=-np.inf))


@pytest.mark.parametrize("columns", [1, 5, 32, 100, 4096, 5000])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_bad_values_reach_the_result(columns: int, bad: float) -> None:
    for at in {0, columns // 2, columns - 1}:
        x = np.full((len(VARIANTS), columns), -2, f4)
        x[1, at] = bad
        top, total = reduce_rows("row_max_f32", x), reduce_rows("row_sum_f32", x)
        expected = bad if columns == 1 or bad != -np.inf else -2.0
        np.testing.assert_array_equal(top[1], f4(expected))
        np.testing.assert_array_equal(total[1], f4(bad))
        assert np.isfinite(np.delete(total, 1)).all()
