"""Dropout kernels: every word is the one of numpy.random.Philox, over carries and at any position."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kernel_support import SEEDS, SIZES, VARIANTS, f4, i8, launch_all, same_bits, values
from shim import host_kernels

import minigrad as mg
from minigrad.backend import random

pytestmark = pytest.mark.gxx

TOP = 2**64 - 1
u8 = np.uint64
WORDS = st.sampled_from([0, 1, TOP - 1, TOP]) | st.integers(0, TOP)
STATES = st.lists(WORDS, min_size=6, max_size=6)
THRESHOLDS = st.sampled_from([0, 1, 2**31, 2**32 - 1, 2**32]) | st.integers(0, 2**32)


def numpy_generator(state: list[int]) -> np.random.Philox:
    """NumPy's generator at key = state[:2], counter = state[2:], at the boundary of a block."""
    generator = np.random.Philox()
    plain: dict[str, Any] = dict(generator.state)
    plain["state"] = {"counter": np.array(state[2:], u8), "key": np.array(state[:2], u8)}
    generator.state = {**plain, "buffer_pos": 4, "has_uint32": 0, "uinteger": 0}
    return generator


def mask_of(state: list[int], n: int, threshold: int) -> np.ndarray:
    words = numpy_generator(state).random_raw(4 * -(-n // 8)).view(np.uint32)[:n]
    return (words.astype(u8) >= u8(threshold)).astype(np.uint8)


@given(state=STATES, n=SIZES, threshold=THRESHOLDS)
@example(state=[1, 2, TOP, TOP, TOP, 5], n=100_003, threshold=2**31)
@example(state=[1, 2, TOP - 5, TOP, TOP, TOP], n=100, threshold=2**30)
def test_keep_mask_equals_numpy(state: list[int], n: int, threshold: int) -> None:
    got = launch_all(
        host_kernels("dropout"),
        "keep_mask",
        mask=np.full(n, 9, np.uint8),
        n=i8(n),
        state=np.array(state, u8),
        threshold=u8(threshold),
    )
    assert same_bits(got["mask"], mask_of(state, n, threshold))


@given(state=STATES, n=SIZES, threshold=THRESHOLDS, special=st.booleans(), seed=SEEDS)
@example(state=[1, 2, TOP, TOP, TOP, TOP], n=100_003, threshold=2**31, special=True, seed=1)
def test_dropout(state: list[int], n: int, threshold: int, special: bool, seed: int) -> None:
    x, scale = values(np.random.default_rng(seed), n, special), f4(1.25)
    got = launch_all(
        host_kernels("dropout"),
        "dropout_f32",
        x=x,
        out=np.full(n, 7, f4),
        mask=np.full(n, 9, np.uint8),
        n=i8(n),
        state=np.array(state, u8),
        threshold=u8(threshold),
        scale=scale,
    )
    keep = mask_of(state, n, threshold)
    assert same_bits(got["mask"], keep)
    with np.errstate(all="ignore"):
        assert same_bits(got["out"], x * keep.astype(f4) * scale)


@given(state=STATES, blocks=st.sampled_from([0, 1, 2**63 - 1]) | st.integers(0, 2**63 - 1))
def test_advance_adds_over_256_bits(state: list[int], blocks: int) -> None:
    got = launch_all(host_kernels("dropout"), "advance_philox", state=np.array(state, u8), blocks=i8(blocks))["state"]
    counter = sum(word << 64 * i for i, word in enumerate(state[2:])) + blocks
    assert got.tolist() == state[:2] + [counter >> 64 * i & TOP for i in range(4)]


@pytest.mark.parametrize("shape", [(3,), (8,), (37, 5)])
def test_masks_are_those_of_the_host(shape: tuple[int, ...]) -> None:
    """Two masks in a row, the state moved on in between by the kernel."""
    mg.manual_seed(7)
    start = random.generator("dropout").bit_generator.state["state"]
    state = np.concatenate([start["key"], start["counter"]]).astype(u8)
    n, drop = int(np.prod(shape)), 0.3
    for _ in range(2):
        mask = np.zeros(n, np.uint8)
        host = host_kernels("dropout")
        host.launch("keep_mask", 2, 32, [mask, i8(n), state, u8(round(drop * 2**32))])
        host.launch("advance_philox", 1, 32, [state, i8(-(-n // 8))])
        np.testing.assert_array_equal(mask.reshape(shape).astype(bool), random.keep_mask(shape, drop, "cpu"))


def test_in_place() -> None:
    x = np.arange(1, 101, dtype=f4)
    want = x * mask_of([1, 2, 3, 4, 5, 6], 100, 2**31).astype(f4) * f4(2)
    tail = [np.zeros(100, np.uint8), i8(100), np.arange(1, 7, dtype=u8), u8(2**31), f4(2)]
    host_kernels("dropout").launch("dropout_f32", VARIANTS[1].grid, 64, [x, x, *tail])
    assert same_bits(x, want)
