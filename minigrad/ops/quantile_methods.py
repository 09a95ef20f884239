"""Where a quantile lies among sorted elements: the methods of np.quantile, for one length or an array of lengths.

Sources: R. J. Hyndman and Y. Fan, Sample quantiles in statistical packages, The American Statistician 50 (1996); the
rounding of NumPy's own implementation, term by term.
"""

from __future__ import annotations

from typing import Any

CONTINUOUS = {
    "interpolated_inverted_cdf": (0, 1),
    "hazen": (0.5, 0.5),
    "weibull": (0, 0),
    "median_unbiased": (1 / 3.0, 1 / 3.0),
    "normal_unbiased": (3 / 8.0, 3 / 8.0),
}
"""Method -> Hyndman and Fan's alpha and beta."""
DISCRETE = ("inverted_cdf", "closest_observation", "lower", "higher", "nearest")
"""They answer with one of the elements."""
METHODS = (*DISCRETE, "averaged_inverted_cdf", *CONTINUOUS, "linear", "midpoint")


def _discrete(xp: Any, q: Any, n: Any, method: str) -> Any:
    if method in ("lower", "higher", "nearest"):
        rounding = {"lower": xp.floor, "higher": xp.ceil, "nearest": xp.around}[method]
        return rounding((n - 1) * q)
    index = n * q - 1 if method == "inverted_cdf" else n * q - 1 - 0.5
    below = xp.floor(index)
    stays = index == below
    if method == "closest_observation":
        stays = stays & (below % 2 == 1)
    return xp.where(stays, below, below + 1)


def _virtual(xp: Any, q: Any, n: Any, method: str) -> Any:
    """The rank, a number that may lie between two integers."""
    if method == "linear":
        return (n - 1) * q
    if method == "midpoint":
        return 0.5 * (xp.floor((n - 1) * q) + xp.ceil((n - 1) * q))
    if method == "averaged_inverted_cdf":
        return n * q - 1
    alpha, beta = CONTINUOUS[method]
    return n * q + (alpha + q * (1 - alpha - beta)) - 1


def interpolates(q: Any, method: str) -> bool:
    """Whether a quantile may lie between two elements. With integers q it is the smallest or the largest element."""
    return method not in DISCRETE and not (method == "linear" and q.dtype.kind in "iub")


def bounds(xp: Any, q: Any, n: Any, length: int, method: str) -> tuple[Any, Any]:
    """The ranks between which the quantiles lie, and where.

    Args:
        xp: the array module.
        q: (m,) between 0 and 1.
        n: how many elements count: one integer, or (..., 1) integers that are at least 0.
        length: how many elements there are.
        method: one of METHODS.

    Returns:
        (..., m) ranks and nothing of interest where each quantile is an element; else (..., 2 m), first all below,
        then all above, and the weights (..., m) of those above.
    """
    last = length - 1
    if q.dtype.kind == "f" and not isinstance(n, int):
        n = n.astype(q.dtype)  # as one integer, which takes the dtype of what it is multiplied with
    if not interpolates(q, method):
        index = _discrete(xp, q, n, method) if method in DISCRETE else (n - 1) * q
        return xp.clip(index.astype(xp.int64), 0, last), q
    virtual = _virtual(xp, q, n, method)
    below = xp.floor(virtual)
    beyond = virtual >= n - 1  # and below 0: the last and the first element
    low = xp.where(beyond, n - 1, below)
    high = xp.where(beyond, n - 1, xp.where(virtual < 0, 0, below + 1))
    t = virtual - below
    if method == "averaged_inverted_cdf":
        t = xp.where(t == 0, 0.5, 1.0)
    elif method == "midpoint":
        t = xp.where(virtual == below, 0.0, 0.5)
    ranks = xp.concatenate([low, high], axis=-1).astype(xp.int64)
    return xp.clip(ranks, 0, last), t.astype(q.dtype if q.dtype.kind == "f" else xp.float64)
