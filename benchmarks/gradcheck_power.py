"""What gradcheck sees and what it cries over: false alarms, kill rates per oracle, kinks, beside torch's gradcheck.

    python benchmarks/gradcheck_power.py                  100 000 checks of right gradients, a quarter of an hour
    python benchmarks/gradcheck_power.py --checks 2000    a sample
    python benchmarks/gradcheck_power.py --smoke          does it run?

The operations are the rows of tests/ops/rows.py, with arguments, shapes and memory layouts drawn as in the tests, and
random smooth compositions. Mutants that change no gradient at the drawn arguments are left out and counted; a verdict
that is inconclusive is no kill.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / folder) for folder in ("ops", "strict", "kernels", ".")]

import draws  # noqa: E402
import gradcheck_beside_torch  # noqa: E402
from inventory import all_ops, noting  # noqa: E402
from paired import environment  # noqa: E402

import minigrad as mg  # noqa: E402
from minigrad.testing import (  # noqa: E402
    InconclusiveError,
    OpSpec,
    PowerReport,
    WrongGradientError,
    gradcheck,
    mutants,
    power,
)
from minigrad.testing.faults import factor, usual_faults  # noqa: E402

draws.note = lambda value: None  # hypothesis notes only inside a test
QUICK: dict[str, Any] = {"max_entries": 9, "directions": 1}
SMOOTH: tuple[Callable[[Any], Any], ...] = (
    mg.tanh, mg.sin, mg.exp, mg.arctan, lambda x: mg.log1p(x * x), lambda x: mg.sqrt(1 + x * x), lambda x: x * x,
    lambda x: 1 / (1.5 + mg.cos(x)), lambda x: x * mg.sum(x), lambda x: x - mg.mean(x), lambda x: mg.logsumexp(x) * x,
)  # fmt: skip


def rows() -> tuple[list[OpSpec], list[str]]:
    """Every differentiable row, and the modules of rows that cannot be imported."""
    found: list[OpSpec] = []
    missing = []
    for path in sorted((ROOT / "tests" / "ops").glob("rows_*.py")):
        try:
            found += [row for row in importlib.import_module(path.stem).ROWS if row.order]
        except Exception as error:
            missing.append(f"{path.stem}: {type(error).__name__}: {error}")
    return found, missing


def outcome(f: Callable[..., Any], *xs: Any, **options: Any) -> tuple[str, str]:
    """ "wrong", "kink" or another verdict of one check, and what is to be said of it."""
    try:
        return str(gradcheck(f, *xs, **options).verdict), ""
    except WrongGradientError as error:
        return "wrong", str(error).partition("\n")[0]
    except InconclusiveError as error:
        return str(error.report.verdict), str(error).partition("\n")[0]


def composition(rng: np.random.Generator) -> tuple[Callable[..., Any], list[np.ndarray]]:
    """A random smooth function of two arrays, and arrays for it."""
    shape = tuple(int(n) for n in rng.integers(1, 4, size=rng.integers(0, 3)))
    steps = [SMOOTH[k] for k in rng.integers(len(SMOOTH), size=rng.integers(1, 6))]
    joins = rng.integers(3, size=len(steps))

    def f(x: Any, y: Any) -> Any:
        for step, join in zip(steps, joins, strict=True):
            x = mg.tanh(step(x)) + (x * y, y, 0.5 * y * y)[join]
        return x

    return f, [rng.uniform(-2, 2, shape), rng.uniform(-2, 2, shape)]


Call = tuple[str, Callable[..., Any], list[Any], dict[str, Any]]


def checks(table: list[OpSpec], count: int, seed: int) -> Iterator[Call]:
    """Calls of right functions: three in four a row, one a composition."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(table))
    for k in range(count):
        if k % 4 == 3:
            f, xs = composition(rng)
            yield "composition", f, xs, {}
            continue
        row = table[order[(k - k // 4) % len(table)]]
        case = draws.drawn_case(row, int(rng.integers(2**32)), layouts=True)
        yield row.name, case.call, case.placed(), {"order": row.order, "argnums": case.differentiable()}


def false_alarms(table: list[OpSpec], count: int, seed: int) -> dict[str, Any]:
    verdicts: Counter[str] = Counter()
    said: list[str] = []
    kinks: Counter[str] = Counter()
    began = time.process_time()
    for k, (name, f, xs, options) in enumerate(checks(table, count, seed)):
        verdict, message = outcome(f, *xs, **options, **QUICK, seed=k)
        verdicts[verdict] += 1
        if verdict == "kink":
            kinks[name] += 1
        if message and len(said) < 20:
            said.append(f"{name}: {message}")
    seconds = time.process_time() - began
    return {
        "checks": count, "false_alarms": verdicts["wrong"] + verdicts["nondeterministic"],
        "inconclusive": verdicts["noisy"] + verdicts["domain"], "on_a_kink": dict(kinks), "said": said,
        "ms_a_check": round(seconds / count * 1e3, 2),
    }  # fmt: skip


def cases_of(table: list[OpSpec], seeds: int = 2) -> dict[str, list[Any]]:
    """Operation -> some cases in which it runs, forwards or backwards."""
    found: dict[str, list[Any]] = {}
    for row in table:
        for seed in range(seeds):
            case = draws.fixed_case(row, seed)
            if case is None:
                continue
            with noting() as seen:
                for out in draws.as_tuple(case.call(*case.tracked())):
                    if out.requires_grad:
                        out.backward(np.ones(out.shape, out.dtype), create_graph=True)
            for name in seen:
                found.setdefault(name, []).append(case)
    return found


def kill_rates(cases: dict[str, list[Any]], faults: Any, each: int, dtype: Any = None, **how: Any) -> PowerReport:
    """Every fault in every rule of every operation, in so many calls that run the operation.

    Args:
        cases: the calls.
        faults: what to plant.
        each: how many calls of an operation.
        dtype: of the arguments, and the only one in which the faults show; None is float64, and shows them in all.
        **how: of `power`.
    """
    report = PowerReport({})
    ops = all_ops()
    for name, found in sorted(cases.items()):
        planted = list(mutants(ops[name], faults=faults, dtype=dtype))
        for case in found[:each]:
            case = case if dtype is None else case.cast(dtype)
            options = {"order": case.row.order, "argnums": case.differentiable(), "seed": case.seed}
            power(case.call, *case.placed(), mutants=planted, report=report, **options, **how)
    return report


def as_table(report: PowerReport) -> dict[str, Any]:
    by_oracle = {
        row.oracle: {
            "mutants": row.mutants, "killed": row.killed, "inconclusive": row.inconclusive,
            "rate": round(row.rate, 5), "unsupported": row.unsupported, "survivors": row.survivors[:20],
        }
        for row in report.rows.values()
    }  # fmt: skip
    return {"equal": report.equal, "raised": report.crashed, "oracles": by_oracle}


KINKS: dict[str, tuple[Callable[..., Any], Callable[[np.random.Generator], list[np.ndarray]]]] = {}


def kinked(name: str, draw: Callable[[np.random.Generator], list[np.ndarray]]) -> Any:
    def register(f: Callable[..., Any]) -> Callable[..., Any]:
        KINKS[name] = (f, draw)
        return f

    return register


def _with_zero(rng: np.random.Generator) -> list[np.ndarray]:
    x = rng.uniform(-2, 2, 4)
    x[rng.integers(4)] = 0.0
    return [x]


def _tied(rng: np.random.Generator) -> list[np.ndarray]:
    x = rng.uniform(-2, 2, 4)
    i, j = rng.permutation(4)[:2]
    x[i] = x[j] = x.max() + rng.uniform(0, 1)
    return [x]


def _tied_pair(rng: np.random.Generator) -> list[np.ndarray]:
    x, y = rng.uniform(-2, 2, (2, 4))
    k = rng.integers(4)
    y[k] = x[k]
    return [x, y]


kinked("relu", _with_zero)(mg.nn.functional.relu)
kinked("abs", _with_zero)(mg.abs)
kinked("leaky_relu", _with_zero)(mg.nn.functional.leaky_relu)
kinked("clip", lambda rng: [_with_zero(rng)[0] + 0.5])(lambda x: mg.clip(x, 0.5, 3.0))
kinked("maximum", _tied_pair)(mg.maximum)
kinked("minimum", _tied_pair)(mg.minimum)
kinked("max", _tied)(mg.max)
kinked("sort", _tied)(np.sort)
kinked("median of two", lambda rng: [np.repeat(rng.uniform(-2, 2, 1), 3)])(np.median)
kinked("max in a composition", _tied)(lambda x: mg.tanh(mg.max(x * 1.0) * mg.sum(x)))
kinked("relu in a network", _with_zero)(lambda x: mg.sum(mg.tanh(mg.nn.functional.relu(x) * 1.5 + 0.25) * (x + 1)))
kinked("sum of relu", _with_zero)(lambda x: mg.sum(mg.nn.functional.relu(x)))
kinked("relu(x) - relu(-x)", _with_zero)(lambda x: mg.nn.functional.relu(x) - mg.nn.functional.relu(-x))
kinked("norm at 0", lambda rng: [np.zeros(1)])(lambda x: mg.sum(mg.abs(x)) ** 1)
kinked("near a kink", lambda rng: [rng.choice([-1, 1], 4) * 10.0 ** rng.uniform(-9, -4, 4)])(mg.abs)


def kinks(count: int, seed: int) -> dict[str, Any]:
    """Verdicts on functions at their kinks; "near a kink" is smooth, if only just."""
    rng = np.random.default_rng(seed)
    found: dict[str, Counter[str]] = {name: Counter() for name in KINKS}
    for k in range(count):
        name = list(KINKS)[k % len(KINKS)]
        f, draw = KINKS[name]
        xs = draw(rng)
        found[name][_of_kink(f, xs, k)] += 1
    totals = sum(found.values(), Counter())
    return {"checks": count, "called_wrong": totals["wrong"], "by_function": {n: dict(c) for n, c in found.items()}}


def _of_kink(f: Callable[..., Any], xs: list[np.ndarray], seed: int) -> str:
    try:
        return str(gradcheck(f, *xs, seed=seed, max_entries=(0, 24)[seed // len(KINKS) % 2]).verdict)
    except (WrongGradientError, InconclusiveError) as error:
        finding = error.report.failing
        return "kink, not accepted" if finding is not None and finding.verdict == "kink" else str(error.report.verdict)


def speed(rounds: int) -> dict[str, float]:
    """Milliseconds of a check of 20 operations on 64 elements, the best of some rounds."""
    x = np.linspace(-1.5, 1.5, 64).reshape(8, 8)

    def f(t: Any) -> Any:
        for _ in range(4):
            t = mg.tanh(t * 1.1 + 0.1) * mg.sin(t)
        return t

    found = {}
    for order in (1, 2):
        times = []
        for _ in range(rounds):
            start = time.perf_counter()
            gradcheck(f, x, order=order)
            times.append(time.perf_counter() - start)
        found[f"order_{order}_ms"] = round(min(times) * 1e3, 2)
        found[f"order_{order}_median_ms"] = round(float(np.median(times)) * 1e3, 2)
        start = time.perf_counter()
        gradcheck(f, x, order=order, max_entries=64)
        found[f"order_{order}_every_entry_ms"] = round((time.perf_counter() - start) * 1e3, 2)
    return found


def single_precision(table: list[OpSpec], cases: dict[str, list[Any]], count: int, seed: int) -> dict[str, Any]:
    """float32: right rows, and factors of 1.01 in float32 kernels beside right float64 ones."""
    single = [row for row in table if "float32" in row.dtypes]
    verdicts: Counter[str] = Counter()
    said = []
    for k in range(count):
        row = single[k % len(single)]
        case = draws.drawn_case(row, seed + k, dtype=np.float32)
        options = {"order": row.order, "argnums": case.differentiable(), "seed": k}
        verdict, message = outcome(case.call, *case.placed(), **options, **QUICK)
        verdicts[verdict] += 1
        if message and len(said) < 20:
            said.append(f"{row.name}: {message}")
    names = {row.name for row in single}
    short = {name: [c for c in found if c.row.name in names] for name, found in cases.items()}
    short = {name: found for name, found in short.items() if found}
    rates = kill_rates(short, [factor(1e-2)], 4, np.float32, oracles=("differences",), **QUICK)
    return {
        "right": {
            "checks": count, "false_alarms": verdicts["wrong"] + verdicts["nondeterministic"],
            "inconclusive": verdicts["noisy"] + verdicts["domain"], "said": said,
        },
        "factor 1.01 that only float32 has": as_table(rates),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--checks", type=int, default=100_000, help="of right gradients (default %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of everything drawn (default %(default)s)")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "gradcheck-power.json")
    parser.add_argument("--smoke", action="store_true", help="a few checks and operations, no result file")
    args = parser.parse_args()
    count = 200 if args.smoke else args.checks
    warnings.simplefilter("ignore")
    table, missing = rows()
    began = time.process_time()
    cases = cases_of(table[:12] if args.smoke else table)
    result: dict[str, Any] = {
        "what": "gradcheck: false alarms, kill rates, kinks, beside torch.autograd.gradcheck",
        "command": "python benchmarks/gradcheck_power.py", "environment": environment(1),
        "rows": len(table), "rows_skipped": missing, "seed": args.seed, "speed_20_ops_64_elements": speed(5),
    }  # fmt: skip
    sample = count // 20
    sections: dict[str, Callable[[], Any]] = {
        "kinks": lambda: kinks(max(60, sample), args.seed),
        "beside_torch": lambda: gradcheck_beside_torch.compare(table, 2 if args.smoke else 6, args.seed),
        "float32": lambda: single_precision(table, cases, max(40, sample), args.seed),
        "factor_1e-3": lambda: as_table(kill_rates(cases, [factor(1e-3)], 4, **QUICK)),
        "all_faults": lambda: as_table(kill_rates(cases, usual_faults(()), 2, **QUICK)),
        "false_alarms": lambda: false_alarms(table, count, args.seed),
    }
    for name, section in sections.items():
        result[name] = section()
        print(f"--- {name} ({time.process_time() - began:.0f} s)\n{json.dumps(result[name], indent=1)}", flush=True)
    result["cpu_seconds"] = round(time.process_time() - began)
    if not args.smoke:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(result, indent=1) + "\n")
        print(f"written to {args.out}")


if __name__ == "__main__":
    main()
