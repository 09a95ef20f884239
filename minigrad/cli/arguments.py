"""The options that describe a training, for every command that trains."""

from __future__ import annotations

import argparse
import dataclasses
import math
from pathlib import Path
from typing import Any

from ..data import NAMES
from ..nn.mlp import ACTIVATIONS, NORMALIZATIONS
from .config import INITS, OPTIMIZERS, SCALES, SCHEDULES, TASKS, Config
from .options import Parser, integer, number


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
            text = f"{text}{', '.join(choices)} ({getattr(d, name[2:])})"
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
    add(training, "--optimizer", "NAME", "", choices=OPTIMIZERS)
    add(training, "--lr", "X", f"learning rate ({d.lr:g})", type=positive, **many)
    add(training, "--momentum", "M", f"of sgd ({d.momentum:g})", type=share)
    flag(training, "--nesterov", "Nesterov's form of the momentum")
    add(training, "--weight-decay", "W", f"L2 penalty; decoupled with adamw ({d.weight_decay:g})", type=number(0))
    add(training, "--schedule", "NAME", "how the learning rate falls: ", choices=SCHEDULES)
    decay = "step (0.1), exponential (to 1%% at the end), plateau (0.5): factor; inverse-time (to 10%%): rate"
    add(training, "--decay", "X", decay, type=positive)
    every = "step: epochs between falls (a third of all); plateau: patience (5)"
    add(training, "--decay-every", "N", every, type=count)
    add(training, "--batch-size", "N", f"rows a step ({d.batch_size})", type=count, **many)
    add(training, "--epochs", "N", f"passes over the data ({d.epochs})", type=count)
    patience = "stop after N epochs without a smaller validation loss, and keep the best weights"
    add(training, "--patience", "N", patience, type=count)
    add(training, "--target-loss", "L", "stop at this training loss", type=number(-math.inf))
    add(training, "--time-limit", "S", "stop after so many seconds", type=positive)
    add(training, "--device", "NAME", f"cpu, cuda, cuda:<index> or auto ({d.device})")
    add(training, "--seed", "K", f"fixes split, weights, dropout and batches ({d.seed})", type=integer(0))


def config_from(arguments: argparse.Namespace) -> Config:
    """The configuration that the given options ask for."""
    given = {k: v for k, v in vars(arguments).items() if k in Config.__dataclass_fields__ and v is not None}
    if "hidden" in given:
        given["hidden"] = tuple(given["hidden"])
    config = Config(**given)
    config.check()
    return config


def absolute(config: Config) -> Config:
    """With the data's path made absolute, so that a resume finds it from anywhere."""
    return config if config.data in NAMES else dataclasses.replace(config, data=str(Path(config.data).absolute()))
