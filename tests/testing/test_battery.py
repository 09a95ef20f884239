"""The battery passes what is right, and each check catches the fault that is its own."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

import minigrad as mg
from minigrad.errors import GradientError
from minigrad.testing import OpSpec, given_op, parametrize_ops, strategies
from minigrad.testing.battery import CHECKS, BatteryError, Check, checks_of, run_battery
from minigrad.testing.cases import Case, case_of
from minigrad.testing.op_tests import named, together

cube = mg.Op("cube", lambda xp, x: x * x * x, saves=(0,)).defvjp(lambda g, out, x: g * 3.0 * x * x)
CUBE = OpSpec("cube", cube, lambda x: x**3, batched=(0,))
TIMES = OpSpec("times", mg.multiply, np.multiply, 2, broadcasts=True)
DENSE = OpSpec(
    "dense", lambda x, w: mg.tanh(x @ w), lambda x, w: np.tanh(x @ w), 2,
    shapes=(((4, 3), (3, 2)), ((2, 1), (1, 1)), ((3, 2), (2, 2))), batched=(0,),
)  # fmt: skip
MORE = OpSpec("more", lambda x, y: x > y, np.greater, 2, order=0, broadcasts=True)
CUBE_BESIDE_TORCH = replace(CUBE, torch=lambda x: x**3)
RELU = OpSpec("relu", mg.relu, lambda x: np.maximum(x, 0), kinks=(0.0,))
ROWS = [CUBE, TIMES, DENSE, MORE, RELU]


@parametrize_ops(ROWS)
def test_right_rows_pass(row: OpSpec, check: Any, device: str) -> None:
    check(row, device, max_examples=8)


@given_op(CUBE, max_examples=5)
def test_a_decorated_test_gets_the_case(case: Any, device: str) -> None:
    assert case.row is CUBE
    assert case.device == device


def test_without_hypothesis_or_pytest_it_is_a_function() -> None:
    for row in ROWS:
        run_battery(row, seeds=range(4))


def test_the_checks_that_a_row_promises() -> None:
    def names(row: OpSpec) -> list[str]:
        return [check.name for check in checks_of(row)]

    assert "untracked" in names(MORE)
    assert "gradients" not in names(MORE)
    assert "batch" not in names(TIMES)
    assert "nonfinite" not in names(replace(CUBE, waived={"nonfinite": "a reason"}))
    with pytest.raises(ValueError, match=r"waives 'valve'; checks are value, unmodified"):
        checks_of(replace(CUBE, waived={"valve": ""}))
    with pytest.raises(ValueError, match="no check is called 'speed'"):
        parametrize_ops(ROWS, checks=["speed"])
    with pytest.raises(ValueError, match="two rows are called 'cube'"):
        parametrize_ops([CUBE, CUBE])
    with pytest.raises(ValueError, match="must name arguments below 1"):
        replace(CUBE, batched=(1,))


def op(rule: Any = lambda g, out, x: g * 3.0 * x * x, forward: Any = lambda xp, x: x * x * x) -> mg.Op:
    return mg.Op("planted", forward).defvjp(rule)


def raw(x: Any) -> Any:
    return x.data if isinstance(x, mg.Tensor) else x


def raw_rule_wrong() -> mg.Op:
    return op().def_raw_vjp(lambda dest, needs, g, out, residual, x: (g * 3.003 * x * x,))


def stale() -> mg.Op:
    def rule(dest: Any, needs: Any, g: Any, out: Any, residual: Any, x: Any) -> Any:
        if dest[0] is None:
            return (g * 3.0 * x * x,)
        array, _ = dest[0]
        array += g * 3.0 * x * x  # as if what lies there always counted
        return (None,)

    return op().def_raw_vjp(rule)


def writes(xp: Any, x: Any) -> Any:
    if x.flags.writeable:
        x[...] = x * 1.0 + 1.0
    return x * x * x


def strided(xp: Any, x: Any) -> Any:
    return x * x * x + (0.0 if x.flags.c_contiguous else 1.0)


def without_nan(xp: Any, x: Any) -> Any:
    return xp.where(xp.isnan(x), xp.zeros_like(x), x * x * x)


def finite_only(xp: Any, x: Any) -> Any:
    if not xp.isfinite(x).all():
        raise ValueError("finite numbers only")
    return x * x * x


def normed(xp: Any, x: Any) -> Any:
    return x * x * x / max(len(x), 1) if x.ndim else x * x * x


def promoted(xp: Any, x: Any) -> Any:
    return (x * x * x).astype(np.float64)


FAULTS = {
    "value": op(forward=lambda xp, x: x * x * x + 0.001),
    "value ": op(forward=promoted),
    "unmodified": op(forward=writes),
    "gradients": op(lambda g, out, x: g * 3.003 * x * x),
    "gradients ": op(lambda g, out, x: g * mg.tensor(3.0 * raw(x) ** 2).data),  # no second derivative
    "paths": raw_rule_wrong(),
    "paths ": stale(),
    "layouts": op(forward=strided),
    "batch": op(forward=normed),
    "nonfinite": op(forward=without_nan),
    "nonfinite ": op(forward=finite_only),
}


@pytest.mark.parametrize("name", FAULTS)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_a_planted_fault_is_caught_by_its_check(name: str) -> None:
    row = OpSpec(name.strip(), FAULTS[name], lambda x: x**3, shapes=(((3, 2),), ((4,),), ((1, 3),)), batched=(0,))
    (check,) = [check for check in CHECKS if check.name == name.strip()]
    with pytest.raises((BatteryError, GradientError)) as caught:
        check(row, max_examples=25)
    assert str(caught.value)


def test_the_counterexample_is_small_and_says_what_differs() -> None:
    row = OpSpec("cube", op(forward=lambda xp, x: xp.where(x > 1.5, x * x, x * x * x)), lambda x: x**3)
    (value,) = [check for check in CHECKS if check.name == "value"]
    with pytest.raises(BatteryError, match=r"cube: the value is .* is due, to 1e-12\n  cube\(float64") as caught:
        value(row, max_examples=100)
    assert len(str(caught.value)) < 300


@parametrize_ops(ROWS, split=False)
def test_all_checks_of_a_row_in_one_test(row: OpSpec, check: Any, device: str) -> None:
    check(row, device, max_examples=2)


def test_together_the_checks_run_in_their_order_on_one_case() -> None:
    seen: list[tuple[str, int]] = []
    noting = [Check(name, lambda case, name=name: seen.append((name, id(case))), lambda row: True) for name in "ab"]
    together(noting)(CUBE, max_examples=5)
    assert [name for name, _ in seen] == ["a", "b"] * 5
    assert all(first[1] == second[1] for first, second in zip(seen[::2], seen[1::2], strict=True))


def test_a_fault_is_caught_by_all_checks_together() -> None:
    row = replace(CUBE, fn=FAULTS["gradients"])
    with pytest.raises((BatteryError, GradientError)):
        together(named(row, None))(row, max_examples=10)


@pytest.mark.parametrize("profile", [{"derandomize": True}, {}])
def test_rows_whose_parameters_fit_few_shapes_find_cases(profile: dict[str, Any]) -> None:
    """The first examples that hypothesis tries are small: here none of them has parameters."""
    row = replace(CUBE, fn=lambda x, axis: cube(x), reference=lambda x, axis: x**3,
                  params=lambda s: [{"axis": 1}] if len(s) == 2 and s[0] > 1 else [])  # fmt: skip
    seen = []

    @settings(max_examples=20, database=None, **profile)
    @given(case=strategies.op_cases(row))
    def look(case: Case) -> None:
        seen.append(case.arrays[0].shape)

    look()
    assert len(seen) >= 20
    assert all(len(shape) == 2 and shape[0] > 1 for shape in seen)


@pytest.mark.parametrize("profile", [{"derandomize": True}, {}])
@pytest.mark.parametrize("row", [CUBE, TIMES], ids=repr)
def test_most_cases_have_elements_and_shapes_differ(row: OpSpec, profile: dict[str, Any]) -> None:
    """An empty array proves nothing, and an array of one element little."""
    seen = []

    @settings(max_examples=120, database=None, **profile)
    @given(case=strategies.op_cases(row))
    def look(case: Case) -> None:
        seen.append(tuple(a.shape for a in case.arrays))

    look()
    sizes = [math.prod(np.broadcast_shapes(*shapes)) for shapes in seen]
    assert sum(size > 1 for size in sizes) > 60
    assert 0 < sizes.count(0) < 40
    assert len(set(seen)) > 15
    assert row is CUBE or sum(len(set(shapes)) > 1 for shapes in seen) > 20


def test_a_row_whose_parameters_fit_nothing_says_so() -> None:
    row = replace(CUBE, params=lambda s: [])
    with pytest.raises(ValueError, match="OpSpec cube: no parameters fit any of its shapes"):
        together([])(row, max_examples=1)


def test_a_row_of_the_cpu_alone_is_refused_on_a_device(strict: Any) -> None:
    row = replace(CUBE, host_only="it calls SciPy")
    together(named(row, ["value"]))(row, max_examples=2)
    with pytest.raises(ValueError, match=r"cube: host_only \(it calls SciPy\), and the test wants it on cuda:0"):
        together(named(row, ["value"]))(row, "cuda:0", max_examples=2)


@pytest.mark.torch
@pytest.mark.parametrize("wrong", ["value", "gradient", "outputs"])
def test_the_check_beside_torch_sees_another_value_or_gradient(wrong: str) -> None:
    forms: dict[str, Any] = {
        "value": lambda x: x**3 + 1e-9, "gradient": lambda x: x.detach() ** 2 * x, "outputs": lambda x: (x**3, x),
    }  # fmt: skip
    together(named(CUBE_BESIDE_TORCH, ["torch"]))(CUBE_BESIDE_TORCH, max_examples=5)
    row = replace(CUBE, torch=forms[wrong])
    says = {"value": "the value, against PyTorch's", "gradient": "the gradient of argument 0, against PyTorch's",
            "outputs": "has 1 outputs, PyTorch 2"}  # fmt: skip
    with pytest.raises(BatteryError, match=says[wrong]):
        together(named(row, ["torch"]))(row, max_examples=10)


def test_without_torch_its_check_is_left_out_and_the_test_of_it_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("minigrad.testing.battery.find_spec", lambda name: None)
    assert "torch" not in {check.name for check in checks_of(CUBE_BESIDE_TORCH)}
    run_battery(CUBE_BESIDE_TORCH, seeds=[1])
    mark = parametrize_ops([CUBE_BESIDE_TORCH], checks=["torch"])
    ((skip,),) = [param.marks for param in mark.args[1]]
    assert skip.args == (True,)
    assert skip.kwargs == {"reason": "torch is not installed"}
    assert not parametrize_ops([CUBE_BESIDE_TORCH], checks=["torch"], split=False).args[1]


def test_rows_without_gradient_must_be_untracked() -> None:
    row = OpSpec("exp", mg.exp, np.exp, order=0)
    with pytest.raises(BatteryError, match="has order=0, and yet a tracked output"):
        next(check for check in CHECKS if check.name == "untracked").run(case_of(row, 1))
