"""All derivatives at once: Jacobians and Hessians, and the product of a Hessian with a vector."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from ..backend import array as arrays
from ..backend.device import device_of, on_device
from ..backend.recording import zeros
from ..backend.spec import Spec
from ..core import engine
from ..core.modes import mode
from ..core.variable import Variable, wrap
from ..ops.shape import stack
from .first_order import Argnums, grad
from .products import Pushforward
from .trace import Trace, cotangents, raw_of, spec_of
from .trees import LEAF, rebuild


def jacobian(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """A function that returns all derivatives of all outputs of f.

    One pass over the graph of f per output element, or per input element where those are fewer.

    Args:
        f: function that returns a floating-point array, or lists, tuples and dicts of them.
        argnums: position of the argument to differentiate, or several; see `value_and_grad` for what they may be.

    Returns:
        A function with the arguments of f. Its result has shape (*output.shape, *argument.shape); where outputs or
        arguments are nested, it is the structure of the outputs with that of the arguments at every leaf.
    """

    @wraps(f, updated=())
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        trace = Trace("jacobian", f, args, kwargs, argnums)
        rows = sum(raw_of(y).size for y in trace.outputs)
        columns = sum(x.size for x in trace.inputs)
        blocks = (_by_rows if rows <= columns else _by_columns)(trace)
        matrices = [row[0] if trace.skeleton is LEAF else rebuild(trace.skeleton, row) for row in blocks]
        return matrices[0] if trace.form is LEAF else rebuild(trace.form, matrices)

    return wrapper


def _by_rows(trace: Trace) -> list[list[Any]]:
    """Per output and input one block of the Jacobian, by one backward pass per output element."""
    blocks = []
    for k, y in enumerate(trace.outputs):
        seeds: list[Any] = [None] * len(trace.outputs)
        found = []
        for seed in _unit_arrays(spec_of(y)):
            seeds[k] = seed
            found.append(trace.pull(seeds, trace.tied, retain=True))
        blocks.append([_block(trace, y, j, [row[j] for row in found], 0) for j in range(len(trace.inputs))])
    return blocks


def _by_columns(trace: Trace) -> list[list[Any]]:
    """The same by one pass forward per input element."""
    push = Pushforward(trace)
    blocks: list[list[Any]] = [[] for _ in trace.outputs]
    for j, x in enumerate(trace.inputs):
        directions: list[Any] = [None] * len(trace.inputs)
        found = []
        for direction in _unit_arrays(spec_of(x)):
            directions[j] = direction
            found.append(push(directions))
        for k, y in enumerate(trace.outputs):
            blocks[k].append(_block(trace, y, j, [column[k] for column in found], -1))
    return blocks


def _unit_arrays(spec: Spec) -> Iterator[Any]:
    """Per element an array that is 1 there and 0 elsewhere."""
    for i in range(spec.size):
        unit = zeros((spec.size,), spec.dtype, spec.device)
        unit[i] = 1
        yield unit.reshape(spec.shape)


def _block(trace: Trace, y: Any, j: int, parts: list[Any], axis: int) -> Any:
    """The derivatives of one output by one input, of which `parts` are the rows (axis 0) or columns (axis -1)."""
    x = trace.inputs[j]
    shape = (*y.shape, *x.shape)
    if all(part is None for part in parts):
        made = zeros(shape, x.dtype, x.device)
    else:
        like = next(part for part in parts if part is not None)
        zero = zeros(like.shape, like.dtype, device_of(raw_of(like)))
        with on_device(x.device):
            made = stack([zero if part is None else part for part in parts], axis).reshape(shape)
        made = made if made.dtype == x.dtype else made.astype(x.dtype)
        if isinstance(made, Variable):
            if made._node is not None:
                return made
            made = made._data
    return wrap(made) if trace.was_tensor[j] else made


def hessian(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """A function that returns the second derivatives of f, the Jacobian of its gradient.

    Args:
        f: function that returns one floating-point number.
        argnums: position of the argument to differentiate, or several.

    Returns:
        A function with the arguments of f. Its result has shape (*argument.shape, *argument.shape); for nested
        arguments, or several, it is their structure with the same structure at every leaf.
    """
    return wraps(f, updated=())(jacobian(grad(f, argnums), argnums))


def hvp(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """A function that returns the product H v of f's Hessian with a vector, at the cost of a few gradients.

    Args:
        f: function that returns one floating-point number.
        argnums: position of the argument to differentiate, or several.

    Returns:
        A function of f's arguments and, last, of v, which is as the argument (or the tuple of them) in structure,
        shapes, dtypes and devices; so is the result.
    """

    @wraps(f, updated=())
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if len(args) < 2:
            raise TypeError(f"hvp takes the arguments of the function and then a vector, got {len(args)} argument(s)")
        *xs, v = args
        trace = Trace("hvp", f, tuple(xs), kwargs, argnums)
        y = trace.scalar()
        seeds = cotangents(f"vector in {trace.name}", v, trace.skeleton, trace.inputs)
        used = [s for s in seeds if isinstance(s, Variable)]
        tied = mode.recording and (trace.tied or any(s._node is not None for s in used))
        first = trace.pull([arrays.ones_like(raw_of(y))], create_graph=True)
        pairs = [(g._node, s) for g, s in zip(first, seeds, strict=True) if g is not None and g._node is not None]
        roots = [node for node, _ in pairs]
        walk = engine.Walk(roots, [x._node for x in trace.inputs], trace.floor)
        # the Hessian is symmetric: its product with v is the gradient of <gradient, v>
        found = engine.backward(roots, [s if tied else raw_of(s) for _, s in pairs], walk, trace.keep or tied, tied)
        return trace.gradients(found, used)

    return wrapper
