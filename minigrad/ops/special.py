"""Special functions under SciPy's names: error function and normal distribution, gamma function, entropies, Bessel.

What NumPy lacks comes from the provider: minigrad/backend/special.py on the host, cupyx.scipy.special on a GPU.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..backend.device import HOST, provider_of
from ..core.op import Op
from .arguments import as_operand
from .comparison import equal, less_equal, logical_and
from .exponential import exp, log, log1p, sigmoid
from .where import where_


def _provided(name: str) -> Callable[..., Any]:
    """The forward of a function that the operands' provider has."""

    def forward(xp: Any, *arrays: Any) -> Any:
        provider = next((p for p in map(provider_of, arrays) if p is not None), HOST)
        return provider.special(name, *arrays)

    return forward


def _one(name: str) -> Callable[[Any, Any], Any]:
    function = _provided(name)
    return lambda xp, x: function(xp, x)


def _two(name: str) -> Callable[[Any, Any, Any], Any]:
    function = _provided(name)
    return lambda xp, x, y: function(xp, x, y)


# --- the error function and the normal distribution -------------------------------------------------------------------

_TWO_OVER_SQRT_PI = 1.1283791670955126
_SQRT_HALF = 0.7071067811865476
_SQRT_TWO_OVER_PI = 0.7978845608028654

erf = Op("erf", _one("erf"), saves=(0,), doc="2/sqrt(pi) int_0^x exp(-t**2) dt, elementwise.")
erf.defvjp(lambda g, out, x: g * (exp(-(x * x)) * _TWO_OVER_SQRT_PI))

erfc = Op("erfc", _one("erfc"), saves=(0,), doc="1 - erf(x), elementwise, accurate where that is small.")
erfc.defvjp(lambda g, out, x: g * (exp(-(x * x)) * -_TWO_OVER_SQRT_PI))

erfcx = Op("erfcx", _one("erfcx"), saves=(0, "out"), doc="exp(x**2) erfc(x), elementwise.")
erfcx.defvjp(lambda g, out, x: g * (2 * x * out - _TWO_OVER_SQRT_PI))

erfinv = Op("erfinv", _one("erfinv"), saves=("out",), doc="The inverse of erf, elementwise; infinite at -1 and 1.")
erfinv.defvjp(lambda g, out, x: g * (exp(out * out) / _TWO_OVER_SQRT_PI))

ndtr = Op("ndtr", _one("ndtr"), saves=(0,), doc="The standard normal distribution function, elementwise.")
ndtr.defvjp(lambda g, out, x: g * (exp(x * x * -0.5) * (0.5 * _SQRT_TWO_OVER_PI)))

log_ndtr = Op("log_ndtr", _one("log_ndtr"), saves=(0,), doc="log(ndtr(x)), elementwise, also where ndtr underflows.")
# density / distribution function, which both underflow to the left
log_ndtr.defvjp(lambda g, out, x: g * (_SQRT_TWO_OVER_PI / erfcx(x * -_SQRT_HALF)))

# --- the gamma function -----------------------------------------------------------------------------------------------

gammaln = Op("gammaln", _one("gammaln"), saves=(0,), doc="log|Gamma(x)|, elementwise.")
gammaln.defvjp(lambda g, out, x: g * digamma(x))

digamma: Op = Op("digamma", _one("digamma"), saves=(0,), doc="The derivative of gammaln, elementwise.")
digamma.defvjp(lambda g, out, x: g * polygamma_(x, n=1))


def _polygamma(xp: Any, x: Any, *, n: int) -> Any:
    factor = math.factorial(n) * (-1.0) ** (n + 1)
    return (provider_of(x) or HOST).special("zeta", n + 1.0, x) * factor


polygamma_: Op = Op("polygamma", _polygamma, saves=(0,))
polygamma_.defvjp(lambda g, out, x, *, n: g * polygamma_(x, n=n + 1))


def polygamma(n: int, x: Any) -> Any:
    """The n-th derivative of digamma, elementwise.

    Args:
        n: a whole number >= 0.
        x: array or Tensor.

    Returns:
        An array, or a Tensor where x is one.

    Raises:
        TypeError: n is no integer.
        ValueError: n is negative.
    """
    if isinstance(n, bool) or not hasattr(n, "__index__"):
        raise TypeError(f"polygamma: n must be an integer, got {n!r}")
    if n < 0:
        raise ValueError(f"polygamma: n must be at least 0, got {n}")
    return digamma(as_operand(x)) if n == 0 else polygamma_(as_operand(x), n=int(n))


# --- logarithms of probabilities --------------------------------------------------------------------------------------

logit = Op("logit", _one("logit"), saves=(0,), doc="log(x / (1 - x)), elementwise: the inverse of expit.")
logit.defvjp(lambda g, out, x: g / (x * (1 - x)))

log_expit = Op(
    "log_expit",
    lambda xp, x: xp.negative(xp.logaddexp(xp.negative(x), 0.0)),
    saves=(0,),
    doc="log(expit(x)) = -softplus(-x), elementwise, without overflow.",
)
log_expit.defvjp(lambda g, out, x: g * sigmoid(-x))

entr = Op("entr", _one("entr"), saves=(0,), doc="-x log(x), elementwise: 0 at 0 (slope inf), -inf below.")
entr.defvjp(lambda g, out, x: -g * (log(x) + 1))


def _void(x: Any, y: Any) -> Any:
    """Where x log(y) is 0 because x is, whatever the logarithm."""
    return logical_and(equal(x, 0), less_equal(y, 0))


xlogy = Op(
    "xlogy",
    _two("xlogy"),
    saves=(0, 1),
    broadcasts=True,
    doc="x log(y), elementwise with broadcasting: 0 where x = 0, with slopes 0 where y <= 0 there.",
)
xlogy.defvjp(
    lambda g, out, x, y: g * log(where_(_void(x, y), 1.0, y)),
    lambda g, out, x, y: g * (x / where_(_void(x, y), math.inf, y)),
)

xlog1py = Op(
    "xlog1py",
    _two("xlog1py"),
    saves=(0, 1),
    broadcasts=True,
    doc="x log(1 + y), elementwise with broadcasting: 0 where x = 0, with slopes 0 where y <= -1 there.",
)


xlog1py.defvjp(
    lambda g, out, x, y: g * log1p(where_(_void(x, 1 + y), 0.0, y)),
    lambda g, out, x, y: g * (x / where_(_void(x, 1 + y), math.inf, 1 + y)),
)

# --- Bessel functions -------------------------------------------------------------------------------------------------

i0 = Op("i0", lambda xp, x: xp.i0(x), saves=(0,), doc="The modified Bessel function of order 0, elementwise.")
i0.defvjp(lambda g, out, x: g * i1(x))


def _i1_vjp(g: Any, out: Any, x: Any) -> Any:
    return g * (i0(x) - where_(equal(x, 0), 0.5, out / where_(equal(x, 0), 1.0, x)))


i1: Op = Op("i1", _one("i1"), saves=(0, "out"), doc="The modified Bessel function of order 1, elementwise.")
i1.defvjp(_i1_vjp)

expit = sigmoid
psi = digamma

NUMPY = ("i0",)
SCIPY = (
    "erf", "erfc", "erfcx", "erfinv", "ndtr", "log_ndtr", "gammaln", "digamma", "psi", "polygamma", "logit", "expit",
    "log_expit", "entr", "xlogy", "xlog1py", "i1",
)  # fmt: skip
"""The names that are scipy.special's."""
