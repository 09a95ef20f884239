"""Metrics of numbers: mean errors, and the coefficient of determination."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backend.device import Array
from ..errors import ShapeError
from ..tensor import Tensor
from .metric import Metric, operands, vector


def _columns(name: str, prediction: Any, target: Any) -> tuple[str, Array, Array]:
    """The device, and prediction and target as (n, k) float64: nothing is broadcast."""
    _, device, p, t = operands(name, prediction, target)
    if p.shape != t.shape or p.ndim > 2:
        raise ShapeError(
            f"{name}: prediction and target (n,) or (n, k) of one shape are due, got {tuple(prediction.shape)} and "
            f"{tuple(target.shape)}"
        )
    k = 1 if p.ndim == 1 else p.shape[1]
    p, t = (x.astype(np.float64).reshape((len(x), k)) for x in (p, t))
    return device, p, t


class ErrorMetric(Metric):
    """A mean of errors over rows, then over the k columns of predictions and targets (n, k).

    Args:
        name: its name.
        power: 1 for |prediction - target|, 2 for its square.
        root: take the square root of each column's mean (as scikit-learn does).
    """

    def __init__(self, name: str, power: int, root: bool = False) -> None:
        self.name = name
        self.power = power
        self.root = root

    @np.errstate(over="ignore", invalid="ignore")  # a diverged model gives inf or nan, not a warning
    def statistics(self, prediction: Tensor, target: Tensor) -> Array:
        device, p, t = _columns(self.name, prediction, target)
        error = p - t
        return vector(device, float(len(p)), (error * error if self.power == 2 else abs(error)).sum(axis=0))

    def value(self, total: np.ndarray) -> float:
        if total[0] == 0:
            return math.nan
        means = total[1:] / total[0]
        return float((np.sqrt(means) if self.root else means).mean())


class R2(Metric):
    """The coefficient of determination, 1 - SS_res / SS_tot, mean over the k columns of predictions and targets (n, k).

        SS_res = sum (target - prediction)^2,  SS_tot = sum (target - mean)^2 = sum d^2 - (sum d)^2 / n

    with d = target - origin, where the origin is the column's first target: a large mean costs no digits, and constant
    targets give exactly SS_tot = 0. As in scikit-learn they count 1 where the prediction is perfect, else 0; fewer than
    two rows give nan.

    The statistics are n, then k values each of SS_res, origin, sum d and sum d^2.

    Args:
        name: its name.
    """

    larger_is_better = True

    def __init__(self, name: str = "r2") -> None:
        self.name = name

    @np.errstate(over="ignore", invalid="ignore")
    def statistics(self, prediction: Tensor, target: Tensor) -> Array:
        device, p, t = _columns(self.name, prediction, target)
        error, origin = t - p, t[:1].sum(axis=0)  # of no rows: 0
        d = t - origin
        return vector(device, float(len(t)), (error * error).sum(axis=0), origin, d.sum(axis=0), (d * d).sum(axis=0))

    @np.errstate(over="ignore", invalid="ignore")
    def combine(self, total: Array, batch: Array) -> Array:
        """The batch's sums about the origin of the total: sum (d + s)^2 = sum d^2 + 2 s sum d + n s^2."""
        k = (total.size - 1) // 4
        n, batch_sum = batch[:1], batch[1 + 2 * k : 1 + 3 * k]
        origin = total[1 + k : 1 + 2 * k]
        shift = batch[1 + k : 1 + 2 * k] - origin
        combined = total + batch
        combined[1 + k : 1 + 2 * k] = origin
        combined[1 + 2 * k : 1 + 3 * k] += n * shift
        combined[1 + 3 * k :] += shift * (2.0 * batch_sum + n * shift)
        return combined

    @np.errstate(over="ignore", invalid="ignore")
    def value(self, total: np.ndarray) -> float:
        n = float(total[0])
        if n < 2:
            return math.nan
        residual, _, first, second = total[1:].reshape((4, -1))
        spread = second - first * first / n
        flat = spread <= 0  # below 0 by rounding alone
        r2 = 1.0 - residual / np.where(flat, 1.0, spread)
        perfect = np.where(np.isnan(residual), math.nan, residual == 0)
        return float(np.where(flat, perfect, r2).mean())
