"""The operators and comparisons of a Tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.variable import Variable
from ..ops import arithmetic, comparison, integers, linalg, parts, powers, reduce, rounding
from ..ops import index as ix

if TYPE_CHECKING:
    from .tensor import Tensor


_add: Any
_subtract: Any
_multiply: Any
_divide: Any
_negative: Any


def bind() -> None:
    """Look up how the most frequent operations are called; again after somebody has changed that (capture/door.py)."""
    global _add, _subtract, _multiply, _divide, _negative
    # an Op is an object with a __call__; the bound method skips a look-up that costs as much as a small addition
    _add, _subtract, _multiply = arithmetic.add.__call__, arithmetic.subtract.__call__, arithmetic.multiply.__call__
    _divide, _negative = arithmetic.divide.__call__, arithmetic.negative.__call__


bind()


class Operators(Variable):
    """Python's operators over differentiable operations."""

    __slots__ = ()

    def __add__(self, other: Any) -> Tensor:
        return _add(self, other)

    def __radd__(self, other: Any) -> Tensor:
        return _add(other, self)

    def __sub__(self, other: Any) -> Tensor:
        return _subtract(self, other)

    def __rsub__(self, other: Any) -> Tensor:
        return _subtract(other, self)

    def __mul__(self, other: Any) -> Tensor:
        return _multiply(self, other)

    def __rmul__(self, other: Any) -> Tensor:
        return _multiply(other, self)

    def __truediv__(self, other: Any) -> Tensor:
        return _divide(self, other)

    def __rtruediv__(self, other: Any) -> Tensor:
        return _divide(other, self)

    def __pow__(self, other: Any) -> Tensor:
        return powers.power(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return powers.power(other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return linalg.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return linalg.matmul(other, self)

    def __mod__(self, other: Any) -> Tensor:
        return rounding.remainder(self, other)

    def __rmod__(self, other: Any) -> Tensor:
        return rounding.remainder(other, self)

    def __floordiv__(self, other: Any) -> Tensor:
        return rounding.floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Tensor:
        return rounding.floor_divide(other, self)

    def __divmod__(self, other: Any) -> Any:
        return rounding.divmod(self, other)

    def __rdivmod__(self, other: Any) -> Any:
        return rounding.divmod(other, self)

    def __and__(self, other: Any) -> Tensor:
        return integers.bitwise_and(self, other)

    def __rand__(self, other: Any) -> Tensor:
        return integers.bitwise_and(other, self)

    def __or__(self, other: Any) -> Tensor:
        return integers.bitwise_or(self, other)

    def __ror__(self, other: Any) -> Tensor:
        return integers.bitwise_or(other, self)

    def __xor__(self, other: Any) -> Tensor:
        return integers.bitwise_xor(self, other)

    def __rxor__(self, other: Any) -> Tensor:
        return integers.bitwise_xor(other, self)

    def __lshift__(self, other: Any) -> Tensor:
        return integers.left_shift(self, other)

    def __rlshift__(self, other: Any) -> Tensor:
        return integers.left_shift(other, self)

    def __rshift__(self, other: Any) -> Tensor:
        return integers.right_shift(self, other)

    def __rrshift__(self, other: Any) -> Tensor:
        return integers.right_shift(other, self)

    def __invert__(self) -> Tensor:
        return integers.invert(self)

    def __round__(self, ndigits: int | None = None) -> Any:
        return rounding.round(self, ndigits or 0)

    def __contains__(self, value: Any) -> bool:
        return bool(reduce.any(comparison.equal(self, value)))

    def __neg__(self) -> Tensor:
        return _negative(self)

    def __pos__(self) -> Tensor:
        return _add(self, 0)

    def __abs__(self) -> Tensor:
        return parts.absolute(self)

    def __eq__(self, other: Any) -> Any:
        return comparison.equal(self, other)

    def __ne__(self, other: Any) -> Any:
        return comparison.not_equal(self, other)

    def __lt__(self, other: Any) -> Any:
        return comparison.less(self, other)

    def __le__(self, other: Any) -> Any:
        return comparison.less_equal(self, other)

    def __gt__(self, other: Any) -> Any:
        return comparison.greater(self, other)

    def __ge__(self, other: Any) -> Any:
        return comparison.greater_equal(self, other)

    __hash__ = object.__hash__

    def __getitem__(self, index: Any) -> Tensor:
        return ix.getitem(self, index)
