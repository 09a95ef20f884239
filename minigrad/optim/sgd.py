"""Stochastic gradient descent with momentum."""

from __future__ import annotations

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
    velocity: Any,
    average: Any,
    c: Any,
    decay: Any,
    decoupled: Any,
    momentum: Any,
    nesterov: Any,
    velocity_holds_lr: Any,
) -> None:
    """The update element by element; see `Optimizer.loop`."""
    lr, beta, gain, weight_decay, scale, _, ema_keep, ema_gain = c
    for i in range(p.size):
        w, d = p[i], g[i] * scale
        if decay is not None:
            d += w * weight_decay
        if momentum is None:
            w -= lr * d
        else:
            v = velocity[i] * beta + d * gain
            velocity[i] = v
            if velocity_holds_lr is not None:
                if nesterov is not None:
                    v = v * beta + d * lr
                w -= v
            else:
                if nesterov is not None:
                    v = v * beta + d
                w -= lr * v
        p[i] = w
        if average is not None:
            average[i] = average[i] * ema_keep + w * ema_gain


class SGD(Optimizer):
    """Stochastic gradient descent: plain, with momentum, or Nesterov's.

        d = g + weight_decay p              (-g where maximize)
        v = momentum v + (1 - dampening) d  (v = d at the first step)
        p = p - lr v                        (Nesterov: p - lr (d + momentum v); without momentum: p - lr d)

    With scale_velocity_by_lr the velocity holds the learning rate: v = momentum v + lr d, p = p - v. The two forms
    agree while lr is constant; this one remembers the rate that each gradient
    came with. (Nesterov: p = p - (lr d + momentum v).)

    Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning"; PyTorch's variant.

    Args:
        params: leaf tensors, or dicts of parameter groups.
        lr: learning rate, >= 0.
        momentum: factor of the velocity, in [0, 1).
        dampening: share of the gradient kept out of the velocity, in [0, 1).
        weight_decay: L2 penalty added to the gradient, >= 0.
        nesterov: look ahead; needs momentum > 0 and dampening = 0.
        maximize: ascend.
        scale_velocity_by_lr: the velocity holds lr (see above).
        **options: accumulate, max_norm, ema, nonfinite; see `Optimizer`.
    """

    columns = ("lr", "momentum", "gain", "weight_decay")
    kernel = UpdateKernel("sgd", "sgd_f32", ("momentum_buffer",), ("momentum", "nesterov", "scale_velocity_by_lr"))
    loop = staticmethod(loop)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        scale_velocity_by_lr: bool = False,
        **options: Unpack[Options],
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "scale_velocity_by_lr": scale_velocity_by_lr,
        }
        super().__init__(params, defaults, **options)

    def validate(self, group: Mapping[str, Any]) -> None:
        checks.number("lr", group["lr"])
        checks.number("momentum", group["momentum"], high=1.0)
        checks.number("dampening", group["dampening"], high=1.0)
        checks.number("weight_decay", group["weight_decay"])
        if group["nesterov"] and (not group["momentum"] or group["dampening"]):
            raise ValueError(
                "nesterov needs momentum > 0 and dampening = 0, "
                f"got momentum={group['momentum']!r}, dampening={group['dampening']!r}"
            )

    def state_names(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        return self.kernel.states if group["momentum"] else ()

    def coefficients(self, group: Mapping[str, Any], step: int) -> tuple[float, ...]:
        gain = 1.0 if step == 1 else 1.0 - group["dampening"]
        if group["scale_velocity_by_lr"]:
            gain *= group["lr"]
        return group["lr"], group["momentum"], gain, group["weight_decay"]

    def update(self, xp: Any, group: Mapping[str, Any], c: Any, p: Any, g: Any, *buffers: Any) -> None:
        *velocity, t, d = buffers
        g = descent(xp, group, c, p, g, t, d)
        if not velocity:
            xp.multiply(g, c.lr, t)
            p -= t
            return
        v = velocity[0]
        v *= c.momentum
        if group["dampening"] or group["scale_velocity_by_lr"]:
            xp.multiply(g, c.gain, t)
            v += t
        else:
            v += g  # the gain is 1
        # t is free again; what is left is p -= lr v, or p -= lr (g + momentum v), with lr inside v or not
        if group["nesterov"]:
            xp.multiply(v, c.momentum, t)
            if group["scale_velocity_by_lr"]:
                t += xp.multiply(g, c.lr, d)
            else:
                t += g
                t *= c.lr
            p -= t
        elif group["scale_velocity_by_lr"]:
            p -= v
        else:
            xp.multiply(v, c.lr, t)
            p -= t
