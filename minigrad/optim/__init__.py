"""Optimizers over flat parameter buffers, gradient clipping, and learning-rate schedules."""

from . import schedulers
from .adam import Adam, AdamW
from .batch_scaling import scale_lr
from .clip import clip_grad_norm, clip_grad_value, gradient_norm
from .constraints import max_norm_
from .optimizer import Optimizer
from .sgd import SGD

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Optimizer",
    "clip_grad_norm",
    "clip_grad_value",
    "gradient_norm",
    "max_norm_",
    "scale_lr",
    "schedulers",
]
