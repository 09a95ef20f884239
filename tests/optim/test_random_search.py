"""RandomSearch: it keeps what is better, forgets what is not, and goes on where it stopped."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from on_device import host

import minigrad as mg
from minigrad import nn, optim
from minigrad.nn import functional as F

TARGET = np.array([1.0, -2.0, 0.5], np.float32)


def problem(device: str, **options: Any) -> tuple[list[mg.Tensor], optim.RandomSearch, Any]:
    mg.manual_seed(3)
    params = [mg.tensor(np.zeros(3, np.float32), device=device, requires_grad=True), mg.tensor(0.0, device=device)]
    target = mg.tensor(TARGET, device=device)
    search = optim.RandomSearch(params, 0.3, **options)
    return params, search, lambda: ((params[0] - target) ** 2).sum() + params[1] ** 2


def test_it_goes_down(device: str) -> None:
    params, search, loss = problem(device)
    first = loss().item()
    losses = [search.step(loss) for _ in range(400)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 0.05 * first
    assert losses[-1] == search.loss == pytest.approx(loss().item())
    assert search.steps == 400
    assert 0 < search.kept < 400
    assert search.kept == len(set(losses)) - (losses[0] == first)
    np.testing.assert_allclose(host(params[0]), TARGET, atol=0.4)


def test_every_device_takes_the_same_steps(device: str) -> None:
    found = []
    for where in ("cpu", device):
        params, search, loss = problem(where)
        for _ in range(50):
            search.step(loss)
        found.append([host(p) for p in params])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_a_resumed_search_is_the_same_search(device: str) -> None:
    params, search, loss = problem(device)
    for _ in range(20):
        search.step(loss)
    state, values = search.state_dict(), [host(p) for p in params]
    for _ in range(20):
        search.step(loss)
    others, again, their_loss = problem(device, seed=99)
    for p, value in zip(others, values, strict=True):
        p.data = mg.tensor(value, device=device)
    again.load_state_dict(state)
    for _ in range(20):
        again.step(their_loss)
    assert (again.loss, again.steps, again.kept) == (search.loss, search.steps, search.kept)
    for p, q in zip(params, others, strict=True):
        np.testing.assert_array_equal(host(p), host(q))


def test_a_state_goes_through_a_file(tmp_path: Any) -> None:
    _, search, loss = problem("cpu")
    for steps in (0, 5):
        for _ in range(steps):
            search.step(loss)
        mg.save(tmp_path / "s.safetensors", search=search)
        _, again, _ = problem("cpu", seed=1)
        again.load_state_dict(mg.load(tmp_path / "s.safetensors")["search"])
        np.testing.assert_equal(again.state_dict(), search.state_dict())


def test_the_seed_is_the_librarys() -> None:
    seeds = [problem("cpu")[1].seed for _ in range(2)]
    assert seeds[0] == seeds[1]
    mg.manual_seed(4)
    assert optim.RandomSearch([mg.tensor([1.0], requires_grad=True)]).seed != seeds[0]


def test_a_closure_is_asked_once_or_twice(device: str) -> None:
    for remember, due in ((True, 11), (False, 20)):
        _, search, loss = problem(device, remember=remember)
        calls = []
        for _ in range(10):
            search.step(lambda loss=loss, calls=calls: calls.append(1) or loss())
        assert len(calls) == due


def test_no_graph_is_made_and_an_older_one_is_stale(device: str) -> None:
    w = mg.tensor([1.0, 2.0], device=device, requires_grad=True)
    search = optim.RandomSearch([w])
    before = (w * w).sum()
    tracked = []

    def loss() -> mg.Tensor:
        found = (w * w).sum()
        tracked.append(found.requires_grad)
        return found

    search.step(loss)
    assert tracked == [False, False]
    with pytest.raises(mg.GraphError, match="overwritten"):
        before.backward()


def test_an_error_in_the_closure_leaves_the_parameters(device: str) -> None:
    params, search, loss = problem(device)
    search.step(loss)
    before = host(params[0])

    def fails() -> float:
        raise KeyError

    with pytest.raises(KeyError):
        search.step(fails)
    np.testing.assert_array_equal(host(params[0]), before)
    assert search.steps == 1


def test_anything_is_better_than_nan() -> None:
    w = mg.tensor([1.0], requires_grad=True)
    search = optim.RandomSearch([w], 0.1)
    losses = iter([math.nan, math.nan, 5.0, math.nan, 4.0])
    assert math.isnan(search.step(lambda: next(losses)))
    assert w.item() == 1.0
    assert search.step(lambda: next(losses)) == 5.0
    assert w.item() != 1.0
    assert search.step(lambda: next(losses)) == 5.0
    assert search.step(lambda: next(losses)) == 4.0


def test_a_network_learns_without_a_gradient() -> None:
    mg.manual_seed(0)
    x = np.random.default_rng(0).standard_normal((64, 2)).astype(np.float32)
    y = (x[:, 0] > 0).astype(np.int64)
    model = nn.MLP(2, [4], 2)
    search = optim.RandomSearch(model.parameters(), 0.2)
    for _ in range(300):
        loss = search.step(lambda: F.cross_entropy(model(mg.tensor(x)), mg.tensor(y)))
    assert loss < 0.2


def leaf() -> mg.Tensor:
    return mg.tensor([1.0], requires_grad=True)


SHARED = leaf()
ERRORS = [
    (lambda: optim.RandomSearch([]), ValueError, "got no parameters"),
    (lambda: optim.RandomSearch(leaf()), TypeError, "single Tensor: put it in a list"),
    (lambda: optim.RandomSearch([1.0]), TypeError, "parameter 0 is no leaf Tensor"),
    (lambda: optim.RandomSearch([leaf() * 2]), TypeError, "parameter 0 is no leaf Tensor"),
    (lambda: optim.RandomSearch([mg.tensor([1, 2], "int64")]), TypeError, "of floating-point numbers"),
    (lambda: optim.RandomSearch([SHARED, SHARED]), ValueError, r"parameter 1 \(shape \(1,\)\) is given twice"),
    (lambda: optim.RandomSearch([leaf()], 0.0), ValueError, "scale must be finite and > 0, got 0.0"),
    (lambda: optim.RandomSearch([leaf()], seed="x"), TypeError, "seed must be an integer or None, got str"),
    (lambda: optim.RandomSearch([leaf()]).step(lambda: np.zeros(3)), ValueError, r"one number, got shape \(3,\)"),
    (lambda: optim.RandomSearch([leaf()]).load_state_dict({}), ValueError, "not a RandomSearch state"),
]


@pytest.mark.parametrize(("call", "kind", "message"), ERRORS, ids=[e[2] for e in ERRORS])
def test_errors(call: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=message):
        call()


def test_a_bad_scale_is_refused_at_the_step() -> None:
    _, search, loss = problem("cpu")
    search.scale = -1.0
    with pytest.raises(ValueError, match="scale"):
        search.step(loss)
