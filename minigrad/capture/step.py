"""A training step that is recorded once and replayed."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from ..backend.array import to_host
from ..backend.device import device_of
from ..backend.recording import seam
from ..errors import CaptureError, CaptureWarning
from ..tensor import as_raw
from . import device_capture, host_capture
from .arguments import Arguments, same_arrays
from .check import difference
from .executors import EXECUTORS
from .recorded import Elsewhere
from .replay import Replay, StaleCapture

MOST = 16
"""Programs that are kept; the one that was not used for longest goes first."""
MOST_ALIKE = 8
"""Recordings for the same arguments and phase of an accumulation that are no sign of something amiss."""


class CapturedStep:
    """A step that runs as its recording. Made by `capture`.

    Attributes:
        function: the step as it was given.
        executor: what replays on the CPU.
        refusals: for each signature that cannot be replayed the reason.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        constants: Sequence[Any] = (),
        executor: str = "auto",
        copies: bool = True,
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.refusals: dict[Any, str] = {}
        self._constants = [as_raw(c) for c in constants]
        self.executor = executor
        self._copies = copies
        self._replays: dict[Any, list[Replay]] = {}
        self._latest: tuple[Any, Replay] | None = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the step: recorded at the first call with such arguments, replayed at later ones."""
        if seam.watcher is not None:
            raise CaptureError("a captured step cannot run inside another one that is being recorded")
        if self._latest is not None and not kwargs:
            signature, latest = self._latest
            arrays = same_arrays(args, signature)
            if arrays is not None and latest.fits():
                try:
                    return latest(arrays)
                except StaleCapture:
                    self._drop(signature)
                except (ValueError, IndexError):
                    return self.function(*args)  # a label out of range, say, which it explains
        try:
            arguments = Arguments(args, kwargs)
        except CaptureError as error:
            self._refuse(None, str(error))
            return self.function(*args, **kwargs)
        replays = self._replays.get(arguments.key, ())
        for replay in replays:
            if replay.fits():
                self._latest = (arguments.key, replay) if arguments.is_plain else None
                try:
                    return replay(arguments.arrays)
                except StaleCapture:
                    self._drop(arguments.key)
                    break
                except (ValueError, IndexError):
                    return self.function(*args, **kwargs)
        if arguments.key in self.refusals:
            return self.function(*args, **kwargs)
        return self._record(arguments, args, kwargs)

    def recheck(self, *args: Any, **kwargs: Any) -> None:
        """Compare the replay for such arguments with the step itself again, and forget it where they differ.

        For what no recording sees: Python state that changed since. Nothing else changes.
        """
        arguments = Arguments(args, kwargs)
        for replay in self._replays.get(arguments.key, ()):
            if replay.fits() and difference(replay, [to_host(a) for a in arguments.arrays]):
                self._drop(arguments.key)
                return

    @property
    def replays(self) -> list[Replay]:
        """The recordings there are, one for each signature and phase of an accumulation."""
        return [replay for replays in self._replays.values() for replay in replays]

    def _record(self, arguments: Arguments, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Record the step, which is a step; where that fails, make it as it is."""
        try:
            if arguments.tracked:
                raise CaptureError("an argument requires a gradient: pass it .detach()ed, or make it a Parameter")
            value, replay = self._recorded(arguments)
        except CaptureError as error:
            self._refuse(arguments.key, str(error))
            return self.function(*args, **kwargs)
        except device_capture.RefusedAfterwards as error:
            self._refuse(arguments.key, str(error))
            return error.value
        known = self._replays.pop(arguments.key, [])
        self._replays[arguments.key] = [*known, replay]
        if sum(other.phases == replay.phases for other in known) == MOST_ALIKE:
            self._drop(arguments.key)
            self._refuse(
                arguments.key,
                f"it was recorded {MOST_ALIKE + 1} times for such arguments, and each time things stood otherwise when "
                "it began: which parameters are frozen, or have a gradient already (call zero_grad in the step)",
            )
            return value
        while len(self._replays) > MOST:
            self._drop(next(iter(self._replays)))
        return value

    def _recorded(self, arguments: Arguments) -> tuple[Any, Replay]:
        """What the step returns this time, and its replay."""
        device = device_of(arguments.arrays[0]) if arguments.arrays else "cpu"
        if device == "cpu":
            try:
                replay = host_capture.record(self.function, arguments, self._constants, self.executor, self._copies)
            except Elsewhere as found:  # the arguments do not tell
                device = found.device
            else:
                return replay(arguments.arrays), replay
        return device_capture.record(self.function, arguments, device, self._copies)

    def _drop(self, key: Any) -> None:
        self._latest = None
        for replay in self._replays.pop(key):
            replay.close()

    def _refuse(self, key: Any, reason: str) -> None:
        self.refusals[key] = reason
        name = getattr(self.function, "__name__", "the step")
        warnings.warn(f"{name} runs eagerly, for it cannot be captured: {reason}", CaptureWarning, stacklevel=4)

    def clear(self) -> None:
        """Forget every recording, and give back its memory."""
        for key in list(self._replays):
            self._drop(key)
        self.refusals.clear()


def capture(
    function: Callable[..., Any] | None = None,
    *,
    constants: Sequence[Any] = (),
    executor: str = "auto",
    copies: bool = True,
) -> Any:
    """The step as a program that is recorded at its first call and replayed at later ones.

        step = mg.capture(train_step)
        for x, y in loader:
            loss = step(x, y)

    A step is an ordinary function that runs forward, backward and optimizer on its arguments. The first call with
    arguments of some shapes records it, which is a step like any other; three more on made-up batches compare the
    replay with the step itself, and are undone. Later calls replay: no tape, no allocation. What a replay could not
    repeat is refused with a CaptureWarning, and the step runs as it is.

    A replay reads learning rates and other hyper-parameters anew, and the memory of Tensors. In another mode
    (`model.eval()`) it is recorded again. What it cannot see is other Python state, a counter say, and a branch on it;
    nor is that put back after the trials. Call `scheduler.step()` after the step.

    Args:
        function: the step; without it, a decorator.
        constants: raw arrays from outside that the step reads and nobody changes.
        executor: on the CPU "numpy", or "fast", code compiled by numba; "auto" takes what is installed.
        copies: give results memory of their own. False hands out the recording's, which the next call overwrites, and
            saves a launch a result on a GPU.

    Returns:
        A `CapturedStep`, which is called like the function.

    Raises:
        ValueError: another executor.
    """
    if executor not in EXECUTORS:
        raise ValueError(f"capture: executor must be one of {', '.join(map(repr, EXECUTORS))}, got {executor!r}")
    if function is None:
        return lambda f: CapturedStep(f, constants, executor, copies)
    return CapturedStep(function, constants, executor, copies)
