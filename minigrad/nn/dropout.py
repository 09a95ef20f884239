"""Dropout."""

from __future__ import annotations

from typing import Any

from . import functional as F
from ._checks import check_probability
from .module import Module


class Dropout(Module):
    """In training each element is 0 with probability p, else x / (1 - p); in evaluation x (Srivastava et al. 2014).

    Args:
        p: probability of dropping an element, in [0, 1].

    Raises:
        ValueError: p is not in [0, 1].
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = check_probability("Dropout", p)

    def forward(self, x: Any) -> Any:
        """x with elements dropped, of the same shape; x itself in evaluation."""
        return F.dropout(x, self.p, self.training)

    def extra_repr(self) -> str:
        return f"p={self.p}"
