"""The sums of several metrics over batches, kept on the device."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..backend import array as arrays
from ..backend.device import Array, common_provider, device_of, on_device
from ..errors import ShapeError
from ..tensor import Tensor, as_raw
from .metric import Metric


def check_names(metrics: Sequence[Metric]) -> None:
    """Raise ValueError where two metrics have one name."""
    names = [metric.name for metric in metrics]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(
            f"two metrics are called {twice[0]!r}: give them names of their own by a mapping, {{name: metric}}"
        )


class MetricSums:
    """Adds up metrics over batches. Only `values` and `state_dict` wait for the device.

    Args:
        metrics: metrics with different names.

    Raises:
        ValueError: two of one name.
    """

    def __init__(self, metrics: Sequence[Metric]) -> None:
        check_names(metrics)
        self.metrics = list(metrics)
        self._totals: list[Array] = []

    def reset(self) -> None:
        """Forget all batches."""
        self._totals = []

    def add(self, prediction: Tensor, target: Tensor) -> None:
        """Count a batch; one without rows adds nothing. Where a metric raises, no metric has counted it.

        Args:
            prediction: the model's output, (n, ...); its graph is not touched.
            target: (n, ...).

        Raises:
            ShapeError: shapes that a metric cannot take, or another number of classes or columns than before.
            DTypeError: a dtype that a metric cannot take.
            DeviceError: arrays on different devices, or on another one than the batches before.
        """
        if getattr(as_raw(prediction), "shape", ())[:1] == (0,):
            return
        with on_device(device_of(as_raw(prediction))):
            self._add(prediction, target)

    def _add(self, prediction: Tensor, target: Tensor) -> None:
        found = [metric.statistics(prediction, target) for metric in self.metrics]
        if self._totals:
            pairs = list(zip(self.metrics, self._totals, found, strict=True))
            for metric, total, batch in pairs:
                common_provider(f"metric {metric.name!r}", [total, batch])
                if total.shape != batch.shape:
                    raise ShapeError(
                        f"metric {metric.name!r}: this batch has {batch.size} sums, those before had {total.size}; the "
                        "number of classes or columns must stay the same"
                    )
            found = [metric.combine(total, batch) for metric, total, batch in pairs]
        self._totals = found

    def values(self) -> dict[str, float]:
        """Every metric over the batches so far, by name; nan where there was none.

        Raises:
            ValueError: labels that are no class.
        """
        if not self._totals:
            return {metric.name: math.nan for metric in self.metrics}
        pairs = zip(self.metrics, self._totals, strict=True)
        return {metric.name: metric.value(arrays.to_host(total)) for metric, total in pairs}

    def state_dict(self) -> dict[str, Any]:
        """Copies of the sums so far: {name: (m,) float64 NumPy array}; empty before the first batch."""
        pairs = zip(self.metrics, self._totals, strict=False)  # there are no totals before the first batch
        return {metric.name: np.array(arrays.to_host(total)) for metric, total in pairs}

    def load_state_dict(self, state: Mapping[str, Any], device: str) -> None:
        """Restore what `state_dict` returned; nothing is changed when it does not fit.

        Args:
            state: from sums of metrics of the same names.
            device: full label of the device where the coming batches are.

        Raises:
            ValueError: other metrics, or something else than vectors of float64.
        """
        names = [metric.name for metric in self.metrics]
        if not isinstance(state, Mapping) or (state and set(state) != set(names)):
            got = f"those of {', '.join(map(str, state))}" if isinstance(state, Mapping) else repr(state)
            raise ValueError(f"sums of the metrics {', '.join(names)} are due, got {got}")
        for name, sums in state.items():
            if not isinstance(sums, np.ndarray) or sums.ndim != 1 or sums.dtype != np.float64:
                raise ValueError(f"the sums of metric {name!r} must be a 1-d float64 NumPy array, got {sums!r}")
        self._totals = [arrays.to_device(state[name].copy(), device) for name in names] if state else []
