"""Checks of arguments that the modules of this folder share."""

from __future__ import annotations

from typing import Any

from ..backend.array import is_integer
from ..errors import ShapeError


def check_seed(owner: str, seed: Any) -> int:
    """`seed` as an int.

    Raises:
        TypeError: not an integer.
        ValueError: negative.
    """
    if not is_integer(seed):
        raise TypeError(f"{owner}: seed must be an integer or None, got {type(seed).__name__} {seed!r}")
    if seed < 0:
        raise ValueError(f"{owner}: seed must not be negative, got {seed}")
    return int(seed)


def check_lengths(owner: str, arrays: list[Any]) -> int:
    """The common first length of arrays that have a shape.

    Raises:
        ShapeError: an array without a first axis, or lengths that differ.
        ValueError: no samples at all.
    """
    for i, a in enumerate(arrays):
        if len(a.shape) == 0:
            raise ShapeError(f"{owner}: array {i} is 0-d; its first axis must count the samples")
    lengths = [a.shape[0] for a in arrays]
    if len(set(lengths)) > 1:
        raise ShapeError(
            f"{owner}: the first axes must have one length, the number of samples, got {', '.join(map(str, lengths))}"
        )
    if lengths[0] == 0:
        raise ValueError(f"{owner}: no samples, got {'an array' if len(arrays) == 1 else 'arrays'} of length 0")
    return int(lengths[0])
