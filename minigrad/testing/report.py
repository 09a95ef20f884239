"""What a gradient check has found: every finding, the verdict over all, and the errors that carry a report."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..errors import GradientError, MinigradError
from .verdict import INCONCLUSIVE, Finding, Verdict

_LONG = 4000
"""A snippet with more characters is not for a message."""


@dataclass(frozen=True)
class GradcheckReport:
    """What a check has looked at, and what it found.

    Args:
        order: highest order of differentiation looked at.
        arguments: positions of the arguments checked.
        findings: one per comparison, and one per breach of what holds of every gradient.
        snippet: Python text that repeats the check; "" where everything is OK.
    """

    order: int
    arguments: tuple[int, ...]
    findings: tuple[Finding, ...] = field(repr=False)
    snippet: str = field(default="", repr=False)

    @property
    def comparisons(self) -> int:
        """How many pairs of numbers were compared."""
        return sum(not math.isnan(f.outcome.numeric) for f in self.findings)

    @property
    def worst(self) -> float:
        """The largest difference that passed, as a fraction of what was allowed."""
        return max((f.outcome.used for f in self.findings if f.verdict is Verdict.OK), default=0.0)

    @property
    def verdict(self) -> Verdict:
        """The gravest verdict of all findings: a fault counts more than what is inconclusive."""
        return max((f.verdict for f in self.findings), key=lambda v: v.rank, default=Verdict.OK)

    @property
    def failing(self) -> Finding | None:
        """The first fault, of the first argument and the smallest index with one; else the first open question."""
        wrong = (f for f in self.findings if f.is_wrong)
        open_ = (f for f in self.findings if f.verdict in INCONCLUSIVE)
        return next(wrong, None) or next(open_, None)

    @property
    def counts(self) -> dict[Verdict, int]:
        """How many findings have each verdict."""
        return dict(Counter(f.verdict for f in self.findings))

    def __str__(self) -> str:
        """A few lines: the verdict, the numbers of findings, and everything that is not OK."""
        counts = ", ".join(
            f"{n} {verdict}" for verdict, n in sorted(self.counts.items(), key=lambda item: -item[0].rank)
        )
        lines = [f"gradcheck of arguments {self.arguments} to order {self.order}: {self.verdict} ({counts})"]
        lines += [f"  {f.verdict}: {f}" for f in self.findings if f.verdict is not Verdict.OK]
        return "\n".join(lines)

    def markdown(self) -> str:
        """A table with a row per argument, order and way backwards: its gravest verdict and its worst difference."""
        rows = [
            "| argument | order | oracle | comparisons | verdict | difference / allowed | where |",
            "|---|" + "---|" * 6,
        ]
        for (argument, order, path), group in self._grouped().items():
            worst = max(group, key=lambda f: (f.verdict.rank, f.outcome.used))
            used = f"{worst.outcome.used:.2g}" if not math.isnan(worst.outcome.numeric) else ""
            where = "" if worst.verdict is Verdict.OK else worst.place
            rows.append(
                f"| {argument}{path} | {order} | {worst.oracle} | {len(group)} | {worst.verdict} | {used} | {where} |"
            )
        return "\n".join(rows)

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {
            "verdict": str(self.verdict), "order": self.order, "arguments": list(self.arguments),
            "comparisons": self.comparisons, "worst": self.worst, "snippet": self.snippet,
            "findings": [f.as_dict() for f in self.findings],
        }  # fmt: skip

    def _grouped(self) -> dict[tuple[str, int, str], list[Finding]]:
        groups: dict[tuple[str, int, str], list[Finding]] = {}
        for f in self.findings:
            groups.setdefault((f.argument, f.order, f.path), []).append(f)
        return groups


class WrongGradientError(GradientError):
    """A gradient is wrong, not deterministic, or no allowed subgradient; `report` says all that was found."""

    def __init__(self, report: GradcheckReport) -> None:
        super().__init__(_message(report))
        self.report = report


class InconclusiveError(MinigradError, ValueError):
    """The check could not tell: NOISY or DOMAIN, and not allowed; `report` says all that was found."""

    def __init__(self, report: GradcheckReport) -> None:
        super().__init__(_message(report))
        self.report = report


def _message(report: GradcheckReport) -> str:
    hint = ""
    if report.failing is not None and not report.failing.is_wrong:
        hint = f"; move the point, or pass allow={str(report.failing.verdict)!r}"
    again = report.snippet if len(report.snippet) <= _LONG else "(the error's report.snippet repeats it)"
    return f"gradcheck: {report.failing}{hint}\n{again}".rstrip()


def raise_unless_passed(report: GradcheckReport, allow: Iterable[Verdict]) -> None:
    """Raise what a report calls for.

    Raises:
        WrongGradientError: something is wrong.
        InconclusiveError: something is inconclusive, and that is not allowed.
    """
    if any(f.is_wrong for f in report.findings):
        raise WrongGradientError(report)
    if any(f.verdict in INCONCLUSIVE and f.verdict not in allow for f in report.findings):
        raise InconclusiveError(report)
