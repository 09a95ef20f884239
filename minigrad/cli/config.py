"""The configuration of a run: everything that its result depends on, as a JSON file that a resume reads."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from ..errors import FileFormatError
from ..nn.mlp import ACTIVATIONS, NORMALIZATIONS
from .options import LARGEST, UsageError

TASKS = ("auto", "classification", "regression")
SCALES = ("standard", "minmax", "none")
OPTIMIZERS = ("sgd", "adam", "adamw")
SCHEDULES = ("constant", "step", "exponential", "inverse-time", "cosine", "plateau")
INITS = (
    "default",
    "xavier_uniform",
    "xavier_normal",
    "kaiming_uniform",
    "kaiming_normal",
    "orthogonal",
    "normal",
    "zeros",
)


@dataclass(frozen=True)
class Config:
    """What `train` was asked for. The fields are the options of that name."""

    data: str = "digits"
    target: str | None = None
    task: str = "auto"
    test_size: float = 0.2
    validation_size: float = 0.1
    scale: str = "standard"
    balance: bool = False
    hidden: tuple[int, ...] = (128, 64)
    activation: str = "relu"
    dropout: float = 0.2
    normalization: str = "none"
    init: str = "default"
    optimizer: str = "adam"
    lr: float = 2e-3
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0
    schedule: str = "constant"
    decay: float | None = None
    decay_every: int | None = None
    batch_size: int = 64
    epochs: int = 40
    patience: int | None = None
    target_loss: float | None = None
    time_limit: float | None = None
    device: str = "auto"
    seed: int = 0
    seeds: int = 1
    checkpoint_steps: int | None = None

    def check(self) -> None:
        """Raise UsageError for values that do not go together."""
        if self.nesterov and (self.optimizer != "sgd" or not self.momentum):
            raise UsageError("--nesterov needs --optimizer sgd and a --momentum above 0")
        if self.momentum and self.optimizer != "sgd":
            raise UsageError(f"--momentum belongs to --optimizer sgd, not to {self.optimizer}")
        if self.patience is not None and not self.validation_size:
            raise UsageError("--patience watches the validation loss: give --validation-size above 0")
        if self.test_size + self.validation_size >= 1:
            raise UsageError(
                f"--test-size {self.test_size:g} and --validation-size {self.validation_size:g} leave nothing to train"
            )
        if self.decay is not None and self.schedule in ("constant", "cosine"):
            raise UsageError(f"--decay has no meaning for --schedule {self.schedule}")
        if self.decay is not None and self.decay >= 1 and self.schedule != "inverse-time":
            raise UsageError(f"--decay of --schedule {self.schedule} must be below 1, got {self.decay:g}")
        if self.decay_every is not None and self.schedule not in ("step", "plateau"):
            raise UsageError(f"--decay-every has no meaning for --schedule {self.schedule}")

    def to_json(self, **more: Any) -> str:
        """As JSON text, with further entries."""
        return json.dumps({**dataclasses.asdict(self), **more}, indent=2) + "\n"


_CHOICES = {
    "task": TASKS,
    "scale": SCALES,
    "activation": tuple(ACTIVATIONS),
    "normalization": ("none", *NORMALIZATIONS),
    "init": INITS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
}
_AT_LEAST = {"batch_size": 1, "epochs": 1, "seeds": 1, "patience": 1, "checkpoint_steps": 1, "decay_every": 1}


def read_config(text: str, name: str) -> tuple[Config, dict[str, Any]]:
    """The Config in the text of a config.json, and its further entries.

    Args:
        text: JSON.
        name: of the file, for errors.

    Raises:
        FileFormatError: not such a text, or values that `train` could not have written.
    """
    try:
        values = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileFormatError(f"{name}: not JSON ({error}); this run cannot be resumed") from error
    fields = {f.name: f for f in dataclasses.fields(Config)}
    if not isinstance(values, dict) or not set(fields) <= set(values):
        missing = sorted(set(fields) - set(values)) if isinstance(values, dict) else sorted(fields)
        raise FileFormatError(f"{name}: not the configuration of a run: {missing[0]!r} is missing")
    if isinstance(values["hidden"], list):
        values["hidden"] = tuple(values["hidden"])
    own = {k: values.pop(k) for k in fields}
    for key, value in own.items():
        if not _is_valid(key, value, fields[key].default):
            raise FileFormatError(f"{name}: {key} is {value!r}, which train cannot have written")
    config = Config(**own)
    try:
        config.check()
    except UsageError as error:
        raise FileFormatError(f"{name}: {error}") from error
    return config, values


def _is_valid(key: str, value: Any, default: Any) -> bool:
    """Whether a value of a configuration file has the type and range that the options allow."""
    if key in _CHOICES:
        return value in _CHOICES[key]
    if key == "hidden":
        return isinstance(value, tuple) and all(type(h) is int and 1 <= h <= LARGEST for h in value)
    annotation = str(Config.__annotations__[key])
    if value is None:
        return "None" in annotation
    kind = annotation.partition(" ")[0]
    if kind == "int":
        return type(value) is int and _AT_LEAST.get(key, 0) <= value <= LARGEST
    if kind == "float":
        return type(value) in (int, float) and abs(value) < 1e300 and (value >= 0 or key == "target_loss")
    return type(value) is type(default) if default is not None else isinstance(value, str)
