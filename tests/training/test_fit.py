"""fit: what it trains, what it records, when it stops, what it refuses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from on_device import host

import minigrad as mg
from minigrad import data, nn, optim
from minigrad.errors import GraphError
from minigrad.nn import functional as F
from minigrad.optim import schedulers
from minigrad.training import Callback

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 3)).astype(np.float32)
WEIGHT = np.array([[1.0], [-2.0], [0.5]], np.float32)
Y = X @ WEIGHT + 0.3
LABELS = (Y[:, 0] > 0).astype(np.int64)


def linear(lr: float = 0.1, device: str = "cpu") -> tuple[nn.Linear, optim.SGD]:
    mg.manual_seed(1)
    model = nn.Linear(3, 1).to(device)
    return model, optim.SGD(model.parameters(), lr=lr)


def fit(model: nn.Module, optimizer: optim.Optimizer, **kwargs: Any) -> mg.History:
    """A short run of linear regression."""
    return mg.fit(
        model,
        kwargs.pop("train", data.DataLoader((X, Y), 16, seed=3, device=model.weight.device)),  # type: ignore[attr-defined]
        loss=kwargs.pop("loss", F.mse_loss),
        optimizer=optimizer,
        epochs=kwargs.pop("epochs", 5),
        **kwargs,
    )


def test_it_makes_the_steps_of_a_loop_by_hand(device: str) -> None:
    model, optimizer = linear(device=device)
    history = fit(model, optimizer, epochs=3)
    other, hand = linear(device=device)
    loader = data.DataLoader((X, Y), 16, seed=3, device=device)
    for epoch in range(3):
        total, norms = 0.0, []
        for x, y in loader:
            hand.zero_grad()
            loss = F.mse_loss(other(x), y)
            loss.backward()
            norms.append(math.sqrt(sum(float((host(p.grad) ** 2).sum()) for p in other.parameters())))
            hand.step()
            total += loss.item() * len(x)
        assert history["loss"][epoch] == pytest.approx(total / 50, rel=1e-6)
        assert history["grad_norm"][epoch] == pytest.approx(np.mean(norms), rel=1e-5)
    for a, b in zip(model.parameters(), other.parameters(), strict=True):
        np.testing.assert_array_equal(host(a), host(b))
    assert history["epoch"] == [1, 2, 3]
    assert history["step"] == [4, 8, 12]
    assert history["lr"] == [0.1] * 3
    assert all(s > 0 for s in history["samples_per_second"])
    assert history.seconds == sum(history["seconds"])


def test_it_learns_and_leaves_the_model_in_evaluation_mode(device: str) -> None:
    model, optimizer = linear(device=device)
    history = fit(model, optimizer, epochs=100, validation=(X, Y), metrics=("r2", "rmse"))
    np.testing.assert_allclose(host(model.weight), WEIGHT.T, atol=1e-3)
    assert history["val_r2"][-1] > 0.999
    assert history["rmse"][-1] == pytest.approx(math.sqrt(history["loss"][-1]), rel=1e-5)
    assert history["loss"][0] > 100 * history["loss"][-1]
    assert history.stopped == "epochs"
    assert history.best_epoch == 1 + int(np.argmin(history["val_loss"]))
    assert not model.training


def test_classes_metrics_and_validation_agree_with_evaluate(device: str) -> None:
    mg.manual_seed(0)
    model = nn.MLP(3, [8], 2, dropout=0.5).to(device)
    optimizer = optim.Adam(model.parameters(), lr=0.02)
    history = mg.fit(
        model,
        (X, LABELS),
        loss=F.cross_entropy,
        optimizer=optimizer,
        epochs=30,
        validation=data.DataLoader((X, LABELS), 7, seed=0, device=device),
        metrics={"accuracy": "accuracy", "certain": lambda p, y: (abs(p).max(axis=1) > 2).mean()},
        seed=5,
    )
    assert set(history.columns) >= {"accuracy", "val_accuracy", "certain", "val_certain", "val_loss"}
    found = mg.evaluate(model, (X, LABELS), F.cross_entropy, "accuracy")
    assert found["accuracy"] == history["val_accuracy"][-1] > 0.9
    assert found["loss"] == pytest.approx(history["val_loss"][-1], rel=1e-5)
    logits = mg.predict(model, X)
    assert (logits.argmax(axis=1) == LABELS).mean() == found["accuracy"]


def test_a_seed_fixes_batches_and_dropout(device: str) -> None:
    def run(seed: int) -> bytes:
        mg.manual_seed(0)
        model = nn.MLP(3, [8], 2, dropout=0.5).to(device)
        optimizer = optim.Adam(model.parameters())
        loader = data.DataLoader((X, LABELS), 16, device=device)
        mg.fit(model, loader, loss=F.cross_entropy, optimizer=optimizer, epochs=2, seed=seed)
        return b"".join(host(p).tobytes() for p in model.parameters())

    assert run(3) == run(3) != run(4)


def test_validation_changes_nothing(device: str) -> None:
    """Neither random streams, nor batch statistics, nor the loader that it comes from."""
    found = []
    for validation in (None, data.DataLoader((X, LABELS), 8, seed=9, device=device)):
        mg.manual_seed(0)
        model = nn.MLP(3, [8], 2, dropout=0.5, normalization="batch").to(device)
        optimizer = optim.Adam(model.parameters())
        train = data.DataLoader((X, LABELS), 16, seed=1, drop_last=True, device=device)
        mg.fit(model, train, loss=F.cross_entropy, optimizer=optimizer, epochs=3, validation=validation)
        found.append(b"".join(host(t).tobytes() for t in model.state_dict().values()))
        if validation is not None:
            assert validation.state_dict() == {"seed": 9, "epoch": 0, "position": 0}
    assert found[0] == found[1]


# --- stopping --------------------------------------------------------------------------------------------------------


def test_target_loss() -> None:
    history = fit(*linear(), epochs=1000, target_loss=0.01)
    assert history.stopped == "target_loss"
    assert history["loss"][-1] <= 0.01 < history["loss"][-2]
    assert "reached the target 0.01" in history.reason


def test_gradient_norm(device: str) -> None:
    train = data.DataLoader((X, Y), 50, seed=0, device=device)
    history = fit(*linear(device=device), epochs=1000, grad_norm=0.05, train=train)
    assert history.stopped == "grad_norm"
    assert history["grad_norm"][-1] <= 0.05 < history["grad_norm"][-2]


def test_patience_ends_with_the_best_weights(device: str) -> None:
    model, optimizer = linear(device=device)
    seen = []
    x_val, y_val = X[:10], Y[:10] + RNG.normal(size=(10, 1)).astype(np.float32)

    def keep(run: Any) -> None:
        seen.append(host(run.model.weight))
        optimizer.param_groups[0]["lr"] *= 1.5  # sooner or later it gets worse

    history = fit(model, optimizer, epochs=1000, validation=(x_val, y_val), patience=3, callbacks=keep)
    assert history.stopped == "patience"
    assert history.best_epoch == len(history) - 3
    assert history["val_loss"][history.best_epoch - 1] == min(history["val_loss"])
    np.testing.assert_array_equal(host(model.weight), seen[history.best_epoch - 1])
    assert mg.evaluate(model, (x_val, y_val), F.mse_loss)["loss"] == pytest.approx(min(history["val_loss"]))


def test_time_limit_stops_within_an_epoch() -> None:
    class Slow(Callback):
        def on_step(self, run: Any) -> None:
            import time

            time.sleep(0.02)

    train = data.DataLoader((X, Y), 1, seed=0)
    history = fit(*linear(0.01), epochs=1000, time_limit=0.1, callbacks=Slow(), train=train)
    assert history.stopped == "time_limit"
    assert 1 <= history["step"][-1] < 50
    assert train.position == 0
    assert train.epoch == 1


@pytest.mark.parametrize("validation", [None, (X, Y)])
def test_divergence_is_said_without_warnings(validation: Any, device: str) -> None:
    history = fit(*linear(1e10, device), epochs=1000, validation=validation)
    assert history.stopped == "diverged"
    assert "smaller learning rate" in history.reason
    assert len(history) < 20


def test_callbacks_in_order_and_one_that_ends_the_run() -> None:
    said = []

    class Note(Callback):
        def on_start(self, run: Any) -> None:
            said.append("start")

        def on_step(self, run: Any) -> None:
            said.append(f"step {run.step}")

        def on_epoch_end(self, run: Any) -> bool:
            said.append(f"epoch {run.epoch}")
            return run.epoch == 2

        def on_end(self, run: Any) -> None:
            said.append("end")

    train = data.DataLoader((X, Y), 25, seed=0)
    history = fit(*linear(), callbacks=[Note(), lambda run: None], train=train)
    assert said == ["start", "step 1", "step 2", "epoch 1", "step 3", "step 4", "epoch 2", "end"]
    assert history.stopped == "callback"


# --- schedules -------------------------------------------------------------------------------------------------------


def test_a_schedule_by_epoch_and_by_step() -> None:
    model, optimizer = linear(0.1)
    history = fit(model, optimizer, epochs=3, scheduler=schedulers.StepLR(optimizer, 1, 0.5))
    assert history["lr"] == [0.1, 0.05, 0.025]
    model, optimizer = linear(0.1)
    scheduler = schedulers.ExponentialLR(optimizer, 0.9)
    scheduler.interval = "step"
    history = fit(model, optimizer, epochs=2, scheduler=scheduler)
    assert history["lr"] == pytest.approx([0.1 * 0.9**3, 0.1 * 0.9**7])


def test_plateau_watches_the_validation_loss() -> None:
    model, optimizer = linear(1e-9)
    scheduler = schedulers.ReduceLROnPlateau(optimizer, patience=1)
    history = fit(model, optimizer, epochs=6, scheduler=scheduler, validation=(X, Y))
    assert history["lr"] == pytest.approx([1e-9] * 6)  # eps of the schedule: too small to matter
    model, optimizer = linear(1e-4)
    optimizer.param_groups[0]["lr"] = 1e-4
    scheduler = schedulers.ReduceLROnPlateau(optimizer, patience=0, threshold=0.9)
    assert fit(model, optimizer, epochs=3, scheduler=scheduler)["lr"] == pytest.approx([1e-4, 1e-4, 1e-5])


# --- data ------------------------------------------------------------------------------------------------------------


def test_any_list_of_batches_serves(device: str) -> None:
    batches = [tuple(mg.tensor(a[i : i + 10], device=device) for a in (X, Y)) for i in range(0, 50, 10)]
    assert fit(*linear(device=device), train=batches, epochs=2)["step"] == [5, 10]


def test_further_members_of_a_batch_go_to_the_loss(device: str) -> None:
    weights = np.ones(50, np.float32)
    seen = []

    def loss(prediction: Any, y: Any, w: Any) -> Any:
        seen.append(w.shape)
        return (w.reshape(-1, 1) * (prediction - y) ** 2).mean()

    train = data.DataLoader((X, Y, weights), 25, seed=0, device=device)
    fit(*linear(device=device), train=train, loss=loss, epochs=1)
    assert seen == [(25,), (25,)]


def test_history_as_csv_reads_back_exactly() -> None:
    import csv
    import io

    history = fit(*linear(), validation=(X, Y))
    rows = list(csv.DictReader(io.StringIO(history.to_csv())))
    assert [float(r["val_loss"]) for r in rows] == history["val_loss"]
    assert list(rows[0]) == history.columns
    assert "loss" in history
    assert "nothing" not in history
    with pytest.raises(KeyError, match="no column 'nothing' in the history; it has epoch, step, loss"):
        history["nothing"]
    assert "5 epochs done" in repr(history)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_progress_bar_on_terminals_alone(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    import io
    import sys
    import time

    class Screen(io.StringIO):
        def isatty(self) -> bool:
            return terminal

    screen = Screen()
    monkeypatch.setattr(sys, "stderr", screen)
    fit(*linear(), epochs=3, validation=(X, Y), callbacks=lambda run: time.sleep(0.11))  # tqdm draws every 0.1 s
    assert ("2/3 [" in screen.getvalue() and "val_loss=" in screen.getvalue()) is terminal
    shown = screen.getvalue()
    fit(*linear(), epochs=3, progress=False)
    assert screen.getvalue() == shown


def test_without_tqdm_there_is_no_bar_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert len(fit(*linear(), epochs=2)) == 2
    with pytest.raises(mg.OptionalDependencyError, match=r"A progress bar needs .*minigrad-cupy\[train\]"):
        fit(*linear(), epochs=2, progress=True)


# --- what it refuses -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"epochs": 0}, ValueError, "epochs must be at least 1, got 0"),
        ({"epochs": 2.5}, TypeError, "epochs must be an integer, got float 2.5"),
        ({"epochs": True}, TypeError, "epochs must be an integer"),
        ({"patience": 2}, ValueError, "patience watches the validation loss: pass validation"),
        ({"patience": 0, "validation": (X, Y)}, ValueError, "patience must be at least 1"),
        ({"target_loss": math.nan}, ValueError, "target_loss must be finite, got nan"),
        ({"target_loss": "small"}, TypeError, "target_loss must be a number, got str 'small'"),
        ({"grad_norm": 0.0}, ValueError, "grad_norm must be finite and > 0"),
        ({"time_limit": -1}, ValueError, "time_limit must be finite and > 0, got -1"),
        ({"loss": "mse"}, TypeError, r"loss must be a function loss\(prediction, y\), got str 'mse'"),
        ({"loss": lambda p, y: 1.0}, TypeError, "the loss must return a Tensor, got float"),
        ({"loss": lambda p, y: y.mean()}, GraphError, "does not depend on any parameter"),
        ({"metrics": "acuracy"}, ValueError, "accuracy"),
        ({"metrics": {"loss": "accuracy"}}, ValueError, "a metric cannot be called 'loss'"),
        ({"metrics": {"val_x": "mse"}}, ValueError, "a metric cannot be called 'val_x'"),
        ({"capture": "always"}, ValueError, "capture must be \"auto\", True or False, got 'always'"),
        ({"scheduler": 3}, TypeError, "scheduler must be one of optim.schedulers, got int"),
        ({"train": X}, TypeError, "train must be a DataLoader or a tuple"),
        ({"train": 3}, TypeError, "train must be a DataLoader or a tuple"),
        ({"train": data.DataLoader(X, 5, seed=0)}, TypeError, r"a batch must be a tuple \(x, y\), got Tensor"),
        ({"train": []}, ValueError, "gave no batches"),
        ({"validation": X}, TypeError, r"fit: validation: a DataLoader, a Dataset or a tuple \(x, y\)"),
        ({"train": [(X, Y)], "checkpoint": "c"}, TypeError, "a checkpoint needs training data that knows its position"),
    ],
)
def test_bad_arguments(change: dict[str, Any], error: type[Exception], message: str) -> None:
    model, optimizer = linear()
    before = model.weight.data.copy()
    with pytest.raises(error, match=message):
        fit(model, optimizer, **change)
    np.testing.assert_array_equal(model.weight.data, before)


def test_an_optimizer_or_schedule_of_another_model() -> None:
    model, optimizer = linear()
    _, stranger = linear()
    with pytest.raises(ValueError, match="holds none of the model's parameters"):
        fit(model, stranger)
    with pytest.raises(ValueError, match="the scheduler belongs to another optimizer"):
        fit(model, optimizer, scheduler=schedulers.StepLR(stranger, 1))
    watching = schedulers.ReduceLROnPlateau(optimizer)
    watching.interval = "step"
    with pytest.raises(ValueError, match="stepped by epoch"):
        fit(model, optimizer, scheduler=watching)
    for wrong in ({"model": 3}, {"optimizer": "adam"}):
        with pytest.raises(TypeError, match=f"{next(iter(wrong))} must be a minigrad"):
            mg.fit(
                wrong.get("model", model),  # type: ignore[arg-type]
                (X, Y),
                loss=F.mse_loss,
                optimizer=wrong.get("optimizer", optimizer),  # type: ignore[arg-type]
                epochs=1,
            )
