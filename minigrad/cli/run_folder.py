"""The files of a run, and how they are written."""

from __future__ import annotations

import csv
import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import io
from ..errors import FileFormatError
from .config import Config, read_config
from .options import UsageError

CONFIG = "config.json"
SUMMARY = "summary.json"
HISTORY = "history.csv"
MODEL = "model.safetensors"
CHECKPOINT = "checkpoint.safetensors"
CURVES = "curves.png"
NAMES = (CONFIG, SUMMARY, HISTORY, MODEL, CHECKPOINT, CURVES)


def free_folder(name: str) -> Path:
    """runs/<name>-1, or the next number that is free."""
    base = Path("runs")
    number = 1
    while (base / f"{name}-{number}").exists():
        number += 1
    return base / f"{name}-{number}"


@dataclass(frozen=True)
class RunFolder:
    """A folder that holds one run, or the seeds of one."""

    path: Path

    def create(self, names: tuple[str, ...] = NAMES) -> None:
        """Make the folder.

        Raises:
            UsageError: it holds something of these names already.
            OSError: it cannot be made.
        """
        if self.path.is_dir():
            taken = [n for n in names if (self.path / n).exists()]
            if taken:
                raise UsageError(
                    f"{self.path} already holds {taken[0]}: choose another --out"
                    + (f", or go on with it by --resume {self.path}" if CONFIG in taken else "")
                )
        self.path.mkdir(parents=True, exist_ok=True)

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def write(self, name: str, content: bytes | str) -> None:
        """Write one file, whole or not at all."""
        io.write_atomic(self.path / name, content)

    def write_json(self, name: str, values: dict[str, Any]) -> None:
        """Write a JSON file; what is not finite becomes null."""
        self.write(name, json.dumps(_plain(values), indent=2, allow_nan=False) + "\n")

    def read_summary(self) -> dict[str, Any] | None:
        """summary.json, None where there is none."""
        path = self.path / SUMMARY
        if not path.exists():
            return None
        try:
            values = json.loads(path.read_text("utf-8"))
        except (ValueError, RecursionError) as error:
            raise FileFormatError(f"{path}: not JSON ({error}); delete it, and --resume writes it anew") from error
        if not isinstance(values, dict):
            raise FileFormatError(f"{path}: not a summary; delete it, and --resume writes it anew")
        return values

    def read_history(self) -> list[dict[str, float]]:
        """The rows of history.csv."""
        path = self.path / HISTORY
        try:
            with open(path, encoding="utf-8", newline="") as file:
                return [{k: float(v) for k, v in row.items()} for row in csv.DictReader(file)]
        except (ValueError, TypeError, AttributeError, csv.Error) as error:
            raise FileFormatError(f"{path}: damaged ({error}); delete {SUMMARY} beside it and --resume") from error

    def read_config(self) -> tuple[Config, dict[str, Any]]:
        """config.json.

        Raises:
            UsageError: there is none.
            FileFormatError: it is damaged.
        """
        path = self.path / CONFIG
        if not path.is_file():
            if (self.path.parent / CONFIG).is_file() and self.path.name.startswith("seed-"):
                raise UsageError(
                    f"--resume {self.path}: is one seed of a run; resume the whole: --resume {self.path.parent}"
                )
            what = "has no config.json, so no run has begun there" if self.path.is_dir() else "is no folder"
            raise UsageError(f"--resume {self.path}: {what}; start one with train --out {self.path}")
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError as error:
            raise FileFormatError(f"{path}: not text ({error.reason}); this run cannot be resumed") from error
        return read_config(text, str(path))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return os.fspath(value) if isinstance(value, Path) else value
