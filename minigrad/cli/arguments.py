"""The options that describe a training, for every command that trains."""

from __future__ import annotations

import argparse
import dataclasses
import math
from pathlib import Path
from typing import Any

from ..data import NAMES
from ..nn.mlp import ACTIVATIONS, NORMALIZATIONS
from .config import INITS, LISTS, NONFINITE, SCALES, TASKS, Config
from .optimizers import OPTIMIZERS, rates, takers
from .options import Parser, integer, number
from .schedules import BY, SCHEDULES, meanings


def add_output_arguments(group: Any) -> None:
    """--no-plot and --quiet."""
    group.add_argument("--no-plot", action="store_true", help="write no picture (matplotlib is not needed then)")
    group.add_argument("--quiet", action="store_true", help="print nothing but errors")


def add_experiment_arguments(parser: Parser, several: bool = False) -> None:
    """What describes one training; with `several`, lr, batch size and init take lists. Absent ones stay absent."""
    many: dict[str, Any] = {"nargs": "+"} if several else {}
    d = Config()
    share, positive, count = number(0, 1), number(0, low_open=True), integer(1)

    def add(group: Any, name: str, metavar: str, text: str, **kwargs: Any) -> None:
        choices = kwargs.get("choices")
        if choices:  # listed in the text: as a metavar they would fill the screen
            text = f"{text}{', '.join(choices)} ({getattr(d, name[2:].replace('-', '_'))})"
        if metavar:
            kwargs["metavar"] = metavar
        group.add_argument(name, default=argparse.SUPPRESS, help=text, **kwargs)

    def flag(group: Any, name: str, text: str) -> None:
        add(group, name, "", text, action="store_true")

    data = parser.add_argument_group("data (defaults in parentheses)")
    add(data, "--data", "NAME|PATH", f"{', '.join(NAMES)}, a .csv file, or a .npz file with x and y ({d.data})")
    add(data, "--target", "COLUMN", "column of a .csv to predict (the one called target, label, class or y)")
    add(data, "--task", "TASK", "what the target is; auto takes text and few whole numbers as classes: ", choices=TASKS)
    add(data, "--test-size", "P", f"share held out for the test ({d.test_size:g})", type=number(0, 1, True))
    add(data, "--validation-size", "P", f"share for validation, 0 for none ({d.validation_size:g})", type=share)
    add(data, "--scale", "HOW", "scaling of features: ", choices=SCALES)
    flag(data, "--balance", "weigh classes in the loss by how rare they are")
    model = parser.add_argument_group("network")
    hidden = " ".join(map(str, d.hidden))
    add(model, "--hidden", "N", f"sizes of the hidden layers; none is a linear model ({hidden})", type=count, nargs="*")
    add(model, "--activation", "NAME", "", choices=tuple(ACTIVATIONS))
    add(model, "--dropout", "P", f"probability of dropping a hidden unit ({d.dropout:g})", type=share)
    add(model, "--normalization", "NAME", "of hidden layers: ", choices=("none", *NORMALIZATIONS))
    add(model, "--init", "NAME", "initial weights, default is PyTorch's rule: ", choices=INITS, **many)
    training = parser.add_argument_group("training")
    add(training, "--batch-size", "N", f"rows a step ({d.batch_size})", type=count, **many)
    add(training, "--epochs", "N", f"passes over the data ({d.epochs})", type=count)
    smoothing = f"share of each label given to all classes alike ({d.label_smoothing:g})"
    add(training, "--label-smoothing", "S", smoothing, type=share)
    add(training, "--device", "NAME", f"cpu, cuda, cuda:<index> or auto ({d.device})")
    add(training, "--seed", "K", f"fixes split, weights, dropout and batches ({d.seed})", type=integer(0))
    optimizer = parser.add_argument_group("optimizer")
    add(optimizer, "--optimizer", "NAME", "", choices=tuple(OPTIMIZERS))
    add(optimizer, "--lr", "X", f"learning rate, the largest one of one-cycle ({rates()})", type=positive, **many)
    add(
        optimizer,
        "--momentum",
        "M",
        f"{takers('momentum')}: share of the last step that is kept ({d.momentum:g})",
        type=share,
    )
    flag(optimizer, "--nesterov", f"{takers('nesterov')}: Nesterov's form of the momentum")
    flag(optimizer, "--centered", f"{takers('centered')}: subtract the mean of the gradients")
    flag(optimizer, "--amsgrad", f"{takers('amsgrad')}: divide by the largest second moment so far")
    shrinks = " and ".join(name for name, row in OPTIMIZERS.items() if row.decoupled)
    own = "".join(f"; {name} {row.weight_decay:g}" for name, row in OPTIMIZERS.items() if row.weight_decay)
    decays = f"L2 penalty; {shrinks} shrink the weights themselves ({d.weight_decay:g}{own})"
    add(optimizer, "--weight-decay", "W", decays, type=number(0))
    add(optimizer, "--accumulate", "K", f"update by the mean gradient of K steps ({d.accumulate})", type=count)
    add(optimizer, "--max-norm", "X", "limit the norm of all gradients together (no limit)", type=positive)
    average = "score and save an average of the weights, which decays by D a step, such as 0.99 (none)"
    add(optimizer, "--ema", "D", average, type=number(0, 1, True))
    add(optimizer, "--nonfinite", "WHAT", "about gradients that are no numbers, end the run or skip the step: ",
        choices=NONFINITE)  # fmt: skip
    schedule = parser.add_argument_group("schedule of the learning rate")
    add(schedule, "--schedule", "NAME", "", choices=tuple(SCHEDULES))
    by = "what a schedule and its numbers count; auto is epochs, steps for one-cycle: "
    add(schedule, "--schedule-by", "UNIT", by, choices=BY)
    add(schedule, "--warmup", "N", f"epochs or steps of a linear rise before it ({d.warmup})", type=integer(0))
    add(schedule, "--decay", "X", meanings("decay").replace("%", "%%"), type=positive)
    add(schedule, "--decay-every", "N", meanings("every"), type=count)
    falls = "multistep: epochs or steps of the falls (half and three quarters of the run)"
    add(schedule, "--milestones", "N", falls, type=count, nargs="+")
    stop = parser.add_argument_group("when to stop before the last epoch")
    patience = "after N epochs without a smaller validation loss, and keep the best weights"
    add(stop, "--patience", "N", patience, type=count)
    add(stop, "--target-loss", "L", "at this training loss", type=number(-math.inf))
    add(stop, "--grad-norm", "X", "at this norm of the gradient", type=positive)
    add(stop, "--time-limit", "S", "after so many seconds", type=positive)


def config_from(arguments: argparse.Namespace) -> Config:
    """The configuration that the given options ask for."""
    given = {k: v for k, v in vars(arguments).items() if k in Config.__dataclass_fields__ and v is not None}
    given |= {name: tuple(given[name]) for name in LISTS if name in given}
    config = Config.of(**given)
    config.check()
    return config


def absolute(config: Config) -> Config:
    """With the data's path made absolute, so that a resume finds it from anywhere."""
    return config if config.data in NAMES else dataclasses.replace(config, data=str(Path(config.data).absolute()))
