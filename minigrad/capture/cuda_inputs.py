"""The arrays that a graph reads its inputs from, and how a batch gets there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backend.device import Accelerator, Array
from ..errors import CaptureError

DEPTH = 2
"""Page-locked copies of each input: the host fills one while the device reads the other."""


class StaticInputs:
    """Device arrays at fixed addresses, with page-locked memory before those that are filled from the host.

    Args:
        like: arrays of the shapes and dtypes that the inputs have, on the device or the host.
        provider: of the device.
        device: full label.

    arrays: the device arrays.
    """

    def __init__(self, like: Sequence[Array], provider: Accelerator, device: str) -> None:
        self._provider = provider
        self._device = device
        self.arrays: Sequence[Array] = [provider.xp.empty(a.shape, a.dtype) for a in like]
        self._pinned: dict[int, list[np.ndarray]] = {}
        self._read: list[Any] = []
        self._turn = 0

    def fill(self, inputs: Sequence[Array]) -> None:
        """Copy inputs into the arrays, on the current stream.

        Args:
            inputs: arrays of the device or of the host; one of `arrays` in its own place costs nothing.

        Raises:
            CaptureError: another number of inputs, shape, dtype or device.
        """
        if len(inputs) != len(self.arrays):
            raise CaptureError(f"the step was captured with {len(self.arrays)} inputs, got {len(inputs)}")
        from_host = []
        for number, (target, given) in enumerate(zip(self.arrays, inputs, strict=True)):
            if given is target:
                continue
            if given.shape != target.shape or given.dtype != target.dtype:
                raise CaptureError(
                    f"input {number}: the step was captured for {target.dtype} of shape {target.shape}, got "
                    f"{given.dtype} of shape {given.shape}; capture it again for those"
                )
            if isinstance(given, np.ndarray):
                if target.size:
                    from_host.append(number)
            elif self._provider.device_of(given) != self._device:
                raise CaptureError(
                    f"input {number} lies on {self._provider.device_of(given)}, the step was captured on "
                    f"{self._device}: move it with .to(device)"
                )
            elif target.size:
                target[...] = given
        if from_host:
            self._copy_in(inputs, from_host)

    def _copy_in(self, inputs: Sequence[Array], numbers: Sequence[int]) -> None:
        """Copy host arrays by way of page-locked memory, which the device reads when it gets there."""
        if not self._read:
            self._read = [self._provider.event(self._device) for _ in range(DEPTH)]
        place = self._turn % DEPTH
        read = self._read[place]
        if self._turn >= DEPTH and not read.done:
            read.synchronize()  # the device is that many steps behind: no hurry
        for number in numbers:
            if number not in self._pinned:
                target = self.arrays[number]
                self._pinned[number] = [self._provider.pinned(target.shape, target.dtype) for _ in range(DEPTH)]
            staged = self._pinned[number][place]
            staged[...] = inputs[number]
            self.arrays[number].set(staged)
        read.record(self._provider.current_stream(self._device))
        self._turn += 1
