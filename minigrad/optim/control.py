"""The control table: every number of an update that changes from step to step, in the memory of the arrays.

The host fills a row in double precision by the optimizer's formulas; the update reads the row. No such number is
passed by value, so a recorded step sees new values at every replay.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from ..backend import array as arrays
from ..backend.device import Array, on_device
from ..backend.recording import lift


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
        self._format, self._memory = struct.Struct(f"{len(columns)}d"), self.host.data
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
        self._format.pack_into(self._memory, row * self._format.size, *values)  # twice as fast as NumPy's assignment
        self.rows[row].scaled = values[self._scale] != 1.0

    def publish(self) -> None:
        """Make the rows visible to the update: one copy, which rounds to the parameters' dtype."""
        if self._device == "cpu":
            self.rounded[...] = self.host
            return
        fresh = arrays.to_device(self.host.astype(self.rounded.dtype), self._device)
        with on_device(self._device):
            self.rounded[...] = fresh

    @property
    def scale(self) -> float:
        """The scale of the gradients in the first row, which all rows share."""
        return float(self.host[0, self._scale])

    def scale_by(self, share: Any) -> None:
        """Multiply the column `scale` by a number, where the update reads it.

        Args:
            share: a number; a 0-d array where the table is on a device, or where a recorder looks on.
        """
        if isinstance(share, float) and share == 1.0:
            return
        if self._device == "cpu":
            target = lift(self.rounded[:, self._scale])
            target[...] = lift(self.host[:, self._scale]) * share
        else:
            self.rounded[:, self._scale] *= share
        for row in self.rows:
            row.scaled = True

    def lifted(self, row: int, scaled: bool) -> SimpleNamespace:
        """A row as a recorder is to see it.

        Args:
            row: its number.
            scaled: whether `scale` may differ from 1 at another time.
        """
        own = vars(self.rows[row])
        seen = {name: lift(own[name]) for name in self.columns}
        return SimpleNamespace(**seen, scaled=own["scaled"] or scaled)
