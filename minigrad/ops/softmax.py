"""softmax, log_softmax and logsumexp, shifted by the maximum so that no exponential overflows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core.op import Op
from .arguments import Axis, as_operand, kept_shape, normalize_axis
from .elementwise import absolute, equal, exp, log, minimum, not_equal, sign
from .elementwise import where as select


def _shift(xp: Any, x: Any, axis: Any) -> Any:
    """The maximum over `axis`, with dimensions kept; 0 where it is not finite, so that inf - inf never arises."""
    if x.size == 0:
        return xp.zeros_like(x.sum(axis=axis, keepdims=True))
    top = x.max(axis=axis, keepdims=True)
    return xp.where(xp.isfinite(top), top, xp.zeros_like(top))


def _softmax(xp: Any, x: Any, *, axis: Any) -> Any:
    e = xp.exp(x - _shift(xp, x, axis))
    return e / e.sum(axis=axis, keepdims=True)


def _log_softmax(xp: Any, x: Any, *, axis: Any) -> Any:
    if x.size == 0:
        return x.copy()  # over an axis of length 0 the sum is 0, and its logarithm a warning about nothing
    shifted = x - _shift(xp, x, axis)
    return shifted - xp.log(xp.exp(shifted).sum(axis=axis, keepdims=True))


def _logsumexp(xp: Any, x: Any, *, axis: Any, keepdims: bool) -> Any:
    top = _shift(xp, x, axis)
    with np.errstate(divide="ignore", over="ignore"):  # log 0 is -inf; beside an infinite element all else is nothing
        out = xp.log(xp.exp(x - top).sum(axis=axis, keepdims=True)) + top
    return out if keepdims else out.squeeze(axis=axis)


softmax_ = Op("softmax", _softmax, saves=("out",))
softmax_.defvjp(lambda g, out, x, *, axis: out * (g - (g * out).sum(axis=axis, keepdims=True)))

log_softmax_ = Op("log_softmax", _log_softmax, saves=("out",))
log_softmax_.defvjp(lambda g, out, x, *, axis: g - exp(out) * g.sum(axis=axis, keepdims=True))

logsumexp_ = Op("logsumexp", _logsumexp, saves=(0, "out"))


def _logsumexp_vjp(g: Any, out: Any, x: Any, *, axis: Any, keepdims: bool) -> Any:
    kept = kept_shape(x.shape, axis)
    g, out = g.reshape(kept), out.reshape(kept)
    # Infinite elements share the gradient, -inf alone gets none: inf - inf must not arise.
    largest = float(np.finfo(x.dtype).max)
    shift = select(equal(out, -math.inf), 0.0, minimum(out, largest))
    ties = select(equal(out, math.inf), equal(x, math.inf).sum(axis=axis, keepdims=True), 1)
    return (g / ties).astype(g.dtype) * exp(minimum(x, largest) - shift)


logsumexp_.defvjp(_logsumexp_vjp)

weighted_shift_ = Op(
    "weighted_shift",
    lambda xp, x, b, *, axis: _shift(xp, xp.where(b != 0, x, -math.inf), axis),
    saves=(),
    differentiable=False,
    doc="The largest element of x over axes whose weight b is not 0, with dimensions kept; 0 where it is not finite.",
)


def _weighted(a: Any, b: Any, axis: Any) -> tuple[Any, Any]:
    """c and the sum of b * exp(a - c) over axes, dimensions kept, c such that no term that counts overflows."""
    top = weighted_shift_(a, b, axis=axis)
    # an element without weight must not overflow: inf * 0 is nan. Its weight has a slope nevertheless.
    shifted = a - top
    limit = math.log(float(np.finfo(shifted.dtype).max)) - 1
    shifted = select(equal(b, 0), minimum(shifted, limit), shifted)
    return top, (b * exp(shifted)).sum(axis=axis, keepdims=True)


def softmax(x: Any, axis: Axis = -1) -> Any:
    """exp(x) / sum(exp(x)) over axes.

    Args:
        x: array or Tensor.
        axis: axis or axes that sum to one.

    Returns:
        An array, or a Tensor where x is one, of the shape of x.
    """
    return softmax_(x, axis=normalize_axis("softmax", axis, x.ndim))


def log_softmax(x: Any, axis: Axis = -1) -> Any:
    """log(softmax(x)) = x - logsumexp(x) over axes, accurate where softmax underflows.

    Args:
        x: array or Tensor.
        axis: axis or axes that are normalised.

    Returns:
        An array, or a Tensor where x is one, of the shape of x.
    """
    return log_softmax_(x, axis=normalize_axis("log_softmax", axis, x.ndim))


def logsumexp(a: Any, axis: Axis = None, b: Any = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    """log(sum(b * exp(a))) over axes, as scipy.special.logsumexp.

    Where the result is inf the infinite elements share the gradient evenly; where it is -inf no element has any.

    Args:
        a: array or Tensor.
        axis: axis or axes; None for all.
        b: weights that broadcast with a; None for ones.
        keepdims: keep reduced axes with length 1.
        return_sign: also return the sign of the sum, and the logarithm of its absolute value.

    Returns:
        An array, or a Tensor where a or b is one; with return_sign two of them.
    """
    a = as_operand(a)
    if b is None:
        axis = normalize_axis("logsumexp", axis, a.ndim)
        out = logsumexp_(a, axis=axis, keepdims=keepdims)
        return (out, not_equal(out, -math.inf).astype(out.dtype)) if return_sign else out
    b = as_operand(b)
    shape = np.broadcast_shapes(a.shape, b.shape)
    axis = normalize_axis("logsumexp", axis, len(shape))
    top, total = _weighted(a, b, axis)
    none = equal(total, 0)
    size = select(none, 1.0, absolute(total) if return_sign else total)
    out, signs = select(none, -math.inf, log(size) + top), sign(total)
    if not keepdims:
        short = tuple(n for i, n in enumerate(shape) if axis is not None and i not in axis)
        out, signs = out.reshape(short), signs.reshape(short)
    return (out, signs) if return_sign else out
