"""contract_: the product of two arrays summed over some of their axes, which dot, tensordot and einsum come down to.

Axes are named by labels, as in einsum. The gradients are contractions again: of the cotangent with the other array.
"""

from __future__ import annotations

import math
import string
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from ..backend import gemm
from ..core.op import Op
from .reduce import sum_
from .shape import reshape_

Labels = tuple[int, ...]

# Where NumPy's einsum loops beat BLAS, which np.matmul calls once a matrix at about 60 ns a call.
_SHORT_ROW = 16  # inner products of many short rows
_SMALL_MATRIX = 512  # multiplications a matrix, where the fastest axis counts the matrices


class _Plan(NamedTuple):
    """How to bring x to (batch, rows, inner), y to (batch, inner, columns) and the product to the output's order."""

    batch: Labels
    rows: Labels
    inner: Labels
    columns: Labels
    x_axes: tuple[int, ...]
    y_axes: tuple[int, ...]
    out_axes: tuple[int, ...]
    out_labels: Labels
    x_index: tuple[Any, ...]
    y_index: tuple[Any, ...]
    subscripts: str  # the same for np.einsum; empty where its alphabet is too short


@lru_cache(maxsize=1024)
def _plan(xl: Labels, yl: Labels, ol: Labels, x_leads: bool) -> _Plan:
    batch = tuple(n for n in xl if n in yl and n in ol)
    rows = tuple(n for n in xl if n not in yl)
    columns = tuple(n for n in yl if n not in xl)
    # the larger operand keeps the order of its axes, so that the smaller one is copied where one must be
    inner = tuple(n for n in (xl if x_leads else yl) if n in xl and n in yl and n not in ol)
    if inner:
        x_order, y_order, made = batch + rows + inner, batch + inner + columns, batch + rows + columns
    else:  # an elementwise product: axes in the order of the output, missing ones of length 1
        x_order, y_order, made = tuple(n for n in ol if n in xl), tuple(n for n in ol if n in yl), ol
    letters = dict(zip(dict.fromkeys(xl + yl), string.ascii_letters, strict=False))
    short = len(letters) == len(set(xl + yl))
    named = ["".join(letters[n] for n in labels) for labels in (xl, yl, ol)] if short else []
    return _Plan(
        batch,
        rows,
        inner,
        columns,
        tuple(xl.index(n) for n in x_order),
        tuple(yl.index(n) for n in y_order),
        tuple(made.index(n) for n in ol),
        made,
        tuple(slice(None) if n in xl else None for n in ol),
        tuple(slice(None) if n in yl else None for n in ol),
        "{},{}->{}".format(*named) if short else "",
    )


def _contract(xp: Any, x: Any, y: Any, *, xl: Labels, yl: Labels, ol: Labels) -> Any:
    plan = _plan(xl, yl, ol, x.size >= y.size)
    a, b = x.transpose(plan.x_axes), y.transpose(plan.y_axes)
    if not plan.inner:
        return a[plan.x_index] * b[plan.y_index]
    first, second, third = len(plan.batch), len(plan.batch) + len(plan.rows), len(plan.batch) + len(plan.inner)
    batch, rows, inner, columns = a.shape[:first], a.shape[first:second], a.shape[second:], b.shape[third:]
    m, k, n = math.prod(rows), math.prod(inner), math.prod(columns)
    if not batch:
        if xp is np and m == n == 1:
            made = np.dot(a.reshape(k), b.reshape(k))
        else:
            made = gemm.matmul(a.reshape(m, k), b.reshape(k, n))
    elif xp is np and plan.subscripts and _loops_win(a.strides, b.strides, x.itemsize, first, third, m, k, n):
        return np.einsum(plan.subscripts, x, y)
    elif xp is not np and m == n == 1:
        made = (a.reshape(*batch, k) * b.reshape(*batch, k)).sum(axis=-1)  # fit for a stream that captures
    else:
        made = xp.matmul(a.reshape(*batch, m, k), b.reshape(*batch, k, n))
    return made.reshape(batch + rows + columns).transpose(plan.out_axes)


def _loops_win(a: tuple[int, ...], b: tuple[int, ...], item: int, batch: int, end: int, m: int, k: int, n: int) -> bool:
    """Whether np.einsum is faster than np.matmul for operands of these strides, batch axes first."""
    if m == n == 1:
        return k <= _SHORT_ROW or a[-1] != item or b[end - 1] != item
    return m * n * k <= _SMALL_MATRIX and a[batch - 1] == b[batch - 1] == item


contract_ = Op("contract", _contract, saves=(0, 1))
contract_.defvjp(
    lambda g, out, x, y, *, xl, yl, ol: contract_(g, y, xl=ol, yl=yl, ol=xl),
    lambda g, out, x, y, *, xl, yl, ol: contract_(g, x, xl=ol, yl=xl, ol=yl),
)


def contract(x: Any, xl: Labels, y: Any, yl: Labels, ol: Labels) -> Any:
    """sum x y over the labels that are not in the output.

    Axes of length 1 broadcast against longer ones of the same label.

    Args:
        x: array or Tensor.
        xl: one label per axis of x, each once.
        y: array or Tensor.
        yl: its labels.
        ol: labels of the result, all from xl and yl, each once.

    Returns:
        An array, or a Tensor where an operand is one.
    """
    left, right = _prepared(xl, x.shape, yl, y.shape, ol)
    x, y = left.apply(x), right.apply(y)
    return contract_(x, y, xl=left.labels, yl=right.labels, ol=ol)


class Reduced(NamedTuple):
    """What is done to an operand before a product: axes of length 1 that broadcast are dropped, others summed.

    shape: without the former; None where there are none.
    alone: the axes of it that are in no other array.
    labels: of what is left.
    """

    shape: tuple[int, ...] | None
    alone: tuple[int, ...]
    labels: Labels

    def apply(self, x: Any) -> Any:
        if self.shape is not None:
            x = reshape_(x, shape=self.shape)
        if self.alone:
            x = sum_(x, axis=self.alone, keepdims=False, dtype=None if x.dtype.kind == "f" else x.dtype)
        return x


def reduction(labels: Labels, shape: tuple[int, ...], lengths: dict[int, int], wanted: Iterable[int]) -> Reduced:
    """What is to be done to an operand of a product.

    Args:
        labels: its labels, each once.
        shape: its shape.
        lengths: length of each label in the whole product.
        wanted: labels that are left in other arrays, or in the result.

    Returns:
        The steps.
    """
    kept = [(n, length) for n, length in zip(labels, shape, strict=True) if length == lengths[n]]
    wanted = frozenset(wanted)
    return Reduced(
        None if len(kept) == len(labels) else tuple(length for _, length in kept),
        tuple(i for i, (n, _) in enumerate(kept) if n not in wanted),
        tuple(n for n, _ in kept if n in wanted),
    )


@lru_cache(maxsize=1024)
def _prepared(
    xl: Labels, x_shape: tuple[int, ...], yl: Labels, y_shape: tuple[int, ...], ol: Labels
) -> tuple[Reduced, Reduced]:
    lengths = dict(zip(yl, y_shape, strict=True))
    for label, length in zip(xl, x_shape, strict=True):
        if length != 1 or label not in lengths:
            lengths[label] = length
    left, right = (
        [n for n, length in zip(labels, shape, strict=True) if length == lengths[n]]
        for labels, shape in ((xl, x_shape), (yl, y_shape))
    )
    return reduction(xl, x_shape, lengths, (*right, *ol)), reduction(yl, y_shape, lengths, (*left, *ol))
