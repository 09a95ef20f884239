"""Gradient clipping over the flat gradient buffers. Nothing is read back to the host."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from ..backend import fused_kernels
from ..backend.device import HOST, device_of, on_device, provider_of
from ..backend.recording import lift, target
from ..core.variable import wrap
from ..tensor import Tensor
from . import checks
from .parameters import clear_padding, gradient_runs


def _parameters(params: Any) -> list[Tensor]:
    return [params] if isinstance(params, Tensor) else list(params)


def _no_norm(params: list[Tensor]) -> Tensor:
    """0, on the device of the parameters."""
    return Tensor(0.0, device=next((p.device for p in params if isinstance(p, Tensor)), None))


def _check_type(norm_type: float) -> None:
    if norm_type not in (2, math.inf):
        raise ValueError(f"norm_type must be 2 or math.inf, got {norm_type!r}")


def _norm(runs: list[Any], norm_type: float) -> Any:
    """The norm of flat arrays together, on their device."""
    xp = (provider_of(runs[0]) or HOST).xp
    if norm_type == 2:
        if xp is not np and fused_kernels.usable(*runs):
            return xp.sqrt(fused_kernels.sum_of_squares(runs)).astype(np.float32).reshape(())
        return xp.sqrt(sum(xp.vdot(r, r) for r in runs))
    return xp.max(xp.stack([xp.max(xp.abs(r)) if r.size else xp.zeros((), r.dtype) for r in runs]))


def gradient_norm(params: Iterable[Tensor] | Tensor, norm_type: float = 2.0) -> Tensor:
    """The norm of all gradients together.

    Args:
        params: leaf tensors; those without a gradient are passed over.
        norm_type: 2 for the Euclidean norm, math.inf for the largest magnitude.

    Returns:
        A 0-d Tensor on the parameters' device (0 without gradients).

    Raises:
        ValueError: another norm_type.
    """
    _check_type(norm_type)
    given = _parameters(params)
    runs = list(map(lift, gradient_runs(given)))
    if not runs:
        return _no_norm(given)
    with on_device(device_of(runs[0])):
        return wrap((provider_of(runs[0]) or HOST).xp.asarray(_norm(runs, norm_type)))


def clip_grad_norm(params: Iterable[Tensor] | Tensor, max_norm: float, norm_type: float = 2.0) -> Tensor:
    """Scale all gradients together so that their norm is at most `max_norm`.

        scale = min(1, max_norm / (norm + 1e-6))

    Pascanu et al. 2013, "On the difficulty of training recurrent neural networks"; PyTorch's formula.

    Args:
        params: leaf tensors; those without a gradient are passed over.
        max_norm: >= 0.
        norm_type: 2 for the Euclidean norm, math.inf for the largest magnitude.

    Returns:
        The norm before clipping: a 0-d Tensor on the parameters' device (0 without gradients).

    Raises:
        ValueError: max_norm is negative or not finite, or another norm_type.
    """
    checks.number("max_norm", max_norm)
    _check_type(norm_type)
    given = _parameters(params)
    runs = list(map(target, gradient_runs(given)))
    if not runs:
        return _no_norm(given)
    with on_device(device_of(runs[0])):
        return wrap(_clip(given, runs, max_norm, norm_type))


def _clip(given: list[Tensor], runs: list[Any], max_norm: float, norm_type: float) -> Any:
    """Scale the runs; their norm before, 0-d."""
    if norm_type == 2 and type(runs[0]) is not np.ndarray and fused_kernels.usable(*runs):
        norm = fused_kernels.clip_by_norm(runs, max_norm)
        clear_padding(given)
        _mark(given)
        return norm
    total = _norm(runs, norm_type)
    provider = provider_of(runs[0]) or HOST
    xp = provider.xp
    scale = xp.minimum(max_norm / (total + 1e-6), 1.0)
    for r in runs:
        r *= scale
    if provider is not HOST or not math.isfinite(total):
        clear_padding(given)  # nan times the zeros between parameters would stay there for good
    _mark(given)
    return xp.asarray(total)


def _mark(params: list[Tensor]) -> None:
    """The gradients were written to: they are values now, and no graph leads to them."""
    for p in params:
        leaf = getattr(p, "_leaf", None)
        if leaf is not None and leaf.live:
            leaf.written()


def clip_grad_value(params: Iterable[Tensor] | Tensor, clip_value: float) -> None:
    """Limit every entry of the gradients to [-clip_value, clip_value].

    Args:
        params: leaf tensors; those without a gradient are passed over.
        clip_value: >= 0.

    Raises:
        ValueError: clip_value is negative or not finite.
    """
    checks.number("clip_value", clip_value)
    given = _parameters(params)
    for r in map(target, gradient_runs(given)):
        xp = (provider_of(r) or HOST).xp
        with on_device(device_of(r)):
            xp.clip(r, -clip_value, clip_value, out=r)
    _mark(given)
