"""The captured modes: the same training as eager, replayed whenever it is timed, with an account of its memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from strict_provider import StrictProvider

from minigrad.bench import memory
from minigrad.bench.modes import MODES, ON_CPU_ONLY, Capture, Eager
from minigrad.bench.sizes import parse_net
from minigrad.bench.workload import Workload, rows_for
from minigrad.errors import CaptureError

CAPTURED = ("capture", "capture-numpy")


@pytest.fixture(autouse=True)
def nothing_is_compiled(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Unless a test asks for it, which takes seconds; and then not into the user's folder."""
    monkeypatch.setenv("MINIGRAD_CACHE", str(tmp_path_factory.getbasetemp() / "compiled"))
    monkeypatch.setenv("MINIGRAD_FAST", "0")


@pytest.fixture
def recordable(device: str, request: pytest.FixtureRequest) -> str:
    """A device whose matrix products can be recorded: the strict one takes its module's for a caller's own."""
    if request.node.callspec.params["device"] == "strict":
        request.getfixturevalue("strict").machine.own_gemm = True
    return device


def workload(net: str = "6-5-3", device: str = "cpu", optimizer: str = "adam") -> Workload:
    sizes = parse_net(net)
    return Workload(sizes, optimizer, *rows_for("synthetic", sizes, 8), device)


def made(mode: str, device: str = "cpu", optimizer: str = "adam") -> Capture:
    found = MODES[mode](workload(device=device, optimizer=optimizer))
    assert isinstance(found, Capture)
    return found


def parameters(contestant: Eager) -> list[np.ndarray]:
    return [p.detach().cpu().numpy().copy() for p in contestant.model.parameters()]


@pytest.mark.parametrize("fast", ["0", pytest.param("1", marks=pytest.mark.numba)])
@pytest.mark.parametrize(("mode", "optimizer"), [("capture", "adam"), ("capture-numpy", "adam"), ("capture", "sgd")])
def test_it_trains_as_the_eager_step_does(
    mode: str, optimizer: str, fast: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIGRAD_FAST", fast)
    eager, captured = Eager(workload(optimizer=optimizer)), made(mode, optimizer=optimizer)
    start = parameters(eager)
    plain, replay = eager.step(8), captured.step(8)  # which makes two steps: it records one and replays one
    for _ in range(2):
        plain()
    for _ in range(5):
        plain()
        replay()
    captured.verify()
    for a, b, before in zip(parameters(eager), parameters(captured), start, strict=True):
        assert np.abs(a - before).max() > 0
        np.testing.assert_allclose(b - before, a - before, rtol=1e-2, atol=1e-7)


@pytest.mark.numba
def test_what_runs_it_is_told(monkeypatch: pytest.MonkeyPatch, strict: StrictProvider) -> None:
    monkeypatch.delenv("MINIGRAD_FAST")
    assert [made(mode).configuration()["executor"] for mode in CAPTURED] == ["numba", "numpy"]
    assert made("capture", "cuda:0").configuration()["executor"] == "CUDA graph"
    monkeypatch.setenv("MINIGRAD_FAST", "0")
    assert made("capture").configuration()["executor"] == "numpy"


def test_every_captured_mode_is_known() -> None:
    assert [name for name, make in MODES.items() if isinstance(make, type) and issubclass(make, Capture)] == [*CAPTURED]
    assert set(ON_CPU_ONLY) <= set(MODES)
    assert all(make(workload()).name == name for name, make in MODES.items())


def test_a_recording_is_timed_apart_and_made_once(recordable: str) -> None:
    captured = made("capture", recordable)
    assert captured.capture_seconds == {}
    step = captured.step(4)
    assert captured.capture_seconds.keys() == {4}
    assert captured.capture_seconds[4] > 0
    assert captured.step(4) is step
    captured.step(8)
    assert captured.capture_seconds.keys() == {4, 8}
    for _ in range(3):
        step()
    captured.verify()


def test_a_step_that_runs_in_python_is_noticed() -> None:
    captured = made("capture-numpy")
    step = captured.step(4)
    step()
    captured.verify()
    captured._recorded[4].replay.clear()
    step()  # records again
    with pytest.raises(CaptureError, match=r"'capture-numpy' ran \d+ steps of batch size 4 in Python"):
        captured.verify()


def test_a_step_that_is_refused_later_is_noticed() -> None:
    captured = made("capture-numpy")
    captured.step(4)
    captured._recorded[4].replay.refusals["a key"] = "it moved"
    with pytest.raises(CaptureError, match="was not replayed at batch size 4: it moved"):
        captured.verify()


def test_the_memory_of_a_recording() -> None:
    """Its buffers count although a replay allocates nothing."""
    captured, eager = Capture(workload("64-200-10")), Eager(workload("64-200-10"))
    small, large = captured.step_bytes(8), captured.step_bytes(2048)
    assert large > small > 0
    activations = 2048 * 200 * 4
    assert activations < large < 20 * activations
    assert memory.step_bytes(captured.step(2048), "cpu") < activations < eager.step_bytes(2048)
    captured.verify()


def test_kept_bytes_are_those_of_arrays() -> None:
    made: list[Any] = []

    def make() -> None:
        made.append(np.zeros(1 << 18, np.float32))
        made.append("x" * (1 << 22))
        np.ones(1 << 20).sum()  # gone again

    assert memory.kept_bytes(make, "cpu") == pytest.approx(1 << 20, rel=0.01)
