"""The configuration of a run: everything that its result depends on, as a JSON file that a resume reads."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any

from ..errors import FileFormatError
from ..nn.mlp import ACTIVATIONS, NORMALIZATIONS
from .optimizers import OPTIMIZERS, OWN, takers
from .options import LARGEST, UsageError
from .schedules import BY, SCHEDULES, Wish, check_schedule

TASKS = ("auto", "classification", "regression")
SCALES = ("standard", "minmax", "none")
NONFINITE = ("none", "raise", "skip")
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
    label_smoothing: float = 0.0
    optimizer: str = "adam"
    lr: float = OPTIMIZERS["adam"].lr
    momentum: float = 0.0
    nesterov: bool = False
    centered: bool = False
    amsgrad: bool = False
    weight_decay: float = OPTIMIZERS["adam"].weight_decay
    accumulate: int = 1
    max_norm: float | None = None
    ema: float | None = None
    nonfinite: str = "none"
    schedule: str = "constant"
    schedule_by: str = "auto"
    warmup: int = 0
    decay: float | None = None
    decay_every: int | None = None
    milestones: tuple[int, ...] = ()
    batch_size: int = 64
    epochs: int = 40
    patience: int | None = None
    target_loss: float | None = None
    grad_norm: float | None = None
    time_limit: float | None = None
    device: str = "auto"
    seed: int = 0
    seeds: int = 1
    checkpoint_steps: int | None = None

    @classmethod
    def of(cls, **given: Any) -> Config:
        """With the optimizer's own defaults for what is not given."""
        row = OPTIMIZERS[given.get("optimizer", cls.optimizer)]
        return cls(**{"lr": row.lr, "weight_decay": row.weight_decay, **given})

    @property
    def wish(self) -> Wish:
        """The options of the schedule."""
        return Wish(self.schedule, self.schedule_by, self.decay, self.decay_every, self.milestones, self.warmup)

    def check(self) -> None:
        """Raise UsageError for values that do not go together."""
        for name in OWN:
            if getattr(self, name) and name not in OPTIMIZERS[self.optimizer].takes:
                raise UsageError(f"--{name} belongs to --optimizer {takers(name)}, not to {self.optimizer}")
        if self.nesterov and not self.momentum:
            raise UsageError("--nesterov looks ahead along the momentum: give a --momentum above 0")
        if self.patience is not None and not self.validation_size:
            raise UsageError("--patience watches the validation loss: give --validation-size above 0")
        if self.patience is not None and self.ema is not None:
            raise UsageError("--patience keeps the weights of one epoch, --ema an average of all: choose one")
        if self.test_size + self.validation_size >= 1:
            raise UsageError(
                f"--test-size {self.test_size:g} and --validation-size {self.validation_size:g} leave nothing to train"
            )
        check_schedule(self.wish)

    def to_json(self, **more: Any) -> str:
        """As JSON text, with further entries."""
        return json.dumps({**dataclasses.asdict(self), **more}, indent=2) + "\n"


_CHOICES = {
    "task": TASKS,
    "scale": SCALES,
    "activation": tuple(ACTIVATIONS),
    "normalization": ("none", *NORMALIZATIONS),
    "init": INITS,
    "optimizer": tuple(OPTIMIZERS),
    "nonfinite": NONFINITE,
    "schedule": tuple(SCHEDULES),
    "schedule_by": BY,
}
_AT_LEAST = {
    "batch_size": 1,
    "epochs": 1,
    "seeds": 1,
    "patience": 1,
    "checkpoint_steps": 1,
    "decay_every": 1,
    "accumulate": 1,
}
LISTS = ("hidden", "milestones")
"""Fields that hold several numbers, each at least 1."""


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
    values |= {name: tuple(values[name]) for name in LISTS if isinstance(values[name], list)}
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
    if key in LISTS:
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
