"""Rows of minigrad.ops.comparison and minigrad.ops.integers."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.ops import comparison as cm
from minigrad.ops import integers
from minigrad.testing import OpSpec


def few(rng: np.random.Generator, shapes: Any, position: int) -> np.ndarray:
    """Some equal, some 0, some infinite."""
    return np.asarray(rng.choice([-1.0, 0.0, 1.0, 1.000001, np.inf, -np.inf], size=shapes[position]))


def whole(rng: np.random.Generator, shapes: Any, position: int) -> np.ndarray:
    return rng.integers(0 if position else -9, 10, size=shapes[position])


CLOSE = ({}, {"rtol": 0.0}, {"rtol": 0.1, "atol": 0.5}, {"equal_nan": True})
SETTLED = np.array([1.0, np.nan])

ROWS = [
    *(OpSpec(name, getattr(cm, name), getattr(np, name), 2, domain=few, broadcasts=True, order=0)
      for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "logical_and", "logical_or",
                   "logical_xor")),
    *(OpSpec(name, getattr(cm, name), getattr(np, name), domain=few, order=0)
      for name in ("logical_not", "isfinite", "isinf", "isnan", "signbit", "isneginf", "isposinf", "iscomplex",
                   "isreal")),
    OpSpec("isclose", cm.isclose, np.isclose, 2, domain=few, broadcasts=True, order=0, params=CLOSE),
    OpSpec("isclose to a number", lambda x: cm.isclose(x, 1.0), lambda x: np.isclose(x, 1.0), domain=few, order=0),
    OpSpec("a number is close", lambda x: cm.isclose(1.0, x), lambda x: np.isclose(1.0, x), domain=few, order=0),
    OpSpec("what answers with a bool", lambda x: x * (
               cm.allclose(SETTLED, SETTLED, equal_nan=True) + 2 * cm.allclose(SETTLED, SETTLED)
               + 4 * cm.array_equal(SETTLED, SETTLED, equal_nan=True) + 8 * cm.array_equal(SETTLED, SETTLED[:1])
               + 16 * cm.array_equiv([[1, 1], [1, 1]], 1) + 32 * cm.array_equiv([1, 2, 3], [1, 2])
               + 64 * cm.isrealobj(x) + 128 * cm.iscomplexobj(x)),
           lambda x: x * (1 + 4 + 16 + 64)),
    *(OpSpec(name, getattr(integers, name), getattr(np, name), 2, domain=whole, broadcasts=True, order=0)
      for name in ("bitwise_and", "bitwise_or", "bitwise_xor", "left_shift", "right_shift", "gcd", "lcm")),
    *(OpSpec(name, getattr(integers, name), getattr(np, name), domain=whole, order=0)
      for name in ("invert", "bitwise_count")),
]  # fmt: skip
