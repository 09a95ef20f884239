"""accumulate=k: a loop without an `if` does what the loop with one does: on every device, in a graph, resumed."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
from lives import gradients, parameters, set_gradients
from on_device import host
from optimizer_rows import ONE_EACH, Row
from strict_provider import StrictProvider

import minigrad as mg
from minigrad import data, nn, optim
from minigrad.nn import functional as F

K = 3
X = np.random.default_rng(5).standard_normal((40, 6)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)
each = pytest.mark.parametrize("row", ONE_EACH, ids=lambda row: row.cls.__name__)


def add(params: list[mg.Tensor], step: int, dtype: Any = np.float64) -> None:
    """What a backward does to the gradients; parameter 3 is not in the graph of the first of three."""
    for i, (p, g) in enumerate(zip(params, gradients(step, dtype), strict=True)):
        if i != 3 or step % K:
            new = mg.tensor(g, device=p.device)
            p.grad = new if p.grad is None else p.grad + new


def run(row: Row, device: str, steps: int, since: int = 0, optimizer: Any = None, **options: Any) -> Any:
    """A loop as users write it."""
    if optimizer is None:
        optimizer = row.cls(parameters(np.float32, device), **row.kwargs, accumulate=K, **options)
    params = optimizer.param_groups[0]["params"]
    for step in range(since, steps):
        optimizer.zero_grad()
        add(params, step, np.float32)
        optimizer.step()
    return optimizer


@each
def test_a_loop_without_an_if(row: Row, device: str) -> None:
    ours = parameters(device=device)
    optimizer = row.cls(ours, **row.kwargs, accumulate=K)
    theirs = parameters(device=device)
    plain = row.cls(theirs, **row.kwargs)
    for step in range(4 * K):
        before = host(ours[0])
        assert optimizer.phase == step % K
        optimizer.zero_grad()
        assert (ours[0].grad is None) == (step % K == 0)
        add(ours, step)
        optimizer.step()
        assert np.array_equal(before, host(ours[0])) == (step % K < K - 1)
        if step % K == K - 1:
            grads: list[Any] = [sum(gradients(s)[i] for s in range(step - K + 1, step + 1)) / K for i in range(6)]
            grads[3] = sum(gradients(s)[3] for s in range(step - K + 2, step + 1)) / K
            set_gradients(theirs, grads)
            plain.step()
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(host(p), host(q), rtol=1e-12, atol=1e-14)


@each
@pytest.mark.parametrize("split", [0, 1, 2, 3, 4, 5])
def test_a_resume_within_a_cycle_is_bitwise(row: Row, split: int, device: str) -> None:
    options = {"ema": 0.9, "max_norm": 1.0}
    whole = run(row, device, 3 * K, **options)
    first = run(row, device, split, **options)
    state = first.state_dict()
    assert state.get("accumulated", {}).get("calls", 0) == split % K
    copies = [mg.tensor(p.data, requires_grad=True) for p in first.param_groups[0]["params"]]
    second = row.cls(copies, **row.kwargs, accumulate=K, **options)
    second.load_state_dict(state)
    run(row, device, 3 * K, since=split, optimizer=second)
    for p, q in zip(whole.param_groups[0]["params"], copies, strict=True):
        assert host(p).tobytes() == host(q).tobytes()


def test_a_state_with_gradients_goes_through_a_file(tmp_path: Any, device: str) -> None:
    row = ONE_EACH[1]
    first = run(row, device, K + 1)
    mg.save(tmp_path / "o.safetensors", optimizer=first)
    second = row.cls(parameters(np.float32, device), **row.kwargs, accumulate=K)
    second.load_state_dict(mg.load(tmp_path / "o.safetensors")["optimizer"])
    assert second.phase == 1
    for p, q in zip(first.param_groups[0]["params"], second.param_groups[0]["params"], strict=True):
        assert (p.grad is None) == (q.grad is None)
        if p.grad is not None:
            np.testing.assert_array_equal(host(p.grad), host(q.grad))


def broken(change: Any) -> dict[str, Any]:
    state = run(ONE_EACH[1], "cpu", K + 1).state_dict()
    change(state["accumulated"])
    return state


BAD_STATES = [
    (lambda a: a.pop("calls"), ValueError, "'calls' and 'gradients' are due"),
    (lambda a: a.update(calls=K), ValueError, "gradients of 3 calls, this optimizer updates at call 3"),
    (lambda a: a["gradients"].update({9: np.zeros(3)}), ValueError, "a gradient of parameter 9, this optimizer has 6"),
    (lambda a: a["gradients"].update({1: np.zeros(4)}), mg.ShapeError, r"gradient of parameter 1 has shape \(4,\)"),
]


@pytest.mark.parametrize(("change", "kind", "message"), BAD_STATES, ids=[b[2] for b in BAD_STATES])
def test_accumulated_gradients_that_do_not_fit_change_nothing(change: Any, kind: Any, message: str) -> None:
    optimizer = run(ONE_EACH[1], "cpu", 2 * K + 2)
    before = optimizer.state_dict()
    with pytest.raises(kind, match=message):
        optimizer.load_state_dict(broken(change))
    after = optimizer.state_dict()
    np.testing.assert_equal(after, before)


def test_loading_a_state_without_gradients_begins_a_cycle(device: str) -> None:
    optimizer = run(ONE_EACH[1], device, K + 2)
    optimizer.load_state_dict(run(ONE_EACH[1], device, K).state_dict())
    assert optimizer.phase == 0


def test_a_change_within_a_cycle_is_refused(device: str) -> None:
    optimizer = run(ONE_EACH[1], device, 1)
    optimizer.accumulate = 2
    with pytest.raises(ValueError, match="accumulate was changed to 2 while gradients accumulate"):
        optimizer.step()
    optimizer.accumulate = K
    run(ONE_EACH[1], device, 3, since=1, optimizer=optimizer)
    optimizer.accumulate = 1  # between two cycles it may
    before = host(optimizer.param_groups[0]["params"][0])
    optimizer.step()
    assert (host(optimizer.param_groups[0]["params"][0]) != before).any()


def test_fit_needs_no_if(device: str) -> None:
    """Batches of 8, four at a time, are batches of 32."""

    def weights(batch: int, accumulate: int) -> list[np.ndarray]:
        mg.manual_seed(1)
        model = nn.MLP(6, [8], 2).to(device)
        loader = data.DataLoader((X[:32], Y[:32]), batch, shuffle=False, device=device)
        optimizer = optim.Adam(model.parameters(), lr=0.01, accumulate=accumulate)
        mg.fit(model, loader, loss=F.cross_entropy, optimizer=optimizer, epochs=3, progress=False)
        return [host(p) for p in model.parameters()]

    for a, b in zip(weights(8, 4), weights(32, 1), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


# --- on a device ------------------------------------------------------------------------------------------------------


@each
@pytest.mark.parametrize("clip", [False, True])
def test_one_launch_an_update_and_no_waiting(row: Row, clip: bool, strict: StrictProvider) -> None:
    """With averages and skipping on; clipping is one reduction more, and so is looking for nan."""
    options = {"accumulate": K, "ema": 0.9, "nonfinite": "skip" if clip else None, "max_norm": 1.0 if clip else None}
    mg.manual_seed(0)
    model = nn.MLP(6, [8], 3).to("cuda")
    groups = [{"params": [p for p in model.parameters() if p.ndim == n]} for n in (1, 2)]
    optimizer = row.cls(groups, **row.kwargs, **options)
    x, y = mg.tensor(X, device="cuda"), mg.tensor(Y, device="cuda")
    assert row.cls.kernel is not None
    for cycle in range(3):
        strict.machine.reset()
        with strict.machine.no_sync():
            for _ in range(K):
                optimizer.zero_grad()
                F.cross_entropy(model(x), y).backward()
                optimizer.step()
        launches = strict.machine.tally.launches
        assert launches[row.cls.kernel.entry] == 2, cycle
        assert launches.get("sum_of_squares_f32", 0) == (2 if clip else 0)
        assert strict.machine.tally.syncs == []
        assert strict.machine.tally.to_host.count == 0
        step_only = launches[row.cls.kernel.entry] + launches.get("sum_of_squares_f32", 0)
        strict.machine.reset()
        with strict.machine.no_sync():
            for _ in range(K):
                optimizer.step()
        assert sum(strict.machine.tally.launches.values()) - strict.machine.tally.launches.get("copy", 0) == step_only


class Captures:
    """A small training step whose inputs lie in place, as a graph needs them."""

    def __init__(self, strict: StrictProvider) -> None:
        strict.machine.own_gemm = True
        mg.manual_seed(2)
        self.model = nn.MLP(6, [8], 3).to("cuda")
        self.optimizer = optim.Adam(self.model.parameters(), lr=0.01, accumulate=K, max_norm=0.5, ema=0.9)
        self.x, self.y = mg.tensor(X[:8], device="cuda"), mg.tensor(Y[:8], device="cuda")

    def feed(self, k: int) -> None:
        k %= 5
        self.x.data.set(X[8 * k : 8 * k + 8])
        self.y.data.set(Y[8 * k : 8 * k + 8])

    def step(self) -> None:
        self.optimizer.zero_grad()
        F.cross_entropy(self.model(self.x), self.y).backward()
        self.optimizer.step()

    def weights(self) -> list[np.ndarray]:
        return [host(p) for p in self.model.parameters()]


def test_a_graph_for_each_phase_does_what_the_loop_does(strict: StrictProvider) -> None:
    """The phase is all that a recorder must know: it tells the programs of the steps apart."""
    found = []
    for captured in (True, False):
        run = Captures(strict)
        xp = strict.xp
        stream, pool = xp.cuda.Stream(non_blocking=True), xp.cuda.MemoryPool()
        graphs: dict[int, Any] = {}
        with stream if captured else contextlib.nullcontext(), xp.cuda.using_allocator(pool.malloc):
            for k in range(K):
                run.feed(k)
                run.step()
            for k in range(K if captured else 0):  # records, and does nothing but count
                stream.begin_capture()
                phase = run.optimizer.phase
                assert phase == k
                try:
                    run.step()
                finally:
                    graphs[phase] = stream.end_capture()
            for k in range(3 * K):
                run.feed(k + 1)
                if captured:
                    graphs[k % K].launch()
                else:
                    run.step()
            found.append(run.weights())
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)
