"""Every optimizer of minigrad.optim has the properties, and each check catches a planted fault."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import minigrad as mg
from minigrad import optim
from minigrad.testing import strategies
from minigrad.testing import training as properties
from minigrad.testing.strategies.models import optimizer_classes

CLASSES = optimizer_classes()
every_optimizer = pytest.mark.parametrize("cls", CLASSES, ids=lambda c: c.__name__)
SCALES = {
    "SGD": "linear", "Adam": "invariant", "AdamW": "invariant", "Adagrad": "invariant", "Adamax": "invariant",
    "RMSprop": "invariant", "NAdam": "invariant", "Lion": "invariant",
}  # fmt: skip
"""What gradients of another scale do. RAdam begins like SGD with momentum and Adadelta's eps is large: neither."""


def of(cls: type[optim.Optimizer], **options: Any) -> Callable[[list[mg.Tensor]], optim.Optimizer]:
    return lambda params: cls(params, lr=1 / 64, **options)


@every_optimizer
def test_runs_repeat_and_states_are_whole(cls: Any, device: str, tmp_path: Path) -> None:
    for dtype in ("float32", "float64"):
        problem = properties.small_problem(dtype, device)
        properties.check_same_run(problem, of(cls), steps=4)
        properties.check_state_dict(problem, of(cls), steps=4)
    properties.check_resume(problem, of(cls), tmp_path, steps=4, at=2)


@every_optimizer
def test_the_fused_step_is_the_reference(cls: Any, device: str) -> None:
    for dtype in ("float32", "float64"):
        problem = properties.small_problem(dtype, device)
        properties.check_reference(problem, of(cls), steps=5)
        properties.check_devices(properties.small_problem(dtype), problem, of(cls), steps=5)


@every_optimizer
def test_parts_of_a_batch_add_up(cls: Any, device: str) -> None:
    # Adam's kind divides by gradients that may be small, and Lion takes their signs
    properties.check_accumulation(properties.small_problem("float64", device), of(cls), tolerance=1e-9)


@pytest.mark.parametrize("cls", [c for c in CLASSES if c.__name__ in SCALES], ids=lambda c: c.__name__)
def test_the_scale_of_gradients(cls: Any, device: str) -> None:
    properties.check_gradient_scale(properties.small_problem("float64", device), of(cls), SCALES[cls.__name__])


@given(config=strategies.optimizers())
@settings(max_examples=30)
def test_any_configuration_has_a_whole_state(config: strategies.OptimizerConfig) -> None:
    problem = properties.small_problem("float32")
    properties.check_state_dict(problem, config.build, steps=3)
    properties.check_reference(problem, config.build, steps=3)


def test_momentum_is_linear_and_weight_decay_is_not() -> None:
    problem = properties.small_problem()
    properties.check_gradient_scale(problem, of(optim.SGD, momentum=0.9, nesterov=True), "linear")
    with pytest.raises(properties.TrainingError, match=r"parameter 0 64 times as far \(linear\), but the way is off"):
        properties.check_gradient_scale(problem, of(optim.SGD, weight_decay=0.5), "linear")
    with pytest.raises(properties.TrainingError, match="invariant"):
        properties.check_gradient_scale(problem, of(optim.SGD), "invariant")
    with pytest.raises(ValueError, match="behaviour must be"):
        properties.check_gradient_scale(problem, of(optim.SGD), "odd")


class Forgetful(optim.SGD):
    """Its state_dict has no velocity."""

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "state": {}}


class Noisy(optim.SGD):
    """Its rate is drawn anew at every step."""

    rng = np.random.default_rng(0)

    def step(self) -> None:
        self.param_groups[0]["lr"] = float(self.rng.uniform(0.01, 0.1))
        super().step()


class Normed(optim.SGD):
    """What it does to a parameter depends on the others, as it must not."""

    def step(self) -> None:
        with mg.no_grad():
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        p.grad = mg.tensor(p.grad.data / len(group["params"]))
        super().step()


def test_planted_faults_are_caught(tmp_path: Path) -> None:
    problem = properties.small_problem()
    with pytest.raises(properties.TrainingError, match="after step 1 from its state_dict, the run differs at 2"):
        properties.check_state_dict(problem, of(Forgetful, momentum=0.9))
    with pytest.raises(properties.TrainingError, match="resumed from a file after step 3, the run differs at step 4"):
        properties.check_resume(problem, of(Forgetful, momentum=0.9), tmp_path)
    with pytest.raises(properties.TrainingError, match=r"two runs .* differ after step 1: array 0 at \(.*same bits"):
        properties.check_same_run(problem, of(Noisy))
    with pytest.raises(properties.TrainingError, match="optimizer and its reference differ after step 1: array 0"):
        properties.check_reference(problem, of(Normed))


def test_a_sum_is_no_mean() -> None:
    problem = properties.small_problem()

    def begin() -> Any:
        params, loss = problem.begin()
        return params, lambda batch: loss(batch) * len(batch[0])

    with pytest.raises(properties.TrainingError, match="2 parts of a batch make another step 1 than the whole"):
        properties.check_accumulation(properties.Problem(begin, problem.batches), of(optim.SGD))
    with pytest.raises(ValueError, match="8 rows cannot be split into 3 equal parts"):
        properties.check_accumulation(problem, of(optim.SGD), parts=[3])


def test_seeds() -> None:
    def train(seed: int) -> Any:
        mg.manual_seed(seed)
        return mg.nn.MLP(2, [3], 1).parameters()

    properties.check_same_seed(train)
    rng = np.random.default_rng(0)
    with pytest.raises(properties.TrainingError, match="two runs with seed 0 differ"):
        properties.check_same_seed(lambda seed: [rng.normal(size=2)])
    with pytest.raises(properties.TrainingError, match="the seed is not used"):
        properties.check_same_seed(lambda seed: [np.ones(2)])
