"""The side roads of the GPU code: what a kernel or cuBLAS cannot take goes another way, to the same numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import neighbours  # noqa: F401  finds cublas_stand_in
import numpy as np
import pytest
from cublas_stand_in import StandIn
from on_device import host
from strict_provider import StrictProvider, install

import minigrad as mg
from minigrad import data, nn, optim
from minigrad.backend import array as arrays
from minigrad.backend import fused_kernels, gemm
from minigrad.ops.fused import linear

RNG = np.random.default_rng(0)
DEVICE = "cuda:0"


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StrictProvider:
    """With a cuBLAS of its own."""
    return install(monkeypatch, StrictProvider(cublas=StandIn(tmp_path).path))


def there(a: np.ndarray, provider: StrictProvider) -> Any:
    return provider.from_host(a, DEVICE)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("accumulate", [False, True])
def test_operands_with_gaps_are_copied(own: StrictProvider, dtype: Any, accumulate: bool) -> None:
    a, b = RNG.standard_normal((8, 10)).astype(dtype), RNG.standard_normal((10, 6)).astype(dtype)
    x, y = there(a, own)[::2, ::2], there(b, own)[::2, ::3]
    out = there(np.ones((4, 2), dtype), own)
    gemm.matmul(x, y, out=out, accumulate=accumulate)
    np.testing.assert_allclose(own.to_host(out), a[::2, ::2] @ b[::2, ::3] + accumulate, rtol=1e-5)
    assert own.machine.tally.launches["gemm"] == 1
    np.testing.assert_allclose(own.to_host(gemm.matmul(x, y)), a[::2, ::2] @ b[::2, ::3], rtol=1e-5)


@pytest.mark.parametrize("step", [-1, 2, 3])
def test_degenerate_and_reversed_operands(own: StrictProvider, step: int) -> None:
    a, b = RNG.standard_normal((6, 9)).astype(np.float32), RNG.standard_normal((9, 6)).astype(np.float32)
    x, y = there(a, own), there(b, own)
    for rows, columns in ((slice(None), slice(None)), (slice(0, 1), slice(None)), (slice(None), slice(0, 1))):
        for left, right in ((np.s_[rows, ::step], np.s_[::step, columns]), (np.s_[rows, :1], np.s_[:1, columns])):
            got = own.to_host(gemm.matmul(x[left], y[right]))
            np.testing.assert_allclose(got, a[left] @ b[right], rtol=1e-4, atol=1e-6)
    rows = own.xp.broadcast_to(there(a[0], own), (4, 9))
    np.testing.assert_allclose(
        own.to_host(gemm.matmul(rows, y)), np.broadcast_to(a[0], (4, 9)) @ b, rtol=1e-4, atol=1e-6
    )


def test_a_result_with_gaps_is_refused(own: StrictProvider) -> None:
    a = there(np.ones((4, 4), np.float32), own)
    with pytest.raises(ValueError, match="out of shape"):
        gemm.matmul(a, a, out=there(np.ones((8, 8), np.float32), own)[::2, ::2])


@pytest.mark.parametrize("accumulate", [False, True])
def test_other_dtypes_go_through_the_array_library(own: StrictProvider, accumulate: bool) -> None:
    a = np.arange(6, dtype=np.float16).reshape(2, 3)
    out = there(np.ones((2, 2), np.float16), own)
    gemm.matmul(there(a, own), there(a.T.copy(), own), out=out, accumulate=accumulate)
    np.testing.assert_array_equal(own.to_host(out), a @ a.T + accumulate)
    assert "gemm" not in own.machine.tally.launches


def test_why_cublas_is_not_called(strict: StrictProvider, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert "no cuBLAS library was found" in gemm.library(strict)[1]
    (tmp_path / "not.so").write_text("no library")
    broken = install(monkeypatch, StrictProvider(cublas=str(tmp_path / "not.so")))
    found, reason = gemm.library(broken)
    assert found is None
    assert "is not a usable cuBLAS library" in reason
    x = there(np.eye(3, dtype=np.float32), broken)
    np.testing.assert_array_equal(broken.to_host(gemm.matmul(x, x)), np.eye(3))


def test_nothing_to_do_is_no_launch(strict: StrictProvider) -> None:
    z = there(np.ones((2, 3), np.float32), strict)
    strict.machine.reset()
    fused_kernels.bias_act(z, None, None)
    g, bias = fused_kernels.bias_act_backward(z, z, None, False, None)
    assert (g is z, bias) == (True, None)
    assert strict.machine.tally.launch_count == 0


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.bool_, np.int64, np.float32])
def test_every_dtype_of_labels_is_gathered(strict: StrictProvider, dtype: Any) -> None:
    y = (np.arange(12) % 2).astype(dtype)
    batches = [b.cpu().numpy() for b in data.DataLoader(y, 5, seed=3, device=DEVICE)]
    host = [b.numpy() for b in data.DataLoader(y, 5, seed=3)]
    for a, b in zip(batches, host, strict=True):
        np.testing.assert_array_equal(a, b)
        assert a.dtype == dtype


@pytest.mark.parametrize("activation", ["relu", "tanh", None])
@pytest.mark.parametrize("bias", [True, False])
def test_the_second_order_behind_the_kernel(strict: StrictProvider, activation: str | None, bias: bool) -> None:
    """In single precision, which the differences of tests/ops do not look at."""
    x, w, b = (RNG.standard_normal(s).astype(np.float32) for s in ((5, 4), (3, 4), 3))
    found = []
    for device in ("cpu", DEVICE):
        tensors = [mg.tensor(a, device=device, requires_grad=True) for a in (x, w, b)]
        out = linear(tensors[0], tensors[1], tensors[2] if bias else None, activation)
        (out * out).sum().backward(create_graph=True)
        first = tensors[1].grad
        tensors[1].grad = None
        (first * first).sum().backward()  # type: ignore[operator]
        found.append(host(tensors[1].grad))
    np.testing.assert_allclose(*found, rtol=1e-3, atol=1e-4)


def test_a_gradient_that_is_not_contiguous(strict: StrictProvider) -> None:
    """The gradient of a sum is one number in every place: the kernel cannot take it, the ordinary way can."""
    x = RNG.standard_normal((5, 4)).astype(np.float32)
    gradients = []
    for device in ("cpu", DEVICE):
        mg.manual_seed(0)
        layer = nn.Linear(4, 3).to(device)
        layer(mg.tensor(x, device=device)).sum().backward()
        gradients.append(layer.weight.grad.cpu().numpy())  # type: ignore[union-attr]
    np.testing.assert_allclose(*gradients, rtol=1e-5)


def test_seeds(strict: StrictProvider) -> None:
    scalar, vector = there(np.ones((), np.float32), strict), there(np.ones(3, np.float32), strict)
    assert arrays.is_seed(arrays.ones_like(scalar))
    assert not arrays.is_seed(scalar)
    assert not arrays.is_seed(arrays.ones_like(vector))
    assert not arrays.is_seed(np.ones(()))
    assert not arrays.is_seed(1.0)


def test_the_norm_of_gradients(strict: StrictProvider) -> None:
    p = nn.Parameter(there(np.zeros(100, np.float32), strict))
    assert optim.gradient_norm([p]).item() == 0
    p.grad = mg.tensor(np.full(100, 2, np.float32), device=DEVICE)
    for norm_type, due in ((2, 20.0), (float("inf"), 2.0)):
        assert optim.gradient_norm([p], norm_type).item() == pytest.approx(due)
        assert optim.gradient_norm([p], norm_type).device == DEVICE
    with pytest.raises(ValueError, match="norm_type"):
        optim.gradient_norm([], 3)
