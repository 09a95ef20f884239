"""The tape's numbers alone, without a reference: for comparing one version of a rule with another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backend.device import device_of, on_device, provider_of
from ..core.modes import enable_grad
from ..core.variable import wrap
from .level import Level
from .tape import Derivative, Evaluate, Function, flat, floating, in_dtype, raw_of


def gradients_of(
    f: Callable[..., Any],
    *xs: Any,
    order: int = 1,
    argnums: Sequence[int] | None = None,
    dtype: Any = None,
    seed: int = 0,
) -> list[np.ndarray]:
    """The gradients of <w, f> for random w, of every order up to one, by the ordinary backward and by create_graph.

    Args:
        f: function of Tensors.
        *xs: its arguments.
        order: highest order.
        argnums: positions of the arguments to differentiate; None means every floating-point one.
        dtype: to cast floating-point arguments to; None keeps what they have.
        seed: of w.

    Returns:
        Vectors in float64 on the host; order by order, argument by argument.
    """
    where = next((device_of(x) for x in map(raw_of, xs) if provider_of(x) is not None), "cpu")
    with enable_grad(), on_device(where), np.errstate(all="ignore"):
        raws = [raw_of(x) for x in xs]
        cast = [in_dtype(x, dtype or np.float64, where) if dtype or not floating(x) else x for x in raws]
        able = [i for i, a in enumerate(cast) if floating(a)]
        chosen = able if argnums is None else [i % len(xs) for i in argnums]
        evaluate: Evaluate = Function(f, [wrap(a) if i in able else xs[i] for i, a in enumerate(cast)], chosen)
        points = [cast[i] for i in chosen]
        rng = np.random.default_rng(seed)
        found: list[np.ndarray] = []
        for k in range(1, order + 1):
            level = Level(evaluate, points, [""] * len(points), chosen, k, rng)
            level.run()
            if not level.finite:
                break
            found += [flat([g]) for g in level.gradients]
            found += [flat([g]) for g in level.pulled(level.cotangents, create_graph=True)]
            evaluate, points = Derivative(evaluate, len(points)), points + level.cotangents
    return found
