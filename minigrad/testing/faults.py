"""The ways in which a gradient rule goes wrong, each as a change of what the rule is given or of what it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backend.array import is_floating, to_device
from ..backend.device import device_of, provider_of
from ..core import engine
from ..core.modes import enable_grad
from ..core.node import Indexed
from ..core.variable import Variable, wrap
from .tape import leaf, raw_of

Part = Callable[[Any], Any]
"""Cotangent -> gradient of one argument, by the right rule."""


@dataclass
class Call:
    """One call of a rule.

    Args:
        g: the cotangent: an array, a Tensor, or a tuple of them.
        out: the output, where it was saved.
        args: the arguments, as the rule sees them.
    """

    g: Any
    out: Any
    args: tuple[Any, ...]


@dataclass(frozen=True)
class Fault:
    """A way to be wrong.

    Args:
        name: how a report calls it.
        before: changes what the rule is given; None leaves it.
        after: `after(part, call, i, right)` changes the gradient of argument i; None leaves it. `right` is the right
            rule as a function of the cotangent.
    """

    name: str
    before: Callable[[Call], Call] | None = None
    after: Callable[[Any, Call, int, Part], Any] | None = None


def scaled(part: Any, factor: float) -> Any:
    """A gradient times a number, also where it touches only part of its argument."""
    if isinstance(part, Indexed):
        return Indexed(part.scatter, part.values * factor, part.index)
    return part * factor


def sign_flip() -> Fault:
    """The gradient of the wrong sign."""
    return Fault("sign flip", after=lambda part, call, i, right: scaled(part, -1.0))


def factor(relative: float) -> Fault:
    """The gradient times 1 + relative."""
    return Fault(f"factor 1 + {relative:g}", after=lambda part, call, i, right: scaled(part, 1.0 + relative))


def missing_broadcast_sum() -> Fault:
    """Only the first of the copies that an argument was broadcast to gives its gradient."""

    def after(part: Any, call: Call, i: int, right: Part) -> Any:
        shape = getattr(call.args[i], "shape", None)
        if isinstance(part, Indexed) or shape is None or part.shape == shape:
            return part
        first = part[(0,) * (len(part.shape) - len(shape))]
        return first[tuple(slice(0, 1) if n == 1 else slice(None) for n in shape)]

    return Fault("missing broadcast sum", after=after)


def transposed_jacobian() -> Fault:
    """J g in place of J^T g, where output and argument have one shape: W @ g in place of W.T @ g."""

    def after(part: Any, call: Call, i: int, right: Part) -> Any:
        recorded = isinstance(call.g, Variable)
        if isinstance(part, Indexed) or isinstance(call.g, tuple) or part.shape != call.g.shape:
            return part
        probe = leaf(raw_of(call.g).copy())  # the rule is linear, so its derivative is the same everywhere
        with enable_grad():
            product = right(probe)
            if not isinstance(product, Variable) or product._node is None:
                return part
            seed = call.g if recorded else raw_of(call.g)
            (found,) = engine.backward([product._node], [seed], [probe._node], create_graph=recorded)
        return part if found is None else found

    return Fault("transposed Jacobian", after=after)


def wrong_axis() -> Fault:
    """Two axes of equal length exchanged."""

    def after(part: Any, call: Call, i: int, right: Part) -> Any:
        if isinstance(part, Indexed):
            return part
        shape = part.shape
        for a in range(len(shape)):
            for b in range(a + 1, len(shape)):
                if shape[a] == shape[b] > 1:
                    return part.swapaxes(a, b)
        return part

    return Fault("wrong axis", after=after)


def wrong_order() -> Fault:
    """The entries along the first axis in reverse."""

    def after(part: Any, call: Call, i: int, right: Part) -> Any:
        if isinstance(part, Indexed):
            return Indexed(part.scatter, part.values[::-1] if part.values.ndim else part.values, part.index)
        return part[::-1] if part.ndim else part

    return Fault("wrong order", after=after)


def dropped_term() -> Fault:
    """The last row of the cotangent is forgotten: a term of the sum over outputs is missing."""

    def before(call: Call) -> Call:
        if isinstance(call.g, tuple):
            return Call((call.g[0] * 0.0, *call.g[1:]), call.out, call.args)
        shape = call.g.shape
        keep = np.ones(shape, call.g.dtype)
        keep[(-1,) * min(1, len(shape))] = 0
        return Call(call.g * to_device(keep, _device(call.g)), call.out, call.args)

    return Fault("dropped term", before=before)


def stale_buffer(relative: float = 1 / 64) -> Fault:
    """What the rule has saved has changed since."""

    def moved(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(moved, value))
        raw = raw_of(value)
        return value * (1.0 + relative) if provider_of(raw) is not None and is_floating(raw.dtype) else value

    def before(call: Call) -> Call:
        return Call(call.g, moved(call.out), moved(call.args))

    return Fault("stale buffer", before=before)


def constant_second() -> Fault:
    """The second derivative takes what was saved for a constant."""

    def detached(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(detached, value))
        return wrap(value._data) if isinstance(value, Variable) else value

    def before(call: Call) -> Call:
        return Call(call.g, detached(call.out), detached(call.args))

    return Fault("second derivative constant", before=before)


def usual_faults(relative: tuple[float, ...] = (1e-3, 1e-2)) -> tuple[Fault, ...]:
    """Every fault of this module, with a factor 1 + r for each r in `relative`."""
    return (
        sign_flip(), *map(factor, relative), missing_broadcast_sum(), transposed_jacobian(), wrong_axis(),
        wrong_order(), dropped_term(), stale_buffer(), constant_second(),
    )  # fmt: skip


def _device(value: Any) -> str:
    return device_of(raw_of(value))
