"""Basin maps: where a descent ends, for every start and every learning rate."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import style
from .curves import QUARTIC, VALLEYS, Curve, ends
from .notebook import Notebook

FATES = ("best", "other", "swings", "diverged")
SHADES = ("#f2f2f2", style.SKY, style.ORANGE, "#1a1a1a")
"""Of the fates, from light to dark."""
STILL, NEAR = 1e-3, 0.45
"""A descent has settled if its last step was shorter than this, and it is so near to a resting place."""


def fates(lab: Notebook, curve: Curve, starts: np.ndarray, rates: np.ndarray, steps: int) -> np.ndarray:
    """How each start ends at each rate.

    Args:
        lab: says on which device.
        curve: the loss.
        starts: (rows, 1) first weights.
        rates: (columns,) learning rates.
        steps: how many at most.

    Returns:
        (rows, columns) indices into FATES.
    """
    before, last = ends(lab, curve.loss, starts, rates, steps)
    still = np.abs(last - before) < STILL
    fate = np.full(last.shape, FATES.index("swings"))
    fate[still & (np.abs(last - curve.other) < NEAR)] = FATES.index("other")
    fate[still & (np.abs(last - curve.best) < NEAR)] = FATES.index("best")
    fate[~np.isfinite(last)] = FATES.index("diverged")
    return fate


def draw_basins(lab: Notebook) -> None:
    """Two maps: learning rate across, start upwards."""
    size = lab.pick(200, 24)
    figure = style.figure(11, 5, "Where every start ends, at every learning rate")
    top, below = figure.subplots(1, 2), ("flat", "valleys")
    for axis, name, curve, fastest in zip(top, below, (QUARTIC, VALLEYS), (0.2, 0.3), strict=True):
        rates = np.geomspace(0.01, fastest, size)
        starts = np.linspace(*curve.window, size)[:, None]
        fate = fates(lab, curve, starts, rates, lab.pick(1000, 60))
        names = (curve.best_name, curve.other_name, "swings without end", "diverges")
        lab.say(f"{size} x {size} descents on L(w) = {curve.formula}, rates 0.01 to {fastest}:")
        for i, (key, text) in enumerate(zip(FATES, names, strict=True)):
            lab.number(f"{name}_{key}", float((fate == i).mean()), f"  {{:6.1%}} {text}")
        _draw_map(axis, curve, rates, starts[:, 0], fate, names)
    lab.picture("basins", figure)


def _draw_map(
    axis: Any, curve: Curve, rates: np.ndarray, starts: np.ndarray, fate: np.ndarray, names: tuple[str, ...]
) -> None:
    shades = style.part("colors").ListedColormap(SHADES)
    patch = style.part("patches").Patch
    axis.pcolormesh(rates, starts, fate, cmap=shades, vmin=-0.5, vmax=3.5, rasterized=True)
    axis.set(xscale="log", xlabel="learning rate", ylabel="start w", title=style.typeset(f"L(w) = {curve.formula}"))
    ticks = (0.01, 0.02, 0.05, 0.1, 0.2)
    axis.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axis.minorticks_off()
    axis.grid(False)
    handles = [
        patch(facecolor=c, edgecolor="black", label=style.typeset(n)) for c, n in zip(SHADES, names, strict=True)
    ]
    axis.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=2)
