"""Differences of neighbours, numerical derivatives and integrals by the trapezoidal rule."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.op import Op
from ..errors import ShapeError
from .arguments import as_operand, normalize_axis
from .elementwise import not_equal
from .joining import as_arrays, concatenate_
from .reduction_arguments import NO_VALUE
from .shape import broadcast_to, reshape

NUMPY = ("diff", "ediff1d", "gradient", "trapezoid")


def _part(axis: int, *bounds: int | None) -> tuple[slice, ...]:
    """The index of a slice along one axis."""
    return (*(slice(None),) * axis, slice(*bounds))


diff_: Op = Op(
    "diff",
    lambda xp, x, *, axis: x[_part(axis, 1, None)] - x[_part(axis, None, -1)],
    saves=(),
    doc="Differences of neighbours along an axis.",
)


def _undiff(xp: Any, g: Any, *, axis: int) -> Any:
    n = g.shape[axis]
    out = xp.empty((*g.shape[:axis], n + 1, *g.shape[axis + 1 :]), g.dtype)
    out[_part(axis, 1, n + 1)] = g
    out[_part(axis, 0, 1)] = 0
    out[_part(axis, 0, n)] -= g
    return out


# 0 - g, not -g, at the first element: the sign of a zero is then that of every other one.
undiff_: Op = Op("undiff", _undiff, saves=(), doc="The transpose of diff: -diff of g with a 0 at either end.")
diff_.defvjp(lambda g, out, x, *, axis: undiff_(g, axis=axis) if x.shape[axis] else g)
undiff_.defvjp(lambda g, out, x, *, axis: diff_(g, axis=axis))


def diff(a: Any, n: int = 1, axis: int = -1, prepend: Any = NO_VALUE, append: Any = NO_VALUE) -> Any:
    """Differences of neighbours along an axis, out[k] = a[k + 1] - a[k], taken n times.

    Args:
        a: array or Tensor; booleans give whether neighbours differ.
        n: how often.
        axis: the axis.
        prepend: what to put in front of a first: a number, or an array that is as long as a but along the axis.
        append: likewise after it.

    Returns:
        An array, or a Tensor where an argument is one, n shorter along the axis.

    Raises:
        ValueError: n is negative, or a is 0-d.
    """
    if n == 0:
        return a
    if n < 0:
        raise ValueError(f"diff: n must not be negative, got {n!r}")
    a = as_operand(a)
    if a.ndim == 0:
        raise ShapeError("diff: at least one dimension is due, got a 0-d array")
    (axis,) = normalize_axis("diff", axis, a.ndim) or (0,)
    ends = {"prepend": prepend, "append": append}
    arrays = as_arrays("diff", [a, *(e for e in ends.values() if e is not NO_VALUE)])
    if len(arrays) > 1:
        one = (*a.shape[:axis], 1, *a.shape[axis + 1 :])
        whole, *rest = [x if x.ndim else broadcast_to(x, one) for x in arrays]
        if prepend is not NO_VALUE:
            rest.insert(1, whole)
        else:
            rest.insert(0, whole)
        try:
            a = concatenate_(*rest, axis=axis)
        except ValueError as error:
            raise ShapeError(
                f"diff: arrays of shapes {', '.join(str(x.shape) for x in rest)} do not fit along axis {axis}"
            ) from error
    for _ in range(n):
        booleans = a.dtype.kind == "b"
        a = not_equal(a[_part(axis, 1, None)], a[_part(axis, None, -1)]) if booleans else diff_(a, axis=axis)
    return a


def ediff1d(ary: Any, to_end: Any = None, to_begin: Any = None) -> Any:
    """Differences of neighbours in the flattened array.

    Args:
        ary: array or Tensor.
        to_end: numbers to put after them, cast to the dtype of ary.
        to_begin: numbers to put in front of them.

    Returns:
        A vector: an array, or a Tensor where an argument is one.

    Raises:
        TypeError: numbers that cannot be cast.
    """
    arrays = as_arrays("ediff1d", [x for x in (ary, to_begin, to_end) if x is not None])
    flat = [reshape(x, -1) for x in arrays]
    for x in flat[1:]:
        if not np.can_cast(x.dtype, flat[0].dtype, casting="same_kind"):
            raise TypeError(f"ediff1d: to_begin and to_end must cast to {flat[0].dtype}, got {x.dtype}")
    core, *ends = [x if x.dtype == flat[0].dtype else x.astype(flat[0].dtype) for x in flat]
    core = diff_(core, axis=0)
    if not ends:
        return core
    parts = [core, *ends] if to_begin is None else [ends[0], core, *ends[1:]]
    return concatenate_(*parts, axis=0)


# --- numerical derivatives ------------------------------------------------------------------------------------------


def _is_number(x: Any) -> bool:
    return (x.ndim if hasattr(x, "ndim") else np.ndim(x)) == 0


def _spacings(f: Any, varargs: tuple[Any, ...], axes: tuple[int, ...]) -> list[Any]:
    """For each axis one spacing, or the differences of its coordinates.

    Raises:
        TypeError, ShapeError: their number or their shapes do not fit.
    """
    if not varargs:
        return [1.0] * len(axes)
    if len(varargs) == 1 and _is_number(varargs[0]):
        return list(varargs) * len(axes)
    if len(varargs) != len(axes):
        raise TypeError(
            f"gradient: {len(varargs)} spacings for {len(axes)} axes; give none, one number, or one per axis"
        )
    found = []
    for spacing, axis in zip(varargs, axes, strict=True):
        if _is_number(spacing):
            found.append(spacing)
            continue
        x = as_arrays("gradient", (f, spacing))[1]
        if x.shape != (f.shape[axis],):
            raise ShapeError(f"gradient: {f.shape[axis]} coordinates are due along axis {axis}, got shape {x.shape}")
        found.append(diff_(x.astype(np.float64) if x.dtype.kind in "iu" else x, axis=0))
    return found


def _slopes(f: Any, h: Any, axis: int, edge_order: int) -> Any:
    """The numerical derivative along one axis for a spacing, or the differences of coordinates."""
    ndim = f.ndim

    def at(*bounds: int | None) -> Any:
        return f[_part(axis, *bounds)]

    def along(x: Any) -> Any:
        return reshape(x, (*(1,) * axis, -1, *(1,) * (ndim - axis - 1)))

    def three(a: Any, b: Any, c: Any, start: int) -> Any:
        """a, b and c times three elements, the first three or the last."""
        return a * at(start, start + 1) + b * at(start + 1, start + 2) + c * at(start + 2, start + 3 or None)

    even = _is_number(h)
    if even:
        inner = (at(2, None) - at(None, -2)) / (2.0 * h)
        first, last = h, h
    else:
        d1, d2 = h[:-1], h[1:]
        inner = (
            along(-d2 / (d1 * (d1 + d2))) * at(None, -2)
            + along((d2 - d1) / (d1 * d2)) * at(1, -1)
            + along(d1 / (d2 * (d1 + d2))) * at(2, None)
        )
        first, last = along(h[:1]), along(h[-1:])
    if edge_order == 1:
        return concatenate_((at(1, 2) - at(0, 1)) / first, inner, (at(-1, None) - at(-2, -1)) / last, axis=axis)
    if even:
        low = three(-1.5 / h, 2.0 / h, -0.5 / h, 0)
        high = three(0.5 / h, -2.0 / h, 1.5 / h, -3)
    else:
        d1, d2 = along(h[:1]), along(h[1:2])
        low = three(-(2.0 * d1 + d2) / (d1 * (d1 + d2)), (d1 + d2) / (d1 * d2), -d1 / (d2 * (d1 + d2)), 0)
        d1, d2 = along(h[-2:-1]), along(h[-1:])
        high = three(d2 / (d1 * (d1 + d2)), -(d2 + d1) / (d1 * d2), (2.0 * d2 + d1) / (d2 * (d1 + d2)), -3)
    return concatenate_(low, inner, high, axis=axis)


def gradient(f: Any, *varargs: Any, axis: int | tuple[int, ...] | None = None, edge_order: int = 1) -> Any:
    """Numerical derivatives of sampled values: central differences inside, one-sided ones at the ends.

    Args:
        f: array or Tensor of samples.
        *varargs: spacings: none for 1, one number for all axes, or per axis a number or the coordinates, (n,). A
            gradient flows to them too.
        axis: axis or axes; None for all.
        edge_order: 1 or 2, the order of accuracy at the ends.

    Returns:
        The derivative along the axis, of the shape of f; for several axes a tuple. An array, or a Tensor where an
        argument is one.

    Raises:
        ShapeError: fewer than edge_order + 1 samples along an axis.
        ValueError, TypeError: an argument does not fit.
    """
    f = as_operand(f)
    axes = tuple(range(f.ndim)) if axis is None else normalize_axis("gradient", axis, f.ndim) or ()
    spacings = _spacings(f, varargs, axes)
    if edge_order > 2:
        raise ValueError(f"gradient: edge_order must be 1 or 2, got {edge_order!r}")
    if f.dtype.kind in "iu":
        f = f.astype(np.float64)
    found = []
    for i, h in zip(axes, spacings, strict=True):
        if f.shape[i] < edge_order + 1:
            raise ShapeError(
                f"gradient: edge_order={edge_order} needs {edge_order + 1} samples along axis {i} of {f.shape}"
            )
        slopes = _slopes(f, h, i, edge_order)
        found.append(slopes if slopes.dtype == f.dtype else slopes.astype(f.dtype))
    return found[0] if len(found) == 1 else tuple(found)


def trapezoid(y: Any, x: Any = None, dx: Any = 1.0, axis: int = -1) -> Any:
    """The integral by the trapezoidal rule, sum((x[k + 1] - x[k]) * (y[k + 1] + y[k]) / 2) along an axis.

    Args:
        y: samples: array or Tensor.
        x: their coordinates, (n,) or of the shape of y; a gradient flows to them too.
        dx: their distance, where x is None.
        axis: the axis.

    Returns:
        The shape of y without the axis: an array, or a Tensor where an argument is one.
    """
    if x is not None:
        y, x = as_arrays("trapezoid", (y, x))
    y = as_operand(y)
    (axis,) = normalize_axis("trapezoid", axis, y.ndim) or (0,)
    d = dx
    if x is not None and x.ndim == 1:
        d = reshape(diff_(x, axis=0), (*(1,) * axis, -1, *(1,) * (y.ndim - axis - 1)))
    elif x is not None:
        d = diff(x, axis=axis - y.ndim)
    pairs = y[_part(axis, 1, None)] + y[_part(axis, None, -1)]
    return (d * pairs / 2.0).sum(axis=axis)
