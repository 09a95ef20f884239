"""The counting formulas against what steps were seen to do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from strict_provider import StrictProvider

from minigrad import nn
from minigrad.backend import gemm
from minigrad.bench import counts, memory
from minigrad.bench.modes import Eager, states_of
from minigrad.bench.sizes import Net, parse_net
from minigrad.bench.workload import Workload, rows_for
from minigrad.core.node import Node
from minigrad.nn import functional as F
from minigrad.optim.by_name import BY_NAME

NETS = ("4-3", "6-5-3", "64-32-10", "20-16-8-4", "5-4-4-4-3")


def workload(net: Net, largest: int, optimizer: str = "adam", device: str = "cpu") -> Workload:
    x, y = rows_for("synthetic", net, largest)
    return Workload(net, optimizer, x, y, device)


def counted(strict: StrictProvider, net: Net, batch: int, optimizer: str = "adam") -> Any:
    step = Eager(workload(net, batch, optimizer, "cuda:0")).step(batch)
    step()
    step()
    strict.machine.reset()
    with strict.machine.no_sync():
        step()
    return strict.machine.tally


@pytest.mark.parametrize("text", NETS)
@pytest.mark.parametrize("batch", [1, 2, 33, 600])
def test_launches_of_a_step(text: str, batch: int, strict: StrictProvider) -> None:
    net = parse_net(text)
    assert counted(strict, net, batch).launch_count == counts.launches(net)


@pytest.mark.parametrize("optimizer", BY_NAME)
def test_launches_with_each_optimizer(optimizer: str, strict: StrictProvider) -> None:
    net = parse_net("6-5-3")
    assert counted(strict, net, 8, optimizer).launch_count == counts.launches(net)


def test_launches_of_the_net_of_the_budget() -> None:
    assert counts.launches(parse_net("784-256-128-10")) == 16


@pytest.mark.parametrize("text", NETS)
def test_operations_of_a_step(text: str) -> None:
    """Those on the tape, once more for their rules, and the update."""
    net = parse_net(text)
    model = nn.MLP(net.sizes[0], net.sizes[1:-1], net.sizes[-1])
    loss = F.cross_entropy(model(np.ones((2, net.sizes[0]), np.float32)), np.array([0, 1]))
    found, todo = set(), [loss._node]
    while todo:
        node = todo.pop()
        if isinstance(node, Node) and id(node) not in found:
            found.add(id(node))
            todo += [p for p in node.parents if p is not None]
    assert counts.operations(net) == 2 * len(found) + 1


@pytest.mark.parametrize("text", NETS)
def test_products_of_a_step(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Shapes of all products that a step and the products alone ask for."""
    net, batch = parse_net(text), 7
    seen: list[tuple[int, int, int]] = []
    matmul = gemm.matmul

    def spy(a: Any, b: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append((*a.shape, b.shape[1]))
        return matmul(a, b, *args, **kwargs)

    eager = Eager(workload(net, batch))
    step, products = eager.step(batch), eager.products(batch)
    monkeypatch.setattr(gemm, "matmul", spy)
    due = sorted((p.m, p.k, p.n) for p in counts.products(net, batch))
    step()
    assert sorted(s for s in seen if 1 not in s) == due, "column sums are products with a vector of ones"
    seen.clear()
    products()
    assert sorted(seen) == due


def test_flops() -> None:
    assert counts.flops(parse_net("3-4"), 5) == 2 * (2 * 5 * 3 * 4)
    assert counts.flops(parse_net("3-4-2"), 5) == 2 * (2 * 5 * 3 * 4) + 3 * (2 * 5 * 4 * 2)


def test_bytes() -> None:
    net = parse_net("3-4-2")  # 16 + 10 parameters
    assert counts.passed_bytes(net, 1, 0) == 4 * (5 * (4 + 2) + 4 * 2 + 3 * 26)
    assert counts.passed_bytes(net, 1, 2) - counts.passed_bytes(net, 1, 0) == 4 * 4 * 26
    assert counts.held_bytes(net, 2) == 4 * 4 * 26


@pytest.mark.parametrize(
    ("optimizer", "states"), [("sgd", 0), ("adagrad", 1), ("lion", 1), ("adam", 2), ("adadelta", 2)]
)
def test_state_buffers(optimizer: str, states: int) -> None:
    assert states_of(optimizer) == states


@pytest.mark.parametrize("text", ["64-32-10", "784-256-128-10", "20-200-200-3"])
def test_memory_of_a_step_is_near_its_estimate(text: str, device: str) -> None:
    net, batch = parse_net(text), 512
    step = Eager(workload(net, batch, "adam", device)).step(batch)
    step()
    own = batch * (counts.ITEM * net.sizes[0] + counts.LABEL)
    measured = counts.held_bytes(net, 2) + own + memory.step_bytes(step, device)
    assert 0.5 < measured / counts.estimated_bytes(net, batch, 2) < 2


def test_the_largest_batch() -> None:
    net = parse_net("64-32-10")
    best = counts.largest_batch(net, 2, 1 << 30)
    assert counts.estimated_bytes(net, best, 2) <= 1 << 30 < counts.estimated_bytes(net, best + 1, 2)
    assert counts.largest_batch(net, 2, 100) == 0
