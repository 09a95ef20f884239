"""Every access of a kernel is ordered behind those of other threads: by barriers, and between blocks by a fence on each
side of a ticket. Blocks run one after the other here, so only a model of memory sees that (shim/cuda_order.h)."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest
from kernel_support import (
    Variant,
    aligned,
    entries_with_barriers,
    f4,
    i4,
    i8,
    launch,
    ticket,
    update_arguments,
    updates,
)
from shim import MEMORY_ORDER, HostKernels, KernelFault, guarded

from minigrad.backend import kernels

pytestmark = pytest.mark.gxx

UNORDERED = "orders behind another thread's"
X = np.random.default_rng(0).standard_normal((20, 100)).astype(f4)
WIDE = np.random.default_rng(1).standard_normal((3, 4100)).astype(f4)
LOSS: dict[str, Any] = {
    "factor": None,
    "scale": f4(1),
    "ignored": i8(3),
    "loss": np.zeros(1, f4),
    "kept": np.zeros(1, f4),
    "ticket": ticket(),
}


def losses(x: np.ndarray, gradient: bool) -> dict[str, Any]:
    rows, columns = x.shape
    made = {"probability": np.zeros_like(x), "row_loss": np.zeros(rows, f4), "labels": np.arange(rows) % 5}
    return {"logits": x, **made, **LOSS, "rows": i8(rows), "columns": i4(columns), "gradient": i4(gradient)}


def rows_of(x: np.ndarray) -> dict[str, Any]:
    return {"x": x, "out": np.zeros(len(x), f4), "rows": i8(len(x)), "columns": i4(x.shape[1])}


def column_sums(band: int) -> dict[str, Any]:
    scratch = {"partial": np.zeros((-(-20 // band), 100), f4), "ticket": ticket()} if band < 20 else {}
    shape = {"rows": i8(20), "columns": i4(100), "band": i8(band), "activation": i4(1), "accumulate": i4(1)}
    arrays = {"g": X, "out": X, "gz": X, "gbias": X[0]}
    return {**arrays, "partial": None, "ticket": None, **scratch, **shape}


LAUNCHES: dict[str, tuple[str, str, dict[str, Any]]] = {
    **{name: (name, entry, update_arguments(entry, 515, 0)) for entry, (name, _) in updates().items()},
    "norm": (
        "norm",
        "sum_of_squares_f32",
        {"x": X, "n": i8(X.size), "partial": np.zeros(9), "total": np.ones(1), "ticket": ticket(), "accumulate": i4(1)},
    ),
    "clip": (
        "norm",
        "clip_by_norm_f32",
        {"g": X, "n": i8(X.size), "total": np.array([4.0]), "max_norm": np.array([1.0]), "norm_out": np.zeros(1, f4)},
    ),
    "column sums": ("bias_act", "bias_act_backward_f32", column_sums(20)),
    "column sums in bands": ("bias_act", "bias_act_backward_f32", column_sums(3)),
    "losses": ("cross_entropy", "softmax_cross_entropy_f32", losses(X, False)),
    "losses with their gradient": ("cross_entropy", "softmax_cross_entropy_f32", losses(X, True)),
    "losses of wide rows": ("cross_entropy", "softmax_cross_entropy_f32", losses(WIDE, True)),
    "row sums": ("rows", "row_sum_f32", rows_of(X)),
    "wide row sums": ("rows", "row_sum_f32", rows_of(WIDE)),
    "wide maxima": ("rows", "row_max_f32", rows_of(WIDE)),
}
VARIANTS = [Variant(1, 32, guarded), Variant(4, 96, aligned), Variant(3, 64, guarded, reverse=True)]


@cache
def watched(name: str, old: str = "", new: str = "") -> HostKernels:
    """The kernels of a file, after an edit that must apply, under the eyes of the model."""
    text = kernels.source(name)
    assert not old or text.count(old) == 1, f"{old!r} is {text.count(old)} times in {name}.cu"
    return HostKernels(text.replace(old, new) if old else text, MEMORY_ORDER)


@pytest.mark.parametrize("case", LAUNCHES)
def test_every_access_is_ordered(case: str) -> None:
    name, entry, arguments = LAUNCHES[case]
    for variant in VARIANTS:
        launch(watched(name), entry, variant, **arguments)


def test_every_kernel_with_barriers_is_here() -> None:
    assert entries_with_barriers() == {entry for _, entry, _ in LAUNCHES.values()}


# --- planted defects ------------------------------------------------------------------------------------------------

FENCE_IN_FRONT = ("    __threadfence();\n    if (atomicInc", "    if (atomicInc")
FENCE_BEHIND = ("        return false;\n    __threadfence();\n", "        return false;\n")
BARRIER_IN_FRONT = ("    __shared__ bool last;\n    __syncthreads();\n", "    __shared__ bool last;\n")
BARRIER_BEHIND = (
    "        last = draws_last_ticket(ticket);\n    __syncthreads();\n",
    "        last = draws_last_ticket(ticket);\n",
)
BARRIER_OF_THE_ROW = ("    __syncthreads();\n    if (threadIdx.x == 0 && draws", "    if (threadIdx.x == 0 && draws")
DEFECTS = {
    "the fence in front of the ticket": (FENCE_IN_FRONT, ["norm", "losses", "column sums in bands", "adam"]),
    "the fence behind the ticket": (FENCE_BEHIND, ["norm", "losses", "column sums in bands", "sgd"]),
    "the barrier in front of the ticket": (BARRIER_IN_FRONT, ["losses"]),
    "the barrier behind the ticket": (BARRIER_BEHIND, ["norm", "losses", "column sums in bands"]),
    "the barrier in front of a row's ticket": (BARRIER_OF_THE_ROW, ["adam"]),
}
"""What is taken out, and the launches that cannot do without it. Where one thread of a block writes all that the block
hands on, or a barrier went before, the one in front of the ticket is to spare."""


@pytest.mark.parametrize(("what", "case"), [(what, case) for what, (_, cases) in DEFECTS.items() for case in cases])
def test_a_missing_fence_or_barrier_is_seen(what: str, case: str) -> None:
    name, entry, arguments = LAUNCHES[case]
    (old, new), _ = DEFECTS[what]
    with pytest.raises(KernelFault, match=UNORDERED):
        launch(watched(name, old, new), entry, Variant(4, 96, aligned), **arguments)


MODEL = """
extern "C" __global__ void hand_over(float* x, unsigned int* ticket, int fences)
{
    if (blockIdx.x == 0)
        x[threadIdx.x] = 1;
    __syncthreads();
    if (threadIdx.x == 0) {
        if (fences & 1)
            __threadfence();
        atomicInc(ticket, 9);
        if (fences & 2)
            __threadfence();
    }
    __syncthreads();
    if (blockIdx.x == 1 && threadIdx.x > 0)
        x[threadIdx.x - 1] += 1;
}
"""


@pytest.mark.parametrize("fences", [0, 1, 2, 3])
def test_the_model_wants_a_fence_on_either_side(fences: int) -> None:
    """One thread's fences do for its block, as barriers stand between."""
    host, x = HostKernels(MODEL, MEMORY_ORDER), np.zeros(64, f4)
    arguments = [x, ticket(), i4(fences)]
    if fences == 3:
        host.launch("hand_over", 2, 64, arguments)
        assert x.tolist() == [2] * 63 + [1]
    else:
        with pytest.raises(KernelFault, match=UNORDERED):
            host.launch("hand_over", 2, 64, arguments)
    HostKernels(MODEL).launch("hand_over", 2, 64, [x, ticket(), i4(fences)])  # which nothing but the model sees


NEIGHBOURS = """
extern "C" __global__ void neighbours(float* x, int how)
{
    __shared__ float mine[64];
    mine[threadIdx.x] = x[threadIdx.x];
    if (how == 1)
        __syncthreads();
    if (how == 2)
        __shfl_xor_sync(0xffffffffu, 0, 1);
    x[threadIdx.x] = mine[threadIdx.x ^ 1];
}
"""


@pytest.mark.parametrize("how", [0, 1, 2])
def test_a_barrier_orders_and_a_shuffle_does_not(how: int) -> None:
    host = HostKernels(NEIGHBOURS, MEMORY_ORDER)
    if how == 1:
        host.launch("neighbours", 1, 64, [np.zeros(64, f4), i4(how)])
    else:
        with pytest.raises(KernelFault, match=UNORDERED):
            host.launch("neighbours", 1, 64, [np.zeros(64, f4), i4(how)])
