"""The base of every learning-rate scheduler: groups, steps, state. A subclass writes down its formula and no more."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

from ..backend.array import is_integer
from ..backend.recording import refuse
from . import checks
from .optimizer import Optimizer

_WRITTEN: WeakKeyDictionary[Optimizer, dict[int, tuple[float, float]]] = WeakKeyDictionary()
"""Per group of an optimizer the rate that a scheduler wrote last, and the one it began with: schedulers made one after
another for one optimizer (to be joined by SequentialLR) begin with the same, not with each other's first rate."""

INTERVALS = ("epoch", "step")
"""What a training loop may call a scheduler after."""


BETWEEN_STEPS = "scheduler.step() belongs after the recorded step, not into it: a replay reads the rate that it has set"


def plain(value: Any) -> Any:
    """A checked hyper-parameter as Python data that JSON can hold."""
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if value is None or isinstance(value, (bool, str)):
        return value
    return int(value) if is_integer(value) else float(value)


def check_count(name: str, value: Any, low: int) -> None:
    """Raise ValueError unless `value` is an integer >= low."""
    if not is_integer(value) or value < low:
        raise ValueError(f"{name} must be an integer >= {low}, got {value!r}")


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")


def check_rates(name: str, values: Any, count: int) -> None:
    """Raise ValueError unless `values` are learning rates of `count` parameter groups."""
    if not isinstance(values, (list, tuple)) or len(values) != count:
        raise ValueError(f"{name} must be a list of {count} numbers, one a parameter group, got {values!r}")
    for i, value in enumerate(values):
        checks.number(f"{name}[{i}]", value)


class Scheduler:
    """Base class. A subclass hands its hyper-parameters to this constructor and writes `value`.

    A learning rate that is written into a group by hand holds until the next `step()`, which overwrites it. A group
    that is added to the optimizer later takes its rate when the scheduler first sees it (at the next `step()` or
    `state_dict()`) as its base, and follows the schedule as if it had been there from the start.

    Args:
        optimizer: its groups' learning rates are set, now and at every step.
        **hyper: hyper-parameters; checked by `validate`, set as attributes, saved by `state_dict`.

    Attributes:
        optimizer: the optimizer.
        base_lrs: the learning rate of each group when the scheduler first saw it; where another scheduler had set it,
            the one that that scheduler began with.
        last_epoch: the number of steps so far.

    Raises:
        TypeError: `optimizer` is no Optimizer.
        ValueError: a hyper-parameter out of range.
    """

    needs_metric: ClassVar[bool] = False
    """Whether `step` takes the value of a metric."""

    def __init__(self, optimizer: Optimizer, **hyper: Any) -> None:
        name = type(self).__name__
        if not isinstance(optimizer, Optimizer):
            raise TypeError(f"{name}: the first argument must be an Optimizer, got {type(optimizer).__name__}")
        self.optimizer = optimizer
        self.validate(hyper)
        self._hyper = tuple(hyper)
        for key, value in hyper.items():
            setattr(self, key, plain(value))
        self._interval = "epoch"
        self.last_epoch = 0
        self.base_lrs: list[float] = []
        self._meet_new_groups()
        self._write(self._rates(0))

    # --- what a subclass writes ---------------------------------------------------------------------------------

    def validate(self, hyper: Mapping[str, Any]) -> None:
        """Raise ValueError for a hyper-parameter out of range."""

    def value(self, base_lr: float, t: int) -> float:
        """The learning rate after `t` steps of a group that began with `base_lr`. A pure function."""
        raise NotImplementedError(f"{type(self).__name__} has no value(base_lr, t)")

    # --- what a user calls --------------------------------------------------------------------------------------

    @property
    def interval(self) -> str:
        """What a training loop calls `step` after: every "epoch" (the default) or every "step" of the optimizer."""
        return self._interval

    @interval.setter
    def interval(self, value: str) -> None:
        check_choice("interval", value, INTERVALS)
        self._interval = value

    def step(self, metrics: Any = None) -> None:
        """Count a step and set the learning rate of every group.

        Args:
            metrics: only for schedulers with `needs_metric`.

        Raises:
            TypeError: a value was given.
            ValueError: the schedule leaves the numbers >= 0; nothing is changed then.
        """
        if metrics is not None:
            raise TypeError(
                f"{type(self).__name__}.step() takes no argument, got {metrics!r}: it counts its steps itself, and "
                "only ReduceLROnPlateau looks at a metric"
            )
        refuse(BETWEEN_STEPS)
        self._meet_new_groups()
        rates = self._rates(self.last_epoch + 1)
        self.last_epoch += 1
        self._write(rates)

    def get_last_lr(self) -> list[float]:
        """The learning rates that the scheduler set last, one a group."""
        return list(self._last_lr)

    def state_dict(self) -> dict[str, Any]:
        """Everything a resumed run needs, as ints, floats, strings and lists of them (JSON holds it exactly)."""
        self._meet_new_groups()
        return {
            "class": type(self).__name__,
            "interval": self._interval,
            "last_epoch": self.last_epoch,
            "base_lrs": list(self.base_lrs),
            "lrs": [float(group["lr"]) for group in self.optimizer.param_groups],
            **{name: plain(getattr(self, name)) for name in self._hyper},
        }

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Restore what `state_dict` returned, with hyper-parameters and the groups' learning rates.

        It may come before or after the optimizer's `load_state_dict`. Nothing is changed when anything does not fit.

        Args:
            state_dict: from a scheduler of the same class over as many parameter groups.

        Raises:
            ValueError: a state of something else, or a value missing or out of range.
        """
        attributes = self._read(state_dict)
        rates = [float(lr) for lr in state_dict["lrs"]]
        self.__dict__.update(attributes)
        self._write(rates)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in self._hyper)})"

    # --- inside -------------------------------------------------------------------------------------------------

    def _meet_new_groups(self) -> None:
        written = _WRITTEN.get(self.optimizer, {})
        for i, group in enumerate(self.optimizer.param_groups):
            if i >= len(self.base_lrs):
                lr = float(group["lr"])
                by, base_lr = written.get(i, (lr, lr))
                self.base_lrs.append(base_lr if lr == by else lr)

    def _rates(self, t: int) -> list[float]:
        """The learning rate of every group after `t` steps."""
        rates = []
        for base_lr in self.base_lrs:
            try:
                lr = float(self.value(base_lr, t))
            except OverflowError:  # Python's answer to a power too large
                lr = math.inf
            rates.append(self._checked(lr, base_lr, t))
        return rates

    def _checked(self, lr: float, base_lr: float, t: int) -> float:
        """`lr`, or ValueError where it is none."""
        if math.isfinite(lr) and lr >= 0:
            return lr
        raise ValueError(
            f"{self!r} gives the learning rate {lr} after {t} steps from {base_lr}: finite numbers >= 0 are due"
        )

    def _write(self, rates: list[float]) -> None:
        written = _WRITTEN.setdefault(self.optimizer, {})
        for i, (group, lr) in enumerate(zip(self.optimizer.param_groups, rates, strict=True)):
            group["lr"] = lr
            written[i] = lr, self.base_lrs[i]
        self._last_lr = rates

    def _read(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """The attributes in a state, all checked."""
        name = type(self).__name__
        if not isinstance(state, Mapping):
            raise ValueError(f"not a scheduler state: a dict from {name}.state_dict() is due, got {state!r}")
        missing = [k for k in ("class", "interval", "last_epoch", "base_lrs", "lrs", *self._hyper) if k not in state]
        if missing:
            raise ValueError(f"the scheduler state lacks {missing[0]!r}; it has {', '.join(map(repr, state))}")
        if state["class"] != name:
            raise ValueError(f"the state is of a {state['class']}, this scheduler is a {name}")
        check_choice("interval", state["interval"], INTERVALS)
        check_count("last_epoch", state["last_epoch"], 0)
        groups = len(self.optimizer.param_groups)
        check_rates("base_lrs", state["base_lrs"], groups)
        check_rates("lrs", state["lrs"], groups)
        hyper = {k: state[k] for k in self._hyper}
        self.validate(hyper)
        return {
            "_interval": state["interval"],
            "last_epoch": int(state["last_epoch"]),
            "base_lrs": [float(lr) for lr in state["base_lrs"]],
            **{k: plain(v) for k, v in hyper.items()},
        }
