"""Train learning rates x batch sizes x initialisations, each over several seeds, and compare.

Every cell of the table is the mean validation score over the seeds, with its standard deviation; choose by it. The
test score is given for the chosen cell alone. The folder gets sweep.csv (every single run, as it ends), summary.json
and sweep.png.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import io as text_io
import itertools
import math
import statistics
from pathlib import Path
from typing import Any

from .. import plots
from .arguments import absolute, add_experiment_arguments, add_output_arguments, config_from
from .config import Config
from .experiment import load_data, prepare
from .options import Parser, UsageError, integer, path
from .output import Printer, describe_data, number_text
from .run_folder import SUMMARY, RunFolder, free_folder
from .train import require_packages

TABLE, PICTURE = "sweep.csv", "sweep.png"
AXES = ("init", "batch_size", "lr")


def add_arguments(parser: Parser) -> None:
    """The options of sweep."""
    add_experiment_arguments(parser, several=True)
    sweep = parser.add_argument_group("sweep")
    sweep.add_argument("--seeds", metavar="N", type=integer(1, 10**6), help="seeds for every cell (3)")
    sweep.add_argument("--out", type=path, metavar="DIR", help="folder to write (runs/sweep-<number>)")
    add_output_arguments(sweep)


def run(arguments: argparse.Namespace) -> int:
    """Sweep."""
    say, plot = Printer(arguments.quiet), not arguments.no_plot
    require_packages(plot)
    d = Config.of(**{k: v for k, v in vars(arguments).items() if k == "optimizer"})
    values = {name: list(dict.fromkeys(getattr(arguments, name, [getattr(d, name)]))) for name in AXES}
    single = argparse.Namespace(**{**vars(arguments), **{k: v[0] for k, v in values.items()}})
    single.seeds = arguments.seeds or 3
    config = config_from(single)
    if config.nonfinite == "raise":
        raise UsageError("--nonfinite raise would end the sweep; leave it out, diverged cells are marked anyway")
    if not config.validation_size:
        raise UsageError("sweep compares on the validation part: give --validation-size above 0")
    dataset = load_data(config)
    config = absolute(config)
    cells = [dict(zip(AXES, c, strict=True)) for c in itertools.product(*values.values())]
    for cell in cells:  # what does not fit together is said before hours of work
        prepare(dataclasses.replace(config, **cell), dataset, config.seed)
    folder = RunFolder(arguments.out or free_folder("sweep"))
    folder.create((TABLE, SUMMARY, PICTURE))
    say(describe_data(dataset))
    say(f"{len(cells)} cells x {config.seeds} seeds of {config.epochs} epochs")
    runs: list[dict[str, Any]] = []
    try:
        for cell in cells:
            for seed in range(config.seed, config.seed + config.seeds):
                runs.append(_train(dataclasses.replace(config, **cell), dataset, seed, cell))
                folder.write(TABLE, _csv(runs))
            say(_line(cell, [r for r in runs if all(r[k] == cell[k] for k in AXES)]))
    except KeyboardInterrupt:
        done = f"{len(runs)} of {len(cells) * config.seeds} runs done"
        raise KeyboardInterrupt(f"{done}, their rows are in {folder / TABLE}") from None
    _finish(config, values, cells, runs, folder, plot, say)
    return 0


def _train(config: Config, dataset: Any, seed: int, cell: dict[str, Any]) -> dict[str, Any]:
    """One run: its row of the table."""
    experiment = prepare(config, dataset, seed)
    history = experiment.run(None, (), False)
    chosen = history.rows[(history.best_epoch or len(history)) - 1] if config.patience else history.last
    metric = experiment.metric
    with experiment.result():
        found = experiment.validate() if config.ema is not None else chosen
        scores = {name: found[name] for name in (f"val_{metric}", "val_loss")} | experiment.test()
    return {
        **cell,
        "seed": seed,
        **scores,
        "train_seconds": history.seconds,
        "epochs": len(history),
        "stopped": history.stopped,
    }


def _csv(runs: list[dict[str, Any]]) -> str:
    text = text_io.StringIO()
    writer = csv.DictWriter(text, list(runs[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(runs)
    return text.getvalue()


def _score_name(runs: list[dict[str, Any]]) -> str:
    return next(k for k in runs[0] if k in ("val_accuracy", "val_r2"))


def _mean_std(runs: list[dict[str, Any]], name: str) -> tuple[float, float]:
    """Mean and standard deviation; nan where a run diverged."""
    values = [math.nan if r["stopped"] == "diverged" else r[name] for r in runs]
    if not all(map(math.isfinite, values)):
        return math.nan, math.nan
    return statistics.mean(values), statistics.stdev(values) if len(values) > 1 else 0.0


def _line(cell: dict[str, Any], runs: list[dict[str, Any]]) -> str:
    name = _score_name(runs)
    mean, std = _mean_std(runs, name)
    diverged = sum(r["stopped"] == "diverged" for r in runs)
    score = f"{diverged} of {len(runs)} diverged" if diverged else f"{name} {number_text(mean)} ± {number_text(std)}"
    seconds = statistics.mean(r["train_seconds"] for r in runs)
    return f"lr {cell['lr']:<8g} batch {cell['batch_size']:<6d} {cell['init']:16s} {score}   ({seconds:.2f} s)"


def _finish(
    config: Config,
    values: dict[str, list[Any]],
    cells: list[dict[str, Any]],
    runs: list[dict[str, Any]],
    folder: RunFolder,
    plot: bool,
    say: Printer,
) -> None:
    """Choose a cell by its validation score; write summary and picture."""
    name = _score_name(runs)
    of = {tuple(c.values()): [r for r in runs if all(r[k] == c[k] for k in AXES)] for c in cells}
    scores = {key: _mean_std(group, name) for key, group in of.items()}
    finite = {key: s for key, s in scores.items() if math.isfinite(s[0])}
    summary: dict[str, Any] = {
        "score": name,
        "config": dataclasses.asdict(config),
        "cells": [
            {**dict(zip(AXES, key, strict=True)), "mean": s[0], "std": s[1], "seeds": len(of[key])}
            for key, s in scores.items()
        ],
        "best": None,
    }
    if finite:
        best = max(finite, key=lambda key: finite[key][0])
        test = name.replace("val_", "test_")
        mean, std = _mean_std(of[best], test)
        summary["best"] = {**dict(zip(AXES, best, strict=True)), test: mean, f"{test}_std": std}
        say(
            f"best by {name}: {', '.join(f'{k} {v}' for k, v in zip(AXES, best, strict=True))}; "
            f"{test} {number_text(mean)} ± {number_text(std)}"
        )
    else:
        say("every cell diverged: try smaller learning rates")
    if plot:
        panels = {
            f"init {i}": [[scores[i, b, lr][0] for lr in values["lr"]] for b in values["batch_size"]]
            for i in values["init"]
        }
        title = f"{Path(config.data).stem}, {config.optimizer}, {config.epochs} epochs, mean of {config.seeds} seeds"
        folder.write(
            PICTURE,
            plots.sweep_table(
                panels,
                [str(b) for b in values["batch_size"]],
                [f"{lr:g}" for lr in values["lr"]],
                "batch size",
                "learning rate",
                name.replace("val_", "validation "),
                title,
            ),
        )
    folder.write_json(SUMMARY, summary)
    say(f"written to {folder.path}")
