"""Lion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Unpack

import numpy as np

from . import checks
from .descent import descent
from .fused_update import UpdateKernel
from .optimizer import Optimizer
from .options import Options

_LEAST = {np.dtype(t): float(np.finfo(t).tiny) for t in (np.float16, np.float32, np.float64)}
"""The smallest normal numbers, powers of two."""


def loop(p: Any, g: Any, m: Any, average: Any, c: Any, decay: Any, decoupled: Any) -> None:
    """The update element by element; see `Optimizer.loop`."""
    lr, beta1, keep1, beta2, keep2, shrink, scale, _, ema_keep, ema_gain = c
    for i in range(p.size):
        w, d, before = p[i], g[i] * scale, m[i]
        if decay is not None:
            w *= shrink
        ahead = before * beta1 + d * keep1
        m[i] = before * beta2 + d * keep2
        if ahead > 0:
            w -= lr
        elif ahead < 0:
            w += lr
        else:
            w -= ahead  # 0 or nan
        p[i] = w
        if average is not None:
            average[i] = average[i] * ema_keep + w * ema_gain


class Lion(Optimizer):
    """Steps of one size in the direction of the sign of a moving average: half the state of Adam.

        p = p (1 - lr weight_decay) - lr sign(beta1 m + (1 - beta1) g)     (-g where maximize)
        m = beta2 m + (1 - beta2) g

    Each step moves every parameter by lr, so lr is 3 to 10 times smaller than Adam's, and weight_decay larger by as
    much.

    Chen et al. 2023, "Symbolic discovery of optimization algorithms", algorithm 2. PyTorch has none.

    Args:
        params: leaf tensors, or dicts of parameter groups.
        lr: learning rate, >= 0.
        betas: decay rates of the average, for the step and for keeping, each in [0, 1).
        weight_decay: share of each parameter removed per step and unit of lr, >= 0.
        maximize: ascend.
        **options: accumulate, max_norm, ema, nonfinite; see `Optimizer`.
    """

    columns = ("lr", "beta1", "keep1", "beta2", "keep2", "shrink")
    kernel = UpdateKernel("lion", "lion_f32", ("exp_avg",))
    loop = staticmethod(loop)
    scratch = 3

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        **options: Unpack[Options],
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "weight_decay": weight_decay, "maximize": maximize}
        super().__init__(params, defaults, **options)

    def validate(self, group: Mapping[str, Any]) -> None:
        checks.number("lr", group["lr"])
        checks.betas(group["betas"])
        checks.number("weight_decay", group["weight_decay"])

    def state_names(self, group: Mapping[str, Any]) -> tuple[str, ...]:
        return self.kernel.states

    def decouples(self, group: Mapping[str, Any]) -> bool:
        return True

    def coefficients(self, group: Mapping[str, Any], step: int) -> tuple[float, ...]:
        (beta1, beta2), lr = group["betas"], group["lr"]
        return lr, beta1, 1.0 - beta1, beta2, 1.0 - beta2, 1.0 - lr * group["weight_decay"]

    def update(self, xp: Any, group: Mapping[str, Any], c: Any, p: Any, g: Any, *buffers: Any) -> None:
        m, t, d, s = buffers
        g = descent(xp, group, c, p, g, t, d, decoupled=True)
        xp.multiply(m, c.beta1, t)
        xp.multiply(g, c.keep1, s)
        t += s
        m *= c.beta2
        xp.multiply(g, c.keep2, s)
        m += s
        # the sign, for which NumPy's own function takes several times as long: all but subnormal numbers become 1
        least = _LEAST[p.dtype]
        xp.clip(t, -least, least, out=t)
        t *= 1.0 / least
        t *= c.lr
        p -= t
