"""Activation functions of neural networks that are not elementary: leaky ReLU, ELU, GELU, SiLU, and the dropout mask.

Kinks: leaky_relu and elu take at 0 the slope of their left branch, as PyTorch does.
"""

from __future__ import annotations

from typing import Any

from ..core.op import Op
from .elementwise import clip, erf, exp, greater, sigmoid, tanh, where

_SQRT_HALF = 0.7071067811865476
_INV_SQRT_2PI = 0.3989422804014327  # height of the standard normal density
_SQRT_2_OVER_PI = 0.7978845608028654
_CUBIC = 0.044715  # coefficient of the tanh approximation (Hendrycks and Gimpel 2016)


leaky_relu_ = Op("leaky_relu", lambda xp, x, *, negative_slope: xp.where(x > 0, x, x * negative_slope), saves=(0,))
leaky_relu_.defvjp(lambda g, out, x, *, negative_slope: where(greater(x, 0), g, g * negative_slope))


def leaky_relu(x: Any, negative_slope: float = 0.01) -> Any:
    """x where x > 0, else negative_slope * x (Maas et al. 2013).

    Args:
        x: array or Tensor.
        negative_slope: slope on the left.

    Returns:
        An array, or a Tensor where x is one, of the shape of x.
    """
    return leaky_relu_(x, negative_slope=negative_slope)


# The exponent is clipped at 0, so that the branch not taken cannot overflow.
elu_ = Op("elu", lambda xp, x, *, alpha: xp.where(x > 0, x, xp.expm1(xp.minimum(x, 0)) * alpha), saves=(0,))
elu_.defvjp(lambda g, out, x, *, alpha: where(greater(x, 0), g, g * (exp(clip(x, None, 0)) * alpha)))


def elu(x: Any, alpha: float = 1.0) -> Any:
    """x where x > 0, else alpha * (exp(x) - 1) (Clevert et al. 2015).

    Args:
        x: array or Tensor.
        alpha: minus the limit on the left.

    Returns:
        An array, or a Tensor where x is one, of the shape of x.
    """
    return elu_(x, alpha=alpha)


gelu_ = Op("gelu", lambda xp, x: x * 0.5 * (1 + erf(x * _SQRT_HALF)), saves=(0,))
gelu_.defvjp(
    # Phi(x) + x phi(x), with the distribution function and the density of the standard normal
    lambda g, out, x: g * (0.5 * (1 + erf(x * _SQRT_HALF)) + x * (exp(x * x * -0.5) * _INV_SQRT_2PI))
)


def _inner(x: Any) -> Any:
    return (x + x * x * x * _CUBIC) * _SQRT_2_OVER_PI


def _gelu_tanh_vjp(g: Any, out: Any, x: Any) -> Any:
    t = tanh(_inner(x))
    slope = (1 + x * x * (3 * _CUBIC)) * _SQRT_2_OVER_PI
    return g * (0.5 * (1 + t) + 0.5 * x * ((1 - t * t) * slope))


gelu_tanh_ = Op("gelu_tanh", lambda xp, x: x * 0.5 * (1 + xp.tanh(_inner(x))), saves=(0,))
gelu_tanh_.defvjp(_gelu_tanh_vjp)

_GELU = {"none": gelu_, "tanh": gelu_tanh_}


def gelu(x: Any, approximate: str = "none") -> Any:
    """x * Phi(x), Phi the standard normal distribution function (Hendrycks and Gimpel 2016).

    Args:
        x: array or Tensor.
        approximate: "none", or "tanh" for x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 x**3))).

    Returns:
        An array, or a Tensor where x is one, of the shape of x.

    Raises:
        ValueError: another `approximate`.
    """
    if approximate not in _GELU:
        raise ValueError(f"gelu: approximate must be one of {list(_GELU)}, got {approximate!r}")
    return _GELU[approximate](x)


def _silu_vjp(g: Any, out: Any, x: Any) -> Any:
    s = sigmoid(x)
    return g * (s * (1 + x * (1 - s)))


silu = Op(
    "silu",
    lambda xp, x: x * sigmoid(x),
    saves=(0,),
    doc='x * sigmoid(x), elementwise (Elfwing et al. 2017; Ramachandran et al. 2017, "swish").',
)
silu.defvjp(_silu_vjp)

# x * mask first: a boolean mask times a Python number alone would be a float64 array
masked_scale = Op(
    "masked_scale",
    lambda xp, x, mask, *, scale: x * mask * scale,
    saves=(1,),
    doc="x * scale where the boolean mask is true, else 0: inverted dropout.",
)
masked_scale.defvjp(lambda g, out, x, mask, *, scale: masked_scale(g, mask, scale=scale), None)
