"""How every optimizer on the CPU begins and ends its update: which way is down, the weight decay, the average of the
parameters. kernels/update.cuh does it on a GPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def descent(
    xp: Any, group: Mapping[str, Any], c: Any, p: Any, g: Any, t: Any, d: Any, *, decoupled: bool = False
) -> Any:
    """The gradient to descend by: scale g + weight_decay p.

    Args:
        xp: the array module.
        group: hyper-parameters.
        c: coefficients; weight_decay, or shrink where decoupled.
        p: parameters.
        g: gradients; not written to.
        t, d: temporaries.
        decoupled: multiply p by shrink instead of adding to the gradient.

    Returns:
        g itself, or d.
    """
    if c.scaled:
        g = xp.multiply(g, c.scale, d)
    if group["weight_decay"]:
        if decoupled:
            p *= c.shrink
        else:
            xp.multiply(p, c.weight_decay, t)
            g = xp.add(g, t, d)
    return g


def move_moments(xp: Any, c: Any, m: Any, v: Any, g: Any, t: Any) -> None:
    """Move the moments of Adam and its kin on: m = beta1 m + keep1 g, v = beta2 v + keep2 g g.

    Args:
        xp: the array module.
        c: coefficients.
        m, v: first and second moment; written to.
        g: gradients; not written to.
        t: a temporary.
    """
    m *= c.beta1
    xp.multiply(g, c.keep1, t)
    m += t
    v *= c.beta2
    xp.multiply(g, g, t)
    t *= c.keep2
    v += t


def follow(xp: Any, c: Any, p: Any, average: Any, t: Any) -> None:
    """Move the average of the parameters on: average = ema_keep average + ema_gain p.

    Args:
        xp: the array module.
        c: coefficients.
        p: parameters.
        average: written to.
        t: a temporary.
    """
    average *= c.ema_keep
    xp.multiply(p, c.ema_gain, t)
    average += t
