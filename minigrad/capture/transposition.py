"""A matrix transposed through vector registers: what a product reads along rows and finds along columns.

A square of as many rows as a vector has lanes is loaded, its two halves trade the quarters off its diagonal, then so
do the quarters, and so on: log2(lanes) rounds of permutations of two vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..errors import require

_WHY = "A compiled step"
_ir: Any = require("llvmlite.ir", "fast", _WHY)
_cgutils: Any = require("numba.core.cgutils", "fast", _WHY)

_INDEX, _LANE = _ir.IntType(64), _ir.IntType(32)


class Transposition:
    """D = S^T, generated.

    Args:
        builder: of LLVM's intermediate code.
        element: float or double.
        shape: of S, whose rows have no gaps; D is C-contiguous.
        step: elements from row to row of S.
        vector: bytes of a vector.
        pointers: to the first elements of S and D.
        mark: tells the compiler about an access to S or D (0, 1).
    """

    def __init__(
        self,
        builder: Any,
        element: Any,
        shape: Sequence[int],
        step: int,
        vector: int,
        pointers: Sequence[Any],
        mark: Callable[[Any, int], None],
    ) -> None:
        self.builder, self.mark = builder, mark
        self.rows, self.columns = shape
        self.step = step
        self.source, self.result = pointers
        self.size = 4 if isinstance(element, _ir.FloatType) else 8
        self.lanes = vector // self.size
        self.vector = _ir.VectorType(element, self.lanes)

    def generate(self) -> None:
        """Whole squares, then what is left at both ends, element by element."""
        down, right = (n // self.lanes * self.lanes for n in (self.rows, self.columns))
        self._over((0, down, self.lanes), (0, right, self.lanes), self._square)
        self._over((0, down, 1), (right, self.columns, 1), self._single)
        self._over((down, self.rows, 1), (0, self.columns, 1), self._single)

    def _over(self, rows: Sequence[int], columns: Sequence[int], write: Callable[[Any, Any], None]) -> None:
        """Loops over range(*rows) and range(*columns), unless one of them is empty."""
        if not range(*rows) or not range(*columns):
            return
        with self._range(*rows) as (i, _), self._range(*columns) as (j, _):
            write(i, j)

    def _range(self, first: int, last: int, step: int) -> Any:
        return _cgutils.for_range_slice(self.builder, *map(self._number, (first, last, step)))

    def _number(self, value: int) -> Any:
        return _ir.Constant(_INDEX, value)

    def _place(self, base: Any, row: Any, column: Any, step: int) -> Any:
        at = self.builder.add(self.builder.mul(row, self._number(step)), column)
        return self.builder.gep(base, [at], inbounds=True)

    def _vectors(self, base: Any, row: Any, column: Any, step: int) -> list[Any]:
        """Pointers to the rows of a square."""
        places = (self._place(base, self.builder.add(row, self._number(k)), column, step) for k in range(self.lanes))
        return [self.builder.bitcast(place, self.vector.as_pointer()) for place in places]

    def _single(self, row: Any, column: Any) -> None:
        value = self.builder.load(self._place(self.source, row, column, self.step))
        self.mark(value, 0)
        self.mark(self.builder.store(value, self._place(self.result, column, row, self.rows)), 1)

    def _square(self, row: Any, column: Any) -> None:
        square = []
        for place in self._vectors(self.source, row, column, self.step):
            square.append(self.builder.load(place, align=self.size))
            self.mark(square[-1], 0)
        distance = self.lanes // 2
        while distance:
            for k in range(self.lanes):
                if not k & distance:
                    square[k], square[k + distance] = self._traded(square[k], square[k + distance], distance)
            distance //= 2
        for place, value in zip(self._vectors(self.result, column, row, self.rows), square, strict=True):
            self.mark(self.builder.store(value, place, align=self.size), 1)

    def _traded(self, upper: Any, lower: Any, distance: int) -> tuple[Any, Any]:
        """Two rows of a square after the blocks that are off its diagonal have changed places."""
        lanes = range(self.lanes)
        first = [k if not k & distance else self.lanes + k - distance for k in lanes]
        second = [k + distance if not k & distance else self.lanes + k for k in lanes]
        mask = _ir.VectorType(_LANE, self.lanes)
        shuffle = self.builder.shuffle_vector
        return shuffle(upper, lower, _ir.Constant(mask, first)), shuffle(upper, lower, _ir.Constant(mask, second))
