"""Momentum rolls through a shallow minimum and past a deep one; Nesterov's brakes earlier."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import optim
from . import style
from .curves import VALLEYS
from .notebook import Notebook, host

RATE, BETA = 0.01, 0.9
STARTS = (2.2, 2.0)
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "momentum": {"momentum": BETA},
    "Nesterov": {"momentum": BETA, "nesterov": True},
}


def roll(lab: Notebook, start: float, options: dict[str, Any], steps: int) -> np.ndarray:
    """SGD on VALLEYS: (steps + 1,) weights."""
    w = lab.tensor(start, requires_grad=True)
    optimizer = optim.SGD([w], RATE, **options)
    path = [start]
    for _ in range(steps):
        optimizer.zero_grad()
        VALLEYS.loss(w).backward()
        optimizer.step()
        path.append(float(host(w)))
    return np.array(path)


def draw_momentum(lab: Notebook) -> None:
    """From two heights: on the curve above, against steps below."""
    steps = lab.pick(120, 30)
    figure = style.figure(
        9.6, 6, f"L(w) = {VALLEYS.formula}, rate {RATE}, momentum {BETA}: who leaves the shallow valley?"
    )
    w = np.linspace(-2.3, 2.3, 300)
    for column, (axes, start) in enumerate(zip(figure.subplots(2, 2).T, STARTS, strict=True)):
        top, below = axes
        top.plot(w, VALLEYS.loss(w), color=style.GREY, linewidth=1.2)
        lab.say(f"two valleys from w = {start} at the rate {RATE}, {steps} steps:")
        for i, (name, options) in enumerate(KINDS.items()):
            path = roll(lab, start, options, steps)
            lab.number(f"roll_{column}_{name.lower()}", path[-1], f"  {name:9s} ends at {{:.4f}}")
            beyond = max(0.0, VALLEYS.best - path.min())
            lab.number(
                f"overshoot_{column}_{name.lower()}", beyond, "            and went {:.3f} beyond the deep minimum"
            )
            lift = 1.1 * i  # side by side, not over one another
            top.plot(path, VALLEYS.loss(path) + lift, **style.line(i, 1), linewidth=0.8, label=name)
            below.plot(path, **style.line(i, 8), label=name)
        for at, text in ((VALLEYS.best, "deep minimum"), (VALLEYS.other, "shallow minimum")):
            below.axhline(at, color=style.GREY, linewidth=0.8, linestyle=":")
            below.text(steps, at + 0.12, text, ha="right", va="bottom", fontsize=8)
        top.set(xlabel="weight w", ylabel="loss L(w), paths drawn apart", ylim=(-4.5, 14), title=f"from w = {start}")
        below.set(xlabel="step", ylabel="weight w", ylim=(-2.1, 2.4))
        top.legend(loc="upper center")
    lab.picture("momentum", figure)
