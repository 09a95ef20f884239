"""Reductions: sums, extrema and where they are; counts and truth. Moments are in moments.py, products in
product_reductions.py.

Ties in max and min share the gradient evenly.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.op import Op
from .arguments import Axis, kept_shape
from .elementwise import equal, maximum, minimum
from .elementwise import where as select
from .moments import mean as mean
from .moments import mean_ as mean_
from .moments import spread
from .moments import std as std
from .moments import var as var
from .moments import var_ as var_
from .reduction_arguments import NO_VALUE, given, operand, selected, start

NUMPY = ("sum", "max", "amax", "min", "amin", "argmax", "argmin", "all", "any", "count_nonzero")

sum_ = Op("sum", lambda xp, x, *, axis, keepdims, dtype: x.sum(axis=axis, keepdims=keepdims, dtype=dtype), saves=())
sum_.defvjp(lambda g, out, x, *, axis, keepdims, dtype: spread(g, x, axis))


def sum(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = NO_VALUE,
    where: Any = True,
) -> Any:
    """The sum over axes.

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
    a, axis, keepdims = operand("sum", a, axis, out, keepdims)
    if where is not True:
        a = selected("sum", a, where, 0)
    result = sum_(a, axis=axis, keepdims=keepdims, dtype=dtype)
    return result if initial is NO_VALUE or initial is None else result + start("sum", initial, result.dtype)


# --- extrema --------------------------------------------------------------------------------------------------------


def _count_nonzero(xp: Any, x: Any, *, axis: Any, keepdims: bool) -> Any:
    if xp is np:
        return np.asarray(np.count_nonzero(x, axis=axis, keepdims=keepdims))[()]
    return (x != 0).sum(axis=axis, keepdims=keepdims)  # CuPy's own has no keepdims


count_nonzero_ = Op("count_nonzero", _count_nonzero, saves=(), differentiable=False)


def extremum_vjp(g: Any, out: Any, x: Any, *, axis: Any, keepdims: bool, skips_nan: bool = False) -> Any:
    """The rule of a maximum or minimum: g, shared by the elements that equal it.

    Args:
        g: gradient of the result.
        out: the result.
        x: the argument.
        axis: axes that were reduced, None for all.
        keepdims: whether g and out still have them.
        skips_nan: a result of nan means that all elements are, and none gets a gradient; else all get nan.

    Returns:
        The gradient of x.
    """
    kept = kept_shape(x.shape, axis)
    g = g.reshape(kept)
    at = equal(x, out.reshape(kept))
    ties = count_nonzero_(at, axis=axis, keepdims=True)
    share = (g / maximum(ties, 1)).astype(g.dtype)
    # where, not a product: an infinite gradient stays out of the other elements
    return select(at, share, 0.0 if skips_nan else select(equal(ties, 0), float("nan"), 0.0).astype(g.dtype))


max_ = Op("max", lambda xp, x, *, axis, keepdims: x.max(axis=axis, keepdims=keepdims), saves=(0, "out"))
max_.defvjp(extremum_vjp)

min_ = Op("min", lambda xp, x, *, axis, keepdims: x.min(axis=axis, keepdims=keepdims), saves=(0, "out"))
min_.defvjp(extremum_vjp)


def extremum(name: str, op: Op, pair: Op, a: Any, axis: Any, keepdims: bool, initial: Any, where: Any) -> Any:
    """A maximum or minimum with NumPy's `initial` and `where`.

    Args:
        name: the function, for errors.
        op: max_ or min_.
        pair: maximum or minimum.
        a: array or Tensor.
        axis: normalised axes.
        keepdims: keep reduced axes with length 1.
        initial: one more number to compare with, or NumPy's mark of no value.
        where: booleans that broadcast to a.

    Returns:
        An array, or a Tensor where a or initial is one.

    Raises:
        ValueError: `where` without `initial`.
    """
    if initial is NO_VALUE or initial is None:
        if where is not True and given(where):
            raise ValueError(f"{name}: where= may select nothing, so it needs initial= too, a value for that case")
        return op(a, axis=axis, keepdims=keepdims)
    initial = start(name, initial, a.dtype)
    if _is_empty(a.shape, axis):
        return a.sum(axis=axis, keepdims=keepdims).astype(a.dtype) + initial
    return pair(op(selected(name, a, where, initial), axis=axis, keepdims=keepdims), initial)


def _is_empty(shape: tuple[int, ...], axis: tuple[int, ...] | None) -> bool:
    """Whether a reduction over `axis` has no element for its results."""
    return 0 in (shape if axis is None else [shape[i] for i in axis])


def max(
    a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False, initial: Any = NO_VALUE, where: Any = True
) -> Any:
    """The largest element over axes; ties share the gradient evenly, nan among the elements gives nan.

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
    a, axis, keepdims = operand("max", a, axis, out, keepdims)
    return extremum("max", max_, maximum, a, axis, keepdims, initial, where)


def min(
    a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False, initial: Any = NO_VALUE, where: Any = True
) -> Any:
    """The smallest element over axes; ties share the gradient evenly, nan among the elements gives nan.

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
    a, axis, keepdims = operand("min", a, axis, out, keepdims)
    return extremum("min", min_, minimum, a, axis, keepdims, initial, where)


amax, amin = max, min

# --- where they are -------------------------------------------------------------------------------------------------

argmax_ = Op(
    "argmax", lambda xp, x, *, axis, keepdims: xp.argmax(x, axis=axis, keepdims=keepdims), saves=(),
    differentiable=False,
)  # fmt: skip
argmin_ = Op(
    "argmin", lambda xp, x, *, axis, keepdims: xp.argmin(x, axis=axis, keepdims=keepdims), saves=(),
    differentiable=False,
)  # fmt: skip


def argmax(a: Any, axis: int | None = None, out: Any = None, *, keepdims: bool = False) -> Any:
    """The index of the (first) largest element along an axis; carries no gradient.

    Args:
        a: array or Tensor.
        axis: one axis; None for the flattened array.
        out: not supported.
        keepdims: keep the reduced axis with length 1.

    Returns:
        Integers: an array, or a Tensor where a is one.
    """
    a, _, keepdims = operand("argmax", a, axis, out, keepdims)
    return argmax_(a, axis=axis, keepdims=keepdims)


def argmin(a: Any, axis: int | None = None, out: Any = None, *, keepdims: bool = False) -> Any:
    """The index of the (first) smallest element along an axis; carries no gradient.

    Args:
        a: array or Tensor.
        axis: one axis; None for the flattened array.
        out: not supported.
        keepdims: keep the reduced axis with length 1.

    Returns:
        Integers: an array, or a Tensor where a is one.
    """
    a, _, keepdims = operand("argmin", a, axis, out, keepdims)
    return argmin_(a, axis=axis, keepdims=keepdims)


# --- truth ----------------------------------------------------------------------------------------------------------

all_ = Op("all", lambda xp, x, *, axis, keepdims: xp.all(x, axis=axis, keepdims=keepdims), saves=(),
          differentiable=False)  # fmt: skip
any_ = Op("any", lambda xp, x, *, axis, keepdims: xp.any(x, axis=axis, keepdims=keepdims), saves=(),
          differentiable=False)  # fmt: skip


def all(a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False, *, where: Any = True) -> Any:
    """Whether all elements over axes are true (not 0); carries no gradient.

    Args:
        a: array or Tensor.
        axis: axis or axes; None for all.
        out: not supported.
        keepdims: keep reduced axes with length 1.
        where: booleans that broadcast to a: the elements to look at.

    Returns:
        Booleans: an array, or a Tensor where a is one.
    """
    a, axis, keepdims = operand("all", a, axis, out, keepdims)
    return all_(selected("all", a, where, 1), axis=axis, keepdims=keepdims)


def any(a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False, *, where: Any = True) -> Any:
    """Whether any element over axes is true (not 0); carries no gradient.

    Args:
        a: array or Tensor.
        axis: axis or axes; None for all.
        out: not supported.
        keepdims: keep reduced axes with length 1.
        where: booleans that broadcast to a: the elements to look at.

    Returns:
        Booleans: an array, or a Tensor where a is one.
    """
    a, axis, keepdims = operand("any", a, axis, out, keepdims)
    return any_(selected("any", a, where, 0), axis=axis, keepdims=keepdims)


def count_nonzero(a: Any, axis: Axis = None, *, keepdims: bool = False) -> Any:
    """How many elements over axes are not 0; carries no gradient.

    Args:
        a: array or Tensor.
        axis: axis or axes; None for all.
        keepdims: keep reduced axes with length 1.

    Returns:
        Integers: an array, or a Tensor where a is one.
    """
    a, axis, keepdims = operand("count_nonzero", a, axis, None, keepdims)
    return count_nonzero_(a, axis=axis, keepdims=keepdims)
