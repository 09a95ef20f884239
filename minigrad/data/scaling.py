"""Column scaling, fitted on the training set and applied to everything else.

Statistics of validation or test rows must not reach the training: fit on the training set only. A second fit is
therefore refused unless it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

import numpy as np

from ..backend.array import is_integer, to_host
from ..errors import DTypeError, ShapeError
from ..tensor import as_raw
from .datasets import Dataset


class _Scaler:
    """y = (x - shift) / scale per column; a subclass says what shift and scale are.

    Fit on the training set only, then transform every part with the same scaler.

    Attributes:
        shift: (columns,), float64; None before fit.
        scale: (columns,), float64, nowhere 0; None before fit.
        rows: how many rows it was fitted on; 0 before fit.
    """

    def __init__(self) -> None:
        self.shift: np.ndarray | None = None
        self.scale: np.ndarray | None = None
        self.rows = 0

    def _statistics(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError

    def __repr__(self) -> str:
        fitted = "not fitted" if self.shift is None else f"fitted on {self.rows} rows of {len(self.shift)} columns"
        return f"{type(self).__name__}({fitted})"

    def fit(self, x: Any, refit: bool = False) -> Self:
        """Take the statistics of the training set.

        Args:
            x: (n, columns), n >= 1, the training rows only.
            refit: start anew where the scaler is fitted already.

        Returns:
            This scaler.

        Raises:
            TypeError: a Dataset, which holds the test rows too.
            DTypeError: not numeric.
            ShapeError: not two-dimensional, or no rows.
            ValueError: nan, inf or numbers too large for float64 statistics; fitted already and no refit.
        """
        name = type(self).__name__
        if self.shift is not None and not refit:
            raise ValueError(
                f"{name} is already fitted on {self.rows} rows: transform other sets with it, or fit(x, refit=True) "
                "to start anew"
            )
        values = _matrix(self, x).astype(np.float64)
        if values.shape[0] == 0:
            raise ShapeError(f"{name}.fit: no rows")
        if not np.isfinite(values).all():
            bad = int(np.argwhere(~np.isfinite(values))[0][1])
            raise ValueError(f"{name}.fit: column {bad} holds nan or inf")
        with np.errstate(over="ignore", invalid="ignore"):
            shift, scale = self._statistics(values)
        if not (np.isfinite(shift) & np.isfinite(scale)).all():
            bad = int((~(np.isfinite(shift) & np.isfinite(scale))).argmax())
            largest = np.abs(values[:, bad]).max()
            raise ValueError(
                f"{name}.fit: column {bad} holds numbers up to {largest:.3g}, too large for float64 statistics; "
                "divide the column first"
            )
        self.shift, self.scale, self.rows = shift, scale, len(values)
        return self

    def _fitted(self, x: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, Any]:
        if self.shift is None or self.scale is None:
            raise ValueError(f"{type(self).__name__}: call fit with the training set first")
        values = _matrix(self, x)
        if values.shape[1] != len(self.shift):
            raise ShapeError(f"{type(self).__name__}: fitted on {len(self.shift)} columns, got {values.shape[1]}")
        dtype = values.dtype if values.dtype.kind == "f" else np.dtype(np.float32)
        return values, self.shift, self.scale, dtype

    def _overflow(self, dtype: Any) -> ValueError:
        return ValueError(
            f"{type(self).__name__}: the result is beyond the range of {dtype}; "
            "the rows are far from those it was fitted on, or should be float64"
        )

    def transform(self, x: Any) -> np.ndarray:
        """(x - shift) / scale.

        Args:
            x: (n, columns).

        Returns:
            (n, columns) on the host, in the floating dtype of x (float32 for integers).

        Raises:
            TypeError: a Dataset; DTypeError: not numeric.
            ValueError: not fitted yet, or a result beyond the dtype's range.
            ShapeError: another number of columns.
        """
        values, shift, scale, dtype = self._fitted(x)
        try:
            with np.errstate(over="raise"):
                return ((values - shift) / scale).astype(dtype)
        except FloatingPointError:
            raise self._overflow(dtype) from None

    def fit_transform(self, x: Any, refit: bool = False) -> np.ndarray:
        """`fit`, then `transform` of the same rows: for the training set."""
        return self.fit(x, refit).transform(x)

    def inverse_transform(self, x: Any) -> np.ndarray:
        """x * scale + shift: what `transform` was given.

        Args:
            x: (n, columns).

        Returns:
            (n, columns) on the host.

        Raises:
            TypeError, ValueError, ShapeError: as `transform`.
        """
        values, shift, scale, dtype = self._fitted(x)
        try:
            with np.errstate(over="raise"):
                return (values * scale + shift).astype(dtype)
        except FloatingPointError:
            raise self._overflow(dtype) from None

    def state_dict(self) -> dict[str, Any]:
        """The statistics (float64, None before fit) and the number of rows; lists will do for arrays when loaded."""
        copies = [None if a is None else a.copy() for a in (self.shift, self.scale)]
        return {"shift": copies[0], "scale": copies[1], "rows": self.rows}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned, in place of what was fitted here.

        Args:
            state: of a scaler of this class; arrays may have become lists, numbers 0-d arrays.

        Raises:
            ValueError: a key is missing or of another class, the two differ in length, or are not numbers.
        """
        name = type(self).__name__
        due = self.state_dict()
        missing = [k for k in due if k not in state]
        if missing:
            raise ValueError(f"{name}: the state lacks {missing[0]!r}")
        extra = [k for k in state if k not in due]
        if extra:
            raise ValueError(f"{name}: the state holds {extra[0]!r}; is it that of another scaler?")
        shift, scale = (_row(name, k, state[k]) for k in ("shift", "scale"))
        lengths = ["none" if a is None else f"({len(a)},)" for a in (shift, scale)]
        if lengths[0] != lengths[1]:
            raise ValueError(f"{name}: shift {lengths[0]} and scale {lengths[1]} do not fit")
        if scale is not None and not scale.all():
            raise ValueError(f"{name}: the state's scale is 0 in column {int((scale == 0).argmax())}")
        rows = np.asarray(state["rows"])
        if rows.ndim or not is_integer(rows[()]) or (rows < 1 if shift is not None else rows != 0):
            raise ValueError(f"{name}: the state's rows must count those of the fit, got {state['rows']!r}")
        self.shift, self.scale, self.rows = shift, scale, int(rows)


def _matrix(scaler: _Scaler, x: Any) -> np.ndarray:
    if isinstance(x, Dataset):
        raise TypeError(
            f"{type(scaler).__name__}: a Dataset holds the test rows too: split it first, "
            "or pass dataset.x if that is meant"
        )
    values = to_host(as_raw(x))
    if values.dtype.kind not in "fiub":
        raise DTypeError(f"{type(scaler).__name__}: numbers are due, got dtype {values.dtype}")
    if values.ndim != 2:
        raise ShapeError(f"{type(scaler).__name__}: (rows, columns) are due, got shape {values.shape}")
    return values


def _row(name: str, key: str, values: Any) -> np.ndarray | None:
    """A state's shift or scale, (columns,) float64, or None."""
    if values is None:
        return None
    array = np.asarray(values)
    if array.size and array.dtype.kind not in "fiu":
        raise ValueError(f"{name}: the state's {key} must be numbers, got dtype {array.dtype}")
    array = array.astype(np.float64)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError(f"{name}: the state's {key} must be (columns,) finite numbers, got shape {array.shape}")
    return array


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
        self.feature_range = _range(feature_range)

    def state_dict(self) -> dict[str, Any]:
        """As of every scaler, and feature_range."""
        return {**super().state_dict(), "feature_range": self.feature_range}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """As of every scaler; feature_range becomes the state's."""
        bounds = _range(state["feature_range"]) if "feature_range" in state else self.feature_range
        super().load_state_dict(state)
        self.feature_range = bounds

    def _statistics(self, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        low, high = self.feature_range
        least = x.min(axis=0)
        extent = x.max(axis=0) - least
        scale = extent / (high - low)
        scale = np.where(scale == 0, 1.0 / (high - low), scale)  # constant, or so narrow that the division underflows
        return least - low * scale, scale


def _range(bounds: Any) -> tuple[float, float]:
    """(low, high) as two floats, low < high.

    Raises:
        ValueError: anything else.
    """
    pair = np.asarray(bounds)
    if pair.shape != (2,) or pair.dtype.kind not in "fiu" or not -np.inf < pair[0] < pair[1] < np.inf:
        raise ValueError(f"MinMaxScaler: feature_range must be (low, high) with low < high, got {bounds!r}")
    return float(pair[0]), float(pair[1])


SCALERS = {"standard": StandardScaler, "minmax": MinMaxScaler}
"""The scalers by the names that a command line and a saved model know them by."""
