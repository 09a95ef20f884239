"""Column scaling, fitted on the training set and applied to everything else.

Statistics of validation or test rows must not reach the training: fit on the training set only.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from ..backend.array import to_host
from ..errors import DTypeError, ShapeError
from ..tensor import as_raw


class _Scaler:
    """y = (x - shift) / scale per column; a subclass says what shift and scale are.

    Fit on the training set only, then transform every part with the same scaler.

    Attributes:
        shift: (columns,), float64; None before fit.
        scale: (columns,), float64, nowhere 0; None before fit.
    """

    def __init__(self) -> None:
        self.shift: np.ndarray | None = None
        self.scale: np.ndarray | None = None

    def _statistics(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError

    def fit(self, x: Any) -> Self:
        """Take the statistics of the training set.

        Args:
            x: (n, columns), n >= 1, the training rows only.

        Returns:
            This scaler.

        Raises:
            ShapeError: not two-dimensional, or no rows.
            ValueError: nan or inf.
        """
        values = _matrix(self, x).astype(np.float64)
        if values.shape[0] == 0:
            raise ShapeError(f"{type(self).__name__}.fit: no rows")
        if not np.isfinite(values).all():
            bad = int(np.argwhere(~np.isfinite(values))[0][1])
            raise ValueError(f"{type(self).__name__}.fit: column {bad} holds nan or inf")
        self.shift, self.scale = self._statistics(values)
        return self

    def _fitted(self, x: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, Any]:
        if self.shift is None or self.scale is None:
            raise ValueError(f"{type(self).__name__}: call fit with the training set first")
        values = _matrix(self, x)
        if values.shape[1] != len(self.shift):
            raise ShapeError(f"{type(self).__name__}: fitted on {len(self.shift)} columns, got {values.shape[1]}")
        dtype = values.dtype if values.dtype.kind == "f" else np.dtype(np.float32)
        return values, self.shift, self.scale, dtype

    def transform(self, x: Any) -> np.ndarray:
        """(x - shift) / scale.

        Args:
            x: (n, columns).

        Returns:
            (n, columns) on the host, in the floating dtype of x (float32 for integers).

        Raises:
            ValueError: not fitted yet.
            ShapeError: another number of columns.
        """
        values, shift, scale, dtype = self._fitted(x)
        return ((values - shift) / scale).astype(dtype)

    def fit_transform(self, x: Any) -> np.ndarray:
        """`fit`, then `transform` of the same rows."""
        return self.fit(x).transform(x)

    def inverse_transform(self, x: Any) -> np.ndarray:
        """x * scale + shift: what `transform` was given.

        Args:
            x: (n, columns).

        Returns:
            (n, columns) on the host.
        """
        values, shift, scale, dtype = self._fitted(x)
        return (values * scale + shift).astype(dtype)

    def state_dict(self) -> dict[str, Any]:
        """The statistics, float64 (None before fit)."""
        return {"shift": self.shift, "scale": self.scale}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned.

        Raises:
            ValueError: a key is missing, or the two differ in length.
        """
        missing = [k for k in ("shift", "scale") if k not in state]
        if missing:
            raise ValueError(f"{type(self).__name__}: the state lacks {missing[0]!r}")
        shift: Any = None if state["shift"] is None else np.array(state["shift"], np.float64)
        scale: Any = None if state["scale"] is None else np.array(state["scale"], np.float64)
        if np.shape(shift) != np.shape(scale):
            raise ValueError(f"{type(self).__name__}: shift {np.shape(shift)} and scale {np.shape(scale)} do not fit")
        self.shift, self.scale = shift, scale


def _matrix(scaler: _Scaler, x: Any) -> np.ndarray:
    values = to_host(as_raw(x))
    if values.dtype.kind not in "fiub":
        raise DTypeError(f"{type(scaler).__name__}: numbers are due, got dtype {values.dtype}")
    if values.ndim != 2:
        raise ShapeError(f"{type(scaler).__name__}: (rows, columns) are due, got shape {values.shape}")
    return values


class StandardScaler(_Scaler):
    """(x - mean) / std per column: mean 0 and standard deviation 1 on the training set.

    std is that of the samples themselves (ddof = 0). A constant column becomes 0. As scikit-learn's class of that name.
    Fit on the training set only.
    """

    def _statistics(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        # Rounding may leave a constant column a mean beside its value and a tiny std: the extremes tell.
        constant = x.max(axis=0) == x.min(axis=0)
        std = x.std(axis=0)
        return np.where(constant, x[0], x.mean(axis=0)), np.where(constant | (std == 0), 1.0, std)


class MinMaxScaler(_Scaler):
    """low + (high - low) (x - min) / (max - min) per column: the training set fills the range.

    A constant column becomes low. As scikit-learn's class of that name. Fit on the training set only.

    Args:
        feature_range: (low, high), finite, low < high.

    Raises:
        ValueError: not such a pair.
    """

    def __init__(self, feature_range: tuple[float, float] = (0.0, 1.0)) -> None:
        super().__init__()
        low, high = feature_range
        if not -np.inf < low < high < np.inf:
            raise ValueError(f"MinMaxScaler: feature_range must be (low, high) with low < high, got {feature_range!r}")
        self.feature_range = (float(low), float(high))

    def _statistics(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        low, high = self.feature_range
        least = x.min(axis=0)
        extent = x.max(axis=0) - least
        scale = np.where(extent == 0, 1.0, extent) / (high - low)
        return least - low * scale, scale
