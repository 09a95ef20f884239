"""Checking a gradient by differences: how small may the change of a weight be?

steps.png     the error of both kinds of difference against the change of the weight, in float64 and float32
network.png   every weight of a network: the tape's gradient against differences, and against a planted mistake
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ..nn import MLP
from ..testing import gradcheck
from ..transforms import grad
from . import style
from .curves import QUARTIC, START
from .notebook import Notebook, host
from .problem import Moons

Loss = Callable[[Any], Any]


def run(lab: Notebook) -> None:
    """The whole topic."""
    draw_steps(lab)
    draw_network(lab)


def weight_difference(loss: Loss, w: Any, h: Any) -> Any:
    """(L(w + h) - L(w)) / h: one loss more; the error falls with h."""
    return (loss(w + h) - loss(w)) / h


def central_difference(loss: Loss, w: Any, h: Any) -> Any:
    """(L(w + h) - L(w - h)) / 2h: two losses more; the error falls with h^2."""
    return (loss(w + h) - loss(w - h)) / (2 * h)


KINDS = {"weight difference": weight_difference, "central difference": central_difference}


def draw_steps(lab: Notebook) -> None:
    """The two V of a difference: too long is wrong by the formula, too short by rounding."""
    exact = float(host(grad(QUARTIC.loss)(lab.tensor(START))))
    lab.number("gradient", exact, "L(w) = w^4 - 3w^3 + 2 at w = -1.5: the tape says {}")
    for kind, difference in KINDS.items():
        short = kind.split()[0]
        for h in (0.1, 0.001):
            value = float(difference(QUARTIC.loss, np.float64(START), h))
            lab.number(f"{short}_{h:g}", value, f"  {kind} with h = {h:<5g} {{:.6f}}")
    figure = style.figure(
        9.6, 4, "Error of a difference against the change h of the weight: L(w) = w^4 - 3w^3 + 2 at w = -1.5"
    )
    for axis, dtype in zip(figure.subplots(1, 2, sharey=True), (np.float64, np.float32), strict=True):
        name = np.dtype(dtype).name
        steps = np.geomspace(1e-13 if dtype is np.float64 else 1e-6, 1, lab.pick(120, 20)).astype(dtype)
        for i, (kind, difference) in enumerate(KINDS.items()):
            found = difference(QUARTIC.loss, np.full_like(steps, START), steps)
            errors = np.abs(found.astype(float) - exact) / abs(exact)
            best = int(np.argmin(errors))
            short = kind.split()[0]
            lab.number(f"best_h_{short}_{name}", float(steps[best]), f"  {name}, {kind}: best h {{:.1e}}")
            lab.number(f"best_error_{short}_{name}", errors[best], "    relative error there {:.1e}")
            axis.plot(steps, np.maximum(errors, 1e-14), **style.line(i, 8), label=kind, linewidth=1.0)
        for power, note in ((1, "h"), (2, "h²")):
            guide = np.geomspace(3e-4 if dtype is np.float64 else 3e-2, 1, 20)
            axis.plot(guide, 0.6 * guide**power, color=style.GREY, linewidth=3, alpha=0.35, zorder=1)
            height = 0.6 * guide[0] ** power * (4 if power == 1 else 1)
            axis.text(guide[0] * 0.7, height, f"∝ {note}", fontsize=8, ha="right", va="center")
        axis.set(xscale="log", yscale="log", xlabel="change of the weight h", ylabel="relative error", title=name)
        axis.legend(loc="lower left")
    lab.picture("steps", figure)


def gradients(lab: Notebook, model: MLP, problem: Moons, h: float) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The tape's gradient of all weights, and the differences one weight at a time, in float64."""
    exact = problem.gradient(model)
    found: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for p in model.parameters():
        values = host(p).copy()
        for at in np.ndindex(values.shape):
            loss = partial(_moved_loss, lab, model, problem, p, values, at)
            for kind, difference in KINDS.items():
                found[kind].append(difference(loss, 0.0, h))
        p.data = lab.tensor(values)
    return exact, {kind: np.array(values) for kind, values in found.items()}


def _moved_loss(lab: Notebook, model: MLP, problem: Moons, p: Any, values: np.ndarray, at: Any, change: float) -> float:
    """The loss with one weight moved."""
    moved = values.copy()
    moved[at] += change
    p.data = lab.tensor(moved)
    return problem.whole_loss(model)


def draw_network(lab: Notebook) -> None:
    """Right gradients and one wrong one, side by side."""
    problem = Moons(lab, lab.pick(64, 16), lab.pick(12, 3))
    model = problem.model().to(np.float64)
    problem.x = problem.x.astype(np.float64)
    h = 1e-5
    exact, found = gradients(lab, model, problem, h)
    wrong = exact.copy()
    wrong[len(wrong) // 3] *= 1.01
    figure = style.figure(
        9.6, 4, f"All {len(exact)} weights of a network: difference between tape and difference quotient, h = {h:g}"
    )
    left, right = figure.subplots(1, 2, sharey=True)
    lab.say(f"{len(exact)} weights of a network, h = {h:g}: largest relative error")
    size = np.abs(exact).max()
    for i, (kind, values) in enumerate(found.items()):
        error = np.abs(values - exact) / size
        short = kind.split()[0]
        lab.number(f"network_{short}", error.max(), f"  {kind}: {{:.1e}}")
        look = {**style.line(i, 1), "linestyle": "", "markersize": 3.5, "label": kind}
        left.plot(np.maximum(error, 1e-16), **look)
        planted = np.abs(values - wrong) / size
        lab.number(f"planted_{short}", planted.max(), "    with one gradient wrong by 1 %: {:.1e}")
        right.plot(np.maximum(planted, 1e-16), **look)
    at = len(wrong) // 3
    right.annotate(
        "wrong by 1 %", (at, abs(wrong[at] - exact[at]) / size), (12, -3), textcoords="offset points", fontsize=8
    )
    for axis, title in ((left, "the gradients as they are"), (right, "one of them made wrong")):
        axis.set(
            yscale="log", xlabel="number of the weight", ylabel="error relative to the largest gradient", title=title
        )
        axis.margins(y=0.15)
    left.legend(loc="upper center", ncols=2, bbox_to_anchor=(0.5, -0.14))
    report = gradcheck(QUARTIC.loss, np.array([START, 1.0, 3.0]))
    lab.say(f"gradcheck, which chooses h by itself: {str(report).splitlines()[0]}")
    lab.picture("network", figure)
