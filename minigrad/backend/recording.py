"""The seam between the library and whatever watches a step in order to repeat it (minigrad.capture).

A raw array enters a computation through `lift`, so that a watcher can put an array of its own in its place. Nothing is
watched as a rule, and everything passes as it is.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import CaptureError
from .array import owned
from .device import provider_for
from .versions import next_index


class Watcher:
    """What looks on while a step runs; this one lets everything pass.

    Attributes:
        records: whether it puts arrays of its own in the place of others.
        eager: whether optimizers do the host's part of an update by themselves, as in any other step.
        began: when it was made, on the clock of the tape.
        modes: modules that asked whether they are in training before the step told them, and what they heard, by id.
        modes_set: those that the step put into a mode.
    """

    records = False
    eager = True

    def __init__(self) -> None:
        self.began = next_index()
        self.modes: dict[int, tuple[Any, bool]] = {}
        self.modes_set: dict[int, tuple[Any, bool]] = {}

    def outlives(self, leaf: Any) -> bool:
        """Whether a leaf of the tape was there before the step: what the step makes for itself is nobody else's."""
        return bool(-leaf.index < self.began)

    def lift(self, array: Any) -> Any:
        """What stands for a raw array that outlives the step."""
        return array

    def target(self, array: Any, leaf: Any, cell: Any) -> Any:
        """The same for an array that is about to be written to: a leaf's gradient, or what a version cell is of."""
        return self.lift(array)

    def keep(self, array: Any, leaf: Any) -> Any:
        """A raw copy of a value of the step, which outlives it: the gradient of a leaf."""
        return owned(array)

    def zeros(self, shape: tuple[int, ...], dtype: Any, device: str) -> Any:
        """New zeros, a value of the step."""
        return provider_for(device).zeros(shape, dtype, device)

    def made(self, found: Any) -> Any:
        """Raw arrays (one, or a tuple of them) that Python numbers alone decided: the same in every step."""
        return found

    def call(self, function: Callable[..., Any], args: tuple[Any, ...], effect: bool) -> Any:
        """function(*args), to be called as a whole whenever the step is repeated."""
        return function(*args)

    def stepping(self, optimizer: Any) -> None:
        """An optimizer is about to step."""

    def clearing(self, leaves: Iterable[Any]) -> None:
        """These leaves are about to lose their gradients."""

    def refuse(self, what: str) -> None:
        """Raise CaptureError: `what` cannot be repeated."""
        raise CaptureError(what)


_NOBODY = Watcher()


class _Seam(threading.local):
    watcher: Watcher | None = None


seam = _Seam()
"""Who watches, per thread."""


@contextmanager
def watching(watcher: Any) -> Iterator[Any]:
    """While inside, `watcher` looks on in this thread."""
    before, seam.watcher = seam.watcher, watcher
    try:
        yield watcher
    finally:
        seam.watcher = before


def lift(array: Any) -> Any:
    """A raw array that outlives the step, as the step is to see it."""
    watcher = seam.watcher
    return array if watcher is None else watcher.lift(array)


def target(array: Any, leaf: Any = None, cell: Any = None) -> Any:
    """The same for an array that is about to be written to.

    Args:
        array: raw.
        leaf: of the tape, whose gradient it is.
        cell: version cell of the tensor whose memory it is.
    """
    watcher = seam.watcher
    return array if watcher is None else watcher.target(array, leaf, cell)


def keep(array: Any, leaf: Any) -> Any:
    """A raw copy of a leaf's gradient, which outlives the step: C-contiguous, and shared with nobody."""
    watcher = seam.watcher
    return (_NOBODY if watcher is None else watcher).keep(array, leaf)


def zeros(shape: tuple[int, ...], dtype: Any, device: str) -> Any:
    """New zeros as a value of the step, on a device (a full label)."""
    watcher = seam.watcher
    return (_NOBODY if watcher is None else watcher).zeros(shape, dtype, device)


def made(found: Any) -> Any:
    """Raw arrays that a function of `minigrad.creation` has made."""
    watcher = seam.watcher
    return found if watcher is None else watcher.made(found)


def call(function: Callable[..., Any], *args: Any, effect: bool = False) -> Any:
    """function(*args) in one piece: its inside is not looked at.

    Args:
        function: of arrays and of things that stay the same from step to step.
        *args: its arguments.
        effect: it does more than return arrays, such as drawing random numbers.
    """
    watcher = seam.watcher
    return function(*args) if watcher is None else watcher.call(function, args, effect)


def refuse(what: str) -> None:
    """Raise CaptureError where a step is being watched: it could not be repeated."""
    if seam.watcher is not None:
        seam.watcher.refuse(what)
