"""Diagonals and triangles of matrices."""

from __future__ import annotations

from typing import Any

from ..backend.device import device_of
from ..backend.recording import zeros
from ..core.op import Op
from ..errors import ShapeError
from .arguments import as_operand, no_out, normalize_axis
from .reduce import sum as _sum
from .shape import broadcast_to, ravel

diagonal_: Op = Op("diagonal", lambda xp, x, *, offset, axes: x.diagonal(offset, axes[0], axes[1]), saves=(), view=True)


def _onto_diagonal(xp: Any, x: Any, *, offset: int, axes: tuple[int, int], shape: tuple[int, ...]) -> Any:
    rows, columns = shape[axes[0]], shape[axes[1]]
    rest = [i for i in range(len(shape)) if i not in axes]
    flat = zeros((*(shape[i] for i in rest), rows * columns), x.dtype, device_of(x))
    first = offset if offset >= 0 else -offset * columns
    flat[..., first : first + x.shape[-1] * (columns + 1) : columns + 1] = x
    order = [*rest, *axes]
    return flat.reshape(tuple(shape[i] for i in order)).transpose(tuple(order.index(i) for i in range(len(shape))))


onto_diagonal_ = Op(
    "onto_diagonal", _onto_diagonal, saves=(), doc="Zeros of `shape` with x on a diagonal; the transpose of diagonal."
)
onto_diagonal_.defvjp(lambda g, out, x, *, offset, axes, shape: diagonal_(g, offset=offset, axes=axes))
diagonal_.defvjp(lambda g, out, x, *, offset, axes: onto_diagonal_(g, offset=offset, axes=axes, shape=x.shape))

tril_: Op = Op("tril", lambda xp, x, *, k: xp.tril(x, k), saves=())
tril_.defvjp(lambda g, out, x, *, k: tril_(g, k=k))

triu_: Op = Op("triu", lambda xp, x, *, k: xp.triu(x, k), saves=())
triu_.defvjp(lambda g, out, x, *, k: triu_(g, k=k))


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """The entries a[..., i, i + offset, ...] of two axes.

    Args:
        a: array or Tensor with at least two axes.
        offset: which diagonal: above the main one where positive, below where negative.
        axis1: axis of the rows.
        axis2: axis of the columns.

    Returns:
        A read-only view without the two axes, and the diagonal as the last: an array, or a Tensor where a is one.

    Raises:
        ShapeError: the axes are not two of a's.
    """
    a = as_operand(a)
    axes = normalize_axis("diagonal", (axis1, axis2), a.ndim) or (0, 1)
    return diagonal_(a, offset=int(offset), axes=axes)


def diag(v: Any, k: int = 0) -> Any:
    """A matrix with a vector on a diagonal, or a diagonal of a matrix.

    Args:
        v: (n,) or (m, n), array or Tensor.
        k: which diagonal: above the main one where positive, below where negative.

    Returns:
        (n + |k|, n + |k|), or a view of the diagonal: an array, or a Tensor where v is one.

    Raises:
        ShapeError: v is neither a vector nor a matrix.
    """
    v = as_operand(v)
    if v.ndim == 1:
        n = v.shape[0] + abs(k)
        return onto_diagonal_(v, offset=int(k), axes=(0, 1), shape=(n, n))
    if v.ndim != 2:
        raise ShapeError(f"diag: a vector or a matrix is due, got shape {v.shape}")
    return diagonal(v, k)


def diagflat(v: Any, k: int = 0) -> Any:
    """A matrix with the flattened array on a diagonal.

    Args:
        v: array or Tensor.
        k: which diagonal: above the main one where positive, below where negative.

    Returns:
        (size + |k|, size + |k|): an array, or a Tensor where v is one.
    """
    return diag(ravel(v), k)


def _triangle(name: str, op: Op, m: Any, k: int) -> Any:
    m = as_operand(m)
    if m.ndim == 0:
        raise ShapeError(f"{name}: at least one axis is due, got a single number")
    if m.ndim == 1:  # NumPy repeats a vector as rows
        m = broadcast_to(m, (m.shape[0], m.shape[0]))
    return op(m, k=int(k))


def tril(m: Any, k: int = 0) -> Any:
    """The lower triangle of matrices, with zeros above diagonal k.

    Args:
        m: (..., rows, columns), array or Tensor; a vector is repeated as rows.
        k: the last diagonal that is kept.

    Returns:
        A new array of the same shape, or a Tensor where m is one.
    """
    return _triangle("tril", tril_, m, k)


def triu(m: Any, k: int = 0) -> Any:
    """The upper triangle of matrices, with zeros below diagonal k.

    Args:
        m: (..., rows, columns), array or Tensor; a vector is repeated as rows.
        k: the first diagonal that is kept.

    Returns:
        A new array of the same shape, or a Tensor where m is one.
    """
    return _triangle("triu", triu_, m, k)


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None, out: None = None) -> Any:
    """The sum over a diagonal of two axes.

    Args:
        a: array or Tensor with at least two axes.
        offset: which diagonal: above the main one where positive, below where negative.
        axis1: axis of the rows.
        axis2: axis of the columns.
        dtype: dtype to sum in; None follows NumPy.
        out: not supported.

    Returns:
        An array without the two axes, or a Tensor where a is one.

    Raises:
        ShapeError: the axes are not two of a's.
    """
    no_out("trace", out)
    return _sum(diagonal(a, offset, axis1, axis2), axis=-1, dtype=dtype)


NUMPY = ("diagonal", "diag", "diagflat", "tril", "triu", "trace")
