"""A row of the table as tests: `@given_op(ROW)` runs its battery on drawn cases, `parametrize_ops(rows)` names them.

@given_op(MY_ROW)
def test_my_op(case): ...            # the battery has run on the case when the body begins

@parametrize_ops(ROWS)               # one test per row and check
def test_ops(row, check):
    check(row)

@parametrize_ops(ROWS, split=False)  # one test per row, whose check is the whole battery: each case is drawn once
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..errors import require
from .battery import CHECKS, Check, promised
from .cases import Case
from .opspec import OpSpec


def given_op(
    row: OpSpec,
    *,
    checks: Iterable[str] | None = None,
    device: str = "cpu",
    max_examples: int | None = None,
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a test `f(case, ...)`: hypothesis draws calls of a row, the battery runs on each, then the body.

    Args:
        row: the row.
        checks: names of the checks to run; None runs all that the row promises.
        device: where the calls run; a test with a parameter `device` (a fixture) has that one's instead.
        max_examples: how many cases; None is the profile's.

    Returns:
        The decorator. The test keeps its other parameters, which pytest fills.

    Raises:
        OptionalDependencyError: hypothesis is missing.
        ValueError: an unknown check.
    """
    chosen = [check for check in named(row, checks) if checks is not None or check.is_installed]

    def decorate(test: Callable[..., Any]) -> Callable[..., Any]:
        parameters = [p for p in inspect.signature(test).parameters.values() if p.name != "case"]

        @functools.wraps(test)
        def run(**fixtures: Any) -> None:
            where = str(fixtures.get("device", device))
            draw_and_run(row, chosen, where, max_examples, lambda case: test(case=case, **fixtures))

        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return run

    require("hypothesis", "test", "given_op")
    return decorate


def parametrize_ops(rows: Iterable[OpSpec], *, checks: Iterable[str] | None = None, split: bool = True) -> Any:
    """A pytest mark that gives a test the parameters `row` and `check`, one test for each check of each row.

    Args:
        rows: the rows; their names must differ.
        checks: names of the checks; None takes all that a row promises. One whose package is missing is skipped.
        split: False makes one test for each row. Its `check` runs all of them on each case, which takes much less time.

    Returns:
        The mark. In the test call `check(row)`, or `check(row, device)`.

    Raises:
        OptionalDependencyError: pytest is missing.
        ValueError: two rows of one name, or an unknown check.
    """
    pytest: Any = require("pytest", "test", "parametrize_ops")
    listed = list(rows)
    names = [row.name for row in listed]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"parametrize_ops: two rows are called {twice[0]!r}")
    wanted = None if checks is None else list(checks)
    found = []
    for row in listed:
        if not split:
            several = [check for check in named(row, wanted) if check.is_installed]
            found += [pytest.param(row, together(several), id=row.name)] if several else []
            continue
        for check in named(row, wanted):
            absent = pytest.mark.skipif(not check.is_installed, reason=f"{check.needs} is not installed")
            found.append(pytest.param(row, check, id=f"{row.name}-{check.name}", marks=[absent] if check.needs else []))
    return pytest.mark.parametrize(("row", "check"), found)


def together(checks: Sequence[Check]) -> Check:
    """One check that runs these, in their order, on each case."""

    def run(case: Case) -> None:
        for check in checks:
            check.run(case)

    return Check("battery", run, lambda row: True)


def named(row: OpSpec, checks: Iterable[str] | None) -> list[Check]:
    """The checks that a row promises, or of these names those that it promises; installed or not.

    Raises:
        ValueError: there is no check of a name.
    """
    wanted = None if checks is None else list(checks)
    known = [check.name for check in CHECKS]
    unknown = [name for name in wanted or () if name not in known]
    if unknown:
        raise ValueError(f"no check is called {unknown[0]!r}; there are {', '.join(known)}")
    return [check for check in promised(row) if wanted is None or check.name in wanted]


def draw_and_run(
    row: OpSpec,
    checks: Sequence[Check],
    device: str = "cpu",
    max_examples: int | None = None,
    then: Callable[[Case], Any] | None = None,
) -> None:
    """Run checks on cases of a row that hypothesis draws, and shrinks where one fails.

    Args:
        row: the row.
        checks: what to run.
        device: where.
        max_examples: how many cases; None is the profile's.
        then: called with each case after the checks.

    Raises:
        ValueError: a device, and the row is the CPU's alone.
    """
    if row.host_only and device != "cpu":
        raise ValueError(f"OpSpec {row.name}: host_only ({row.host_only}), and the test wants it on {device}")
    hypothesis: Any = require("hypothesis", "test", "given_op")
    from .strategies import op_cases

    def body(case: Case) -> None:
        for check in checks:
            check.run(case)
        if then is not None:
            then(case)

    settings = hypothesis.settings(deadline=None) if max_examples is None else hypothesis.settings(
        deadline=None, max_examples=max_examples
    )  # fmt: skip
    # by its name hypothesis keeps failing cases apart
    body.__name__ = body.__qualname__ = re.sub(r"\W", "_", "_".join(["battery", row.name, *(c.name for c in checks)]))
    settings(hypothesis.given(case=op_cases(row, device=device))(body))()
