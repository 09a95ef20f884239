"""New arrays of another one's shape, dtype and device. They carry no gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.op import Op
from ..core.variable import Variable
from ..errors import DTypeError
from .arguments import as_operand
from .shape import as_shape, astype, broadcast_to, copy_


def _like(name: str) -> Op:
    return Op(name, lambda xp, x, **keywords: getattr(xp, name)(x, **keywords), saves=(), differentiable=False)


empty_like_, zeros_like_, ones_like_ = _like("empty_like"), _like("zeros_like"), _like("ones_like")


def _full_like(xp: Any, x: Any, value: Any, **keywords: Any) -> Any:
    made = xp.empty_like(x, **keywords)
    made[...] = value  # CuPy's full_like takes a single value only
    return made


full_like_ = Op("full_like", _full_like, saves=(), differentiable=False)


def _make(op: Op, args: tuple[Any, ...], dtype: Any, order: str, shape: Any, device: Any) -> Any:
    if isinstance(args[0], Variable) and dtype is not None and np.dtype(dtype).kind not in "fiub":
        raise DTypeError(f"{op.name}: Tensors hold real numbers and booleans, not {np.dtype(dtype)}")
    made = op(*args, dtype=dtype, order=order, shape=None if shape is None else as_shape(shape))
    return made if device is None else astype(made, made.dtype, copy=False, device=device)


def empty_like(
    prototype: Any, /, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Any:
    """An array like another one, with values that are not set.

    Args:
        prototype: array or Tensor.
        dtype: dtype; None takes the prototype's.
        order: memory layout.
        subok: ignored, for NumPy's sake.
        shape: shape; None takes the prototype's.
        device: label; None takes the prototype's.

    Returns:
        An array, or an untracked Tensor where the prototype is a Tensor.
    """
    return _make(empty_like_, (as_operand(prototype),), dtype, order, shape, device)


def zeros_like(
    a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Any:
    """Zeros like another array; the arguments are those of `empty_like`.

    Args:
        a: array or Tensor.
        dtype: dtype; None takes a's.
        order: memory layout.
        subok: ignored, for NumPy's sake.
        shape: shape; None takes a's.
        device: label; None takes a's.

    Returns:
        An array, or an untracked Tensor where a is a Tensor.
    """
    return _make(zeros_like_, (as_operand(a),), dtype, order, shape, device)


def ones_like(
    a: Any, dtype: Any = None, order: str = "K", subok: bool = True, shape: Any = None, *, device: Any = None
) -> Any:
    """Ones like another array; the arguments are those of `empty_like`.

    Args:
        a: array or Tensor.
        dtype: dtype; None takes a's.
        order: memory layout.
        subok: ignored, for NumPy's sake.
        shape: shape; None takes a's.
        device: label; None takes a's.

    Returns:
        An array, or an untracked Tensor where a is a Tensor.
    """
    return _make(ones_like_, (as_operand(a),), dtype, order, shape, device)


def full_like(
    a: Any,
    fill_value: Any,
    dtype: Any = None,
    order: str = "K",
    subok: bool = True,
    shape: Any = None,
    *,
    device: Any = None,
) -> Any:
    """One value in an array like another one.

    Args:
        a: array or Tensor.
        fill_value: a number or array that broadcasts to the shape; of a Tensor the gradient passes.
        dtype: dtype; None takes a's.
        order: memory layout.
        subok: ignored, for NumPy's sake.
        shape: shape; None takes a's.
        device: label; None takes a's.

    Returns:
        An array, or a Tensor where a or the value is one.
    """
    a = as_operand(a)
    if isinstance(fill_value, Variable):
        value = astype(fill_value, a.dtype if dtype is None else dtype)
        spread = broadcast_to(value, a.shape if shape is None else shape)
        return astype(copy_(spread, order="C"), spread.dtype, copy=False, device=device)
    given = fill_value if isinstance(fill_value, (int, float)) else as_operand(fill_value)
    return _make(full_like_, (a, given), dtype, order, shape, device)


NUMPY = ("empty_like", "zeros_like", "ones_like", "full_like")
