"""The learning-rate range test: what it finds, and that it leaves no trace."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from on_device import host

import minigrad as mg
from minigrad import data, nn, optim
from minigrad.backend import random
from minigrad.nn import functional as F

RNG = np.random.default_rng(0)
X = RNG.standard_normal((120, 6)).astype(np.float32)
Y = (X @ RNG.standard_normal((6, 3)).astype(np.float32)).argmax(1)


def setting(device: str, make: Any = optim.Adam) -> tuple[Any, Any, Any]:
    mg.manual_seed(1)
    model = nn.MLP(6, [16], 3, dropout=0.3, normalization="batch").to(device)
    return model, make(model.parameters()), data.DataLoader((X, Y), 16, device=device, seed=3)


def everything(model: Any, optimizer: Any, loader: Any) -> list[Any]:
    """All that a run depends on, as plain data."""
    state = optimizer.state_dict()
    moments = [(n, k, np.asarray(v).tolist()) for n, e in state["state"].items() for k, v in e.items()]
    gradients = [None if p.grad is None else host(p.grad).tolist() for p in model.parameters()]
    values = [host(t).tolist() for t in model.state_dict().values()]
    modes = [m.training for m in model.modules()]
    return [values, moments, state["param_groups"], gradients, modes, random.get_state(), loader.state_dict()]


@pytest.mark.parametrize("make", [optim.Adam, lambda p: optim.SGD(p, momentum=0.9)], ids=["adam", "momentum"])
def test_it_leaves_no_trace(device: str, make: Any) -> None:
    model, optimizer, loader = setting(device, make)
    batches = iter(loader)
    for _ in range(3):  # in the middle of a run: moments, gradients, statistics and positions are there
        x, y = next(batches)
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    model.layers[0].eval()  # a mode of one part
    before = everything(model, optimizer, loader)
    mg.lr_find(model, loader, loss=F.cross_entropy, optimizer=optimizer, steps=20)
    assert everything(model, optimizer, loader) == before


def test_a_run_after_it_is_the_run_without_it(device: str) -> None:
    def run(look: bool) -> list[Any]:
        model, optimizer, loader = setting(device)
        if look:
            mg.lr_find(model, loader, loss=F.cross_entropy, optimizer=optimizer, steps=15)
        mg.fit(model, loader, loss=F.cross_entropy, optimizer=optimizer, epochs=2)
        return [host(p).tolist() for p in model.parameters()]

    assert run(True) == run(False)


def test_an_error_leaves_no_trace() -> None:
    model, optimizer, loader = setting("cpu")
    before = everything(model, optimizer, loader)
    calls = 0

    def loss(prediction: Any, y: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt
        return F.cross_entropy(prediction, y)

    with pytest.raises(KeyboardInterrupt):
        mg.lr_find(model, loader, loss=loss, optimizer=optimizer)
    assert everything(model, optimizer, loader) == before


def test_what_it_finds() -> None:
    """On a parabola of curvature 1 plain descent diverges from a rate of 2; the suggestion lies well below."""
    w = nn.Parameter(np.full(4, 3.0))

    class Bowl(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = w

        def forward(self, x: Any) -> Any:
            return self.w * x

    model = Bowl()
    batch = (np.ones((1, 4)), np.zeros((1, 4)))
    batches = [tuple(mg.tensor(a) for a in batch)]
    optimizer = optim.SGD([{"params": model.parameters(), "lr": 0.5}])
    found = mg.lr_find(
        model, batches, loss=lambda p, y: ((p - y) ** 2).sum() / 2, optimizer=optimizer, start=1e-4, end=100.0
    )
    assert found.lrs[0] == 1e-4
    assert all(a < b for a, b in zip(found.lrs, found.lrs[1:], strict=False))
    assert len(found.lrs) < 100  # stopped when it diverged
    assert found.lrs[-1] > 2
    assert 0.02 < found.suggestion < 2
    assert optimizer.param_groups[0]["lr"] == 0.5
    np.testing.assert_array_equal(w.numpy() if not w.requires_grad else w.detach().numpy(), np.full(4, 3.0))


def test_groups_keep_their_ratios() -> None:
    a, b = (nn.Parameter(np.ones(2, np.float32)) for _ in range(2))
    optimizer = optim.SGD([{"params": [a], "lr": 0.1}, {"params": [b], "lr": 0.02}])
    seen = []

    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = a, b

        def forward(self, x: Any) -> Any:
            seen.append([g["lr"] for g in optimizer.param_groups])
            return (self.a + self.b) * x

    ones = np.ones((2, 2), np.float32)
    mg.lr_find(Pair(), (ones, ones), loss=F.mse_loss, optimizer=optimizer, steps=5, end=0.1)
    assert all(second / first == pytest.approx(0.2) for first, second in seen)


ERRORS = [
    ({"start": 0.0}, ValueError, "0 < start < end"),
    ({"end": 1e-9}, ValueError, "end=1e-09"),
    ({"steps": 1}, ValueError, "steps=1"),
    ({"smoothing": 1.0}, ValueError, "smoothing=1.0"),
    ({"train": iter([])}, TypeError, "could not be begun again"),
    ({"train": []}, ValueError, "no batches"),
    ({"train": [X]}, TypeError, "a batch must be a tuple"),
]


@pytest.mark.parametrize(("change", "kind", "message"), ERRORS, ids=[m for *_, m in ERRORS])
def test_errors(change: dict[str, Any], kind: Any, message: str) -> None:
    model, optimizer, loader = setting("cpu")
    arguments = {"train": loader, "loss": F.cross_entropy, "optimizer": optimizer, **change}
    with pytest.raises(kind, match=message):
        mg.lr_find(model, **arguments)


def test_a_loss_that_never_falls_has_no_suggestion() -> None:
    model, optimizer, _ = setting("cpu", optim.SGD)
    for p in model.parameters():
        p.requires_grad = True
    found = mg.lr_find(model, (X, Y), loss=lambda p, y: p.sum() * 0 + 1.0, optimizer=optimizer, steps=5)
    assert math.isnan(found.suggestion)


def test_the_picture() -> None:
    pytest.importorskip("matplotlib")
    from minigrad import plots

    model, optimizer, loader = setting("cpu")
    found = mg.lr_find(model, loader, loss=F.cross_entropy, optimizer=optimizer, steps=30)
    picture = plots.lr_finding(**vars(found))
    assert picture.startswith(b"\x89PNG")
    assert picture != plots.lr_finding(**{**vars(found), "suggestion": math.nan})
