"""Metrics against scikit-learn, in batches of any size; and every error."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metric_tools import CLASSIFICATION, REGRESSION, Worst, bias, measure, split, sums_of
from on_device import host

import minigrad as mg
from minigrad.training.metrics import METRICS, Metric, MetricSums, resolve_metrics

LABEL_DTYPES = (np.int64, np.int32, np.uint8, np.float32, np.float64)


def sklearn_classes(labels: Any, predicted: Any) -> dict[str, float]:
    from sklearn import metrics as sk

    macro = {"average": "macro", "zero_division": 0.0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of a class that is predicted and never due
        return {
            "accuracy": sk.accuracy_score(labels, predicted),
            "balanced_accuracy": sk.balanced_accuracy_score(labels, predicted),
            "precision": sk.precision_score(labels, predicted, **macro),
            "recall": sk.recall_score(labels, predicted, **macro),
            "f1": sk.f1_score(labels, predicted, **macro),
        }


def sklearn_numbers(target: Any, prediction: Any) -> dict[str, float]:
    from sklearn import metrics as sk

    return {
        "mse": sk.mean_squared_error(target, prediction),
        "rmse": sk.root_mean_squared_error(target, prediction),
        "mae": sk.mean_absolute_error(target, prediction),
        "r2": sk.r2_score(target, prediction),
    }


def test_every_metric_is_tested() -> None:
    assert tuple(METRICS) == CLASSIFICATION + REGRESSION
    assert [m.name for m in METRICS.values()] == list(METRICS)
    assert [m.larger_is_better for m in METRICS.values()] == [True] * 5 + [False] * 3 + [True]


# --- classes ----------------------------------------------------------------------------------------------------------


@given(data=st.data(), count=st.integers(2, 6), n=st.integers(1, 40), seed=st.integers(0, 99))
def test_classes_equal_sklearn(data: Any, count: int, n: int, seed: int, device: str) -> None:
    rng = np.random.default_rng(seed)
    used = data.draw(st.lists(st.integers(0, count - 1), min_size=1, unique=True))  # some classes may be missing
    labels = rng.choice(used, n).astype(data.draw(st.sampled_from(LABEL_DTYPES)))
    logits = rng.standard_normal((n, count)).astype(data.draw(st.sampled_from([np.float16, np.float32, np.float64])))
    sizes = data.draw(st.lists(st.integers(0, n), max_size=4))
    column = data.draw(st.booleans())
    expected = sklearn_classes(labels.astype(int), logits.argmax(axis=1))
    labels = labels[:, None] if column else labels
    found = measure(CLASSIFICATION, logits, labels, device)
    assert found == pytest.approx(expected, rel=1e-12)
    assert sums_of(CLASSIFICATION, split(logits, labels, sorted(sizes)), device).values() == found  # counts are exact


@given(data=st.data(), n=st.integers(1, 30), seed=st.integers(0, 99))
def test_two_classes_equal_sklearn(data: Any, n: int, seed: int, device: str) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n).astype(data.draw(st.sampled_from([*LABEL_DTYPES, np.bool_])))
    logits = rng.choice([-2.0, -0.5, 0.0, 0.5, 2.0], n)  # 0 is not positive
    expected = sklearn_classes(labels.astype(int), (logits > 0).astype(int))
    for p in (logits, logits[:, None], np.stack([np.zeros(n), logits], axis=1)):
        for t in (labels, labels[:, None]):
            assert measure(CLASSIFICATION, p, t, device) == pytest.approx(expected, rel=1e-12)


def test_a_confusion_matrix_by_hand(device: str) -> None:
    """Class 2 is never due and predicted once, class 3 does not occur at all."""
    labels = np.array([0, 0, 0, 1])
    logits = np.eye(4)[[0, 0, 2, 0]]
    assert measure(CLASSIFICATION, logits, labels, device) == pytest.approx(
        {
            "accuracy": 2 / 4,
            "balanced_accuracy": (2 / 3 + 0) / 2,
            "precision": (2 / 3 + 0 + 0) / 3,
            "recall": (2 / 3 + 0 + 0) / 3,
            "f1": (4 / 6 + 0 + 0) / 3,
        }
    )


def test_rows_labelled_minus_100_do_not_count(device: str) -> None:
    logits = np.eye(3)[[0, 1, 2, 0]]
    some, all_ = np.array([0, -100, 1, -100]), np.full(4, -100)
    found = measure(CLASSIFICATION, logits, some, device)
    assert found == measure(CLASSIFICATION, logits[[0, 2]], some[[0, 2]], device)
    assert all(math.isnan(v) for v in measure(CLASSIFICATION, logits, all_, device).values())


@pytest.mark.parametrize("name", CLASSIFICATION)
@pytest.mark.parametrize("bad", [3, -1, 0.5, math.nan, math.inf])
def test_a_label_that_is_no_class_is_an_error_when_read(name: str, bad: float, device: str) -> None:
    sums = sums_of(name, [(np.eye(3), np.array([0.0, bad, 2.0])), (np.eye(3), np.array([0.0, 1.0, bad]))], device)
    with pytest.raises(ValueError, match=f"{name}: 2 labels are no class; due are 0 to C - 1"):
        sums.values()


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_nan_logits_give_nan_and_infinite_ones_do_not(name: str, device: str) -> None:
    logits, labels = np.eye(3), np.arange(3)
    logits[0, 0] = math.inf
    assert measure(name, logits, labels, device) == {name: 1.0}
    logits[0, 1] = math.nan
    assert math.isnan(measure(name, logits, labels, device)[name])
    assert math.isnan(measure(name, np.array([math.nan, 1.0]), np.array([0, 1]), device)[name])


def test_counting_is_exact_for_many_rows(device: str) -> None:
    n = 3_000_001
    labels = np.zeros(n, np.uint8)
    labels[:7] = 1
    metric = METRICS["f1"]
    prediction = mg.tensor(np.full(n, -1.0, np.float32), device=device)
    total = host(metric.statistics(prediction, mg.tensor(labels, device=device)))
    assert total.tolist() == [0.0, n - 7, 0.0, 7.0, 0.0]
    assert total.dtype == np.float64


# --- numbers ----------------------------------------------------------------------------------------------------------


@given(
    data=st.data(),
    n=st.integers(2, 40),
    k=st.integers(0, 3),
    seed=st.integers(0, 99),
    mean=st.sampled_from([0.0, -3.0, 1e4, 1e6]),
)
def test_numbers_equal_sklearn(data: Any, n: int, k: int, seed: int, mean: float, device: str) -> None:
    rng = np.random.default_rng(seed)
    shape = (n, k) if k else (n,)
    dtype = data.draw(st.sampled_from([np.float32, np.float64]))
    target = (mean + rng.standard_normal(shape)).astype(dtype)
    prediction = (target + 0.3 * rng.standard_normal(shape)).astype(dtype)
    sizes = data.draw(st.lists(st.integers(0, n), max_size=4))
    expected = sklearn_numbers(target.astype(float), prediction.astype(float))
    batches = split(prediction, target, sorted(sizes))
    for found in (measure(REGRESSION, prediction, target, device), sums_of(REGRESSION, batches, device).values()):
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_r2_of_a_large_mean_keeps_its_digits(device: str) -> None:
    rng = np.random.default_rng(0)
    for mean, dtype in ((1e4, np.float32), (1e8, np.float64), (1e12, np.float64)):
        target = (mean + rng.standard_normal(20_000)).astype(dtype)
        prediction = (target + 0.5 * rng.standard_normal(20_000)).astype(dtype)
        # Differences are exact, and scikit-learn's own digits are gone where the mean is large.
        expected = sklearn_numbers(target.astype(float) - mean, prediction.astype(float) - mean)["r2"]
        found = sums_of("r2", split(prediction, target, [37] * 500), device).values()["r2"]
        assert found == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("sizes", [[], [1, 3], [0, 2]])
def test_r2_of_constant_targets(sizes: list[int], device: str) -> None:
    target = np.full(7, 0.1)  # its sums are not exact, and must not pass for a spread
    worse = target.copy()
    worse[4] = 0.2
    assert sums_of("r2", split(target, target, sizes), device).values() == {"r2": 1.0}
    assert sums_of("r2", split(worse, target, sizes), device).values() == {"r2": 0.0}
    both = np.stack([np.full(4, 2.0), np.arange(4.0)], axis=1)
    assert measure("r2", both + 1, both, device)["r2"] == pytest.approx(sklearn_numbers(both, both + 1)["r2"])
    assert math.isnan(measure("r2", np.ones(1), np.ones(1), device)["r2"])


@pytest.mark.parametrize("name", REGRESSION)
def test_a_column_is_a_vector_and_never_a_square(name: str, device: str) -> None:
    rng = np.random.default_rng(0)
    p, t = rng.standard_normal((2, 9))
    flat = measure(name, p, t, device)
    assert flat[name] == pytest.approx(sklearn_numbers(t, p)[name])
    for a, b in ((p[:, None], t), (p, t[:, None]), (p[:, None], t[:, None])):
        assert measure(name, a, b, device) == flat
    statistics = METRICS[name].statistics(mg.tensor(p[:, None], device=device), mg.tensor(t, device=device))
    assert len(statistics) == (5 if name == "r2" else 2)


@pytest.mark.parametrize("name", REGRESSION)
def test_nan_and_infinity_come_through_without_a_warning(name: str, device: str) -> None:
    target = np.array([1.0, 2.0, 3.0])
    assert math.isnan(measure(name, np.array([1.0, math.nan, 3.0]), target, device)[name])
    assert math.isnan(measure(name, np.array([1.0, math.nan]), np.ones(2), device)[name])
    assert math.isnan(measure(name, target, np.array([1.0, math.nan, 3.0]), device)[name])
    assert abs(measure(name, np.array([1.0, math.inf, 3.0]), target, device)[name]) == math.inf
    assert not math.isfinite(sums_of(name, [(target, target * math.inf)] * 2, device).values()[name])
    assert measure(name, np.array([1e200, 0.0, 0.0]), target, device)[name] == {"mae": pytest.approx(1e200 / 3)}.get(
        name, -math.inf if name == "r2" else math.inf
    )


def test_integer_targets_are_numbers_too(device: str) -> None:
    prediction = np.array([0.5, 2.0, 255.0], np.float32)
    for dtype in (np.uint8, np.int32):
        assert measure("mae", prediction, np.array([1, 0, 255], dtype), device) == {"mae": 2.5 / 3}


# --- errors -----------------------------------------------------------------------------------------------------------


def shapes(name: str, prediction: tuple[int, ...], target: tuple[int, ...], dtype: Any = np.float32) -> Any:
    return lambda: measure(name, np.ones(prediction, dtype), np.zeros(target))


ERRORS: list[tuple[Callable[[], Any], Any, str]] = [
    (lambda: resolve_metrics("acuracy"), ValueError, "unknown metric 'acuracy'; known are accuracy, balanced_accuracy"),
    (lambda: resolve_metrics(["f1", "f1"]), ValueError, "two metrics are called 'f1': give them names of their own"),
    (lambda: MetricSums([Worst(), Worst()]), ValueError, "two metrics are called 'worst'"),
    (lambda: resolve_metrics(3), TypeError, r"a metric is a name \(accuracy, .*\), a Metric or a function.*, got 3"),
    (lambda: resolve_metrics([["f1"]]), TypeError, r"a metric is a name .* got \['f1'\]"),
    (lambda: resolve_metrics({1: "f1"}), TypeError, "the name of a metric must be a string, got 1"),
    (lambda: resolve_metrics(Worst), TypeError, r"a metric class was given: make one, Worst\(...\)"),
    (
        lambda: METRICS["f1"].statistics([1.0], mg.tensor([1.0])),
        TypeError,
        "the prediction must be .* got list",
    ),
    (lambda: METRICS["mse"].statistics(mg.tensor([1.0]), 1.0), TypeError, "the target must be a Tensor .* got float"),
    (
        shapes("accuracy", (3, 2), (4,)),
        mg.ShapeError,
        r"accuracy: .* first axis of the same.*\(3, 2\) and \(4,\)",
    ),
    (shapes("accuracy", (), ()), mg.ShapeError, r"first axis of the same length, the rows; got shapes \(\) and \(\)"),
    (
        shapes("f1", (3, 2), (3, 2)),
        mg.ShapeError,
        r"logits \(n, C\) or \(n,\) and labels \(n,\) are due, got shapes",
    ),
    (shapes("f1", (3, 2, 2), (3,)), mg.ShapeError, r"got shapes \(3, 2, 2\) and \(3,\)"),
    (shapes("f1", (3, 0), (3,)), mg.ShapeError, r"got shapes \(3, 0\) and \(3,\)"),
    (shapes("f1", (3,), (3,), np.int64), mg.DTypeError, "f1: the prediction must be floating-point logits, got int64"),
    (shapes("mse", (3, 2), (3,)), mg.ShapeError, r"mse: .* of one shape are due, got \(3, 2\) and \(3,\)"),
    (shapes("r2", (3, 1), (3, 3)), mg.ShapeError, r"r2: .* of one shape are due, got \(3, 1\) and \(3, 3\)"),
    (shapes("mae", (3,), (4,)), mg.ShapeError, r"mae: .* first axis of the same.* got shapes \(3,\) and \(4,\)"),
    (shapes("mse", (2, 2, 2), (2, 2, 2)), mg.ShapeError, r"got \(2, 2, 2\) and \(2, 2, 2\)"),
    (
        lambda: measure(lambda p, t: p, np.ones(2), np.ones(2)),
        mg.ShapeError,
        r"shape \(2,\), one number is due: take",
    ),
    (lambda: measure(lambda p, t: "x", np.ones(2), np.ones(2)), TypeError, "metric 'metric' gave 'x', a real number"),
    (lambda: measure(lambda p, t: None, np.ones(2), np.ones(2)), TypeError, "gave None, a real number is due"),
    (lambda: measure(lambda p, t: np.array(1j), np.ones(2), np.ones(2)), TypeError, "a real number is due"),
    (lambda: measure(lambda p, t: np.complex64(1), np.ones(2), np.ones(2)), TypeError, "a real number is due"),
    (lambda: measure(bias, 1.0, 1.0), mg.ShapeError, "the prediction needs a first axis, the rows; got a Tensor"),
    (lambda: Metric().statistics(mg.tensor(1.0), mg.tensor(1.0)), NotImplementedError, "Metric has no statistics"),
    (lambda: Metric().value(np.ones(1)), NotImplementedError, "Metric has no value"),
    (
        lambda: sums_of("f1", [(np.ones((2, 3)), np.ones(2)), (np.ones((2, 4)), np.ones(2))]),
        mg.ShapeError,
        "metric 'f1': this batch has 17 sums, those before had 10; the number of classes or columns must stay",
    ),
    (
        lambda: sums_of(["f1", "mse"], []).load_state_dict({"f1": np.ones(5)}, "cpu"),
        ValueError,
        "sums of the metrics f1, mse are due, got those of f1",
    ),
    (lambda: sums_of("mse", []).load_state_dict([1.0], "cpu"), ValueError, r"mse are due, got \[1.0\]"),  # type: ignore[arg-type]
    (
        lambda: sums_of("mse", []).load_state_dict({"mse": np.ones(2, np.float32)}, "cpu"),
        ValueError,
        "the sums of metric 'mse' must be a 1-d float64 NumPy array, got array",
    ),
]


@pytest.mark.parametrize(("call", "kind", "message"), ERRORS, ids=[e[2] for e in ERRORS])
def test_errors(call: Any, kind: Any, message: str) -> None:
    with pytest.raises(kind, match=message):
        call()
