"""vjp, jvp and hvp: products with the Jacobian from the left, from the right, and with the Hessian."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from on_device import host, put

import minigrad as mg

X = np.array([0.5, -1.0, 2.0])
V = np.array([1.0, 10.0, -3.0])


def f(x: Any) -> Any:
    return mg.stack([x[0] * x[1], mg.sin(x[2])])


def jacobian_of_f(x: np.ndarray) -> np.ndarray:
    return np.array([[x[1], x[0], 0.0], [0.0, 0.0, np.cos(x[2])]])


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(host(found), expected, rtol=1e-13, atol=1e-15)


# --- vjp ------------------------------------------------------------------------------------------------------------


def test_vjp(device: str) -> None:
    x, w = put(X, device), put([2.0, -1.0], device)
    y, pullback = mg.vjp(f, x)
    assert not isinstance(y, mg.Tensor)
    close(y, [X[0] * X[1], np.sin(X[2])])
    for _ in range(2):
        close(pullback(w), host(w) @ jacobian_of_f(X))
        close(pullback(w * 2), 2 * host(w) @ jacobian_of_f(X))
    tensor, pull = mg.vjp(f, mg.tensor(x))
    assert isinstance(tensor, mg.Tensor)
    assert isinstance(pull(w), mg.Tensor)
    assert not tensor.requires_grad
    close(pull(mg.tensor(w)), host(w) @ jacobian_of_f(X))


def test_vjp_of_several_arguments_and_structures(device: str) -> None:
    a, b = put([1.0, 2.0], device), {"w": put([3.0, 4.0], device)}
    y, pullback = mg.vjp(lambda a, b: {"product": a * b["w"], "pair": (mg.sum(a), 3.0 * a)}, a, b)
    assert list(y) == ["product", "pair"]
    assert isinstance(y["pair"], tuple)
    one = put([1.0, 1.0], device)
    ga, gb = pullback({"product": one, "pair": (put(10.0, device), one * 100)})
    close(ga, [3.0 + 10 + 300, 4.0 + 10 + 300])
    close(gb["w"], [1.0, 2.0])
    assert mg.vjp(lambda: 3.0)[1](np.asarray(1.0)) == ()


def test_vjp_with_aux() -> None:
    y, pullback, aux = mg.vjp(lambda x: (x * 2, {"x": x}), X, has_aux=True)
    close(y, 2 * X)
    close(pullback(V), 2 * V)
    assert type(aux["x"]) is np.ndarray
    assert not np.shares_memory(aux["x"], X)


def test_a_number_is_a_cotangent_without_axes() -> None:
    y, pullback = mg.vjp(lambda x: mg.sum(x * x), X.astype("float32"))
    assert y.dtype == np.float32
    for one in (1, 1.0, np.float32(1), np.array(1, np.float32)):
        g = pullback(one)
        assert g.dtype == np.float32
        close(g, 2 * X)


def test_a_cotangent_that_is_tracked_keeps_the_result_on_the_tape() -> None:
    _, pullback = mg.vjp(f, X)
    w = mg.tensor(np.array([2.0, -1.0]), requires_grad=True)
    g = pullback(w)
    assert g.requires_grad
    with mg.no_grad():
        assert type(pullback(w)) is np.ndarray
    g.backward(V)
    close(w.grad, jacobian_of_f(X) @ V)
    with pytest.raises(mg.GraphError, match=r"vjp of f: .* has freed.*retain_graph=True"):
        pullback(w)


def test_an_overwritten_argument_is_noticed() -> None:
    x = mg.tensor(X)
    _, pullback = mg.vjp(lambda x: x * x, x)
    with mg.no_grad():
        x += 1.0
    with pytest.raises(mg.GraphError, match="overwritten"):
        pullback(V)


# --- jvp ------------------------------------------------------------------------------------------------------------


def test_jvp(device: str) -> None:
    x, v = put(X, device), put(V, device)
    for xs, vs in (((x,), (v,)), ([x], [v]), (x, v), ((x,), [v])):
        y, ydot = mg.jvp(f, xs, vs)
        assert not isinstance(ydot, mg.Tensor)
        close(y, [X[0] * X[1], np.sin(X[2])])
        close(ydot, jacobian_of_f(X) @ V)
        assert (ydot.shape, ydot.dtype) == (y.shape, y.dtype)
    for xs, vs in ((mg.tensor(x), mg.tensor(v)), (mg.tensor(x), v), (x, mg.tensor(v))):
        y, ydot = mg.jvp(f, xs, vs)
        assert isinstance(ydot, mg.Tensor)
        assert not ydot.requires_grad
        close(ydot, jacobian_of_f(X) @ V)


def test_jvp_of_structures() -> None:
    y, ydot = mg.jvp(
        lambda a, p: (mg.sum(a * p["w"]), {"a": a, "w": p["w"] ** 2, "c": 1.0}), (X, {"w": V}), (V, {"w": X})
    )
    assert list(ydot[1]) == list(y[1]) == ["a", "w", "c"]
    close(ydot[0], V @ V + X @ X)
    close(ydot[1]["a"], V)
    close(ydot[1]["w"], 2 * V * X)
    assert ydot[1]["c"] == 0.0
    assert type(ydot[1]["c"]) is np.ndarray


def test_jvp_where_values_are_not_finite() -> None:
    """The dummy cotangent must not meet infinities: 0 * inf would be NaN, and a warning."""
    with np.errstate(all="ignore"):
        _, ydot = mg.jvp(mg.sqrt, (np.array([0.0, 4.0]),), (np.array([1.0, 1.0]),))
    assert np.array_equal(ydot, [np.inf, 0.25])


@pytest.mark.parametrize("name", ["sin", "tanh", "exp", "log1p", "sqrt"])
def test_jvp_is_the_transpose_of_vjp(name: str) -> None:
    rng = np.random.default_rng(0)
    x, v, w = rng.random(4) + 0.5, rng.standard_normal(4), rng.standard_normal((4, 4))

    def g(x: Any) -> Any:
        return mg.matmul(w, getattr(mg, name)(x)) * x

    _, ydot = mg.jvp(g, x, v)
    _, pullback = mg.vjp(g, x)
    u = rng.standard_normal(4)
    np.testing.assert_allclose(u @ ydot, pullback(u) @ v, rtol=1e-12)


# --- hvp ------------------------------------------------------------------------------------------------------------


def test_hvp(device: str) -> None:
    x, v = put(X, device), put(V, device)

    def g(x: Any) -> Any:
        return mg.sum(x**3) * x[0]

    hessian = np.diag(6 * X * X[0])
    hessian[0] += 3 * X**2
    hessian[:, 0] += 3 * X**2
    close(mg.hvp(g)(x, v), hessian @ V)
    assert isinstance(mg.hvp(g)(mg.tensor(x), v), mg.Tensor)
    both = mg.hvp(lambda a, b: mg.sum(a * a * b), (0, 1))(x, x, (v, v))
    close(both[0], 2 * X * V + 2 * X * V)
    close(both[1], 2 * X * V)
    close(mg.hvp(lambda n, p: mg.sum(p["x"] ** n), 1)(2, {"x": x}, {"x": v})["x"], 2 * V)
    assert mg.hvp(mg.sin)(0.5, 2.0) == -2 * np.sin(0.5)


def test_hvp_of_what_is_linear_or_constant() -> None:
    assert np.array_equal(mg.hvp(mg.sum)(X, V), np.zeros(3))
    assert np.array_equal(mg.hvp(lambda x: 3.0)(X, V), np.zeros(3))
    assert np.array_equal(mg.hvp(lambda x: mg.sum(x[:1] ** 2))(X, V), [2 * V[0], 0.0, 0.0])


# --- what is refused ------------------------------------------------------------------------------------------------

SINGLE = np.ones(3, np.float32)
REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "cotangent shape": (
        lambda: mg.vjp(f, X)[1](X),
        mg.ShapeError,
        r"cotangent in vjp of f: shape \(2,\) is due.*\(3,\)",
    ),
    "cotangent dtype": (lambda: mg.vjp(mg.sin, X)[1](SINGLE), mg.DTypeError, "dtype float64 is due, got float32"),
    "cotangent int": (lambda: mg.vjp(mg.sin, X)[1](np.ones(3, int)), TypeError, "dtype float64 is due, got int64"),
    "cotangent list": (lambda: mg.vjp(f, X)[1]([1.0, 2.0]), TypeError, r"the structure \* is due, got \[\*, \*\]"),
    "cotangent number": (lambda: mg.vjp(f, X)[1](1.0), TypeError, "an array or Tensor is due, got float"),
    "cotangent none": (lambda: mg.vjp(f, X)[1](None), TypeError, "an array or Tensor is due, got NoneType"),
    "cotangent structure": (
        lambda: mg.vjp(lambda x: (x, {"b": x}), X)[1]((X, {"a": X})),
        TypeError,
        r"structure \(\*, \{'b': \*\}\) is due, got \(\*, \{'a': \*\}\)",
    ),
    "cotangent in a structure": (
        lambda: mg.vjp(lambda x: (x, {"b": x}), X)[1]((X, {"b": X[:2]})),
        mg.ShapeError,
        r"cotangent in vjp of <lambda>\[1\]\['b'\]: shape \(3,\) is due, got \(2,\)",
    ),
    "direction shape": (
        lambda: mg.jvp(f, (X,), (X[:2],)),
        mg.ShapeError,
        r"direction in jvp of f\[0\]: shape \(3,\) is",
    ),
    "direction dtype": (lambda: mg.jvp(f, (X,), (SINGLE,)), mg.DTypeError, "dtype float64 is due, got float32"),
    "directions missing": (lambda: mg.jvp(f, (X,), ()), TypeError, r"structure \(\*,\) is due, got \(\)"),
    "too many directions": (lambda: mg.jvp(f, (X,), (X, X)), TypeError, r"structure \(\*,\) is due, got \(\*, \*\)"),
    "jvp of an integer": (lambda: mg.jvp(f, (1,), (1.0,)), TypeError, "jvp of f: argument 0 is 1"),
    "vjp of an integer": (
        lambda: mg.vjp(f, np.arange(3)),
        TypeError,
        "vjp of f: argument 0 is an array of dtype int64",
    ),
    "integer output of vjp": (lambda: mg.vjp(lambda x: (x, x > 0), X), TypeError, "returned bool"),
    "integer output of jvp": (lambda: mg.jvp(lambda x: 1, (X,), (X,)), TypeError, "returned int64"),
    "hvp without a vector": (lambda: mg.hvp(f)(X), TypeError, "the arguments of the function and then a vector"),
    "hvp of a vector": (lambda: mg.hvp(f)(X, X), mg.ShapeError, r"hvp of f: the function returned shape \(2,\)"),
    "hvp shape": (lambda: mg.hvp(mg.sum)(X, X[:2]), mg.ShapeError, r"vector in hvp of sum: shape \(3,\) is due"),
}


@pytest.mark.parametrize(("call", "kind", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


def test_other_devices_are_refused(strict: Any) -> None:
    device = "cuda:0"
    with pytest.raises(mg.DeviceError, match="device cuda:0 is due, got cpu"):
        mg.vjp(mg.sin, put(X, device))[1](X)
    with pytest.raises(mg.DeviceError, match="device cuda:0 is due, got cpu"):
        mg.jvp(mg.sin, put(X, device), X)
