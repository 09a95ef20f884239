"""Hidden units that begin with equal weights get equal gradients, and stay equal for ever."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import optim
from ..nn import MLP, Linear, init
from . import style
from .notebook import Notebook, host
from .problem import Moons

UNITS = 8
FILLS: dict[str, Any] = {
    "all 0": init.zeros_,
    "all 0.5": lambda w: init.constant_(w, 0.5),
    "Xavier": init.xavier_normal_,
}


def follow(problem: Moons, fill: Any, steps: int, rate: float) -> tuple[np.ndarray, float]:
    """Train with the full batch: the first layer's weights (steps + 1, units, 2), and the loss at the end."""
    model: MLP = problem.model()
    first: Any = None
    for layer in model.modules():
        if isinstance(layer, Linear) and layer.bias is not None:
            fill(layer.weight)
            init.zeros_(layer.bias)
            first = first or layer
    optimizer = optim.SGD(model.parameters(), rate)
    path = [host(first.weight).copy()]
    for _ in range(steps):
        optimizer.zero_grad()
        problem.loss(model).backward()
        optimizer.step()
        path.append(host(first.weight).copy())
    return np.array(path), problem.whole_loss(model)


def draw_symmetry(lab: Notebook) -> None:
    """The way of every hidden unit in the plane of its two weights."""
    problem = Moons(lab, lab.pick(256, 32), UNITS)
    steps = lab.pick(800, 10)
    figure = style.figure(11, 3.9, f"The {UNITS} hidden units of a network, {steps} steps of the full batch")
    lab.say(f"{UNITS} hidden units after {steps} steps of the full batch:")
    for axis, (name, fill) in zip(figure.subplots(1, 3), FILLS.items(), strict=True):
        path, loss = follow(problem, fill, steps, 1.0)
        different = len(np.unique(path[-1].round(6), axis=0))
        key = name.lower().replace(" ", "_").replace(".", "")
        lab.number(f"units_{key}", different, f"  weights {name:8s} different units {{:.0f}}")
        lab.number(f"symmetry_loss_{key}", loss, "                   loss {:.4f}")
        for unit in range(UNITS):
            axis.plot(*path[:, unit].T, color=style.BLUE, linewidth=1.0, alpha=0.8)
        axis.plot(*path[0].T, "o", color="white", markeredgecolor="black", markersize=7, linestyle="", label="start")
        axis.plot(
            *path[-1].T, "s", color=style.ORANGE, markeredgecolor="black", markersize=7, linestyle="", label="end"
        )
        count = "one unit, eight times" if different == 1 else f"{different} different units"
        axis.set(xlabel="weight of the first input", ylabel="weight of the second input")
        axis.set_title(f"{name}: {count}, loss {loss:.3f}")
        axis.margins(0.2)
        axis.legend(loc="best")
    lab.picture("symmetry", figure)
