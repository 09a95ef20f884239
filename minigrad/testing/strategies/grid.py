"""The numbers that arrays are made of: points of a dyadic grid away from what is asked, simplest first."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

STEP = 1 / 8
"""The grid of arrays that are small enough for it."""
FINEST = 2.0**-12
ONE_BY_ONE = 24
"""Larger arrays are a permutation made from one seed: a draw an element would cost more than the test."""


@functools.lru_cache(maxsize=256)
def grid_points(
    low: float,
    high: float,
    count: int = 1,
    *,
    away_from: tuple[float, ...] = (),
    distance: float = 1 / 8,
    min_gap: float = 0.0,
    nonzero: bool = True,
    offset: float = 0.0,
) -> np.ndarray:
    """At least `count` points of a dyadic grid strictly between two bounds, the simplest first.

    Args:
        low, high: the bounds.
        count: how many points are needed; the grid is refined until there are that many.
        away_from: numbers that every point keeps `distance` from.
        distance: how far.
        min_gap: the least difference of two points.
        nonzero: leave out 0, and what is closer to 0 than a step.
        offset: shift the grid by so many steps; arrays with different offsets below 1 have no number in common.

    Returns:
        float64, sorted by the bits behind the point, then by size: 1, -1, 2, -2, 0.5, ...

    Raises:
        ValueError: there are not so many.
    """
    if not low < high:
        raise ValueError(f"low={low!r} must be below high={high!r}")
    if distance < 0 or min_gap < 0:
        raise ValueError(f"distance={distance!r} and min_gap={min_gap!r} must not be negative")
    step = max(STEP, 2.0 ** math.ceil(math.log2(min_gap))) if min_gap else STEP
    while True:
        shift = offset * step
        k = np.arange(math.ceil((low - shift) / step), math.floor((high - shift) / step) + 1)
        points = k * step + shift
        keep = (points > low) & (points < high)
        if nonzero:
            keep &= points != 0
        for kink in away_from:
            keep &= np.abs(points - kink) >= distance
        points = points[keep]
        if len(points) >= count:
            return points[np.lexsort((points < 0, np.abs(points), _bits(points)))]
        step /= 2
        if step < max(min_gap, FINEST):
            raise ValueError(
                f"({low}, {high}) has no {count} distinct numbers"
                + (f", each {distance} away from {away_from}" if away_from else "")
                + (f", {min_gap} apart" if min_gap else "")
                + ": widen it, or take smaller arrays"
            )


def _bits(points: np.ndarray) -> np.ndarray:
    """How many binary digits each number has behind the point."""
    bits = np.zeros(len(points), int)
    rest = points.copy()
    while (open_ := rest != np.floor(rest)).any():
        bits += open_
        rest = rest * 2
    return bits


def chosen(draw: Any, points: np.ndarray, size: int, unique: bool) -> np.ndarray:
    """Draw `size` of the points. The simplest outcome takes them from the front."""
    if not unique:
        if size <= ONE_BY_ONE:
            return points[draw(st.lists(st.integers(0, len(points) - 1), min_size=size, max_size=size))]
        seed = draw(st.integers(0, 2**16))
        return points[np.random.default_rng(seed).integers(0, len(points), size)] if seed else points[:1].repeat(size)
    if size <= ONE_BY_ONE:
        return points[_without_return([draw(st.integers(0, len(points) - 1 - i)) for i in range(size)])]
    seed = draw(st.integers(0, 2**16))
    return (np.random.default_rng(seed).permutation(points) if seed else points)[:size]


def _without_return(picks: Sequence[int]) -> list[int]:
    """Positions: pick i counts among those that no earlier pick took. All zeros give 0, 1, 2, ..."""
    taken: list[int] = []  # sorted
    result = []
    for pick in picks:
        position = pick
        for t in taken:
            if t > position:
                break
            position += 1
        result.append(position)
        taken.append(position)
        taken.sort()
    return result
