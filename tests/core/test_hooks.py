"""Hooks on tensors: what they see, what they may give back, and that nobody pays for them who has none."""

from __future__ import annotations

import gc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from on_device import host, put

import minigrad as mg
from minigrad.core import engine
from minigrad.core.node import hooks_alive
from minigrad.nn import functional as F


def leaf(values: Any, device: str = "cpu", dtype: Any = np.float64) -> Any:
    return mg.tensor(np.asarray(values, dtype), device=device, requires_grad=True)


def noting(seen: list[Any]) -> Any:
    """A hook that notes the values and changes nothing."""

    def hook(g: Any) -> None:
        assert isinstance(g, mg.Tensor)
        seen.append(host(g))

    return hook


paths = pytest.mark.parametrize("create_graph", [False, True])


@paths
def test_an_intermediate_shows_its_whole_gradient(create_graph: bool, device: str) -> None:
    """Once a pass, whatever was recorded before or after the hook was registered."""
    x, seen = leaf([1.0, 2.0], device), []
    h = x * 3
    before = h * h
    h.register_hook(noting(seen))
    after = mg.sum(h[:1] * 10) + h[1]
    (mg.sum(before) + after).backward(create_graph=create_graph)
    assert len(seen) == 1
    assert np.array_equal(seen[0], [6.0 + 10, 12.0 + 1])
    assert np.array_equal(host(x.grad), 3 * seen[0])


@paths
def test_a_leaf_shows_the_gradient_of_the_pass_before_it_is_added(create_graph: bool, device: str) -> None:
    x, seen = leaf([1.0, 2.0], device), []
    x.register_hook(noting(seen))
    for times in (1, 2):
        mg.sum(x * x).backward(create_graph=create_graph)
        assert np.array_equal(seen[-1], [2.0, 4.0])
        assert np.array_equal(host(x.grad), times * seen[-1])
    assert len(seen) == 2


@paths
def test_what_a_hook_returns_goes_on(create_graph: bool, device: str) -> None:
    x = leaf([1.0, 2.0], device)
    h = mg.sin(x)
    h.register_hook(lambda g: g * 10)
    h.register_hook(lambda g: host(g) * 0 + 7 if device == "cpu" else g * 0 + 7)  # an array will do
    x.register_hook(lambda g: g + 1)
    mg.sum(h * 3).backward(create_graph=create_graph)
    np.testing.assert_allclose(host(x.grad), 7 * np.cos([1.0, 2.0]) + 1)


def test_hooks_run_in_the_order_of_registration() -> None:
    x, order = leaf(1.0), []
    h = x * 2
    for name in "abc":
        h.register_hook(lambda g, name=name: order.append(name))
    h.backward()
    assert order == ["a", "b", "c"]


def test_handles() -> None:
    x, seen = leaf(1.0), []
    first, second = x.register_hook(lambda g: seen.append(1)), x.register_hook(lambda g: seen.append(2))
    first.remove()
    (x * 1).backward()
    assert seen == [2]
    first.remove()
    second.remove()
    (x * 1).backward()
    assert seen == [2]
    assert x._leaf.hooks is None


def test_a_hook_that_removes_itself_or_another() -> None:
    x, seen = leaf(1.0), []
    handles: list[Any] = []

    def once(g: Any) -> None:
        seen.append("once")
        for handle in handles:
            handle.remove()

    handles += [x.register_hook(once), x.register_hook(lambda g: seen.append("other"))]
    (x * 1).backward()
    (x * 1).backward()
    assert seen == ["once", "other"]


def test_the_output_itself_and_the_seed() -> None:
    x, seen = leaf([1.0, 2.0]), []
    y = x * 2
    y.register_hook(noting(seen))
    y.backward(np.array([5.0, 6.0]))
    x.register_hook(noting(seen))
    x.backward(np.array([7.0, 8.0]))
    assert np.array_equal(seen, [[5.0, 6.0], [7.0, 8.0]])
    assert np.array_equal(x.grad.data, [17.0, 20.0])


def test_a_gradient_that_never_comes() -> None:
    x, y = leaf(1.0), leaf(1.0)
    x.register_hook(lambda g: pytest.fail("no gradient flows here"))
    (x * 2).register_hook(lambda g: pytest.fail("nor here"))
    (y * 2).backward()


# --- the other ways through the engine ------------------------------------------------------------------------------


def test_rules_that_write_into_the_storage_of_leaves_are_bypassed(device: str) -> None:
    """The fused layer writes the weight's gradient by its matrix product, unless somebody wants to see it first."""
    seen: list[Any] = []
    results = []
    for hooked in (False, True):
        mg.manual_seed(0)
        layer = mg.nn.Linear(3, 2).to(device)
        optimizer = mg.optim.SGD(layer.parameters(), lr=0.5)
        x = put(np.ones((4, 3), np.float32), device)
        for _ in range(3):  # from the second step on gradients live in the flat buffer
            optimizer.zero_grad()
            handle = layer.weight.register_hook(lambda g: seen.append(host(g)) or g * 2) if hooked else None
            mg.sum(layer(x) ** 2).backward()
            before = host(layer.weight.grad) / (2 if hooked else 1)
            if hooked:
                np.testing.assert_allclose(seen[-1], before, rtol=1e-6)
                handle.remove()  # type: ignore[union-attr]
            layer.weight.grad.data[...] = put(before, device)
            optimizer.step()
        results.append([host(p) for p in layer.parameters()])
    assert len(seen) == 3
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5)


def test_the_gradients_that_the_engine_returns_are_those_after_the_hooks() -> None:
    x = leaf([1.0, 2.0])
    h = x * 3
    h.register_hook(lambda g: g * 10)
    x.register_hook(lambda g: g + 1)
    y = mg.sum(h)
    found = engine.backward([y._node], [np.ones(())], [h._node, x._node])
    assert np.array_equal(found, [[10.0, 10.0], [31.0, 31.0]])
    assert x.grad is None


def test_a_hook_in_the_function_of_a_transform(device: str) -> None:
    seen: list[Any] = []

    def f(x: Any) -> Any:
        h = mg.sin(x)
        h.register_hook(lambda g: g * 2)
        x.register_hook(noting(seen))
        return mg.sum(h * h)

    x = put([1.0, 2.0], device)
    expected = 4 * np.sin(host(x)) * np.cos(host(x))
    np.testing.assert_allclose(host(mg.grad(f)(x)), expected)
    np.testing.assert_allclose(seen[0], expected)


def test_a_recorded_gradient_carries_its_graph_through_hooks() -> None:
    """Straight to the second derivative: the hook squares the gradient."""
    x = leaf([1.0, 2.0])
    x.register_hook(lambda g: g * g if g.requires_grad else None)
    mg.sum(x**3).backward(create_graph=True)
    g, x.grad = x.grad, None
    np.testing.assert_allclose(g.data, 9 * x.data**4)
    assert g.requires_grad
    mg.sum(g).backward()
    np.testing.assert_allclose(x.grad.data, 36 * x.data**3)


@pytest.mark.parametrize("order", [1, 2])
def test_each_output_of_an_operation_with_several_has_hooks_of_its_own(order: int) -> None:
    op = mg.Op("sincos", lambda xp, x: (xp.sin(x), xp.cos(x)), saves=("out",))
    op.defvjp(lambda g, out, x: g[0] * out[1] - g[1] * out[0])
    x, seen = leaf([0.5, 1.0]), []
    s, c = op(x)
    s.register_hook(lambda g: seen.append(("s", host(g))) or g * 2)
    c.retain_grad()
    y = mg.sum(s * 3 + c * 5) if order == 1 else mg.sum(s * s * 0.5 + c * c)
    y.backward(create_graph=order == 2)
    a = np.array([0.5, 1.0])
    ds, dc = (np.full(2, 3.0), np.full(2, 5.0)) if order == 1 else (np.sin(a), 2 * np.cos(a))
    assert [name for name, _ in seen] == ["s"]
    np.testing.assert_allclose(seen[0][1], ds)
    np.testing.assert_allclose(host(c.grad), dc)
    np.testing.assert_allclose(host(x.grad), 2 * ds * np.cos(a) - dc * np.sin(a))


def test_an_output_whose_gradient_never_comes_runs_no_hook() -> None:
    op = mg.Op("two", lambda xp, x: (x * 2.0, x * 3.0), saves=()).defvjp(lambda g, out, x: g[0] * 2.0 + g[1] * 3.0)
    x = leaf([1.0])
    a, b = op(x)
    b.register_hook(lambda g: pytest.fail("nothing flows here"))
    a.backward()
    assert x.grad.item() == 2.0


# --- a hook and the memory ------------------------------------------------------------------------------------------


def test_a_hook_gets_a_gradient_of_its_own() -> None:
    """x + y passes one array to both: writing into it in x's hook must not change y's gradient."""
    x, y, kept = leaf([1.0, 2.0]), leaf([3.0, 4.0]), []

    def scribble(g: Any) -> None:
        kept.append(g)
        g.data[...] = 99.0

    for t in (x, x * 1.0):
        t.register_hook(scribble)
        seed = np.ones(2)
        (t + y).backward(seed)
        assert np.array_equal(seed, [1.0, 1.0])
    assert np.array_equal(y.grad.data, [2.0, 2.0])
    assert np.array_equal(x.grad.data, [2.0, 2.0]), "what is not returned has no effect"
    x.grad.data[...] = 0.0
    assert all(np.array_equal(g.data, [99.0, 99.0]) for g in kept)


def test_what_a_hook_returns_stays_its_own() -> None:
    given = np.array([5.0, 6.0])
    x, y = leaf([1.0, 2.0]), leaf([1.0, 2.0])
    h = x * 1.0
    h.register_hook(lambda g: given)
    x.register_hook(lambda g: given)
    mg.sum(h * y).backward()
    found = mg.grad(lambda t: (t.register_hook(lambda g: given), mg.sum(t * t + t))[1])(np.ones(2))
    for g in (x.grad.data, found):
        assert np.array_equal(g, [5.0, 6.0])
        g[...] = 0.0
        assert np.array_equal(given, [5.0, 6.0])


def test_a_hook_computes_outside_the_tape_in_a_plain_pass() -> None:
    x, w, seen = leaf([1.0, 2.0]), leaf([3.0, 4.0]), []

    def hook(g: Any) -> Any:
        seen.append(mg.is_grad_enabled())
        return g * w

    x.register_hook(hook)
    mg.sum(x).backward()
    assert seen == [False]
    assert not x.grad.requires_grad
    assert np.array_equal(x.grad.data, [3.0, 4.0])
    mg.sum(x).backward(create_graph=True)
    assert seen == [False, True]
    assert x.grad.requires_grad
    assert mg.is_grad_enabled()


def test_an_error_in_a_hook_reaches_the_caller() -> None:
    def broken(g: Any) -> None:
        raise KeyError("planted")

    x = leaf(1.0)
    handle = x.register_hook(broken)
    with pytest.raises(KeyError, match="planted"):
        (x * 2).backward()
    assert mg.is_grad_enabled()
    handle.remove()
    (x * 2).backward()
    assert x.grad.item() == 2.0


# --- retain_grad ----------------------------------------------------------------------------------------------------


@paths
def test_retain_grad(create_graph: bool, device: str) -> None:
    x = leaf([1.0, 2.0], device)
    h = x * x
    assert h.grad is None
    h.retain_grad()
    h.retain_grad()
    h.register_hook(lambda g: g * 2)
    x.retain_grad()  # of a leaf it is kept anyway
    loss = mg.sum(h * h)
    loss.backward(retain_graph=True, create_graph=create_graph)
    np.testing.assert_array_equal(host(h.grad), 4 * host(h))
    assert h.grad.requires_grad == create_graph
    loss.backward(create_graph=create_graph)
    np.testing.assert_array_equal(host(h.grad), 8 * host(h))
    h.grad = None
    assert h.grad is None
    assert not h.is_leaf


# --- errors, lifetimes, cost ----------------------------------------------------------------------------------------

WRONG = {
    "shape": (lambda g: np.ones(3), mg.ShapeError, r"returned by the hook '<lambda>': shape \(2,\) is due, got \(3,\)"),
    "dtype": (lambda g: g.astype("float32"), mg.DTypeError, "dtype float64 is due, got float32"),
    "number": (lambda g: 1.0, mg.DTypeError, "an array or Tensor is due, got float"),
}


@pytest.mark.parametrize(("hook", "kind", "message"), WRONG.values(), ids=WRONG.keys())
@pytest.mark.parametrize("where", ["leaf", "intermediate"])
@paths
def test_wrong_results(hook: Any, kind: type[Exception], message: str, where: str, create_graph: bool) -> None:
    x = leaf([1.0, 2.0])
    h = x * 1.0
    (x if where == "leaf" else h).register_hook(hook)
    with pytest.raises(kind, match=message):
        mg.sum(h).backward(create_graph=create_graph)
    assert x.grad is None


def test_a_result_on_another_device(strict: Any) -> None:
    x = leaf([1.0, 2.0], "cuda:0")
    x.register_hook(lambda g: np.ones(2))
    with pytest.raises(mg.DeviceError, match=r"returned by the hook.*device cuda:0 is due, got cpu"):
        mg.sum(x).backward()


def test_hooks_die_with_their_tensors() -> None:
    gc.collect()
    before = hooks_alive[0]
    x = leaf([1.0, 2.0])
    h = x * 2
    x.register_hook(lambda g: None)
    h.register_hook(lambda g: None)
    h.register_hook(lambda g: None)
    assert hooks_alive[0] == before + 2
    del h
    assert hooks_alive[0] == before + 1
    del x
    assert hooks_alive[0] == before


def test_hooks_that_know_their_own_tensor_are_collected() -> None:
    gc.collect()
    before = hooks_alive[0]

    def cycle() -> None:
        x = leaf([1.0, 2.0])
        x.register_hook(lambda g: g * x.detach())
        mg.sum(x).backward()

    cycle()
    gc.collect()
    assert hooks_alive[0] == before


@given(scales=st.lists(st.integers(-3, 3), min_size=1, max_size=6), hooked=st.sets(st.integers(0, 5)))
def test_a_chain_with_hooks_is_the_chain_with_factors(scales: list[int], hooked: set[int]) -> None:
    x = leaf([1.0, -2.0])
    h, factor = x, 1.0
    for i, s in enumerate(scales):
        h = h * float(s) if i % 2 else mg.sin(h) * 0.0 + h * float(s)
        factor *= s
        if i in hooked:
            h.register_hook(lambda g: g * 3)
            factor *= 3
    mg.sum(h).backward()
    np.testing.assert_array_equal(x.grad.data, [factor, factor])


def test_dropout_and_loss_with_hooked_parameters() -> None:
    """Whole layers of every kind in one pass, each parameter hooked: the gradients are those without."""
    grads = []
    for hooked in (False, True):
        mg.manual_seed(1)
        model = mg.nn.MLP(4, [6, 5], 3, dropout=0.25, normalization="layer")
        if hooked:
            for p in model.parameters():
                p.register_hook(lambda g: g * 1.0)
        x, y = np.ones((7, 4), np.float32), np.arange(7) % 3
        for _ in range(2):
            F.cross_entropy(model(x), y).backward()
        grads.append([host(p.grad) for p in model.parameters()])
    for a, b in zip(*grads, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
