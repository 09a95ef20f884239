"""NAdam."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar, Unpack

from . import checks
from .descent import descent, move_moments
from .fused_update import UpdateKernel
from .optimizer import Optimizer
from .options import Options


def loop(p: Any, g: Any, m: Any, v: Any, average: Any, c: Any, decay: Any, decoupled: Any) -> None:
    """The update element by element; see `Optimizer.loop`."""
    beta1, keep1, beta2, keep2, eps, weight_decay, shrink, of_gradient, of_momentum, scale, _, ema_keep, ema_gain = c
    for i in range(p.size):
        w, d = p[i], g[i] * scale
        if decoupled is not None and decay is not None:
            w *= shrink
        elif decay is not None:
            d += w * weight_decay
        first = m[i] * beta1 + d * keep1
        second = v[i] * beta2 + d * d * keep2
        m[i], v[i] = first, second
        w -= (first * of_momentum + d * of_gradient) / (math.sqrt(second) + eps)
        p[i] = w
        if average is not None:
            average[i] = average[i] * ema_keep + w * ema_gain


def momentum(group: Mapping[str, Any], step: int) -> float:
    """mu_t, which rises from beta1 / 2 to beta1."""
    return float(group["betas"][0] * (1.0 - 0.5 * 0.96 ** (step * group["momentum_decay"])))


class NAdam(Optimizer):
    """Adam with Nesterov's momentum: the step takes the moment of the next step, as far as it is known.

        d = g + weight_decay p                     (-g where maximize)
        mu_t = beta1 (1 - 0.96^(t momentum_decay) / 2)
        m = beta1 m + (1 - beta1) d
        v = beta2 v + (1 - beta2) d^2
        h = (1 - mu_t) / (1 - mu_1 ... mu_t) d + mu_(t+1) / (1 - mu_1 ... mu_(t+1)) m
        p = p - lr h / (sqrt(v / (1 - beta2^t)) + eps)

    The product mu_1 ... mu_t is kept for each parameter (`mu_product`), since betas may change on the way.

    Dozat 2016, "Incorporating Nesterov momentum into Adam"; PyTorch's variant. PyTorch keeps the product in float32
    unless its default dtype is float64; here it is in double precision.

    Args:
        params: leaf tensors, or dicts of parameter groups.
        lr: learning rate, >= 0.
        betas: decay rates of the moments, each in [0, 1).
        eps: added to the denominator, >= 0.
        weight_decay: L2 penalty added to the gradient, >= 0.
        momentum_decay: how fast mu rises, >= 0.
        decoupled_weight_decay: p = p (1 - lr weight_decay) before the step instead, as in AdamW.
        maximize: ascend.
        **options: accumulate, max_norm, ema, nonfinite; see `Optimizer`.
    """

    columns = ("beta1", "keep1", "beta2", "keep2", "eps", "weight_decay", "shrink", "of_gradient", "of_momentum")
    kernel = UpdateKernel("nadam", "nadam_f32", ("exp_avg", "exp_avg_sq"))
    loop = staticmethod(loop)
    scalars: ClassVar[Mapping[str, float]] = {"mu_product": 1.0}

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
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
            "momentum_decay": momentum_decay,
            "decoupled_weight_decay": decoupled_weight_decay,
            "maximize": maximize,
        }
        super().__init__(params, defaults, **options)

    def validate(self, group: Mapping[str, Any]) -> None:
        checks.moments(group)
        checks.number("momentum_decay", group["momentum_decay"])

    def state_names(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        return self.kernel.states

    def advance(self, group: Mapping[str, Any], step: int, scalars: tuple[float, ...]) -> tuple[float, ...]:
        return (scalars[0] * momentum(group, step),)

    def coefficients(self, group: Mapping[str, Any], step: int) -> tuple[float, ...]:
        """As if the hyper-parameters had been these from the start."""
        return self.row(group, step, (math.prod(momentum(group, t) for t in range(1, step + 1)),))

    def row(self, group: Mapping[str, Any], step: int, scalars: tuple[float, ...]) -> tuple[float, ...]:
        (product,) = scalars
        beta1, beta2 = group["betas"]
        lr, decay = group["lr"], group["weight_decay"]
        mu, following = momentum(group, step), momentum(group, step + 1)
        root = math.sqrt(1.0 - beta2**step)  # of numerator and denominator, as in Adam
        of_gradient = lr * root * (1.0 - mu) / (1.0 - product)
        of_momentum = lr * root * following / (1.0 - product * following)
        moments = (beta1, 1.0 - beta1, beta2, 1.0 - beta2)
        return (*moments, group["eps"] * root, decay, 1.0 - lr * decay, of_gradient, of_momentum)

    def update(self, xp: Any, group: Mapping[str, Any], c: Any, p: Any, g: Any, *buffers: Any) -> None:
        m, v, t, d = buffers
        g = descent(xp, group, c, p, g, t, d, decoupled=self.decouples(group))
        move_moments(xp, c, m, v, g, t)
        xp.multiply(g, c.of_gradient, d)  # g is not needed any more
        xp.multiply(m, c.of_momentum, t)
        d += t
        xp.sqrt(v, t)
        t += c.eps
        xp.divide(d, t, t)
        p -= t
