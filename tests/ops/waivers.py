"""Checks of the battery that single rows do not promise, each with its reason."""

from __future__ import annotations

LAPACK = "LAPACK may never come back from the singular values of infinities"
SUMS_FIRST = "a factor is summed before it is multiplied, so an infinity meets other numbers"

NONFINITE = {
    **dict.fromkeys(("cond", "lstsq", "lstsq, x", "lstsq's rank", "matrix_norm", "matrix_rank"), LAPACK),
    **dict.fromkeys(("norm by singular values", "norm by singular values against torch"), LAPACK),
    **dict.fromkeys(("pinv", "pinv of rank 1", "pinv of symmetric matrices"), LAPACK),
    **dict.fromkeys(
        ("svd", "svd, full", "svd, u", "svd, v", "svd, back together", "svd of symmetric matrices"), LAPACK
    ),
    **dict.fromkeys(("svdvals", "svdvals without gradient"), LAPACK),
    **dict.fromkeys(("einsum of 2", "einsum of 2, compared with torch"), SUMS_FIRST),
    **dict.fromkeys(("einsum of 3", "einsum of 3, compared with torch"), SUMS_FIRST),
    "contract with sums and broadcasting": SUMS_FIRST,
    "softmax_cross_entropy": "a logit of +inf makes its row NaN, as in PyTorch",
    "softmax_cross_entropy, scale 1/n": "a logit of +inf makes its row NaN, as in PyTorch",
    "softmax_cross_entropy, reduced": "a logit of +inf makes its row NaN, as in PyTorch",
    "inverse": "the limit 0 at infinity, where the reference divides infinities",
    "polygamma": "no limit at -inf, where SciPy says +inf",
    "polygamma of negatives": "no limit at -inf, where SciPy says +inf",
    "i1": "infinite at infinity, where SciPy says NaN",
    "cross": "the reference multiplies by the 0 that pads a vector of two",
    "cofactor": "all cofactors of a matrix with such an entry are NaN",
    "cofactor_vjp": "all of it is NaN for a matrix with such an entry",
    "scan": "terms that the recurrence adds one by one are multiplied out in blocks",
    "triangle": "the reference leaves out what is multiplied by 0 here",
    "parts of matrices": "the reference multiplies by 0 what is left out here",
    "order_statistics": "the functions that call it set NaN themselves",
    "gradient, coordinates": "the weights of the three points are applied in another order",
    "gradient, mixed spacings": "the weights of the three points are applied in another order",
    "trim_zeros of a table": "the row builds its zeros as 0 times the numbers",
    "keep_last": "the reference multiplies by 0 what is left out here",
}
"""Row -> why NaN and infinities do not come out where the reference has them."""
