"""The learning-rate schedules of the command line, one row each, and a warm-up before them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ..optim import Optimizer, schedulers
from .optimizers import has_momentum
from .options import UsageError

LEFT = 0.01
"""Share of the first rate that schedules without an end of their own leave of it."""
Scheduler = schedulers.Scheduler


@dataclass(frozen=True)
class Wish:
    """The options of a schedule; None, () and 0 where not given.

    name: a key of SCHEDULES. by: one of BY. decay, every, milestones, warmup: the options of these names.
    """

    name: str
    by: str = "auto"
    decay: float | None = None
    every: int | None = None
    milestones: tuple[int, ...] = ()
    warmup: int = 0

    def decay_or(self, default: float) -> float:
        """The decay, or a default."""
        return default if self.decay is None else self.decay

    def every_or(self, default: int) -> int:
        """Every so many, or a default."""
        return default if self.every is None else self.every


@dataclass(frozen=True)
class ScheduleRow:
    """make: the scheduler from the optimizer, the options, and the epochs or steps it is for; None for no schedule.

    decay, every: what the options of these names mean to it, "" where nothing. A "factor" is below 1.
    milestones: whether it has them.
    by: what it may be counted by, the usual first.
    ends: whether it ends with the run, which cannot be made longer then.
    warmup: why none can stand before it, "" where one can.
    """

    make: Callable[[Optimizer, Wish, int], Scheduler] | None
    decay: str = ""
    every: str = ""
    milestones: bool = False
    by: tuple[str, ...] = ("epoch", "step")
    ends: bool = False
    warmup: str = ""


def _third(total: int) -> int:
    return max(1, -(-total // 3))


def _step(optimizer: Optimizer, wish: Wish, total: int) -> Scheduler:
    return schedulers.StepLR(optimizer, wish.every_or(_third(total)), wish.decay_or(0.1))


def _multistep(optimizer: Optimizer, wish: Wish, total: int) -> Scheduler:
    milestones = wish.milestones or (-(-total // 2), -(-3 * total // 4))
    return schedulers.MultiStepLR(optimizer, sorted(milestones), wish.decay_or(0.1))


def _exponential(optimizer: Optimizer, wish: Wish, total: int) -> Scheduler:
    return schedulers.ExponentialLR(optimizer, wish.decay_or(LEFT ** (1 / total)))


def _exponential_decay(optimizer: Optimizer, wish: Wish, total: int) -> Scheduler:
    return schedulers.ExponentialDecay(optimizer, wish.decay_or(-math.log(LEFT) / total))


def _inverse_time(optimizer: Optimizer, wish: Wish, total: int) -> Scheduler:
    return schedulers.InverseTimeLR(optimizer, wish.decay_or(9 / total))


def _polynomial(optimizer: Optimizer, wish: Wish, total: int) -> Scheduler:
    return schedulers.PolynomialLR(optimizer, total, wish.decay_or(1.0))


def _cosine(optimizer: Optimizer, wish: Wish, total: int) -> Scheduler:
    return schedulers.CosineAnnealingLR(optimizer, total)


def _cosine_restarts(optimizer: Optimizer, wish: Wish, total: int) -> Scheduler:
    return schedulers.CosineAnnealingWarmRestarts(optimizer, wish.every_or(_third(total)))


def _one_cycle(optimizer: Optimizer, wish: Wish, total: int) -> Scheduler:
    top = optimizer.param_groups[0]["lr"]
    return schedulers.OneCycleLR(optimizer, top, total, cycle_momentum=has_momentum(optimizer))


def _plateau(optimizer: Optimizer, wish: Wish, total: int) -> Scheduler:
    return schedulers.ReduceLROnPlateau(optimizer, factor=wish.decay_or(0.5), patience=wish.every_or(5))


BETWEEN, RUN = "between falls (a third of all)", "of one run (a third of all)"
SCHEDULES: dict[str, ScheduleRow] = {
    "constant": ScheduleRow(None),
    "step": ScheduleRow(_step, "factor (0.1)", BETWEEN),
    "multistep": ScheduleRow(_multistep, "factor (0.1)", milestones=True),
    "exponential": ScheduleRow(_exponential, "factor (to 1% at the end)"),
    "exponential-decay": ScheduleRow(_exponential_decay, "rate k of exp(-k t) (to 1%)"),
    "inverse-time": ScheduleRow(_inverse_time, "rate k of 1 / (1 + k t) (to 10%)"),
    "polynomial": ScheduleRow(_polynomial, "power (1)", ends=True),
    "cosine": ScheduleRow(_cosine, ends=True),
    "cosine-restarts": ScheduleRow(_cosine_restarts, every=RUN),
    "one-cycle": ScheduleRow(_one_cycle, by=("step",), ends=True, warmup="begins with a rise of its own"),
    "plateau": ScheduleRow(_plateau, "factor (0.5)", "patience (5)", by=("epoch",), warmup="follows the loss"),
}
BY = ("auto", "epoch", "step")


def meanings(option: str) -> str:
    """What "decay" or "every" means to each schedule that takes it, for a person."""
    found: dict[str, list[str]] = {}
    for name, row in SCHEDULES.items():
        if getattr(row, option):
            found.setdefault(getattr(row, option), []).append(name)
    return "; ".join(f"{', '.join(names)}: {meaning}" for meaning, names in found.items())


def check_schedule(wish: Wish) -> None:
    """Raise UsageError for options that do not go together."""
    name, row = wish.name, SCHEDULES[wish.name]
    for option, given, meant in (
        ("decay", wish.decay is not None, row.decay),
        ("decay-every", wish.every is not None, row.every),
        ("milestones", bool(wish.milestones), row.milestones),
    ):
        if given and not meant:
            raise UsageError(f"--{option} has no meaning for --schedule {name}")
    if wish.decay is not None and wish.decay >= 1 and row.decay.startswith("factor"):
        raise UsageError(f"--decay of --schedule {name} must be below 1, got {wish.decay:g}")
    if wish.by != "auto" and wish.by not in row.by:
        raise UsageError(f"--schedule {name} goes by {row.by[0]}: leave out --schedule-by {wish.by}")
    if wish.warmup and row.warmup:
        raise UsageError(f"--warmup cannot stand before --schedule {name}, which {row.warmup}")


def build_scheduler(optimizer: Optimizer, wish: Wish, epochs: int, batches: int) -> Scheduler | None:
    """The schedule that the options ask for; what they leave open makes the rate fall well within the run.

    Args:
        optimizer: its rate is the one to begin with, or the largest.
        wish: checked options.
        epochs: of the run.
        batches: of an epoch.

    Raises:
        UsageError: a warm-up as long as the run.
    """
    row = SCHEDULES[wish.name]
    by = row.by[0] if wish.by == "auto" else wish.by
    total = epochs * (batches if by == "step" else 1)
    if wish.warmup >= total:
        raise UsageError(f"--warmup {wish.warmup} leaves nothing of the {total} {by}s of the run: make it shorter")
    main = None if row.make is None else row.make(optimizer, wish, total - wish.warmup)
    if wish.warmup:
        rise = schedulers.LinearWarmup(optimizer, wish.warmup)
        main = rise if main is None else schedulers.SequentialLR(optimizer, [rise, main], [wish.warmup])
    if main is not None:
        main.interval = by
    return main
