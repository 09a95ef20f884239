"""The optimizers' kernels: bits against a reference, several steps against the optimizers on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel_support import SEEDS, SIZES, f4, i4, i8, same_bits, u4, updates
from optimizer_checks import AMSGRAD, FORMULAS, SKIP, check_against_optimizer, check_one_step
from shim import host_kernels, shifted

import minigrad as mg
from minigrad import optim
from minigrad.optim.options import SHARED_COLUMNS, shared_coefficients

pytestmark = pytest.mark.gxx


@pytest.mark.parametrize("entry", FORMULAS)
@given(n=SIZES, seed=SEEDS, data=st.data(), skip=st.sampled_from([0, SKIP]), special=st.booleans())
def test_a_step_equals_the_reference_bitwise(
    entry: str, n: int, seed: int, data: Any, skip: int, special: bool
) -> None:
    flags = data.draw(st.sampled_from(FORMULAS[entry].flags))
    check_one_step(host_kernels(updates()[entry][0]), entry, n, seed, flags | skip, special)


@pytest.mark.parametrize("entry", FORMULAS)
def test_a_long_step_equals_the_reference_bitwise(entry: str) -> None:
    for seed, flags in enumerate((FORMULAS[entry].flags[0], FORMULAS[entry].flags[-1])):
        check_one_step(host_kernels(updates()[entry][0]), entry, 100_003, seed, flags, special=True)


CONFIGURATIONS: list[tuple[type[optim.Optimizer], dict[str, Any]]] = [
    (optim.Adam, {"lr": 0.02}),
    (optim.Adam, {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-6, "maximize": True}),
    (optim.Adam, {"lr": 0.02, "weight_decay": 0.1, "amsgrad": True}),
    (optim.AdamW, {"lr": 0.02}),
    (optim.AdamW, {"lr": 0.02, "weight_decay": 0.3, "amsgrad": True, "maximize": True}),
    (optim.SGD, {"lr": 0.05}),
    (optim.SGD, {"lr": 0.05, "weight_decay": 0.1, "maximize": True}),
    (optim.SGD, {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.02}),
    (optim.SGD, {"lr": 0.05, "momentum": 0.8, "nesterov": True}),
    (optim.SGD, {"lr": 0.05, "momentum": 0.9, "dampening": 0.2, "scale_velocity_by_lr": True}),
    (optim.SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True, "scale_velocity_by_lr": True}),
    (optim.Adagrad, {"lr_decay": 0.1, "initial_accumulator_value": 0.2, "weight_decay": 0.1}),
    (optim.Adadelta, {"eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    (optim.RMSprop, {"weight_decay": 0.1}),
    (optim.RMSprop, {"momentum": 0.9, "centered": True, "maximize": True}),
    (optim.RMSprop, {"centered": True}),
    (optim.Adamax, {"weight_decay": 0.1}),
    (optim.NAdam, {"lr": 0.02, "weight_decay": 0.1}),
    (optim.NAdam, {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    (optim.RAdam, {"lr": 0.02, "weight_decay": 0.1}),
    (optim.RAdam, {"lr": 0.02, "betas": (0.8, 0.999), "weight_decay": 0.1, "decoupled_weight_decay": True}),
    (optim.Lion, {"lr": 0.02, "weight_decay": 0.1}),
]
OPTIONS: list[dict[str, Any]] = [{}, {"ema": 0.9}, {"max_norm": 3.0, "ema": 0.5}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize(("cls", "kwargs"), CONFIGURATIONS, ids=str)
def test_a_kernel_follows_the_optimizer(
    cls: type[optim.Optimizer], kwargs: dict[str, Any], options: dict[str, Any]
) -> None:
    assert cls.kernel is not None
    check_against_optimizer(host_kernels(cls.kernel.file), cls, {**kwargs, **options})


def test_every_kernel_is_followed() -> None:
    assert {cls.kernel.entry for cls, _ in CONFIGURATIONS if cls.kernel is not None} == set(FORMULAS)


BUFFERS = ("p", "g", "m", "v", "largest", "average")


@pytest.mark.parametrize("misaligned", BUFFERS)
def test_one_misaligned_buffer_is_enough_for_the_scalar_path(misaligned: str) -> None:
    rng = np.random.default_rng(0)
    start = {name: np.abs(rng.standard_normal(259)).astype(f4) for name in BUFFERS}
    width = len(optim.Adam.columns + SHARED_COLUMNS)
    table = rng.uniform(0.1, 1.0, (1, 1, width))
    results = []
    for offset in (0, 4):
        arrays = {name: shifted(x, offset if name == misaligned else 0) for name, x in start.items()}
        *buffers, average = arrays.values()
        tail = [table, i4(1), i4(width), i4(1), np.zeros(3, u4), np.ones(5, np.uint8), None, i4(AMSGRAD)]
        host_kernels("adam").launch("adam_f32", 2, 64, [*buffers, i8(259), average, *tail])
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


@pytest.mark.parametrize("entry", FORMULAS)
def test_padding_stays_zero(entry: str) -> None:
    """Where a state does not begin with zeros, that is another matter."""
    formula, (file, states) = FORMULAS[entry], updates()[entry]
    optimizer = formula.optimizer([mg.tensor([0.0], requires_grad=True)], weight_decay=0.1)
    row = optimizer.coefficients(optimizer.param_groups[0], 1) + shared_coefficients(False, 1, None, 0.9)
    p, g, average, *buffers = (np.zeros(128, f4) for _ in range(3 + len(states)))
    tail = [np.array([[row]]), i4(1), i4(len(row)), i4(1), np.zeros(3, u4), np.ones(2, np.uint8), None]
    for flags in formula.flags:
        host_kernels(file).launch(entry, 1, 32, [p, g, *buffers, i8(128), average, *tail, i4(flags)])
        assert not p.any()
        assert not average.any()
