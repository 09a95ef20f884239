"""The scheduler that watches a metric: ReduceLROnPlateau."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ..backend.array import to_host
from ..backend.recording import refuse
from ..errors import ShapeError
from ..tensor import as_raw
from . import checks
from .optimizer import Optimizer
from .scheduler import BETWEEN_STEPS, Scheduler, check_choice, check_count, check_rates


class ReduceLROnPlateau(Scheduler):
    """The rate falls by a factor when a metric has stopped to improve. PyTorch's ReduceLROnPlateau.

        better    mode "min": metric < best (1 - threshold)   ("abs": best - threshold)
                  mode "max": metric > best (1 + threshold)   ("abs": best + threshold)
        falls     after more than `patience` steps in a row without a better metric: lr = max(lr factor, min_lr)

    Unlike the other schedules it multiplies the rate that stands in the group, so one written by hand stays. nan is
    never better.

    Args:
        optimizer: the optimizer.
        mode: "min" for a loss, "max" for a metric that should grow.
        factor: the factor, >= 0 and < 1.
        patience: steps without improvement that are borne, >= 0.
        threshold: the least improvement that counts, >= 0.
        threshold_mode: "rel" takes it as a share of the best metric so far, "abs" as it is.
        cooldown: steps after a fall during which nothing is counted, >= 0.
        min_lr: the smallest rate, >= 0: a number, or one a group.
        eps: a fall by no more than this is left out, >= 0.

    Attributes:
        best: the best metric so far (inf or -inf before the first).
        num_bad_epochs: steps since then that count.
        cooldown_counter: steps left to cool down.
    """

    needs_metric: ClassVar[bool] = True
    mode: str
    factor: float
    patience: int
    threshold: float
    threshold_mode: str
    cooldown: int
    min_lr: float | list[float]
    eps: float

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float | Sequence[float] = 0,
        eps: float = 1e-8,
    ) -> None:
        super().__init__(
            optimizer,
            mode=mode,
            factor=factor,
            patience=patience,
            threshold=threshold,
            threshold_mode=threshold_mode,
            cooldown=cooldown,
            min_lr=min_lr,
            eps=eps,
        )
        self.best = math.inf if self.mode == "min" else -math.inf
        self.num_bad_epochs = 0
        self.cooldown_counter = 0

    def validate(self, hyper: Mapping[str, Any]) -> None:
        check_choice("mode", hyper["mode"], ("min", "max"))
        checks.number("factor", hyper["factor"], high=1.0)
        check_count("patience", hyper["patience"], 0)
        checks.number("threshold", hyper["threshold"])
        check_choice("threshold_mode", hyper["threshold_mode"], ("rel", "abs"))
        check_count("cooldown", hyper["cooldown"], 0)
        if isinstance(hyper["min_lr"], (list, tuple)):
            check_rates("min_lr", hyper["min_lr"], len(self.optimizer.param_groups))
        else:
            checks.number("min_lr", hyper["min_lr"])
        checks.number("eps", hyper["eps"])

    def step(self, metrics: Any = None) -> None:
        """Look at a new value of the metric, and lower the learning rates when it is time.

        Args:
            metrics: the value: a number, or a Tensor or array of one element (waits for the device).

        Raises:
            TypeError: none was given, or no number.
            ShapeError: an array of several elements.
            ValueError: a list of min_lr that lacks a group which was added later.
        """
        refuse(BETWEEN_STEPS)
        current = _metric_value(metrics)
        self._meet_new_groups()
        groups = len(self.optimizer.param_groups)
        if isinstance(self.min_lr, list):
            check_rates("min_lr", self.min_lr, groups)
        self.last_epoch += 1
        if self._is_better(current):
            self.best, self.num_bad_epochs = current, 0
        else:
            self.num_bad_epochs += 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        rates = self._rates(self.last_epoch)
        if self.num_bad_epochs > self.patience:
            floors = self.min_lr if isinstance(self.min_lr, list) else [self.min_lr] * groups
            lower = [max(lr * self.factor, floor) for lr, floor in zip(rates, floors, strict=True)]
            rates = [new if old - new > self.eps else old for old, new in zip(rates, lower, strict=True)]
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0
        self._write(rates)

    def _is_better(self, current: float) -> bool:
        sign = 1.0 if self.mode == "min" else -1.0
        if self.threshold_mode == "rel":
            return sign * current < sign * (self.best * (1.0 - sign * self.threshold))
        return sign * current < sign * (self.best - sign * self.threshold)

    def _rates(self, t: int) -> list[float]:
        return [float(group["lr"]) for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        best = self.best if math.isfinite(self.best) else str(self.best)  # JSON proper has no infinity
        counters = {"num_bad_epochs": self.num_bad_epochs, "cooldown_counter": self.cooldown_counter}
        return {**super().state_dict(), "best": best, **counters}

    def _read(self, state: Mapping[str, Any]) -> dict[str, Any]:
        attributes = super()._read(state)
        for name in ("best", "num_bad_epochs", "cooldown_counter"):
            if name not in state:
                raise ValueError(f"the scheduler state lacks {name!r}; it has {', '.join(map(repr, state))}")
        best = state["best"]
        if best not in ("inf", "-inf"):
            checks.number("best", best, low=-math.inf)
        check_count("num_bad_epochs", state["num_bad_epochs"], 0)
        check_count("cooldown_counter", state["cooldown_counter"], 0)
        counters = {name: int(state[name]) for name in ("num_bad_epochs", "cooldown_counter")}
        return {**attributes, "best": float(best), **counters}


def _metric_value(metrics: Any) -> float:
    """A number, or an array or Tensor of one element, as a Python float."""
    raw = as_raw(metrics)
    if hasattr(raw, "dtype") and hasattr(raw, "shape"):
        if math.prod(raw.shape) != 1:
            raise ShapeError(f"ReduceLROnPlateau.step(): one number is due, got an array of shape {raw.shape}")
        return float(to_host(raw).item())
    if raw is None or isinstance(raw, (bool, str)) or not hasattr(raw, "__float__"):
        got = "none" if raw is None else f"{type(raw).__name__} {raw!r}"
        raise TypeError(
            f"ReduceLROnPlateau.step() needs the value of the metric it watches, got {got}: "
            "scheduler.step(validation_loss)"
        )
    return float(raw)
