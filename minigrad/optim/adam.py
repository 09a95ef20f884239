"""Adam and AdamW."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, Unpack

from . import checks
from .descent import descent, move_moments
from .fused_update import UpdateKernel
from .optimizer import Optimizer
from .options import Options


def loop(
    p: Any, g: Any, m: Any, v: Any, largest: Any, average: Any, c: Any, decay: Any, decoupled: Any, amsgrad: Any
) -> None:
    """The update element by element; see `Optimizer.loop`."""
    beta1, keep1, beta2, keep2, eps, step_size, weight_decay, shrink, scale, _, ema_keep, ema_gain = c
    for i in range(p.size):
        w, d = p[i], g[i] * scale
        if decoupled is not None and decay is not None:
            w *= shrink
        elif decay is not None:
            d += w * weight_decay
        first = m[i] * beta1 + d * keep1
        second = v[i] * beta2 + d * d * keep2
        m[i], v[i] = first, second
        if largest is not None:
            if second > largest[i] or second != second:
                largest[i] = second
            second = largest[i]
        w -= step_size * (first / (math.sqrt(second) + eps))
        p[i] = w
        if average is not None:
            average[i] = average[i] * ema_keep + w * ema_gain


class Adam(Optimizer):
    """Adaptive moments with bias correction.

        d = g + weight_decay p                     (-g where maximize)
        m = beta1 m + (1 - beta1) d
        v = beta2 v + (1 - beta2) d^2
        p = p - lr / (1 - beta1^t) * m / (sqrt(v / (1 - beta2^t)) + eps)

    eps is added to the bias-corrected root, as in the paper's Algorithm 1 and in PyTorch. The update multiplies
    numerator and denominator by sqrt(1 - beta2^t), which saves a pass over memory.

    Kingma and Ba 2015, "Adam: a method for stochastic optimization".

    Args:
        params: leaf tensors, or dicts of parameter groups.
        lr: learning rate, >= 0.
        betas: decay rates of the moments, each in [0, 1).
        eps: added to the denominator, >= 0.
        weight_decay: L2 penalty added to the gradient, >= 0.
        amsgrad: divide by the largest second moment so far (Reddi et al. 2018).
        maximize: ascend.
        decoupled_weight_decay: p = p (1 - lr weight_decay) before the step instead, as AdamW does.
        **options: accumulate, max_norm, ema, nonfinite; see `Optimizer`.
    """

    columns = ("beta1", "keep1", "beta2", "keep2", "eps", "step_size", "weight_decay", "shrink")
    kernel = UpdateKernel("adam", "adam_f32", ("exp_avg", "exp_avg_sq", "max_exp_avg_sq"), ("amsgrad",))
    loop = staticmethod(loop)

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        decoupled_weight_decay: bool = False,
        **options: Unpack[Options],
    ) -> None:
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults, **options)

    def validate(self, group: Mapping[str, Any]) -> None:
        checks.moments(group)

    def state_names(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        return self.kernel.states if group["amsgrad"] else self.kernel.states[:2]

    def coefficients(self, group: Mapping[str, Any], step: int) -> tuple[float, ...]:
        beta1, beta2 = group["betas"]
        root = math.sqrt(1.0 - beta2**step)
        return (
            beta1,
            1.0 - beta1,
            beta2,
            1.0 - beta2,
            group["eps"] * root,
            group["lr"] * root / (1.0 - beta1**step),
            group["weight_decay"],
            1.0 - group["lr"] * group["weight_decay"],
        )

    def update(self, xp: Any, group: Mapping[str, Any], c: Any, p: Any, g: Any, *buffers: Any) -> None:
        m, v, *largest, t, d = buffers
        g = descent(xp, group, c, p, g, t, d, decoupled=self.decouples(group))
        move_moments(xp, c, m, v, g, t)
        if largest:
            v = xp.maximum(largest[0], v, out=largest[0])
        xp.sqrt(v, t)
        t += c.eps
        xp.divide(m, t, t)
        t *= c.step_size
        p -= t


class AdamW(Adam):
    """Adam with decoupled weight decay: p = p (1 - lr weight_decay) before the Adam step.

    Loshchilov and Hutter 2019, "Decoupled weight decay regularization".

    Args:
        params: leaf tensors, or dicts of parameter groups.
        lr: learning rate, >= 0.
        betas: decay rates of the moments, each in [0, 1).
        eps: added to the denominator, >= 0.
        weight_decay: share of each parameter removed per step and unit of lr, >= 0.
        amsgrad: divide by the largest second moment so far (Reddi et al. 2018).
        maximize: ascend.
        **options: accumulate, max_norm, ema, nonfinite; see `Optimizer`.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        **options: Unpack[Options],
    ) -> None:
        super().__init__(
            params, lr, betas, eps, weight_decay, amsgrad, maximize=maximize, decoupled_weight_decay=True, **options
        )
