"""Square linear systems: solve and inverses, of matrices and tensors.

On a GPU these run cuSOLVER, which may wait for the device. Matrices are computed on as NumPy does: float32 in double
precision on the CPU, integers as float64, float16 not at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.engine import sum_to
from ..core.op import Op
from ..errors import ShapeError
from .alignment import common_shape
from .contraction import contract
from .joining import as_arrays
from .matrix_parts import MatrixShapeError, as_matrices, transposed
from .shape import reshape, transpose

NUMPY_LINALG = ("solve", "inv", "tensorsolve", "tensorinv")

inv_ = Op("inv", lambda xp, x: xp.linalg.inv(x), saves=("out",))
inv_.defvjp(lambda g, out, x: -(transposed(out) @ g @ transposed(out)))


def inv(a: Any) -> Any:
    """The inverses of square matrices; d(inv a) = -inv(a) da inv(a).

    Args:
        a: (..., n, n), array, Tensor or lists.

    Returns:
        (..., n, n): an array, or a Tensor where a is one.

    Raises:
        MatrixShapeError: a is not square.
        numpy.linalg.LinAlgError: a matrix is singular (on the CPU; a GPU gives inf or nan).
    """
    return inv_(as_matrices("inv", a, square=True))


def _solve(xp: Any, a: Any, b: Any) -> Any:
    if a.ndim == 2 and 0 in b.shape[:-2] and b.shape[-2] == len(a):  # no right-hand side, so nothing is factored
        return b.astype(xp.result_type(a, b))
    if a.ndim == 2 and b.ndim > 2:  # one factorisation for all right-hand sides
        columns = xp.moveaxis(b, -2, 0)
        x = xp.linalg.solve(a, columns.reshape(len(a), columns.size // len(a) if len(a) else 0))
        return xp.moveaxis(x.reshape(columns.shape), 0, -2)
    if xp is not np and a.shape[:-2] != b.shape[:-2]:  # CuPy's solve does not broadcast
        lead = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        a, b = xp.broadcast_to(a, lead + a.shape[-2:]), xp.broadcast_to(b, lead + b.shape[-2:])
    return xp.linalg.solve(a, b)


def _solve_vjp(needs: Any, g: Any, out: Any, a: Any, b: Any) -> tuple[Any, Any]:
    gb = solve_(transposed(a), g)
    ga = None
    if needs[0]:  # -gb out.T, summed over the columns and the stacks that share a matrix
        stack = tuple(range(-g.ndim, -2))
        shared = tuple(n for n, length in zip(range(-a.ndim, -2), a.shape, strict=False) if length == 1)
        kept = tuple(n for n in range(-a.ndim, -2) if n not in shared)
        ga = -reshape(contract(gb, (*stack, 0, 2), out, (*stack, 1, 2), (*kept, 0, 1)), a.shape)
    return ga, sum_to(gb, b.shape) if needs[1] else None


solve_ = Op("solve", _solve, saves=(0, "out"))
solve_.defvjp_all(_solve_vjp)


def solve(a: Any, b: Any) -> Any:
    """The solutions x of a x = b for square matrices a; the gradient of b solves a.T y = g, that of a is -y x.T.

    Args:
        a: (..., n, n), array, Tensor or lists.
        b: (n,), one vector for all matrices; or (..., n, k). Leading axes broadcast.

    Returns:
        (..., n) for a vector, else (..., n, k): an array, or a Tensor where an operand is one.

    Raises:
        MatrixShapeError: a is not square.
        ShapeError: b does not fit.
        numpy.linalg.LinAlgError: a matrix is singular (on the CPU; a GPU gives inf or nan).
    """
    a, b = as_arrays("solve", (a, b))
    a = as_matrices("solve", a, square=True)
    if not b.ndim or b.shape[-2 if b.ndim > 1 else 0] != a.shape[-1]:
        raise ShapeError(f"solve: b must be ({a.shape[-1]},) or (..., {a.shape[-1]}, k) for a of shape {a.shape}, "
                         f"got {b.shape}")  # fmt: skip
    if b.ndim == 1:
        x = solve_(a, reshape(b, (b.shape[0], 1)))
        return reshape(x, x.shape[:-1])
    common_shape("solve", a.shape[:-2], b.shape[:-2])
    return solve_(a, b)


def tensorsolve(a: Any, b: Any, axes: Sequence[int] | None = None) -> Any:
    """The x with tensordot(a, x, x.ndim) = b.

    Args:
        a: array, Tensor or lists, of shape b.shape + x.shape.
        b: array, Tensor or lists.
        axes: axes of a to put last first.

    Returns:
        x: an array, or a Tensor where an operand is one.

    Raises:
        MatrixShapeError: a is not square as a matrix from x to b.
        numpy.linalg.LinAlgError: it is singular.
    """
    a, b = as_arrays("tensorsolve", (a, b))
    if axes is not None:
        order = list(range(a.ndim))
        for k in axes:
            order.remove(k)
            order.insert(a.ndim, k)
        a = transpose(a, order)
    shape = a.shape[-(a.ndim - b.ndim) :]
    size = int(np.prod(shape))
    if a.size != size**2:
        raise MatrixShapeError(
            f"tensorsolve: the axes of a beyond those of b must have as many elements as b, got shapes {a.shape} and "
            f"{b.shape}"
        )
    return reshape(solve(reshape(a, (size, size)), reshape(b, -1)), shape)


def tensorinv(a: Any, ind: int = 2) -> Any:
    """The inverse of a as a map by tensordot: tensordot(tensorinv(a), a, ind) is the identity.

    Args:
        a: array, Tensor or lists; its first `ind` axes have as many elements as the others.
        ind: how many axes come first.

    Returns:
        Of shape a.shape[ind:] + a.shape[:ind]: an array, or a Tensor where a is one.

    Raises:
        ValueError: ind is not positive.
        MatrixShapeError: a is not square as a matrix.
        numpy.linalg.LinAlgError: it is singular.
    """
    (a,) = as_arrays("tensorinv", (a,))
    if ind <= 0:
        raise ValueError(f"tensorinv: ind must be positive, got {ind!r}")
    size = int(np.prod(a.shape[ind:]))
    return reshape(inv(reshape(a, (size, -1))), a.shape[ind:] + a.shape[:ind])
