"""Work on a GPU that is not the current one: CuPy refuses to touch it from elsewhere, so minigrad makes it current."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from on_device import host, put
from strict_provider import StrictProvider

import minigrad as mg
from minigrad import data, nn, optim
from minigrad.nn import functional as F

THERE = "cuda:1"
RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 3)).astype(np.float32)
LABELS = (X[:, 0] > 0).astype(np.int64)
WEIGHT = np.array([1.0, 2.0, 0.5], np.float32)


@pytest.fixture(autouse=True)
def _second(strict: StrictProvider) -> Any:
    """cuda:0 is current before and after."""
    yield
    assert strict.machine.current == 0


def there(a: np.ndarray) -> mg.Tensor:
    return mg.tensor(a, device=THERE, requires_grad=a.dtype.kind == "f")


LOSSES: dict[str, tuple[Callable[..., Any], np.ndarray]] = {
    "mse": (F.mse_loss, X * 2),
    "huber": (F.huber_loss, X * 2),
    "hinge": (F.hinge_loss, X * 2),
    "bce": (
        lambda x, y: F.binary_cross_entropy_with_logits(x, y, put(WEIGHT, x.device), pos_weight=put(WEIGHT, x.device)),
        np.full_like(X, 0.25),
    ),
    "kl_div": (F.kl_div, np.full_like(X, 0.25)),
    "probabilities": (lambda x, y: F.cross_entropy(x, y, put(WEIGHT, x.device)), np.full_like(X, 1 / 3)),
    "cross_entropy": (F.cross_entropy, LABELS),
    "small labels": (F.cross_entropy, LABELS.astype(np.int8)),
    "weight": (lambda x, y: F.cross_entropy(x, y, put(WEIGHT, x.device)), LABELS),
    "smooth": (lambda x, y: F.cross_entropy(x, y, label_smoothing=0.1), LABELS),
    "none": (lambda x, y: F.cross_entropy(x, y, reduction="none").sum(), LABELS),
    "nll": (lambda x, y: F.nll_loss(F.log_softmax(x), y, put(WEIGHT, x.device)), LABELS),
    "layer norm": (lambda x, y: (F.layer_norm(x, 3) * y).sum(), X),
    "dropout": (lambda x, y: (F.dropout(x, 0.5) * y).sum(), X),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LOSSES)
def test_losses(name: str, dtype: str) -> None:
    loss, y = LOSSES[name]
    found = []
    for device in ("cpu", THERE):
        mg.manual_seed(0)
        x = mg.tensor(X.astype(dtype), device=device, requires_grad=True)
        value = loss(x, put(y, device))
        value.backward()
        found.append((host(value), host(x.grad)))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("normalization", [None, "batch", "layer"])
@pytest.mark.parametrize("make", [optim.Adam, optim.SGD], ids=["adam", "sgd"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps(normalization: str | None, make: Any, dtype: str) -> None:
    model = nn.MLP(3, [8], 2, dropout=0.5, normalization=normalization).to(dtype).to(THERE)
    optimizer = make(model.parameters())
    x, y = there(X.astype(dtype)), there(LABELS)
    for move in (THERE, "cuda:0", THERE):
        optimizer.zero_grad()
        model.to(move)
        F.cross_entropy(model(x.detach().to(move)), y.to(move)).backward()
        for norm_type in (2.0, float("inf")):
            assert optim.clip_grad_norm(model.parameters(), 1.0, norm_type).device == move
        optim.clip_grad_value(model.parameters(), 0.5)
        before = [host(p) for p in model.parameters()]
        optimizer.step()
        assert any((host(p) != b).any() for p, b in zip(model.parameters(), before, strict=True))
    optimizer.load_state_dict(optimizer.state_dict())


@pytest.mark.parametrize("dtype", ["float64", "float32", "int8", "bool"])
@pytest.mark.parametrize("shape", [(10,), (10, 3), (10, 2, 2)], ids=str)
@pytest.mark.parametrize("shuffle", [True, False])
def test_data(dtype: str, shape: tuple[int, ...], shuffle: bool) -> None:
    x = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    classes = put(np.arange(10) % 2, THERE)
    for source in (x, mg.tensor(x, device=THERE), put(x.T, THERE).T):
        loader = data.DataLoader(source, 4, shuffle, device=THERE, seed=0)
        for batch, due in zip(loader, data.DataLoader(x, 4, shuffle, seed=0), strict=True):
            assert batch.device == THERE
            np.testing.assert_array_equal(host(batch), due.data)
        parts = data.train_test_split(source, mg.tensor(x, device=THERE), seed=0, stratify=classes)
        np.testing.assert_array_equal(host(parts[1]), host(parts[3]))


def fit(kind: str, device: str, **options: Any) -> dict[str, list[float]]:
    mg.manual_seed(0)
    classes = kind == "classes"
    model = nn.MLP(3, [8], 2 if classes else 1, dropout=0.5, normalization="layer").to(device)
    arrays = (X, LABELS if classes else X[:, :1])
    history = mg.fit(
        model,
        data.DataLoader(arrays, 8, device=device, seed=1),
        loss=F.cross_entropy if classes else F.mse_loss,
        optimizer=optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
        epochs=3,
        validation=arrays,
        metrics=("accuracy", "f1") if classes else ("mse", "r2", lambda p, y: abs(p - y).mean()),
        **options,
    )
    mg.predict(model, X)
    return {k: history[k] for k in history.columns if "second" not in k}


@pytest.mark.parametrize("kind", ["classes", "numbers"])
def test_fit(kind: str) -> None:
    found, due = fit(kind, THERE), fit(kind, "cpu")
    for name, values in due.items():
        assert found[name] == pytest.approx(values, rel=1e-3), name


# to go once tensor/tensor.py works on the tensor's own device there


def test_fit_with_best_weights_and_a_checkpoint(tmp_path: Path) -> None:
    due = fit("classes", THERE, patience=2, checkpoint=tmp_path / "c")
    assert fit("classes", THERE, patience=2, checkpoint=tmp_path / "c") == due


@pytest.mark.parametrize("fill", [nn.init.zeros_, nn.init.normal_, nn.init.orthogonal_])
def test_initial_values(fill: Callable[..., mg.Tensor]) -> None:
    t = fill(mg.tensor(np.full((4, 5), 7.0), device=THERE))
    assert (host(t) != 7).all()


def test_a_gradient_moves_along() -> None:
    layer = nn.Linear(3, 2).to(THERE)
    layer(there(X)).sum().backward()
    due = host(layer.weight.grad)
    for move in ("cuda:0", THERE, "cpu"):
        layer.to(move)
        np.testing.assert_array_equal(host(layer.weight.grad), due)


def test_state_dicts() -> None:
    model, other = (nn.MLP(3, [8], 2, normalization="batch").to(d) for d in (THERE, "cuda:0"))
    for source, target in ((model, model), (other, model), (model, other)):
        target.load_state_dict(source.state_dict())
    for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True):
        np.testing.assert_array_equal(host(a), host(b))
