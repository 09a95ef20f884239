"""The knee of a curve of throughput, and the batch size to train with."""

from __future__ import annotations

from collections.abc import Sequence

SHARE = 0.9
"""Of the best throughput: beyond the knee at most a tenth is left to gain."""
FEWEST_STEPS = 8
"""Steps in an epoch that a recommended batch size leaves: fewer updates learn little from an epoch."""


def knee(batches: Sequence[int], throughput: Sequence[float], share: float = SHARE) -> int:
    """The smallest batch with at least `share` of the best throughput.

    Not the point of largest curvature: that one moves with the noise of single points and with the ends of the range.

    Args:
        batches: in rising order.
        throughput: samples a second at each.
        share: in (0, 1].

    Returns:
        One of `batches`.

    Raises:
        ValueError: there are none.
    """
    if not batches:
        raise ValueError("there is no knee in a curve without points")
    enough = share * max(throughput)
    return next(b for b, t in zip(batches, throughput, strict=True) if t >= enough)


def recommended(batches: Sequence[int], at_knee: int, rows: int) -> int:
    """The batch to train with: that of the knee, or the largest below it that leaves an epoch FEWEST_STEPS steps.

    Args:
        batches: those that were measured, in rising order.
        at_knee: the knee.
        rows: of the data set.

    Returns:
        One of `batches`; the smallest where none leaves enough steps.
    """
    return max((b for b in batches if b <= at_knee and b * FEWEST_STEPS <= rows), default=batches[0])
