"""Fused operations of a training step: linear layer with activation, softmax cross-entropy.

Each has an ordinary rule, which serves higher orders, and a raw rule for the first order that reuses what the
forward computed and writes weight gradients straight into their storage. A test holds the two together.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backend import fused_kernels, gemm
from ..backend.array import flat_positions, is_seed, max_rows, relu_in_place, relu_slope
from ..core.op import Op
from ..errors import ShapeError
from .linalg import column_sum_into, product_into
from .softmax import softmax_

# activation -> (forward in place on the raw pre-activation, slope from the output)
_ACTIVATIONS: dict[str | None, tuple[Any, Any]] = {
    None: (None, None),
    "relu": (relu_in_place, relu_slope),
    "tanh": (lambda xp, z: xp.tanh(z, out=z), lambda out: 1 - out * out),
}
FUSED_ACTIVATIONS = tuple(_ACTIVATIONS)


def _linear(xp: Any, x: Any, weight: Any, bias: Any, *, activation: str | None) -> Any:
    z = gemm.matmul(x, weight.T)
    if bias is not None and bias.shape != z.shape[1:]:  # a (1,) would broadcast
        raise ValueError
    if xp is not np and _bias_and_activation_there(z, bias, activation):
        return z
    if bias is not None:
        z += bias
    apply = _ACTIVATIONS[activation][0]
    if apply is not None:
        apply(xp, z)
    return z


def _bias_and_activation_there(z: Any, bias: Any, activation: str | None) -> bool:
    """Whether a kernel has done both."""
    fits = fused_kernels.usable(z) and activation in fused_kernels.ACTIVATIONS
    if fits and (bias is None or fused_kernels.usable(bias)):
        fused_kernels.bias_act(z, bias, activation)
        return True
    return False


def _linear_vjp(needs: Any, g: Any, out: Any, x: Any, weight: Any, bias: Any, *, activation: str | None) -> Any:
    if activation is not None:
        g = g * _ACTIVATIONS[activation][1](out)
    return (
        g @ weight if needs[0] else None,
        g.T @ x if needs[1] else None,
        g.sum(axis=0) if needs[2] else None,
    )


def _linear_raw_vjp(
    dest: Any, needs: Any, g: Any, out: Any, residual: Any, x: Any, weight: Any, bias: Any, *, activation: str | None
) -> Any:
    bias_gradient = None
    if type(g) is not np.ndarray and fused_kernels.usable(g, out):
        g, bias_gradient = fused_kernels.bias_act_backward(g, out, activation, needs[2], dest[2])
    else:
        if activation is not None:
            g = g * _ACTIVATIONS[activation][1](out)
        if needs[2]:
            bias_gradient = column_sum_into(dest[2], g)
    return (
        product_into(dest[0], g, weight) if needs[0] else None,
        product_into(dest[1], g.T, x) if needs[1] else None,
        bias_gradient,
    )


linear_ = Op("linear", _linear, saves=(0, 1, "out"))
linear_.defvjp_all(_linear_vjp)
linear_.def_raw_vjp(_linear_raw_vjp)


def linear(x: Any, weight: Any, bias: Any = None, activation: str | None = None) -> Any:
    """activation(x @ weight.T + bias) as one operation.

    Args:
        x: (..., in), array or Tensor.
        weight: (out, in), of the dtype of x.
        bias: (out,), or None.
        activation: None, "relu" or "tanh".

    Returns:
        (..., out): an array, or a Tensor where an operand is one.

    Raises:
        ShapeError: the shapes do not fit.
        ValueError: an activation that is not fused.
    """
    # This is the hot path of small networks: no check of its own, what fails is explained afterwards.
    try:
        if x.ndim == 2:
            return linear_(x, weight, bias, activation=activation)
        if x.ndim > 0 and weight.ndim == 2:
            rows = x.reshape((math.prod(x.shape[:-1]), x.shape[-1]))
            return linear_(rows, weight, bias, activation=activation).reshape((*x.shape[:-1], weight.shape[0]))
    except (ValueError, KeyError, IndexError) as error:
        if activation not in _ACTIVATIONS:
            raise ValueError(f"linear: activation must be one of {list(_ACTIVATIONS)}, got {activation!r}") from None
        raise _linear_shapes(x, weight, bias) from error
    raise _linear_shapes(x, weight, bias)


def _linear_shapes(x: Any, weight: Any, bias: Any) -> ShapeError:
    return ShapeError(
        f"linear: x {x.shape}, weight {weight.shape}, bias {None if bias is None else bias.shape} do not fit: "
        "x is (..., in), weight (out, in), bias (out,)"
    )


one_hot_ = Op(
    "one_hot",
    lambda xp, labels, *, classes, dtype: (labels[:, None] == xp.arange(classes)).astype(dtype),
    saves=(),
    differentiable=False,
)


def _factor_and_number(scale: Any) -> tuple[Any, float]:
    """A scale as the kernels take it: an array of one factor a row, or None, and a number."""
    return (None, scale) if type(scale) is float else (scale, 1.0)


def _cross_entropy(
    xp: Any, logits: Any, labels: Any, scale: Any, *, reduce: bool, ignored: int | None
) -> tuple[Any, Any]:
    """The residual is (exp(z - max), its sums, flat positions of the labels), class-major: (classes, n).

    Where a kernel takes the operands, it is a list: the softmax, the number of rows that count, and whether the kernel
    has put the gradient in the place of the softmax.

    Class-major, because a reduction over a short last axis costs NumPy and CuPy several times one over the first.
    """
    if xp is not np and fused_kernels.takes_labels(logits, labels, scale):
        factor, number = _factor_and_number(scale)
        value, *residual = fused_kernels.cross_entropy(logits, labels, factor, number, reduce, ignored)
        return value, residual
    e = logits.T.copy()
    e -= max_rows(e)
    at = flat_positions(xp, labels, *e.shape)
    picked = e.reshape(-1)[at]
    xp.exp(e, out=e)
    total = gemm.column_sum(e)
    losses = xp.log(total)
    losses -= picked
    if not reduce:
        losses *= scale
        return losses, (e, total, at)
    # a number can wait until after the sum
    value = gemm.column_sum(losses) * scale if type(scale) is float else gemm.column_sum(losses * scale)
    return value, (e, total, at)


def _cross_entropy_vjp(
    needs: Any, g: Any, out: Any, logits: Any, labels: Any, scale: Any, *, reduce: bool, ignored: int | None
) -> tuple[Any, ...]:
    """g_i scale_i (softmax(z_i) - onehot(label_i))."""
    onehot = one_hot_(labels, classes=logits.shape[1], dtype=logits.dtype)
    difference = softmax_(logits, axis=(1,)) - onehot
    weights = g * scale
    if ignored is not None:
        kept = (labels != ignored).astype(logits.dtype)
        weights = weights * (kept / kept.sum())
    return (difference * (weights.reshape((-1, 1)) if weights.ndim else weights), None, None)


def _cross_entropy_raw_vjp(
    dest: Any,
    needs: Any,
    g: Any,
    out: Any,
    residual: Any,
    logits: Any,
    labels: Any,
    scale: Any,
    *,
    reduce: bool,
    ignored: int | None,
) -> tuple[Any, ...]:
    if type(residual) is list and residual[2]:
        gradient = residual[0]
        return gradient if is_seed(g) else gradient * g, None, None
    if type(residual) is list:
        probability, kept, _ = residual
        factor, number = _factor_and_number(scale)
        g = g if g.flags.c_contiguous else g.copy()
        arguments = (g, probability, labels, factor, number, ignored, kept)
        return fused_kernels.cross_entropy_backward(*arguments), None, None
    e, total, at = residual
    weights = g * scale
    gradient = e * (weights / total)
    flat = gradient.reshape(-1)
    flat[at] -= weights
    return gradient.T, None, None


# labels and scale are constants of the loss
softmax_cross_entropy_ = Op("softmax_cross_entropy", _cross_entropy, saves=(0, 1, 2), residual=True)
softmax_cross_entropy_.defvjp_all(_cross_entropy_vjp)
softmax_cross_entropy_.def_raw_vjp(_cross_entropy_raw_vjp)


def softmax_cross_entropy(
    logits: Any, labels: Any, scale: Any = 1.0, reduce: bool = False, ignored: int | None = None
) -> Any:
    """scale * (logsumexp(row) - row[label]) per row of logits, or its sum over the rows.

    Args:
        logits: (n, classes), array or Tensor.
        labels: (n,) integers in [0, classes); checked on the CPU.
        scale: a Python number, or (n,) in the dtype of logits; a constant.
        reduce: add the rows up.
        ignored: with `reduce`, take the mean over the rows with another label; only where a kernel takes them.

    Returns:
        (n,), or 0-d where `reduce`: an array, or a Tensor where logits is one.

    Raises:
        ValueError: a label out of range, on the CPU.
    """
    return softmax_cross_entropy_(logits, labels, scale, reduce=reduce, ignored=ignored)
