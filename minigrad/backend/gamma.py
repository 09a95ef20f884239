"""The gamma function's logarithm and its derivatives, for the host.

Between 1.5 and 2.5 (gammaln) and 1.4 and 2.4 (digamma) a polynomial times the distance from the zero there, so that the
relative accuracy holds at the zeros; recurrences lead there, Stirling's series beyond 8, reflection below 0. The
polynomials are Chebyshev fits in 40 digits (mpmath.chebyfit), error below 1e-17.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from .double import in_double, pieces, polynomial

# gammaln(x) / (x - 2) in powers of x - 2
_LGAMMA = (
    0.42278433509846713, 0.3224670334241132, -0.06735230105319563, 0.02058080842778338, -0.007385551028935545,
    0.002890510330865901, -0.0011927539009983087, 0.0005096695196526673, -0.00022315497746292723,
    9.945761692157133e-05, -4.4923727564247656e-05, 2.050601970174762e-05, -9.45628851510172e-06,
    4.3828545383846665e-06, -1.9743106888421067e-06, 9.242852225162277e-07, -5.811277768921246e-07,
    2.7475390051909663e-07,
)  # fmt: skip
# digamma(x) / (x - zero) in powers of x - 1.9
_DIGAMMA = (
    0.8125234482312883, -0.2841252809918364, 0.12539439410620867, -0.06018525522035344, 0.030055683576661996,
    -0.015330592832176951, 0.007914886997925863, -0.004115852485736318, 0.002149763885148484, -0.0011259447963017665,
    0.0005907488628756187, -0.0003102894934192942, 0.0001630477077266744, -8.57410307984528e-05,
    4.536866634201905e-05, -2.386958880067963e-05, 1.165211191661367e-05, -6.1316781718593935e-06,
    4.935752964741554e-06, -2.5976238208772664e-06,
)  # fmt: skip
_ZERO, _ZERO_REST = 1.4616321449683622, 9.549995429965697e-17  # digamma's zero and what a float cannot hold of it
_HALF_LOG_2PI = 0.9189385332046727
# B_2k for k = 1, 2, ...
_BERNOULLI = (
    1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330, 854513 / 138,
    -236364091 / 2730,
)  # fmt: skip
_STIRLING = tuple(b / (2 * k * (2 * k - 1)) for k, b in enumerate(_BERNOULLI[:9], 1))
_STIRLING_SLOPE = tuple(b / (2 * k) for k, b in enumerate(_BERNOULLI[:10], 1))
_LARGE = 8.0


def _sin_pi(x: np.ndarray) -> np.ndarray:
    """sin(pi x) up to its sign, exactly 0 at integers."""
    return np.sin(np.pi * (x - np.round(x)))


def _lgamma_middle(t: np.ndarray) -> np.ndarray:
    """gammaln(2 + t) for |t| <= 1/2."""
    return t * polynomial(_LGAMMA, t)


def _lgamma_down(x: np.ndarray) -> np.ndarray:
    """gammaln for 2.5 <= x < 8: log((x - 1) (x - 2) ...) is left behind on the way to the middle."""
    product = np.ones_like(x)
    x = x.copy()
    for _ in range(6):
        high = x >= 2.5
        np.subtract(x, 1.0, out=x, where=high)
        np.multiply(product, x, out=product, where=high)
    return np.log(product) + _lgamma_middle(x - 2.0)


def _lgamma_large(x: np.ndarray) -> np.ndarray:
    s = 1.0 / x
    return (x - 0.5) * np.log(x) - x + _HALF_LOG_2PI + s * polynomial(_STIRLING, s * s)


def _lgamma_positive(x: np.ndarray) -> np.ndarray:
    return pieces(
        x,
        (x < 0.5, lambda v: _lgamma_middle(v) - np.log(v * (v + 1.0))),
        ((x >= 0.5) & (x < 1.5), lambda v: _lgamma_middle(v - 1.0) - np.log(v)),
        ((x >= 1.5) & (x < 2.5), lambda v: _lgamma_middle(v - 2.0)),
        ((x >= 2.5) & (x < _LARGE), _lgamma_down),
        (x >= _LARGE, _lgamma_large),
        (x > 1e100, lambda v: v * (np.log(v) - 1.0)),
    )


@in_double
def gammaln(x: np.ndarray) -> np.ndarray:
    """log|Gamma(x)|; inf at 0, -1, -2, ..."""
    return pieces(
        x,
        (x > 0.0, _lgamma_positive),
        (x <= 0.0, lambda v: np.log(np.pi) - np.log(np.abs(_sin_pi(v))) - _lgamma_positive(1.0 - v)),
        (x == -np.inf, -np.inf),
    )


def _digamma_middle(x: np.ndarray) -> np.ndarray:
    return ((x - _ZERO) - _ZERO_REST) * polynomial(_DIGAMMA, x - 1.9)


def _digamma_low(x: np.ndarray) -> np.ndarray:
    """digamma for 0 < x < 1.4, from above."""
    twice = x < 0.4
    return _digamma_middle(np.where(twice, x + 2.0, x + 1.0)) - np.where(twice, 1.0 / (x + 1.0), 0.0) - 1.0 / x


def _digamma_down(x: np.ndarray) -> np.ndarray:
    """digamma for 2.4 <= x < 8."""
    total = np.zeros_like(x)
    x = x.copy()
    for _ in range(6):
        high = x >= 2.4
        np.subtract(x, 1.0, out=x, where=high)
        np.add(total, 1.0 / x, out=total, where=high)
    return total + _digamma_middle(x)


def _digamma_large(x: np.ndarray) -> np.ndarray:
    s = 1.0 / (x * x)
    return np.log(x) - 0.5 / x - s * polynomial(_STIRLING_SLOPE, s)


def _digamma_positive(x: np.ndarray) -> np.ndarray:
    return pieces(
        x,
        (x < 1.4, _digamma_low),
        ((x >= 1.4) & (x < 2.4), _digamma_middle),
        ((x >= 2.4) & (x < _LARGE), _digamma_down),
        (x >= _LARGE, _digamma_large),
    )


@in_double
def digamma(x: np.ndarray) -> np.ndarray:
    """The derivative of gammaln; -inf at 0 (inf at -0.0), nan at -1, -2, ..."""
    return pieces(
        x,
        (x > 0.0, _digamma_positive),
        (x < 0.0, lambda v: _digamma_positive(1.0 - v) - np.pi / np.tan(np.pi * (v - np.round(v)))),
        ((x < 0.0) & (x == np.round(x)), np.nan),
        (x == 0.0, lambda v: np.copysign(np.inf, -v)),
    )


@functools.cache
def _cotangent_derivative(order: int) -> tuple[float, ...]:
    """The coefficients of d**order/dq**order (pi cot(pi q)) / (-1)**order order! as a polynomial in cot(pi q)."""
    coefficients = [0, 1]
    for _ in range(order):  # cot' = -pi (1 + cot**2); the factors -pi are put in below
        slope = [i * c for i, c in enumerate(coefficients)][1:]
        coefficients = [a + b for a, b in zip([*slope, 0, 0], [0, 0, *slope], strict=True)]
    return tuple(c * math.pi ** (order + 1) / math.factorial(order) for c in coefficients)


def _zeta_large(s: int, q: np.ndarray) -> np.ndarray:
    """Euler and Maclaurin's sum."""
    inverse = 1.0 / q
    square = inverse * inverse
    terms = [1 / (s - 1)]
    rising = 1.0
    for k, b in enumerate(_BERNOULLI, 1):
        rising = rising * (s + 2 * k - 3) * (s + 2 * k - 2) if k > 1 else float(s)
        terms.append(b / math.factorial(2 * k) * rising)
    return inverse ** (s - 1) * (terms[0] + 0.5 * inverse + square * polynomial(tuple(terms[1:]), square))


def _zeta_positive(s: int, q: np.ndarray) -> np.ndarray:
    """sum_k (q + k)**-s: the first terms one by one."""
    count = 12 + s

    def summed(v: np.ndarray) -> np.ndarray:
        total = _zeta_large(s, v + count)
        for k in range(count - 1, -1, -1):  # the small ones first
            total += (1.0 / (v + k)) ** s
        return total

    return pieces(q, (q < count, summed), (q >= count, lambda v: _zeta_large(s, v)))


def zeta(s: float, q: np.ndarray) -> np.ndarray:
    """Hurwitz' zeta function sum_k (q + k)**-s for a whole number s > 1; inf at q = 0, -1, -2, ...

    zeta(s, q) + (-1)**s zeta(s, 1 - q) is a derivative of the cotangent, which serves negative q.
    """
    n = int(s)

    def negative(v: np.ndarray) -> np.ndarray:
        r = v - np.round(v)
        whole = polynomial(_cotangent_derivative(n - 1), 1.0 / np.tan(np.pi * r))
        return np.where(r == 0.0, np.inf, whole - (-1) ** n * _zeta_positive(n, 1.0 - v))

    @in_double
    def at(v: np.ndarray) -> np.ndarray:
        return pieces(v, (v > 0.0, lambda p: _zeta_positive(n, p)), (v <= 0.0, negative))

    return at(q)
