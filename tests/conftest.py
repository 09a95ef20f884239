"""What every test gets: seeds, devices, hypothesis profiles, and what happens where an optional tool is missing.

HYPOTHESIS_PROFILE chooses the effort: dev and ci run 25 examples a property, intense 200.
MINIGRAD_REQUIRE names tools (comma-separated) whose absence is a failure instead of a skip; CI sets it.
--devices chooses among cpu, strict and cuda where a test takes the fixture `device`; all that are here, if not given.
"""

from __future__ import annotations

import gc
import importlib.metadata
import importlib.util
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from strict_provider import StrictProvider, install

import minigrad as mg
from minigrad.backend import device as devices

_COMMON = {
    "deadline": None,
    "print_blob": True,
    # one device serves all examples of a test
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
}
settings.register_profile("dev", max_examples=25, **_COMMON)
settings.register_profile("ci", max_examples=25, derandomize=True, **_COMMON)
settings.register_profile("intense", max_examples=200, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

OPTIONAL = {
    **{name: importlib.util.find_spec(name) is not None for name in ("torch", "mlxtend", "cupy", "numba")},
    "gxx": shutil.which("g++") is not None,
    "nvrtc": bool(list(importlib.metadata.distributions(name="nvidia-cuda-nvrtc"))),
}
"""Marker -> whether the tool that its tests need is here."""
# compiled steps of tests stay out of the user's cache
os.environ.setdefault("MINIGRAD_CACHE", str(Path(tempfile.gettempdir()) / f"minigrad-tests-{os.getuid()}"))

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell starts what it puts in the background with Ctrl-C ignored, and here it is part of what is tested
    signal.signal(signal.SIGINT, signal.default_int_handler)

REQUIRED = {name for name in os.environ.get("MINIGRAD_REQUIRE", "").split(",") if name}


def pytest_configure(config: pytest.Config) -> None:
    unknown = REQUIRED - set(OPTIONAL)
    if unknown:
        raise pytest.UsageError(f"MINIGRAD_REQUIRE names {sorted(unknown)}; known are {sorted(OPTIONAL)}")
    missing = sorted(name for name in REQUIRED if not OPTIONAL[name])
    if missing:
        raise pytest.UsageError(f"MINIGRAD_REQUIRE asks for {missing}, which are not installed")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--devices", default="", help="comma-separated: cpu, strict, cuda; default: all that are here")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per device for each test that takes `device`."""
    if "device" not in metafunc.fixturenames:
        return
    chosen = metafunc.config.getoption("devices")
    names = chosen.split(",") if chosen else ["cpu", "strict", *(["cuda"] if has_gpu() else [])]
    unknown = set(names) - {"cpu", "strict", "cuda"}
    if unknown or ("cuda" in names and not has_gpu()):
        raise pytest.UsageError(f"--devices={chosen}: cpu, strict and (with a GPU that CuPy can use) cuda are there")
    marks = {"strict": [pytest.mark.gxx]}
    metafunc.parametrize("device", [pytest.param(n, marks=marks.get(n, ())) for n in names], indirect=True)


def has_gpu() -> bool:
    """Whether CuPy and a GPU are here: minigrad's own answer, before any test installs a device."""
    return devices.accelerator() is not None


def needs_of(item: pytest.Item) -> set[str]:
    """The tools behind a test's fixtures: kernels on the strict device are compiled by g++."""
    return {"gxx"} if "strict" in getattr(item, "fixturenames", ()) else set()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for name, here in OPTIONAL.items():
        marked = [item for item in items if item.get_closest_marker(name) or name in needs_of(item)]
        if not here:
            for item in marked:
                item.add_marker(pytest.mark.skip(reason=f"{name} is not installed"))


def pytest_collection_finish() -> None:
    """What lives as long as the session, half a million objects, need not be looked at by every garbage collection."""
    gc.collect()
    gc.freeze()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for name, here in OPTIONAL.items():
        skipped = [r for r in terminalreporter.stats.get("skipped", []) if name in str(r.longrepr)]
        if not here and skipped:
            terminalreporter.write_line(
                f"{len(skipped)} tests that need {name} were SKIPPED: {name} is not installed "
                f"(set MINIGRAD_REQUIRE={name} to make that an error)",
                yellow=True,
            )


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Every test starts from the same random state, whatever ran before it."""
    mg.manual_seed(0)


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> StrictProvider:
    """A strict device of this test's own, as cuda:0 and cuda:1, with nothing counted yet."""
    return install(monkeypatch, StrictProvider())


@pytest.fixture
def device(request: pytest.FixtureRequest) -> str:
    """The label of each device in turn: "cpu", "cuda:0" on the strict device, "cuda:0" on a GPU where there is one."""
    if request.param == "strict":
        # matrix products by our own calls of cuBLAS, which a stream that captures takes
        request.getfixturevalue("strict").machine.own_gemm = True
    return "cpu" if request.param == "cpu" else "cuda:0"
