"""Differences, convolution and interpolation at their edges; and every signature of these modules beside NumPy's."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import numpy as np
import pytest
from on_device import host, put
from test_reductions import INF, NAN, Special, leaf

import minigrad as mg
from minigrad.ops import convolution, differences, interpolation

KNOTS = [0.0, 1.0, 3.0]


def _interp(**params: Any) -> Any:
    return lambda x: interpolation.interp(x, put(KNOTS, x.device), put([1.0, 3.0, 7.0], x.device), **params)


SPECIAL = [
    Special("diff twice", lambda x: differences.diff(x, 2), [1, 2, 4, 8.0], [1, 2], [1, -1, -1, 1]),
    Special("diff of one", differences.diff, [[1], [2.0]], np.zeros((2, 0)), [[0], [0]]),
    Special("diff of none", lambda x: differences.diff(x, 3), [], [], []),
    Special("diff with inf", differences.diff, [0, INF, 1], [INF, -INF], [-1, 0, 1]),
    Special("trapezoid of one", differences.trapezoid, [5.0], 0, [0]),
    Special("gradient of two", differences.gradient, [1, 3.0], [2, 2], [-2, 2]),
    Special("interp at the points", _interp(), KNOTS, [1, 3, 7], [2, 2, 2]),
    Special("interp outside", _interp(), [-1, 4.0], [1, 7], [0, 0]),
    Special("interp outside, given values", _interp(left=-5, right=9.5), [-1, 0.5, 4], [-5, 2, 9.5], [0, 2, 0]),
    Special("interp of nan", _interp(), [NAN, 0.5], [NAN, 2], [2, 2]),
]  # fmt: skip


@pytest.mark.parametrize("create_graph", [False, True], ids=["raw", "recorded"])
@pytest.mark.parametrize("row", SPECIAL, ids=lambda row: row.name)
def test_value_and_gradient(row: Special, create_graph: bool, device: str) -> None:
    x = leaf(row.at, device)
    out = row.fn(x)
    np.testing.assert_allclose(host(out), np.asarray(row.value, np.float64), rtol=1e-14)
    out.backward(put(np.ones(out.shape), device), create_graph=create_graph)
    np.testing.assert_allclose(host(x.grad), np.asarray(row.gradient, np.float64), rtol=1e-14)


def test_interp_reaches_only_the_points_around(device: str) -> None:
    xp, fp = leaf(KNOTS, device), leaf([1, 3, 7.0], device)
    interpolation.interp(put([-1, 0.25, 3.0], device), xp, fp).backward(put(np.ones(3), device))
    np.testing.assert_allclose(host(fp.grad), [1.75, 0.25, 1])
    np.testing.assert_allclose(host(xp.grad), [-2 * 0.75, -2 * 0.25, -2])
    xp.grad = fp.grad = None
    interpolation.interp(put([-1, 4.0], device), xp, fp, left=0, right=0).backward(put(np.ones(2), device))
    assert not host(fp.grad).any()
    assert not host(xp.grad).any()


def test_interp_where_a_step_stands(device: str) -> None:
    """Two points above one another, inside and at the end."""
    x, fp = leaf([0.5, 1, 1.5, 2.0], device), leaf([0, 1, 5, 6, 9.0], device)
    knots = put([0, 1, 1, 2, 2.0], device)
    out = interpolation.interp(x, knots, fp)
    np.testing.assert_allclose(host(out), np.interp([0.5, 1, 1.5, 2], [0, 1, 1, 2, 2], [0, 1, 5, 6, 9.0]))
    out.backward(put(np.ones(4), device))
    np.testing.assert_allclose(host(x.grad)[:3], [1, 1, 1])
    np.testing.assert_allclose(host(fp.grad), [0.5, 0.5, 1.5, 0.5, 1])


def test_numbers_lists_and_scalars() -> None:
    assert convolution.convolve(2.0, [1, 2]).tolist() == [2, 4]
    assert interpolation.interp(2.5, [1, 2, 3], [10, 20, 30]) == 25
    assert interpolation.interp(mg.tensor(2.5), [1, 2, 3], [10, 20, 30]).item() == 25
    t = leaf([1, 2, 4.0])
    np.testing.assert_array_equal(differences.ediff1d(t, [9], [7, 8]).data, [7, 8, 1, 2, 9])
    np.testing.assert_array_equal(differences.trapezoid(t, [0, 2, 3]).data, 6)
    np.testing.assert_array_equal(differences.gradient(t, [0, 1, 3]).data, np.gradient([1, 2, 4.0], [0, 1, 3]))


def test_integers_and_precision() -> None:
    for dtype in (np.int32, np.uint8, np.float16, np.float32):
        x = np.array([1, 5, 2, 9], dtype)
        for name, args in (("diff", ()), ("gradient", ()), ("gradient", (2.0,)), ("trapezoid", ()), ("ediff1d", ())):
            found, expected = getattr(differences, name)(x, *args), getattr(np, name)(x, *args)
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)


ERRORS = [
    (lambda x: differences.diff(x, -1), ValueError, "diff: n must not be negative, got -1"),
    (lambda x: differences.diff(x[0, 0]), mg.ShapeError, "diff: at least one dimension is due"),
    (lambda x: differences.diff(x, append=np.ones((5, 5))), mg.ShapeError, r"arrays of shapes \(2, 3\), \(5, 5\)"),
    (lambda x: differences.ediff1d(np.arange(3), to_end=x[0]), TypeError, "must cast to int64, got float64"),
    (lambda x: differences.gradient(x, 1, 2, 3), TypeError, "gradient: 3 spacings for 2 axes"),
    (lambda x: differences.gradient(x, 1.0, [1, 2]), mg.ShapeError, "3 coordinates are due along axis 1"),
    (lambda x: differences.gradient(x, edge_order=3), ValueError, "edge_order must be 1 or 2, got 3"),
    (lambda x: differences.gradient(x, edge_order=2), mg.ShapeError, "needs 3 samples along axis 0"),
    (lambda x: differences.trapezoid(x, axis=2), mg.ShapeError, "trapezoid: axis 2 is out of range"),
    (lambda x: convolution.convolve(x, x), mg.ShapeError, r"two vectors .* got \(2, 3\) and \(2, 3\)"),
    (lambda x: convolution.correlate(x[0], x[0, :0]), mg.ShapeError, "correlate: two vectors that are not empty"),
    (lambda x: convolution.convolve(x[0], x[0], "all"), ValueError, "convolve: mode must be one of full, same, valid"),
    (lambda x: interpolation.interp(x, x[0], x[0, :2]), mg.ShapeError, r"vectors of one length .* \(3,\) and \(2,\)"),
    (lambda x: interpolation.interp(x, x[0], x[0], period=0), ValueError, "interp: period must not be 0"),
    (lambda x: interpolation.interp(x, x[0], x[0], leaf(1.0)), mg.GraphError, "interp: left is a constant"),
]


@pytest.mark.parametrize("wrapped", [False, True], ids=["array", "tensor"])
@pytest.mark.parametrize(("call", "kind", "message"), ERRORS, ids=[m[:24] for _, _, m in ERRORS])
def test_errors(call: Any, kind: type[Exception], message: str, wrapped: bool) -> None:
    x: Any = np.ones((2, 3))
    with pytest.raises(kind, match=message):
        call(leaf(x) if wrapped else x)


# --- signatures -----------------------------------------------------------------------------------------------------

MODULES = (
    "reduce", "moments", "product_reductions", "cumulative", "nan_reductions", "statistics", "order_statistics",
    "quantiles", "sorting", "binning", "differences", "convolution", "interpolation",
)  # fmt: skip
NAMES = [(m, n) for m in MODULES for n in importlib.import_module(f"minigrad.ops.{m}").NUMPY]
OPTIONAL = {"sorted": "new in NumPy 2.3"}


@pytest.mark.parametrize(("module", "name"), NAMES, ids=[n for _, n in NAMES])
def test_parameters_are_those_of_numpy(module: str, name: str) -> None:
    """Names, order, kinds and defaults: np.f(...) passes its arguments on as they were given."""
    ours = inspect.signature(getattr(importlib.import_module(f"minigrad.ops.{module}"), name)).parameters
    if name in ("bincount", "lexsort"):  # written in C, without a signature in older versions
        assert list(ours) == {"bincount": ["x", "weights", "minlength"], "lexsort": ["keys", "axis"]}[name]
        return
    if not hasattr(np, name):
        pytest.skip(f"NumPy {np.__version__} has no {name}")
    theirs = inspect.signature(getattr(np, name)).parameters
    assert [n for n in ours if n not in OPTIONAL] == [n for n in theirs if n not in OPTIONAL]
    none: Any = np._NoValue  # type: ignore[attr-defined]
    for key, parameter in theirs.items():
        assert ours[key].kind == parameter.kind, key
        expected = parameter.default
        if expected is none:
            expected = {"keepdims": False, "where": True}.get(key, none)
        assert ours[key].default is expected or ours[key].default == expected, key
