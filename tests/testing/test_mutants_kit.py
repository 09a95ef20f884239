"""mutants and power: faults are planted, taken out again, and found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg
from minigrad.core.op import Op
from minigrad.testing import Mutant, Verdict, WrongGradientError, gradcheck, mutants, power, usual_faults
from minigrad.testing.faults import factor, sign_flip, stale_buffer, transposed_jacobian
from minigrad.testing.gradients import gradients_of
from minigrad.testing.oracles import ORACLES

X = np.array([[0.5, -1.25, 1.75], [1.5, 0.25, -0.75], [-0.5, 2.0, 1.25]])
Y = np.array([0.75, 1.25, -0.5])


def product() -> Op:
    op = mg.Op("product", lambda xp, x, y: x * y, saves=(0, 1), broadcasts=True)
    return op.defvjp(lambda g, out, x, y: g * y, lambda g, out, x, y: g * x)


def matrix_product() -> Op:
    op = mg.Op("matrix product", lambda xp, x, y: x @ y, saves=(0, 1))
    return op.defvjp_all(lambda needs, g, out, x, y: (g @ y.T, x.T @ g))


def with_raw_rule() -> Op:
    op = mg.Op("square", lambda xp, x: (x * x, 2 * x), saves=(0,), residual=True)
    op.defvjp_all(lambda needs, g, out, x: (g * (2 * x),))
    return op.def_raw_vjp(lambda dest, needs, g, out, residual, x: (g * residual,))


def by_name(op: Any, **how: Any) -> dict[str, Mutant]:
    return {m.name: m for m in mutants(op, **how)}


def test_every_fault_in_every_rule_is_a_mutant() -> None:
    faults = usual_faults()
    assert [f.name for f in faults] == [
        "sign flip", "factor 1 + 0.001", "factor 1 + 0.01", "missing broadcast sum", "transposed Jacobian",
        "wrong axis", "wrong order", "dropped term", "stale buffer", "second derivative constant",
    ]  # fmt: skip
    found = by_name(product())
    assert len(found) == 2 * len(faults)
    assert "product: sign flip, argument 1" in found
    raw = by_name(with_raw_rule(), faults=[sign_flip(), stale_buffer()])
    assert set(raw) == {
        "square: sign flip, argument 0", "square: sign flip, argument 0, raw rule",
        "square: stale buffer", "square: stale buffer, raw rule",
    }  # fmt: skip


DIFFERS = {
    "product: missing broadcast sum, argument 0": False,
    "product: missing broadcast sum, argument 1": True,
    "product: transposed Jacobian, argument 0": False,
    "product: wrong axis, argument 0": True,
    "product: wrong axis, argument 1": True,
    "product: second derivative constant, argument 0": True,
    "product: dropped term, argument 1": True,
}


@pytest.mark.parametrize("name", DIFFERS)
def test_whether_a_mutant_differs_here(name: str) -> None:
    op = product()
    assert by_name(op)[name].differs(op, X, Y) is DIFFERS[name]


def test_the_second_derivative_alone() -> None:
    op = product()
    mutant = by_name(op)["product: second derivative constant, argument 0"]
    assert not mutant.differs(op, X, Y, order=1)
    with mutant.planted():
        assert gradcheck(op, X, Y, order=1).verdict is Verdict.OK
        with pytest.raises(WrongGradientError, match="order 2"):
            gradcheck(op, X, Y)


def test_a_transposed_jacobian_is_the_other_product() -> None:
    op = matrix_product()
    (first, _) = mutants(op, faults=[transposed_jacobian()])
    with first.planted():
        x, y = mg.tensor(X, requires_grad=True), mg.tensor(X + 1, requires_grad=True)
        op(x, y).backward(np.eye(3) + 1)
    assert x.grad is not None
    assert y.grad is not None
    np.testing.assert_allclose(x.grad.numpy(), (np.eye(3) + 1) @ (X + 1))
    np.testing.assert_allclose(y.grad.numpy(), X.T @ (np.eye(3) + 1))


def test_planting_is_undone_and_copies_leave_the_original_alone() -> None:
    for op, xs in ((product(), (X, Y)), (matrix_product(), (X, X)), (with_raw_rule(), (X,))):
        right = gradients_of(op, *xs)
        for mutant in mutants(op):
            with pytest.raises(KeyError), mutant.planted():
                raise KeyError
            copy = mutant.op
            assert copy.name == op.name
            assert all(np.array_equal(a, b) for a, b in zip(right, gradients_of(op, *xs), strict=True))
            with mutant.planted():
                planted = gradients_of(op, *xs)
            assert all(np.array_equal(a, b) for a, b in zip(planted, gradients_of(copy, *xs), strict=True))


def test_a_function_and_its_rules() -> None:
    def cube(x: np.ndarray) -> np.ndarray:
        return x**3

    found = list(mutants(cube, lambda g, out, x: g * 3 * x * x, faults=[factor(1e-4)]))
    assert [m.name for m in found] == ["cube: factor 1 + 0.0001, argument 0"]
    assert gradcheck(found[0].original, X).verdict is Verdict.OK
    with pytest.raises(WrongGradientError):
        gradcheck(found[0].op, X)
    with pytest.raises(TypeError, match="is no Op; pass one gradient rule per argument"):
        next(mutants(cube))
    with pytest.raises(TypeError, match="has its own rules"):
        next(mutants(product(), lambda g, out, x, y: g))


def test_faults_of_one_dtype() -> None:
    op = product()
    (mutant, _) = mutants(op, faults=[factor(1e-2)], dtype=np.float32)
    assert mutant.name.endswith("only in float32")
    assert not mutant.differs(op, X, Y)
    assert mutant.differs(op, X.astype(np.float32), Y.astype(np.float32))
    with mutant.planted():
        assert gradcheck(op, X, Y).verdict is Verdict.OK
        with pytest.raises(WrongGradientError, match="in float32"):
            gradcheck(op, X.astype(np.float32), Y.astype(np.float32))


def test_library_operations_are_mutated_where_they_are_used() -> None:
    f = lambda x: mg.sum(mg.tanh(x) * x)
    right = gradients_of(f, X)
    for mutant in mutants(mg.tanh, faults=[sign_flip()]):
        with mutant.planted(), pytest.raises(WrongGradientError):
            gradcheck(f, X)
    assert all(np.array_equal(a, b) for a, b in zip(right, gradients_of(f, X), strict=True))


@pytest.mark.parametrize("oracle", ORACLES)
@pytest.mark.parametrize(("make", "xs"), [(product, (X, Y)), (matrix_product, (X, X + 1)), (with_raw_rule, (X,))])
def test_every_oracle_kills_every_mutant(oracle: str, make: Any, xs: Any) -> None:
    op = make()
    report = power(op, *xs, mutants=mutants(op), oracles=(oracle,))
    row = report.rows[oracle]
    assert row.survivors == []
    assert row.inconclusive == 0
    if row.mutants:
        assert row.rate == 1.0
    else:  # the product of raw complex arrays with a residual is none of its business
        assert row.unsupported > 0
    assert report.equal + report.crashed + row.mutants + row.unsupported == len(list(mutants(op)))
    assert row.oracle in str(report)


def test_inconclusive_is_no_kill() -> None:
    op = product()
    f = lambda x: op(x, 1e-3) + 1e10 - 1e10
    report = power(f, X, mutants=mutants(op, faults=[factor(1e-5)]), oracles=("differences",), order=1)
    row = report.rows["differences"]
    assert row.killed == 0
    assert row.inconclusive + row.unsupported + len(row.survivors) == 1


def test_rules_that_raise_are_counted_apart() -> None:
    op = mg.Op("picky", lambda xp, x: x * x, saves=(0,))

    def rule(g: Any, out: Any, x: Any) -> Any:
        if not np.array_equal(x.data if isinstance(x, mg.Tensor) else x, X):
            raise ValueError("what is this?")
        return g * 2 * x

    op.defvjp(rule)
    report = power(op, X, mutants=mutants(op, faults=[stale_buffer(), sign_flip()]), oracles=("fixed_step",), order=1)
    assert report.crashed == 1


@given(
    seed=st.integers(0, 2**32 - 1),
    relative=st.sampled_from([1e-3, -1e-3, 1e-2, 1e-1]),
    name=st.sampled_from(["tanh", "exp", "sin", "sqrt", "log", "square"]),
)
def test_relative_faults_do_not_survive(seed: int, relative: float, name: str) -> None:
    rng = np.random.default_rng(seed)
    op = getattr(mg, name)
    x = rng.uniform(0.25, 3, size=rng.integers(1, 5, size=rng.integers(0, 3)))
    f = lambda x: op(x * 1.5) * mg.cos(x)
    for mutant in mutants(op, faults=[factor(relative)]):
        if mutant.differs(f, x, order=1):
            with mutant.planted(), pytest.raises(WrongGradientError):
                gradcheck(f, x, order=1, seed=seed)
