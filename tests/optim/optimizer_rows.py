"""One row per optimizer configuration: the class, its arguments, and PyTorch's name where it has the same."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from minigrad import optim


@dataclass(frozen=True)
class Row:
    cls: type[optim.Optimizer]
    kwargs: dict[str, Any] = field(default_factory=dict)
    torch: bool = True

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
    Row(optim.Adam, {"lr": 0.02, "maximize": True}),
    Row(optim.AdamW, {"lr": 0.02}),
    Row(optim.AdamW, {"lr": 0.02, "weight_decay": 0.3, "amsgrad": True, "maximize": True}),
]
"""Every optimizer of the library, under every option that changes its formula."""
