"""Comparing the tape's gradients with an oracle: entry by entry, or along random directions; and finding the entry."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..core.variable import wrap
from .doubts import closer, roughened, with_rounding
from .kinks import Subgradient, hidden_kink, is_bent, judge_kink, kink_of
from .level import Level, along
from .line import FACTOR, Direction, Line
from .oracles import Differences, Oracle
from .oracles.base import compare
from .tape import flat
from .verdict import Finding, Outcome, Verdict

_BY_ONE = 64  # larger arguments are halved to find a wrong entry
_SMALL = 1e-5
_NEXT = (-(2.0**-46), 2.0**-47, 3 * 2.0**-47, -5 * 2.0**-48)
_RECORDED = " (with create_graph)"


@dataclass(frozen=True)
class Manner:
    """How gradients are compared.

    Args:
        oracle: what with.
        subgradient: what is right at a kink.
        max_entries: up to that many entries in all, every entry is compared.
        directions: how many random directions otherwise.
    """

    oracle: Oracle
    subgradient: Subgradient
    max_entries: int
    directions: int


def judge(line: Line, analytic: float, oracle: Oracle, subgradient: Subgradient, recorded: bool = False) -> Outcome:
    """An oracle's outcome, after a look for kinks where it is not OK or the function bends.

    Args:
        line: the function.
        analytic: the tape's number.
        oracle: what it is compared with.
        subgradient: what is right at a kink.
        recorded: whether the number comes from the backward that can be differentiated again.
    """
    outcome = _first(line, analytic, oracle, subgradient)
    if not outcome.is_wrong:
        return outcome
    rough = roughened(line)
    if rough is not line:
        outcome = _first(rough, analytic, oracle, subgradient)
    if outcome.verdict is Verdict.WRONG:
        outcome = _with_jitter(rough, outcome, recorded)
    if outcome.is_wrong:
        outcome = closer(rough, outcome)
    if outcome.verdict is not Verdict.WRONG:
        return outcome
    kink = hidden_kink(rough, outcome, recorded)
    return kink if kink is not None and kink.accepted else with_rounding(rough, kink or outcome)


def _first(line: Line, analytic: float, oracle: Oracle, subgradient: Subgradient) -> Outcome:
    outcome = oracle.judge(line, analytic)
    if outcome.verdict is Verdict.OK and not is_bent(line):
        return outcome
    kink = kink_of(line)
    return outcome if kink is None else judge_kink(line, analytic, kink, subgradient)


def _with_jitter(line: Line, outcome: Outcome, recorded: bool) -> Outcome:
    """The outcome when the tape's own rounding counts as well: how its number jumps between neighbouring points."""
    o = outcome
    if not abs(o.analytic - o.numeric) <= _SMALL * abs(o.analytic):
        return o
    jitter = max(abs(line.tape_slope(t, recorded, 1 + 2.0**20 * t) - o.analytic) for t in _NEXT)
    found = compare(line, o.analytic, o.numeric, o.bar, o.allowed + FACTOR * jitter, abs(o.numeric))
    return o if found.verdict is Verdict.WRONG else found


def examine(level: Level, manner: Manner) -> Iterator[Finding]:
    """Findings of one order; `level` has run and knows its value."""
    recorded = level.pulled(level.cotangents, create_graph=True)
    sizes = [math.prod(p.shape) for p in level.points]
    if manner.oracle.joint and level.order <= manner.oracle.orders:
        yield from _joint(level, manner)
        return
    for i, size in enumerate(sizes):
        if not size:
            continue
        look = Look(level, i, manner, (("", level.gradients[i]), (_RECORDED, recorded[i])))
        if sum(sizes) <= manner.max_entries:
            yield from look.entries()
        else:
            for k in range(manner.directions):
                v = level.random(level.hosts[i].shape) * level.reach(i)
                yield from look.direction(v, f"random direction {k}")


def _joint(level: Level, manner: Manner) -> Iterator[Finding]:
    """Directions through all arguments at once, each with a cotangent of its own."""
    moving = [i for i, h in enumerate(level.hosts) if h.size]
    for k in range(manner.directions):
        cotangents = level.draw_cotangents()
        weights = flat([wrap(c) for c in cotangents])
        direction = {i: level.random(level.hosts[i].shape) * level.reach(i) for i in moving}
        line = level.line(direction, weights)
        for path, recorded in (("", False), (_RECORDED, True)):
            gradients = level.pulled(cotangents, create_graph=recorded)
            outcome = judge(line, along(gradients, direction), manner.oracle, manner.subgradient, recorded)
            finding = Finding(outcome, "all arguments", -1, f"random direction {k}", None, level.order, path,
                              manner.oracle.name)  # fmt: skip
            if finding.is_wrong:
                for i in moving:
                    look = Look(level, i, manner, ((path, gradients[i]),), weights)
                    worse = [f for f in look.direction(direction[i], f"random direction {k}") if f.is_wrong]
                    if worse:
                        finding = worse[0]
                        break
            yield finding


class Look:
    """The comparisons for one argument.

    Args:
        level: function and point.
        i: which point.
        manner: how.
        gradients: (path, gradient) of each way backwards.
        weights: the cotangent that the gradients are for; None is the level's.
    """

    def __init__(self, level: Level, i: int, manner: Manner, gradients: Any, weights: np.ndarray | None = None) -> None:
        self.level, self.i, self.manner, self.weights = level, i, manner, weights
        self.oracle = manner.oracle if level.order <= manner.oracle.orders else Differences()
        self.gradients = [(path, flat([g])) for path, g in gradients]
        self.shape = level.hosts[i].shape

    def entries(self, paths: str | None = None) -> Iterator[Finding]:
        """Every entry in order."""
        reach = self.level.reach(self.i)
        for k, index in enumerate(np.ndindex(self.shape)):
            yield from self._entry(k, index, float(reach[index]), paths)

    def _entry(self, k: int, index: tuple[int, ...], unit: float, paths: str | None = None) -> Iterator[Finding]:
        line = self.level.entry(self.i, index, unit, self.weights)
        for path, gradient in self.gradients:
            if paths is None or path == paths:
                outcome = self._judge(line, float(gradient[k]) * unit, path)
                yield self._found(_per_unit(outcome, unit), f"entry {index}", index, path)

    def direction(self, v: np.ndarray, name: str) -> Iterator[Finding]:
        """One direction; where that is wrong, or has a kink that a convention is asked of, the entry behind it."""
        line = self._line(v)
        for path, gradient in self.gradients:
            finding = self._along(line, v, gradient, name, path)
            conventional = not isinstance(self.manner.subgradient, str)
            if finding.is_wrong or (finding.verdict is Verdict.KINK and conventional):
                yield from self._entry_behind(finding, v, gradient, name)
            else:
                yield finding

    def _line(self, v: np.ndarray) -> Line:
        moved: Direction = {self.i: v}
        return self.level.line(moved, self.weights)

    def _along(self, line: Line, v: np.ndarray, gradient: np.ndarray, name: str, path: str) -> Finding:
        return self._found(self._judge(line, float(gradient @ v.ravel()), path), name, None, path)

    def _judge(self, line: Line, analytic: float, path: str) -> Outcome:
        return judge(line, analytic, self.oracle, self.manner.subgradient, path == _RECORDED)

    def _entry_behind(self, finding: Finding, v: np.ndarray, gradient: np.ndarray, name: str) -> Iterator[Finding]:
        """The first wrong entry; where none is, the entries themselves, which explain what the direction shows."""
        if v.size <= _BY_ONE or finding.verdict is Verdict.KINK:
            found = []
            for entry in self.entries(finding.path):
                if entry.is_wrong:
                    yield entry
                    return
                found.append(entry)
            yield from found
            return
        low, high = 0, v.size
        while high - low > 1:
            middle = (low + high) // 2
            for start, end in ((low, middle), (middle, high)):
                part = np.zeros(v.size)
                part[start:end] = v.ravel()[start:end]
                direction = part.reshape(v.shape)
                half = self._along(self._line(direction), direction, gradient, f"{name}, in part", finding.path)
                if half.is_wrong:
                    finding, low, high = half, start, end
                    break
            else:
                if high - low == v.size:  # its halves are right, and so is their sum
                    finding = replace(finding, outcome=replace(finding.outcome, verdict=Verdict.NOISY))
                yield finding
                return
        index = tuple(int(n) for n in np.unravel_index(low, v.shape))
        yield from self._entry(low, index, float(self.level.reach(self.i)[index]), finding.path)

    def _found(self, outcome: Outcome, place: str, index: tuple[int, ...] | None, path: str) -> Finding:
        level, i = self.level, self.i
        position = level.positions[i] if i < level.curved else -1
        return Finding(outcome, level.names[i], position, place, index, level.order, path, self.oracle.name)


def _per_unit(o: Outcome, unit: float) -> Outcome:
    """The numbers of an entry, of which the line makes steps of `unit`."""
    if unit == 1.0:
        return o
    slopes = None if o.slopes is None else (o.slopes[0] / unit, o.slopes[1] / unit)
    a, n = o.analytic / unit, o.numeric / unit
    return Outcome(o.verdict, a, n, o.bar / unit, o.allowed / unit, slopes, o.accepted, o.note)
