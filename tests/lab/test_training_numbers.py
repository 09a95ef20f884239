"""Batches, initial weights, regression, adaptive rates, chance: the numbers that the pictures show."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minigrad.data import linear
from minigrad.lab import (
    Notebook,
    adaptive,
    batches,
    gradient_noise,
    initialisation,
    input_scale,
    regression,
    schedules,
    stopping,
    summation,
    symmetry,
    threshold,
    worse_minimum,
)
from minigrad.lab.problem import Moons
from minigrad.lab.random_changes import descend_bowl, search_bowl
from minigrad.optim import schedulers


def test_the_variance_of_a_batch_falls_as_drawing_without_replacement_says(notebook: Notebook) -> None:
    gradients = notebook.generator("test").normal(1.0, 2.0, (100, 5))
    single = ((gradients - gradients.mean(axis=0)) ** 2).sum(axis=1).mean()
    cosines = []
    for size in (1, 4, 20, 100):
        variance, cosine = gradient_noise.noise(gradients, size, notebook.generator("draws"), 2000)
        assert variance == pytest.approx(single / size * (100 - size) / 99, rel=0.1, abs=1e-20)
        cosines.append(cosine)
    assert cosines == sorted(cosines)
    assert cosines[-1] == pytest.approx(1)


def test_the_mean_of_single_gradients_is_the_full_one(notebook: Notebook) -> None:
    problem = Moons(notebook, 64)
    model = problem.model()
    single = np.array([problem.gradient(model, slice(i, i + 1)) for i in range(64)])
    np.testing.assert_allclose(single.mean(axis=0), problem.gradient(model), atol=1e-6)


def test_a_hundred_looks_at_an_example(notebook: Notebook) -> None:
    batches.draw_hundred(notebook)
    n = notebook.numbers
    assert n["hundred_one_each"] < n["hundred_at_once"] < n["hundred_loss_before"] < n["hundred_same"]
    assert n["hundred_same_first"] < 0.01, "it is learnt by heart"


@pytest.mark.parametrize("seed", [0, 5])
def test_a_full_batch_settles_in_the_worse_minimum(notebook: Notebook, seed: int) -> None:
    notebook.seed = seed
    worse_minimum.draw_minimum(notebook)
    shares = [notebook.numbers[f"found_by_{size}"] for size in (64, 16, 4, 1)]
    assert shares[0] == 0
    assert shares == sorted(shares)
    assert shares[-1] > 0.2


def test_the_rate_scaled_with_the_batch_keeps_the_loss(notebook: Notebook) -> None:
    from minigrad.lab import batch_rates

    batch_rates.draw_rates(notebook, Moons(notebook, 512))
    n = notebook.numbers
    assert n["linear_128"] == pytest.approx(n["linear_4"], rel=0.05)
    assert n["kept_128"] > n["sqrt_128"] > n["linear_128"]
    assert n["linear_512"] > 2 * n["linear_4"], "too large a rate at last"


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_how_far_signals_reach(notebook: Notebook, activation: str) -> None:
    x = notebook.tensor(notebook.generator("test").normal(size=(200, 64)), np.float32)
    y = notebook.tensor(np.arange(200) % 10, np.int64)
    last = {}
    for name in initialisation.INITS:
        forward, _ = initialisation.signals(initialisation.network(notebook, name, activation), x, y)
        assert len(forward) == initialisation.DEPTH
        last[name] = forward[-1] / (forward[0] or 1.0)
    assert last["zeros"] == 0
    assert last["N(0, 0.1)"] < 0.2
    for name in ("Xavier", "Kaiming"):
        assert 0.5 < last[name] < 2
    assert last["N(0, 1)"] > 1000 or activation == "tanh"


def test_units_that_begin_alike_stay_alike(notebook: Notebook) -> None:
    problem = Moons(notebook, 64, symmetry.UNITS)
    ends = {name: symmetry.follow(problem, fill, 100, 1.0) for name, fill in symmetry.FILLS.items()}
    for name, different in (("all 0", 1), ("all 0.5", 1), ("Xavier", symmetry.UNITS)):
        assert len(np.unique(ends[name][0][-1].round(6), axis=0)) == different
    assert ends["all 0"][1] == pytest.approx(math.log(2), abs=1e-4)
    assert ends["Xavier"][1] < ends["all 0"][1]


def test_scaled_inputs_learn_sooner(notebook: Notebook) -> None:
    input_scale.draw_scale(notebook)
    n = notebook.numbers
    assert n["condition_standard"] < n["condition_minmax_11"] < n["condition_minmax_01"] < n["condition_raw"] / 1e4
    assert n["at_best_rate_standard"] < n["at_best_rate_minmax_01"] < n["at_best_rate_raw"] / 10
    assert n["right_training_max"] == pytest.approx(1)
    assert n["wrong_training_max"] < 0.6, "squeezed by an outlier that only the test part has"


def test_a_threshold_has_no_gradient(notebook: Notebook) -> None:
    threshold.draw_threshold(notebook)
    n = notebook.numbers
    assert n["first_gradient_threshold"] == 0
    assert n["unit_after_threshold"] == n["unit_before_threshold"]
    assert n["unit_after_sigmoid_5"] < 0.1 * n["unit_before_sigmoid_5"]
    assert n["unit_after_sigmoid_25"] > 0.4, "almost a threshold: it hardly moves"


@pytest.fixture
def points() -> tuple[np.ndarray, np.ndarray]:
    samples = linear(50, noise=0.5, weight=[2.0], bias=1.0, seed=3)
    return samples.x[:, 0].astype(float) + 0.5, samples.y.astype(float)


def test_descent_ends_at_the_closed_form(notebook: Notebook, points: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = points
    best = regression.closed_form(x, y)
    np.testing.assert_allclose(best, np.polyfit(x, y, 1), rtol=1e-12)
    for one_by_one in (False, True):
        path = regression.descend(notebook, x, y, 0.3, 300, one_by_one)
        np.testing.assert_allclose(path[-1], best, rtol=1e-12)


def test_one_by_one_uses_the_new_slope(notebook: Notebook, points: tuple[np.ndarray, np.ndarray]) -> None:
    x, y = points
    at_once, in_turn = (regression.descend(notebook, x, y, 0.3, 1, turn)[1] for turn in (False, True))
    a, b = regression.START
    assert at_once[0] == in_turn[0] == pytest.approx(a - 0.3 * ((a * x + b - y) * x).mean())
    assert at_once[1] == pytest.approx(b - 0.3 * (a * x + b - y).mean())
    assert in_turn[1] == pytest.approx(b - 0.3 * (in_turn[0] * x + b - y).mean())


@pytest.mark.parametrize("reason", ["target_loss", "grad_norm", "callback"])
def test_each_rule_stops(notebook: Notebook, points: tuple[np.ndarray, np.ndarray], reason: str) -> None:
    x, y = points
    best = regression.closed_form(x, y)
    least = float(((best[0] * x + best[1] - y) ** 2).mean())
    rules = {
        "target_loss": [{"target_loss": least + limit} for limit in (0.1, 1e-3)],
        "grad_norm": [{"grad_norm": limit} for limit in (0.1, 1e-3)],
        "callback": [{"callbacks": stopping.unchanged(limit)} for limit in (0.1, 1e-3)],
    }
    runs = [stopping.stop_by(notebook, x, y, 2000, **rule) for rule in rules[reason]]
    assert [history.stopped for history, _ in runs] == [reason, reason]
    assert len(runs[0][0]) < len(runs[1][0]) < 2000
    gaps = [np.linalg.norm(line - best) for _, line in runs]
    assert gaps[0] > gaps[1]


def test_adaptive_rates_learn_rare_features(notebook: Notebook) -> None:
    adaptive.draw_sparse(notebook)
    n = notebook.numbers
    for name in ("sgd", "adagrad", "rmsprop", "adam"):
        assert n[f"frequent_{name}"] == pytest.approx(1, abs=0.1)
    assert min(n["rare_adagrad"], n["rare_rmsprop"], n["rare_adam"]) > n["rare_sgd"] + 0.1


def test_every_schedule_is_drawn() -> None:
    known = {name for name in schedulers.__all__ if name != "Scheduler"}
    assert set(schedules.SCHEDULES) == known | {"constant"}


def test_a_falling_rate_ends_lower_than_a_constant_one(notebook: Notebook) -> None:
    problem = Moons(notebook, 128)
    ends = {
        name: np.mean([schedules.follow(notebook, problem, name, seed, 40)[1][-1] for seed in range(3)])
        for name in ("constant", "CosineAnnealingLR", "OneCycleLR")
    }
    assert max(ends["CosineAnnealingLR"], ends["OneCycleLR"]) < ends["constant"]


def test_the_order_of_a_sum_changes_it_and_a_training(notebook: Notebook) -> None:
    values = notebook.generator("test").normal(size=20_000).astype(np.float32)
    found = summation.sums(values, notebook.generator("orders"), 20)
    assert len(np.unique(found)) > 10
    np.testing.assert_allclose(found, math.fsum(values.tolist()), atol=0.1)
    problem = Moons(notebook, 64)
    first, again = (summation.weights_by_step(problem, 300, None)[0] for _ in range(2))
    np.testing.assert_array_equal(first, again)
    other, _ = summation.weights_by_step(problem, 300, notebook.generator("order"))
    gap = np.linalg.norm(other - first, axis=1)
    assert 0 < gap[1] < 1e-5
    assert gap[-1] > 10 * gap[1]


def test_chance_needs_more_losses_the_more_weights_there_are(notebook: Notebook) -> None:
    by_chance = [search_bowl(notebook, n, 3000) for n in (2, 16, 64)]
    by_slope = [descend_bowl(notebook, n) for n in (2, 16, 64)]
    assert by_chance[0] < by_chance[1] < by_chance[2]
    assert len(set(by_slope)) == 1
    assert by_chance[2] > 5 * by_slope[2]
