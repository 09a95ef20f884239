"""What is timed: a training step in one library and mode, and the same library's matrix products alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

Call = Callable[[], Any]


class Contestant(Protocol):
    """A way to run the training step. A new one is a class with these members and a row in `modes` or `peers`."""

    name: str
    library: str
    """Contestants of one library share a measurement of the matrix products."""
    pool: str
    """Whose threads do its products: those of one pool are timed back to back, those of two with a pause between."""
    events: Callable[[], Any] | None
    """Makes a mark in the device's own time, with `record()`; None where there is no such thing."""

    def configuration(self) -> dict[str, Any]:
        """Version, optimizer, threads: what a reader needs to know."""

    def step(self, batch: int) -> Call:
        """Makes the call that trains on the next batch of this size."""

    def products(self, batch: int) -> Call:
        """Makes the call that does all matrix products of such a step, and nothing else."""

    def wait(self) -> None:
        """Wait until all that was asked for is done."""

    def elapsed_us(self, start: Any, end: Any) -> float:
        """Microseconds between two marks that have come to pass."""
