"""The GPU's executor of a captured step: one CUDA graph, recorded once and launched with one call.

A graph keeps the addresses that its launches were recorded with and nothing else. So everything that a step reads and
writes has to stay where it was: inputs are copied into static arrays, what the step allocates comes from a pool that
belongs to the graph, and what changes from step to step is read from device memory.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import Any

from ..backend import random, recording
from ..backend.device import Accelerator, Array, accelerator_for, provider_of
from ..backend.fused_kernels import counting_masks
from ..errors import CaptureError
from .cuda_inputs import StaticInputs
from .cuda_refusals import refusal

WARM_UPS = 3
"""Runs before the recording: kernels get compiled, cuBLAS handles and tickets made, and the pool filled."""
MOST_WARM_UPS = 8
"""A pool that still grows in such a run never stops."""


class _Side:
    """The stream on which a device records and launches its graphs, one for all of them.

    What kernels and cuBLAS keep for each stream (tickets, the dropout generator, workspaces) is made once that way, and
    no two graphs use it at the same time. The lock keeps launches of other threads out of a recording.

    making: whether its thread is making a graph.
    """

    def __init__(self, provider: Accelerator, device: str) -> None:
        self.stream = provider.side_stream(device)
        self.lock = RLock()
        self.making = False


_sides: dict[tuple[Accelerator, str], _Side] = {}
_making = RLock()


def _side(provider: Accelerator, device: str) -> _Side:
    with _making:
        key = (provider, device)
        if key not in _sides:
            _sides[key] = _Side(provider, device)
        return _sides[key]


class _Looking(recording.Watcher):
    """Refuses what cannot be repeated.

    Args:
        eager: whether optimizers do the host's part of an update.
    """

    def __init__(self, eager: bool) -> None:
        super().__init__()
        self.eager = eager


class GraphStep:
    """A step as a CUDA graph.

    Warm-up runs and the recording leave no trace: the arrays of `state` and the dropout generator are put back, also
    where the step fails. What else the step changes on the host (counts of steps, which phase of an accumulation it is)
    is `fn`'s to put back at the end of each run; so is what `replay` would have to change there, but for the dropout
    generator.

    Args:
        fn: fn(*inputs) runs the step on raw device arrays and returns a sequence of raw device arrays.
        inputs: what the step is given, device or host arrays; their shapes and dtypes are the graph's for good.
        device: full label of the device.
        prepare: does the host's part of the coming update; called before the recording. Due before each replay too.
        state: gives the raw device arrays that the step writes and that outlive it.

    Raises:
        CaptureError: the step does what a graph cannot repeat; the message names the line. No recording is left open.
    """

    def __init__(
        self,
        fn: Callable[..., Sequence[Array]],
        inputs: Sequence[Array],
        device: str,
        prepare: Callable[[], Any],
        state: Callable[[], Sequence[Array]],
    ) -> None:
        self._closed = True
        self._graph: Any = None
        self._outputs: Sequence[Array] = ()
        self._provider = provider = accelerator_for(device)
        self._device = device
        self._side = _side(provider, device)
        self._pool = provider.memory_pool()
        self._before, self._after = provider.event(device), provider.event(device)
        self._blocks = self._warm = 0
        with self._side.lock, provider.scope(device):
            current, stream = self._begin()
            self._closed, self._side.making = False, True
            try:
                with stream:
                    with provider.allocating(self._pool.malloc):
                        self._inputs = StaticInputs(inputs, provider, device)
                        self._inputs.fill(inputs)
                    draws = self._warm_up(fn, state)
                    prepare()
                    if draws:
                        random.expect_masks(0, device)  # the generator there is where the host's is
                    self._record(fn)
            except BaseException:
                self.close()
                raise
            finally:
                self._side.making = False
                current.wait_event(stream.record(self._after))

    @property
    def inputs(self) -> Sequence[Array]:
        """The arrays that the graph reads; whoever writes to one of them and passes it to `replay` saves the copy."""
        return self._inputs.arrays

    def replay(self, inputs: Sequence[Array]) -> Sequence[Array]:
        """Run the step once more.

        Args:
            inputs: device arrays, or host arrays, which are copied through page-locked memory.

        Returns:
            The arrays that the step returned when it was recorded, with new values; the next replay overwrites them.

        Raises:
            CaptureError: inputs of other shapes, dtypes or devices; a graph that was closed; inside of a recording.
        """
        if self._graph is None:
            raise CaptureError("this captured step was closed: capture it again")
        with self._side.lock, self._provider.scope(self._device):
            current, stream = self._begin()
            with stream:
                self._inputs.fill(inputs)
                if self._blocks:
                    random.expect_masks(self._blocks, self._device)
                self._graph.launch(stream)
            current.wait_event(stream.record(self._after))
        return self._outputs

    def close(self) -> None:
        """Let go of the graph and of its memory. What others hold of the outputs stays theirs."""
        if self._closed:
            return
        self._closed, self._graph, self._outputs = True, None, ()
        self._inputs = StaticInputs((), self._provider, self._device)
        with self._provider.scope(self._device):
            if not self._provider.current_stream(self._device).is_capturing():
                self._pool.free_all_blocks()  # waits until the graph is no longer in use

    def __del__(self) -> None:
        if not getattr(self, "_closed", True) and not sys.is_finalizing():
            self.close()

    # --- making it ----------------------------------------------------------------------------------------------------

    def _begin(self) -> tuple[Any, Any]:
        """The current stream, and the side stream, which waits for all that the current one was given so far."""
        current, stream = self._provider.current_stream(self._device), self._side.stream
        if self._side.making or current.is_capturing():
            raise CaptureError("a captured step cannot be part of another recording: call it outside of it")
        stream.wait_event(current.record(self._before))
        return current, stream

    def _warm_up(self, fn: Callable[..., Sequence[Array]], state: Callable[[], Sequence[Array]]) -> bool:
        """Run the step until its pool grows no more, and undo that.

        Returns:
            Whether it draws dropout masks.
        """
        snapshot = _Snapshot(state(), self._provider)
        with _no_collection(), recording.watching(_Looking(eager=True)), _generators_kept():
            try:
                with counting_masks(self._device) as masks:
                    fn(*self._inputs.arrays)  # what is made for good is made here, in memory of the current allocator
                    with self._provider.allocating(self._pool.malloc):
                        self._fill_pool(fn)
            finally:
                snapshot.restore()
        snapshot.check(state())
        self._side.stream.synchronize()  # an error of the runs is not to be taken for one of the recording
        snapshot.drop()
        return masks.blocks > 0

    def _fill_pool(self, fn: Callable[..., Sequence[Array]]) -> None:
        pool = self._pool
        for run in range(1, MOST_WARM_UPS):
            used, total = pool.used_bytes(), pool.total_bytes()
            fn(*self._inputs.arrays)
            if pool.used_bytes() > used:
                gc.collect()  # cycles would go on holding what a recording needs
            if run + 1 >= WARM_UPS and pool.total_bytes() == total and pool.used_bytes() <= used:
                return
        raise CaptureError(
            f"the step holds on to memory, {pool.used_bytes():,} bytes after {MOST_WARM_UPS} runs and more each time: "
            "if it keeps results in a list, return them instead"
        )

    def _record(self, fn: Callable[..., Sequence[Array]]) -> None:
        stream, provider = self._side.stream, self._provider
        self._warm = self._pool.total_bytes()
        with (
            _no_collection(),
            recording.watching(_Looking(eager=False)),
            _generators_kept(),
            provider.allocating(self._malloc),
            counting_masks(self._device) as masks,
        ):
            stream.begin_capture()
            try:
                outputs = fn(*self._inputs.arrays)
                self._check(outputs)
            except BaseException as error:
                _abandon(stream)
                if (found := refusal(error, provider)) is not error:
                    raise found from error
                raise
            try:
                graph = stream.end_capture()
            except RuntimeError as error:
                raise CaptureError(
                    f"the step cannot be captured: the recording was broken off by something in it ({error}); "
                    "nothing may wait for the device, nor ask whether it is done"
                ) from error
        graph.upload(stream)
        self._graph, self._outputs, self._blocks = graph, outputs, masks.blocks

    def _malloc(self, size: int) -> Any:
        """Memory of the pool while a recording runs: what it has."""
        memory = self._pool.malloc(size)
        if self._pool.total_bytes() != self._warm:
            raise MemoryError(
                f"{size:,} bytes are more than is left of what earlier runs took, {self._warm:,} bytes: the step does "
                "something else each time"
            )
        return memory

    def _check(self, outputs: Sequence[Array]) -> None:
        for number, array in enumerate(outputs):
            if provider_of(array) is not self._provider or self._provider.device_of(array) != self._device:
                raise CaptureError(
                    f"result {number} of the step is no array on {self._device} but {type(array).__name__}, which a "
                    "replay could not renew: return Tensors and arrays of that device"
                )


class _Snapshot:
    """What arrays hold, to be put back.

    Args:
        arrays: of the current device.
        provider: theirs.
    """

    def __init__(self, arrays: Sequence[Array], provider: Accelerator) -> None:
        self._pool = provider.memory_pool()
        with provider.allocating(self._pool.malloc):
            self._kept = [(array, array.copy()) for array in arrays]

    def restore(self) -> None:
        for array, value in self._kept:
            array[...] = value

    def check(self, arrays: Sequence[Array]) -> None:
        """Raise CaptureError where there are other arrays by now, of which nothing can be put back."""
        known = {(array.data.ptr, array.nbytes) for array, _ in self._kept}
        new = [array for array in arrays if (array.data.ptr, array.nbytes) not in known]
        if new:
            raise CaptureError(
                f"the step made {len(new)} arrays of state when it ran (one of shape {new[0].shape}): run it once "
                "before it is captured"
            )

    def drop(self) -> None:
        """Give the memory back, which waits for the device."""
        self._kept.clear()
        self._pool.free_all_blocks()


def _abandon(stream: Any) -> None:
    """End a recording that failed, without hiding why."""
    try:
        stream.end_capture()
    except RuntimeError:  # an invalidated recording says so here
        return


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without the garbage collector, which could free device memory at any call."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def _generators_kept() -> Iterator[None]:
    """The host's random generators stand afterwards where they stood before."""
    before = random.get_state()
    try:
        yield
    finally:
        if random.get_state() != before:
            random.set_state(before)
