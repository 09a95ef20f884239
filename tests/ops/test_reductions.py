"""Reductions where a convention decides, where zeros and nan sit, and what NumPy's arguments mean."""

from __future__ import annotations

import itertools
import math
from typing import Any, NamedTuple

import numpy as np
import pytest
from on_device import host, put

import minigrad as mg
from minigrad.ops import moments, nan_reductions, reduce, softmax, statistics
from minigrad.ops import product_reductions as pr

INF, NAN = math.inf, math.nan


class Special(NamedTuple):
    """fn at `at` has `value` and, for a cotangent of ones, `gradient`."""

    name: str
    fn: Any
    at: Any
    value: Any
    gradient: Any


EXTREMA = [
    Special("max of -inf alone", reduce.max, [-INF, -INF], -INF, [0.5, 0.5]),
    Special("max beside nan", lambda x: reduce.max(x, 1), [[1, NAN], [2, 1]], [NAN, 2], [[NAN, NAN], [1, 0]]),
    Special("min beside nan", lambda x: reduce.min(x, 0), [[1, NAN], [2, 1]], [1, NAN], [[1, NAN], [0, NAN]]),
    Special("max keeps an infinite gradient to itself", lambda x: mg.sqrt(reduce.max(x) - 2.0), [1, 2.0], 0, [0, INF]),
    Special("max with initial", lambda x: reduce.max(x, initial=0), [-1, -2.0], 0, [0, 0]),
    Special("max that ties with initial", lambda x: reduce.max(x, initial=3), [3, 3, 1.0], 3, [0.25, 0.25, 0]),
    Special("max of nothing with initial", lambda x: reduce.max(x, 1, initial=-1), np.zeros((2, 0)), [-1, -1],
            np.zeros((2, 0))),
    Special("min where nothing is selected", lambda x: reduce.min(x, 1, initial=9, where=[[True], [False]]),
            [[1, 2], [3, 4.0]], [1, 9], [[1, 0], [0, 0]]),
    Special("nanmax", lambda x: reduce.max(x) * 0 + nan_reductions.nanmax(x), [1, 3, 3.0], 3, [0, 0.5, 0.5]),
    Special("nanmax skips nan", nan_reductions.nanmax, [1, NAN, 3, 3], 3, [0, 0, 0.5, 0.5]),
    Special("nanmin of -inf and nan", nan_reductions.nanmin, [NAN, -INF, 0], -INF, [0, 1, 0]),
    Special("nanmax with initial", lambda x: nan_reductions.nanmax(x, 1, initial=0), [[NAN, NAN], [NAN, 2]], [0, 2],
            [[0, 0], [0, 1]]),
    Special("ptp of equal ones", statistics.ptp, [2, 2.0], 0, [0, 0]),
    Special("ptp with ties", statistics.ptp, [1, 3, 1, 2.0], 2, [-0.5, 1, -0.5, 0]),
]  # fmt: skip
MOMENTS = [
    Special("variance of one", reduce.var, [3.0], 0, [0]),
    Special("deviation of one", reduce.std, [3.0], 0, [0]),
    Special("deviation of equal ones", lambda x: reduce.std(x, 1, ddof=1), [[2, 2], [0, 2.0]], [0, math.sqrt(2)],
            [[0, 0], [-math.sqrt(0.5), math.sqrt(0.5)]]),
    Special("deviation of one each", lambda x: reduce.std(x, 0), [[1, 2.0]], [0, 0], [[0, 0]]),
    Special("variance far from 0", reduce.var, [1e9 + 1, 1e9 + 2, 1e9 + 6], 14 / 3, [-4 / 3, -2 / 3, 2]),
    Special("variance over no axis", lambda x: reduce.var(x, ()), [1, 2.0], [0, 0], [0, 0]),
    Special("nanstd of one", nan_reductions.nanstd, [NAN, 3], 0, [0, 0]),
    Special("nanvar far from 0", nan_reductions.nanvar, [1e9 + 1, NAN, 1e9 + 2, 1e9 + 6], 14 / 3,
            [-4 / 3, 0, -2 / 3, 2]),
    Special("nanmean", nan_reductions.nanmean, [1, NAN, 4], 2.5, [0.5, 0, 0.5]),
    Special("mean where", lambda x: reduce.mean(x, where=x > 0), [-NAN, 2, -5, 4], 3, [0, 0.5, 0, 0.5]),
    Special("nansum of nan alone", nan_reductions.nansum, [NAN, NAN], 0, [0, 0]),
    Special("nansum beside inf", nan_reductions.nansum, [NAN, INF], INF, [0, 1]),
    Special("nanprod", nan_reductions.nanprod, [NAN, 2, 0], 0, [0, 0, 2]),
    Special("nancumprod", nan_reductions.nancumprod, [NAN, 2, 3], [1, 2, 6], [0, 4, 2]),
    Special("nancumsum", nan_reductions.nancumsum, [1, NAN, 3], [1, 1, 4], [3, 0, 1]),
]  # fmt: skip
PRODUCTS = [
    Special("prod with one zero", pr.prod, [2, 0, 3.0], 0, [0, 6, 0]),
    Special("prod with two zeros", pr.prod, [2, 0, 0.0], 0, [0, 0, 0]),
    Special("prod of rows with zeros", lambda x: pr.prod(x, 1), [[2, 0, 3], [0, 0, 1], [1, 2, 3.0]], [0, 0, 6],
            [[0, 6, 0], [0, 0, 0], [6, 3, 2]]),
    Special("prod of nothing", pr.prod, [], 1, []),
    Special("prod of one", pr.prod, [0.0], 0, [1]),
    Special("prod that underflows", lambda x: pr.prod(x)[None] * 1e300, [1e-200, 1e-200, 1e-100], [0], [1, 1, 0]),
    Special("prod of sorted factors, whose value underflows", pr.prod, np.exp2(np.arange(-600, 601.0)), 0,
            np.exp2(-np.arange(-600, 601.0))),
    Special("prod with inf", pr.prod, [INF, 2.0], INF, [2, INF]),
    Special("cumprod with zeros", pr.cumprod, [2, 0, 3, 0, 5.0], [2, 0, 0, 0, 0], [1, 8, 0, 0, 0]),
    Special("cumprod with a zero in front", pr.cumprod, [0, 2, 3.0], [0, 0, 0], [9, 0, 0]),
    Special("cumprod of nothing", pr.cumprod, [], [], []),
]  # fmt: skip
LOGSUMEXP = [
    Special("logsumexp of -inf alone", softmax.logsumexp, [-INF, -INF], -INF, [0, 0]),
    Special("logsumexp of rows with -inf", lambda x: softmax.logsumexp(x, 1), [[-INF, -INF], [-INF, 1]], [-INF, 1],
            [[0, 0], [0, 1]]),
    Special("logsumexp of inf", softmax.logsumexp, [INF, 1000, 0], INF, [1, 0, 0]),
    Special("logsumexp of two inf", softmax.logsumexp, [INF, INF, -INF], INF, [0.5, 0.5, 0]),
    Special("logsumexp of nothing", softmax.logsumexp, [], -INF, []),
    Special("logsumexp of one", softmax.logsumexp, [-1e4], -1e4, [1]),
    Special("logsumexp, weight 0 beside inf", lambda x: softmax.logsumexp(x, b=put([0, 1.0], x.device)), [INF, 1], 1,
            [0, 1]),
    Special("logsumexp that cancels", lambda x: softmax.logsumexp(x, b=put([1, -1.0], x.device)), [2, 2.0], -INF,
            [0, 0]),
]  # fmt: skip
EVERY = EXTREMA + MOMENTS + PRODUCTS + LOGSUMEXP


def leaf(values: Any, device: str = "cpu", dtype: Any = np.float64) -> Any:
    return mg.tensor(np.asarray(values, dtype), device=device, requires_grad=True)


@pytest.mark.parametrize("create_graph", [False, True], ids=["raw", "recorded"])
@pytest.mark.parametrize("row", EVERY, ids=lambda row: row.name)
def test_value_and_gradient(row: Special, create_graph: bool, device: str) -> None:
    """Without a warning, which would be an error here."""
    x = leaf(row.at, device)
    with np.errstate(divide="ignore") if "infinite" in row.name else np.errstate():
        out = row.fn(x)
        np.testing.assert_allclose(host(out), np.asarray(row.value, np.float64), rtol=1e-14)
        out.backward(put(np.ones(out.shape), device), create_graph=create_graph)
    np.testing.assert_allclose(host(x.grad), np.asarray(row.gradient, np.float64), rtol=1e-14)


# --- second order ---------------------------------------------------------------------------------------------------


def hessian(fn: Any, at: Any, device: str) -> np.ndarray:
    """Of a function with a scalar result, column by column."""
    x = leaf(at, device)
    fn(x).backward(create_graph=True)
    gradient, columns = x.grad, []
    if not gradient.requires_grad:  # nowhere does it depend on x
        return np.zeros((x.size, x.size))
    for i in range(x.size):
        x.grad = None
        v = np.zeros(x.size)
        v[i] = 1
        gradient.backward(put(v.reshape(x.shape), device), retain_graph=True)
        columns.append(np.zeros(x.size) if x.grad is None else host(x.grad).ravel())
    return np.array(columns)


def product_hessian(x: np.ndarray) -> np.ndarray:
    n = len(x)
    return np.array([[0 if i == j else np.prod(np.delete(x, [i, j])) for j in range(n)] for i in range(n)])


@pytest.mark.parametrize("at", [[2, 0, 3], [0, 0, 3], [0, 2, 0, 5], [0, 0, 0, 1], [0.5] * 7, [0], [1, 0]], ids=str)
def test_second_derivatives_of_products_with_zeros(at: list[float], device: str) -> None:
    x = np.array(at, float)
    np.testing.assert_allclose(hessian(pr.prod, x, device), product_hessian(x), rtol=1e-14)
    rows = hessian(lambda t: (pr.prod(t, 1) * put([1.0, 2.0], device)).sum(), np.stack([x, x]), device)
    n = len(x)
    np.testing.assert_allclose(rows[:n, :n], product_hessian(x), rtol=1e-14)
    np.testing.assert_allclose(rows[n:, n:], 2 * product_hessian(x), rtol=1e-14)
    running = hessian(lambda t: pr.cumprod(t).sum(), x, device)
    expected = np.zeros((n, n))
    for k in range(1, n + 1):
        expected[:k, :k] += product_hessian(x[:k])
    np.testing.assert_allclose(running, expected, rtol=1e-14)


@pytest.mark.parametrize(
    "fn", [reduce.std, lambda x: reduce.std(x, ddof=1), nan_reductions.nanstd, reduce.var, statistics.ptp]
)
def test_second_derivatives_where_the_deviation_is_zero(fn: Any, device: str) -> None:
    found = hessian(fn, [2, 2, 2.0], device)
    assert np.isfinite(found).all()
    if fn is not reduce.var:
        assert not found.any()


@pytest.mark.parametrize("at", [[-INF, -INF], [INF, 1.0], [INF, INF], [0, -INF]])
def test_second_derivatives_of_logsumexp_at_infinity(at: list[float], device: str) -> None:
    assert not hessian(softmax.logsumexp, at, device).any()


def test_third_derivative_of_a_product(device: str) -> None:
    """d3/dx0 dx1 dx2 of x0 x1 x2 x3 is x3, at zeros too."""
    x = leaf([0, 0, 0, 7.0], device)
    g = pr.prod(x)
    for i in range(3):
        x.grad = None
        (g if i == 0 else g[i - 1]).backward(create_graph=True)
        g = x.grad
    np.testing.assert_array_equal(host(g), [0, 0, 7, 0])


@pytest.mark.parametrize("n", [1, 2, 3, 5, 8, 31])
def test_products_of_many_factors(n: int) -> None:
    x = np.random.default_rng(n).uniform(-2, 2, n)
    t = leaf(x)
    pr.prod(t).backward()
    np.testing.assert_allclose(t.grad.data, [np.prod(np.delete(x, i)) for i in range(n)], rtol=1e-13)


def test_the_gradient_of_the_variance_has_all_its_digits(device: str) -> None:
    rng = np.random.default_rng(0)
    small = rng.integers(-100, 100, 50) / 64
    for offset, dtype, rtol in ((2.0**40, np.float64, 1e-13), (2.0**12, np.float32, 1e-5)):
        x = leaf(small + offset, device, dtype)
        reduce.var(x).backward()
        np.testing.assert_allclose(host(x.grad), 2 / 50 * (small - small.mean()), rtol=rtol, atol=rtol * 1e-2)


# --- the arguments --------------------------------------------------------------------------------------------------

DTYPES = (bool, np.int8, np.uint8, np.int32, np.int64, np.float16, np.float32, np.float64)
MASK = np.array([[True, False, True], [True, True, False]])
CALLS: list[tuple[str, dict[str, Any]]] = [
    *((n, {"axis": a}) for n in ("sum", "prod", "mean", "var", "std", "max", "min", "all", "any", "count_nonzero",
      "nansum", "nanprod", "nanmean", "nanvar", "nanstd", "nanmax", "nanmin") for a in (None, 0, (0, -1))),
    *((n, {"axis": a, "keepdims": True}) for n in ("argmax", "argmin", "nanargmax", "nanargmin") for a in (None, -1)),
    *((n, {"dtype": np.float32}) for n in ("sum", "prod", "mean", "var", "std", "nansum", "nanmean")),
    *((n, {"initial": 2.5}) for n in ("sum", "prod", "max", "min", "nanmax", "nansum")),
    *((n, {"where": MASK, "axis": 1}) for n in ("sum", "prod", "mean", "var", "std", "all", "any", "nanmean")),
    *((n, {"where": MASK, "initial": 1, "axis": 0}) for n in ("max", "min", "nanmin")),
    ("sum", {"initial": None}), ("var", {"correction": 1}), ("std", {"ddof": 0.5}), ("nanvar", {"ddof": 1, "axis": 0}),
]  # fmt: skip
MODULES = (reduce, moments, pr, nan_reductions)


def function(name: str) -> Any:
    return next(getattr(m, name) for m in MODULES if hasattr(m, name))


@pytest.mark.parametrize(("name", "params"), CALLS, ids=[f"{n} {','.join(p)} {i}" for i, (n, p) in enumerate(CALLS)])
def test_value_dtype_and_shape_are_those_of_numpy(name: str, params: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    for dtype, wrapped in itertools.product(DTYPES, (False, True)):
        x = (rng.integers(0, 8, size=(2, 3)) / (2 if np.dtype(dtype).kind == "f" else 1)).astype(dtype)
        try:
            expected = getattr(np, name)(x, **params)
        except TypeError:  # NumPy has no minus for booleans
            with pytest.raises(TypeError):
                function(name)(x, **params)
            continue
        found = function(name)(mg.tensor(x) if wrapped else x, **params)
        assert isinstance(found, mg.Tensor) is wrapped
        assert found.dtype == np.asarray(expected).dtype
        assert found.shape == np.shape(expected)
        rtol = {2: 1e-3, 4: 1e-6}.get(found.dtype.itemsize, 1e-13)
        np.testing.assert_allclose(host(found).astype(float), np.asarray(expected).astype(float), rtol=rtol)


WARNINGS = [
    ("nanmax", [NAN, NAN], {}, "All-NaN"),
    ("nanmean", [NAN, NAN], {}, "Mean of empty slice"),
    ("mean", [1, 2.0], {"where": [False, False]}, "Mean of empty slice"),
    ("nanvar", [NAN, 1], {"ddof": 1}, "Degrees of freedom <= 0"),
    ("var", [1, 2.0], {"where": [True, False], "ddof": 1}, "Degrees of freedom <= 0"),
]


@pytest.mark.parametrize(("name", "at", "params", "message"), WARNINGS)
def test_nothing_left_warns_as_numpy_does_and_gives_nan(name: str, at: Any, params: Any, message: str) -> None:
    x = leaf(at)
    with pytest.warns(RuntimeWarning, match=message):
        out = function(name)(x, **params)
    assert math.isnan(out.item())
    out.backward()
    assert not np.isnan(x.grad.data[np.isnan(x.data)]).any(), "nan gets no gradient"


def test_masks_and_initial_may_be_tensors(device: str) -> None:
    x, mask = leaf([1, 2, 3.0], device), mg.tensor(np.array([True, False, True]), device=device)
    start = leaf(5.0, device)
    total = reduce.sum(x, initial=start, where=mask) * reduce.max(x, initial=start, where=mask)
    assert total.item() == 45
    total.backward()
    np.testing.assert_array_equal(host(x.grad), [5, 0, 5])
    np.testing.assert_array_equal(host(start.grad), 5 + 9)


def test_numpys_mark_of_no_value_may_be_passed_on() -> None:
    none: Any = np._NoValue  # type: ignore[attr-defined]
    x = leaf([1, 2.0])
    for name in ("sum", "mean", "max", "std"):
        assert function(name)(x, keepdims=none).shape == ()
    assert reduce.sum(x, initial=none).item() == 3


ERRORS = [
    (lambda x: reduce.sum(x, out=x), TypeError, "sum: out= is not supported"),
    (lambda x: reduce.max(x, where=x > 0), ValueError, "max: where= may select nothing, so it needs initial="),
    (lambda x: reduce.sum(x, where=np.ones((4, 2, 3), bool)), mg.ShapeError, r"where= of shape \(4, 2, 3\)"),
    (lambda x: reduce.mean(x, where=np.ones(2, bool)), mg.ShapeError, r"where= of shape \(2,\) does not broadcast"),
    (lambda x: reduce.sum(x, initial=np.ones(3)), mg.ShapeError, r"initial= must be one number, .* \(3,\)"),
    (lambda x: reduce.var(x, ddof=1, correction=1), ValueError, "var: ddof and correction are two names"),
    (lambda x: reduce.std(x, out=x), TypeError, "std: out= is not supported"),
    (lambda x: reduce.argmax(x, 5), mg.ShapeError, "argmax: axis 5 is out of range"),
    (lambda x: nan_reductions.nanargmin(x * NAN), ValueError, "All-NaN slice"),
    (lambda x: pr.cumulative_prod(x), mg.ShapeError, "cumulative_prod: an array with 2 dimension"),
    (lambda x: pr.cumprod(x, (0, 1)), TypeError, "cumprod: axis must be an integer or None"),
    (lambda x: statistics.average(x, weights=[1, 2, 3]), TypeError, r"weights of shape \(3,\) .* need axis="),
    (lambda x: statistics.average(x, 0, [1, 2, 3]), mg.ShapeError, r"fit neither .* nor its axis \(0,\)"),
    (lambda x: statistics.average(x, 0, [1, -1]), ZeroDivisionError, "the weights sum to 0"),
    (lambda x: statistics.cov(x[None]), mg.ShapeError, "cov: one or two dimensions are due"),
    (lambda x: statistics.cov(x, ddof=0.5), ValueError, "ddof must be an integer"),
    (lambda x: statistics.cov(x, fweights=[1, 2]), mg.ShapeError, "fweights must be 3 numbers"),
    (lambda x: statistics.cov(x, fweights=[1, 2, 0.5]), TypeError, "fweights must be integers"),
    (lambda x: statistics.cov(x, aweights=[1, 2, -1]), ValueError, "aweights must not be negative"),
    (lambda x: softmax.logsumexp(x, 2), mg.ShapeError, "logsumexp: axis 2 is out of range"),
]


@pytest.mark.parametrize("wrapped", [False, True], ids=["array", "tensor"])
@pytest.mark.parametrize(("call", "kind", "message"), ERRORS, ids=[m[:24] for _, _, m in ERRORS])
def test_errors(call: Any, kind: type[Exception], message: str, wrapped: bool) -> None:
    x: Any = np.ones((2, 3))
    with pytest.raises(kind, match=message):
        call(leaf(x) if wrapped else x)
