"""Bias and activation: none and relu bitwise, tanh within bounds; the column sums bitwise in their fixed order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kernel_support import SEEDS, f4, fmaf, i4, i8, launch_all, same_bits, ticket, ulps, values
from shim import host_kernels
from strict_provider import StrictProvider

from minigrad.backend.fused_kernels import BAND, JOBS, TILE, bands_of, bias_act_backward

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


def lane_sums(x: np.ndarray) -> np.ndarray:
    """Row lane i adds up rows i, i + 32, ...; then the lanes are added up."""
    lanes = np.zeros((ROW_LANES, x.shape[1]), f4)
    for i, row in enumerate(x):
        lanes[i % ROW_LANES] += row
    total = lanes[0].copy()
    for lane in lanes[1:]:
        total += lane
    return total


def column_sums(x: np.ndarray, band: int | None) -> np.ndarray:
    """The sums of the bands, themselves added up like rows."""
    if band is None:
        return lane_sums(x)
    partial = [lane_sums(x[first : first + band]) for first in range(0, len(x), band)]
    return lane_sums(np.array(partial, f4).reshape(len(partial), x.shape[1]))


@given(
    rows=ROWS,
    columns=COLUMNS,
    activation=ACTIVATIONS,
    wanted=st.sampled_from(["gz", "gbias", "both"]),
    accumulate=st.booleans(),
    band=st.none() | st.sampled_from([1, 31, 32, 33, 1000]) | st.integers(1, 50),
    special=st.booleans(),
    seed=SEEDS,
)
@example(rows=1021, columns=100, activation=RELU, wanted="both", accumulate=True, band=None, special=False, seed=1)
@example(rows=1021, columns=100, activation=RELU, wanted="both", accumulate=True, band=64, special=False, seed=1)
@example(
    rows=1021, columns=10, activation=TANH, wanted="gbias", accumulate=False, band=7, special=True, seed=1
)  # more bands than row lanes
@example(rows=300, columns=1, activation=NONE, wanted="gbias", accumulate=False, band=1, special=False, seed=1)
def test_backward(
    rows: int,
    columns: int,
    activation: int,
    wanted: str,
    accumulate: bool,
    band: int | None,
    special: bool,
    seed: int,
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
        partial=None if band is None else np.full((-(-rows // band), columns), np.nan, f4),
        ticket=None if band is None else ticket(),
        rows=i8(rows),
        columns=i4(columns),
        band=i8(band or 0),
        activation=i4(activation),
        accumulate=i4(accumulate),
    )
    with np.errstate(all="ignore"):
        gz = gradient(g, out, activation)
        sums = column_sums(gz, band)
        sums = before + sums if accumulate else sums
    if "gz" in got:
        assert same_bits(got["gz"], gz)
    if "gbias" in got:
        assert same_bits(got["gbias"], sums)
    if "ticket" in got:
        assert got["ticket"][0] == 0


@pytest.mark.parametrize("band", [None, 1, 100, 256])
def test_column_sums_are_sums(band: int | None) -> None:
    x = np.random.default_rng(0).standard_normal((1000, 7)).astype(f4)
    np.testing.assert_allclose(column_sums(x, band), x.astype(np.float64).sum(axis=0), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("band", [None, 10])
def test_backward_in_place(band: int | None) -> None:
    rng = np.random.default_rng(0)
    g, out = values(rng, (33, 35)), values(rng, (33, 35))
    want = gradient(g, out, RELU)
    scratch = [None, None] if band is None else [np.zeros((4, 35), f4), ticket()]
    tail = [i8(33), i4(35), i8(band or 0), i4(RELU), i4(0)]
    sums = np.zeros(35, f4)
    host_kernels("bias_act").launch("bias_act_backward_f32", 2, 64, [g, out, g, sums, *scratch, *tail])
    assert same_bits(g, want)
    assert same_bits(sums, column_sums(want, band))


# --- how the rows are shared out ------------------------------------------------------------------------------------


@given(rows=st.integers(0, 2**40), columns=st.integers(0, 2**20))
@example(rows=65536, columns=10)
def test_bands_cover_the_rows(rows: int, columns: int) -> None:
    band, bands = bands_of(rows, columns)
    assert (bands - 1) * band < max(1, rows) <= bands * band + (rows == 0)
    assert bands == 1 or (band >= BAND and bands * -(-columns // TILE) <= JOBS)
    assert bands == 1 if rows < 2 * BAND else columns > TILE * JOBS // 2 or bands > 1


def test_many_rows_keep_many_blocks_busy() -> None:
    assert bands_of(511, 10) == (511, 1)  # no scratch for the batches of a small network
    assert bands_of(65536, 10) == (256, 256)
    assert bands_of(65536, 256) == (2048, 32)  # by eight tiles of columns


@pytest.mark.parametrize("rows", [100, 1500])
@pytest.mark.parametrize("given_place", [True, False])
def test_one_launch_whatever_the_rows(strict: StrictProvider, rows: int, given_place: bool) -> None:
    x = np.random.default_rng(0).standard_normal((rows, 10)).astype(f4)
    g = strict.from_host(x, "cuda:0")
    dest = (strict.from_host(np.ones(10, f4), "cuda:0"), True) if given_place else None
    bias_act_backward(g, g, None, True, dest)  # makes the ticket
    strict.machine.reset()
    with strict.machine.no_sync():
        gz, new = bias_act_backward(g, g, None, True, dest)
    assert gz is g
    assert dict(strict.machine.tally.launches) == {"bias_act_backward_f32": 1}
    assert strict.machine.tally.to_device.count == 0
    assert strict.machine.tally.allocations.count == (rows > 511) + (not given_place)
    sums = column_sums(x, 300 if rows > 511 else None)
    if dest is None:
        assert same_bits(strict.to_host(new), sums)
    else:
        assert new is None
        assert same_bits(strict.to_host(dest[0]), (1 + sums) + sums)
