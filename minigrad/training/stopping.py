"""When to stop: the rules of a run, asked after every epoch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from ..backend.array import is_integer
from .history import History


@dataclass(frozen=True)
class StoppingRules:
    """The limits of a run; None is no limit.

    epochs: passes over the data.
    target_loss: stop once the training loss of an epoch is at most this.
    grad_norm: stop once the gradient norm of an epoch is at most this.
    patience: stop after so many epochs without a new smallest val_loss.
    time_limit: seconds of wall clock, those before a resume included.
    """

    epochs: int
    target_loss: float | None = None
    grad_norm: float | None = None
    patience: int | None = None
    time_limit: float | None = None

    def check(self, validates: bool) -> None:
        """Raise for limits that make no sense.

        Args:
            validates: whether the run has validation data.
        """
        for name, value in (("epochs", self.epochs), ("patience", self.patience)):
            if value is None and name == "patience":
                continue
            if not is_integer(value):
                raise TypeError(f"fit: {name} must be an integer, got {type(value).__name__} {value!r}")
            if value is not None and value < 1:
                raise ValueError(f"fit: {name} must be at least 1, got {value}")
        for name, limit in (
            ("target_loss", self.target_loss),
            ("grad_norm", self.grad_norm),
            ("time_limit", self.time_limit),
        ):
            if limit is None:
                continue
            if isinstance(limit, bool) or not hasattr(limit, "__float__"):
                raise TypeError(f"fit: {name} must be a number, got {type(limit).__name__} {limit!r}")
            if not math.isfinite(limit) or (limit <= 0 and name != "target_loss"):
                bound = "finite" if name == "target_loss" else "finite and > 0"
                raise ValueError(f"fit: {name} must be {bound}, got {limit!r}")
        if self.patience is not None and not validates:
            raise ValueError("fit: patience watches the validation loss: pass validation=(x, y)")

    def verdict(self, history: History, elapsed: float) -> tuple[str, str]:
        """(name of the rule, sentence) of the first rule that ends the run, ("", "") to go on.

        Args:
            history: with at least one row.
            elapsed: seconds of wall clock so far.
        """
        row: dict[str, Any] = history.last
        epoch, loss, norm = row["epoch"], row["loss"], row["grad_norm"]
        bad = [k for k in ("loss", "val_loss") if not math.isfinite(row.get(k, 0.0))]
        if bad:
            return "diverged", (
                f"{bad[0]} is {row[bad[0]]} in epoch {epoch}: use a smaller learning rate, or look for huge inputs"
            )
        if self.target_loss is not None and loss <= self.target_loss:
            return "target_loss", f"loss {loss:.6g} reached the target {self.target_loss:g} in epoch {epoch}"
        if self.grad_norm is not None and norm <= self.grad_norm:
            return "grad_norm", f"gradient norm {norm:.6g} fell to the limit {self.grad_norm:g} in epoch {epoch}"
        if self.patience is not None and history.best_epoch is not None:
            stale = epoch - history.best_epoch
            if stale >= self.patience:
                return "patience", (
                    f"no smaller val_loss for {stale} epochs after {history['val_loss'][history.best_epoch - 1]:.6g} "
                    f"in epoch {history.best_epoch}"
                )
        if epoch >= self.epochs:
            return "epochs", f"{epoch} epochs done"
        if self.time_limit is not None and elapsed >= self.time_limit:
            return "time_limit", f"{elapsed:.1f} s passed, the limit is {self.time_limit:g} s"
        return "", ""
