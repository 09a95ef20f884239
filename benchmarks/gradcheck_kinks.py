"""Functions at their kinks, and what gradcheck says of them. Used by gradcheck_power."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg
from minigrad.testing import InconclusiveError, WrongGradientError, gradcheck

F = mg.nn.functional
KINKS: dict[str, tuple[Callable[..., Any], Callable[[np.random.Generator], list[np.ndarray]]]] = {}


def kinked(name: str, draw: Callable[[np.random.Generator], list[np.ndarray]]) -> Any:
    def register(f: Callable[..., Any]) -> Callable[..., Any]:
        KINKS[name] = (f, draw)
        return f

    return register


def _with_zero(rng: np.random.Generator) -> list[np.ndarray]:
    x = rng.uniform(-2, 2, 4)
    x[rng.integers(4)] = 0.0
    return [x]


def _tied(rng: np.random.Generator) -> list[np.ndarray]:
    x = rng.uniform(-2, 2, 4)
    i, j = rng.permutation(4)[:2]
    x[i] = x[j] = x.max() + rng.uniform(0, 1)
    return [x]


def _tied_pair(rng: np.random.Generator) -> list[np.ndarray]:
    x, y = rng.uniform(-2, 2, (2, 4))
    k = rng.integers(4)
    y[k] = x[k]
    return [x, y]


def _signs(rng: np.random.Generator) -> np.ndarray:
    return rng.choice([-1.0, 1.0], size=4)


LABELS = np.array([1.0, -1.0, 1.0, -1.0])


def _on_the_margin(rng: np.random.Generator) -> list[np.ndarray]:
    x = rng.uniform(-2, 2, 4)
    k = rng.integers(4)
    x[k] = LABELS[k]
    return [x]


def _tied_rows(rng: np.random.Generator) -> list[np.ndarray]:
    return [np.repeat(rng.uniform(-1, 1, (1, 2)), 3, axis=0), rng.uniform(-1, 1, (2, 2))]


def _palindrome(rng: np.random.Generator) -> list[np.ndarray]:
    x = rng.uniform(-2, 2, 2)
    return [np.concatenate([x, x[::-1]])]


kinked("relu", _with_zero)(F.relu)
kinked("abs", _with_zero)(mg.abs)
kinked("leaky_relu", _with_zero)(F.leaky_relu)
kinked("clip", lambda rng: [_with_zero(rng)[0] + 0.5])(lambda x: mg.clip(x, 0.5, 3.0))
kinked("maximum", _tied_pair)(mg.maximum)
kinked("minimum", _tied_pair)(mg.minimum)
kinked("max", _tied)(mg.max)
kinked("sort", _tied)(np.sort)
kinked("median of two", lambda rng: [np.repeat(rng.uniform(-2, 2, 1), 3)])(np.median)
kinked("max in a composition", _tied)(lambda x: mg.tanh(mg.max(x * 1.0) * mg.sum(x) / 8))
kinked("relu in a network", _with_zero)(lambda x: mg.sum(mg.tanh(F.relu(x) * 1.5 + 0.25) * (x + 1)))
kinked("sum of relu", _with_zero)(lambda x: mg.sum(F.relu(x)))
kinked("hinge loss", _on_the_margin)(lambda x: F.hinge_loss(x, LABELS))
kinked("mean absolute error", _with_zero)(lambda x: F.l1_loss(x, np.zeros(4)))
kinked("elu of another slope", _with_zero)(lambda x: F.elu(x, alpha=0.5))
kinked("largest of pairs", _palindrome)(lambda x: mg.max(mg.stack([x, x[::-1]]), axis=0))
kinked("infinity norm", lambda rng: [_tied(rng)[0] + 2])(lambda x: mg.max(mg.abs(x)))
kinked("spread", _tied)(np.ptp)
kinked("second derivative of huber", lambda rng: [_signs(rng)])(lambda x: F.huber_loss(x, np.zeros(4)))
kinked("max over a product", _tied_rows)(lambda x, w: mg.sum(mg.tanh(mg.max(x @ w, axis=0))))
kinked("relu(x) - relu(-x)", _with_zero)(lambda x: F.relu(x) - F.relu(-x))
kinked("norm at 0", lambda rng: [np.zeros(1)])(lambda x: mg.sum(mg.abs(x)) ** 1)
kinked("near a kink", lambda rng: [rng.choice([-1, 1], 4) * 10.0 ** rng.uniform(-9, -4, 4)])(mg.abs)


def kinks(count: int, seed: int) -> dict[str, Any]:
    """Verdicts on functions at their kinks; "near a kink" is smooth, if only just."""
    rng = np.random.default_rng(seed)
    found: dict[str, Counter[str]] = {name: Counter() for name in KINKS}
    for k in range(count):
        name = list(KINKS)[k % len(KINKS)]
        f, draw = KINKS[name]
        xs = draw(rng)
        found[name][_of_kink(f, xs, k)] += 1
    totals = sum(found.values(), Counter())
    return {"checks": count, "called_wrong": totals["wrong"], "by_function": {n: dict(c) for n, c in found.items()}}


def _of_kink(f: Callable[..., Any], xs: list[np.ndarray], seed: int) -> str:
    try:
        return str(gradcheck(f, *xs, seed=seed, max_entries=(0, 24)[seed // len(KINKS) % 2]).verdict)
    except (WrongGradientError, InconclusiveError) as error:
        finding = error.report.failing
        return "kink, not accepted" if finding is not None and finding.verdict == "kink" else str(error.report.verdict)
