"""The raw rules of fused operations, where they write into gradient storage themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.ops import elementwise as ew
from minigrad.ops import fused, linalg

X = np.array([[0.5, -1.25, 2.0], [1.5, 0.25, -0.75]])
W = np.array([[1.0, 0.5, -0.25], [-1.5, 0.75, 2.0]])
B = np.array([0.125, -0.5])
G = np.array([[1.0, -2.0], [0.5, 3.0]])


def leaf(array: Any) -> Any:
    return mg.tensor(array, requires_grad=True)


def unfused(x: Any, w: Any, b: Any, activation: str | None) -> Any:
    z = linalg.matmul(x, w.T) + b
    return z if activation is None else getattr(ew, activation)(z)


def pack(t: Any, stale: float = np.nan) -> np.ndarray:
    """Give a leaf storage of its own, as a packed parameter has: kept by zero_grad, stale until the next backward."""
    storage = np.full(t.shape, stale)
    leaf_node = t._node
    leaf_node.array, leaf_node.live = storage, False
    leaf_node.store = object()
    return storage


@pytest.mark.parametrize("activation", fused.FUSED_ACTIVATIONS)
def test_linear_equals_the_operations_it_fuses(activation: str | None) -> None:
    mine, other = [leaf(a) for a in (X, W, B)], [leaf(a) for a in (X, W, B)]
    out, expected = fused.linear(*mine, activation), unfused(*other, activation)
    assert np.allclose(out.data, expected.data, rtol=1e-15)
    out.backward(G)
    expected.backward(G)
    for a, b in zip(mine, other, strict=True):
        assert np.allclose(a.grad.data, b.grad.data, rtol=1e-14)


@pytest.mark.parametrize("activation", fused.FUSED_ACTIVATIONS)
def test_gradients_are_written_into_the_storage_of_packed_parameters(activation: str | None) -> None:
    x, w, b = (leaf(a) for a in (X, W, B))
    plain = [leaf(a) for a in (X, W, B)]
    unfused(*plain, activation).backward(G)
    storage = [pack(t) for t in (x, w, b)]
    for times in (1, 2):  # the first pass overwrites what is stale, the second adds
        fused.linear(x, w, b, activation).backward(G)
        for t, s, p in zip((x, w, b), storage, plain, strict=True):
            assert t.grad.data is s
            assert np.allclose(s, times * p.grad.data, rtol=1e-14)
    w.grad = None
    fused.linear(x, w, b, activation).backward(G)
    assert w.grad.data is storage[1]
    assert np.allclose(storage[1], plain[1].grad.data, rtol=1e-14)
    assert np.allclose(storage[2], 3 * plain[2].grad.data, rtol=1e-14)


@pytest.mark.parametrize("packed", [False, True])
def test_a_weight_used_twice_gets_both_gradients(packed: bool) -> None:
    square = W[:, :2]
    w, plain = leaf(square), leaf(square)
    if packed:
        pack(w)
    fused.linear(fused.linear(X[:, :2], w, None, "tanh"), w, None).backward(G)
    (ew.tanh(X[:, :2] @ plain.T) @ plain.T).backward(G)
    assert np.allclose(w.grad.data, plain.grad.data, rtol=1e-14)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("earlier", [False, True])
def test_one_tensor_as_both_operands(packed: bool, earlier: bool) -> None:
    a = X[:, :2]
    x, plain = leaf(a), leaf(a)
    if packed:
        pack(x)
    if earlier:
        (x * 3).backward(np.ones((2, 2)))
    linalg.matmul(x, x).backward(G)
    expected = G @ a.T + a.T @ G + (3.0 if earlier else 0.0)
    assert np.allclose(x.grad.data, expected, rtol=1e-14)
    fused.linear(plain, plain).backward(G)
    assert np.allclose(plain.grad.data, G @ a + G.T @ a, rtol=1e-14)


@pytest.mark.parametrize("packed", [False, True])
def test_a_weight_of_a_fused_and_an_ordinary_operation(packed: bool) -> None:
    """The raw rule's write and the engine's sum must add up, in whichever order they come."""
    for order in (1, -1):
        w = leaf(W)
        if packed:
            pack(w)
        pieces = [lambda w: fused.linear(X, w).sum(), lambda w: (w * w).sum()][::order]
        (pieces[0](w) + pieces[1](w)).backward()
        assert np.allclose(w.grad.data, np.ones((2, 2)) @ X + 2 * W, rtol=1e-14)


def test_an_activation_between_keeps_the_storage_of_its_input_out() -> None:
    """Only leaves are written to: the gradient of a computed argument goes on as an array."""
    x = leaf(X)
    fused.linear(x * 2, W, B, "relu").backward(G)
    plain = leaf(X)
    unfused(plain * 2, W, B, "relu").backward(G)
    assert np.allclose(x.grad.data, plain.grad.data, rtol=1e-14)


def test_create_graph_into_packed_storage() -> None:
    w = leaf(W)
    storage = pack(w)
    (fused.linear(X, w, None, "tanh") ** 2).sum().backward(create_graph=True)
    gradient = w.grad
    assert gradient.requires_grad
    assert np.array_equal(storage, gradient.data), "its value is in the flat view too"
    w.grad = None
    (gradient * gradient).sum().backward()
    other = leaf(W)
    (unfused(X, other, 0.0, "tanh") ** 2).sum().backward(create_graph=True)
    again, other.grad = other.grad, None
    (again * again).sum().backward()
    assert np.allclose(w.grad.data, other.grad.data, rtol=1e-12)


def test_float32_parameters_and_inputs_stay_float32() -> None:
    x, w, b = (leaf(a.astype(np.float32)) for a in (X, W, B))
    out = fused.linear(x, w, b, "tanh")
    loss = fused.softmax_cross_entropy(out, np.array([0, 1]), 0.5).sum()
    assert out.dtype == loss.dtype == np.float32
    loss.backward()
    assert {t.grad.dtype for t in (x, w, b)} == {np.dtype(np.float32)}


def test_matmul_of_two_dtypes_gives_each_operand_its_own() -> None:
    x, y = leaf(X.astype(np.float32)), leaf(W)
    linalg.matmul(x, y.T).backward(G)
    assert x.grad.dtype == np.float32
    assert y.grad.dtype == np.float64
    assert np.allclose(x.grad.data, G @ W, rtol=1e-6)
    assert np.allclose(y.grad.data, G.T @ X, rtol=1e-14)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64", "uint64"])
@pytest.mark.parametrize("n", [100, 300])
def test_labels_of_any_integer_dtype(dtype: str, n: int) -> None:
    """Positions are computed from labels: in a narrow dtype they would wrap."""
    rng = np.random.default_rng(0)
    z, labels = rng.normal(size=(n, 10)), rng.integers(0, 10, n)
    t, other = leaf(z), leaf(z)
    loss = fused.softmax_cross_entropy(t, labels.astype(dtype), 0.5)
    expected = np.log(np.exp(z).sum(axis=1)) - z[np.arange(n), labels]
    assert np.allclose(loss.data, 0.5 * expected, rtol=1e-12)
    loss.backward(np.ones(n))
    fused.softmax_cross_entropy(other, labels, 0.5).backward(np.ones(n), create_graph=True)
    assert np.allclose(t.grad.data, other.grad.data, rtol=1e-12)


ERRORS = [
    (lambda: fused.linear(X, W, B, "sine"), ValueError, "activation must be one of .* got 'sine'"),
    (lambda: fused.linear(X, W.T), mg.ShapeError, r"x \(2, 3\), weight \(3, 2\), bias None do not fit"),
    (lambda: fused.linear(X, W, X[0]), mg.ShapeError, r"bias \(3,\) do not fit"),
    (lambda: linalg.matmul(X, W), mg.ShapeError, r"inner lengths differ: \(2, 3\) @ \(2, 3\)"),
    (lambda: linalg.matmul(leaf(X), leaf(B[0])), mg.ShapeError, "at least one dimension.* use \\* for scalars"),
    (lambda: leaf(X) @ B, mg.ShapeError, r"the only axis of the second"),
]


@pytest.mark.parametrize(("call", "kind", "message"), ERRORS, ids=[m[:20] for _, _, m in ERRORS])
def test_errors(call: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        call()
