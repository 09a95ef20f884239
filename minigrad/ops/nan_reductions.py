"""Reductions that skip nan: the elements that are nan get the gradient 0, and where all are, there is none."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.op import Op
from .arguments import Axis, as_operand
from .cumulative import cumsum
from .elementwise import equal, maximum, minimum, not_equal
from .elementwise import where as select
from .moments import divisor, masked_mean, masked_var, root_
from .moments import mean as _mean
from .moments import std as _std
from .moments import var as _var
from .product_reductions import cumprod, prod
from .reduce import extremum, extremum_vjp, max_, min_
from .reduce import sum as _sum
from .reduction_arguments import NO_VALUE, given, mask_for, operand

NUMPY = (
    "nansum", "nanprod", "nanmean", "nanvar", "nanstd", "nanmax", "nanmin", "nanargmax", "nanargmin",
    "nancumsum", "nancumprod",
)  # fmt: skip


def _filled(a: Any, value: float) -> Any:
    """a with a number in the place of nan."""
    a = as_operand(a)
    return select(not_equal(a, a), value, a) if a.dtype.kind == "f" else a


def _valid(name: str, a: Any, where: Any) -> Any:
    """Where a is a number and `where` selects it."""
    valid = equal(a, a)
    return select(mask_for(name, a, where), valid, False) if given(where) else valid


def nansum(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = NO_VALUE,
    where: Any = True,
) -> Any:
    """The sum over axes, nan counted as 0.

    Args:
        a: array or Tensor.
        axis: axis or axes to sum over; None for all.
        dtype: dtype of the result; None follows NumPy.
        out: not supported.
        keepdims: keep reduced axes with length 1.
        initial: a number to start from.
        where: booleans that broadcast to a: the elements to include.

    Returns:
        An array, or a Tensor where a is one.
    """
    return _sum(_filled(a, 0), axis, dtype, out, keepdims, initial, where)


def nanprod(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = NO_VALUE,
    where: Any = True,
) -> Any:
    """The product over axes, nan counted as 1.

    Args:
        a: array or Tensor.
        axis: axis or axes to multiply over; None for all.
        dtype: dtype of the result; None follows NumPy.
        out: not supported.
        keepdims: keep reduced axes with length 1.
        initial: a number to start from.
        where: booleans that broadcast to a: the elements to include.

    Returns:
        An array, or a Tensor where a is one.
    """
    return prod(_filled(a, 1), axis, dtype, out, keepdims, initial, where)


def nancumsum(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    """Running sums along an axis, nan counted as 0.

    Args:
        a: array or Tensor.
        axis: the axis; None for the flattened array.
        dtype: dtype of the result; None follows NumPy.
        out: not supported.

    Returns:
        An array, or a Tensor where a is one.
    """
    return cumsum(_filled(a, 0), axis, dtype, out)


def nancumprod(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    """Running products along an axis, nan counted as 1.

    Args:
        a: array or Tensor.
        axis: the axis; None for the flattened array.
        dtype: dtype of the result; None follows NumPy.
        out: not supported.

    Returns:
        An array, or a Tensor where a is one.
    """
    return cumprod(_filled(a, 1), axis, dtype, out)


# --- moments --------------------------------------------------------------------------------------------------------


def nanmean(
    a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, keepdims: bool = False, *, where: Any = True
) -> Any:
    """The mean over axes of what is not nan; nan where nothing is left.

    Args:
        a: array or Tensor.
        axis: axis or axes; None for all.
        dtype: dtype of the result; None follows NumPy.
        out: not supported.
        keepdims: keep reduced axes with length 1.
        where: booleans that broadcast to a: the elements to include.

    Returns:
        An array, or a Tensor where a is one.
    """
    a, axes, keepdims = operand("nanmean", a, axis, out, keepdims)
    if a.dtype.kind != "f":
        return _mean(a, axis, dtype, keepdims=keepdims, where=where)
    return masked_mean(a, _valid("nanmean", a, where), axes, dtype, keepdims)


def nanvar(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Any = True,
    mean: Any = NO_VALUE,
    correction: Any = NO_VALUE,
) -> Any:
    """The variance over axes of what is not nan; nan where no more than `ddof` elements are left.

    Args:
        a: array or Tensor.
        axis: axis or axes; None for all.
        dtype: dtype of the result; None follows NumPy.
        out: not supported.
        ddof: 0 for the population variance (NumPy's default), 1 for the sample variance.
        keepdims: keep reduced axes with length 1.
        where: booleans that broadcast to a: the elements to include.
        mean: the mean, if it is known, with reduced axes kept; a gradient flows to it too.
        correction: another name of ddof.

    Returns:
        An array, or a Tensor where a is one.
    """
    a, axes, keepdims = operand("nanvar", a, axis, out, keepdims)
    ddof = divisor("nanvar", ddof, correction)
    if a.dtype.kind != "f":
        return _var(a, axis, dtype, None, ddof, keepdims, where=where, mean=mean)
    return masked_var(a, _valid("nanvar", a, where), axes, dtype, ddof, keepdims, mean, strict=True)


def nanstd(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: Any = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    where: Any = True,
    mean: Any = NO_VALUE,
    correction: Any = NO_VALUE,
) -> Any:
    """The standard deviation over axes of what is not nan, sqrt(nanvar(a)); slope 0 where it is 0.

    Args:
        a: array or Tensor.
        axis: axis or axes; None for all.
        dtype: dtype of the result; None follows NumPy.
        out: not supported.
        ddof: as for `nanvar`.
        keepdims: keep reduced axes with length 1.
        where: booleans that broadcast to a: the elements to include.
        mean: the mean, if it is known, with reduced axes kept; a gradient flows to it too.
        correction: another name of ddof.

    Returns:
        An array, or a Tensor where a is one.
    """
    a = as_operand(a)
    more = {"where": where, "mean": mean, "correction": correction}
    if a.dtype.kind != "f":
        return _std(a, axis, dtype, out, ddof, keepdims, **more)
    return root_(nanvar(a, axis, dtype, out, ddof, keepdims, **more))


# --- extrema --------------------------------------------------------------------------------------------------------


def _nan_extremum(numpy_one: Any, method: str, worst: float) -> Any:
    def forward(xp: Any, x: Any, *, axis: Any, keepdims: bool) -> Any:
        if xp is np:
            return numpy_one(x, axis=axis, keepdims=keepdims)
        # CuPy's own waits for the device to warn of slices that are all nan
        nothing = xp.isnan(x)
        found = getattr(xp.where(nothing, worst, x), method)(axis=axis, keepdims=keepdims)
        return xp.where(nothing.all(axis=axis, keepdims=keepdims), float("nan"), found)

    return forward


nanmax_ = Op("nanmax", _nan_extremum(np.nanmax, "max", -np.inf), saves=(0, "out"))
nanmax_.defvjp(lambda g, out, x, **params: extremum_vjp(g, out, x, **params, skips_nan=True))

nanmin_ = Op("nanmin", _nan_extremum(np.nanmin, "min", np.inf), saves=(0, "out"))
nanmin_.defvjp(lambda g, out, x, **params: extremum_vjp(g, out, x, **params, skips_nan=True))


def _extremum(
    name: str, ops: tuple[Op, Op, Op], a: Any, axis: Axis, out: Any, keepdims: Any, initial: Any, where: Any
) -> Any:
    a, axis, keepdims = operand(name, a, axis, out, keepdims)
    skipping, plain, pair = ops
    if a.dtype.kind != "f":
        return extremum(name, plain, pair, a, axis, keepdims, initial, where)
    if given(initial):
        return extremum(name, plain, pair, a, axis, keepdims, initial, _valid(name, a, where))
    return extremum(name, skipping, pair, a, axis, keepdims, initial, where)


def nanmax(
    a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False, initial: Any = NO_VALUE, where: Any = True
) -> Any:
    """The largest element over axes that is not nan; ties share the gradient evenly. nan where all are.

    Args:
        a: array or Tensor, not empty along the axes unless `initial` is given.
        axis: axis or axes; None for all.
        out: not supported.
        keepdims: keep reduced axes with length 1.
        initial: one more number to compare with; it takes half of the gradient in a tie.
        where: booleans that broadcast to a: the elements to include; needs `initial`.

    Returns:
        An array, or a Tensor where a is one.
    """
    return _extremum("nanmax", (nanmax_, max_, maximum), a, axis, out, keepdims, initial, where)


def nanmin(
    a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False, initial: Any = NO_VALUE, where: Any = True
) -> Any:
    """The smallest element over axes that is not nan; ties share the gradient evenly. nan where all are.

    Args:
        a: array or Tensor, not empty along the axes unless `initial` is given.
        axis: axis or axes; None for all.
        out: not supported.
        keepdims: keep reduced axes with length 1.
        initial: one more number to compare with; it takes half of the gradient in a tie.
        where: booleans that broadcast to a: the elements to include; needs `initial`.

    Returns:
        An array, or a Tensor where a is one.
    """
    return _extremum("nanmin", (nanmin_, min_, minimum), a, axis, out, keepdims, initial, where)


def _nan_position(numpy_one: Any, name: str, worst: float) -> Op:
    def forward(xp: Any, x: Any, *, axis: Any, keepdims: bool) -> Any:
        if xp is np:
            return numpy_one(x, axis=axis, keepdims=keepdims)
        filled = xp.where(xp.isnan(x), worst, x) if x.dtype.kind == "f" else x
        return getattr(xp, name.removeprefix("nan"))(filled, axis=axis, keepdims=keepdims)

    return Op(name, forward, saves=(), differentiable=False)


nanargmax_ = _nan_position(np.nanargmax, "nanargmax", -np.inf)
nanargmin_ = _nan_position(np.nanargmin, "nanargmin", np.inf)


def nanargmax(a: Any, axis: int | None = None, out: Any = None, *, keepdims: bool = False) -> Any:
    """The index of the (first) largest element along an axis that is not nan; carries no gradient.

    Args:
        a: array or Tensor.
        axis: one axis; None for the flattened array.
        out: not supported.
        keepdims: keep the reduced axis with length 1.

    Returns:
        Integers: an array, or a Tensor where a is one.

    Raises:
        ValueError: all elements of a slice are nan, on the CPU only (a look at the values would stall a device).
    """
    a, _, keepdims = operand("nanargmax", a, axis, out, keepdims)
    return nanargmax_(a, axis=axis, keepdims=keepdims)


def nanargmin(a: Any, axis: int | None = None, out: Any = None, *, keepdims: bool = False) -> Any:
    """The index of the (first) smallest element along an axis that is not nan; carries no gradient.

    Args:
        a: array or Tensor.
        axis: one axis; None for the flattened array.
        out: not supported.
        keepdims: keep the reduced axis with length 1.

    Returns:
        Integers: an array, or a Tensor where a is one.

    Raises:
        ValueError: all elements of a slice are nan, on the CPU only (a look at the values would stall a device).
    """
    a, _, keepdims = operand("nanargmin", a, axis, out, keepdims)
    return nanargmin_(a, axis=axis, keepdims=keepdims)
