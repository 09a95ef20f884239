"""Batch size and learning rate, scaled together or not."""

from __future__ import annotations

import numpy as np

from .. import optim
from . import style
from .notebook import Notebook
from .problem import Moons

BASE_BATCH, BASE_RATE = 4, 0.03
RULES = ("kept", "sqrt", "linear")


def draw_rates(lab: Notebook, problem: Moons) -> None:
    """The loss after some epochs for each size of a batch and each rule."""
    epochs, seeds = lab.pick(10, 1), lab.pick(3, 1)
    sizes = [s for s in (4, 8, 16, 32, 64, 128, 256, 512) if s <= problem.rows]
    figure = style.figure(6.6, 4, f"{epochs} epochs from one start, rate {BASE_RATE} for batches of {BASE_BATCH}")
    axis = figure.subplots()
    lab.say(f"loss after {epochs} epochs at the rate {BASE_RATE} for a batch of {BASE_BATCH}, mean of {seeds} orders:")
    for i, rule in enumerate(RULES):
        means = []
        for size in sizes:
            rate = BASE_RATE if rule == "kept" else optim.scale_lr(BASE_RATE, BASE_BATCH, size, rule)
            ends = []
            for seed in range(seeds):
                model = problem.model(seed)
                optimizer = optim.SGD(model.parameters(), rate)
                ends.append(problem.train(model, optimizer, size, epochs, lab.generator(f"order {seed}"))[0][-1])
            means.append(lab.number(f"{rule}_{size}", float(np.mean(ends))))
        lab.say(f"  {rule:7s}" + "".join(f" {size:4d}: {m:.3f} " for size, m in zip(sizes, means, strict=True)))
        label = {"kept": "rate kept", "sqrt": "rate × sqrt(batch)", "linear": "rate × batch"}[rule]
        axis.plot(sizes, means, **style.line(i, 1), label=label)
    axis.set_xscale("log", base=2)
    axis.set_xticks(sizes, [str(s) for s in sizes])
    axis.set(xlabel="examples in the batch", ylabel="training loss at the end")
    style.plain_log(axis, (0.2, 0.3, 0.5, 1, 2))
    axis.legend()
    lab.picture("rates", figure)
