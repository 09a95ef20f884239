"""Constraints on weights, imposed after a step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..backend.device import HOST, device_of, on_device, provider_of
from ..backend.versions import mark_written
from ..tensor import Tensor
from . import checks


def max_norm_(parameters: Iterable[Tensor] | Tensor, max_norm: float, axis: int | tuple[int, ...] | None = -1) -> None:
    """Shrink weights in place so that no norm along `axis` is above `max_norm`: w *= min(1, max_norm / |w|).

    With `nn.Linear`, whose weight is (out, in), the default limits the incoming weights of each unit. Nothing is read
    back to the host.

    Srebro and Shraibman 2005; Srivastava et al. 2014, "Dropout", section 5.1. After `optimizer.step()`.

    Args:
        parameters: leaf tensors, or one.
        max_norm: the largest norm, >= 0.
        axis: what the norm is taken over; None for the whole tensor. Tensors of fewer dimensions (biases) are limited
            as a whole where axis is -1.

    Raises:
        ValueError: max_norm is negative or not finite.
    """
    checks.number("max_norm", max_norm)
    for p in [parameters] if isinstance(parameters, Tensor) else parameters:
        raw: Any = p.data
        xp = (provider_of(raw) or HOST).xp
        with on_device(device_of(raw)):
            norm = xp.sqrt((raw * raw).sum(axis=axis if raw.ndim else None, keepdims=True))
            raw *= max_norm / xp.maximum(norm, max_norm) if max_norm else 0.0
        mark_written(p._cell)
