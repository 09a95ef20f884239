"""Running sums."""

from __future__ import annotations

from typing import Any

from ..core.op import Op
from ..errors import ShapeError
from .arguments import as_operand, no_out, normalize_axis
from .shape import reshape

NUMPY = ("cumsum", "cumulative_sum")


def _cumsum(xp: Any, x: Any, *, axis: int, dtype: Any = None, reverse: bool = False) -> Any:
    if not reverse:
        return x.cumsum(axis=axis, dtype=dtype)
    back = (slice(None),) * axis + (slice(None, None, -1),)
    return x[back].cumsum(axis=axis, dtype=dtype)[back]


cumsum_: Op = Op("cumsum", _cumsum, saves=(), doc="Running sums along an axis, from its end with `reverse`.")
cumsum_.defvjp(lambda g, out, x, *, axis, dtype=None, reverse=False: cumsum_(g, axis=axis, reverse=not reverse))


def along(name: str, a: Any, axis: Any, scalars: bool = False) -> tuple[Any, int]:
    """The array and the axis of a function that works along one axis; without an axis the flattened array.

    With `scalars` 0-d arrays may have an axis too, as in NumPy's running sums and products.

    Raises:
        TypeError: the axis is a tuple.
    """
    a = as_operand(a)
    if axis is None or (scalars and a.ndim == 0 and axis in (0, -1)):
        return reshape(a, -1), 0
    if isinstance(axis, (tuple, list)):
        raise TypeError(f"{name}: axis must be an integer or None, got {axis!r}")
    return a, normalize_axis(name, axis, a.ndim)[0]  # type: ignore[index]


def cumsum(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    """Running sums: out[k] = a[0] + ... + a[k] along an axis.

    Args:
        a: array or Tensor.
        axis: the axis; None for the flattened array.
        dtype: dtype of the result; None follows NumPy.
        out: not supported.

    Returns:
        An array, or a Tensor where a is one, of the shape of a or flat.
    """
    no_out("cumsum", out)
    a, axis = along("cumsum", a, axis, scalars=True)
    return cumsum_(a, axis=axis, dtype=dtype)


def along_only(name: str, x: Any, axis: int | None, out: Any) -> tuple[Any, int]:
    """`along` for the array API's running sums and products, where only vectors may leave the axis out.

    Raises:
        ShapeError: it was left out of an array that is no vector.
    """
    no_out(name, out)
    x = as_operand(x)
    if axis is None and x.ndim != 1:
        raise ShapeError(f"{name}: an array with {x.ndim} dimension(s) needs axis=; only vectors may go without")
    return along(name, x, 0 if axis is None else axis, scalars=True)


def cumulative_sum(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, out: Any = None, include_initial: bool = False
) -> Any:
    """Running sums along an axis, as in the array API.

    Args:
        x: array or Tensor.
        axis: the axis; may be left out of a vector.
        dtype: dtype of the result; None follows NumPy.
        out: not supported.
        include_initial: begin with the 0 of no summand, which makes the axis longer by 1.

    Returns:
        An array, or a Tensor where x is one.

    Raises:
        ShapeError: no axis was given, and x is no vector.
    """
    x, axis = along_only("cumulative_sum", x, axis, out)
    sums = cumsum_(x, axis=axis, dtype=dtype)
    return led_by_(sums, axis=axis, value=0) if include_initial else sums


def _led_by(xp: Any, x: Any, *, axis: int, value: float) -> Any:
    shape = (*x.shape[:axis], x.shape[axis] + 1, *x.shape[axis + 1 :])
    out = xp.empty(shape, x.dtype)
    lead = (slice(None),) * axis
    out[(*lead, slice(0, 1))] = value
    out[(*lead, slice(1, None))] = x
    return out


led_by_ = Op("led_by", _led_by, saves=(), doc="x with one more entry in front along an axis, all of one value.")
led_by_.defvjp(lambda g, out, x, *, axis, value: g[(*(slice(None),) * axis, slice(1, None))])
