"""What gradcheck checks besides the numbers: linearity, determinism, memory layouts, low precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from on_device import host, put

import minigrad as mg
from minigrad.testing import InconclusiveError, Verdict, WrongGradientError, gradcheck

X = np.array([[0.5, -1.25, 1.75], [1.5, 0.25, -0.75]])


def square(rule: Any) -> Any:
    return mg.Op("planted", lambda xp, x: x * x, saves=(0,)).defvjp(rule)


NOT_LINEAR = {
    "magnitude": lambda g, out, x: abs(g) * 2 * x,
    "square": lambda g, out, x: g * g * 2 * x,
    "offset": lambda g, out, x: g * 2 * x + (g == 0) * 0.0 + 1e-3 * (g != 0),
    "larger of two": lambda g, out, x: mg.maximum(g, g[::-1]) * 2 * x,
}


@pytest.mark.parametrize("rule", NOT_LINEAR.values(), ids=NOT_LINEAR.keys())
def test_a_rule_that_is_not_linear_in_the_cotangent(rule: Any, device: str) -> None:
    with pytest.raises(mg.GradientError, match="gradient of argument 0 is not linear in the cotangent"):
        gradcheck(square(rule), put(X, device), order=1, seed=1)


def test_a_gradient_that_a_zero_cotangent_does_not_stop() -> None:
    with pytest.raises(mg.GradientError, match="a zero cotangent gave a gradient of argument 0 that is not zero"):
        gradcheck(square(lambda g, out, x: g * 2 * x + (g == 0) * 1.0), X)


def test_a_value_that_changes_when_it_is_recorded() -> None:
    def f(x: Any) -> Any:
        return x * (2.0 if mg.is_grad_enabled() else 2.1)

    with pytest.raises(WrongGradientError, match="another value where it is recorded"):
        gradcheck(f, X)


def as_stored(raw: Any) -> Any:
    """A strided array read as if it were contiguous: the mistake of a kernel that ignores strides."""
    return np.lib.stride_tricks.as_strided(raw, raw.shape, np.empty(raw.shape).strides, writeable=False)


def test_a_forward_or_backward_that_ignores_strides() -> None:
    right = lambda g, out, x: g * 2 * x
    forward = mg.Op("strides", lambda xp, x: as_stored(x) * as_stored(x), saves=(0,)).defvjp(right)
    x = np.ascontiguousarray(X)
    with pytest.raises(WrongGradientError, match="changes with the memory layout: strided"):
        gradcheck(forward, x, order=1)
    assert gradcheck(forward, x, order=1, layouts=False).verdict is Verdict.OK

    def rule(g: Any, out: Any, x: Any) -> Any:
        return g * 2 * (as_stored(x) if isinstance(x, np.ndarray) else x)

    with pytest.raises(WrongGradientError, match="the gradient of argument 0 changes with the memory layout: strided"):
        gradcheck(square(rule), x, order=1)


def test_a_backward_that_is_wrong_for_a_stride_of_zero() -> None:
    def rule(g: Any, out: Any, x: Any) -> Any:
        repeated = isinstance(x, np.ndarray) and 0 in x.strides
        return g * 2 * x * (1.01 if repeated else 1.0)

    with pytest.raises(WrongGradientError, match="gradient of argument 0 changes with the memory layout: stride 0"):
        gradcheck(square(rule), X, order=1)
    with pytest.raises(WrongGradientError, match=r"wrong gradient of argument 0"):
        gradcheck(square(rule), np.broadcast_to(X[:1], X.shape), order=1, layouts=False)


def test_equal_rows_outside_the_domain_are_no_fault() -> None:
    def distinct(x: Any) -> Any:
        if len(np.unique(host(x))) < host(x).size:
            raise ValueError("equal elements")
        return x * x

    assert gradcheck(distinct, X, order=1).verdict is Verdict.OK
    assert gradcheck(lambda x: mg.std(x, axis=0), X, order=1).verdict is Verdict.OK
    assert gradcheck(lambda x: mg.max(x, axis=0), X, order=1).verdict is Verdict.OK


def test_layouts_are_given_to_f() -> None:
    strides = set()

    def f(x: Any) -> Any:
        strides.add(x.data.strides)
        return x * x

    gradcheck(f, np.ascontiguousarray(X), order=1)
    assert (0, 8) in strides, "rows repeated by a stride of 0"
    assert any(s not in ((24, 8), (0, 8)) for s in strides), "neither C order nor F order"


def test_a_fault_in_float32_alone() -> None:
    def rule(g: Any, out: Any, x: Any) -> Any:
        if x.dtype == np.float32:
            return g * 2 * x * 1.01
        return g * 2 * x

    for dtype in ("float32", "float16"):
        gradcheck(square(lambda g, out, x: g * 2 * x), X.astype(dtype))
    with pytest.raises(WrongGradientError, match=r"argument 0, entry \(0, 0\), order 1 in float32") as caught:
        gradcheck(square(rule), X.astype(np.float32))
    failing = caught.value.report.failing
    assert failing is not None
    assert failing.oracle == "float64"
    assert failing.outcome.analytic / failing.outcome.numeric == pytest.approx(1.01, rel=1e-6)
    assert gradcheck(square(rule), X).verdict is Verdict.OK


@pytest.mark.parametrize("factor", [1e-2, 1e-3, 1e-4, 2e-5])
def test_small_faults_in_float32_are_found(factor: float, device: str) -> None:
    rule = lambda g, out, x: g * 2 * x * (1 + factor * (x.dtype == np.float32))
    with pytest.raises(mg.GradientError, match="in float32"):
        gradcheck(lambda x: mg.tanh(square(rule)(x)), put(X.astype(np.float32), device), order=1)


ROUNDED = {
    "cancellation": lambda x: mg.sin(x) ** 2 + mg.cos(x) ** 2,
    "softmax": lambda x: mg.exp(x) / mg.sum(mg.exp(x)),
    "large offset": lambda x: (x + 100.0) * (x + 100.0) - 200.0 * x,
    "logarithms": lambda x: mg.log1p(mg.exp(x * 3)) * mg.mean(x),
    "normalized": lambda x: (x - mg.mean(x)) / mg.sqrt(mg.var(x) + 1e-5),
    "product": lambda x: x @ x.T,
}


@pytest.mark.parametrize("f", ROUNDED.values(), ids=ROUNDED.keys())
@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_rounding_in_low_precision_is_no_fault(f: Any, dtype: str) -> None:
    report = gradcheck(f, X.astype(dtype), order=2, allow="noisy")
    low = [finding for finding in report.findings if finding.path == f" in {dtype}"]
    assert low
    if dtype == "float32":
        assert report.verdict is Verdict.OK


def test_arguments_of_several_dtypes() -> None:
    mixed = lambda x, y: mg.sum(x * y)
    report = gradcheck(mixed, X.astype(np.float32), X)
    assert {f.argument for f in report.findings if f.path == " in float32"} >= {"argument 0", "argument 1"}


def test_overflow_in_low_precision_is_a_matter_of_the_domain() -> None:
    with np.errstate(all="ignore"), pytest.raises(InconclusiveError, match="finite in float64, but not in float16"):
        gradcheck(lambda x: mg.exp(x * 10), X.astype(np.float16))


def test_integers_and_constants_are_left_alone() -> None:
    index = np.array([1, 0, 1])
    report = gradcheck(lambda x, i, scale: mg.take(x, i, axis=0) * scale, X, index, 2)
    assert report.arguments == (0,)
    assert report.verdict is Verdict.OK
