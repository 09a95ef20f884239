"""What belongs to whom: inputs are left alone, results have storage of their own, nothing outside is freed or leaks."""

from __future__ import annotations

import gc
import tracemalloc
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from on_device import host, put

import minigrad as mg
from minigrad.backend.spec import Spec
from minigrad.core import engine

FUNCTIONS = {
    "the input itself": lambda x: x,
    "a view": lambda x: x.T,
    "part": lambda x: x[0],
    "a broadcast": lambda x: mg.broadcast_to(x, (2, *x.shape)),
    "a sum": lambda x: x + x,
    "out saved": lambda x: mg.exp(x),
    "argument saved": lambda x: x * x,
    "a constant": lambda x: CONSTANT,
    "pair": lambda x: (x, x.reshape(-1)),
    "twice the same": lambda x: [(y := mg.sin(x)), y],
}
CONSTANT = np.ones((2, 2))
functions = pytest.mark.parametrize("function", FUNCTIONS.values(), ids=FUNCTIONS.keys())


def arrays_of(tree: Any) -> list[Any]:
    """All raw arrays in a result."""
    if isinstance(tree, (list, tuple)):
        return [a for t in tree for a in arrays_of(t)]
    return [tree.data if isinstance(tree, mg.Tensor) else tree]


def scribble(tree: Any) -> None:
    for a in arrays_of(tree):
        a[...] = -77.0


@functions
@pytest.mark.parametrize("kind", ["array", "tensor", "tracked"])
def test_results_share_memory_with_nothing(function: Any, kind: str, device: str) -> None:
    """Overwriting every result changes neither the arguments nor what comes later."""
    base = put([[1.0, 2.0], [3.0, 4.0]], device)
    x = base if kind == "array" else mg.tensor(base, requires_grad=kind == "tracked")
    if device != "cpu" and function is FUNCTIONS["a constant"]:
        pytest.skip("a constant of the host")

    def calls() -> Iterator[Any]:
        y, pullback = mg.vjp(function, x)
        ones = [a * 0 + 1 for a in arrays_of(y)]
        cotangent = ones[0] if not isinstance(y, (tuple, list)) else type(y)(ones)
        kept = [a.copy() for a in arrays_of(cotangent)]
        first = pullback(cotangent)
        yield first
        if kind != "tracked":
            scribble(first)
            scribble(y)
        yield pullback(cotangent)
        assert all(np.array_equal(host(a), host(b)) for a, b in zip(arrays_of(cotangent), kept, strict=True))
        yield mg.jvp(function, x, put(np.ones((2, 2)), device))
        yield mg.jacobian(function)(x)

    with np.errstate(all="ignore"):
        before = [[host(a) for a in arrays_of(r)] for r in calls()]
        results = list(calls())
        if kind != "tracked":
            flat = [a for r in results for a in arrays_of(r)]
            for i, a in enumerate(flat):
                assert a.flags.writeable if isinstance(a, np.ndarray) and device == "cpu" else True
                raw = x.data if isinstance(x, mg.Tensor) else x
                if device == "cpu":
                    assert not np.shares_memory(a, raw)
                    assert not np.shares_memory(a, CONSTANT)
                    assert not any(np.shares_memory(a, b) for b in flat[:i])
            for r in results[1:]:
                scribble(r)
        assert np.array_equal(host(base), [[1.0, 2.0], [3.0, 4.0]])
        after = [[host(a) for a in arrays_of(r)] for r in calls()]
    for old, new in zip(before[1:], after[1:], strict=True):
        for a, b in zip(old, new, strict=True):
            np.testing.assert_array_equal(a, b)


def test_gradients_of_several_inputs_do_not_share(device: str) -> None:
    x = put(np.ones(3), device)
    for f in (
        lambda a, b: mg.sum(a + b),
        lambda a, b: mg.sum(mg.concatenate([a, b])),
        lambda a, b: mg.sum(a) + mg.sum(b),
    ):
        a, b = mg.grad(f, (0, 1))(x, x)
        a[...] = 5.0
        assert np.array_equal(host(b), np.ones(3))
        ta, tb = mg.grad(f, (0, 1))(mg.tensor(x), mg.tensor(x))
        ta.data[...] = 5.0
        assert np.array_equal(host(tb), np.ones(3))


def test_tied_gradients_do_not_share() -> None:
    w = mg.tensor(np.array(2.0), requires_grad=True)
    for f in (lambda a, b: mg.sum(a + b) + w * w, lambda a, b: mg.sum(a * w + b * w)):
        for x in (np.ones(3), mg.tensor(np.ones(3), requires_grad=True)):
            a, b = mg.grad(f, (0, 1))(x, x)
            a, b = (t.data if isinstance(t, mg.Tensor) else t for t in (a, b))
            assert not np.shares_memory(a, b)
            a[...] = 5.0
            assert b[0] != 5.0


def test_zero_d_results_are_arrays_of_their_own(device: str) -> None:
    value, g = mg.value_and_grad(lambda x: x)(put(2.0, device))
    for a in (value, g):
        assert not isinstance(a, np.generic)
        a[...] = 5.0
    assert host(mg.grad(lambda x: x)(put(2.0, device))) == 1.0, "the engine's seed is nobody's to write to"


# --- what is outside ------------------------------------------------------------------------------------------------


def test_no_leaf_collects_a_gradient() -> None:
    w = mg.tensor(np.ones(2), requires_grad=True)
    x = mg.tensor(np.ones(2), requires_grad=True)
    w.grad = np.full(2, 7.0)
    f = lambda t: mg.sum(t * t * w)
    for call in (
        lambda: mg.grad(f)(x),
        lambda: mg.value_and_grad(f)(np.ones(2)),
        lambda: mg.hessian(f)(x),
        lambda: mg.hvp(f)(x, x),
        lambda: mg.jvp(f, x, x),
        lambda: mg.vjp(f, x)[1](np.array(1.0)),
        lambda: mg.jacobian(f)(x),
    ):
        call()
        assert x.grad is None
        assert np.array_equal(w.grad.data, [7.0, 7.0])


def test_a_graph_outside_is_not_freed() -> None:
    w = mg.tensor(np.array([2.0, 3.0]), requires_grad=True)
    outer = mg.exp(w) * w
    for transform in (mg.grad, mg.value_and_grad, mg.hessian, mg.jacobian):
        transform(lambda t: mg.sum(outer * t * t))(np.ones(2))
        with mg.no_grad():
            transform(lambda t: mg.sum(outer * t * t))(np.ones(2))
        transform(lambda t: mg.sum(t * t))(outer)
        with mg.no_grad():
            transform(lambda t: mg.sum(t * t))(outer)
    mg.sum(outer).backward()
    np.testing.assert_allclose(w.grad.data, np.exp(w.data) * (1 + w.data))


def test_the_requires_grad_of_an_argument_is_left_alone() -> None:
    for tracked in (False, True):
        x = mg.tensor(np.ones(2), requires_grad=tracked)
        mg.grad(lambda t: mg.sum(t * t))(x)
        assert x.requires_grad == tracked
        assert x.is_leaf


# --- lifetimes ------------------------------------------------------------------------------------------------------


@pytest.fixture
def collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _live() -> int:
    return sum(1 for o in gc.get_objects() if issubclass(type(o), (Spec, mg.Tensor)))


class Watched(np.ndarray):
    """An array that a weak reference may point to."""


CALLS = {
    "grad": lambda f, x: mg.grad(f)(x),
    "value_and_grad": lambda f, x: mg.value_and_grad(f)(x),
    "grad of grad": lambda f, x: mg.grad(lambda t: mg.sum(mg.grad(f)(t)))(x),
    "vjp": lambda f, x: mg.vjp(f, x)[1](np.array(1.0)),
    "jvp": lambda f, x: mg.jvp(f, x, x)[1],
    "jacobian": lambda f, x: mg.jacobian(f)(x),
    "hessian": lambda f, x: mg.hessian(f)(x),
    "hvp": lambda f, x: mg.hvp(f)(x, x),
    "checkpoint": lambda f, x: mg.grad(mg.checkpoint(f))(x),
    "checkpoint twice": lambda f, x: mg.hessian(mg.checkpoint(f))(x),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
@pytest.mark.usefixtures("collector_off")
def test_nothing_outlives_a_call(call: Any) -> None:
    """Everything dies by counting: no cycles."""
    made: list[weakref.ref[Any]] = []

    def f(x: Any) -> Any:
        y = mg.exp(x)
        data = np.ones(3).view(Watched)
        made.append(weakref.ref(data))
        made.append(weakref.ref(y))
        return mg.sum(y * data * x)

    x = np.ones(3)
    before = _live()
    result = call(f, x)
    assert made
    assert all(r() is None for r in made)
    assert _live() == before
    w = mg.tensor(np.ones(3), requires_grad=True)
    before = _live()
    result = call(lambda t: f(t) * mg.sum(w), x)
    assert _live() > before
    del result
    assert _live() == before
    assert all(r() is None for r in made)


@pytest.mark.usefixtures("collector_off")
def test_nothing_outlives_an_error() -> None:
    def f(x: Any) -> Any:
        y = mg.exp(x)
        raise KeyError(y.shape)

    before = _live()
    for call in CALLS.values():
        try:
            call(f, np.ones(3))
        except KeyError:
            pass
        else:
            pytest.fail("the planted error did not come")
    assert _live() == before


@pytest.mark.usefixtures("collector_off")
def test_a_pullback_holds_its_graph_and_frees_it_when_it_dies() -> None:
    before = _live()
    _, pullback = mg.vjp(lambda x: mg.exp(x) * x, np.ones(3))
    held = _live()
    for _ in range(3):
        pullback(np.ones(3))
    assert _live() == held > before
    del pullback
    assert _live() == before


@pytest.mark.usefixtures("collector_off")
def test_what_the_backward_has_passed_is_freed_on_the_way() -> None:
    """A chain of n exponentials: the backward pass gives up what each saved, it does not hold on to all of them."""
    n, size = 30, 1 << 18

    def chain(x: Any) -> Any:
        for _ in range(n):
            x = mg.sin(x)
        return mg.sum(x)

    x = np.ones(size)
    mg.grad(chain)(x)
    tracemalloc.start()
    mg.grad(chain)(x)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < (n + 6) * 8 * size, "the saved arguments, and a few gradients"


# --- the engine's own answers ---------------------------------------------------------------------------------------


def test_the_engine_hands_out_arrays_of_their_own() -> None:
    """Without create_graph: sums, seeds, views and broadcasts alike, for leaves and for computed tensors."""
    x, y = (mg.tensor(np.ones(3), requires_grad=True) for _ in range(2))
    a = x * 1.0
    seed = np.ones(3)
    total = a + y
    found = engine.backward([total._node], [seed], [t._node for t in (x, a, y, total)], retain_graph=True)
    found += engine.backward([mg.sum(a)._node], [np.ones(())], [x._node, a._node])
    for i, g in enumerate(found):
        assert g.flags.writeable
        assert not any(np.shares_memory(g, other) for other in (*found[:i], seed, x.data, y.data))


def test_a_pass_neither_enters_nor_frees_what_is_older_than_its_inputs() -> None:
    x = mg.tensor(np.ones(3), requires_grad=True)
    old = mg.exp(x)
    middle = old * 2.0
    loss = mg.sum(middle * middle)
    walk = engine.Walk([loss._node], [middle._node])
    assert old._node not in walk.order
    assert old._node in walk.outside
    (g,) = engine.backward([loss._node], [np.ones(())], [middle._node])
    np.testing.assert_allclose(g, 2 * middle.data)
    mg.sum(old).backward()
    np.testing.assert_allclose(x.grad.data, np.exp(1.0))
