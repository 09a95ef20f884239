"""np.exp(t), np.sum(t): NumPy's own names, called with Tensors on every device."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from draws import fixed_case
from on_device import host, put
from rows import ROWS

import minigrad as mg
from minigrad.errors import MinigradError
from minigrad.tensor import numpy_protocols as protocols
from minigrad.testing.cases import as_tuple

BY_FUNCTION = {id(row.fn): row for row in reversed(ROWS)}
DATA = np.array([[0.5, -1.25, 2.0], [1.5, 0.25, -0.75]])


def tracked(device: str, array: Any = DATA) -> Any:
    return mg.tensor(array, device=device, requires_grad=True)


def plain(t: Any) -> Any:
    """The raw array of a tensor; anything else as it is."""
    return t.data if isinstance(t, mg.Tensor) else t


def same(found: Any, expected: Any, *pairs: tuple[Any, Any]) -> None:
    """The same values; and where there is a gradient, the same one in each pair of leaves."""
    for got, due in zip(as_tuple(found), as_tuple(expected), strict=True):
        assert isinstance(got, mg.Tensor)
        assert (got.dtype, got.device) == (due.dtype, due.device)
        assert np.array_equal(host(got), host(due))
        assert got.requires_grad == due.requires_grad
        if got.requires_grad:
            got.backward(put(np.ones(got.shape), got.device), retain_graph=True)
            due.backward(put(np.ones(got.shape), got.device), retain_graph=True)
    for mine, other in pairs:
        assert (mine.grad is None) == (other.grad is None)
        assert mine.grad is None or np.array_equal(host(mine.grad), host(other.grad))


@pytest.mark.parametrize("name", sorted(protocols.UFUNCS))
def test_ufuncs(name: str, device: str) -> None:
    function = protocols.UFUNCS[name]
    case = fixed_case(BY_FUNCTION[id(function)], 1, device)
    assert case is not None
    mine, other = (
        [mg.tensor(a, requires_grad=i in case.differentiable()) for i, a in enumerate(case.placed())] for _ in range(2)
    )
    same(getattr(np, name)(*mine), function(*other), *zip(mine, other, strict=True))


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "power", "maximum", "matmul"])
def test_ufuncs_with_an_array_on_either_side(name: str, device: str) -> None:
    ufunc, square = getattr(np, name), np.abs(np.arange(9.0).reshape(3, 3)) + 0.5
    t, array = tracked(device, square), put(square, device)
    for arguments in ((array, t), (t, array)):
        result = ufunc(*arguments)
        assert isinstance(result, mg.Tensor)
        assert result.requires_grad
        assert result.device == device
        assert np.allclose(host(result), ufunc(square, square), rtol=1e-14)


LEFT: dict[str, Any] = {
    "array + tensor": lambda a, t: a + t,
    "array - tensor": lambda a, t: a - t,
    "array * tensor": lambda a, t: a * t,
    "array / tensor": lambda a, t: a / t,
    "array ** tensor": lambda a, t: a**t,
    "array @ tensor": lambda a, t: a @ t.T,
    "array < tensor": lambda a, t: a < t,
    "array == tensor": lambda a, t: a == t,
    "NumPy scalar * tensor": lambda a, t: np.float64(2) * t,
}


@pytest.mark.parametrize("call", LEFT.values(), ids=LEFT.keys())
def test_operators_with_an_array_on_the_left(call: Any, device: str) -> None:
    result = call(put(np.abs(DATA), device), tracked(device))
    assert isinstance(result, mg.Tensor)
    assert result.device == device
    assert np.allclose(host(result), call(np.abs(DATA), DATA), rtol=1e-14)


CALLS: dict[Any, list[Any]] = {
    np.sum: [lambda f, t: f(t), lambda f, t: f(t, axis=0), lambda f, t: f(t, axis=(0, 1), keepdims=True)],
    np.mean: [lambda f, t: f(t), lambda f, t: f(t, axis=-1, keepdims=True)],
    np.var: [lambda f, t: f(t), lambda f, t: f(t, axis=1, ddof=1)],
    np.std: [lambda f, t: f(t), lambda f, t: f(t, axis=1, ddof=1)],
    np.max: [lambda f, t: f(t), lambda f, t: f(t, axis=0)],
    np.min: [lambda f, t: f(t), lambda f, t: f(t, axis=0, keepdims=True)],
    np.amax: [lambda f, t: f(t, 0)],
    np.amin: [lambda f, t: f(t, 0)],
    np.argmax: [lambda f, t: f(t), lambda f, t: f(t, axis=1)],
    np.where: [lambda f, t: f(plain(t) > 0, t, t * 2), lambda f, t: f(t > 0, t, 0.0)],
    np.clip: [lambda f, t: f(t, -0.875, 0.875), lambda f, t: f(t, None, 0.875), lambda f, t: f(t, a_min=0, a_max=1)],
    np.reshape: [lambda f, t: f(t, (3, 2)), lambda f, t: f(t, -1)],
    np.transpose: [lambda f, t: f(t), lambda f, t: f(t, (0, 1)), lambda f, t: f(t, axes=(1, 0))],
    np.swapaxes: [lambda f, t: f(t, 0, -1)],
    np.expand_dims: [lambda f, t: f(t, 0), lambda f, t: f(t, axis=(0, -1))],
    np.squeeze: [lambda f, t: f(t), lambda f, t: f(t[None], axis=0)],
    np.broadcast_to: [lambda f, t: f(t, (2, 2, 3))],
    np.concatenate: [
        lambda f, t: f([t, plain(t), t * 2]),
        lambda f, t: f((t, t), axis=1),
        lambda f, t: f([t], axis=None),
    ],
    np.stack: [lambda f, t: f([t, plain(t)]), lambda f, t: f((t, t), axis=-1)],
    np.copy: [lambda f, t: f(t)],
    np.take: [lambda f, t: f(t, [0, 1, 0], axis=1), lambda f, t: f(t, [5, 0])],
    np.dot: [lambda f, t: f(t, plain(t).T), lambda f, t: f(plain(t).T, t)],
}
METADATA = {np.shape: (2, 3), np.ndim: 2, np.size: 6}


@pytest.mark.parametrize("func", CALLS, ids=lambda f: f.__name__)
def test_functions(func: Any, device: str) -> None:
    for call in CALLS[func]:
        mine, other = tracked(device), tracked(device)
        result = call(func, mine)
        same(result, call(protocols.FUNCTIONS[func], other), (mine, other))
        assert np.allclose(host(result), call(func, DATA), rtol=1e-14), "NumPy's own answer"


@pytest.mark.parametrize("func", METADATA, ids=lambda f: f.__name__)
def test_metadata_functions(func: Any, device: str) -> None:
    assert func(tracked(device)) == METADATA[func]


def test_out_writes_into_untracked_storage_and_counts_the_write(device: str) -> None:
    a, t = put(np.zeros((2, 3)), device), mg.tensor(DATA, device=device)
    assert np.add(t, 1.0, out=a) is a
    assert np.array_equal(host(a), DATA + 1)
    target, x = mg.tensor(DATA, device=device), tracked(device)
    y = x * target
    np.negative(t, out=target)
    with pytest.raises(mg.GraphError, match="overwritten"):
        y.sum().backward()


def test_an_array_takes_an_untracked_tensor_in_place() -> None:
    """On the CPU only: CuPy's arrays ask nobody before they write into themselves, and take no Tensor."""
    a, t = np.ones((2, 3)), mg.tensor(DATA)
    a += t
    assert np.array_equal(a, DATA + 1)


def _inplace_array(t: Any) -> None:
    a = plain(t).copy()
    a += t


REFUSED = [
    (lambda t: np.fft.fft(t), "np.fft.fft has no gradient rule"),
    (lambda t: np.exp(t, where=plain(t) > 0), r"np.exp: where= is not supported on Tensors; use mg.where"),
    (lambda t: np.add.at(plain(t).copy(), [0], t), "np.add.at writes into its argument"),
    (lambda t: np.add(t, 1.0, out=plain(t).copy()), "out= .* would drop the graph of a tracked Tensor"),
    (lambda t: np.add(plain(t), 1.0, out=t), "would drop the graph of a tracked Tensor"),
    (_inplace_array, "in-place operator on an array. would drop the graph|Unsupported type"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[m[:24] for _, m in REFUSED])
def test_what_would_lose_a_graph_is_refused(call: Any, message: str, device: str) -> None:
    with pytest.raises(TypeError, match=message):
        call(tracked(device))


def test_a_list_that_holds_tensors_names_stack(device: str) -> None:
    t = tracked(device, 1.0)
    with pytest.raises((TypeError, MinigradError), match=r"mg.stack"):
        np.add(tracked(device), [t, t, t])
    with pytest.raises((TypeError, MinigradError), match=r"mg.stack"):
        mg.tensor([t, t])
