"""Chance: what a seed changes, what the order of a sum changes, and how far chance alone gets.

seeds.png     one network, many seeds: mean and deviation
order.png     the same numbers added in another order, and what that does to a training
search.png    random changes, kept if better, against gradient descent
"""

from __future__ import annotations

import numpy as np

from .. import optim
from . import style
from .notebook import Notebook
from .problem import Moons
from .random_changes import draw_search
from .summation import draw_order


def run(lab: Notebook) -> None:
    """The whole topic."""
    draw_seeds(lab)
    draw_order(lab)
    draw_search(lab)


def draw_seeds(lab: Notebook) -> None:
    """Losses and accuracies of one network from many seeds."""
    problem = Moons(lab, lab.pick(256, 32))
    seeds, epochs, batch = lab.pick(20, 2), lab.pick(40, 2), 32
    losses, accuracies = [], []
    for seed in range(lab.seed, lab.seed + seeds):
        model = problem.model(seed)
        optimizer = optim.Adam(model.parameters(), 0.02)
        order = lab.generator(f"order {seed}")
        accuracy = [problem.accuracy(model)]
        loss = [problem.whole_loss(model)]
        for _ in range(epochs):
            loss.append(problem.train(model, optimizer, batch, 1, order)[0][-1])
            accuracy.append(problem.accuracy(model))
        losses.append(loss)
        accuracies.append(accuracy)
    figure = style.figure(
        9.6, 3.9, f"One network, {seeds} seeds: only first weights and the order of the examples differ"
    )
    lab.say(f"one network, {seeds} seeds, {epochs} epochs of Adam:")
    rows = (("training loss", losses, "{:.4f}"), ("test accuracy", accuracies, "{:.4f}"))
    for axis, (name, values, form) in zip(figure.subplots(1, 2), rows, strict=True):
        found = np.array(values)
        mean, spread = found.mean(axis=0), found.std(axis=0, ddof=1)
        key = name.replace(" ", "_")
        lab.number(f"{key}_mean", mean[-1], f"  {name}: mean {form}")
        lab.number(f"{key}_deviation", spread[-1], f"                 deviation {form}")
        lab.number(
            f"{key}_worst",
            found[:, -1].max() if "loss" in name else found[:, -1].min(),
            f"                 worst {form}",
        )
        lab.number(
            f"{key}_best", found[:, -1].min() if "loss" in name else found[:, -1].max(), f"                 best {form}"
        )
        axis.plot(found.T, color=style.GREY, linewidth=0.5, alpha=0.6)
        steps = range(epochs + 1)
        axis.fill_between(steps, mean - spread, mean + spread, color=style.ORANGE, alpha=0.35, label="mean ± deviation")
        axis.plot(mean, color=style.BLUE, linewidth=2.2, label="mean")
        axis.plot([], [], color=style.GREY, linewidth=0.8, label="single runs")
        axis.set(xlabel="epoch", ylabel=name, ylim=(0, None) if "loss" in name else (0.8, 1))
        axis.legend()
    lab.picture("seeds", figure)
