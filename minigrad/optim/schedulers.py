"""Learning-rate schedules: the rate of every parameter group as a function of the number of steps so far.

PyTorch's names and semantics: the rates are set when a scheduler is made, `step()` comes after `optimizer.step()`. The
rates are computed from scratch at every step instead of from the rates before, so a resumed run has exactly those of a
run that went through.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from . import checks
from .optimizer import Optimizer
from .plateau import ReduceLROnPlateau
from .scheduler import Scheduler, check_count

__all__ = [
    "CosineAnnealingLR",
    "ExponentialDecay",
    "ExponentialLR",
    "InverseTimeLR",
    "ReduceLROnPlateau",
    "Scheduler",
    "StepLR",
]


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


class CosineAnnealingLR(Scheduler):
    """Half a cosine down to eta_min, and up again: a = eta_min + (a0 - eta_min) (1 + cos(pi t / T_max)) / 2.

    After T_max steps the rate is eta_min, after 2 T_max it is a0 again, as in PyTorch's CosineAnnealingLR.

    Loshchilov and Hutter 2017, "SGDR: Stochastic gradient descent with warm restarts" (without the restarts).

    Args:
        optimizer: the optimizer.
        T_max: steps down to eta_min, >= 1.
        eta_min: the smallest rate, >= 0.
    """

    T_max: int
    eta_min: float

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        super().__init__(optimizer, T_max=T_max, eta_min=eta_min)

    def validate(self, hyper: Mapping[str, Any]) -> None:
        check_count("T_max", hyper["T_max"], 1)
        checks.number("eta_min", hyper["eta_min"])

    def value(self, base_lr: float, t: int) -> float:
        return self.eta_min + (base_lr - self.eta_min) * ((1.0 + math.cos(math.pi * t / self.T_max)) / 2)
