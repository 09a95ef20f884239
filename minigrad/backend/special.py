"""Special functions that NumPy lacks, under SciPy's names, for the host; a GPU has them in cupyx.scipy.special.

Elementwise with broadcasting, computed in float64, and silent at poles and overflows, as SciPy's are.
"""

from __future__ import annotations

import math

import numpy as np

from .double import in_double, pieces, polynomial
from .error_functions import erf, erfc, erfcx, erfinv, log_ndtr, ndtr
from .gamma import digamma, gammaln, zeta

__all__ = [
    "digamma", "entr", "erf", "erfc", "erfcx", "erfinv", "gammaln", "i1", "log_ndtr", "logit", "ndtr", "xlog1py",
    "xlogy", "zeta",
]  # fmt: skip

_POWER_SERIES = tuple(0.5 / (math.factorial(k) * math.factorial(k + 1)) for k in range(56))


def _hankel(terms: int) -> tuple[float, ...]:
    """The coefficients of I1's asymptotic series in powers of 1/x."""
    found = [1.0]
    for j in range(1, terms):
        found.append(found[-1] * ((2 * j - 1) ** 2 - 4) / (8 * j))
    return tuple(found)


_HANKEL = _hankel(32)


@in_double
def logit(x: np.ndarray) -> np.ndarray:
    """log(x / (1 - x)). From 1/4 on 2x - 1 is exact, and arctanh accurate at its zero."""
    return np.where(x < 0.25, np.log(x) - np.log1p(-x), 2.0 * np.arctanh(2.0 * x - 1.0))


@in_double
def xlogy(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x log(y), 0 where x = 0."""
    return np.where((x == 0.0) & ~np.isnan(y), 0.0, x * np.log(y))


@in_double
def xlog1py(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x log(1 + y), 0 where x = 0."""
    return np.where((x == 0.0) & ~np.isnan(y), 0.0, x * np.log1p(y))


@in_double
def entr(x: np.ndarray) -> np.ndarray:
    """-x log(x), 0 at 0, -inf below."""
    return np.where(x == 0.0, 0.0, np.where(x < 0.0, -np.inf, -x * np.log(x)))


@in_double
def i1(x: np.ndarray) -> np.ndarray:
    """The modified Bessel function of order 1: the power series, and Hankel's expansion beyond 20."""
    a = np.abs(x)
    result = pieces(
        a,
        (a < 20.0, lambda v: v * polynomial(_POWER_SERIES, 0.25 * v * v)),
        # the exponential in two factors, which overflows no earlier than the result
        (a >= 20.0, lambda v: np.exp(0.5 * v) / np.sqrt(2 * np.pi * v) * polynomial(_HANKEL, 1 / v) * np.exp(0.5 * v)),
        (a == np.inf, np.inf),
    )
    return np.copysign(result, x)
