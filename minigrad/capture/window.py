"""Window: which bytes of which buffer an array is. Equal windows are the same memory: equal values at equal times."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Window:
    """An array as a view of a numbered buffer.

    Attributes:
        buffer: number of the buffer.
        offset: of the first element, in bytes.
        shape: lengths of the axes.
        strides: steps along them, in bytes.
        dtype: NumPy's short name, such as "<f4".
    """

    buffer: int
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: str

    @property
    def itemsize(self) -> int:
        return np.dtype(self.dtype).itemsize

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def span(self) -> tuple[int, int]:
        """First and last byte touched, as a half-open range; empty for an empty array."""
        if not self.size:
            return self.offset, self.offset
        reach = [(n - 1) * s for n, s in zip(self.shape, self.strides, strict=True)]
        low = self.offset + sum(r for r in reach if r < 0)
        return low, self.offset + sum(r for r in reach if r > 0) + self.itemsize

    def overlaps(self, other: Window) -> bool:
        """Whether both may touch a common byte."""
        if self.buffer != other.buffer:
            return False
        low, high = self.span
        other_low, other_high = other.span
        return low < other_high and other_low < high

    @property
    def has_gaps(self) -> bool:
        """Whether the elements, in whatever order, leave bytes between them."""
        low, high = self.span
        return high - low != self.size * self.itemsize


def root(array: Any) -> Any:
    """The array that owns the memory of `array`."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def address(array: Any) -> int:
    """Where the first element of an array is."""
    return int(array.__array_interface__["data"][0])


def leaves(value: Any, kind: type | tuple[type, ...]) -> list[Any]:
    """The members of a kind in nested tuples, lists and dicts, in order."""
    if isinstance(value, kind):
        return [value]
    if type(value) in (tuple, list):
        return [found for item in value for found in leaves(item, kind)]
    if type(value) is dict:
        return [found for item in value.values() for found in leaves(item, kind)]
    return []


def replaced(value: Any, kind: type | tuple[type, ...], function: Any) -> Any:
    """`value` with function(member) in place of each member of a kind in nested tuples, lists and dicts."""
    if isinstance(value, kind):
        return function(value)
    if type(value) is tuple or type(value) is list:
        return type(value)([replaced(item, kind, function) for item in value])
    if type(value) is dict:
        return {key: replaced(item, kind, function) for key, item in value.items()}
    return value
