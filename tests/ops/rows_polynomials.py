"""Rows of minigrad.ops.polynomials."""

from __future__ import annotations

import numpy as np

from minigrad.ops import polynomials
from minigrad.testing import OpSpec

ROWS = [
    OpSpec("polyval", polynomials.polyval, np.polyval, arity=2,
           shapes=(((4,), (2, 3)), ((1,), (3,)), ((3,), ()), ((2,), (0, 2)))),
    OpSpec("vander", polynomials.vander, np.vander, shapes=(((3,),), ((1,),), ((4,),)),
           params=({}, {"N": 2}, {"N": 5, "increasing": True}, {"increasing": True}, {"N": 0})),
]  # fmt: skip
