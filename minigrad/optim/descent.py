"""How every optimizer on the CPU begins its update: which way is down, and the weight decay. kernels/update.cuh does it
on a GPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def descent(
    xp: Any, group: Mapping[str, Any], c: Any, p: Any, g: Any, t: Any, d: Any, *, decoupled: bool = False
) -> Any:
    """The gradient to descend by: g + weight_decay p, with -g for g where maximize.

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
    if group["maximize"]:
        g = xp.negative(g, d)
    if group["weight_decay"]:
        if decoupled:
            p *= c.shrink
        else:
            xp.multiply(p, c.weight_decay, t)
            g = xp.add(g, t, d)
    return g
