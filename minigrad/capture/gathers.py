"""The source of calls that look positions up: take, indexing with integer arrays, ravel_multi_index.

Positions are data, so each is checked; the compiled function then returns the number of an error.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .loop_nests import INDENT, Body, broadcast_steps, element_steps
from .program import Call
from .statements import Unsupported, constant, converted, dtype_name, formula
from .window import Window, leaves


class _Loops:
    """Loops over an index space, and lines inside."""

    def __init__(self, body: Body, shape: Sequence[int]) -> None:
        self.body, self.depth = body, 0
        self.ndim = len(shape)
        self.enter(shape)

    def enter(self, lengths: Sequence[int]) -> None:
        """Further loops."""
        for n in lengths:
            self.line(f"for i{self.depth} in range({n}):")
            self.depth += 1

    def line(self, text: str) -> None:
        self.body.lines.append(INDENT * (self.depth + 1) + text)

    def load(self, window: Window) -> str:
        """The element of a window that is broadcast to the outer loops."""
        return f"load({self.body.at(window, dict(enumerate(broadcast_steps(window, self.ndim))))})"

    def position(self, window: Window, length: int, error: Exception, wraps: bool) -> str:
        """A variable with the position that a window names, checked."""
        if np.dtype(window.dtype).kind not in "iu":
            raise Unsupported(f"positions of {window.dtype}")
        dtype_name(window.dtype)
        name = self.body.variable()
        self.line(f"{name} = np.int64({self.load(window)})")
        if wraps:
            self.line(f"if {name} < 0:")
            self.line(f"{INDENT}{name} += {length}")
        self.line(f"if {name} < 0 or {name} >= {length}:")
        self.line(INDENT + self.body.fails(error))
        return name


def _indexed(body: Body, source: Window, index: Any) -> tuple[_Loops, str, tuple[int, ...]]:
    """Loops over source[index], where the index arrays stand for the first axes.

    Returns:
        Inside of all loops; pointer and index of an element of source[index]; the shape of that.
    """
    parts = index if isinstance(index, tuple) else (index,)
    parts = tuple(part for part in parts if part is not Ellipsis)
    if not parts or len(parts) > len(source.shape) or not all(isinstance(part, Window) for part in parts):
        raise Unsupported("an index other than integer arrays for the first axes")
    where = np.broadcast_shapes(*(part.shape for part in parts))
    rest, steps = source.shape[len(parts) :], element_steps(source)
    loops = _Loops(body, where)
    moves = ""
    for axis, part in enumerate(parts):
        error = IndexError(f"index is out of bounds for axis {axis} with size {source.shape[axis]}")
        moves += f" + {loops.position(part, source.shape[axis], error, True)} * {steps[axis]}"
    loops.enter(rest)
    inner = {len(where) + k: step for k, step in enumerate(steps[len(parts) :])}
    return loops, body.at(source, inner) + moves, where + rest


def _write_getitem(body: Body, call: Call) -> None:
    source, index = call.args
    loops, place, shape = _indexed(body, source, index)
    target = body.at(call.write, dict(enumerate(broadcast_steps(call.write, len(shape)))))
    loops.line(f"store({target}, {converted(f'load({place})', source.dtype, call.write.dtype)})")


def _value(body: Body, value: Any, ndim: int, dtype: Any) -> str:
    """The element of a value that is broadcast over the loops, in a dtype."""
    if not isinstance(value, Window):
        return constant(value, dtype)
    steps = broadcast_steps(value, ndim)
    return converted(f"load({body.at(value, dict(enumerate(steps)))})", value.dtype, dtype)


def _write_setitem(body: Body, call: Call) -> None:
    target, index, value = call.args
    loops, place, shape = _indexed(body, target, index)
    loops.line(f"store({place}, {_value(body, value, len(shape), target.dtype)})")


def _write_at(body: Body, call: Call) -> None:
    """ufunc.at: each element in turn, also where positions repeat."""
    target, index, value = call.args
    text, takes, gives = formula(call.fn.__self__, (target, value))  # type: ignore[attr-defined]
    loops, place, shape = _indexed(body, target, index)
    old = converted(f"load({place})", target.dtype, takes[0])
    new = text.format(old, _value(body, value, len(shape), takes[1]))
    loops.line(f"store({place}, {converted(f'np.{gives.name}({new})', gives, target.dtype)})")


def _write_take(body: Body, call: Call) -> None:
    source, rows, *more = call.args
    axis = more[0] if more else call.kwargs.get("axis")
    if len(more) > 1 or set(call.kwargs) - {"axis"} or not isinstance(rows, Window):
        raise Unsupported("take with more than an axis")
    if axis not in (0, -len(source.shape)) and not (axis is None and len(source.shape) == 1):
        raise Unsupported("take along another axis than the first")
    loops, place, shape = _indexed(body, source, rows)
    target = body.at(call.write, dict(enumerate(broadcast_steps(call.write, len(shape)))))
    loops.line(f"store({target}, {converted(f'load({place})', source.dtype, call.write.dtype)})")


def _write_ravel(body: Body, call: Call) -> None:
    """np.ravel_multi_index: positions in the order of rows."""
    if len(call.args) != 2 or call.kwargs or not isinstance(call.args[0], tuple):
        raise Unsupported("ravel_multi_index with options")
    parts, dims = call.args
    if not all(isinstance(part, Window) for part in parts) or len(parts) != len(dims):
        raise Unsupported("ravel_multi_index of other than arrays")
    loops = _Loops(body, call.write.shape)
    error = ValueError("invalid entry in coordinates array: a label or position is out of range")
    names = [loops.position(part, int(n), error, False) for part, n in zip(parts, dims, strict=True)]
    terms = [f"{name} * {math.prod(dims[axis + 1 :])}" for axis, name in enumerate(names)]
    target = body.at(call.write, dict(enumerate(broadcast_steps(call.write, loops.ndim))))
    loops.line(f"store({target}, {converted(' + '.join(terms), np.int64, call.write.dtype)})")


_WRITERS: dict[Any, Callable[[Body, Call], None]] = {
    operator.getitem: _write_getitem,
    operator.setitem: _write_setitem,
    np.take: _write_take,
    np.ndarray.take: _write_take,
    np.ravel_multi_index: _write_ravel,
}


def write_gather(body: Body, call: Call) -> None:
    """Append the loops of a call that looks positions up.

    Args:
        body: the function.
        call: indexing, take, ravel_multi_index or ufunc.at.

    Raises:
        Unsupported: it has no compiled form.
    """
    is_at = getattr(call.fn, "__name__", "") == "at" and isinstance(getattr(call.fn, "__self__", None), np.ufunc)
    writer = _write_at if is_at and len(call.args) == 3 else _WRITERS.get(call.fn)
    if writer is None or call.effect or len(call.writes) != 1:
        raise Unsupported(f"{call.name} is no look-up")
    apart = leaves(call.args[1:] if call.partial else call.args, Window)
    if any(window.overlaps(call.write) for window in apart):
        raise Unsupported(f"{call.name} on overlapping memory")
    writer(body, call)
