"""Every schedule of the library: its curve, and what it does for a noisy descent."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import optim
from ..optim import schedulers as s
from . import style
from .notebook import Notebook
from .problem import Moons

RATE, BATCH = 1.0, 8
Runs = dict[str, list[tuple[list[float], list[float]]]]
"""By the name of the schedule, for each seed: the rate of every epoch, and the loss after it."""
SCHEDULES: dict[str, Callable[[Any, int], Any]] = {
    "constant": lambda o, n: s.LambdaLR(o, lambda t: 1.0),
    "StepLR": lambda o, n: s.StepLR(o, n // 3, 0.1),
    "MultiStepLR": lambda o, n: s.MultiStepLR(o, [n // 2, 3 * n // 4], 0.1),
    "ExponentialLR": lambda o, n: s.ExponentialLR(o, 0.01 ** (1 / n)),
    "ExponentialDecay": lambda o, n: s.ExponentialDecay(o, math.log(100) / n),
    "InverseTimeLR": lambda o, n: s.InverseTimeLR(o, 9 / n),
    "PolynomialLR": lambda o, n: s.PolynomialLR(o, n, 2.0),
    "CosineAnnealingLR": lambda o, n: s.CosineAnnealingLR(o, n),
    "CosineAnnealingWarmRestarts": lambda o, n: s.CosineAnnealingWarmRestarts(o, max(1, n // 7), 2),
    "OneCycleLR": lambda o, n: s.OneCycleLR(o, RATE, total_steps=n + 1, cycle_momentum=False),
    "LinearWarmup": lambda o, n: s.LinearWarmup(o, max(1, n // 5)),
    "SequentialLR": lambda o, n: s.SequentialLR(
        o, [s.LinearWarmup(o, max(1, n // 5)), s.CosineAnnealingLR(o, n - n // 5)], [n // 5]
    ),
    "ChainedScheduler": lambda o, n: s.ChainedScheduler(
        [s.LinearWarmup(o, max(1, n // 5)), s.ExponentialLR(o, 0.01 ** (1 / n))]
    ),
    "LambdaLR": lambda o, n: s.LambdaLR(o, lambda t: 1.0 / math.sqrt(1 + t)),
    "ReduceLROnPlateau": lambda o, n: s.ReduceLROnPlateau(o, factor=0.3, patience=max(1, n // 30)),
}
"""Makes a schedule of n epochs."""
TITLES = {
    "LambdaLR": "LambdaLR\n1 / sqrt(1 + t)",
    "SequentialLR": "SequentialLR\nwarm-up, then cosine",
    "ChainedScheduler": "ChainedScheduler\nwarm-up times decay",
    "CosineAnnealingWarmRestarts": "CosineAnnealing-\nWarmRestarts",
}


def follow(lab: Notebook, problem: Moons, name: str, seed: int, epochs: int) -> tuple[list[float], list[float]]:
    """Train with a schedule that goes on after every epoch: the rates, and the losses after each epoch."""
    model = problem.model(seed)
    optimizer = optim.SGD(model.parameters(), RATE)
    schedule = SCHEDULES[name](optimizer, epochs)
    order = lab.generator(f"order {seed}")
    rates, losses = [], []
    for _ in range(epochs):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        losses.append(problem.train(model, optimizer, BATCH, 1, order)[0][-1])
        schedule.step(losses[-1]) if schedule.needs_metric else schedule.step()
    return rates, losses


def follow_all(lab: Notebook) -> Runs:
    """Every schedule with several seeds."""
    problem = Moons(lab, lab.pick(256, 32))
    epochs, seeds = lab.pick(42, 7), range(lab.seed, lab.seed + lab.pick(4, 1))
    return {name: [follow(lab, problem, name, seed, epochs) for seed in seeds] for name in SCHEDULES}


def draw_schedules(lab: Notebook, runs: Runs) -> None:
    """Small pictures of all curves."""
    epochs = len(runs["constant"][0][0])
    columns = 5
    figure = style.figure(11, 5.8, f"The learning rate over {epochs} epochs, beginning with {RATE:g}")
    axes = figure.subplots(-(-len(SCHEDULES) // columns), columns, sharex=True, sharey=True)
    for axis, name in zip(axes.flat, SCHEDULES, strict=True):
        rates, _ = runs[name][0]
        axis.plot(rates, color=style.BLUE)
        axis.set_title(TITLES.get(name, name), fontsize=8.5)
        lab.number(f"rate_half_way_{name}", rates[epochs // 2])
        lab.number(
            f"rate_at_end_{name}", rates[-1], f"{name:27s} half way {rates[epochs // 2]:.4f}, at the end {{:.4f}}"
        )
        axis.set_ylim(-0.05, 1.1)
    for axis in axes[-1]:
        axis.set_xlabel("epoch")
    for axis in axes[:, 0]:
        axis.set_ylabel("learning rate")
    lab.picture("schedules", figure)


def draw_decay(lab: Notebook, runs: Runs) -> None:
    """The losses with each schedule: mean and spread over seeds."""
    epochs, seeds = len(runs["constant"][0][0]), len(runs["constant"])
    figure = style.figure(
        10.5, 4.4, f"SGD in batches of {BATCH} beginning at the rate {RATE:g}, {epochs} epochs, {seeds} seeds"
    )
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.1))
    shown = ("constant", "StepLR", "InverseTimeLR", "CosineAnnealingLR", "OneCycleLR")
    ends: dict[str, list[float]] = {}
    lab.say(f"training loss after {epochs} epochs, {seeds} seeds: mean and deviation")
    for name in SCHEDULES:
        losses = np.array([found for _, found in runs[name]])
        ends[name] = list(losses[:, -1])
        lab.number(f"decay_deviation_{name}", float(np.std(ends[name])))
        lab.number(
            f"decay_loss_{name}",
            float(np.mean(ends[name])),
            f"  {name:27s} {{:.4f}} ± {np.std(ends[name]):.4f}".replace("±", "+-"),
        )
        if name in shown:
            i = shown.index(name)
            left.plot(range(1, epochs + 1), losses.mean(axis=0), **style.line(i), label=name)
    left.set(xlabel="epoch", ylabel="training loss, mean over seeds", title="on the way")
    style.plain_log(left, (0.05, 0.07, 0.1, 0.15, 0.2, 0.3))
    left.legend()
    order = sorted(ends, key=lambda name: -float(np.mean(ends[name])))
    for row, name in enumerate(order):
        mean, spread = float(np.mean(ends[name])), float(np.std(ends[name]))
        colour = style.ORANGE if name == "constant" else style.BLUE
        right.errorbar(
            mean, row, xerr=spread, fmt="s" if name == "constant" else "o", color=colour, capsize=3, markersize=5
        )
    right.set_yticks(range(len(order)), order, fontsize=7.5)
    right.set(xlabel="training loss at the end, mean and deviation", title="at the end")
    lab.picture("decay", figure)
