"""The backward pass: seeds, accumulation, retained graphs, long chains, indexed contributions."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest
from on_device import host, put

import minigrad as mg
from minigrad.core import engine
from minigrad.ops import elementwise as ew
from minigrad.ops import index, shape


def leaf(values: Any, device: str = "cpu") -> Any:
    return mg.tensor(np.asarray(values, np.float64), device=device, requires_grad=True)


# --- seeds ----------------------------------------------------------------------------------------------------------


def test_one_element_is_seeded_with_one(device: str) -> None:
    for x in (leaf(3.0, device), leaf([3.0], device), leaf([[3.0]], device)):
        (x * x).backward()
        assert np.array_equal(host(x.grad), np.full(x.shape, 6.0))
        assert x.grad.shape == x.shape


def test_many_elements_take_a_cotangent(device: str) -> None:
    x = leaf([1.0, 2.0], device)
    for cotangent in (put([3.0, -1.0], device), mg.tensor(np.array([3.0, -1.0]), device=device)):
        x.grad = None
        (x * x).backward(cotangent)
        assert np.array_equal(host(x.grad), [6.0, -4.0])


def test_a_number_seeds_one_element(device: str) -> None:
    x = leaf(2.0, device)
    (x * x).backward(0.5)
    assert x.grad.item() == 2.0


BAD_SEEDS = [
    (None, mg.GraphError, r"shape \(2,\) needs a gradient of that shape; reduce it with .sum\(\)"),
    (np.ones(3), mg.ShapeError, r"gradient passed to backward: shape \(2,\) is due, got \(3,\)"),
    (np.ones((1, 2)), mg.ShapeError, r"shape \(2,\) is due, got \(1, 2\)"),
    (np.ones(2, np.float32), mg.DTypeError, "dtype float64 is due, got float32"),
    (np.ones(2, int), mg.DTypeError, "dtype float64 is due, got int64"),
    ([1.0, 1.0], mg.DTypeError, "an array or Tensor is due, got list"),
    (1.0, mg.DTypeError, "an array or Tensor is due, got float"),
]


@pytest.mark.parametrize(("seed", "kind", "message"), BAD_SEEDS, ids=[str(i) for i in range(len(BAD_SEEDS))])
def test_seeds_that_do_not_fit(seed: Any, kind: type[Exception], message: str, device: str) -> None:
    x = leaf([1.0, 2.0], device)
    with pytest.raises(kind, match=message):
        (x * x).backward(put(seed, device) if isinstance(seed, np.ndarray) else seed)
    assert x.grad is None


def test_the_seed_is_not_kept_nor_modified(device: str) -> None:
    x, seed = leaf([1.0, 2.0], device), put([1.0, 2.0], device)
    (x + 0.0).backward(seed)
    x.grad.data[...] = 9.0
    assert np.array_equal(host(seed), [1.0, 2.0])
    x.backward(seed)  # of the leaf itself
    assert np.array_equal(host(x.grad), [10.0, 11.0])
    assert not np.shares_memory(x.grad.data, seed)


def test_backward_of_what_is_not_tracked() -> None:
    with pytest.raises(mg.GraphError, match="no tracked tensor led to: set requires_grad=True"):
        (mg.tensor(1.0) * 2).backward()


def test_several_roots_and_a_root_given_twice(device: str) -> None:
    x = leaf(2.0, device)
    y, z = x * x, x * 3
    seeds = [put(v, device) for v in (1.0, 10.0, 100.0)]
    (grad,) = engine.backward([y._node, z._node, y._node], seeds, [x._node])
    assert host(grad) == 4 * 101 + 30


# --- accumulation ---------------------------------------------------------------------------------------------------


def test_gradients_accumulate_over_passes_until_cleared(device: str) -> None:
    x = leaf([1.0, 2.0], device)
    for times in (1, 2, 3):
        (x * x).sum().backward()
        assert np.array_equal(host(x.grad), [2.0 * times, 4.0 * times])
    x.grad = None
    assert x.grad is None
    (x * x).sum().backward()
    assert np.array_equal(host(x.grad), [2.0, 4.0])


@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_of_two_leaves_never_share_memory(create_graph: bool, device: str) -> None:
    x, y, z = leaf([1.0, 2.0], device), leaf([3.0, 4.0], device), leaf([5.0, 6.0], device)
    seed = put([1.0, 1.0], device)
    ((x + y) + shape.copy(z)).backward(seed, create_graph=create_graph)
    grads = [t.grad.data for t in (x, y, z)]
    for i, g in enumerate(grads):
        assert not np.shares_memory(g, seed)
        assert not any(np.shares_memory(g, other) for other in grads[i + 1 :])
    grads[0][...] = 7.0
    assert np.array_equal(host(y.grad), [1.0, 1.0])
    assert device != "cpu" or y.grad.data.flags.writeable


def test_a_gradient_from_a_broadcast_is_storage_of_its_own(device: str) -> None:
    x = leaf([1.0, 2.0, 3.0], device)
    x.sum().backward()  # the rule answers with a stride-0 view
    assert device != "cpu" or x.grad.data.flags.writeable
    x.grad.data[0] = 5.0
    assert np.array_equal(host(x.grad), [5.0, 1.0, 1.0])


def test_a_borrowed_gradient_is_not_added_to_in_place(device: str) -> None:
    """y gets the array that x + y passes to both, then more: x's share must not grow with it."""
    x, y = leaf([1.0, 2.0], device), leaf([3.0, 4.0], device)
    a, b = x * 1.0, y * 1.0
    ((a + b) + b * 10 + b * 100).backward(put(np.ones(2), device))
    assert np.array_equal(host(x.grad), [1.0, 1.0])
    assert np.array_equal(host(y.grad), [111.0, 111.0])


def test_inputs_leave_the_leaves_alone_and_unreached_ones_give_none(device: str) -> None:
    x, y, z = leaf(2.0, device), leaf(3.0, device), leaf(4.0, device)
    out = x * x * y
    none, grad = engine.backward([out._node], [put(1.0, device)], [z._node, x._node])
    assert none is None
    assert host(grad) == 12.0
    assert x.grad is y.grad is z.grad is None


def test_the_gradient_of_a_computed_tensor_can_be_asked_for(device: str) -> None:
    x = leaf(2.0, device)
    y = x * x
    out = y * y
    grads = engine.backward([out._node], [put(1.0, device)], [y._node, x._node, out._node])
    assert [host(g) for g in grads] == [8.0, 32.0, 1.0]


# --- retained and recorded graphs -----------------------------------------------------------------------------------


def test_a_second_backward_names_retain_graph(device: str) -> None:
    x = leaf([1.0, 2.0], device)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(mg.GraphError, match="retain_graph=True"):
        y.backward()
    with pytest.raises(mg.GraphError, match="retain_graph=True"):
        (y * 2).backward()
    assert np.array_equal(host(x.grad), [2.0, 4.0])


def test_retain_graph_keeps_it_and_false_frees_it(device: str) -> None:
    x = leaf([1.0, 2.0], device)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward(retain_graph=False)
    assert np.array_equal(host(x.grad), [4.0, 8.0])
    with pytest.raises(mg.GraphError, match="retain_graph=True"):
        y.backward()


def test_retain_graph_none_means_create_graph(device: str) -> None:
    x = leaf(3.0, device)
    y = x * x * x
    y.backward(create_graph=True)
    y.backward()
    assert x.grad.item() == 54.0
    with pytest.raises(mg.GraphError, match="retain_graph=True"):
        y.backward()
    z = x * x
    z.backward(retain_graph=False, create_graph=True)
    with pytest.raises(mg.GraphError, match="retain_graph=True"):
        z.backward()


def test_create_graph_makes_gradients_that_can_be_differentiated(device: str) -> None:
    x = leaf(2.0, device)
    (x * x * x).backward(create_graph=True)
    first, x.grad = x.grad, None
    assert first.requires_grad
    assert first.item() == 12.0
    first.backward(create_graph=True)
    second, x.grad = x.grad, None
    assert second.item() == 12.0
    second.backward()
    assert x.grad.item() == 6.0
    assert not x.grad.requires_grad


def test_the_graph_of_a_gradient_survives_accumulation(device: str) -> None:
    """grad = d(x^3) + d(x^4), both recorded: its derivative is that of the sum."""
    x = leaf(2.0, device)
    (x * x * x).backward(create_graph=True)
    (x**4).backward(create_graph=True)
    total, x.grad = x.grad, None
    assert total.item() == 12.0 + 32.0
    total.backward()
    assert x.grad.item() == 12.0 + 48.0


def test_a_plain_pass_onto_a_recorded_gradient_keeps_its_graph(device: str) -> None:
    x = leaf(2.0, device)
    (x * x * x).backward(create_graph=True)
    (x * 5).backward()
    total, x.grad = x.grad, None
    assert total.item() == 17.0
    total.backward()
    assert x.grad.item() == 12.0


def test_create_graph_records_inside_no_grad(device: str) -> None:
    x = leaf(2.0, device)
    y = x * x * x
    with mg.no_grad():
        y.backward(create_graph=True)
    assert x.grad.requires_grad


def test_a_tracked_cotangent_is_differentiated_too(device: str) -> None:
    x, v = leaf([1.0, 2.0], device), leaf([3.0, 4.0], device)
    (x * x).backward(v, create_graph=True)
    g, x.grad = x.grad, None
    g.backward(put(np.ones(2), device))
    assert np.array_equal(host(v.grad), [2.0, 4.0])
    assert np.array_equal(host(x.grad), [6.0, 8.0])


# --- size -----------------------------------------------------------------------------------------------------------

LONG = 100_000


def _counted(name: str = "step") -> tuple[Any, list[int]]:
    calls = [0]

    def rule(g: Any, out: Any, x: Any) -> Any:
        calls[0] += 1
        return g

    return mg.Op(name, lambda xp, x: x + 1, saves=()).defvjp(rule), calls


def test_a_chain_of_100_000_operations() -> None:
    op, calls = _counted()
    x = leaf(0.0)
    y = x
    for _ in range(LONG):
        y = op(y)
    assert y.item() == LONG
    y.backward()
    assert calls == [LONG]
    assert x.grad.item() == 1.0


def test_a_long_chain_is_dropped_without_recursion() -> None:
    x = leaf(0.0)
    y = x
    for _ in range(LONG):
        y = y + 1
    del y
    z = x
    for _ in range(1000):
        z = z * 1.0
    z.backward()
    assert x.grad.item() == 1.0


def test_a_graph_of_many_paths_runs_each_rule_once(device: str) -> None:
    """2**60 paths through 60 nodes."""
    x = leaf(1.0, device)
    y = x
    for _ in range(60):
        y = y + y
    y.backward()
    assert x.grad.item() == 2.0**60


def test_many_reads_of_one_array_are_scattered_once(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    n, calls = LONG if device == "cpu" else 500, []
    forward = index.scatter.forward

    def counted(xp: Any, *values: Any, **params: Any) -> Any:
        calls.append(len(values))
        return forward(xp, *values, **params)

    monkeypatch.setattr(index.scatter, "forward", counted)
    x = leaf(np.arange(n) / n, device)
    total = mg.tensor(np.zeros(()), device=device)
    for i in range(n):
        total = total + x[i]
    total.backward()
    assert calls == [n]
    assert np.array_equal(host(x.grad), np.ones(n))


def test_reads_and_other_uses_of_one_array_add_up(device: str) -> None:
    x = leaf([1.0, 2.0, 3.0], device)
    first = x[put([True, False, False], device)].sum()
    (x[0] * 10 + x[[0, 0, 2]].sum() * 100 + (x * x).sum() + x[1:].sum() * 1000 + first).backward()
    assert np.array_equal(host(x.grad), [10 + 200 + 2 + 1, 4 + 1000, 100 + 6 + 1000])


# --- grad mode ------------------------------------------------------------------------------------------------------


def test_no_grad_and_enable_grad_nest_and_restore(device: str) -> None:
    x = leaf(1.0, device)
    assert mg.is_grad_enabled()
    with mg.no_grad():
        assert not (x * 2).requires_grad
        with mg.enable_grad():
            assert (x * 2).requires_grad
        assert not mg.is_grad_enabled()
    assert mg.is_grad_enabled()
    with pytest.raises(ZeroDivisionError), mg.no_grad():
        raise ZeroDivisionError
    assert mg.is_grad_enabled()


def test_no_grad_as_a_decorator_of_a_recursive_function(device: str) -> None:
    @mg.no_grad()
    def power(x: Any, n: int) -> Any:
        assert not mg.is_grad_enabled()
        return x if n == 1 else x * power(x, n - 1)

    result = power(leaf(2.0, device), 5)
    assert result.item() == 32.0
    assert not result.requires_grad
    assert mg.is_grad_enabled()

    @mg.enable_grad()
    def twice(x: Any) -> Any:
        return x * 2

    with mg.no_grad():
        assert twice(leaf(1.0, device)).requires_grad


def test_one_context_object_can_be_entered_again() -> None:
    context = mg.no_grad()
    with context, context:
        assert not mg.is_grad_enabled()
    assert mg.is_grad_enabled()


def test_the_mode_belongs_to_a_thread() -> None:
    seen = []
    with mg.no_grad():
        thread = threading.Thread(target=lambda: seen.append(mg.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]


def test_threads_build_and_differentiate_graphs_of_their_own() -> None:
    errors: list[BaseException] = []

    def work(k: int) -> None:
        try:
            for _ in range(50):
                x = leaf(np.full(3, float(k)))
                ew.exp(x * 0.1).sum().backward()
                assert np.allclose(x.grad.data, 0.1 * np.exp(0.1 * k))
        except BaseException as error:  # pragma: no cover
            errors.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not errors
