"""Schedules that only fall or rise: the rate as a formula of the number of steps so far."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..backend.array import is_integer
from . import checks
from .optimizer import Optimizer
from .scheduler import Scheduler, check_count


def check_milestones(milestones: Any) -> None:
    """Raise ValueError unless `milestones` is a list of integers >= 0."""
    if not isinstance(milestones, (list, tuple)) or not all(is_integer(m) and m >= 0 for m in milestones):
        raise ValueError(f"milestones must be a list of integers >= 0, got {milestones!r}")


class StepLR(Scheduler):
    """The rate falls by a factor every few steps: a = a0 gamma^floor(t / step_size). PyTorch's StepLR.

    Args:
        optimizer: the optimizer.
        step_size: steps between two falls, >= 1.
        gamma: the factor, >= 0.
    """

    step_size: int
    gamma: float

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        super().__init__(optimizer, step_size=step_size, gamma=gamma)

    def validate(self, hyper: Mapping[str, Any]) -> None:
        check_count("step_size", hyper["step_size"], 1)
        checks.number("gamma", hyper["gamma"])

    def value(self, base_lr: float, t: int) -> float:
        return base_lr * self.gamma ** (t // self.step_size)


class MultiStepLR(Scheduler):
    """The rate falls by a factor at given steps: a = a0 gamma^(milestones <= t). PyTorch's MultiStepLR.

    Args:
        optimizer: the optimizer.
        milestones: when it falls, integers >= 0; one that is named twice counts twice.
        gamma: the factor, >= 0.
    """

    milestones: list[int]
    gamma: float

    def __init__(self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1) -> None:
        super().__init__(optimizer, milestones=milestones, gamma=gamma)

    def validate(self, hyper: Mapping[str, Any]) -> None:
        check_milestones(hyper["milestones"])
        checks.number("gamma", hyper["gamma"])

    def value(self, base_lr: float, t: int) -> float:
        return base_lr * self.gamma ** sum(m <= t for m in self.milestones)


class ExponentialLR(Scheduler):
    """The rate falls by a factor every step: a = a0 gamma^t. PyTorch's ExponentialLR.

    Args:
        optimizer: the optimizer.
        gamma: the factor, >= 0.
    """

    gamma: float

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        super().__init__(optimizer, gamma=gamma)

    def validate(self, hyper: Mapping[str, Any]) -> None:
        checks.number("gamma", hyper["gamma"])

    def value(self, base_lr: float, t: int) -> float:
        return base_lr * self.gamma**t


class _Decaying(Scheduler):
    """A schedule with one rate of decay, >= 0."""

    decay: float

    def __init__(self, optimizer: Optimizer, decay: float) -> None:
        super().__init__(optimizer, decay=decay)

    def validate(self, hyper: Mapping[str, Any]) -> None:
        checks.number("decay", hyper["decay"])


class InverseTimeLR(_Decaying):
    """The rate falls with the inverse of time: a = a0 / (1 + decay t).

    Robbins and Monro 1951, "A stochastic approximation method": rates whose sum diverges while that of their squares
    converges.

    Args:
        optimizer: the optimizer.
        decay: >= 0; after 1 / decay steps the rate is half of the first.
    """

    def value(self, base_lr: float, t: int) -> float:
        return base_lr / (1.0 + self.decay * t)


class ExponentialDecay(_Decaying):
    """The rate falls exponentially: a = a0 exp(-decay t). ExponentialLR with gamma = exp(-decay).

    Args:
        optimizer: the optimizer.
        decay: >= 0; every 1 / decay steps the rate falls by the factor e.
    """

    def value(self, base_lr: float, t: int) -> float:
        return base_lr * math.exp(-self.decay * t)


class PolynomialLR(Scheduler):
    """The rate falls to 0 as a power of the time left: a = a0 (1 - min(t, n) / n)^power. PyTorch's PolynomialLR.

    Args:
        optimizer: the optimizer.
        total_iters: the steps n until it is 0, >= 1.
        power: the power, >= 0; 1 is a straight line.
    """

    total_iters: int
    power: float

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0) -> None:
        super().__init__(optimizer, total_iters=total_iters, power=power)

    def validate(self, hyper: Mapping[str, Any]) -> None:
        check_count("total_iters", hyper["total_iters"], 1)
        checks.number("power", hyper["power"])

    def value(self, base_lr: float, t: int) -> float:
        return base_lr * (1.0 - min(t, self.total_iters) / self.total_iters) ** self.power


class LinearWarmup(Scheduler):
    """The rate rises in equal steps and stays: a = a0 min(1, (t + 1) / steps).

    Goyal et al. 2017, "Accurate, large minibatch SGD", section 2.2. Follow it by another schedule with `SequentialLR`.

    Args:
        optimizer: the optimizer.
        steps: steps of which the last has the full rate, >= 1.
    """

    steps: int

    def __init__(self, optimizer: Optimizer, steps: int) -> None:
        super().__init__(optimizer, steps=steps)

    def validate(self, hyper: Mapping[str, Any]) -> None:
        check_count("steps", hyper["steps"], 1)

    def value(self, base_lr: float, t: int) -> float:
        return base_lr * min(1.0, (t + 1) / self.steps)
