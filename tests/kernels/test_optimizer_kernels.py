"""Adam and SGD kernels: bits against a reference, several steps against the optimizers on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kernel_support import SEEDS, SIZES, f4, i4, i8, same_bits, u4, updates
from optimizer_checks import (
    AMSGRAD,
    DECOUPLED,
    FORMULAS,
    MOMENTUM,
    NESTEROV,
    VELOCITY_HOLDS_LR,
    check_against_optimizer,
    check_one_step,
)
from shim import host_kernels, shifted

import minigrad as mg
from minigrad import optim

pytestmark = pytest.mark.gxx

ADAM_FLAGS = st.integers(0, 15)
SGD_FLAGS = (
    st.integers(0, 63)
    .filter(lambda flags: not flags & DECOUPLED)
    .filter(lambda flags: flags & MOMENTUM or not flags & (NESTEROV | VELOCITY_HOLDS_LR))
)


@given(n=SIZES, seed=SEEDS, flags=ADAM_FLAGS, special=st.booleans())
@example(n=100_003, seed=1, flags=0, special=True)
@example(n=100_003, seed=2, flags=15, special=True)
def test_adam_equals_the_reference_bitwise(n: int, seed: int, flags: int, special: bool) -> None:
    check_one_step(host_kernels("adam"), "adam_f32", n, seed, flags, special)


@given(n=SIZES, seed=SEEDS, flags=SGD_FLAGS, special=st.booleans())
@example(n=100_003, seed=1, flags=0, special=True)
@example(n=100_003, seed=2, flags=59, special=True)
def test_sgd_equals_the_reference_bitwise(n: int, seed: int, flags: int, special: bool) -> None:
    check_one_step(host_kernels("sgd"), "sgd_f32", n, seed, flags, special)


@pytest.mark.parametrize(
    ("cls", "kwargs"),
    [
        (optim.Adam, {"lr": 0.02}),
        (optim.Adam, {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-6, "maximize": True}),
        (optim.Adam, {"lr": 0.02, "weight_decay": 0.1, "amsgrad": True}),
        (optim.AdamW, {"lr": 0.02}),
        (optim.AdamW, {"lr": 0.02, "weight_decay": 0.3, "amsgrad": True, "maximize": True}),
    ],
)
def test_adam_follows_the_optimizer(cls: type[optim.Optimizer], kwargs: dict[str, Any]) -> None:
    check_against_optimizer(host_kernels("adam"), cls, kwargs)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"lr": 0.05},
        {"lr": 0.05, "weight_decay": 0.1, "maximize": True},
        {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.02},
        {"lr": 0.05, "momentum": 0.8, "nesterov": True},
        {"lr": 0.05, "momentum": 0.9, "dampening": 0.2, "scale_velocity_by_lr": True},
        {"lr": 0.05, "momentum": 0.9, "nesterov": True, "scale_velocity_by_lr": True},
    ],
)
def test_sgd_follows_the_optimizer(kwargs: dict[str, Any]) -> None:
    check_against_optimizer(host_kernels("sgd"), optim.SGD, kwargs)


@pytest.mark.parametrize("misaligned", ["p", "g", "m", "v", "largest"])
def test_one_misaligned_buffer_is_enough_for_the_scalar_path(misaligned: str) -> None:
    rng = np.random.default_rng(0)
    start = {name: np.abs(rng.standard_normal(259)).astype(f4) for name in ("p", "g", "m", "v", "largest")}
    table = rng.uniform(0.1, 1.0, (1, 1, 8))
    results = []
    for offset in (0, 4):
        arrays = {name: shifted(x, offset if name == misaligned else 0) for name, x in start.items()}
        tail = [i8(259), table, i4(1), i4(8), i4(1), np.zeros(2, u4), np.ones(5, np.uint8), i4(AMSGRAD)]
        host_kernels("adam").launch("adam_f32", 2, 64, [*arrays.values(), *tail])
        results.append(arrays)
    for name in start:
        assert same_bits(results[0][name], results[1][name])
    assert not same_bits(results[0]["p"], start["p"])


def test_every_optimizer_has_a_reference() -> None:
    assert set(FORMULAS) == set(updates())
    for entry, formula in FORMULAS.items():
        kernel = formula.optimizer.kernel
        assert kernel is not None
        assert (kernel.file, kernel.entry, len(kernel.states)) == (updates()[entry][0], entry, len(updates()[entry][1]))


def test_padding_stays_zero() -> None:
    zeros = [np.zeros(128, f4) for _ in range(5)]
    optimizer = optim.AdamW([mg.tensor([0.0], requires_grad=True)])
    table = np.array([[optimizer.coefficients(optimizer.param_groups[0], 1)]])
    tail = [i8(128), table, i4(1), i4(8), i4(1), np.zeros(2, u4), np.ones(2, np.uint8)]
    for flags in range(16):
        host_kernels("adam").launch("adam_f32", 1, 32, [*zeros, *tail, i4(flags)])
        assert not any(x.any() for x in zeros)
