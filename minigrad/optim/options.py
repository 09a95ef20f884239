"""What every optimizer can do beside its formula: accumulate gradients, clip them, refuse bad ones, average weights."""

from __future__ import annotations

import math
from typing import Any, Literal, TypedDict

from ..backend.array import is_integer
from . import checks

NonFinite = Literal["raise", "skip"] | None


class Options(TypedDict, total=False):
    """Keyword arguments of every optimizer.

    accumulate: update at every so many-th call of `step`, by the mean of the gradients since.
    max_norm: clip the norm of all gradients together to this; None does not.
    ema: decay of a moving average of the parameters, in [0, 1); None keeps none.
    nonfinite: what to do about nan and infinite gradients: "raise", "skip" the update, or None, nothing.
    """

    accumulate: int
    max_norm: float | None
    ema: float | None
    nonfinite: NonFinite


DEFAULTS: dict[str, Any] = {"accumulate": 1, "max_norm": None, "ema": None, "nonfinite": None}


def check(optimizer: str, given: dict[str, Any]) -> None:
    """Raise for an option that is unknown (TypeError) or out of range (ValueError)."""
    for name in given:
        if name not in DEFAULTS:
            raise TypeError(f"{optimizer} got an unexpected argument {name!r}; its options are {', '.join(DEFAULTS)}")
    chosen = {**DEFAULTS, **given}
    accumulate, max_norm, ema, nonfinite = (chosen[name] for name in DEFAULTS)
    if not is_integer(accumulate) or accumulate < 1:
        raise ValueError(f"accumulate must be an integer >= 1, got {accumulate!r}")
    if max_norm is not None:
        checks.number("max_norm", max_norm)
    if ema is not None:
        checks.number("ema", ema, high=1.0)
    if nonfinite not in ("raise", "skip", None):
        raise ValueError(f'nonfinite must be "raise", "skip" or None, got {nonfinite!r}')


SHARED_COLUMNS = ("scale", "max_norm", "ema_keep", "ema_gain")
"""Columns of every control table behind those of the formula; kernels/table.cuh has them too."""


def shared_coefficients(
    maximize: bool, accumulate: int, max_norm: float | None, ema: float | None
) -> tuple[float, ...]:
    """The values of SHARED_COLUMNS.

    Args:
        maximize: ascend.
        accumulate, max_norm, ema: options.
    """
    scale = (-1.0 if maximize else 1.0) / accumulate
    limit = math.inf if max_norm is None else max_norm
    return (scale, limit, 1.0, 0.0) if ema is None else (scale, limit, ema, 1.0 - ema)
