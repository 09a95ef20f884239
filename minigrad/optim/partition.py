"""The parameters of one group in one store: their step counts, the optimizer's state beside them, and who is updated
together."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backend import array as arrays
from ..backend.device import on_device, provider_for
from ..tensor import Tensor
from .control import ControlTable
from .fast import Loop, loop_for
from .fused_update import BACK, MOST_CLASSES, FusedUpdate, UpdateKernel
from .parameters import Store

CHUNK = 1 << 16
"""Elements an update works on at a time: a chunk of each buffer together stays in the second-level cache."""

EMA = "ema"
"""Name of the state that is the average of the parameters."""

Scalars = tuple[float, ...]


@dataclass(frozen=True)
class Means:
    """What can do the update of an optimizer, and the names of the coefficients it takes, the shared ones last."""

    columns: tuple[str, ...]
    kernel: UpdateKernel | None
    loop: Loop | None


class UpdateClass:
    """Parameters of a partition that are updated with the same coefficients: those at the same step.

    step: updates made.
    scalars: the host's numbers after those.
    earlier: the scalars before each of the latest updates, since a device may have skipped some.
    positions: in the store.
    chunks: (p, g, *states, *scratch) for the pass in NumPy; (p, g, *states, average) for the compiled loop.
    averages: beside each chunk in NumPy that of the average, or None.
    cells: version cells of the parameters.
    """

    __slots__ = ("averages", "cells", "chunks", "earlier", "positions", "scalars", "step")

    def __init__(self, step: int, scalars: Scalars, positions: list[int], cells: list[Any]) -> None:
        self.step = step
        self.scalars = scalars
        self.earlier: deque[Scalars] = deque(maxlen=BACK)
        self.positions = positions
        self.chunks: list[tuple[Any, ...]] = []
        self.averages: list[Any] = []
        self.cells = cells

    def take_back(self, count: int) -> None:
        """Updates that were counted and not made."""
        self.step -= count
        if count and self.earlier:
            self.scalars = self.earlier[max(len(self.earlier) - count, 0)]
            self.earlier.clear()


class Partition:
    """The parameters of one group in one store, with the optimizer's state in the same flat layout.

    Args:
        store: the flat buffers.
        parameters: those in the store, in order.
        scratch: temporary chunks of the pass in NumPy.
        scalars: what the host's numbers of a parameter begin with.
    """

    def __init__(self, store: Store, parameters: list[Tensor], scratch: int, scalars: Scalars) -> None:
        self.store = store
        self.epoch = store.epoch
        self.parameters = parameters
        self.steps = [0] * len(parameters)
        self.scalars = [scalars] * len(parameters)
        self.state: dict[str, Any] = {}
        self.names: tuple[str, ...] = ()
        self.xp = provider_for(store.device).xp
        self.live: list[bool] = []
        self.classes: list[UpdateClass] = []
        self.gradients: list[Any] = []
        self.table: ControlTable
        self.fused: FusedUpdate | None = None
        self.loop: Loop | None = None
        length = min(CHUNK, store.size)
        self._scratch = [arrays.aligned_zeros(length, store.dtype, store.device) for _ in range(scratch)]

    def buffer(self, name: str) -> Any:
        """The flat state buffer of a name, zeros when first asked for."""
        if name not in self.state:
            self.state[name] = arrays.aligned_zeros(self.store.size, self.store.dtype, self.store.device)
            self.live = []  # the chunks lack it
        return self.state[name]

    def settle(self) -> int:
        """Write the classes' step counts back to the parameters.

        Returns:
            How many steps the device has skipped since the last time; where it may skip, this waits for it.
        """
        skipped = 0 if self.fused is None else self.fused.take_skipped()
        for c in self.classes:
            c.take_back(skipped)
            for i in c.positions:
                self.steps[i], self.scalars[i] = c.step, c.scalars
        return skipped

    def _begin(self, initial: Mapping[str, float], positions: Sequence[int]) -> None:
        """Give the state of parameters its first values: those of `initial`, and the parameter for its average."""
        for name, value in initial.items():
            buffer, new = self.state.get(name), positions
            if buffer is None:
                buffer, new = self.buffer(name), range(len(self.parameters))
            if value or name == EMA:
                for i in new:
                    source = self.store.view(self.store.p, i) if name == EMA else value
                    self.store.view(buffer, i)[...] = source

    def classify(
        self, live: list[bool], names: tuple[str, ...], initial: Mapping[str, float], means: Means, back: int
    ) -> None:
        """Sort the live parameters into classes of equal step and lay out what is to be done for each. After `settle`.

        Args:
            live: for each parameter, whether it is updated.
            names: state buffers of the update, without the average.
            initial: what they begin with; an average is kept where its name is here.
            means: what can do the update.
            back: steps that a device may skip unseen.
        """
        store = self.store
        alive = [i for i, a in enumerate(live) if a]
        if EMA not in initial:
            self.state.pop(EMA, None)
        with on_device(store.device):
            self._begin(initial, [i for i in alive if not self.steps[i]])
        by_step: dict[tuple[int, Scalars], list[int]] = {}
        for i in alive:
            by_step.setdefault((self.steps[i], self.scalars[i]), []).append(i)
        self.classes = [
            UpdateClass(step, scalars, positions, [self.parameters[i]._cell for i in positions])
            for (step, scalars), positions in by_step.items()
        ]
        self.gradients = [store.g[start:stop] for start, stop in store.runs(alive)]
        self.fused = self.loop = None
        kernel, columns = means.kernel, means.columns
        on_host = store.device == "cpu"
        if kernel and self.classes and not on_host and store.dtype == np.float32 and len(self.classes) <= MOST_CLASSES:
            states = [self.state.get(name) if name in names else None for name in kernel.states]
            members = [c.positions for c in self.classes]
            self.fused = FusedUpdate(kernel, store, states, members, len(columns), self.state.get(EMA), back)
        else:
            self.loop = loop_for(means.loop, sum(g.size for g in self.gradients)) if on_host else None
            self.table = ControlTable(columns, len(self.classes), store.dtype, store.device)
            for c in self.classes:
                if self.loop is not None:
                    self._lay_out_loop(c, names, kernel.states if kernel else names)
                else:
                    self._lay_out_chunks(c, names)
        self.live, self.names = live, names

    def _lay_out_loop(self, c: UpdateClass, names: tuple[str, ...], all_names: tuple[str, ...]) -> None:
        states = [self.state[name] if name in names else None for name in all_names]
        buffers = (self.store.p, self.store.g, *states, self.state.get(EMA))
        for start, stop in self.store.runs(c.positions):
            c.chunks.append(tuple(None if x is None else x[start:stop] for x in buffers))

    def _lay_out_chunks(self, c: UpdateClass, names: tuple[str, ...]) -> None:
        buffers = (self.store.p, self.store.g, *(self.buffer(name) for name in names))
        average = self.state.get(EMA)
        for start, stop in self.store.runs(c.positions):
            for a in range(start, stop, CHUNK):
                b = min(a + CHUNK, stop)
                c.chunks.append((*(x[a:b] for x in buffers), *(s[: b - a] for s in self._scratch)))
                c.averages.append(None if average is None else average[a:b])
