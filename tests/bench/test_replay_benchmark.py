"""The benchmark of replay against a step by hand: what it counts and what it calls a miss."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from scripts import ROOT, script


@pytest.fixture
def replay(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])  # where it finds its likes
    return script("replay")


def test_calls_of_a_recorded_step(replay: Any) -> None:
    step = replay.captured((6, 4, 3), "numpy")
    step(np.ones((2, 6), np.float32), np.array([0, 1]))
    found = replay.calls_of(step)
    assert found is not None
    assert 25 < found < 80


def row(ratio: float, took: float) -> dict[str, Any]:
    return {"replay": {"capture_cold_s": took}, "by hand": {"ours_over_this": ratio}}


@pytest.mark.parametrize(
    ("executor", "ratio", "took", "told"),
    [
        ("numpy", 1.15, 0.05, []),
        ("numpy", 1.16, 0.01, ["1.16 of by hand, at most 1.15"]),
        ("numpy", 1.0, 0.06, ["capture took 0.060 s, at most 0.05"]),
        ("fast", 1.0, 2.9, []),
        ("fast", 2.0, 3.1, ["2.00 of by hand", "capture took 3.100 s, at most 3"]),
    ],
)
def test_misses(replay: Any, executor: str, ratio: float, took: float, told: list[str]) -> None:
    found = replay.misses({f"tiny 64-32-10, batch 32, {executor}": row(ratio, took)})
    assert len(found) == len(told)
    assert all(text in line for text, line in zip(told, found, strict=True))


def test_every_case_names_a_network(replay: Any) -> None:
    assert {net for net, _ in replay.CASES} == set(replay.NETS)
    assert set(replay.BUDGET) == {*replay.EXECUTORS}
