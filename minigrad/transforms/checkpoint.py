"""Checkpointing: a part of a program whose intermediate values are computed again instead of kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

from ..backend import random
from ..backend.device import provider_of
from ..backend.versions import next_index
from ..core import engine
from ..core.modes import enable_grad, mode
from ..core.op import HOST_MODULE, Op
from ..core.variable import Variable, wrap
from ..errors import GraphError
from .trace import as_input
from .trees import flatten, rebuild


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """f, keeping only its arguments for the backward pass, which then runs f again (Chen et al. 2016).

    Gradients of any order are those of f, also by tensors that f closes over (parameters); hooks inside f run too. The
    random streams of the library are replayed, so that dropout masks are the same. What else f reads must be unchanged
    when backward runs (training flags, NumPy's own random state), and what it writes is written twice (running
    averages).

    Args:
        f: function of arrays, Tensors, lists, tuples and dicts of them and anything else, that returns a Tensor or a
            structure of them.

    Returns:
        A function with the arguments and the results of f.

    Raises:
        GraphError: at backward: a tensor that f reads was overwritten since, or f gave something else the second time.
    """

    @wraps(f, updated=())
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return _forward(f, args, kwargs) if mode.recording else f(*args, **kwargs)

    return wrapper


def _forward(f: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    leaves: list[Any] = []
    skeleton = flatten((args, kwargs), leaves, [], "")
    arrays = [i for i, x in enumerate(leaves) if isinstance(x, Variable) or provider_of(x) is not None]
    before = random.get_state()
    floor = next_index()
    given = list(leaves)
    tracked = [i for i in arrays if isinstance(leaves[i], Variable) and leaves[i]._node is not None]
    for i in tracked:
        given[i] = as_input(leaves[i], "", tied=False)
    args, kwargs = rebuild(skeleton, given)
    result = f(*args, **kwargs)
    outputs: list[Any] = []
    form = flatten(result, outputs, [], "")
    live = _live(outputs, floor)
    if not live:
        return result
    walk = engine.Walk([outputs[i]._node for i in live], [], floor)
    captured = sorted(walk.outside, key=lambda node: abs(node.index))
    if not captured and not tracked:
        return result  # f made leaves of its own, which nobody outside can ask for
    cells = _cells(walk, captured)

    segment = _Segment()
    segment.f, segment.skeleton, segment.arrays, segment.live = f, skeleton, arrays, live
    segment.wrapped = [isinstance(leaves[i], Variable) for i in arrays]
    segment.constants = list(leaves)
    for i in arrays:
        segment.constants[i] = None
    segment.random = None if before == random.get_state() else before
    operands = [leaves[i] for i in arrays]
    data = [x._data if isinstance(x, Variable) else x for x in operands]
    outs = [outputs[i] for i in live]
    made = _checkpoint.record(
        outs[0]._data if len(outs) == 1 else tuple(y._data for y in outs),
        [*data, *captured],
        [*(x._node if isinstance(x, Variable) else None for x in operands), *captured],
        [*(x._cell if isinstance(x, Variable) else None for x in operands), *cells],
        {"segment": segment},
        HOST_MODULE,
    )
    for i, y, new in zip(live, outs, (made,) if len(outs) == 1 else made, strict=True):
        new._cell = y._cell  # the output may be a view of something that f closes over
        outputs[i] = new
    return rebuild(form, outputs)


def _live(outputs: list[Any], floor: int) -> list[int]:
    """Positions of the outputs that f has computed from something tracked; others are passed on as they are."""
    return [
        i for i, y in enumerate(outputs) if isinstance(y, Variable) and y._node is not None and y._node.index > floor
    ]


def _cells(walk: engine.Walk, captured: list[Any]) -> list[Any]:
    """The version cells of captured tensors, where the tape knows them: of leaves, and of what some rule reads."""
    found = {node: getattr(node, "cell", None) for node in captured}
    for node in walk.order:
        for parent, cell in zip(node.parents, getattr(node, "cells", ()), strict=False):
            if cell is not None and parent in found:
                found[parent] = cell
    return [found[node] for node in captured]


class _Segment:
    """One checkpointed call: all that is needed to run it again, but for its arrays, which its node saves.

    skeleton, constants: the arguments; `arrays` are the positions of arrays among the leaves, and `wrapped` says which
        were Tensors.
    live: positions of the recorded outputs among the leaves of the result.
    random: state of the random streams before the call; None where it drew nothing.
    """

    f: Callable[..., Any]
    skeleton: Any
    constants: list[Any]
    arrays: list[int]
    wrapped: list[bool]
    live: list[int]
    random: dict[str, Any] | None

    def pull(self, needs: Any, g: Any, args: tuple[Any, ...]) -> list[Any]:
        """The gradients of the arrays, and of the captured nodes after them: run f again, and backward through it."""
        g = g if len(self.live) > 1 else (g,)
        again = isinstance(g[0], Variable)
        given = list(self.constants)
        inputs: dict[int, Any] = {}  # position among the parents -> its node
        floor = next_index()
        for k, (i, wrapped) in enumerate(zip(self.arrays, self.wrapped, strict=True)):
            given[i] = wrap(args[k]) if wrapped and not isinstance(args[k], Variable) else args[k]
            if needs[k]:
                given[i] = as_input(given[i], "", tied=again)
                inputs[k] = given[i]._node
        inputs |= {k: args[k] for k in range(len(self.arrays), len(args)) if needs[k]}
        call_args, call_kwargs = rebuild(self.skeleton, given)
        with enable_grad(), _replayed(self.random):
            result = self.f(*call_args, **call_kwargs)
        outputs: list[Any] = []
        flatten(result, outputs, [], "")
        if _live(outputs, floor) != self.live:
            raise GraphError(
                f"checkpoint: {self.f!r} returned something else when it was run again for the backward pass; it must "
                "depend on its arguments and on tensors that it closes over alone"
            )
        outs = [outputs[i] for i in self.live]
        walk = engine.Walk([y._node for y in outs], list(inputs.values()), floor)
        found = engine.backward([y._node for y in outs], list(g), walk, None, again)
        gradients: list[Any] = [None] * len(needs)
        for k, part in zip(inputs, found, strict=True):
            gradients[k] = part
        return gradients


@contextmanager
def _replayed(state: dict[str, Any] | None) -> Iterator[None]:
    """The random streams as they were then; afterwards as they are now."""
    if state is None:
        yield
        return
    now = random.get_state()
    random.set_state(state)
    try:
        yield
    finally:
        random.set_state(now)


def _run_only_by_checkpoint(xp: Any, *xs: Any, segment: _Segment) -> Any:
    raise NotImplementedError  # pragma: no cover  its outputs are recorded as they come from f


_checkpoint = Op("checkpoint", _run_only_by_checkpoint, saves=None)
_checkpoint.saves_out = False  # the inputs alone
_checkpoint.defvjp_all(lambda needs, g, out, *xs, segment: segment.pull(needs, g, xs))
