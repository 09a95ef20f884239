"""Every learning-rate scheduler against its formula, PyTorch, and itself after a resume."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from on_device import host

import minigrad as mg
from minigrad import optim
from minigrad.optim import schedulers as sch

STEPS = 50
RATES = (0.1, 0.37)

gammas = st.floats(0.3, 1.05)
decays = st.floats(0.0, 3.0)
KWARGS: dict[type[sch.Scheduler], Any] = {
    sch.StepLR: st.fixed_dictionaries({"step_size": st.integers(1, 20)}, optional={"gamma": gammas}),
    sch.ExponentialLR: st.fixed_dictionaries({"gamma": gammas}),
    sch.InverseTimeLR: st.fixed_dictionaries({"decay": decays}),
    sch.ExponentialDecay: st.fixed_dictionaries({"decay": decays}),
    sch.CosineAnnealingLR: st.fixed_dictionaries({"T_max": st.integers(1, 40)}, optional={"eta_min": st.just(0.01)}),
    sch.CosineAnnealingWarmRestarts: st.fixed_dictionaries(
        {"T_0": st.integers(1, 20)}, optional={"T_mult": st.integers(1, 3), "eta_min": st.just(0.01)}
    ),
    sch.MultiStepLR: st.fixed_dictionaries(
        {"milestones": st.lists(st.integers(0, 40), max_size=4)}, optional={"gamma": gammas}
    ),
    sch.PolynomialLR: st.fixed_dictionaries({}, optional={"total_iters": st.integers(1, 60), "power": decays}),
    sch.LinearWarmup: st.fixed_dictionaries({"steps": st.integers(1, 60)}),
    sch.ReduceLROnPlateau: st.fixed_dictionaries(
        {"patience": st.integers(0, 4), "cooldown": st.integers(0, 4)},
        optional={
            "mode": st.sampled_from(["min", "max"]),
            "factor": st.floats(0.1, 0.9),
            "threshold": st.floats(0.0, 0.3),
            "threshold_mode": st.sampled_from(["rel", "abs"]),
            "min_lr": st.one_of(st.floats(0.0, 0.05), st.just([0.01, 0.2])),
            "eps": st.sampled_from([0.0, 1e-3]),
        },
    ),
}
"""Hyper-parameters to draw for each scheduler."""
ELSEWHERE = {sch.Scheduler, sch.OneCycleLR, sch.LambdaLR, sch.SequentialLR, sch.ChainedScheduler}
"""The base, and those of test_composed_schedulers.py."""
IN_TORCH = [cls for cls in KWARGS if cls not in (sch.InverseTimeLR, sch.ExponentialDecay, sch.LinearWarmup)]
CLOSED = [cls for cls in KWARGS if cls is not sch.ReduceLROnPlateau]
every_class = pytest.mark.parametrize("cls", KWARGS, ids=lambda c: c.__name__)
metrics = st.lists(st.sampled_from([-1.5, -0.2, 0.1, 0.5, 0.9, 1.0, 1.3, math.inf, math.nan]), min_size=50, max_size=50)


def sgd() -> optim.SGD:
    """An optimizer with two groups."""
    return optim.SGD([{"params": [mg.tensor([1.0], requires_grad=True)], "lr": lr} for lr in RATES])


def rates(optimizer: Any) -> list[float]:
    return [group["lr"] for group in optimizer.param_groups]


def run(scheduler: Any, values: list[float]) -> list[list[float]]:
    """The rates after each step."""
    found = []
    for value in values:
        scheduler.step(*[value] * bool(getattr(scheduler, "needs_metric", False)))
        found.append(rates(scheduler.optimizer))
    return found


def test_every_scheduler_is_tested() -> None:
    library = {getattr(sch, name) for name in sch.__all__}
    assert library - ELSEWHERE == set(KWARGS)
    assert optim.schedulers is sch


@pytest.mark.torch
@pytest.mark.parametrize("cls", IN_TORCH, ids=lambda c: c.__name__)
@given(data=st.data())
def test_equals_torch(cls: Any, data: Any) -> None:
    import torch

    kwargs, values = data.draw(KWARGS[cls]), data.draw(metrics)
    groups = [{"params": [torch.nn.Parameter(torch.ones(1))], "lr": lr} for lr in RATES]
    theirs = getattr(torch.optim.lr_scheduler, cls.__name__)(torch.optim.SGD(groups), **kwargs)
    ours = cls(sgd(), **kwargs)
    np.testing.assert_allclose(ours.get_last_lr(), theirs.get_last_lr(), rtol=1e-9)
    assert ours.last_epoch == theirs.last_epoch == 0
    for value in values:
        theirs.optimizer.step()
        given_value = [value] if cls.needs_metric else []
        theirs.step(*given_value)
        ours.step(*given_value)
        assert ours.last_epoch == theirs.last_epoch
        np.testing.assert_allclose(ours.get_last_lr(), theirs.get_last_lr(), rtol=1e-9, atol=1e-15)
        np.testing.assert_allclose(rates(ours.optimizer), rates(theirs.optimizer), rtol=1e-9, atol=1e-15)


FORMULAS: list[tuple[Any, dict[str, Any], Callable[[float, int], float]]] = [
    (sch.InverseTimeLR, {"decay": 0.5}, lambda a, t: a / (1 + 0.5 * t)),
    (sch.ExponentialDecay, {"decay": 0.5}, lambda a, t: a * math.exp(-0.5 * t)),
    (sch.ExponentialLR, {"gamma": 0.5}, lambda a, t: a * 0.5**t),
    (sch.StepLR, {"step_size": 3, "gamma": 0.5}, lambda a, t: a * 0.5 ** (t // 3)),
    (
        sch.CosineAnnealingLR,
        {"T_max": 7, "eta_min": 0.01},
        lambda a, t: 0.01 + (a - 0.01) * (1 + math.cos(math.pi * t / 7)) / 2,
    ),
]


@pytest.mark.parametrize(("cls", "kwargs", "formula"), FORMULAS, ids=lambda v: getattr(v, "__name__", ""))
def test_formula(cls: Any, kwargs: dict[str, Any], formula: Callable[[float, int], float]) -> None:
    optimizer = sgd()
    scheduler = cls(optimizer, **kwargs)
    assert scheduler.base_lrs == list(RATES)
    assert scheduler.interval == "epoch"
    for t in range(STEPS):
        assert scheduler.last_epoch == t
        expected = [formula(a, t) for a in RATES]
        np.testing.assert_allclose(rates(optimizer), expected, rtol=1e-14)
        assert scheduler.get_last_lr() == rates(optimizer)
        assert [scheduler.value(a, t) for a in RATES] == rates(optimizer)
        scheduler.step()


def test_half_life_and_cosine_by_hand() -> None:
    assert sch.InverseTimeLR(sgd(), 0.1).value(1.0, 10) == 0.5
    assert sch.ExponentialDecay(sgd(), math.log(2)).value(1.0, 3) == pytest.approx(0.125)
    cosine = sch.CosineAnnealingLR(sgd(), 10, eta_min=0.25)
    assert [cosine.value(1.25, t) for t in (0, 10, 20)] == [1.25, 0.25, 1.25]
    assert cosine.value(1.25, 5) == pytest.approx(0.75)


@pytest.mark.parametrize("order", ["optimizer first", "scheduler first", "optimizer before it is made"])
@every_class
@given(data=st.data(), split=st.integers(0, STEPS))
def test_resume_is_bitwise(cls: Any, order: str, data: Any, split: int) -> None:
    kwargs, values = data.draw(KWARGS[cls]), data.draw(metrics)
    other = data.draw(KWARGS[cls])
    straight = run(cls(sgd(), **kwargs), values)

    first = cls(sgd(), **kwargs)
    first.interval = "step"
    run(first, values[:split])
    saved = json.loads(json.dumps(first.state_dict(), allow_nan=False))
    saved_optimizer = first.optimizer.state_dict()
    optimizer = sgd()
    if order == "optimizer before it is made":
        optimizer.load_state_dict(saved_optimizer)
    second = cls(optimizer, **other)  # what the state says counts
    if order == "optimizer first":
        optimizer.load_state_dict(saved_optimizer)
    second.load_state_dict(saved)
    if order == "scheduler first":
        optimizer.load_state_dict(saved_optimizer)
    assert rates(optimizer) == rates(first.optimizer)
    assert second.get_last_lr() == rates(optimizer)
    assert second.state_dict() == first.state_dict()
    assert repr(second) == repr(first)
    assert second.interval == "step"
    assert run(second, values[split:]) == straight[split:]


@pytest.mark.parametrize("cls", CLOSED, ids=lambda c: c.__name__)
@given(data=st.data())
def test_a_rate_written_by_hand_holds_until_the_next_step(cls: Any, data: Any) -> None:
    kwargs = data.draw(KWARGS[cls])
    touched, straight = cls(sgd(), **kwargs), cls(sgd(), **kwargs)
    run(touched, [0.0] * 3)
    touched.optimizer.param_groups[0]["lr"] = 5.0
    fresh = cls(sgd(), **kwargs)
    fresh.load_state_dict(touched.state_dict())
    assert rates(fresh.optimizer)[0] == 5.0
    assert run(touched, [0.0]) == run(fresh, [0.0]) == run(straight, [0.0] * 4)[3:]


def test_plateau_multiplies_the_rate_written_by_hand() -> None:
    scheduler = sch.ReduceLROnPlateau(sgd(), factor=0.5, patience=0)
    scheduler.step(1.0)
    scheduler.optimizer.param_groups[0]["lr"] = 4.0
    scheduler.step(1.0)
    assert rates(scheduler.optimizer) == [2.0, 0.37 / 2]


def test_plateau_by_hand() -> None:
    """Patience 1, cooldown 2: the second bad step in a row lowers, two steps rest, and it starts again."""
    optimizer = optim.SGD([mg.tensor([1.0], requires_grad=True)], lr=1.0)
    scheduler = sch.ReduceLROnPlateau(optimizer, "max", 0.5, patience=1, cooldown=2, min_lr=0.2)
    found = [r[0] for r in run(scheduler, [0.5, 0.5, 0.4, 0.4, 0.4, 0.4, 0.4, 0.9, math.nan, math.nan, 0.9])]
    assert found == [1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.2]
    assert scheduler.best == 0.9
    assert run(scheduler, [0.1] * 4)[-1] == [0.2]


def test_plateau_takes_numbers_tensors_and_arrays(device: str) -> None:
    scheduler = sch.ReduceLROnPlateau(sgd())
    w, one, row = (mg.tensor(x, device=device, requires_grad=True) for x in (0.25, 1.5, [1.0]))
    forms = (4, 3.5, np.float32(3.0), np.array(2.5), np.array([2.0]), one, row, w * 2.0, row.data / 4)
    for value in forms:
        scheduler.step(value)
        assert scheduler.best == host(value).item()
        assert type(scheduler.best) is float
    assert scheduler.num_bad_epochs == 0


@every_class
@given(data=st.data())
def test_a_group_added_later(cls: Any, data: Any) -> None:
    kwargs = data.draw(KWARGS[cls])
    kwargs.pop("min_lr", None)
    scheduler = cls(sgd(), **kwargs)
    run(scheduler, [1.0] * 3)
    scheduler.optimizer.add_param_group({"params": [mg.tensor([1.0], requires_grad=True)], "lr": 0.5})
    assert len(scheduler.get_last_lr()) == 2
    resumed = cls(optim.SGD([{"params": [mg.tensor([1.0], requires_grad=True)]} for _ in range(3)]), **kwargs)
    resumed.load_state_dict(scheduler.state_dict())
    expected = run(scheduler, [1.0] * 5)
    assert scheduler.base_lrs == [*RATES, 0.5]
    assert run(resumed, [1.0] * 5) == expected
    if cls is not sch.ReduceLROnPlateau:
        assert expected[-1] == [scheduler.value(a, 8) for a in scheduler.base_lrs]


def test_a_list_of_min_lr_must_grow_with_the_groups() -> None:
    scheduler = sch.ReduceLROnPlateau(sgd(), patience=0, min_lr=[0.1, 0.2])
    scheduler.step(1.0)
    scheduler.optimizer.add_param_group({"params": [mg.tensor([1.0], requires_grad=True)], "lr": 0.5})
    with pytest.raises(ValueError, match=r"min_lr must be a list of 3 numbers, one a parameter group, got \[0.1, 0.2"):
        scheduler.step(2.0)
    assert scheduler.last_epoch == 1
    scheduler.min_lr = [0.1, 0.2, 0.3]
    scheduler.step(2.0)
    assert rates(scheduler.optimizer) == [0.1, 0.2, 0.3]


def test_the_optimizer_uses_the_rate(device: str) -> None:
    w = mg.tensor([1.0], device=device, requires_grad=True)
    optimizer = optim.SGD([w], lr=0.5)
    scheduler = sch.ExponentialLR(optimizer, 0.5)
    expected = 1.0
    for t in range(4):
        w.grad = mg.tensor([1.0], device=device)
        optimizer.step()
        scheduler.step()
        expected -= 0.5 * 0.5**t
        assert w.item() == expected


def test_a_schedule_of_ones_own_is_one_method() -> None:
    class Sawtooth(sch.Scheduler):
        def __init__(self, optimizer: Any, period: int) -> None:
            super().__init__(optimizer, period=period)

        def value(self, base_lr: float, t: int) -> float:
            return base_lr * (1 - (t % self.period) / self.period)

    scheduler = Sawtooth(sgd(), 4)
    assert [r[0] for r in run(scheduler, [0.0] * 5)] == [0.1 * x for x in (0.75, 0.5, 0.25, 1.0, 0.75)]
    state = scheduler.state_dict()
    other = Sawtooth(sgd(), 2)
    other.load_state_dict(state)
    assert (other.period, other.last_epoch) == (4, 5)
    assert repr(other) == "Sawtooth(period=4)"


def test_numpy_numbers_leave_a_state_for_json() -> None:
    scheduler = sch.StepLR(sgd(), np.int64(2), gamma=np.float32(0.5))
    scheduler.optimizer.param_groups[0]["lr"] = np.float64(0.25)
    state = scheduler.state_dict()
    assert json.loads(json.dumps(state)) == state
    assert [type(state[k]) for k in ("step_size", "gamma")] == [int, float]


def test_intervals() -> None:
    scheduler = sch.ExponentialLR(sgd(), 0.5)
    scheduler.interval = "step"
    assert scheduler.interval == "step"
    with pytest.raises(ValueError, match="interval must be one of 'epoch', 'step', got 'batch'"):
        scheduler.interval = "batch"
    assert scheduler.interval == "step"
    assert [cls.__name__ for cls in KWARGS if cls.needs_metric] == ["ReduceLROnPlateau"]


Plateau = sch.ReduceLROnPlateau
ERRORS: list[tuple[Callable[[Any], Any], Any, str]] = [
    (lambda o: sch.StepLR([1.0], 3), TypeError, "StepLR: the first argument must be an Optimizer, got list"),
    (lambda o: sch.StepLR(o, 0), ValueError, "step_size must be an integer >= 1, got 0"),
    (lambda o: sch.StepLR(o, 2.0), ValueError, "step_size must be an integer >= 1, got 2.0"),
    (lambda o: sch.StepLR(o, 2, gamma=-1), ValueError, "gamma must be finite and >= 0, got -1"),
    (lambda o: sch.ExponentialLR(o, math.nan), ValueError, "gamma must be finite and >= 0, got nan"),
    (lambda o: sch.ExponentialLR(o, "0.1"), ValueError, "gamma must be a number, got '0.1'"),
    (lambda o: sch.InverseTimeLR(o, -0.1), ValueError, "decay must be finite and >= 0, got -0.1"),
    (lambda o: sch.ExponentialDecay(o, math.inf), ValueError, "decay must be finite and >= 0, got inf"),
    (lambda o: sch.CosineAnnealingLR(o, True), ValueError, "T_max must be an integer >= 1, got True"),
    (lambda o: sch.CosineAnnealingLR(o, 5, eta_min=-1), ValueError, "eta_min must be finite and >= 0, got -1"),
    (lambda o: Plateau(o, mode="least"), ValueError, "mode must be one of 'min', 'max', got 'least'"),
    (lambda o: Plateau(o, factor=1.0), ValueError, "factor must be finite and >= 0 and < 1, got 1.0"),
    (lambda o: Plateau(o, patience=-1), ValueError, "patience must be an integer >= 0, got -1"),
    (lambda o: Plateau(o, threshold=-1.0), ValueError, "threshold must be finite and >= 0, got -1.0"),
    (lambda o: Plateau(o, threshold_mode="x"), ValueError, "threshold_mode must be one of 'rel', 'abs', got 'x'"),
    (lambda o: Plateau(o, cooldown=1.5), ValueError, "cooldown must be an integer >= 0, got 1.5"),
    (lambda o: Plateau(o, min_lr=-1.0), ValueError, "min_lr must be finite and >= 0, got -1.0"),
    (lambda o: Plateau(o, min_lr=[0.1]), ValueError, r"min_lr must be a list of 2 numbers, .* got \[0.1\]"),
    (lambda o: Plateau(o, min_lr=[0.1, -1.0]), ValueError, r"min_lr\[1\] must be finite and >= 0, got -1.0"),
    (lambda o: Plateau(o, eps=-1.0), ValueError, "eps must be finite and >= 0, got -1.0"),
    (lambda o: Plateau(o).step(), TypeError, r"needs the value of the metric it watches, got none: scheduler.step"),
    (lambda o: Plateau(o).step("0.5"), TypeError, "watches, got str '0.5'"),
    (lambda o: Plateau(o).step(True), TypeError, "watches, got bool True"),
    (lambda o: Plateau(o).step([0.5]), TypeError, r"watches, got list \[0.5\]"),
    (lambda o: Plateau(o).step(np.ones(2)), mg.ShapeError, r"one number is due, got an array of shape \(2,\)"),
    (lambda o: Plateau(o).value(0.1, 3), NotImplementedError, "ReduceLROnPlateau has no value"),
    (lambda o: sch.Scheduler(o), NotImplementedError, "Scheduler has no value"),
    (lambda o: sch.StepLR(o, 1).step(0.5), TypeError, r"StepLR.step\(\) takes no argument, got 0.5: it counts"),
]


@pytest.mark.parametrize(("call", "kind", "message"), ERRORS, ids=[e[2] for e in ERRORS])
def test_errors(call: Any, kind: Any, message: str) -> None:
    optimizer = sgd()
    with pytest.raises(kind, match=message):
        call(optimizer)
    assert rates(optimizer) == list(RATES)


def test_a_rate_that_overflows_is_refused() -> None:
    scheduler = sch.ExponentialLR(sgd(), 1e200)
    scheduler.step()
    before = rates(scheduler.optimizer)
    with pytest.raises(ValueError, match=r"ExponentialLR\(gamma=1e\+200\) gives the learning rate inf after 2 steps"):
        scheduler.step()
    assert scheduler.last_epoch == 1
    assert rates(scheduler.optimizer) == before


BROKEN: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda s: 3, "not a scheduler state: a dict from ReduceLROnPlateau.state_dict"),
    (lambda s: {}, "the scheduler state lacks 'class'"),
    (lambda s: {k: v for k, v in s.items() if k != "factor"}, "the scheduler state lacks 'factor'; it has 'class'"),
    (lambda s: {k: v for k, v in s.items() if k != "best"}, "the scheduler state lacks 'best'"),
    (lambda s: {**s, "class": "StepLR"}, "the state is of a StepLR, this scheduler is a ReduceLROnPlateau"),
    (lambda s: {**s, "last_epoch": -1}, "last_epoch must be an integer >= 0, got -1"),
    (lambda s: {**s, "interval": "day"}, "interval must be one of 'epoch', 'step', got 'day'"),
    (lambda s: {**s, "base_lrs": [0.1]}, r"base_lrs must be a list of 2 numbers, one a parameter group, got \[0.1\]"),
    (lambda s: {**s, "lrs": [0.1, math.nan]}, r"lrs\[1\] must be finite and >= 0, got nan"),
    (lambda s: {**s, "lrs": 0.1}, "lrs must be a list of 2 numbers"),
    (lambda s: {**s, "factor": 2.0}, "factor must be finite"),
    (lambda s: {**s, "best": "low"}, "best must be a number, got 'low'"),
    (lambda s: {**s, "num_bad_epochs": 0.5}, "num_bad_epochs must be an integer >= 0, got 0.5"),
    (lambda s: {**s, "cooldown_counter": -2}, "cooldown_counter must be an integer >= 0, got -2"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN, ids=[b[1] for b in BROKEN])
def test_a_state_that_does_not_fit_changes_nothing(change: Any, message: str) -> None:
    saved = Plateau(sgd(), factor=0.5, patience=0)
    run(saved, [1.0, 2.0])
    scheduler = Plateau(sgd())
    before = scheduler.state_dict()
    with pytest.raises(ValueError, match=message):
        scheduler.load_state_dict(change(saved.state_dict()))
    assert scheduler.state_dict() == before
