"""The part of a Tensor that NumPy users know: operators, comparisons, methods, NumPy's protocols.

Each method is one line that names the function that does the work; its documentation is there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..core.variable import Variable
from ..ops import elementwise as ew
from ..ops import index as ix
from ..ops import linalg, reduce, shape
from . import numpy_protocols

if TYPE_CHECKING:
    from .tensor import Tensor


# An Op is an object with a __call__; the bound method skips a look-up that costs as much as a small addition.
_add, _subtract, _multiply = ew.add.__call__, ew.subtract.__call__, ew.multiply.__call__
_divide, _negative, _absolute = ew.divide.__call__, ew.negative.__call__, ew.absolute.__call__


class ArrayMethods(Variable):
    """NumPy's ndarray interface over differentiable operations."""

    __slots__ = ()

    # --- operators --------------------------------------------------------------------------------------------------

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
        return ew.power(self, other)

    def __rpow__(self, other: Any) -> Tensor:
        return ew.power(other, self)

    def __matmul__(self, other: Any) -> Tensor:
        return linalg.matmul(self, other)

    def __rmatmul__(self, other: Any) -> Tensor:
        return linalg.matmul(other, self)

    def __neg__(self) -> Tensor:
        return _negative(self)

    def __pos__(self) -> Tensor:
        return _add(self, 0)

    def __abs__(self) -> Tensor:
        return _absolute(self)

    def __eq__(self, other: Any) -> Any:
        return ew.equal(self, other)

    def __ne__(self, other: Any) -> Any:
        return ew.not_equal(self, other)

    def __lt__(self, other: Any) -> Any:
        return ew.less(self, other)

    def __le__(self, other: Any) -> Any:
        return ew.less_equal(self, other)

    def __gt__(self, other: Any) -> Any:
        return ew.greater(self, other)

    def __ge__(self, other: Any) -> Any:
        return ew.greater_equal(self, other)

    __hash__ = object.__hash__

    def __getitem__(self, index: Any) -> Tensor:
        return ix.getitem(self, index)

    # --- NumPy's methods ----------------------------------------------------------------------------------------------

    @property
    def T(self) -> Tensor:
        """The axes reversed."""
        return shape.transpose(self)

    @property
    def mT(self) -> Tensor:
        """The last two axes exchanged."""
        return shape.swapaxes(self, -1, -2)

    def sum(self, axis: Any = None, dtype: Any = None, keepdims: bool = False) -> Tensor:
        return reduce.sum(self, axis=axis, dtype=dtype, keepdims=keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return reduce.mean(self, axis=axis, keepdims=keepdims)

    def var(self, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
        return reduce.var(self, axis=axis, ddof=ddof, keepdims=keepdims)

    def std(self, axis: Any = None, ddof: int = 0, keepdims: bool = False) -> Tensor:
        return reduce.std(self, axis=axis, ddof=ddof, keepdims=keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return reduce.max(self, axis=axis, keepdims=keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> Tensor:
        return reduce.min(self, axis=axis, keepdims=keepdims)

    def argmax(self, axis: int | None = None, keepdims: bool = False) -> Tensor:
        return reduce.argmax(self, axis=axis, keepdims=keepdims)

    def reshape(self, *shape_: Any) -> Tensor:
        return shape.reshape(self, shape_[0] if len(shape_) == 1 else shape_)

    def ravel(self) -> Tensor:
        return shape.reshape(self, -1)

    def flatten(self) -> Tensor:
        return shape.reshape(self, -1)

    def transpose(self, *axes: Any) -> Tensor:
        return shape.transpose(self, None if not axes else axes[0] if len(axes) == 1 else axes)

    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        return shape.swapaxes(self, axis1, axis2)

    def squeeze(self, axis: Any = None) -> Tensor:
        return shape.squeeze(self, axis=axis)

    def take(self, indices: Any, axis: int | None = None) -> Tensor:
        return ix.take(self, indices, axis=axis)

    def clip(self, a_min: Any = None, a_max: Any = None) -> Tensor:
        return ew.clip(self, a_min, a_max)

    def dot(self, other: Any) -> Tensor:
        return linalg.matmul(self, other)

    # --- NumPy's protocols --------------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return numpy_protocols.array_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return numpy_protocols.array_function(func, args, kwargs)
