"""What an oracle is: something that can tell a right derivative from a wrong one without the rule under test."""

from __future__ import annotations

from typing import ClassVar

from ..line import Line
from ..verdict import Outcome, Verdict

RESOLUTION = 1e-4
"""A reference that cannot see a relative fault of this size judges nothing."""
FLAT_RESOLUTION = 1e-5
"""The same as a fraction of f itself: what counts where the derivative is zero but for rounding."""


class Oracle:
    """Base class of oracles. A new one defines `judge`, and `name`.

    An oracle must not use the gradient rule under test on both sides: that would prove nothing.

    Attributes:
        name: how reports call it.
        orders: the highest order it can judge; higher ones are left to the differences.
        joint: it wants directions through all arguments at once, each with a cotangent of its own.
    """

    name: ClassVar[str] = ""
    orders: int = 1_000
    joint: bool = False

    def judge(self, line: Line, analytic: float) -> Outcome:
        """Compare the tape's number with the function along a line.

        Args:
            line: the function.
            analytic: <gradient, v> by the tape.

        Returns:
            The outcome, KINK never among them: whoever calls looks for kinks before it believes WRONG.
        """
        raise NotImplementedError(f"{type(self).__name__}: define judge(line, analytic)")


def compare(line: Line, analytic: float, numeric: float, bar: float, allowed: float, scale: float) -> Outcome:
    """The verdict on a number and a reference with an error bar.

    Args:
        line: the function.
        analytic: the tape's number.
        numeric: the reference.
        bar: its error bar.
        allowed: the largest difference that passes, but for the line's floor.
        scale: sum of |w_j dF_j/dt|.

    Returns:
        OK, WRONG, or NOISY where the two agree but a reference as coarse as that would agree with anything.
    """
    allowed += line.floor
    if not abs(analytic - numeric) <= allowed:
        return Outcome(Verdict.WRONG, analytic, numeric, bar, allowed)
    if allowed > RESOLUTION * max(scale, abs(analytic)) and allowed > FLAT_RESOLUTION * line.extent():
        return Outcome(Verdict.NOISY, analytic, numeric, bar, allowed)
    return Outcome(Verdict.OK, analytic, numeric, bar, allowed)
