"""Validation of hyper-parameters: each error names the parameter, the range and the value received."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def number(name: str, value: Any, low: float = 0.0, high: float = math.inf, low_open: bool = False) -> None:
    """Raise ValueError unless `value` is a finite number in [low, high), or (low, high) where `low_open`."""
    if isinstance(value, bool) or not hasattr(value, "__float__"):
        raise ValueError(f"{name} must be a number, got {value!r}")
    v = float(value)
    if math.isfinite(v) and v < high and (v > low if low_open else v >= low):
        return
    bound = f"{'>' if low_open else '>='} {low:g}" + ("" if math.isinf(high) else f" and < {high:g}")
    raise ValueError(f"{name} must be finite and {bound}, got {value!r}")


def betas(value: Any) -> None:
    """Raise ValueError unless `value` is a pair of numbers in [0, 1)."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ValueError(f"betas must be a pair of numbers in [0, 1), got {value!r}")
    for i, beta in enumerate(value):
        number(f"betas[{i}]", beta, high=1.0)


def moments(group: Mapping[str, Any]) -> None:
    """Raise ValueError for a hyper-parameter that is out of range, of those that Adam and its kin share."""
    number("lr", group["lr"])
    betas(group["betas"])
    number("eps", group["eps"])
    number("weight_decay", group["weight_decay"])
