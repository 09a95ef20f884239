"""What is trained: network, optimizer, rows to take batches from, and where. Everybody gets the very same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..data import Dataset, StandardScaler, load
from .sizes import Net

RATE = 1e-5
"""Learning rate while timing: weights stay near where they begin, so that no moment decays into slow denormals."""
NOMINAL_ROWS = {"synthetic": 60_000, "digits": 1797, "mnist_5k": 5000}
"""Rows of the data set by whose length an epoch is told; "synthetic" stands for MNIST."""
SOURCES = tuple(NOMINAL_ROWS)
FEWEST_ROWS = 4096
"""Rows to take batches from, so that small batches are fresh ones for long."""
FEWEST_BATCHES = 2
"""Different batches of the largest size."""


@dataclass(frozen=True)
class Workload:
    """A training to be timed.

    Attributes:
        net: the network; relu between its layers, softmax cross-entropy behind it, float32.
        optimizer: its name, lower case.
        x: (rows, features) float32.
        y: (rows,) int64.
        device: the full label of a device.
    """

    net: Net
    optimizer: str
    x: np.ndarray
    y: np.ndarray
    device: str

    def slices(self, batch: int) -> list[slice]:
        """Different batches of a size, one behind the other in the rows."""
        return [slice(i, i + batch) for i in range(0, len(self.x) - batch + 1, batch)]

    @property
    def hollow(self) -> Workload:
        """The same training with hardly any arithmetic: one row, layers of width 1."""
        net = self.net.hollow
        rows = np.linspace(0.5, 1.5, 16, dtype=np.float32)[:, None]
        return Workload(net, self.optimizer, rows, np.arange(16) % 2, self.device)


def default_net(source: str) -> str:
    """The network that is timed on a data set if none is named."""
    return "64-32-10" if source == "digits" else "784-256-128-10"


def rows_for(source: str, net: Net, largest: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Rows for batches up to a size.

    Args:
        source: "synthetic", uniform in [0, 1) with random labels, or the name of a data set, whose standardised rows
            are drawn with repetition.
        net: the network that they are for.
        largest: the largest batch.
        seed: of the draw.

    Returns:
        x (rows, features) float32 and y (rows,) int64.

    Raises:
        ValueError: the network does not take this data set.
        OptionalDependencyError: the package that brings it is not installed.
    """
    rng = np.random.default_rng(seed)
    count = max(FEWEST_ROWS, FEWEST_BATCHES * largest)
    features, classes = net.sizes[0], net.sizes[-1]
    if source == "synthetic":
        return rng.random((count, features), np.float32), rng.integers(0, classes, count)
    dataset = dataset_for(source, net)
    chosen = rng.integers(0, len(dataset), count)
    x = StandardScaler().fit(dataset.x).transform(dataset.x).astype(np.float32)
    return x[chosen], dataset.y[chosen].astype(np.int64)


def dataset_for(source: str, net: Net) -> Dataset:
    """A data set that is not synthetic, if the network takes it; else ValueError."""
    dataset = load(source)
    found, due = (dataset.x.shape[1], dataset.classes), (net.sizes[0], net.sizes[-1])
    if found != due:
        raise ValueError(
            f"{source} has {found[0]} features and {found[1]} classes, the network {net} takes {due[0]} and {due[1]}"
        )
    return dataset


def epoch_seconds(rows: int, batch: int, us: float) -> float:
    """Seconds of a pass over `rows` rows, the last batch counted as a whole one."""
    return -(-rows // batch) * us * 1e-6


def normal_matrices(shapes: list[tuple[int, int]], seed: int = 0) -> Iterator[np.ndarray]:
    """Normal random matrices, float32: operands of products."""
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape, np.float32) for shape in shapes)
