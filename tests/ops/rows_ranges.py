"""Rows of minigrad.ops.ranges."""

from __future__ import annotations

from typing import Any

import numpy as np

from minigrad.ops import ranges
from minigrad.testing import OpSpec


def _both(module: Any) -> Any:
    return lambda start, stop, **options: module.linspace(start, stop, retstep=True, **options)


ROWS = [
    OpSpec("linspace", ranges.linspace, np.linspace, arity=2, broadcasts=True, dtypes=("float64",),
           params=({}, {"num": 5}, {"num": 4, "endpoint": False}, {"num": 3, "axis": -1}, {"num": 0}, {"num": 1})),
    OpSpec("linspace, its step", _both(ranges), _both(np), arity=2, broadcasts=True, dtypes=("float64",),
           params=({"num": 5}, {"num": 4, "endpoint": False})),
    OpSpec("logspace", ranges.logspace, np.logspace, arity=2, broadcasts=True, dtypes=("float64",),
           params=({"num": 5}, {"num": 4, "endpoint": False, "base": 2.0}, {"num": 3, "axis": -1})),
]  # fmt: skip
