"""RMSprop."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Unpack

from . import checks
from .descent import descent
from .fused_update import UpdateKernel
from .optimizer import Optimizer
from .options import Options


def loop(
    p: Any,
    g: Any,
    square: Any,
    velocity: Any,
    mean: Any,
    average: Any,
    c: Any,
    decay: Any,
    decoupled: Any,
    momentum: Any,
    centered: Any,
) -> None:
    """The update element by element; see `Optimizer.loop`."""
    lr, alpha, keep, eps, beta, weight_decay, scale, _, ema_keep, ema_gain = c
    for i in range(p.size):
        w, d = p[i], g[i] * scale
        if decay is not None:
            d += w * weight_decay
        s = square[i] * alpha + d * d * keep
        square[i] = s
        if mean is not None:
            a = mean[i] * alpha + d * keep
            mean[i] = a
            s -= a * a
            if s < 0:  # by rounding; nan stays nan
                s -= s
        step = d / (math.sqrt(s) + eps)
        if velocity is not None:
            step += velocity[i] * beta
            velocity[i] = step
        w -= lr * step
        p[i] = w
        if average is not None:
            average[i] = average[i] * ema_keep + w * ema_gain


class RMSprop(Optimizer):
    """The gradient divided by the root of a moving average of its square.

        d = g + weight_decay p                     (-g where maximize)
        s = alpha s + (1 - alpha) d^2
        a = alpha a + (1 - alpha) d                (only where centered)
        step = d / (sqrt(s) + eps)                 (centered: sqrt(s - a^2))
        v = momentum v + step                      (only with momentum; without, v = step)
        p = p - lr v

    Where s - a^2 is less than 0 by rounding, it counts as 0 (PyTorch has nan there).

    Hinton 2012, "Neural networks for machine learning", lecture 6e; centered: Graves 2013, "Generating sequences with
    recurrent neural networks"; PyTorch's variant.

    Args:
        params: leaf tensors, or dicts of parameter groups.
        lr: learning rate, >= 0.
        alpha: decay rate of the averages, in [0, 1).
        eps: added to the denominator, >= 0.
        weight_decay: L2 penalty added to the gradient, >= 0.
        momentum: factor of the velocity, in [0, 1).
        centered: divide by the deviation of the gradient instead of its root mean square.
        maximize: ascend.
        **options: accumulate, max_norm, ema, nonfinite; see `Optimizer`.
    """

    columns = ("lr", "alpha", "keep", "eps", "momentum", "weight_decay")
    kernel = UpdateKernel(
        "rmsprop", "rmsprop_f32", ("square_avg", "momentum_buffer", "grad_avg"), ("momentum", "centered")
    )
    loop = staticmethod(loop)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        *,
        maximize: bool = False,
        **options: Unpack[Options],
    ) -> None:
        defaults = {
            "lr": lr,
            "alpha": alpha,
            "eps": eps,
            "weight_decay": weight_decay,
            "momentum": momentum,
            "centered": centered,
            "maximize": maximize,
        }
        super().__init__(params, defaults, **options)

    def validate(self, group: Mapping[str, Any]) -> None:
        checks.number("lr", group["lr"])
        checks.number("alpha", group["alpha"], high=1.0)
        checks.number("eps", group["eps"])
        checks.number("weight_decay", group["weight_decay"])
        checks.number("momentum", group["momentum"], high=1.0)

    def state_names(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        square, velocity, mean = self.kernel.states
        return (square, *([velocity] if group["momentum"] else []), *([mean] if group["centered"] else []))

    def coefficients(self, group: Mapping[str, Any], step: int) -> tuple[float, ...]:
        alpha = group["alpha"]
        return group["lr"], alpha, 1.0 - alpha, group["eps"], group["momentum"], group["weight_decay"]

    def update(self, xp: Any, group: Mapping[str, Any], c: Any, p: Any, g: Any, *buffers: Any) -> None:
        square, *others, t, d = buffers
        g = descent(xp, group, c, p, g, t, d)
        square *= c.alpha
        xp.multiply(g, g, t)
        t *= c.keep
        square += t
        if group["centered"]:
            mean = others.pop()
            mean *= c.alpha
            xp.multiply(g, c.keep, t)
            mean += t
            xp.multiply(mean, mean, t)
            xp.subtract(square, t, t)
            xp.clip(t, 0.0, math.inf, out=t)  # NumPy's maximum with a number takes three times as long
            xp.sqrt(t, t)
        else:
            xp.sqrt(square, t)
        t += c.eps
        xp.divide(g, t, t)
        if others:
            velocity = others[0]
            velocity *= c.momentum
            velocity += t
            xp.multiply(velocity, c.lr, t)
        else:
            t *= c.lr
        p -= t
