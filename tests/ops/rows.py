"""Every row of the tables in the modules beside this one."""

from __future__ import annotations

from dataclasses import replace

import rows_arrangement
import rows_comparison
import rows_cumulative
import rows_decompositions
import rows_differences
import rows_elementwise
import rows_index
import rows_joining
import rows_linalg
import rows_nan
import rows_nn
import rows_norms
import rows_parts
import rows_polynomials
import rows_products
import rows_ranges
import rows_reduce
import rows_shape
import rows_solvers
import rows_sorting
import rows_special
import rows_statistics
import rows_trigonometric
from waivers import NONFINITE

from minigrad.testing import OpSpec

_ROWS = [
    *rows_elementwise.ROWS, *rows_ranges.ROWS, *rows_reduce.ROWS, *rows_shape.ROWS, *rows_linalg.ROWS, *rows_nn.ROWS,
    *rows_trigonometric.ROWS, *rows_parts.ROWS, *rows_comparison.ROWS, *rows_special.ROWS,
    *rows_polynomials.ROWS, *rows_products.ROWS, *rows_solvers.ROWS, *rows_decompositions.ROWS, *rows_norms.ROWS,
    *rows_cumulative.ROWS, *rows_statistics.ROWS, *rows_nan.ROWS, *rows_sorting.ROWS, *rows_differences.ROWS,
    *rows_joining.ROWS, *rows_arrangement.ROWS, *rows_index.ROWS,
]  # fmt: skip
ROWS: list[OpSpec] = [
    replace(row, waived={"nonfinite": NONFINITE[row.name]}) if row.name in NONFINITE else row for row in _ROWS
]
