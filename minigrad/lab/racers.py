"""The optimizers that race one another, and a race on a surface."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .. import optim
from ..data.surfaces import Surface
from ..ops.shape import stack
from .notebook import Notebook, host

Maker = Callable[[Any, float], optim.Optimizer]
"""Makes an optimizer of parameters (or groups of them) and a learning rate."""

RACERS: dict[str, Maker] = {
    "SGD": lambda params, lr: optim.SGD(params, lr),
    "momentum": lambda params, lr: optim.SGD(params, lr, momentum=0.9),
    "Nesterov": lambda params, lr: optim.SGD(params, lr, momentum=0.9, nesterov=True),
    "Adagrad": lambda params, lr: optim.Adagrad(params, lr),
    "Adadelta": lambda params, lr: optim.Adadelta(params, lr),
    "RMSprop": lambda params, lr: optim.RMSprop(params, lr),
    "Adam": lambda params, lr: optim.Adam(params, lr),
    "AdamW": lambda params, lr: optim.AdamW(params, lr),
    "Adamax": lambda params, lr: optim.Adamax(params, lr),
    "NAdam": lambda params, lr: optim.NAdam(params, lr),
    "RAdam": lambda params, lr: optim.RAdam(params, lr),
    "Lion": lambda params, lr: optim.Lion(params, lr),
}
"""Every optimizer of the library by the name that pictures show, with its defaults but for the learning rate."""
FAR = 1e3
"""A point beyond this has diverged."""


def race(
    lab: Notebook, surface: Surface, make: Maker, rates: Sequence[float], steps: int, start: tuple[float, float]
) -> np.ndarray:
    """One optimizer at several learning rates at once.

    Args:
        lab: says on which device.
        surface: to descend on.
        make: the optimizer.
        rates: learning rates.
        steps: how many.
        start: (x, y).

    Returns:
        (len(rates), steps + 1, 2) points; nan from where they are beyond FAR.
    """
    points = [lab.tensor(start, requires_grad=True) for _ in rates]
    optimizer = make([{"params": [p], "lr": lr} for p, lr in zip(points, rates, strict=True)], rates[0])
    path = np.full((len(rates), steps + 1, 2), np.nan)
    path[:, 0] = start
    with np.errstate(over="ignore", invalid="ignore"):
        for step in range(steps):
            optimizer.zero_grad()
            surface(stack(points)).sum().backward()
            optimizer.step()
            path[:, step + 1] = [host(p) for p in points]
        gone = np.logical_or.accumulate(~(np.abs(path).max(axis=2) < FAR), axis=1)
    path[gone] = np.nan
    return path


def fastest(
    lab: Notebook, surface: Surface, make: Maker, rates: Sequence[float], steps: int, near: float
) -> tuple[float, np.ndarray]:
    """The rate that is first to be within `near` of the least value and stay there, or else ends lowest.

    Returns:
        The rate, and its path (steps + 1, 2).
    """
    paths = race(lab, surface, make, rates, steps, surface.start)
    with np.errstate(over="ignore"):
        heights = np.nan_to_num(surface(paths), nan=np.inf) - (surface.value or 0.0)
    order = [(settled_after(h < near), h[-1]) for h in heights]
    i = order.index(min(order))
    return rates[i], paths[i]


def steps_until(reached: np.ndarray) -> float:
    """The first step at which a condition holds; inf where it never does.

    Args:
        reached: (steps + 1,) bool.
    """
    return float(np.argmax(reached)) if reached.any() else np.inf


def settled_after(reached: np.ndarray) -> float:
    """The first step from which on a condition holds to the end; inf where it does not.

    Args:
        reached: (steps + 1,) bool.
    """
    if not reached[-1]:
        return np.inf
    return float(len(reached) - np.argmin(reached[::-1])) if not reached.all() else 0.0
