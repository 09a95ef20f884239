"""Descent in one dimension: what the learning rate and the start decide.

first step   L(w) = w^4 - 3w^3 + 2 from w = -1.5 at the rate 0.001
rates.png    rates too small, right, oscillating for ever, diverging, on one curve
rates.gif    the same, step by step
signs.png    the sign of the slope on both sides of a minimum, and at a flat spot
jumps.png    one large step leaves a shallow valley, another jumps over the deep one
basins.png   where every start ends at every rate
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..transforms import elementwise_grad, grad
from . import style
from .basins import draw_basins
from .curves import QUARTIC, RATE, START, VALLEYS, descend
from .notebook import Notebook, host

RATES = {0.001: "too small", 0.06: "right", 0.09: "swings, settles", 0.1: "swings for ever", 0.15: "diverges"}
"""Learning rates for QUARTIC, and what they do from START."""
JUMPS = (
    (1.8, 0.05, "stays in the shallow valley"),
    (1.8, 0.13, "leaves the shallow valley"),
    (-2.0, 0.05, "finds the deep valley"),
    (-2.0, 0.13, "jumps over the deep valley"),
)
"""(start, rate, what happens) on VALLEYS."""


def run(lab: Notebook) -> None:
    """The whole topic."""
    first_step(lab)
    paths = rates(lab)
    draw_rates(lab, paths)
    film_rates(lab, paths)
    draw_signs(lab)
    draw_jumps(lab)
    draw_basins(lab)


def first_step(lab: Notebook) -> None:
    """The example of the lecture notes: one gradient, one step."""
    slope = float(host(grad(QUARTIC.loss)(lab.tensor(START))))
    lab.say("L(w) = w^4 - 3w^3 + 2 from w = -1.5 at the learning rate 0.001")
    lab.number("gradient", slope, "  gradient at -1.5          {}    = 4(-1.5)^3 - 9(-1.5)^2")
    lab.number("next_weight", START - RATE * slope, "  next weight               {}  = -1.5 - 0.001 (-33.75)")
    lab.number("loss_before", QUARTIC.loss(START), "  loss before               {:.4f}")
    lab.number("loss_after", QUARTIC.loss(START - RATE * slope), "  loss after                {:.4f}")


def rates(lab: Notebook) -> dict[float, np.ndarray]:
    """The path of each rate from START, (steps + 1,)."""
    paths = {rate: descend(lab, QUARTIC.loss, START, rate, lab.pick(300, 40)) for rate in RATES}
    curvature = 12 * QUARTIC.best**2 - 18 * QUARTIC.best
    lab.number("curvature", curvature, "curvature at the minimum, w = 2.25: {:.2f}")
    lab.number("largest_stable_rate", 2 / curvature, "no rate above 2 / curvature = {:.4f} can settle there")
    for rate, path in paths.items():
        name = f"end_at_{rate}".replace(".", "_")
        lab.number(name, path[-1], f"  rate {rate:<6g} {RATES[rate]:16s} w after {len(path) - 1} steps: {{:.4f}}")
    return paths


def _curve(axis: Any, loss: Any, low: float, high: float) -> None:
    w = np.linspace(low, high, 300)
    axis.plot(w, loss(w), color=style.GREY, linewidth=1.2, zorder=1)
    axis.set_xlabel("weight w")
    axis.set_ylabel("loss L(w)")


def _window(axis: Any) -> None:
    axis.set(xlim=(-2, 4), ylim=(-9, 30))


def _on_curve(path: np.ndarray, limit: float = 8.0) -> tuple[np.ndarray, np.ndarray]:
    """The points of a path that a picture can hold; the first one outside is left out with all that follow."""
    inside = np.abs(path) < limit
    stop = len(path) if inside.all() else int(np.argmin(inside))
    return path[:stop], QUARTIC.loss(path[:stop])


def draw_rates(lab: Notebook, paths: dict[float, np.ndarray]) -> None:
    """On the curve above, against steps below."""
    figure = style.figure(12.5, 5.2, "Descent on L(w) = w^4 - 3w^3 + 2 from w = -1.5: what the learning rate decides")
    axes = figure.subplots(2, len(paths))
    for i, (rate, path) in enumerate(paths.items()):
        top, below = axes[0, i], axes[1, i]
        _curve(top, QUARTIC.loss, -2, 3.9)
        w, height = _on_curve(path)
        top.plot(w, height, **style.line(i, 1), linewidth=0.9, alpha=0.9)
        top.plot(w[0], height[0], "o", color="white", markeredgecolor=style.BLACK, markersize=7, zorder=4)
        _window(top)
        top.set_title(f"rate {rate:g}: {RATES[rate]}")
        seen = path[: 21 if rate > 0.01 else None]
        below.plot(seen, **style.line(i, max(1, len(seen) // 20)), linewidth=0.9)
        below.axhline(QUARTIC.best, color=style.GREY, linewidth=0.8, linestyle=":")
        near = rate in (0.09, 0.1)  # swings are small: look closer
        low, high = (1.9, 2.6) if near else (-2, 4.2)
        below.set(ylim=(low, high), xlabel="step", ylabel="weight w", xlim=(-0.03 * len(seen), len(seen) * 1.02))
        if i == 0:
            below.axhline(QUARTIC.other, color=style.GREY, linewidth=0.8, linestyle=":")
            below.text(0, 0.08, "flat spot", va="bottom", fontsize=8)
            below.text(0, QUARTIC.best + 0.08, "minimum", va="bottom", fontsize=8)
    lab.picture("rates", figure)


def film_rates(lab: Notebook, paths: dict[float, np.ndarray]) -> None:
    """The balls of all rates roll side by side."""
    chosen = [rate for rate in paths if rate != 0.09]
    frames = lab.pick(24, 3)
    figure = style.figure(9.6, 2.9, "One step a frame; the slowest takes ten")
    axes = figure.subplots(1, len(chosen))
    trails, balls, notes = [], [], []
    for i, (rate, axis) in enumerate(zip(chosen, axes, strict=True)):
        _curve(axis, QUARTIC.loss, -2, 3.9)
        _window(axis)
        axis.set_title(f"rate {rate:g}")
        trails.append(axis.plot([], [], **style.line(i), linewidth=1.0)[0])
        balls.append(axis.plot([], [], "o", color=style.line(i)["color"], markeredgecolor="black", markersize=8)[0])
        notes.append(axis.text(0.5, 0.97, "", transform=axis.transAxes, ha="center", va="top", fontsize=8))

    def draw(frame: int) -> None:
        for rate, trail, ball, note in zip(chosen, trails, balls, notes, strict=True):
            step = min(frame * (10 if rate < 0.01 else 1), len(paths[rate]) - 1)
            w, height = _on_curve(paths[rate][: step + 1])
            trail.set_data(w, height)
            ball.set_data(w[-1:], height[-1:])
            gone = len(w) <= step
            ball.set_alpha(0.25 if gone else 1.0)
            note.set_text(f"step {step}, out of sight" if gone else style.typeset(f"step {step}, w = {w[-1]:.3f}"))

    lab.film("rates", figure, draw, frames, [*trails, *balls, *notes], 4)


def draw_signs(lab: Notebook) -> None:
    """The loss above its slope: left of the minimum the slope is negative, right of it positive."""
    w = np.linspace(-1.2, 3.1, 400)
    slope = host(elementwise_grad(QUARTIC.loss)(lab.tensor(w)))
    probes = (-0.8, 1.0, 1.7, 2.6)
    signs = {at: float(host(grad(QUARTIC.loss)(lab.tensor(at)))) for at in probes}
    for at, value in signs.items():
        side = "left" if at < QUARTIC.best else "right"
        way = "right" if value < 0 else "left"
        name = f"slope_at_{at}".replace(".", "_").replace("-", "minus_")
        lab.number(name, value, f"slope at {at:4.1f} ({side} of the minimum): {{:7.3f}}, so the step goes {way}")
    figure = style.figure(7.6, 5.6, "The step goes against the sign of the slope")
    top, below = figure.subplots(2, 1, sharex=True)
    _curve(top, QUARTIC.loss, -1.2, 3.1)
    for at, value in signs.items():
        height = QUARTIC.loss(at)
        step = -0.42 * math.copysign(1, value)
        top.annotate("", (at + step, height), (at, height), arrowprops={"arrowstyle": "-|>", "lw": 1.6,
                     "color": style.BLUE if value < 0 else style.ORANGE})  # fmt: skip
        top.plot(at, height, "o" if value < 0 else "s", color=style.BLUE if value < 0 else style.ORANGE, markersize=6)
        text = style.typeset(f"slope {value:.1f}")
        shift = (4, 8) if value < 0 else (8, -12)
        top.annotate(text, (at, height), shift, textcoords="offset points", ha="left", fontsize=8)
    below.plot(w, slope, color=style.BLACK)
    below.axhline(0, color=style.GREY, linewidth=0.8)
    below.fill_between(w, slope, 0, where=slope < 0, color=style.BLUE, alpha=0.35, label="negative: go right")
    below.fill_between(
        w, slope, 0, where=slope > 0, color=style.ORANGE, alpha=0.35, hatch="///", label="positive: go left"
    )
    for axis in (top, below):
        axis.axvline(QUARTIC.best, color=style.GREY, linestyle=":", linewidth=1)
        axis.axvline(QUARTIC.other, color=style.GREY, linestyle=":", linewidth=1)
    top.set(xlabel="", ylim=(-9, 10))
    top.text(QUARTIC.best, -8.4, " minimum, w = 2.25", fontsize=8)
    top.text(QUARTIC.other, -8.4, " flat spot, w = 0", fontsize=8)
    below.set(xlabel="weight w", ylabel="slope dL/dw", ylim=(-18, 24))
    below.legend(loc="upper left")
    below.text(0.05, 2.2, "0, and the same sign on\nboth sides: no minimum", fontsize=8, va="bottom")
    lab.picture("signs", figure)


def draw_jumps(lab: Notebook) -> None:
    """Four descents on the two valleys."""
    figure = style.figure(
        11, 3.7, "Two valleys, L(w) = w^4 - 3w^2 + w: a large step may leave a valley, or jump over one"
    )
    lab.say("two valleys, L(w) = w^4 - 3w^2 + w: the deep one at -1.3008, the shallow one at 1.1309")
    for i, (axis, (start, rate, what)) in enumerate(zip(figure.subplots(1, len(JUMPS)), JUMPS, strict=True)):
        path = descend(lab, VALLEYS.loss, start, rate, 60)
        end = lab.number(f"jump_{i}", path[-1], f"  from {start:4g} at the rate {rate:<4g} to {{:7.4f}}: {what}")
        _curve(axis, VALLEYS.loss, -2.25, 2.1)
        style_of = style.line(0 if rate < 0.1 else 1, 1)
        axis.plot(path, VALLEYS.loss(path), **style_of, linewidth=1.0)
        axis.plot(start, VALLEYS.loss(start), "o", color="white", markeredgecolor=style.BLACK, markersize=7)
        axis.plot(end, VALLEYS.loss(end), "*", color=style.BLACK, markersize=11, zorder=5)
        axis.set(ylim=(-4.2, 8), title=f"rate {rate:g}\n{what}")
    lab.picture("jumps", figure)
