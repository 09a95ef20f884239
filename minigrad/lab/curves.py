"""Functions of one weight, and plain descent on them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..transforms import elementwise_grad
from .notebook import Notebook, host

START, RATE = -1.5, 0.001
"""The example of the lecture notes: where it begins, and its learning rate."""
FAR = 1e6
"""A weight beyond this has diverged."""


@dataclass(frozen=True)
class Curve:
    """A loss of one weight.

    formula: as text.
    loss: elementwise.
    best: the weight of least loss.
    other: the other weight where a descent may stay, and what it is.
    window: the weights to look at.
    """

    formula: str
    loss: Callable[[Any], Any]
    best: float
    best_name: str
    other: float
    other_name: str
    window: tuple[float, float]


QUARTIC = Curve(
    "w^4 - 3w^3 + 2", lambda w: w**4 - 3 * w**3 + 2,
    2.25, "minimum, w = 2.25", 0.0, "held up at the flat spot, w = 0", (-2.0, 3.5),
)  # fmt: skip
"""The example of the lecture notes; its slope w^2 (4w - 9) is 0 at its only minimum, and at a flat spot before it."""
VALLEYS = Curve(
    "w^4 - 3w^2 + w", lambda w: w**4 - 3 * w**2 + w,
    -1.300839565941577, "deep valley, w = -1.30", 1.1309011226299859, "shallow valley, w = 1.13", (-2.4, 2.4),
)  # fmt: skip
"""A deep valley on the left, a shallow one on the right, a low ridge between them, at w = 0.17."""


def descend(lab: Notebook, loss: Callable[[Any], Any], start: float, rate: float, steps: int) -> np.ndarray:
    """Plain descent: w = w - rate dL/dw.

    Args:
        lab: says on which device.
        loss: elementwise function of the weight.
        start: the first weight.
        rate: learning rate.
        steps: how many.

    Returns:
        (steps + 1,) weights; nan from where they are beyond FAR.
    """
    slope = elementwise_grad(loss)
    path = [start]
    for _ in range(steps):
        w = path[-1] - rate * float(host(slope(lab.tensor(path[-1]))))
        path.append(w if abs(w) <= FAR else math.nan)
    return np.array(path)


def ends(
    lab: Notebook, loss: Callable[[Any], Any], starts: np.ndarray, rates: np.ndarray, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """The last two weights of every descent of a grid; those that stand still are not moved on.

    Args:
        lab: says on which device.
        loss: elementwise function of the weights.
        starts: (rows, 1) first weights.
        rates: (columns,) learning rates.
        steps: how many at most.

    Returns:
        The last but one and the last weight, (rows, columns) each; nan where they left for good.
    """
    slope = elementwise_grad(loss)
    shape = np.broadcast_shapes(starts.shape, rates.shape)
    w, rate = np.broadcast_to(starts, shape).flatten(), np.broadcast_to(rates, shape).flatten()
    before, moving = w.copy(), np.arange(w.size)
    for _ in range(steps):
        here = w[moving]
        new = here - rate[moving] * host(slope(lab.tensor(here)))
        new[np.abs(new) > 1e3] = math.nan
        before[moving], w[moving] = here, new
        moving = moving[np.abs(new - here) > 1e-9]
        if not moving.size:
            break
    return before.reshape(shape), w.reshape(shape)
