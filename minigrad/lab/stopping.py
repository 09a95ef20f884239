"""When to stop: at a loss, at a gradient, or when the loss changes no more. `fit` has the first two as arguments."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import optim
from ..backend import random
from ..data import DataLoader
from ..nn import Linear, init
from ..nn import functional as F
from ..training import History, fit
from . import style
from .notebook import Notebook, host

LIMITS = (1.0, 0.1, 0.01, 1e-3, 1e-4)
RATE = 0.02


def stop_by(lab: Notebook, x: np.ndarray, y: np.ndarray, epochs: int, **rules: Any) -> tuple[History, np.ndarray]:
    """Fit a line with the full batch until a rule of `fit` ends it: the history, and (slope, offset)."""
    random.manual_seed(lab.seed)
    model = Linear(1, 1, device=lab.device)
    for p in model.parameters():
        init.constant_(p, -1.0)
    loader = DataLoader((x[:, None], y[:, None]), len(x), shuffle=False, device=lab.device)
    optimizer = optim.SGD(model.parameters(), RATE)
    history = fit(model, loader, loss=F.mse_loss, optimizer=optimizer, epochs=epochs, progress=False, **rules)
    line = np.array([float(host(p).reshape(())) for p in model.parameters()])
    return history, line


def unchanged(change: float) -> Any:
    """A callback of `fit` that ends the run when an epoch changes the loss by less."""
    last = [np.inf]

    def rule(run: Any) -> bool:
        loss = run.history.last["loss"]
        small = abs(last[0] - loss) < change
        last[0] = loss
        return small

    return rule


def draw_stopping(lab: Notebook, x: np.ndarray, y: np.ndarray, best: np.ndarray) -> None:
    """Epochs until each rule stops, and how far from the closed form that is."""
    epochs = lab.pick(1000, 60)
    least = float(((best[0] * x + best[1] - y) ** 2).mean())
    rules: dict[str, Any] = {
        "loss − least loss": lambda limit: {"target_loss": least + limit},
        "gradient norm": lambda limit: {"grad_norm": limit},
        "change of the loss": lambda limit: {"callbacks": unchanged(limit)},
    }
    keys = ("loss", "gradient", "change")
    figure = style.figure(9.6, 3.9, f"Stop when this is below the limit (full batch, rate {RATE})")
    left, right = figure.subplots(1, 2)
    limits = LIMITS[:2] if lab.smoke else LIMITS
    lab.say("stopping rules: epochs, and what is left to the closed form")
    for i, (name, rule) in enumerate(rules.items()):
        runs = [stop_by(lab, x, y, epochs, **rule(limit)) for limit in limits]
        lengths = [len(history) for history, _ in runs]
        gaps = [float(np.linalg.norm(line - best)) for _, line in runs]
        lab.say(f"  {name.replace('−', '-')}")
        for limit, length, gap in zip(limits, lengths, gaps, strict=True):
            lab.number(f"epochs_{keys[i]}_{limit:g}", length)
            lab.number(
                f"left_{keys[i]}_{limit:g}", gap, f"    below {limit:<6g} after {length:3d} epochs, {{:.1e}} away"
            )
        left.plot(limits, lengths, **style.line(i, 1), label=name)
        right.plot(limits, gaps, **style.line(i, 1), label=name)
    for axis in (left, right):
        axis.set(xscale="log", xlabel="limit")
        axis.invert_xaxis()
        axis.legend()
    left.set(ylabel="epochs until the stop", title="how long it takes", ylim=(0, None))
    right.set(ylabel="distance from the closed form", yscale="log", title="how near it comes")
    lab.picture("stopping", figure)
