"""Flat storage: all parameters of one dtype and device in one buffer, their gradients in another.

Every parameter becomes a view into the flat buffer, aligned to a block of 64 elements (256 bytes of float32), and so
does its gradient. An optimizer step, a clip, a checkpoint or an all-reduce is then one pass over one array instead of
a loop over parameters. The buffers belong to the parameters: optimizers over the same ordered set share them.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from ..backend import array as arrays
from ..backend.device import Array, on_device
from ..backend.recording import target
from ..errors import GraphWarning
from ..tensor import Tensor

BLOCK = 64
"""Elements per block: the granularity of alignment and of skipping."""


class Store:
    """The flat parameter and gradient buffers of an ordered set of parameters.

    p, g: flat arrays of `size` elements. Padding between parameters holds zeros, which every update keeps.
    starts, stops: first element and end of each parameter, without its padding.
    epoch: counts the times a parameter left; whoever keeps views of the buffers compares this one integer.
    """

    __slots__ = ("__weakref__", "device", "dtype", "epoch", "g", "p", "shapes", "size", "starts", "stops")

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        self.dtype, self.device = parameters[0].dtype, parameters[0].device
        self.epoch = 0
        self.shapes = [p.shape for p in parameters]
        self.starts: list[int] = []
        self.stops: list[int] = []
        end = 0
        for p in parameters:
            self.starts.append(end)
            self.stops.append(end + p.size)
            end += -(-p.size // BLOCK) * BLOCK
        self.size = end
        self.p = arrays.aligned_zeros(end, self.dtype, self.device)
        self.g = arrays.aligned_zeros(end, self.dtype, self.device)
        with on_device(self.device):
            for i, p in enumerate(parameters):
                self._adopt(i, p)

    def _adopt(self, position: int, parameter: Tensor) -> None:
        """Move a parameter and its gradient into the buffers. Values stay, so saved ones are not stale."""
        leaf = parameter._gradient_cell()
        if leaf.store is not None:
            leaf.store.epoch += 1
        data, gradient = self.view(self.p, position), self.view(self.g, position)
        data[...] = parameter._data
        if leaf.live:
            gradient[...] = leaf.array
        parameter._data = data
        leaf.array = gradient
        leaf.store, leaf.position = self, position

    def view(self, buffer: Array, position: int) -> Array:
        """The part of a flat buffer that belongs to one parameter, in its shape."""
        return buffer[self.starts[position] : self.stops[position]].reshape(self.shapes[position])

    def holds(self, parameters: Sequence[Tensor]) -> bool:
        """True when these are exactly the parameters in this store, in order."""
        return len(parameters) == len(self.starts) and all(
            p._gradient_cell().store is self and p._gradient_cell().position == i for i, p in enumerate(parameters)
        )

    def runs(self, positions: Sequence[int]) -> list[tuple[int, int]]:
        """(start, stop) of the stretches that cover the given parameters with their padding, neighbours joined."""
        found: list[tuple[int, int]] = []
        for i in positions:
            start = self.starts[i]
            stop = self.starts[i + 1] if i + 1 < len(self.starts) else self.size
            if found and found[-1][1] == start:
                start = found.pop()[0]
            found.append((start, stop))
        return found


def pack(parameters: Sequence[Tensor]) -> list[tuple[Store, list[int]]]:
    """Put parameters into flat stores, one per dtype and device, or find the stores that hold them already.

    Args:
        parameters: distinct leaf tensors.

    Returns:
        Pairs of a store and the indices into `parameters` of its members, in their order.
    """
    kinds: dict[tuple[Any, str], list[int]] = {}
    for i, p in enumerate(parameters):
        kinds.setdefault((p.dtype, p.device), []).append(i)
    packed = []
    for indices in kinds.values():
        members = [parameters[i] for i in indices]
        store = members[0]._gradient_cell().store
        if store is None or not store.holds(members):
            if any(p._gradient_cell().store is not None for p in members):
                warnings.warn(
                    "parameters that another optimizer holds in a different set or order are packed anew: both work, "
                    "but each step after the other's copies everything; give both the same ordered parameters, or "
                    "disjoint ones",
                    GraphWarning,
                    stacklevel=5,
                )
            store = Store(members)
        packed.append((store, indices))
    return packed


def gradient_runs(parameters: Sequence[Tensor]) -> list[Array]:
    """Flat arrays that cover the gradients of the parameters which have one: as few as their storage allows."""
    stores: dict[int, tuple[Store, list[int]]] = {}
    found: list[Array] = []
    for p in parameters:
        leaf = getattr(p, "_leaf", None)
        if leaf is None or not leaf.live:
            continue
        if leaf.store is None:
            found.append(leaf.array.reshape(-1))  # a view: the storage of a gradient is C-contiguous
        else:
            stores.setdefault(id(leaf.store), (leaf.store, []))[1].append(leaf.position)
    for store, positions in stores.values():
        found += [store.g[start:stop] for start, stop in store.runs(sorted(set(positions)))]
    return found


def clear_padding(parameters: Sequence[Tensor]) -> None:
    """Set the elements between parameters in their flat gradient buffers back to zero."""
    stores = {id(s): s for p in parameters if (s := getattr(getattr(p, "_leaf", None), "store", None)) is not None}
    for store in stores.values():
        ends = [*store.starts[1:], store.size]
        with on_device(store.device):
            for stop, end in zip(store.stops, ends, strict=True):
                if end > stop:
                    target(store.g[stop:end])[...] = 0
