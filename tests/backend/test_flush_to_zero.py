"""Subnormal numbers are zero inside the block, not outside, and nothing else changes."""

from __future__ import annotations

import subprocess
import sys
import threading

import numpy as np
import pytest

import minigrad as mg
from minigrad import nn, optim
from minigrad.backend import flush_to_zero as module
from minigrad.backend.flush_to_zero import available, flush_to_zero
from minigrad.nn import functional as F

needs = pytest.mark.skipif(not available(), reason="this machine cannot flush subnormal numbers from Python")
SMALL = {np.float32: 1e-39, np.float64: 1e-310}


def products(dtype: type) -> np.ndarray:
    """A result that is subnormal, and one whose operand is: as bits, since both compare as zero inside."""
    x = np.full(100, np.finfo(dtype).tiny, dtype)
    y = np.full(100, SMALL[dtype], dtype)
    bits = np.int32 if dtype == np.float32 else np.int64
    return np.stack([(x * dtype(0.25)).view(bits), (y * dtype(4)).view(bits)])


def flushes() -> bool:
    found = {bool((products(t) == 0).all()) for t in SMALL}
    assert len(found) == 1
    return found.pop()


@needs
@pytest.mark.parametrize("dtype", SMALL)
def test_subnormal_numbers_are_zero_inside_only(dtype: type) -> None:
    assert products(dtype).all()
    with flush_to_zero():
        assert not products(dtype).any()
    assert products(dtype).all()


@needs
def test_other_results_are_the_same_bits() -> None:
    x = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    outside = [np.exp(x), x / 3, np.sqrt(np.abs(x)), x @ x]
    with flush_to_zero():
        inside = [np.exp(x), x / 3, np.sqrt(np.abs(x)), x @ x]
    for a, b in zip(outside, inside, strict=True):
        assert a.tobytes() == b.tobytes()


@needs
def test_blocks_nest_and_leave_after_an_error() -> None:
    one = flush_to_zero()
    with one:
        with one, pytest.raises(ZeroDivisionError), flush_to_zero():
            raise ZeroDivisionError
        assert flushes()
    assert not flushes()


@needs
def test_a_function_can_be_decorated() -> None:
    @flush_to_zero()
    def recursive(depth: int) -> bool:
        return flushes() and (depth == 0 or recursive(depth - 1)) and flushes()

    assert recursive(3)
    assert not flushes()


@needs
def test_other_threads_are_not_concerned() -> None:
    found = []
    ready, go = threading.Event(), threading.Event()

    def work() -> None:
        ready.set()
        go.wait(10)
        found.append(flushes())

    thread = threading.Thread(target=work)
    thread.start()
    ready.wait(10)
    with flush_to_zero():
        go.set()
        thread.join()
    assert found == [False]


@needs
def test_error_states_and_flags_of_numpy_survive() -> None:
    with flush_to_zero(), np.errstate(all="raise"):
        with pytest.raises(FloatingPointError, match="divide by zero"):
            np.ones(3) / np.zeros(3)
        with pytest.raises(FloatingPointError, match="overflow"):
            np.full(3, 1e300) * 1e300
    assert not flushes()


@needs
def test_numpy_knows_its_dtypes_inside() -> None:
    code = (
        "import warnings; warnings.simplefilter('error'); import numpy as np\n"
        "from minigrad.backend.flush_to_zero import flush_to_zero\n"
        "with flush_to_zero(): print(np.finfo(np.float32).tiny > 0, np.finfo(np.float64).eps > 0)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["True", "True"]


def test_elsewhere_it_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    module._calls.cache_clear()
    monkeypatch.setattr(module.platform, "machine", lambda: "aarch64")
    try:
        assert not available()
        with flush_to_zero():
            assert not flushes()
    finally:
        module._calls.cache_clear()


@needs
def test_it_is_on_inside_fit() -> None:
    """Also where a unit has died, and its moments decay to nothing."""
    seen = []
    x, y = np.ones((8, 3), np.float32), np.zeros(8, np.int64)
    model = nn.MLP(3, [4], 2)
    optimizer = optim.Adam(model.parameters())

    def look(run: object) -> None:
        seen.append(flushes())

    mg.fit(model, (x, y), loss=F.cross_entropy, optimizer=optimizer, epochs=2, callbacks=look, progress=False)
    assert seen == [True, True]
    assert not flushes()
