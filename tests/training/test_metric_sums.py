"""Sums of metrics over batches: a user's functions, names, resuming, and a stand-in for a device."""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from metric_tools import CLASSIFICATION, REGRESSION, Worst, bias, split, sums_of

import minigrad as mg
from minigrad.backend import device as devices
from minigrad.training.metrics import METRICS, FunctionMetric, MetricSums, resolve_metrics


@pytest.mark.parametrize(
    "convert", [lambda v: v, lambda v: v.item(), lambda v: v.data, lambda v: v.reshape((1,)), lambda v: np.float32(v)]
)
def test_a_function_is_averaged_over_rows(convert: Callable[[Any], Any]) -> None:
    sums = MetricSums(resolve_metrics(lambda p, t: convert(bias(p, t))))
    w = mg.tensor(np.arange(5.0), requires_grad=True)
    sums.add(w[:2] * 1.0, mg.tensor(np.zeros(2)))
    sums.add(w[2:] * 1.0, mg.tensor(np.ones(3)))
    assert sums.values() == {"metric": pytest.approx((0 + 1 + 1 + 2 + 3) / 5)}


def test_no_graph_is_built_nor_kept() -> None:
    seen: list[Any] = []

    def spread(prediction: Any, target: Any) -> Any:
        seen.append((prediction * prediction).mean())
        return seen[-1]

    sums = MetricSums(resolve_metrics([spread, "mse"]))
    w = mg.tensor(np.ones(3), requires_grad=True)
    loss = w * 2.0
    sums.add(loss, mg.tensor(np.zeros(3)))
    assert not seen[0].requires_grad
    assert sums.values() == {"spread": 4.0, "mse": 4.0}
    loss.sum().backward()
    assert np.array_equal(w.grad.data, [2.0, 2.0, 2.0])


def test_a_metric_of_ones_own() -> None:
    target = np.zeros(6)
    sums = sums_of(Worst(), split(np.array([1.0, -5.0, 2.0, 3.0, 0.0, 4.0]), target, [2, 3]))
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
def test_resume_is_bitwise(cut: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    names = [*REGRESSION, bias]
    batches = [tuple(rng.standard_normal((2, n, 2)) + 1e3) for n in (3, 1, 4, 2)]
    straight = sums_of(names, batches)
    first = sums_of(names, batches[:cut])
    state = first.state_dict()
    assert all(v.dtype == np.float64 and v.ndim == 1 for v in state.values())
    state = {k: np.array(v) for k, v in json.loads(json.dumps({k: v.tolist() for k, v in state.items()})).items()}
    second = sums_of(names, batches[:1])  # what was there before is forgotten
    second.load_state_dict(state, "cpu")
    for sums in (first, second):
        for p, t in batches[cut:]:
            sums.add(mg.tensor(p), mg.tensor(t))
        assert sums.values() == straight.values()
    for array in state.values():
        array[...] = 0  # neither side shares memory with the state
    assert second.values() == straight.values()


def test_nothing_added_is_nan_and_reset_forgets() -> None:
    sums = MetricSums(resolve_metrics(["mse", "accuracy"]))
    for _ in range(2):
        assert all(math.isnan(v) for v in sums.values().values())
        assert list(sums.values()) == ["mse", "accuracy"]
        assert sums.state_dict() == {}
        sums.add(mg.tensor([1.0, -1.0]), mg.tensor([1.0, 0.0]))
        sums.add(mg.tensor(np.ones((0, 7))), mg.tensor([1.0]))  # no rows: nothing
        assert sums.values() == {"mse": 0.5, "accuracy": 1.0}
        sums.reset()
    empty = MetricSums([])
    empty.add(mg.tensor([1.0]), mg.tensor([1.0]))
    assert (empty.values(), empty.state_dict()) == ({}, {})
    for name, metric in METRICS.items():
        rows = np.ones((0, 3) if name in CLASSIFICATION else 0)
        assert math.isnan(metric.value(metric.statistics(mg.tensor(rows), mg.tensor(np.ones(0)))))


def test_an_error_leaves_every_sum_as_it_was() -> None:
    sums = sums_of(["mae", "accuracy"], [(np.array([1.0, 2.0]), np.array([1.0, 0.0]))])
    before = sums.values()
    with pytest.raises(mg.ShapeError):
        sums.add(mg.tensor(np.ones((2, 2))), mg.tensor(np.ones((2, 2))))  # mae could take it
    assert sums.values() == before


class DeviceArray(np.ndarray):
    """An array of a stand-in for a device: it mixes with no host array, and counts who looks at its values."""

    reads = 0

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        out = kwargs.get("out", ())
        if any(type(x) is np.ndarray and x.ndim for x in (*inputs, *out)):
            raise TypeError(f"Unsupported type {np.ndarray}")
        plain = [x.view(np.ndarray) if isinstance(x, DeviceArray) else x for x in inputs]
        if out:
            kwargs["out"] = tuple(o.view(np.ndarray) for o in out)
        result = getattr(ufunc, method)(*plain, **kwargs)
        return out[0] if out else np.asarray(result).view(DeviceArray)

    def _read(self) -> Any:
        DeviceArray.reads += 1
        return self.view(np.ndarray)

    def __bool__(self) -> bool:
        return bool(self._read())

    def __float__(self) -> float:
        return float(self._read())

    def __int__(self) -> int:
        return int(self._read())

    def item(self, *args: Any) -> Any:
        return self._read().item(*args)

    def tolist(self) -> Any:
        return self._read().tolist()


class DeviceModule:
    def __getattr__(self, name: str) -> Any:
        function = getattr(np, name)
        if name == "bincount":
            raise AssertionError("bincount waits for the device")
        if not callable(function) or isinstance(function, (type, np.ufunc)):
            return function
        return lambda *args, **kwargs: np.asarray(function(*args, **kwargs)).view(DeviceArray)


class DeviceProvider:
    xp: Any = DeviceModule()
    array_type: Any = DeviceArray

    def labels(self) -> tuple[str, ...]:
        return ("cuda:0",)

    def device_of(self, array: Any) -> str:
        return "cuda:0"

    def from_host(self, array: np.ndarray, device: str) -> Any:
        return array.copy().view(DeviceArray)

    def to_host(self, array: Any) -> np.ndarray:
        return np.array(array._read())

    def zeros(self, shape: tuple[int, ...], dtype: Any, device: str) -> Any:
        return np.zeros(shape, dtype).view(DeviceArray)

    def scope(self, device: str) -> Any:
        return nullcontext()

    def erf(self, x: Any) -> Any:
        return devices.HOST.erf(x.view(np.ndarray)).view(DeviceArray)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> str:
    for name in ("_accelerator", "_reason", "_probed"):
        monkeypatch.setattr(devices, name, getattr(devices, name))  # restored afterwards
    devices.install(DeviceProvider())
    DeviceArray.reads = 0
    return "cuda:0"


@pytest.mark.parametrize("names", [CLASSIFICATION, [*REGRESSION, bias]], ids=["classes", "numbers"])
def test_sums_stay_on_the_device(device: str, names: Any) -> None:
    rng = np.random.default_rng(0)
    batches = []
    for n in (4, 1, 6):
        if names is CLASSIFICATION:
            batches.append((rng.standard_normal((n, 3)), rng.integers(0, 3, n).astype(np.uint8)))
        else:
            batches.append((rng.standard_normal(n), rng.standard_normal((n, 1))))
    if names is not CLASSIFICATION:
        batches = [(p, t[:, 0]) for p, t in batches]
    sums = MetricSums(resolve_metrics(names))
    moved = [[mg.tensor(x, device=device) for x in pair] for pair in batches]
    for metric in sums.metrics:
        assert isinstance(metric.statistics(*moved[0]), DeviceArray)
    for pair in moved[:2]:
        sums.add(*pair)
    assert DeviceArray.reads == 0
    state = sums.state_dict()
    assert {type(v) for v in state.values()} == {np.ndarray}
    DeviceArray.reads = 0
    resumed = MetricSums(resolve_metrics(names))
    resumed.load_state_dict(state, device)
    for each in (sums, resumed):
        each.add(*moved[2])
    assert DeviceArray.reads == 0
    values = sums.values()
    assert DeviceArray.reads == len(sums.metrics)
    assert values == resumed.values() == pytest.approx(sums_of(names, batches).values(), rel=1e-12)


def test_a_function_may_answer_from_the_host(device: str) -> None:
    sums = MetricSums(resolve_metrics([lambda p, t: 0.5, lambda p, t: np.array(0.25), lambda p, t: np.float32(2)]))
    sums.add(mg.tensor(np.ones(3), device=device), mg.tensor(np.ones(3), device=device))
    assert sums.values() == {"metric1": 0.5, "metric2": 0.25, "metric3": 2.0}


def test_mixed_devices(device: str) -> None:
    here, there = mg.tensor(np.ones(2)), mg.tensor(np.ones(2), device=device)
    for name in METRICS:
        with pytest.raises(mg.DeviceError, match=f"{name}: operands on different devices, cuda:0 and cpu"):
            METRICS[name].statistics(there, here)
    sums = MetricSums(resolve_metrics("mse"))
    sums.add(here, here)
    with pytest.raises(mg.DeviceError, match="metric 'mse': operands on different devices, cpu and cuda:0"):
        sums.add(there, there)
