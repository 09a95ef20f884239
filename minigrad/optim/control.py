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
        self._scale = self.columns.index("scale")
        self.rounded: Array = arrays.zeros(self.host.shape, dtype, device)
        # 0-d views: the cheapest operands NumPy knows, and they follow the table. `scaled`: whether scale is not 1.
        self.rows = [
            SimpleNamespace(**{name: self.rounded[i, j, ...] for j, name in enumerate(self.columns)}, scaled=False)
            for i in range(rows)
        ]

    def fill(self, row: int, values: Sequence[float]) -> None:
        """Set one row on the host."""
        self.host[row] = values
        self.rows[row].scaled = values[self._scale] != 1.0

    def upload(self, share: Any = None) -> None:
        """Make the rows visible to the update: one copy, which rounds to the parameters' dtype.

        Args:
            share: what the column `scale` is multiplied by there, a number where the table is on the host and a 0-d
                array where it is on a device; None for 1.
        """
        if self._device == "cpu":
            if share is not None and share != 1.0:
                self.host[:, self._scale] *= share
                for row in self.rows:
                    row.scaled = True
            self.rounded[...] = self.host
            return
        fresh = arrays.to_device(self.host.astype(self.rounded.dtype), self._device)
        with on_device(self._device):
            self.rounded[...] = fresh
            if share is not None:
                self.rounded[:, self._scale] *= share
                for row in self.rows:
                    row.scaled = True
