"""DataLoader: batches gathered on the device where the data lives, in an order that a seed fixes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..backend import array as arrays
from ..backend import fused_kernels, random
from ..backend.array import is_integer
from ..backend.device import common_provider, device_of, on_device, provider_of, resolve_device
from ..backend.recording import refuse
from ..core.variable import wrap
from ..errors import DTypeError, GraphError, ShapeError
from ..tensor import Tensor, as_raw
from .checks import check_lengths, check_seed


class DataLoader:
    """Iterates over arrays in batches, shuffled anew each epoch.

    The data is moved to the device once; a batch is one gather there. The order of an epoch depends on the seed and
    the epoch's number alone, so any epoch can be repeated, on any device.

    With weights, an epoch draws as many rows as there are, with replacement: some come again, others not at all.

    Args:
        arrays: one array or Tensor, a tuple of them with equal first lengths, or a Dataset. Floating point becomes
            float32; integers and booleans keep their dtype. An array that needs no cast and no move is shared.
        batch_size: rows per batch, at least 1.
        shuffle: draw a new order each epoch; False keeps the order and yields views.
        drop_last: leave out the last batch when it is smaller.
        device: where the data lives; None keeps it where it is.
        seed: fixes the order; None draws one from the global seed.
        weights: (n,), how probable each row is beside the others, as from `data.sample_weights`; needs shuffle=True.

    Attributes:
        epoch: number of the epoch under way, else of the next one, from 0. The last batch ends an epoch.
        position: batches of that epoch already given out.

    Raises:
        ShapeError: an array without rows to count, lengths that differ, or weights that are not (n,).
        DTypeError: an array, or weights, that are not numeric.
        DeviceError: the device is not there, or the arrays lie on different ones.
        GraphError: a tracked Tensor.
        TypeError: a batch_size or seed that is no integer.
        ValueError: no arrays, no rows, an impossible batch_size, drop_last that leaves no batch, or weights that are
            negative, not finite, all zero or without shuffle.
    """

    def __init__(
        self,
        arrays: Any,
        batch_size: int,
        shuffle: bool = True,
        drop_last: bool = False,
        device: str | None = None,
        seed: int | None = None,
        weights: Any = None,
    ) -> None:
        self._single = hasattr(arrays, "dtype")
        members = [arrays] if self._single else list(arrays)
        if not members:
            raise ValueError("DataLoader: no arrays were given")
        if not is_integer(batch_size):
            raise TypeError(
                f"DataLoader: batch_size must be an integer, got {type(batch_size).__name__} {batch_size!r}"
            )
        if batch_size < 1:
            raise ValueError(f"DataLoader: batch_size must be at least 1, got {batch_size}")
        label = None if device is None else resolve_device(device)
        self._arrays = [_prepare(i, a, label) for i, a in enumerate(members)]
        self.length = check_lengths("DataLoader", self._arrays)
        provider, self.device = common_provider("DataLoader", self._arrays)
        self._take = provider.xp.take
        with on_device(self.device):
            self._arrays = [provider.xp.ascontiguousarray(a) for a in self._arrays]  # rows in one piece gather faster
        self.batch_size = int(batch_size)
        self.shuffle = shuffle
        self.drop_last = drop_last
        if len(self) == 0:
            raise ValueError(
                f"DataLoader: drop_last leaves no batch of {self.batch_size} out of {self.length} rows; "
                "use a smaller batch_size or drop_last=False"
            )
        self._cumulative = None if weights is None else _cumulative(weights, self.length, shuffle)
        self.seed = random.draw_seed("shuffle") if seed is None else check_seed("DataLoader", seed)
        self._go_to(0, 0)

    def __len__(self) -> int:
        """Batches in an epoch."""
        return self.length // self.batch_size if self.drop_last else -(-self.length // self.batch_size)

    def __repr__(self) -> str:
        data = ", ".join(f"{a.shape} {a.dtype}" for a in self._arrays)
        order = f"shuffle={self.shuffle}" if self._cumulative is None else "weighted"
        return f"DataLoader({data}, batch_size={self.batch_size}, {order}, device={self.device!r})"

    def in_order(self) -> DataLoader:
        """A loader over the same arrays that gives every row once, in their order; this one does not advance."""
        arrays = self._arrays[0] if self._single else tuple(self._arrays)
        return DataLoader(arrays, self.batch_size, shuffle=False, seed=self.seed)

    def set_epoch(self, epoch: int) -> None:
        """Make the next iteration that of `epoch`, from its first batch.

        Raises:
            TypeError: not an integer.
            ValueError: negative.
        """
        self._go_to(_count("epoch", epoch), 0)

    def _go_to(self, epoch: int, position: int) -> None:
        self.epoch, self.position = epoch, position
        self._started = False  # whether an iteration has begun since
        self._latest: object = None  # the iteration that moves epoch and position; an older one no longer does

    def order(self, epoch: int) -> np.ndarray:
        """The rows of an epoch in their order: a permutation of range(length), or rows drawn by weight; int64."""
        if not self.shuffle:
            return np.arange(self.length)
        generator = random.stream_of(self.seed, "shuffle", epoch)
        if self._cumulative is None:
            return generator.permutation(self.length)
        # the first row whose cumulative share exceeds the draw: never one of weight 0
        return np.searchsorted(self._cumulative, generator.random(self.length), side="right")

    def __iter__(self) -> Iterator[Any]:
        """The batches of the epoch that is due; after an iteration that was left early, those of the next epoch.

        Returns:
            An iterator of tuples of Tensors; of single Tensors where the loader was given one array.
        """
        refuse("a DataLoader cannot be read inside a recorded step: give the step the batch as an argument")
        if self._started:
            self._go_to(self.epoch + 1, 0)
        self._started = True
        self._latest = run = object()
        return self._batches(run, self.epoch, self.position)

    def _batches(self, run: object, epoch: int, start: int) -> Iterator[Any]:
        order = arrays.to_device(self.order(epoch), self.device) if self.shuffle else None
        for number in range(start, len(self)):
            rows = slice(number * self.batch_size, (number + 1) * self.batch_size)
            if self._latest is run:
                # before the yield, so that a state taken while the batch is in use counts it
                if number + 1 == len(self):
                    self._go_to(epoch + 1, 0)
                else:
                    self.position = number + 1
            batch = [wrap(a[rows] if order is None else self._gather(a, order[rows])) for a in self._arrays]
            yield batch[0] if self._single else tuple(batch)

    def _gather(self, array: Any, rows: Any) -> Any:
        """The rows of an array, by a kernel where one takes them."""
        if type(array) is np.ndarray:
            return self._take(array, rows, axis=0)
        with on_device(self.device):
            found = fused_kernels.gather_rows(array, rows)
            return self._take(array, rows, axis=0) if found is None else found

    def state_dict(self) -> dict[str, int]:
        """Seed, epoch and position; a loader over the same data that loads it yields exactly the batches still due."""
        return {"seed": self.seed, "epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue where `state_dict` was taken.

        Args:
            state: from a loader of the same length and batch size.

        Raises:
            ValueError: missing keys, or a position outside the epoch.
        """
        missing = [k for k in ("seed", "epoch", "position") if k not in state]
        if missing:
            raise ValueError(f"DataLoader: the state lacks {missing[0]!r}")
        seed = check_seed("DataLoader state", state["seed"])
        epoch, position = _count("epoch", state["epoch"]), _count("position", state["position"])
        if position >= len(self):
            raise ValueError(
                f"DataLoader: position {position} of the state does not fit an epoch of {len(self)} batches; "
                "was it saved with another batch_size?"
            )
        self.seed = seed
        self._go_to(epoch, position)


def _prepare(index: int, array: Any, device: str | None) -> Any:
    """One raw array, on the device, floats as float32."""
    if isinstance(array, Tensor) and array.requires_grad:
        raise GraphError(f"DataLoader: array {index} is a tracked Tensor, and batches carry no graph; pass .detach()")
    raw = as_raw(array)
    if provider_of(raw) is None:
        raw = np.asarray(raw)
    if raw.dtype.kind not in "fiub":
        raise DTypeError(f"DataLoader: array {index} has dtype {raw.dtype}; numbers are due, encode text as integers")
    if raw.ndim == 0:
        raise ShapeError(f"DataLoader: array {index} is 0-d; it must have one row per sample")
    if raw.dtype.kind == "f" and raw.dtype != np.float32:
        with on_device(device_of(raw)):
            raw = raw.astype(np.float32)
    return raw if device is None else arrays.to_device(raw, device)


def _cumulative(weights: Any, length: int, shuffle: bool) -> np.ndarray:
    """Cumulative shares of the rows, (length,) float64, rising to exactly 1."""
    if not shuffle:
        raise ValueError("DataLoader: weights need shuffle=True, for rows in their order are not drawn")
    values = arrays.to_host(as_raw(weights))
    if values.dtype.kind not in "fiub":
        raise DTypeError(f"DataLoader: weights must be numbers, got dtype {values.dtype}")
    if values.shape != (length,):
        raise ShapeError(f"DataLoader: weights must have shape ({length},), one per row, got {values.shape}")
    values = values.astype(np.float64)
    bad = ~(np.isfinite(values) & (values >= 0))
    if bad.any():
        row = int(bad.argmax())
        raise ValueError(f"DataLoader: weights must be finite and not negative, got {values[row]} for row {row}")
    if not values.any():
        raise ValueError("DataLoader: all weights are 0; at least one row must be possible")
    total = np.cumsum(values / values.max())  # the largest is 1, so that no sum overflows
    return total / total[-1]


def _count(name: str, value: Any) -> int:
    """`value` as a non-negative int."""
    if not is_integer(value):
        raise TypeError(f"DataLoader: {name} must be an integer, got {type(value).__name__} {value!r}")
    if value < 0:
        raise ValueError(f"DataLoader: {name} must not be negative, got {value}")
    return int(value)
