"""Weights for unbalanced classes: of the classes, for a loss, or of the rows, for the loader."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend.array import is_integer, to_device, to_host
from ..backend.device import Array, device_of
from ..errors import DTypeError, ShapeError
from ..tensor import as_raw


def class_weights(y: Any, classes: int | None = None) -> Array:
    """n / (C count): every class weighs the same in all, and the rows weigh 1 on average.

    For `weight` of cross_entropy. As scikit-learn's compute_class_weight("balanced").

    Args:
        y: (n,) integers in [0, C), of the training set.
        classes: C; None takes the largest class and one.

    Returns:
        (C,) float32, on y's device.

    Raises:
        DTypeError: y is not of integers.
        ShapeError: y is not (n,).
        TypeError: classes is no integer.
        ValueError: no rows, a class out of range, or one without rows.
    """
    weights = _weights("class_weights", y, classes)[0]
    return to_device(weights.astype(np.float32), device_of(as_raw(y)))


def sample_weights(y: Any) -> np.ndarray:
    """n / (C count of the row's class): the loader then draws every class equally often.

    For `weights` of DataLoader.

    Args:
        y: (n,) integers in [0, C), of the training set.

    Returns:
        (n,) float32, on the host.

    Raises:
        DTypeError, ShapeError, ValueError: as `class_weights`.
    """
    weights, labels = _weights("sample_weights", y, None)
    return weights.astype(np.float32)[labels]


def _weights(owner: str, y: Any, classes: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the classes, float64, and y on the host."""
    labels = to_host(as_raw(y))
    if labels.dtype.kind not in "iu":
        raise DTypeError(f"data.{owner}: y must be integers 0..C-1, got dtype {labels.dtype}; data.load codes text so")
    if labels.ndim != 1:
        raise ShapeError(f"data.{owner}: y must be (n,), got shape {labels.shape}")
    if not len(labels):
        raise ValueError(f"data.{owner}: y has no rows")
    if classes is not None and not is_integer(classes):
        raise TypeError(f"data.{owner}: classes must be an integer or None, got {type(classes).__name__} {classes!r}")
    least, largest = int(labels.min()), int(labels.max())
    many = largest + 1 if classes is None else int(classes)
    if least < 0 or largest >= many:
        wrong = least if least < 0 else largest
        raise ValueError(f"data.{owner}: the classes must be 0..{max(many, 1) - 1}, got {wrong}")
    present = np.unique(labels)
    if len(present) < many:  # before an array of `many` is made: one label may be 10**18
        missing = next((c for c, p in enumerate(present.tolist()) if c != p), len(present))
        raise ValueError(f"data.{owner}: class {missing} of {many} has no rows, so that it can have no weight")
    return len(labels) / (many * np.bincount(labels.astype(np.int64), minlength=many)), labels
