"""The norm of all gradients that an update is about to use, and whether they are numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backend import array as arrays
from ..backend import fused_kernels
from ..backend.device import device_of, on_device
from ..backend.recording import call, lift, refuse, seam
from ..errors import GradientError
from .partition import CHUNK, Partition


def check_one_device(parts: Sequence[Partition]) -> None:
    """Raise ValueError where the gradients lie on several devices."""
    devices = sorted({part.store.device for part in parts})
    if len(devices) > 1:
        raise ValueError(
            f"max_norm and nonfinite look at all gradients together, which must be on one device, got {devices}: "
            "give each device an optimizer of its own"
        )


def sum_of_squares(parts: Sequence[Partition]) -> Any:
    """The sum of the squares of the gradients to be used, in double precision.

    Returns:
        A Python float on the host; (1,) float64 on a device, which is not waited for. It is finite where the gradients
        are, unless they are of double precision and beyond 1e154.
    """
    if parts[0].store.device == "cpu":
        runs = [g for part in parts for g in part.gradients]
        return _host_total(*runs) if seam.watcher is None else call(_host_total_array, *map(lift, runs))
    device, xp = parts[0].store.device, parts[0].xp
    with on_device(device):
        runs = [g for part in parts for g in part.gradients]
        quick = [g for g in runs if fused_kernels.usable(g)]
        total = fused_kernels.sum_of_squares(quick) if quick else arrays.zeros((1,), np.float64, device)
        for g in runs:
            if not fused_kernels.usable(g):
                total += xp.vdot(g, g).astype(np.float64)
    return total


def _host_total(*runs: np.ndarray) -> float:
    return math.fsum(map(_host_sum, runs))


def _host_total_array(*runs: np.ndarray) -> np.ndarray:
    return np.array(_host_total(*runs))


def _host_sum(g: np.ndarray) -> float:
    total = 0.0
    for start in range(0, g.size, CHUNK):  # added up in double, which large single-precision sums need
        chunk = g[start : start + CHUNK]
        part = float(np.vdot(chunk, chunk))
        if not math.isfinite(part) and chunk.dtype != np.float64:
            wide = chunk.astype(np.float64)  # squares of finite numbers may have overflown
            part = float(np.vdot(wide, wide))
        total += part
    return total


def share_of(total: Any, scale: float, max_norm: float, xp: Any) -> Any:
    """What the gradients are multiplied by besides `scale` so that their norm is at most `max_norm`.

    min(1, max_norm / (|scale| sqrt(total) + 1e-6)), nan where the norm is. A float, or a 0-d array where `total` is an
    array of a device.
    """
    if device_of(total) == "cpu" and not isinstance(total, float):
        return call(_share_array, total, scale, max_norm)
    if isinstance(total, float):
        norm = abs(scale) * math.sqrt(total) + 1e-6
        return max_norm / norm if max_norm < norm or math.isnan(norm) else 1.0
    return xp.minimum(max_norm / (xp.sqrt(total) * abs(scale) + 1e-6), 1.0).reshape(())


def _share_array(total: np.ndarray, scale: float, max_norm: float) -> np.ndarray:
    """`share_of` of a sum that only a replay knows."""
    return np.array(share_of(float(total), scale, max_norm, np))


def verdict(parts: Sequence[Partition], nonfinite: str | None) -> tuple[Any, bool]:
    """The sum of squares of the gradients to be used, and whether to go on.

    Args:
        parts: what is updated.
        nonfinite: the option of the optimizer.

    Raises:
        GradientError: "raise", and a gradient is not finite.
    """
    if not parts:
        return None, True
    check_one_device(parts)
    total = sum_of_squares(parts)
    decides_here = nonfinite == "skip" and any(part.fused is None for part in parts)
    if nonfinite != "raise" and not decides_here:
        return total, True
    refuse(f"nonfinite={nonfinite!r} decides on the host whether to update, which a replay cannot")
    if math.isfinite(float(arrays.to_host(total).reshape(()))):
        return total, True
    if nonfinite == "raise":
        raise GradientError(f"{first_bad(parts)}; nothing was updated")
    return total, False


def first_bad(parts: Sequence[Partition]) -> str:
    """Which gradient is not finite, for an error."""
    for part in parts:
        for c in part.classes:
            for i in c.positions:
                gradient = arrays.to_host(part.store.view(part.store.g, i))
                if not np.isfinite(gradient).all():
                    bad = "nan" if np.isnan(gradient).any() else "an infinite number"
                    return f"the gradient of a parameter of shape {gradient.shape} holds {bad}"
    return "the norm of the gradients overflows"
