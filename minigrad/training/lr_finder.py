"""The learning-rate range test: how the loss answers to a rate that grows from step to step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..backend import random
from ..backend.device import on_device
from ..data import DataLoader, Dataset
from ..nn import Module
from ..optim import Optimizer
from .evaluate import check_batch, device_of_model, host_float

BATCH_SIZE = 32
"""Of training data that is given as arrays."""


@dataclass(frozen=True)
class LRFinding:
    """What `lr_find` saw.

    Attributes:
        lrs: learning rates tried, rising.
        losses: the loss of the batch at each.
        smoothed: their running mean.
        suggestion: the rate where the smoothed loss falls fastest over log(lr), before it is smallest; nan where it
            never falls.
    """

    lrs: list[float] = field(repr=False)
    losses: list[float] = field(repr=False)
    smoothed: list[float] = field(repr=False)
    suggestion: float


def lr_find(
    model: Module,
    train: Any,
    *,
    loss: Callable[..., Any],
    optimizer: Optimizer,
    start: float = 1e-6,
    end: float = 10.0,
    steps: int = 100,
    smoothing: float = 0.9,
    diverged: float = 4.0,
) -> LRFinding:
    """Train for a few steps with a learning rate that grows from `start` to `end` by equal factors, then undo it all.

    Afterwards the model, its gradients, the optimizer, the order of the batches and the random streams are bitwise as
    they were, also after an error or Ctrl-C.

    Smith 2017, "Cyclical learning rates for training neural networks", section 3.3.

    Args:
        model: the model.
        train: a DataLoader, a tuple (x, y) of arrays or a list of batches; begun again when it is used up.
        loss: loss(prediction, y).
        optimizer: its groups keep the ratios of their rates; the first group's is what grows.
        start: the first rate, > 0.
        end: the last rate, > start.
        steps: how many, >= 2.
        smoothing: share of the running mean that each step keeps, in [0, 1).
        diverged: stop when the smoothed loss is this many times its smallest, or is not finite.

    Returns:
        Rates, losses and a suggestion; `plots.lr_finding` draws it.

    Raises:
        TypeError: an iterator, which could not be put back.
        ValueError: a number out of range.
    """
    if not (0 < start < end < math.inf and steps >= 2 and 0 <= smoothing < 1 and diverged > 1):
        raise ValueError(
            "lr_find: 0 < start < end, steps >= 2, 0 <= smoothing < 1 and diverged > 1 are due, got "
            f"start={start!r}, end={end!r}, steps={steps!r}, smoothing={smoothing!r}, diverged={diverged!r}"
        )
    device = device_of_model(model)
    if isinstance(train, (Dataset, tuple)):
        train = DataLoader(train, BATCH_SIZE, device=device, seed=0)
    elif not isinstance(train, (DataLoader, list)):
        raise TypeError(
            f"lr_find: train must be a DataLoader, a tuple (x, y) of arrays or a list of batches, got "
            f"{type(train).__name__}, which could not be begun again"
        )
    first = float(optimizer.param_groups[0]["lr"])
    ratios = [float(g["lr"]) / first if first else 1.0 for g in optimizer.param_groups]
    lrs: list[float] = []
    losses: list[float] = []
    smoothed: list[float] = []
    with _undone(model, optimizer, train), np.errstate(over="ignore", invalid="ignore"), on_device(device):
        model.train()
        for i, batch in enumerate(_endless(train)):
            if i == steps:
                break
            check_batch("lr_find", batch)
            lr = start * (end / start) ** (i / (steps - 1))
            for group, ratio in zip(optimizer.param_groups, ratios, strict=True):
                group["lr"] = lr * ratio
            optimizer.zero_grad()
            value = loss(model(batch[0]), *batch[1:])
            found = host_float(value.data)
            if not math.isfinite(found):
                break
            lrs.append(lr)
            losses.append(found)
            smoothed.append(_mean(losses, smoothing))
            if smoothed[-1] > diverged * min(smoothed):
                break
            value.backward()
            optimizer.step()
    return LRFinding(lrs, losses, smoothed, _steepest(lrs, smoothed))


def _mean(losses: list[float], keep: float) -> float:
    """The running mean without its bias towards 0, as in Adam."""
    weights = keep ** np.arange(len(losses) - 1, -1, -1.0)
    return float(weights @ np.asarray(losses) / weights.sum())


def _steepest(lrs: list[float], smoothed: list[float]) -> float:
    """The rate of the steepest fall over log(lr), up to the smallest value."""
    lowest = int(np.argmin(smoothed)) if smoothed else 0
    if lowest < 2:
        return math.nan
    slopes = np.gradient(np.asarray(smoothed[: lowest + 1]), np.log(lrs[: lowest + 1]))
    return lrs[int(np.argmin(slopes))] if slopes.min() < 0 else math.nan


def _endless(train: Iterable[Any]) -> Iterator[Any]:
    """The batches again and again."""
    while True:
        some = False
        for batch in train:
            some = True
            yield batch
        if not some:
            raise ValueError("lr_find: the training data gave no batches")


@contextmanager
def _undone(model: Module, optimizer: Optimizer, train: Any) -> Iterator[None]:
    """Puts everything back that a step changes."""
    values = {name: t.clone() for name, t in model.state_dict().items()}
    held = [p for group in optimizer.param_groups for p in group["params"]]
    kept = {id(p): p for p in [*model.parameters(), *held]}
    others = [(p, p.detach().clone()) for p in held if not any(p is q for q in model.parameters())]
    gradients = [(p, None if p.grad is None else p.grad.detach().clone()) for p in kept.values()]
    modes = [(m, m.training) for m in model.modules()]
    state, streams = optimizer.state_dict(), random.get_state()
    rates = [dict(group) for group in optimizer.param_groups]
    place = train.state_dict() if isinstance(train, DataLoader) else None
    try:
        yield
    finally:
        model.load_state_dict(values)
        for p, value in others:
            p.data = value.data
        optimizer.load_state_dict(state)
        for group, before in zip(optimizer.param_groups, rates, strict=True):
            group.update(before)
        for p, g in gradients:
            p.grad = g
        for m, training in modes:
            m.training = training
        random.set_state(streams)
        if place is not None:
            train.load_state_dict(place)
