"""Schedules that come back up, or go through phases: cosines, warm restarts, one cycle."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from . import checks
from .optimizer import Optimizer
from .scheduler import Scheduler, check_choice, check_count, check_rates


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


class CosineAnnealingWarmRestarts(Scheduler):
    """Half a cosine down to eta_min, again and again: a = eta_min + (a0 - eta_min) (1 + cos(pi T_cur / T_i)) / 2.

    T_cur counts the steps since the last restart, T_i = T_0 T_mult^i is the length of the i-th run. PyTorch's
    CosineAnnealingWarmRestarts; Loshchilov and Hutter 2017, "SGDR: Stochastic gradient descent with warm restarts".

    Args:
        optimizer: the optimizer.
        T_0: steps of the first run, >= 1.
        T_mult: how much longer each run is than the one before, an integer >= 1.
        eta_min: the smallest rate, >= 0.
    """

    T_0: int
    T_mult: int
    eta_min: float

    def __init__(self, optimizer: Optimizer, T_0: int, T_mult: int = 1, eta_min: float = 0.0) -> None:
        super().__init__(optimizer, T_0=T_0, T_mult=T_mult, eta_min=eta_min)

    def validate(self, hyper: Mapping[str, Any]) -> None:
        check_count("T_0", hyper["T_0"], 1)
        check_count("T_mult", hyper["T_mult"], 1)
        checks.number("eta_min", hyper["eta_min"])

    def value(self, base_lr: float, t: int) -> float:
        length = self.T_0
        if self.T_mult == 1:
            t %= length
        while t >= length:
            t, length = t - length, length * self.T_mult
        return self.eta_min + (base_lr - self.eta_min) * ((1.0 + math.cos(math.pi * t / length)) / 2)


class OneCycleLR(Scheduler):
    """Up to a largest rate and down to almost 0, with the momentum going the other way. PyTorch's OneCycleLR.

        lr        max_lr / div_factor -> max_lr -> max_lr / (div_factor final_div_factor)
        momentum  max_momentum -> base_momentum -> max_momentum

    Smith and Topin 2018, "Super-convergence: very fast training of neural networks using large learning rates".
    `interval` is "step" at first: the cycle is meant to turn at every step of the optimizer.

    Args:
        optimizer: the optimizer; the momentum is SGD's `momentum` or the first of Adam's `betas`.
        max_lr: the largest rate, > 0: a number, or one a group.
        total_steps: steps of the whole cycle, >= 1; None takes epochs * steps_per_epoch.
        epochs: with `steps_per_epoch`, in the place of `total_steps`.
        steps_per_epoch: see `epochs`.
        pct_start: the share of the cycle that rises, from 0 to 1.
        anneal_strategy: "cos" or "linear".
        cycle_momentum: whether the momentum goes along.
        base_momentum: the smallest momentum.
        max_momentum: the largest.
        div_factor: the largest rate over the first.
        final_div_factor: the first rate over the last.
        three_phase: down to the first rate as fast as up, then on to the last.

    Raises:
        ValueError: a value out of range; no total; or cycle_momentum with an optimizer that has none.
    """

    max_lr: float | list[float]
    total_steps: int
    pct_start: float
    anneal_strategy: str
    cycle_momentum: bool
    base_momentum: float
    max_momentum: float
    div_factor: float
    final_div_factor: float
    three_phase: bool

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int | None = None,
        epochs: int | None = None,
        steps_per_epoch: int | None = None,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        if total_steps is None:
            if epochs is None or steps_per_epoch is None:
                raise ValueError("OneCycleLR: give total_steps, or epochs and steps_per_epoch")
            check_count("epochs", epochs, 1)
            check_count("steps_per_epoch", steps_per_epoch, 1)
            total_steps = epochs * steps_per_epoch
        super().__init__(
            optimizer,
            max_lr=max_lr,
            total_steps=total_steps,
            pct_start=pct_start,
            anneal_strategy=anneal_strategy,
            cycle_momentum=bool(cycle_momentum),
            base_momentum=base_momentum,
            max_momentum=max_momentum,
            div_factor=div_factor,
            final_div_factor=final_div_factor,
            three_phase=bool(three_phase),
        )
        self.interval = "step"

    def validate(self, hyper: Mapping[str, Any]) -> None:
        groups = self.optimizer.param_groups
        if isinstance(hyper["max_lr"], (list, tuple)):
            check_rates("max_lr", hyper["max_lr"], len(groups))
        else:
            checks.number("max_lr", hyper["max_lr"])
        check_count("total_steps", hyper["total_steps"], 1)
        checks.number("pct_start", hyper["pct_start"])
        if hyper["pct_start"] > 1:
            raise ValueError(f"pct_start must be from 0 to 1, got {hyper['pct_start']!r}")
        check_choice("anneal_strategy", hyper["anneal_strategy"], ("cos", "linear"))
        for name in ("base_momentum", "max_momentum"):
            checks.number(name, hyper[name], high=1.0)
        for name in ("div_factor", "final_div_factor"):
            checks.number(name, hyper[name])
            if not hyper[name]:
                raise ValueError(f"{name} must be > 0, got {hyper[name]!r}")
        if hyper["cycle_momentum"] and not all("momentum" in g or "betas" in g for g in groups):
            raise ValueError(
                f"cycle_momentum=True needs an optimizer with momentum or betas, {type(self.optimizer).__name__} has "
                "neither: pass cycle_momentum=False"
            )

    def _phase(self, t: int) -> tuple[int, float]:
        """Which phase step t is in, and how much of it has passed."""
        rise, last = float(self.pct_start * self.total_steps) - 1, self.total_steps - 1
        ends = (rise, 2 * rise, last) if self.three_phase else (rise, last)
        start = 0.0
        for i, end in enumerate(ends):
            if t <= end or i == len(ends) - 1:
                return i, (t - start) / (end - start) if end != start else 1.0
            start = end
        raise AssertionError  # the last phase has been returned

    def _between(self, points: Sequence[float], t: int) -> float:
        """The value at step t of what goes through `points`, one more than there are phases."""
        i, share = self._phase(t)
        start, end = points[i], points[i + 1]
        if self.anneal_strategy == "cos":
            return end + (start - end) / 2.0 * (math.cos(math.pi * share) + 1)
        return (end - start) * share + start

    def _rates(self, t: int) -> list[float]:
        if t > self.total_steps:
            raise ValueError(f"step {t} of a cycle of {self.total_steps} steps: make it longer, or stop stepping")
        largest = self.max_lr if isinstance(self.max_lr, list) else [self.max_lr] * len(self.base_lrs)
        check_rates("max_lr", largest, len(self.base_lrs))
        rates = []
        for top in largest:
            first = top / self.div_factor
            last = first / self.final_div_factor
            rates.append(self._between((first, top, first, last) if self.three_phase else (first, top, last), t))
        return rates

    def _write(self, rates: list[float]) -> None:
        super()._write(rates)
        if not self.cycle_momentum:
            return
        low, high = self.base_momentum, self.max_momentum
        momentum = self._between((high, low, high, high) if self.three_phase else (high, low, high), self.last_epoch)
        for group in self.optimizer.param_groups:
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum
