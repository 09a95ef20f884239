"""np.exp(t), np.sum(t): every row of the protocol tables, called by NumPy's own name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from rows import ROWS

import minigrad as mg
from minigrad.errors import MinigradError
from minigrad.tensor import numpy_protocols as protocols

BY_FUNCTION = {id(row.fn): row for row in reversed(ROWS)}
DATA = np.array([[0.5, -1.25, 2.0], [1.5, 0.25, -0.75]])


def tracked(array: Any = DATA) -> Any:
    return mg.tensor(array, requires_grad=True)


def same(got: Any, expected: Any, *pairs: tuple[Any, Any]) -> None:
    """The same value; and where there is a gradient, the same one in each pair of leaves."""
    assert isinstance(got, mg.Tensor)
    assert got.dtype == expected.dtype
    assert np.array_equal(got.data, expected.data)
    assert got.requires_grad == expected.requires_grad
    if got.requires_grad:
        got.backward(np.ones(got.shape))
        expected.backward(np.ones(got.shape))
        for mine, other in pairs:
            assert np.array_equal(mine.grad.data, other.grad.data)


@pytest.mark.parametrize("name", sorted(protocols.UFUNCS))
def test_ufuncs(name: str) -> None:
    function = protocols.UFUNCS[name]
    row = BY_FUNCTION[id(function)]
    shapes = ((2, 3),) * row.arity if name != "matmul" else ((2, 3), (3, 2))
    arrays = row.arguments(np.random.default_rng(0), shapes)
    mine, other = [tracked(a) for a in arrays], [tracked(a) for a in arrays]
    same(getattr(np, name)(*mine), function(*other), *zip(mine, other, strict=True))


@pytest.mark.parametrize("name", ["add", "subtract", "multiply", "divide", "power", "maximum", "matmul"])
def test_ufuncs_with_an_array_on_either_side(name: str) -> None:
    ufunc, square = getattr(np, name), np.abs(np.arange(9.0).reshape(3, 3)) + 0.5
    for arguments in ((square, tracked(square)), (tracked(square), square)):
        result = ufunc(*arguments)
        assert isinstance(result, mg.Tensor)
        assert result.requires_grad
        assert np.allclose(result.data, ufunc(square, square), rtol=1e-14)


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
    np.where: [lambda f, t: f(DATA > 0, t, t * 2), lambda f, t: f(t > 0, t, 0.0)],
    np.clip: [lambda f, t: f(t, -0.875, 0.875), lambda f, t: f(t, None, 0.875), lambda f, t: f(t, a_min=0, a_max=1)],
    np.reshape: [lambda f, t: f(t, (3, 2)), lambda f, t: f(t, -1)],
    np.transpose: [lambda f, t: f(t), lambda f, t: f(t, (0, 1)), lambda f, t: f(t, axes=(1, 0))],
    np.swapaxes: [lambda f, t: f(t, 0, -1)],
    np.expand_dims: [lambda f, t: f(t, 0), lambda f, t: f(t, axis=(0, -1))],
    np.squeeze: [lambda f, t: f(t), lambda f, t: f(t[None], axis=0)],
    np.broadcast_to: [lambda f, t: f(t, (2, 2, 3))],
    np.concatenate: [lambda f, t: f([t, DATA, t * 2]), lambda f, t: f((t, t), axis=1), lambda f, t: f([t], axis=None)],
    np.stack: [lambda f, t: f([t, DATA]), lambda f, t: f((t, t), axis=-1)],
    np.copy: [lambda f, t: f(t)],
    np.take: [lambda f, t: f(t, [0, 1, 0], axis=1), lambda f, t: f(t, [5, 0])],
    np.dot: [lambda f, t: f(t, DATA.T), lambda f, t: f(DATA.T, t)],
}
METADATA = {np.shape: (2, 3), np.ndim: 2, np.size: 6}


def test_every_function_row_is_called() -> None:
    assert set(protocols.FUNCTIONS) == set(CALLS) | set(METADATA), "add a call for each new row of FUNCTIONS"


@pytest.mark.parametrize("func", CALLS, ids=lambda f: f.__name__)
def test_functions(func: Any) -> None:
    for call in CALLS[func]:
        mine, other = tracked(), tracked()
        result = call(func, mine)
        same(result, call(protocols.FUNCTIONS[func], other), (mine, other))
        assert np.allclose(result.data, call(func, _Plain(DATA)), rtol=1e-14), "NumPy's own answer"


class _Plain(np.ndarray):
    """DATA again, as an array whose method calls and arithmetic are NumPy's."""

    def __new__(cls, array: np.ndarray) -> np.ndarray:  # type: ignore[misc]
        return np.asarray(array)


@pytest.mark.parametrize("func", METADATA, ids=lambda f: f.__name__)
def test_metadata_functions(func: Any) -> None:
    assert func(tracked()) == METADATA[func]


def test_out_writes_into_untracked_storage_and_counts_the_write() -> None:
    a, t = np.zeros((2, 3)), mg.tensor(DATA)
    assert np.add(t, 1.0, out=a) is a
    assert np.array_equal(a, DATA + 1)
    a += t
    assert np.array_equal(a, 2 * DATA + 1)
    target, x = mg.tensor(DATA), tracked()
    y = x * target
    np.negative(t, out=target)
    with pytest.raises(mg.GraphError, match="overwritten"):
        y.sum().backward()


def _inplace_array(t: Any) -> None:
    a = DATA.copy()
    a += t


REFUSED = [
    (lambda t: np.arctan2(t, t), "np.arctan2 has no gradient rule for Tensors: define one with mg.Op"),
    (lambda t: np.linalg.inv(t), "np.inv has no gradient rule for Tensors"),
    (lambda t: np.fft.fft(t), "np.fft has no gradient rule"),
    (lambda t: np.add.reduce(t), r"np.add.reduce is not supported on Tensors; use the function itself"),
    (lambda t: np.add.accumulate(t), "np.add.accumulate is not supported"),
    (lambda t: np.multiply.outer(t, t), "np.multiply.outer is not supported"),
    (lambda t: np.add.at(DATA.copy(), [0], t), "np.add.at is not supported"),
    (lambda t: np.exp(t, where=DATA > 0), r"np.exp: where= is not supported on Tensors; use mg.where"),
    (lambda t: np.exp(t, dtype=np.float32), "np.exp: keyword.s. dtype are not supported"),
    (lambda t: np.add(t, 1.0, out=np.zeros((2, 3))), "out= .* would drop the graph of a tracked Tensor"),
    (lambda t: np.add(DATA, 1.0, out=t), "would drop the graph of a tracked Tensor"),
    (_inplace_array, "in-place operator on an array. would drop the graph"),
]


@pytest.mark.parametrize(("call", "message"), REFUSED, ids=[m[:24] for _, m in REFUSED])
def test_what_would_lose_a_graph_is_refused(call: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        call(tracked())


def test_a_list_that_holds_tensors_names_stack() -> None:
    t = tracked(1.0)
    with pytest.raises((TypeError, MinigradError), match=r"mg.stack"):
        np.add(tracked(), [t, t, t])
    with pytest.raises((TypeError, MinigradError), match=r"mg.stack"):
        mg.tensor([t, t])
