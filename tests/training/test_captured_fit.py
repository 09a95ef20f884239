"""fit with a captured step: the same training, whatever changes on the way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from on_device import host

import minigrad as mg
from minigrad import data, nn, optim
from minigrad.nn import functional as F
from minigrad.optim import schedulers

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 3)).astype(np.float32)
Y = X @ np.array([[1.0], [-2.0], [0.5]], np.float32) + 0.3
LABELS = (Y[:, 0] > 0).astype(np.int64)


@pytest.mark.parametrize("capture", [True, "auto"])
def test_captured_it_makes_the_same_steps(capture: str | bool, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit: odd last batches, dropout, a schedule, metrics, accumulation, validation."""
    monkeypatch.setenv("MINIGRAD_FAST", "0")
    found = []
    for how in (False, capture):
        mg.manual_seed(2)
        model = nn.MLP(3, [8], 2, dropout=0.2).to(device)
        optimizer = optim.Adam(model.parameters(), lr=0.01, accumulate=2)
        history = mg.fit(
            model,
            data.DataLoader((X, LABELS), 16, seed=3, device=device),
            loss=F.cross_entropy,
            optimizer=optimizer,
            epochs=20,
            validation=(X, LABELS),
            metrics=["accuracy"],
            scheduler=schedulers.ExponentialLR(optimizer, 0.9),
            capture=how,
        )
        found.append(
            ([host(p) for p in model.parameters()], {k: history[k] for k in ("loss", "accuracy", "grad_norm")})
        )
    assert found[0][1] == found[1][1]
    assert all(np.array_equal(a, b) for a, b in zip(found[0][0], found[1][0], strict=True))


def test_a_capture_notices_what_a_callback_changes(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In Python, where no recording looks: from the next epoch on it is another step."""
    monkeypatch.setenv("MINIGRAD_FAST", "0")
    found = []
    for how in (False, True):
        mg.manual_seed(2)
        model = nn.MLP(3, [8], 2, dropout=0.2).to(device)
        drops = [m for m in model.modules() if isinstance(m, nn.Dropout)]

        def change(run: Any, drops: Any = drops) -> None:
            for drop in drops:
                drop.p = 0.1 * run.epoch

        mg.fit(
            model,
            data.DataLoader((X, LABELS), 10, seed=3, device=device),
            loss=F.cross_entropy,
            optimizer=optim.SGD(model.parameters(), lr=0.1),
            epochs=5,
            callbacks=change,
            capture=how,
        )
        found.append([host(p) for p in model.parameters()])
    assert drops
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_what_cannot_be_captured_is_said(device: str) -> None:
    """And the training goes on."""
    mg.manual_seed(1)
    model = nn.Linear(3, 1).to(device)
    optimizer = optim.SGD(model.parameters(), lr=0.1)

    def loss(prediction: Any, y: Any) -> Any:
        value = F.mse_loss(prediction, y)
        return value * 2 if float(value.detach().item()) > 1 else value

    with pytest.warns(mg.CaptureWarning, match="train_step runs eagerly, for it cannot be captured"):
        mg.fit(model, (X, Y), loss=loss, optimizer=optimizer, epochs=2, capture=True)


def test_a_resumed_run_keeps_its_executor(tmp_path: Path) -> None:
    """It is chosen by the length of the run; one that is made longer goes on as it began."""
    made: list[Any] = []

    def run(epochs: int) -> None:
        mg.manual_seed(2)
        model = nn.MLP(3, [4], 2)
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        loader = data.DataLoader((X, LABELS), 10, seed=3)
        mg.fit(
            model,
            loader,
            loss=F.cross_entropy,
            optimizer=optimizer,
            epochs=epochs,
            checkpoint=tmp_path / "run.safetensors",
            callbacks=lambda run: made.append(run._make_step.executor),
        )

    run(20)
    run(500)
    assert set(made) == {"numpy"}
    assert len(made) == 500


def test_skipped_steps_do_not_end_the_training(device: str) -> None:
    """A row that is no number: its batch is skipped, and left out of the mean of the losses."""
    x = X.copy()
    x[7] = np.nan
    mg.manual_seed(1)
    model = nn.Linear(3, 1).to(device)
    optimizer = optim.SGD(model.parameters(), lr=0.05, nonfinite="skip")
    history = mg.fit(
        model, data.DataLoader((x, Y), 10, shuffle=False, device=device), loss=F.mse_loss, optimizer=optimizer, epochs=5
    )
    assert history.stopped == "epochs"
    assert optimizer.skipped == 5
    assert np.isfinite(history["loss"]).all()
    assert history["loss"][-1] < history["loss"][0]
