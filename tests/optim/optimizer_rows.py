"""One row per optimizer configuration: the class, its arguments, and PyTorch's name where it has the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from minigrad import optim


@dataclass(frozen=True)
class Row:
    """cls, kwargs: what is made. torch: whether PyTorch has it. near: how near it comes to the bottom of a parabola."""

    cls: type[optim.Optimizer]
    kwargs: dict[str, Any] = field(default_factory=dict)
    torch: bool = True
    near: float = 0.06

    def __str__(self) -> str:
        return f"{self.cls.__name__}({', '.join(f'{k}={v}' for k, v in self.kwargs.items())})"


ROWS = [
    Row(optim.SGD, {"lr": 0.05}),
    Row(optim.SGD, {"lr": 0.05, "weight_decay": 0.1}),
    Row(optim.SGD, {"lr": 0.05, "momentum": 0.9}),
    Row(optim.SGD, {"lr": 0.05, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.02}),
    Row(optim.SGD, {"lr": 0.05, "momentum": 0.8, "nesterov": True}),
    Row(optim.SGD, {"lr": 0.05, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1, "maximize": True}),
    Row(optim.SGD, {"lr": 0.05, "momentum": 0.9, "scale_velocity_by_lr": True}, torch=False),
    Row(optim.SGD, {"lr": 0.05, "momentum": 0.9, "nesterov": True, "scale_velocity_by_lr": True}, torch=False),
    Row(optim.Adam, {"lr": 0.02}),
    Row(optim.Adam, {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-6}),
    Row(optim.Adam, {"lr": 0.02, "weight_decay": 0.1, "amsgrad": True}),
    Row(optim.Adam, {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    Row(optim.Adam, {"lr": 0.02, "maximize": True}),
    Row(optim.AdamW, {"lr": 0.02}),
    Row(optim.AdamW, {"lr": 0.02, "weight_decay": 0.3, "amsgrad": True, "maximize": True}),
    Row(optim.Adagrad, {"lr": 0.3}),
    Row(optim.Adagrad, {"lr": 0.3, "lr_decay": 0.01, "initial_accumulator_value": 0.5, "eps": 1e-6}),
    Row(optim.Adagrad, {"lr": 0.05, "weight_decay": 0.1, "maximize": True}),
    Row(optim.Adadelta, {}, near=2.0),
    Row(optim.Adadelta, {"lr": 0.5, "rho": 0.8, "eps": 1e-3}),
    Row(optim.Adadelta, {"weight_decay": 0.1, "maximize": True}),
    Row(optim.RMSprop, {"lr": 0.01}),
    Row(optim.RMSprop, {"lr": 0.01, "alpha": 0.9, "eps": 1e-5, "weight_decay": 0.1, "maximize": True}),
    Row(optim.RMSprop, {"lr": 0.01, "momentum": 0.8}),
    Row(optim.RMSprop, {"lr": 0.002, "centered": True, "eps": 0.1}, near=1.0),
    Row(optim.RMSprop, {"lr": 0.002, "momentum": 0.5, "centered": True, "weight_decay": 0.1, "eps": 0.1}, near=0.2),
    Row(optim.Adamax, {"lr": 0.02}),
    Row(optim.Adamax, {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.1, "maximize": True}),
    Row(optim.NAdam, {"lr": 0.02}),
    Row(optim.NAdam, {"lr": 0.02, "betas": (0.8, 0.95), "momentum_decay": 0.1, "weight_decay": 0.1}),
    Row(optim.NAdam, {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    Row(optim.RAdam, {"lr": 0.05}),
    Row(optim.RAdam, {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.1}),
    Row(optim.RAdam, {"lr": 0.02, "betas": (0.8, 0.5)}),  # never sure of the second moment
    Row(optim.RAdam, {"lr": 0.02, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True}),
    Row(optim.Lion, {"lr": 0.007}, torch=False, near=0.4),
    Row(optim.Lion, {"lr": 0.01, "betas": (0.8, 0.9), "weight_decay": 0.1}, torch=False),
    Row(optim.Lion, {"lr": 0.01, "weight_decay": 0.1, "maximize": True}, torch=False),
]
"""Every optimizer of the library, under every option that changes its formula."""

ONE_EACH = [next(row for row in ROWS if row.cls is cls) for cls in dict.fromkeys(row.cls for row in ROWS)]
"""The first row of each class."""
