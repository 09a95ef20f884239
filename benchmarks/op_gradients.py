"""Every row of the operations' tables through the public battery in the long profile: examples, verdicts, failures.

    python benchmarks/op_gradients.py                200 cases a row on the CPU, 50 on the strict device: half an hour
    python benchmarks/op_gradients.py --profile ci   a sample

Runs tests/ops/test_ops.py by pytest, with this file as a plugin that notes what happened to each row. The gradient
rules are taken as right, so that every failure counts as a false alarm until somebody has mended the rule.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from paired import environment

ROOT = Path(__file__).resolve().parents[1]
TESTS = "tests/ops/test_ops.py"
NOTES = "OP_GRADIENTS_NOTES"
"""Name of the environment variable that tells the plugin where to write."""
RUNS = {
    "cpu": [f"{TESTS}::test_battery", "--devices=cpu"],
    "strict": [f"{TESTS}::test_battery", "--devices=strict"],
    "torch": [f"{TESTS}::test_torch_agrees"],
}
"""What is run, each by a pytest of its own: the battery on a device, or the comparison with PyTorch on the CPU."""


# --- in pytest's process: the plugin --------------------------------------------------------------------------------

_examples: Counter[str] = Counter()
_outcomes: dict[str, list[str]] = {}


def pytest_configure(config: pytest.Config) -> None:
    """Count the cases that hypothesis draws of each row."""
    if NOTES not in os.environ:
        return
    from minigrad.testing import strategies

    original = strategies.op_cases

    def counted(row: Any, **options: Any) -> Any:
        def count(case: Any) -> Any:
            _examples[row.name] += 1
            return case

        return original(row, **options).map(count)

    strategies.op_cases = counted


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Note how the test of a row ended."""
    name = dict(report.user_properties).get("row")
    if name and (report.when == "call" or report.outcome != "passed"):
        _outcomes.setdefault(str(name), []).append(report.outcome)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Let the report say which row it is of."""
    row = getattr(item, "callspec", None) and item.callspec.params.get("row")  # type: ignore[attr-defined]
    if row is not None:
        item.user_properties.append(("row", row.name))


def pytest_sessionfinish() -> None:
    """Write the notes."""
    if NOTES in os.environ:
        Path(os.environ[NOTES]).write_text(json.dumps({"examples": _examples, "outcomes": _outcomes}), "utf-8")


# --- the command ----------------------------------------------------------------------------------------------------


def run(name: str, profile: str, more: list[str]) -> tuple[dict[str, Any], float]:
    """Row -> what its test did in one of RUNS, and the seconds that all took."""
    with tempfile.TemporaryDirectory() as folder:
        notes, checks = Path(folder, "notes.json"), Path(folder, "checks.json")
        here = os.pathsep.join([str(ROOT / "benchmarks"), os.environ.get("PYTHONPATH", "")])
        variables = {**os.environ, "HYPOTHESIS_PROFILE": profile, NOTES: str(notes), "PYTHONPATH": here}
        command = [sys.executable, "-m", "pytest", "-q", "-n0", "-p", "op_gradients", "-p", "no:cacheprovider",
                   f"--gradcheck-report={checks}", *RUNS[name], *more]  # fmt: skip
        start = time.perf_counter()
        status = subprocess.run(command, cwd=ROOT, env=variables, check=False).returncode
        seconds = time.perf_counter() - start
        if status not in (0, 1):
            sys.exit(f"{' '.join(command)} ended with status {status}")
        noted, found = json.loads(notes.read_text("utf-8")), json.loads(checks.read_text("utf-8"))
    verdicts = {row["name"]: row for row in found}
    rows = {}
    for row_name, outcomes in noted["outcomes"].items():
        row = verdicts.get(row_name, {})
        rows[row_name] = {
            "outcome": "failed" if "failed" in outcomes else outcomes[0],
            "examples": noted["examples"].get(row_name, 0),
            "verdicts": row.get("verdicts", {}),
            "comparisons": row.get("comparisons", 0),
            "worst": row.get("worst", 0.0),
        }
    return rows, seconds


def totals(rows: dict[str, Any], seconds: float) -> dict[str, Any]:
    """What the rows of one run come to."""
    verdicts: Counter[str] = Counter()
    for row in rows.values():
        verdicts.update(row["verdicts"])
    alarms = sum(row["outcome"] == "failed" for row in rows.values())
    return {
        "rows": len(rows),
        "rows_with_gradients": sum(bool(row["verdicts"]) for row in rows.values()),
        "examples": sum(row["examples"] for row in rows.values()),
        "least_examples_with_gradients": min((sum(r["verdicts"].values()) for r in rows.values() if r["verdicts"]),
                                             default=0),
        "gradient_checks": sum(verdicts.values()),
        "comparisons": sum(row["comparisons"] for row in rows.values()),
        "verdicts": dict(verdicts),
        "failed": sorted(name for name, row in rows.items() if row["outcome"] == "failed"),
        "skipped": sorted(name for name, row in rows.items() if row["outcome"] == "skipped"),
        "false_alarms": alarms,
        "seconds": round(seconds, 1),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Every row of the tables through the battery, in the long profile.")
    parser.add_argument("--profile", default="intense", help="profile of tests/conftest.py (default intense)")
    parser.add_argument("--runs", default=",".join(RUNS), help="comma-separated (default cpu,strict,torch)")
    parser.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results" / "op-gradients.json")
    args, more = parser.parse_known_args()
    found = {name: run(name, args.profile, more) for name in args.runs.split(",")}
    result = {
        "environment": environment(1),
        "hypothesis": hypothesis.__version__,
        "profile": args.profile,
        "totals": {name: totals(*each) for name, each in found.items()},
        "rows": {name: rows for name, (rows, _) in found.items()},
    }
    for name, total in result["totals"].items():
        print(name, json.dumps(total))
    args.out.parent.mkdir(parents=True, exist_ok=True)
    text = re.sub(r"\n {4,}|\n {3}(?=\})", "", json.dumps(result, indent=1))  # a line a row
    args.out.write_text(text + "\n", "utf-8")
    print(f"written to {args.out}")
    sys.exit(int(any(total["false_alarms"] for total in result["totals"].values())))


if __name__ == "__main__":
    main()
