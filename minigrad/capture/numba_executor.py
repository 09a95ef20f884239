"""The executor that compiles: loop nests, look-ups and matrix products by numba, NumPy in between where need be.

Compiled functions take one table of addresses and know everything else, so a call costs no unpacking of arguments.
The result differs from the step's own by rounding: sums are added in another order, products fused with sums.
NumPy's warnings about overflow and the like are not given.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, NoReturn

import numpy as np

from ..errors import OptionalDependencyError, require
from .code_cache import compiled
from .flushing import FLUSHES
from .gathers import write_gather
from .loop_nests import INDENT, Body, leaving, write_nest
from .numpy_executor import Run, Source
from .products import ROUTINES, SCRATCH, write_product
from .program import Call, Program
from .rewrites import rewritten
from .statements import Unsupported
from .storage import aligned, storage
from .window import Window, address

_HEAD = """\
import math

import numpy as np

from minigrad.capture.native import add, exp, flush, gemm, gemv, load, maximum, minimum, multiply
from minigrad.capture.native import pointer, product, restored, store, tanh, transpose
"""


def compile_numba(program: Program, flushes: bool = True) -> Run:
    """The program compiled.

    Args:
        program: simplified. Its own units are not looked at.
        flushes: take subnormal numbers for zero, where the processor can.

    Returns:
        Arguments to results, which lie in memory of the program until the next call; `source` is the text, and
        `flushes` says whether all of it takes subnormal numbers for zero by itself.

    Raises:
        OptionalDependencyError: numba or SciPy is not installed, or numba is switched off.
    """
    numba: Any = require("numba", "fast", "A compiled step")
    if numba.config.DISABLE_JIT:
        raise OptionalDependencyError("a compiled step needs numba, which NUMBA_DISABLE_JIT switches off: unset it")
    program = rewritten(program)
    source = _Compiled(program, flushes and FLUSHES)
    for unit in program.units:
        source.add(unit)
    return source.finish()


@cache
def blas_addresses() -> dict[str, int]:
    """Where the routines of SciPy's BLAS are, by name; empty where it counts with other than 32-bit integers."""
    library: Any = require("scipy.linalg.cython_blas", "fast", "A matrix product of a compiled step")
    extending: Any = require("numba.extending", "fast", "A compiled step")
    names = [str(library.__pyx_capi__[routine]) for routine in ROUTINES]
    if not all(re.search(r'"void \(char \*.*, int \*', name) for name in names):
        return {}
    return {routine: extending.get_cython_function_address(library.__name__, routine) for routine in ROUTINES}


def _private(program: Program, unit: Sequence[Call]) -> set[int]:
    """Temporaries that are written in a unit and touched nowhere else."""
    own = {id(call) for call in unit}
    outside = {w.buffer for c in program.calls if id(c) not in own for w in (*c.reads, *c.writes)}
    outside |= {output.buffer for output in program.outputs}
    return {w.buffer for call in unit for w in call.writes if program.is_temporary(w)} - outside


def _fail(errors: Sequence[Exception], number: int) -> NoReturn:
    error = errors[number - 1]
    raise type(error)(*error.args)


class _Compiled(Source):
    """NumPy's lines, and among them calls of functions that are to be compiled.

    Args:
        program: scheduled.
        flushes: take subnormal numbers for zero.
    """

    def __init__(self, program: Program, flushes: bool) -> None:
        super().__init__(program, storage(program, program.units))
        self.flushes = flushes
        self.first_routine = len(program.kinds)
        self.table = np.zeros(self.first_routine + SCRATCH + 1, np.int64)
        for buffer, memory in self.memory.items():
            self.table[buffer] = address(memory)
        self.env |= {"table": self.table, "address": address, "fail": _fail}
        self.bodies: list[Body] = []
        self.is_open = False
        self.is_whole = True

    def feed(self, argument: str, window: Window) -> list[str]:
        if window.buffer not in self.bound:
            return super().feed(argument, window)
        message = f"captured for an argument of shape {window.shape}, {np.dtype(window.dtype)}: capture again"
        fits = f"{argument}.shape == {window.shape} and {argument}.dtype == {window.dtype!r}"
        return [
            f"if not ({fits}): raise ValueError({message!r})",
            *super().feed(argument, window),
            f"table[{window.buffer}] = address({argument})",
        ]

    def add(self, unit: Sequence[Call]) -> None:
        """Append a unit: to the compiled function that is open, or, what has no compiled form, as NumPy's line."""
        if self._compiles(unit):
            return
        for call in unit:
            if len(unit) == 1 or not self._compiles([call]):
                self.lines += self.call(call)
                self.is_open, self.is_whole = False, False

    def _compiles(self, unit: Sequence[Call]) -> bool:
        """Write a unit into a compiled function, if it has a compiled form."""
        if any(self._overwrites(call) for call in unit):
            return False
        body = self.bodies[-1] if self.is_open else Body()
        private = _private(self.program, unit)
        writers: list[Callable[[], None]] = [lambda: write_nest(body, unit, private)]
        if len(unit) == 1:
            writers += [
                lambda: write_gather(body, unit[0]),
                lambda: self._write_product(body, unit[0]),
            ]
        for write in writers:
            before = len(body.lines), dict(body.pointers), len(body.failures)
            body.lines.append(f"{INDENT}# {', '.join(call.name for call in unit)}")
            try:
                write()
            except Unsupported:
                del body.lines[before[0] :], body.failures[before[2] :]
                body.pointers = before[1]
                continue
            if not self.is_open:
                self._open(body)
            return True
        return False

    def _overwrites(self, call: Call) -> bool:
        """Whether its result lies over an operand that it reads elsewhere than in place, as in x + x.T.

        `storage` puts a result over an operand that is dead afterwards; NumPy then takes a copy, a loop would not.
        """
        for write in call.writes:
            over = [r for r in call.reads if self.memory[r.buffer] is self.memory[write.buffer]]
            moved = [replace(r, buffer=write.buffer) for r in over if r.buffer != write.buffer]
            if any(r != write and r.overlaps(write) for r in moved):
                return True
        return False

    def _write_product(self, body: Body, call: Call) -> None:
        write_product(body, call, self.first_routine)
        if body.routines and not blas_addresses():
            raise Unsupported("SciPy's BLAS counts in another way")

    def _open(self, body: Body) -> None:
        """Begin a compiled function here."""
        number = len(self.bodies)
        self.bodies.append(body)
        self.env[f"errors{number}"] = body.failures
        self.lines += [f"failed = step{number}(table)", f"if failed: fail(errors{number}, failed)"]
        self.is_open = True

    def _memories(self, body: Body) -> dict[int, int]:
        """Buffers of a function to numbers of memories, so that those of different numbers have no byte in common."""
        buffers = sorted({buffer for buffer, _ in body.pointers.values()})
        ends = {b: (address(self.memory[b]), address(self.memory[b]) + self.memory[b].nbytes) for b in buffers}
        numbers: dict[int, int] = {}
        for b in buffers:
            (start, end), earlier = ends[b], list(numbers)
            same = next((e for e in earlier if ends[e][0] < end and start < ends[e][1]), None)
            numbers[b] = len(set(numbers.values())) if same is None else numbers[same]
        return numbers

    def _text(self, number: int, body: Body) -> str:
        memories = self._memories(body)
        count = len(set(memories.values()))
        pointers = [
            f"{INDENT}{name} = pointer(table, {buffer}, {kind!r}, {memories[buffer]}, {count})"
            for name, (buffer, kind) in sorted(body.pointers.items())
        ]
        head = [f"def step{number}(table):", f"{INDENT}before = flush({self.flushes})"]
        return "\n".join([*head, *pointers, *body.lines, f"{INDENT}{leaving(0)}\n"])

    def finish(self) -> Run:
        self.memory[self.first_routine + SCRATCH] = scratch = aligned(max((b.scratch for b in self.bodies), default=0))
        self.table[self.first_routine + SCRATCH] = address(scratch)
        text = "\n\n".join([_HEAD, *(self._text(number, body) for number, body in enumerate(self.bodies))])
        if any(body.routines for body in self.bodies):
            for routine, where in blas_addresses().items():
                self.table[self.first_routine + ROUTINES.index(routine)] = where
        names = [f"step{number}" for number in range(len(self.bodies))]
        if names:
            self.env |= dict(zip(names, compiled(text, names), strict=True))
        run: Any = super().finish()
        run.source = f"{text}\n\n{run.source}"
        run.flushes = self.flushes and self.is_whole
        return run
