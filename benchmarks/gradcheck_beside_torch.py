"""gradcheck beside torch.autograd.gradcheck: the same functions and the same faults in both. Used by gradcheck_power.

A fault sits in an identity between the arguments and the function: its forward is x, its backward a wrong identity. So
both libraries see the same wrong gradient of the same function, whatever their own rules look like.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import draws
import numpy as np

import minigrad as mg
from minigrad.testing import InconclusiveError, OpSpec, WrongGradientError, gradcheck

Rule = Callable[[Any, Any], Any]
"""(cotangent, argument) -> gradient, in the operators that Tensors of both libraries have."""


def reversed_(g: Any, x: Any) -> Any:
    order = list(range(g.shape[0]))[::-1] if g.shape else ...
    return g[order]


RULES: dict[str, Rule] = {
    "sign flip": lambda g, x: g * -1.0,
    "factor 1 + 1e-3": lambda g, x: g * 1.001,
    "factor 1 + 1e-2": lambda g, x: g * 1.01,
    "wrong order": reversed_,
    "one entry": lambda g, x: g * 1.0 if not g.shape else g - g * 0.01 * (x == x.max()),
}
"""Faults of the first order."""


@dataclass
class Score:
    """Of one checker on one set."""

    right: int = 0
    alarms: int = 0
    faults: int = 0
    killed: int = 0
    inconclusive: int = 0

    def as_dict(self) -> dict[str, Any]:
        kills = round(self.killed / self.faults, 4) if self.faults else None
        return {
            "right_functions": self.right, "false_alarms": self.alarms, "inconclusive": self.inconclusive,
            "faults": self.faults, "killed": self.killed, "kill_rate": kills,
        }  # fmt: skip


def ours(f: Callable[..., Any], xs: list[np.ndarray], chosen: list[int], order: int, **options: Any) -> str:
    try:
        gradcheck(f, *xs, argnums=chosen, order=order, **options)
    except WrongGradientError:
        return "wrong"
    except InconclusiveError:
        return "inconclusive"
    return "passed"


TOLERANCES: dict[str, dict[str, float]] = {"torch": {}, "torch, tight": {"atol": 1e-7, "rtol": 1e-4}}
"""Its defaults are atol 1e-5 and rtol 1e-3, with which a fault of 1e-3 passes."""


def theirs(
    torch: Any, f: Callable[..., Any], xs: list[np.ndarray], chosen: list[int], order: int, who: str = "torch"
) -> str:
    how = TOLERANCES[who]
    tensors = [torch.tensor(x, requires_grad=i in chosen) for i, x in enumerate(xs)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns of float32
        passed = torch.autograd.gradcheck(f, tensors, raise_exception=False, **how)
        if passed and order > 1:
            passed = torch.autograd.gradgradcheck(f, tensors, raise_exception=False, **how)
    return "passed" if passed else "wrong"


def faulty_ours(f: Callable[..., Any], rule: Rule, chosen: list[int]) -> Callable[..., Any]:
    op = mg.Op("identity", lambda xp, x: x.copy(), saves=(0,)).defvjp(lambda g, out, x: rule(g, x))
    return lambda *xs: f(*(op(x) if i in chosen else x for i, x in enumerate(xs)))


def faulty_theirs(torch: Any, f: Callable[..., Any], rule: Rule, chosen: list[int]) -> Callable[..., Any]:
    class Identity(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(context: Any, x: Any) -> Any:
            context.save_for_backward(x)
            return x.clone()

        @staticmethod
        def backward(context: Any, g: Any) -> Any:
            return rule(g, *context.saved_tensors)

    return lambda *xs: f(*(Identity.apply(x) if i in chosen else x for i, x in enumerate(xs)))


def changes(rule: Rule, f: Callable[..., Any], xs: list[np.ndarray], chosen: list[int]) -> bool:
    """Whether a fault changes a gradient at all, in float64."""
    found = []
    for g in (f, faulty_ours(f, rule, chosen)):
        leaves = [mg.tensor(x, requires_grad=i in chosen) for i, x in enumerate(xs)]
        out = g(*leaves)
        out.backward(np.linspace(0.5, 1.5, out.size).reshape(out.shape))
        found.append([leaves[i].grad.numpy() for i in chosen])
    return any(np.abs(a - b).max(initial=0.0) > 1e-9 * np.abs(a).max(initial=0.0) for a, b in zip(*found, strict=True))


class Comparison:
    """Scores of the checkers on a set of functions.

    Attributes:
        options: of ours.
    """

    def __init__(self, torch: Any) -> None:
        self.torch = torch
        self.scores: dict[str, dict[str, Score]] = {}
        self.options: dict[str, Any] = {}

    def check(
        self, name: str, f: Any, g: Any, xs: list[np.ndarray], chosen: list[int], order: int, wrong: bool
    ) -> None:
        both = self.scores.setdefault(name, {who: Score() for who in ("minigrad", *TOLERANCES)})
        for who in both:
            mine = who == "minigrad"
            verdict = (
                ours(f, xs, chosen, order, **self.options) if mine else theirs(self.torch, g, xs, chosen, order, who)
            )
            score = both[who]
            score.inconclusive += verdict == "inconclusive"
            if wrong:
                score.faults += 1
                score.killed += verdict == "wrong"
            else:
                score.right += 1
                score.alarms += verdict == "wrong"

    def never_worse(self) -> dict[str, bool]:
        """Whether there are no fewer kills and no more false alarms on any set, than by each of the others."""
        return {
            who: all(s["minigrad"].killed >= s[who].killed and s["minigrad"].alarms <= s[who].alarms
                     for s in self.scores.values())
            for who in TOLERANCES
        }  # fmt: skip

    def both(self, label: str, f: Any, g: Any, xs: list[np.ndarray], chosen: list[int], order: int) -> None:
        """The function as it is, and with every fault that changes something."""
        self.check(f"{label}, right", f, g, xs, chosen, order, wrong=False)
        for name, rule in RULES.items():
            if changes(rule, f, [x.astype(np.float64) if x.dtype.kind == "f" else x for x in xs], chosen):
                twins = faulty_ours(f, rule, chosen), faulty_theirs(self.torch, g, rule, chosen)
                self.check(f"{label}, {name}", *twins, xs, chosen, 1, wrong=True)


def compare(table: list[OpSpec], seeds: int, seed: int) -> dict[str, Any]:
    """Both checkers on every row that torch has, in float64 and float32, at kinks, and on faults of the second order.

    Args:
        table: rows.
        seeds: cases per row.
        seed: of the cases.
    """
    try:
        import torch
    except ImportError:
        return {"skipped": "torch is not installed"}
    comparison = Comparison(torch)
    for row in (row for row in table if row.torch is not None and row.order):
        for k in range(seeds):
            case = draws.drawn_case(row, seed + k)
            chosen = case.differentiable()
            if not chosen or not all(case.arrays[i].size for i in chosen):
                continue
            f, g = case.call, lambda *xs, row=row, case=case: row.torch(*xs, **case.params)
            comparison.both("float64", f, g, list(case.arrays), chosen, row.order)
            if "float32" in row.dtypes:
                comparison.both("float32", f, g, list(case.cast(np.float32).arrays), chosen, 1)
    at_kinks(comparison, seeds * 20, seed)
    second_order(comparison, seeds * 4, seed)
    scores = {name: {who: s.as_dict() for who, s in both.items()} for name, both in comparison.scores.items()}
    return {"tolerances": TOLERANCES, "never_worse": comparison.never_worse(), "sets": scores}


def middle(left: float, right: float) -> float:
    return (left + right) / 2


def at_kinks(comparison: Comparison, count: int, seed: int) -> None:
    """Functions at their kinks, right and with faults.

    A fault may turn one subgradient into another, which is no fault where any passes: so the conventions are declared.
    """
    torch, rng = comparison.torch, np.random.default_rng(seed)
    pairs = [
        (mg.nn.functional.relu, torch.relu, 1, 0.0), (mg.abs, torch.abs, 1, 0.0),
        (mg.maximum, torch.maximum, 2, middle), (mg.max, torch.amax, 1, middle),
        (mg.nn.functional.leaky_relu, torch.nn.functional.leaky_relu, 1, 0.01),
        (lambda x: mg.clip(x, 0.0, 1.0), lambda x: torch.clamp(x, 0.0, 1.0), 1, 1.0),
    ]  # fmt: skip
    for k in range(count):
        f, g, arity, convention = pairs[k % len(pairs)]
        x = rng.uniform(-2, 0, 4)
        x[rng.permutation(4)[:2]] = 0.0
        xs = [x] if arity == 1 else [x, np.where(rng.random(4) < 0.5, x, rng.uniform(-2, 2, 4))]
        if arity == 2:
            xs[1][0] = x[0]
        comparison.check("kinks, any subgradient, right", f, g, xs, list(range(arity)), 1, wrong=False)
        comparison.options = {"subgradient": convention}
        comparison.both("kinks, declared subgradient", f, g, xs, list(range(arity)), 1)
        comparison.options = {}


def second_order(comparison: Comparison, count: int, seed: int) -> None:
    """x^3 with a right first derivative; the second takes part of it for a constant."""
    torch, rng = comparison.torch, np.random.default_rng(seed)

    def constant(x: Any) -> Any:
        return x.detach() if hasattr(x, "detach") else x

    rules: dict[str, Rule] = {
        "right": lambda g, x: g * 3 * x * x,
        "constant": lambda g, x: g * 3 * constant(x) * constant(x),
        "half constant": lambda g, x: g * 3 * constant(x) * x,
    }
    for _ in range(count):
        x = rng.uniform(0.5, 2, 3)
        for name, rule in rules.items():
            op = mg.Op("cube", lambda xp, x: x * x * x, saves=(0,)).defvjp(lambda g, out, x, rule=rule: rule(g, x))

            comparison.check(f"second order, {name}", op, _cube(torch, rule), [x], [0], 2, wrong=name != "right")


def _cube(torch: Any, rule: Rule) -> Any:
    class Cube(torch.autograd.Function):  # type: ignore[misc]
        @staticmethod
        def forward(context: Any, x: Any) -> Any:
            context.save_for_backward(x)
            return x * x * x

        @staticmethod
        def backward(context: Any, g: Any) -> Any:
            return rule(g, *context.saved_tensors)

    return Cube.apply


def twenty(library: Any) -> Callable[[Any], Any]:
    """A function of 20 operations."""

    def f(x: Any) -> Any:
        for _ in range(4):
            x = library.tanh(x * 1.1 + 0.1) * library.sin(x)
        return x

    return f


def speed(rounds: int) -> dict[str, Any]:
    """Milliseconds of a check of 20 operations on 64 elements, and torch's in the same rounds. Best and median.

    Args:
        rounds: every check runs once in each.
    """
    x = np.linspace(-1.5, 1.5, 64).reshape(8, 8)
    f = twenty(mg)
    checks: dict[str, Callable[[], Any]] = {
        "gradcheck(f, x)": lambda: gradcheck(f, x),
        "gradcheck(f, x, order=1)": lambda: gradcheck(f, x, order=1),
        "gradcheck(f, x, order=1, max_entries=64): every entry": lambda: gradcheck(f, x, order=1, max_entries=64),
        "gradcheck(f, x, max_entries=128): every entry of both orders": lambda: gradcheck(f, x, max_entries=128),
    }
    try:
        import torch
    except ImportError:
        pass
    else:
        g, t = twenty(torch), torch.tensor(x, requires_grad=True)
        check, second = torch.autograd.gradcheck, torch.autograd.gradgradcheck
        checks["torch gradcheck: every entry"] = lambda: check(g, (t,))
        checks["torch gradcheck and gradgradcheck: every entry"] = lambda: (check(g, (t,)), second(g, (t,)))
        checks["torch gradcheck and gradgradcheck, fast_mode"] = lambda: (
            check(g, (t,), fast_mode=True), second(g, (t,), fast_mode=True)
        )  # fmt: skip
    times: dict[str, list[float]] = {name: [] for name in checks}
    for _ in range(rounds):
        for name, run in checks.items():
            start = time.perf_counter()
            run()
            times[name].append((time.perf_counter() - start) * 1e3)
    ours = times["gradcheck(f, x)"]
    found: dict[str, Any] = {
        name: {
            "ms_best": round(min(all_), 2), "ms_median": round(float(np.median(all_)), 2),
            "over_gradcheck(f, x)": round(float(np.median([a / b for a, b in zip(all_, ours, strict=True)])), 2),
        }
        for name, all_ in times.items()
    }  # fmt: skip
    return found
