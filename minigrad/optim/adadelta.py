"""Adadelta."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Unpack

from . import checks
from .descent import descent
from .fused_update import UpdateKernel
from .optimizer import Optimizer
from .options import Options


def loop(p: Any, g: Any, square: Any, travel: Any, average: Any, c: Any, decay: Any, decoupled: Any) -> None:
    """The update element by element; see `Optimizer.loop`."""
    lr, rho, keep, eps, weight_decay, scale, _, ema_keep, ema_gain = c
    for i in range(p.size):
        w, d = p[i], g[i] * scale
        if decay is not None:
            d += w * weight_decay
        s, u = square[i] * rho + d * d * keep, travel[i]
        step = math.sqrt(u + eps) / math.sqrt(s + eps) * d
        square[i], travel[i] = s, u * rho + step * step * keep
        w -= lr * step
        p[i] = w
        if average is not None:
            average[i] = average[i] * ema_keep + w * ema_gain


class Adadelta(Optimizer):
    """Steps in units of the parameter: the size of recent steps, times the gradient in units of recent gradients.

        d = g + weight_decay p                     (-g where maximize)
        s = rho s + (1 - rho) d^2
        step = sqrt(u + eps) / sqrt(s + eps) * d
        u = rho u + (1 - rho) step^2
        p = p - lr step

    Zeiler 2012, "ADADELTA: an adaptive learning rate method", whose lr is 1; PyTorch's variant.

    Args:
        params: leaf tensors, or dicts of parameter groups.
        lr: factor of the step, >= 0.
        rho: decay rate of both averages, in [0, 1).
        eps: added under both roots, >= 0; the first step is about sqrt(eps).
        weight_decay: L2 penalty added to the gradient, >= 0.
        maximize: ascend.
        **options: accumulate, max_norm, ema, nonfinite; see `Optimizer`.
    """

    columns = ("lr", "rho", "keep", "eps", "weight_decay")
    kernel = UpdateKernel("adadelta", "adadelta_f32", ("square_avg", "acc_delta"))
    loop = staticmethod(loop)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1.0,
        rho: float = 0.9,
        eps: float = 1e-6,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **options: Unpack[Options],
    ) -> None:
        defaults = {"lr": lr, "rho": rho, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults, **options)

    def validate(self, group: Mapping[str, Any]) -> None:
        checks.number("lr", group["lr"])
        checks.number("rho", group["rho"], high=1.0)
        checks.number("eps", group["eps"])
        checks.number("weight_decay", group["weight_decay"])

    def state_names(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        return self.kernel.states

    def coefficients(self, group: Mapping[str, Any], step: int) -> tuple[float, ...]:
        return group["lr"], group["rho"], 1.0 - group["rho"], group["eps"], group["weight_decay"]

    def update(self, xp: Any, group: Mapping[str, Any], c: Any, p: Any, g: Any, *buffers: Any) -> None:
        square, travel, t, d = buffers
        g = descent(xp, group, c, p, g, t, d)
        square *= c.rho
        xp.multiply(g, g, t)
        t *= c.keep
        square += t
        xp.add(square, c.eps, t)
        xp.sqrt(t, t)
        xp.divide(g, t, t)
        xp.add(travel, c.eps, d)  # g is not needed any more
        xp.sqrt(d, d)
        t *= d
        travel *= c.rho
        xp.multiply(t, t, d)
        d *= c.keep
        travel += d
        t *= c.lr
        p -= t
