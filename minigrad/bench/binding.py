"""What binds a step: its calls, the memory it passes over, or its arithmetic.

Three times that add up to a step on the CPU, where nothing overlaps (on a GPU the largest of them is the floor):

    calls       the hollow step: every call, next to no work
    memory      counted bytes outside the products / measured rate of copies of that size
    arithmetic  the matrix products of the step alone, measured at the same shapes

The largest of the three binds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from . import counts
from .ceilings import Ceilings
from .sizes import Net

KINDS = ("calls", "memory", "arithmetic")


@dataclass(frozen=True)
class Binding:
    """Microseconds of each kind in a step that took `us`."""

    calls: float
    memory: float
    arithmetic: float
    us: float

    @property
    def by_kind(self) -> Mapping[str, float]:
        """The three times by name."""
        return dict(zip(KINDS, (self.calls, self.memory, self.arithmetic), strict=True))

    @property
    def binds(self) -> str:
        """The largest of the three."""
        times = self.by_kind
        return max(times, key=lambda kind: times[kind])

    @property
    def explained(self) -> float:
        """The three times together, relative to the step: near 1 where the account is complete."""
        return (self.calls + self.memory + self.arithmetic) / self.us


def bind(net: Net, batch: int, states: int, us: float, products_us: float, hollow_us: float, c: Ceilings) -> Binding:
    """The account of a step.

    Args:
        net: the network.
        batch: rows.
        states: state buffers of the optimizer.
        us: measured microseconds of the step.
        products_us: of its matrix products alone, by the ratio to the step within each round.
        hollow_us: of the hollow step in the same mode, likewise.
        c: the ceilings.
    """
    passed = counts.passed_bytes(net, batch, states)
    working_set = counts.estimated_bytes(net, batch, states)
    return Binding(hollow_us, passed / c.bytes_per_second(working_set) * 1e6, products_us, us)
