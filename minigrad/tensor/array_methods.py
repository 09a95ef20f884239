"""The part of a Tensor that NumPy users know as methods of ndarray, and NumPy's two protocols.

Each method is one line that names the function that does the work; its documentation is there. Names, order and
defaults of the parameters are ndarray's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..ops import (
    bounds,
    cumulative,
    moments,
    parts,
    product_reductions,
    products,
    reduce,
    repetition,
    rounding,
    selection,
    shape,
    sorting,
    triangles,
)
from ..ops import index as ix
from . import numpy_protocols
from .operators import Operators

if TYPE_CHECKING:
    from .tensor import Tensor


class ArrayMethods(Operators):
    """ndarray's methods over differentiable operations."""

    __slots__ = ()

    @property
    def T(self) -> Tensor:
        """The axes reversed."""
        return shape.transpose(self)

    @property
    def mT(self) -> Tensor:
        """The last two axes exchanged."""
        return shape.swapaxes(self, -1, -2)

    @property
    def real(self) -> Tensor:
        """The tensor itself: its numbers are real."""
        return parts.real(self)

    @property
    def imag(self) -> Tensor:
        """Zeros."""
        return parts.imag(self)

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return int(self._data.dtype.itemsize)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return int(self._data.nbytes)

    # --- reductions ---------------------------------------------------------------------------------------------------

    def sum(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, **more: Any) -> Tensor:
        return reduce.sum(self, axis, dtype, out, keepdims, **more)

    def prod(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, **more: Any) -> Tensor:
        return product_reductions.prod(self, axis, dtype, out, keepdims, **more)

    def mean(self, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: bool = False, **more: Any) -> Tensor:
        return moments.mean(self, axis, dtype, out, keepdims, **more)

    def var(
        self, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, keepdims: bool = False, **more: Any
    ) -> Tensor:
        return moments.var(self, axis, dtype, out, ddof, keepdims, **more)

    def std(
        self, axis: Any = None, dtype: Any = None, out: Any = None, ddof: float = 0, keepdims: bool = False, **more: Any
    ) -> Tensor:
        return moments.std(self, axis, dtype, out, ddof, keepdims, **more)

    def max(self, axis: Any = None, out: Any = None, keepdims: bool = False, **more: Any) -> Tensor:
        return reduce.max(self, axis, out, keepdims, **more)

    def min(self, axis: Any = None, out: Any = None, keepdims: bool = False, **more: Any) -> Tensor:
        return reduce.min(self, axis, out, keepdims, **more)

    def all(self, axis: Any = None, out: Any = None, keepdims: bool = False, **more: Any) -> Tensor:
        return reduce.all(self, axis, out, keepdims, **more)

    def any(self, axis: Any = None, out: Any = None, keepdims: bool = False, **more: Any) -> Tensor:
        return reduce.any(self, axis, out, keepdims, **more)

    def argmax(self, axis: int | None = None, out: Any = None, *, keepdims: bool = False) -> Tensor:
        return reduce.argmax(self, axis, out, keepdims=keepdims)

    def argmin(self, axis: int | None = None, out: Any = None, *, keepdims: bool = False) -> Tensor:
        return reduce.argmin(self, axis, out, keepdims=keepdims)

    def cumsum(self, axis: int | None = None, dtype: Any = None, out: Any = None) -> Tensor:
        return cumulative.cumsum(self, axis, dtype, out)

    def cumprod(self, axis: int | None = None, dtype: Any = None, out: Any = None) -> Tensor:
        return product_reductions.cumprod(self, axis, dtype, out)

    # --- shape --------------------------------------------------------------------------------------------------------

    def reshape(self, *shape_: Any, order: str = "C") -> Tensor:
        return shape.reshape(self, shape_[0] if len(shape_) == 1 else shape_, order)

    def ravel(self, order: str = "C") -> Tensor:
        return shape.ravel(self, order)

    def flatten(self, order: str = "C") -> Tensor:
        return shape.ravel(self, order)

    def transpose(self, *axes: Any) -> Tensor:
        return shape.transpose(self, None if not axes else axes[0] if len(axes) == 1 else axes)

    def swapaxes(self, axis1: int, axis2: int) -> Tensor:
        return shape.swapaxes(self, axis1, axis2)

    def squeeze(self, axis: Any = None) -> Tensor:
        return shape.squeeze(self, axis)

    def repeat(self, repeats: Any, axis: int | None = None) -> Tensor:
        return repetition.repeat(self, repeats, axis)

    def diagonal(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Tensor:
        return triangles.diagonal(self, offset, axis1, axis2)

    def trace(self, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Tensor:
        return triangles.trace(self, offset, axis1, axis2, dtype)

    # --- selection and order ------------------------------------------------------------------------------------------

    def take(self, indices: Any, axis: int | None = None, out: Any = None, mode: str = "raise") -> Tensor:
        return ix.take(self, indices, axis, out, mode)

    def compress(self, condition: Any, axis: int | None = None) -> Tensor:
        return selection.compress(condition, self, axis)

    def choose(self, choices: Any, out: Any = None, mode: str = "raise") -> Tensor:
        return selection.choose(self, choices, out, mode)

    def nonzero(self) -> tuple[Tensor, ...]:
        return selection.nonzero(self)

    def argsort(self, axis: int | None = -1, kind: Any = None) -> Tensor:
        return sorting.argsort(self, axis, kind)

    def argpartition(self, kth: Any, axis: int | None = -1) -> Tensor:
        return sorting.argpartition(self, kth, axis)

    def searchsorted(self, v: Any, side: str = "left", sorter: Any = None) -> Tensor:
        return sorting.searchsorted(self, v, side, sorter)

    def sort(self, *args: Any, **kwargs: Any) -> Tensor:
        """Refused: ndarray.sort works in place and returns None."""
        raise TypeError("Tensor.sort would sort in place, as ndarray.sort does: use mg.sort(t), which returns a Tensor")

    # --- elementwise --------------------------------------------------------------------------------------------------

    def clip(self, min: Any = None, max: Any = None) -> Tensor:
        return bounds.clip(self, min, max)

    def round(self, decimals: int = 0) -> Tensor:
        return rounding.round(self, decimals)

    def conj(self) -> Tensor:
        return parts.conjugate(self)

    conjugate = conj

    def dot(self, b: Any) -> Tensor:
        return products.dot(self, b)

    # --- NumPy's protocols --------------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return numpy_protocols.array_ufunc(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return numpy_protocols.array_function(func, args, kwargs)
