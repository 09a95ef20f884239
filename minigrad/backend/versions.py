"""Version cells: when the storage of an array was last written, on one clock with the tape.

A node of the tape is stamped by the same clock, so "was this written since?" is one comparison of two integers.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

next_index: Callable[[], int] = itertools.count(1).__next__
"""The clock: a node's index is larger than its parents', and than that of any earlier write."""

VersionCell = list[int]
"""A one-element list: when one storage was last written (0 for never). Views share it; the cheapest shared integer."""

last_write: VersionCell = [0]
"""When any storage was last written: a node younger than this needs no look at its cells."""


def mark_written(*cells: VersionCell) -> None:
    """Note a write, so that backward refuses values that were saved before it."""
    last_write[0] = now = next_index()
    for cell in cells:
        cell[0] = now
