"""Adamax."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Unpack

from . import checks
from .descent import descent
from .fused_update import UpdateKernel
from .optimizer import Optimizer
from .options import Options


def loop(p: Any, g: Any, m: Any, largest: Any, average: Any, c: Any, decay: Any, decoupled: Any) -> None:
    """The update element by element; see `Optimizer.loop`."""
    beta1, keep1, beta2, eps, step_size, weight_decay, scale, _, ema_keep, ema_gain = c
    for i in range(p.size):
        w, d = p[i], g[i] * scale
        if decay is not None:
            d += w * weight_decay
        first = m[i] * beta1 + d * keep1
        size, u = abs(d) + eps, largest[i] * beta2
        if size > u or size != size:
            u = size
        m[i], largest[i] = first, u
        w -= step_size * (first / u)
        p[i] = w
        if average is not None:
            average[i] = average[i] * ema_keep + w * ema_gain


class Adamax(Optimizer):
    """Adam with the largest gradient of late in place of the root of the second moment.

        d = g + weight_decay p                     (-g where maximize)
        m = beta1 m + (1 - beta1) d
        u = max(beta2 u, |d| + eps)
        p = p - lr / (1 - beta1^t) * m / u

    Kingma and Ba 2015, "Adam: a method for stochastic optimization", section 7.1; PyTorch's variant, which adds eps.

    Args:
        params: leaf tensors, or dicts of parameter groups.
        lr: learning rate, >= 0.
        betas: decay rates of the moment and of the norm, each in [0, 1).
        eps: added to the size of the gradient, >= 0.
        weight_decay: L2 penalty added to the gradient, >= 0.
        maximize: ascend.
        **options: accumulate, max_norm, ema, nonfinite; see `Optimizer`.
    """

    columns = ("beta1", "keep1", "beta2", "eps", "step_size", "weight_decay")
    kernel = UpdateKernel("adamax", "adamax_f32", ("exp_avg", "exp_inf"))
    loop = staticmethod(loop)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **options: Unpack[Options],
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults, **options)

    def validate(self, group: Mapping[str, Any]) -> None:
        checks.moments(group)

    def state_names(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        return self.kernel.states

    def coefficients(self, group: Mapping[str, Any], step: int) -> tuple[float, ...]:
        beta1, beta2 = group["betas"]
        step_size = group["lr"] / (1.0 - beta1**step)
        return beta1, 1.0 - beta1, beta2, group["eps"], step_size, group["weight_decay"]

    def update(self, xp: Any, group: Mapping[str, Any], c: Any, p: Any, g: Any, *buffers: Any) -> None:
        m, largest, t, d = buffers
        g = descent(xp, group, c, p, g, t, d)
        m *= c.beta1
        xp.multiply(g, c.keep1, t)
        m += t
        largest *= c.beta2
        xp.absolute(g, t)
        t += c.eps
        xp.maximum(largest, t, out=largest)
        xp.divide(m, largest, t)
        t *= c.step_size
        p -= t
