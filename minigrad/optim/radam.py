"""RAdam."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Unpack

from . import checks
from .descent import descent, move_moments
from .fused_update import UpdateKernel
from .optimizer import Optimizer
from .options import Options


def loop(p: Any, g: Any, m: Any, v: Any, average: Any, c: Any, decay: Any, decoupled: Any) -> None:
    """The update element by element; see `Optimizer.loop`."""
    beta1, keep1, beta2, keep2, eps, weight_decay, shrink, plain, rectified, scale, _, ema_keep, ema_gain = c
    for i in range(p.size):
        w, d = p[i], g[i] * scale
        if decoupled is not None and decay is not None:
            w *= shrink
        elif decay is not None:
            d += w * weight_decay
        first = m[i] * beta1 + d * keep1
        second = v[i] * beta2 + d * d * keep2
        m[i], v[i] = first, second
        w -= first * (plain + rectified / (math.sqrt(second) + eps))
        p[i] = w
        if average is not None:
            average[i] = average[i] * ema_keep + w * ema_gain


class RAdam(Optimizer):
    """Adam that does without the second moment until enough gradients have gone into it, and trusts it by degrees.

        d = g + weight_decay p                     (-g where maximize)
        m = beta1 m + (1 - beta1) d
        v = beta2 v + (1 - beta2) d^2
        rho = R - 2 t beta2^t / (1 - beta2^t)      with R = 2 / (1 - beta2) - 1
        r = sqrt((rho - 4) (rho - 2) R / ((R - 4) (R - 2) rho))
        p = p - lr m / (1 - beta1^t) * r sqrt(1 - beta2^t) / (sqrt(v) + eps)     where rho > 5
        p = p - lr m / (1 - beta1^t)                                             else

    Liu et al. 2020, "On the variance of the adaptive learning rate and beyond"; PyTorch's variant, which adds eps to
    the root of v before the bias is corrected.

    Args:
        params: leaf tensors, or dicts of parameter groups.
        lr: learning rate, >= 0.
        betas: decay rates of the moments, each in [0, 1).
        eps: added to the denominator, >= 0.
        weight_decay: L2 penalty added to the gradient, >= 0.
        decoupled_weight_decay: p = p (1 - lr weight_decay) before the step instead, as in AdamW.
        maximize: ascend.
        **options: accumulate, max_norm, ema, nonfinite; see `Optimizer`.
    """

    columns = ("beta1", "keep1", "beta2", "keep2", "eps", "weight_decay", "shrink", "plain", "rectified")
    kernel = UpdateKernel("radam", "radam_f32", ("exp_avg", "exp_avg_sq"))
    loop = staticmethod(loop)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        decoupled_weight_decay: bool = False,
        *,
        maximize: bool = False,
        **options: Unpack[Options],
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults, **options)

    def validate(self, group: Mapping[str, Any]) -> None:
        checks.moments(group)

    def state_names(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        return self.kernel.states

    def coefficients(self, group: Mapping[str, Any], step: int) -> tuple[float, ...]:
        beta1, beta2 = group["betas"]
        lr, decay = group["lr"], group["weight_decay"]
        plain, rectified, eps = lr / (1.0 - beta1**step), 0.0, 1.0  # an eps of 1 keeps 0 / 0 out of the plain step
        correction = 1.0 - beta2**step
        most = 2.0 / (1.0 - beta2) - 1.0
        rho = most - 2.0 * step * beta2**step / correction
        if rho > 5.0:
            rectification = math.sqrt((rho - 4.0) * (rho - 2.0) * most / ((most - 4.0) * (most - 2.0) * rho))
            plain, rectified, eps = 0.0, plain * rectification * math.sqrt(correction), group["eps"]
        return beta1, 1.0 - beta1, beta2, 1.0 - beta2, eps, decay, 1.0 - lr * decay, plain, rectified

    def update(self, xp: Any, group: Mapping[str, Any], c: Any, p: Any, g: Any, *buffers: Any) -> None:
        m, v, t, d = buffers
        g = descent(xp, group, c, p, g, t, d, decoupled=self.decouples(group))
        move_moments(xp, c, m, v, g, t)
        xp.sqrt(v, t)
        t += c.eps
        xp.divide(c.rectified, t, t)
        t += c.plain
        t *= m
        p -= t
