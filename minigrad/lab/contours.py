"""The way of the full batch stands at right angles to the contours; that of single samples zigzags."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..data import linear
from ..transforms import grad
from . import style
from .notebook import Notebook, host

SLOPE, OFFSET = 1.5, 0.5
"""The true line."""
START = (-1.2, 2.6)


def mean_error(point: Any, x: Any, y: Any) -> Any:
    """Half of the mean squared error of the line a x + b, for point = (a, b)."""
    return 0.5 * ((point[0] * x + point[1] - y) ** 2).mean()


def walk(lab: Notebook, x: np.ndarray, y: np.ndarray, rate: float, steps: int, rows: np.ndarray | None) -> np.ndarray:
    """Plain descent: (steps + 1, 2) points.

    Args:
        lab: says on which device.
        x: (n,).
        y: (n,).
        rate: learning rate.
        steps: how many.
        rows: (steps,), the one sample of each step; None takes all of them.
    """
    slope = grad(mean_error)
    path = [np.array(START)]
    for step in range(steps):
        batch = slice(None) if rows is None else slice(rows[step], rows[step] + 1)
        gradient = slope(lab.tensor(path[-1]), lab.tensor(x[batch]), lab.tensor(y[batch]))
        path.append(path[-1] - rate * host(gradient))
    return np.array(path)


def tangent(x: np.ndarray, y: np.ndarray, at: np.ndarray, radius: float = 1e-3) -> np.ndarray:
    """The direction of the contour through a point, from heights alone: where a small circle around it is as high.

    Returns:
        A unit vector (2,).
    """
    angle = np.linspace(0, 2 * np.pi, 7201)
    ring = at[:, None] + radius * np.stack([np.cos(angle), np.sin(angle)])
    gap = 0.5 * ((ring[0] * x[:, None] + ring[1] - y[:, None]) ** 2).mean(axis=0) - mean_error(at, x, y)
    cross = np.flatnonzero(np.sign(gap[:-1]) != np.sign(gap[1:]))
    exact = angle[cross] + (angle[1] - angle[0]) * gap[cross] / (gap[cross] - gap[cross + 1])
    ends = np.stack([np.cos(exact), np.sin(exact)])[:, :2]
    chord = ends[:, 1] - ends[:, 0]
    unit: np.ndarray = chord / np.linalg.norm(chord)
    return unit


def angles(x: np.ndarray, y: np.ndarray, path: np.ndarray) -> np.ndarray:
    """Degrees between each step and the contour where it begins."""
    found = []
    for at, step in zip(path[:-1], np.diff(path, axis=0), strict=True):
        cosine = abs(step @ tangent(x, y, at)) / np.linalg.norm(step)
        found.append(np.degrees(np.arccos(min(1.0, cosine))))
    return np.array(found)


def draw_contours(lab: Notebook) -> None:
    """Both ways on one bowl, and the angles of their steps."""
    steps = lab.pick(12, 4)
    draws = lab.generator("contours")
    samples = linear(60, noise=0.4, weight=[SLOPE], bias=OFFSET, seed=lab.seed)
    x, y = samples.x[:, 0].astype(float) + 0.6, samples.y.astype(float) + 0.6 * SLOPE  # not centred: a tilted bowl
    full = walk(lab, x, y, 0.35, steps, None)
    single = walk(lab, x, y, 0.12, lab.pick(80, 8), draws.integers(len(x), size=lab.pick(80, 8)))
    right, crooked = angles(x, y, full), angles(x, y, single)
    lab.say(f"a line through {len(x)} points: degrees between a step and the contour it starts on")
    lab.number("full_batch_least_angle", right.min(), "  full batch, least of all steps  {:.4f}")
    lab.number("one_sample_mean_angle", crooked.mean(), "  one sample, mean                {:.1f}")
    lab.number("one_sample_least_angle", crooked.min(), "  one sample, least of all steps  {:.1f}")
    figure = style.figure(12, 4.2, "The loss of a line a x + b over its two parameters")
    axes = figure.subplots(1, 3, width_ratios=(1, 1, 0.8))
    a, b = np.meshgrid(np.linspace(-2, 3.4, 160), np.linspace(-1.2, 3.2, 160))
    z = 0.5 * ((a[..., None] * x + b[..., None] - y) ** 2).mean(axis=-1)
    for axis, path, i, title in zip(
        axes, (full, single), (0, 1), ("full batch: always at right angles", "one sample a step: zigzag"), strict=False
    ):
        levels = np.unique([mean_error(p, x, y) for p in full[:5]])
        axis.contour(a, b, z, levels, colors="#8a8a8a", linewidths=0.8)
        axis.plot(*path.T, **style.line(i, 1), linewidth=1.0)
        axis.plot(*START, "o", color="white", markeredgecolor="black", markersize=7)
        axis.set(xlabel="slope a", ylabel="offset b", title=title, aspect="equal")
        axis.grid(False)
    bins = np.linspace(0, 90, 19)
    for found, i, name, hatch in ((crooked, 1, "one sample", "///"), (right, 0, "full batch", "")):
        weights, colour = np.full(len(found), 1 / len(found)), style.line(i)["color"]
        axes[2].hist(found, bins, weights=weights, color=colour, edgecolor="white", hatch=hatch, label=name, alpha=0.9)
    axes[2].set(xlabel="degrees between step and contour", ylabel="share of the steps", title="how the steps stand")
    axes[2].set_xticks(range(0, 91, 15))
    axes[2].legend(loc="upper left")
    lab.picture("contours", figure)
