"""Rows of minigrad.ops: arithmetic, powers, exponential, bounds, where; and the operators."""

from __future__ import annotations

from typing import Any

import numpy as np
from draws import torch_function as th

from minigrad.ops import arithmetic, bounds, exponential, powers
from minigrad.ops import elementwise as ew
from minigrad.ops import where as selection
from minigrad.testing import OpSpec


def mask(rng: np.random.Generator, shapes: Any, position: int) -> np.ndarray:
    return rng.integers(0, 2, size=shapes[position]).astype(bool)


def _difference(*arrays: np.ndarray) -> np.ndarray:
    return arrays[-2] - arrays[-1]


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return (1 / (1 + np.exp(-x.astype(np.float64)))).astype(x.dtype)


def _softplus(x: np.ndarray) -> np.ndarray:
    return np.log1p(np.exp(x.astype(np.float64))).astype(x.dtype)


def _share(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return ((x > y) + 0.5 * (x == y)).astype(np.result_type(x, y))


POSITIVE = (0.25, 4.0)

BINARY = [
    OpSpec("add", ew.add, np.add, 2, broadcasts=True, torch=th("add")),
    OpSpec("subtract", ew.subtract, np.subtract, 2, broadcasts=True, torch=th("sub")),
    OpSpec("multiply", ew.multiply, np.multiply, 2, broadcasts=True, torch=th("mul")),
    OpSpec(
        "divide", ew.divide, np.divide, 2, broadcasts=True, kinks=(lambda x, y: y,), distance=0.125, torch=th("div"),
        domain=((-2.0, 2.0), (0.125, 2.0)),
    ),
    OpSpec("divide by negative", ew.divide, np.divide, 2, broadcasts=True, domain=((-2.0, 2.0), (-3.0, -0.25))),
    OpSpec("power", ew.power, np.power, 2, domain=((0.25, 3.0), (-2.0, 2.0)), broadcasts=True, torch=th("pow")),
    OpSpec("maximum", ew.maximum, np.maximum, 2, broadcasts=True, kinks=(_difference,), distance=1 / 128,
           torch=th("maximum")),
    OpSpec("minimum", ew.minimum, np.minimum, 2, broadcasts=True, kinks=(_difference,), distance=1 / 128,
           torch=th("minimum")),
    OpSpec("where", ew.where, np.where, 3, domain=(mask, (-2.0, 2.0), (-2.0, 2.0)), broadcasts=True,
           torch=th("where")),
    OpSpec("where, scalar branch", lambda c, x: ew.where(c, x, 0.5), lambda c, x: np.where(c, x, 0.5), 2,
           domain=(mask, (-2.0, 2.0)), broadcasts=True),
    OpSpec("where, scalar first", lambda c, x: ew.where(c, 2, x), lambda c, x: np.where(c, 2, x), 2,
           domain=(mask, (-2.0, 2.0)), broadcasts=True),
    OpSpec("where by numbers", lambda c, x: ew.where(c, x, -x), lambda c, x: np.where(c, x, -x), 2, broadcasts=True,
           domain=(lambda rng, shapes, i: rng.integers(0, 2, size=shapes[i]) / 1, (-2.0, 2.0))),
    OpSpec("masked", lambda x, c, *, keep: selection.masked(x, c, keep=keep),
           lambda x, c, *, keep: np.where(c, x, 0) if keep else np.where(c, 0, x), 2, domain=((-2.0, 2.0), mask),
           params=({"keep": True}, {"keep": False})),
    OpSpec("true", lambda x: selection.true_(x - 1), lambda x: x != 1, order=0),
    OpSpec("where, one argument", lambda x: x[selection.where(np.array([True, False, True]))],
           lambda x: x[np.where([True, False, True])], shapes=(((3,),), ((3, 2),), ((3, 0),))),
    OpSpec("fmax", bounds.fmax, np.fmax, 2, broadcasts=True, kinks=(_difference,), distance=1 / 128, torch=th("fmax")),
    OpSpec("fmin", bounds.fmin, np.fmin, 2, broadcasts=True, kinks=(_difference,), distance=1 / 128, torch=th("fmin")),
    OpSpec("share", lambda x, y: bounds.share_(x, y, dtype=np.result_type(x.dtype, y.dtype)), _share, 2, order=0,
           broadcasts=True),
    OpSpec("share of numbers", lambda x, y: bounds.share_of_numbers_(x, y, larger=True, dtype=x.dtype), _share, 2,
           broadcasts=True, order=0),
    OpSpec("float_power", powers.float_power, np.float_power, 2, domain=((0.25, 3.0), (-2.0, 2.0)), broadcasts=True),
    OpSpec("hypot", powers.hypot, np.hypot, 2, broadcasts=True, domain=((-2.0, 2.0), (0.25, 2.0)), torch=th("hypot")),
    OpSpec("logaddexp", exponential.logaddexp, np.logaddexp, 2, broadcasts=True, domain=(-6.0, 6.0),
           torch=th("logaddexp")),
    OpSpec("logaddexp2", exponential.logaddexp2, np.logaddexp2, 2, broadcasts=True, domain=(-6.0, 6.0),
           torch=th("logaddexp2")),
    OpSpec("gap", exponential.gap, np.subtract, 2, broadcasts=True),
]  # fmt: skip

UNARY = [
    OpSpec("negative", ew.negative, np.negative, torch=th("neg")),
    OpSpec("square", ew.square, np.square, torch=th("square")),
    OpSpec("sqrt", ew.sqrt, np.sqrt, domain=POSITIVE, torch=th("sqrt")),
    OpSpec("reciprocal", ew.reciprocal, np.reciprocal, kinks=(0.0,), distance=0.25, torch=th("reciprocal")),
    OpSpec("exp", ew.exp, np.exp, torch=th("exp")),
    OpSpec("expm1", ew.expm1, np.expm1, torch=th("expm1")),
    OpSpec("log", ew.log, np.log, domain=POSITIVE, torch=th("log")),
    OpSpec("log1p", ew.log1p, np.log1p, domain=(-0.75, 3.0), torch=th("log1p")),
    OpSpec("log2", ew.log2, np.log2, domain=POSITIVE, torch=th("log2")),
    OpSpec("log10", ew.log10, np.log10, domain=POSITIVE, torch=th("log10")),
    OpSpec("positive", arithmetic.positive, np.positive, torch=th("positive")),
    OpSpec("cbrt", powers.cbrt, np.cbrt, kinks=(0.0,), distance=0.25),
    OpSpec("log_or_zero", powers.log_or_zero, np.log, domain=POSITIVE),
    OpSpec("exp2", exponential.exp2, np.exp2, torch=th("exp2")),
    OpSpec("relu", ew.relu, lambda x: np.maximum(x, 0), kinks=(0.0,), torch=th("relu"), notes="slope 0 at 0"),
    OpSpec("sigmoid", ew.sigmoid, _sigmoid, domain=(-6.0, 6.0), torch=th("sigmoid")),
    OpSpec("softplus", ew.softplus, _softplus, domain=(-6.0, 6.0), torch=th("nn.functional.softplus")),
]

BOUNDS = (
    {"a_min": -1.03125, "a_max": 0.96875},
    {"a_min": -0.53125, "a_max": None},
    {"a_min": None, "a_max": 0.46875},
    {"min": -0.53125, "max": 0.46875},
    {"a_min": None, "a_max": None},
)


def _clip(x: np.ndarray, a_min: Any = None, a_max: Any = None, **named: Any) -> np.ndarray:
    return np.clip(x, named.get("min", a_min), named.get("max", a_max))


def _clamp(x: Any, a_min: Any = None, a_max: Any = None, **named: Any) -> Any:
    low, high = named.get("min", a_min), named.get("max", a_max)
    return x + 0 if low is high is None else th("clamp")(x, low, high)


def _bounds(rng: np.random.Generator, shapes: Any, position: int) -> np.ndarray:
    """Numbers on a grid that no other argument meets; now and then the lower bound lies above the upper one."""
    return rng.integers(-24, 25, size=shapes[position]) / 16 + 1 / (32 << position) - 0.5 * (1.5 - position)


OTHER = [
    OpSpec("clip", ew.clip, _clip, params=BOUNDS, kinks=(-1.03125, 0.96875, -0.53125, 0.46875), torch=_clamp,
           notes="slope 1 at the bounds"),
    OpSpec("clip by tracked bounds", ew.clip, np.clip, 3, domain=((-2.0, 2.0), _bounds, _bounds), broadcasts=True,
           kinks=(lambda x, low, high: np.minimum(abs(x - low), abs(high - low)) * 64,
                  lambda x, low, high: abs(x - high) * 64), notes="the upper bound wins"),
    OpSpec("clip by one tracked bound", lambda x, b: ew.clip(x, b, None) + ew.clip(x, max=b),
           lambda x, b: np.clip(x, b, None) + np.clip(x, None, b), 2, domain=((-2.0, 2.0), _bounds), broadcasts=True,
           kinks=(lambda x, b: (x - b) * 64,)),
    OpSpec("clip by arrays", lambda x, *, low: ew.clip(x, low, np.float32(0.96875)),
           lambda x, *, low: np.clip(x, low, np.float32(0.96875)), params=({"low": np.float32([-1.03125, 0.03125])},),
           kinks=(-1.03125, 0.03125, 0.96875), shapes=(((2,),), ((3, 2),), ((0, 2),))),
    OpSpec("power by a number", lambda x, *, n: ew.power(x, n), lambda x, *, n: x**n, domain=POSITIVE,
           params=tuple({"n": n} for n in (-2, -1.5, -1, 0, 0.5, 1, 1.5, 2, 3, 2.5)),
           torch=lambda x, *, n: th("pow")(x, n)),
    OpSpec("integer power of a negative", lambda x, *, n: ew.power(x, n), lambda x, *, n: x**n, domain=(-2.0, -0.25),
           params=tuple({"n": n} for n in (-3, -1, 0, 1, 2, 3, 4.0)), torch=lambda x, *, n: th("pow")(x, n)),
    OpSpec("scalar_power", ew.scalar_power, lambda x, *, exponent: x**exponent, domain=POSITIVE,
           params=({"exponent": 3}, {"exponent": -0.5}, {"exponent": 0})),
    OpSpec("power of arrays, negative base", lambda x, y: powers.power(x, y), np.power, 2, differentiable=(0,),
           domain=((-2.0, -0.25), lambda rng, shapes, i: rng.integers(-3, 4, size=shapes[i]) / 1), broadcasts=True,
           torch=th("pow")),
    OpSpec("power of a number", lambda x, *, base: ew.power(base, x), lambda x, *, base: base**x,
           params=({"base": 2}, {"base": 0.5}, {"base": 1}, {"base": 1.5}),
           torch=lambda x, *, base: th("pow")(base, x)),
]  # fmt: skip

OPERATORS = [
    OpSpec("x + y", lambda x, y: x + y, np.add, 2, broadcasts=True),
    OpSpec("x - y", lambda x, y: x - y, np.subtract, 2, broadcasts=True),
    OpSpec("x * y", lambda x, y: x * y, np.multiply, 2, broadcasts=True),
    OpSpec("x / y", lambda x, y: x / y, np.divide, 2, broadcasts=True, domain=((-2.0, 2.0), (0.25, 2.0))),
    OpSpec("x ** y", lambda x, y: x**y, np.power, 2, broadcasts=True, domain=((0.25, 2.0), (-2.0, 2.0))),
    OpSpec("-x, +x, abs", lambda x: -x + (+x) * abs(x), lambda x: -x + x * np.abs(x), kinks=(0.0,)),
    OpSpec("numbers on the left", lambda x: (1.5 - x) * 2 + 3 / x + 2**x + (1 + x), domain=POSITIVE,
           reference=lambda x: (1.5 - x) * 2 + 3 / x + 2**x + (1 + x)),
    OpSpec("numbers on the right", lambda x: (x - 1.5) * 2 / 4 + x**3 + x + 1, domain=POSITIVE,
           reference=lambda x: (x - 1.5) * 2 / 4 + x**3 + x + 1),
    OpSpec("one argument twice", lambda x: x * x + x / (x + 4), lambda x: x * x + x / (x + 4)),
    OpSpec("comparisons", lambda x, y: ((x < y), (x <= y), (x > y), (x >= y), (x == y), (x != y)),
           lambda x, y: ((x < y), (x <= y), (x > y), (x >= y), (x == y), (x != y)), 2, broadcasts=True, order=0),
]  # fmt: skip

ROWS = BINARY + UNARY + OTHER + OPERATORS
