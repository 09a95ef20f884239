"""Elementwise functions where a convention decides or a careless formula fails: value and gradients, written out."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pytest
from on_device import host, put

import minigrad as mg
from minigrad.ops import bounds, exponential, hyperbolic, parts, powers, rounding, special
from minigrad.ops import trigonometric as tr
from minigrad.ops.where import where

INF, NAN, PI = math.inf, math.nan, math.pi


class Point(NamedTuple):
    """fn at `at` has `value` and, for a cotangent of ones, `gradient` (one per argument; None where nothing flows)."""

    name: str
    fn: Any
    at: tuple[Any, ...]
    value: Any
    gradient: tuple[Any, ...]
    second: tuple[Any, ...] | None = None
    """The gradient of the sum of the gradients of the first argument, where it is asked for."""


KINKS = [
    Point("fabs at 0", parts.fabs, ([-1.0, 0.0, 2.0],), [1, 0, 2], ([-1, 0, 1],)),
    Point("copysign", parts.copysign, ([3.0, -3.0, 3.0, 0.0], [-1.0, -1.0, 0.0, 1.0]), [-3, -3, 3, 0],
          ([-1, 1, 1, 0], None)),
    Point("copysign to -0.0", parts.copysign, ([3.0], [-0.0]), [-3], ([-1], None)),
    Point("heaviside", parts.heaviside, ([-1.0, 0.0, 2.0], [5.0, 6.0, 7.0]), [0, 6, 1], (None, [0, 1, 0])),
    Point("fmax and ties", bounds.fmax, ([1, 2, 3.0], [1, 3, 2.0]), [1, 3, 3], ([0.5, 0, 1], [0.5, 1, 0])),
    Point("fmin and ties", bounds.fmin, ([1, 2, 3.0], [1, 3, 2.0]), [1, 2, 2], ([0.5, 1, 0], [0.5, 0, 1])),
    Point("fmax against nan", bounds.fmax, ([1, NAN, NAN, -INF], [NAN, 2, NAN, NAN]), [1, 2, NAN, -INF],
          ([1, 0, 0.5, 1], [0, 1, 0.5, 0])),
    Point("fmin against nan", bounds.fmin, ([1, NAN, NAN, INF], [NAN, 2, NAN, NAN]), [1, 2, NAN, INF],
          ([1, 0, 0.5, 1], [0, 1, 0.5, 0])),
    Point("maximum with nan", bounds.maximum, ([1, NAN, NAN], [NAN, 2, NAN]), [NAN, NAN, NAN],
          ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])),
    Point("minimum with nan", bounds.minimum, ([1, NAN, NAN], [NAN, 2, NAN]), [NAN, NAN, NAN],
          ([0.5, 0.5, 0.5], [0.5, 0.5, 0.5])),
    Point("maximum of infinities", bounds.maximum, ([INF, -INF, INF], [INF, -INF, -INF]), [INF, -INF, INF],
          ([0.5, 0.5, 1], [0.5, 0.5, 0])),
    Point("clip at and beyond tracked bounds", bounds.clip, ([-2, -1, 0, 1, 2.0], -np.ones(5), np.ones(5)),
          [-1, -1, 0, 1, 1], ([0, 1, 1, 1, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 1])),
    Point("clip by crossed bounds", bounds.clip, ([0.0, 2.0, 4.0], [3.0] * 3, [1.0] * 3), [1, 1, 1],
          ([0, 0, 0], [0, 0, 0], [1, 1, 1])),
    Point("clip from below alone", lambda x, low: bounds.clip(x, low, None), ([-1, 0.5], [0, 0.0]), [0, 0.5],
          ([0, 1], [1, 0])),
    Point("clip from above alone", lambda x, high: bounds.clip(x, max=high), ([-1, 0.5], [0, 0.0]), [-1, 0],
          ([1, 0], [0, 1])),
    Point("clip makes room for its bounds", bounds.clip, (0.5, [0.0, 1.0, 0.0], [[1.0], [0.25]]),
          [[0.5, 1, 0.5], [0.25, 0.25, 0.25]], (2, [0, 1, 0], [[0], [3]])),
    Point("clip keeps nan", lambda x: bounds.clip(x, 0, 1), ([NAN, INF, -INF],), [NAN, 1, 0], ([0, 0, 0],)),
    Point("where of a tracked condition", where, ([0.0, 2.0], [1.0, 2.0], [3.0, 4.0]), [3, 2], (None, [0, 1], [1, 0])),
    Point("where of an infinite cotangent", lambda x, y: np.log(where(put([True, False, True], x.device), x, y)),
          ([1.0, 0.0, 2.0], [0.0, 1.0, 0.0]), [0, 0, math.log(2)], ([1, 0, 0.5], [0, 1, 0])),
    Point("nan_to_num", lambda x: parts.nan_to_num(x, True, 1.0, 2.0, 3.0), ([NAN, INF, -INF, 5.0],), [1, 2, 3, 5],
          ([0, 0, 0, 1],)),
    Point("remainder", rounding.remainder, ([7.0, -7.0, 7.0, -7.0], [3.0, 3.0, -3.0, -3.0]), [1, 2, -2, -1],
          ([1, 1, 1, 1], [-2, 3, 3, -2])),
    Point("fmod", rounding.fmod, ([7.0, -7.0, 7.0, -7.0], [3.0, 3.0, -3.0, -3.0]), [1, -1, 1, -1],
          ([1, 1, 1, 1], [-2, 2, 2, -2])),
    # the quotient is below 5 by less than a double can hold
    Point("fmod with a quotient that rounds up", rounding.fmod, ([3.4999999999999996], [0.7]), [0.6999999999999997],
          ([1], [-4])),
    Point("divmod", lambda x, y: rounding.divmod(x, y)[1], ([7.0, -7.0], [3.0, 3.0]), [1, 2], ([1, 1], [-2, 3])),
    Point("modf", lambda x: parts.modf(x)[0], ([-1.75, 2.0],), [-0.75, 0], ([1, 1],)),
    Point("frexp", lambda x: parts.frexp(x)[0], ([6.0, -0.375, 0.0],), [0.75, -0.75, 0], ([0.125, 2, 1],)),
    Point("unwrap", tr.unwrap, ([0.0, 3.5, 7.0],), [0, 3.5 - 2 * PI, 7 - 4 * PI], ([1, 1, 1],)),
]  # fmt: skip
POWERS = [
    Point("x**y at 0", powers.power, ([0.0] * 5, [0.0, 1.0, 2.0, 3.0, 2.5]), [1, 0, 0, 0, 0],
          ([0, 1, 0, 0, 0], [0] * 5), ([0, 0, 2, 0, 0],)),
    Point("x**n at 0 by numbers", lambda x: (powers.power(x, 0) + powers.power(x, 1) + powers.power(x, 2)
          + powers.power(x, 3) + powers.power(x, 2.5)), ([0.0],), [1], ([1],), ([2],)),
    Point("a negative base, whole exponents", lambda x: powers.power(x, put([3.0, 2.0, 0.0, -1.0], x.device)),
          ([-2.0] * 4,), [-8, 4, 1, -0.5], ([12, -4, 0, -0.25],), ([-12, 2, 0, -0.25],)),
    Point("a negative base by numbers", lambda x: powers.power(x, 3.0) + powers.power(x, -2), ([-2.0],), [-7.75],
          ([12.25],), ([-12 + 6 / 16],)),
    Point("the exponent of a negative base", powers.power, ([-2.0], [2.0]), [4], ([-4], [NAN])),
    Point("x**0.5 and x**-1", lambda x: powers.power(x, 0.5) + powers.power(x, -1.0), ([4.0],), [2.25],
          ([0.25 - 1 / 16],), ([-1 / 32 + 1 / 32],)),
    Point("float_power", powers.float_power, ([0.0, -2.0], [2.0, 3.0]), [0, -8], ([0, 12], [0, NAN]), ([2, -12],)),
    Point("mixed second derivative at y = 0", powers.power, ([2.0], [0.0]), [1], ([0], [math.log(2)]), ([0], [0.5])),
    Point("hypot at 0", powers.hypot, ([0.0, 3.0], [0.0, 4.0]), [0, 5], ([0, 0.6], [0, 0.8]), ([0, 16 / 125],)),
    Point("hypot of the large", powers.hypot, ([3e200], [4e200]), [5e200], ([0.6], [0.8])),
    Point("hypot of the small", powers.hypot, ([3e-200], [4e-200]), [5e-200], ([0.6], [0.8])),
]  # fmt: skip
ANGLES = [
    Point("arctan2 at (0, 0)", tr.arctan2, ([0.0, 1.0], [0.0, 0.0]), [0, PI / 2], ([0, 0], [0, -1]), ([0, 0],)),
    Point("arctan2 of the large", tr.arctan2, ([3e200], [4e200]), [math.atan2(3, 4)], ([0.16e-200], [-0.12e-200])),
    Point("arctan2 of the small", tr.arctan2, ([3e-200], [4e-200]), [math.atan2(3, 4)], ([0.16e200], [-0.12e200])),
    Point("arctan2 of infinity", tr.arctan2, ([1.0, INF, 1.0], [INF, 1.0, -INF]), [0, PI / 2, PI],
          ([0, 0, 0], [0, 0, 0]), ([0, 0, 0],)),
    Point("arctan of the large", tr.arctan, ([1e200, -1e200],), [PI / 2, -PI / 2], ([0, 0],), ([0, 0],)),
    Point("arctan of infinity", tr.arctan, ([INF, -INF],), [PI / 2, -PI / 2], ([0, 0],)),
    Point("arcsinh of the large", hyperbolic.arcsinh, ([1e200, -1e200],), [np.arcsinh(1e200), -np.arcsinh(1e200)],
          ([1e-200, 1e-200],)),
    Point("arccosh of the large", hyperbolic.arccosh, ([1e200],), [np.arccosh(1e200)], ([1e-200],)),
    Point("arcsin beside 1", tr.arcsin, ([1 - 2**-53],), [math.asin(1 - 2**-53)], ([2**26 / math.sqrt(1 - 2**-54)],)),
    Point("sinc at 0", tr.sinc, ([0.0, 1e-200],), [1, 1], ([0, -PI**2 / 3 * 1e-200],), ([-(PI**2) / 3] * 2,)),
    Point("sinc beside 0", tr.sinc, ([1e-5],), [math.sin(PI * 1e-5) / (PI * 1e-5)],
          ([-(PI**2) / 3 * 1e-5 * (1 - PI**2 * 1e-10 / 10)],), ([-(PI**2) / 3 * (1 - 0.3 * PI**2 * 1e-10)],)),
]  # fmt: skip
LOGARITHMS = [
    Point("logaddexp of -inf", exponential.logaddexp, ([-INF, -INF, 0.0, INF], [-INF, 0.0, -INF, INF]),
          [-INF, 0, 0, INF], ([0.5, 0, 1, 0.5], [0.5, 1, 0, 0.5]), ([0.25, 0, 0, 0.25],)),
    Point("logaddexp far apart", exponential.logaddexp, ([1000.0, -1000.0], [0.0, 0.0]), [1000, 0], ([1, 0], [0, 1])),
    Point("logaddexp2 of -inf", exponential.logaddexp2, ([-INF, -INF], [-INF, 0.0]), [-INF, 0],
          ([0.5, 0], [0.5, 1])),
    Point("log_expit far out", special.log_expit, ([-1000.0, 0.0, 1000.0],), [-1000, -math.log(2), 0], ([1, 0.5, 0],)),
    Point("xlogy at x = 0", special.xlogy, ([0.0, 0.0, 0.0, 2.0], [0.0, 2.0, -1.0, 1.0]), [0, 0, 0, 0],
          ([0, math.log(2), 0, 0], [0, 0, 0, 2])),
    Point("mixed second derivative of xlogy", lambda y, x: special.xlogy(x, y), ([0.0, 2.0], [0.0, 0.0]), [0, 0],
          ([0, 0], [0, math.log(2)]), ([0, 0], [0, 0.5])),
    Point("xlog1py at x = 0", special.xlog1py, ([0.0, 0.0, 2.0], [-1.0, 1.0, 0.0]), [0, 0, 0],
          ([0, math.log(2), 0], [0, 0, 2])),
]  # fmt: skip
SPECIAL = [
    Point("erf and erfc far out", lambda x: special.erf(x) + special.erfc(x), ([-30.0, 30.0, 0.0],), [1, 1, 1],
          ([0, 0, 0],)),
    Point("erfc of the tail", special.erfc, ([10.0],), [2.088487583762544757e-45],
          ([-2 / math.sqrt(PI) * math.exp(-100)],)),
    Point("log_ndtr of the tail", special.log_ndtr, ([-1e4, 40.0],), [-50000010.12927891, 0],
          ([10000.000099999997, 0],)),
    Point("gammaln at its zeros", special.gammaln, ([1.0, 2.0],), [0, 0], ([-0.5772156649015329, 0.42278433509846713],),
          ([PI**2 / 6, PI**2 / 6 - 1],)),
    Point("gammaln beside its zeros", special.gammaln, ([1 + 2**-33, 2 - 2**-33],),
          [-6.71967473819136e-11, -4.921857442950446e-11], ([-0.5772156647100374, 0.4227843350233869],)),
    Point("gammaln of a negative", special.gammaln, ([-0.5],), [1.2655121234846454], ([0.03648997397857652],)),
    Point("i0 at 0", special.i0, ([0.0],), [1], ([0],), ([0.5],)),
    Point("i1 at 0", special.i1, ([0.0],), [0], ([0.5],), ([0.0],)),
    Point("erfinv at 0", special.erfinv, ([0.0],), [0], ([math.sqrt(PI) / 2],), ([0],)),
    Point("expit far out", special.expit, ([-800.0, 800.0],), [0, 1], ([0, 0],)),
]  # fmt: skip
EVERY = KINKS + POWERS + ANGLES + LOGARITHMS + SPECIAL


def leaf(values: Any, device: str) -> Any:
    return mg.tensor(np.asarray(values, np.float64), device=device, requires_grad=True)


def ones(t: Any) -> Any:
    return put(np.ones(t.shape, t.dtype), t.device)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("create_graph", [False, True], ids=["raw", "recorded"])
@pytest.mark.parametrize("row", EVERY, ids=lambda row: row.name)
def test_value_and_gradients(row: Point, create_graph: bool, device: str) -> None:
    leaves = [leaf(a, device) for a in row.at]
    out = row.fn(*leaves)
    np.testing.assert_allclose(host(out), np.asarray(row.value, np.float64), rtol=1e-13, atol=0)
    out.backward(ones(out), create_graph=create_graph)
    for x, expected in zip(leaves, row.gradient, strict=True):
        if expected is None:
            assert x.grad is None
        else:
            np.testing.assert_allclose(host(x.grad), np.asarray(expected, np.float64), rtol=1e-11, atol=1e-300)
    if create_graph and row.second is not None:
        first = leaves[0].grad
        for x in leaves:
            x.grad = None
        first.backward(ones(first))
        for x, expected in zip(leaves, row.second, strict=False):
            np.testing.assert_allclose(host(x.grad), np.asarray(expected, np.float64), rtol=1e-11, atol=1e-15)
