"""Elementwise functions are NumPy's: same values, dtypes, shapes, exceptions and warnings for every kind of operand."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pytest
from on_device import host, put

import minigrad as mg
from minigrad.ops import (
    arithmetic,
    bounds,
    comparison,
    exponential,
    hyperbolic,
    integers,
    parts,
    powers,
    rounding,
    special,
    trigonometric,
    where,
)

MODULES = (
    arithmetic, bounds, comparison, exponential, hyperbolic, integers, parts, powers, rounding, special, trigonometric,
    where,
)  # fmt: skip
FUNCTIONS = {name: getattr(module, name) for module in MODULES for name in module.NUMPY}
UFUNCS = sorted(name for name in FUNCTIONS if isinstance(getattr(np, name), np.ufunc))
OPERANDS: dict[str, Any] = {
    "bool": np.array([True, False]), "int8": np.array([1, -2], np.int8), "uint8": np.array([1, 200], np.uint8),
    "int64": np.array([3, 0]), "half": np.array([0.5, -1.5], np.float16), "single": np.array([0.5, -1.5], np.float32),
    "double": np.array([0.5, -1.5]), "nan": np.array([np.nan, np.inf]), "zeros": np.array([0.0, -0.0]),
    "0-d": np.array(2.5, np.float32), "empty": np.zeros((0, 2), np.float32), "column": np.array([[-np.inf], [2.0]]),
    "2": 2, "-1.5": -1.5, "True": True, "-1": -1, "list": [1, 2],
}  # fmt: skip


def outcome(function: Any, *args: Any) -> tuple[Any, set[tuple[str, str]]]:
    """What a call gives, or the class of what it raises; and the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = function(*args)
        except Exception as error:
            return type(error), set()
    return result, {(w.category.__name__, str(w.message).rpartition(" in ")[0]) for w in caught}


def forms(operand: Any) -> list[Any]:
    """An operand as it is, as a Tensor, and as a tracked one."""
    if not isinstance(operand, np.ndarray):
        return [operand]
    tracked = [mg.tensor(operand, requires_grad=True)] if operand.dtype.kind == "f" else []
    return [operand, mg.tensor(operand), *tracked]


@pytest.mark.parametrize("name", UFUNCS)
def test_every_kind_of_operand(name: str) -> None:
    theirs = getattr(np, name)
    for operands in itertools.product(OPERANDS.values(), repeat=theirs.nin):
        expected, their_warnings = outcome(theirs, *operands)
        for args in itertools.product(*map(forms, operands)):
            got, our_warnings = outcome(FUNCTIONS[name], *args)
            assert our_warnings <= their_warnings
            if isinstance(expected, type):
                assert isinstance(got, type)
                assert issubclass(got, expected)
                continue
            assert not isinstance(got, type), f"{got} for {args}"
            pair = isinstance(expected, tuple)
            for g, e in zip(got if pair else [got], expected if pair else [expected], strict=True):
                assert isinstance(g, mg.Tensor) == any(isinstance(a, mg.Tensor) for a in args)
                assert (g.shape, g.dtype) == (e.shape, e.dtype)
                np.testing.assert_allclose(host(g), e, rtol=4 * np.finfo(e.dtype).eps if e.dtype.kind == "f" else 0)


def test_the_tuples_name_what_is_there_and_numpys() -> None:
    assert len(FUNCTIONS) == sum(len(module.NUMPY) for module in MODULES), "a name in two modules"
    assert all(callable(f) and hasattr(np, name) for name, f in FUNCTIONS.items())
    assert set(special.SCIPY) <= set(vars(special))


MISSING = {"isnat": "about dates", "matmul": "linear algebra", "vecdot": "linear algebra", "matvec": "linear algebra",
           "vecmat": "linear algebra"}  # fmt: skip


def test_no_ufunc_of_numpy_is_left_out() -> None:
    known = {getattr(np, name) for name in UFUNCS}
    rest = {name for name, f in vars(np).items() if isinstance(f, np.ufunc) and f not in known}
    assert rest - MISSING.keys() == set()


X = np.array([[-1.5, 0.25, np.nan], [np.inf, -np.inf, 2.5]])
CALLS = {
    "clip(x, 0, 1)": lambda np_, x: np_.clip(x, 0, 1),
    "clip(x, 0, None)": lambda np_, x: np_.clip(x, 0, None),
    "clip(x, None, None)": lambda np_, x: np_.clip(x, None, None),
    "clip(x, a_min, a_max)": lambda np_, x: np_.clip(x, a_min=-1, a_max=0.5),
    "clip(x, 1, 0)": lambda np_, x: np_.clip(x, 1, 0),
    "nan_to_num": lambda np_, x: np_.nan_to_num(x),
    "nan_to_num(nan=...)": lambda np_, x: np_.nan_to_num(x, True, 1.0, 2.0, neginf=3.0),
    "round": lambda np_, x: np_.round(x * 3.3333),
    "round(1)": lambda np_, x: np_.round(x * 3.3333, 1),
    "around(decimals=2)": lambda np_, x: np_.around(x * 3.3333, decimals=2),
    "fix": lambda np_, x: np_.fix(x),
    "where": lambda np_, x: np_.where(x > 0, x, 0),
    "where of indices": lambda np_, x: np_.where(x > 0),
    "isclose": lambda np_, x: np_.isclose(x, x * (1 + 1e-6)),
    "isclose(equal_nan)": lambda np_, x: np_.isclose(x, x, equal_nan=True),
    "isclose to 2.5": lambda np_, x: np_.isclose(x, 2.5, 0, 1e-3),
    "isposinf, isneginf": lambda np_, x: (np_.isposinf(x), np_.isneginf(x)),
    "isreal, iscomplex": lambda np_, x: (np_.isreal(x), np_.iscomplex(x)),
    "real, imag": lambda np_, x: (np_.real(x), np_.imag(x)),
    "real_if_close": lambda np_, x: np_.real_if_close(x),
    "unwrap": lambda np_, x: np_.unwrap(np_.nan_to_num(x, True, 0.0, 9.0, -9.0)),
    "unwrap(axis, period)": lambda np_, x: np_.unwrap(np_.clip(np_.nan_to_num(x), -9, 9), 1.5, 0, period=2.0),
    "sinc": lambda np_, x: np_.sinc(np_.nan_to_num(x, True, 0.0, 9.0, -9.0)),
    "i0": lambda np_, x: np_.i0(np_.clip(np_.nan_to_num(x), -9, 9)),
}  # fmt: skip


class Ours:
    def __getattr__(self, name: str) -> Any:
        return FUNCTIONS[name]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_functions_with_parameters(call: Any, dtype: Any, device: str) -> None:
    raw = X.astype(dtype)
    expected = call(np, raw)
    for x in (put(raw, device), mg.tensor(raw, device=device), mg.tensor(raw, device=device, requires_grad=True)):
        got = call(Ours(), x)
        pairs = zip(got, expected, strict=True) if isinstance(expected, tuple) else [(got, expected)]
        for g, e in pairs:
            assert isinstance(g, mg.Tensor) == isinstance(x, mg.Tensor)
            assert (g.shape, g.dtype) == (e.shape, e.dtype)
            np.testing.assert_allclose(host(g), e, rtol=1e-12 if dtype is np.float64 else 1e-6)


PAIRS = [
    (X, X, {"equal_nan": True}), (X, X, {}), (X, X[0], {}), (X[0], np.array([X[0], X[0]]), {}),
    ([1, 2], [1.0, 2.0], {}), ([1, 2], [1, 3], {}), (1, 1, {}), (np.ones(2), 1, {}),
    (np.zeros((2, 0)), np.zeros((2, 0)), {}),
]  # fmt: skip


@pytest.mark.parametrize(("a", "b", "options"), PAIRS)
@pytest.mark.parametrize("name", ["allclose", "array_equal", "array_equiv"])
def test_questions_about_whole_arrays(name: str, a: Any, b: Any, options: Any, device: str) -> None:
    options = {} if name == "array_equiv" else options
    if name == "allclose" and np.shape(a) == (2, 3) != np.shape(b):
        b = a
    expected = getattr(np, name)(a, b, **options)
    wrapped = [mg.tensor(np.asarray(v, np.float64), device=device) if np.ndim(v) else v for v in (a, b)]
    assert getattr(comparison, name)(a, b, **options) is expected
    assert getattr(comparison, name)(*wrapped, **options) is expected


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_single_precision_number_stays_one(device: str) -> None:
    """A Python number is weak, as an operand and inside of every rule."""
    for name in UFUNCS:
        ufunc = getattr(np, name)
        operands = [put(np.array([0.5, 0.75], np.float32), device)] * ufunc.nin
        try:
            ufunc(*[host(o) for o in operands])
        except TypeError:
            continue  # for integers
        args = [mg.tensor(o, requires_grad=True) for o in operands]
        outs = FUNCTIONS[name](*args)
        for out in outs if isinstance(outs, tuple) else [outs]:
            if out.requires_grad:
                out.backward(put(np.ones(2, out.dtype), device), retain_graph=True)
        assert all(a.grad is None or a.grad.dtype == np.float32 for a in args)


ERRORS = [
    (lambda x: bounds.clip(x, 0, min=1), ValueError, "clip: give the bounds as a_min and a_max, or as min and max"),
    (lambda x: bounds.clip(x, 0, 1, x), TypeError, "clip: out= is not supported"),
    (lambda x: where.where(x > 0, x), ValueError, "where: give both x and y, or neither"),
    (lambda x: rounding.round(x, out=x), TypeError, "round: out= is not supported"),
    (lambda x: rounding.fix(x, x), TypeError, "fix: out= is not supported"),
    (lambda x: comparison.isposinf(x, x), TypeError, "isposinf: out= is not supported"),
    (lambda x: comparison.isneginf(x, x), TypeError, "isneginf: out= is not supported"),
    (lambda x: parts.nan_to_num(x, copy=False), TypeError, "nan_to_num: copy=False is not supported"),
    (lambda x: parts.nan_to_num(x, nan=mg.tensor(1.0)), TypeError, "nan_to_num: a replacement is a number"),
    (lambda x: special.polygamma(0.5, x), TypeError, "polygamma: n must be an integer, got 0.5"),
    (lambda x: special.polygamma(True, x), TypeError, "polygamma: n must be an integer, got True"),
    (lambda x: special.polygamma(-1, x), ValueError, "polygamma: n must be at least 0, got -1"),
    (lambda x: powers.power(mg.tensor(np.array([2])), -1), ValueError, "negative integer powers"),
    (lambda x: powers.power(2, mg.tensor(np.array([-1]))), ValueError, "negative integer powers"),
    (lambda x: bounds.clip([mg.tensor(1.0)], 0, 1), TypeError, "a list of Tensors is not an array"),
]


@pytest.mark.parametrize(("call", "kind", "message"), ERRORS, ids=[m[:32] for _, _, m in ERRORS])
def test_errors(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call(mg.tensor(np.ones((2, 3)), requires_grad=True))


def test_bounds_on_another_device_are_refused(strict: Any) -> None:
    x = mg.tensor(np.ones(3), device="cuda:0", requires_grad=True)
    with pytest.raises(mg.DeviceError, match="clip: operands on different devices"):
        bounds.clip(x, mg.tensor(np.zeros(3)), 1)


@pytest.mark.parametrize("name", ["floor", "sign", "isnan", "rint"])
def test_what_is_constant_almost_everywhere_is_untracked(name: str, device: str) -> None:
    assert not FUNCTIONS[name](mg.tensor(np.ones(2), device=device, requires_grad=True)).requires_grad


def test_spacing_without_numpys_function(device: str) -> None:
    x = np.array([1.0, -1.0, 0.0, 1e300, 5e-324, np.nan])
    np.testing.assert_array_equal(host(rounding.spacing(put(x, device))), np.spacing(x))
    single = x[:3].astype(np.float32)
    np.testing.assert_array_equal(host(rounding.spacing(put(single, device))), np.spacing(single))
