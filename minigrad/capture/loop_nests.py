"""The source of compiled code: one loop nest for each unit of elementwise calls, copies and reductions.

Each window is loaded once an index and stored at most once; what only the unit itself reads stays in variables.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..backend.error_functions import erf
from .program import Call, is_loop, is_reduction, iteration_shape
from .statements import Unsupported, accumulated, constant, converted, dtype_name, formula, operand_type, start
from .window import Window

INDENT = "    "
_LINE = 64
"""Bytes of a cache line: a longer step costs no more."""


@dataclass
class Body:
    """The lines of one compiled function.

    Attributes:
        lines: indented once.
        pointers: what they read and write: name -> number of the buffer, dtype.
        routines: of BLAS that they call.
        scratch: bytes of memory that they use for copies.
        failures: what the function returns where it fails, minus 1 -> the error.
        names: of variables, given so far.
    """

    lines: list[str] = field(default_factory=list)
    pointers: dict[str, tuple[int, str]] = field(default_factory=dict)
    routines: set[str] = field(default_factory=set)
    scratch: int = 0
    failures: list[Exception] = field(default_factory=list)
    names: int = 0

    def variable(self) -> str:
        """A name that is not in use."""
        self.names += 1
        return f"t{self.names}"

    def at(self, window: Window, steps: dict[int, int]) -> str:
        """Pointer and index of the element of a window at i0, i1, ...: what `load` and `store` begin with.

        Args:
            window: what is read or written.
            steps: number of a loop variable -> elements that one more of it moves.

        Raises:
            Unsupported: elements that do not lie at multiples of their size.
        """
        kind, size = dtype_name(window.dtype), window.itemsize
        if window.offset % size:
            raise Unsupported("an array that is not aligned")
        name = f"b{window.buffer}_{kind}"
        self.pointers[name] = window.buffer, kind
        terms = [f"i{d} * {step}" if step != 1 else f"i{d}" for d, step in steps.items() if step]
        return f"{name}, {' + '.join([*terms, str(window.offset // size)] if window.offset or not terms else terms)}"

    def fails(self, error: Exception) -> str:
        """The statement that gives up with an error."""
        self.failures.append(error)
        return leaving(len(self.failures))


def leaving(result: int) -> str:
    """The statement that ends a compiled function, which began with `before = flush(...)`."""
    return f"return restored(before, {result})"


def element_steps(window: Window) -> list[int]:
    """Its strides in elements, 0 along axes of length 1.

    Raises:
        Unsupported: strides that are no multiples of the element's size.
    """
    if any(stride % window.itemsize for n, stride in zip(window.shape, window.strides, strict=True) if n > 1):
        raise Unsupported("an array whose elements are not aligned")
    return [s // window.itemsize if n > 1 else 0 for n, s in zip(window.shape, window.strides, strict=True)]


def broadcast_steps(window: Window, ndim: int) -> list[int]:
    """The same for each axis of a shape of `ndim` axes that the window is broadcast to."""
    return [0] * (ndim - len(window.shape)) + element_steps(window)


@dataclass(frozen=True)
class _Sum:
    """A reduction within a nest.

    Attributes:
        name: of the ufunc.
        write: where the result goes.
        axes: reduced.
        steps: of the result along each axis of the nest, 0 along those reduced.
    """

    name: str
    write: Window
    axes: frozenset[int]
    steps: list[int]


def _sum_of(call: Call, ndim: int) -> _Sum:
    axis = call.kwargs.get("axis", 0)
    given = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    axes = frozenset(a % ndim for a in given)
    kept = [d for d in range(ndim) if d not in axes or call.kwargs.get("keepdims")]
    steps = [0] * ndim
    for d, step in zip(kept, element_steps(call.write), strict=True):
        steps[d] = step
    return _Sum(call.fn.__self__.__name__, call.write, axes, steps)  # type: ignore[attr-defined]


class _Nest:
    """One unit on its way to source."""

    def __init__(self, body: Body, unit: Sequence[Call], private: Collection[int]) -> None:
        self.body, self.unit, self.private = body, unit, private
        self.shape = iteration_shape(unit[0])
        ndim = len(self.shape)
        self.sums = {i: _sum_of(call, ndim) for i, call in enumerate(unit) if is_reduction(call)}
        summed = {id(call) for i, call in enumerate(unit) if i in self.sums}
        windows = [w for call in unit for w in call.reads] + [c.write for c in unit if id(c) not in summed]
        self.steps = {window: broadcast_steps(window, ndim) for window in windows}
        self.lengths: dict[int, int] = {}
        self.order = self._loops()
        self.values: dict[Window, str] = {}
        self.stores: dict[Window, str] = {}
        self.inner: list[str] = []

    def _loops(self) -> list[int]:
        """Axes from the outermost loop to the innermost; several that can be walked as one become one."""
        places = [*self.steps.items(), *((s.write, s.steps) for s in self.sums.values())]
        order = [d for d, n in enumerate(self.shape) if n != 1]
        order.sort(key=lambda d: -sum(min(abs(steps[d]) * w.itemsize, _LINE) for w, steps in places))
        self.lengths = {d: self.shape[d] for d in order}
        kept = order[:1]
        for d in order[1:]:
            outer, n = kept[-1], self.lengths[d]
            alike = all((outer in s.axes) == (d in s.axes) for s in self.sums.values())
            if alike and n and all(steps[outer] == steps[d] * n for _, steps in places):
                self.lengths[d] = n * self.lengths.pop(outer)
                kept[-1] = d
            else:
                kept.append(d)
        return kept

    def _at(self, window: Window, steps: list[int]) -> str:
        return self.body.at(window, {d: steps[d] for d in self.order})

    def _assign(self, text: str) -> str:
        name = self.body.variable()
        self.inner.append(f"{name} = {text}")
        return name

    def _value(self, operand: Any, dtype: Any) -> str:
        """The text of an operand in a dtype; a window is loaded where it is met first."""
        if not isinstance(operand, Window):
            return constant(operand, dtype)
        if operand not in self.values:
            self.values[operand] = self._assign(f"load({self._at(operand, self.steps[operand])})")
        return converted(self.values[operand], operand.dtype, dtype)

    def _statement(self, call: Call) -> None:
        target = np.dtype(call.write.dtype)
        dtype_name(target)
        if isinstance(call.fn, np.ufunc):
            text, takes, gives = formula(call.fn, call.args)
            operands = [self._value(a, dtype) for a, dtype in zip(call.args, takes, strict=True)]
            text = text.format(*operands)
            if gives.kind in "iu":  # numba computes with 64 bits
                text = f"np.{gives.name}({text})"
            text = converted(text, gives, target)
        else:
            operands, dtypes = list(call.args), [operand_type(a) for a in call.args]
            if call.fn is np.where:
                common = np.result_type(*(d if isinstance(d, np.dtype) else d() for d in dtypes[1:]))
                condition, x, y = (self._value(a, d) for a, d in zip(operands, (bool, common, common), strict=True))
                text = converted(f"({x} if {condition} else {y})", common, target)
            elif call.fn is erf:
                text = converted(f"math.erf({self._value(operands[0], np.float64)})", np.float64, target)
            else:
                text = self._value(operands[0], target)
        self.values[call.write] = self._assign(text)
        if call.write.buffer not in self.private:
            self.stores[call.write] = (
                f"store({self._at(call.write, self.steps[call.write])}, {self.values[call.write]})"
            )

    def write(self) -> None:
        """Append the nest to the body."""
        terms = {}
        for i, call in enumerate(self.unit):
            if i in self.sums:
                dtype_name(call.write.dtype)
                terms[i] = self._value(call.args[0], call.write.dtype)
            else:
                self._statement(call)
        lines, depth = self.body.lines, len(self.order)
        opening: dict[int, list[str]] = {d: [] for d in range(depth + 1)}
        closing: dict[int, list[str]] = {d: [] for d in range(depth + 1)}
        for i, s in self.sums.items():
            self._reduce(s, terms[i], opening, closing)
        for d in range(depth + 1):
            pad = INDENT * (d + 1)
            lines += [pad + line for line in opening[d]]
            if d < depth:
                lines.append(f"{pad}for i{self.order[d]} in range({self.lengths[self.order[d]]}):")
        lines += [INDENT * (depth + 1) + line for line in (*self.inner, *self.stores.values())]
        for d in range(depth, -1, -1):
            lines += [INDENT * (d + 1) + line for line in closing[d]]

    def _reduce(self, s: _Sum, term: str, opening: dict[int, list[str]], closing: dict[int, list[str]]) -> None:
        """Place a reduction: its start, one more term, its end.

        It is kept in a variable throughout the loops behind the last axis that it keeps. Where an axis before that is
        reduced, results are collected in memory, which is filled with the start first.
        """
        begin = start(s.name, s.write.dtype)
        positions = [p for p, d in enumerate(self.order) if d not in s.axes]
        depth = positions[-1] + 1 if positions else 0
        place = self._at(s.write, s.steps)
        in_memory = len(positions) < depth
        if in_memory:
            pad = ""
            for p in positions:
                opening[0].append(f"{pad}for i{self.order[p]} in range({self.lengths[self.order[p]]}):")
                pad += INDENT
            opening[0].append(f"{pad}store({place}, {begin})")
        if depth == len(self.order):
            before = f"load({place})" if in_memory else begin
            closing[depth].insert(0, f"store({place}, {accumulated(s.name, s.write.dtype, before, term)})")
            return
        total = self.body.variable()
        opening[depth].append(f"{total} = {begin}")
        self.inner.append(f"{total} = {accumulated(s.name, s.write.dtype, total, term)}")
        text = accumulated(s.name, s.write.dtype, f"load({place})", total) if in_memory else total
        closing[depth].append(f"store({place}, {text})")


def write_nest(body: Body, unit: Sequence[Call], private: Collection[int]) -> None:
    """Append the loop nest of a unit.

    Args:
        body: the function.
        unit: calls that share a loop nest, or one that can be one.
        private: numbers of the buffers that nothing but the unit reads.

    Raises:
        Unsupported: a call has no compiled form; the body is as it was, but for names.
    """
    if not all(is_nest(call) for call in unit):
        raise Unsupported(f"{unit[0].name} is no loop nest")
    _Nest(body, unit, private).write()


def is_nest(call: Call) -> bool:
    """Whether it computes each element of one result from elements of its operands, or reduces."""
    if call.effect or call.partial or len(call.writes) != 1:
        return False
    known = {np.where: 3, np.copyto: 1, erf: 1}.get(call.fn) == len(call.args) and not call.kwargs
    return is_loop(call) or (known and not any(r.overlaps(call.write) for r in call.reads))
