"""The gradient of a batch is an estimate of the full one: how good it is, by the size of the batch."""

from __future__ import annotations

import numpy as np

from .. import optim
from . import style
from .notebook import Notebook
from .problem import Moons


def noise(gradients: np.ndarray, size: int, draws: np.random.Generator, batches: int) -> tuple[float, float]:
    """Variance and direction of batches drawn without replacement.

    Args:
        gradients: (examples, weights), the gradient of each example.
        size: examples a batch.
        draws: draws them.
        batches: how many.

    Returns:
        The mean squared distance from the full gradient, and the mean cosine to it.
    """
    full = gradients.mean(axis=0)
    found = np.array([gradients[draws.permutation(len(gradients))[:size]].mean(axis=0) for _ in range(batches)])
    variance = ((found - full) ** 2).sum(axis=1).mean()
    cosine = found @ full / (np.linalg.norm(found, axis=1) * np.linalg.norm(full))
    return float(variance), float(cosine.mean())


def draw_noise(lab: Notebook, problem: Moons) -> None:
    """At the beginning of a training, and late in it."""
    n = problem.rows
    sizes = [2**i for i in range(n.bit_length()) if 2**i <= n]
    figure = style.figure(9.6, 3.8, f"Gradients of batches drawn from {n} examples")
    left, right = figure.subplots(1, 2)
    model = problem.model()
    optimizer = optim.SGD(model.parameters(), 0.3)
    lab.say("gradient of a batch against the full one: mean squared distance, cosine")
    for i, name in enumerate(("first step", "after training")):
        if i:
            problem.train(model, optimizer, 32, lab.pick(30, 1), lab.generator("order"))
        single = np.array([problem.gradient(model, slice(k, k + 1)) for k in range(n)])
        gap = np.abs(single.mean(axis=0) - problem.gradient(model)).max()
        key = name.replace(" ", "_")
        lab.number(
            f"gap_{key}", gap, f"  {name}: mean of the single gradients against the full one, largest gap {{:.1e}}"
        )
        draws = lab.generator("noise")
        found = [noise(single, size, draws, lab.pick(300, 10)) for size in sizes]
        for size, (variance, cosine) in zip(sizes, found, strict=True):
            lab.number(f"variance_{key}_{size}", variance)
            lab.number(f"cosine_{key}_{size}", cosine)
            lab.say(f"    batch {size:4d}   distance {variance:9.2e}   cosine {cosine:.3f}")
        left.plot(sizes[:-1], [v for v, _ in found[:-1]], **style.line(i, 1), label=name)
        right.plot(sizes, [c for _, c in found], **style.line(i, 1), label=name)
        if not i:
            first = found[0][0]
            drawn = [first / size * (n - size) / (n - 1) for size in sizes[:-1]]
            left.plot(sizes[:-1], drawn, color=style.GREY, linewidth=4, alpha=0.35, zorder=1,
                      label="1/B (n − B)/(n − 1): drawn\nwithout replacement")  # fmt: skip
    left.set(xscale="log", yscale="log", ylabel="mean squared distance from the full gradient")
    right.set(xscale="log", ylabel="mean cosine to the full gradient", ylim=(min(0, right.get_ylim()[0]), 1.05))
    for axis in (left, right):
        axis.set_xscale("log", base=2)
        axis.set_xlabel("examples in the batch B")
        axis.set_xticks(sizes[::2], [str(s) for s in sizes[::2]])
        axis.legend()
    lab.picture("noise", figure)
