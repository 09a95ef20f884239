"""What the options of the pytest plugin do: a report of all gradient checks, and no session without a GPU.

The plugin that pytest loads is pytest_plugin.py, which imports this where an option asks for it.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from ..backend.device import accelerator, accelerator_reason
from .record import Recorder, listen, markdown, record

_OUTPUT = "minigrad_gradcheck_rows"
FORMATS = ("md", "json")


def configure(config: pytest.Config) -> None:
    """Heed the options.

    Raises:
        pytest.UsageError: no GPU is usable, or a report of another kind is asked for.
    """
    if config.getoption("--require-gpu") and accelerator() is None:
        raise pytest.UsageError(f"--require-gpu: no GPU is usable: {accelerator_reason()}")
    target = config.getoption("--gradcheck-report")
    if target is not None:
        config.pluginmanager.register(Report(config, target_of(str(target))), "minigrad-gradcheck-report")


def target_of(option: str) -> Path:
    """Where the report goes.

    Raises:
        pytest.UsageError: neither a format nor a path that ends with one.
    """
    path = Path(f"gradcheck-report.{option}") if option in FORMATS else Path(option)
    if path.suffix.removeprefix(".") not in FORMATS:
        raise pytest.UsageError(f"--gradcheck-report={option}: md, json, or a path that ends with .md or .json is due")
    return path


class Report:
    """Collects the findings of all checks of a session, also those of the workers of xdist.

    Args:
        config: the session's.
        path: where the report goes, its suffix says in which form.
    """

    def __init__(self, config: pytest.Config, path: Path) -> None:
        self.config, self.path = config, config.invocation_params.dir / path
        self.recorder = Recorder()
        self.said = ""
        listen(self.recorder)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Checks outside of a row are counted under the name of the test."""
        with record(item.nodeid):
            return (yield)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: Any) -> None:
        """A worker of xdist has ended."""
        self.recorder.merge(json.loads(getattr(node, "workeroutput", {}).get(_OUTPUT, "[]")))

    def pytest_sessionfinish(self) -> None:
        """Write the report, or hand it to the controller of xdist."""
        rows = self.recorder.as_list()
        if hasattr(self.config, "workeroutput"):
            self.config.workeroutput[_OUTPUT] = json.dumps(rows)
            return
        text = json.dumps(rows, indent=2) if self.path.suffix == ".json" else markdown(rows)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(text + "\n", "utf-8")
        wrong = sum(r["wrong"] for r in rows)
        faults = f", {wrong} proved a fault" if wrong else ""
        self.said = f"{sum(r['checks'] for r in rows)} gradient checks of {len(rows)} rows{faults}: {self.path}"

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Say where it is."""
        terminalreporter.write_line(self.said)
