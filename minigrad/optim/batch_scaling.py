"""The learning rate for another batch size."""

from __future__ import annotations

import math

from . import checks
from .scheduler import check_choice, check_count


def scale_lr(lr: float, base_batch: int, batch: int, rule: str = "linear") -> float:
    """The learning rate for `batch` examples a step, given one that is good for `base_batch`.

        "linear"  lr batch / base_batch          keeps the mean step an epoch; SGD (Goyal et al. 2017)
        "sqrt"    lr sqrt(batch / base_batch)    keeps the variance of a step; Adam and its kin (Krizhevsky 2014;
                                                 Malladi et al. 2022)

    Args:
        lr: the learning rate that is good for `base_batch`, >= 0.
        base_batch: examples a step, >= 1.
        batch: examples a step, >= 1.
        rule: "linear" or "sqrt".

    Returns:
        The learning rate.

    Raises:
        ValueError: a value out of range, or another rule.
    """
    checks.number("lr", lr)
    check_count("base_batch", base_batch, 1)
    check_count("batch", batch, 1)
    check_choice("rule", rule, ("linear", "sqrt"))
    ratio = batch / base_batch
    return lr * (ratio if rule == "linear" else math.sqrt(ratio))
