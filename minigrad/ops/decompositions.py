"""Cholesky, QR, singular value and symmetric eigenvalue decompositions, of matrices and stacks of them.

On a GPU these run cuSOLVER, which may wait for the device. Where only one triangle of a symmetric matrix is read, the
gradient is symmetric all the same, as PyTorch's is: it is that of f((a + a.T) / 2).

Gradients of eigenvectors and singular vectors divide by differences of eigenvalues and of squared singular values.
Where two are exactly equal, 0 stands for 1/0: right for functions of the values alone, such as their sum; a function
of the vectors too has no gradient there that its cotangents tell. Sources: Giles, An extended collection of matrix
derivative results (2008); Murray, Differentiation of the Cholesky decomposition (2016); Walter and Lehmann, Algorithmic
differentiation of linear algebra functions (2010).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..backend.device import compute
from ..core.modes import is_grad_enabled
from ..core.op import Op
from ..core.variable import Variable
from .comparison import equal
from .joining import concatenate
from .matrix_parts import as_matrices, onto_diagonals, symmetric, transposed, triangle_
from .solvers import solve_
from .where import where

NUMPY_LINALG = ("cholesky", "qr", "svd", "svdvals", "eigh", "eigvalsh", "eig", "eigvals")


class QRResult(NamedTuple):
    """What qr returns."""

    Q: Any
    R: Any


class SVDResult(NamedTuple):
    """What svd returns."""

    U: Any
    S: Any
    Vh: Any


class EighResult(NamedTuple):
    """What eigh returns."""

    eigenvalues: Any
    eigenvectors: Any


def _is_tracked(x: Any) -> bool:
    return isinstance(x, Variable) and x._node is not None and is_grad_enabled()


def _inverse_or_zero(x: Any) -> Any:
    """1 / x, and 0 where x is 0."""
    zero = equal(x, 0)
    return where(zero, 0.0, 1.0 / where(zero, 1.0, x))


def _columns(x: Any) -> Any:
    """(..., 1, n): a vector as one row, by which the columns of a matrix are scaled."""
    return x.reshape((*x.shape[:-1], 1, x.shape[-1]))


def _rows(x: Any) -> Any:
    return x.reshape((*x.shape, 1))


# --- Cholesky -------------------------------------------------------------------------------------------------------

cholesky_ = Op("cholesky", lambda xp, x: xp.linalg.cholesky(x), saves=("out",))


def _cholesky_vjp(g: Any, out: Any, x: Any) -> Any:
    lt = transposed(out)
    inner = triangle_(lt @ g, below=1.0, on=0.5, above=0.0)
    return symmetric(transposed(solve_(lt, transposed(solve_(lt, inner)))))


cholesky_.defvjp(_cholesky_vjp)


def cholesky(a: Any, /, *, upper: bool = False) -> Any:
    """The lower triangular L with L L.T = a, or the upper triangular U with U.T U = a.

    Args:
        a: (..., n, n), symmetric and positive definite: array, Tensor or lists. Only the lower triangle is read, for U
            the upper one; the gradient is symmetric.
        upper: return U.

    Returns:
        (..., n, n): an array, or a Tensor where a is one.

    Raises:
        MatrixShapeError: a is not square.
        numpy.linalg.LinAlgError: a matrix is not positive definite (on the CPU).
    """
    a = as_matrices("cholesky", a, square=True)
    return transposed(cholesky_(transposed(a))) if upper else cholesky_(a)


# --- QR -------------------------------------------------------------------------------------------------------------


def _qr(xp: Any, x: Any, *, complete: bool) -> tuple[Any, Any]:
    q, r = xp.linalg.qr(x, "complete" if complete else "reduced")
    return q, r


qr_ = Op("qr", _qr, saves=("out",))
qr_r_ = Op("qr_r", lambda xp, x: xp.linalg.qr(x, "r"), saves=(), differentiable=False)


def _qr_vjp(g: Any, out: Any, x: Any, *, complete: bool) -> Any:
    (q, r), (gq, gr) = out, g
    m, n = x.shape[-2:]
    rest = None
    if m < n:  # a = [a1, a2] with a1 = q r1 and a2 = q r2
        r2, gr2 = r[..., m:], gr[..., m:]
        r, gr = r[..., :m], gr[..., :m]
        rest = q @ gr2
        gq = gq + q @ (r2 @ transposed(gr2))
    elif complete and m > n:  # q = [q1, q2] turns as one
        q1, q2, gq2 = q[..., :n], q[..., n:], gq[..., n:]
        gq = gq[..., :n] - q2 @ (transposed(gq2) @ q1)
        q, r, gr = q1, r[..., :n, :], gr[..., :n, :]
    inner = triangle_(r @ transposed(gr) - transposed(gq) @ q, below=1.0, on=0.5, above=0.0)
    found = transposed(solve_(r, transposed(gq + q @ (inner + transposed(inner)))))
    return found if rest is None else concatenate([found, rest], axis=-1)


qr_.defvjp(_qr_vjp)


def qr(a: Any, mode: str = "reduced") -> Any:
    """a = Q R with orthonormal columns in Q and an upper triangular R.

    Args:
        a: (..., m, n), array, Tensor or lists, with min(m, n) independent first columns where a gradient is asked for.
        mode: "reduced" for Q (..., m, k) and R (..., k, n) with k = min(m, n); "complete" for Q (..., m, m) and R
            (..., m, n), of whose further columns only functions of the space that they span have a gradient; "r" for R
            alone, (..., k, n); "raw" for LAPACK's output, arrays only.

    Returns:
        QRResult(Q, R), or R: arrays, or Tensors where a is one.

    Raises:
        MatrixShapeError: a is no matrix.
        ValueError: another mode.
        TypeError: mode "raw" of a Tensor.
    """
    a = as_matrices("qr", a)
    if mode in ("reduced", "complete"):
        return QRResult(*qr_(a, complete=mode == "complete"))
    if mode == "r":
        return qr_(a, complete=False)[1] if _is_tracked(a) else qr_r_(a)
    if mode != "raw":
        raise ValueError(f"qr: mode must be 'reduced', 'complete', 'r' or 'raw', got {mode!r}")
    if isinstance(a, Variable):
        raise TypeError("qr: mode='raw' has no gradient rule for Tensors; use 'reduced', or pass a.data")
    return _raw_only("qr", a, mode)


def _raw_only(name: str, a: Any, *args: Any) -> Any:
    """A function of the array module's linalg that has no rule, for arrays."""
    return compute(f"linalg.{name}", lambda xp, x: getattr(xp.linalg, name)(x, *args), [a], {})[1]


# --- singular values ------------------------------------------------------------------------------------------------


def _svd(xp: Any, x: Any, *, full_matrices: bool, hermitian: bool) -> tuple[Any, Any, Any]:
    if not hermitian:
        u, s, vh = xp.linalg.svd(x, full_matrices)
    elif xp is np:
        u, s, vh = np.linalg.svd(x, full_matrices, hermitian=True)
    else:
        u, s, vh = xp.linalg.svd(xp.tril(x) + xp.tril(x, -1).swapaxes(-1, -2), full_matrices)
    return u, s, vh


svd_ = Op("svd", _svd, saves=("out",))


def _svd_vjp(g: Any, out: Any, x: Any, *, full_matrices: bool, hermitian: bool) -> Any:
    (u, s, vh), (gu, gs, gvh) = out, g
    m, n = x.shape[-2:]
    k = min(m, n)
    v, gv = transposed(vh), transposed(gvh)
    if full_matrices and m > n:  # the further columns turn with the first
        u, gu = u[..., :k], gu[..., :k] - u[..., k:] @ (transposed(gu[..., k:]) @ u[..., :k])
    if full_matrices and m < n:
        v, gv = v[..., :k], gv[..., :k] - v[..., k:] @ (transposed(gv[..., k:]) @ v[..., :k])
    ut, vt = transposed(u), transposed(v)
    rows, columns = _rows(s), _columns(s)
    of_u, of_v = ut @ gu, vt @ gv
    # (of_u - of_u.T) s_j / (s_j**2 - s_i**2) + (of_v - of_v.T) s_i / (s_j**2 - s_i**2), without squares
    total = _inverse_or_zero(columns + rows)
    parts = (of_u - transposed(of_u)) * (columns * total) + (of_v - transposed(of_v)) * (rows * total)
    inner = parts * _inverse_or_zero(columns - rows)
    inner = inner + onto_diagonals(gs)
    left = u @ inner
    inverse = _inverse_or_zero(columns)
    if m > k:
        left = left + (gu - u @ of_u) * inverse
    found = left @ vt
    if n > k:
        found = found + (u * inverse) @ transposed(gv - v @ of_v)
    return symmetric(found) if hermitian else found


svd_.defvjp(_svd_vjp)

svdvals_ = Op(
    "svdvals",
    lambda xp, x, *, hermitian: _svdvals(xp, x, hermitian),
    saves=(),
    differentiable=False,
)


def _svdvals(xp: Any, x: Any, hermitian: bool) -> Any:
    if hermitian:
        return -xp.sort(-xp.abs(xp.linalg.eigvalsh(x)), axis=-1)
    return xp.linalg.svd(x, compute_uv=False)


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True, hermitian: bool = False) -> Any:
    """a = U diag(S) Vh, with orthonormal columns in U and rows in Vh and S falling.

    The signs of the vectors are not determined, and gradients are those of functions that do not depend on them. Where
    singular values are equal or zero, see above.

    Args:
        a: (..., m, n), array, Tensor or lists.
        full_matrices: U (..., m, m) and Vh (..., n, n) instead of (..., m, k) and (..., k, n), k = min(m, n). Of the
            further vectors only functions of the space that they span have a gradient.
        compute_uv: False for S alone.
        hermitian: a is symmetric, and only its lower triangle is read; the gradient is symmetric too.

    Returns:
        SVDResult(U, S, Vh), or S (..., k): arrays, or Tensors where a is one.

    Raises:
        MatrixShapeError: a is no matrix.
        numpy.linalg.LinAlgError: no convergence.
    """
    a = as_matrices("svd", a, square=hermitian)
    if compute_uv:
        return SVDResult(*svd_(a, full_matrices=bool(full_matrices), hermitian=bool(hermitian)))
    if _is_tracked(a):  # the gradient needs the vectors, which come with the values
        return svd_(a, full_matrices=False, hermitian=bool(hermitian))[1]
    return svdvals_(a, hermitian=bool(hermitian))


def svdvals(x: Any, /) -> Any:
    """The singular values of matrices, falling; the gradient is u v.T each.

    Args:
        x: (..., m, n), array, Tensor or lists.

    Returns:
        (..., min(m, n)): an array, or a Tensor where x is one.

    Raises:
        MatrixShapeError: x is no matrix.
    """
    return svd(x, compute_uv=False)


# --- eigenvalues of symmetric matrices ------------------------------------------------------------------------------


def _eigh(xp: Any, x: Any, *, lower: bool) -> tuple[Any, Any]:
    w, v = xp.linalg.eigh(x, "L" if lower else "U")
    return w, v


def _eigh_vjp(g: Any, out: Any, x: Any, *, lower: bool) -> Any:
    (w, v), (gw, gv) = out, g
    vt = transposed(v)
    of_v = vt @ gv
    inner = _inverse_or_zero(_columns(w) - _rows(w)) * (of_v - transposed(of_v)) * 0.5
    inner = inner + onto_diagonals(gw)
    return v @ inner @ vt


eigh_ = Op("eigh", _eigh, saves=("out",))
eigh_.defvjp(_eigh_vjp)

eigvalsh_ = Op(
    "eigvalsh",
    lambda xp, x, *, lower: xp.linalg.eigvalsh(x, "L" if lower else "U"),
    saves=(),
    differentiable=False,
)


def _is_lower(name: str, uplo: str) -> bool:
    if uplo.upper() not in ("L", "U"):
        raise ValueError(f"{name}: UPLO must be 'L' or 'U', got {uplo!r}")
    return uplo.upper() == "L"


def eigh(a: Any, UPLO: str = "L") -> EighResult:
    """The eigenvalues w, rising, and orthonormal eigenvectors of symmetric matrices: a v = v diag(w).

    The signs of the vectors are not determined, and gradients are those of functions that do not depend on them. Where
    eigenvalues are equal, see above.

    Args:
        a: (..., n, n), symmetric: array, Tensor or lists. Only one triangle is read; the gradient is symmetric.
        UPLO: "L" for the lower triangle, "U" for the upper one.

    Returns:
        EighResult(w, v), (..., n) and (..., n, n) with the vectors in columns: arrays, or Tensors where a is one.

    Raises:
        MatrixShapeError: a is not square.
        ValueError: another UPLO.
    """
    a = as_matrices("eigh", a, square=True)
    return EighResult(*eigh_(a, lower=_is_lower("eigh", UPLO)))


def eigvalsh(a: Any, UPLO: str = "L") -> Any:
    """The eigenvalues of symmetric matrices, rising; the gradient is v v.T each.

    Args:
        a: (..., n, n), symmetric: array, Tensor or lists. Only one triangle is read; the gradient is symmetric.
        UPLO: "L" for the lower triangle, "U" for the upper one.

    Returns:
        (..., n): an array, or a Tensor where a is one.

    Raises:
        MatrixShapeError: a is not square.
        ValueError: another UPLO.
    """
    a = as_matrices("eigvalsh", a, square=True)
    lower = _is_lower("eigvalsh", UPLO)
    return eigh_(a, lower=lower)[0] if _is_tracked(a) else eigvalsh_(a, lower=lower)


def _refuse_tensors(name: str, a: Any) -> None:
    if isinstance(a, Variable):
        raise TypeError(
            f"{name}: eigenvalues of a matrix that is not symmetric are complex, which Tensors are not; use "
            "eigh or eigvalsh for symmetric matrices, or pass a.data to leave the graph"
        )


def eig(a: Any) -> Any:
    """NumPy's eig, for arrays only: eigenvalues of general matrices are complex, which Tensors are not.

    Raises:
        TypeError: a is a Tensor.
    """
    _refuse_tensors("eig", a)
    return _raw_only("eig", as_matrices("eig", a, square=True))


def eigvals(a: Any) -> Any:
    """NumPy's eigvals, for arrays only: eigenvalues of general matrices are complex, which Tensors are not.

    Raises:
        TypeError: a is a Tensor.
    """
    _refuse_tensors("eigvals", a)
    return _raw_only("eigvals", as_matrices("eigvals", a, square=True))
