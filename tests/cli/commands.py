"""What tests of the command line share."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    status: int
    out: str
    err: str


Run = Callable[..., Result]


def refused(done: Result, pattern: str) -> None:
    """Whether a command ended as bad input must."""
    assert done.status == 2
    assert re.fullmatch(r"minigrad: error: [^\n]+\n", done.err), done.err
    assert re.search(pattern, done.err), done.err
    assert done.out == ""
