"""The training loop."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence, Sized
from typing import Any

import numpy as np

from ..backend import random
from ..backend.device import on_device
from ..backend.flush_to_zero import flush_to_zero
from ..data import DataLoader, Dataset
from ..nn import Module
from ..optim import Optimizer
from ..optim.schedulers import Scheduler
from .checkpoint import Checkpoint
from .evaluate import batches_in_order, device_of_model
from .history import COLUMNS, History
from .interrupt import DeferredInterrupt
from .metrics import resolve_metrics
from .progress import Progress
from .run import Run
from .stopping import StoppingRules
from .train_step import captured, make_step

BATCH_SIZE = 32
"""Of training data that is given as arrays."""


class Callback:
    """Base of objects that follow a run; override what you need. A `state_dict` of yours goes into checkpoints.

    A plain function f(run) is taken as `on_epoch_end`.
    """

    def on_start(self, run: Run) -> None:
        """Before the first step, after a resume."""

    def on_step(self, run: Run) -> None:
        """After each optimizer step."""

    def on_epoch_end(self, run: Run) -> Any:
        """After each epoch, when its row is in `run.history`; a true result ends the run."""

    def on_end(self, run: Run) -> None:
        """After the last step."""


class _Function(Callback):
    def __init__(self, function: Callable[[Run], Any]) -> None:
        self.on_epoch_end = function  # type: ignore[method-assign, assignment]


def fit(
    model: Module,
    train: Any,
    *,
    loss: Callable[..., Any],
    optimizer: Optimizer,
    epochs: int,
    validation: Any = None,
    metrics: Any = (),
    scheduler: Scheduler | None = None,
    patience: int | None = None,
    target_loss: float | None = None,
    grad_norm: float | None = None,
    time_limit: float | None = None,
    callbacks: Callable[[Run], Any] | Callback | Sequence[Any] = (),
    checkpoint: Checkpoint | str | os.PathLike[str] | None = None,
    capture: str | bool = "auto",
    seed: int | None = None,
    progress: bool | None = None,
) -> History:
    """Train a model until a rule ends it.

    Each batch (x, y, ...) makes one step on loss(model(x), y, ...). Afterwards the model is in evaluation mode. Ctrl-C
    ends the run after the step under way: the checkpoint is written, then KeyboardInterrupt is raised. Subnormal
    numbers count as zero inside, on the CPU too (`minigrad.backend.flush_to_zero`).

    Args:
        model: the model.
        train: a DataLoader, any list-like of batches, or a tuple (x, y) of arrays or a Dataset, which is put in batches
            of 32 on the model's device.
        loss: a function or Module that returns the mean loss of a batch as a Tensor.
        optimizer: over the model's parameters.
        epochs: passes over the data at most.
        validation: a DataLoader, Dataset or tuple (x, y) of arrays for val_loss and metrics; never trained on.
        metrics: names ("accuracy", "balanced_accuracy", "precision", "recall", "f1", "mse", "rmse", "mae", "r2"),
            functions f(prediction, y), or a sequence or mapping of these.
        scheduler: stepped after each epoch, or after each step where its `interval` is "step"; ReduceLROnPlateau
            watches val_loss, or the training loss without validation.
        patience: stop after so many epochs without a new smallest val_loss. The model ends with the weights of the best
            epoch, whichever rule ends the run.
        target_loss: stop once an epoch's training loss is at most this.
        grad_norm: stop once an epoch's gradient norm is at most this.
        time_limit: stop after so many seconds, in the middle of an epoch too.
        callbacks: functions f(run), called after each epoch, or `Callback` objects; a true result ends the run.
        checkpoint: a path or Checkpoint. Where the file is there, the run goes on from it, bitwise as if it had never
            stopped.
        capture: whether the step is recorded once and replayed (`mg.capture`): True and False say so, "auto" captures
            runs of 64 steps and more without `on_step` callbacks, and compiles those of 2000 and more where numba is
            installed. What cannot be captured runs as it is, with a CaptureWarning that says why.
        seed: starts the library's random streams and the order of the batches anew from this seed.
        progress: show a progress bar; None on a terminal only.

    Returns:
        The history; `history.reason` says why the run stopped.

    Raises:
        TypeError: an argument of a wrong kind.
        ValueError: a limit that makes no sense, or an optimizer of another model.
        FileFormatError: a checkpoint that is damaged or belongs to another run.
        KeyboardInterrupt: Ctrl-C.
    """
    rules = StoppingRules(epochs, target_loss, grad_norm, patience, time_limit)
    rules.check(validation is not None)
    _check(model, loss, optimizer, scheduler, capture)
    if seed is not None:
        random.manual_seed(seed)
    device = device_of_model(model)
    if isinstance(train, (Dataset, tuple)):
        train = DataLoader(train, BATCH_SIZE, device=device, seed=seed)
    elif not hasattr(train, "__iter__") or hasattr(train, "dtype"):
        raise TypeError(f"fit: train must be a DataLoader or a tuple (x, y) of arrays, got {type(train).__name__}")
    elif seed is not None and isinstance(train, DataLoader):
        train.load_state_dict({"seed": seed, "epoch": 0, "position": 0})
    if checkpoint is not None:
        if not isinstance(checkpoint, Checkpoint):
            checkpoint = Checkpoint(checkpoint)
        if not (hasattr(train, "state_dict") and hasattr(train, "__len__")):
            raise TypeError(
                f"fit: a checkpoint needs training data that knows its position (a DataLoader, or an object with "
                f"state_dict, load_state_dict and a length), got {type(train).__name__}"
            )
    given = [callbacks] if isinstance(callbacks, Callback) or callable(callbacks) else list(callbacks)
    followers = [c if isinstance(c, Callback) else _Function(c) for c in given]
    held_out = None if validation is None else batches_in_order("fit: validation", validation, device)
    found = resolve_metrics(metrics)
    taken = [m.name for m in found if m.name in COLUMNS or m.name.startswith("val_")]
    if taken:
        raise ValueError(f"fit: a metric cannot be called {taken[0]!r}, which is a column of the history: rename it")
    planned = epochs * len(train) if isinstance(train, Sized) else None
    if capture == "auto" and _steppers(followers):
        capture = False  # what they change would not be seen
    step = captured(make_step(model, loss, optimizer, bool(found)), capture, planned)
    run = Run(model, train, loss, optimizer, scheduler, held_out, found, patience is not None, followers, step)
    # sums and statistics are raw arrays: they are worked on where they are
    with (
        DeferredInterrupt() as interrupt,
        np.errstate(over="ignore", invalid="ignore"),
        on_device(device),
        flush_to_zero(),
    ):
        if checkpoint is not None and checkpoint.load_into(run):
            run.history.resumed_at = run.step
        _loop(run, rules, checkpoint, interrupt, progress)
    if run.best is not None:
        model.load_state_dict(run.best)
    model.eval()
    return run.history


def _check(model: Any, loss: Any, optimizer: Any, scheduler: Any, capture: Any) -> None:
    for name, value, kind in (("model", model, Module), ("optimizer", optimizer, Optimizer)):
        if not isinstance(value, kind):
            raise TypeError(f"fit: {name} must be a minigrad {kind.__name__}, got {type(value).__name__}")
    if not callable(loss):
        raise TypeError(f"fit: loss must be a function loss(prediction, y), got {type(loss).__name__} {loss!r}")
    if scheduler is not None:
        if not isinstance(scheduler, Scheduler):
            raise TypeError(f"fit: scheduler must be one of optim.schedulers, got {type(scheduler).__name__}")
        if scheduler.optimizer is not optimizer:
            raise ValueError("fit: the scheduler belongs to another optimizer than the one given")
        if scheduler.needs_metric and scheduler.interval == "step":
            raise ValueError('fit: a schedule that watches a loss is stepped by epoch: leave its interval at "epoch"')
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    if not any(id(p) in held for p in model.parameters()):
        raise ValueError("fit: the optimizer holds none of the model's parameters: make it from model.parameters()")
    if not isinstance(capture, bool) and capture != "auto":
        raise ValueError(f'fit: capture must be "auto", True or False, got {capture!r}')


def _steppers(followers: Sequence[Any]) -> list[Any]:
    """The callbacks that look at every step."""
    return [c for c in followers if type(c).on_step is not Callback.on_step]


def _loop(
    run: Run, rules: StoppingRules, checkpoint: Checkpoint | None, interrupt: DeferredInterrupt, show: bool | None
) -> None:
    """Epoch after epoch until a rule ends the run."""
    history = run.history
    steppers = _steppers(run.callbacks)
    for c in run.callbacks:
        c.on_start(run)
    bar = Progress(rules.epochs, run.epoch, show)
    start = time.perf_counter() - run.elapsed
    saved = True
    asked = False
    try:
        while True:
            if history.rows and run.batch == 0:  # asked here, so that a resumed run hears the same answer
                history.stopped, history.reason = rules.verdict(history, run.elapsed)
                if asked and not history.stopped:
                    history.stopped, history.reason = "callback", f"a callback ended the run after epoch {run.epoch}"
                if history.stopped:
                    break
            _epoch(run, rules, checkpoint, interrupt, steppers, start)
            run.elapsed = time.perf_counter() - start
            answers = [c.on_epoch_end(run) for c in run.callbacks]  # all of them are asked
            asked = any(answers)
            bar.update(history.last)
            saved = checkpoint is not None and checkpoint.is_due(run)
            if checkpoint is not None and saved:
                checkpoint.save(run)
            if interrupt.pending:
                _interrupted(run, None if saved else checkpoint)
    finally:
        bar.close()
    if checkpoint is not None and not saved:
        checkpoint.save(run)
    for c in run.callbacks:
        c.on_end(run)


def _epoch(
    run: Run,
    rules: StoppingRules,
    checkpoint: Checkpoint | None,
    interrupt: DeferredInterrupt,
    steppers: Iterable[Callback],
    start: float,
) -> None:
    """The batches still due in this epoch, then its row."""
    steps = None if checkpoint is None else checkpoint.steps
    limit = rules.time_limit
    run.model.train()
    mark = time.perf_counter()
    for batch in run.train:
        run.train_step(batch)
        for c in steppers:
            c.on_step(run)
        # after the last batch the epoch is finished first: what is saved is either within an epoch or between two
        if ((steps and run.step % steps == 0) or interrupt.pending) and not run.is_epoch_over():
            now = time.perf_counter()
            run.seconds, run.elapsed, mark = run.seconds + now - mark, now - start, now
            if interrupt.pending:
                _interrupted(run, checkpoint)
            elif checkpoint is not None:
                checkpoint.save(run)
        if limit is not None and time.perf_counter() - start >= limit:
            if isinstance(run.train, DataLoader) and run.train.position:
                run.train.set_epoch(run.train.epoch + 1)  # this one ends here
            break
    run.settle()
    run.seconds += time.perf_counter() - mark
    run.finish_epoch()


def _interrupted(run: Run, checkpoint: Checkpoint | None) -> None:
    if checkpoint is not None:
        checkpoint.save(run)
    raise KeyboardInterrupt(f"after step {run.step}, in epoch {run.epoch + (run.batch > 0)}")
