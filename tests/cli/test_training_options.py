"""Every optimizer, schedule and option of a training from the command line: what it asks of the library, and resume."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import Run

import minigrad as mg
from minigrad import nn, optim
from minigrad.cli.config import Config
from minigrad.cli.experiment import load_data, losses, prepare
from minigrad.cli.optimizers import OPTIMIZERS, OWN, build_optimizer
from minigrad.cli.schedules import SCHEDULES, Wish, build_scheduler
from minigrad.nn import functional as F
from minigrad.optim import schedulers
from minigrad.optim.by_name import BY_NAME

TWO = ("--data", "two.npz", "--no-plot", "--device", "cpu", "--hidden", 8)
TOLD = ("--schedule-by", "--decay", "--decay-every", "--milestones", "--warmup")


def history(folder: Path) -> list[dict[str, float]]:
    with open(folder / "history.csv", encoding="utf-8", newline="") as file:
        return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]


# --- optimizers -------------------------------------------------------------------------------------------------------


def test_the_table_has_every_optimizer() -> None:
    exported = [getattr(optim, name) for name in optim.__all__]
    kinds = {c for c in exported if isinstance(c, type) and issubclass(c, optim.Optimizer)} - {optim.Optimizer}
    assert set(BY_NAME.values()) == kinds
    assert list(OPTIMIZERS) == list(BY_NAME)
    assert {option for row in OPTIMIZERS.values() for option in row.takes} == set(OWN)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_an_optimizer_gets_its_options(name: str, run: Run, folder: Path) -> None:
    row = OPTIMIZERS[name]
    own: dict[str, Any] = {option: 0.5 if option == "momentum" else True for option in row.takes}
    given = {"optimizer": name, "weight_decay": 0.25, "accumulate": 2, "max_norm": 3.0, "ema": 0.75, **own}
    optimizer = prepare(
        Config.of(data="two.npz", nonfinite="skip", **given), load_data(Config(data="two.npz")), 0
    ).optimizer
    assert type(optimizer) is BY_NAME[name]
    group = optimizer.param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (row.lr, 0.25)
    assert {option: group[option] for option in own} == own
    shared = (optimizer.accumulate, optimizer.max_norm, optimizer.ema, optimizer.nonfinite)
    assert shared == (2, 3.0, 0.75, "skip")
    assert optimizer.decouples(group) is row.decoupled
    # the same from the command line, with the defaults of the optimizer
    flags = [word for option in own for word in ([f"--{option}", 0.5] if option == "momentum" else [f"--{option}"])]
    done = run("train", *TWO, "--dropout", 0, "--epochs", 8, "--optimizer", name, *flags, "--out", "x")
    assert (done.status, done.err) == (0, "")
    saved = json.loads((folder / "x/config.json").read_text())
    assert (saved["optimizer"], saved["lr"], saved["weight_decay"]) == (name, row.lr, row.weight_decay)
    losses = [r["loss"] for r in history(folder / "x")]
    assert losses[-1] < losses[0]


# --- schedules --------------------------------------------------------------------------------------------------------

NO_SCHEDULE_OF_ITS_OWN = {"Scheduler", "LambdaLR", "LinearWarmup", "SequentialLR", "ChainedScheduler"}


def made(wish: Wish, epochs: int, batches: int, name: str = "adam", **options: Any) -> tuple[Any, optim.Optimizer]:
    optimizer = build_optimizer(nn.MLP(2, [], 2), name, 1.0, {"weight_decay": 0.0, **options})
    return build_scheduler(optimizer, wish, epochs, batches), optimizer


def test_the_table_has_every_schedule() -> None:
    kinds = {type(made(Wish(name), 4, 2)[0]).__name__ for name in SCHEDULES if name != "constant"}
    assert kinds == set(schedulers.__all__) - NO_SCHEDULE_OF_ITS_OWN


def half_cosine(t: float) -> float:
    return (1 + math.cos(math.pi * t)) / 2


RATES = [
    (Wish("step"), [1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01]),
    (Wish("step", every=2, decay=0.5), [1, 1, 0.5, 0.5, 0.25, 0.25, 0.125, 0.125]),
    (Wish("multistep"), [1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01]),
    (Wish("multistep", milestones=(6, 1), decay=0.5), [1, 0.5, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25]),
    (Wish("exponential"), [0.01 ** (t / 8) for t in range(8)]),
    (Wish("exponential", decay=0.5), [0.5**t for t in range(8)]),
    (Wish("exponential-decay"), [0.01 ** (t / 8) for t in range(8)]),
    (Wish("exponential-decay", decay=2.0), [math.exp(-2 * t) for t in range(8)]),
    (Wish("inverse-time"), [1 / (1 + 9 * t / 8) for t in range(8)]),
    (Wish("inverse-time", decay=1.0), [1 / (1 + t) for t in range(8)]),
    (Wish("polynomial"), [1 - t / 8 for t in range(8)]),
    (Wish("polynomial", decay=2.0), [(1 - t / 8) ** 2 for t in range(8)]),
    (Wish("cosine"), [half_cosine(t / 8) for t in range(8)]),
    (Wish("cosine-restarts", every=4), 2 * [half_cosine(t / 4) for t in range(4)]),
    (Wish("constant", warmup=4), [0.25, 0.5, 0.75, 1, 1, 1, 1, 1]),
    (Wish("cosine", warmup=2), [0.5, 1, *(half_cosine(t / 6) for t in range(6))]),
    (Wish("step", warmup=2, every=3), [0.5, 1, 1, 1, 1, 0.1, 0.1, 0.1]),
]


@pytest.mark.parametrize("by", ["epoch", "step"])
@pytest.mark.parametrize(("wish", "rates"), RATES, ids=[f"{w.name}-{i}" for i, (w, _) in enumerate(RATES)])
def test_rates(wish: Wish, rates: list[float], by: str) -> None:
    """8 epochs, or 2 epochs of 4 steps."""
    epochs, batches = (8, 5) if by == "epoch" else (2, 4)
    wish = Wish(wish.name, by, wish.decay, wish.every, wish.milestones, wish.warmup)
    scheduler, optimizer = made(wish, epochs, batches)
    assert scheduler.interval == by
    found = []
    for _ in rates:
        found.append(optimizer.param_groups[0]["lr"])
        scheduler.step()
    np.testing.assert_allclose(found, rates, rtol=1e-12)


def test_plateau() -> None:
    scheduler, optimizer = made(Wish("plateau", decay=0.25, every=1), 8, 5)
    found = []
    for loss in (3.0, 2.0, 2.0, 2.0, 1.0):
        scheduler.step(loss)
        found.append(optimizer.param_groups[0]["lr"])
    assert found == [1, 1, 1, 0.25, 0.25]


@pytest.mark.parametrize(
    ("name", "options", "moves"),
    [
        ("adam", {}, "betas"),
        ("sgd", {"momentum": 0.9}, "momentum"),
        ("sgd", {}, ""),
        ("rmsprop", {}, ""),
        ("adagrad", {}, ""),
        ("lion", {}, "betas"),
    ],
)
def test_one_cycle_goes_over_the_whole_run(name: str, options: dict[str, Any], moves: str) -> None:
    scheduler, optimizer = made(Wish("one-cycle"), 5, 4, name, **options)
    rates, momenta = [], []
    for _ in range(20):
        group = optimizer.param_groups[0]
        rates.append(group["lr"])
        momenta.append(group["betas"][0] if moves == "betas" else group.get("momentum", 0.0))
        scheduler.step()
    assert (rates[0], max(rates), rates.index(max(rates))) == (pytest.approx(1 / 25), pytest.approx(1), 5)
    assert rates[-1] == pytest.approx(1 / 25e4)
    assert (max(momenta), min(momenta)) == ((0.95, pytest.approx(0.85)) if moves else (0.0, 0.0))


def test_a_warm_up_as_long_as_the_run() -> None:
    with pytest.raises(Exception, match="--warmup 8 leaves nothing of the 8 steps of the run"):
        made(Wish("cosine", "step", warmup=8), 2, 4)


@pytest.mark.parametrize(
    ("words", "rates"),
    [
        (("--schedule", "multistep", "--milestones", 2, 3), [1, 1, 0.1, 0.01]),
        (("--schedule", "polynomial", "--decay", 2), [1, 0.5625, 0.25, 0.0625]),
        (("--schedule", "polynomial", "--schedule-by", "step", "--warmup", 3), [4 / 7, 6 / 21, 1, 0]),
        (("--warmup", 2), [0.5, 1, 1, 1]),
    ],
)
def test_the_rates_of_a_run_are_those_of_the_schedule(
    run: Run, folder: Path, words: tuple[object, ...], rates: list[float]
) -> None:
    done = run("train", *TWO, "--epochs", 4, "--batch-size", 7, "--lr", 0.01, *words, "--out", "x")
    assert (done.status, done.err) == (0, "")
    rows = history(folder / "x")
    if "--schedule-by" in words:  # 42 rows are 6 steps an epoch; the last of each is shown
        rates = [1 - (6 * e - 4) / 21 for e in range(1, 5)]
    np.testing.assert_allclose([r["lr"] for r in rows], np.multiply(rates, 0.01), rtol=1e-12)


# --- a run with everything on, killed and resumed ---------------------------------------------------------------------

RUNS = {
    "one-cycle": (
        *("--optimizer", "sgd", "--momentum", 0.9, "--nesterov", "--schedule", "one-cycle", "--accumulate", 3),
        *("--ema", 0.8, "--max-norm", 0.5, "--label-smoothing", 0.1, "--nonfinite", "skip"),
    ),
    "warm-up": ("--optimizer", "nadam", "--schedule", "cosine", "--warmup", 7, "--schedule-by", "step", "--ema", 0.5),
    "restarts": ("--optimizer", "lion", "--schedule", "cosine-restarts", "--decay-every", 2, "--nonfinite", "raise"),
    "plateau": ("--optimizer", "rmsprop", "--momentum", 0.5, "--centered", "--schedule", "plateau", "--decay-every", 1),
}


@pytest.mark.parametrize("name", RUNS)
def test_a_killed_run_goes_on(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """At some checkpoints of a run, in the middle of an accumulation and of an epoch too, and after the last step.

    With 72 steps, so that fit captures the step where it can.
    """
    from minigrad.training import Checkpoint

    options = ("train", *TWO, "--batch-size", 8, "--epochs", 12, "--checkpoint-steps", 2, *RUNS[name])
    assert run(*options, "--out", "whole").status == 0
    save = Checkpoint.save
    for cut in (1, 10, 23, 36):
        count = 0

        def failing(self: Checkpoint, state: object, cut: int = cut) -> None:
            nonlocal count
            save(self, state)  # type: ignore[arg-type]
            count += 1
            if count == cut:
                raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(Checkpoint, "save", failing)
            assert run(*options, "--out", f"cut-{cut}").status == 130
        assert run("train", "--resume", f"cut-{cut}", "--no-plot").status == 0
        for file in ("model.safetensors", "config.json"):
            assert (folder / f"cut-{cut}" / file).read_bytes() == (folder / "whole" / file).read_bytes()
        found, due = (json.loads((folder / at / "summary.json").read_text()) for at in (f"cut-{cut}", "whole"))
        same = [k for k in due if "seconds" not in k and "per_second" not in k and k != "resumed_at_step"]
        assert {k: found[k] for k in same} == {k: due[k] for k in same}


def test_a_schedule_that_ends_with_the_run_cannot_be_made_longer(run: Run, folder: Path) -> None:
    for name, row in SCHEDULES.items():
        out = folder / name
        assert run("train", *TWO, "--epochs", 2, "--schedule", name, "--out", name).status == 0
        (out / "summary.json").unlink()
        values = json.loads((out / "config.json").read_text())
        (out / "config.json").write_text(json.dumps(values | {"epochs": 3}))
        done = run("train", "--resume", name, "--no-plot")
        assert done.status == (2 if row.ends else 0)
        assert ("belongs to another configuration (epochs differs)" in done.err) is row.ends


# --- the other options ------------------------------------------------------------------------------------------------


def test_ema_scores_and_saves_the_average(run: Run, folder: Path) -> None:
    """Where the average is all of the first weights, the network is still untrained."""
    options = ("train", *TWO, "--epochs", 5, "--lr", 0.05)
    for decay in (1e-9, 1 - 1e-9):
        assert run(*options, "--ema", decay, "--out", f"ema-{decay}").status == 0
    assert run(*options, "--out", "plain").status == 0
    plain, new, old = (
        mg.load(folder / name / "model.safetensors")["model"]
        for name in ("plain", "ema-1e-09", f"ema-{1 - 1e-9}")
    )  # fmt: skip
    dataset = load_data(Config(data="two.npz"))
    first = prepare(Config(data="two.npz", hidden=(8,)), dataset, 0).model.state_dict()
    for key, value in first.items():
        np.testing.assert_allclose(new[key], plain[key], rtol=1e-5)
        np.testing.assert_allclose(old[key], value.data, atol=1e-6)
        assert not np.allclose(plain[key], value.data, atol=1e-3)
    summaries = [
        json.loads((folder / name / "summary.json").read_text()) for name in ("plain", "ema-1e-09", f"ema-{1 - 1e-9}")
    ]
    for key in ("val_loss", "test_loss"):
        assert summaries[1][key] == pytest.approx(summaries[0][key], rel=1e-4)
        assert summaries[2][key] > summaries[0][key] + 0.05


def test_label_smoothing_is_for_training_alone(folder: Path) -> None:
    config = Config(data="two.npz", label_smoothing=0.4, balance=True)
    experiment = prepare(config, load_data(config), 0)
    loss, score_loss = losses(config, experiment.parts, 2, "cpu")
    x, y = mg.tensor(np.array([[2.0, -1.0], [0.5, 1.5]], np.float32)), np.array([0, 0])
    weight = loss.keywords["weight"]
    assert loss(x, y).item() == pytest.approx(F.cross_entropy(x, y, weight, label_smoothing=0.4).item())
    assert score_loss(x, y).item() == pytest.approx(F.cross_entropy(x, y, weight).item())
    assert loss(x, y).item() != pytest.approx(score_loss(x, y).item(), rel=0.01)
    assert experiment.loss.keywords["label_smoothing"] == 0.4
    assert experiment.test()["test_loss"] < math.inf


def test_the_norm_of_the_gradients_is_limited(run: Run, folder: Path) -> None:
    """Plain SGD moves by no more than lr max_norm a step."""
    options = ("--optimizer", "sgd", "--lr", 0.5, "--epochs", 1, "--batch-size", 1000, "--max-norm", 0.01)
    assert run("train", *TWO, *options, "--out", "x").status == 0
    moved = mg.load(folder / "x/model.safetensors")["model"]
    config = Config(data="two.npz", hidden=(8,))
    first = prepare(config, load_data(config), 0).model.state_dict()
    norm = math.sqrt(sum(((moved[k] - first[k].data) ** 2).sum() for k in first))
    assert norm == pytest.approx(0.005, rel=1e-3)
    assert history(folder / "x")[0]["grad_norm"] > 0.05


def test_a_gradient_that_is_no_number(run: Run, folder: Path) -> None:
    wild = ("train", "--data", "line.csv", "--optimizer", "sgd", "--lr", 1e20, "--batch-size", 8, "--hidden", 8)
    raised = run(*wild, "--no-plot", "--nonfinite", "raise", "--out", "raise")
    assert raised.status == 1
    assert raised.err.startswith("minigrad: error: seed 0 diverged: the ")
    assert raised.err.endswith("nothing was updated\n")
    skipped = run(*wild, "--no-plot", "--nonfinite", "skip", "--out", "skip")
    assert skipped.status == 1
    count = json.loads((folder / "skip/summary.json").read_text())["skipped_steps"]
    assert count > 0
    assert f"{count} steps skipped" in skipped.out


def test_gradient_norm_stops_a_run(run: Run, folder: Path) -> None:
    assert run("train", *TWO, "--epochs", 9, "--grad-norm", 100, "--out", "x").status == 0
    summary = json.loads((folder / "x/summary.json").read_text())
    assert (summary["stopped"], summary["epochs"]) == ("grad_norm", 1)


def test_a_sweep_takes_the_optimizers_own_rate(run: Run, folder: Path) -> None:
    options = ("--optimizer", "adadelta", "--ema", 1 - 1e-9, "--seeds", 1, "--epochs", 6, "--schedule", "one-cycle")
    done = run("sweep", *TWO[:-2], "--hidden", 8, *options, "--out", "s")
    assert (done.status, done.err) == (0, "")
    summary = json.loads((folder / "s/summary.json").read_text())
    assert summary["best"]["lr"] == OPTIMIZERS["adadelta"].lr
    # scored by the average, which is the untrained network
    config = Config.of(data="two.npz", hidden=(8,), optimizer="adadelta")
    untrained = prepare(config, load_data(config), 0)
    assert summary["cells"][0]["mean"] == untrained.validate()["val_accuracy"]
