"""The two of the lecture notes: the gradient read off a step of descent, and (L(w + e) - L(w - e)) / 2e.

The weight difference (before - after) / rate of one step of plain gradient descent is the gradient that training
uses, whatever way it took. It comes from the rules, so it is the side under test; the reference is the difference of
the loss, with one fixed step e as in the notes. `step_size_table` shows both against e.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from ...core.modes import no_grad
from ...core.variable import wrap
from ..line import EPS, FACTOR, TINY, Line
from ..tape import leaf
from ..verdict import Outcome, Verdict
from .base import Oracle, compare

Descend = Callable[[list[Any], float], None]
"""`descend(tensors, rate)` moves leaf tensors against their .grad."""

_STEPS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9, 1e-10, 1e-11, 1e-12)


def plain_descent(tensors: list[Any], rate: float) -> None:
    """w -= rate * w.grad, the step of stochastic gradient descent."""
    with no_grad():
        for t in tensors:
            t -= rate * t.grad


class FixedStep(Oracle):
    """(L(w + e) - L(w - e)) / 2e with one fixed e; the error bar is the distance to the same with 2e.

    Args:
        e: the step, in units of max(1, |w|).
    """

    name: ClassVar[str] = "fixed_step"

    def __init__(self, e: float = 2.0**-17) -> None:
        self.e = e

    def judge(self, line: Line, analytic: float) -> Outcome:
        key = f"fixed {self.e}"
        found = line.memo.get(key)
        if found is None:
            found = line.memo[key] = self.reference(line)
        numeric, bar, rounding, scale = found
        if not np.isfinite(bar):
            return Outcome(Verdict.DOMAIN, analytic, note="f is not finite near {where}")
        return compare(line, analytic, numeric, bar, FACTOR * (bar + rounding) + TINY, scale)

    def reference(self, line: Line) -> tuple[float, float, float, float]:
        """The difference, its error bar, its rounding error, and the size of its terms."""
        e = 1.0 if line.linear else self.e
        near = (line.at(e) - line.at(-e)) / (2 * e)
        far = (line.at(2 * e) - line.at(-2 * e)) / (4 * e)
        scale = float(line.magnitudes @ np.abs(near))
        bar = float(line.magnitudes @ np.abs(near - far))
        return float(line.weights @ near), bar, EPS / e * (scale + line.size), scale


class WeightDifference(FixedStep):
    """(before - after) / rate of one step of descent on <w, F>, against differences with a fixed step.

    Args:
        step: `step(tensors, rate)` moves leaf tensors; None is w -= rate * w.grad. An optimizer's works as well:
            `lambda tensors, rate: mg.optim.SGD(tensors, lr=rate).step()`.
        rate: the learning rate; a power of two adds no rounding.
        e: the step of the differences.
    """

    name: ClassVar[str] = "weight_difference"

    def __init__(self, step: Descend | None = None, rate: float = 1.0, e: float = 2.0**-17) -> None:
        super().__init__(e)
        self.step, self.rate = step or plain_descent, rate

    def judge(self, line: Line, analytic: float) -> Outcome:
        if "descent" not in line.memo:
            line.memo["descent"] = line.descent_slope(self.step, self.rate)
        slope, rounding = line.memo["descent"]
        first = super().judge(line, slope)
        if first.verdict is Verdict.DOMAIN:
            return first
        allowed = first.allowed + FACTOR * rounding
        if abs(slope - first.numeric) <= allowed and not abs(analytic - slope) <= allowed:
            note = f"a step of descent moves the weights by {slope:.12g}, which is right; the gradient is not"
            return Outcome(Verdict.WRONG, analytic, first.numeric, first.bar, allowed, note=note)
        if first.verdict is Verdict.WRONG and abs(slope - first.numeric) <= allowed:
            return Outcome(Verdict.OK, slope, first.numeric, first.bar, allowed)
        return first


@dataclass(frozen=True)
class StepSizeRow:
    """One line of `step_size_table`.

    Args:
        e: the step of the difference.
        difference: largest distance between (L(w + e) - L(w - e)) / 2e and the weight difference, relative to the
            largest component.
        halved: the same between the differences at e and at e / 2: what the difference says of its own error.
    """

    e: float
    difference: float
    halved: float

    def __str__(self) -> str:
        return f"{self.e:10.3g}  {self.difference:12.3g}  {self.halved:12.3g}"


def weight_differences(
    loss: Callable[..., Any], *weights: Any, rate: float = 1.0, step: Descend | None = None
) -> list[np.ndarray]:
    """(before - after) / rate of one step of descent: the gradient that training uses.

    Args:
        loss: function of the weights that returns one number.
        *weights: NumPy arrays; they are not changed.
        rate: the learning rate.
        step: as for WeightDifference.

    Returns:
        One array per weight.
    """
    tensors = [leaf(np.array(w, np.float64)) for w in weights]
    before = [t._data.copy() for t in tensors]
    loss(*tensors).backward()
    (step or plain_descent)([t for t in tensors if t.grad is not None], rate)
    return [(b - np.asarray(t._data)) / rate for b, t in zip(before, tensors, strict=True)]


def central_differences(loss: Callable[..., Any], *weights: Any, e: float) -> list[np.ndarray]:
    """(L(w + e) - L(w - e)) / 2e for every component of every weight.

    Args:
        loss: function of the weights that returns one number.
        *weights: NumPy arrays.
        e: the step, the same for all components.

    Returns:
        One array per weight.
    """
    arrays = [np.array(w, np.float64) for w in weights]

    def value(i: int, index: tuple[int, ...], change: float) -> float:
        moved = [a.copy() for a in arrays]
        moved[i][index] += change
        with no_grad():
            return float(loss(*map(wrap, moved)).numpy())

    found = []
    for i, a in enumerate(arrays):
        slopes = np.zeros(a.shape)
        for k in np.ndindex(a.shape):
            slopes[k] = (value(i, k, e) - value(i, k, -e)) / (2 * e)
        found.append(slopes)
    return found


def step_size_table(
    loss: Callable[..., Any],
    *weights: Any,
    steps: Sequence[float] = _STEPS,
    rate: float = 1.0,
    step: Descend | None = None,
) -> list[StepSizeRow]:
    """The two methods of the lecture notes compared, for a range of step sizes.

    Large steps show the error of the difference itself, which shrinks like e^2; small ones show rounding, which grows
    like 1 / e. A wrong gradient shows as a floor that no step goes below.

    Args:
        loss: function of the weights that returns one number.
        *weights: NumPy arrays.
        steps: the values of e.
        rate: the learning rate of the step of descent.
        step: as for WeightDifference.

    Returns:
        One row per step size.
    """
    gradient = np.concatenate([g.ravel() for g in weight_differences(loss, *weights, rate=rate, step=step)])
    scale = float(np.abs(gradient).max(initial=0.0)) or 1.0
    rows = []
    for e in steps:
        near, half = (np.concatenate([d.ravel() for d in central_differences(loss, *weights, e=s)]) for s in (e, e / 2))
        rows.append(
            StepSizeRow(e, float(np.abs(near - gradient).max()) / scale, float(np.abs(near - half).max()) / scale)
        )
    return rows
