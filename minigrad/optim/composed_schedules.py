"""Schedules made of others, and of a user's own function."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .decay_schedules import check_milestones
from .optimizer import Optimizer
from .scheduler import Scheduler

Factor = Callable[[int], float]


class LambdaLR(Scheduler):
    """The rate is the first one times a function of the step: a = a0 f(t). PyTorch's LambdaLR.

    `state_dict` does not hold the function: a resumed run makes the scheduler with the same one.

    Args:
        optimizer: the optimizer.
        lr_lambda: f, or a list of one a group.

    Raises:
        TypeError: not callable.
        ValueError: a list of another length than there are groups.
    """

    def __init__(self, optimizer: Optimizer, lr_lambda: Factor | Sequence[Factor]) -> None:
        self.lr_lambda = lr_lambda if callable(lr_lambda) else list(lr_lambda)
        for f in [self.lr_lambda] if callable(self.lr_lambda) else self.lr_lambda:
            if not callable(f):
                raise TypeError(f"LambdaLR: a function of the step is due, got {type(f).__name__}")
        super().__init__(optimizer)

    def _rates(self, t: int) -> list[float]:
        if callable(self.lr_lambda):
            return super()._rates(t)
        if len(self.lr_lambda) != len(self.base_lrs):
            raise ValueError(f"LambdaLR: {len(self.lr_lambda)} function(s) for {len(self.base_lrs)} parameter group(s)")
        return [
            self._checked(float(base_lr * f(t)), base_lr, t)
            for base_lr, f in zip(self.base_lrs, self.lr_lambda, strict=True)
        ]

    def value(self, base_lr: float, t: int) -> float:
        if not callable(self.lr_lambda):
            raise TypeError("LambdaLR: a list of functions has no value for a group that is not known")
        return base_lr * self.lr_lambda(t)


class _Composed(Scheduler):
    """A schedule over others of the same optimizer, which it keeps and steps by itself."""

    schedulers: list[Scheduler]

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[Scheduler], **hyper: Any) -> None:
        name = type(self).__name__
        if not isinstance(schedulers, (list, tuple)) or not schedulers:
            raise ValueError(f"{name}: a list of schedulers is due, got {schedulers!r}")
        for s in schedulers:
            if not isinstance(s, Scheduler):
                raise TypeError(f"{name}: a {type(s).__name__} is no scheduler")
            if s.optimizer is not optimizer:
                raise ValueError(f"{name}: {s!r} belongs to another optimizer")
            if s.needs_metric:
                raise ValueError(f"{name}: {type(s).__name__} follows a metric; step it on its own")
        self.schedulers = list(schedulers)
        super().__init__(optimizer, **hyper)

    def _locate(self, t: int) -> list[int]:
        """The step count of each scheduler after `t` steps of this one."""
        raise NotImplementedError

    def _meet_new_groups(self) -> None:
        super()._meet_new_groups()
        for s in self.schedulers:
            s._meet_new_groups()

    def _write(self, rates: list[float]) -> None:
        for s, t in zip(self.schedulers, self._locate(self.last_epoch), strict=True):
            s.last_epoch = t
        super()._write(rates)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "schedulers": [s.state_dict() for s in self.schedulers]}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        self._read(state_dict)
        states = state_dict.get("schedulers")
        if not isinstance(states, (list, tuple)) or len(states) != len(self.schedulers):
            raise ValueError(f"the state is not of {len(self.schedulers)} schedulers: {states!r}")
        found = [s._read(state) for s, state in zip(self.schedulers, states, strict=True)]
        for s, attributes in zip(self.schedulers, found, strict=True):
            s.__dict__.update(attributes)
        super().load_state_dict(state_dict)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.schedulers))})"


class SequentialLR(_Composed):
    """One schedule after another, each counting from 0. PyTorch's SequentialLR.

    Args:
        optimizer: the optimizer.
        schedulers: the schedules, all of this optimizer.
        milestones: at which steps the next one takes over, rising, one fewer than schedules.

    Raises:
        ValueError: milestones that do not fit.
    """

    milestones: list[int]

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[Scheduler], milestones: Sequence[int]) -> None:
        super().__init__(optimizer, schedulers, milestones=milestones)

    def validate(self, hyper: Mapping[str, Any]) -> None:
        milestones = hyper["milestones"]
        check_milestones(milestones)
        if len(milestones) != len(self.schedulers) - 1 or list(milestones) != sorted(set(milestones)):
            raise ValueError(f"milestones must be {len(self.schedulers) - 1} rising integer(s), got {milestones!r}")

    def _locate(self, t: int) -> list[int]:
        starts = [0, *self.milestones]
        return [max(0, min(t, end) - start) for start, end in zip(starts, [*self.milestones, t], strict=True)]

    def _rates(self, t: int) -> list[float]:
        i = bisect_right(self.milestones, t)
        return self.schedulers[i]._rates(t - ([0, *self.milestones][i]))


class ChainedScheduler(_Composed):
    """Several schedules at once: each takes the rate of the one before as its first. PyTorch's ChainedScheduler.

    With schedules that multiply the rate, as most do, that is the product of their factors.

    Args:
        schedulers: the schedules, all of one optimizer.
    """

    def __init__(self, schedulers: Sequence[Scheduler]) -> None:
        first = schedulers[0] if isinstance(schedulers, (list, tuple)) and schedulers else None
        super().__init__(getattr(first, "optimizer", None), schedulers)  # type: ignore[arg-type]  # checked there

    def _locate(self, t: int) -> list[int]:
        return [t] * len(self.schedulers)

    def value(self, base_lr: float, t: int) -> float:
        for s in self.schedulers:
            base_lr = s.value(base_lr, t)
        return base_lr
