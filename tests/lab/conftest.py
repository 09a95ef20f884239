"""Notebooks that print nothing, and the smoke run of every topic, done once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from minigrad import lab
from minigrad.lab import Notebook, style

Smoke = Callable[[str], Notebook]


@pytest.fixture
def notebook(tmp_path: Path) -> Iterator[Notebook]:
    """A notebook of full size, with the lab's style in force."""
    with style.look(coarse=True):
        yield Notebook(tmp_path / "lab", say=lambda line: None)


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Notebook]:
    """A notebook of a smoke run, with the lab's style in force."""
    with style.look(coarse=True):
        yield Notebook(tmp_path / "lab", smoke=True, say=lambda line: None)


@pytest.fixture(scope="session")
def smoke(tmp_path_factory: pytest.TempPathFactory) -> Smoke:
    """smoke("descent"): the notebook of its smoke run on the CPU, with the seed 0."""
    done: dict[str, Notebook] = {}

    def run(topic: str) -> Notebook:
        if topic not in done:
            done[topic] = lab.run(topic, tmp_path_factory.mktemp(topic), smoke=True, say=lambda line: None)
        return done[topic]

    return run
