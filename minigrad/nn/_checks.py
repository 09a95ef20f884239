"""Checks that layers and losses share. Shapes and dtypes only: none reads a value from a device, but `check_range`
on the CPU."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backend.array import is_integer
from ..backend.device import device_of
from ..backend.recording import call, seam
from ..core.variable import Variable
from ..errors import DTypeError, GraphError, ShapeError
from ..ops.shape import astype
from ..tensor import as_raw

REDUCTIONS = ("mean", "sum", "none")


def check_array(name: str, what: str, x: Any) -> None:
    """Raise TypeError unless `x` is an array or a Tensor."""
    if not hasattr(x, "dtype") or not hasattr(x, "shape"):
        raise TypeError(f"{name}: {what} must be an array or a Tensor, got {type(x).__name__}; wrap it in mg.tensor")


def check_input(name: str, x: Any, dtype: np.dtype) -> None:
    """Raise DTypeError unless `x` is an array of the layer's dtype."""
    check_array(name, "the input", x)
    if x.dtype != dtype:
        raise DTypeError(
            f"{name}: the input is {x.dtype}, the weights are {dtype}; convert the input with "
            f"x.astype({str(dtype)!r}), or the layer with .to({str(x.dtype)!r})"
        )


def check_floating(name: str, what: str, x: Any) -> None:
    """Raise unless `x` is a floating-point array or Tensor."""
    check_array(name, what, x)
    if x.dtype.kind != "f":
        raise DTypeError(f"{name}: {what} must be floating point, got {x.dtype}; use .astype('float32')")


def check_count(name: str, what: str, value: Any) -> int:
    """A non-negative integer.

    Raises:
        TypeError: not an integer.
        ValueError: negative.
    """
    if not is_integer(value):
        raise TypeError(f"{name}: {what} must be an integer, got {value!r}")
    if value < 0:
        raise ValueError(f"{name}: {what} must not be negative, got {value}")
    return int(value)


def check_probability(name: str, p: Any) -> float:
    """A number in [0, 1]; ValueError otherwise."""
    if isinstance(p, bool) or not isinstance(p, (int, float, np.number)) or not 0 <= p <= 1:
        raise ValueError(f"{name}: the probability p must be a number in [0, 1], got {p!r}")
    return float(p)


def check_reduction(name: str, reduction: Any, allowed: tuple[str, ...] = REDUCTIONS) -> None:
    """Raise ValueError unless `reduction` is one of `allowed`."""
    if reduction not in allowed:
        raise ValueError(f"{name}: reduction must be one of {', '.join(map(repr, allowed))}; got {reduction!r}")


def reduce(values: Any, reduction: str) -> Any:
    """The mean or the sum of all values, or the values themselves; the mean of nothing is nan, as in PyTorch."""
    if reduction == "none":
        return values
    if reduction == "sum":
        return values.sum()
    return values.mean() if math.prod(values.shape) else values.sum() * math.nan


def matching_target(name: str, x: Any, y: Any) -> Any:
    """The target in the dtype of the prediction.

    A float64 target would otherwise turn a float32 step into a float64 one without a word.

    Raises:
        ShapeError: shapes differ; nothing is broadcast.
        TypeError, DTypeError: not arrays, or the prediction is not floating point.
    """
    check_floating(name, "the prediction", x)
    check_array(name, "the target", y)
    if x.shape != y.shape:
        raise ShapeError(
            f"{name}: the prediction has shape {x.shape}, the target {y.shape}; a loss does not broadcast, "
            "reshape one to the other"
        )
    return y if y.dtype == x.dtype else astype(y, x.dtype)


def matching_weight(name: str, what: str, weight: Any, x: Any) -> Any:
    """A weight that broadcasts to x, in the dtype of x.

    Raises:
        ShapeError: it does not broadcast to the shape of x, or would enlarge it.
    """
    check_array(name, what, weight)
    try:
        fits = np.broadcast_shapes(weight.shape, x.shape) == tuple(x.shape)
    except ValueError:
        fits = False
    if not fits:
        raise ShapeError(f"{name}: {what} has shape {weight.shape}, which does not broadcast to {x.shape}")
    return weight if weight.dtype == x.dtype else astype(weight, x.dtype)


def class_weight(name: str, weight: Any, classes: int, dtype: np.dtype) -> Any:
    """The raw class weights, (classes,), in the dtype of the logits.

    Raises:
        ShapeError: another shape.
        GraphError: a tracked Tensor; the losses treat class weights as constants.
    """
    check_array(name, "weight", weight)
    if isinstance(weight, Variable) and weight._node is not None:
        raise GraphError(f"{name}: weight is a constant of the loss, but is a tracked Tensor; pass weight.detach()")
    if weight.shape != (classes,):
        raise ShapeError(f"{name}: weight must have one entry per class, shape ({classes},), got {weight.shape}")
    raw = as_raw(weight)
    return raw if raw.dtype == dtype else raw.astype(dtype)


def check_integer_labels(name: str, labels: Any) -> None:
    """Raise unless `labels` are integers."""
    check_array(name, "labels", labels)
    if labels.dtype.kind not in "iu":
        raise DTypeError(
            f"{name}: labels must be integer class indices, got {labels.dtype}; convert them with "
            "labels.astype('int64')"
        )


def labels_in_range(name: str, raw: Any, classes: int, ignore_index: int | None) -> bool:
    """Check labels on the CPU and say whether none equals `ignore_index`.

    On a GPU the check would be a hidden synchronisation, so there the answer is False ("unknown") unless
    `ignore_index` is None.

    Raises:
        ValueError: a label outside 0..classes-1 that is not `ignore_index`.
    """
    if device_of(raw) != "cpu":
        return ignore_index is None
    if seam.watcher is not None:  # whether one is ignored may differ from step to step
        call(_check_range, name, raw, classes, ignore_index, effect=True)
        return ignore_index is None
    return _check_range(name, raw, classes, ignore_index)


def _check_range(name: str, raw: Any, classes: int, ignore_index: int | None) -> bool:
    # One pass on the hot path: seen as unsigned, a negative label is larger than any class.
    if raw.view(f"u{raw.dtype.itemsize}").max(initial=0) < classes or raw.size == 0:
        return ignore_index is None or not 0 <= ignore_index < classes
    bad = (raw < 0) | (raw >= classes)
    if ignore_index is not None:
        bad &= raw != ignore_index
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        where = f"labels[{', '.join(map(str, first))}]" if first else "the label"
        also = "" if ignore_index is None else f" (and is not ignore_index={ignore_index})"
        raise ValueError(f"{name}: {where} is {raw[first]}, outside the classes 0..{classes - 1}{also}")
    return False
