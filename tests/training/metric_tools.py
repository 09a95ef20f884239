"""What the tests of metrics share."""

from __future__ import annotations

from typing import Any

import numpy as np

import minigrad as mg
from minigrad.training.metrics import Metric, MetricSums, resolve_metrics

CLASSIFICATION = ("accuracy", "balanced_accuracy", "precision", "recall", "f1")
REGRESSION = ("mse", "rmse", "mae", "r2")


def sums_of(names: Any, batches: list[tuple[Any, Any]], device: str = "cpu") -> MetricSums:
    sums = MetricSums(resolve_metrics(names))
    for prediction, target in batches:
        sums.add(mg.tensor(prediction, device=device), mg.tensor(target, device=device))
    return sums


def measure(names: Any, prediction: Any, target: Any, device: str = "cpu") -> dict[str, float]:
    """The metrics of one batch."""
    return sums_of(names, [(prediction, target)], device).values()


def split(prediction: np.ndarray, target: np.ndarray, sizes: list[int]) -> list[tuple[Any, Any]]:
    """Batches of the given sizes, and what is left as the last."""
    ends = np.cumsum(sizes)
    return list(zip(np.split(prediction, ends), np.split(target, ends), strict=True))


def bias(prediction: Any, target: Any) -> Any:
    return (prediction - target).mean()


class Worst(Metric):
    """The largest error: statistics that do not add up."""

    name = "worst"

    def statistics(self, prediction: Any, target: Any) -> Any:
        return abs(prediction.data - target.data).max(axis=0, keepdims=True)

    def combine(self, total: Any, batch: Any) -> Any:
        return np.maximum(total, batch)

    def value(self, total: np.ndarray) -> float:
        return float(total[0])
