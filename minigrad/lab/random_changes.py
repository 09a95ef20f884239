"""Random changes that are kept if they help: how they fare beside a gradient, by the number of weights."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from .. import optim
from . import style
from .notebook import Notebook, host
from .problem import Moons

PRICE = 3
"""Losses that one gradient costs: a forward pass, and a backward pass of twice the work."""
TARGET = 0.01
SCALES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


def bowl(w: Any) -> Any:
    """The mean of the squares of all weights."""
    return (w * w).mean()


def search_bowl(lab: Notebook, dimensions: int, most: int) -> float:
    """Losses that RandomSearch asks for until |w|^2 / n has fallen from 1 to TARGET, at its best scale."""
    found = []
    for scale in SCALES:
        w = lab.tensor(np.ones(dimensions), requires_grad=True)
        search = optim.RandomSearch([w], scale, seed=lab.seed)
        while search.steps < most and not search.loss <= TARGET:
            search.step(partial(bowl, w))
        found.append(search.steps + 1 if search.loss <= TARGET else np.inf)
    return float(min(found))


def descend_bowl(lab: Notebook, dimensions: int) -> float:
    """The same for gradient descent, a gradient counted as PRICE losses; its rate moves a tenth of the way."""
    w = lab.tensor(np.ones(dimensions), requires_grad=True)
    optimizer = optim.SGD([w], 0.05 * dimensions)
    steps = 0
    while (host(w) ** 2).mean() > TARGET:
        optimizer.zero_grad()
        bowl(w).backward()
        optimizer.step()
        steps += 1
    return float(PRICE * steps)


def draw_search(lab: Notebook) -> None:
    """Against the number of weights, and on a small network."""
    sizes = (2, 4, 8, 16, 32, 64, 128) if not lab.smoke else (2, 4)
    most = lab.pick(6000, 200)
    figure = style.figure(9.6, 3.9, f"A gradient counts as {PRICE} losses")
    left, right = figure.subplots(1, 2)
    by_chance = [search_bowl(lab, n, most) for n in sizes]
    by_slope = [descend_bowl(lab, n) for n in sizes]
    lab.say(
        f"losses asked for until |w|^2 / n fell from 1 to {TARGET}: random changes at their best size, gradient descent"
    )
    for n, chance, slope in zip(sizes, by_chance, by_slope, strict=True):
        lab.number(f"chance_{n}", chance)
        lab.number(f"slope_{n}", slope)
        lab.say(f"  {n:3d} weights  {chance:5.0f}  {slope:4.0f}")
    left.plot(sizes, by_chance, **style.line(1, 1), label="random changes, kept if better")
    left.plot(sizes, by_slope, **style.line(0, 1), label="gradient descent")
    left.set(xlabel="weights", ylabel=f"losses until {TARGET:g} of the start", yscale="log", title="a bowl")
    left.set_xscale("log", base=2)
    left.set_xticks(sizes, [str(n) for n in sizes])
    left.legend()
    _draw_network(lab, right)
    lab.picture("search", figure)


def _draw_network(lab: Notebook, axis: Any) -> None:
    problem = Moons(lab, lab.pick(128, 32), lab.pick(64, 8))
    budget = lab.pick(3000, 30)
    weights = sum(p.size for p in problem.model().parameters())
    lab.say(f"a network of {weights} weights, {budget} losses:")
    runs: dict[str, tuple[Any, Any]] = {}
    scales, rates = (0.02, 0.05, 0.1), (0.5, 1.0, 2.0)
    for scale in scales:
        model = problem.model()
        search = optim.RandomSearch(model.parameters(), scale, seed=lab.seed)
        losses = [search.step(partial(problem.loss, model)) for _ in range(budget)]
        runs[f"random changes of size {scale}"] = np.arange(1, budget + 1), losses
    for rate in rates:
        model = problem.model()
        optimizer = optim.SGD(model.parameters(), rate)
        losses, _ = problem.train(model, optimizer, problem.rows, budget // PRICE, lab.generator("order"))
        runs[f"gradient descent, rate {rate:g}"] = PRICE * np.arange(len(losses)), losses
    for i, start in ((1, "random"), (0, "gradient")):
        name = min((n for n in runs if n.startswith(start)), key=lambda n: runs[n][1][-1])
        asked, losses = runs[name]
        lab.number(f"network_{start}", losses[-1], f"  {name}: loss {{:.4f}}")
        axis.plot(asked, losses, **style.line(i, max(1, len(losses) // 8)), label=name)
    axis.set(
        xlabel="losses asked for", ylabel="training loss", title=f"a network of {weights} weights, best of 3 sizes"
    )
    style.plain_log(axis, (0.03, 0.05, 0.1, 0.2, 0.3, 0.5))
    axis.set_ylim(0.03, 0.8)
    axis.legend()
