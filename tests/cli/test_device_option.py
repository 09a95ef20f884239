"""--device: train, sweep and predict on each device, a run that changes it, and a device that is not there."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import Run
from strict_provider import StrictProvider

import minigrad as mg

TRAIN = ("train", "--epochs", 4, "--hidden", 8, "--batch-size", 8, "--no-plot")
KINDS = {
    "classes": ("--data", "two.csv", "--target", "kind", "--balance", "--schedule", "plateau", "--patience", 3),
    "classes, batch norm": ("--data", "two.npz", "--normalization", "batch", "--optimizer", "sgd", "--momentum", 0.9),
    "numbers": ("--data", "line.csv", "--normalization", "layer", "--optimizer", "adamw", "--init", "orthogonal"),
}


def summary(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "summary.json").read_text())


def scores(folder: Path) -> dict[str, float]:
    """What does not depend on the clock or the device, but for rounding."""
    return {k: v for k, v in summary(folder).items() if isinstance(v, (int, float)) and "second" not in k}


def predictions(path: Path) -> tuple[list[str], np.ndarray]:
    """The classes (of a regression: no text), and the numbers."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:]
    first = 1 if len(rows[0]) > 1 else 0
    return [r[0] for r in rows if first], np.array([[float(v) for v in r[first:]] for r in rows])


@pytest.mark.parametrize("options", KINDS.values(), ids=KINDS)
def test_train(run: Run, folder: Path, device: str, options: tuple[Any, ...]) -> None:
    """One seed, one result: on a device it is that of the CPU up to rounding."""
    done = run(*TRAIN, *options, "--device", device.partition(":")[0], "--out", "there")
    assert (done.status, done.err) == (0, "")
    assert f"on {device}\n" in done.out
    assert summary(folder / "there")["device"] == device
    assert run(*TRAIN, *options, "--device", "cpu", "--out", "here").status == 0
    assert scores(folder / "there") == pytest.approx(scores(folder / "here"), rel=1e-3)


@pytest.mark.parametrize(("data", "target"), [("two.csv", "kind"), ("line.csv", "y")])
def test_a_network_predicts_where_it_was_not_trained(
    run: Run, folder: Path, device: str, data: str, target: str
) -> None:
    for trained, out in (("cpu", "here"), (device, "there")):
        assert run(*TRAIN, "--data", data, "--target", target, "--device", trained, "--out", out).status == 0
        found = []
        for place in ("cpu", device):
            done = run("predict", "--model", out, "--data", data, "--device", place, "--out", "p.csv")
            assert (done.status, done.err) == (0, "")
            found.append(predictions(folder / "p.csv"))
        assert found[0][0] == found[1][0]
        np.testing.assert_allclose(found[0][1], found[1][1], rtol=1e-4, atol=1e-5)


def test_a_run_goes_on_at_another_device(run: Run, folder: Path, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from minigrad.training import Checkpoint

    options = (*TRAIN, *KINDS["classes, batch norm"])
    assert run(*options, "--device", "cpu", "--out", "whole").status == 0
    save = Checkpoint.save

    def failing(self: Checkpoint, state: Any) -> None:
        save(self, state)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", failing)
        assert run(*options, "--device", device, "--out", "cut").status == 130
    assert run("train", "--resume", "cut", "--device", "cpu", "--no-plot").status == 0
    found = summary(folder / "cut")
    assert found["device"] == "cpu"
    assert found["resumed_at_step"] == found["steps"] // 4
    for key in ("test_loss", "loss", "val_loss"):
        assert found[key] == pytest.approx(summary(folder / "whole")[key], rel=1e-3)


def test_sweep(run: Run, folder: Path, device: str) -> None:
    cells = []
    for place, out in ((device, "there"), ("cpu", "here")):
        done = run(
            *("sweep", "--data", "two.npz", "--lr", 0.01, 0.1, "--epochs", 2, "--hidden", 4, "--seeds", 2),
            *("--device", place, "--no-plot", "--out", out),
        )
        assert (done.status, done.err) == (0, "")
        cells.append([cell["mean"] for cell in summary(folder / out)["cells"]])
    assert cells[0] == pytest.approx(cells[1])


def test_auto_is_the_first_gpu(run: Run, folder: Path, strict: StrictProvider) -> None:
    assert "on cuda:0\n" in run(*TRAIN, "--data", "two.npz", "--out", "x").out
    assert strict.machine.tally.launches["adam_f32"] == summary(folder / "x")["steps"]
    told = run("info").out
    for line in ("cuda:0        usable, StrictProvider", "cuda:1        usable, Strict", "device auto   cuda:0"):
        assert line in told


@pytest.mark.parametrize("command", [(*TRAIN, "--out", "x"), ("sweep", "--out", "x"), ("predict", "--model", "done")])
def test_a_device_that_is_not_there(run: Run, folder: Path, strict: StrictProvider, command: tuple[Any, ...]) -> None:
    assert run(*TRAIN, "--data", "two.npz", "--device", "cpu", "--out", "done").status == 0
    before = sorted(folder.rglob("*"))
    done = run(*command, "--data", "two.npz", "--device", "cuda:2")
    assert (done.status, done.out) == (2, "")
    assert done.err == "minigrad: error: device 'cuda:2' is not there: this machine has cuda:0, cuda:1\n"
    assert sorted(folder.rglob("*")) == before
    assert mg.tensor([1.0], device="cuda:1").device == "cuda:1", "the second one is there"
