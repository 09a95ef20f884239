"""The optimizers of the command line, one row each: a rate to begin with, and which options belong to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .. import nn, optim
from ..optim.by_name import BY_NAME

OWN = ("momentum", "nesterov", "centered", "amsgrad")
"""Options that not every optimizer has."""


@dataclass(frozen=True)
class OptimizerRow:
    """lr, weight_decay: where none is given. takes: those of OWN that belong to it.

    decoupled: whether the weight decay shrinks the weights instead of going into the gradient.
    """

    lr: float
    takes: tuple[str, ...] = ()
    weight_decay: float = 0.0
    decoupled: bool = False


OPTIMIZERS: dict[str, OptimizerRow] = {  # of each name in BY_NAME
    "sgd": OptimizerRow(0.05, ("momentum", "nesterov")),
    "adagrad": OptimizerRow(0.02),
    "adadelta": OptimizerRow(1.0),
    "rmsprop": OptimizerRow(1e-3, ("momentum", "centered")),
    "adam": OptimizerRow(2e-3, ("amsgrad",)),
    "adamw": OptimizerRow(2e-3, ("amsgrad",), weight_decay=0.01, decoupled=True),
    "adamax": OptimizerRow(4e-3),
    "nadam": OptimizerRow(2e-3),
    "radam": OptimizerRow(2e-3),
    "lion": OptimizerRow(5e-4, decoupled=True),
}


def takers(option: str) -> str:
    """Names of the optimizers that an option of OWN belongs to, for a person."""
    return " or ".join(name for name, row in OPTIMIZERS.items() if option in row.takes)


def rates() -> str:
    """The learning rates to begin with, for a person."""
    return ", ".join(f"{name} {row.lr:g}" for name, row in OPTIMIZERS.items())


def build_optimizer(model: nn.Module, name: str, lr: float, options: Mapping[str, Any]) -> optim.Optimizer:
    """The optimizer of a name for all parameters of a model.

    Args:
        model: what is trained.
        name: a key of OPTIMIZERS.
        lr: learning rate.
        options: weight_decay, those of OWN (the optimizer's are taken, the others must be off), and those of every
            optimizer: accumulate, max_norm, ema, nonfinite.
    """
    row = OPTIMIZERS[name]
    taken = {key: value for key, value in options.items() if key not in OWN or key in row.takes}
    return BY_NAME[name](list(model.parameters()), lr, **taken)


def has_momentum(optimizer: optim.Optimizer) -> bool:
    """Whether a momentum is in use, which a schedule may move along with the rate."""
    group = optimizer.param_groups[0]
    return "betas" in group or bool(group.get("momentum"))
