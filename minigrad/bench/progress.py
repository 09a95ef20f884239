"""The progress bar of a sweep: tqdm on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from typing import Any

from ..errors import OptionalDependencyError, require


class Progress:
    """A bar over readings.

    Args:
        total: how many there will be.
        show: False shows nothing; True shows it when stderr is a terminal and tqdm is installed.
    """

    def __init__(self, total: int, show: bool) -> None:
        self._bar: Any = None
        if not show or sys.stderr is None or not sys.stderr.isatty():
            return
        try:
            tqdm: Any = require("tqdm", "train", "A progress bar")
        except OptionalDependencyError:
            return
        self._bar = tqdm.tqdm(total=total, unit="reading", leave=False, dynamic_ncols=True)

    def update(self) -> None:
        """One reading more."""
        if self._bar is not None:
            self._bar.update()

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
