"""Rates that adapt: to each weight by itself, or to the time.

sparse.png      features of very different frequency: what each optimizer has learnt of the rare ones
schedules.png   every schedule of the library, drawn
decay.png       the same schedules on one noisy problem: the losses they end with
"""

from __future__ import annotations

from typing import Any

import numpy as np

from . import style
from .notebook import Notebook, host
from .racers import RACERS, Maker
from .schedules import draw_decay, draw_schedules, follow_all

FEATURES = 6
"""Feature j is there in one example of 4^j: the first in all of them, the last in 1 of 1024."""
CHOSEN = ("SGD", "momentum", "Adagrad", "RMSprop", "Adam", "Adadelta")
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
BATCH = 16


def run(lab: Notebook) -> None:
    """The whole topic."""
    draw_sparse(lab)
    runs = follow_all(lab)
    draw_schedules(lab, runs)
    draw_decay(lab, runs)


def sparse_examples(lab: Notebook, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Examples of rare and frequent features, with a little noise.

    Returns:
        x (rows, FEATURES) of 0 and 1, y (rows,) = x . truth + noise, and truth (FEATURES,).
    """
    draws = lab.generator("sparse")
    x = (draws.random((rows, FEATURES)) < 0.25 ** np.arange(FEATURES)).astype(float)
    truth = draws.uniform(0.5, 2.0, FEATURES) * np.where(np.arange(FEATURES) % 2 == 0, 1.0, -1.0)
    return x, x @ truth + 0.1 * draws.normal(size=rows), truth


def learn(lab: Notebook, make: Maker, x: np.ndarray, y: np.ndarray, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Least squares in small batches, at every rate of RATES side by side.

    Returns:
        The loss of all examples every 10 steps, (rates, steps // 10 + 1); the weights at the end, (rates, features).
    """
    weights = [lab.tensor(np.zeros(FEATURES), requires_grad=True) for _ in RATES]
    optimizer = make([{"params": [w], "lr": rate} for w, rate in zip(weights, RATES, strict=True)], RATES[0])
    draws = lab.generator("batches")
    losses = []

    def watch() -> None:
        found = np.array([host(w) for w in weights])
        losses.append(0.5 * ((found @ x.T - y) ** 2).mean(axis=1))

    with np.errstate(over="ignore", invalid="ignore"):
        for step in range(steps):
            if step % 10 == 0:
                watch()
            rows = draws.integers(len(x), size=BATCH)
            inputs, targets = lab.tensor(x[rows]), lab.tensor(y[rows])
            optimizer.zero_grad()
            total: Any = 0.0
            for w in weights:
                total = total + 0.5 * ((inputs @ w - targets) ** 2).mean()
            total.backward()
            optimizer.step()
        watch()
    return np.array(losses).T, np.array([host(w) for w in weights])


def draw_sparse(lab: Notebook) -> None:
    """Loss against steps, and the share of each weight that was learnt."""
    x, y, truth = sparse_examples(lab, lab.pick(8192, 256))
    steps = lab.pick(600, 20)
    seen = x.mean(axis=0)
    figure = style.figure(
        10.5, 4, f"{FEATURES} features, the rarest in one example of 1024; {steps} steps, each at its best rate"
    )
    left, right = figure.subplots(1, 2)
    lab.say(
        f"least squares on sparse features, {steps} steps of batches of {BATCH}, each at the best of {list(RATES)}:"
    )
    for i, name in enumerate(CHOSEN):
        losses, weights = learn(lab, RACERS[name], x, y, steps)
        best = int(np.argmin(np.nan_to_num(losses[:, -1], nan=np.inf)))
        share = weights[best] / truth
        lab.say(f"  {name:9s} rate {RATES[best]:g}")
        lab.number(f"sparse_loss_{name.lower()}", losses[best, -1], "    loss of all examples {:.5f}")
        lab.number(f"frequent_{name.lower()}", share[0], "    learnt of the most frequent feature's weight {:.3f}")
        lab.number(f"rare_{name.lower()}", share[-1], "    learnt of the rarest feature's weight        {:.3f}")
        label = f"{name}, rate {RATES[best]:g}"
        left.plot(10 * np.arange(losses.shape[1]), losses[best], **style.line(i), label=label)
        right.plot(seen, share, **style.line(i, 1), label=label)
    left.set(xlabel="step", ylabel="loss of all examples", yscale="log", title="loss")
    right.set(
        xlabel="frequency of the feature", ylabel="share of its weight that was learnt", title="frequent and rare"
    )
    right.set_xscale("log", base=2)
    right.invert_xaxis()
    right.set_xticks(0.25 ** np.arange(FEATURES), ["1", *(f"1/{4**j}" for j in range(1, FEATURES))])
    right.legend(loc="lower left")
    lab.picture("sparse", figure)
