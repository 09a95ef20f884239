"""Real data sets that come inside an installed package: nothing is downloaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import require


@dataclass(frozen=True, eq=False)  # == of arrays is no bool
class Dataset:
    """Samples and targets: `x, y = data.load("digits")`.

    name: how it was asked for.
    x: (n, features), float32.
    y: (n,), int64 classes 0..classes-1, or float32 values.
    task: "classification" or "regression".
    feature_names: one per column.
    target_names: one per class; empty for regression.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    task: str
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]

    @property
    def classes(self) -> int:
        """Number of classes; 0 for regression."""
        return len(self.target_names)

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter((self.x, self.y))

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.x)

    def __repr__(self) -> str:
        kind = f"{self.classes} classes" if self.classes else "regression"
        return f"Dataset({self.name!r}: {len(self.x)} samples, {self.x.shape[1]} features, {kind})"


_SKLEARN = {
    "digits": "classification",
    "iris": "classification",
    "wine": "classification",
    "breast_cancer": "classification",
    "diabetes": "regression",
}
NAMES = tuple(_SKLEARN)


def load(name: str) -> Dataset:
    """A data set by name.

    digits (1797 x 64, 10 classes), iris (150 x 4, 3), wine (178 x 13, 3), breast_cancer (569 x 30, 2) and diabetes
    (442 x 10, regression) come with scikit-learn.

    Args:
        name: one of NAMES.

    Returns:
        The whole set, in the order of its source.

    Raises:
        ValueError: no such name.
        OptionalDependencyError: scikit-learn is not installed.
    """
    if name not in _SKLEARN:
        raise ValueError(f"data.load: unknown data set {name!r}; there are {', '.join(NAMES)}")
    sklearn: Any = require("sklearn.datasets", "train", f"data.load({name!r})")
    bunch = getattr(sklearn, f"load_{name}")()
    classes = _SKLEARN[name] == "classification"
    return Dataset(
        name,
        np.ascontiguousarray(bunch.data, np.float32),
        bunch.target.astype(np.int64 if classes else np.float32),
        _SKLEARN[name],
        tuple(map(str, bunch.feature_names)),
        tuple(map(str, bunch.target_names)) if classes else (),
    )
