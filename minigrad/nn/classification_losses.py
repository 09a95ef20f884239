"""Losses over classes: cross-entropy of logits, negative log-likelihood, Kullback-Leibler divergence.

Classes are axis 1 as in PyTorch: logits (n, C) or (n, C, d1, ...) with labels (n,) or (n, d1, ...); a single row (C,)
takes a scalar label. Labels are range-checked on the CPU. On a GPU the check would be a hidden synchronisation: there
a label out of range makes the loss nan where a kernel does the work (float32 rows, int64 labels), and is not noticed
elsewhere (CuPy wraps it around).
"""

from __future__ import annotations

import math
from typing import Any

from ..backend import fused_kernels
from ..backend.device import HOST, device_of, host_arrays, on_device, provider_of
from ..errors import DTypeError, ShapeError
from ..ops.elementwise import equal, exp, log, where
from ..ops.fused import one_hot_, softmax_cross_entropy, softmax_cross_entropy_
from ..ops.index import getitem
from ..ops.shape import transpose
from ..ops.softmax import log_softmax_
from ..tensor import as_raw
from ._checks import (
    REDUCTIONS,
    check_array,
    check_floating,
    check_integer_labels,
    check_reduction,
    class_weight,
    labels_in_range,
    matching_target,
    reduce,
)


def _as_rows(x: Any) -> Any:
    """(C,), (n, C) or (n, C, d1, ...) as (rows, C)."""
    shape = x.shape
    if len(shape) == 2:
        return x
    if len(shape) > 2:
        x = transpose(x, (0, *range(2, len(shape)), 1))
        return x.reshape((math.prod(x.shape[:-1]), x.shape[-1]))
    return x.reshape((1, shape[0]))


def _label_shape(name: str, x: Any) -> tuple[int, ...]:
    """The shape that labels of logits x have; raises unless x has at least one axis and one class."""
    shape = tuple(x.shape)
    if not shape or shape[len(shape) > 1] == 0:
        raise ShapeError(f"{name}: input of shape (C,), (n, C) or (n, C, d1, ...) with C > 0 is due, got {shape}")
    return shape[:1] + shape[2:] if len(shape) > 1 else ()


def _check_label_shape(name: str, x: Any, labels: Any, wanted: tuple[int, ...]) -> None:
    if tuple(labels.shape) != wanted:
        raise ShapeError(f"{name}: input of shape {x.shape} takes integer labels of shape {wanted}, got {labels.shape}")


def _row_factors(
    name: str, labels: Any, classes: int, dtype: Any, weight: Any, ignore_index: int | None, mean: bool
) -> tuple[Any, Any, Any]:
    """Flat labels that can be used as indices, the factor of each row, and the weight of its class (None without).

    The factor is 1, or 0 for an ignored label; for the mean, divided by the sum of factor * weight. It is a Python
    number where every row has the same one.
    """
    raw = as_raw(labels)
    clean = labels_in_range(name, raw, classes, ignore_index)
    if ignore_index is not None and ignore_index < 0 and raw.dtype.kind == "u":
        clean = True  # an unsigned label is never negative, and CuPy refuses the comparison
    if raw.ndim != 1:
        labels = labels.reshape((raw.size,))
        raw = as_raw(labels)
    if clean and weight is None:
        return labels, 1 / raw.size if mean and raw.size else 1.0, None
    xp = (provider_of(raw) or HOST).xp
    factor: Any = 1.0
    if not clean:
        kept = raw != ignore_index
        labels = raw = raw * kept  # class 0 stands in for an ignored label
        factor = kept.astype(dtype)
    own = None if weight is None else weight[raw]
    if mean:
        total = (factor if own is None else own * factor).sum()
        # no row counts: nan as in PyTorch, without a division by zero
        factor = factor / xp.where(total == 0, math.nan, total).astype(dtype)
    return labels, factor, own


def _is_everyday(logits: Any, labels: Any, ignore_index: int | None) -> bool:
    """Rows of logits and a vector of labels on the CPU, which the fused operation checks by itself."""
    x, y = as_raw(logits), as_raw(labels)
    return (
        type(x) in host_arrays
        and type(y) in host_arrays
        and x.ndim == 2
        and y.shape == x.shape[:1] != (0,)
        and x.dtype.kind == "f"
        and y.dtype.kind in "iu"
        and (ignore_index is None or ignore_index < 0)
    )


def _is_everyday_there(logits: Any, labels: Any) -> bool:
    """The same on a GPU, where the kernel itself finds the rows that do not count."""
    x, y = as_raw(logits), as_raw(labels)
    return (
        provider_of(x) not in (None, HOST)
        and provider_of(y) is provider_of(x)
        and fused_kernels.takes_labels(x, y, 1.0)
        and y.shape == x.shape[:1] != (0,)
    )


def cross_entropy(
    logits: Any,
    labels: Any,
    weight: Any = None,
    *,
    ignore_index: int | None = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """-weight[label] * log_softmax(logits)[label] per row; the mean divides by the sum of the weights used.

    With class probabilities p as labels: -sum_c weight[c] * p[c] * log_softmax(logits)[c]; the mean divides by the
    number of rows. Smoothing replaces p by (1 - s) * p + s / C (Szegedy et al. 2015).

    Args:
        logits: (n, C), (n, C, d1, ...) or (C,), floating point, array or Tensor.
        labels: integers in 0..C-1 without the axis of the classes, or probabilities of the shape of logits. Checked on
            the CPU only.
        weight: (C,), or None; a constant.
        ignore_index: label of rows that do not count. None says that there is none, which spares a GPU the search.
        reduction: "mean" (nan if no row counts), "sum" or "none".
        label_smoothing: s, in [0, 1].

    Returns:
        A scalar in the dtype of logits; with "none" one value per label.

    Raises:
        ShapeError: the shapes do not fit.
        DTypeError: logits are not floating point; or labels neither integers nor probabilities.
        ValueError: a label out of range, another reduction, a smoothing outside [0, 1].
        GraphError: weight is a tracked Tensor.
    """
    name = "cross_entropy"
    if weight is None and reduction == "mean" and not label_smoothing and _is_everyday(logits, labels, ignore_index):
        try:
            return softmax_cross_entropy_(logits, labels, 1 / logits.shape[0], reduce=True, ignored=None)
        except ValueError:
            pass  # a label outside the classes: one to ignore, or an error that the long way explains
    if weight is None and reduction == "mean" and not label_smoothing and _is_everyday_there(logits, labels):
        ignored = fused_kernels.NOTHING if ignore_index is None else ignore_index
        return softmax_cross_entropy(logits, labels, 1.0, reduce=True, ignored=ignored)
    with on_device(device_of(as_raw(logits))):  # labels and factors are raw arrays
        return _cross_entropy(name, logits, labels, weight, ignore_index, reduction, label_smoothing)


def _cross_entropy(
    name: str, logits: Any, labels: Any, weight: Any, ignore_index: int | None, reduction: str, label_smoothing: float
) -> Any:
    """`cross_entropy` of any arguments."""
    check_reduction(name, reduction)
    if not 0 <= label_smoothing <= 1:
        raise ValueError(f"{name}: label_smoothing must be in [0, 1], got {label_smoothing!r}")
    check_floating(name, "logits", logits)
    check_array(name, "labels", labels)
    shape = _label_shape(name, logits)
    rows = _as_rows(logits)
    classes, dtype = rows.shape[1], rows.dtype
    if weight is not None:
        weight = class_weight(name, weight, classes, dtype)
    mean = reduction == "mean"

    if labels.dtype.kind == "f" and labels.shape == logits.shape:
        if ignore_index is not None and ignore_index >= 0:
            raise ValueError(f"{name}: ignore_index={ignore_index} has no meaning for class probabilities")
        target = _as_rows(matching_target(name, logits, labels))
        scale = 1 / rows.shape[0] if mean and rows.shape[0] else 1.0
    else:
        if labels.dtype.kind == "f":
            raise DTypeError(
                f"{name}: labels of dtype {labels.dtype} must be class probabilities of the logits' shape "
                f"{logits.shape}, got shape {labels.shape}; convert class indices with labels.astype('int64')"
            )
        check_integer_labels(name, labels)
        _check_label_shape(name, logits, labels, shape)
        labels, scale, own = _row_factors(name, labels, classes, dtype, weight, ignore_index, mean)
        if not label_smoothing:
            scale = scale if own is None else scale * own
            if reduction != "none" and rows.shape[0]:
                return softmax_cross_entropy(rows, labels, scale, reduce=True)
            return _finish(softmax_cross_entropy(rows, labels, scale), reduction, shape)
        target = one_hot_(as_raw(labels), classes=classes, dtype=dtype)
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / classes
    if weight is not None:
        target = target * weight
    values = -(log_softmax_(rows, axis=(1,)) * target).sum(axis=1) * scale
    return _finish(values, reduction, shape)


def _finish(values: Any, reduction: str, shape: tuple[int, ...]) -> Any:
    """The losses of the rows, which carry the factor of a mean already, reduced or in the shape of the labels."""
    if reduction == "none":
        return values if values.shape == shape else values.reshape(shape)
    total = values.sum()
    return total * math.nan if reduction == "mean" and not values.shape[0] else total


def nll_loss(
    log_probs: Any, labels: Any, weight: Any = None, *, ignore_index: int | None = -100, reduction: str = "mean"
) -> Any:
    """-weight[label] * log_probs[label] per row; the mean divides by the sum of the weights used.

    Args:
        log_probs: (n, C), (n, C, d1, ...) or (C,), floating point, array or Tensor.
        labels: integers in 0..C-1, without the axis of the classes. Checked on the CPU only.
        weight: (C,), or None; a constant.
        ignore_index: label of rows that do not count; None says that there is none.
        reduction: "mean" (nan if no row counts), "sum" or "none".

    Returns:
        A scalar in the dtype of log_probs; with "none" one value per label.

    Raises:
        ShapeError: the shapes do not fit.
        DTypeError: log_probs are not floating point, or labels no integers.
        ValueError: a label out of range, another reduction.
        GraphError: weight is a tracked Tensor.
    """
    name = "nll_loss"
    check_reduction(name, reduction)
    check_floating(name, "log_probs", log_probs)
    check_integer_labels(name, labels)
    shape = _label_shape(name, log_probs)
    _check_label_shape(name, log_probs, labels, shape)
    rows = _as_rows(log_probs)
    mean = reduction == "mean"
    with on_device(device_of(as_raw(log_probs))):  # labels and factors are raw arrays
        if weight is not None:
            weight = class_weight(name, weight, rows.shape[1], rows.dtype)
        labels, scale, own = _row_factors(name, labels, rows.shape[1], rows.dtype, weight, ignore_index, mean)
        raw = as_raw(labels)
        xp = (provider_of(raw) or HOST).xp
        values = getitem(rows, (xp.arange(rows.shape[0]), raw)) * -(scale if own is None else scale * own)
    return _finish(values, reduction, shape)


def kl_div(input: Any, target: Any, *, reduction: str = "mean", log_target: bool = False) -> Any:
    """target * (log(target) - input), 0 where target is 0: the divergence of a model's log-probabilities.

    Args:
        input: log-probabilities, floating point, array or Tensor.
        target: probabilities of the shape of input, or their logarithms.
        reduction: "mean" over all elements, "sum", "none", or "batchmean", which divides the sum by the length of the
            first axis and is the divergence in the mathematical sense.
        log_target: target holds logarithms.

    Returns:
        A scalar in the dtype of input; with "none" an array of the shape of input.

    Raises:
        ShapeError: the shapes differ.
        DTypeError: input is not floating point.
        ValueError: another reduction.
    """
    name = "kl_div"
    check_reduction(name, reduction, (*REDUCTIONS, "batchmean"))
    target = matching_target(name, input, target)
    if log_target:
        values = exp(target) * (target - input)
    else:
        # log(1) stands in for log(0): the value 0 and its slope in `input` come out, and no nan
        values = target * (log(where(equal(target, 0), 1.0, target)) - input)
    if reduction != "batchmean":
        return reduce(values, reduction)
    n = input.shape[0] if input.ndim else 1
    return values.sum() * (1 / n if n else math.nan)
