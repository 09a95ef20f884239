"""Joining arrays along an axis that is there, or along a new one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..backend.device import common_provider, on_device, provider_of
from ..backend.recording import lift
from ..core.op import Op
from ..core.variable import Variable
from ..errors import ShapeError
from .arguments import as_operand, no_out, normalize_axis


def as_arrays(name: str, xs: Iterable[Any]) -> list[Any]:
    """Operands as they are; numbers and lists among them as arrays on the device of the others.

    Args:
        name: of the function, for errors.
        xs: arrays, Tensors, numbers, nested lists of numbers.

    Returns:
        Arrays and Tensors.

    Raises:
        TypeError: a list that holds Tensors.
        DeviceError: the operands are on different devices.
    """
    xs = list(xs)
    found = [as_operand(x) for x in xs]
    raws = [lift(x._data) if isinstance(x, Variable) else x for x in found]
    if all(provider_of(r) is not None and f is x for r, f, x in zip(raws, found, xs, strict=True)):
        return found
    given = [r for r, f, x in zip(raws, found, xs, strict=True) if f is x]
    provider, label = common_provider(name, given)
    with on_device(label):
        return [
            f if f is x and provider_of(r) is not None else provider.xp.asarray(f)
            for r, f, x in zip(raws, found, xs, strict=True)
        ]


def _keywords(dtype: Any, casting: str) -> dict[str, Any]:
    """dtype and casting, where they say anything: plain calls are quicker."""
    return {} if dtype is None and casting == "same_kind" else {"dtype": dtype, "casting": casting}


concatenate_ = Op("concatenate", lambda xp, *xs, axis, **keywords: xp.concatenate(xs, axis=axis, **keywords), saves=())


def _concatenate_vjp(needs: Any, g: Any, out: Any, *xs: Any, axis: int, **keywords: Any) -> tuple[Any, ...]:
    parts, start = [], 0
    lead = (slice(None),) * (axis % out.ndim)
    for needed, x in zip(needs, xs, strict=True):
        stop = start + x.shape[axis]
        parts.append(g[(*lead, slice(start, stop))] if needed else None)
        start = stop
    return tuple(parts)


concatenate_.defvjp_all(_concatenate_vjp)

stack_ = Op("stack", lambda xp, *xs, axis, **keywords: xp.stack(xs, axis=axis, **keywords), saves=())


def _stack_vjp(needs: Any, g: Any, out: Any, *xs: Any, axis: int, **keywords: Any) -> tuple[Any, ...]:
    lead = (slice(None),) * (axis % out.ndim)
    # the ellipsis keeps a 0-d piece an array where NumPy would hand out a scalar
    return tuple(g[(*lead, i, ...)] if needed else None for i, needed in enumerate(needs))


stack_.defvjp_all(_stack_vjp)


def concatenate(
    arrays: Sequence[Any],
    axis: int | None = 0,
    out: None = None,
    *,
    dtype: Any = None,
    casting: str = "same_kind",
) -> Any:
    """Arrays joined along an existing axis.

    Args:
        arrays: arrays, Tensors or lists, equal in shape but along `axis`.
        axis: where to join; None flattens first.
        out: not supported.
        dtype: dtype of the result; None takes the common one.
        casting: what casts to `dtype` are allowed.

    Returns:
        An array, or a Tensor where one of the arrays is.

    Raises:
        ShapeError: the shapes or the axis do not fit; nothing was given.
    """
    no_out("concatenate", out)
    xs = as_arrays("concatenate", list(arrays))
    if not xs:
        raise ShapeError("concatenate: at least one array is due")
    if axis is None:
        xs, axis = [x.reshape(-1) for x in xs], 0
    elif xs[0].ndim:
        (axis,) = normalize_axis("concatenate", axis, xs[0].ndim) or (0,)
    try:
        return concatenate_(*xs, axis=axis, **_keywords(dtype, casting))
    except ValueError as error:
        shapes = ", ".join(str(x.shape) for x in xs[:8]) + (", ..." if len(xs) > 8 else "")
        raise ShapeError(f"concatenate: shapes {shapes} do not fit along axis {axis} ({error})") from error


concat = concatenate


def stack(
    arrays: Sequence[Any], axis: int = 0, out: None = None, *, dtype: Any = None, casting: str = "same_kind"
) -> Any:
    """Arrays of one shape joined along a new axis.

    Args:
        arrays: arrays, Tensors, lists or numbers of one shape.
        axis: position of the new axis in the result.
        out: not supported.
        dtype: dtype of the result; None takes the common one.
        casting: what casts to `dtype` are allowed.

    Returns:
        An array, or a Tensor where one of the arrays is.

    Raises:
        ShapeError: the shapes differ, the axis is out of range, or nothing was given.
    """
    no_out("stack", out)
    xs = as_arrays("stack", list(arrays))
    if not xs:
        raise ShapeError("stack: at least one array is due")
    if len({x.shape for x in xs}) > 1:
        raise ShapeError(f"stack: all arrays must have one shape, got {sorted({x.shape for x in xs})}")
    (axis,) = normalize_axis("stack", axis, xs[0].ndim + 1) or (0,)
    return stack_(*xs, axis=axis, **_keywords(dtype, casting))


NUMPY = ("concatenate", "concat", "stack")
