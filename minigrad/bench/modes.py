"""The library's own contestants. Another mode is another class with a row in MODES."""

from __future__ import annotations

import importlib.metadata
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import nn, optim
from ..backend import array as arrays
from ..backend import gemm, random
from ..backend.device import accelerator_for, on_device
from ..nn import functional as F
from ..tensor import tensor
from ..version import __version__
from .contestant import Call, Contestant
from .workload import RATE, Workload, normal_matrices

OPTIMIZERS: dict[str, Callable[..., optim.Optimizer]] = {
    "sgd": optim.SGD,
    "adam": optim.Adam,
    "adamw": optim.AdamW,
    "adagrad": optim.Adagrad,
    "adadelta": optim.Adadelta,
    "rmsprop": optim.RMSprop,
    "adamax": optim.Adamax,
    "nadam": optim.NAdam,
    "radam": optim.RAdam,
    "lion": optim.Lion,
}


class Eager:
    """The step as a user writes it: zero_grad, forward, loss, backward, step.

    Args:
        workload: what is trained.
    """

    name = "eager"
    library = "minigrad"

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        device = workload.device
        random.manual_seed(0)
        sizes = workload.net.sizes
        self.model = nn.MLP(sizes[0], sizes[1:-1], sizes[-1], device=device)
        self.optimizer = OPTIMIZERS[workload.optimizer](self.model.parameters(), lr=RATE)
        self.x, self.y = arrays.to_device(workload.x, device), arrays.to_device(workload.y, device)
        self._provider = None if device == "cpu" else accelerator_for(device)
        cuda = None if self._provider is None else getattr(self._provider.xp, "cuda", None)
        self._elapsed = getattr(cuda, "get_elapsed_time", None)
        self.events: Callable[[], Any] | None = getattr(cuda, "Event", None) if self._elapsed else None
        self._operands: list[Any] = []

    def configuration(self) -> dict[str, Any]:
        try:  # it compiles the update of some optimizers on the CPU
            numba = importlib.metadata.version("numba")
        except importlib.metadata.PackageNotFoundError:
            numba = None
        name = type(self.optimizer).__name__
        return {"version": __version__, "optimizer": name, "numpy": np.__version__, "numba": numba}

    def wait(self) -> None:
        if self._provider is not None:
            self._provider.synchronize(self.workload.device)

    def elapsed_us(self, start: Any, end: Any) -> float:
        return 1e3 * float(self._elapsed(start, end)) if self._elapsed else 0.0

    def batches(self, batch: int) -> itertools.cycle[tuple[Any, Any]]:
        """The batches of a size in turn, for ever; views of the rows."""
        with on_device(self.workload.device):
            parts = [(tensor(self.x[s]), tensor(self.y[s])) for s in self.workload.slices(batch)]
        return itertools.cycle(parts)

    def step(self, batch: int) -> Call:
        feed, model, optimizer = self.batches(batch), self.model, self.optimizer

        def step() -> None:
            x, y = next(feed)
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()

        return step

    def products(self, batch: int) -> Call:
        """By the library's own door to BLAS, weight gradients into memory that is there, as in the step."""
        layers, device = self.workload.net.layers, self.workload.device
        if not self._operands or len(self._operands[0][0]) < batch:  # the largest first: smaller ones are slices of it
            shapes = [shape for n, m in layers for shape in ((batch, n), (batch, m), (m, n), (m, n))]
            made = [arrays.to_device(a, device) for a in normal_matrices(shapes)]
            self._operands = [made[i : i + 4] for i in range(0, len(made), 4)]
        parts = [(x[:batch], g[:batch], w, into) for x, g, w, into in self._operands]

        def products() -> None:
            for x, _, w, _ in parts:
                gemm.matmul(x, w.T)
            for i in range(len(parts) - 1, -1, -1):
                x, g, w, into = parts[i]
                if i:
                    gemm.matmul(g, w)
                gemm.matmul(g.T, x, into)

        return products


MODES: dict[str, Callable[[Workload], Contestant]] = {"eager": Eager}
"""Name of a mode -> what makes its contestant."""


def states_of(optimizer: str) -> int:
    """How many state buffers an optimizer of that name keeps for each parameter."""
    made = OPTIMIZERS[optimizer](nn.MLP(1, [], 2).parameters(), lr=RATE)
    return len(made.state_names(made.param_groups[0]))
