"""Softmax cross-entropy kernels against double precision, and against the operation on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kernel_support import SEEDS, f4, i4, i8, launch_all, same_bits, ticket, ulps
from shim import host_kernels

import minigrad as mg
from minigrad.ops.fused import softmax_cross_entropy

pytestmark = pytest.mark.gxx

IGNORED = -100

ROWS = st.sampled_from([0, 1, 31, 33, 128]) | st.integers(0, 60)
COLUMNS = st.sampled_from([1, 2, 10, 32, 33, 100]) | st.integers(1, 70)


def forward(
    z: np.ndarray,
    labels: np.ndarray,
    factor: Any,
    scale: float,
    residual: bool = True,
    reduce: bool = True,
    mean: bool = False,
    gradient: bool = False,
) -> dict[str, np.ndarray]:
    return launch_all(
        host_kernels("cross_entropy"),
        "softmax_cross_entropy_f32",
        logits=z,
        labels=labels,
        factor=factor,
        scale=f4(scale),
        ignored=i8(IGNORED),
        probability=np.full_like(z, 7) if residual else None,
        row_loss=np.full(len(z), 7, f4),
        loss=np.full(1, 7, f4) if reduce else None,
        kept=np.full(1, 7, f4) if mean else None,
        ticket=ticket() if reduce else None,
        rows=i8(len(z)),
        columns=i4(z.shape[1]),
        gradient=i4(gradient),
    )


def backward(
    g: np.ndarray, probability: np.ndarray, labels: np.ndarray, factor: Any, scale: float, kept: Any = None
) -> np.ndarray:
    return launch_all(
        host_kernels("cross_entropy"),
        "softmax_cross_entropy_backward_f32",
        g=g,
        probability=probability,
        labels=labels,
        factor=factor,
        scale=f4(scale),
        ignored=i8(IGNORED),
        kept=kept,
        out=np.full_like(probability, 7),
        rows=i8(len(probability)),
        columns=i4(probability.shape[1]),
        per_row=i4(len(g) > 1),
    )["out"]


def draw(rows: int, columns: int, seed: int, spread: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    z = (rng.standard_normal((rows, columns)) * spread).astype(f4)
    return z, rng.integers(0, columns, rows), rng.uniform(0, 2, rows).astype(f4)


def softmax(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Softmax and log of the sum, in double precision, of what the kernel sees: logits less the maximum, rounded."""
    shifted = z - z.max(axis=1, keepdims=True, initial=-np.inf)
    e = np.exp(shifted.astype(np.float64))
    total = e.sum(axis=1, keepdims=True)
    return e / total, np.log(total) - shifted


@given(rows=ROWS, columns=COLUMNS, seed=SEEDS, spread=st.sampled_from([1e-3, 1.0, 30.0]), weighted=st.booleans())
@example(rows=3, columns=4096, seed=1, spread=1.0, weighted=True)
@example(rows=5, columns=10_001, seed=1, spread=10.0, weighted=False)
@example(rows=2000, columns=10, seed=1, spread=1.0, weighted=True)
def test_forward(rows: int, columns: int, seed: int, spread: float, weighted: bool) -> None:
    z, labels, factor = draw(rows, columns, seed, spread)
    got = forward(z, labels, factor if weighted else None, 0.125)
    probability, losses = softmax(z)
    assert got["probability"] == pytest.approx(probability, rel=2e-6, abs=1e-37)
    weights = (factor if weighted else np.ones(rows)) * 0.125
    want = np.take_along_axis(losses, labels[:, None], axis=1)[:, 0] * weights
    np.testing.assert_allclose(got["row_loss"], want, rtol=1e-6, atol=1e-6 * (1 + np.log(columns)))
    # the sum is a sum of what was written, in double precision
    assert ulps(got["loss"], np.array([got["row_loss"].sum(dtype=np.float64)], f4)) <= 1
    assert got["ticket"][0] == 0


@given(rows=ROWS, columns=COLUMNS, seed=SEEDS, weighted=st.booleans())
def test_what_is_not_asked_for_changes_nothing(rows: int, columns: int, seed: int, weighted: bool) -> None:
    z, labels, factor = draw(rows, columns, seed, 3.0)
    full = forward(z, labels, factor if weighted else None, 2.0)
    bare = forward(z, labels, factor if weighted else None, 2.0, residual=False, reduce=False)
    assert same_bits(full["row_loss"], bare["row_loss"])


@given(rows=ROWS, columns=COLUMNS, seed=SEEDS, weighted=st.booleans(), per_row=st.booleans())
@example(rows=1000, columns=10, seed=1, weighted=True, per_row=True)
def test_backward_bitwise(rows: int, columns: int, seed: int, weighted: bool, per_row: bool) -> None:
    z, labels, factor = draw(rows, columns, seed, 2.0)
    probability = softmax(z)[0].astype(f4)
    g = np.random.default_rng(seed).standard_normal(rows if per_row and rows > 1 else 1).astype(f4)
    got = backward(g, probability, labels, factor if weighted else None, 0.3)
    weights = g * (factor * f4(0.3) if weighted else np.full(rows, 0.3, f4))
    hit = (labels[:, None] == np.arange(columns)).astype(f4)
    assert same_bits(got, (probability - hit) * weights[:, None])


@given(rows=st.integers(1, 600), columns=COLUMNS, seed=SEEDS, share=st.sampled_from([0.0, 0.3, 1.0]))
def test_ignored_rows_count_for_nothing(rows: int, columns: int, seed: int, share: float) -> None:
    z, labels, _ = draw(rows, columns, seed, 3.0)
    kept = np.random.default_rng(seed).uniform(size=rows) >= share
    labels = np.where(kept, labels, IGNORED)
    got = forward(z, labels, None, 1.0, mean=True)
    probability, losses = softmax(z)
    own = np.take_along_axis(losses, np.where(kept, labels, 0)[:, None], axis=1)[:, 0] * kept
    assert got["kept"][0] == kept.sum()
    np.testing.assert_allclose(got["row_loss"], own, rtol=1e-6, atol=1e-5)
    want = own.sum() / kept.sum() if kept.any() else np.nan
    np.testing.assert_allclose(got["loss"][0], want, rtol=1e-5, atol=1e-5)
    gradient = backward(np.ones(1, f4), got["probability"], labels, None, 1.0, kept=got["kept"])
    hit = labels[:, None] == np.arange(columns)
    np.testing.assert_allclose(gradient, (probability - hit) * kept[:, None] / max(kept.sum(), 1), rtol=1e-5, atol=1e-6)
    both = forward(z, labels, None, 1.0, mean=True, gradient=True)
    for name in ("row_loss", "loss", "kept"):
        assert same_bits(both[name], got[name])
    assert same_bits(both["probability"], gradient)


@pytest.mark.parametrize("reduce", [True, False])
@given(rows=st.integers(1, 40), columns=COLUMNS, seed=SEEDS)
def test_equals_the_operation(reduce: bool, rows: int, columns: int, seed: int) -> None:
    z, labels, factor = draw(rows, columns, seed, 3.0)
    x = mg.tensor(z, requires_grad=True)
    loss = softmax_cross_entropy(x, labels, factor, reduce=reduce)
    g = np.random.default_rng(seed).standard_normal(loss.shape).astype(f4)
    loss.backward(mg.tensor(g))
    got = forward(z, labels, factor, 1.0)
    np.testing.assert_allclose(got["loss"][0] if reduce else got["row_loss"], loss.data, rtol=1e-5, atol=1e-5)
    gradient = backward(np.atleast_1d(g), got["probability"], labels, factor, 1.0)
    np.testing.assert_allclose(gradient, x.grad.data, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bad", [-1, 10, 2**40, -(2**62)])
@pytest.mark.parametrize("columns", [10, 5000])
def test_a_label_out_of_range_makes_its_row_nan(bad: int, columns: int) -> None:
    z, labels, _ = draw(4, columns, 0, 1.0)
    labels %= 10
    labels[2] = bad if bad != 10 else columns
    got = forward(z, labels, None, 1.0)
    others = [0, 1, 3]
    assert np.isnan(got["row_loss"][2])
    assert np.isnan(got["loss"][0])
    assert np.isfinite(got["row_loss"][others]).all()
    gradient = backward(np.ones(1, f4), got["probability"], labels, None, 1.0)
    assert np.isnan(gradient[2]).all()
    assert np.isfinite(gradient[others]).all()


@pytest.mark.parametrize("columns", [7, 4096])
def test_extreme_logits(columns: int) -> None:
    z = np.zeros((7, columns), f4)
    z[0, 0] = 1e30  # sure of label 0
    z[1] = 1e30  # all equal
    z[2, 1:] = -np.inf
    z[3, 3] = np.nan
    z[4, 3] = np.inf
    z[5] = -np.inf
    z[6, 0] = 1e-45
    got = forward(z, np.zeros(7, i8), None, 1.0)
    log = np.log(columns)
    np.testing.assert_allclose(got["row_loss"], [0, log, 0, np.nan, np.nan, np.nan, log], rtol=1e-6)
    np.testing.assert_allclose(got["probability"][1], 1 / columns, rtol=1e-6)
    assert np.isnan(got["probability"][[3, 4, 5]]).any(axis=1).all()
    assert np.isfinite(got["probability"][[0, 1, 2, 6]]).all()


def test_no_columns() -> None:
    got = forward(np.zeros((3, 0), f4), np.zeros(3, i8), None, 1.0)
    assert np.isnan(got["row_loss"]).all()
    assert backward(np.ones(1, f4), np.zeros((3, 0), f4), np.zeros(3, i8), None, 1.0).size == 0
