"""Sorting, order statistics and bins where elements are equal, nan or none; their arguments and errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from on_device import host, put
from test_reductions import INF, NAN, Special, hessian, leaf

import minigrad as mg
from minigrad.ops import binning, order_statistics, quantiles, reduce, sorting
from minigrad.ops.quantile_methods import METHODS

THIRD = 1 / 3
MANY = [i / 20 for i in range(21)]
SPECIAL = [
    Special("median of an odd number", order_statistics.median, [3, 1, 2.0], 2, [0, 0, 1]),
    Special("median of an even number", order_statistics.median, [3, 1, 2, 9.0], 2.5, [0.5, 0, 0.5, 0]),
    Special("median of equal ones", order_statistics.median, [1, 2, 2, 2, 3.0], 2, [0, THIRD, THIRD, THIRD, 0]),
    Special("median between ties", order_statistics.median, [1, 1, 4, 4.0], 2.5, [0.25] * 4),
    Special("median of rows with nan", lambda x: order_statistics.median(x, 1), [[1, NAN, 2], [5, 4, 6]], [NAN, 5],
            [[NAN, NAN, NAN], [1, 0, 0]]),
    Special("median of inf", order_statistics.median, [INF, INF, 1], INF, [0.5, 0.5, 0]),
    Special("median of large ones", order_statistics.median, [1.5e308, 1e308, 0], 1e308, [0, 1, 0]),
    Special("median over several axes", lambda x: order_statistics.median(x, (0, 2)), [[[1, 5.0], [3, 2]]], [3, 2.5],
            [[[0.5, 0.5], [0.5, 0.5]]]),
    Special("median of one", lambda x: order_statistics.median(x, 0, keepdims=True), [[1, 2.0]], [[1, 2]], [[1, 1]]),
    Special("nanmedian", lambda x: order_statistics.nanmedian(x, 1), [[1, NAN, 2], [5, 4, 6]], [1.5, 5],
            [[0.5, 0, 0.5], [1, 0, 0]]),
    Special("nanmedian of equal ones", order_statistics.nanmedian, [NAN, 2, 2, 0], 2, [0, 0.5, 0.5, 0]),
    Special("nanmedian of large ones", order_statistics.nanmedian, [1.5e308, NAN, 1.5e308], 1.5e308, [0.5, 0, 0.5]),
    Special("quantile", lambda x: quantiles.quantile(x, 0.25), [3, 1, 7.0], 2, [0.5, 0.5, 0]),
    Special("quantile 1 is the maximum", lambda x: quantiles.quantile(x, 1.0), [3, 1, 3.0], 3, [0.5, 0, 0.5]),
    Special("quantile 0 is the minimum", lambda x: quantiles.quantile(x, 0), [3, 1, 3.0], 1, [0, 1, 0]),
    Special("quantile between ties", lambda x: quantiles.quantile(x, 0.5), [2, 2, 4, 4.0], 3, [0.25] * 4),
    Special("quantiles of equal ones", lambda x: quantiles.quantile(x, [0, 0.5, 1]), [2, 2.0], [2, 2, 2], [1.5, 1.5]),
    Special("many quantiles of equal ones", lambda x: quantiles.quantile(x, MANY), [2, 2.0], [2] * 21, [10.5, 10.5]),
    Special("many quantiles beside nan", lambda x: quantiles.quantile(x, MANY, 1), [[NAN, 2.0], [1, 1]],
            [[NAN, 1]] * 21, [[NAN, NAN], [10.5, 10.5]]),
    Special("many nanquantiles", lambda x: quantiles.nanquantile(x, MANY, 1), [[NAN, 2.0], [1, 1]], [[2, 1]] * 21,
            [[0, 21], [10.5, 10.5]]),
    Special("quantile beside nan", lambda x: quantiles.quantile(x, 0.0), [NAN, 2.0], NAN, [NAN, NAN]),
    Special("nanquantile", lambda x: quantiles.nanquantile(x, 0.25, 1), [[NAN, 1, 3], [0, 4, 8]], [1.5, 2],
            [[0, 0.75, 0.25], [0.5, 0.5, 0]]),
    Special("percentile", lambda x: quantiles.percentile(x, 50), [3, 1.0], 2, [0.5, 0.5]),
    Special("sort", lambda x: sorting.sort(x)[:2] * put([1.0, 10.0], x.device), [3, 1, 2.0], [1, 20], [0, 1, 10]),
    Special("sort of equal ones", lambda x: sorting.sort(x) * put([1.0, 10.0, 100.0], x.device), [2, 1, 2.0],
            [1, 20, 200], [10, 1, 100]),
    Special("sort with nan", lambda x: sorting.sort(x)[:2], [NAN, 3, 1.0], [1, 3], [0, 1, 1]),
    Special("sort of zeros with signs", lambda x: sorting.sort(x) * put([1.0, 10.0], x.device), [0.0, -0.0], [0, 0],
            [1, 10]),
    Special("partition", lambda x: sorting.partition(x, 1)[1], [5, 1, 3, 4.0], 3, [0, 0, 1, 0]),
    Special("unique takes the first", lambda x: sorting.unique(x) * put([1.0, 10.0], x.device), [2, 1, 2, 1.0], [1, 20],
            [10, 1, 0, 0]),
    Special("unique of nan", sorting.unique, [NAN, 1, NAN], [1, NAN], [1, 1, 0]),
    Special("bincount of weights", lambda w: binning.bincount(put([1, 1, 3], w.device), w), [1, 2, 4.0], [0, 3, 0, 4],
            [1, 1, 1]),
    Special("histogram of weights", lambda w: binning.histogram(put([0, 0.5, 1, 2, 3.0], w.device), 2, (0, 2),
            weights=w)[0] * put([1.0, 10.0], w.device), [1, 2, 3, 4, 5.0], [3, 70], [1, 1, 10, 10, 0]),
    Special("edges of equal elements", binning.histogram_bin_edges, [2, 2.0], np.linspace(1.5, 2.5, 11), [5.5, 5.5]),
]  # fmt: skip


@pytest.mark.parametrize("create_graph", [False, True], ids=["raw", "recorded"])
@pytest.mark.parametrize("row", SPECIAL, ids=lambda row: row.name)
def test_value_and_gradient(row: Special, create_graph: bool, device: str) -> None:
    x = leaf(row.at, device)
    out = row.fn(x)
    np.testing.assert_allclose(host(out), np.asarray(row.value, np.float64), rtol=1e-14)
    out.backward(put(np.ones(out.shape), device), create_graph=create_graph)
    np.testing.assert_allclose(host(x.grad), np.asarray(row.gradient, np.float64), rtol=1e-13)


@pytest.mark.parametrize("n", [10, 5000])
@pytest.mark.parametrize("repeated", [False, True], ids=["distinct", "repeated"])
def test_sorting_sends_each_gradient_back_in_stable_order(n: int, repeated: bool) -> None:
    """Below and above the size from which the quicker algorithm is tried, with and without ties."""
    rng = np.random.default_rng(n)
    x = rng.integers(0, n // 4, n) / 2 if repeated else rng.permutation(n) / 2
    x[rng.integers(n, size=2)] = NAN
    t = leaf(x)
    sorting.sort(t).backward(np.arange(n, dtype=float))
    expected = np.empty(n)
    expected[np.argsort(x, kind="stable")] = np.arange(n)
    np.testing.assert_array_equal(t.grad.data, expected)
    t.grad = None
    part = sorting.partition(t, n // 2)
    np.testing.assert_array_equal(part.data, np.partition(x, n // 2))
    part.backward(np.where(np.isnan(part.data), 0, part.data))
    assert np.array_equal(t.grad.data, np.where(np.isnan(x), 0, x))


def test_few_and_many_quantiles_have_one_gradient(device: str) -> None:
    """Below and above the number from which the elements are sorted."""
    rng = np.random.default_rng(0)
    x, q = rng.integers(0, 5, (3, 12)) / 2, rng.random(24)
    weights = rng.normal(size=(24, 3))
    many, few = leaf(x, device), leaf(x, device)
    (quantiles.quantile(many, put(q, device), 1) * put(weights, device)).sum().backward()
    for i in range(0, 24, 3):
        (quantiles.quantile(few, q[i : i + 3], 1) * put(weights[i : i + 3], device)).sum().backward()
    np.testing.assert_allclose(host(many.grad), host(few.grad), rtol=1e-12)


def test_second_derivatives_through_order_statistics(device: str) -> None:
    """Of median(x)**3: 6 median in the element's place."""
    found = hessian(lambda x: order_statistics.median(x) ** 3, [1, 5, 2.0], device)
    np.testing.assert_allclose(found, np.diag([0, 0, 12.0]))
    found = hessian(lambda x: (quantiles.quantile(x, MANY) ** 2).sum(), [1, 1.0], device)
    np.testing.assert_allclose(found, np.full((2, 2), 21 / 2))
    found = hessian(lambda x: (sorting.sort(x) ** 3 * put([1.0, 2.0, 3.0], device)).sum(), [3, 1, 2.0], device)
    np.testing.assert_allclose(found, np.diag([54, 6, 24.0]))


@pytest.mark.parametrize("method", METHODS)
def test_the_methods_of_quantiles(method: str) -> None:
    rng = np.random.default_rng(0)
    for shape, dtype in (((7,), np.float64), ((4, 6), np.float32), ((5,), np.int64), ((3,), np.float16)):
        x = rng.integers(-20, 20, shape).astype(dtype)
        for q in (0, 0.2, 1, [0.0, 0.3, 0.5, 0.71, 1.0], np.float32([0.25, 0.6])):
            for ours, theirs in ((quantiles.quantile, np.quantile), (quantiles.nanquantile, np.nanquantile)):
                found, expected = ours(x, q, axis=-1, method=method), theirs(x, q, axis=-1, method=method)
                assert found.dtype == expected.dtype
                rtol = {2: 2e-3, 4: 1e-6}.get(expected.dtype.itemsize, 1e-14)
                np.testing.assert_allclose(found, expected, rtol=rtol)


def test_nothing_left_warns_as_numpy_does_and_gives_nan() -> None:
    for fn in (order_statistics.nanmedian, lambda x: quantiles.nanquantile(x, 0.3)):
        x = leaf([NAN, NAN])
        with pytest.warns(RuntimeWarning, match="All-NaN slice"):
            out = fn(x)
        assert math.isnan(out.item())
        out.backward()
        np.testing.assert_array_equal(x.grad.data, [0, 0])


@pytest.mark.filterwarnings("ignore:invalid value")  # NumPy gives this one too
def test_the_median_of_nothing_warns_as_numpy_does() -> None:
    with pytest.warns(RuntimeWarning, match="Mean of empty slice"):
        assert math.isnan(order_statistics.median(leaf([])).item())


def test_empty_arrays(device: str) -> None:
    x = leaf(np.zeros((0, 3)), device)
    assert sorting.sort(x).shape == sorting.partition(x, 1).shape == (0, 3)
    assert sorting.argsort(x, 0).shape == (0, 3)
    assert order_statistics.median(x, 1).shape == (0,)
    assert quantiles.quantile(x, [0.1, 0.2], 1).shape == (2, 0)
    assert sorting.unique(x).shape == (0,)
    (sorting.sort(x).sum() + order_statistics.median(x, 1).sum() + quantiles.quantile(x, MANY, 1).sum()).backward()
    assert x.grad.shape == (0, 3)


def test_quantiles_with_q_on_the_device(device: str) -> None:
    x = leaf([[1, 5, 3.0], [2, 2, 8]], device)
    for q in (put([0.25, 1.0], device), mg.tensor(np.array([0.25, 1.0]), device=device)):
        np.testing.assert_allclose(host(quantiles.quantile(x, q, 1)), [[2, 2], [5, 8]])
        np.testing.assert_allclose(host(quantiles.nanquantile(x, q, 1)), [[2, 2], [5, 8]])


ERRORS = [
    (lambda x: sorting.sort(x, 2), mg.ShapeError, "sort: axis 2 is out of range"),
    (lambda x: sorting.sort(x, order="f0"), TypeError, "sort: order= names fields"),
    (lambda x: sorting.sort(x, kind="fast"), ValueError, "sort: kind must be one of .* got 'fast'"),
    (lambda x: sorting.argsort(x, kind="stable", stable=True), ValueError, "kind and stable are two ways"),
    (lambda x: sorting.partition(x, 1, order="f0"), TypeError, "partition: order= names fields"),
    (lambda x: sorting.partition(x, 1, kind="x"), ValueError, "partition: kind must be 'introselect'"),
    (lambda x: sorting.partition(x, 5), ValueError, "kth"),
    (lambda x: order_statistics.median(x, out=x), TypeError, "median: out= is not supported"),
    (lambda x: quantiles.quantile(x, 1.5), ValueError, "quantile: q must be between 0 and 1, got 1.5"),
    (lambda x: quantiles.percentile(x, [-1, 50]), ValueError, "percentile: q must be between 0 and 100"),
    (lambda x: quantiles.quantile(x, NAN), ValueError, "q must be between 0 and 1"),
    (lambda x: quantiles.quantile(x, 0.5, method="best"), ValueError, "method must be one of inverted_cdf, .*'best'"),
    (lambda x: quantiles.quantile(x, 0.5, weights=x), TypeError, "quantile: weights= is not supported"),
    (lambda x: quantiles.quantile(x, np.zeros((1, 1, 1))), mg.ShapeError, "q must be a number or a list"),
    (lambda x: quantiles.quantile(x, leaf(0.5)), mg.GraphError, "quantile: q is a constant"),
    (lambda x: quantiles.quantile(x[:0], 0.5, 0), mg.ShapeError, "no elements to choose from .* axis"),
    (lambda x: binning.bincount(x[0]), mg.DTypeError, "bincount: x must be integers, got dtype float64"),
    (
        lambda x: binning.histogram(x, weights=x[0]),
        mg.ShapeError,
        r"weights of shape \(3,\) for data of shape \(2, 3\)",
    ),
    (lambda x: reduce.max(x[:, :0]), ValueError, "zero-size array"),
]


@pytest.mark.parametrize("wrapped", [False, True], ids=["array", "tensor"])
@pytest.mark.parametrize(("call", "kind", "message"), ERRORS, ids=[m[:24] for _, _, m in ERRORS])
def test_errors(call: Any, kind: type[Exception], message: str, wrapped: bool) -> None:
    x: Any = np.ones((2, 3))
    with pytest.raises(kind, match=message):
        call(leaf(x) if wrapped else x)
