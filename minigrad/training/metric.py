"""The base of every metric: the sums of a batch, and the value that all sums together give."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend import array as arrays
from ..backend.device import Array, common_provider, provider_of
from ..errors import ShapeError
from ..tensor import Tensor, as_raw


class Metric:
    """Base class: a name, the sums of a batch, and the value that all the sums together give.

    Attributes:
        name: its name in the history.
        larger_is_better: True for an accuracy, False for an error.
    """

    name: str
    larger_is_better: bool = False

    def statistics(self, prediction: Tensor, target: Tensor) -> Array:
        """The sums over a batch.

        Args:
            prediction: the model's output, (n, ...).
            target: (n, ...), on the same device.

        Returns:
            A raw (m,) float64 array on that device.
        """
        raise NotImplementedError(f"{type(self).__name__} has no statistics(prediction, target)")

    def combine(self, total: Array, batch: Array) -> Array:
        """The statistics of the rows of both: their sum, unless a subclass knows better."""
        return total + batch

    def value(self, total: np.ndarray) -> float:
        """The metric from the statistics of all rows, on the host; nan where it is not defined."""
        raise NotImplementedError(f"{type(self).__name__} has no value(total)")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r})"


def operands(name: str, prediction: Any, target: Any) -> tuple[Any, str, Array, Array]:
    """The array module, the device and the raw arrays; a trailing axis of length 1 is dropped.

    Raises:
        TypeError: not arrays.
        DeviceError: on different devices.
        ShapeError: 0-d, or other numbers of rows.
    """
    p, t = as_raw(prediction), as_raw(target)
    for what, x in (("prediction", p), ("target", t)):
        if provider_of(x) is None:
            raise TypeError(f"{name}: the {what} must be a Tensor or an array, got {type(x).__name__}")
    provider, device = common_provider(name, [p, t])
    if p.ndim == 0 or t.ndim == 0 or p.shape[0] != t.shape[0]:
        raise ShapeError(
            f"{name}: prediction and target need a first axis of the same length, the rows; got shapes {p.shape} and "
            f"{t.shape}"
        )
    p, t = (x.reshape(x.shape[:1]) if x.ndim == 2 and x.shape[1] == 1 else x for x in (p, t))
    return provider.xp, device, p, t


def vector(device: str, *parts: Any) -> Array:
    """A float64 vector of numbers, 0-d and 1-d arrays of a device."""
    widths = [part.size if hasattr(part, "ndim") else 1 for part in parts]
    out = arrays.zeros((sum(widths),), np.float64, device)
    start = 0
    for part, width in zip(parts, widths, strict=True):
        out[start : start + width] = part
        start += width
    return out
