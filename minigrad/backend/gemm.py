"""Matrix products into a given output, and the column sums that are one.

Every 2-D product of the library goes through here, so that eager execution and a later replay choose the
same BLAS call and give the same bits.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .device import HOST, Array, provider_of


def matmul(a: Array, b: Array, out: Array | None = None, accumulate: bool = False) -> Array:
    """The 2-D product a @ b, optionally into an existing array.

    Args:
        a: (m, k).
        b: (k, n), same dtype.
        out: C-contiguous (m, n) to write to; None allocates.
        accumulate: add to `out` instead of overwriting it.

    Returns:
        `out`, or a new array.
    """
    if type(a) is not np.ndarray:
        xp = (provider_of(a) or HOST).xp
        if out is None or accumulate:
            product = xp.matmul(a, b)
            if out is None:
                return product
            out += product
            return out
        return xp.matmul(a, b, out=out)
    # np.dot, not np.matmul: matmul with an inner dimension of 1 does not reach BLAS (a weight gradient at
    # batch 1 takes 12 times as long).
    if out is None:
        # OpenBLAS splits the rows of the result among its threads and likes many of them: a product with few rows is
        # up to 1.4 times as fast the other way around. The result is then a transposed view.
        return np.dot(b.T, a.T).T if a.shape[0] < b.shape[1] else np.dot(a, b)
    if accumulate:
        out += np.dot(a, b)
        return out
    return np.dot(a, b, out=out)


@lru_cache(maxsize=64)
def _host_ones(n: int, dtype: np.dtype) -> np.ndarray:
    ones = np.ones(n, dtype)
    ones.flags.writeable = False
    return ones


def column_sum(a: Array, out: Array | None = None, accumulate: bool = False) -> Array:
    """Sum over the first axis: sum_i a[i], as ones @ a, 2 to 7 times faster than NumPy's reduction.

    Args:
        a: (m, n), or (m,).
        out: C-contiguous (n,) to write to; None allocates.
        accumulate: add to `out` instead of overwriting it.

    Returns:
        `out`, or a new array.
    """
    if type(a) is not np.ndarray:
        total = a.sum(axis=0)
    else:
        ones = _host_ones(a.shape[0], a.dtype)
        if out is not None and not accumulate:
            return np.dot(ones, a, out=out)
        total = np.dot(ones, a)
    if out is None:
        return total
    if accumulate:
        out += total
    else:
        out[...] = total
    return out
