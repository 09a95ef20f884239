"""Flat storage: views, sharing, moving, freezing, tying, and what an optimizer step tells the tape."""

from __future__ import annotations

import copy
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from on_device import host, put

import minigrad as mg
from minigrad import nn, optim
from minigrad.backend.device import provider_of
from minigrad.optim.parameters import BLOCK, Store, gradient_runs, pack


def leaves(device: str, *shapes: tuple[int, ...], dtype: Any = np.float32) -> list[mg.Tensor]:
    rng = np.random.default_rng(len(shapes))
    return [mg.tensor(np.asarray(rng.standard_normal(s), dtype), device=device, requires_grad=True) for s in shapes]


def loss_of(params: list[mg.Tensor]) -> mg.Tensor:
    total = mg.tensor(0.0, params[0].dtype, params[0].device)
    for p in params:
        total = total + (p * p).sum()
    return total


def ones(*shape: int, device: str) -> mg.Tensor:
    return mg.tensor(np.ones(shape, np.float32), device=device)


def is_view(array: Any, base: Any) -> bool:
    return bool(provider_of(array).xp.shares_memory(array, base)) if array.size else True  # type: ignore[union-attr]


def address(array: Any) -> int:
    return array.ctypes.data if isinstance(array, np.ndarray) else array.data.ptr


@given(st.lists(st.lists(st.integers(0, 9), max_size=3).map(tuple), min_size=1, max_size=6))
def test_parameters_become_aligned_views_with_their_values(device: str, shapes: list[tuple[int, ...]]) -> None:
    params = leaves(device, *shapes)
    values = [host(p) for p in params]
    [(store, indices)] = pack(params)
    assert indices == list(range(len(params)))
    for i, (p, value) in enumerate(zip(params, values, strict=True)):
        np.testing.assert_array_equal(host(p), value)
        assert is_view(p.data, store.p)
        assert store.starts[i] % BLOCK == 0
        if p.size:
            assert address(p.data) % 256 == 0
            assert address(p._leaf.array) % 256 == 0
    assert store.size == sum(-(-p.size // BLOCK) * BLOCK for p in params)


def test_backward_writes_into_the_flat_gradient(device: str) -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).to(device)
    optim.SGD(model.parameters())
    params = list(model.parameters())
    store = params[0]._leaf.store
    model(ones(3, 4, device=device)).sum().backward()
    for p in params:
        assert is_view(p.grad.data, store.g)
    before = [host(p.grad) for p in params]
    model(ones(3, 4, device=device)).sum().backward()
    for p, g in zip(params, before, strict=True):
        np.testing.assert_allclose(host(p.grad), 2 * g, rtol=1e-6)


def test_an_existing_gradient_survives_packing(device: str) -> None:
    params = leaves(device, (3,), (2, 2))
    loss_of(params).backward()
    expected = [host(p.grad) for p in params]
    optim.SGD(params, lr=1.0)
    for p, g in zip(params, expected, strict=True):
        np.testing.assert_array_equal(host(p.grad), g)


def test_zero_grad_means_none_and_the_next_backward_overwrites(device: str) -> None:
    params = leaves(device, (3,), (2, 2))
    optimizer = optim.SGD(params)
    loss_of(params).backward()
    optimizer.zero_grad()
    assert [p.grad for p in params] == [None, None]
    loss_of(params).backward()
    for p in params:
        np.testing.assert_allclose(host(p.grad), 2 * host(p), rtol=1e-6)


def test_a_second_optimizer_over_the_same_parameters_shares_the_buffers(device: str) -> None:
    params = leaves(device, (3,), (2, 2))
    first = optim.Adam(params)
    store = params[0]._leaf.store
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        second = optim.SGD(params, lr=0.1)
    assert params[0]._leaf.store is store
    for optimizer in (first, second, first):
        before = host(params[0])
        optimizer.zero_grad()
        loss_of(params).backward()
        optimizer.step()
        assert (host(params[0]) != before).all()
    assert params[0]._leaf.store is store


def test_an_overlapping_optimizer_packs_anew_and_both_stay_right(device: str) -> None:
    params, reference = (leaves(device, (3,), (2, 2), (5,)) for _ in range(2))
    whole = optim.Adam(params, lr=0.1)
    with pytest.warns(mg.GraphWarning, match="packed anew"):
        part = optim.SGD(params[1:], lr=0.1)
    # the same in optimizers that share nothing: one Adam and one SGD per parameter
    wholes = [optim.Adam([p], lr=0.1) for p in reference]
    for step in range(6):
        for p, q in zip(params, reference, strict=True):
            p.grad, q.grad = None, None
        loss_of(params).backward()
        loss_of(reference).backward()
        if step % 2 == 0:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", mg.GraphWarning)
                whole.step()
            for o in wholes:
                o.step()
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", mg.GraphWarning)
                part.step()
            for q in reference[1:]:
                with mg.no_grad():
                    q -= q.grad * 0.1
        for p, q in zip(params, reference, strict=True):
            np.testing.assert_allclose(host(p), host(q), rtol=1e-6)


def test_to_after_construction_keeps_state_and_trajectory(device: str) -> None:
    """Another dtype, and another device."""

    def run(move_at: int | None) -> tuple[list[np.ndarray], optim.Adam]:
        mg.manual_seed(1)
        model = nn.MLP(4, [8], 2)
        model.to(np.float64)
        optimizer = optim.Adam(model.parameters(), lr=0.01)
        x = np.random.default_rng(0).standard_normal((6, 4))
        for step in range(8):
            if step == move_at:
                model.to(np.float32)
                model.to(device)
                x = put(x.astype(np.float32), device)
            optimizer.zero_grad()
            (model(mg.tensor(x)) ** 2).mean().backward()
            optimizer.step()
        return [host(p) for p in model.parameters()], optimizer

    plain, _ = run(None)
    moved, optimizer = run(4)
    for a, b in zip(plain, moved, strict=True):
        assert b.dtype == np.float32
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)
    state = optimizer.state_dict()["state"]
    assert all(entry["step"] == 8 and entry["exp_avg"].dtype == np.float32 for entry in state.values())


@pytest.mark.parametrize("back", [False, True])
def test_a_gradient_moves_with_its_parameter(device: str, back: bool) -> None:
    model = nn.Linear(3, 2).to(device)
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    model(ones(1, 3, device=device)).sum().backward()
    before = [host(p) for p in model.parameters()]
    model.to("cpu" if back else np.float64)
    optimizer.step()
    for p, w in zip(model.parameters(), before, strict=True):
        np.testing.assert_allclose(host(p), w - 1.0, rtol=1e-6)


def test_epoch_changes_when_a_parameter_leaves(device: str) -> None:
    params = leaves(device, (3,), (2,))
    [(store, _)] = pack(params)
    assert store.epoch == 0
    params[0]._rebind(params[0].data.astype(np.float64))
    assert store.epoch == 1
    assert params[0]._leaf.store is None


def test_assigning_data_copies_into_the_view(device: str) -> None:
    params = leaves(device, (3,), (2, 2))
    [(store, _)] = pack(params)
    params[1].data = put(np.full((2, 2), 7, np.float32), device)
    assert is_view(params[1].data, store.p)
    np.testing.assert_array_equal(host(store.view(store.p, 1)), 7)
    with pytest.raises(mg.ShapeError, match=r"shape \(2, 2\) is due, got \(4,\)"):
        params[1].data = put(np.zeros(4, np.float32), device)
    with pytest.raises(mg.DTypeError, match=r"dtype float32 is due, got float64.*\.to\(dtype\)"):
        params[1].data = put(np.zeros((2, 2)), device)
    np.testing.assert_array_equal(host(params[1]), 7)


def test_assigned_and_edited_gradients_are_honoured(device: str) -> None:
    params = leaves(device, (2,), (3,))
    optimizer = optim.SGD(params, lr=1.0)
    before = [host(p) for p in params]
    loss_of(params).backward()
    params[0].grad = mg.tensor([10.0, 20.0], device=device)
    with mg.no_grad():
        params[1].grad *= 0
    optimizer.step()
    np.testing.assert_allclose(host(params[0]), before[0] - [10, 20], rtol=1e-6)
    np.testing.assert_array_equal(host(params[1]), before[1])


def test_frozen_and_untouched_parameters_are_skipped(device: str) -> None:
    params = leaves(device, (2,), (3,), (4,))
    optimizer = optim.Adam(params, lr=0.1)
    params[1].requires_grad = False
    before = [host(p) for p in params]
    (params[0] * params[0]).sum().backward()
    optimizer.step()
    assert (host(params[0]) != before[0]).all()
    np.testing.assert_array_equal(host(params[1]), before[1])
    np.testing.assert_array_equal(host(params[2]), before[2])
    assert set(optimizer.state_dict()["state"]) == {0}
    params[1].requires_grad = True
    optimizer.zero_grad()
    loss_of(params).backward()
    optimizer.step()
    # the first update of a parameter is one of size lr, whenever it comes
    np.testing.assert_allclose(np.abs(host(params[1]) - before[1]), 0.1, rtol=1e-4)


def test_a_frozen_parameter_with_a_gradient_is_skipped(device: str) -> None:
    params = leaves(device, (2,), (3,))
    optimizer = optim.SGD(params, lr=0.1)
    loss_of(params).backward()
    params[0].requires_grad = False
    before = host(params[0])
    optimizer.step()
    np.testing.assert_array_equal(host(params[0]), before)


def test_tied_parameters_are_packed_once(device: str) -> None:
    model = nn.Sequential(nn.Linear(3, 3, bias=False), nn.ReLU(), nn.Linear(3, 3, bias=False))
    model[2].weight = model[0].weight
    model.to(device)
    params = list(model.parameters())
    assert len(params) == 1
    optimizer = optim.SGD(params, lr=1.0)
    x = ones(2, 3, device=device)
    model(x).sum().backward()
    w = model[0].weight
    tied = host(w.grad)
    a, b = mg.tensor(w.data, requires_grad=True), mg.tensor(w.data, requires_grad=True)
    (mg.maximum(x @ a.T, 0.0) @ b.T).sum().backward()
    np.testing.assert_allclose(tied, host(a.grad) + host(b.grad), rtol=1e-5)
    before = host(w)
    optimizer.step()
    np.testing.assert_allclose(host(w), before - tied, rtol=1e-6)


def test_replacing_a_parameter_that_an_optimizer_holds_is_not_silent() -> None:
    layer = nn.Linear(2, 2)
    layer.weight = nn.Parameter(np.ones((2, 2), np.float32))  # nobody holds it yet
    optim.SGD(layer.parameters())
    layer.weight = layer.weight  # the same again
    with pytest.warns(mg.GraphWarning, match=r"Linear.weight is replaced, but an optimizer holds the old .*\.data = "):
        layer.weight = nn.Parameter(np.ones((2, 2), np.float32))


def test_deepcopy_is_unpacked_and_independent(device: str) -> None:
    model = nn.Linear(3, 2).to(device)
    optimizer = optim.SGD(model.parameters(), lr=1.0)
    twin = copy.deepcopy(model)
    assert all(p._leaf.store is None for p in twin.parameters())
    before = [host(p) for p in twin.parameters()]
    model(ones(1, 3, device=device)).sum().backward()
    optimizer.step()
    for p, w in zip(twin.parameters(), before, strict=True):
        np.testing.assert_array_equal(host(p), w)


def test_mixed_dtypes_get_a_store_each(device: str) -> None:
    params = [*leaves(device, (3,)), *leaves(device, (2,), dtype=np.float64), *leaves(device, (4,))]
    optimizer = optim.Adam(params, lr=0.1)
    assert params[0]._leaf.store is params[2]._leaf.store is not params[1]._leaf.store
    for p in params:
        (p * p).sum().backward()
    before = [host(p) for p in params]
    optimizer.step()
    for p, w in zip(params, before, strict=True):
        np.testing.assert_allclose(np.abs(host(p) - w), 0.1, rtol=1e-4)


def test_parameters_of_two_devices_get_a_store_each(device: str) -> None:
    params = [*leaves(device, (3,)), *leaves("cpu", (3,)), *leaves(device, (4,))]
    optimizer = optim.Adam(params, lr=0.1)
    assert params[0]._leaf.store is params[2]._leaf.store
    assert (params[0]._leaf.store is params[1]._leaf.store) == (device == "cpu")
    for p in params:
        (p * p).sum().backward()
    before = [host(p) for p in params]
    optimizer.step()
    for p, w in zip(params, before, strict=True):
        np.testing.assert_allclose(np.abs(host(p) - w), 0.1, rtol=1e-4)


def test_step_between_forward_and_backward_is_an_error(device: str) -> None:
    w, v = leaves(device, (2, 2), (2, 2))
    optimizer = optim.SGD([w, v], lr=0.1)
    loss_of([w, v]).backward()
    y = (w @ v).sum()
    optimizer.step()
    with pytest.raises(
        mg.GraphError, match=r"backward of matmul .* needs argument 0 \('x'\), which has been overwritten"
    ):
        y.backward()


def test_step_spares_the_graph_of_what_it_did_not_update(device: str) -> None:
    """Two heads, one optimizer: the second loss is still right after a step that touched the first head only."""
    w, v = leaves(device, (2,), (2,))
    optimizer = optim.SGD([w, v], lr=0.1)
    first, second = (w * w).sum(), (v * v).sum()
    first.backward()
    optimizer.step()
    second.backward()
    np.testing.assert_allclose(host(v.grad), 2 * host(v), rtol=1e-6)


def test_create_graph_keeps_the_graph_and_fills_the_flat_view(device: str) -> None:
    w = mg.tensor([1.0, 2.0], device=device, requires_grad=True)
    optim.SGD([w])
    store = w._leaf.store
    (w**3).sum().backward(create_graph=True)
    np.testing.assert_allclose(host(store.view(store.g, 0)), [3, 12])
    penalty = (w.grad * w.grad).sum()
    w.grad = None
    penalty.backward()
    np.testing.assert_allclose(host(w.grad), [36, 288], rtol=1e-6)  # d(9 w^4) = 36 w^3


def test_groups_have_their_own_hyper_parameters(device: str) -> None:
    a, b = leaves(device, (2,), (2,))
    optimizer = optim.SGD([{"params": [a], "lr": 1.0}, {"params": b}], lr=0.5)
    optimizer.add_param_group({"params": leaves(device, (3,)), "momentum": 0.9})
    before = [host(a), host(b)]
    a.grad, b.grad = ones(2, device=device), ones(2, device=device)
    optimizer.step()
    np.testing.assert_allclose(host(a), before[0] - 1.0, rtol=1e-6)
    np.testing.assert_allclose(host(b), before[1] - 0.5, rtol=1e-6)
    assert [g["momentum"] for g in optimizer.param_groups] == [0, 0, 0.9]


@given(st.lists(st.booleans(), min_size=1, max_size=8))
def test_runs_cover_exactly_the_chosen_parameters(chosen: list[bool]) -> None:
    store = Store(leaves("cpu", *[(7 * (i + 1),) for i in range(len(chosen))]))
    covered = np.zeros(store.size, bool)
    runs = store.runs([i for i, c in enumerate(chosen) if c])
    for a, b in runs:
        assert not covered[a:b].any()
        covered[a:b] = True
    for i, c in enumerate(chosen):
        assert covered[store.starts[i] : store.stops[i]].all() == c
    assert len(runs) == sum(c and (i == 0 or not chosen[i - 1]) for i, c in enumerate(chosen))


def test_large_parameters_are_updated_across_chunks(device: str) -> None:
    from minigrad.optim.partition import CHUNK

    [w] = leaves(device, (2 * CHUNK + 17,))
    optimizer = optim.SGD([w], lr=1.0)
    before = host(w)
    g = np.arange(w.size, dtype=np.float32) % 13
    w.grad = mg.tensor(g, device=device)
    optimizer.step()
    np.testing.assert_array_equal(host(w), before - g)


def test_gradient_runs_join_neighbours(device: str) -> None:
    params = leaves(device, (3,), (4,), (5,))
    optim.SGD(params)
    loss_of(params).backward()
    assert len(gradient_runs(params)) == 1
    params[1].grad = None
    assert len(gradient_runs(params)) == 2
