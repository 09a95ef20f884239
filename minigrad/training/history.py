"""What a training run did, epoch by epoch."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

COLUMNS = ("epoch", "step", "loss", "lr", "grad_norm", "seconds", "samples_per_second")
"""The columns of every history, beside those of metrics and validation."""
TIMES = ("seconds", "samples_per_second")
"""The columns that differ between two otherwise equal runs."""


class History:
    """One row per epoch, and why the run stopped.

    A row holds epoch (from 1), step (optimizer steps so far), loss and metrics over the batches of the epoch while the
    weights moved, val_loss and val_<metric> after it, lr of its last step, grad_norm (Euclidean norm of the gradient,
    mean over up to 16 batches spread over the epoch), seconds of training (without validation) and
    samples_per_second.

    Attributes:
        rows: the rows, dicts.
        stopped: which rule ended the run: "epochs", "target_loss", "grad_norm", "patience", "time_limit", "diverged",
            "callback"; "" while it runs.
        reason: the same as a sentence.
        best_epoch: the epoch of the smallest val_loss, None without validation.
        resumed_at: the step at which a checkpoint was taken up, None for a run from the start.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.stopped = ""
        self.reason = ""
        self.best_epoch: int | None = None
        self.resumed_at: int | None = None

    def __getitem__(self, name: str) -> list[Any]:
        """A column: `history["loss"]`.

        Raises:
            KeyError: no such column; the message lists them.
        """
        if self.rows and name not in self.columns:
            raise KeyError(f"no column {name!r} in the history; it has {', '.join(self.columns)}")
        return [row[name] for row in self.rows]

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __len__(self) -> int:
        """Epochs recorded."""
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.rows[0]) if self.rows else []

    @property
    def last(self) -> dict[str, Any]:
        """The newest row; empty before the first."""
        return self.rows[-1] if self.rows else {}

    @property
    def seconds(self) -> float:
        """Seconds of training, without validation."""
        return float(sum(row["seconds"] for row in self.rows))

    def to_csv(self) -> str:
        """The rows as CSV text with a header; numbers as Python writes them, so they read back exactly."""
        text = io.StringIO()
        writer = csv.DictWriter(text, self.columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()

    def __repr__(self) -> str:
        shown = ", ".join(f"{k}={v:.4g}" for k, v in self.last.items() if isinstance(v, float) and k not in TIMES)
        return f"History({len(self)} epochs; {shown}; {self.reason or 'running'})"

    def state_dict(self) -> dict[str, Any]:
        """The rows and the best epoch."""
        return {"rows": [dict(row) for row in self.rows], "best_epoch": self.best_epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        self.rows = [dict(row) for row in state["rows"]]
        self.best_epoch = state["best_epoch"]
