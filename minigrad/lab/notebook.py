"""What a topic of the lab is given: its options, and where its numbers and pictures go."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..backend import random
from ..backend.array import to_host
from ..io import write_atomic
from ..tensor import Tensor, as_raw, tensor
from . import style

REPORT = "report.txt"


class Notebook:
    """One run of one topic.

    Args:
        out: the folder for its pictures; made where it is missing, files of the same names are replaced.
        seed: fixes everything that is drawn.
        smoke: a tiny version of everything, done in seconds: does it run at all?
        device: where the work is done, as a full label ("cpu", "cuda:0").
        say: takes each line that is printed.

    Attributes:
        numbers: what `number` was given, by name. One seed gives the same numbers again, but for those whose name
            starts with "seconds".
        files: the paths written so far.
    """

    def __init__(
        self,
        out: Path,
        seed: int = 0,
        smoke: bool = False,
        device: str = "cpu",
        say: Callable[[str], None] = print,
    ) -> None:
        self.out, self.seed, self.smoke, self.device = out, seed, smoke, device
        self.numbers: dict[str, float] = {}
        self.files: list[Path] = []
        self._say = say
        self._lines: list[str] = []
        out.mkdir(parents=True, exist_ok=True)

    # --- options ------------------------------------------------------------------------------------------------------

    def pick(self, full: int, smoke: int) -> int:
        """One of two sizes: the real one, or the tiny one of a smoke run."""
        return smoke if self.smoke else full

    def generator(self, name: str) -> np.random.Generator:
        """A generator of the lab's own, of this seed and name: what one part draws does not move another."""
        return random.stream_of(self.seed, "noise", zlib.crc32(name.encode()))

    def tensor(self, values: Any, dtype: Any = np.float64, requires_grad: bool = False) -> Tensor:
        """A tensor on the device of this run."""
        return tensor(values, dtype, self.device, requires_grad)

    # --- results ------------------------------------------------------------------------------------------------------

    def say(self, line: str = "") -> None:
        """Print a line, and keep it for the report."""
        self._lines.append(line)
        self._say(line)

    def number(self, name: str, value: float, text: str = "") -> float:
        """Keep a number under a name, and print it.

        Args:
            name: lower case with underscores, once a run.
            value: the number.
            text: the line to print, with {} where the number goes; "" prints nothing.

        Returns:
            The number.
        """
        if name in self.numbers:
            raise ValueError(f"lab: the number {name!r} is there already")
        self.numbers[name] = float(value)
        if text:
            self.say(text.format(float(value)))
        return float(value)

    def picture(self, name: str, figure: Any) -> None:
        """Write a figure as <name>.png."""
        self._write(f"{name}.png", style.png(figure))

    def film(
        self,
        name: str,
        figure: Any,
        draw: Callable[[int], None],
        frames: int,
        moving: Sequence[Any],
        rate: int = 6,
    ) -> None:
        """Write an animation as <name>.gif: draw(i) makes frame i by changing the `moving` artists."""
        self._write(f"{name}.gif", style.gif(figure, draw, frames, rate, moving))

    def text(self, name: str, content: str) -> None:
        """Write a text file."""
        self._write(name, content)

    def finish(self) -> None:
        """Write the report, and say where everything is."""
        self._write(REPORT, "\n".join(self._lines) + "\n")
        self._say(f"written to {self.out}: {', '.join(path.name for path in self.files)}")

    def _write(self, name: str, content: bytes | str) -> None:
        path = self.out / name
        write_atomic(path, content)
        self.files.append(path)


def host(value: Any) -> np.ndarray:
    """The values of a Tensor, tracked or not, or of a raw array, as a NumPy array: what pictures are made of."""
    return to_host(as_raw(value))
