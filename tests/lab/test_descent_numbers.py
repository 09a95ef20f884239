"""Descent in one dimension, surfaces, momentum: the numbers that the pictures show."""

from __future__ import annotations

import math

import numpy as np
import pytest

from minigrad import optim
from minigrad.data import SURFACES
from minigrad.lab import Notebook, basins, contours, descent, escape, momentum, racers
from minigrad.lab.curves import QUARTIC, START, VALLEYS, Curve, descend
from minigrad.transforms import grad


def test_the_example_of_the_notes(notebook: Notebook) -> None:
    descent.first_step(notebook)
    assert notebook.numbers["gradient"] == -33.75
    assert notebook.numbers["next_weight"] == -1.46625
    assert notebook.numbers["loss_before"] == 17.1875
    assert notebook.numbers["loss_after"] < 17.1875


@pytest.mark.parametrize(("curve", "wrong"), [(QUARTIC, 0.1), (VALLEYS, 0.1)], ids=["quartic", "valleys"])
def test_the_curves_rest_where_they_say(curve: Curve, wrong: float) -> None:
    for at in (curve.best, curve.other):
        assert abs(grad(curve.loss)(at)) < 1e-12
        assert abs(grad(curve.loss)(at + wrong)) > 1e-2
    assert curve.loss(curve.best) < curve.loss(curve.other)


@pytest.mark.parametrize(
    ("rate", "ends"),
    [
        (0.001, lambda w: -0.3 < w[-1] < -0.2 and (np.diff(w) > 0).all()),  # still before the flat spot
        (0.06, lambda w: abs(w[10] - 2.25) < 1e-2 and abs(w[-1] - 2.25) < 1e-12),
        (0.09, lambda w: (np.diff(np.sign(w[5:60] - 2.25)) != 0).all() and abs(w[-1] - 2.25) < 1e-6),  # swings
        (0.1, lambda w: abs(w[-1] - w[-3]) < 1e-3 < 0.1 < abs(w[-1] - w[-2])),  # for ever
        (0.15, lambda w: np.isnan(w[-1]) and not np.isnan(w[2])),  # diverges
    ],
)
def test_what_each_rate_does(notebook: Notebook, rate: float, ends: object) -> None:
    assert rate in descent.RATES
    assert ends(descend(notebook, QUARTIC.loss, START, rate, 300))  # type: ignore[operator]


def test_the_largest_stable_rate_lies_between_settling_and_swinging(notebook: Notebook) -> None:
    limit = 2 / 20.25
    assert descent.rates(notebook)[0.09][-1] == pytest.approx(2.25)
    assert notebook.numbers["largest_stable_rate"] == pytest.approx(limit)
    near = np.array([[2.2]])
    for rate, fate in ((0.97 * limit, "best"), (1.03 * limit, "swings")):
        found = basins.fates(notebook, QUARTIC, near, np.array([rate]), 3000)
        assert basins.FATES[found[0, 0]] == fate


@pytest.mark.parametrize(
    ("curve", "start", "rate", "fate"),
    [
        (QUARTIC, -1.5, 0.01, "other"),  # held up
        (QUARTIC, -1.5, 0.06, "best"),  # jumps over the flat spot
        (QUARTIC, 3.4, 0.19, "diverged"),
        (VALLEYS, 1.8, 0.05, "other"),
        (VALLEYS, 1.8, 0.13, "best"),  # leaves the shallow valley
        (VALLEYS, -2.0, 0.05, "best"),
        (VALLEYS, -2.0, 0.13, "other"),  # jumps over the deep one
        (VALLEYS, -1.0, 0.2, "swings"),
    ],
)
def test_where_a_descent_ends(notebook: Notebook, curve: Curve, start: float, rate: float, fate: str) -> None:
    found = basins.fates(notebook, curve, np.array([[start]]), np.array([rate]), 1500)
    assert basins.FATES[found[0, 0]] == fate


def test_the_step_goes_against_the_slope(notebook: Notebook) -> None:
    descent.draw_signs(notebook)
    slopes = {name: value for name, value in notebook.numbers.items() if name.startswith("slope_at")}
    assert [value < 0 for value in slopes.values()] == [True, True, True, False]


def test_momentum_leaves_the_shallow_valley_and_overshoots_more_than_nesterovs(notebook: Notebook) -> None:
    momentum.draw_momentum(notebook)
    n = notebook.numbers
    assert n["roll_0_plain"] == pytest.approx(VALLEYS.other, abs=1e-3)
    assert n["roll_0_momentum"] == pytest.approx(VALLEYS.best, abs=1e-2)
    assert n["roll_0_nesterov"] == pytest.approx(VALLEYS.best, abs=1e-2)
    assert n["overshoot_0_momentum"] > n["overshoot_0_nesterov"] > 0.1
    assert n["roll_1_momentum"] == pytest.approx(VALLEYS.best, abs=1e-2)
    assert n["roll_1_nesterov"] == pytest.approx(VALLEYS.other, abs=1e-2)


def test_full_batches_step_at_right_angles_to_the_contours(notebook: Notebook) -> None:
    contours.draw_contours(notebook)
    assert notebook.numbers["full_batch_least_angle"] > 89.9
    assert notebook.numbers["one_sample_least_angle"] < 30


def test_the_tangent_is_that_of_an_ellipse() -> None:
    x, y = np.array([1.0, -1.0, 2.0]), np.array([0.5, 0.0, 1.0])
    at = np.array([2.0, -1.0])
    rest = at[0] * x + at[1] - y
    normal = np.array([(rest * x).mean(), rest.mean()])
    assert abs(contours.tangent(x, y, at) @ normal) / np.linalg.norm(normal) < 1e-4


def test_every_optimizer_races() -> None:
    made = {type(make([{"params": [_leaf()], "lr": 0.1}], 0.1)) for make in racers.RACERS.values()}
    known = {v for v in vars(optim).values() if isinstance(v, type) and issubclass(v, optim.Optimizer)}
    assert made == known - {optim.Optimizer}


def _leaf() -> object:
    from minigrad import tensor

    return tensor([1.0], requires_grad=True)


def test_a_race_is_plain_descent_for_sgd(notebook: Notebook) -> None:
    surface = SURFACES["ellipse"]
    path = racers.race(notebook, surface, racers.RACERS["SGD"], [0.01, 1.0], 20, (1.0, 1.0))
    steps = np.arange(21)
    np.testing.assert_allclose(path[0, :, 0], 0.99**steps)
    np.testing.assert_allclose(path[0, :, 1], 0.5**steps)
    assert np.isnan(path[1, -1]).all(), "at the rate 1 it diverges"


@pytest.mark.parametrize(("beside", "rate"), [(0.1, 0.01), (1e-3, 0.01), (1e-6, 0.01)])
def test_sgd_leaves_a_saddle_after_a_logarithm_of_steps(notebook: Notebook, beside: float, rate: float) -> None:
    """On x^2 - y^2 each step multiplies y by 1 + 2 rate."""
    steps = escape.escape_steps(notebook, SURFACES["saddle"], "SGD", beside)
    assert steps == math.ceil(math.log(1 / beside) / math.log(1 + 2 * rate))


@pytest.mark.parametrize("surface", [SURFACES["saddle"], escape.PLATEAU_SADDLE], ids=lambda s: s.name)
def test_adaptive_rates_leave_a_saddle_sooner(notebook: Notebook, surface: object) -> None:
    steps = {
        name: escape.escape_steps(notebook, surface, name, 1e-4)  # type: ignore[arg-type]
        for name in ("SGD", "momentum", "Adam", "RMSprop")
    }
    assert steps["RMSprop"] < steps["Adam"] < steps["momentum"] < steps["SGD"]


@pytest.mark.parametrize(
    ("reached", "first", "for_good"),
    [([0, 1, 0, 1, 1], 1, 3), ([0, 0], math.inf, math.inf), ([1, 1], 0, 0), ([0, 1, 0], 1, math.inf)],
)
def test_when_a_race_is_over(reached: list[int], first: float, for_good: float) -> None:
    flags = np.array(reached, bool)
    assert racers.steps_until(flags) == first
    assert racers.settled_after(flags) == for_good
