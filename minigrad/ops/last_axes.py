"""The functions of np.linalg that mean something else than np's of the same name: matrices are in the last two axes."""

from __future__ import annotations

from typing import Any

from ..errors import ShapeError
from . import products, triangles
from .joining import as_arrays
from .matrix_parts import as_matrices
from .shape import matrix_transpose as matrix_transpose

NUMPY_LINALG = ("diagonal", "trace", "outer", "cross", "matrix_transpose")


def diagonal(x: Any, /, *, offset: int = 0) -> Any:
    """The diagonals of matrices.

    Args:
        x: (..., m, n), array, Tensor or lists.
        offset: which diagonal: above the main one where positive, below where negative.

    Returns:
        (..., k), a read-only view: an array, or a Tensor where x is one.

    Raises:
        MatrixShapeError: x is no matrix.
    """
    return triangles.diagonal(as_matrices("diagonal", x), offset, -2, -1)


def trace(x: Any, /, *, offset: int = 0, dtype: Any = None) -> Any:
    """The sums over the diagonals of matrices.

    Args:
        x: (..., m, n), array, Tensor or lists.
        offset: which diagonal: above the main one where positive, below where negative.
        dtype: dtype to sum in; None follows NumPy.

    Returns:
        (...): an array, or a Tensor where x is one.

    Raises:
        MatrixShapeError: x is no matrix.
    """
    return triangles.trace(as_matrices("trace", x), offset, -2, -1, dtype)


def outer(x1: Any, x2: Any, /) -> Any:
    """The products of every element of a vector with every element of another.

    Args:
        x1: (m,), array, Tensor or lists.
        x2: (n,), likewise.

    Returns:
        (m, n): an array, or a Tensor where an operand is one.

    Raises:
        ShapeError: an operand is no vector.
    """
    x1, x2 = as_arrays("outer", (x1, x2))
    if x1.ndim != 1 or x2.ndim != 1:
        raise ShapeError(f"outer: two vectors are due, got shapes {x1.shape} and {x2.shape}; np.outer flattens")
    return products.outer(x1, x2)


def cross(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The cross product of vectors of length 3.

    Args:
        x1: vectors of length 3 along an axis: array, Tensor or lists.
        x2: likewise; the other axes broadcast.
        axis: of the vectors, in both operands and in the result.

    Returns:
        Vectors of length 3: an array, or a Tensor where an operand is one.

    Raises:
        ShapeError: there is no such axis, or it is of another length.
    """
    x1, x2 = as_arrays("cross", (x1, x2))
    for x in (x1, x2):
        if not -x.ndim <= axis < x.ndim or x.shape[axis] != 3:
            raise ShapeError(f"cross: axis {axis} of length 3 is due in both, got shapes {x1.shape} and {x2.shape}")
    return products.cross(x1, x2, axis=axis)
