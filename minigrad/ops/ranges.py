"""Evenly spaced values between ends that may be Tensors."""

from __future__ import annotations

from typing import Any

from ..backend.device import HOST, provider_of
from ..core.op import Op
from ..core.variable import Variable
from .arguments import as_operand
from .arrangement import moveaxis
from .shape import astype

NUMPY = ("linspace", "logspace")

_steps = Op(
    "steps",
    lambda xp, x, *, num, div: xp.arange(num, dtype=x.dtype) / div,
    saves=(),
    differentiable=False,
    doc="0, 1, ..., num - 1 over div, in the dtype of x and on its device.",
)


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
    *,
    device: Any = None,
) -> Any:
    """start + (stop - start) i / n for i = 0 .. num - 1, n = num - 1 with the endpoint and num without.

    Args:
        start: first value: a number, array or Tensor.
        stop: last value, likewise; the two broadcast.
        num: how many, >= 0.
        endpoint: whether `stop` is the last value.
        retstep: return the step as well.
        dtype: dtype of the result; None is floating point.
        axis: where the new axis goes.
        device: NumPy's argument; None or "cpu".

    Returns:
        num values along a new axis (and the step): an array, or a Tensor where an end is one.

    Raises:
        ValueError: num is negative.
    """
    if num < 0:
        raise ValueError(f"linspace: num must not be negative, got {num}")
    if not isinstance(start, Variable) and not isinstance(stop, Variable):
        xp = next((p.xp for p in map(provider_of, (start, stop)) if p is not None), HOST.xp)
        return xp.linspace(start, stop, num, endpoint, retstep, dtype, axis)
    start, stop = as_operand(start) * 1.0, as_operand(stop) * 1.0
    div = num - 1 if endpoint else num
    width = stop - start
    steps = _steps(width, num=num, div=div or 1).reshape((num,) + (1,) * width.ndim)
    values = moveaxis(start + width * steps, 0, axis)
    if dtype is not None:
        values = astype(values, dtype)
    return (values, width / div if div else width * float("nan")) if retstep else values


def logspace(
    start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0, dtype: Any = None, axis: int = 0
) -> Any:
    """base ** linspace(start, stop, num).

    Args:
        start: exponent of the first value: a number, array or Tensor.
        stop: exponent of the last, likewise.
        num: how many, >= 0.
        endpoint: whether `stop` is the last exponent.
        base: a number.
        dtype: dtype of the result; None is floating point.
        axis: where the new axis goes.

    Returns:
        num values along a new axis: an array, or a Tensor where an end is one.
    """
    values = base ** linspace(start, stop, num, endpoint, axis=axis)
    return values if dtype is None else astype(values, dtype)
