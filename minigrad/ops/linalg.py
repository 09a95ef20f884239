"""Matrix products in all ranks."""

from __future__ import annotations

from typing import Any

from ..backend import gemm
from ..core.engine import sum_to
from ..core.op import Op
from ..errors import ShapeError
from .shape import expand_dims, swapaxes


def _matmul(xp: Any, x: Any, y: Any) -> Any:
    if x.ndim == y.ndim == 2 and x.dtype == y.dtype:
        return gemm.matmul(x, y)
    return xp.matmul(x, y)


def _as_matrices(x: Any, y: Any, g: Any) -> tuple[Any, Any, Any]:
    """x (..., m, k), y (..., k, n) and g (..., m, n), with the axes that matmul adds to vectors made explicit."""
    if x.ndim == 1 and y.ndim == 1:
        return x.reshape((1, x.shape[0])), y.reshape((y.shape[0], 1)), g.reshape((1, 1))
    if x.ndim == 1:
        return x.reshape((1, x.shape[0])), y, expand_dims(g, -2)
    if y.ndim == 1:
        return x, y.reshape((y.shape[0], 1)), expand_dims(g, -1)
    return x, y, g


def _matmul_vjp_x(g: Any, out: Any, x: Any, y: Any) -> Any:
    if x.ndim == y.ndim == 2:
        return g @ y.T
    matrix, other, g = _as_matrices(x, y, g)
    return sum_to(g @ swapaxes(other, -1, -2), matrix.shape).reshape(x.shape)


def _matmul_vjp_y(g: Any, out: Any, x: Any, y: Any) -> Any:
    if x.ndim == y.ndim == 2:
        return x.T @ g
    other, matrix, g = _as_matrices(x, y, g)
    return sum_to(swapaxes(other, -1, -2) @ g, matrix.shape).reshape(y.shape)


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


def matmul(x: Any, y: Any) -> Any:
    """The matrix product x @ y, by NumPy's rules for vectors, matrices and stacks of matrices.

    Args:
        x: (..., m, k) or (k,), array or Tensor.
        y: (..., k, n) or (k,); leading axes broadcast.

    Returns:
        (..., m, n), without the axis of a vector operand: an array, or a Tensor where an operand is one.

    Raises:
        ShapeError: an operand is 0-d, or the inner lengths differ.
    """
    a, b = getattr(x, "shape", None), getattr(y, "shape", None)
    if a is not None and b is not None:
        if not a or not b:
            raise ShapeError(
                f"matmul: operands must have at least one dimension, got shapes {a} and {b}; use * for scalars"
            )
        if a[-1] != b[-2 if len(b) > 1 else 0]:
            raise ShapeError(
                f"matmul: inner lengths differ: {a} @ {b} (the last axis of the first must equal the "
                f"{'second to last' if len(b) > 1 else 'only'} axis of the second)"
            )
    return matmul_(x, y)
