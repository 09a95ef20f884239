"""A recorded step as data: calls in order over numbered buffers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from .window import Window, leaves

Kind = Literal["state", "input", "temporary", "constant"]
"""What a buffer is.

state: memory outside of the step, at the same address for good: parameters, gradients, coefficients, data.
input: an argument of the step.
temporary: made in the step.
constant: never written to after the recording.
"""


@dataclass
class Call:
    """writes = fn(*args, **kwargs).

    Attributes:
        fn: the function. A ufunc, `ufunc.reduce`, np.dot, np.copyto(source) and operator.setitem(target, index, value)
            have a meaning to the executors; anything else is called as it is and its results copied.
        args, kwargs: with a Window in place of each array; without `out`.
        writes: where the results go: one window a result, none for a mere effect.
        partial: the old content of `writes` matters too.
        effect: it does more than write its results (draws numbers, raises): it is made exactly once, in its place.
    """

    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any] = field(default_factory=dict)
    writes: tuple[Window, ...] = ()
    partial: bool = False
    effect: bool = False

    @property
    def write(self) -> Window:
        """The one result."""
        return self.writes[0]

    @property
    def reads(self) -> list[Window]:
        """Every window whose content matters."""
        found = leaves((self.args, self.kwargs), Window)
        return found + list(self.writes) if self.partial else found

    @property
    def name(self) -> str:
        """Of the function, such as add, add.reduce or dot."""
        owner = getattr(self.fn, "__self__", None)
        own = getattr(self.fn, "__name__", type(self.fn).__name__)
        return f"{owner.__name__}.{own}" if isinstance(owner, np.ufunc) else own


@dataclass
class Program:
    """What a recording found, and what the passes make of it.

    Attributes:
        calls: in order.
        kinds: of each buffer.
        roots: for each buffer the array that owned it while recording; those of state and constants are the memory.
        inputs: for each array among the arguments its window, on a buffer of its own.
        outputs: for each array among the results its window.
        units: the calls in groups: each is one call, or elementwise calls and reductions that can share a loop nest.
    """

    calls: list[Call]
    kinds: list[Kind]
    roots: list[np.ndarray]
    inputs: list[Window]
    outputs: list[Window]
    units: list[list[Call]] = field(default_factory=list)

    def is_state(self, window: Window) -> bool:
        """Whether it is memory that outlives the step."""
        return self.kinds[window.buffer] in ("state", "input")

    def is_temporary(self, window: Window) -> bool:
        return self.kinds[window.buffer] == "temporary"


def is_elementwise(call: Call) -> bool:
    """A plain ufunc call: the output at an index needs the operands at that index only."""
    return isinstance(call.fn, np.ufunc) and call.fn.signature is None and not call.kwargs and len(call.writes) == 1


def is_reduction(call: Call) -> bool:
    """`ufunc.reduce` with nothing but axis and keepdims."""
    owner = getattr(call.fn, "__self__", None)
    return (
        isinstance(owner, np.ufunc)
        and getattr(call.fn, "__name__", "") == "reduce"
        and set(call.kwargs) <= {"axis", "keepdims"}
    )


def is_product(call: Call) -> bool:
    """A matrix product."""
    return (call.fn is np.matmul or call.fn is np.dot) and not call.kwargs


def is_copy(call: Call) -> bool:
    """np.copyto of an array, casting as it likes."""
    return call.fn is np.copyto and isinstance(call.args[0], Window)


def iteration_shape(call: Call) -> tuple[int, ...]:
    """The shape that a loop nest of an elementwise call, copy or reduction runs over."""
    shape: tuple[int, ...] = call.args[0].shape if is_reduction(call) else call.write.shape
    return shape


def is_loop(call: Call) -> bool:
    """Whether it can be a statement of a loop nest.

    Where it reads what it writes other than in place, NumPy takes a copy, and a loop nest would read what it wrote.
    """
    if not (is_elementwise(call) or is_reduction(call) or is_copy(call)) or call.effect:
        return False
    return not any(r.overlaps(call.write) and (r != call.write or is_reduction(call)) for r in call.reads)
