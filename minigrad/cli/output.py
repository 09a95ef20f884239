"""What commands print."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any

from ..data import Dataset


class Printer:
    """Prints to stdout unless asked to be quiet."""

    def __init__(self, quiet: bool) -> None:
        self.quiet = quiet

    def __call__(self, line: str) -> None:
        if self.quiet:
            return
        try:
            print(line, flush=True)
        except BrokenPipeError:  # the reader of a pipe has seen enough; that is no reason to stop training
            drop_stdout()
            self.quiet = True


def drop_stdout() -> None:
    """Send what is still to be printed nowhere: Python would complain at its exit about a closed pipe."""
    with contextlib.suppress(OSError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def describe_data(dataset: Dataset) -> str:
    """One line about a data set."""
    kind = f"{dataset.classes} classes" if dataset.classes else f"regression of {dataset.target!r}"
    return f"{dataset.name}: {len(dataset)} rows, {dataset.x.shape[1]} features, {kind}"


def score_text(summary: dict[str, Any]) -> str:
    """The test scores of a summary in one line."""
    names = ("test_accuracy", "test_f1", "test_r2", "test_rmse", "test_mae", "test_loss")
    shown = [f"{k.replace('_', ' ')} {number_text(summary[k])}" for k in names if k in summary]
    return "   ".join([*shown, f"({summary['train_seconds']:.2f} s of training)"])


def number_text(value: float | None) -> str:
    """A score with four digits."""
    return "nan" if value is None else f"{value:.4f}" if abs(value) < 1e4 else f"{value:.5g}"
