"""The executor on NumPy: straight-line Python source over memory that is there, bitwise what the step computes."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from .program import Call, Program, is_elementwise, is_loop, is_product, is_reduction
from .storage import storage, window_of
from .window import Window, leaves, replaced

CHUNK = 1 << 16
"""Elements a call of a group over long flat arrays works on: what stays in the second-level cache."""
BIND = 1 << 16
"""Bytes above which an argument is read where it is instead of being copied."""
_TAKES_OUT = frozenset({np.ndarray.mean, np.mean, np.ndarray.var, np.var, np.ndarray.std, np.std, np.ndarray.cumsum,
                        np.cumsum, np.ndarray.clip, np.clip, np.ndarray.round, np.ndarray.all, np.ndarray.any,
                        np.concatenate, np.stack})  # fmt: skip
"""Functions that write their result to `out` at no cost."""

Run = Callable[[Sequence[np.ndarray]], list[np.ndarray]]
"""A compiled program: arguments to results, which lie in its own memory until the next call."""


class Source:
    """Lines of Python and the objects that they name.

    Args:
        program: simplified and scheduled.
        memory: bytes by buffer, from `storage`.
    """

    def __init__(self, program: Program, memory: dict[int, np.ndarray]) -> None:
        self.program, self.memory = program, memory
        self.names: dict[Window, str] = {}
        self.env: dict[str, Any] = {"copyto": np.copyto, "ndarray": np.ndarray}
        self.lines: list[str] = []
        self.bound = {w.buffer for w in program.inputs if w.size * w.itemsize > BIND}
        self.rebound: list[tuple[str, Window]] = []

    def name(self, value: Any) -> str:
        """A name for an object; the same one for the same window."""
        if isinstance(value, Window):
            if value not in self.names:
                name = self.names[value] = f"a{len(self.names)}"
                self.env[name] = window_of(self.memory, value)
                if value.buffer in self.bound:
                    self.rebound.append((name, value))
            return self.names[value]
        name = f"k{len(self.env)}"
        self.env[name] = value
        return name

    def operand(self, call: Call, value: Any) -> str:
        """An argument. Numbers become 0-d arrays, which NumPy takes faster, where that leaves the dtype alone."""
        if isinstance(value, (int, float)) and not isinstance(value, bool) and is_elementwise(call):
            dtype = np.result_type(*(w.dtype for w in call.reads))
            if np.result_type(dtype, value) != dtype or (dtype.kind in "iu" and not isinstance(value, int)):
                return repr(value) if abs(value) < 1e300 else self.name(value)
            wide = call.fn in (np.maximum, np.minimum) and len(call.write.shape) == 2
            return self.name(np.full(call.write.shape[1:] if wide else (), value, dtype))
        if isinstance(value, Window) or not leaves(value, Window):
            return self.name(value)
        return "(" + "".join(self.operand(call, item) + "," for item in value) + ")"

    def call(self, call: Call) -> list[str]:
        """One call, with its result in place."""
        if call.partial and not isinstance(call.fn, np.ufunc):
            return [f"{self.function(call)}({self._arguments(call)})"]
        if not call.writes:
            return [f"{self.function(call)}({self._arguments(call)})"]
        if len(call.writes) > 1:
            found = f"r{len(self.env)}"
            self.env[found] = None
            copies = [f"copyto({self.name(w)}, {found}[{i}], 'unsafe')" for i, w in enumerate(call.writes)]
            return [f"{found} = {self.function(call)}({self._arguments(call)})", *copies]
        out = self.name(call.write)
        if is_reduction(call):
            axis, keep = call.kwargs["axis"], call.kwargs["keepdims"]
            return [f"{self.function(call)}({self.operand(call, call.args[0])}, {axis}, None, {out}, {keep})"]
        if (is_elementwise(call) or is_product(call)) and not call.effect:
            last = f"out={out}" if call.fn in (np.maximum, np.minimum) else out  # NumPy warns of a third position there
            return [f"{self.function(call)}({', '.join([*(self.operand(call, a) for a in call.args), last])})"]
        if call.fn is np.copyto:
            source = call.args[0]
            casts = not isinstance(source, Window) or source.dtype != call.write.dtype
            return [f"copyto({out}, {self.operand(call, source)}{', ' + repr('unsafe') if casts else ''})"]
        takes_out = call.fn in _TAKES_OUT and "dtype" not in call.kwargs  # np.concatenate takes one of them
        if call.fn is operator.getitem and self._is_in_range(call):
            return [f"{self.name(call.args[0])}.take({self.name(call.args[1][0])}, None, {out}, 'clip')"]
        if isinstance(call.fn, np.ufunc) or takes_out or getattr(call.fn, "__name__", "") == "reduce":
            return [f"{self.function(call)}({self._arguments(call)}, out={out})"]
        return [f"copyto({out}, {self.function(call)}({self._arguments(call)}))"]

    def _is_in_range(self, call: Call) -> bool:
        """Whether it reads elements of a flat array at positions that np.ravel_multi_index has made, and so checked."""
        array, index = call.args
        return (
            len(array.shape) == 1
            and isinstance(index, tuple)
            and len(index) == 1
            and any(c.fn is np.ravel_multi_index and index[0] in c.writes for c in self.program.calls)
            and array.dtype == call.write.dtype
        )

    def _arguments(self, call: Call) -> str:
        named = [f"{k}={self.operand(call, v)}" for k, v in call.kwargs.items()]
        return ", ".join([*(self.operand(call, a) for a in call.args), *named])

    def function(self, call: Call) -> str:
        """A name for what is called."""
        if call.fn is np.dot or call.fn is operator.getitem:
            name = "f_" + call.name
        else:
            name = f"f{id(call.fn)}_" + "".join(c if c.isalnum() else "_" for c in call.name)
        self.env[name] = call.fn
        return name

    def blocked(self, unit: Sequence[Call]) -> list[str]:
        """An elementwise group over long flat arrays, chunk by chunk; what no other unit reads needs no more room."""
        length = unit[0].write.shape[0]
        others = [c for c in self.program.calls if not any(c is own for own in unit)]
        outside = {r.buffer for c in others for r in c.reads} | {o.buffer for o in self.program.outputs}
        lines = []
        for start in range(0, length, CHUNK):
            size = min(CHUNK, length - start)

            def cut(window: Window, start: int = start, size: int = size) -> Window:
                if not window.shape:
                    return window
                private = self.program.is_temporary(window) and window.buffer not in outside
                skip = 0 if private else start * window.strides[0]
                return replace(window, offset=window.offset + skip, shape=(size,))

            for call in unit:
                lines += self.call(
                    replace(call, args=replaced(call.args, Window, cut), writes=tuple(map(cut, call.writes)))
                )
        return lines

    def feed(self, argument: str, window: Window) -> list[str]:
        """Lines that bring an argument in: a small one into its slot, a large one read where it is."""
        if window.buffer not in self.bound:
            return [f"copyto({self.name(window)}, {argument})"]
        self.env["in_rows"] = _in_rows
        views = [
            f"{name} = ndarray({w.shape}, {w.dtype!r}, {argument}, {w.offset}, {w.strides})"
            for name, w in self.rebound
            if w.buffer == window.buffer
        ]
        return [f"{argument} = in_rows({argument})", *views]

    def finish(self) -> Run:
        """Compile: arguments in, then the lines."""
        arguments = [f"i{number}" for number in range(len(self.program.inputs))]
        head = [f"({', '.join(arguments)},) = inputs"] if arguments else []
        for argument, window in zip(arguments, self.program.inputs, strict=True):
            head += self.feed(argument, window)
        results = ", ".join(self.name(w) for w in self.program.outputs)
        body = [*head, *self.lines, f"return [{results}]"]
        text = "\n    ".join(["def run(inputs):", *body])
        exec(compile(text, "<captured step>", "exec"), self.env)
        run: Any = self.env["run"]
        run.source, run.memory = text, self.memory  # the memory lives as long as what works on it
        compiled: Run = run
        return compiled


def _in_rows(array: np.ndarray) -> np.ndarray:
    return array if array.flags.c_contiguous else np.ascontiguousarray(array)


def is_long(unit: Sequence[Call]) -> bool:
    """Worth cutting into chunks: elementwise, flat, longer than two chunks."""
    shape = unit[0].write.shape if len(unit[0].writes) == 1 else ()
    return (
        len(shape) == 1
        and shape[0] >= 2 * CHUNK
        and all(
            is_elementwise(c) and is_loop(c) and all(w.shape in ((), shape) for w in (*c.reads, *c.writes))
            for c in unit
        )
    )


def compile_numpy(program: Program) -> Run:
    """The program on NumPy."""
    lives: list[Sequence[Call]] = []
    for unit in program.units:  # chunks of one call come before the next call's: there all is alive at once
        lives += [unit] if is_long(unit) else [[call] for call in unit]
    source = Source(program, storage(program, lives))
    for unit in program.units:
        if is_long(unit):
            source.lines += source.blocked(unit)
        else:
            for call in unit:
                source.lines += source.call(call)
    return source.finish()
