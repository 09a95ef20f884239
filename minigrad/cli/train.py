"""Train a network on a data set, and write everything into a folder.

The data is split into a training, a validation and a test part; what scales it is fitted on the training part alone,
and the test part is looked at once, at the end. The folder then holds

  model.safetensors       the network and its scalers, for predict
  summary.json            test scores, time, sizes
  history.csv             every epoch: loss, score, learning rate, gradient norm, time
  curves.png              the same to look at
  checkpoint.safetensors  the state after the last epoch; --resume goes on from it, bitwise
  config.json             all options

With --ema the network that is scored on the test part and saved is the one of the averaged weights; history.csv and the
curves are those of the weights in training.

A regression target is standardised: its loss is relative to the variance (predicting the mean gets 1), while test_rmse
and test_mae are in the target's own unit.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import math
import statistics
import sys
from pathlib import Path
from typing import Any

from .. import io, plots
from ..data import Dataset
from ..errors import FileFormatError, GradientError, require
from ..training import Checkpoint, History
from ..version import __version__
from . import model_file
from .arguments import absolute, add_experiment_arguments, add_output_arguments, config_from
from .config import Config
from .experiment import Experiment, digest, load_data, prepare
from .options import Parser, UsageError, integer, path
from .output import Printer, describe_data, number_text, score_text
from .run_folder import CHECKPOINT, CONFIG, CURVES, HISTORY, MODEL, SUMMARY, RunFolder, free_folder
from .schedules import SCHEDULES

LINES = 8
"""Epochs that are printed while nobody watches a progress bar."""
EXTENDABLE = ("epochs", "patience", "target_loss", "grad_norm", "time_limit", "device", "seeds", "checkpoint_steps")
"""Fields of a configuration that may be edited between a kill and a resume: they do not change what was done so far.
But `epochs`, where the schedule ends with the run."""


class Diverged(Exception):
    """A gradient was no number, and --nonfinite raise ends the run then."""


def add_arguments(parser: Parser) -> None:
    """The options of train."""
    add_experiment_arguments(parser)
    train = parser.add_argument_group("run")
    train.add_argument("--seeds", metavar="N", type=integer(1, 10**6), help="train so many seeds, into seed-k/ (1)")
    train.add_argument("--checkpoint-steps", metavar="N", type=integer(1), help="also save every N steps")
    train.add_argument("--out", metavar="DIR", type=path, help="folder to write (runs/<data>-<number>)")
    train.add_argument("--resume", metavar="DIR", type=path, help="go on with the run in this folder to its end")
    add_output_arguments(train)


def run(arguments: argparse.Namespace) -> int:
    """Train, or go on training."""
    say = Printer(arguments.quiet)
    plot = not arguments.no_plot
    require_packages(plot)
    if arguments.resume is not None:
        folder, config, dataset = _resumed(arguments)
    else:
        config = config_from(arguments)
        dataset = load_data(config)
        config = absolute(config)
        prepare(config, dataset, config.seed)  # what does not fit together is said before anything is written
        folder = RunFolder(arguments.out or free_folder(Path(config.data).stem))
        folder.create()
        folder.write(CONFIG, config.to_json(data_sha256=digest(dataset)))
    say(describe_data(dataset))
    try:
        summaries = _train_seeds(config, dataset, folder, plot, say)
    except KeyboardInterrupt as interrupt:
        where = f"{interrupt}; " if str(interrupt) else ""
        raise KeyboardInterrupt(f"{where}go on with: python -m minigrad train --resume {folder.path}") from None
    except Diverged as error:
        print(f"minigrad: error: {error}", file=sys.stderr)
        return 1
    say(f"written to {folder.path}")
    bad = [s for s in summaries if s["stopped"] == "diverged"]
    if bad:
        print(f"minigrad: error: seed {bad[0]['seed']} diverged: {bad[0]['reason']}", file=sys.stderr)
    return int(bool(bad))


def _train_seeds(config: Config, dataset: Dataset, folder: RunFolder, plot: bool, say: Printer) -> list[dict[str, Any]]:
    """The summaries of all seeds: one in the folder itself, several in folders of their own."""
    if config.seeds == 1:
        return [train_seed(config, dataset, config.seed, folder, plot, say)]
    summaries = []
    for seed in range(config.seed, config.seed + config.seeds):
        part = RunFolder(folder.path / f"seed-{seed}")
        part.path.mkdir(exist_ok=True)
        summaries.append(train_seed(config, dataset, seed, part, plot, say))
    _summarize_seeds(config, summaries, folder, plot, say)
    return summaries


def require_packages(plot: bool) -> None:
    """Raise before any work for a package that would be missed at its end."""
    require("safetensors", "train", "Saving a run")
    if plot and importlib.util.find_spec("matplotlib") is None:  # importing it takes a second: not yet
        require("matplotlib", "train", "A picture of the curves (--no-plot does without)")


def _resumed(arguments: argparse.Namespace) -> tuple[RunFolder, Config, Dataset]:
    """The folder, configuration and data of a run to go on with.

    Raises:
        UsageError: options that would change it, or no run there.
        FileFormatError: its files are damaged, or the data is not what it was.
    """
    allowed = {"command", "resume", "no_plot", "quiet", "device"}
    other = [k for k, v in vars(arguments).items() if k not in allowed and v is not None]
    if other:
        raise UsageError(
            f"--{other[0].replace('_', '-')} cannot be given with --resume: the run keeps its own (in {CONFIG})"
        )
    folder = RunFolder(arguments.resume)
    config, more = folder.read_config()
    if getattr(arguments, "device", None) is not None:
        config = dataclasses.replace(config, device=arguments.device)
    io.remove_leftovers(folder.path)
    dataset = load_data(config)
    if more.get("data_sha256") != digest(dataset):
        raise FileFormatError(
            f"{config.data}: not the data that {folder.path} was trained on; restore it, or start anew"
        )
    return folder, config, dataset


def train_seed(
    config: Config, dataset: Dataset, seed: int, folder: RunFolder, plot: bool, say: Printer
) -> dict[str, Any]:
    """Train one seed into a folder, or go on with what is there; returns its summary."""
    io.remove_leftovers(folder.path)
    done = folder.read_summary()
    if done is not None and (folder / MODEL).exists():
        say(f"seed {seed}: finished before, {score_text(done)}")
        return done
    experiment = prepare(config, dataset, seed)
    parts = experiment.parts
    sizes = [len(parts.train[0]), len(parts.validation[0]) if parts.validation else 0, len(parts.test[0])]
    widths = "-".join(map(str, (dataset.x.shape[1], *config.hidden, dataset.classes or 1)))
    say(
        f"seed {seed}: {sizes[0]} rows to train, {sizes[1]} to validate, {sizes[2]} to test; "
        f"MLP {widths}, {experiment.parameters:,} parameters, {config.optimizer}, on {experiment.device}"
    )
    fixed = {k: v for k, v in vars(config).items() if k not in EXTENDABLE} | {"seed": seed}
    if SCHEDULES[config.schedule].ends:
        fixed["epochs"] = config.epochs
    checkpoint = Checkpoint(folder / CHECKPOINT, steps=config.checkpoint_steps, extra={"config": fixed})
    _check_same_run(checkpoint, fixed)
    report = _report(config.epochs, experiment.metric, say)
    try:
        history = experiment.run(checkpoint, [report], False if say.quiet else None)
    except GradientError as error:
        if config.nonfinite != "raise":
            raise
        raise Diverged(f"seed {seed} diverged: {error}") from error
    folder.write(HISTORY, history.to_csv())
    with experiment.result():
        summary = _summary(experiment, history, seed)
        folder.write(MODEL, model_file.encode(experiment))
    if plot:
        title = f"{dataset.name}, {widths}, seed {seed}"
        folder.write(CURVES, plots.curves({"": list(history)}, experiment.metric, title))
    folder.write_json(SUMMARY, summary)  # last: it says that all is there
    if summary.get("skipped_steps"):
        say(f"{summary['skipped_steps']} steps skipped: their gradients were no numbers")
    say(f"stopped: {history.reason}")
    say(score_text(summary))
    return summary


def _check_same_run(checkpoint: Checkpoint, fixed: dict[str, Any]) -> None:
    if not checkpoint.path.exists():
        return
    try:
        saved = io.load(checkpoint.path).get("config")
    except FileFormatError as error:
        raise FileFormatError(f"{error}; or delete it: --resume then begins at the first epoch") from error
    if saved != fixed:
        changed = [k for k in fixed if not isinstance(saved, dict) or saved.get(k) != fixed[k]]
        raise FileFormatError(
            f"{checkpoint.path}: belongs to another configuration ({changed[0]} differs); put {CONFIG} back, "
            "or start anew"
        )


def _report(epochs: int, metric: str, say: Printer) -> Any:
    """A callback that prints a few epochs, unless a progress bar does."""
    every = max(1, epochs // LINES)

    def report(run: Any) -> None:
        if sys.stderr.isatty() or not (run.epoch % every == 0 or run.epoch in (1, epochs)):
            return
        row = run.history.last
        shown = [f"epoch {run.epoch:{len(str(epochs))}d}", f"loss {row['loss']:.4f}", f"{metric} {row[metric]:.4f}"]
        if "val_loss" in row:
            shown += [f"val_loss {row['val_loss']:.4f}", f"val_{metric} {row['val_' + metric]:.4f}"]
        say("   ".join([*shown, f"lr {row['lr']:.3g}", f"{row['samples_per_second']:,.0f} rows/s"]))

    return report


def _summary(experiment: Experiment, history: History, seed: int) -> dict[str, Any]:
    last = history.last | (experiment.validate() if experiment.config.ema is not None else {})
    skipped = {"skipped_steps": experiment.optimizer.skipped} if experiment.config.nonfinite == "skip" else {}
    return {
        **experiment.test(),
        "train_seconds": history.seconds,
        "epochs": len(history),
        "steps": last["step"],
        "parameters": experiment.parameters,
        "device": experiment.device,
        "seed": seed,
        "stopped": history.stopped,
        "reason": history.reason,
        "best_epoch": history.best_epoch,
        **{k: last[k] for k in ("loss", experiment.metric, "val_loss", f"val_{experiment.metric}") if k in last},
        "samples_per_second": len(history) and statistics.median(history["samples_per_second"]),
        "task": experiment.dataset.task,
        "data": experiment.config.data,
        **skipped,
        "resumed_at_step": history.resumed_at,
        "minigrad": __version__,
    }


def _summarize_seeds(
    config: Config, summaries: list[dict[str, Any]], folder: RunFolder, plot: bool, say: Printer
) -> None:
    """Mean and standard deviation over seeds: printed, and written beside the seeds' folders."""
    found: dict[str, Any] = {}
    for name in [k for k in summaries[0] if k.startswith("test_")]:
        values = [s[name] for s in summaries]
        usable = all(value is not None and math.isfinite(value) for value in values)
        mean, std = (statistics.mean(values), statistics.stdev(values)) if usable else (None, None)
        found |= {name: mean, f"{name}_std": std}
        say(f"{name.replace('_', ' ')} over {len(values)} seeds: mean {number_text(mean)}, std {number_text(std)}")
    found["train_seconds"] = statistics.mean(s["train_seconds"] for s in summaries)
    same = ("epochs", "steps", "parameters", "device", "task", "data", "minigrad")
    found |= {k: summaries[0][k] for k in same} | {"seed": config.seed, "seeds": config.seeds, "runs": summaries}
    if plot:
        rows = {f"seed {s['seed']}": RunFolder(folder.path / f"seed-{s['seed']}").read_history() for s in summaries}
        metric = "accuracy" if "test_accuracy" in summaries[0] else "r2"
        folder.write(CURVES, plots.curves(rows, metric, f"{Path(config.data).stem}, {config.seeds} seeds"))
    folder.write_json(SUMMARY, found)
