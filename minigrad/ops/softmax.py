"""softmax, log_softmax and logsumexp, shifted by the maximum so that no exponential overflows."""

from __future__ import annotations

from typing import Any

from ..core.op import Op
from .arguments import Axis, kept_shape, normalize_axis
from .elementwise import exp


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
    out = xp.log(xp.exp(x - top).sum(axis=axis, keepdims=True)) + top
    return out if keepdims else out.squeeze(axis=axis)


softmax_ = Op("softmax", _softmax, saves=("out",))
softmax_.defvjp(lambda g, out, x, *, axis: out * (g - (g * out).sum(axis=axis, keepdims=True)))

log_softmax_ = Op("log_softmax", _log_softmax, saves=("out",))
log_softmax_.defvjp(lambda g, out, x, *, axis: g - exp(out) * g.sum(axis=axis, keepdims=True))

logsumexp_ = Op("logsumexp", _logsumexp, saves=(0, "out"))


def _logsumexp_vjp(g: Any, out: Any, x: Any, *, axis: Any, keepdims: bool) -> Any:
    kept = kept_shape(x.shape, axis)
    return g.reshape(kept) * exp(x - out.reshape(kept))


logsumexp_.defvjp(_logsumexp_vjp)


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


def logsumexp(x: Any, axis: Axis = None, keepdims: bool = False) -> Any:
    """log(sum(exp(x))) over axes.

    Args:
        x: array or Tensor.
        axis: axis or axes; None for all.
        keepdims: keep reduced axes with length 1.

    Returns:
        An array, or a Tensor where x is one.
    """
    return logsumexp_(x, axis=normalize_axis("logsumexp", axis, x.ndim), keepdims=keepdims)
