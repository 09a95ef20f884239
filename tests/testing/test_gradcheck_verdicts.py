"""Every verdict of gradcheck: when it is given, what it raises, what the report says."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
from on_device import put

import minigrad as mg
from minigrad.testing import InconclusiveError, Verdict, WrongGradientError, gradcheck
from minigrad.testing.verdict import Finding, Outcome

X = np.array([[0.5, -1.25, 1.75], [1.5, 0.25, -0.75]])


def entry_fault(index: tuple[int, ...], factor: float = 1.01) -> Any:
    """x -> x^2 whose gradient is wrong in one entry."""

    def rule(g: Any, out: Any, x: Any) -> Any:
        mask = np.ones(x.shape)
        mask[index] = factor
        return g * (2 * x) * put(mask, x.device if isinstance(x, mg.Tensor) else _device(x))

    return mg.Op("planted", lambda xp, x: x * x, saves=(0,)).defvjp(rule)


def _device(raw: Any) -> str:
    from minigrad.backend.device import device_of

    return device_of(raw)


def noisy(x: Any) -> Any:
    """A number that its own size drowns, and steps in between: differences see nothing of its slope."""
    return (x * 1e-3 + 1e10) - 1e10 + mg.sum(x * x) * 0.0


def test_ok() -> None:
    report = gradcheck(mg.tanh, X)
    assert report.verdict is Verdict.OK
    assert report.failing is None
    assert report.snippet == ""
    assert report.counts == {Verdict.OK: report.comparisons}
    assert 0 <= report.worst < 0.1
    places = {(f.argument, f.order, f.place, f.path) for f in report.findings}
    assert ("argument 0", 1, "entry (0, 0)", "") in places
    assert ("cotangent 0 of order 1", 2, "entry (1, 2)", " (with create_graph)") in places


@pytest.mark.parametrize("index", [(0, 0), (0, 2), (1, 1)])
@pytest.mark.parametrize("max_entries", [24, 0], ids=["entries", "directions"])
def test_wrong_names_the_argument_and_the_entry(index: tuple[int, int], max_entries: int, device: str) -> None:
    op = entry_fault(index)
    with pytest.raises(mg.GradientError) as caught:
        gradcheck(lambda y, x: op(x) * y, put(X, device), put(X, device), max_entries=max_entries)
    finding = caught.value.report.failing  # type: ignore[attr-defined]
    assert isinstance(caught.value, WrongGradientError)
    assert finding.verdict is Verdict.WRONG
    assert (finding.position, finding.index, finding.order) == (1, index, 1)
    assert finding.outcome.analytic / finding.outcome.numeric == pytest.approx(1.01, rel=1e-8)
    assert finding.outcome.bar < 1e-8
    assert abs(finding.outcome.analytic - finding.outcome.numeric) > finding.outcome.allowed > 0


@pytest.mark.parametrize("index", [0, 1, 517, 4095])
def test_wrong_entry_of_a_large_argument_is_found(index: int) -> None:
    op = entry_fault((index,))
    x = np.linspace(0.5, 1.5, 4096)
    with pytest.raises(WrongGradientError) as caught:
        gradcheck(op, x, order=1)
    failing = caught.value.report.failing
    assert failing is not None
    assert failing.index == (index,)


def test_the_first_argument_that_is_wrong_is_named() -> None:
    op = mg.Op("planted", lambda xp, x, y, z: x * y * z, saves=(0, 1, 2))
    op.defvjp(lambda g, out, x, y, z: g * y * z, lambda g, out, x, y, z: -g * x * z, lambda g, out, x, y, z: -g * x * y)
    for oracle in ("differences", "directional"):
        with pytest.raises(WrongGradientError) as caught:
            gradcheck(op, X, X + 1, X + 2, oracle=oracle)
        failing = caught.value.report.failing
        assert failing is not None
        assert (failing.position, failing.index) == (1, (0, 0))


def test_nondeterministic_backward_and_forward() -> None:
    counter = itertools.count(1)
    op = mg.Op("planted", lambda xp, x: x * x, saves=(0,)).defvjp(
        lambda g, out, x: g * 2 * x * (1 + 1e-9 * next(counter))
    )
    with pytest.raises(WrongGradientError, match="two backward passes") as caught:
        gradcheck(op, X)
    assert caught.value.report.verdict is Verdict.NONDETERMINISTIC
    rng = np.random.default_rng(0)
    with pytest.raises(WrongGradientError, match="different values at the same point") as caught:
        gradcheck(lambda x: x * (rng.random(x.shape) < 0.5), X)
    assert caught.value.report.verdict is Verdict.NONDETERMINISTIC


def test_domain_at_the_point_and_beside_it() -> None:
    with np.errstate(all="ignore"), pytest.raises(InconclusiveError, match="not finite at the point") as caught:
        gradcheck(mg.log, np.array([0.0, 1.0]))
    assert caught.value.report.verdict is Verdict.DOMAIN
    with np.errstate(all="ignore"):
        assert gradcheck(mg.log, np.array([0.0, 1.0]), allow="domain").verdict is Verdict.DOMAIN
        with pytest.raises(InconclusiveError, match=r"not finite near argument 0, entry \(1,\)"):
            gradcheck(mg.sqrt, np.array([1.0, 0.0]))
        report = gradcheck(mg.sqrt, np.array([1.0, 0.0]), allow=(Verdict.DOMAIN,), order=1)
    assert [f.index for f in report.findings if f.verdict is Verdict.DOMAIN] == [(1,), (1,)]


def test_inconclusive_errors_are_value_errors_and_not_gradient_errors() -> None:
    assert issubclass(InconclusiveError, ValueError)
    assert not issubclass(InconclusiveError, mg.GradientError)


def test_steps_shrink_where_the_domain_ends_close_by() -> None:
    assert gradcheck(mg.sqrt, np.array([1e-6, 1e-7]), order=1).verdict is Verdict.OK
    assert gradcheck(mg.log, np.array([1e-6, 3e-7]), order=1).verdict is Verdict.OK


def test_a_function_that_refuses_what_is_beside_the_point() -> None:
    def picky(x: Any) -> Any:
        if (x.data < 0.5).any():
            raise ValueError("too small")
        return x * x

    with pytest.raises(InconclusiveError, match="not finite near"):
        gradcheck(picky, np.array([0.5]))
    assert gradcheck(picky, np.array([0.5 + 1e-6]), order=1).verdict is Verdict.OK


def test_noisy() -> None:
    with pytest.raises(InconclusiveError, match="too noisy") as caught:
        gradcheck(noisy, X, order=1)
    assert caught.value.report.verdict is Verdict.NOISY
    assert "allow='noisy'" in str(caught.value)
    report = gradcheck(noisy, X, order=1, allow="noisy")
    assert report.verdict is Verdict.NOISY
    assert report.failing is not None


def test_wrong_counts_more_than_noise() -> None:
    op = entry_fault((1, 1))
    with pytest.raises(WrongGradientError):
        gradcheck(lambda x: (noisy(x), op(x)[1, 1]), X, order=1, allow=("noisy", "domain"))


def test_a_gradient_that_is_not_finite_where_the_function_is_smooth() -> None:
    for bad in (np.nan, np.inf):
        op = mg.Op("planted", lambda xp, x: x * x, saves=(0,)).defvjp(lambda g, out, x, bad=bad: g * 2 * x + bad)
        with np.errstate(all="ignore"), pytest.raises(WrongGradientError):
            gradcheck(op, X)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"allow": "kink"}, "'kink'; only domain, noisy can be allowed"),
        ({"allow": ("noisy", "wrong")}, "'wrong'; only domain, noisy"),
        ({"oracle": "guess"}, "no oracle 'guess'; there are differences, complex_step"),
        ({"subgradient": "left"}, "subgradient='left' must be 'any', a number or a function"),
        ({"order": 0}, "order must be at least 1, got 0"),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gradcheck(mg.tanh, X, **options)


def test_the_report_as_text_table_and_json() -> None:
    report = gradcheck(mg.absolute, np.array([0.0, 1.0]))
    lines = str(report).splitlines()
    assert lines[0] == "gradcheck of arguments (0,) to order 1: kink (2 kink, 2 ok)"
    assert "one-sided slopes allow" in lines[1]
    table = report.markdown().splitlines()
    assert table[2].startswith("| argument 0 | 1 | differences | 2 | kink |")
    found = json.loads(json.dumps(report.as_dict()))
    assert found["verdict"] == "kink"
    assert found["findings"][0]["index"] == [0]
    assert found["findings"][0]["accepted"] is True


def test_findings_say_what_they_are() -> None:
    outcome = Outcome(Verdict.NOISY, 1.0, 1.5, 0.25, 4.0)
    finding = Finding(outcome, "argument 2", 2, "entry (3,)", (3,), 2, " (with create_graph)", "differences")
    assert str(finding) == (
        "the reference is too noisy to judge the gradient of argument 2, entry (3,), order 2 (with create_graph): "
        "analytic 1, numeric 1.5, error bar 0.25, allowed difference 4"
    )
    assert outcome.used == 0.125


def test_verdicts_are_in_order_of_what_they_matter() -> None:
    ranks = [v.rank for v in (Verdict.OK, Verdict.NOISY, Verdict.DOMAIN, Verdict.KINK)]
    assert ranks == sorted(ranks)
    assert Verdict.WRONG.rank == max(v.rank for v in Verdict)
