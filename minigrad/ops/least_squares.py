"""Pseudo-inverses and least squares, by singular values; on a GPU they may wait for the device."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..backend.recording import lift
from ..core.op import Op
from ..core.variable import Variable
from .decompositions import svd_
from .joining import as_arrays
from .matrix_parts import MatrixShapeError, as_matrices, symmetric, transposed
from .reduction_arguments import NO_VALUE
from .shape import astype, reshape

NUMPY_LINALG = ("pinv", "lstsq")


def _pinv(xp: Any, x: Any, *, rcond: Any, hermitian: bool) -> Any:
    if xp is np:
        return np.linalg.pinv(x, rcond=rcond, hermitian=hermitian)
    return xp.linalg.pinv(x, xp.asarray(rcond) if isinstance(rcond, np.ndarray) else rcond)


def _pinv_vjp(g: Any, out: Any, x: Any, *, rcond: Any, hermitian: bool) -> Any:
    gt, pt = transposed(g), transposed(out)
    rows, columns = (gt @ out) @ pt, pt @ (out @ gt)
    found = -(pt @ g @ pt) + (rows - x @ (out @ rows)) + (columns - (columns @ out) @ x)
    return symmetric(found) if hermitian else found


pinv_ = Op("pinv", _pinv, saves=(0, "out"))
pinv_.defvjp(_pinv_vjp)


def pinv(a: Any, rcond: Any = None, hermitian: bool = False, *, rtol: Any = NO_VALUE) -> Any:
    """The Moore-Penrose pseudo-inverses of matrices.

    The gradient holds where the rank does not change (Golub and Pereyra, The differentiation of pseudo-inverses, 1973).

    Args:
        a: (..., m, n), array, Tensor or lists.
        rcond: singular values up to rcond times the largest count as zero; a number, or one a matrix. Default 1e-15.
        hermitian: a is symmetric, and only its lower triangle is read; the gradient is symmetric too.
        rtol: the same as rcond; None stands for max(m, n) eps.

    Returns:
        (..., n, m): an array, or a Tensor where a is one.

    Raises:
        MatrixShapeError: a is no matrix.
        ValueError: both rcond and rtol were given.
    """
    a = as_matrices("pinv", a)
    if rcond is not None and rtol is not NO_VALUE:
        raise ValueError("pinv: rtol and rcond are two names of one threshold; give one")
    if rcond is None:
        eps = np.finfo(a.dtype if a.dtype.kind == "f" else np.float64).eps
        rcond = 1e-15 if rtol is NO_VALUE else float(max(a.shape[-2:]) * eps) if rtol is None else rtol
    rcond = lift(rcond._data) if isinstance(rcond, Variable) else rcond
    return pinv_(a, rcond=rcond, hermitian=hermitian)


class LstsqResult(NamedTuple):
    """What lstsq returns."""

    x: Any
    residuals: Any
    rank: Any
    s: Any


def _lstsq(xp: Any, a: Any, b: Any, *, rcond: float | None) -> tuple[Any, ...]:
    x, residuals, rank, s = xp.linalg.lstsq(a, b, rcond=rcond)
    return x, residuals, xp.asarray(rank), s


def _lstsq_vjp(needs: Any, g: Any, out: Any, a: Any, b: Any, *, rcond: float | None) -> tuple[Any, ...]:
    (x, _, _, _), (gx, gr, _, _) = out, g
    shape = b.shape
    if b.ndim == 1:
        x, gx, b = (reshape(v, (v.shape[0], 1)) for v in (x, gx, b))
    eps = float(np.finfo(gx.dtype).eps)
    p = pinv_(a, rcond=eps * max(a.shape) if rcond is None else rcond if rcond >= 0 else eps, hermitian=False)
    pt, r = transposed(p), b - a @ x
    y = pt @ gx
    if gr.shape[0]:  # the residuals, sum r**2: their gradient in x is zero, for x makes them least
        through = r * (2.0 * gr)
        ga, gb = -((y + through) @ transposed(x)), y + through
    else:
        ga, gb = -(y @ transposed(x)), y
    if needs[0]:
        ga = ga + r @ transposed(p @ y) + (pt @ x) @ transposed(gx - transposed(a) @ y)
    return ga if needs[0] else None, reshape(gb, shape) if needs[1] else None


lstsq_ = Op("lstsq", _lstsq, saves=(0, 1, "out"))
lstsq_.defvjp_all(_lstsq_vjp)

# lstsq's singular values have a rule of their own: it is a decomposition more, which nobody pays for who reads x alone.
known_svdvals_ = Op("known_svdvals", lambda xp, a, s: s.copy(), saves=(0,))


def _known_svdvals_vjp(g: Any, out: Any, a: Any, s: Any) -> Any:
    u, _, vh = svd_(a, full_matrices=False, hermitian=False)
    return (u * g) @ vh


known_svdvals_.defvjp(_known_svdvals_vjp, None)


def lstsq(a: Any, b: Any, rcond: float | None = None) -> LstsqResult:
    """The x of least norm among those that make |b - a x| least.

    The gradient holds where the rank does not change; it is that of pinv(a) b.

    Args:
        a: (m, n), array, Tensor or lists.
        b: (m,) or (m, k), likewise.
        rcond: singular values up to rcond times the largest count as zero; default max(m, n) eps.

    Returns:
        (x, residuals, rank, s): x is (n,) or (n, k); residuals are |b - a x|**2, one a column, where m > n and the rank
        is n, else empty; s are the singular values of a. Arrays, or Tensors where an operand is one.

    Raises:
        MatrixShapeError: a is no matrix, or b does not fit.
    """
    a, b = as_arrays("lstsq", (a, b))
    if a.ndim != 2 or b.ndim not in (1, 2) or a.shape[0] != b.shape[0]:
        raise MatrixShapeError(f"lstsq: (m, n) and (m,) or (m, k) are due, got shapes {a.shape} and {b.shape}")
    if a.dtype != b.dtype and "f" in (a.dtype.kind, b.dtype.kind):
        a, b = (astype(x, np.result_type(a.dtype, b.dtype)) for x in (a, b))
    x, residuals, rank, s = lstsq_(a, b, rcond=rcond)
    known = lift(s._data) if isinstance(s, Variable) else s
    return LstsqResult(x, residuals, rank, known_svdvals_(a, known))
