"""Small matrix products written out for vector registers, where a call of BLAS costs more than it gives.

A BLAS library copies both factors into blocks first, which pays where each block is read many times. The products of a
small network are too small for that: here a tile of the result stays in registers while one pass goes over the rows of
the right factor, as they lie in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import require

_WHY = "A compiled step"
_ir: Any = require("llvmlite.ir", "fast", _WHY)
_cgutils: Any = require("numba.core.cgutils", "fast", _WHY)

_INDEX = _ir.IntType(64)


class Product:
    """C = A B, generated.

    Args:
        builder: of LLVM's intermediate code.
        element: float or double.
        sizes: (m, n, k).
        steps: in elements: from row to row and from column to column of A, from row to row of B, and of C.
        tile: rows of a tile, and bytes of a vector; a tile is two vectors wide.
        pointers: to the first elements of A, B and C.
        mark: tells the compiler about an access to A, B or C (0, 1, 2).
    """

    def __init__(
        self,
        builder: Any,
        element: Any,
        sizes: Sequence[int],
        steps: Sequence[int],
        tile: Sequence[int],
        pointers: Sequence[Any],
        mark: Callable[[Any, int], None],
    ) -> None:
        self.builder, self.element, self.mark = builder, element, mark
        self.m, self.n, self.k = sizes
        self.down, self.across, self.b_step, self.c_step = steps
        self.a, self.b, self.c = pointers
        self.rows, vector = tile
        self.size = 4 if isinstance(element, _ir.FloatType) else 8
        self.lanes = vector // self.size

    def generate(self) -> None:
        """All tiles: whole ones in loops, and what is left at both ends."""
        columns = 2 * self.lanes
        whole, rest = self.n // columns * columns, self.n % columns
        parts = [self.lanes] * (rest // self.lanes) + [rest % self.lanes] * (rest % self.lanes > 0)
        for first, count, rows in (
            (0, self.m // self.rows, self.rows),
            (self.m // self.rows * self.rows, 1, self.m % self.rows),
        ):
            if not count or not rows:
                continue
            with _cgutils.for_range(self.builder, self._number(count)) as down:
                row = self._add(self._multiply(down.index, self.rows), first)
                if whole:
                    with _cgutils.for_range(self.builder, self._number(whole // columns)) as across:
                        self._tile(row, self._multiply(across.index, columns), rows, [self.lanes] * 2)
                if parts:
                    self._tile(row, self._number(whole), rows, parts)

    def _number(self, value: int) -> Any:
        return _ir.Constant(_INDEX, value)

    def _add(self, x: Any, y: Any) -> Any:
        return self.builder.add(x, self._number(y) if isinstance(y, int) else y)

    def _multiply(self, x: Any, y: int) -> Any:
        return self.builder.mul(x, self._number(y))

    def _vectors(self, base: Any, at: Any, widths: Sequence[int]) -> list[Any]:
        """Pointers to vectors one behind the other."""
        found, skip = [], 0
        for width in widths:
            place = self.builder.gep(base, [self._add(at, skip)], inbounds=True)
            kind = _ir.VectorType(self.element, width) if width > 1 else self.element
            found.append(self.builder.bitcast(place, kind.as_pointer()))
            skip += width
        return found

    def _repeated(self, x: Any, width: int) -> Any:
        """A vector of one number."""
        if width == 1:
            return x
        vector = _ir.Constant(_ir.VectorType(self.element, width), _ir.Undefined)
        first = self.builder.insert_element(vector, x, _ir.Constant(_ir.IntType(32), 0))
        mask = _ir.Constant(_ir.VectorType(_ir.IntType(32), width), [0] * width)
        return self.builder.shuffle_vector(first, vector, mask)

    def _fused(self, x: Any, y: Any, z: Any) -> Any:
        """x y + z, rounded once where the processor can."""
        kind = _ir.FunctionType(x.type, [x.type] * 3)
        width = f"v{x.type.count}" if isinstance(x.type, _ir.VectorType) else ""
        name = f"llvm.fmuladd.{width}f{8 * self.size}"
        return self.builder.call(_cgutils.get_or_insert_function(self.builder.module, kind, name), [x, y, z])

    def _no_unrolling(self, name: str) -> Any:
        """What keeps a loop as it is. Unrolled it takes long to compile and is no faster: a tile is work enough."""
        module = self.builder.module
        hint = module.add_metadata(["llvm.loop.unroll.disable"])
        node = module.add_metadata([hint, module.add_metadata([name])])
        node.operands = (node, hint)  # a loop's own node begins with itself
        return node

    def _tile(self, row: Any, column: Any, rows: int, widths: list[int]) -> None:
        """One tile of the result, in registers while it adds up."""
        builder = self.builder
        before = builder.block
        loop, after = builder.append_basic_block("product"), builder.append_basic_block("product.end")
        a_at = self._multiply(row, self.down)
        builder.branch(loop)
        builder.position_at_end(loop)
        count = builder.phi(_INDEX)
        count.add_incoming(self._number(0), before)
        kinds = [_ir.VectorType(self.element, w) if w > 1 else self.element for w in widths]
        sums = [[builder.phi(kind) for kind in kinds] for _ in range(rows)]
        right = []
        b_at = self._add(self._multiply(count, self.b_step), column)
        for place in self._vectors(self.b, b_at, widths):
            right.append(builder.load(place, align=self.size))
            self.mark(right[-1], 1)
        a_at = self._add(a_at, self._multiply(count, self.across))
        results = []
        for i in range(rows):
            left = builder.load(builder.gep(self.a, [self._add(a_at, i * self.down)], inbounds=True))
            self.mark(left, 0)
            repeated = {width: self._repeated(left, width) for width in set(widths)}
            terms = zip(widths, right, sums[i], strict=True)
            results.append([self._fused(repeated[width], y, total) for width, y, total in terms])
        following = self._add(count, 1)
        count.add_incoming(following, loop)
        for old, new in zip(sums, results, strict=True):
            for phi, value in zip(old, new, strict=True):
                phi.add_incoming(_ir.Constant(phi.type, None if isinstance(phi.type, _ir.VectorType) else 0.0), before)
                phi.add_incoming(value, loop)
        again = builder.cbranch(builder.icmp_signed("<", following, self._number(self.k)), loop, after)
        again.set_metadata("llvm.loop", self._no_unrolling(loop.name))
        builder.position_at_end(after)
        for i in range(rows):
            c_at = self._add(self._multiply(self._add(row, i), self.c_step), column)
            for place, value in zip(self._vectors(self.c, c_at, widths), results[i], strict=True):
                self.mark(builder.store(value, place, align=self.size), 2)
