"""Sums of metrics over batches: a user's functions, names, resuming, and what stays on a device."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metric_tools import CLASSIFICATION, REGRESSION, Worst, bias, split, sums_of
from on_device import host
from strict_provider import StrictProvider

import minigrad as mg
from minigrad.training.metrics import METRICS, FunctionMetric, MetricSums, resolve_metrics


@pytest.mark.parametrize(
    "convert",
    [lambda v: v, lambda v: v.item(), lambda v: v.data, lambda v: v.reshape((1,)), lambda v: np.float32(v.item())],
)
def test_a_function_is_averaged_over_rows(convert: Callable[[Any], Any], device: str) -> None:
    sums = MetricSums(resolve_metrics(lambda p, t: convert(bias(p, t))))
    w = mg.tensor(np.arange(5.0), device=device, requires_grad=True)
    sums.add(w[:2] * 1.0, mg.tensor(np.zeros(2), device=device))
    sums.add(w[2:] * 1.0, mg.tensor(np.ones(3), device=device))
    assert sums.values() == {"metric": pytest.approx((0 + 1 + 1 + 2 + 3) / 5)}


def test_no_graph_is_built_nor_kept(device: str) -> None:
    seen: list[Any] = []

    def spread(prediction: Any, target: Any) -> Any:
        seen.append((prediction * prediction).mean())
        return seen[-1]

    sums = MetricSums(resolve_metrics([spread, "mse"]))
    w = mg.tensor(np.ones(3), device=device, requires_grad=True)
    loss = w * 2.0
    sums.add(loss, mg.tensor(np.zeros(3), device=device))
    assert not seen[0].requires_grad
    assert sums.values() == {"spread": 4.0, "mse": 4.0}
    loss.sum().backward()
    assert np.array_equal(host(w.grad), [2.0, 2.0, 2.0])


def test_a_metric_of_ones_own(device: str) -> None:
    target = np.zeros(6)
    sums = sums_of(Worst(), split(np.array([1.0, -5.0, 2.0, 3.0, 0.0, 4.0]), target, [2, 3]), device)
    assert sums.values() == {"worst": 5.0}
    assert repr(Worst()) == "Worst('worst')"


def test_names() -> None:
    def names(metrics: Any) -> list[str]:
        return [m.name for m in resolve_metrics(metrics)]

    assert names(None) == names(()) == names({}) == []
    assert names("mse") == names(METRICS["mse"]) == ["mse"]
    assert names(bias) == ["bias"]
    assert names(["accuracy", bias, Worst()]) == ["accuracy", "bias", "worst"]
    assert names(lambda p, t: 0) == names([functools.partial(bias)]) == ["metric"]
    assert names([lambda p, t: 0, "f1", lambda p, t: 1]) == ["metric1", "f1", "metric2"]
    assert names({"hits": "accuracy", "off": bias, "misses": "accuracy"}) == ["hits", "off", "misses"]
    assert METRICS["accuracy"].name == "accuracy"
    own = [FunctionMetric(bias, "metric"), "mae"]
    assert resolve_metrics(resolve_metrics(own))[0] is own[0]
    assert FunctionMetric(bias, larger_is_better=True).larger_is_better
    assert not resolve_metrics(bias)[0].larger_is_better


@given(cut=st.integers(0, 4), seed=st.integers(0, 99))
def test_resume_is_bitwise(cut: int, seed: int, device: str) -> None:
    rng = np.random.default_rng(seed)
    names = [*REGRESSION, bias]
    batches = [tuple(rng.standard_normal((2, n, 2)) + 1e3) for n in (3, 1, 4, 2)]
    straight = sums_of(names, batches, device)
    first = sums_of(names, batches[:cut], device)
    state = first.state_dict()
    assert all(v.dtype == np.float64 and v.ndim == 1 for v in state.values())
    state = {k: np.array(v) for k, v in json.loads(json.dumps({k: v.tolist() for k, v in state.items()})).items()}
    second = sums_of(names, batches[:1], device)  # what was there before is forgotten
    second.load_state_dict(state, device)
    for sums in (first, second):
        for p, t in batches[cut:]:
            sums.add(mg.tensor(p, device=device), mg.tensor(t, device=device))
        assert sums.values() == straight.values()
    for array in state.values():
        array[...] = 0  # neither side shares memory with the state
    assert second.values() == straight.values()


def test_nothing_added_is_nan_and_reset_forgets(device: str) -> None:
    def put(values: Any) -> mg.Tensor:
        return mg.tensor(values, device=device)

    sums = MetricSums(resolve_metrics(["mse", "accuracy"]))
    for _ in range(2):
        assert all(math.isnan(v) for v in sums.values().values())
        assert list(sums.values()) == ["mse", "accuracy"]
        assert sums.state_dict() == {}
        sums.add(put([1.0, -1.0]), put([1.0, 0.0]))
        sums.add(put(np.ones((0, 7))), put([1.0]))  # no rows: nothing
        assert sums.values() == {"mse": 0.5, "accuracy": 1.0}
        sums.reset()
    empty = MetricSums([])
    empty.add(put([1.0]), put([1.0]))
    assert (empty.values(), empty.state_dict()) == ({}, {})
    for name, metric in METRICS.items():
        rows = np.ones((0, 3) if name in CLASSIFICATION else 0)
        assert math.isnan(metric.value(host(metric.statistics(put(rows), put(np.ones(0))))))


def test_an_error_leaves_every_sum_as_it_was(device: str) -> None:
    sums = sums_of(["mae", "accuracy"], [(np.array([1.0, 2.0]), np.array([1.0, 0.0]))], device)
    before = sums.values()
    square = mg.tensor(np.ones((2, 2)), device=device)
    with pytest.raises(mg.ShapeError):
        sums.add(square, square)  # mae could take it
    assert sums.values() == before


@pytest.mark.parametrize("names", [CLASSIFICATION, [*REGRESSION, bias]], ids=["classes", "numbers"])
def test_sums_stay_on_the_device(strict: StrictProvider, names: Any) -> None:
    """Nothing is read before the values, and then one array a metric."""
    rng = np.random.default_rng(0)
    batches = []
    for n in (4, 1, 6):
        if names is CLASSIFICATION:
            batches.append((rng.standard_normal((n, 3)), rng.integers(0, 3, n).astype(np.uint8)))
        else:
            batches.append((rng.standard_normal(n), rng.standard_normal(n)))
    sums = MetricSums(resolve_metrics(names))
    moved = [[mg.tensor(x, device="cuda") for x in pair] for pair in batches]
    with strict.machine.no_sync():
        for metric in sums.metrics:
            assert isinstance(metric.statistics(*moved[0]), strict.array_type)
        for pair in moved[:2]:
            sums.add(*pair)
    state = sums.state_dict()
    assert {type(v) for v in state.values()} == {np.ndarray}
    resumed = MetricSums(resolve_metrics(names))
    with strict.machine.no_sync():
        resumed.load_state_dict(state, "cuda:0")
        for each in (sums, resumed):
            each.add(*moved[2])
    strict.machine.reset()
    values = sums.values()
    assert len(strict.machine.tally.syncs) == len(sums.metrics)
    assert values == resumed.values() == pytest.approx(sums_of(names, batches).values(), rel=1e-12)


def test_a_function_may_answer_from_the_host(device: str) -> None:
    sums = MetricSums(resolve_metrics([lambda p, t: 0.5, lambda p, t: np.array(0.25), lambda p, t: np.float32(2)]))
    sums.add(mg.tensor(np.ones(3), device=device), mg.tensor(np.ones(3), device=device))
    assert sums.values() == {"metric1": 0.5, "metric2": 0.25, "metric3": 2.0}


def test_mixed_devices(strict: StrictProvider) -> None:
    here, there = mg.tensor(np.ones(2)), mg.tensor(np.ones(2), device="cuda")
    for name in METRICS:
        with pytest.raises(mg.DeviceError, match=f"{name}: operands on different devices, cuda:0 and cpu"):
            METRICS[name].statistics(there, here)
    sums = MetricSums(resolve_metrics("mse"))
    sums.add(here, here)
    with pytest.raises(mg.DeviceError, match="metric 'mse': operands on different devices, cpu and cuda:0"):
        sums.add(there, there)
