"""Products over axes and running products. Their gradients divide by nothing, so zeros are as good as other elements.

The derivative of a product by one factor is the product of the others, which a tree of pairwise products gives for
all factors in linear time. That of running products obeys a linear recurrence, which a scan over pairs solves, again
in linear time and without a loop over elements.
"""

from __future__ import annotations

from typing import Any

from ..core.op import Op
from .arguments import Axis, kept_shape, no_out
from .cumulative import along, along_only, led_by_
from .joining import concatenate_
from .moments import count
from .reduction_arguments import NO_VALUE, axes_back, axes_last, given, operand, selected, start

NUMPY = ("prod", "cumprod", "cumulative_prod")


def _others(x: Any, axis: int) -> Any:
    """For each of two or more elements the product of the others along an axis.

    Element i is paired with element i + n/2: neighbours, which sorted data make alike, do not meet before the end, so
    that products of large and of small elements alone, which overflow, stay rare.
    """
    n = x.shape[axis]
    lead = (slice(None),) * axis
    half = n // 2
    first, second, rest = slice(0, half), slice(half, 2 * half), slice(2 * half, n)
    a, b, left = x[(*lead, first)], x[(*lead, second)], x[(*lead, rest)]
    if n == 2:
        return concatenate_(b, a, axis=axis)
    pairs = a * b
    outside = _others(concatenate_(pairs, left, axis=axis) if n % 2 else pairs, axis)
    of_pairs = outside[(*lead, first)]
    parts = [of_pairs * b, of_pairs * a]
    return concatenate_(*parts, *([outside[(*lead, slice(half, None))]] if n % 2 else []), axis=axis)


prod_ = Op(
    "prod", lambda xp, x, *, axis, keepdims, dtype: x.prod(axis=axis, keepdims=keepdims, dtype=dtype), saves=(0,)
)


def _prod_vjp(g: Any, out: Any, x: Any, *, axis: Any, keepdims: bool, dtype: Any) -> Any:
    g = g.reshape(kept_shape(x.shape, axis))
    x = x if x.dtype == g.dtype else x.astype(g.dtype)
    if x.size == 0:
        return g * x
    if count(x.shape, axis) == 1:
        return g
    if axis is not None and len(axis) == 1:
        return g * _others(x, axis[0])
    flat = axes_last(x, axis)
    return g * axes_back(_others(flat, flat.ndim - 1), axis, x.shape)


prod_.defvjp(_prod_vjp)


def prod(
    a: Any,
    axis: Axis = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: bool = False,
    initial: Any = NO_VALUE,
    where: Any = True,
) -> Any:
    """The product over axes; its gradient is exact where elements are 0.

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
    a, axis, keepdims = operand("prod", a, axis, out, keepdims)
    result = prod_(selected("prod", a, where, 1), axis=axis, keepdims=keepdims, dtype=dtype)
    return result * start("prod", initial, result.dtype) if given(initial) else result


# --- running products -----------------------------------------------------------------------------------------------


def _recurrence(links: Any, b: Any, axis: int) -> Any:
    """s[0] = b[0], s[k] = links[k] * s[k - 1] + b[k] along an axis, for raw arrays."""
    n = b.shape[axis]
    if n < 2:
        return b.copy()
    lead = (slice(None),) * axis
    odd, before_odd = (*lead, slice(1, None, 2)), (*lead, slice(0, n - 1, 2))
    even, before_even = (*lead, slice(2, None, 2)), (*lead, slice(1, n - 1, 2))
    out = b.copy()
    # every second element depends on the one two places before: the same recurrence, half as long
    pairs = out[odd]
    pairs += links[odd] * b[before_odd]
    out[odd] = _recurrence(links[odd] * links[before_odd], pairs, axis)
    if n > 2:
        out[even] += links[even] * out[before_even]
    return out


def _scan(xp: Any, links: Any, b: Any, *, axis: int, reverse: bool) -> Any:
    if not reverse:
        return _recurrence(links, b, axis)
    # turned around, the link of an element is that of the next one
    lead = (slice(None),) * axis
    back = (*lead, slice(None, None, -1))
    turned = xp.empty_like(links)
    turned[(*lead, slice(0, 1))] = 0
    turned[(*lead, slice(1, None))] = links[(*lead, slice(None, 0, -1))]
    return _recurrence(turned, b[back], axis)[back]


scan_: Op = Op(
    "scan",
    _scan,
    saves=(0, "out"),
    doc="s[k] = links[k] * s[k - 1] + b[k] along an axis; with `reverse` s[k] = links[k + 1] * s[k + 1] + b[k].",
)


def _scan_vjp(needs: Any, g: Any, out: Any, links: Any, b: Any, *, axis: int, reverse: bool) -> tuple[Any, Any]:
    other = scan_(links, g, axis=axis, reverse=not reverse)
    if not needs[0]:
        return None, other
    forwards, backwards = (other, out) if reverse else (out, other)
    lead = (slice(None),) * axis
    product = forwards[(*lead, slice(None, -1))] * backwards[(*lead, slice(1, None))]
    return led_by_(product, axis=axis, value=0), other if needs[1] else None


scan_.defvjp_all(_scan_vjp)

cumprod_ = Op("cumprod", lambda xp, x, *, axis, dtype: x.cumprod(axis=axis, dtype=dtype), saves=(0, "out"))


def _cumprod_vjp(g: Any, out: Any, x: Any, *, axis: int, dtype: Any) -> Any:
    if x.size == 0:
        return g
    x = x if x.dtype == g.dtype else x.astype(g.dtype)
    before = led_by_(out[(*(slice(None),) * axis, slice(None, -1))], axis=axis, value=1)
    return before * scan_(x, g, axis=axis, reverse=True)


cumprod_.defvjp(_cumprod_vjp)


def cumprod(a: Any, axis: int | None = None, dtype: Any = None, out: Any = None) -> Any:
    """Running products: out[k] = a[0] * ... * a[k] along an axis; its gradient is exact where elements are 0.

    Args:
        a: array or Tensor.
        axis: the axis; None for the flattened array.
        dtype: dtype of the result; None follows NumPy.
        out: not supported.

    Returns:
        An array, or a Tensor where a is one, of the shape of a or flat.
    """
    no_out("cumprod", out)
    a, axis = along("cumprod", a, axis, scalars=True)
    return cumprod_(a, axis=axis, dtype=dtype)


def cumulative_prod(
    x: Any, /, *, axis: int | None = None, dtype: Any = None, out: Any = None, include_initial: bool = False
) -> Any:
    """Running products along an axis, as in the array API.

    Args:
        x: array or Tensor.
        axis: the axis; may be left out of a vector.
        dtype: dtype of the result; None follows NumPy.
        out: not supported.
        include_initial: begin with the 1 of no factor, which makes the axis longer by 1.

    Returns:
        An array, or a Tensor where x is one.

    Raises:
        ShapeError: no axis was given, and x is no vector.
    """
    x, axis = along_only("cumulative_prod", x, axis, out)
    products = cumprod_(x, axis=axis, dtype=dtype)
    return led_by_(products, axis=axis, value=1) if include_initial else products
