"""The lab: gradient descent made visible, one topic a module. `python -m minigrad lab <topic>` runs one.

A topic is a module with a function `run(notebook)`; it computes with the library, prints its numbers and draws them.
matplotlib is imported only where something is drawn.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

from ..backend import random
from ..backend.device import resolve_device
from . import adaptive, batches, chance, checking, descent, errata, initialisation, regression, style, surfaces
from .notebook import Notebook

TOPICS: dict[str, ModuleType] = {
    "descent": descent,
    "surfaces": surfaces,
    "batches": batches,
    "initialisation": initialisation,
    "regression": regression,
    "adaptive": adaptive,
    "chance": chance,
    "checking": checking,
    "errata": errata,
}
"""Every topic by its name, in the order in which they are best read."""

__all__ = ["TOPICS", "Notebook", "run"]


def run(
    topic: str,
    out: str | Path,
    *,
    seed: int = 0,
    smoke: bool = False,
    device: str = "cpu",
    say: Callable[[str], None] = print,
) -> Notebook:
    """Run one topic.

    Args:
        topic: one of TOPICS.
        out: the folder for pictures and report; made where it is missing, files of the same names are replaced.
        seed: fixes everything that is drawn; starts the library's random streams anew.
        smoke: a tiny version of everything, done in seconds: does it run at all?
        device: "cpu", "cuda", "cuda:1" or "auto".
        say: takes each line that is printed.

    Returns:
        The notebook: its numbers, and the files that were written.

    Raises:
        ValueError: an unknown topic.
        DeviceError: the device is not there.
        OptionalDependencyError: matplotlib is not installed, or scikit-learn where a topic takes its data from there.
        OSError: the folder cannot be written.
    """
    if topic not in TOPICS:
        raise ValueError(f"lab: unknown topic {topic!r}; there are {', '.join(TOPICS)}")
    label = resolve_device(device)
    with style.look(coarse=smoke):
        random.manual_seed(seed)
        notebook = Notebook(Path(out), seed, smoke, label, say)
        TOPICS[topic].run(notebook)
        notebook.finish()
    return notebook
