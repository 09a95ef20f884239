"""Parsing of arguments: types (for add_argument) that say what is wrong, and a parser whose errors are one line."""

from __future__ import annotations

import argparse
import math
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

LARGEST = 2**53
"""No count is larger: beyond it JSON readers round integers."""


class UsageError(Exception):
    """What the user asked for cannot be done; the message is one line."""


class _Help(argparse.RawDescriptionHelpFormatter):
    """Help that never breaks a line within a name such as cosine-restarts."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)


class Parser(argparse.ArgumentParser):
    """An argument parser that raises UsageError instead of printing the usage and leaving.

    Abbreviated options are refused: a script must not change its meaning when an option is added.
    """

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", _Help)
        super().__init__(allow_abbrev=False, **kwargs)
        if " " in self.prog.removeprefix("python -m minigrad"):  # a command: its options are listed below anyway
            self.usage = "%(prog)s [options]"

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message}; see {self.prog} --help")


def integer(low: int, high: int = LARGEST) -> Callable[[str], int]:
    """An integer in [low, high]."""

    def parse(text: str) -> int:
        try:
            value = int(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"an integer >= {low} is due, got {text!r}") from error
        if not low <= value <= high:
            bound = f">= {low}" if value < low else f"<= {high}"
            raise argparse.ArgumentTypeError(f"an integer {bound} is due, got {text!r}")
        return value

    return parse


def number(low: float, high: float = math.inf, low_open: bool = False) -> Callable[[str], float]:
    """A finite number in [low, high), or (low, high) where `low_open`."""

    bound = "" if low == -math.inf else f" {'>' if low_open else '>='} {low:g}"
    due = f"a finite number{bound}" + ("" if high == math.inf else f" and < {high:g}")

    def parse(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value < high and (value > low if low_open else value >= low)):
            raise argparse.ArgumentTypeError(f"{due} is due, got {text!r}")
        return value

    return parse


def path(text: str) -> Path:
    """A path that is not empty: the empty one would mean the folder one stands in."""
    if not text.strip():
        raise argparse.ArgumentTypeError("a path is due, got an empty one")
    return Path(text)
