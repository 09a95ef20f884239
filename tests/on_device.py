"""Values to and from the device of a test."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad import Tensor
from minigrad.backend import array as arrays


def host(value: Any) -> np.ndarray:
    """The values of a Tensor (tracked or not) or of a raw array, wherever they are, as a NumPy array."""
    return np.array(arrays.to_host(value.data if isinstance(value, Tensor) else value))


def put(value: Any, device: str) -> Any:
    """A raw array on a device: a copy of `value`."""
    return arrays.to_device(np.array(value), device)
