"""The raw rules of fused operations, where they write into gradient storage themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from on_device import host, put

import minigrad as mg
from minigrad.ops import elementwise as ew
from minigrad.ops import fused, linalg

X = np.array([[0.5, -1.25, 2.0], [1.5, 0.25, -0.75]])
W = np.array([[1.0, 0.5, -0.25], [-1.5, 0.75, 2.0]])
B = np.array([0.125, -0.5])
G = np.array([[1.0, -2.0], [0.5, 3.0]])


def leaf(array: Any, device: str) -> Any:
    return mg.tensor(array, device=device, requires_grad=True)


def leaves(device: str, *arrays: Any) -> list[Any]:
    return [leaf(a, device) for a in arrays]


def close(got: Any, expected: Any, rtol: float = 1e-14) -> None:
    np.testing.assert_allclose(host(got), host(expected), rtol=rtol, atol=1e-8)


def unfused(x: Any, w: Any, b: Any, activation: str | None) -> Any:
    z = linalg.matmul(x, w.T) + b
    return z if activation is None else getattr(ew, activation)(z)


def pack(t: Any, stale: float = np.nan) -> Any:
    """Give a leaf storage of its own, as a packed parameter has: kept by zero_grad, stale until the next backward."""
    storage = put(np.full(t.shape, stale), t.device)
    leaf_node = t._node
    leaf_node.array, leaf_node.live = storage, False
    leaf_node.store = object()
    return storage


@pytest.mark.parametrize("activation", fused.FUSED_ACTIVATIONS)
def test_linear_equals_the_operations_it_fuses(activation: str | None, device: str) -> None:
    mine, other, g = leaves(device, X, W, B), leaves(device, X, W, B), put(G, device)
    out, expected = fused.linear(*mine, activation), unfused(*other, activation)
    close(out, expected, rtol=1e-15)
    out.backward(g)
    expected.backward(g)
    for a, b in zip(mine, other, strict=True):
        close(a.grad, b.grad)


@pytest.mark.parametrize("activation", fused.FUSED_ACTIVATIONS)
def test_gradients_are_written_into_the_storage_of_packed_parameters(activation: str | None, device: str) -> None:
    x, w, b = leaves(device, X, W, B)
    plain, g = leaves(device, X, W, B), put(G, device)
    unfused(*plain, activation).backward(g)
    storage = [pack(t) for t in (x, w, b)]
    for times in (1, 2):  # the first pass overwrites what is stale, the second adds
        fused.linear(x, w, b, activation).backward(g)
        for t, s, p in zip((x, w, b), storage, plain, strict=True):
            assert t.grad.data is s
            close(s, times * p.grad)
    w.grad = None
    fused.linear(x, w, b, activation).backward(g)
    assert w.grad.data is storage[1]
    close(storage[1], plain[1].grad)
    close(storage[2], 3 * plain[2].grad)


@pytest.mark.parametrize("packed", [False, True])
def test_a_weight_used_twice_gets_both_gradients(packed: bool, device: str) -> None:
    x, square, g = put(X[:, :2], device), W[:, :2], put(G, device)
    w, plain = leaves(device, square, square)
    if packed:
        pack(w)
    fused.linear(fused.linear(x, w, None, "tanh"), w, None).backward(g)
    (ew.tanh(x @ plain.T) @ plain.T).backward(g)
    close(w.grad, plain.grad)


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("earlier", [False, True])
def test_one_tensor_as_both_operands(packed: bool, earlier: bool, device: str) -> None:
    a, g = X[:, :2], put(G, device)
    x, plain = leaves(device, a, a)
    if packed:
        pack(x)
    if earlier:
        (x * 3).backward(put(np.ones((2, 2)), device))
    linalg.matmul(x, x).backward(g)
    close(x.grad, G @ a.T + a.T @ G + (3.0 if earlier else 0.0))
    fused.linear(plain, plain).backward(g)
    close(plain.grad, G @ a + G.T @ a)


@pytest.mark.parametrize("packed", [False, True])
def test_a_weight_of_a_fused_and_an_ordinary_operation(packed: bool, device: str) -> None:
    """The raw rule's write and the engine's sum must add up, in whichever order they come."""
    x = put(X, device)
    for order in (1, -1):
        w = leaf(W, device)
        if packed:
            pack(w)
        pieces = [lambda w: fused.linear(x, w).sum(), lambda w: (w * w).sum()][::order]
        (pieces[0](w) + pieces[1](w)).backward()
        close(w.grad, np.ones((2, 2)) @ X + 2 * W)


def test_an_activation_between_keeps_the_storage_of_its_input_out(device: str) -> None:
    """Only leaves are written to: the gradient of a computed argument goes on as an array."""
    x, plain = leaves(device, X, X)
    w, b, g = (put(a, device) for a in (W, B, G))
    fused.linear(x * 2, w, b, "relu").backward(g)
    unfused(plain * 2, w, b, "relu").backward(g)
    close(x.grad, plain.grad)


def test_create_graph_into_packed_storage(device: str) -> None:
    w, other = leaves(device, W, W)
    x, storage = put(X, device), pack(w)
    (fused.linear(x, w, None, "tanh") ** 2).sum().backward(create_graph=True)
    gradient = w.grad
    assert gradient.requires_grad
    assert np.array_equal(host(storage), host(gradient)), "its value is in the flat view too"
    w.grad = None
    (gradient * gradient).sum().backward()
    (unfused(x, other, 0.0, "tanh") ** 2).sum().backward(create_graph=True)
    again, other.grad = other.grad, None
    (again * again).sum().backward()
    close(w.grad, other.grad, rtol=1e-12)


def test_float32_parameters_and_inputs_stay_float32(device: str) -> None:
    x, w, b = leaves(device, *(a.astype(np.float32) for a in (X, W, B)))
    out = fused.linear(x, w, b, "tanh")
    loss = fused.softmax_cross_entropy(out, put(np.array([0, 1]), device), 0.5).sum()
    assert out.dtype == loss.dtype == np.float32
    loss.backward()
    assert {t.grad.dtype for t in (x, w, b)} == {np.dtype(np.float32)}


def test_matmul_of_two_dtypes_gives_each_operand_its_own(device: str) -> None:
    x, y = leaves(device, X.astype(np.float32), W)
    linalg.matmul(x, y.T).backward(put(G, device))
    assert x.grad.dtype == np.float32
    assert y.grad.dtype == np.float64
    close(x.grad, G @ W, rtol=1e-6)
    close(y.grad, G.T @ X)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "int32", "int64", "uint64"])
@pytest.mark.parametrize("n", [100, 300])
def test_labels_of_any_integer_dtype(dtype: str, n: int, device: str) -> None:
    """Positions are computed from labels: in a narrow dtype they would wrap."""
    rng = np.random.default_rng(0)
    z, labels = rng.normal(size=(n, 10)), rng.integers(0, 10, n)
    t, other = leaves(device, z, z)
    ones = put(np.ones(n), device)
    loss = fused.softmax_cross_entropy(t, put(labels.astype(dtype), device), 0.5)
    expected = np.log(np.exp(z).sum(axis=1)) - z[np.arange(n), labels]
    close(loss, 0.5 * expected, rtol=1e-12)
    loss.backward(ones)
    fused.softmax_cross_entropy(other, put(labels, device), 0.5).backward(ones, create_graph=True)
    close(t.grad, other.grad, rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_scale_of_one_number_scales_every_row(dtype: str, device: str) -> None:
    """A kernel reads a factor a row: it must not be given an array of one."""
    z, labels = leaf(X.astype(dtype), device), put(np.array([0, 2]), device)
    loss = fused.softmax_cross_entropy(z, labels, put(np.asarray(2.0, dtype), device))
    close(loss, 2 * fused.softmax_cross_entropy(z, labels), rtol=1e-6)
    loss.backward(put(np.ones(2, dtype), device))
    first, z.grad = host(z.grad), None
    fused.softmax_cross_entropy(z, labels, 2.0).backward(put(np.ones(2, dtype), device))
    close(first, z.grad, rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_labels_of_another_number_than_rows(dtype: str, device: str) -> None:
    with pytest.raises((ValueError, IndexError)):
        fused.softmax_cross_entropy(leaf(X.astype(dtype), device), put(np.array([0, 2, 1]), device))


ERRORS = [
    (lambda x, w, b: fused.linear(x, w, b, "sine"), ValueError, "activation must be one of .* got 'sine'"),
    (lambda x, w, b: fused.linear(x, w.T), mg.ShapeError, r"x \(2, 3\), weight \(3, 2\), bias None do not fit"),
    (lambda x, w, b: fused.linear(x, w, x[0]), mg.ShapeError, r"bias \(3,\) do not fit"),
    (lambda x, w, b: linalg.matmul(x, w), mg.ShapeError, r"inner lengths differ: \(2, 3\) @ \(2, 3\)"),
    (lambda x, w, b: linalg.matmul(x, b[0]), mg.ShapeError, "at least one dimension.* use \\* for scalars"),
    (lambda x, w, b: x @ b, mg.ShapeError, r"the only axis of the second"),
]


@pytest.mark.parametrize(("call", "kind", "message"), ERRORS, ids=[m[:20] for _, _, m in ERRORS])
def test_errors(call: Any, kind: type[Exception], message: str, device: str) -> None:
    with pytest.raises(kind, match=message):
        call(*leaves(device, X, W, B))
