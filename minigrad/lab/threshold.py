"""A binary threshold unit has the gradient 0 everywhere: descent cannot move it. Steep sigmoids come near to that."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..nn import functional as F
from ..transforms import elementwise_grad, value_and_grad
from . import style
from .notebook import Notebook, host

UNITS: dict[str, Callable[[Any], Any]] = {
    "threshold": lambda z: 0.5 + 0.5 * np.sign(z),
    "sigmoid(25 z)": lambda z: F.sigmoid(25 * z),
    "sigmoid(5 z)": lambda z: F.sigmoid(5 * z),
    "sigmoid(z)": lambda z: F.sigmoid(z),
}
KEYS = ("threshold", "sigmoid_25", "sigmoid_5", "sigmoid_1")
START, RATE = (-0.2, 0.5), 0.5


def train(lab: Notebook, unit: Callable[[Any], Any], x: np.ndarray, y: np.ndarray, steps: int) -> tuple[Any, Any]:
    """Descend from START: the losses (steps + 1,), and the norms of the gradients."""

    def loss(point: Any) -> Any:
        return ((unit(point[0] * inputs + point[1]) - targets) ** 2).mean()

    inputs, targets = lab.tensor(x), lab.tensor(y)
    point, losses, norms = np.array(START), [], []
    for _ in range(steps + 1):
        value, slope = value_and_grad(loss)(lab.tensor(point))
        losses.append(float(host(value)))
        norms.append(float(np.linalg.norm(host(slope))))
        point = point - RATE * host(slope)
    return np.array(losses), np.array(norms)


def draw_threshold(lab: Notebook) -> None:
    """Outputs, derivatives, and the losses of training each unit to tell two heaps apart."""
    draws = lab.generator("threshold")
    y = np.arange(80) % 2.0
    x = 2 * y - 1 + 0.5 * draws.normal(size=80)
    z = np.linspace(-2, 2, 400)
    figure = style.figure(11, 3.8, "A unit with a threshold has no slope to descend on")
    out, slope, learn = figure.subplots(1, 3)
    steps = lab.pick(200, 5)
    lab.say(f"one unit from w = -0.2, b = 0.5, two heaps of points, {steps} steps at the rate {RATE}:")
    for i, (name, unit) in enumerate(UNITS.items()):
        losses, norms = train(lab, unit, x, y, steps)
        lab.say(f"  {name}")
        lab.number(f"first_gradient_{KEYS[i]}", norms[0], "    norm of the first gradient {:.6f}")
        lab.number(f"unit_before_{KEYS[i]}", losses[0], "    loss before {:.4f}")
        lab.number(f"unit_after_{KEYS[i]}", losses[-1], "    loss after  {:.4f}")
        look = {**style.line(i), "linewidth": 1.6 if i else 4.0}  # the first lies under others
        out.plot(z, host(unit(lab.tensor(z))), **look, label=name)
        slope.plot(z, host(elementwise_grad(unit)(lab.tensor(z))), **look, label=name)
        learn.plot(losses, **look, label=name)
    out.set(xlabel="z = w x + b", ylabel="output", title="output")
    slope.set(xlabel="z = w x + b", ylabel="derivative of the output", title="derivative")
    learn.set(xlabel="step", ylabel="mean squared error", title="learning", ylim=(0, None))
    slope.legend()
    lab.picture("threshold", figure)
