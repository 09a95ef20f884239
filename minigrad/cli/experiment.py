"""From a configuration and a data set to a trained network and its test scores."""

from __future__ import annotations

import functools
import hashlib
import itertools
import math
import os
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import nn, optim
from ..backend import random
from ..backend.device import resolve_device
from ..data import SCALERS, DataLoader, Dataset, StandardScaler, class_weights, load, train_test_split
from ..nn import functional as F
from ..nn import init
from ..optim import schedulers
from ..tensor import tensor
from ..training import Checkpoint, History, evaluate, fit, predict
from .config import Config
from .optimizers import OWN, build_optimizer
from .options import UsageError
from .schedules import build_scheduler

FEWEST_ROWS = 10
BYTES_A_PARAMETER = 28
"""Value, gradient and two moments in float32, beside them the double-precision draw and one copy of it at the start."""


def load_data(config: Config) -> Dataset:
    """The data set of a configuration, features in double precision: the scaler rounds them, not the reader.

    Raises:
        UsageError: too few rows, or a target that never changes.
    """
    dataset = load(
        config.data, target=config.target, task=None if config.task == "auto" else config.task, dtype=np.float64
    )
    if len(dataset) < FEWEST_ROWS:
        raise UsageError(
            f"{config.data}: {len(dataset)} rows are too few to train, validate and test on; at least {FEWEST_ROWS}"
        )
    if dataset.task == "regression" and dataset.y.min() == dataset.y.max():
        raise UsageError(f"{config.data}: every value of the target is {dataset.y[0]:g}; there is nothing to learn")
    for option, does in (("balance", "weighs"), ("label_smoothing", "blurs")):
        if getattr(config, option) and dataset.task == "regression":
            raise UsageError(
                f"--{option.replace('_', '-')} {does} classes; this target is a number (--task classification changes "
                "that)"
            )
    return dataset


def digest(dataset: Dataset) -> str:
    """A SHA-256 of samples and targets: a resume must see the very same."""
    total = hashlib.sha256()
    for a in (dataset.x, dataset.y):
        total.update(f"{a.dtype.str} {a.shape}\n".encode())
        total.update(np.ascontiguousarray(a).tobytes())
    total.update("\n".join(dataset.target_names).encode())
    return total.hexdigest()


@dataclass(frozen=True)
class Parts:
    """The three parts of a data set, scaled by the statistics of the training part alone."""

    train: tuple[np.ndarray, np.ndarray]
    validation: tuple[np.ndarray, np.ndarray] | None
    test: tuple[np.ndarray, np.ndarray]
    scaler: Any
    target_scaler: StandardScaler | None


def split(config: Config, dataset: Dataset) -> Parts:
    """Split and scale a data set; the split follows the library's seed.

    Raises:
        UsageError: a class has too few rows for every part.
        ValueError: parts that would be empty.
    """
    x, y, n = dataset.x, dataset.y, len(dataset)
    n_validation = round(config.validation_size * n)
    if config.validation_size and not n_validation:
        raise UsageError(f"--validation-size {config.validation_size:g} of {n} rows is none; use a larger share, or 0")
    stratified = dataset.classes > 0
    if stratified:
        counts = np.bincount(y, minlength=dataset.classes)
        due = 3 if n_validation else 2
        if counts.min() < due:
            numbers = all(name.lstrip("-").isdecimal() for name in dataset.target_names)
            raise UsageError(
                f"{config.data}: class {dataset.target_names[counts.argmin()]!r} has {counts.min()} row(s), but each "
                f"part needs one, {due} together; remove the class or merge it with another"
                + (", or pass --task regression if it is a number to predict" if numbers else "")
            )
    x, x_test, y, y_test = train_test_split(x, y, test_size=config.test_size, stratify=y if stratified else None)
    if n_validation:
        x, x_val, y, y_val = train_test_split(x, y, test_size=n_validation, stratify=y if stratified else None)
    scaler = None if config.scale == "none" else SCALERS[config.scale]().fit(x)
    target_scaler = None if stratified else StandardScaler().fit(y.reshape(-1, 1))

    def scaled(what: str, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        ready = scale_inputs(config.data, scaler, x, what)
        return ready, y if target_scaler is None else target_scaler.transform(y.reshape(-1, 1)).astype(np.float32)

    return Parts(
        scaled("training", x, y),
        scaled("validation", x_val, y_val) if n_validation else None,
        scaled("test", x_test, y_test),
        scaler,
        target_scaler,
    )


def scale_inputs(name: str, scaler: Any, x: np.ndarray, what: str) -> np.ndarray:
    """Features as the network takes them, float32.

    Raises:
        UsageError: values that are beyond float32 once scaled.
    """
    with np.errstate(over="ignore"):
        ready = (x if scaler is None else scaler.transform(x)).astype(np.float32)
    if not np.isfinite(ready).all():
        row, column = np.argwhere(~np.isfinite(ready))[0]
        raise UsageError(
            f"{name}: value {x[row, column]:g} of feature {column} lies beyond float32 once scaled by the training "
            f"rows ({what} part); remove the outlier"
        )
    return ready


def initialize(model: nn.Module, name: str, activation: str) -> None:
    """Fill every weight matrix by the initialisation of a name and every bias of its layers with 0."""
    if name == "default":
        return
    gain_of = activation if activation in ("relu", "leaky_relu", "tanh", "sigmoid") else "linear"
    for layer in model.modules():
        if not isinstance(layer, nn.Linear):
            continue
        if name.startswith("kaiming"):
            getattr(init, f"{name}_")(layer.weight, nonlinearity=gain_of)
        elif name == "normal":
            init.normal_(layer.weight, 0.0, 0.01)
        elif name == "zeros":
            init.zeros_(layer.weight)
        else:
            getattr(init, f"{name}_")(layer.weight, init.calculate_gain(gain_of))
        if layer.bias is not None:
            init.zeros_(layer.bias)


def build_model(config: Config, in_features: int, out_features: int) -> nn.MLP:
    """The network of a configuration.

    Raises:
        UsageError: it would not fit into this machine's memory.
    """
    widths = [in_features, *config.hidden, out_features]
    need = BYTES_A_PARAMETER * sum(a * b + b for a, b in itertools.pairwise(widths))
    here = physical_memory()
    if need > here:
        raise UsageError(
            f"a network {'-'.join(map(str, widths))} needs about {need / 2**30:.0f} GiB, this machine has "
            f"{here / 2**30:.0f} GiB: use smaller --hidden sizes"
        )
    model = nn.MLP(
        in_features,
        config.hidden,
        out_features,
        config.activation,
        config.dropout,
        None if config.normalization == "none" else config.normalization,
    )
    initialize(model, config.init, config.activation)
    return model


def physical_memory() -> float:
    """Bytes of this machine's memory; infinity where that cannot be known."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):
        return math.inf


@dataclass(frozen=True)
class Experiment:
    """A network, its data and its training, ready to run.

    loss: what is trained on. score_loss: the same without label smoothing, for the test.
    """

    config: Config
    dataset: Dataset
    device: str
    parts: Parts
    model: nn.MLP
    loss: Any
    score_loss: Any
    optimizer: optim.Optimizer
    scheduler: schedulers.Scheduler | None
    loader: DataLoader

    @property
    def metric(self) -> str:
        """The name of the score: "accuracy" or "r2"."""
        return "accuracy" if self.dataset.classes else "r2"

    @property
    def parameters(self) -> int:
        """Number of trained values."""
        return sum(p.size for p in self.model.parameters())

    def run(self, checkpoint: Checkpoint | None, callbacks: Sequence[Any], progress: bool | None) -> History:
        """Train."""
        c = self.config
        # what looks at the gradients on the host at every step cannot be captured
        looks = c.nonfinite == "raise" or (c.nonfinite == "skip" and self.device == "cpu")
        return fit(
            self.model,
            self.loader,
            loss=self.loss,
            optimizer=self.optimizer,
            epochs=c.epochs,
            validation=self.parts.validation,
            metrics=(self.metric,),
            scheduler=self.scheduler,
            patience=c.patience,
            target_loss=c.target_loss,
            grad_norm=c.grad_norm,
            time_limit=c.time_limit,
            callbacks=callbacks,
            checkpoint=checkpoint,
            capture=False if looks else "auto",
            progress=progress,
        )

    def result(self) -> AbstractContextManager[None]:
        """A block in which the network has the weights that the training is for: their average where one is kept."""
        return nullcontext() if self.config.ema is None else self.optimizer.averaged()

    def validate(self) -> dict[str, float]:
        """Loss and score of the validation part, val_loss and val_<metric>."""
        if self.parts.validation is None:
            return {}
        found = evaluate(self.model, self.parts.validation, self.loss, (self.metric,))
        return {f"val_{name}": value for name, value in found.items()}

    def test(self) -> dict[str, float]:
        """Scores on the test part, which nothing before has seen.

        Classification: test_loss (cross-entropy), test_accuracy, test_f1 (macro). Regression: test_loss (mean squared
        error of the standardised target), and in the target's own unit test_rmse and test_mae; test_r2.
        """
        names = ("accuracy", "f1") if self.dataset.classes else ("r2", "rmse", "mae")
        found = {f"test_{k}": v for k, v in evaluate(self.model, self.parts.test, self.score_loss, names).items()}
        if self.parts.target_scaler is not None:
            unit = float(np.ravel(self.parts.target_scaler.scale)[0])  # type: ignore[arg-type]
            found |= {k: found[k] * unit for k in ("test_rmse", "test_mae")}
        return found


def prepare(config: Config, dataset: Dataset, seed: int, device: str | None = None) -> Experiment:
    """Everything for one seed; the seed fixes the split, the initial weights, dropout and the order of the batches.

    Raises:
        UsageError: data, sizes and options that do not go together.
        DeviceError: the device is not there.
    """
    device = resolve_device(device or config.device)
    random.manual_seed(seed)
    parts = split(config, dataset)
    model = build_model(config, dataset.x.shape[1], dataset.classes or 1).to(device)
    names = ("weight_decay", "accumulate", "max_norm", "ema", *OWN)
    options = {name: getattr(config, name) for name in names}
    options["nonfinite"] = None if config.nonfinite == "none" else config.nonfinite
    optimizer = build_optimizer(model, config.optimizer, config.lr, options)
    loss, score_loss = losses(config, parts, dataset.classes, device)
    rows = len(parts.train[0])
    batched = config.normalization == "batch"
    if batched and min(rows, config.batch_size) < 2:
        raise UsageError(
            f"--normalization batch needs two rows a batch; --batch-size is {config.batch_size}, of {rows} rows"
        )
    loader = DataLoader(
        parts.train,
        config.batch_size,
        drop_last=batched and rows % config.batch_size == 1,  # a last batch of one row has no variance
        device=device,
        seed=seed,
    )
    steps = config.epochs * len(loader)
    if config.accumulate > steps:
        raise UsageError(
            f"--accumulate {config.accumulate} is more than the {steps} steps of the run: nothing would be updated"
        )
    scheduler = build_scheduler(optimizer, config.wish, config.epochs, len(loader))
    return Experiment(config, dataset, device, parts, model, loss, score_loss, optimizer, scheduler, loader)


def losses(config: Config, parts: Parts, classes: int, device: str) -> tuple[Any, Any]:
    """The loss to train on and the one of the test: cross-entropy, mean squared error where there are no classes."""
    if not classes:
        return F.mse_loss, F.mse_loss
    score_loss: Any = F.cross_entropy
    if config.balance:
        weight = tensor(class_weights(parts.train[1], classes), device=device)
        score_loss = functools.partial(F.cross_entropy, weight=weight)
    if not config.label_smoothing:
        return score_loss, score_loss
    return functools.partial(score_loss, label_smoothing=config.label_smoothing), score_loss


def predictions(model: nn.Module, x: np.ndarray, target_scaler: StandardScaler | None) -> np.ndarray:
    """(n, C) probabilities of the classes, or (n, 1) values in the target's own unit."""
    out = predict(model, x).astype(np.float64)
    if target_scaler is not None:
        return target_scaler.inverse_transform(out)
    out = np.exp(out - out.max(axis=1, keepdims=True))
    return out / out.sum(axis=1, keepdims=True)
