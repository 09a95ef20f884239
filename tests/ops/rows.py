"""Every row of the tables in the modules beside this one."""

from __future__ import annotations

import rows_elementwise
import rows_linalg
import rows_nn
import rows_reduce
import rows_shape

from minigrad.testing import OpSpec

ROWS: list[OpSpec] = [
    *rows_elementwise.ROWS, *rows_reduce.ROWS, *rows_shape.ROWS, *rows_linalg.ROWS, *rows_nn.ROWS,
]  # fmt: skip
