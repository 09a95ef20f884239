"""What gradcheck sees and what it cries over: false alarms, kill rates per oracle, kinks, beside torch's gradcheck.

    python benchmarks/gradcheck_power.py                  100 000 checks of right gradients, a quarter of an hour
    python benchmarks/gradcheck_power.py --checks 2000    a sample
    python benchmarks/gradcheck_power.py --smoke          does it run?

A run that was stopped goes on where it was when it is started again with the same options. The exit status is 1 where
something is not reached that gradcheck promises.

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
from gradcheck_kinks import KINKS, kinks  # noqa: E402
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


def checks(table: list[OpSpec], count: int, seed: int | list[int]) -> Iterator[Call]:
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


def false_alarms(table: list[OpSpec], count: int, seed: int | list[int]) -> dict[str, Any]:
    verdicts: Counter[str] = Counter()
    said: list[str] = []
    kinks: Counter[str] = Counter()
    for k, (name, f, xs, options) in enumerate(checks(table, count, seed)):
        verdict, message = outcome(f, *xs, **options, **QUICK, seed=k)
        verdicts[verdict] += 1
        if verdict == "kink":
            kinks[name] += 1
        if message and len(said) < 20:
            said.append(f"{name}: {message}")
    return {
        "checks": count, "false_alarms": verdicts["wrong"] + verdicts["nondeterministic"],
        "inconclusive": verdicts["noisy"] + verdicts["domain"], "on_a_kink": dict(kinks), "said": said,
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


SENSITIVITY = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8)


def sensitivity(cases: dict[str, list[Any]]) -> dict[str, Any]:
    """Kill rates of the differences by the size of the relative fault, one call of every operation each."""
    found = {}
    for relative in SENSITIVITY:
        row = kill_rates(cases, [factor(relative)], 1, oracles=("differences",), **QUICK).rows["differences"]
        found[f"{relative:g}"] = {"mutants": row.mutants, "killed": row.killed, "rate": round(row.rate, 4)}
    return found


def merged(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Parts of the false alarms as one."""
    whole: dict[str, Any] = {
        key: sum(part[key] for part in parts) for key in ("checks", "false_alarms", "inconclusive", "cpu_seconds")
    }
    whole["on_a_kink"] = dict(sum((Counter(part["on_a_kink"]) for part in parts), Counter()))
    whole["said"] = [line for part in parts for line in part["said"]][:20]
    whole["inconclusive_share"] = whole["inconclusive"] / whole["checks"]
    whole["ms_a_check"] = round(whole["cpu_seconds"] / whole["checks"] * 1e3, 2)
    return whole


def reached(result: dict[str, Any]) -> dict[str, bool]:
    """What gradcheck promises, and whether these results keep it."""
    alarms, single, torch = result["false_alarms"], result["float32"], result["beside_torch"]
    planted = single["factor 1.01 that only float32 has"]["oracles"]
    found = {
        "no false alarm in float64": alarms["false_alarms"] == 0,
        "at most 0.1 % inconclusive in float64": alarms["inconclusive"] <= 1e-3 * alarms["checks"],
        "no false alarm in float32": single["right"]["false_alarms"] == 0,
        "every oracle kills 99 % of faults of 1e-3 in float64": _all_kill(result["factor_1e-3"]["oracles"], 0.99),
        "95 % of faults of 1e-2 in float32 are killed": _all_kill(planted, 0.95),
        "no kink is called wrong": result["kinks"]["called_wrong"] == 0,
        "20 operations on 64 elements take less than 50 ms": _best(result["speed_20_ops_64_elements"]) < 50,
    }
    if "sets" in torch:
        found["nowhere worse than torch"] = torch["never_worse"]["torch"]
        for name in ("float32, right", "kinks, any subgradient, right"):
            ours, theirs = torch["sets"][name]["minigrad"], torch["sets"][name]["torch"]
            found[f"better than torch: {name}"] = ours["false_alarms"] < theirs["false_alarms"]
    return found


def _all_kill(oracles: dict[str, Any], rate: float) -> bool:
    return bool(oracles) and all(row["mutants"] and row["rate"] >= rate for row in oracles.values())


def _best(speed: dict[str, Any]) -> float:
    return float(speed["gradcheck(f, x)"]["ms_best"])


class Sections:
    """Results by name; each is written down when it is there, so that a run that was stopped goes on.

    Args:
        path: of the notes; None keeps none. Delete them where the code has changed since.
        what: what the run is; notes with another seed, number of checks or number of rows are not used.
    """

    def __init__(self, path: Path | None, what: dict[str, Any]) -> None:
        self.path, self.what = path, {key: what[key] for key in ("seed", "checks", "rows")}
        self.found: dict[str, Any] = {}
        if path is not None and path.exists():
            notes = json.loads(path.read_text())
            if all(notes["what"][key] == value for key, value in self.what.items()):
                self.found = notes["found"]
                print(f"from {path}: {', '.join(self.found)}", flush=True)

    def run(self, name: str, section: Callable[[], Any]) -> Any:
        """The result of a section, from the notes where it is there."""
        if name not in self.found:
            began = time.process_time()
            result = section()
            result["cpu_seconds"] = round(time.process_time() - began, 1)
            self.found[name] = result
            print(f"--- {name}\n{json.dumps(result, indent=1)}", flush=True)
            if self.path is not None:
                self.path.write_text(json.dumps({"what": self.what, "found": self.found}))
        return self.found[name]


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
    cases = cases_of(table[:12] if args.smoke else table)
    what = {
        "what": "gradcheck: false alarms, kill rates, kinks, beside torch.autograd.gradcheck",
        "command": "python benchmarks/gradcheck_power.py", "environment": environment(1),
        "rows": len(table), "rows_skipped": missing, "seed": args.seed, "checks": count,
        "options_unless_said_otherwise": QUICK,
    }  # fmt: skip
    notes = None if args.smoke else args.out.with_suffix(".unfinished")
    sections = Sections(notes, what)
    sample, seed = count // 20, args.seed
    todo: dict[str, Callable[[], Any]] = {
        "speed_20_ops_64_elements": lambda: gradcheck_beside_torch.speed(2 if args.smoke else 15),
        "kinks": lambda: kinks(max(len(KINKS), sample), seed),
        "factor_1e-3": lambda: as_table(kill_rates(cases, [factor(1e-3)], 4, **QUICK)),
        "float32": lambda: single_precision(table, cases, max(40, sample), seed),
    }
    chunks = 1 if args.smoke else 10
    parts = [f"false_alarms, part {k + 1} of {chunks}" for k in range(chunks)]
    for k, name in enumerate(parts):
        share = count * (k + 1) // chunks - count * k // chunks
        todo[name] = lambda k=k, share=share: false_alarms(table, share, [seed, k])
    todo["beside_torch"] = lambda: gradcheck_beside_torch.compare(table[:: 20 if args.smoke else 1], 4, seed)
    todo["all_faults"] = lambda: as_table(kill_rates(cases, usual_faults(()), 2, **QUICK))
    todo["sensitivity"] = lambda: sensitivity(cases)
    found = {name: sections.run(name, section) for name, section in todo.items()}
    result = {**what, **{name: found[name] for name in found if name not in parts}}
    result["false_alarms"] = merged([found[name] for name in parts])
    result["reached"] = reached(result)
    result["cpu_seconds"] = round(sum(part["cpu_seconds"] for part in sections.found.values()))
    if notes is not None:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        args.out.write_text(json.dumps(result, indent=1) + "\n")
        notes.unlink()
        print(f"written to {args.out}")
    print(json.dumps(result["reached"], indent=1))
    sys.exit(0 if all(result["reached"].values()) else 1)


if __name__ == "__main__":
    main()
