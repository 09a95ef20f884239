"""The machine behind the strict device: what is counted, what is forbidden, and the order of things.

Nothing runs asynchronously here. What a GPU would do later happens at once; what the host would have to wait for is
counted as a synchronisation. One "launch" is one operation put on a stream (a kernel, a device copy, a memset): where
CuPy's implementation takes several, the count is a lower bound.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from strict_memory import Buffer, MemoryPool
from strict_stream import Stream


class HostSync(RuntimeError):
    """The host waited for the device inside `StrictDevice.no_sync`."""


@dataclass
class Traffic:
    """How often, and how many bytes."""

    count: int = 0
    nbytes: int = 0

    def add(self, nbytes: int) -> None:
        self.count += 1
        self.nbytes += nbytes


@dataclass
class Tally:
    """What was counted since `StrictDevice.reset`."""

    launches: Counter[str] = field(default_factory=Counter)
    """Name of the operation -> how often; what a capture records is not launched."""
    syncs: list[str] = field(default_factory=list)
    """Why the host waited, each time."""
    to_device: Traffic = field(default_factory=Traffic)
    to_host: Traffic = field(default_factory=Traffic)
    allocations: Traffic = field(default_factory=Traffic)
    log: list[str] = field(default_factory=list)
    """Launches, waits and copies in their order."""

    @property
    def launch_count(self) -> int:
        return self.launches.total()


class _Function:
    """An allocator that is no pool's own `malloc`."""

    def __init__(self, malloc: Callable[[int], Any]) -> None:
        self._malloc = malloc

    def allocate(self, nbytes: int) -> Buffer:
        found: Buffer = self._malloc(nbytes).mem
        return found


class StrictDevice:
    """A machine with strict GPUs.

    Args:
        count: number of GPUs.

    memory_limit: bytes of each GPU; what does not fit raises an OutOfMemoryError.
    warm_pool_only: refuse a capture that makes a pool grow.
    own_gemm: let the module's matmul stand for the caller's own call of cuBLAS, which may be captured.
    current: number of the current GPU.
    """

    def __init__(self, count: int = 2) -> None:
        self.count = count
        self.xp: Any = None
        self.tally = Tally()
        self.memory_limit = 1 << 50
        self.warm_pool_only = False
        self.own_gemm = False
        self.current = 0
        self.reserved = [0] * count
        self.live_bytes = 0
        self.peak_bytes = 0
        self._sync_forbidden = False
        self.default_pool = MemoryPool(self)
        self.pool: Any = self.default_pool
        self._pointers = 0x5000
        self._null = [Stream(self, 0, i, False) for i in range(count)]
        self._streams: list[list[Stream]] = [[s] for s in self._null]
        self.known_streams: list[Stream] = []

    # --- counting -----------------------------------------------------------------------------------------------------

    def reset(self) -> None:
        """Count from zero again; the peak restarts at what is live now."""
        self.tally = Tally()
        self.peak_bytes = self.live_bytes

    @contextmanager
    def counting(self) -> Iterator[Tally]:
        """Counts of their own for what happens inside; the outer ones go on without it."""
        outer, self.tally = self.tally, Tally()
        try:
            yield self.tally
        finally:
            self.tally = outer

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """Inside, a synchronisation raises HostSync."""
        before, self._sync_forbidden = self._sync_forbidden, True
        try:
            yield
        finally:
            self._sync_forbidden = before

    def synchronise(self, why: str) -> None:
        """The host waits for the device."""
        self.tally.syncs.append(why)
        self.tally.log.append(f"sync: {why}")
        if self.capturing():
            raise RuntimeError(f"{why}: the current stream is capturing, so synchronous API calls are disallowed")
        if self._sync_forbidden:
            raise HostSync(f"{why} waits for the device")

    def copy_in(self, name: str, nbytes: int) -> None:
        """Host to device. The host does not wait: CuPy copies through pinned memory."""
        if self.capturing():
            raise RuntimeError(f"{name}: the current stream is capturing, so host-to-device copies are disallowed")
        self.tally.to_device.add(nbytes)
        self.tally.log.append(f"copy in: {name}")

    def copy_out(self, name: str, nbytes: int) -> None:
        """Device to host, which waits."""
        self.synchronise(name)
        self.tally.to_host.add(nbytes)

    def allocated(self, nbytes: int) -> None:
        self.tally.allocations.add(nbytes)
        self.live_bytes += nbytes
        self.peak_bytes = max(self.peak_bytes, self.live_bytes)

    def freed(self, nbytes: int) -> None:
        self.live_bytes -= nbytes

    # --- launching ----------------------------------------------------------------------------------------------------

    def launch(
        self,
        name: str,
        work: Callable[[], Any],
        writes: Sequence[np.ndarray],
        buffers: Sequence[Buffer],
        done: bool = False,
    ) -> None:
        """Put an operation on the current stream.

        Args:
            name: under which it is counted.
            work: does it, on fixed host arrays, as often as it is called.
            writes: the host arrays that it writes to.
            buffers: the memory that it touches.
            done: it has been done already, into fresh memory.
        """
        stream = self.stream()
        if stream.capture is not None:
            stream.capture.record(name, work, writes, buffers, done)
        else:
            self._refuse_implicit(stream)
            self.tally.launches[name] += 1
            self.tally.log.append(name)
        if not done:
            with np.errstate(all="ignore"):
                work()

    def refuse_library(self, name: str, library: str) -> None:
        """CuPy does not call the libraries while the current stream captures (cupy#6290)."""
        if self.capturing() and not (self.own_gemm and name == "matmul"):
            raise NotImplementedError(f"{name}: calling {library} API during stream capture is currently unsupported.")

    def _refuse_implicit(self, stream: Stream) -> None:
        """The null stream waits for all blocking streams, which a capturing one does not allow."""
        if stream.ptr == 0:
            for other in self.known_streams:
                if other.capture is not None and not other.is_non_blocking and other.device_id == self.current:
                    other.capture.invalid = "work on the legacy stream while a blocking stream captures"
                    raise RuntimeError(f"cudaErrorStreamCaptureImplicit: {other.capture.invalid}")

    # --- devices and streams ------------------------------------------------------------------------------------------

    @contextmanager
    def scope(self, index: int) -> Iterator[None]:
        """Make a GPU current."""
        self.check_index(index)
        before, self.current = self.current, index
        try:
            yield
        finally:
            self.current = before

    def check_index(self, index: int) -> None:
        if not 0 <= index < self.count:
            raise RuntimeError("cudaErrorInvalidDevice: invalid device ordinal")

    def check_here(self, device_id: int) -> None:
        """Refuse an array of another GPU than the current one."""
        if device_id != self.current:
            raise ValueError(
                f"The device where the array resides ({device_id}) is different from the current device "
                f"({self.current}). Peer access is unavailable between these devices."
            )

    def stream(self) -> Stream:
        """The current stream of the current GPU."""
        return self._streams[self.current][-1]

    def new_stream(self, non_blocking: bool) -> Stream:
        self._pointers += 16
        made = Stream(self, self._pointers, self.current, non_blocking)
        self.known_streams.append(made)
        return made

    def null_stream(self) -> Stream:
        return self._null[self.current]

    def push(self, stream: Stream) -> None:
        self._check_stream(stream)
        self._streams[self.current].append(stream)

    def pop(self, stream: Stream) -> None:
        self._streams[stream.device_id].pop()

    def use(self, stream: Stream) -> None:
        self._check_stream(stream)
        self._streams[self.current][-1] = stream

    def _check_stream(self, stream: Stream) -> None:
        if stream.device_id != self.current:
            raise RuntimeError(
                f"The device that the stream is created on ({stream.device_id}) does not match with the current "
                f"device ({self.current})"
            )

    def capturing(self) -> bool:
        """Whether the current stream captures."""
        return self.stream().capture is not None

    def synchronize(self, index: int) -> None:
        """Wait for a GPU."""
        for stream in self.known_streams:
            if stream.capture is not None and stream.device_id == index:
                stream.capture.invalid = "the device was synchronised"
                raise RuntimeError("cudaErrorStreamCaptureUnsupported: the device is synchronised during a capture")
        with self.scope(index):
            self.synchronise("device synchronize")

    # --- memory -------------------------------------------------------------------------------------------------------

    @contextmanager
    def using_allocator(self, allocator: Any = None) -> Iterator[None]:
        """Allocate by a pool's `malloc`, or by a function that calls one; from the default pool for None."""
        before = self.pool
        pool = self.default_pool if allocator is None else getattr(allocator, "__self__", None)
        self.pool = pool if isinstance(pool, MemoryPool) else _Function(allocator)
        try:
            yield
        finally:
            self.pool = before
