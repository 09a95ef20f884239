"""Adagrad."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Unpack

from . import checks
from .descent import descent
from .fused_update import UpdateKernel
from .optimizer import Optimizer
from .options import Options


def loop(p: Any, g: Any, total: Any, average: Any, c: Any, decay: Any, decoupled: Any) -> None:
    """The update element by element; see `Optimizer.loop`."""
    lr, eps, weight_decay, scale, _, ema_keep, ema_gain = c
    for i in range(p.size):
        w, d = p[i], g[i] * scale
        if decay is not None:
            d += w * weight_decay
        squares = total[i] + d * d
        total[i] = squares
        w -= lr * (d / (math.sqrt(squares) + eps))
        p[i] = w
        if average is not None:
            average[i] = average[i] * ema_keep + w * ema_gain


class Adagrad(Optimizer):
    """A rate for each parameter that falls with the gradients it has had: large steps for what is seldom touched.

        d = g + weight_decay p                     (-g where maximize)
        s = s + d^2                                (initial_accumulator_value before the first step)
        p = p - lr / (1 + (t - 1) lr_decay) * d / (sqrt(s) + eps)

    Duchi, Hazan and Singer 2011, "Adaptive subgradient methods for online learning and stochastic optimization";
    PyTorch's variant.

    Args:
        params: leaf tensors, or dicts of parameter groups.
        lr: learning rate, >= 0.
        lr_decay: decay of the rate by the number of steps, >= 0.
        weight_decay: L2 penalty added to the gradient, >= 0.
        initial_accumulator_value: what s begins with, >= 0.
        eps: added to the denominator, >= 0.
        maximize: ascend.
        **options: accumulate, max_norm, ema, nonfinite; see `Optimizer`.
    """

    columns = ("lr", "eps", "weight_decay")
    kernel = UpdateKernel("adagrad", "adagrad_f32", ("sum",))
    loop = staticmethod(loop)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        *,
        maximize: bool = False,
        **options: Unpack[Options],
    ) -> None:
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "eps": eps,
            "maximize": maximize,
        }
        super().__init__(params, defaults, **options)

    def validate(self, group: Mapping[str, Any]) -> None:
        for name in ("lr", "lr_decay", "weight_decay", "initial_accumulator_value", "eps"):
            checks.number(name, group[name])

    def state_names(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        return self.kernel.states

    def initial(self, group: Mapping[str, Any], name: str) -> float:
        return float(group["initial_accumulator_value"])

    def coefficients(self, group: Mapping[str, Any], step: int) -> tuple[float, ...]:
        return group["lr"] / (1.0 + (step - 1) * group["lr_decay"]), group["eps"], group["weight_decay"]

    def update(self, xp: Any, group: Mapping[str, Any], c: Any, p: Any, g: Any, *buffers: Any) -> None:
        total, t, d = buffers
        g = descent(xp, group, c, p, g, t, d)
        xp.multiply(g, g, t)
        total += t
        xp.sqrt(total, t)
        t += c.eps
        xp.divide(g, t, t)
        t *= c.lr
        p -= t
