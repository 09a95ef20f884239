"""A full batch settles in the minimum that it began beside; the noise of small batches leads out of a bad one.

The frequency of a sine is fitted to samples: L(w) = mean (sin(w x) - y)^2 / 2 with y = sin(2x) + noise. Besides the
good minimum near w = 2 it has a bad one near w = 4.5.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..transforms import grad
from . import style
from .notebook import Notebook, host

START, RATE, TRUE = 3.6, 0.1, 2.0
FOUND = 0.3
"""So near to the true frequency, it is found."""


def errors(w: Any, x: Any, y: Any) -> Any:
    """Half of the mean squared error of each run: w (runs, 1), x and y (runs, batch)."""
    return 0.5 * ((np.sin(w * x) - y) ** 2).mean(axis=1).sum()


def draw_minimum(lab: Notebook) -> None:
    """The curve with where runs end, and the share of the runs that find the good minimum."""
    draws = lab.generator("minimum")
    n, runs, steps = 64, lab.pick(300, 20), lab.pick(600, 10)
    x = np.linspace(-3, 3, n)
    y = np.sin(TRUE * x) + 0.1 * draws.normal(size=n)
    figure = style.figure(
        11, 3.9, f"Fitting the frequency of a sine from w = {START}: {steps} steps at the rate {RATE}"
    )
    curve, where, share = figure.subplots(1, 3)
    grid = np.linspace(0.5, 6.5, 400)
    curve.plot(grid, 0.5 * ((np.sin(grid[:, None] * x) - y) ** 2).mean(axis=1), color=style.BLACK)
    curve.axvline(START, color=style.GREY, linestyle=":")
    curve.text(START, 0.02, " start", fontsize=8)
    curve.set(xlabel="frequency w", ylabel="loss of all examples", title="two minima", ylim=(0, None))
    slope = grad(errors)
    lab.say(f"frequency of a sine from w = {START}, {runs} runs: share that finds w = 2")
    shares = []
    sizes = (n, 16, 4, 1)
    for i, size in enumerate(sizes):
        w = np.full((runs, 1), START)
        for _ in range(steps):
            rows = (
                draws.permuted(np.tile(np.arange(n), (runs, 1)), axis=1)[:, :size] if size < n else np.arange(n)[None]
            )
            w = w - RATE * host(slope(lab.tensor(w), lab.tensor(x[rows]), lab.tensor(y[rows])))
        shares.append(float((np.abs(w - TRUE) < FOUND).mean()))
        name = "full batch" if size == n else f"batch of {size}" if size > 1 else "one sample"
        lab.number(f"found_by_{size}", shares[-1], f"  {name:12s} {{:.0%}}")
        lab.number(f"median_end_{size}", float(np.median(w)), "               median w at the end {:.3f}")
        colour = {"color": style.SERIES[i][0], "edgecolor": "black"}
        where.hist(np.clip(w[:, 0], 0.5, 6.5), np.linspace(0.5, 6.5, 41), bottom=1.15 * (3 - i),
                   weights=np.full(runs, 1 / runs), linewidth=0.4, **colour)  # fmt: skip
        where.text(6.4, 1.15 * (3 - i) + 0.35, name, ha="right", fontsize=8)
        share.bar(
            name.replace(" of ", "\nof ").replace(" s", "\ns").replace(" b", "\nb"), shares[-1], **colour, width=0.6
        )
        share.text(i, shares[-1] + 0.02, f"{shares[-1]:.0%}", ha="center", fontsize=8)
    where.set(xlabel="w at the end", title="where the runs end", yticks=[], ylabel="share of the runs", xlim=(0.5, 6.5))
    share.set(ylabel="share of the runs", title="found the good minimum", ylim=(0, 1))
    share.grid(False, axis="x")
    lab.picture("minimum", figure)
