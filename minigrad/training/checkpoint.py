"""Where and how often a run is saved."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import io
from ..backend.array import is_integer
from ..errors import FileFormatError

NAME = "checkpoint.safetensors"


class Checkpoint:
    """A file that always holds a state from which the run goes on bitwise; each save replaces it as a whole.

    Args:
        path: the file; in a folder that exists, checkpoint.safetensors.
        epochs: save after every so many epochs, and at the end of the run.
        steps: also save after every so many steps; None does not.
        resume: begin from the file where it is there; False starts anew and replaces it.
        extra: further objects to keep in the file, as for `mg.save`.

    Raises:
        ValueError: epochs or steps below 1.
        TypeError: epochs or steps that are no integers.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        epochs: int = 1,
        steps: int | None = None,
        resume: bool = True,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        for name, value in (("epochs", epochs), ("steps", 1 if steps is None else steps)):
            if not is_integer(value):
                raise TypeError(f"Checkpoint: {name} must be an integer, got {type(value).__name__} {value!r}")
            if value < 1:
                raise ValueError(f"Checkpoint: {name} must be at least 1, got {value}")
        self.path = Path(path)
        if self.path.is_dir():
            self.path /= NAME
        self.epochs = epochs
        self.steps = steps
        self.resume = resume
        self.extra = dict(extra or {})

    def is_due(self, run: Any) -> bool:
        """Whether a run that has just finished an epoch is to be saved."""
        return bool(run.epoch % self.epochs == 0 or (self.steps and run.step % self.steps == 0))

    def save(self, run: Any) -> None:
        """Write the state of a run."""
        io.save(self.path, run=run, **self.extra)

    def load_into(self, run: Any) -> bool:
        """Continue a run from the file, if there is one.

        Returns:
            Whether there was one.

        Raises:
            FileFormatError: a damaged file, one that holds no run, or one of a different model, optimizer or data.
        """
        if not (self.resume and self.path.exists()):
            return False
        state = io.load(self.path)
        if "run" not in state:
            raise FileFormatError(f"{self.path}: holds no run, but {', '.join(state) or 'nothing'}; pass another path")
        try:
            run.load_state_dict(state["run"])
        except (KeyError, ValueError, TypeError, IndexError, AttributeError) as error:
            message = error.args[0] if isinstance(error, KeyError) and error.args else error
            raise FileFormatError(
                f"{self.path}: does not fit this run ({message}); build the same model, optimizer and data, pass "
                "another path, or Checkpoint(path, resume=False) to start anew"
            ) from error
        return True
