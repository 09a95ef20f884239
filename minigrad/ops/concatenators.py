"""np.r_ and np.c_: concatenation written with square brackets, Tensors among the pieces."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.variable import Variable
from .arguments import as_operand
from .joining import concatenate


class _Concatenator:
    """`r_[a, 1:4, b]` joins along the first axis; `c_` stacks one-dimensional pieces as columns along the last.

    Without a Tensor among the pieces it is NumPy's own object of that name.
    """

    def __init__(self, name: str, axis: int) -> None:
        self._name, self._axis = name, axis
        self._numpy: Any = getattr(np, name)

    def __getitem__(self, key: Any) -> Any:
        pieces = key if isinstance(key, tuple) else (key,)
        if not any(isinstance(p, Variable) for p in pieces):
            return self._numpy[key]
        if any(isinstance(p, str) for p in pieces):
            raise TypeError(f"{self._name}: directives such as 'r' or '0,2' are not supported with Tensors")
        return concatenate([self._piece(p) for p in pieces], self._axis)

    def _piece(self, piece: Any) -> Any:
        x = as_operand(np.r_[piece] if isinstance(piece, slice) else piece)
        if x.ndim == 0:
            x = x.reshape((1,))
        return x.reshape((-1, 1)) if self._axis == -1 and x.ndim == 1 else x

    def __repr__(self) -> str:
        return f"<mg.{self._name}>"


r_ = _Concatenator("r_", 0)
c_ = _Concatenator("c_", -1)
