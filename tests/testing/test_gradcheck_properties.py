"""gradcheck over random programs: right ones give no alarm, one wrong rule anywhere does; and what a check costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.testing import Verdict, WrongGradientError, gradcheck
from minigrad.testing.gradients import gradients_of
from minigrad.testing.oracles import ORACLES

STEPS: dict[str, Callable[[Any], Any]] = {
    "tanh": mg.tanh,
    "sin": mg.sin,
    "arctan": mg.arctan,
    "square": lambda x: x * x,
    "root": lambda x: mg.sqrt(1 + x * x),
    "logarithm": lambda x: mg.log1p(x * x),
    "ratio": lambda x: 1 / (1.5 + mg.cos(x)),
    "centred": lambda x: x - mg.mean(x),
    "times its sum": lambda x: x * mg.sum(x) / 4,
    "softmax": lambda x: mg.exp(x) / mg.sum(mg.exp(x)),
    "cancelled": lambda x: (x + 100.0) - 100.0,
}
seeds = st.integers(0, 2**32 - 1)
programs = st.lists(st.sampled_from(sorted(STEPS)), min_size=1, max_size=5)


def program(names: list[str], extra: Any = None, place: int = 0) -> Callable[..., Any]:
    """Steps after one another, with a second argument mixed in; and one more operation at some place."""

    def f(x: Any, y: Any) -> Any:
        for k, name in enumerate(names):
            if extra is not None and k == place % len(names):
                x = extra(x)
            x = mg.tanh(STEPS[name](x)) + (x * y, y, 0.5 * y * y)[k % 3]
        return x

    return f


def points(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    shape = tuple(rng.integers(1, 4, size=rng.integers(0, 3)))
    return rng.uniform(-2, 2, shape), rng.uniform(-2, 2, shape)


@given(names=programs, seed=seeds, entries=st.booleans(), oracle=st.sampled_from(sorted(ORACLES)))
def test_right_programs_give_no_alarm(names: list[str], seed: int, entries: bool, oracle: str) -> None:
    report = gradcheck(
        program(names), *points(seed), max_entries=24 if entries else 0, directions=1, oracle=oracle, seed=seed % 1000
    )
    assert report.verdict is Verdict.OK
    assert report.worst < 1


@given(names=programs, seed=seeds, dtype=st.sampled_from(["float32", "float16"]))
def test_right_programs_give_no_alarm_in_low_precision(names: list[str], seed: int, dtype: str) -> None:
    xs = [x.astype(dtype) for x in points(seed)]
    allow = "noisy" if dtype == "float16" else ()
    verdict = gradcheck(program(names), *xs, directions=1, order=1, allow=allow).verdict
    assert verdict is Verdict.OK or dtype == "float16"


@given(
    names=programs,
    seed=seeds,
    place=st.integers(0, 4),
    relative=st.sampled_from([1e-3, -1e-3, -2.0]),
    entries=st.booleans(),
)
def test_one_wrong_rule_anywhere_is_found(
    names: list[str], seed: int, place: int, relative: float, entries: bool
) -> None:
    x, y = points(seed)
    factor = np.array(1.0 + relative)
    fault = mg.Op("fault", lambda xp, x: x * 1.0, saves=()).defvjp(lambda g, out, x: g * factor)
    f = program(names, fault, place)
    right, wrong = gradients_of(program(names), x, y), gradients_of(f, x, y)
    scale = max(np.abs(a).max(initial=0.0) for a in right)
    assume(any(np.abs(a - b).max(initial=0.0) > 1e-6 * scale for a, b in zip(right, wrong, strict=True)))
    with pytest.raises(WrongGradientError) as caught:
        gradcheck(f, x, y, max_entries=24 if entries else 0, seed=seed % 1000)
    failing = caught.value.report.failing
    assert failing is not None
    if place % len(names) == 0:
        assert failing.position == 0, "y does not go through the fault"
    assert failing.index is not None


@given(seed=seeds, large=st.booleans())
def test_the_entry_with_the_fault_is_named(seed: int, large: bool) -> None:
    rng = np.random.default_rng(seed)
    x = rng.uniform(0.5, 2, 300 if large else 6)
    index = int(rng.integers(len(x)))
    mask = np.ones(len(x))
    mask[index] += rng.choice([-1e-3, 1e-3, 1.0])
    op = mg.Op("planted", lambda xp, x: xp.exp(x), saves=("out",)).defvjp(lambda g, out, x: g * out * mask)
    with pytest.raises(WrongGradientError) as caught:
        gradcheck(lambda x: mg.sin(op(x)) * x, x, seed=seed % 1000, order=1)
    failing = caught.value.report.failing
    assert failing is not None
    assert failing.index == (index,)


@given(seed=seeds)
def test_the_same_seed_gives_the_same_report(seed: int) -> None:
    x, y = points(seed)
    f = program(["tanh", "ratio"])
    assert str(gradcheck(f, x, y, seed=seed).as_dict()) == str(gradcheck(f, x, y, seed=seed).as_dict())


@pytest.mark.parametrize("order", [1, 2])
def test_a_check_of_20_operations_on_64_elements_is_quick(order: int) -> None:
    def f(x: Any) -> Any:
        for _ in range(4):
            x = mg.tanh(x * 1.1 + 0.1) * mg.sin(x)
        return x

    x = np.linspace(-1.5, 1.5, 64).reshape(8, 8)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        gradcheck(f, x, order=order)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.05
