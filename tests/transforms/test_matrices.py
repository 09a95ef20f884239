"""jacobian and hessian: shapes, structures, and the two ways to fill a Jacobian."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from on_device import host, put

import minigrad as mg
from minigrad.transforms import matrices

X = np.array([[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]])
W = np.linspace(-1.0, 1.0, 6).reshape(3, 2)


@pytest.mark.parametrize("out", [(), (1,), (4,), (2, 5)])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3)])
def test_shapes(shape: tuple[int, ...], out: tuple[int, ...], device: str) -> None:
    """Rows where the outputs are few, columns where the inputs are."""
    rng = np.random.default_rng(0)
    m, n = int(np.prod(out)), int(np.prod(shape))
    matrix, x = rng.standard_normal((m, n)), rng.standard_normal(shape)

    def f(x: Any) -> Any:
        return mg.matmul(put(matrix, device), mg.reshape(mg.sin(x), (n,))).reshape(out)

    found = mg.jacobian(f)(put(x, device))
    assert found.shape == out + shape
    np.testing.assert_allclose(host(found), (matrix * np.cos(x).ravel()).reshape(out + shape), rtol=1e-13)
    assert isinstance(mg.jacobian(f)(mg.tensor(put(x, device))), mg.Tensor)


@pytest.mark.parametrize(("shape", "out"), [((0,), (3,)), ((3,), (0,)), ((0, 2), (0,)), ((), (0, 4)), ((2, 0), ())])
def test_no_elements(shape: tuple[int, ...], out: tuple[int, ...], device: str) -> None:
    def f(x: Any) -> Any:
        return mg.broadcast_to(mg.sum(x), out)

    found = mg.jacobian(f)(put(np.ones(shape, np.float32), device))
    assert (found.shape, found.dtype) == (out + shape, np.float32)


@pytest.mark.parametrize("way", ["_by_rows", "_by_columns"])
@pytest.mark.parametrize("tied", [False, True])
def test_rows_and_columns_agree(way: str, tied: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matrices, "_by_rows", getattr(matrices, way))
    monkeypatch.setattr(matrices, "_by_columns", getattr(matrices, way))
    w = mg.tensor(W, requires_grad=tied)

    def f(x: Any, p: Any) -> Any:
        return {"y": mg.tanh(mg.matmul(x, w)) * p["a"], "c": np.array(2.0), "z": p["b"][0] * mg.sum(x)}

    p = {"a": np.array([2.0, 3.0]), "b": [np.asarray(0.5)]}
    found = mg.jacobian(f, (0, 1))(X, p)
    t = np.tanh(X @ W)
    expected = np.einsum("ij,kj,ia->ijak", (1 - t**2) * p["a"], W, np.eye(2))
    np.testing.assert_allclose(host(found["y"][0]), expected, rtol=1e-13, atol=1e-15)
    np.testing.assert_allclose(host(found["y"][1]["a"]), np.einsum("ij,jb->ijb", t, np.eye(2)), rtol=1e-13)
    assert np.array_equal(host(found["y"][1]["b"][0]), np.zeros((2, 2)))
    assert np.array_equal(host(found["c"][0]), np.zeros((2, 3)))
    np.testing.assert_allclose(host(found["z"][0]), np.full((2, 3), 0.5))
    assert isinstance(found["y"][0], mg.Tensor) == tied
    if tied:
        mg.sum(found["y"][0]).backward()
        loss = lambda w: mg.sum(mg.jacobian(lambda x: mg.tanh(mg.matmul(x, w)) * p["a"])(X))
        np.testing.assert_allclose(host(w.grad), mg.grad(loss)(W), rtol=1e-12)


def test_dtypes_are_those_of_the_arguments() -> None:
    x = X.astype("float32")
    for w in (np.ones((3, 1)), np.ones((3, 40))):  # by rows, by columns
        assert mg.jacobian(lambda x, w=w: mg.matmul(x, w))(x).dtype == np.float32


def test_what_does_not_depend_on_the_argument() -> None:
    assert np.array_equal(mg.jacobian(lambda x: np.ones(2))(X), np.zeros((2, 2, 3)))
    assert np.array_equal(mg.jacobian(lambda x: mg.tensor(np.ones(9)))(X), np.zeros((9, 2, 3)))
    assert np.array_equal(mg.jacobian(lambda x: x)(X).reshape(6, 6), np.eye(6))


def test_hessian(device: str) -> None:
    x = X[0]

    def f(x: Any) -> Any:
        return mg.prod(x) if hasattr(mg, "prod") else x[0] * x[1] * x[2]

    a, b, c = x
    expected = np.array([[0, c, b], [c, 0, a], [b, a, 0]])
    found = mg.hessian(f)(put(x, device))
    np.testing.assert_allclose(host(found), expected, rtol=1e-13, atol=1e-15)
    assert isinstance(mg.hessian(f)(mg.tensor(put(x, device))), mg.Tensor)
    assert mg.hessian(lambda x: x**4)(2.0) == 48.0


def test_hessian_of_structures_and_several_arguments() -> None:
    x, y = X[0], X[1]
    (xx, xy), (yx, yy) = mg.hessian(lambda x, y: mg.sum(x * x * y), (0, 1))(x, y)
    np.testing.assert_allclose(xx, np.diag(2 * y))
    np.testing.assert_allclose(xy, np.diag(2 * x))
    np.testing.assert_allclose(yx, np.diag(2 * x))
    assert np.array_equal(yy, np.zeros((3, 3)))
    blocks = mg.hessian(lambda p: mg.sum(p["x"] * p["y"]))({"x": x, "y": y})
    assert np.array_equal(blocks["x"]["y"], np.eye(3))
    assert np.array_equal(blocks["x"]["x"], np.zeros((3, 3)))


def test_a_newton_step_solves_a_quadratic() -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal((4, 4))
    matrix, b = a @ a.T + np.eye(4), rng.standard_normal(4)

    def f(x: Any) -> Any:
        return 0.5 * mg.sum(x * mg.matmul(matrix, x)) - mg.sum(b * x)

    x = rng.standard_normal(4)
    x = x - np.linalg.solve(mg.hessian(f)(x), mg.grad(f)(x))
    np.testing.assert_allclose(x, np.linalg.solve(matrix, b), rtol=1e-10)


REFUSED: dict[str, tuple[Any, type[Exception], str]] = {
    "integer": (lambda: mg.jacobian(mg.sin)(3), TypeError, "jacobian of sin: argument 0 is 3"),
    "integer result": (lambda: mg.jacobian(mg.argmax)(X), TypeError, "jacobian of argmax: the function returned int64"),
    "hessian of a vector": (lambda: mg.hessian(mg.sin)(X), mg.ShapeError, r"grad of sin: the function returned shape"),
    "hessian of an integer": (
        lambda: mg.hessian(mg.sum)(np.arange(3)),
        TypeError,
        "argument 0 is an array of dtype int",
    ),
}


@pytest.mark.parametrize(("call", "kind", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_refused(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()
