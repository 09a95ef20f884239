"""What gradient checks have found, noted while somebody listens: the pytest plugin's report is made of it."""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from .report import GradcheckReport
from .verdict import Verdict

_name: ContextVar[str] = ContextVar("gradcheck_row", default="")


@dataclass
class Row:
    """What was found under one name: of a table row, or of a test.

    Args:
        name: the name.
        verdicts: how many checks ended with each verdict.
        comparisons: pairs of numbers in all.
        worst: the largest difference that passed, as a fraction of what was allowed.
        wrong: how many checks proved a fault.
    """

    name: str
    verdicts: dict[str, int] = field(default_factory=dict)
    comparisons: int = 0
    worst: float = 0.0
    wrong: int = 0

    def add(self, report: GradcheckReport) -> None:
        """Count a report in."""
        wrong = int(any(f.is_wrong for f in report.findings))
        self.merge(Row(self.name, {str(report.verdict): 1}, report.comparisons, report.worst, wrong))

    def merge(self, other: Row) -> None:
        """Count in what another process found under the same name."""
        for verdict, n in other.verdicts.items():
            self.verdicts[verdict] = self.verdicts.get(verdict, 0) + n
        self.comparisons += other.comparisons
        self.worst = max(self.worst, other.worst)
        self.wrong += other.wrong

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        verdicts = {str(v): self.verdicts[v] for v in Verdict if v in self.verdicts}
        return {
            "name": self.name, "checks": sum(verdicts.values()), "verdicts": verdicts, "wrong": self.wrong,
            "worst": self.worst if math.isfinite(self.worst) else None, "comparisons": self.comparisons,
        }  # fmt: skip


class Recorder:
    """Rows by name."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}

    def note(self, report: GradcheckReport) -> None:
        """Count a report in under the current name."""
        name = _name.get()
        self.rows.setdefault(name, Row(name)).add(report)

    def as_list(self) -> list[dict[str, Any]]:
        """Plain values, sorted by name."""
        return [self.rows[name].as_dict() for name in sorted(self.rows)]

    def merge(self, rows: Iterable[dict[str, Any]]) -> None:
        """Count in the `as_list` of another process."""
        for r in rows:
            worst = math.inf if r["worst"] is None else r["worst"]
            other = Row(r["name"], dict(r["verdicts"]), r["comparisons"], worst, r["wrong"])
            self.rows.setdefault(other.name, Row(other.name)).merge(other)


@contextlib.contextmanager
def record(name: str) -> Iterator[None]:
    """Checks inside are counted under this name, where somebody listens."""
    token = _name.set(name)
    try:
        yield
    finally:
        _name.reset(token)


def listen(recorder: Recorder) -> None:
    """Let a recorder see every report of this process from now on, also of checks that fail."""
    module: Any = sys.modules[f"{__package__}.gradcheck"]  # the package's attribute of that name is the function
    original = module.raise_unless_passed

    def noted(report: GradcheckReport, allow: Any) -> None:
        recorder.note(report)
        original(report, allow)

    module.raise_unless_passed = noted


def markdown(rows: Iterable[dict[str, Any]]) -> str:
    """A table with a line per row."""
    lines = ["| name | checks | verdicts | comparisons | worst / allowed |", "|---|---|---|---|---|"]
    for r in rows:
        verdicts = ", ".join(f"{n} {verdict}" for verdict, n in r["verdicts"].items())
        worst = "inf" if r["worst"] is None else f"{r['worst']:.2g}"
        wrong = f" (**{r['wrong']} faults**)" if r["wrong"] else ""
        name = r["name"].replace("|", "\\|")
        lines.append(f"| {name} | {r['checks']} | {verdicts}{wrong} | {r['comparisons']} | {worst} |")
    return "\n".join(lines)
