"""Mean, variance and standard deviation, of all elements or of those that a mask selects.

The deviation of equal elements, and of one, has gradient 0: there the root of the variance has no slope.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..core.op import Op
from .arguments import Axis, kept_shape
from .elementwise import equal, less_equal, maximum, square
from .reduction_arguments import NO_VALUE, given, mask_for, operand
from .shape import broadcast_to
from .where import where as select

NUMPY = ("mean", "var", "std")


def count(shape: tuple[int, ...], axis: tuple[int, ...] | None) -> int:
    """How many elements go into one result."""
    n = 1
    for i, length in enumerate(shape):
        n *= length if axis is None or i in axis else 1
    return n


def spread(g: Any, x: Any, axis: tuple[int, ...] | None) -> Any:
    """The gradient of a reduction over `axis`, repeated along it to the shape of x."""
    return broadcast_to(g.reshape(kept_shape(x.shape, axis)), x.shape)


mean_ = Op(
    "mean", lambda xp, x, *, axis, keepdims, dtype=None: x.mean(axis=axis, dtype=dtype, keepdims=keepdims), saves=()
)
mean_.defvjp(lambda g, out, x, *, axis, keepdims, dtype=None: spread(g / (count(x.shape, axis) or 1), x, axis))


def _center(xp: Any, x: Any, *, axis: Any) -> Any:
    if x.size == 0:
        return x.copy()
    c = x - x.mean(axis=axis, keepdims=True)
    # a mean far from 0 is rounded in digits that the differences still have: their own mean is what was lost
    c -= c.mean(axis=axis, keepdims=True)
    return c


# A projection, hence its own transpose: the rule of the variance costs no more at second order.
center_: Op = Op("center", _center, saves=(), doc="x less its mean over axes, to the last digits of the differences.")
center_.defvjp(lambda g, out, x, *, axis: center_(g, axis=axis))


def _var_vjp(g: Any, out: Any, x: Any, *, axis: Any, ddof: Any, keepdims: bool, dtype: Any = None) -> Any:
    n = count(x.shape, axis)
    scale = 2.0 / (n - ddof) if n > ddof else float("nan")  # nan as the value itself
    x = x if x.dtype == g.dtype else x.astype(g.dtype)
    return (g * scale).reshape(kept_shape(x.shape, axis)) * center_(x, axis=axis)


var_ = Op(
    "var",
    lambda xp, x, *, axis, ddof, keepdims, dtype=None: x.var(axis=axis, dtype=dtype, ddof=ddof, keepdims=keepdims),
    saves=(0,),
)
var_.defvjp(_var_vjp)

# At 0 the slope is inf, and the variance's own is 0: their product is 0, not nan, by convention.
root_: Op = Op("root", lambda xp, x: xp.sqrt(x), saves=("out",), doc="The square root, elementwise; slope 0 at 0.")


def _root_vjp(g: Any, out: Any, x: Any) -> Any:
    zero = equal(out, 0)
    return select(zero, 0.0, g * 0.5 / select(zero, 1.0, out))


root_.defvjp(_root_vjp)


# --- of the elements that a mask selects ----------------------------------------------------------------------------


def _ratio(xp: Any, total: Any, n: Any, *, message: str) -> Any:
    if xp is not np:
        return (total / n).astype(total.dtype)
    if np.any(n <= 0):
        warnings.warn(message, RuntimeWarning, stacklevel=4)
    with np.errstate(divide="ignore", invalid="ignore"):
        return (total / n).astype(total.dtype)


# A count is an integer, which would make float32 double: the quotient has the dtype of the sum.
ratio_ = Op("ratio", _ratio, saves=(1,), doc="A sum over a count; nan or inf where the count is not positive.")
ratio_.defvjp(lambda g, out, total, n, *, message: (g / select(less_equal(n, 0), 1, n)).astype(g.dtype), None)

counted_ = Op(
    "counted",
    lambda xp, mask, *, shape, axis: xp.broadcast_to(mask != 0, shape).sum(axis=axis, keepdims=True),
    saves=(),
    differentiable=False,
    doc="How many elements of an array of `shape` a mask selects over axes, which stay with length 1.",
)


def _masked_center(xp: Any, x: Any, mask: Any, *, axis: Any) -> Any:
    n = xp.maximum(xp.broadcast_to(mask != 0, x.shape).sum(axis=axis, keepdims=True), 1).astype(x.dtype)
    c = xp.where(mask, x, 0)
    c = xp.where(mask, x - c.sum(axis=axis, keepdims=True) / n, 0)
    return xp.where(mask, c - c.sum(axis=axis, keepdims=True) / n, 0)


masked_center_: Op = Op(
    "masked_center", _masked_center, saves=(1,), doc="Elements of x less the mean of those that a mask selects; else 0."
)
masked_center_.defvjp(lambda g, out, x, mask, *, axis: masked_center_(g, mask, axis=axis), None)


def _working(a: Any, dtype: Any) -> tuple[Any, Any]:
    """The dtypes that NumPy sums in and answers with, for a mean of a."""
    if dtype is not None:
        return dtype, dtype
    if a.dtype.kind in "iub":
        return np.float64, np.float64
    return (np.float32, a.dtype) if a.dtype.itemsize == 2 else (a.dtype, a.dtype)


def _finished(result: Any, dtype: Any, axis: Any, keepdims: bool, shape: tuple[int, ...]) -> Any:
    if not keepdims:
        result = result.reshape(tuple(n for i, n in enumerate(shape) if axis is not None and i not in axis))
    return result if result.dtype == dtype else result.astype(dtype)


def masked_mean(a: Any, mask: Any, axis: tuple[int, ...] | None, dtype: Any, keepdims: bool) -> Any:
    """The mean over axes of the elements that a mask selects.

    Args:
        a: array or Tensor.
        mask: booleans that broadcast to a.
        axis: axes; None for all.
        dtype: of the result; None follows NumPy.
        keepdims: keep reduced axes with length 1.

    Returns:
        An array, or a Tensor where a is one; nan where nothing is selected.
    """
    working, final = _working(a, dtype)
    total = select(mask, a, 0).sum(axis=axis, dtype=working, keepdims=True)
    n = counted_(mask, shape=a.shape, axis=axis)
    return _finished(ratio_(total, n, message="Mean of empty slice"), final, axis, keepdims, a.shape)


def masked_var(
    a: Any,
    mask: Any,
    axis: tuple[int, ...] | None,
    dtype: Any,
    ddof: float,
    keepdims: bool,
    mean: Any = NO_VALUE,
    strict: bool = False,
) -> Any:
    """The variance over axes of the elements that a mask selects.

    Args:
        a: array or Tensor.
        mask: booleans that broadcast to a; None, with `mean`, selects all.
        axis: axes; None for all.
        dtype: of the result; None follows NumPy.
        ddof: what the divisor is less than the number of elements.
        keepdims: keep reduced axes with length 1.
        mean: their mean, where it is known.
        strict: nan wherever the divisor is not positive, as np.nanvar answers; else 0/0 or x/0.

    Returns:
        An array, or a Tensor where a is one.
    """
    working, final = _working(a, dtype)
    if a.dtype != working:
        a = a.astype(working)
    if mask is None:
        n = count(a.shape, axis) - ddof
        total = square(a - mean).sum(axis=axis, dtype=working, keepdims=True)
        return _finished(total / (n if n > 0 else 0), final, axis, keepdims, a.shape)
    deviations = select(mask, a - mean, 0) if given(mean) else masked_center_(a, mask, axis=axis)
    n = counted_(mask, shape=a.shape, axis=axis) - ddof
    result = ratio_(
        square(deviations).sum(axis=axis, dtype=working, keepdims=True),
        n if strict else maximum(n, 0),
        message="Degrees of freedom <= 0 for slice",
    )
    if strict:
        result = select(less_equal(n, 0), float("nan"), result)
    return _finished(result, final, axis, keepdims, a.shape)


# --- NumPy's functions ----------------------------------------------------------------------------------------------


def mean(
    a: Any, axis: Axis = None, dtype: Any = None, out: Any = None, keepdims: bool = False, *, where: Any = True
) -> Any:
    """The mean over axes, sum(a) / n.

    Args:
        a: array or Tensor.
        axis: axis or axes to average over; None for all.
        dtype: dtype of the result; None follows NumPy.
        out: not supported.
        keepdims: keep reduced axes with length 1.
        where: booleans that broadcast to a: the elements to include.

    Returns:
        An array, or a Tensor where a is one.
    """
    a, axis, keepdims = operand("mean", a, axis, out, keepdims)
    if where is not True and given(where):
        return masked_mean(a, mask_for("mean", a, where), axis, dtype, keepdims)
    return mean_(a, axis=axis, keepdims=keepdims, dtype=dtype)


def divisor(name: str, ddof: Any, correction: Any) -> Any:
    """ddof, or the array API's name for it.

    Raises:
        ValueError: both were given.
    """
    if correction is NO_VALUE:
        return ddof
    if ddof != 0:
        raise ValueError(f"{name}: ddof and correction are two names of one number; give one of them")
    return correction


def _variance(name: str, a: Any, axis: Axis, dtype: Any, out: Any, ddof: Any, keepdims: bool, **more: Any) -> Any:
    a, axis, keepdims = operand(name, a, axis, out, keepdims)
    ddof = divisor(name, ddof, more["correction"])
    where, mean = more["where"], more["mean"]
    if given(where) or given(mean):
        mask = mask_for(name, a, where) if given(where) else None
        return masked_var(a, mask, axis, dtype, ddof, keepdims, mean)
    return var_(a, axis=axis, ddof=ddof, keepdims=keepdims, dtype=dtype)


def var(
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
    """The variance over axes, sum((a - mean)**2) / (n - ddof).

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
    more = {"where": where, "mean": mean, "correction": correction}
    return _variance("var", a, axis, dtype, out, ddof, keepdims, **more)


def std(
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
    """The standard deviation over axes, sqrt(var(a)); slope 0 where it is 0, as of one element.

    Args:
        a: array or Tensor.
        axis: axis or axes; None for all.
        dtype: dtype of the result; None follows NumPy.
        out: not supported.
        ddof: as for `var`.
        keepdims: keep reduced axes with length 1.
        where: booleans that broadcast to a: the elements to include.
        mean: the mean, if it is known, with reduced axes kept; a gradient flows to it too.
        correction: another name of ddof.

    Returns:
        An array, or a Tensor where a is one.
    """
    more = {"where": where, "mean": mean, "correction": correction}
    return root_(_variance("std", a, axis, dtype, out, ddof, keepdims, **more))
