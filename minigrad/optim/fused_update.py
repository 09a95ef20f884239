"""One launch for all parameters of a partition: the flat update kernels of a GPU.

The kernel reads its coefficients from a table in device memory, one row per coming step and class; the last block to
finish moves on to the next row. So a step uploads nothing as long as the hyper-parameters stay: the rows are filled
for many steps ahead, since they are functions of hyper-parameters and step count alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backend import array as arrays
from ..backend.device import Array
from ..backend.kernels import THREADS, blocks, kernel
from .parameters import BLOCK, Store

AHEAD = 64
"""Steps for which rows are filled at a time."""


MOST_CLASSES = 255
"""A live byte tells so many apart."""


@dataclass(frozen=True)
class UpdateKernel:
    """The kernel that does the whole update of an optimizer.

    file, entry: where it is.
    states: names of the state buffers in its order; those not in use are null pointers.
    """

    file: str
    entry: str
    states: tuple[str, ...]


class FusedUpdate:
    """The update of the parameters of a store that are live, by one kernel.

    Args:
        update: the kernel.
        store: flat parameters and gradients, float32.
        states: the flat state buffers; None where the kernel takes none.
        members: for each class of parameters, their positions in the store.
        columns: number of coefficients.
    """

    def __init__(
        self,
        update: UpdateKernel,
        store: Store,
        states: Sequence[Array | None],
        members: Sequence[Sequence[int]],
        columns: int,
    ) -> None:
        self._kernel = kernel(update.file, update.entry, store.device)
        self._buffers = (store.p, store.g, *states)
        self._size = store.size
        self._grid = blocks(store.size // 4)
        live = np.zeros(store.size // BLOCK, np.uint8)  # 0: leave the block alone; k + 1: it belongs to class k
        for number, positions in enumerate(members):
            for start, stop in store.runs(positions):
                live[start // BLOCK : stop // BLOCK] = number + 1
        self._live = arrays.to_device(live, store.device)
        self._cursor = arrays.zeros((2,), np.uint32, store.device)  # the next row, and how many blocks are done
        self._shape = (AHEAD, len(members), columns)
        self._table = arrays.zeros(self._shape, np.float64, store.device)
        self._device = store.device
        self._row = 0
        self._filled = 0
        self._hyper: Any = None

    def step(
        self, hyper: Any, flags: int, steps: Sequence[int], coefficients: Callable[[int], Sequence[float]]
    ) -> None:
        """Launch the update of one step.

        Args:
            hyper: what the coefficients depend on besides the step; another value has the rows filled anew.
            flags: for the kernel.
            steps: the number of this step in each class, 1 for the first.
            coefficients: the row of a step number.
        """
        if self._row == self._filled or hyper != self._hyper:
            host = np.empty(self._shape)
            for ahead in range(AHEAD):
                for number, step in enumerate(steps):
                    host[(self._row + ahead) % AHEAD, number] = coefficients(step + ahead)
            self._table = arrays.to_device(host, self._device)
            self._filled, self._hyper = self._row + AHEAD, hyper
        self._kernel(
            self._grid,
            THREADS,
            *self._buffers,
            self._size,
            self._table,
            *self._shape[1:],
            AHEAD,
            self._cursor,
            self._live,
            flags,
        )
        self._row += 1
