"""The source of matrix products: written out where they are small, else calls of BLAS."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from ..errors import require
from .loop_nests import INDENT, Body, element_steps
from .program import Call, is_product
from .statements import Unsupported
from .window import Window

ROUTINES = ("sgemm", "dgemm", "sgemv", "dgemv")
"""What of BLAS compiled code calls. Their addresses stand at the end of the table, in this order."""
SCRATCH = len(ROUTINES)
"""How many slots behind the first routine's there is memory to copy a factor to."""
_PACKED = 1 << 20
"""Bytes of a factor that is worth copying: what a second-level cache holds."""
_PACKING_ROWS = 16
"""Rows of a product from which it is."""
_TILES = ((("avx512f",), (12, 64)), (("avx2", "fma"), (6, 32)))
"""What a processor must have; rows of a tile and bytes of a vector. The tiles fill 27 of 32 and 15 of 16 registers."""
_LIMIT = 60e6
"""Operations up to which a product is written out where BLAS works with one thread, as ours does.

With n threads it is 1 / n^3 of that, or _ALWAYS. Beside OpenBLAS 0.3.30 on an AMD EPYC of family 26, products of small
networks take with the first tile 0.4 to 0.9 of the time of its AVX-512 kernels on one thread, 0.7 to 1 on two; with the
second tile 0.3 to 0.95 of the time of its AVX2 kernels on one.
"""

_ALWAYS = 4e6
"""Operations that one thread has done before several have begun to work together."""


@cache
def tile() -> tuple[tuple[int, int], float]:
    """Rows of a tile and bytes of a vector for this processor, and the most operations of a product written out so."""
    binding: Any = require("llvmlite.binding", "fast", "A compiled step")
    features = binding.get_host_cpu_features()
    for needed, shape in _TILES:
        if all(features.get(name) for name in needed):
            return shape, max(_LIMIT / _threads() ** 3, _ALWAYS)
    return (1, 16), 0


def _threads() -> int:
    """How many threads BLAS is likely to use."""
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        if os.environ.get(name, "").isdigit():
            return max(int(os.environ[name]), 1)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class _Matrix:
    """A window as a matrix: shape and steps in elements, a vector as a row or a column."""

    window: Window
    shape: tuple[int, int]
    steps: tuple[int, int]

    @property
    def transposed(self) -> _Matrix:
        return _Matrix(self.window, self.shape[::-1], self.steps[::-1])

    @property
    def leading(self) -> int | None:
        """Elements between its columns, where these have no gaps: BLAS then takes it as it is."""
        (m, n), (down, across) = self.shape, self.steps
        if m > 1 and down != 1:
            return None
        if n == 1:
            return m
        return across if across >= m else None


def _matrix(window: Window, column: bool) -> _Matrix:
    steps = element_steps(window)
    if len(window.shape) == 2:
        return _Matrix(window, (window.shape[0], window.shape[1]), (steps[0], steps[1]))
    if len(window.shape) > 2 or not window.shape:
        raise Unsupported("a product of other than vectors and matrices")
    row = _Matrix(window, (1, window.shape[0]), (0, steps[0]))
    return row.transposed if column else row


def write_product(body: Body, call: Call, first_slot: int) -> None:
    """Append a product of vectors and matrices.

    Args:
        body: the function.
        call: np.dot or np.matmul.
        first_slot: of the table, where the addresses of `ROUTINES` begin.

    Raises:
        Unsupported: it has no compiled form.
    """
    if not is_product(call) or not all(isinstance(a, Window) for a in call.args) or call.effect:
        raise Unsupported(f"{call.name} is no matrix product")
    left, right = call.args
    kinds = {w.dtype for w in (left, right, call.write)}
    if len(kinds) > 1 or np.dtype(call.write.dtype).str[1:] not in ("f4", "f8") or not np.dtype(left.dtype).isnative:
        raise Unsupported("a product of other than float arrays of one dtype")
    if any(w.overlaps(call.write) for w in (left, right)) or not left.size or not right.size:
        raise Unsupported("a product that is empty or overwrites its factors")
    a, b = _matrix(left, False), _matrix(right, True)
    # the result has an axis for each axis of the factors but the one that is summed over
    steps = iter(element_steps(call.write))
    shape = a.shape[0], b.shape[1]
    c = _Matrix(call.write, shape, (next(steps) if len(left.shape) == 2 else 0, next(steps, 0)))
    if len(right.shape) == 1:
        c = _Matrix(call.write, shape, (c.steps[0], 0))
    kind = "d" if np.dtype(left.dtype).itemsize == 8 else "s"
    if a.shape[1] == 1 or c.shape == (1, 1):
        _write_loops(body, a, b, c)
    elif 1 in c.shape:
        if c.shape[0] == 1:
            a, b, c = b.transposed, a.transposed, c.transposed
        _write_gemv(body, a, b, c, first_slot, kind + "gemv")
    else:
        if c.steps[1] != 1:  # a result in columns is the transposed product in rows
            a, b, c = b.transposed, a.transposed, c.transposed
        if not _write_small(body, a, b, c, first_slot):
            _write_gemm(body, b.transposed, a.transposed, c.transposed, first_slot, kind + "gemm")


def _write_loops(body: Body, a: _Matrix, b: _Matrix, c: _Matrix) -> None:
    """A product of two vectors: of a column and a row, or of a row and a column."""
    x = f"load({body.at(a.window, {0: a.steps[0], 2: a.steps[1]})})"
    y = f"load({body.at(b.window, {2: b.steps[0], 1: b.steps[1]})})"
    z = body.at(c.window, {0: c.steps[0], 1: c.steps[1]})
    if a.shape[1] == 1:
        loops = (0, 1) if abs(c.steps[1]) <= abs(c.steps[0]) or not c.steps[0] else (1, 0)
        pad = INDENT
        for d in loops:
            if c.shape[d] > 1:
                body.lines.append(f"{pad}for i{d} in range({c.shape[d]}):")
                pad += INDENT
        body.lines.append(f"{pad}store({z}, {x} * {y})")
        return
    total = body.variable()
    name = np.dtype(a.window.dtype).name
    body.lines += [
        f"{INDENT}{total} = np.{name}(0)",
        f"{INDENT}for i2 in range({a.shape[1]}):",
        f"{INDENT * 2}{total} = add({total}, {x} * {y})",
        f"{INDENT}store({z}, {total})",
    ]


def _operand(matrix: _Matrix) -> tuple[str, int]:
    """As it is or transposed, and the leading dimension: what BLAS wants to know."""
    if matrix.leading is not None:
        return "N", matrix.leading
    if matrix.transposed.leading is None:
        raise Unsupported("a product of matrices with gaps")
    return "T", matrix.transposed.leading


def _write_small(body: Body, a: _Matrix, b: _Matrix, c: _Matrix, first_slot: int) -> bool:
    """Write a product into rows out, if it is small enough."""
    (m, k), n = a.shape, b.shape[1]
    (rows, vector), limit = tile()
    packs = b.steps[1] != 1
    if 2 * m * n * k > limit or c.steps[1] != 1:
        return False
    right, step = body.at(b.window, {}), b.steps[0]
    if packs:
        if m < _PACKING_ROWS or k * n * b.window.itemsize > _PACKED:
            return False
        kind = b.window.dtype[1:]
        body.pointers[f"scratch_{kind}"] = first_slot + SCRATCH, kind
        body.scratch = max(body.scratch, k * n * b.window.itemsize)
        right, step = f"scratch_{kind}, 0", n
        if b.steps[0] == 1:
            body.lines.append(f"{INDENT}transpose('{n} {k} {b.steps[1]} {vector}', {body.at(b.window, {})}, {right})")
        else:
            element = f"load({body.at(b.window, dict(enumerate(b.steps)))})"
            body.lines += [
                f"{INDENT}for i0 in range({k}):",
                f"{INDENT * 2}for i1 in range({n}):",
                f"{INDENT * 3}store(scratch_{kind}, i0 * {n} + i1, {element})",
            ]
    fitting = (r for r in range(rows, rows // 2, -1) if m % r == 0)  # without a rest there is less to compile
    rows = next(fitting, rows)
    how = f"{m} {n} {k} {a.steps[0]} {a.steps[1]} {step} {c.steps[0]} {rows} {vector}"
    body.lines.append(f"{INDENT}product({how!r}, {body.at(a.window, {})}, {right}, {body.at(c.window, {})})")
    return True


def _slot(body: Body, first_slot: int, routine: str) -> int:
    body.routines.add(routine)
    return first_slot + ROUTINES.index(routine)


def _write_gemm(body: Body, a: _Matrix, b: _Matrix, c: _Matrix, first_slot: int, routine: str) -> None:
    (left, lda), (right, ldb) = _operand(a), _operand(b)
    if c.leading is None:
        raise Unsupported("a product into a matrix with gaps")
    how = f"{left} {right} {c.shape[0]} {c.shape[1]} {a.shape[1]} {lda} {ldb} {c.leading}"
    places = ", ".join(body.at(m.window, {}) for m in (a, b, c))
    body.lines.append(f"{INDENT}gemm(table, {_slot(body, first_slot, routine)}, {how!r}, {places})")


def _write_gemv(body: Body, a: _Matrix, x: _Matrix, y: _Matrix, first_slot: int, routine: str) -> None:
    letter, lda = _operand(a)
    m, n = a.shape if letter == "N" else a.shape[::-1]
    if x.steps[0] < 1 or y.steps[0] < 1:
        raise Unsupported("a product of a vector read backwards")
    places = ", ".join(body.at(w, {}) for w in (a.window, x.window, y.window))
    how = f"{letter} {m} {n} {lda} {x.steps[0]} {y.steps[0]}"
    body.lines.append(f"{INDENT}gemv(table, {_slot(body, first_slot, routine)}, {how!r}, {places})")
