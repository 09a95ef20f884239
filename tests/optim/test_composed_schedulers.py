"""One cycle, schedules of functions, schedules joined and chained; and the rate for another batch size."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad import optim
from minigrad.optim import schedulers as sch

RATES = (0.1, 0.37)


def sgd(cls: Any = optim.SGD, **kwargs: Any) -> Any:
    """An optimizer with two groups."""
    return cls([{"params": [mg.tensor([1.0], requires_grad=True)], "lr": lr} for lr in RATES], **kwargs)


def rates(optimizer: Any) -> list[float]:
    return [group["lr"] for group in optimizer.param_groups]


MAKE: dict[str, Any] = {
    "one cycle": lambda o: sch.OneCycleLR(o, [0.5, 0.2], total_steps=60),
    "lambda": lambda o: sch.LambdaLR(o, lambda t: 0.9**t),
    "lambdas": lambda o: sch.LambdaLR(o, [lambda t: 0.9**t, lambda t: 1 / (1 + t)]),
    "warmup, cosine": lambda o: sch.SequentialLR(o, [sch.LinearWarmup(o, 7), sch.CosineAnnealingLR(o, 50)], [7]),
    "three": lambda o: sch.SequentialLR(
        o, [sch.ExponentialLR(o, 0.9), sch.StepLR(o, 4, 0.5), sch.LambdaLR(o, lambda t: 1 + t)], [5, 20]
    ),
    "chain": lambda o: sch.ChainedScheduler([sch.StepLR(o, 10, 0.5), sch.ExponentialLR(o, 0.97)]),
    "chain of a sequence": lambda o: sch.ChainedScheduler([sch.LinearWarmup(o, 5), sch.CosineAnnealingLR(o, 60, 0.01)]),
}
every = pytest.mark.parametrize("make", MAKE.values(), ids=MAKE.keys())


# --- against PyTorch ------------------------------------------------------------------------------------------------


def theirs_of(torch: Any, cls: str = "SGD", **kwargs: Any) -> Any:
    groups = [{"params": [torch.nn.Parameter(torch.ones(1))], "lr": lr} for lr in RATES]
    return getattr(torch.optim, cls)(groups, **kwargs)


def compare(ours: Any, theirs: Any, steps: int, momentum: bool = False) -> None:
    for t in range(steps + 1):
        np.testing.assert_allclose(rates(ours.optimizer), rates(theirs.optimizer), rtol=1e-12, atol=1e-15)
        for mine, other in zip(ours.optimizer.param_groups, theirs.optimizer.param_groups, strict=True):
            for key in ("momentum", "betas") if momentum else ():
                if key in other:
                    np.testing.assert_allclose(mine[key], other[key], rtol=1e-12)
        if t < steps:
            theirs.optimizer.step()
            theirs.step()
            ours.step()


@pytest.mark.torch
@given(
    total=st.integers(2, 40),
    pct=st.sampled_from([0.1, 0.3, 0.5]),
    strategy=st.sampled_from(["cos", "linear"]),
    three=st.booleans(),
    adam=st.booleans(),
    cycle=st.booleans(),
    tops=st.sampled_from([0.5, [0.5, 0.2]]),
)
def test_one_cycle_equals_torch(
    total: int, pct: float, strategy: str, three: bool, adam: bool, cycle: bool, tops: Any
) -> None:
    import torch

    kwargs = {
        "max_lr": tops, "total_steps": total, "pct_start": pct, "anneal_strategy": strategy,
        "three_phase": three, "cycle_momentum": cycle, "div_factor": 10.0, "final_div_factor": 100.0,
    }  # fmt: skip
    if adam:
        ours, theirs = sgd(optim.Adam), theirs_of(torch, "Adam")
    else:
        ours, theirs = sgd(momentum=0.5), theirs_of(torch, momentum=0.5)
    try:
        other = torch.optim.lr_scheduler.OneCycleLR(theirs, **kwargs)
    except ZeroDivisionError:  # a phase without a step
        return
    compare(sch.OneCycleLR(ours, **kwargs), other, total - 1, momentum=True)


@pytest.mark.torch
def test_the_composed_equal_torch() -> None:
    import torch

    lrs = torch.optim.lr_scheduler
    o, p = sgd(), theirs_of(torch)
    compare(
        sch.SequentialLR(o, [sch.ExponentialLR(o, 0.9), sch.StepLR(o, 4, 0.5), sch.CosineAnnealingLR(o, 9)], [6, 20]),
        lrs.SequentialLR(p, [lrs.ExponentialLR(p, 0.9), lrs.StepLR(p, 4, 0.5), lrs.CosineAnnealingLR(p, 9)], [6, 20]),
        35,
    )
    o, p = sgd(), theirs_of(torch)
    compare(
        sch.ChainedScheduler([sch.ExponentialLR(o, 0.9), sch.StepLR(o, 4, 0.5), sch.CosineAnnealingLR(o, 40)]),
        lrs.ChainedScheduler([lrs.ExponentialLR(p, 0.9), lrs.StepLR(p, 4, 0.5), lrs.CosineAnnealingLR(p, 40)]),
        30,
    )
    o, p = sgd(), theirs_of(torch)
    compare(sch.LambdaLR(o, lambda t: 0.8**t), lrs.LambdaLR(p, lambda t: 0.8**t), 30)


# --- what holds of each ----------------------------------------------------------------------------------------------


@every
@given(split=st.integers(0, 50))
def test_resume_is_bitwise(make: Any, split: int) -> None:
    def run(scheduler: Any, steps: int) -> list[list[float]]:
        found = []
        for _ in range(steps):
            scheduler.step()
            found.append(rates(scheduler.optimizer))
        return found

    straight = run(make(sgd()), 50)
    first = make(sgd())
    run(first, split)
    saved = json.loads(json.dumps(first.state_dict(), allow_nan=False))
    second = make(sgd())
    second.load_state_dict(saved)
    assert second.state_dict() == first.state_dict()
    assert rates(second.optimizer) == rates(first.optimizer)
    assert run(second, 50 - split) == straight[split:]


def test_the_parts_begin_with_the_rate_of_the_optimizer() -> None:
    """Not with each other's first rate."""
    o = sgd()
    warm, cosine = sch.LinearWarmup(o, 10), sch.CosineAnnealingLR(o, 90)
    assert warm.base_lrs == cosine.base_lrs == list(RATES)
    whole = sch.SequentialLR(o, [warm, cosine], [10])
    assert rates(o) == pytest.approx([lr / 10 for lr in RATES])
    for _ in range(10):
        whole.step()
    assert rates(o) == list(RATES)
    assert (warm.last_epoch, cosine.last_epoch) == (10, 0)
    o.param_groups[0]["lr"] = 3.0  # by hand: a new schedule begins there
    assert sch.StepLR(o, 5).base_lrs == [3.0, RATES[1]]


def test_one_cycle_by_hand() -> None:
    o = sgd(momentum=0.3)
    s = sch.OneCycleLR(o, 1.0, epochs=2, steps_per_epoch=5, pct_start=0.5, anneal_strategy="linear", div_factor=4)
    assert (s.total_steps, s.interval) == (10, "step")
    found = [(o.param_groups[0]["lr"], o.param_groups[0]["momentum"])]
    for _ in range(9):
        s.step()
        found.append((o.param_groups[0]["lr"], o.param_groups[0]["momentum"]))
    assert found[0] == (0.25, 0.95)
    assert found[4] == pytest.approx((1.0, 0.85))
    assert found[9] == pytest.approx((0.25 / 1e4, 0.95))


def test_a_cycled_momentum_is_what_the_step_uses() -> None:
    w = mg.tensor([0.0], requires_grad=True)
    o = optim.SGD([w], lr=1.0, momentum=0.9)
    s = sch.OneCycleLR(o, 1.0, total_steps=20, div_factor=1.0)
    velocity = expected = 0.0
    for _ in range(12):
        w.grad = mg.tensor([1.0])
        lr, momentum = o.param_groups[0]["lr"], o.param_groups[0]["momentum"]
        velocity = velocity * momentum + 1.0
        expected -= lr * velocity
        o.step()
        s.step()
        assert w.item() == pytest.approx(expected, rel=1e-5)


ERRORS: list[tuple[Any, Any, str]] = [
    (lambda o: sch.OneCycleLR(o, 0.1), ValueError, "give total_steps, or epochs and steps_per_epoch"),
    (lambda o: sch.OneCycleLR(o, [0.1], 5), ValueError, "max_lr must be a list of 2 numbers"),
    (lambda o: sch.OneCycleLR(o, 0.1, 5, pct_start=1.5), ValueError, "pct_start must be from 0 to 1, got 1.5"),
    (lambda o: sch.OneCycleLR(o, 0.1, 5, anneal_strategy="x"), ValueError, "anneal_strategy must be one of"),
    (lambda o: sch.OneCycleLR(o, 0.1, 5, div_factor=0), ValueError, "div_factor must be > 0"),
    (lambda o: sch.LambdaLR(o, 0.5), TypeError, "float"),
    (lambda o: sch.LambdaLR(o, [len]), ValueError, "1 function.s. for 2 parameter group"),
    (lambda o: sch.LambdaLR(o, lambda t: -1.0), ValueError, "gives the learning rate -0.1 after 0 steps"),
    (lambda o: sch.SequentialLR(o, [], []), ValueError, "a list of schedulers is due"),
    (lambda o: sch.SequentialLR(o, [3], []), TypeError, "a int is no scheduler"),
    (lambda o: sch.SequentialLR(o, [sch.StepLR(o, 1)], [3]), ValueError, "milestones must be 0 rising integer"),
    (lambda o: sch.SequentialLR(o, [sch.StepLR(o, 1)] * 3, [4, 2]), ValueError, "must be 2 rising"),
    (lambda o: sch.SequentialLR(o, [sch.StepLR(sgd(), 1)], []), ValueError, "belongs to another optimizer"),
    (lambda o: sch.ChainedScheduler([sch.ReduceLROnPlateau(o)]), ValueError, "follows a metric"),
    (lambda o: sch.ChainedScheduler([]), ValueError, "a list of schedulers is due"),
    (lambda o: sch.MultiStepLR(o, [1.5]), ValueError, "milestones must be a list of integers >= 0"),
    (lambda o: sch.CosineAnnealingWarmRestarts(o, 0), ValueError, "T_0 must be an integer >= 1"),
    (lambda o: sch.PolynomialLR(o, 5, -1), ValueError, "power must be finite and >= 0"),
    (lambda o: sch.LinearWarmup(o, 0), ValueError, "steps must be an integer >= 1, got 0"),
]


@pytest.mark.parametrize(("call", "kind", "message"), ERRORS, ids=[m for _, _, m in ERRORS])
def test_errors(call: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=message):
        call(sgd())


def test_a_cycle_ends() -> None:
    scheduler = sch.OneCycleLR(sgd(), 0.1, total_steps=3)
    for _ in range(3):
        scheduler.step()
    with pytest.raises(ValueError, match="step 4 of a cycle of 3 steps"):
        scheduler.step()
    assert scheduler.last_epoch == 3


def test_a_composed_state_that_does_not_fit_changes_nothing() -> None:
    make = MAKE["warmup, cosine"]
    scheduler, good = make(sgd()), make(sgd()).state_dict()
    before = scheduler.state_dict()
    for broken in ({**good, "schedulers": good["schedulers"][:1]}, {**good, "schedulers": good["schedulers"][::-1]}):
        with pytest.raises(ValueError, match=r"schedulers|the scheduler state lacks"):
            scheduler.load_state_dict(broken)
        assert scheduler.state_dict() == before


def test_scale_lr() -> None:
    assert optim.scale_lr(0.1, 32, 128) == pytest.approx(0.4)
    assert optim.scale_lr(0.1, 32, 128, "sqrt") == pytest.approx(0.2)
    assert optim.scale_lr(0.1, 64, 16, rule="linear") == pytest.approx(0.025)
    for wrong in ({"lr": math.nan}, {"base_batch": 0}, {"batch": 1.5}, {"rule": "cube"}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            optim.scale_lr(**{"lr": 0.1, "base_batch": 8, "batch": 16, **wrong})  # type: ignore[arg-type]
