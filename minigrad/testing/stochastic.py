"""Stochastic arithmetic: run again with a random rounding error in every result, to see what rounding does."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..backend.array import to_device, to_host
from ..backend.device import device_of
from ..core.op import Op
from .level import Level
from .tape import flat, floating, leaf, pull

_SUMS = ("add", "subtract")  # x + 1e16 is 1e16 by rounding, not by choice
_FEW = 4096  # pairs that are quicker compared than sorted


@contextlib.contextmanager
def rounding(eps: float, rng: np.random.Generator) -> Iterator[None]:
    """Every floating-point result of an operation is off by a random part of eps, but for what was only picked."""

    def rounded(op: Op, forward: Any) -> Any:
        def run(xp: Any, *args: Any, **params: Any) -> Any:
            return noisy(forward(xp, *args, **params), () if op.name in _SUMS else args)

        return run

    def noisy(out: Any, args: Any) -> Any:
        if isinstance(out, tuple):
            return tuple(noisy(o, args) for o in out)
        if not floating(out) and not isinstance(out, np.floating):
            return out
        error = eps * rng.uniform(-1, 1, out.shape)
        # a view, a maximum or a sorted row rounds nothing, and the rules ask which element it was
        factor = to_device(np.where(_picked(np.asarray(to_host(out)), args), 1.0, 1 + error), device_of(out))
        return out * factor.astype(out.dtype)

    forwards = {op: op.forward for op in Op.instances}
    try:
        for op, forward in forwards.items():
            op.forward = rounded(op, forward)
        yield
    finally:
        for op, forward in forwards.items():
            op.forward = forward


def looks(
    level: Level, cotangents: list[Any], eps: float, rng: np.random.Generator, count: int
) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
    """The outputs and the gradients of one order with other rounding errors in each look.

    Args:
        level: it has run.
        cotangents: tensors, one an output.
        eps: size of the errors.
        rng: chooses them.
        count: how many looks.

    Yields:
        The outputs as one vector; a vector for each point.
    """
    with rounding(eps, rng), np.errstate(all="ignore"):
        for _ in range(count):
            yield _look(level, cotangents, eps, rng)


def _look(
    level: Level, cotangents: list[Any], eps: float, rng: np.random.Generator
) -> tuple[np.ndarray, list[np.ndarray]]:
    # what an operation does inside is as if its arguments were a bit off
    moved = [h * (1 + eps * rng.uniform(-1, 1, h.shape)) for h in level.hosts]
    with contextlib.suppress(ValueError, ArithmeticError, Warning):
        value, gradients = _tape(level, moved, cotangents)
        if all(np.isfinite(found).all() for found in (value, *gradients)):
            return value, gradients
    # beside the point f may mean nothing, as a negative base with an exponent that is not whole
    return _tape(level, [h.copy() for h in level.hosts], cotangents)


def _tape(level: Level, hosts: list[np.ndarray], cotangents: list[Any]) -> tuple[np.ndarray, list[np.ndarray]]:
    leaves = [leaf(level.put(h, i)) for i, h in enumerate(hosts)]
    outs = level.evaluate(leaves, True)
    # rules on raw arrays calculate by operators that nobody sees; on tensors every step is an operation
    found = pull(leaves, outs, cotangents, create_graph=True)
    return flat(outs), [flat([g]) for g in found]


def _picked(out: np.ndarray, args: Any) -> np.ndarray:
    """For every number, whether it is one of the floating-point numbers among the arguments of an operation."""
    parts = [np.asarray(to_host(a)).ravel() for a in args if floating(a) or isinstance(a, (float, np.floating))]
    if not parts:
        return np.zeros(out.shape, bool)
    values = np.concatenate(parts)
    if out.size * values.size <= _FEW:
        return (out[..., None] == values).any(axis=-1)
    return np.isin(out, values)
