"""A rough life for an optimizer: rates change, gradients are missing, parameters are frozen and thawed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import minigrad as mg

SHAPES = [(5, 3), (3,), (), (70,), (0, 4), (64,)]


def parameters(dtype: Any = np.float64, device: str = "cpu") -> list[mg.Tensor]:
    rng = np.random.default_rng(0)
    return [mg.tensor(np.asarray(rng.standard_normal(s), dtype), device=device, requires_grad=True) for s in SHAPES]


def gradients(step: int, dtype: Any = np.float64) -> list[Any]:
    rng = np.random.default_rng(1000 + step)
    return [np.asarray(rng.standard_normal(s), dtype) for s in SHAPES]


def set_gradients(params: list[mg.Tensor], grads: list[Any]) -> None:
    for p, g in zip(params, grads, strict=True):
        p.grad = None if g is None else mg.tensor(g, device=p.device)


def live(
    params: list[Any],
    optimizer: Any,
    assign: Callable[[list[Any], list[Any]], None],
    dtype: Any,
    steps: int,
    since: int = 0,
) -> None:
    """Steps `since` to `steps` of one life, the same for every library.

    Args:
        params: of SHAPES.
        optimizer: theirs.
        assign: gives parameters their gradients, None where there is none.
        dtype: of the gradients.
        steps, since: which steps.
    """
    for step in range(since, steps):
        grads = gradients(step, dtype)
        if step % 7 == 3:
            grads[1] = None
        if step < 5 or step % 11 == 0:
            grads[3] = None
        if 20 <= step < 30:
            grads[0] = None  # PyTorch skips a parameter without a gradient, which is what freezing comes to
        assign(params, grads)
        for group in optimizer.param_groups:
            if step in (25, 60):
                group["lr"] *= 0.5
            if step == 80 and "betas" in group:
                group["betas"] = (0.85, 0.99)
        optimizer.step()
