"""Tests of the tests: damaged kernels, each caught by the check that is there for it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from kernel_support import Variant, aligned, f4, i4, i8, launch, launch_all, ticket, values
from optimizer_checks import AMSGRAD, DECAY, MOMENTUM, check_against_optimizer, check_one_step
from shim import HostKernels, KernelFault, host_kernels

from minigrad import optim
from minigrad.backend import kernels

pytestmark = pytest.mark.gxx

OPTIMIZED_LESS = ("-O1",)  # one build a defect: make it a quick one


def damaged(name: str, old: str, new: str, count: int = 1) -> HostKernels:
    """The kernels of a file after an edit that must apply."""
    text = kernels.source(name)
    assert text.count(old) == count, f"{old!r} is {text.count(old)} times in {name}.cu"
    return HostKernels(text.replace(old, new), OPTIMIZED_LESS)


# --- barriers -------------------------------------------------------------------------------------------------------


def bias_gradient(host: HostKernels, band: int = 200) -> None:
    g = values(np.random.default_rng(0), (200, 40))
    launch_all(
        host,
        "bias_act_backward_f32",
        g=g,
        out=None,
        gz=None,
        gbias=np.zeros(40, f4),
        partial=None if band == 200 else np.zeros((-(-200 // band), 40), f4),
        ticket=None if band == 200 else ticket(),
        rows=i8(200),
        columns=i4(40),
        band=i8(band),
        activation=i4(0),
        accumulate=i4(0),
    )


def row_sum(host: HostKernels) -> None:
    x = values(np.random.default_rng(0), (3, 5000))
    launch_all(host, "row_sum_f32", x=x, out=np.zeros(3, f4), rows=i8(3), columns=i4(5000))


def test_a_missing_barrier_depends_on_the_order_of_threads() -> None:
    host = damaged("bias_act", "    __syncthreads();\n    if (threadIdx.x < TILE", "    if (threadIdx.x < TILE")
    with pytest.raises(AssertionError, match="gbias under"):
        bias_gradient(host)


def test_a_missing_barrier_in_a_tree() -> None:
    host = damaged("rows", "            slots[i] = Op::of(slots[i], slots[i + half]);\n        __syncthreads();",
                   "            slots[i] = Op::of(slots[i], slots[i + half]);")  # fmt: skip
    with pytest.raises(AssertionError, match="out under"):
        row_sum(host)


DIVERGENT = {
    "only some threads reach it": ("if (threadIdx.x < 16)\n        __syncthreads();", "had left the kernel"),
    "two barriers for one": (
        "if (threadIdx.x < 16)\n        __syncthreads();\n    else\n        __syncthreads();",
        "different barriers",
    ),
}


@pytest.mark.parametrize("case", DIVERGENT)
def test_a_divergent_barrier(case: str) -> None:
    new, message = DIVERGENT[case]
    host = damaged("norm", "    __syncthreads();\n    const float scale", f"    {new}\n    const float scale")
    args = [np.ones(4, f4), i8(4), np.array([4.0]), np.array([1.0]), np.zeros(1, f4)]
    with pytest.raises(KernelFault, match=message):
        host.launch("clip_by_norm_f32", 1, 64, args)


# --- bounds ---------------------------------------------------------------------------------------------------------


def sgd_step(host: HostKernels) -> None:
    for seed in range(4):
        check_one_step(host, "sgd_f32", 4099, seed, MOMENTUM, special=False)


def adam_step(host: HostKernels) -> None:
    for seed in range(4):
        check_one_step(host, "adam_f32", 515, seed, AMSGRAD | DECAY, special=False)


def test_a_tail_past_the_end() -> None:
    with pytest.raises(KernelFault, match="behind an array"):
        sgd_step(damaged("sgd", "i < n;", "i <= n;"))


def test_vectors_past_the_end() -> None:
    """An aligned array with a tail does not end at a page, so the bytes behind it are watched."""
    with pytest.raises(AssertionError, match="sgd_f32 wrote outside of"):
        sgd_step(damaged("sgd", "n >> 2", "(n + 3) >> 2"))


def test_a_band_of_rows_past_the_end() -> None:
    with pytest.raises(KernelFault, match="behind an array"):
        bias_gradient(damaged("bias_act", "min(first + band, rows)", "first + band"), band=64)


def test_an_index_past_shared_memory() -> None:
    host = damaged("bias_act", "i < ROW_LANES; i++", "i <= ROW_LANES; i++")
    with pytest.raises(KernelFault, match="undefined"):
        bias_gradient(host)


@pytest.mark.parametrize("old", ["i < SLOTS; i += blockDim.x) {\n            float", "i < half; i += blockDim.x"])
def test_a_slot_past_shared_memory(old: str) -> None:
    """Arrays are handed on by reference, so that their size is known where they are used."""
    new = old.replace("<", "<=") if "SLOTS" in old else old.replace("half", "SLOTS")
    with pytest.raises(KernelFault, match="undefined"):
        row_sum(damaged("rows", old, new))


def test_a_tail_that_is_left_out() -> None:
    with pytest.raises(AssertionError, match="not the reference's"):
        sgd_step(damaged("sgd", "i < n;", "i < n - 1;"))


def test_a_stride_that_suits_one_grid_only() -> None:
    with pytest.raises(AssertionError, match=r"as under|reference"):
        sgd_step(damaged("sgd", "i < vectors; i += grid_size()", "i < vectors; i += vectors"))


def test_vectors_where_memory_is_not_aligned() -> None:
    with pytest.raises(KernelFault, match="undefined: a misaligned vector"):
        sgd_step(damaged("sgd", "aligned16(p) && aligned16(g) && (aligned16(states) && ...)", "true"))


# --- arguments ------------------------------------------------------------------------------------------------------


def test_swapped_parameters_of_different_types() -> None:
    host = damaged("rows", "long long rows, int columns)", "int columns, long long rows)", count=2)
    x, out = np.ones((2, 3), f4), np.zeros(2, f4)
    with pytest.raises(TypeError, match="int32 columns is due"):
        host.launch("row_sum_f32", 1, 32, [x, out, i8(2), i4(3)])


def test_swapped_parameters_of_one_type() -> None:
    host = damaged("adam", "float* m, float* v, float* largest, long long n", "float* v, float* m, float* largest, "
                   "long long n")  # fmt: skip
    with pytest.raises(AssertionError, match="Not equal to tolerance"):
        check_against_optimizer(host, optim.Adam, {"lr": 0.1})


# --- tickets --------------------------------------------------------------------------------------------------------


def test_a_block_that_forgets_its_ticket() -> None:
    host = damaged("adam", "if (threadIdx.x == 0 && draws", "if (threadIdx.x == 0 && blockIdx.x != 1 && draws")
    with pytest.raises(AssertionError, match=r"state under|cursor"):
        adam_step(host)


def test_a_ticket_that_is_not_put_back() -> None:
    host = damaged("norm", "atomicInc(ticket, gridDim.x - 1)", "atomicInc(ticket, 0xffffffffu)")
    got = launch(
        host,
        "sum_of_squares_f32",
        Variant(4, 64, aligned),
        x=np.ones(100, f4),
        n=i8(100),
        partial=np.zeros(4),
        total=np.zeros(1),
        ticket=ticket(),
        accumulate=i4(0),
    )
    assert got["total"][0] == 100
    assert got["ticket"][0] == 4  # test_sum_of_squares asks for 0


def test_a_cursor_that_stands_still() -> None:
    with pytest.raises(AssertionError, match="cursor"):
        adam_step(damaged("adam", "        at.state[0]++;\n", "        at.state[0] += 0;\n"))


# --- formulas -------------------------------------------------------------------------------------------------------

FORMULAS: dict[str, tuple[str, str, str, Callable[[HostKernels], None]]] = {
    "a dropped 1 - beta1": ("adam", "g * c[KEEP1]", "g", adam_step),
    "a dropped 1 - beta2": ("adam", "g * g * c[KEEP2]", "g * g", adam_step),
    "eps inside the root": ("adam", "sqrtf(second) + c[EPS]", "sqrtf(second + c[EPS])", adam_step),
    "a multiplication that is not fused": ("adam", "fmaf(m, c[BETA1], g * c[KEEP1])", "m * c[BETA1] + g * c[KEEP1]",
                                           adam_step),
    "the largest moment is not kept": ("adam", "            largest = v;\n", "            second = v;\n", adam_step),
    "a class too far": ("table", "(live - 1)", "live", adam_step),
    "dead elements move": ("sgd", "            if (alive)\n", "            if (alive >= 0)\n", sgd_step),
    "the row of another step": ("table", "at.state[0] % (", "(at.state[0] + 1) % (", adam_step),
}  # fmt: skip


@pytest.mark.parametrize("case", FORMULAS)
def test_a_wrong_formula(case: str) -> None:
    name, old, new, check = FORMULAS[case]
    with pytest.raises(AssertionError, match=r"reference's|as under"):
        check(damaged("adam" if name == "table" else name, old, new))


def test_the_checks_pass_on_the_real_kernels() -> None:
    """So what is caught above is the damage."""
    sgd_step(host_kernels("sgd"))
    adam_step(host_kernels("adam"))
    bias_gradient(host_kernels("bias_act"))
    bias_gradient(host_kernels("bias_act"), band=64)
    row_sum(host_kernels("rows"))
    check_against_optimizer(host_kernels("adam"), optim.Adam, {"lr": 0.1})
