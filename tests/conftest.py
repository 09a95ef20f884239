"""What every test gets: seeds, hypothesis profiles, and what happens where an optional tool is missing.

HYPOTHESIS_PROFILE chooses the effort: dev and ci run 25 examples a property, intense 200.
MINIGRAD_REQUIRE names tools (comma-separated) whose absence is a failure instead of a skip; CI sets it.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import shutil

import pytest
from hypothesis import HealthCheck, settings
from stand_in import FakeProvider

import minigrad as mg
from minigrad.backend import device as devices

_COMMON = {"deadline": None, "print_blob": True, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("dev", max_examples=25, **_COMMON)
settings.register_profile("ci", max_examples=25, derandomize=True, **_COMMON)
settings.register_profile("intense", max_examples=200, **_COMMON)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

OPTIONAL = {
    **{name: importlib.util.find_spec(name) is not None for name in ("torch", "mlxtend", "cupy")},
    "gxx": shutil.which("g++") is not None,
    "nvrtc": bool(list(importlib.metadata.distributions(name="nvidia-cuda-nvrtc"))),
}
"""Marker -> whether the tool that its tests need is here."""
REQUIRED = {name for name in os.environ.get("MINIGRAD_REQUIRE", "").split(",") if name}


def pytest_configure(config: pytest.Config) -> None:
    unknown = REQUIRED - set(OPTIONAL)
    if unknown:
        raise pytest.UsageError(f"MINIGRAD_REQUIRE names {sorted(unknown)}; known are {sorted(OPTIONAL)}")
    missing = sorted(name for name in REQUIRED if not OPTIONAL[name])
    if missing:
        raise pytest.UsageError(f"MINIGRAD_REQUIRE asks for {missing}, which are not installed")


def needs_of(item: pytest.Item) -> set[str]:
    """The tools behind a test's fixtures: kernels on the devices of the tests are compiled by g++."""
    devices = {"fake_device", "strict", "own"}
    return {"gxx"} if devices & set(getattr(item, "fixturenames", ())) else set()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for name, here in OPTIONAL.items():
        marked = [item for item in items if item.get_closest_marker(name) or name in needs_of(item)]
        if not here:
            for item in marked:
                item.add_marker(pytest.mark.skip(reason=f"{name} is not installed"))


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
def fake_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in accelerator of stand_in.py as cuda:0 and cuda:1."""
    for name in ("_accelerator", "_reason", "_probed"):
        monkeypatch.setattr(devices, name, getattr(devices, name))  # restored afterwards
    devices.install(FakeProvider())
