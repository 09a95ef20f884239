"""Optimizers over flat parameter buffers, gradient clipping, and learning-rate schedules."""

from . import schedulers
from .adadelta import Adadelta
from .adagrad import Adagrad
from .adam import Adam, AdamW
from .adamax import Adamax
from .batch_scaling import scale_lr
from .clip import clip_grad_norm, clip_grad_value, gradient_norm
from .constraints import max_norm_
from .lion import Lion
from .nadam import NAdam
from .optimizer import Optimizer
from .radam import RAdam
from .random_search import RandomSearch
from .rmsprop import RMSprop
from .sgd import SGD

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Lion",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "RandomSearch",
    "clip_grad_norm",
    "clip_grad_value",
    "gradient_norm",
    "max_norm_",
    "scale_lr",
    "schedulers",
]
