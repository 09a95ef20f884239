"""Every oracle: right where it should be, not fooled by a wrong rule, and honest about what it cannot judge."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from on_device import put

import minigrad as mg
from minigrad.nn import functional as F
from minigrad.testing import (
    Differences,
    FixedStep,
    InconclusiveError,
    Oracle,
    Outcome,
    Taylor,
    Verdict,
    WeightDifference,
    WrongGradientError,
    gradcheck,
    step_size_table,
)
from minigrad.testing.oracles import ORACLES, central_differences, weight_differences

X = np.array([[0.5, -1.25, 1.75], [1.5, 0.25, -0.75]])
NAMES = tuple(ORACLES)
REAL = tuple(name for name in NAMES if name != "complex_step")


def layer(x: Any, w: Any) -> Any:
    return mg.tanh(x @ w) / (1 + mg.exp(x @ w * 0.5))


def wrong_cube(factor: float) -> Any:
    op = mg.Op("planted", lambda xp, x: x * x * x, saves=(0,))
    return op.defvjp(lambda g, out, x: g * (3 * x * x) * (1 + factor))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("max_entries", [24, 0], ids=["entries", "directions"])
def test_right_gradients_pass(name: str, max_entries: int, device: str) -> None:
    if name == "complex_step" and device != "cpu":
        pytest.skip("complex arrays are for NumPy")
    report = gradcheck(layer, put(X, device), put(X.T.copy(), device), oracle=name, max_entries=max_entries)
    assert report.verdict is Verdict.OK
    assert report.worst < 0.5
    assert {f.oracle for f in report.findings if f.order == 1} == {name}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("factor", [1e-1, -1e-3, 1e-5, -1e-6])
@pytest.mark.parametrize("max_entries", [24, 0], ids=["entries", "directions"])
def test_wrong_gradients_do_not(name: str, factor: float, max_entries: int) -> None:
    with pytest.raises(WrongGradientError) as caught:
        gradcheck(lambda x: mg.sin(wrong_cube(factor)(x)), X, oracle=name, max_entries=max_entries, order=1)
    failing = caught.value.report.failing
    assert failing is not None
    assert failing.index == (0, 0)
    assert failing.outcome.numeric == pytest.approx(failing.outcome.analytic / (1 + factor), rel=0.1 * abs(factor))


@pytest.mark.parametrize("name", NAMES)
def test_second_orders_are_judged(name: str) -> None:
    """Where an oracle cannot judge them, the differences do, and the report says so."""
    op = mg.Op("planted", lambda xp, x: x * x * x, saves=(0,))
    op.defvjp(lambda g, out, x: g * (3 * x * (x.detach() if isinstance(x, mg.Tensor) else x)))
    with pytest.raises(WrongGradientError, match="order 2") as caught:
        gradcheck(op, X, oracle=name)
    failing = caught.value.report.failing
    assert failing is not None
    assert failing.oracle == ("differences" if name == "complex_step" else name)


@pytest.mark.parametrize("name", NAMES)
def test_kinks_are_seen_under_every_oracle(name: str) -> None:
    x = np.array([0.5, 0.0, -1.5])
    assert gradcheck(F.relu, x, oracle=name, max_entries=0).verdict is Verdict.KINK


@pytest.mark.parametrize("name", NAMES)
def test_outside_the_domain(name: str) -> None:
    with np.errstate(all="ignore"), pytest.raises(InconclusiveError):
        gradcheck(mg.sqrt, np.array([1.0, 0.0]), oracle=name)


# --- complex step ---------------------------------------------------------------------------------------------------


def test_the_complex_step_is_exact_to_rounding() -> None:
    report = gradcheck(layer, X, X.T.copy(), oracle="complex_step", order=1)
    assert max(f.outcome.bar for f in report.findings) < 1e-12
    assert max(abs(f.outcome.analytic - f.outcome.numeric) for f in report.findings) < 1e-13


def only_tensors(x: Any) -> Any:
    if not isinstance(x, mg.Tensor):
        raise TypeError("a Tensor is due")
    return x * x


NOT_ANALYTIC = {
    "abs": lambda x: abs(x) * x,
    "comparison": lambda x: mg.where(x > 0.3, x * x, x * 2),
    "real part": lambda x: (x.real if isinstance(x, np.ndarray) else x) * x,
    "nearly": lambda x: x * x + 1e-4 * abs(x),
    "cast": lambda x: (x.astype(np.float64) if isinstance(x, np.ndarray) else x) * x,
    "no complex arrays": only_tensors,
    "methods of Tensors": lambda x: x.clone() * x,
}


@pytest.mark.parametrize("name", NOT_ANALYTIC)
def test_the_complex_step_says_where_it_cannot_judge(name: str) -> None:
    f = NOT_ANALYTIC[name]
    if name == "comparison":
        assert gradcheck(f, X, oracle="complex_step").verdict is Verdict.OK, "analytic beside each point"
        return
    with pytest.raises(InconclusiveError, match=r"the complex step cannot judge argument 0, entry \(0, 0\)"):
        gradcheck(f, X, oracle="complex_step", order=1)
    assert gradcheck(f, X, oracle="directional", order=1).verdict is Verdict.OK, "differences step in"


# --- the order of the remainder -------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e-8, 1.0, 1e8])
def test_the_remainder_needs_no_step(scale: float) -> None:
    f = lambda x: mg.exp(x / scale) * scale
    assert gradcheck(f, X * scale, oracle="taylor").verdict is Verdict.OK
    wrong = mg.Op("wrong", lambda xp, x: xp.exp(x), saves=("out",)).defvjp(lambda g, out, x: g * out * 1.0001)
    with pytest.raises(WrongGradientError, match="wrong gradient"):
        gradcheck(lambda x: wrong(x / scale) * scale, X * scale, oracle="taylor")


def test_linear_functions_have_no_remainder() -> None:
    assert gradcheck(lambda x: x * 3 + 1, X, oracle=Taylor()).verdict is Verdict.OK


# --- the lecture notes' two -----------------------------------------------------------------------------------------


def loss(w: Any, b: Any) -> Any:
    return mg.mean((mg.tanh(X @ w + b) - 0.25) ** 2)


W, B = np.array([[0.5, -0.25], [1.0, 0.75], [-0.5, 0.25]]), np.array([0.125, -0.5])


def test_the_weight_difference_is_the_gradient() -> None:
    w, b = (mg.tensor(a, requires_grad=True) for a in (W, B))
    loss(w, b).backward()
    for found, leaf in zip(weight_differences(loss, W, B, rate=0.5), (w, b), strict=True):
        assert leaf.grad is not None
        np.testing.assert_allclose(found, leaf.grad.numpy(), rtol=1e-12, atol=1e-15)
    for found, leaf in zip(central_differences(loss, W, B, e=1e-5), (w, b), strict=True):
        np.testing.assert_allclose(found, leaf.grad.numpy(), atol=1e-9)  # type: ignore[union-attr]
    assert np.array_equal(W[0], [0.5, -0.25]), "the caller's weights stay"


def sgd(tensors: list[Any], rate: float) -> None:
    mg.optim.SGD(tensors, lr=rate).step()


def test_the_step_may_be_an_optimizers() -> None:
    for step in (None, sgd):
        report = gradcheck(loss, W, B, oracle=WeightDifference(step=step, rate=0.25))
        assert report.verdict is Verdict.OK


def test_a_step_that_is_wrong_shows_though_the_gradient_is_right() -> None:
    def ascent(tensors: list[Any], rate: float) -> None:
        with mg.no_grad():
            for t in tensors:
                t += rate * t.grad

    with pytest.raises(WrongGradientError):
        gradcheck(loss, W, B, oracle=WeightDifference(step=ascent))
    assert gradcheck(loss, W, B).verdict is Verdict.OK


def test_the_two_methods_against_the_step_size() -> None:
    """The error of the difference falls like e^2, then rounding makes it rise like 1 / e."""
    rows = step_size_table(loss, W, B)
    errors = {row.e: row.difference for row in rows}
    assert errors[1e-2] / errors[1e-3] == pytest.approx(100, rel=0.2)
    assert min(errors.values()) < 1e-9
    assert errors[1e-12] > 100 * min(errors.values())
    wrong = lambda w, b: mg.mean(wrong_cube(1e-3)(X @ w + b))
    floor = min(row.difference for row in step_size_table(wrong, W, B))
    assert 1e-4 < floor < 1e-2, "a wrong gradient is a floor that no step goes below"
    assert all(len(str(row).split()) == 3 for row in rows)


@given(e=st.sampled_from([2.0**-k for k in range(8, 25)]))
def test_a_fixed_step_knows_its_error(e: float) -> None:
    verdict = gradcheck(mg.exp, X, oracle=FixedStep(e), allow="noisy", order=1).verdict
    assert verdict in (Verdict.OK, Verdict.NOISY)
    with pytest.raises((WrongGradientError, InconclusiveError)):
        gradcheck(wrong_cube(1e-2), X, oracle=FixedStep(e), order=1)


# --- an oracle of one's own -----------------------------------------------------------------------------------------


class Known(Oracle):
    """Knows the derivative of x^3."""

    name: ClassVar[str] = "known"
    orders = 1

    def judge(self, line: Any, analytic: float) -> Outcome:
        (x, v), w = (line.level.hosts[0], line.direction[0]), line.weights
        numeric = float(w @ (3 * x * x * v).ravel())
        right = abs(analytic - numeric) <= 1e-12 * abs(numeric)
        return Outcome(Verdict.OK if right else Verdict.WRONG, analytic, numeric, 0.0, 1e-12 * abs(numeric))


def test_an_oracle_of_ones_own() -> None:
    report = gradcheck(wrong_cube(0.0), X, oracle=Known(), order=2)
    assert {f.oracle for f in report.findings} == {"known", "differences"}
    with pytest.raises(WrongGradientError):
        gradcheck(wrong_cube(1e-9), X, oracle=Known(), order=1)
    with pytest.raises(NotImplementedError, match="Oracle: define judge"):
        Oracle().judge(None, 0.0)  # type: ignore[arg-type]


def test_the_rule_itself_is_no_oracle() -> None:
    """<J v, u> = <v, J^T u> holds for any rule when both sides come from it: it must not pass for a proof."""
    op = wrong_cube(0.5)
    u, v = np.ones(X.shape), np.full(X.shape, 0.5)
    _, forward = mg.jvp(op, (X,), (v,))
    _, pull = mg.vjp(op, X)
    assert float((forward * u).sum()) == pytest.approx(float((v * np.asarray(pull(u)).reshape(X.shape)).sum()))
    for name in NAMES:
        with pytest.raises(WrongGradientError):
            gradcheck(op, X, oracle=name)


@pytest.mark.parametrize("oracle", [Differences(), "differences"])
def test_by_name_or_by_instance(oracle: Any) -> None:
    assert gradcheck(mg.tanh, X, oracle=oracle).verdict is Verdict.OK
