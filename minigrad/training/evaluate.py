"""A model over a data set, without gradients and in evaluation mode."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..backend.array import double, to_host
from ..backend.device import on_device
from ..core.modes import no_grad
from ..data import DataLoader, Dataset
from ..nn import Module
from ..tensor import Tensor, as_raw
from .metric_sums import MetricSums
from .metrics import resolve_metrics

ROWS = 1024
"""Rows that are evaluated at a time where nothing else is asked: memory stays small, calls stay few."""


def device_of_model(model: Module) -> str:
    """The device of a model's first parameter or buffer; the CPU for a model without any."""
    for t in (*model.parameters(), *model.buffers()):
        return t.device
    return "cpu"


def batches_in_order(owner: str, data: Any, device: str) -> Iterable[Any]:
    """Batches of all rows in their order: of a DataLoader's data, of a Dataset or tuple of arrays, or `data` itself."""
    if isinstance(data, DataLoader):
        return data.in_order()
    if isinstance(data, (Dataset, tuple, list)):
        return DataLoader(data, ROWS, shuffle=False, device=device, seed=0)
    if hasattr(data, "__iter__") and not hasattr(data, "dtype"):
        return data
    raise TypeError(f"{owner}: a DataLoader, a Dataset or a tuple (x, y) of arrays is due, got {type(data).__name__}")


def check_batch(owner: str, batch: Any) -> None:
    """Raise TypeError unless a batch is a tuple (x, y, ...)."""
    if not isinstance(batch, (tuple, list)) or len(batch) < 2:
        raise TypeError(
            f"{owner}: a batch must be a tuple (x, y), got {type(batch).__name__}: give the loader both arrays"
        )


def evaluate(model: Module, data: Any, loss: Callable[..., Any] | None = None, metrics: Any = ()) -> dict[str, float]:
    """Loss and metrics of a model over a data set. The model's mode is as before afterwards.

    Args:
        model: the model.
        data: a DataLoader (its rows are taken in order, and it does not advance), a Dataset, a tuple (x, y) of arrays,
            or any iterable of batches.
        loss: loss(prediction, y), a mean over rows; None leaves it out.
        metrics: as for `fit`.

    Returns:
        {"loss": mean over the rows, metric: value, ...}.
    """
    return evaluate_batches(model, batches_in_order("evaluate", data, device_of_model(model)), loss, metrics)


def evaluate_batches(model: Module, batches: Iterable[Any], loss: Any, metrics: Any) -> dict[str, float]:
    """`evaluate` over batches."""
    sums = MetricSums(resolve_metrics(metrics))
    total: Any = 0.0
    rows = 0
    training = model.training
    model.eval()
    try:
        # a diverged model gives nan, not warnings; sums are raw arrays, worked on where they are
        with no_grad(), np.errstate(over="ignore", invalid="ignore"), on_device(device_of_model(model)):
            for batch in batches:
                check_batch("evaluate", batch)
                prediction = model(batch[0])
                if loss is not None:
                    n = len(batch[0])
                    total = total + double(as_raw(loss(prediction, *batch[1:]))) * n
                    rows += n
                sums.add(prediction, batch[1])
    finally:
        model.train(training)
    found = {} if loss is None else {"loss": host_float(total) / rows}
    return found | sums.values()


def predict(model: Module, x: Any) -> np.ndarray:
    """The model's output for many rows, in evaluation mode, without gradients.

    Args:
        model: the model.
        x: (n, ...) array or Tensor.

    Returns:
        (n, ...) on the host.
    """
    training = model.training
    model.eval()
    try:
        with no_grad(), np.errstate(over="ignore", invalid="ignore"):
            loader = DataLoader(x, ROWS, shuffle=False, device=device_of_model(model), seed=0)
            return np.concatenate([to_host(as_raw(model(rows))) for rows in loader])
    finally:
        model.train(training)


def host_float(value: Any) -> float:
    """A number, or a 0-d array of any device, as a Python float (waits for the device)."""
    raw = value.data if isinstance(value, Tensor) else value
    return float(to_host(raw).item()) if hasattr(raw, "dtype") else float(raw)
