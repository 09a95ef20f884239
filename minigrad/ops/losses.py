"""Elementwise losses that are one operation for the sake of accuracy."""

from __future__ import annotations

from typing import Any

from ..core.op import Op
from .elementwise import sigmoid


def _bce_with_logits(xp: Any, x: Any, y: Any) -> Any:
    # relu(x) - x y cancels exactly for y in {0, 1}, so that small losses keep their relative accuracy
    return xp.maximum(x, 0) - x * y + xp.log1p(xp.exp(-xp.abs(x)))


bce_with_logits = Op(
    "bce_with_logits",
    _bce_with_logits,
    saves=(0, 1),
    doc="-y log(sigmoid(x)) - (1 - y) log(1 - sigmoid(x)), elementwise on equal shapes, without overflow.",
)
bce_with_logits.defvjp(
    lambda g, out, x, y: g * (sigmoid(x) - y),
    lambda g, out, x, y: -g * x,
)
