"""Two devices, one of them a stand-in: an array class of its own behind the provider interface."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from stand_in import FakeArray

import minigrad as mg
from minigrad.backend import device as devices
from minigrad.ops import elementwise as ew
from minigrad.ops import fused, reduce, shape, softmax
from minigrad.testing import gradcheck


@pytest.fixture(autouse=True)
def _use(fake_device: None) -> None:
    """Every test of this file has the stand-in."""


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
        assert isinstance(t.grad.data, FakeArray)
        assert t.grad.device == "cuda:0"


def test_gradients_are_those_of_the_cpu() -> None:
    a, b = np.array([[1.0, -2.0], [3.0, 0.5]]), np.array([[0.5, -0.5], [1.0, 0.25]])

    def f(x: Any, w: Any) -> Any:
        out = fused.linear(x, w, None, "tanh")
        return (out * ew.exp(-(x * x)) + out[:, ::-1]).sum() + shape.stack([x, w])[1, 0, 1] * w.mean()

    found = []
    for where in ("cpu", "cuda"):
        leaves = [leaf(a, where), leaf(b, where)]
        f(*leaves).backward()
        found.append([t.grad.cpu().numpy() for t in leaves])
    for host, device in zip(*found, strict=True):
        assert np.allclose(host, device, rtol=1e-14)


def test_gradcheck_on_the_device() -> None:
    x = mg.tensor(np.array([0.5, -1.25]), device="cuda:1")
    seen: list[str] = []

    def f(t: Any) -> Any:
        seen.append(t.device)
        return ew.sin(t) * t

    gradcheck(f, x)
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


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_round_trip_brings_the_gradient_back(create_graph: bool) -> None:
    x = leaf([1.0, 2.0], "cpu")
    y = x.to("cuda:1")
    assert y.device == "cuda:1"
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


def test_training_on_the_device_is_training_on_the_cpu() -> None:
    """Same initial weights, batches and masks from one seed; loader, layers, clip and optimizer stay on the device."""

    def train(device: str) -> list[np.ndarray]:
        mg.manual_seed(3)
        rng = np.random.default_rng(0)
        x, y = rng.standard_normal((20, 5)).astype(np.float32), rng.integers(0, 3, 20)
        model = mg.nn.MLP(5, [8], 3, dropout=0.2, normalization="layer").to(device)
        optimizer = mg.optim.AdamW(model.parameters(), lr=0.01)
        for batch, labels in mg.data.DataLoader((x, y), 8, device=device):
            optimizer.zero_grad()
            mg.nn.functional.cross_entropy(model(batch), labels).backward()
            norm = mg.optim.clip_grad_norm(model.parameters(), 0.5)
            optimizer.step()
            assert norm.device == model.layers[0].weight.grad.device == batch.device
        assert {p.device for p in model.parameters()} == {batch.device}
        return [p.cpu().detach().numpy() for p in model.parameters()]

    for ours, cpu in zip(train("cuda"), train("cpu"), strict=True):
        np.testing.assert_allclose(ours, cpu, rtol=1e-5, atol=1e-6)


def test_batches_drawn_by_weight_are_those_of_the_cpu() -> None:
    y = np.repeat([0, 1, 2], [12, 5, 3])
    x, weights = np.arange(20, dtype=np.float32), mg.data.sample_weights(y)
    batches = {}
    for device in ("cpu", "cuda:0"):
        loader = mg.data.DataLoader((x, y), 6, seed=4, device=device, weights=mg.tensor(weights, device=device))
        batches[device] = [[t.cpu().tolist() for t in batch] for batch in loader]
        assert {t.device for batch in loader for t in batch} == {device}
    assert batches["cpu"] == batches["cuda:0"]
    on_device = mg.data.class_weights(mg.tensor(y, device="cuda"))
    assert isinstance(on_device, FakeArray)
    np.testing.assert_array_equal(on_device.view(np.ndarray), mg.data.class_weights(y))
    np.testing.assert_array_equal(mg.data.sample_weights(mg.tensor(y, device="cuda")), weights)


@pytest.mark.parametrize("name", ["moons", "spirals", "blobs", "linear"])
def test_made_up_data_lives_on_the_device_and_is_that_of_the_cpu(name: str) -> None:
    host, device = (getattr(mg.data, name)(40, seed=2, device=d) for d in ("cpu", "cuda:1"))
    for h, d in zip(host, device, strict=True):
        assert isinstance(d, FakeArray)
        assert d.label == "cuda:1"
        assert d.dtype == h.dtype
        np.testing.assert_array_equal(d.view(np.ndarray), h)
    x_train, *_ = mg.data.train_test_split(device, seed=0)
    assert isinstance(x_train, FakeArray)


@pytest.mark.parametrize("name", mg.data.SURFACES)
def test_surfaces_on_the_device(name: str) -> None:
    surface = mg.data.SURFACES[name]
    heights, gradients = [], []
    for device in ("cpu", "cuda"):
        points = leaf([surface.start, (0.5, -0.25)], device)
        found = surface(points)
        found.sum().backward()
        assert found.device == points.grad.device == points.device
        heights.append(found.detach().cpu().numpy())
        gradients.append(points.grad.cpu().numpy())
    np.testing.assert_allclose(*heights, rtol=1e-14)
    np.testing.assert_allclose(*gradients, rtol=1e-14)
