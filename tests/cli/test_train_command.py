"""train, predict, sweep and info as a person uses them: what they print, write and leave behind."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from commands import Run

import minigrad as mg
from minigrad import data

QUICK = ("--epochs", 3, "--no-plot", "--hidden", 8)


def read_csv(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_everything_is_written(run: Run, folder: Path) -> None:
    done = run(
        *("train", "--data", "two.csv", "--target", "kind", "--epochs", 30, "--seed", 2, "--batch-size", 8),
        *("--device", "cpu", "--out", "x"),
    )
    assert (done.status, done.err) == (0, "")
    out = folder / "x"
    files = ["checkpoint.safetensors", "config.json", "curves.png", "history.csv", "model.safetensors", "summary.json"]
    assert sorted(p.name for p in out.iterdir()) == files
    summary = json.loads((out / "summary.json").read_text())
    assert summary["test_accuracy"] > 0.8
    assert summary["epochs"] == 30
    assert summary["steps"] == 30 * 6
    assert summary["parameters"] == (2 + 1) * 128 + (128 + 1) * 64 + (64 + 1) * 2
    assert (summary["device"], summary["seed"], summary["stopped"]) == ("cpu", 2, "epochs")
    assert 0 < summary["train_seconds"] < 60
    rows = read_csv(out / "history.csv")
    assert [r["epoch"] for r in rows] == [str(i + 1) for i in range(30)]
    assert {"loss", "accuracy", "val_loss", "val_accuracy", "lr", "grad_norm", "seconds"} <= set(rows[0])
    config = json.loads((out / "config.json").read_text())
    assert (config["lr"], config["epochs"], config["hidden"]) == (0.002, 30, [128, 64])
    assert (out / "curves.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    for text in ("60 rows, 2 features, 2 classes", "42 rows to train, 6 to validate, 12 to test", "test accuracy"):
        assert text in done.out


def test_quiet_and_no_plot(run: Run, folder: Path) -> None:
    done = run("train", "--data", "two.npz", *QUICK, "--quiet", "--out", "x")
    assert (done.status, done.out, done.err) == (0, "", "")
    assert not (folder / "x/curves.png").exists()


def test_regression_in_the_unit_of_the_target(run: Run, folder: Path) -> None:
    done = run("train", "--data", "line.csv", "--epochs", 200, "--lr", 0.02, "--dropout", 0, "--no-plot", "--out", "x")
    assert done.status == 0
    summary = json.loads((folder / "x/summary.json").read_text())
    assert summary["test_r2"] > 0.98
    assert summary["test_rmse"] < 0.5
    assert summary["test_loss"] == pytest.approx(1 - summary["test_r2"], abs=0.05)
    found = run("predict", "--model", "x", "--data", "line.csv")
    values = np.array([float(r["prediction"]) for r in read_csv(folder / "x/predictions.csv")])
    y = np.array([float(r["y"]) for r in read_csv(folder / "line.csv")])
    np.testing.assert_allclose(values, y, atol=2)
    printed = re.search(r"rmse ([\d.]+)", found.out)
    assert printed
    assert float(printed[1]) == pytest.approx(np.sqrt(((values - y) ** 2).mean()), rel=1e-3)


def test_predictions_by_column_name_and_class_name(run: Run, folder: Path) -> None:
    assert run("train", "--data", "two.csv", "--target", "kind", "--epochs", 60, "--no-plot", "--out", "x").status == 0
    rows = read_csv(folder / "two.csv")
    other = "spare,b,a\n" + "".join(f"?,{r['b']},{r['a']}\n" for r in rows)
    (folder / "other.csv").write_text(other)
    first, second = (run("predict", "--model", "x", "--data", d, "--out", "-").out for d in ("two.csv", "other.csv"))
    assert first == second
    found = list(csv.DictReader(first.splitlines()))
    assert list(found[0]) == ["prediction", "p_no", "p_yes"]
    assert np.mean([f["prediction"] == r["kind"] for f, r in zip(found, rows, strict=True)]) > 0.9
    for f in found:
        assert float(f["p_no"]) + float(f["p_yes"]) == pytest.approx(1, abs=1e-5)
        assert f["prediction"] == max(("no", "yes"), key=lambda n: float(f[f"p_{n}"]))
    scored = run("predict", "--model", "x/model.safetensors", "--data", "two.csv")
    assert re.search(r"60 predictions written to x/predictions.csv\naccuracy 0\.9\d+ against column 'kind'", scored.out)


def test_scaling_comes_from_the_training_rows_alone(run: Run, folder: Path) -> None:
    run("train", "--data", "two.npz", "--scale", "minmax", *QUICK, "--out", "x")
    mg.manual_seed(0)
    x, y = data.load(folder / "two.npz", dtype=np.float64)
    x, _, y, _ = data.train_test_split(x, y, stratify=y)
    x, _ = data.train_test_split(x, test_size=6, stratify=y)
    scaler = mg.load(folder / "x/model.safetensors")["scaler"]
    expected = data.MinMaxScaler().fit(x)
    np.testing.assert_array_equal(scaler["shift"], expected.shift)
    np.testing.assert_array_equal(scaler["scale"], expected.scale)


def test_seeds_have_folders_mean_and_deviation(run: Run, folder: Path) -> None:
    done = run("train", "--data", "two.npz", *QUICK, "--seeds", 3, "--seed", 4, "--out", "x")
    assert done.status == 0
    values = [json.loads((folder / f"x/seed-{k}/summary.json").read_text())["test_loss"] for k in (4, 5, 6)]
    assert len(set(values)) == 3
    summary = json.loads((folder / "x/summary.json").read_text())
    assert summary["test_loss"] == pytest.approx(np.mean(values))
    assert summary["test_loss_std"] == pytest.approx(np.std(values, ddof=1))
    assert summary["seeds"] == 3
    assert "test loss over 3 seeds: mean" in done.out
    lone = run("train", "--data", "two.npz", *QUICK, "--seed", 5, "--out", "lone")
    assert lone.status == 0
    for name in ("model.safetensors",):  # a seed is the same alone and in company
        assert (folder / "lone" / name).read_bytes() == (folder / "x/seed-5" / name).read_bytes()
    again = run("train", "--resume", "x")
    assert again.status == 0
    assert "seed 6: finished before" in again.out


@pytest.mark.parametrize(
    "options",
    [
        ("--optimizer", "sgd", "--momentum", 0.9, "--nesterov", "--schedule", "step"),
        ("--optimizer", "adamw", "--weight-decay", 0.01, "--schedule", "exponential"),
        ("--schedule", "inverse-time", "--init", "orthogonal", "--activation", "tanh"),
        ("--schedule", "cosine", "--init", "kaiming_normal", "--normalization", "batch", "--batch-size", 41),
        ("--schedule", "plateau", "--decay", 0.1, "--decay-every", 2, "--init", "xavier_uniform"),
        ("--schedule", "step", "--decay-every", 1, "--init", "normal", "--normalization", "layer", "--balance"),
        ("--patience", 1, "--init", "zeros", "--target-loss", 0.001, "--time-limit", 50),
        ("--validation-size", 0, "--scale", "none", "--hidden", "--batch-size", 1000),
    ],
    ids=lambda o: "-".join(str(v).strip("-") for v in o)[:40],
)
def test_every_option_trains(run: Run, folder: Path, options: tuple[object, ...]) -> None:
    done = run("train", "--data", "two.npz", "--epochs", 4, "--no-plot", "--out", "x", *options)
    assert (done.status, done.err) == (0, "")
    assert json.loads((folder / "x/summary.json").read_text())["test_accuracy"] >= 0


def test_the_default_folder_is_numbered(run: Run, folder: Path) -> None:
    for number in (1, 2):
        assert f"written to runs/two-{number}" in run("train", "--data", "two.npz", *QUICK).out


@pytest.mark.parametrize("name", ["a $x_{$ b.npz", "\udcff.npz", "λ.npz", "new\nline.npz", "-dash.npz", "%s%d.npz"])
def test_files_with_odd_names(folder: Path, name: str) -> None:
    (folder / "two.npz").rename(folder / name)
    command = [sys.executable, "-m", "minigrad", "train", "--data", f"./{name}", "--epochs", "2", "--out", "x"]
    for argv in (command, [*command[:4], "--resume", "x"]):
        done = subprocess.run(
            argv,
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "PYTHONIOENCODING": "ascii"},
        )
        assert (done.returncode, done.stderr) == (0, "")
    assert (folder / "x/curves.png").exists()


def test_divergence_is_a_result_with_status_1(run: Run, folder: Path) -> None:
    done = run("train", "--data", "line.csv", "--optimizer", "sgd", "--lr", 1e20, *QUICK, "--out", "x")
    assert done.status == 1
    assert re.fullmatch(r"minigrad: error: seed 0 diverged: .*(nan|inf).*smaller learning rate.*\n", done.err)
    assert json.loads((folder / "x/summary.json").read_text())["test_loss"] is None
    assert "not finite" in run("predict", "--model", "x", "--data", "line.csv").err


def test_seeds_that_diverge_have_no_mean(run: Run, folder: Path) -> None:
    """One is infinite, not nan: statistics.stdev fails on that."""
    wild = ("--optimizer", "sgd", "--lr", 1e30, "--batch-size", 5, "--schedule", "exponential", "--ema", 0.5)
    for name in ("line.csv", "two.npz"):
        done = run(
            "train",
            "--data",
            name,
            *wild,
            "--epochs",
            2,
            "--hidden",
            6,
            "--no-plot",
            "--seeds",
            2,
            "--out",
            f"{name}-run",
        )
        assert done.status == 1
        assert "diverged" in done.err
        summary = json.loads((folder / f"{name}-run" / "summary.json").read_text())
        assert (summary["test_loss"], summary["test_loss_std"]) == (None, None)


def test_resume_goes_on_and_keeps_the_bytes(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("--data", "two.npz", "--epochs", 6, "--no-plot", "--normalization", "batch", "--schedule", "cosine")
    assert run("train", *options, "--out", "whole").status == 0
    from minigrad.training import Checkpoint

    save, count = Checkpoint.save, 0

    def failing(self: Checkpoint, state: object) -> None:
        nonlocal count
        save(self, state)
        count += 1
        if count == 3:
            raise KeyboardInterrupt("for the test")

    monkeypatch.setattr(Checkpoint, "save", failing)
    cut = run("train", *options, "--out", "cut")
    assert cut.status == 130
    assert "go on with: python -m minigrad train --resume cut" in cut.err
    assert cut.err.count("\n") == 1
    assert not (folder / "cut/model.safetensors").exists()
    assert (
        "not finished; finish it with train --resume cut" in run("predict", "--model", "cut", "--data", "two.npz").err
    )
    monkeypatch.undo()
    monkeypatch.chdir(folder)
    (folder / "cut/.model.safetensors.1.tmp").write_bytes(b"half")
    assert run("train", "--resume", "cut", "--no-plot").status == 0
    assert (folder / "cut/model.safetensors").read_bytes() == (folder / "whole/model.safetensors").read_bytes()
    assert json.loads((folder / "cut/summary.json").read_text())["resumed_at_step"] == 3
    assert not list((folder / "cut").glob(".*"))


def test_seeds_killed_between_and_within_go_on(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ("train", "--data", "two.npz", "--epochs", 4, "--no-plot", "--seeds", 3, "--out")
    assert run(*options, "whole").status == 0
    from minigrad.training import Checkpoint

    save, count = Checkpoint.save, 0

    def failing(self: Checkpoint, state: object) -> None:
        nonlocal count
        save(self, state)
        count += 1
        if count == 6:  # in the middle of the second seed
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "save", failing)
        assert run(*options, "cut").status == 130
    inner = run("train", "--resume", "cut/seed-1")
    assert (inner.status, inner.err.count("\n")) == (2, 1)
    assert "is one seed of a run; resume the whole: --resume cut" in inner.err
    assert run("train", "--resume", "cut", "--no-plot").status == 0
    for k in range(3):
        name = f"seed-{k}/model.safetensors"
        assert (folder / "cut" / name).read_bytes() == (folder / "whole" / name).read_bytes()


def test_an_interrupted_sweep_keeps_its_rows(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from minigrad.cli import sweep

    train, count = sweep._train, 0

    def failing(*args: object) -> object:
        nonlocal count
        count += 1
        if count == 3:
            raise KeyboardInterrupt
        return train(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(sweep, "_train", failing)
    done = run("sweep", "--data", "two.npz", "--lr", 0.1, 0.01, "--epochs", 1, "--seeds", 2, "--out", "s")
    assert done.status == 130
    assert done.err == "minigrad: interrupted: 2 of 4 runs done, their rows are in s/sweep.csv\n"
    assert len(read_csv(folder / "s/sweep.csv")) == 2


def test_resume_finds_the_data_from_another_folder(
    run: Run, folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("train", "--data", "two.npz", *QUICK, "--out", "x")
    (folder / "x/summary.json").unlink()
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert run("train", "--resume", folder / "x", "--no-plot").status == 0


def test_sweep(run: Run, folder: Path) -> None:
    done = run(
        *("sweep", "--data", "two.npz", "--lr", 1e-9, 0.02, "--batch-size", 8, 32, "--init", "default", "zeros"),
        *("--seeds", 2, "--epochs", 15, "--hidden", 8, "--out", "s"),
    )
    assert (done.status, done.err) == (0, "")
    rows = read_csv(folder / "s/sweep.csv")
    assert len(rows) == 2 * 2 * 2 * 2
    summary = json.loads((folder / "s/summary.json").read_text())
    assert len(summary["cells"]) == 8
    best = max(summary["cells"], key=lambda c: c["mean"])
    assert summary["best"]["lr"] == best["lr"] == 0.02
    assert summary["best"]["init"] == "default"
    mean = np.mean(
        [float(r["val_accuracy"]) for r in rows if (r["lr"], r["batch_size"], r["init"]) == ("0.02", "8", "default")]
    )
    cell = next(c for c in summary["cells"] if (c["lr"], c["batch_size"], c["init"]) == (0.02, 8, "default"))
    assert cell["mean"] == pytest.approx(mean)
    assert (folder / "s/sweep.png").read_bytes()[:4] == b"\x89PNG"
    assert "best by val_accuracy: init default" in done.out


def test_a_sweep_where_all_diverges(run: Run, folder: Path) -> None:
    done = run(
        *("sweep", "--data", "line.csv", "--lr", 1e20, 1e25, "--optimizer", "sgd", "--seeds", 1, "--epochs", 5),
        *("--batch-size", 8, "--hidden", 8, "--out", "s"),
    )
    assert done.status == 0
    assert "1 of 1 diverged" in done.out
    assert "every cell diverged" in done.out
    assert json.loads((folder / "s/summary.json").read_text())["best"] is None


def test_info(run: Run) -> None:
    done = run("info")
    assert done.status == 0
    assert f"minigrad      {mg.__version__}" in done.out
    assert re.search(r"^cuda +not usable: .+", done.out, re.MULTILINE) or "usable, Cupy" in done.out
    assert "safetensors" in done.out


@pytest.mark.parametrize("command", ["", "train", "predict", "sweep", "bench", "info"])
def test_help(run: Run, command: str) -> None:
    done = run(*command.split(), "--help")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith("usage: python -m minigrad")
    assert "None" not in done.out
    assert len(done.out.splitlines()) > 4


def test_every_option_is_in_the_configuration_and_the_other_way_round(run: Run) -> None:
    from minigrad.cli.config import Config

    options = set(re.findall(r"^  --([a-z-]+)", run("train", "--help").out, re.MULTILINE))
    fields = {name.replace("_", "-") for name in Config.__dataclass_fields__}
    assert options - fields == {"out", "resume", "no-plot", "quiet"}
    assert fields - options == set()
