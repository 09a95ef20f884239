"""Streams, events, captures and graphs of the strict device.

While a stream captures, nothing happens on a GPU. Here every recorded operation does run, so that the next one has
operands, and at the end of the capture all memory is put back: what was written is restored, what was allocated holds
nonsense until the graph is launched.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from strict_memory import Buffer


class Capture:
    """What a stream has recorded so far."""

    def __init__(self) -> None:
        self.nodes: list[tuple[str, Callable[[], Any]]] = []
        self.buffers: list[tuple[Any, Any]] = []
        self._seen: dict[int, Any] = {}
        self.invalid = ""
        self._saved: list[tuple[np.ndarray, np.ndarray]] = []
        self._fresh: list[np.ndarray] = []

    def record(
        self, name: str, work: Callable[[], Any], writes: Sequence[np.ndarray], buffers: Sequence[Buffer], done: bool
    ) -> None:
        self.nodes.append((name, work))
        for buffer in buffers:
            seen = self._seen.get(id(buffer))
            if buffer.nbytes and (seen is None or seen() is not buffer):  # an address may be used twice
                self._seen[id(buffer)] = found = weakref.ref(buffer)
                self.buffers.append((found, weakref.ref(buffer.pool)))
        if done:
            self._fresh += writes
        else:
            self._saved += [(array, array.copy()) for array in writes]

    def undo(self) -> None:
        """Put all memory back, and nonsense where nothing was before."""
        for array, before in reversed(self._saved):
            array[...] = before
        for array in self._fresh:
            array[...] = nonsense(array.dtype)


def nonsense(dtype: np.dtype) -> Any:
    """What stands in memory that nobody has written to."""
    if dtype.kind in "fc":
        return np.nan
    return True if dtype.kind == "b" else np.iinfo(dtype).max


class Graph:
    """Stands for cupy.cuda.Graph: the recorded operations, launched together.

    Like CuPy's it keeps no array alive. Memory of the default pool whose arrays are gone may be anybody's by now, so a
    launch refuses it; memory of another pool is safe as long as the pool is there.
    """

    def __init__(self, machine: Any, capture: Capture) -> None:
        self._machine = machine
        self._nodes = capture.nodes
        self._memory = capture.buffers
        self.is_uploaded = False

    @property
    def names(self) -> tuple[str, ...]:
        """What it consists of."""
        return tuple(name for name, _ in self._nodes)

    def launch(self, stream: Stream | None = None) -> None:
        machine = self._machine
        if (machine.stream() if stream is None else stream).capture is not None:
            raise NotImplementedError("a graph launched into a capture is not modelled")
        for buffer, pool in self._memory:
            if buffer() is None and (pool() is None or pool() is machine.default_pool):
                raise RuntimeError(
                    "the graph uses memory that was given back: keep its arrays, or capture with a pool of its own"
                )
        machine.tally.launches["graph"] += 1
        machine.tally.log.append("graph")
        with np.errstate(all="ignore"):
            for _, work in self._nodes:
                work()

    def upload(self, stream: Stream | None = None) -> None:
        """Prepare the first launch; nothing to do here."""
        self.is_uploaded = True


class Stream:
    """Stands for cupy.cuda.Stream."""

    def __init__(self, machine: Any, ptr: int, device_id: int, non_blocking: bool) -> None:
        self._machine = machine
        self.ptr = ptr
        self.device_id = device_id
        self.is_non_blocking = non_blocking
        self.capture: Capture | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Stream) and (self.ptr, self.device_id) == (other.ptr, other.device_id)

    def __hash__(self) -> int:
        return self.ptr

    def __enter__(self) -> Stream:
        self._machine.push(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._machine.pop(self)

    def use(self) -> Stream:
        self._machine.use(self)
        return self

    def _refuse_in_capture(self, what: str) -> None:
        if self.capture is not None:
            self.capture.invalid = f"stream.{what} during the capture"
            raise RuntimeError(f"cudaErrorStreamCaptureUnsupported: {self.capture.invalid}")

    @property
    def done(self) -> bool:
        self._refuse_in_capture("done")
        return True

    def synchronize(self) -> None:
        self._refuse_in_capture("synchronize")
        self._machine.synchronise("stream synchronize")

    def record(self, event: Event | None = None) -> Event:
        event = Event(self._machine) if event is None else event
        event.record(self)
        return event

    def wait_event(self, event: Event) -> None:
        if not event.recorded:
            raise RuntimeError("wait for an event that was never recorded: CUDA would not wait at all")

    def begin_capture(self, mode: int | None = None) -> None:
        if self.ptr == 0:
            raise RuntimeError("cannot capture on the default (legacy) stream")
        if self.capture is not None:
            raise RuntimeError("cudaErrorIllegalState: the stream captures already")
        self.capture = Capture()

    def end_capture(self) -> Graph:
        capture, self.capture = self.capture, None
        if capture is None:
            raise RuntimeError("cudaErrorIllegalState: the stream does not capture")
        capture.undo()
        if capture.invalid:
            raise RuntimeError(f"cudaErrorStreamCaptureInvalidated: {capture.invalid}")
        return Graph(self._machine, capture)

    def is_capturing(self) -> bool:
        return self.capture is not None


class Event:
    """Stands for cupy.cuda.Event. Its time is the number of launches so far, as thousandths of a millisecond."""

    def __init__(self, machine: Any) -> None:
        self._machine = machine
        self.recorded = False
        self.time = 0.0

    def record(self, stream: Stream | None = None) -> None:
        self.recorded = True
        self.time = self._machine.tally.launch_count / 1000

    @property
    def done(self) -> bool:
        return True

    def synchronize(self) -> None:
        self._machine.synchronise("event synchronize")
