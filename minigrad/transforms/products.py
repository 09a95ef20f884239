"""Products with Jacobians: vjp from the left, jvp from the right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..backend import array as arrays
from ..backend.recording import zeros
from ..backend.versions import next_index
from ..core import engine
from ..core.modes import mode
from ..core.variable import Variable, wrap
from ..errors import GraphError
from .trace import Trace, as_input, cotangents, raw_of, spec_of
from .trees import LEAF, rebuild


def vjp(f: Callable[..., Any], *xs: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """The value of f at xs, and the function v -> v^T J of its Jacobian J.

    Args:
        f: function that returns a floating-point array, or lists, tuples and dicts of them.
        *xs: its arguments, all differentiated; see `value_and_grad` for what they may be.
        has_aux: f returns a pair (value, extra).

    Returns:
        (value, pullback), or (value, pullback, extra) with has_aux. `pullback(v)` takes cotangents in the structure of
        the value and returns the gradient of the one argument, or a tuple of them where there are several (or none). It
        may be called any number of times; the arguments must not be overwritten before.
    """
    trace = Trace("vjp", f, xs, {}, 0 if len(xs) == 1 else None, has_aux)

    def pullback(v: Any) -> Any:
        seeds = cotangents(f"cotangent in {trace.name}", v, trace.form, trace.outputs)
        used = [s for s in seeds if isinstance(s, Variable)]
        tied = mode.recording and (trace.tied or any(s._node is not None for s in used))
        if any(node.parents is None for node in trace.walk.order):
            raise GraphError(
                f"{trace.name}: a backward through an earlier result of this pullback has freed its graph; pass "
                "retain_graph=True there"
            )
        found = trace.pull(seeds if tied else [raw_of(s) for s in seeds], tied, retain=True)
        return trace.gradients(found, used)

    value = trace.value()
    return (value, pullback, trace.aux) if has_aux else (value, pullback)


def jvp(f: Callable[..., Any], xs: Any, vs: Any) -> tuple[Any, Any]:
    """The value of f at xs, and the product J v of its Jacobian with a direction v.

    v -> J v is the transpose of u -> u^T J, which is linear: it is differentiated once more, so that every operation
    with a gradient rule serves (J. Townsend, "A new trick for calculating Jacobian vector products", 2017).

    Args:
        f: function that returns a floating-point array, or lists, tuples and dicts of them.
        xs: tuple (or list) of its arguments, all differentiated; or the one argument itself.
        vs: the direction: as xs in structure, shapes, dtypes and devices.

    Returns:
        (value, J v), both in the structure of what f returns.
    """
    single = not isinstance(xs, (tuple, list))
    args = (xs,) if single else tuple(xs)
    trace = Trace("jvp", f, args, {}, None)
    directions = (vs,) if single else tuple(vs) if isinstance(vs, (tuple, list)) else vs
    tangents = cotangents(f"direction in {trace.name}", directions, trace.skeleton, trace.inputs)
    tensors = trace.tensors or any(isinstance(v, Variable) for v in tangents)
    push = Pushforward(trace)
    found = push(tangents)
    leaves = [_tangent(y, t, tensors) for y, t in zip(trace.outputs, found, strict=True)]
    return trace.value(), leaves[0] if trace.form is LEAF else rebuild(trace.form, leaves)


def _tangent(y: Any, t: Any, tensors: bool) -> Any:
    if t is None:
        spec = spec_of(y)
        t = zeros(spec.shape, spec.dtype, spec.device)
    elif isinstance(t, Variable):
        if t._node is not None:
            return t
        t = arrays.owned(t._data)
    return wrap(t) if tensors else t


class Pushforward:
    """v -> J v at the inputs of a trace, any number of times."""

    def __init__(self, trace: Trace) -> None:
        self.trace = trace
        floor = next_index()
        # all is linear in the cotangents: their values do not matter, but zeros might meet infinities
        self.cotangents = [as_input(wrap(arrays.ones_like(raw_of(y))), "", False) for y in trace.outputs]
        self.gradients = trace.pull(self.cotangents, create_graph=True)
        self.roots = [i for i, g in enumerate(self.gradients) if g is not None and g._node is not None]
        self.walk = engine.Walk(
            [self.gradients[i]._node for i in self.roots], [u._node for u in self.cotangents], floor
        )

    def __call__(self, tangents: Sequence[Any]) -> list[Any]:
        """J v for one direction per input: per output an array, a tied Tensor, or None for zero."""
        tied = mode.recording and (
            self.trace.tied or any(isinstance(v, Variable) and v._node is not None for v in tangents)
        )
        used = [i for i in self.roots if tangents[i] is not None]
        roots = [self.gradients[i]._node for i in used]
        seeds = [tangents[i] if tied else raw_of(tangents[i]) for i in used]
        return engine.backward(roots, seeds, self.walk, True, tied)
