"""A run that is cut off anywhere and taken up again ends exactly as if it had not been."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad import data, nn, optim
from minigrad.errors import FileFormatError
from minigrad.nn import functional as F
from minigrad.optim import schedulers
from minigrad.training import Callback, Checkpoint
from minigrad.training.history import TIMES

RNG = np.random.default_rng(0)
X = RNG.normal(size=(30, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)
EPOCHS, BATCHES = 4, 5


class Cut(Exception):
    """Stands in for a kill."""


class CutAt(Callback):
    """Counts steps, a state of its own, and ends everything at one of them."""

    def __init__(self, step: int | None, error: type[BaseException] = Cut) -> None:
        self.step, self.error, self.count = step, error, 0

    def on_step(self, run: Any) -> None:
        self.count += 1
        if run.step == self.step:
            raise self.error

    def state_dict(self) -> dict[str, int]:
        return {"count": self.count}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.count = state["count"]


SCHEDULES: dict[str, Any] = {
    "none": lambda o: None,
    "cosine": lambda o: schedulers.CosineAnnealingLR(o, EPOCHS),
    "plateau": lambda o: schedulers.ReduceLROnPlateau(o, patience=0, threshold=0.5),
    "exponential": lambda o: schedulers.ExponentialLR(o, 0.97),
}


def train(
    checkpoint: Any,
    callback: Callback,
    schedule: str = "none",
    interval: str = "epoch",
    device: str = "cpu",
    **kwargs: Any,
) -> Any:
    """A run with everything that has a state; its history, and the bytes of all that it leaves."""
    mg.manual_seed(3)
    model = nn.MLP(3, [6], 2, dropout=0.4, normalization="batch").to(device)
    optimizer = optim.Adam(model.parameters(), lr=0.05, amsgrad=True)
    scheduler = SCHEDULES[schedule](optimizer)
    if scheduler is not None:
        scheduler.interval = interval
    loader = data.DataLoader((X, Y), 6, seed=5, weights=np.arange(1.0, 31.0), device=device)
    history = mg.fit(
        model,
        loader,
        loss=F.cross_entropy,
        optimizer=optimizer,
        epochs=kwargs.pop("epochs", EPOCHS),
        validation=data.DataLoader((X[:11], Y[:11]), 4, seed=1, device=device),
        metrics=("accuracy", "f1"),
        scheduler=scheduler,
        callbacks=callback,
        checkpoint=checkpoint,
        **kwargs,
    )
    left = mg.io.dumps(
        {"model": model, "optimizer": optimizer, "loader": loader, "random": mg.backend.random.get_state()}
    )
    rows = [{k: v for k, v in row.items() if k not in TIMES} for row in history]
    return history, rows, left, callback.count  # type: ignore[attr-defined]


@pytest.mark.parametrize("steps", [1, 3, None])
@pytest.mark.parametrize(
    ("schedule", "interval"), [("none", "epoch"), ("cosine", "epoch"), ("plateau", "epoch"), ("exponential", "step")]
)
def test_cut_at_every_step(tmp_path: Path, schedule: str, interval: str, steps: int | None, device: str) -> None:
    _, *whole = train(None, CutAt(None), schedule, interval, device, patience=3)
    every = range(1, EPOCHS * BATCHES + 1) if device == "cpu" else (BATCHES, BATCHES + 3, EPOCHS * BATCHES)
    for step in every:
        path = tmp_path / f"{step}.safetensors"
        try:
            train(Checkpoint(path, steps=steps), CutAt(step), schedule, interval, device, patience=3)
        except Cut:
            saved = mg.load(path)["run"]["step"] if path.exists() else 0
            due = range(0, step, steps) if steps else range(0, step, BATCHES)
            assert saved >= max(due, default=0)
            history, *found = train(Checkpoint(path, steps=steps), CutAt(None), schedule, interval, device, patience=3)
            assert found == whole
            assert history.resumed_at == (saved if path.exists() and saved else None)
        else:  # patience had ended it before
            assert step > len(whole[0]) * BATCHES


def test_cut_again_and_again(tmp_path: Path, device: str) -> None:
    _, *whole = train(None, CutAt(None), "cosine", device=device)
    for step in range(2, EPOCHS * BATCHES, 3):
        with pytest.raises(Cut):
            train(Checkpoint(tmp_path / "c", steps=1), CutAt(step), "cosine", device=device)
    _, *found = train(Checkpoint(tmp_path / "c"), CutAt(None), "cosine", device=device)
    assert found == whole


def test_a_finished_run_is_not_trained_again_and_a_longer_one_goes_on(tmp_path: Path, device: str) -> None:
    path = tmp_path / "c.safetensors"
    first, *before = train(path, CutAt(None), epochs=2, device=device)
    again, *after = train(path, CutAt(None), epochs=2, device=device)
    assert after == before
    assert (again.stopped, again.reason) == (first.stopped, first.reason) == ("epochs", "2 epochs done")
    _, *longer = train(path, CutAt(None), epochs=EPOCHS, device=device)
    _, *whole = train(None, CutAt(None), epochs=EPOCHS, device=device)
    assert longer == whole


def test_a_folder_takes_the_usual_name(tmp_path: Path) -> None:
    train(tmp_path, CutAt(None), epochs=1)
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.safetensors"]


def test_a_fresh_start_on_request(tmp_path: Path) -> None:
    path = tmp_path / "c"
    train(path, CutAt(None), epochs=1)
    history, *_ = train(Checkpoint(path, resume=False, extra={"note": 3}), CutAt(None), epochs=1)
    assert history.resumed_at is None
    assert mg.load(path)["note"] == 3


def test_saved_every_few_epochs_and_at_the_end(tmp_path: Path) -> None:
    seen = []

    class Look(CutAt):
        def on_step(self, run: Any) -> None:
            seen.append(mg.load(tmp_path / "c")["run"]["epoch"] if (tmp_path / "c").exists() else 0)

    train(Checkpoint(tmp_path / "c", epochs=2), Look(None), epochs=3)
    assert seen == [0] * 2 * BATCHES + [2] * BATCHES
    assert mg.load(tmp_path / "c")["run"]["epoch"] == 3


def test_checkpoints_of_other_runs_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c"
    train(path, CutAt(None), epochs=1)

    def attempt(
        model: nn.Module | None = None, kind: Any = optim.Adam, metrics: Any = ("accuracy", "f1"), batch: int = 6
    ) -> None:
        model = model or nn.MLP(3, [6], 2, dropout=0.4, normalization="batch")
        mg.fit(
            model,
            data.DataLoader((X, Y), batch, seed=5),
            loss=F.cross_entropy,
            optimizer=kind(model.parameters(), lr=0.1),
            epochs=2,
            metrics=metrics,
            validation=(X, Y),
            callbacks=CutAt(None),
            checkpoint=path,
        )

    for kwargs, message in (
        ({"model": nn.MLP(3, [7], 2, normalization="batch")}, "has shape"),
        ({"model": nn.MLP(3, [6], 2)}, "parameter groups of sizes"),
        ({"kind": optim.SGD}, "does not fit this run"),
        ({"metrics": "accuracy"}, "metrics is"),
        ({"batch": 7}, "batch size is 6 there and 7 here"),
    ):
        with pytest.raises(FileFormatError, match=rf"^{path}: does not fit this run .*{message}|{message}") as caught:
            attempt(**kwargs)  # type: ignore[arg-type]
        assert "Checkpoint(path, resume=False) to start anew" in str(caught.value)
    mg.save(path, model=nn.Linear(1, 1))
    with pytest.raises(FileFormatError, match="holds no run, but model; pass another path"):
        attempt()
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(FileFormatError, match="damaged"):
        attempt()


@pytest.mark.parametrize(
    ("kwargs", "error"), [({"epochs": 0}, ValueError), ({"steps": 0}, ValueError), ({"steps": 1.5}, TypeError)]
)
def test_bad_intervals(kwargs: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error, match=f"Checkpoint: {next(iter(kwargs))} must be"):
        Checkpoint("c", **kwargs)


@pytest.mark.parametrize("step", [3, BATCHES, 2 * BATCHES + 1, EPOCHS * BATCHES])
def test_ctrl_c_waits_for_the_step_and_saves(tmp_path: Path, step: int, device: str) -> None:
    class Press(CutAt):
        def on_step(self, run: Any) -> None:
            self.count += 1
            if run.step == self.step:
                signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt, match=f"after step {step}, in epoch {-(-step // BATCHES)}"):
        train(tmp_path / "c", Press(step), device=device)
    assert signal.getsignal(signal.SIGINT) is before
    assert mg.load(tmp_path / "c")["run"]["step"] == step
    _, *found = train(tmp_path / "c", CutAt(None), device=device)
    _, *whole = train(None, CutAt(None), device=device)
    assert found == whole


def test_ctrl_c_without_a_checkpoint_and_twice() -> None:
    class Press(CutAt):
        def on_step(self, run: Any) -> None:
            signal.raise_signal(signal.SIGINT)
            if self.step:
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt, match="after step 1"):
        train(None, Press(None))
    with pytest.raises(KeyboardInterrupt, match=r"^$"):  # the second one does not wait
        train(None, Press(1))


def test_other_threads_leave_signals_alone() -> None:
    found = []
    thread = threading.Thread(target=lambda: found.append(train(None, CutAt(None), epochs=1)))
    thread.start()
    thread.join()
    assert len(found) == 1


def test_killed_processes_resume_bitwise() -> None:
    """A sample; `python benchmarks/kill_resume.py` kills 200 times."""
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-W", "error", "benchmarks/kill_resume.py", "--kills", "3", "--seed", "1"]
    done = subprocess.run(
        command, cwd=root, capture_output=True, text=True, check=False, timeout=300, env={**os.environ}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert '"wrong": 0' in done.stdout
