"""Matrix products in all ranks."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..backend import gemm
from ..core.op import Op
from ..errors import ShapeError
from .alignment import common_shape
from .arguments import no_out
from .contraction import Labels, contract
from .joining import as_arrays

NUMPY = NUMPY_LINALG = ("matmul",)


def _matmul(xp: Any, x: Any, y: Any) -> Any:
    if x.dtype != y.dtype or y.ndim > 2:
        return xp.matmul(x, y)
    if x.ndim == y.ndim == 2:
        return gemm.matmul(x, y)
    if x.ndim > 2 and y.ndim == 2 and x.size and y.size:  # one product of all rows; matmul would take one a matrix
        return gemm.matmul(x.reshape(-1, x.shape[-1]), y).reshape((*x.shape[:-1], y.shape[1]))
    if xp is not np and x.ndim <= 2:  # unlike the array library's product, fit for a stream that captures
        rows = x if x.ndim == 2 else x.reshape(1, x.size)
        columns = y if y.ndim == 2 else y.reshape(y.size, 1)
        return gemm.matmul(rows, columns).reshape(x.shape[:-1] + y.shape[1:])
    return xp.matmul(x, y)


@lru_cache(maxsize=256)
def _labels(x: int, y: int) -> tuple[Labels, Labels, Labels]:
    """Labels of the axes of x, y and x @ y: batch axes are negative, counted from the right."""
    xl = (0,) if x == 1 else (*range(-x, -2), 1, 0)
    yl = (0,) if y == 1 else (*range(-y, -2), 0, 2)
    batch = tuple(range(-max(x, y), -2))
    return xl, yl, (*batch, *((1,) if x > 1 else ()), *((2,) if y > 1 else ()))


def _matmul_vjp_x(g: Any, out: Any, x: Any, y: Any) -> Any:
    if x.ndim == y.ndim == 2:
        return g @ y.T
    xl, yl, ol = _labels(x.ndim, y.ndim)
    return _to_operand(g, ol, y, yl, x, xl)


def _matmul_vjp_y(g: Any, out: Any, x: Any, y: Any) -> Any:
    if x.ndim == y.ndim == 2:
        return x.T @ g
    xl, yl, ol = _labels(x.ndim, y.ndim)
    return _to_operand(g, ol, x, xl, y, yl)


def _to_operand(g: Any, gl: Labels, other: Any, others: Labels, x: Any, xl: Labels) -> Any:
    """The gradient of x, summed over the axes along which x was repeated without making them."""
    broadcast = {n for n, length in zip(xl, x.shape, strict=True) if length == 1 and n < 0}
    kept = tuple(n for n in xl if n not in broadcast)
    found = contract(g, gl, other, others, kept)
    return found.reshape(x.shape) if broadcast else found


def _matmul_raw_vjp(dest: Any, needs: Any, g: Any, out: Any, residual: Any, x: Any, y: Any) -> tuple[Any, Any]:
    if not (x.ndim == y.ndim == 2 and x.dtype == y.dtype == g.dtype):
        gx = _matmul_vjp_x(g, out, x, y) if needs[0] else None
        return gx, _matmul_vjp_y(g, out, x, y) if needs[1] else None
    return (
        product_into(dest[0], g, y.T) if needs[0] else None,
        product_into(dest[1], x.T, g) if needs[1] else None,
    )


def product_into(dest: tuple[Any, bool] | None, a: Any, b: Any) -> Any:
    """a @ b written to a gradient's storage (then None, as raw rules answer), or a new array without one."""
    if dest is None:
        return gemm.matmul(a, b)
    gemm.matmul(a, b, out=dest[0], accumulate=dest[1])
    return None


def column_sum_into(dest: tuple[Any, bool] | None, a: Any) -> Any:
    """The sum over the rows of `a`, answered like `product_into`."""
    if dest is None:
        return gemm.column_sum(a)
    gemm.column_sum(a, out=dest[0], accumulate=dest[1])
    return None


matmul_ = Op("matmul", _matmul, saves=(0, 1))
matmul_.defvjp_all(
    lambda needs, g, out, x, y: (
        _matmul_vjp_x(g, out, x, y) if needs[0] else None,
        _matmul_vjp_y(g, out, x, y) if needs[1] else None,
    )
)
matmul_.def_raw_vjp(_matmul_raw_vjp)


def matmul(x1: Any, x2: Any, /, out: Any = None) -> Any:
    """The matrix product x1 @ x2, by NumPy's rules for vectors, matrices and stacks of matrices.

    Args:
        x1: (..., m, k) or (k,), array or Tensor.
        x2: (..., k, n) or (k,); leading axes broadcast.
        out: not supported.

    Returns:
        (..., m, n), without the axis of a vector operand: an array, or a Tensor where an operand is one.

    Raises:
        ShapeError: an operand is 0-d, the inner lengths differ, or the leading axes do not broadcast.
    """
    no_out("matmul", out)
    a, b = getattr(x1, "shape", None), getattr(x2, "shape", None)
    if a is None or b is None:
        x1, x2 = as_arrays("matmul", (x1, x2))
        a, b = x1.shape, x2.shape
    if not a or not b:
        raise ShapeError(
            f"matmul: operands must have at least one dimension, got shapes {a} and {b}; use * for scalars"
        )
    if a[-1] != b[-2 if len(b) > 1 else 0]:
        raise ShapeError(
            f"matmul: inner lengths differ: {a} @ {b} (the last axis of the first must equal the "
            f"{'second to last' if len(b) > 1 else 'only'} axis of the second)"
        )
    if len(a) > 2 < len(b):
        common_shape("matmul", a[:-2], b[:-2])
    return matmul_(x1, x2)
