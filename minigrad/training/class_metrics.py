"""Metrics over classes: accuracy, and what the confusion matrix gives."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend.device import Array
from ..errors import DTypeError, ShapeError
from ..tensor import Tensor
from .metric import Metric, operands, vector

IGNORED = -100
"""The label of rows that do not count: the default ignore_index of cross_entropy."""
EXACT = 1 << 24
"""Up to so many rows a float32 product of zeros and ones counts exactly."""

Formula = Callable[[np.ndarray], float]


class _ClassMetric(Metric):
    """A metric over classes: logits (n, C), or (n,) or (n, 1) of a problem with two, where positive means class 1.

    Labels are (n,) or (n, 1) of any dtype: 0 to C - 1, or -100 for rows that do not count. Any other label is an error
    when the value is read, on every device. A nan among the logits makes the metric nan.
    """

    larger_is_better = True

    def __init__(self, name: str) -> None:
        self.name = name

    def _classes(self, prediction: Any, target: Any) -> tuple[Any, str, int, Array, Array, Array]:
        """Array module, device, number of classes, (n,) classes predicted, (n,) labels, and how many labels are none.

        The last is 0-d float64: nan where a logit is.
        """
        xp, device, p, t = operands(self.name, prediction, target)
        if p.ndim > 2 or 0 in p.shape[1:] or t.ndim != 1:
            raise ShapeError(
                f"{self.name}: logits (n, C) or (n,) and labels (n,) are due, got shapes {tuple(prediction.shape)} and "
                f"{tuple(target.shape)}"
            )
        if p.dtype.kind != "f":
            raise DTypeError(
                f"{self.name}: the prediction must be floating-point logits, got {p.dtype}; classes chosen already "
                "count as logits by a one-hot in float32"
            )
        count = 2 if p.ndim == 1 else p.shape[1]
        predicted = p > 0 if p.ndim == 1 else p.argmax(axis=1)
        labels = t.astype(np.float64)  # -100 has no place in an unsigned dtype
        known = (labels >= 0) & (labels < count) & (labels == xp.floor(labels))
        strange = (~(known | (labels == IGNORED))).sum()
        return xp, device, count, predicted, labels, xp.where(xp.isnan(p).any(), math.nan, strange)

    def _check(self, strange: float) -> None:
        if strange > 0:
            raise ValueError(
                f"{self.name}: {strange:.0f} labels are no class; due are 0 to C - 1 for logits (n, C), 0 and 1 for "
                f"logits (n,), {IGNORED} for rows that do not count"
            )


class Accuracy(_ClassMetric):
    """The share of rows whose class is predicted right."""

    def statistics(self, prediction: Tensor, target: Tensor) -> Array:
        _, device, _, predicted, labels, strange = self._classes(prediction, target)
        return vector(device, strange, (labels != IGNORED).sum(), (predicted == labels).sum())

    def value(self, total: np.ndarray) -> float:
        strange, rows, right = map(float, total)
        self._check(strange)
        return right / rows if rows and not math.isnan(strange) else math.nan


class ConfusionMetric(_ClassMetric):
    """A metric from the confusion matrix, whose entry [i, j] counts the rows of class i that were taken for class j.

    Args:
        name: its name.
        formula: the metric of a (C, C) float64 matrix with at least one row counted.
    """

    def __init__(self, name: str, formula: Formula) -> None:
        super().__init__(name)
        self.formula = formula

    def statistics(self, prediction: Tensor, target: Tensor) -> Array:
        xp, device, count, predicted, labels, strange = self._classes(prediction, target)
        classes = xp.arange(count)
        # A product of one-hot matrices: bincount would wait for the device to learn its own length.
        dtype = np.float32 if len(labels) <= EXACT else np.float64
        truth = (labels[:, None] == classes).astype(dtype)
        chosen = (predicted[:, None] == classes).astype(dtype)
        return vector(device, strange, (truth.T @ chosen).reshape((count * count,)))

    def value(self, total: np.ndarray) -> float:
        self._check(float(total[0]))
        count = math.isqrt(total.size - 1)
        matrix = total[1:].reshape((count, count))
        return self.formula(matrix) if matrix.any() and not math.isnan(total[0]) else math.nan


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """part / whole, 0 where whole is 0."""
    return np.asarray(part / np.where(whole == 0, 1.0, whole))


def _occurring(matrix: np.ndarray) -> np.ndarray:
    """Which classes occur among the labels or the predictions."""
    return np.asarray(matrix.sum(axis=0) + matrix.sum(axis=1) > 0)


def balanced_accuracy(matrix: np.ndarray) -> float:
    """The mean over classes with labels of the share found."""
    support = matrix.sum(axis=1)
    return float(_ratio(matrix.diagonal(), support)[support > 0].mean())


def precision(matrix: np.ndarray) -> float:
    """The mean over occurring classes of right / predicted."""
    return float(_ratio(matrix.diagonal(), matrix.sum(axis=0))[_occurring(matrix)].mean())


def recall(matrix: np.ndarray) -> float:
    """The mean over occurring classes of right / labelled."""
    return float(_ratio(matrix.diagonal(), matrix.sum(axis=1))[_occurring(matrix)].mean())


def f1(matrix: np.ndarray) -> float:
    """The mean over occurring classes of 2 right / (predicted + labelled)."""
    return float(_ratio(2 * matrix.diagonal(), matrix.sum(axis=0) + matrix.sum(axis=1))[_occurring(matrix)].mean())
