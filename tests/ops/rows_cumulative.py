"""Rows of minigrad.ops.cumulative and minigrad.ops.product_reductions."""

from __future__ import annotations

from typing import Any

import numpy as np
from draws import torch_function as th
from rows_reduce import KEEP, axes_of

from minigrad.ops import cumulative
from minigrad.ops import product_reductions as pr
from minigrad.testing import OpSpec


def one_axis(shape: tuple[int, ...]) -> list[dict[str, Any]]:
    """Every axis, from both ends; none for a 0-d array."""
    return [{"axis": a} for a in range(-len(shape), len(shape))]


def one_axis_or_none(shape: tuple[int, ...]) -> list[dict[str, Any]]:
    return [{"axis": None}, *one_axis(shape)]


def with_initial(shape: tuple[int, ...]) -> list[dict[str, Any]]:
    axes = [{}, *one_axis(shape)] if len(shape) == 1 else one_axis(shape)
    return [{**a, "include_initial": i} for a in axes for i in (False, True)]


def _led(running: Any, first: int) -> Any:
    """NumPy has cumulative_sum and cumulative_prod from 2.1 on."""

    def call(x: np.ndarray, axis: int = 0, include_initial: bool = False) -> np.ndarray:
        found = running(x, axis)
        return np.insert(found, 0, first, axis) if include_initial else found

    return call


def _np_scan(links: np.ndarray, b: np.ndarray, axis: int, reverse: bool) -> np.ndarray:
    """The recurrence, element by element."""
    links, b = np.moveaxis(links, axis, 0), np.moveaxis(b, axis, 0)
    out = b.copy()
    n = len(b)
    for k in range(n - 2, -1, -1) if reverse else range(1, n):
        out[k] += links[k + 1] * out[k + 1] if reverse else links[k] * out[k - 1]
    return np.moveaxis(out, 0, axis)


def few_zeros(rng: np.random.Generator, shapes: Any, position: int) -> np.ndarray:
    """Numbers between 1/2 and 2 with signs, a third of them 0."""
    shape = shapes[position]
    numbers = rng.integers(8, 33, size=shape) / 16 * rng.choice([-1, 1], size=shape)
    return np.where(rng.random(shape) < 1 / 3, 0.0, numbers)


def _product(x: np.ndarray, axis: Any = None, keepdims: bool = False) -> Any:
    return np.prod(x, axis=axis, keepdims=keepdims)


def _torch_along(name: str) -> Any:
    def call(x: Any, axis: int | None = None) -> Any:
        return th(name)(x.reshape(-1), 0) if axis is None else th(name)(x, axis)

    return call


def _torch_prod(x: Any, axis: Any) -> Any:
    """torch.prod takes one axis."""
    axes = range(x.ndim) if axis is None else {a % x.ndim for a in np.atleast_1d(axis)}
    for a in sorted(axes, reverse=True):
        x = th("prod")(x, int(a))
    return x


LONG = (((7,),), ((13,),), ((16,),), ((2, 9),), ((9, 2),), ((2, 5, 2),))
ROWS = [
    OpSpec("cumsum", cumulative.cumsum, np.cumsum, params=one_axis_or_none, torch=_torch_along("cumsum")),
    OpSpec("cumsum, dtype", cumulative.cumsum, np.cumsum, params=({"dtype": np.float64},), dtypes=("float64",)),
    OpSpec("cumulative_sum", cumulative.cumulative_sum, _led(np.cumsum, 0), params=with_initial),
    OpSpec("prod", pr.prod, np.prod, params=axes_of(0, **KEEP), domain=(0.25, 3.0)),
    OpSpec("prod of one axis", pr.prod, np.prod, params=one_axis, torch=_torch_along("prod")),
    OpSpec("prod of many", pr.prod, np.prod, shapes=LONG, params=axes_of(1), domain=(0.5, 1.5)),
    OpSpec("prod with zeros", pr.prod, _product, shapes=LONG, params=axes_of(1), domain=few_zeros,
           torch=_torch_prod),
    OpSpec("cumprod", pr.cumprod, np.cumprod, params=one_axis_or_none, torch=_torch_along("cumprod")),
    OpSpec("cumprod of many", pr.cumprod, np.cumprod, shapes=LONG, params=one_axis_or_none, domain=(0.5, 1.5)),
    OpSpec("cumprod with zeros", pr.cumprod, np.cumprod, shapes=LONG, params=one_axis_or_none, domain=few_zeros,
           torch=_torch_along("cumprod")),
    OpSpec("scan", pr.scan_, _np_scan, 2, shapes=tuple(s * 2 for s in LONG),
           params=lambda s, _: [{"axis": a, "reverse": r} for a in range(len(s)) for r in (False, True)]),
    OpSpec("led_by", cumulative.led_by_, lambda x, axis, value: np.insert(x, 0, value, axis), shapes=LONG,
           params=lambda s: [{"axis": a, "value": 2} for a in range(len(s))]),
    OpSpec("cumsum from the end", cumulative.cumsum_, shapes=LONG,
           reference=lambda x, axis, reverse: np.flip(np.cumsum(np.flip(x, axis), axis), axis),
           params=lambda s: [{"axis": a, "reverse": True} for a in range(len(s))]),
    OpSpec("cumulative_prod", pr.cumulative_prod, _led(np.cumprod, 1), params=with_initial),
]  # fmt: skip
