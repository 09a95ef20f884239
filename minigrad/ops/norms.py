"""Norms of vectors and matrices, condition numbers, rank.

At a zero vector or matrix the gradient of a norm is 0, to second order too; so is that of a p-norm in an element that
is 0, where the slope is infinite for p < 1. Largest elements and singular values that tie share the gradient evenly.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backend.recording import lift
from ..core.op import Op
from ..core.variable import Variable
from .arguments import Axis, kept_shape, normalize_axis
from .comparison import equal, isnan, logical_and, logical_not, logical_or, not_equal
from .decompositions import svd
from .joining import as_arrays
from .matrix_parts import MatrixShapeError, as_matrices
from .parts import absolute, sign
from .powers import power
from .reduce import any as any_of
from .reduce import max as largest
from .reduce import min as smallest
from .reduce import sum as sum_over
from .shape import astype, reshape, transpose
from .solvers import inv_
from .where import where

NUMPY_LINALG = ("norm", "vector_norm", "matrix_norm", "cond", "matrix_rank")

# --- operations -----------------------------------------------------------------------------------------------------


def _euclidean(xp: Any, x: Any, *, axis: tuple[int, ...] | None, keepdims: bool) -> Any:
    if axis is None and xp is np:
        row = x.ravel(order="K")
        out = np.sqrt(np.dot(row, row))
        return out.reshape((1,) * x.ndim) if keepdims else out
    return xp.sqrt((x * x).sum(axis=axis, keepdims=keepdims))


def _euclidean_vjp(g: Any, out: Any, x: Any, *, axis: tuple[int, ...] | None, keepdims: bool) -> Any:
    kept = kept_shape(x.shape, axis)
    out, g = reshape(out, kept), reshape(g, kept)
    zero = equal(out, 0)
    return x * where(zero, 0.0, g / where(zero, 1.0, out))


euclidean_norm_ = Op("euclidean_norm", _euclidean, saves=(0, "out"))
euclidean_norm_.defvjp(_euclidean_vjp)


def _p_norm(xp: Any, x: Any, *, order: float, axis: tuple[int, ...], keepdims: bool) -> Any:
    total = (xp.abs(x) ** order).sum(axis=axis, keepdims=keepdims)
    return total ** (1.0 / order)


def _p_norm_vjp(g: Any, out: Any, x: Any, *, order: float, axis: tuple[int, ...], keepdims: bool) -> Any:
    kept = kept_shape(x.shape, axis)
    out, g = reshape(out, kept), reshape(g, kept)
    zero = logical_or(equal(x, 0), equal(out, 0))
    share = absolute(x) / where(equal(out, 0), 1.0, out)
    return where(zero, 0.0, g * sign(x) * power(where(zero, 1.0, share), order - 1))


p_norm_ = Op("p_norm", _p_norm, saves=(0, "out"))
p_norm_.defvjp(_p_norm_vjp)


def _inv_or_nan(xp: Any, x: Any) -> Any:
    try:
        return xp.linalg.inv(x)
    except np.linalg.LinAlgError:  # one of the matrices is singular: they are taken one at a time
        flat = x.reshape((-1, *x.shape[-2:]))
        if len(flat) == 1:
            return xp.full_like(x, np.nan)
        return xp.stack([_inv_or_nan(xp, flat[i]) for i in range(len(flat))]).reshape(x.shape)


inv_or_nan_ = Op("inv_or_nan", _inv_or_nan, saves=("out",), doc="Inverses, nan in the place of missing ones.")
inv_or_nan_.defvjp(*inv_.vjps)


def _matrix_rank(xp: Any, x: Any, *, tol: Any, hermitian: bool, rtol: Any) -> Any:
    if xp is np:
        rank = np.linalg.matrix_rank(x, tol, hermitian, rtol=rtol)
        return np.intp(rank) if isinstance(rank, int) else rank
    if x.ndim < 2:
        return (x != 0).any().astype(np.int64)
    s = xp.linalg.svd(x, compute_uv=False)
    if tol is not None:
        tol = xp.asarray(tol)[..., None]
    else:
        rtol = max(x.shape[-2:]) * float(np.finfo(s.dtype).eps) if rtol is None else xp.asarray(rtol)[..., None]
        tol = (s.max(axis=-1, keepdims=True) if s.shape[-1] else s.sum(axis=-1, keepdims=True)) * rtol
    return (s > tol).sum(axis=-1)


matrix_rank_ = Op("matrix_rank", _matrix_rank, saves=(), differentiable=False)

# --- functions ------------------------------------------------------------------------------------------------------


def _floating(name: str, x: Any) -> Any:
    (x,) = as_arrays(name, (x,))
    return x if x.dtype.kind in "fc" else astype(x, np.float64)


def norm(x: Any, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Any:
    """The norm of vectors along one axis, of matrices in two, or of all elements.

    Args:
        x: array, Tensor or lists.
        ord: for vectors p, sum(|x|**p)**(1/p), also 0 (how many are not 0; it has no gradient), inf and -inf (the
            largest and the smallest |x|), default 2. For matrices "fro" (default), "nuc" (the sum of the singular
            values), 2 and -2 (the largest and the smallest), 1 and -1 (sums over columns, likewise), inf and -inf (over
            rows).
        axis: one axis, or a pair (rows, columns); None for all, where ord=None takes any number of axes.
        keepdims: keep reduced axes with length 1.

    Returns:
        An array, or a Tensor where x is one.

    Raises:
        ValueError: no such norm, or neither one nor two axes.
        ShapeError: an axis is out of range or named twice.
    """
    x = _floating("norm", x)
    if axis is None and (ord is None or (x.ndim == 2 and ord in ("f", "fro")) or (x.ndim == 1 and ord == 2)):
        return euclidean_norm_(x, axis=None, keepdims=bool(keepdims))
    axes = tuple(range(x.ndim)) if axis is None else normalize_axis("norm", axis, x.ndim)
    if axes is None or len(axes) not in (1, 2):
        raise ValueError(f"norm: one axis or two are due, got axis={axis!r} for shape {x.shape}")
    return (_of_vectors if len(axes) == 1 else _of_matrices)(x, ord, axes, bool(keepdims))


def _of_vectors(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    if isinstance(ord, str):
        raise ValueError(f"norm: order {ord!r} is not one for vectors")
    if ord is None or ord == 2:
        return euclidean_norm_(x, axis=axes, keepdims=keepdims)
    if ord == 0:
        return sum_over(astype(not_equal(x, 0), x.dtype), axis=axes, keepdims=keepdims)
    if ord == 1:
        return sum_over(absolute(x), axis=axes, keepdims=keepdims)
    if ord == math.inf:
        return _largest(absolute(x), axes, keepdims)
    if ord == -math.inf:
        return smallest(absolute(x), axis=axes, keepdims=keepdims)
    return p_norm_(x, order=float(ord), axis=axes, keepdims=keepdims)


def _largest(x: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    """The largest of numbers that are not negative; 0 of none."""
    empty = any(x.shape[a] == 0 for a in axes)
    return (sum_over if empty else largest)(x, axis=axes, keepdims=keepdims)


def _of_matrices(x: Any, ord: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    rows, columns = axes
    if ord is None or ord in ("f", "fro"):
        return euclidean_norm_(x, axis=axes, keepdims=keepdims)
    if ord in (2, -2, "nuc"):
        rest = tuple(i for i in range(x.ndim) if i not in axes)
        # |s| is s, and has slope 0 where s is 0
        s = absolute(svd(transpose(x, (*rest, rows, columns)), compute_uv=False))
        if ord == "nuc":
            found = sum_over(s, axis=-1)
        else:
            found = _largest(s, (s.ndim - 1,), False) if ord == 2 else smallest(s, axis=-1)
    elif ord in (1, -1, math.inf, -math.inf):
        first, second = (rows, columns) if abs(ord) == 1 else (columns, rows)
        sums = sum_over(absolute(x), axis=first)
        second -= first < second
        found = _largest(sums, (second,), False) if ord > 0 else smallest(sums, axis=second)
    else:
        raise ValueError(f"norm: order {ord!r} is not one for matrices")
    return reshape(found, kept_shape(x.shape, axes)) if keepdims else found


def vector_norm(x: Any, /, *, axis: Axis = None, keepdims: bool = False, ord: Any = 2) -> Any:
    """The norm of vectors along one axis or several; of all elements as one vector by default.

    Args:
        x: array, Tensor or lists.
        axis: axis or axes; None for all.
        keepdims: keep reduced axes with length 1.
        ord: as for `norm` of vectors.

    Returns:
        An array, or a Tensor where x is one.

    Raises:
        ValueError: no such norm.
        ShapeError: an axis is out of range or named twice.
    """
    x = _floating("vector_norm", x)
    axes = normalize_axis("vector_norm", axis, x.ndim)
    if axes is None and (ord is None or ord == 2):
        return euclidean_norm_(x, axis=None, keepdims=bool(keepdims))
    return _of_vectors(x, ord, tuple(range(x.ndim)) if axes is None else axes, bool(keepdims))


def matrix_norm(x: Any, /, *, keepdims: bool = False, ord: Any = "fro") -> Any:
    """The norm of matrices in the last two axes.

    Args:
        x: (..., m, n), array, Tensor or lists.
        keepdims: keep the two axes with length 1.
        ord: as for `norm` of matrices.

    Returns:
        (...): an array, or a Tensor where x is one.

    Raises:
        ValueError: no such norm.
        MatrixShapeError: x is no matrix.
    """
    return norm(as_matrices("matrix_norm", x), ord=ord, axis=(-2, -1), keepdims=keepdims)


def cond(x: Any, p: Any = None) -> Any:
    """The condition numbers of matrices, norm(x, p) norm(inv(x), p); inf where a matrix is singular.

    Args:
        x: (..., m, n), array, Tensor or lists; square unless p is None, 2 or -2.
        p: None or 2 for the ratio of the largest to the smallest singular value, -2 for its inverse, else as `ord` of
            `norm`.

    Returns:
        (...): an array, or a Tensor where x is one.

    Raises:
        MatrixShapeError: x is empty or not as p asks.
    """
    spectral = p is None or p in (2, -2)
    x = _floating("cond", as_matrices("cond", x, square=not spectral))
    if 0 in x.shape[-2:]:
        raise MatrixShapeError(f"cond: empty matrices have no condition number, got shape {x.shape}")
    if spectral:
        s = svd(x, compute_uv=False)
        above, below = (s[..., -1], s[..., 0]) if p == -2 else (s[..., 0], s[..., -1])
        zero = equal(below, 0)
        found = where(zero, math.inf, above / where(zero, 1.0, below))
    else:
        found = norm(x, p, axis=(-2, -1)) * norm(inv_or_nan_(x), p, axis=(-2, -1))
    unknown = any_of(isnan(x), axis=(-2, -1))
    return where(logical_and(isnan(found), logical_not(unknown)), math.inf, found)


def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, rtol: Any = None) -> Any:
    """How many singular values are larger than a threshold; carries no gradient.

    Args:
        A: (..., m, n), array, Tensor or lists; of a vector, whether it is not zero.
        tol: the threshold, a number or one a matrix; default rtol times the largest.
        hermitian: A is symmetric (which is faster on the CPU).
        rtol: relative threshold; default max(m, n) eps.

    Returns:
        Integers, (...): an array, or a Tensor where A is one.

    Raises:
        ValueError: both tol and rtol were given.
    """
    if tol is not None and rtol is not None:
        raise ValueError("matrix_rank: tol and rtol are two ways to give the threshold; give one")
    (A,) = as_arrays("matrix_rank", (A,))
    tol, rtol = (lift(t._data) if isinstance(t, Variable) else t for t in (tol, rtol))
    return matrix_rank_(A, tol=tol, hermitian=bool(hermitian), rtol=rtol)
