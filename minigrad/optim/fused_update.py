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

FEW = 4
"""Steps: hyper-parameters that change more often have their rows filled one by one."""

BACK = 32
"""Rows of earlier steps that are kept where the device may skip steps: of so many skips the host need not know."""

MOST_CLASSES = 255
"""A live byte tells so many apart."""

SKIP = 1
"""The flag that has a step skipped whose gradients are not finite."""


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
        """Its flags under these hyper-parameters, without SKIP.

        Args:
            group: hyper-parameters.
            decoupled: the weight decay shrinks the parameters instead of going into the gradient.
        """
        chosen = (False, group["weight_decay"], decoupled, *(group[name] for name in self.flags))
        return sum(bool(on) << bit for bit, on in enumerate(chosen))


class FusedUpdate:
    """The update of the parameters of a store that are live, by one kernel.

    A recorded launch keeps the addresses that it was made with, so the memory of cursor and rows stays the same for
    good. New rows come with a cursor that stands on the first of them, in one copy on the current stream: a step that
    is queued there has read its row by then, whatever has run in between.

    A step that the device skips is one that the host has counted too many. The rows of the last `back` steps are
    therefore in front of the new ones, and the device goes back by as many as it has skipped since `take_skipped`.

    Args:
        update: the kernel.
        store: flat parameters and gradients, float32.
        states: the flat state buffers; None where the kernel takes none.
        members: for each class of parameters, their positions in the store.
        columns: number of coefficients, the shared ones among them.
        average: flat average of the parameters, if there is one.
        back: rows of earlier steps.
    """

    def __init__(
        self,
        update: UpdateKernel,
        store: Store,
        states: Sequence[Array | None],
        members: Sequence[Sequence[int]],
        columns: int,
        average: Array | None = None,
        back: int = 0,
    ) -> None:
        self._kernel = kernel(update.file, update.entry, store.device)
        self._grid = blocks(store.size // 4)
        live = np.zeros(store.size // BLOCK, np.uint8)  # 0: leave the block alone; k + 1: it belongs to class k
        for number, positions in enumerate(members):
            for start, stop in store.runs(positions):
                live[start // BLOCK : stop // BLOCK] = number + 1
        self._device = store.device
        self.back = back
        rows = math.prod((back + AHEAD, len(members), columns))
        # the rows, cursor and ticket; then what no upload may touch: how many steps were skipped
        self._control = arrays.zeros((rows + 2,), np.float64, store.device)
        with on_device(store.device):
            table, state = self._control[:rows], self._control[rows:].view(np.uint32)
            self._uploaded, self._skipped = self._control[: rows + 1], state[2:3]
        live_there = arrays.to_device(live, store.device)
        buffers = (store.p, store.g, *states, store.size, average)
        self._arguments = (*buffers, table, len(members), columns, back + AHEAD, state, live_there)
        self._used = AHEAD
        self._served = 0
        self._hyper: Any = None
        self._may_have_skipped = False

    def prepare(self, hyper: Any, rows: Callable[[int], Any]) -> None:
        """Have the row of a step where the next launch reads it. Due before each launch and each replay of one.

        Args:
            hyper: what the coefficients depend on besides the step; another value has the rows filled anew.
            rows: gives those of so many coming steps, (back + steps, classes, columns); the next one's is at `back`.
        """
        if self._used == AHEAD or hyper != self._hyper:
            # a schedule that changes them at every step has no use for the rows of many
            steps = 1 if self._hyper is not None and self._served < FEW and hyper != self._hyper else AHEAD
            host = np.zeros(self._uploaded.size)
            found = np.asarray(rows(steps)).ravel()
            host[: found.size] = found
            host[-1:].view(np.uint32)[0] = self.back  # the cursor; the ticket is 0
            fresh = arrays.to_device(host, self._device)
            with on_device(self._device):
                self._uploaded[...] = fresh
            self._used, self._hyper, self._served = AHEAD - steps, hyper, 0
        self._used += 1
        self._served += 1
        self._may_have_skipped = self.back > 0

    def invalidate(self) -> None:
        """The rows are those of other steps by now: `prepare` is to fill them anew."""
        self._used = AHEAD

    @property
    def control(self) -> Array:
        """The memory of rows, cursor and counters, which launches write to."""
        return self._control

    def launch(self, flags: int, total: Array | None = None) -> None:
        """Update by the row that was prepared; this is what may be recorded.

        Args:
            flags: for the kernel.
            total: (1,) float64, the sum of squares of all gradients, to clip by and to skip by; None does neither.
        """
        self._kernel(self._grid, THREADS, *self._arguments, total, flags)

    def take_skipped(self) -> int:
        """How many steps the device has skipped since it was asked last: waits for it, where it may skip any."""
        if not self._may_have_skipped:
            return 0
        self._may_have_skipped = False
        count = int(arrays.to_host(self._skipped)[0])
        if count:
            with on_device(self._device):
                self._skipped[...] = 0
            self._used = AHEAD  # the rows are those of other steps than the host thought
        return count
