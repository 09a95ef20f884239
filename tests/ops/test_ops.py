"""Every row of the tables on every device through the public battery, and beside PyTorch."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from row_exceptions import WAITING
from rows import ROWS
from waivers import NONFINITE

from minigrad.testing import CHECKS, OpSpec, parametrize_ops
from minigrad.testing.op_tests import named

FEWER = 4
"""So many times fewer cases on a device than on the CPU: a call there costs many times as much."""
OWN_CHECKS = [check.name for check in CHECKS if check.name != "torch"]


def test_the_exceptions_are_rows() -> None:
    assert WAITING.keys() | NONFINITE.keys() <= {row.name for row in ROWS}


def test_the_rows_promise_nearly_everything() -> None:
    """The battery is as strong as what the rows let it check."""
    assert {name for row in ROWS for name in row.waived} <= {"nonfinite"}
    assert all(len(reason.split()) > 3 for row in ROWS for reason in row.waived.values())
    assert sum(bool(row.waived) for row in ROWS) < len(ROWS) / 12
    assert [row.name for row in ROWS if row.host_only] == ["histogram_bin_edges, rules"]
    every_check = {check.name for row in ROWS for check in named(row, None)}
    assert every_check == {check.name for check in CHECKS}


@parametrize_ops(ROWS, checks=OWN_CHECKS, split=False)
def test_battery(row: OpSpec, check: Any, device: str) -> None:
    if row.host_only and device != "cpu":
        pytest.skip(row.host_only)
    cases = settings.default.max_examples
    check(row, device, max_examples=cases if device == "cpu" else max(1, cases // FEWER))


@pytest.mark.torch
@parametrize_ops(ROWS, checks=["torch"])
def test_torch_agrees(row: OpSpec, check: Any) -> None:
    check(row)
