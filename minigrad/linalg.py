"""np.linalg's names for Tensors and arrays, on either device: minigrad.linalg.solve(a, b)."""

from .ops.decompositions import cholesky, eig, eigh, eigvals, eigvalsh, qr, svd, svdvals
from .ops.determinants import det, slogdet
from .ops.last_axes import cross, diagonal, matrix_transpose, outer, trace
from .ops.least_squares import lstsq, pinv
from .ops.linalg import matmul
from .ops.matrix_chains import matrix_power, multi_dot
from .ops.matrix_parts import LinAlgError
from .ops.norms import cond, matrix_norm, matrix_rank, norm, vector_norm
from .ops.products import tensordot, vecdot
from .ops.solvers import inv, solve, tensorinv, tensorsolve

__all__ = [
    "LinAlgError",
    "cholesky",
    "cond",
    "cross",
    "det",
    "diagonal",
    "eig",
    "eigh",
    "eigvals",
    "eigvalsh",
    "inv",
    "lstsq",
    "matmul",
    "matrix_norm",
    "matrix_power",
    "matrix_rank",
    "matrix_transpose",
    "multi_dot",
    "norm",
    "outer",
    "pinv",
    "qr",
    "slogdet",
    "solve",
    "svd",
    "svdvals",
    "tensordot",
    "tensorinv",
    "tensorsolve",
    "trace",
    "vecdot",
    "vector_norm",
]
