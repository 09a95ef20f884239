"""What a check says of one pair of numbers, or of a whole gradient: verdicts, not booleans."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Verdict(StrEnum):
    """The outcome of a check; the members are in the order of how much they matter, least first.

    OK: the gradient agrees with the reference, which was precise enough to tell.
    NOISY: the reference is too unreliable here to tell right from wrong.
    DOMAIN: f is not finite at the point or beside it, it jumps, or the oracle cannot evaluate it.
    KINK: f has no derivative here; the gradient is compared with the slopes on both sides.
    NONDETERMINISTIC: the same call gave two results.
    WRONG: the gradient contradicts a reliable reference, or breaks what every gradient must keep.
    """

    OK = "ok"
    NOISY = "noisy"
    DOMAIN = "domain"
    KINK = "kink"
    NONDETERMINISTIC = "nondeterministic"
    WRONG = "wrong"

    @property
    def rank(self) -> int:
        """0 for OK, and more for what matters more."""
        return _RANKS[self]


_RANKS = {verdict: rank for rank, verdict in enumerate(Verdict)}
INCONCLUSIVE = frozenset({Verdict.NOISY, Verdict.DOMAIN})
"""Verdicts that say nothing about the gradient."""


def allowed_verdicts(allow: str | Iterable[str]) -> frozenset[Verdict]:
    """The argument `allow` of gradcheck as verdicts.

    Raises:
        ValueError: a name of no verdict, or of one that cannot be allowed.
    """
    names = (allow,) if isinstance(allow, str) else tuple(allow)
    known = {str(verdict) for verdict in INCONCLUSIVE}
    unknown = [name for name in names if str(name).lower() not in known]
    if unknown:
        raise ValueError(
            f"gradcheck: allow={allow!r} names {unknown[0]!r}; only {', '.join(sorted(known))} can be allowed "
            "(a kink passes by itself where the gradient is a subgradient)"
        )
    return frozenset(Verdict(str(name).lower()) for name in names)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an oracle says of one derivative along one direction.

    Args:
        verdict: one of Verdict.
        analytic: the tape's number.
        numeric: the reference's; of a kink the middle between its slopes.
        bar: error bar of the reference, as measured.
        allowed: the largest difference that passes.
        slopes: of a kink: the ends of the interval of allowed subgradients.
        accepted: of a kink: whether the analytic number is an allowed subgradient.
        note: what the numbers do not say; "{where}" in it stands for the place.
    """

    verdict: Verdict
    analytic: float = math.nan
    numeric: float = math.nan
    bar: float = 0.0
    allowed: float = 0.0
    slopes: tuple[float, float] | None = None
    accepted: bool = True
    note: str = ""

    @property
    def is_wrong(self) -> bool:
        """Whether it proves a fault: wrong, not deterministic, or no allowed subgradient of a kink."""
        return self.verdict in _FAULTS or (self.verdict is Verdict.KINK and not self.accepted)

    @property
    def used(self) -> float:
        """The difference as a fraction of what was allowed."""
        error = abs(self.analytic - self.numeric)
        return 0.0 if error == 0 else error / self.allowed if self.allowed else math.inf


@dataclass(frozen=True, slots=True)
class Finding:
    """An outcome and the place that it is about.

    Args:
        outcome: the verdict and the numbers, per unit step of the entry.
        argument: "argument 1", or "cotangent 0 of order 1" at higher orders.
        position: of the argument in the call of f; -1 where it is none of its arguments or all of them.
        place: "entry (0, 2)", "random direction 1" or "" for what concerns the whole argument.
        index: of the entry, where it is one.
        order: which derivative: 1 is the gradient.
        path: "" for the ordinary backward, else which other one.
        oracle: name of the oracle that judged; "" for what needs none.
    """

    outcome: Outcome
    argument: str
    position: int
    place: str
    index: tuple[int, ...] | None
    order: int
    path: str = ""
    oracle: str = ""

    @property
    def verdict(self) -> Verdict:
        return self.outcome.verdict

    @property
    def is_wrong(self) -> bool:
        """Whether it proves a fault: wrong, not deterministic, or no allowed subgradient of a kink."""
        return self.outcome.is_wrong

    def __str__(self) -> str:
        """One line: verdict, place and numbers."""
        o = self.outcome
        where = f"{self.argument}{', ' if self.place else ''}{self.place}, order {self.order}{self.path}"
        if o.note and math.isnan(o.numeric):
            return o.note.replace("{where}", where) if "{where}" in o.note else f"{o.note} ({where})"
        numbers = f"analytic {o.analytic:.12g}, numeric {o.numeric:.12g}"
        bars = f"error bar {o.bar:.3g}, allowed difference {o.allowed:.3g}"
        note = f" ({o.note})" if o.note else ""
        if o.slopes is not None:
            return (
                f"{_SAYS[self.verdict, o.accepted]} of {where}: {numbers}, "
                f"one-sided slopes allow {o.slopes[0]:.12g} to {o.slopes[1]:.12g}, {bars}{note}"
            )
        return f"{_SAYS[self.verdict, True]} of {where}: {numbers}, {bars}{note}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        o = self.outcome
        return {
            "verdict": str(self.verdict), "argument": self.argument, "position": self.position, "place": self.place,
            "index": None if self.index is None else list(self.index), "order": self.order, "path": self.path.strip(),
            "oracle": self.oracle, "analytic": o.analytic, "numeric": o.numeric, "error_bar": o.bar,
            "allowed": o.allowed, "slopes": None if o.slopes is None else list(o.slopes), "accepted": o.accepted,
            "note": o.note,
        }  # fmt: skip


_FAULTS = frozenset({Verdict.WRONG, Verdict.NONDETERMINISTIC})
_SAYS = {
    (Verdict.OK, True): "right gradient",
    (Verdict.NOISY, True): "the reference is too noisy to judge the gradient",
    (Verdict.DOMAIN, True): "no reference for the gradient",
    (Verdict.KINK, True): "kink: an allowed subgradient",
    (Verdict.KINK, False): "kink: no allowed subgradient",
    (Verdict.NONDETERMINISTIC, True): "not deterministic: gradient",
    (Verdict.WRONG, True): "wrong gradient",
}
