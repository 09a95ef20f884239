"""No operation waits for the device: the host runs ahead of it through forward and backward."""

from __future__ import annotations

import pytest
from draws import fixed_case
from row_exceptions import WAITING
from rows import ROWS
from strict_provider import StrictProvider

from minigrad import Tensor
from minigrad.testing import OpSpec
from minigrad.testing.cases import as_tuple

READY = [row for row in ROWS if row.name not in WAITING and not row.host_only]


@pytest.mark.parametrize("row", READY, ids=lambda row: row.name)
def test_an_operation_waits_for_nothing(row: OpSpec, strict: StrictProvider) -> None:
    """Forward and backward ask a device for no value."""
    case = fixed_case(row, 1, "cuda:0")
    assert case is not None
    args = case.tracked()
    strict.machine.reset()
    with strict.machine.no_sync():
        for out in as_tuple(case.call(*args)):
            if isinstance(out, Tensor) and out.requires_grad:
                out.sum().backward(retain_graph=True)
    assert strict.machine.tally.launch_count or not any(a.size for a in args)
