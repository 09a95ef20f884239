"""No tensor, array or node outlives its last reference: everything dies by counting, with the collector off."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from on_device import put

import minigrad as mg
from minigrad.core.node import Spec
from minigrad.core.variable import wrap
from minigrad.ops import elementwise as ew
from minigrad.ops import fused


@pytest.fixture(autouse=True)
def collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


class Watched(np.ndarray):
    """A NumPy array that a weak reference may point to; those of devices may be."""


def watched(values: Any, device: str) -> Any:
    return np.array(values, np.float64).view(Watched) if device == "cpu" else put(values, device)


def leaf(device: str, values: Any = (1.0, 2.0)) -> Any:
    return mg.tensor(np.asarray(values, np.float64), device=device, requires_grad=True)


def _live() -> int:
    """How many tensors and tape entries exist. A walk over all objects, which the collector being off allows."""
    # by type(): isinstance would ask every object for its __class__, which the proxies of other libraries act on
    return sum(1 for o in gc.get_objects() if issubclass(type(o), (Spec, mg.Tensor)))


def alive(references: dict[str, weakref.ref[Any]]) -> list[str]:
    return [name for name, reference in references.items() if reference() is not None]


def chain(x: Any) -> tuple[Any, dict[str, weakref.ref[Any]]]:
    a = ew.exp(x)
    b = a * x
    c = ew.tanh(b)
    return c.sum(), {"a": weakref.ref(a), "b": weakref.ref(b), "c": weakref.ref(c)}


def test_tensors_die_although_the_graph_lives(device: str) -> None:
    loss, references = chain(leaf(device))
    assert loss.requires_grad
    assert not alive(references)


def test_a_dropped_graph_dies(device: str) -> None:
    x = leaf(device)
    before = _live()
    loss, references = chain(x)
    node = loss._node
    assert _live() > before
    del loss, node
    assert _live() == before
    assert not alive(references)


def test_a_graph_dies_after_backward(device: str) -> None:
    x = leaf(device)
    before = _live()
    loss, _ = chain(x)
    loss.backward()
    del loss
    assert _live() == before


def test_a_recorded_gradient_dies_with_its_last_reference(device: str) -> None:
    x = leaf(device)
    before = _live()
    loss, _ = chain(x)
    loss.backward(create_graph=True)
    del loss
    g, x.grad = x.grad, None
    assert _live() > before
    del g
    assert _live() == before


def test_a_leaf_dies_with_its_graph(device: str) -> None:
    x = leaf(device)
    reference = weakref.ref(x)
    loss, _ = chain(x)
    del x
    assert reference() is None, "a graph holds the gradient cell of a leaf, not the tensor"
    loss.backward()


def constant_graph(saves: Any, device: str) -> tuple[Any, weakref.ref[Any]]:
    constant = watched([3.0, 4.0], device)
    reference = weakref.ref(constant)
    op = mg.Op("times", lambda xp, x, c: xp.multiply(x, xp.asarray(c)), saves=saves, broadcasts=True)
    op.defvjp(lambda g, out, x, c: g * c if saves else g, None)
    return op(leaf(device), constant), reference


def test_what_is_saved_lives_until_backward_and_no_longer(device: str) -> None:
    y, reference = constant_graph((1,), device)
    assert reference() is not None
    y.backward(put(np.ones(2), device))
    assert reference() is None, "freed by backward, although the output is still held"
    assert y.requires_grad


def test_what_is_saved_lives_on_with_retain_graph(device: str) -> None:
    y, reference = constant_graph((1,), device)
    y.backward(put(np.ones(2), device), retain_graph=True)
    assert reference() is not None
    y.backward(put(np.ones(2), device))
    assert reference() is None


def test_what_is_not_saved_dies_at_once(device: str) -> None:
    y, reference = constant_graph((), device)
    assert y.requires_grad
    assert reference() is None


def test_an_activation_that_no_rule_reads_dies(device: str) -> None:
    array = watched([1.0, 2.0], device)
    reference = weakref.ref(array)
    t = wrap(array)
    x = leaf(device)
    y = x + t
    z = y - t
    del array, t
    assert z.requires_grad
    assert reference() is None


def test_residuals_die_after_backward(device: str) -> None:
    reference: list[weakref.ref[Any]] = []

    def forward(xp: Any, x: Any) -> Any:
        residual = watched([1.0, 2.0], device)
        reference.append(weakref.ref(residual))
        return x * 2.0, residual

    op = mg.Op("with residual", forward, saves=(), residual=True)
    op.defvjp_all(lambda needs, g, out, x: (g * 2.0,))
    op.def_raw_vjp(lambda dest, needs, g, out, residual, x: (g * 2.0,))
    y = op(leaf(device))
    assert reference[0]() is not None
    y.backward(put(np.ones(2), device))
    assert reference[0]() is None


def test_nothing_is_left_of_untracked_work(device: str) -> None:
    x = mg.tensor(np.ones(2), device=device)
    before = _live()
    with mg.no_grad():
        y = ew.exp(leaf(device) * x)
    assert y.is_leaf
    del y
    assert _live() == before


def test_several_outputs_die(device: str) -> None:
    op = mg.Op("two", lambda xp, x: (xp.sin(x), xp.cos(x)), saves=("out",))
    op.defvjp(lambda g, out, x: g[0] * out[1] - g[1] * out[0])
    x = leaf(device)
    before = _live()
    a, b = op(x)
    del b
    a.backward(put(np.ones(2), device), create_graph=True)
    del a
    x.grad = None
    assert _live() == before


def test_an_exception_in_a_rule_leaves_nothing_behind(device: str) -> None:
    def broken(g: Any, out: Any, x: Any) -> Any:
        raise ZeroDivisionError

    op = mg.Op("broken", lambda xp, x: x * 1.0, saves=()).defvjp(broken)
    x = leaf(device)
    before = _live()
    y = ew.exp(op(ew.exp(x)))
    for create_graph in (False, True):
        try:
            y.backward(put(np.ones(2), device), retain_graph=True, create_graph=create_graph)
        except ZeroDivisionError:
            pass
        else:
            pytest.fail("the planted error did not come")
    del y
    assert _live() == before
    assert x.grad is None


def test_an_exception_in_a_forward_leaves_nothing_behind(device: str) -> None:
    x = leaf(device)
    before = _live()
    for _ in range(3):
        try:
            ew.exp(x) @ put(np.ones(5), device)
        except mg.ShapeError:
            pass
        else:
            pytest.fail("the error did not come")
    assert _live() == before


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_loop_of_steps_keeps_the_number_of_objects(create_graph: bool, device: str) -> None:
    w, b = leaf(device, [[0.5, -0.25], [0.125, 1.0]]), leaf(device, [0.0, 0.0])
    data, labels = put(np.ones((4, 2)), device), put([0, 1, 1, 0], device)

    def step() -> None:
        out = fused.linear(data, w, b, "tanh")
        loss = fused.softmax_cross_entropy(out, labels, 0.25).sum() + (w[0] * w[0]).sum()
        loss.backward(create_graph=create_graph)
        with mg.no_grad():
            for p in (w, b):
                p -= 0.1 * p.grad.detach()
                p.grad = None

    step()
    before, total = _live(), len(gc.get_objects())
    for _ in range(1000 if device == "cpu" else 100):
        step()
    assert _live() == before
    assert abs(len(gc.get_objects()) - total) < 50
