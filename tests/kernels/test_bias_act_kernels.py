"""Bias and activation: none and relu bitwise, tanh within bounds; the column sums bitwise in their fixed order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kernel_support import SEEDS, f4, fmaf, i4, i8, launch_all, same_bits, ulps, values
from shim import host_kernels

pytestmark = pytest.mark.gxx

NONE, RELU, TANH = 0, 1, 2
ROW_LANES = 32
ROWS = st.sampled_from([0, 1, 31, 33, 128]) | st.integers(0, 80)
COLUMNS = st.sampled_from([0, 1, 3, 4, 10, 32, 33, 64]) | st.integers(0, 100)
ACTIVATIONS = st.sampled_from([NONE, RELU, TANH])


def activate(z: np.ndarray, activation: int) -> np.ndarray:
    if activation == RELU:
        return np.where(z <= 0, f4(0), z)
    return np.tanh(z.astype(np.float64)).astype(f4) if activation == TANH else z


@given(rows=ROWS, columns=COLUMNS, activation=ACTIVATIONS, biased=st.booleans(), special=st.booleans(), seed=SEEDS)
@example(rows=1021, columns=100, activation=RELU, biased=True, special=True, seed=1)
@example(rows=1021, columns=97, activation=TANH, biased=True, special=True, seed=1)
def test_forward(rows: int, columns: int, activation: int, biased: bool, special: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    z, bias = values(rng, (rows, columns), special), values(rng, columns, special) if biased else None
    arguments: dict[str, Any] = {"rows": i8(rows), "columns": i4(columns), "activation": i4(activation)}
    got = launch_all(host_kernels("bias_act"), "bias_act_f32", z=z, bias=bias, **arguments)["z"]
    with np.errstate(all="ignore"):
        want = activate(z if bias is None else z + bias, activation)
    assert ulps(got, want) <= 2 if activation == TANH else same_bits(got, want)


def gradient(g: np.ndarray, out: np.ndarray, activation: int) -> np.ndarray:
    if activation == NONE:
        return g
    return g * (fmaf(-out, out, 1) if activation == TANH else (out > 0).astype(f4))


def column_sums(x: np.ndarray) -> np.ndarray:
    """Row lane i adds up rows i, i + 32, ...; then the lanes are added up."""
    lanes = np.zeros((ROW_LANES, x.shape[1]), f4)
    for i, row in enumerate(x):
        lanes[i % ROW_LANES] += row
    total = lanes[0].copy()
    for lane in lanes[1:]:
        total += lane
    return total


@given(
    rows=ROWS,
    columns=COLUMNS,
    activation=ACTIVATIONS,
    wanted=st.sampled_from(["gz", "gbias", "both"]),
    accumulate=st.booleans(),
    special=st.booleans(),
    seed=SEEDS,
)
@example(rows=1021, columns=100, activation=RELU, wanted="both", accumulate=True, special=False, seed=1)
def test_backward(
    rows: int, columns: int, activation: int, wanted: str, accumulate: bool, special: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    g, out = values(rng, (rows, columns), special), values(rng, (rows, columns), special)
    if activation == TANH:
        out = np.tanh(out).astype(f4)
    before = values(rng, columns)
    got = launch_all(
        host_kernels("bias_act"),
        "bias_act_backward_f32",
        g=g,
        out=None if activation == NONE else out,
        gz=None if wanted == "gbias" else np.full_like(g, 7),
        gbias=None if wanted == "gz" else before,
        rows=i8(rows),
        columns=i4(columns),
        activation=i4(activation),
        accumulate=i4(accumulate),
    )
    with np.errstate(all="ignore"):
        gz = gradient(g, out, activation)
        sums = column_sums(gz)
        sums = before + sums if accumulate else sums
    if "gz" in got:
        assert same_bits(got["gz"], gz)
    if "gbias" in got:
        assert same_bits(got["gbias"], sums)


def test_column_sums_are_sums() -> None:
    x = np.random.default_rng(0).standard_normal((1000, 7)).astype(f4)
    np.testing.assert_allclose(column_sums(x), x.astype(np.float64).sum(axis=0), rtol=1e-5, atol=1e-5)


def test_backward_in_place() -> None:
    rng = np.random.default_rng(0)
    g, out = values(rng, (33, 35)), values(rng, (33, 35))
    want = gradient(g, out, RELU)
    tail = [i8(33), i4(35), i4(RELU), i4(0)]
    host_kernels("bias_act").launch("bias_act_backward_f32", 2, 64, [g, out, g, np.zeros(35, f4), *tail])
    assert same_bits(g, want)
