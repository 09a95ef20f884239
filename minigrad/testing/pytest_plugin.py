"""The pytest plugin of minigrad: options, and the fixture no_leaks. What they do is in plugin.py, imported on use."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pytest

_failed = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """--gradcheck-report and --require-gpu."""
    group = parser.getgroup("minigrad", "gradients (minigrad)")
    group.addoption(
        "--gradcheck-report",
        metavar="md|json|PATH",
        default=None,
        help="write what every gradient check found, as Markdown or JSON, to gradcheck-report.md, .json, or a path "
        "that ends so",
    )
    group.addoption(
        "--require-gpu", action="store_true", default=False, help="fail at once where no GPU is usable, and say why"
    )


@pytest.hookimpl(tryfirst=True)  # before hypothesis loads the profile
def pytest_configure(config: pytest.Config) -> None:
    """Start what the options ask for."""
    if str(config.getoption("--hypothesis-profile", default="") or "").startswith("minigrad-"):
        from .profiles import register

        register()
    if config.getoption("--gradcheck-report") is None and not config.getoption("--require-gpu"):
        return
    from . import plugin

    plugin.configure(config)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Remember which tests failed: their tracebacks keep tensors alive."""
    report = yield
    if call.when == "call":
        item.stash[_failed] = report.failed
    return report


@pytest.fixture
def no_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails where a test leaves tensors, graph nodes or bytes of the GPU's pool behind."""
    from .leaks import Baseline

    baseline = Baseline.now()
    yield
    if not request.node.stash.get(_failed, False):
        left = baseline.left()
        if left:
            pytest.fail(f"the test left behind: {left}", pytrace=False)
