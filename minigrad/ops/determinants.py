"""Determinants, and the matrix of cofactors that is their gradient."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..core.op import Op
from .matrix_parts import as_matrices, transposed
from .solvers import inv_

NUMPY_LINALG = ("det", "slogdet")


def _stretched(x: Any) -> Any:
    """(..., 1, 1): numbers, one a matrix, that scale matrices."""
    return x.reshape((*x.shape, 1, 1))


det_: Op = Op("det", lambda xp, x: xp.linalg.det(x), saves=(0,))
det_.defvjp(lambda g, out, x: _stretched(g) * cofactor_(x))


def det(a: Any) -> Any:
    """The determinants of square matrices.

    The gradient is the matrix of cofactors, det(a) inv(a).T where a can be inverted; it is right at singular matrices
    too (zero for rank n - 2 or less), to second order. Derivatives of third order need an inverse.

    Args:
        a: (..., n, n), array, Tensor or lists.

    Returns:
        (...): an array, or a Tensor where a is one.

    Raises:
        MatrixShapeError: a is not square.
    """
    return det_(as_matrices("det", a, square=True))


def _cofactors(xp: Any, x: Any) -> Any:
    """det(x) inv(x).T, or by singular values where a matrix is singular to rounding; nan where one is not finite.

    The former is accurate even close to singular matrices: Stewart, On the adjugate matrix, 1998. A device is not asked
    which it is, since it would have to wait; there it is always the latter.
    """
    if not x.size:
        return x.copy()
    try:
        if xp is np:
            with np.errstate(all="ignore"):
                inverse = np.linalg.inv(x)
                condition = np.abs(x).sum(axis=-1).max(axis=-1) * np.abs(inverse).sum(axis=-1).max(axis=-1)
                if (condition < 1e-3 / np.finfo(inverse.dtype).eps).all():  # nan is not either
                    return _stretched(np.linalg.det(x)) * inverse.swapaxes(-1, -2)
    except np.linalg.LinAlgError:
        pass
    try:
        return _cofactors_by_svd(xp, x)
    except np.linalg.LinAlgError:
        return xp.full_like(x, np.nan)


def _cofactors_by_svd(xp: Any, x: Any) -> Any:
    u, s, vh, sign = _svd_with_sign(xp, x)
    eye = xp.eye(x.shape[-1], dtype=bool)
    products = xp.where(eye, 1.0, s[..., None, :]).prod(axis=-1)  # of all singular values but one
    return sign * ((u * products[..., None, :]) @ vh)


def _svd_with_sign(xp: Any, x: Any) -> tuple[Any, Any, Any, Any]:
    finite = xp.isfinite(x).all(axis=(-2, -1), keepdims=True)  # LAPACK may never come back from an infinity
    u, s, vh = xp.linalg.svd(xp.where(finite, x, 0.0), full_matrices=False)
    s = xp.where(finite[..., 0], s, xp.nan)
    return u, s, vh, _stretched(xp.sign(xp.linalg.det(u) * xp.linalg.det(vh)))


cofactor_: Op = Op("cofactor", _cofactors, saves=(0,), doc="The cofactors of square matrices, the gradient of det.")
cofactor_.defvjp(lambda g, out, x: cofactor_vjp_(g, x))


def _cofactor_vjp(xp: Any, g: Any, x: Any) -> Any:
    """The transpose of the derivative of the cofactors, by singular values.

    At diag(s) it is d c_ii = sum_j w_ij dx_jj and d c_ij = -w_ij dx_ji, w_ij the product of all values but s_i and s_j.
    """
    if x.shape[-1] < 2 or not x.size:
        return xp.zeros_like(x)
    u, s, vh, sign = _svd_with_sign(xp, x)
    n = x.shape[-1]
    eye = xp.eye(n, dtype=bool)
    # s falls, so a zero is among the last two, which are left to the end: first all others but s_i and s_j
    head = xp.where(xp.arange(n) < n - 2, s, 1.0)
    safe = xp.where(head == 0, 1.0, head)  # with three zeros or more every w is zero
    w = _stretched(head.prod(axis=-1)) / (safe[..., :, None] * safe[..., None, :])
    for last in (n - 2, n - 1):
        taken = (xp.arange(n)[:, None] == last) | (xp.arange(n) == last)
        w = w * xp.where(taken, 1.0, _stretched(s[..., last]))
    w = xp.where(eye, 0.0, w)
    h = u.swapaxes(-1, -2) @ g @ vh.swapaxes(-1, -2)
    on_diagonal = w @ (xp.diagonal(h, 0, -2, -1)[..., None])  # w is symmetric
    inner = xp.where(eye, on_diagonal, -(w * h).swapaxes(-1, -2))
    return sign * (u @ inner @ vh)


cofactor_vjp_: Op = Op(
    "cofactor_vjp", _cofactor_vjp, saves=(0, 1), doc="The Hessian of det times g, which is symmetric."
)


def _third_order(h: Any, out: Any, g: Any, x: Any) -> Any:
    """The gradient in x of <h, Hessian(det)(x) g> = det (tr(b g) tr(b h) - tr(b g b h)), with b = inv(x)."""
    b = inv_(x)
    bg, bh = b @ g, b @ h
    trace_g, trace_h = (_stretched((b * transposed(y)).sum(axis=(-2, -1))) for y in (g, h))
    both = _stretched((bg * transposed(bh)).sum(axis=(-2, -1)))
    inner = (trace_g * trace_h - both) * b - (trace_h * bg + trace_g * bh - bg @ bh - bh @ bg) @ b
    return _stretched(det_(x)) * transposed(inner)


cofactor_vjp_.defvjp(lambda h, out, g, x: cofactor_vjp_(h, x), _third_order)


class SlogdetResult(NamedTuple):
    """What slogdet returns."""

    sign: Any
    logabsdet: Any


def _slogdet(xp: Any, x: Any) -> tuple[Any, Any]:
    sign, logdet = xp.linalg.slogdet(x)
    return sign, logdet


slogdet_ = Op("slogdet", _slogdet, saves=(0,))
slogdet_.defvjp(lambda g, out, x: _stretched(g[1]) * transposed(inv_(x)))


def slogdet(a: Any) -> SlogdetResult:
    """The signs of determinants and the logarithms of their absolute values; the gradient is inv(a).T.

    Args:
        a: (..., n, n), array, Tensor or lists.

    Returns:
        SlogdetResult(sign, logabsdet), (...) each: arrays, or Tensors where a is one. The sign is constant.

    Raises:
        MatrixShapeError: a is not square.
        numpy.linalg.LinAlgError: in backward, where a matrix is singular (the value is -inf there).
    """
    return SlogdetResult(*slogdet_(as_matrices("slogdet", a, square=True)))
