"""Metrics that add up over batches on the device: nothing is read back until somebody asks for the values.

A metric of a batch is a vector of sums. The vectors of many batches make one, and the metric comes out of that one: the
value over an epoch is that of all its rows, not a mean of means.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from .class_metrics import Accuracy, ConfusionMetric, balanced_accuracy, f1, precision, recall
from .function_metric import FunctionMetric
from .metric import Metric
from .metric_sums import MetricSums, check_names
from .regression_metrics import R2, ErrorMetric

__all__ = [
    "METRICS",
    "R2",
    "Accuracy",
    "ConfusionMetric",
    "ErrorMetric",
    "FunctionMetric",
    "Metric",
    "MetricSums",
    "resolve_metrics",
]

METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Accuracy("accuracy"),
        ConfusionMetric("balanced_accuracy", balanced_accuracy),
        ConfusionMetric("precision", precision),
        ConfusionMetric("recall", recall),
        ConfusionMetric("f1", f1),
        ErrorMetric("mse", 2),
        ErrorMetric("rmse", 2, root=True),
        ErrorMetric("mae", 1),
        R2("r2"),
    )
}
"""The metrics that a name stands for. Those over classes are unweighted means over the classes ("macro")."""


def _resolve(given: Any) -> Metric:
    if isinstance(given, Metric):
        return given
    if isinstance(given, str):
        if given not in METRICS:
            raise ValueError(f"unknown metric {given!r}; known are {', '.join(METRICS)}, or pass a function")
        return METRICS[given]
    if isinstance(given, type) and issubclass(given, Metric):
        raise TypeError(f"a metric class was given: make one, {given.__name__}(...)")
    if callable(given):
        return FunctionMetric(given)
    raise TypeError(
        f"a metric is a name ({', '.join(METRICS)}), a Metric or a function(prediction, target), got {given!r}"
    )


def resolve_metrics(metrics: Any) -> list[Metric]:
    """The metrics that a user asks for.

    Args:
        metrics: a name of `METRICS`, a Metric or a function(prediction, target) -> number; a sequence of these, or a
            mapping {own name: one of these}; None for none. A function is called by its `__name__`; those without,
            such as lambdas, "metric", and "metric1", "metric2", ... where there are several.

    Returns:
        Metrics with different names.

    Raises:
        TypeError: something else.
        ValueError: an unknown name, or two metrics of one name.
    """
    if metrics is None:
        return []
    if isinstance(metrics, Mapping):
        found = []
        for name, given in metrics.items():
            if not isinstance(name, str):
                raise TypeError(f"the name of a metric must be a string, got {name!r}")
            found.append(copy.copy(_resolve(given)))  # the one in the table keeps its name
            found[-1].name = name
        return found
    if isinstance(metrics, (str, Metric)) or not isinstance(metrics, Sequence):
        metrics = [metrics]
    found = [_resolve(given) for given in metrics]
    unnamed = [m for m, given in zip(found, metrics, strict=True) if m is not given and m.name == "metric"]
    if len(unnamed) > 1:
        for i, metric in enumerate(unnamed, 1):
            metric.name = f"metric{i}"
    check_names(found)
    return found
