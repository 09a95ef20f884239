"""One run on the CPU and on a device: the same history, checkpoints that go on elsewhere, and nobody who waits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from strict_provider import StrictProvider

import minigrad as mg
from minigrad import data, nn, optim
from minigrad.nn import functional as F
from minigrad.optim import schedulers
from minigrad.training import Callback, Checkpoint
from minigrad.training.history import TIMES

X = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
LABELS = (X[:, 0] > 0).astype(np.int64)


class Cut(Exception):
    """Stands in for a kill."""


def run(device: str, checkpoint: Any = None, epochs: int = 4, cut: int | None = None) -> tuple[Any, list[Any]]:
    """Predictions and history of a run with dropout, running statistics, metrics and best weights."""

    class CutAt(Callback):
        def on_step(self, run: Any) -> None:
            if run.step == cut:
                raise Cut

    mg.manual_seed(0)
    model = nn.MLP(3, [8], 2, dropout=0.5, normalization="batch").to(device)
    # not Adam: it makes steps of full length out of the rounding errors that a bias before a batch norm gets
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    history = mg.fit(
        model,
        data.DataLoader((X, LABELS), 8, device=device, seed=4),
        loss=F.cross_entropy,
        optimizer=optimizer,
        epochs=epochs,
        validation=(X, LABELS),
        metrics=("accuracy", "f1"),
        scheduler=schedulers.CosineAnnealingLR(optimizer, 4),
        patience=3,
        callbacks=CutAt(),
        checkpoint=checkpoint,
    )
    assert {t.device for t in model.state_dict().values()} == {device}
    return mg.predict(model, X), [{k: v for k, v in row.items() if k not in TIMES} for row in history]


def same(found: tuple[Any, list[Any]], due: tuple[Any, list[Any]]) -> None:
    """The same run up to rounding."""
    np.testing.assert_allclose(found[0], due[0], atol=1e-5)
    for a, b in zip(found[1], due[1], strict=True):
        assert a == pytest.approx(b, rel=1e-4)


def test_the_run_of_the_cpu_on_a_device(device: str) -> None:
    same(run(device), run("cpu"))


def test_a_run_goes_on_from_the_checkpoint_of_the_other_device(device: str, tmp_path: Path) -> None:
    due = run("cpu")
    for first, second in {(device, "cpu"), ("cpu", device)}:
        path = tmp_path / f"from {first}"
        run(first, path, epochs=2)
        same(run(second, path), due)


def test_a_run_cut_within_an_epoch_goes_on_at_the_other_device(device: str, tmp_path: Path) -> None:
    """The sums of half an epoch, and the batches whose metrics are still to be counted, move."""
    due = run("cpu")
    for first, second in {(device, "cpu"), ("cpu", device)}:
        path = tmp_path / f"from {first}"
        with pytest.raises(Cut):
            run(first, Checkpoint(path, steps=1), cut=12)
        assert mg.load(path)["run"]["partial"]["kept"], "batches are waiting"
        same(run(second, path), due)


def test_a_step_waits_for_nothing(strict: StrictProvider) -> None:
    """Sums and metrics are read at the end of an epoch, all together."""
    mg.manual_seed(0)
    model = nn.MLP(3, [8], 2, dropout=0.5).to("cuda")
    waits = []

    class Watch(Callback):
        def on_step(self, run: Any) -> None:
            waits.append(len(strict.machine.tally.syncs))

    strict.machine.reset()
    mg.fit(
        model,
        data.DataLoader((X, LABELS), 5, device="cuda", seed=4),
        loss=F.cross_entropy,
        optimizer=optim.Adam(model.parameters()),
        epochs=2,
        metrics=("accuracy", "f1"),
        callbacks=Watch(),
    )
    assert waits[:10] == [0] * 10
    assert len(set(waits[10:])) == 1
