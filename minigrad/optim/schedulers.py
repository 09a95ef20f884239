"""Learning-rate schedules: the rate of every parameter group as a function of the number of steps so far.

PyTorch's names and semantics: the rates are set when a scheduler is made, `step()` comes after `optimizer.step()`. The
rates are computed from scratch at every step instead of from the rates before, so a resumed run has exactly those of a
run that went through.
"""

from .composed_schedules import ChainedScheduler, LambdaLR, SequentialLR
from .cyclic_schedules import CosineAnnealingLR, CosineAnnealingWarmRestarts, OneCycleLR
from .decay_schedules import (
    ExponentialDecay,
    ExponentialLR,
    InverseTimeLR,
    LinearWarmup,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from .plateau import ReduceLROnPlateau
from .scheduler import Scheduler

__all__ = [
    "ChainedScheduler",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "ExponentialDecay",
    "ExponentialLR",
    "InverseTimeLR",
    "LambdaLR",
    "LinearWarmup",
    "MultiStepLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "Scheduler",
    "SequentialLR",
    "StepLR",
]
