"""Rows of minigrad.ops.trigonometric and minigrad.ops.hyperbolic."""

from __future__ import annotations

from typing import Any

import numpy as np
from draws import torch_function as th

from minigrad.ops import hyperbolic as hy
from minigrad.ops import trigonometric as tr
from minigrad.testing import OpSpec

INSIDE = (-0.875, 0.875)


def _sinc_slope(x: np.ndarray, *, n: int) -> np.ndarray:
    """j_n(z) / z**n at z = pi x, by many terms of the power series in extended precision."""
    z = np.longdouble(np.pi) * x.astype(np.longdouble)
    total, term = np.zeros_like(z), np.ones_like(z)
    for k in range(1, n + 1):
        term /= 2 * k + 1
    for k in range(1, 60):
        total += term
        term = -term * z * z / (2 * k * (2 * n + 2 * k + 1))
    return total.astype(x.dtype)


def _axes(shape: tuple[int, ...]) -> list[dict[str, Any]]:
    return [{"axis": a, **more} for a in range(-len(shape), len(shape))
            for more in ({}, {"period": 2.0}, {"discont": 4.0})]  # fmt: skip


def _half_steps(p: np.ndarray) -> np.ndarray:
    """Where a step along some axis is half a period of any row, or the row's threshold, the result jumps."""
    steps = [np.diff(p, axis=a).ravel() for a in range(p.ndim)]
    found = np.concatenate([np.zeros(0), *steps])
    kinks = [np.abs(found) - np.pi, np.abs(found) - 4.0, (found % 2.0) - 1.0]
    return np.concatenate([np.ones(1), *kinks])


ROWS = [
    OpSpec("sin", tr.sin, np.sin, torch=th("sin")),
    OpSpec("cos", tr.cos, np.cos, torch=th("cos")),
    OpSpec("tan", tr.tan, np.tan, domain=(-1.25, 1.25), torch=th("tan")),
    OpSpec("arcsin", tr.arcsin, np.arcsin, domain=INSIDE, torch=th("arcsin")),
    OpSpec("arccos", tr.arccos, np.arccos, domain=INSIDE, torch=th("arccos")),
    OpSpec("arctan", tr.arctan, np.arctan, torch=th("arctan")),
    OpSpec("one_plus_square", tr.one_plus_square, lambda x: 1 + x * x),
    OpSpec("arctan2", tr.arctan2, np.arctan2, 2, broadcasts=True, domain=((-2.0, 2.0), (0.25, 2.0)),
           torch=th("arctan2")),
    OpSpec("arctan2 to the left", tr.arctan2, np.arctan2, 2, broadcasts=True, domain=((0.25, 2.0), (-2.0, 2.0)),
           torch=th("arctan2")),
    OpSpec("inverse", tr.inverse, lambda x, y: x / (x * x + y * y), 2, broadcasts=True,
           domain=((-2.0, 2.0), (0.25, 2.0))),
    OpSpec("deg2rad", tr.deg2rad, np.deg2rad, torch=th("deg2rad")),
    OpSpec("rad2deg", tr.rad2deg, np.rad2deg, torch=th("rad2deg")),
    OpSpec("sinc", tr.sinc, np.sinc, domain=(-4.0, 4.0), torch=th("sinc")),
    OpSpec("sinc near 0", tr.sinc, np.sinc, domain=(-0.3, 0.3)),
    OpSpec("sinc_slope", tr.sinc_slope, _sinc_slope, domain=(-2.5, 2.5), params=({"n": 1}, {"n": 2}, {"n": 3})),
    OpSpec("unwrap", tr.unwrap, np.unwrap, domain=(-8.0, 8.0), params=_axes, kinks=(_half_steps,), distance=1 / 64,
           shapes=(((6,),), ((2, 3),), ((0, 2),), ((2, 1, 2),))),
    OpSpec("sinh", hy.sinh, np.sinh, torch=th("sinh")),
    OpSpec("cosh", hy.cosh, np.cosh, torch=th("cosh")),
    OpSpec("tanh", hy.tanh, np.tanh, torch=th("tanh")),
    OpSpec("arcsinh", hy.arcsinh, np.arcsinh, torch=th("arcsinh")),
    OpSpec("arccosh", hy.arccosh, np.arccosh, domain=(1.25, 4.0), torch=th("arccosh")),
    OpSpec("arctanh", hy.arctanh, np.arctanh, domain=INSIDE, torch=th("arctanh")),
]  # fmt: skip
