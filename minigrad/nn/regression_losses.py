"""Losses between a prediction and a target of its shape: squared, absolute, Huber, binary cross-entropy, hinge.

Nothing is broadcast between the two: (n, 1) against (n,) would quietly compare all pairs. The target is cast to the
dtype of the prediction. A target that is a tracked Tensor gets its gradient.
"""

from __future__ import annotations

from typing import Any

from ..backend.device import device_of, on_device
from ..ops.elementwise import absolute, clip, relu, softplus, square
from ..ops.losses import bce_with_logits
from ..tensor import as_raw
from ._checks import check_reduction, matching_target, matching_weight, reduce


def mse_loss(x: Any, y: Any, reduction: str = "mean") -> Any:
    """(x - y)**2.

    Args:
        x: prediction, floating point, array or Tensor.
        y: target of the shape of x.
        reduction: "mean", "sum" or "none".

    Returns:
        A scalar in the dtype of x; with "none" an array of the shape of x.

    Raises:
        ShapeError: the shapes differ.
        DTypeError: x is not floating point.
        ValueError: another reduction.
    """
    check_reduction("mse_loss", reduction)
    return reduce(square(x - matching_target("mse_loss", x, y)), reduction)


def l1_loss(x: Any, y: Any, reduction: str = "mean") -> Any:
    """|x - y|, with slope 0 at 0.

    Args:
        x: prediction, floating point, array or Tensor.
        y: target of the shape of x.
        reduction: "mean", "sum" or "none".

    Returns:
        A scalar in the dtype of x; with "none" an array of the shape of x.

    Raises:
        ShapeError: the shapes differ.
        DTypeError: x is not floating point.
        ValueError: another reduction.
    """
    check_reduction("l1_loss", reduction)
    return reduce(absolute(x - matching_target("l1_loss", x, y)), reduction)


def huber_loss(x: Any, y: Any, reduction: str = "mean", delta: float = 1.0) -> Any:
    """d**2 / 2 where |d| <= delta, else delta * (|d| - delta / 2), with d = x - y (Huber 1964).

    Args:
        x: prediction, floating point, array or Tensor.
        y: target of the shape of x.
        reduction: "mean", "sum" or "none".
        delta: where the parabola goes over into lines.

    Returns:
        A scalar in the dtype of x; with "none" an array of the shape of x.

    Raises:
        ShapeError: the shapes differ.
        DTypeError: x is not floating point.
        ValueError: another reduction, or delta is not positive.
    """
    check_reduction("huber_loss", reduction)
    if not delta > 0:
        raise ValueError(f"huber_loss: delta must be positive, got {delta!r}")
    d = x - matching_target("huber_loss", x, y)
    c = clip(d, -delta, delta)
    return reduce(c * (d - 0.5 * c), reduction)  # both branches at once, with the right slope at the joints


def binary_cross_entropy_with_logits(
    x: Any, y: Any, weight: Any = None, *, reduction: str = "mean", pos_weight: Any = None
) -> Any:
    """-weight * (pos_weight * y log(s) + (1 - y) log(1 - s)), with s = sigmoid(x), without overflow.

    Args:
        x: logits, floating point, array or Tensor.
        y: target of the shape of x, in [0, 1].
        weight: factor per element, broadcasts to x; the mean divides by the number of elements all the same.
        reduction: "mean", "sum" or "none".
        pos_weight: factor of the positive term, broadcasts to x; above 1 it favours recall.

    Returns:
        A scalar in the dtype of x; with "none" an array of the shape of x.

    Raises:
        ShapeError: the shapes differ, or a weight does not broadcast to x.
        DTypeError: x is not floating point.
        ValueError: another reduction.
    """
    name = "binary_cross_entropy_with_logits"
    check_reduction(name, reduction)
    y = matching_target(name, x, y)
    values = bce_with_logits(x, y)
    if pos_weight is not None:
        # -log(sigmoid(x)) = softplus(-x)
        with on_device(device_of(as_raw(x))):  # weight and target may be raw arrays
            values = values + (matching_weight(name, "pos_weight", pos_weight, x) - 1) * y * softplus(-x)
    if weight is not None:
        values = values * matching_weight(name, "weight", weight, x)
    return reduce(values, reduction)


def hinge_loss(x: Any, y: Any, reduction: str = "mean") -> Any:
    """max(0, 1 - x * y), the loss of a linear support vector machine.

    Args:
        x: scores, floating point, array or Tensor.
        y: target of the shape of x, -1 or 1.
        reduction: "mean", "sum" or "none".

    Returns:
        A scalar in the dtype of x; with "none" an array of the shape of x.

    Raises:
        ShapeError: the shapes differ.
        DTypeError: x is not floating point.
        ValueError: another reduction.
    """
    check_reduction("hinge_loss", reduction)
    return reduce(relu(1 - x * matching_target("hinge_loss", x, y)), reduction)
