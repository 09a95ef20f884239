"""A metric out of a function that a user brings."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend import array as arrays
from ..backend.device import Array, device_of, provider_of
from ..core.modes import no_grad
from ..errors import ShapeError
from ..tensor import Tensor, as_raw
from .metric import Metric, vector


class FunctionMetric(Metric):
    """The mean over batches, weighted by their rows, of a function that gives a mean over the rows of one batch.

    Exact for means over rows; for anything else (a ratio, a root) the mean over batches is not the value of the whole.

    Args:
        function: function(prediction, target) -> a number, or a 0-d Tensor or array. It runs without gradients.
        name: its name; the function's own where None.
        larger_is_better: True for an accuracy, False for an error.
    """

    def __init__(
        self, function: Callable[[Tensor, Tensor], Any], name: str | None = None, larger_is_better: bool = False
    ) -> None:
        self.function = function
        self.name = _function_name(function) if name is None else name
        self.larger_is_better = larger_is_better

    def statistics(self, prediction: Tensor, target: Tensor) -> Array:
        shape = getattr(as_raw(prediction), "shape", ())
        if not shape:
            raise ShapeError(
                f"metric {self.name!r}: the prediction needs a first axis, the rows; got a {type(prediction).__name__} "
                "without one"
            )
        with no_grad():
            mean = self._number(as_raw(self.function(prediction, target)), device_of(as_raw(prediction)))
        rows = float(shape[0])
        return vector(device_of(as_raw(prediction)), rows, mean * rows)

    def _number(self, found: Any, device: str) -> Any:
        """What the function gave, as a float or a float64 array of one element on the device."""
        if hasattr(found, "dtype"):
            if found.size != 1:
                raise ShapeError(
                    f"metric {self.name!r} gave an array of shape {found.shape}, one number is due: take its mean()"
                )
            if found.dtype.kind in "fiub":
                if provider_of(found) is None:  # a NumPy scalar
                    return float(found)
                return arrays.to_device(found, device).astype(np.float64).reshape((1,))
        elif isinstance(found, (int, float)):
            return float(found)
        raise TypeError(f"metric {self.name!r} gave {found!r}, a real number is due")

    def value(self, total: np.ndarray) -> float:
        return float(total[1] / total[0]) if total[0] else math.nan


def _function_name(function: Any) -> str:
    name = getattr(function, "__name__", "<lambda>")
    return "metric" if name == "<lambda>" else str(name)
