"""One launch for all parameters of a partition: the flat update kernels of a GPU.

The kernel reads its coefficients from a table in device memory, one row per coming step and class; the last block to
finish moves on to the next row. So a step uploads nothing as long as the hyper-parameters stay: the rows are filled
for many steps ahead, since they are functions of hyper-parameters and step count alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backend import array as arrays
from ..backend.device import Array, on_device
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
    flags: names of the hyper-parameters that choose among its variants; the first stands for 8, the next for 16, ...
    """

    file: str
    entry: str
    states: tuple[str, ...]
    flags: tuple[str, ...] = ()

    def bits(self, group: Mapping[str, Any], decoupled: bool = False) -> int:
        """Its flags under these hyper-parameters.

        Args:
            group: hyper-parameters.
            decoupled: the weight decay shrinks the parameters instead of going into the gradient.
        """
        chosen = (group["maximize"], group["weight_decay"], decoupled, *(group[name] for name in self.flags))
        return sum(bool(on) << bit for bit, on in enumerate(chosen))


class FusedUpdate:
    """The update of the parameters of a store that are live, by one kernel.

    A recorded launch keeps the addresses that it was made with, so the memory of cursor and rows stays the same for
    good. New rows come with a cursor that stands on the first of them, in one copy on the current stream: a step that
    is queued there has read its row by then, whatever has run in between.

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
        self._grid = blocks(store.size // 4)
        live = np.zeros(store.size // BLOCK, np.uint8)  # 0: leave the block alone; k + 1: it belongs to class k
        for number, positions in enumerate(members):
            for start, stop in store.runs(positions):
                live[start // BLOCK : stop // BLOCK] = number + 1
        self._device = store.device
        self._shape = (AHEAD, len(members), columns)
        self._control = arrays.zeros((1 + math.prod(self._shape),), np.float64, store.device)
        with on_device(store.device):
            state, table = self._control[:1].view(np.uint32), self._control[1:]
        live_there = arrays.to_device(live, store.device)
        buffers = (store.p, store.g, *states, store.size)
        self._arguments = (*buffers, table, len(members), columns, AHEAD, state, live_there)
        self._used = AHEAD
        self._hyper: Any = None

    def prepare(self, hyper: Any, steps: Sequence[int], coefficients: Callable[[int], Sequence[float]]) -> None:
        """Have the row of a step where the next launch reads it. Due before each launch and each replay of one.

        Args:
            hyper: what the coefficients depend on besides the step; another value has the rows filled anew.
            steps: the number of this step in each class, 1 for the first.
            coefficients: the row of a step number.
        """
        if self._used == AHEAD or hyper != self._hyper:
            rows = np.array([[coefficients(step + ahead) for step in steps] for ahead in range(AHEAD)])
            host = np.concatenate([[0.0], rows.ravel()])  # 0.0 is cursor and ticket 0
            fresh = arrays.to_device(host, self._device)
            with on_device(self._device):
                self._control[...] = fresh
            self._used, self._hyper = 0, hyper
        self._used += 1

    def launch(self, flags: int) -> None:
        """Update by the row that was prepared; this is what may be recorded.

        Args:
            flags: for the kernel.
        """
        self._kernel(self._grid, THREADS, *self._arguments, flags)

    def step(
        self, hyper: Any, flags: int, steps: Sequence[int], coefficients: Callable[[int], Sequence[float]]
    ) -> None:
        """`prepare` and `launch`, with their arguments."""
        self.prepare(hyper, steps, coefficients)
        self.launch(flags)
