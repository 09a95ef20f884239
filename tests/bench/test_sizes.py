"""Networks and batch sizes as text."""

from __future__ import annotations

import pytest

from minigrad.bench.peers import parse_peers
from minigrad.bench.sizes import Net, parse_batches, parse_net


def test_a_network() -> None:
    net = parse_net("784-256-128-10")
    assert net.sizes == (784, 256, 128, 10)
    assert net.layers == [(784, 256), (256, 128), (128, 10)]
    assert net.parameters == 235_146
    assert str(net) == "784-256-128-10"
    assert net.hollow == Net((1, 1, 1, 2))
    assert parse_net("4-2").layers == [(4, 2)]


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("", "sizes such as 784-256-128-10 are due .*, got ''"),
        ("784", "are due"),
        ("784-", "are due"),
        ("784--10", "are due"),
        ("784,10", "are due"),
        ("784-x-10", "are due"),
        ("784-٣-10", "are due"),
        ("784-0-10", "each is from 1 to"),
        ("784-99999999999999999999999-10", "each is from 1 to"),
        ("784-10-1", "counts classes, at least 2"),
    ],
)
def test_no_network(text: str, pattern: str) -> None:
    with pytest.raises(ValueError, match=pattern):
        parse_net(text)


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        ("1..16", (1, 2, 4, 8, 16)),
        ("3..20", (4, 8, 16)),
        ("8..8", (8,)),
        ("1..65536", tuple(1 << k for k in range(17))),
        ("7", (7,)),
        ("32,1,8,8", (1, 8, 32)),
        ("1, 3", (1, 3)),
    ],
)
def test_batches(text: str, sizes: tuple[int, ...]) -> None:
    assert parse_batches(text) == sizes


@pytest.mark.parametrize(
    "text", ["", "a", "1..", "..8", "1...8", "8..1", "5..7", "0..4", "1,0", "1,-2", "1;2", "9" * 30]
)
def test_no_batches(text: str) -> None:
    with pytest.raises(ValueError, match=r"a range such as 1\.\.65536 or a list such as 1,8,32 is due, got"):
        parse_batches(text)


def test_peers() -> None:
    assert parse_peers("none") == ()
    assert parse_peers("torch, jax,torch") == ("torch", "jax")
    with pytest.raises(
        ValueError, match="unknown peer 'tensorflow': there are torch, torch-fused, torch-compile, torch-graph, jax"
    ):
        parse_peers("torch,tensorflow")
