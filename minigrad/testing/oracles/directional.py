"""Directional: <D_v f, u> against <v, vjp(u)>, with new random u and v for every comparison.

One direction through all arguments at once, so that one number speaks for the whole Jacobian. D_v f comes from the
complex step where f takes complex arrays, else from differences: never from the rules under test, by which the two
sides would agree whatever the rules say.
"""

from __future__ import annotations

from typing import ClassVar

from ..line import Line
from ..verdict import Outcome, Verdict
from .base import Oracle
from .complex_step import ComplexStep
from .differences import Differences


class Directional(Oracle):
    """Random directions with random cotangents; complex step where it works, differences where not."""

    name: ClassVar[str] = "directional"
    joint = True

    def judge(self, line: Line, analytic: float) -> Outcome:
        outcome = ComplexStep().judge(line, analytic)
        if outcome.verdict in (Verdict.DOMAIN, Verdict.NOISY):
            return Differences().judge(line, analytic)
        return outcome
