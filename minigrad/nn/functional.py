"""Layers and losses as functions without state. All take arrays or Tensors, and give a Tensor where one went in.

The losses are in `regression_losses` and `classification_losses`; activation functions that are single operations come
from `minigrad.ops` as they are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backend import random
from ..backend.device import device_of, on_device
from ..errors import ShapeError
from ..ops import fused
from ..ops.activations import elu, gelu, leaky_relu, masked_scale, silu
from ..ops.elementwise import relu, sigmoid, tanh
from ..ops.elementwise import softplus as _softplus
from ..ops.normalize import moments, standardize
from ..ops.softmax import log_softmax, logsumexp, softmax
from ..tensor import as_raw
from ._checks import (
    check_array,
    check_count,
    check_floating,
    check_input,
    check_integer_labels,
    check_probability,
    labels_in_range,
)
from .classification_losses import cross_entropy, kl_div, nll_loss
from .regression_losses import binary_cross_entropy_with_logits, hinge_loss, huber_loss, l1_loss, mse_loss
from .regularization import elastic_net, l1_penalty, l2_penalty

__all__ = [
    "binary_cross_entropy_with_logits",
    "cross_entropy",
    "dropout",
    "elastic_net",
    "elu",
    "flatten",
    "gelu",
    "hinge_loss",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "l1_penalty",
    "l2_penalty",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsumexp",
    "mse_loss",
    "nll_loss",
    "one_hot",
    "relu",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "tanh",
]


def check_beta(beta: float) -> None:
    """Raise ValueError unless a softplus has a positive beta."""
    if not beta > 0:
        raise ValueError(f"softplus: beta must be positive, got {beta!r}")


def softplus(x: Any, beta: float = 1.0) -> Any:
    """log(1 + exp(beta * x)) / beta, a smooth relu.

    Without PyTorch's `threshold`, beyond which that answers x: the formula used here does not overflow.

    Args:
        x: array or Tensor.
        beta: sharpness.

    Returns:
        An array, or a Tensor where x is one, of the shape of x.

    Raises:
        ValueError: beta is not positive.
    """
    check_beta(beta)
    return _softplus(x) if beta == 1 else _softplus(x * beta) / beta


def flatten(x: Any, start_axis: int = 0) -> Any:
    """The axes of x from `start_axis` on as one.

    Args:
        x: array or Tensor.
        start_axis: first of the axes that are joined.

    Returns:
        x with shape (*x.shape[:start_axis], product of the rest).

    Raises:
        ShapeError: x has no such axis.
    """
    check_array("flatten", "x", x)
    shape, ndim = tuple(x.shape), len(x.shape)
    if not -ndim <= start_axis < max(ndim, 1):
        raise ShapeError(f"flatten: start_axis {start_axis} is out of range for shape {shape}")
    keep = shape[: start_axis % ndim] if ndim else ()
    return x.reshape((*keep, math.prod(shape[len(keep) :])))  # no -1, which is ambiguous for empty arrays


def linear(x: Any, weight: Any, bias: Any = None) -> Any:
    """x @ weight.T + bias.

    Args:
        x: (..., in).
        weight: (out, in), of the dtype of x.
        bias: (out,), or None.

    Returns:
        (..., out).

    Raises:
        ShapeError: the shapes do not fit.
        DTypeError: x and weight differ in dtype.
    """
    check_array("linear", "weight", weight)
    check_input("linear", x, weight.dtype)
    return fused.linear(x, weight, bias)


def dropout(x: Any, p: float = 0.5, training: bool = True) -> Any:
    """Inverted dropout: each element is 0 with probability p, else x / (1 - p) (Srivastava et al. 2014).

    Args:
        x: array or Tensor of floats.
        p: probability of dropping an element, in [0, 1].
        training: False returns x itself.

    Returns:
        An array, or a Tensor where x is one, of the shape of x. One seed makes the same mask on every device.

    Raises:
        ValueError: p is not in [0, 1].
        DTypeError: x is not floating point.
    """
    p = check_probability("dropout", p)
    check_floating("dropout", "x", x)
    if not training or p == 0:
        return x
    mask = random.keep_mask(tuple(x.shape), p, device_of(as_raw(x)))
    return masked_scale(x, mask, scale=1 / (1 - p) if p < 1 else 0.0)


def layer_norm(
    x: Any, normalized_shape: int | Sequence[int], weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """(x - mean) / sqrt(var + eps) * weight + bias over the last axes (Ba et al. 2016), var the biased variance.

    Args:
        x: (..., *normalized_shape), array or Tensor of floats.
        normalized_shape: lengths of the axes to normalise over.
        weight: of normalized_shape and the dtype of x, or None.
        bias: likewise.
        eps: added to the variance.

    Returns:
        An array, or a Tensor where an operand is one, of the shape of x.

    Raises:
        ShapeError: the last axes of x, weight or bias are not normalized_shape.
        DTypeError: x is not floating point, or differs in dtype from weight or bias.
    """
    wanted = (normalized_shape,) if isinstance(normalized_shape, (int, np.integer)) else tuple(normalized_shape)
    check_floating("layer_norm", "x", x)
    k = len(wanted)
    if not k or tuple(x.shape[-k:]) != wanted:
        raise ShapeError(
            f"layer_norm: the last axes of x must be normalized_shape {wanted} (at least one), got {x.shape}"
        )
    axis = tuple(range(x.ndim - k, x.ndim))
    with on_device(device_of(as_raw(x))):  # the moments are raw arrays
        out = standardize(x, *moments(as_raw(x), axis), axis, eps)
    for what, p in (("weight", weight), ("bias", bias)):
        if p is not None:
            if tuple(p.shape) != wanted:
                raise ShapeError(f"layer_norm: {what} must have normalized_shape {wanted}, got {p.shape}")
            check_input("layer_norm", x, p.dtype)
    if weight is not None:
        out = out * weight
    return out if bias is None else out + bias


def one_hot(labels: Any, num_classes: int, dtype: Any = np.float32) -> Any:
    """1 at each label and 0 elsewhere.

    Float32 where PyTorch gives int64, because it is mostly a target; and `num_classes` is required, because finding the
    largest label would wait for the device.

    Args:
        labels: integers of any shape, array or Tensor. Range-checked on the CPU; on a GPU that would be a hidden
            synchronisation, and a label out of range gives a row of zeros.
        num_classes: length of the new last axis.
        dtype: dtype of the result.

    Returns:
        (*labels.shape, num_classes): an array, or a Tensor where labels are one.

    Raises:
        DTypeError: labels are not integers.
        ValueError: a label is out of range.
    """
    check_integer_labels("one_hot", labels)
    num_classes = check_count("one_hot", "num_classes", num_classes)
    labels_in_range("one_hot", as_raw(labels), num_classes, None)
    shape = tuple(labels.shape)
    flat = labels.reshape((math.prod(shape),))
    return fused.one_hot_(flat, classes=num_classes, dtype=np.dtype(dtype)).reshape((*shape, num_classes))
