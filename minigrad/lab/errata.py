"""Misprints in the lecture notes: the right formulas, and the runs that show them.

errata.md    the page, as it is printed
errata.png   one picture for each
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..nn import functional as F
from ..transforms import grad, value_and_grad
from . import style
from .curves import QUARTIC, RATE, START, VALLEYS, descend
from .notebook import Notebook, host

W = {
    "W1": 0.15, "W2": 0.20, "W3": 0.25, "W4": 0.30, "W5": 0.40, "W6": 0.45, "W7": 0.50, "W8": 0.55,
}  # fmt: skip
BIASES, INPUTS, TARGETS = (0.35, 0.60), (0.05, 0.10), (0.01, 0.99)
"""The network of two inputs, two hidden units and two outputs on which backpropagation is often taught (Mazur 2015)."""
LR5 = 0.5


@dataclass
class Erratum:
    """One misprint.

    about: what it is about.
    right: the right formula.
    because: why, or what follows from the misprint.
    run: lines of numbers that show it.
    """

    about: str
    right: str
    because: str
    run: list[str] = field(default_factory=list)


def run(lab: Notebook) -> None:
    """The page and the picture."""
    figure = style.figure(12.5, 6.6, "Errata: the formulas as they should be, each with a run")
    axes = list(figure.subplots(2, 3).flat)
    found = [
        part(lab, axis)
        for part, axis in zip((next_weight, gradient, line_fit, convexity, fifth_weight), axes, strict=False)
    ]
    axes[-1].axis("off")
    page = ["# Errata of the lecture notes", ""]
    for i, erratum in enumerate(found, 1):
        axes[i - 1].set_title(f"{i}. {erratum.about}")
        axes[-1].text(
            0,
            1.05 - 0.18 * i,
            style.typeset(f"{i}. {erratum.right}"),
            fontsize=8.5,
            va="center",
            transform=axes[-1].transAxes,
        )
        page += [f"{i}. {erratum.about[0].upper()}{erratum.about[1:]}", f"   - Right: {erratum.right}"]
        page += [f"   - {erratum.because}", *(f"   - Run: {line}" for line in erratum.run), ""]
    for line in page:
        lab.say(line)
    lab.text("errata.md", "\n".join(page))
    lab.picture("errata", figure)


def next_weight(lab: Notebook, axis: Any) -> Erratum:
    """-1.46625, not -1.49."""
    slope = float(host(grad(QUARTIC.loss)(lab.tensor(START))))
    right, printed = lab.number("next_weight", START - RATE * slope), -1.49
    needed = lab.number("slope_needed", (START - printed) / RATE)
    w = np.linspace(-1.51, -1.455, 50)
    axis.plot(w, QUARTIC.loss(w), color=style.GREY)
    axis.plot(
        w,
        QUARTIC.loss(START) + slope * (w - START),
        **style.line(2),
        linewidth=1.0,
        label="tangent at -1.5".replace("-", "−"),
    )
    for at, marker, colour, text in ((START, "o", "white", "w = −1.5"), (right, "s", style.BLUE, "right: −1.46625"),
                                     (printed, "X", style.ORANGE, "printed: −1.49")):  # fmt: skip
        axis.plot(at, QUARTIC.loss(at), marker, color=colour, markeredgecolor="black", markersize=8, linestyle="")
        axis.annotate(text, (at, QUARTIC.loss(at)), (8, 4), textcoords="offset points", fontsize=8)
    axis.set(xlabel="weight w", ylabel="loss L(w)", xlim=(-1.51, -1.445))
    axis.legend(loc="lower left")
    return Erratum(
        "the next weight of the example",
        "w - lr L'(w) = -1.5 - 0.001 (-33.75) = -1.46625",
        "The misprint, -1.49, would need the gradient -10.",
        [f"one step of descent ends at {right}; for -1.49 the gradient had to be {needed:.4f}"],
    )


def gradient(lab: Notebook, axis: Any) -> Erratum:
    """4(-1.5)^3 - 9(-1.5)^2."""
    slope = lab.number("gradient", float(host(grad(QUARTIC.loss)(lab.tensor(START)))))
    by_hand = 4 * (-1.5) ** 3 - 9 * (-1.5) ** 2
    h = 1e-5
    central = lab.number("central_difference", float((QUARTIC.loss(START + h) - QUARTIC.loss(START - h)) / (2 * h)))
    careless = lab.number("without_brackets", 4 * (-1.5) ** 3 - 9 * -(1.5**2))
    w = np.linspace(-1.8, 0.6, 100)
    axis.plot(w, 4 * w**3 - 9 * w**2, color=style.GREY)
    axis.axhline(0, color=style.BLACK, linewidth=0.6)
    axis.plot(START, slope, "s", color=style.BLUE, markeredgecolor="black", markersize=8)
    axis.annotate(
        f"right: {slope:g}".replace("-", "−"), (START, slope), (10, -4), textcoords="offset points", fontsize=8
    )
    axis.plot(START, careless, "X", color=style.ORANGE, markeredgecolor="black", markersize=8)
    axis.annotate("without the brackets: 6.75", (START, careless), (10, -3), textcoords="offset points", fontsize=8)
    axis.set(xlabel="weight w", ylabel="slope dL/dw", ylim=(-45, 14))
    return Erratum(
        "the gradient of the example",
        "dL/dw = 4w^3 - 9w^2 = 4(-1.5)^3 - 9(-1.5)^2 = -33.75",
        "Both powers are of the whole of -1.5: with -(1.5^2) in the second term even the sign turns.",
        [
            f"tape {slope}, by hand {by_hand}, central difference {central:.6f}",
            f"without the brackets {careless}: a step away from the minimum",
        ],
    )


def line_fit(lab: Notebook, axis: Any) -> Erratum:
    """dL/da = -sum((y - (a x + b)) x)."""
    draws = lab.generator("errata")
    x = np.linspace(-1, 2, 20)
    y = 1.5 * x + 0.5 + 0.2 * draws.normal(size=20)
    inputs, targets = lab.tensor(x), lab.tensor(y)

    def loss(point: Any) -> Any:
        return 0.5 * ((targets - (point[0] * inputs + point[1])) ** 2).sum()

    point = np.array([0.2, 0.0])
    tape = host(grad(loss)(lab.tensor(point)))
    rest = y - (point[0] * x + point[1])
    formula = np.array([-(rest * x).sum(), -rest.sum()])
    gap = lab.number("line_fit_gap", float(np.abs(tape - formula).max()))
    ends = []
    for i, (name, sign) in enumerate((("right sign", 1.0), ("sign lost", -1.0))):
        at, losses = point.copy(), []
        for _ in range(15):
            value, slope = value_and_grad(loss)(lab.tensor(at))
            losses.append(float(host(value)))
            at = at - sign * 0.01 * host(slope)
        ends.append(lab.number("line_fit_" + name.replace(" ", "_"), losses[-1]))
        axis.plot(losses, **style.line(i, 2), label=name)
    axis.set(xlabel="step", ylabel="loss", yscale="log")
    axis.legend()
    return Erratum(
        "the derivatives of the line fit",
        "dL/da = -sum((y - (a x + b)) x),  dL/db = -sum(y - (a x + b))",
        "For L = 1/2 sum((y - (a x + b))^2). Without the minus signs a step climbs.",
        [
            f"tape and formula differ by {gap:.1e} at a = 0.2, b = 0",
            f"15 steps: loss {losses_text(ends[0])} with the minus signs, {losses_text(ends[1])} without",
        ],
    )


def losses_text(value: float) -> str:
    """A loss of any size."""
    return f"{value:.3f}" if value < 1000 else f"{value:.2e}"


def convexity(lab: Notebook, axis: Any) -> Erratum:
    """Guaranteed on convex surfaces only."""
    starts = (-2.0, 1.8)
    bowl = [
        lab.number(f"convex_{i}", descend(lab, lambda w: (w - 0.5) ** 2, s, 0.05, 400)[-1])
        for i, s in enumerate(starts)
    ]
    paths = [descend(lab, VALLEYS.loss, s, 0.02, 400) for s in starts]
    ends = [lab.number(f"not_convex_{i}", p[-1]) for i, p in enumerate(paths)]
    w = np.linspace(-2.25, 2.05, 200)
    axis.plot(w, VALLEYS.loss(w), color=style.GREY)
    for i, path in enumerate(paths):
        axis.plot(
            path,
            VALLEYS.loss(path),
            **style.line(i, 1),
            linewidth=0.8,
            label=f"from {starts[i]:g} to {ends[i]:.2f}".replace("-", "−"),
        )
    axis.set(xlabel="weight w", ylabel="loss L(w), not convex", ylim=(-4.2, 9))
    axis.legend(loc="upper center")
    return Erratum(
        "what is guaranteed",
        "the global minimum is guaranteed for convex surfaces only",
        "And with a learning rate that is small enough. Elsewhere the start decides.",
        [
            f"convex, (w - 0.5)^2: from -2 to {bowl[0]:.6f}, from 1.8 to {bowl[1]:.6f}",
            f"not convex, {VALLEYS.formula}: from -2 to {ends[0]:.6f}, from 1.8 to {ends[1]:.6f}",
        ],
    )


def network_error(weights: Any, inputs: Any, targets: Any) -> Any:
    """The error of the teaching network: half of the sum of squares, for weights (8,) = W1 to W8."""
    hidden = F.sigmoid((weights[:4].reshape(2, 2) * inputs).sum(axis=1) + BIASES[0])
    output = F.sigmoid((weights[4:].reshape(2, 2) * hidden).sum(axis=1) + BIASES[1])
    return 0.5 * ((targets - output) ** 2).sum()


def fifth_weight(lab: Notebook, axis: Any) -> Erratum:
    """W5 - lr dE/dW5."""
    weights = np.array(list(W.values()))
    inputs, targets = lab.tensor(INPUTS), lab.tensor(TARGETS)
    error, slope = value_and_grad(network_error)(lab.tensor(weights), inputs, targets)
    before, slope = lab.number("w5_error", float(host(error))), host(slope)
    lab.number("w5_slope", slope[4])
    new = lab.number("w5_new", weights[4] - LR5 * slope[4])
    grid = np.linspace(0.2, 0.6, 41)
    errors = []
    for value in (*grid, new, weights[4] + LR5 * slope[4]):
        moved = weights.copy()
        moved[4] = value
        errors.append(float(host(network_error(lab.tensor(moved), inputs, targets))))
    right, wrong = lab.number("w5_error_right", errors[-2]), lab.number("w5_error_wrong", errors[-1])
    axis.plot(grid, errors[:-2], color=style.GREY)
    marks = (
        (weights[4], before, "o", "white", "W5 = 0.4"),
        (new, right, "s", style.BLUE, "W5 - lr dE/dW5"),
        (weights[4] + LR5 * slope[4], wrong, "X", style.ORANGE, "W5 + lr dE/dW5"),
    )
    for at, height, marker, colour, text in marks:
        axis.plot(at, height, marker, color=colour, markeredgecolor="black", markersize=8)
        axis.annotate(style.typeset(text), (at, height), (8, -10), textcoords="offset points", fontsize=8)
    axis.set(xlabel="weight W5", ylabel="error E")
    axis.margins(x=0.1)
    return Erratum(
        "the update of W5",
        "W5 - lr dE/dW5",
        "Its own derivative, and a minus: against the slope.",
        [
            f"E = {before:.9f}, dE/dW5 = {slope[4]:.8f}, lr = {LR5}: W5 = 0.4 becomes {new:.8f}",
            f"E is then {right:.9f}; with a plus it were {wrong:.9f}",
        ],
    )
