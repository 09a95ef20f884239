"""Rounds: their order, their pairing, their pauses."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from typing import Any

import pytest

from minigrad.bench import blas, timing
from minigrad.bench.binding import Binding
from minigrad.bench.blas import blas_kernels, blas_threads, limited
from minigrad.bench.ceilings import Ceilings


class Sleeper:
    """A contestant whose step takes a known time."""

    events: Any = None

    def __init__(self, library: str) -> None:
        self.name = self.library = self.pool = library
        self.waits = 0

    def configuration(self) -> dict[str, Any]:
        return {}

    def step(self, batch: int) -> Any:
        return lambda: time.sleep(batch * 1e-3)

    def products(self, batch: int) -> Any:
        return self.step(batch)

    def wait(self) -> None:
        self.waits += 1

    def elapsed_us(self, start: Any, end: Any) -> float:
        return end - start


class Ticker(Sleeper):
    """One with marks: each is the number of marks recorded so far."""

    def __init__(self) -> None:
        super().__init__("ticker")
        self.count = 0

    def events(self) -> Any:
        owner = self

        class Mark:
            def record(self) -> None:
                owner.count += 10
                self.at = owner.count

            def __sub__(self, other: Any) -> float:
                return self.at - other.at

        return Mark()


def test_every_program_runs_once_a_round_and_the_order_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = Sleeper("a"), Sleeper("b")
    order: list[Any] = []
    programs = [
        timing.Program((o.name, n), o, lambda n=n, o=o: order.append((o.name, n))) for o in (a, b) for n in (1, 2)
    ]
    pauses: list[float] = []
    monkeypatch.setattr(timing.time, "sleep", pauses.append)
    found = timing.read_rounds(programs, 2, 0.0)
    keys = [p.key for p in programs]
    assert order == keys + keys[::-1]
    assert pauses == [timing.PAUSE] * 2, "from a to b, and back from b to a in the second round"
    assert {key: len(r) for key, r in found.items()} == dict.fromkeys(keys, 2)


def test_a_pause_between_two_blas_of_one_library(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = Sleeper("a")
    programs = [timing.Program((name, 1), owner, lambda: None, pool=name) for name in ("", "a", "b")]
    pauses: list[float] = []
    monkeypatch.setattr(timing.time, "sleep", pauses.append)
    timing.read_rounds(programs, 1, 0.0)
    assert pauses == [timing.PAUSE], "a, which is the owner's own, and then b"


def test_a_reading_is_the_time_of_a_call() -> None:
    owner = Sleeper("a")
    program = timing.Program(("a", 5), owner, owner.step(5))
    program.warm_up(0.02)
    assert program.calls == 1
    before = owner.waits
    reading = program.read(0.02)
    assert reading.us > 4900
    assert owner.waits >= before + 2, "before and after each block"
    assert reading.device_us is None


def test_short_calls_are_timed_in_blocks() -> None:
    program = timing.Program(("a", 0), Sleeper("a"), lambda: None)
    program.warm_up(0.005)
    assert program.calls > 10


def test_the_clock_of_the_device() -> None:
    owner = Ticker()
    program = timing.Program(("a", 0), owner, lambda: None)
    assert program.read(0.0).device_us == 10


def test_ratios_are_paired() -> None:
    ours = [timing.Reading(u) for u in (10.0, 20.0, 300.0)]
    theirs = [timing.Reading(u) for u in (20.0, 40.0, 100.0)]
    assert timing.median_ratio(ours, theirs) == 0.5


@pytest.mark.parametrize(
    ("calls", "memory", "arithmetic", "binds"), [(9, 1, 2, "calls"), (1, 9, 2, "memory"), (1, 2, 9, "arithmetic")]
)
def test_what_binds(calls: float, memory: float, arithmetic: float, binds: str) -> None:
    account = Binding(calls, memory, arithmetic, 24.0)
    assert account.binds == binds
    assert account.explained == 0.5


def test_the_rate_of_the_nearest_size() -> None:
    ceilings = Ceilings(1.0, {}, {100: 5.0, 10_000: 2.0})
    assert [ceilings.bytes_per_second(n) for n in (0, 90, 990, 1010, 10**9)] == [5.0, 5.0, 5.0, 2.0, 2.0]


@pytest.mark.parametrize("package", ["numpy", "scipy"])
def test_threads(package: str) -> None:
    """Of NumPy's BLAS, and of the one that compiled steps call."""
    found = blas._openblas(package)
    before = blas_threads()
    others = found.threads() if found else None
    with limited(1) as used:
        assert used in (1, None)
        assert found is None or found.threads() == 1
    assert blas_threads() == before
    assert found is None or found.threads() == others
    with limited(None) as used:
        assert used == before


def test_the_kernels_that_a_variable_forces() -> None:
    """A benchmark says so, for it may halve the speed of every product."""
    command = "from minigrad.bench.environment import environment; print(environment('cpu', 1)['blas_kernels'])"
    forced = os.environ | {"OPENBLAS_CORETYPE": "Haswell"}
    done = subprocess.run([sys.executable, "-c", command], env=forced, capture_output=True, text=True, check=True)
    if blas_kernels() is None or platform.machine() != "x86_64":
        pytest.skip("NumPy's BLAS does not tell which kernels it uses, or has none of that name")
    assert done.stdout.strip() == "Haswell"
