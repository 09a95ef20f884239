"""A training run under way: what a step does to it, and the whole of its state."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence, Sized
from typing import Any

from ..backend import random
from ..backend.array import double, to_device
from ..backend.device import HOST, provider_of
from ..capture import CapturedStep
from ..core.variable import wrap
from ..data import DataLoader
from ..nn import Module
from ..optim import Optimizer, gradient_norm
from ..tensor import as_raw
from .evaluate import check_batch, evaluate_batches, host_float
from .function_metric import FunctionMetric
from .history import History
from .metric import Metric
from .metric_sums import MetricSums
from .train_step import Step, may_have_hidden_state

NORMS_AN_EPOCH = 16
"""Batches of an epoch whose gradient norm is measured."""
KEPT_BATCHES = 16
"""Batches whose predictions are kept until their metrics are computed together."""


class Run:
    """A model in training; callbacks get it.

    Attributes:
        model, loss, optimizer, scheduler, train, validation, metrics: as given to `fit`.
        history: the epochs so far.
        epoch: epochs completed.
        step: optimizer steps made.
        lr: learning rate of the newest step, of the first parameter group.
        elapsed: seconds of wall clock, those before a resume included; set at the end of every epoch.
    """

    def __init__(
        self,
        model: Module,
        train: Iterable[Any],
        loss: Callable[..., Any],
        optimizer: Optimizer,
        scheduler: Any,
        validation: Iterable[Any] | None,
        metrics: Sequence[Metric],
        keep_best: bool,
        callbacks: Sequence[Any],
        step: Step,
    ) -> None:
        self.model, self.train, self.loss = model, train, loss
        self.optimizer, self.scheduler = optimizer, scheduler
        self.validation, self.metrics, self.callbacks = validation, metrics, callbacks
        self.history = History()
        self.epoch = 0
        self.step = 0
        self.elapsed = 0.0
        self.best: dict[str, Any] | None = None
        self._keep_best = keep_best
        self._make_step = step
        # a recording does not see what a callback, or code that is not ours, changes in Python
        self._rechecks = bool(callbacks) or may_have_hidden_state(model, loss)
        self._parameters = [p for group in optimizer.param_groups for p in group["params"]]
        self._sums = MetricSums(metrics)
        # a user's function gets the batches as they are
        self._keep = 1 if any(isinstance(m, FunctionMetric) for m in metrics) else KEPT_BATCHES
        self.lr: float = 0.0
        self._batches = len(train) if isinstance(train, Sized) else None
        self._norm_every = math.ceil((self._batches or NORMS_AN_EPOCH**2) / NORMS_AN_EPOCH)
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self.batch = 0
        self.rows = 0
        self.seconds = 0.0
        self._loss: Any = 0.0
        self._counted: Any = 0.0
        self._norm: Any = 0.0
        self._norms = 0
        self._kept: list[tuple[Any, Any]] = []
        self._sums.reset()

    # --- work ---------------------------------------------------------------------------------------------------------

    def train_step(self, batch: Any) -> None:
        """Forward, backward and update for one batch. Nothing waits for the device."""
        check_batch("fit", batch)
        if self.batch == 0 and self._rechecks and isinstance(self._make_step, CapturedStep):
            self._make_step.recheck(*batch)
        rate = self.optimizer.param_groups[0]["lr"]
        prediction, loss = self._make_step(*batch)
        if self.batch % self._norm_every == 0:
            self._norm = self._norm + double(gradient_norm(self._parameters).data)
            self._norms += 1
        self.lr = rate
        if self.scheduler is not None and self.scheduler.interval == "step":
            self.scheduler.step()
        n = len(batch[0])
        self._add_loss(double(loss.data), n)
        if self.metrics:
            self._count(prediction, batch[1])
        self.rows += n
        self.batch += 1
        self.step += 1

    def _add_loss(self, loss: Any, n: int) -> None:
        """Count the loss of n rows, but for one that is no number where the optimizer skips such steps."""
        if self.optimizer.nonfinite != "skip":
            self._loss = self._loss + loss * n
            self._counted = self._counted + n
        elif isinstance(loss, float):
            if math.isfinite(loss):
                self._loss, self._counted = self._loss + loss * n, self._counted + n
        else:
            xp = (provider_of(loss) or HOST).xp
            good = xp.isfinite(loss)
            self._loss = self._loss + xp.where(good, loss, 0.0) * n
            self._counted = self._counted + good.astype(loss.dtype) * n

    def _count(self, prediction: Any, target: Any) -> None:
        """Keep a batch for the metrics, and count those kept when they are enough: few large calls cost least."""
        self._kept.append((as_raw(prediction), as_raw(target)))
        if len(self._kept) >= self._keep or self.batch == 0:  # at once in the beginning: errors come early
            self._count_kept()

    def _count_kept(self) -> None:
        if len(self._kept) == 1:
            prediction, target = self._kept[0]
        elif self._kept:
            xp = (provider_of(self._kept[0][0]) or HOST).xp
            prediction, target = (xp.concatenate(parts) for parts in zip(*self._kept, strict=True))
        else:
            return
        self._sums.add(wrap(prediction), wrap(target))
        self._kept = []

    def is_epoch_over(self) -> bool:
        """Whether the batch just trained on was the last of its epoch."""
        return self.train.position == 0 if isinstance(self.train, DataLoader) else self.batch == self._batches

    def settle(self) -> None:
        """Read the epoch's sums: waits until the device has done all its work."""
        if self.rows == 0:
            raise ValueError(
                "fit: the training data gave no batches; an iterator is used up after one pass: pass a list"
            )
        self._count_kept()
        self._loss, self._counted, self._norm = map(host_float, (self._loss, self._counted, self._norm))

    def finish_epoch(self) -> None:
        """Validate, write the epoch's row, step the schedule. After `settle`."""
        row: dict[str, Any] = {
            "epoch": self.epoch + 1,
            "step": self.step,
            "loss": self._loss / self._counted if self._counted else math.nan,
            **self._sums.values(),
        }
        if self.validation is not None:
            found = evaluate_batches(self.model, self.validation, self.loss, self.metrics)
            row |= {f"val_{name}": value for name, value in found.items()}
        row["lr"] = float(self.lr)
        row["grad_norm"] = self._norm / self._norms
        row["seconds"] = self.seconds
        row["samples_per_second"] = self.rows / self.seconds if self.seconds else 0.0
        history = self.history
        history.rows.append(row)
        self.epoch += 1
        if self.validation is not None:
            best = history.best_epoch
            if best is None or row["val_loss"] < history.rows[best - 1]["val_loss"]:
                history.best_epoch = self.epoch
                if self._keep_best:
                    self.best = {name: t.clone() for name, t in self.model.state_dict().items()}
        if self.scheduler is not None and self.scheduler.interval == "epoch":
            if self.scheduler.needs_metric:
                self.scheduler.step(row.get("val_loss", row["loss"]))
            else:
                self.scheduler.step()
        self._begin_epoch()

    # --- state --------------------------------------------------------------------------------------------------------

    def _parts(self) -> dict[str, Any]:
        """The objects whose state belongs to the run, by name."""
        parts = {"model": self.model, "optimizer": self.optimizer, "history": self.history, "loader": self.train}
        if self.scheduler is not None:
            parts["scheduler"] = self.scheduler
        parts |= {f"callback {i}": c for i, c in enumerate(self.callbacks) if hasattr(c, "state_dict")}
        return parts

    def _kind(self) -> dict[str, Any]:
        """What must be the same in the run that a checkpoint comes from."""
        train = self.train
        sizes = {"rows": train.length, "batch size": train.batch_size} if isinstance(train, DataLoader) else {}
        return {
            "metrics": [m.name for m in self.metrics],
            "validates": self.validation is not None,
            "batches": self._batches,
            **sizes,
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything that the rest of the run depends on."""
        return {
            "parts": {name: part.state_dict() for name, part in self._parts().items()},
            **self._kind(),
            "random": random.get_state(),
            "best": self.best,
            "epoch": self.epoch,
            "step": self.step,
            "elapsed": self.elapsed,
            "executor": getattr(self._make_step, "executor", None),
            "partial": {
                "batch": self.batch,
                "rows": self.rows,
                "seconds": self.seconds,
                "loss": self._loss,
                "counted": self._counted,
                "norm": self._norm,
                "norms": self._norms,
                "metrics": self._sums.state_dict(),
                "kept": list(self._kept),
            },
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        parts = self._parts()
        if set(parts) != set(state["parts"]):
            raise ValueError(f"it holds {', '.join(state['parts'])}, this run has {', '.join(parts)}")
        for what, own in self._kind().items():
            if state[what] != own:
                raise ValueError(f"{what} is {state[what]!r} there and {own!r} here")
        partial, device = state["partial"], self._parameters[0].device
        for name in ("optimizer", "scheduler", "loader", "model"):  # what may refuse comes before what is written
            if name in parts:
                parts[name].load_state_dict(state["parts"][name])
        for name, part in parts.items():
            if name not in ("optimizer", "scheduler", "loader", "model"):
                part.load_state_dict(state["parts"][name])
        random.set_state(state["random"])
        self.best = state["best"] if self._keep_best else None
        self.epoch, self.step, self.elapsed = state["epoch"], state["step"], state["elapsed"]
        self.batch, self.rows, self.seconds = partial["batch"], partial["rows"], partial["seconds"]
        sums = ("loss", "counted", "norm")
        self._loss, self._counted, self._norm = (_on_device(partial[name], device) for name in sums)
        if isinstance(self._make_step, CapturedStep) and state["executor"] is not None:
            self._make_step.executor = state["executor"]  # compiled code rounds in its own way
        self._norms = partial["norms"]
        self._sums.load_state_dict(partial["metrics"], device)
        self._kept = [(to_device(p, device), to_device(t, device)) for p, t in partial["kept"]]


def _on_device(value: Any, device: str) -> Any:
    """A sum as it was: on the host a Python float, on a device an array."""
    return to_device(value, device) if hasattr(value, "dtype") else value
