"""The control table: every number of an update that changes from step to step, in the memory of the arrays.

The host fills a row in double precision by the optimizer's formulas; the update reads the row. No such number is
passed by value, so a recorded step sees new values at every replay.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..backend import array as arrays
from ..backend.device import Array, on_device


class ControlTable:
    """Rows of float64 coefficients, one per set of parameters that are at the same step.

    Args:
        columns: names of the coefficients.
        rows: number of rows.
        dtype: dtype of the parameters, to which the update's copy is rounded once.
        device: full device label.
    """

    def __init__(self, columns: Sequence[str], rows: int, dtype: Any, device: str) -> None:
        self.columns = tuple(columns)
        self.host = np.zeros((rows, len(columns)))
        self._device = device
        self._rounded: Array = arrays.zeros(self.host.shape, dtype, device)
        # 0-d views: the cheapest operands NumPy knows, and they follow the table.
        self.rows = [
            SimpleNamespace(**{name: self._rounded[i, j, ...] for j, name in enumerate(self.columns)})
            for i in range(rows)
        ]

    def fill(self, row: int, values: Sequence[float]) -> None:
        """Set one row on the host."""
        self.host[row] = values

    def upload(self) -> None:
        """Make the rows visible to the update: one copy, which rounds to the parameters' dtype."""
        if self._device == "cpu":
            self._rounded[...] = self.host
        else:
            fresh = arrays.to_device(self.host.astype(self._rounded.dtype), self._device)
            with on_device(self._device):
                self._rounded[...] = fresh
