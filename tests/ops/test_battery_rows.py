"""minigrad's own rows through the battery that users run on theirs."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from row_exceptions import CPU_BOUND, MOVING
from rows import ROWS

from minigrad.testing import OpSpec, parametrize_ops

# What test_ops.py does with many cases of each row; "nonfinite" is the subject of test_special_values.py.
CHECKS = ("value", "unmodified", "untracked", "gradients", "low_precision", "paths", "layouts", "devices", "batch")


@parametrize_ops([row for row in ROWS if row.name not in MOVING], checks=CHECKS)
def test_own_rows(row: OpSpec, check: Any, device: str) -> None:
    if device == "cpu" or row.name not in CPU_BOUND:
        check(row, device, max_examples=max(1, settings.default.max_examples // (25 if device == "cpu" else 50)))
