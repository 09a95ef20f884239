"""The progress bar of a run: tqdm on a terminal, nothing elsewhere."""

from __future__ import annotations

import sys
from typing import Any

from ..errors import OptionalDependencyError, require
from .history import TIMES


class Progress:
    """A bar over epochs that shows the newest row.

    Args:
        epochs: how many there are.
        done: how many are done already.
        show: True or False; None shows it when stderr is a terminal and tqdm is installed.
    """

    def __init__(self, epochs: int, done: int, show: bool | None) -> None:
        self._bar: Any = None
        if show is None:
            show = sys.stderr is not None and sys.stderr.isatty()
            try:
                tqdm: Any = require("tqdm", "train", "A progress bar") if show else None
            except OptionalDependencyError:
                return
        elif show:
            tqdm = require("tqdm", "train", "A progress bar")
        if show:
            self._bar = tqdm.tqdm(total=epochs, initial=done, unit="epoch", leave=False, dynamic_ncols=True)

    def update(self, row: dict[str, Any]) -> None:
        """One epoch more."""
        if self._bar is not None:
            hidden = {*TIMES, "epoch", "step", "grad_norm"}
            self._bar.set_postfix({k: f"{v:.4g}" for k, v in row.items() if k not in hidden}, refresh=False)
            self._bar.update()

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
