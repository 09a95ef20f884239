"""Transforms of transforms: perturbation confusion, tensors from outside, random programs to random depth, cost."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from on_device import host, put

import minigrad as mg
from minigrad.backend.device import provider_of
from minigrad.core import engine


def d(f: Callable[[Any], Any], how: str = "grad") -> Callable[[Any], Any]:
    """The derivative of a function of one number, by any of the transforms."""
    if how == "jvp":
        return lambda x: mg.jvp(f, (x,), (1.0,))[1]
    if how == "vjp":

        def by_vjp(x: Any) -> Any:
            y, pullback = mg.vjp(f, x)
            return pullback(1.0 if isinstance(y, mg.Tensor) else np.ones_like(y))

        return by_vjp
    return {"grad": mg.grad, "jacobian": mg.jacobian, "elementwise": mg.elementwise_grad}[how](f)


HOW = ["grad", "vjp", "jvp", "jacobian", "elementwise"]
how2 = pytest.mark.parametrize("inner", HOW)
how1 = pytest.mark.parametrize("outer", HOW)

# --- perturbation confusion -----------------------------------------------------------------------------------------


@how1
@how2
def test_the_classic(outer: str, inner: str) -> None:
    """d/dx x * (d/dy (x + y)) = 1, and not 2 (Siskind and Pearlmutter 2005)."""
    assert d(lambda x: x * d(lambda y: x + y, inner)(1.0), outer)(1.0) == 1.0
    assert d(lambda x: x * d(lambda y: x * y, inner)(1.0), outer)(3.0) == 6.0
    assert d(lambda x: x * d(lambda y: x * y, inner)(x), outer)(3.0) == 6.0
    assert d(lambda x: x * d(lambda y: y * y, inner)(x), outer)(3.0) == 12.0
    assert d(lambda x: d(lambda y: x * x * y, inner)(2.0) + x, outer)(3.0) == 7.0


@how1
@how2
def test_second_derivatives(outer: str, inner: str) -> None:
    f = lambda x: mg.sin(x) * x
    expected = 2 * math.cos(0.75) - 0.75 * math.sin(0.75)
    for x in (0.75, np.float64(0.75), np.array(0.75)):
        found = d(d(f, inner), outer)(x)
        assert type(found) is np.ndarray
        assert found == pytest.approx(expected, rel=1e-14)
    found = d(d(f, inner), outer)(mg.tensor(np.array(0.75)))
    assert isinstance(found, mg.Tensor)
    assert not found.requires_grad
    assert found.item() == pytest.approx(expected, rel=1e-14)


def test_inner_results_that_are_functions_of_both() -> None:
    """f(x) = d/dy (x y^2 + x^2 y) at y = x is 2x^2 + x^2, its derivative 6x."""
    for inner in HOW:
        for outer in HOW:
            f = lambda x, inner=inner: d(lambda y: x * y * y + x * x * y, inner)(x)
            assert d(f, outer)(2.0) == pytest.approx(12.0, rel=1e-15)


def test_five_deep() -> None:
    f: Any = mg.sin
    for order, sign in enumerate([1, -1, -1, 1, 1], 1):
        f = mg.grad(f)
        expected = sign * (math.cos(0.3) if order % 2 else math.sin(0.3))
        assert f(0.3) == pytest.approx(expected, rel=1e-14)


def test_hvp_of_hvp_and_hessian_of_hvp() -> None:
    x, v = np.array([1.0, 2.0]), np.array([3.0, -1.0])
    inner = lambda a: mg.sum(mg.hvp(lambda b: mg.sum(b**4))(a, v))
    np.testing.assert_allclose(mg.hvp(inner)(x, v), 24 * v * v)
    np.testing.assert_allclose(mg.hessian(inner)(x), np.diag(24 * v))
    np.testing.assert_allclose(mg.grad(lambda u: mg.sum(mg.hvp(lambda b: mg.sum(b**4))(x, u)))(v), 12 * x**2)
    np.testing.assert_allclose(mg.jacobian(mg.jacobian(mg.jacobian(lambda b: mg.sum(b**3))))(x)[1, 1, 1], 6.0)


@given(depth=st.lists(st.sampled_from(HOW), min_size=1, max_size=4), a=st.integers(-8, 8), n=st.integers(0, 6))
def test_any_depth_by_any_way(depth: list[str], a: int, n: int) -> None:
    """Derivatives of x^n e^(x/2) against Leibniz' rule."""
    x = a / 4 + 1 / 8
    f: Any = lambda x: x**n * mg.exp(x / 2)
    for how in depth:
        f = d(f, how)
    k = len(depth)
    exact = sum(
        math.comb(k, i) * math.perm(n, i) * x ** (n - i) * 0.5 ** (k - i) * math.exp(x / 2)
        for i in range(min(k, n) + 1)
    )
    assert f(x) == pytest.approx(exact, rel=1e-12, abs=1e-12)


# --- random programs ------------------------------------------------------------------------------------------------

UNARY: list[Callable[[Any], Any]] = [mg.sin, mg.tanh, lambda x: x * x * 0.25, lambda x: 1 / (1 + x * x), lambda x: -x]
BINARY: list[Callable[[Any, Any], Any]] = [lambda x, y: x * y, lambda x, y: x + y, lambda x, y: x - mg.cos(y)]
steps = st.lists(
    st.tuples(st.integers(0, 99), st.integers(0, 30), st.integers(0, 30), st.sampled_from(["unary", "binary", *HOW])),
    min_size=1,
    max_size=8,
)


def program(recipe: list[Any], values: list[Any]) -> Any:
    """A value of scalars; some steps are derivatives of a later part of the program by a value of their own."""
    values = list(values)
    for i, (which, left, right, kind) in enumerate(recipe):
        x, y = values[left % len(values)], values[right % len(values)]
        if kind == "unary":
            new = UNARY[which % len(UNARY)](x)
        elif kind == "binary":
            new = BINARY[which % len(BINARY)](x, y)
        else:
            rest = recipe[i + 1 : i + 3]
            new = d(lambda t, rest=rest, x=x: program(rest, [*values, t]) * mg.sin(t + x), kind)(y)
        values.append(new)
    return values[-1] * 1.0


@given(recipe=steps, a=st.integers(-8, 8), how=st.sampled_from(HOW))
def test_random_nested_programs(recipe: list[Any], a: int, how: str) -> None:
    """Against central differences of the program itself, inner derivatives and all."""
    x = a / 8 + 1 / 16
    f = lambda x: program(recipe, [x, 0.5])
    found = d(f, how)(x)
    h = 2.0**-13

    def at(x: float) -> float:
        return float(f(np.array(x)))

    coarse = (at(x + h) - at(x - h)) / (2 * h)
    fine = (at(x + h / 2) - at(x - h / 2)) / h
    numeric, bar = (4 * fine - coarse) / 3, abs(fine - coarse)
    assert abs(float(found) - numeric) <= 10 * bar + 1e-9 * (1 + abs(numeric))


# --- tensors from outside -------------------------------------------------------------------------------------------


def leaf(values: Any, device: str = "cpu") -> Any:
    return mg.tensor(np.asarray(values, np.float64), device=device, requires_grad=True)


def test_an_inner_gradient_keeps_the_graph_of_a_tensor_it_closes_over(device: str) -> None:
    w, x = leaf([2.0, 3.0], device), put([1.0, -1.0], device)
    value, g = mg.value_and_grad(lambda x: mg.sum(w * w * x * x))(x)
    assert isinstance(g, mg.Tensor)
    assert g.requires_grad
    assert value.requires_grad
    (mg.sum(g * g) + value).backward()
    np.testing.assert_allclose(host(w.grad), 16 * host(w) ** 3 * host(x) ** 2 + 2 * host(w) * host(x) ** 2)


@pytest.mark.parametrize("transform", ["jvp", "vjp", "jacobian", "hessian", "hvp", "elementwise_grad"])
def test_every_transform_keeps_it(transform: str) -> None:
    w, x = leaf([2.0, 3.0]), np.array([1.0, -1.0])
    cube = lambda t: mg.sum(w * w * t**3)
    results = {
        "jvp": lambda: mg.jvp(lambda t: w * w * t**3, x, np.ones(2))[1],
        "vjp": lambda: mg.vjp(lambda t: w * w * t**3, x)[1](np.ones(2)),
        "jacobian": lambda: mg.jacobian(lambda t: w * w * t**3)(x),
        "hessian": lambda: mg.hessian(cube)(x) * 0.5 * np.diag(x),
        "hvp": lambda: mg.hvp(cube)(x, x) * 0.5,
        "elementwise_grad": lambda: mg.elementwise_grad(lambda t: w * w * t**3)(x),
    }
    out = results[transform]()
    assert out.requires_grad
    mg.sum(out).backward()
    np.testing.assert_allclose(w.grad.data, 2 * w.data * 3 * x**2)


def test_a_tracked_argument_keeps_its_graph(device: str) -> None:
    x = leaf([1.0, 2.0], device)
    g = mg.grad(lambda t: mg.sum(t**3))(x * 2)
    assert g.requires_grad
    assert x.grad is None
    mg.sum(g).backward()
    np.testing.assert_allclose(host(x.grad), 6 * (2 * host(x)) * 2)


def test_no_grad_outside_cuts_the_tie() -> None:
    w, x = leaf([2.0, 3.0]), np.array([1.0, -1.0])
    f = lambda t: mg.sum(w * t * t)
    with mg.no_grad():
        value, g = mg.value_and_grad(f)(x)
        assert type(g) is type(value) is np.ndarray
        both = mg.value_and_grad(lambda t: mg.sum(t * t))(w)
        assert not any(t.requires_grad for t in both)
        assert type(mg.jvp(f, x, x)[1]) is np.ndarray
        assert type(mg.hessian(f)(x)) is np.ndarray


def test_an_inner_transform_that_does_not_depend_on_the_outside_gives_arrays() -> None:
    w = leaf([2.0, 3.0])
    assert type(mg.grad(lambda t: mg.sum(t * t))(w.data)) is np.ndarray
    assert type(mg.grad(lambda t: mg.sum(t * w.detach()))(w.data)) is np.ndarray

    def makes_a_leaf(t: Any) -> Any:
        inner = mg.tensor(np.ones(2), requires_grad=True)
        return mg.sum(t * inner)

    assert type(mg.grad(makes_a_leaf)(w.data)) is np.ndarray


def test_what_depends_on_the_outside_but_not_on_the_argument() -> None:
    w = leaf([2.0, 3.0])
    value, g = mg.value_and_grad(lambda x: mg.sum(w))(np.ones(2))
    assert np.array_equal(host(g), [0.0, 0.0])
    value.backward()
    assert np.array_equal(w.grad.data, [1.0, 1.0])
    value, g = mg.value_and_grad(lambda x: w[0])(np.ones(2))
    assert np.array_equal(host(g), [0.0, 0.0])
    assert value.requires_grad


def test_gradients_of_a_gradient_penalty_reach_the_parameters() -> None:
    mg.manual_seed(0)
    model = mg.nn.MLP(3, [4], 1, activation="tanh")
    x = np.ones((2, 3), np.float32)
    g = mg.grad(lambda x: mg.sum(model(x)))(x)
    penalty = mg.sum(g * g)
    penalty.backward()
    for p in list(model.parameters())[:2]:
        assert p.grad is not None
        assert np.isfinite(p.grad.data).all()
    w = next(iter(model.parameters()))
    found, h = w.grad.data[1, 2], 1e-2

    def at(step: float) -> float:
        with mg.no_grad():
            w[1, 2] = w.data[1, 2] + step
            g = mg.grad(lambda x: mg.sum(model(x)))(x)
            w[1, 2] = w.data[1, 2] - step
        return float((g.astype(np.float64) ** 2).sum())

    assert found == pytest.approx((at(h) - at(-h)) / (2 * h), rel=1e-2, abs=1e-3)


# --- cost -----------------------------------------------------------------------------------------------------------


def test_an_inner_gradient_visits_its_own_part_of_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    build = engine.Walk.__init__

    def noted(self: Any, *args: Any) -> None:
        build(self, *args)
        sizes.append(len(self.order))

    monkeypatch.setattr(engine.Walk, "__init__", noted)

    def loop(x: Any, n: int) -> Any:
        for _ in range(n):
            x = x - 0.01 * mg.grad(lambda t: mg.sin(t) * t)(x)
        return x

    x, g = 1.0, 1.0
    for _ in range(1000):
        x, g = x - 0.01 * (math.cos(x) * x + math.sin(x)), g * (1 - 0.01 * (2 * math.cos(x) - x * math.sin(x)))
    assert mg.grad(loop)(1.0, 1000) == pytest.approx(g, rel=1e-10)
    assert len(sizes) == 1001
    assert max(sizes[:-1]) < 10
    assert sizes[-1] < 1000 * 40


@pytest.mark.slow
def test_a_nested_gradient_in_a_loop_is_linear_in_time() -> None:
    def loop(x: Any, n: int) -> Any:
        for _ in range(n):
            x = x - 0.01 * mg.grad(lambda t: mg.sin(t) * t)(x)
        return x

    def seconds(n: int) -> float:
        best = math.inf
        for _ in range(3):
            start = time.perf_counter()
            mg.grad(loop)(1.0, n)
            best = min(best, time.perf_counter() - start)
        return best

    seconds(50)
    assert seconds(2000) < 4 * 4 * seconds(500)


def test_tensors_only_where_they_are_due(device: str) -> None:
    x = put([1.0, 2.0], device)
    for result in (mg.grad(lambda t: mg.sum(t))(x), mg.jacobian(mg.sin)(x), mg.hessian(lambda t: mg.sum(t**3))(x),
                   mg.hvp(lambda t: mg.sum(t**3))(x, x), *mg.jvp(mg.sin, x, x), mg.vjp(mg.sin, x)[0]):  # fmt: skip
        assert not isinstance(result, mg.Tensor)
        assert provider_of(result) is not None
