"""What a step changes beside its results: taken down, and put back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from ..backend import random


class Leaves:
    """The gradient cells of the tensors that a step works on, as they stand.

    Args:
        leaves: of the tape.
    """

    def __init__(self, leaves: Iterable[Any]) -> None:
        self._found = [(leaf, leaf.live, leaf.array, leaf.grad_node) for leaf in leaves]

    def restore(self) -> None:
        """Put them back. The memory of the gradients is somebody else's business."""
        for leaf, live, array, node in self._found:
            leaf.live, leaf.array, leaf.grad_node = live, array, node


class Snapshot:
    """Memory, optimizers, random streams and gradient cells at one time.

    Args:
        memory: arrays that own what the step writes to.
        optimizers: that the step uses.
        leaves: of the tape.
    """

    def __init__(self, memory: Iterable[np.ndarray], optimizers: Iterable[Any], leaves: Iterable[Any]) -> None:
        self.memory = [(array, array.copy()) for array in memory]
        self._hosts = [(o, o.host_state(), [group.get("lr") for group in o.param_groups]) for o in optimizers]
        self._random = random.get_state()
        self._leaves = Leaves(leaves)

    def restore(self) -> None:
        """Put everything back."""
        for array, values in self.memory:
            array[...] = values
        for optimizer, state, rates in self._hosts:
            optimizer.restore_host_state(state)
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                if rate is not None:
                    group["lr"] = rate
        random.set_state(self._random)
        self._leaves.restore()


def undo(before: Mapping[int, np.ndarray], roots: list[np.ndarray]) -> None:
    """Put memory back.

    Args:
        before: number of a buffer -> what it held.
        roots: the buffers.
    """
    for number, values in before.items():
        roots[number][...] = values
