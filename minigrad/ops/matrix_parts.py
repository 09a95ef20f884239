"""What the functions of matrices, the last two axes of an array, ask of them, and what their rules do with them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.op import Op
from ..errors import ShapeError
from .joining import as_arrays
from .triangles import onto_diagonal_


def _triangle(xp: Any, x: Any, *, below: float, on: float, above: float) -> Any:
    rows, columns = xp.arange(x.shape[-2])[:, None], xp.arange(x.shape[-1])
    return x * xp.where(rows > columns, below, xp.where(rows == columns, on, above)).astype(x.dtype)


triangle_: Op = Op(
    "triangle",
    _triangle,
    saves=(),
    doc="Matrices with the parts below, on and above the diagonal scaled by a number each.",
)
triangle_.defvjp(lambda g, out, x, *, below, on, above: triangle_(g, below=below, on=on, above=above))


LinAlgError = np.linalg.LinAlgError


class MatrixShapeError(ShapeError, LinAlgError):
    """An array is no matrix, or no square one: a ShapeError, and the LinAlgError that NumPy raises."""


def as_matrices(name: str, x: Any, square: bool = False) -> Any:
    """An operand of a function of matrices, as an array or Tensor.

    Args:
        name: of the function.
        x: array, Tensor or nested lists.
        square: whether the matrices have to be square.

    Returns:
        x with at least two axes.

    Raises:
        MatrixShapeError: x has fewer, or the last two differ.
    """
    (x,) = as_arrays(name, [x])
    if x.ndim < 2:
        raise MatrixShapeError(f"{name}: a matrix, or a stack of them, is needed, got shape {x.shape}")
    if square and x.shape[-1] != x.shape[-2]:
        raise MatrixShapeError(f"{name}: the last two axes of a square matrix must be of one length, got {x.shape}")
    return x


def transposed(x: Any) -> Any:
    """Matrices with rows and columns exchanged, a view."""
    return x.swapaxes(-1, -2)


def symmetric(x: Any) -> Any:
    """(x + x.T) / 2."""
    return (x + transposed(x)) * 0.5


def onto_diagonals(x: Any) -> Any:
    """(..., n, n): square matrices with x (..., n) on their diagonals, zeros elsewhere."""
    n = len(x.shape)
    return onto_diagonal_(x, offset=0, axes=(n - 1, n), shape=(*x.shape, x.shape[-1]))
