"""Fused operations of a training step: linear layer with activation, softmax cross-entropy.

Each has an ordinary rule, which serves higher orders, and a raw rule for the first order that reuses what the
forward computed and writes weight gradients straight into their storage. A test holds the two together.
"""

from __future__ import annotations

import math
from typing import Any

from ..backend import gemm
from ..core.op import Op
from ..errors import ShapeError
from .linalg import column_sum_into, product_into
from .softmax import softmax_

# activation -> (forward in place on the raw pre-activation, slope from the output)
_ACTIVATIONS: dict[str | None, tuple[Any, Any]] = {
    None: (None, None),
    "relu": (lambda xp, z: xp.maximum(z, 0, out=z), lambda out: out > 0),
    "tanh": (lambda xp, z: xp.tanh(z, out=z), lambda out: 1 - out * out),
}
FUSED_ACTIVATIONS = tuple(_ACTIVATIONS)


def _linear(xp: Any, x: Any, weight: Any, bias: Any, *, activation: str | None) -> Any:
    z = gemm.matmul(x, weight.T)
    if bias is not None:
        z += bias
    apply = _ACTIVATIONS[activation][0]
    if apply is not None:
        apply(xp, z)
    return z


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
    if activation is not None:
        g = g * _ACTIVATIONS[activation][1](out)
    return (
        product_into(dest[0], g, weight) if needs[0] else None,
        product_into(dest[1], g.T, x) if needs[1] else None,
        column_sum_into(dest[2], g) if needs[2] else None,
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
    if activation not in _ACTIVATIONS:
        raise ValueError(f"linear: activation must be one of {list(_ACTIVATIONS)}, got {activation!r}")
    shape, wanted = x.shape, weight.shape
    if len(wanted) != 2 or not shape or shape[-1] != wanted[1] or (bias is not None and bias.shape != wanted[:1]):
        raise ShapeError(
            f"linear: x {shape}, weight {wanted}, bias {None if bias is None else bias.shape} do not fit: "
            "x is (..., in), weight (out, in), bias (out,)"
        )
    if len(shape) == 2:
        return linear_(x, weight, bias, activation=activation)
    rows = x.reshape((math.prod(shape[:-1]), shape[-1]))
    return linear_(rows, weight, bias, activation=activation).reshape((*shape[:-1], wanted[0]))


one_hot_ = Op(
    "one_hot",
    lambda xp, labels, *, classes, dtype: (labels[:, None] == xp.arange(classes)).astype(dtype),
    saves=(),
    differentiable=False,
)


def _cross_entropy(xp: Any, logits: Any, labels: Any, scale: Any) -> tuple[Any, Any]:
    """Per row scale * (logsumexp(z) - z[label]); the residual is (exp(z - max), its row sums)."""
    rows = xp.arange(logits.shape[0])
    shifted = logits - logits.max(axis=1, keepdims=True)
    picked = shifted[rows, labels]
    xp.exp(shifted, out=shifted)
    total = shifted.sum(axis=1)
    return (xp.log(total) - picked) * scale, (shifted, total, rows)


def _cross_entropy_vjp(needs: Any, g: Any, out: Any, logits: Any, labels: Any, scale: Any) -> tuple[Any, ...]:
    """g_i scale_i (softmax(z_i) - onehot(label_i))."""
    onehot = one_hot_(labels, classes=logits.shape[1], dtype=logits.dtype)
    return ((softmax_(logits, axis=(1,)) - onehot) * (g * scale).reshape((-1, 1)), None, None)


def _cross_entropy_raw_vjp(
    dest: Any, needs: Any, g: Any, out: Any, residual: Any, logits: Any, labels: Any, scale: Any
) -> tuple[Any, ...]:
    e, total, rows = residual
    g = g * scale
    gradient = e * (g / total)[:, None]
    gradient[rows, labels] -= g
    return gradient, None, None


# labels and scale are constants of the loss
softmax_cross_entropy = Op(
    "softmax_cross_entropy",
    _cross_entropy,
    saves=(0, 1, 2),
    residual=True,
    doc="Per row of logits (n, classes): scale * (logsumexp(row) - row[label]), scale a number or (n,).",
)
softmax_cross_entropy.defvjp_all(_cross_entropy_vjp)
softmax_cross_entropy.def_raw_vjp(_cross_entropy_raw_vjp)
