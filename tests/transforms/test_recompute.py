"""checkpoint: the same gradients from less memory."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from on_device import host, put

import minigrad as mg
from minigrad.nn import functional as F
from minigrad.testing import gradcheck

X = np.array([0.5, -1.0, 2.0])


def leaf(values: Any, device: str = "cpu") -> Any:
    return mg.tensor(np.asarray(values, np.float64), device=device, requires_grad=True)


def body(x: Any) -> Any:
    return mg.tanh(mg.sin(x) * x + mg.sum(x * x))


def test_the_gradient_is_that_of_the_function(device: str) -> None:
    for f in (body, mg.checkpoint(body)):
        x = leaf(X, device)
        y = f(x * 2)
        assert isinstance(y, mg.Tensor)
        mg.sum(y * y).backward()
        if f is body:
            expected, value = host(x.grad), host(y)
        else:
            assert np.array_equal(host(x.grad), expected)
            assert np.array_equal(host(y), value)


def test_every_order(device: str) -> None:
    gradcheck(mg.checkpoint(body), put(X, device), order=3)
    gradcheck(mg.checkpoint(lambda x: (x[0] * x[1], {"y": mg.sin(x)})[0]), put(X, device))
    gradcheck(mg.checkpoint(lambda x: mg.checkpoint(body)(x) * x), put(X, device))


@pytest.mark.parametrize("transform", ["grad", "jacobian", "hessian", "jvp", "hvp"])
def test_under_every_transform(transform: str) -> None:
    f = lambda x: mg.sum(body(x)) if transform != "jacobian" else body(x)
    run = {
        "jvp": lambda f: mg.jvp(f, X, X)[1],
        "hvp": lambda f: mg.hvp(f)(X, X),
    }.get(transform, lambda f: getattr(mg, transform)(f)(X))
    found = run(mg.checkpoint(f))
    assert type(found) is np.ndarray
    np.testing.assert_allclose(found, run(f), rtol=1e-12, atol=1e-15)


def test_several_arguments_and_results() -> None:
    n = np.array([0, 2])

    def f(a: Any, pair: Any, *, scale: float, index: Any, note: str) -> Any:
        assert note == "kept"
        return {"y": a * pair["b"] * scale, "z": (mg.sum(a[index]), 3.0, None, "text")}

    for g in (f, mg.checkpoint(f)):
        a, b = leaf(X), leaf(X + 1)
        out = g(a, {"b": b, "unused": mg.tensor([1.0])}, scale=2.0, index=n, note="kept")
        assert out["z"][1:] == (3.0, None, "text")
        (mg.sum(out["y"]) * out["z"][0]).backward()
        if g is f:
            expected = a.grad.data, b.grad.data
    assert np.array_equal(a.grad.data, expected[0])
    assert np.array_equal(b.grad.data, expected[1])


def test_one_result_of_several_used() -> None:
    x = leaf(X)
    y, _ = mg.checkpoint(lambda x: (mg.sin(x), mg.cos(x)))(x)
    mg.sum(y).backward()
    np.testing.assert_allclose(x.grad.data, np.cos(X), rtol=1e-15)


def test_parameters_that_the_function_closes_over(device: str) -> None:
    """Leaves and computed tensors alike, in backward, with create_graph and when asked for by a transform."""
    for tied in (False, True):
        results = []
        for wrap in (lambda f: f, mg.checkpoint):
            w, x = leaf([1.0, 2.0, 3.0], device), leaf(X, device)
            v = w * w
            y = wrap(lambda x, w=w, v=v: mg.sin(x * w) * v)(x)
            mg.sum(y * y).backward(create_graph=tied)
            gradients = [w.grad, x.grad]
            if tied:
                w.grad = x.grad = None
                (mg.sum(gradients[0] * gradients[0]) + mg.sum(gradients[1])).backward()
                gradients += [w.grad, x.grad]
            results.append([host(g) for g in gradients])
        for a, b in zip(*results, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-13)


def test_the_function_may_have_no_tracked_argument() -> None:
    w = leaf(X)
    for argument in (np.ones(3), mg.tensor(np.ones(3)), 2.0):
        w.grad = None
        y = mg.checkpoint(lambda x: mg.sin(w * x))(argument)
        assert y.requires_grad
        mg.sum(y).backward()
        scale = 2.0 if isinstance(argument, float) else 1.0
        np.testing.assert_allclose(w.grad.data, scale * np.cos(X * scale))


def test_what_is_not_tracked_is_just_run() -> None:
    f = mg.checkpoint(lambda x: x * 2)
    assert type(f(X)) is np.ndarray
    assert not f(mg.tensor(X)).requires_grad
    with mg.no_grad():
        assert not f(leaf(X)).requires_grad
    assert mg.checkpoint(lambda x: 3)(leaf(X)) == 3
    w = leaf(X)
    assert mg.checkpoint(lambda x: w)(leaf(X)) is w


def test_gradients_accumulate_once_in_each_leaf() -> None:
    w = leaf(X)
    f = mg.checkpoint(lambda x: x * w)
    mg.sum(f(f(w)) + w).backward()
    np.testing.assert_allclose(w.grad.data, 3 * X**2 + 1)


def test_a_retained_graph_runs_again(device: str) -> None:
    calls: list[int] = []

    def f(x: Any) -> Any:
        calls.append(1)
        return mg.sin(x)

    x = leaf(X, device)
    y = mg.sum(mg.checkpoint(f)(x))
    y.backward(retain_graph=True)
    y.backward()
    assert len(calls) == 3
    np.testing.assert_allclose(host(x.grad), 2 * np.cos(X))
    with pytest.raises(mg.GraphError, match="retain_graph=True"):
        y.backward()


@pytest.mark.parametrize("create_graph", [False, True])
def test_dropout_draws_the_same_mask_again(create_graph: bool, device: str) -> None:
    found = []
    for wrap in (lambda f: f, mg.checkpoint):
        mg.manual_seed(3)
        x = leaf(np.ones(50), device)
        y = wrap(lambda x: mg.sin(F.dropout(x, 0.5)) * F.dropout(x, 0.25))(x)
        between = F.dropout(x.detach(), 0.5)
        mg.sum(y * y).backward(create_graph=create_graph)
        after = F.dropout(x.detach(), 0.5)
        found.append([host(t) for t in (y, x.grad, between, after)])
    for a, b in zip(*found, strict=True):
        assert np.array_equal(a, b), "neither the gradient nor the stream of later masks may differ"


def test_hooks_inside_run_at_the_second_time() -> None:
    seen: list[Any] = []

    def f(x: Any) -> Any:
        h = mg.sin(x)
        h.register_hook(lambda g: seen.append(g.data.copy()) or g * 2)
        return h * 3.0

    x = leaf(X)
    x.register_hook(lambda g: seen.append("leaf"))
    mg.sum(mg.checkpoint(f)(x) + x).backward()
    assert len(seen) == 2
    assert np.array_equal(seen[0], [3.0, 3.0, 3.0])
    assert seen[1] == "leaf", "once, with the whole gradient"
    np.testing.assert_allclose(x.grad.data, 6 * np.cos(X) + 1)


def test_a_hook_of_a_captured_leaf_runs_once() -> None:
    w, seen = leaf(X), []
    w.register_hook(lambda g: seen.append(g.data.copy()))
    f = mg.checkpoint(lambda x: x * w)
    mg.sum(f(np.ones(3)) + f(np.ones(3))).backward()
    assert len(seen) == 1
    assert np.array_equal(seen[0], [2.0, 2.0, 2.0])


# --- what must not change in between --------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["argument", "parameter", "parameter that no rule reads", "intermediate"])
def test_overwritten_values_are_refused(what: str) -> None:
    x, w, b = leaf(X), leaf(X), leaf(X)
    v = w * 2.0
    loss = mg.sum(mg.checkpoint(lambda x: mg.sin(x * w * v) + b)(x))
    target = {"argument": x, "parameter": w, "parameter that no rule reads": b, "intermediate": v}[what]
    with mg.no_grad():
        target += 1.0
    with pytest.raises(mg.GraphError, match=r"backward of checkpoint .*overwritten"):
        loss.backward()


def test_an_optimizer_step_in_between_is_refused() -> None:
    layer = mg.nn.Linear(3, 2)
    optimizer = mg.optim.SGD(layer.parameters(), lr=0.1)
    loss = mg.sum(mg.checkpoint(layer)(np.ones((1, 3), np.float32)))
    mg.sum(layer(np.ones((1, 3), np.float32))).backward()
    optimizer.step()
    with pytest.raises(mg.GraphError, match="overwritten"):
        loss.backward()


def test_a_function_that_gives_something_else_is_refused() -> None:
    calls: list[int] = []

    def f(x: Any) -> Any:
        calls.append(1)
        return mg.sin(x) if len(calls) == 1 else x.detach()

    with pytest.raises(mg.GraphError, match=r"checkpoint: .*returned something else when it was run again"):
        mg.sum(mg.checkpoint(f)(leaf(X))).backward()


def test_results_that_are_views_of_arguments_or_of_what_is_captured() -> None:
    x, w = leaf(X), leaf(X)
    f = mg.checkpoint(lambda x: (x[:2], w.reshape(3, 1)))
    y, z = f(x * 1.0)
    (mg.sum(y) + 2 * mg.sum(z)).backward()
    assert np.array_equal(x.grad.data, [1.0, 1.0, 0.0])
    assert np.array_equal(w.grad.data, [2.0, 2.0, 2.0])
    _, z = f(x * 1.0)
    stale = mg.sum(z * z)
    with mg.no_grad():
        w += 1.0
    assert np.array_equal(host(z).ravel(), X + 1), "a view, as without checkpoint"
    with pytest.raises(mg.GraphError, match="overwritten"):
        stale.backward()


# --- what it is for -------------------------------------------------------------------------------------------------


def test_intermediate_values_are_not_kept() -> None:
    size, blocks, depth = 1 << 17, 6, 10

    def block(x: Any) -> Any:
        for _ in range(depth):
            x = mg.sin(x)
        return x

    def peak(f: Any) -> int:
        def loss(x: Any) -> Any:
            for _ in range(blocks):
                x = f(x)
            return mg.sum(x)

        x = np.ones(size)
        mg.grad(loss)(x)
        tracemalloc.start()
        mg.grad(loss)(x)
        _, high = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return high

    assert peak(block) > blocks * depth * 8 * size
    assert peak(mg.checkpoint(block)) < (blocks + depth + 8) * 8 * size


def test_a_network_trains_the_same() -> None:
    def train(wrap: Any) -> list[np.ndarray]:
        mg.manual_seed(0)
        model = mg.nn.Sequential(mg.nn.MLP(4, [8], 8, dropout=0.25), mg.nn.ReLU(), mg.nn.Linear(8, 3))
        optimizer = mg.optim.Adam(model.parameters(), lr=0.01)
        rng = np.random.default_rng(0)
        first = wrap(model.layers[0]) if hasattr(model, "layers") else wrap(next(iter(model)))
        rest = list(model)[1:]
        for _ in range(5):
            x, y = rng.standard_normal((6, 4)).astype(np.float32), rng.integers(0, 3, 6)
            optimizer.zero_grad()
            h = first(mg.tensor(x))
            for layer in rest:
                h = layer(h)
            F.cross_entropy(h, mg.tensor(y)).backward()
            optimizer.step()
        return [host(p) for p in model.parameters()]

    for a, b in zip(train(lambda f: f), train(mg.checkpoint), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
