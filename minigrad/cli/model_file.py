"""model.safetensors: a trained network with all that a prediction needs, the scalers above all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import io, nn
from ..data import SCALERS, StandardScaler
from ..errors import FileFormatError
from .experiment import Experiment
from .options import UsageError
from .run_folder import CHECKPOINT, CONFIG, MODEL


@dataclass(frozen=True)
class TrainedModel:
    """What predict reads.

    model: the network.
    scaler: of the features, None for none.
    target_scaler: of a regression target, None for classification.
    feature_names: of the columns, in the order of the network's inputs.
    target_names: of the classes; empty for regression.
    target: name of the target.
    """

    model: nn.MLP
    scaler: Any
    target_scaler: StandardScaler | None
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]
    target: str


def encode(experiment: Experiment) -> bytes:
    """The content of the file for a trained experiment."""
    config, dataset, parts = experiment.config, experiment.dataset, experiment.parts
    return io.dumps(
        {
            "model": experiment.model,
            "description": {
                "in_features": dataset.x.shape[1],
                "hidden": list(config.hidden),
                "out_features": dataset.classes or 1,
                "activation": config.activation,
                "dropout": config.dropout,
                "normalization": None if config.normalization == "none" else config.normalization,
            },
            "scale": config.scale,
            "scaler": parts.scaler,
            "target_scaler": parts.target_scaler,
            "data": {
                "task": dataset.task,
                "feature_names": list(dataset.feature_names),
                "target_names": list(dataset.target_names),
                "target": dataset.target,
            },
        }
    )


def find(path: Path) -> Path:
    """The model file that a path means: itself, or the one in a run's folder.

    Raises:
        UsageError: there is none; the message says what to do.
    """
    if not path.is_dir():
        if not path.exists():
            raise UsageError(f"--model {path}: no such file or folder")
        return path
    if (path / MODEL).exists():
        return path / MODEL
    seeds = sorted(path.glob(f"seed-*/{MODEL}"))
    if seeds:
        raise UsageError(f"--model {path} holds several seeds: choose one, such as {seeds[0].parent}")
    if (path / CHECKPOINT).exists() or (path / CONFIG).exists():
        raise UsageError(f"--model {path}: that run is not finished; finish it with train --resume {path}")
    raise UsageError(f"--model {path}: no {MODEL} in that folder; train one with train --out {path}")


def decode(path: Path) -> TrainedModel:
    """Read a model file.

    Raises:
        FileFormatError: damaged, or another kind of file.
    """
    state = io.load(path)
    missing = [k for k in ("model", "description", "scale", "scaler", "target_scaler", "data") if k not in state]
    if missing:
        raise FileFormatError(f"{path}: not a trained model ({missing[0]!r} is missing); --model wants a {MODEL}")
    try:
        model = nn.MLP(**state["description"])
        model.load_state_dict(state["model"])
        scaler = _scaler(state["scale"], state["scaler"])
        target_scaler = None if state["target_scaler"] is None else _scaler("standard", state["target_scaler"])
        data = state["data"]
        return TrainedModel(
            model, scaler, target_scaler, tuple(data["feature_names"]), tuple(data["target_names"]), data["target"]
        )
    except (KeyError, ValueError, TypeError, AttributeError, MemoryError) as error:
        raise FileFormatError(f"{path}: its parts do not fit together ({type(error).__name__}: {error})") from error


def _scaler(scale: str, state: Any) -> Any:
    if state is None:
        return None
    scaler = SCALERS[scale]()
    scaler.load_state_dict(state)
    return scaler
