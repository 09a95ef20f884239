"""Several devices in one program: the CPU and two GPUs of the strict device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from on_device import host
from strict_array import StrictArray
from strict_provider import StrictProvider

import minigrad as mg
from minigrad.backend import device as devices
from minigrad.ops import elementwise as ew
from minigrad.ops import reduce, shape, softmax
from minigrad.testing import gradcheck


@pytest.fixture(autouse=True)
def _use(strict: StrictProvider) -> None:
    """Every test of this file has the strict device."""


def leaf(values: Any, device: str = "cuda") -> Any:
    return mg.tensor(np.asarray(values, np.float64), device=device, requires_grad=True)


def test_labels() -> None:
    assert mg.tensor([1.0]).device == "cpu"
    assert mg.tensor([1.0], device="cuda").device == "cuda:0"
    assert mg.tensor([1.0], device="cuda:1").device == "cuda:1"
    assert mg.tensor([1.0], device="auto").device == "cuda:0"
    assert mg.tensor(mg.tensor([1.0], device="cuda:1")).device == "cuda:1"
    assert "device='cuda:1'" in repr(mg.tensor([1.0], device="cuda:1"))
    for wrong in ("cuda:2", "cuda:99"):
        with pytest.raises(mg.DeviceError, match=f"'{wrong}' is not there: this machine has cuda:0, cuda:1"):
            mg.tensor([1.0], device=wrong)


def test_the_reason_why_there_is_no_accelerator() -> None:
    assert devices.accelerator_reason() == ""
    devices.install(None, "the driver is missing")
    assert devices.accelerator_reason() == "the driver is missing"
    assert devices.resolve_device("auto") == "cpu"
    with pytest.raises(mg.DeviceError, match="'cuda:1' is not usable here: the driver is missing"):
        mg.tensor([1.0], device="cuda:1")


def test_work_and_gradients_stay_on_the_device() -> None:
    x, w = leaf([[1.0, 2.0], [3.0, 4.0]]), leaf([[0.5, -0.5], [1.0, 0.25]])
    loss = ew.tanh(x @ w.T + 1.0).sum() + softmax.logsumexp(x) + reduce.max(w) + x[0].sum() + x[[0, 0], [1, 1]].sum()
    assert loss.device == "cuda:0"
    loss.backward()
    for t in (x, w):
        assert isinstance(t.grad.data, StrictArray)
        assert t.grad.device == "cuda:0"


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_gradcheck_on_the_second_device(dtype: str) -> None:
    x = mg.tensor(np.array([0.5, -1.25], dtype), device="cuda:1")
    seen: list[str] = []

    def f(t: Any, factor: Any) -> Any:
        seen.append(t.device)
        return ew.sin(t) * t * factor

    gradcheck(f, x, 1.5)
    assert set(seen) == {"cuda:1"}


MIXED = {
    "operator": (lambda a, b: a + b, "add: operands on different devices, cpu and cuda:0; move one with .to"),
    "reversed": (lambda a, b: b * a, "multiply: operands on different devices, cuda:0 and cpu"),
    "raw array": (lambda a, b: b + np.ones(2), "add: operands on different devices"),
    "matmul": (lambda a, b: a @ b, "matmul: operands on different devices"),
    "where": (lambda a, b: ew.where(np.array([True, False]), b, 0.0), "where: operands on different devices"),
    "concatenate": (lambda a, b: shape.concatenate([a, b]), "concatenate: operands on different devices"),
    "two accelerators": (lambda a, b: b + b.to("cuda:1"), "add: operands on different devices, cuda:0 and cuda:1"),
    "gradient": (lambda a, b: (b * 1).backward(np.ones(2)), "device cuda:0 is due, got cpu; move one with .to"),
    "assignment": (lambda a, b: setattr(b, "data", np.ones(2)), "assignment to .data: device cuda:0 is due, got cpu"),
    "grad": (lambda a, b: setattr(b, "grad", np.ones(2)), "assignment to .grad: device cuda:0 is due, got cpu"),
    "numpy": (lambda a, b: np.asarray(b.detach()), r"tensor on cuda:0: call .cpu\(\) first"),
}


@pytest.mark.parametrize(("call", "message"), MIXED.values(), ids=MIXED.keys())
def test_mixed_devices(call: Any, message: str) -> None:
    with pytest.raises(mg.DeviceError, match=message):
        call(leaf([1.0, 2.0], "cpu"), leaf([3.0, 4.0]))


def test_numbers_belong_to_any_device() -> None:
    x = leaf([1.0, 2.0])
    y = (2 * x + 1) / 4.0 - True
    y.backward(mg.tensor(np.ones(2), device="cuda"))
    assert np.array_equal(x.grad.cpu().numpy(), [0.5, 0.5])


@pytest.mark.parametrize("there", ["cuda:0", "cuda:1"])
@pytest.mark.parametrize("create_graph", [False, True])
def test_a_round_trip_brings_the_gradient_back(create_graph: bool, there: str) -> None:
    x = leaf([1.0, 2.0], "cpu")
    y = x.to(there)
    assert y.device == there
    assert y.requires_grad
    z = (y * y * y).cpu()
    assert z.device == "cpu"
    z.backward(np.array([1.0, 10.0]), create_graph=create_graph)
    assert x.grad.device == "cpu"
    assert np.array_equal(x.grad.data, [3.0, 120.0])
    if create_graph:
        g, x.grad = x.grad, None
        g.backward(np.ones(2))
        assert np.array_equal(x.grad.data, [6.0, 120.0])


@pytest.mark.parametrize("there", ["cuda:0", "cuda:1"])
def test_a_copy_stays_where_its_original_is(there: str) -> None:
    """CuPy's own `copy` would go to the current device."""
    x = leaf([1.0, 2.0], there)
    copies = [x.clone(), mg.tensor(x), mg.tensor(x.data), mg.tensor(x, dtype="float32"), x.astype("float32")]
    assert {c.device for c in copies} == {there}
    (x * x).sum().backward()
    assert x.grad.device == there


def test_gradients_live_where_their_leaf_does() -> None:
    w = leaf([1.0, 2.0])
    (w.cpu() * np.array([3.0, 4.0])).sum().backward()
    assert w.grad.device == "cuda:0"
    assert np.array_equal(w.grad.cpu().numpy(), [3.0, 4.0])


def test_moving_copies_and_staying_does_not() -> None:
    x = mg.tensor([1.0, 2.0])
    y = x.cuda()
    assert y.cuda() is y
    with mg.no_grad():
        y += 1.0
    assert np.array_equal(x.numpy(), [1.0, 2.0])
    assert np.array_equal(y.cpu().numpy(), [2.0, 3.0])
    assert y.item is not None
    assert y[0].item() == 2.0
    assert y.tolist() == [2.0, 3.0]


def test_a_copy_on_another_device_is_storage_of_its_own() -> None:
    """A write to the copy must not make the original stale, nor the other way round."""
    x, w = mg.tensor(np.array([1.0, 2.0])), leaf([3.0, 4.0], "cpu")
    moved = x.cuda()
    loss = (x * w).sum()
    with mg.no_grad():
        moved += 1.0
    loss.backward()
    assert np.array_equal(w.grad.data, [1.0, 2.0])


def test_batches_drawn_by_weight_are_those_of_the_cpu() -> None:
    y = np.repeat([0, 1, 2], [12, 5, 3])
    x, weights = np.arange(20, dtype=np.float32), mg.data.sample_weights(y)
    batches = {}
    for device in ("cpu", "cuda:0"):
        loader = mg.data.DataLoader((x, y), 6, seed=4, device=device, weights=mg.tensor(weights, device=device))
        batches[device] = [[t.cpu().tolist() for t in batch] for batch in loader]
        assert {t.device for batch in loader for t in batch} == {device}
    assert batches["cpu"] == batches["cuda:0"]


@pytest.mark.parametrize("name", ["moons", "spirals", "blobs", "linear"])
def test_made_up_data_on_the_second_device_is_that_of_the_cpu(name: str) -> None:
    on_cpu, on_gpu = (getattr(mg.data, name)(40, seed=2, device=d) for d in ("cpu", "cuda:1"))
    for theirs, ours in zip(on_cpu, on_gpu, strict=True):
        assert devices.device_of(ours) == "cuda:1"
        assert ours.dtype == theirs.dtype
        np.testing.assert_array_equal(host(ours), theirs)
    x_train, *_ = mg.data.train_test_split(on_gpu, seed=0)
    assert devices.device_of(x_train) == "cuda:1"
