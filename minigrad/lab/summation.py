"""Sums of float32 numbers depend on their order; a training makes much of the little that differs.

On a GPU, atomic additions come in whatever order the threads happen to take, another one in every run. Here, on any
device, the examples of a full batch are put in another order instead: a stand-in, with the same effect on the sums.
minigrad's own kernels add in a fixed order, so that a run can be repeated to the bit.
"""

from __future__ import annotations

import math

import numpy as np

from .. import optim
from ..nn import functional as F
from . import style
from .notebook import Notebook, host
from .problem import Moons

RATE = 2.0


def sums(values: np.ndarray, draws: np.random.Generator, orders: int) -> np.ndarray:
    """The sum of float32 values, one after the other, in several random orders: (orders,)."""
    return np.array([np.add.accumulate(draws.permutation(values))[-1] for _ in range(orders)])


def weights_by_step(problem: Moons, steps: int, order: np.random.Generator | None) -> tuple[np.ndarray, float]:
    """Train with the full batch, its rows in a new order at every step, or in their own.

    Returns:
        All weights after each step, (steps + 1, weights), and the test accuracy at the end.
    """
    model = problem.model()
    optimizer = optim.SGD(model.parameters(), RATE)

    def flat() -> np.ndarray:
        return np.concatenate([host(p).ravel() for p in model.parameters()])

    path = [flat()]
    for _ in range(steps):
        rows = np.arange(problem.rows) if order is None else order.permutation(problem.rows)
        rows = problem.lab.tensor(rows, np.int64).data
        optimizer.zero_grad()
        F.cross_entropy(model(problem.x[rows]), problem.y[rows]).backward()
        optimizer.step()
        path.append(flat())
    return np.array(path), problem.accuracy(model)


def draw_order(lab: Notebook) -> None:
    """Sums in many orders; how far trainings drift apart."""
    draws = lab.generator("sums")
    values = draws.normal(size=lab.pick(100_000, 1000)).astype(np.float32)
    exact = math.fsum(values.tolist())
    found = sums(values, draws, lab.pick(300, 20))
    lab.say(f"the sum of {len(values)} float32 numbers in {len(found)} orders, exactly {exact:.9f}:")
    lab.number("different_sums", len(np.unique(found)), "  different results {:.0f}")
    lab.number("largest_error", float(np.abs(found - exact).max()), "  largest error {:.2e}")
    problem = Moons(lab, lab.pick(256, 32))
    steps = lab.pick(1500, 10)
    base, accuracy = weights_by_step(problem, steps, None)
    figure = style.figure(10, 3.9, "A stand-in for atomic additions on a GPU: the examples of a batch in another order")
    left, right = figure.subplots(1, 2)
    left.hist((found - exact) * 1e4, 30, color=style.BLUE, edgecolor="white")
    left.set(xlabel="error of the sum, in units of 0.0001", ylabel="orders", title=f"one sum, {len(found)} orders")
    lab.say(f"a network trained for {steps} steps at the rate {RATE:g}; distance of the weights from the first run's:")
    for i, name in enumerate(("other orders", "other orders again")):
        path, end = weights_by_step(problem, steps, lab.generator(f"order {i}"))
        gap = np.linalg.norm((path - base).astype(float), axis=1)
        lab.number(f"drift_first_{i}", gap[1], f"  {name}: after one step {{:.1e}}")
        lab.number(f"drift_end_{i}", gap[-1], "    at the end {:.1e}")
        lab.number(f"drift_accuracy_{i}", end - accuracy, "    test accuracy changed by {:+.4f}")
        right.plot(np.maximum(gap, 1e-9), **style.line(i, max(1, steps // 10)), label=name)
    again, _ = weights_by_step(problem, steps, None)
    same = float(np.abs(again - base).max())
    lab.number("drift_same_order", same, "  the same order again, the deterministic path: {}, to the bit")
    right.plot(
        np.full(steps + 1, 1e-9), **style.line(2), linewidth=2.5, label=f"the same order again: exactly {same:g}"
    )
    right.set(xlabel="step", ylabel="distance from the first run", yscale="log", title=f"one training of {steps} steps")
    right.set_yticks([1e-9, 1e-7, 1e-5, 1e-3, 1e-1, 10], ["0", "1e−7", "1e−5", "0.001", "0.1", "10"])
    right.legend(loc="best")
    lab.picture("order", figure)
