"""Global norm and clipping: the sum against an exact one, the scaling bitwise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from kernel_support import SEEDS, SIZES, VARIANTS, Variant, f4, i4, i8, launch, launch_all, same_bits, ticket, values
from shim import host_kernels

pytestmark = pytest.mark.gxx


def norm_launch(variant: Variant, x: np.ndarray, total: float = -1.0, accumulate: int = 0) -> float:
    got = launch(
        host_kernels("norm"),
        "sum_of_squares_f32",
        variant,
        x=x,
        n=i8(x.size),
        partial=np.full(variant.grid, np.nan),
        total=np.array([total]),
        ticket=ticket(),
        accumulate=i4(accumulate),
    )
    assert got["ticket"][0] == 0
    return float(got["total"][0])


@given(n=SIZES, seed=SEEDS)
@example(n=100_003, seed=1)
def test_sum_of_squares(n: int, seed: int) -> None:
    x = values(np.random.default_rng(seed), n)
    exact = math.fsum(float(v) ** 2 for v in x)
    for variant in VARIANTS:
        got = norm_launch(variant, x)
        assert got == pytest.approx(exact, rel=1e-14)
        # the order of the additions is a matter of the launch, not of the schedule
        backwards = Variant(variant.grid, variant.block, variant.place, not variant.reverse)
        assert norm_launch(backwards, x) == got
        assert norm_launch(variant, x, total=2.5, accumulate=1) == 2.5 + got


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("at", [0, 1, 4096, 4098])
def test_a_bad_element_shows(bad: float, at: int) -> None:
    x = np.ones(4099, f4)
    x[at] = bad
    for variant in VARIANTS:
        got = norm_launch(variant, x)
        assert math.isnan(got) if math.isnan(bad) else got == math.inf


def test_the_square_of_a_large_number_does_not_overflow() -> None:
    assert norm_launch(VARIANTS[0], np.full(10, 1e30, f4)) == pytest.approx(10 * float(f4(1e30)) ** 2, rel=1e-14)


@given(n=SIZES, seed=SEEDS, total=st.floats(0, 1e6), max_norm=st.floats(0, 1e3), special=st.booleans())
@example(n=100_003, seed=1, total=4.0, max_norm=1.0, special=True)
def test_clip(n: int, seed: int, total: float, max_norm: float, special: bool) -> None:
    g = values(np.random.default_rng(seed), n, special)
    got = clip(g, total, max_norm)
    scale = f4(max_norm / (math.sqrt(total) + 1e-6))
    with np.errstate(all="ignore"):
        assert same_bits(got["g"], g * scale if scale < 1 else g)
    assert got["norm_out"][0] == f4(math.sqrt(total))


def clip(g: np.ndarray, total: float, max_norm: float) -> dict[str, np.ndarray]:
    return launch_all(
        host_kernels("norm"),
        "clip_by_norm_f32",
        g=g,
        n=i8(g.size),
        total=np.array([total]),
        max_norm=np.array([max_norm]),
        norm_out=np.zeros(1, f4),
    )


@pytest.mark.torch
@pytest.mark.parametrize("bad", [1.0, math.nan, math.inf])
def test_clip_as_torch_does(bad: float) -> None:
    torch = pytest.importorskip("torch")
    g = np.array([3.0, 0.0, bad, -4.0, 1e-3], f4)
    theirs = torch.zeros(5, requires_grad=True)
    theirs.grad = torch.tensor(g)
    norm = torch.nn.utils.clip_grad_norm_([theirs], 0.5)
    with np.errstate(all="ignore"):
        got = clip(g, float((g.astype(np.float64) ** 2).sum()), 0.5)
    np.testing.assert_allclose(got["g"], theirs.grad.numpy(), rtol=1e-6)
    np.testing.assert_allclose(got["norm_out"][0], norm.item(), rtol=1e-6)
