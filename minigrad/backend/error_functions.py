"""The error function and what is made of it, for the host.

erf, erfc and erfcx follow FDLIBM's s_erf.c (Sun Microsystems 1993): a rational approximation on each of four intervals
of |x|, error about 1 ulp in float64. The inverse is Wichura's algorithm AS 241 (Applied Statistics 37, 1988).
"""

from __future__ import annotations

import math

import numpy as np

from .double import in_double, pieces, polynomial

_PP = (1.28379167095512558561e-01, -3.25042107247001499370e-01, -2.84817495755985104766e-02,
       -5.77027029648944159157e-03, -2.37630166566501626084e-05)  # fmt: skip
_QQ = (1.0, 3.97917223959155352819e-01, 6.50222499887672944485e-02, 5.08130628187576562776e-03,
       1.32494738004321644526e-04, -3.96022827877536812320e-06)  # fmt: skip
_PA = (-2.36211856075265944077e-03, 4.14856118683748331666e-01, -3.72207876035701323847e-01,
       3.18346619901161753674e-01, -1.10894694282396677476e-01, 3.54783043256182359371e-02,
       -2.16637559486879084300e-03)  # fmt: skip
_QA = (1.0, 1.06420880400844228286e-01, 5.40397917702171048937e-01, 7.18286544141962662868e-02,
       1.26171219808761642112e-01, 1.36370839120290507362e-02, 1.19844998467991074170e-02)  # fmt: skip
_RA = (-9.86494403484714822705e-03, -6.93858572707181764372e-01, -1.05586262253232909814e01,
       -6.23753324503260060396e01, -1.62396669462573470355e02, -1.84605092906711035994e02,
       -8.12874355063065934246e01, -9.81432934416914548592e00)  # fmt: skip
_SA = (1.0, 1.96512716674392571292e01, 1.37657754143519042600e02, 4.34565877475229228821e02,
       6.45387271733267880336e02, 4.29008140027567833386e02, 1.08635005541779435134e02,
       6.57024977031928170135e00, -6.04244152148580987438e-02)  # fmt: skip
_RB = (-9.86494292470009928597e-03, -7.99283237680523006574e-01, -1.77579549177547519889e01,
       -1.60636384855821916062e02, -6.37566443368389627722e02, -1.02509513161107724954e03,
       -4.83519191608651397019e02)  # fmt: skip
_SB = (1.0, 3.03380607434824582924e01, 3.25792512996573918826e02, 1.53672958608443695994e03,
       3.19985821950859553908e03, 2.55305040643316442583e03, 4.74528541206955367215e02,
       -2.24409524465858183362e01)  # fmt: skip
_ERX = 8.45062911510467529297e-01

# AS 241: numerator and denominator in the middle, in the tails, and far out
_CENTRE = (
    (3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
     4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3),
    (1.0, 4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3, 2.1213794301586595867e4,
     3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3),
)  # fmt: skip
_TAIL = (
    (1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0, 3.64784832476320460504e0,
     1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2, 7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1, 1.48103976427480074590e-1,
     1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9),
)  # fmt: skip
_FAR = (
    (6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0, 2.96560571828504891230e-1,
     2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7),
    (1.0, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2, 7.86869131145613259100e-4,
     1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15),
)  # fmt: skip

_SMALL, _MIDDLE, _STEEP = 0.84375, 1.25, 1 / 0.35
_SQRT_HALF = math.sqrt(0.5)


def _ratio(fraction: tuple[tuple[float, ...], tuple[float, ...]], x: np.ndarray) -> np.ndarray:
    return polynomial(fraction[0], x) / polynomial(fraction[1], x)


def _rest(x: np.ndarray) -> np.ndarray:
    """erf(x) / x - 1 where |x| is small."""
    return _ratio((_PP, _QQ), x * x)


def _shoulder(a: np.ndarray) -> np.ndarray:
    """erf(a) - erf(1), nearly, around 1."""
    return _ratio((_PA, _QA), a - 1.0)


def _exponent(a: np.ndarray) -> np.ndarray:
    """log(a erfcx(a)) + 0.5625 for a >= 1.25."""
    s = 1.0 / (a * a)
    return np.where(a < _STEEP, _ratio((_RA, _SA), s), _ratio((_RB, _SB), s))


def _tail(a: np.ndarray) -> np.ndarray:
    """erfc(a) for a >= 1.25: exp(-a**2) split so that the square's rounding error does not reach the exponent."""
    z = a.astype(np.float32).astype(np.float64)
    return np.exp(-z * z - 0.5625) * np.exp((z - a) * (z + a) + _exponent(a)) / a


@in_double
def erf(x: np.ndarray) -> np.ndarray:
    """2/sqrt(pi) int_0^x exp(-t**2) dt."""
    a = np.abs(x)
    result = pieces(
        a,
        (a < _SMALL, lambda v: v + v * _rest(v)),
        ((a >= _SMALL) & (a < _MIDDLE), lambda v: _ERX + _shoulder(v)),
        ((a >= _MIDDLE) & (a < 6.0), lambda v: 1.0 - _tail(v)),
        (a >= 6.0, 1.0),
    )
    return np.copysign(result, x)


@in_double
def erfc(x: np.ndarray) -> np.ndarray:
    """1 - erf(x), with full relative accuracy to the right."""
    return pieces(
        x,
        (np.abs(x) < _SMALL, lambda v: 1.0 - (v + v * _rest(v))),
        ((x >= 0.25) & (x < _SMALL), lambda v: 0.5 - (v * _rest(v) + (v - 0.5))),
        ((x >= _SMALL) & (x < _MIDDLE), lambda v: (1.0 - _ERX) - _shoulder(v)),
        ((x <= -_SMALL) & (x > -_MIDDLE), lambda v: 1.0 + (_ERX + _shoulder(-v))),
        ((x >= _MIDDLE) & (x < 28.0), _tail),
        ((x <= -_MIDDLE) & (x > -6.0), lambda v: 2.0 - _tail(-v)),
        (x >= 28.0, 0.0),
        (x <= -6.0, 2.0),
    )


def _unscaled(x: np.ndarray) -> np.ndarray:
    """exp(x**2) erfc(x), the square split as in _tail."""
    z = x.astype(np.float32).astype(np.float64)
    return np.exp(z * z) * np.exp((x - z) * (x + z)) * erfc(x)


@in_double
def erfcx(x: np.ndarray) -> np.ndarray:
    """exp(x**2) erfc(x), which neither underflows nor cancels to the right."""
    return pieces(
        x,
        (x < _MIDDLE, _unscaled),
        (x >= _MIDDLE, lambda v: np.exp(_exponent(v) - 0.5625) / v),
        (x < -27.0, np.inf),
    )


def _quantile(x: np.ndarray) -> np.ndarray:
    """sqrt(2) erfinv(x) away from 0."""
    r = np.sqrt(-np.log((1.0 - np.abs(x)) * 0.5))
    return np.copysign(np.where(r <= 5.0, _ratio(_TAIL, r - 1.6), _ratio(_FAR, r - 5.0)), x)


@in_double
def erfinv(x: np.ndarray) -> np.ndarray:
    """The y in erf(y) = x."""
    a = np.abs(x)
    result = pieces(
        x,
        (a <= 0.85, lambda v: 0.5 * v * _ratio(_CENTRE, 0.180625 - 0.25 * v * v)),
        ((a > 0.85) & (a < 1.0), _quantile),
        (x == 1.0, np.inf),
        (x == -1.0, -np.inf),
    )
    return result * _SQRT_HALF


@in_double
def ndtr(x: np.ndarray) -> np.ndarray:
    """The distribution function of the standard normal, erfc(-x / sqrt(2)) / 2."""
    return 0.5 * erfc(x * -_SQRT_HALF)


@in_double
def log_ndtr(x: np.ndarray) -> np.ndarray:
    """log(ndtr(x)), also where ndtr underflows."""
    return pieces(
        x,
        (x < -1.0, lambda v: np.log(0.5 * erfcx(v * -_SQRT_HALF)) - 0.5 * v * v),
        (x >= -1.0, lambda v: np.log1p(-0.5 * erfc(v * _SQRT_HALF))),
    )
