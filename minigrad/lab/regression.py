"""A straight line by descent, and by the closed form.

line.png       the line on its way, and its distance from the closed form for several rates
order.png      both parameters at once, or one after the other with the new value of the first
stopping.png   stop when the loss or the gradient is small enough: what is left of the way
"""

from __future__ import annotations

import numpy as np

from ..data import linear
from ..transforms import grad
from . import style
from .contours import mean_error
from .notebook import Notebook, host
from .stopping import draw_stopping

SLOPE, OFFSET = 2.0, 1.0
"""The true line."""
START = np.array([-1.0, -1.0])
RATES = (0.03, 0.3, 0.8)


def run(lab: Notebook) -> None:
    """The whole topic."""
    samples = linear(100, noise=0.5, weight=[SLOPE], bias=OFFSET, seed=lab.seed)
    x = samples.x[:, 0].astype(float) + 0.5  # not centred, so that slope and offset depend on one another
    y = samples.y.astype(float) + 0.5 * SLOPE
    best = closed_form(x, y)
    lab.say(f"{len(x)} points around y = {SLOPE:g} x + {OFFSET:g}")
    lab.number("closed_slope", best[0], "  closed form: slope  {:.12f}")
    lab.number("closed_offset", best[1], "               offset {:.12f}")
    draw_line(lab, x, y, best)
    draw_order(lab, x, y, best)
    draw_stopping(lab, x, y, best)


def closed_form(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The line of least squares, (slope, offset): the solution of A'A p = A'y with A = (x, 1)."""
    design = np.column_stack([x, np.ones_like(x)])
    answer: np.ndarray = np.linalg.solve(design.T @ design, design.T @ y)
    return answer


def descend(
    lab: Notebook, x: np.ndarray, y: np.ndarray, rate: float, steps: int, one_by_one: bool = False
) -> np.ndarray:
    """Descent on half of the mean squared error: (steps + 1, 2) lines.

    Args:
        lab: says on which device.
        x: (n,).
        y: (n,).
        rate: learning rate.
        steps: how many.
        one_by_one: the offset's slope is taken after the slope was changed, instead of both at one point.
    """
    slope = grad(mean_error)
    inputs, targets = lab.tensor(x), lab.tensor(y)
    path = [START]
    for _ in range(steps):
        point = path[-1].copy()
        point -= rate * host(slope(lab.tensor(point), inputs, targets)) * ([1, 0] if one_by_one else 1)
        if one_by_one:
            point[1] -= rate * host(slope(lab.tensor(point), inputs, targets))[1]
        path.append(point)
    return np.array(path)


def distances(path: np.ndarray, best: np.ndarray) -> np.ndarray:
    """Of each line of a path from the best one."""
    gaps: np.ndarray = np.linalg.norm(path - best, axis=1)
    return gaps


def draw_line(lab: Notebook, x: np.ndarray, y: np.ndarray, best: np.ndarray) -> None:
    """Lines on their way; distances from the closed form."""
    steps = lab.pick(400, 20)
    figure = style.figure(9.6, 4, "A line by descent, and by the closed form")
    left, right = figure.subplots(1, 2)
    left.plot(x, y, "o", color=style.GREY, markersize=3, alpha=0.6, label="points")
    ends = np.array([x.min(), x.max()])
    for i, rate in enumerate(RATES):
        path = descend(lab, x, y, rate, steps)
        gaps = distances(path, best)
        key = f"{rate:g}".replace(".", "_")
        lab.number(
            f"gap_{key}",
            gaps[-1],
            f"  descent at the rate {rate:<4g} after {steps} steps: {{:.1e}} from the closed form",
        )
        right.plot(np.maximum(gaps, 1e-17), **style.line(i, steps // 10), label=f"rate {rate:g}")
        if rate == RATES[1]:
            for j, step in enumerate((0, 2, 8)):
                left.plot(ends, path[step, 0] * ends + path[step, 1], **style.line(j + 1), label=f"after {step} steps")
    left.plot(ends, best[0] * ends + best[1], color=style.BLUE, linewidth=2.5, label="closed form")
    left.set(xlabel="x", ylabel="y", title=f"the line, rate {RATES[1]:g}")
    left.legend()
    right.set(xlabel="step", ylabel="distance from the closed form", yscale="log", title="slope and offset together")
    right.legend()
    lab.picture("line", figure)


def draw_order(lab: Notebook, x: np.ndarray, y: np.ndarray, best: np.ndarray) -> None:
    """The same rate with both orders of updating."""
    rate, steps = 0.8, lab.pick(60, 10)
    figure = style.figure(9.6, 4, f"Both parameters at once, or one after the other (rate {rate})")
    left, right = figure.subplots(1, 2)
    a, b = np.meshgrid(np.linspace(-1.5, 3.5, 150), np.linspace(-1.5, 2.5, 150))
    z = 0.5 * ((a[..., None] * x + b[..., None] - y) ** 2).mean(axis=-1)
    left.contour(a, b, z, np.geomspace(z.min() * 1.05, z.max(), 12), colors="#8a8a8a", linewidths=0.6)
    for i, (name, one_by_one) in enumerate((("at once", False), ("one by one", True))):
        path = descend(lab, x, y, rate, steps, one_by_one)
        gaps = distances(path, best)
        key = name.replace(" ", "_")
        lab.number(f"{key}_first_offset", path[1, 1], f"  {name:10s} offset after the first step {{:.4f}}")
        near = np.flatnonzero(gaps < 1e-3)
        lab.number(f"{key}_steps", near[0] if near.size else np.inf, "             steps until 0.001 away {:.0f}")
        left.plot(*path.T, **style.line(i, 1), label=name, linewidth=1.0)
        right.plot(np.maximum(gaps, 1e-17), **style.line(i, max(1, steps // 12)), label=name)
    left.plot(*best, "*", color="white", markeredgecolor="black", markersize=13, label="closed form")
    left.plot(*START, "o", color="white", markeredgecolor="black", markersize=7, label="start")
    left.set(xlabel="slope a", ylabel="offset b", title="the way")
    left.grid(False)
    left.legend(loc="lower right")
    right.set(xlabel="step", ylabel="distance from the closed form", yscale="log", title="the distance")
    right.legend()
    lab.picture("order", figure)
