"""How long a saddle holds an optimizer."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..data.surfaces import SURFACES, Surface
from . import style
from .notebook import Notebook
from .racers import RACERS, race, steps_until


def _plateau_saddle(x: Any, y: Any) -> Any:
    return np.tanh(x * x - y * y)


PLATEAU_SADDLE = Surface(
    "saddle_in_a_plateau", _plateau_saddle, (), None, ((-2.0, 2.0), (-2.0, 2.0)), (1.4, 1e-3), "saddle",
    "almost flat at the start, flat again at the saddle",
)  # fmt: skip
"""tanh(x^2 - y^2): two high plains, two low ones, a saddle between them."""
RATES_OF_ESCAPE = {"": 0.01, "Adadelta": 1.0}
"""One rate for all, so that the times can be compared; Adadelta has its own scale."""
OUT = 1.0
"""|y| of one that has left the saddle."""
LONGEST = 4000


def escape_steps(lab: Notebook, surface: Surface, name: str, beside: float) -> float:
    """Steps until |y| > 1.

    Args:
        lab: says on which device.
        surface: with its saddle at the origin.
        name: of the optimizer.
        beside: y of the start; x is that of the surface's start.

    Returns:
        The steps; inf if there were more than LONGEST.
    """
    rate = RATES_OF_ESCAPE.get(name, RATES_OF_ESCAPE[""])
    steps = lab.pick(250, 20)
    while True:  # most are out soon
        path = race(lab, surface, RACERS[name], [rate], steps, (surface.start[0], beside))[0]
        out = steps_until(np.abs(path[:, 1]) > OUT)
        if np.isfinite(out) or steps >= LONGEST or lab.smoke:
            return out
        steps *= 4


def draw_escapes(lab: Notebook) -> None:
    """Steps to leave both saddles against how far beside the ridge the start was."""
    offsets = [1e-1, 1e-2, 1e-3, 1e-4, 1e-6] if not lab.smoke else [1e-1, 1e-2]
    chosen = ("SGD", "momentum", "RMSprop", "Adam", "Lion")
    figure = style.figure(
        9.6, 3.8, "How long a saddle holds an optimizer, by how near to the ridge it began (rate 0.01)"
    )
    for axis, surface in zip(figure.subplots(1, 2), (SURFACES["saddle"], PLATEAU_SADDLE), strict=True):
        for i, name in enumerate(chosen):
            steps = [escape_steps(lab, surface, name, beside) for beside in offsets]
            axis.plot(offsets, steps, **style.line(i, 1), label=name)
            for beside, value in zip(offsets, steps, strict=True):
                lab.number(f"{surface.name}_{name.lower()}_from_{beside:g}", value)
            lab.say(f"{surface.name}, {name}: " + ", ".join(f"{s:.0f}" for s in steps) + f" steps from y = {offsets}")
        axis.set(
            xscale="log", ylim=(0, None), xlabel="distance y of the start from the ridge", ylabel="steps until |y| > 1"
        )
        axis.invert_xaxis()
        axis.set_title(surface.name.replace("_", " "))
        axis.legend()
    lab.picture("escape", figure)
