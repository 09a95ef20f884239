"""What a step changes beside its results: taken down, and put back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..backend import random


class HostState:
    """What optimizers and gradient cells hold on the host.

    Args:
        optimizers: those that a step uses.
        leaves: gradient cells of the tape.
    """

    def __init__(self, optimizers: Iterable[Any], leaves: Iterable[Any]) -> None:
        self._optimizers = [(o, o.host_state()) for o in optimizers]
        self._leaves = [(leaf, leaf.live, leaf.array, leaf.grad_node) for leaf in leaves]

    def restore(self) -> None:
        """Put it back. The memory of the gradients is somebody else's business."""
        for optimizer, state in self._optimizers:
            optimizer.restore_host_state(state)
        for leaf, live, array, node in self._leaves:
            leaf.live, leaf.array, leaf.grad_node = live, array, node


class Snapshot:
    """Memory, optimizers with their learning rates, random streams and gradient cells at one time.

    Args:
        memory: raw arrays that a step writes to.
        optimizers: that it uses.
        leaves: gradient cells of the tape.
    """

    def __init__(self, memory: Iterable[Any], optimizers: Iterable[Any], leaves: Iterable[Any]) -> None:
        optimizers = list(optimizers)
        self.memory = [(array, array.copy()) for array in memory]
        self._host = HostState(optimizers, leaves)
        self._rates = [(group, group["lr"]) for o in optimizers for group in o.param_groups if "lr" in group]
        self._random = random.get_state()

    def restore(self) -> None:
        """Put everything back."""
        for array, values in self.memory:
            array[...] = values
        for group, rate in self._rates:
            group["lr"] = rate
        self._host.restore()
        random.set_state(self._random)


def undo(before: Mapping[int, np.ndarray], roots: list[np.ndarray]) -> None:
    """Put memory back.

    Args:
        before: number of a buffer -> what it held.
        roots: the buffers.
    """
    for number, values in before.items():
        roots[number][...] = values
