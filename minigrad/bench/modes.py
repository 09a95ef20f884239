"""The library's own contestants: the step as written, and captured. Another mode is a class with a row in MODES."""

from __future__ import annotations

import importlib.metadata
import itertools
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from .. import nn
from ..backend import array as arrays
from ..backend import gemm, random
from ..backend.device import accelerator_for, on_device
from ..capture import CapturedStep, capture
from ..capture.executors import compiler
from ..errors import CaptureError, CaptureWarning
from ..nn import functional as F
from ..optim.by_name import BY_NAME
from ..tensor import tensor
from ..version import __version__
from . import memory
from .contestant import Call
from .workload import RATE, Workload, normal_matrices


class Eager:
    """The step as a user writes it: zero_grad, forward, loss, backward, step.

    Args:
        workload: what is trained.
    """

    name = "eager"
    library = "minigrad"
    pool = "numpy"

    def __init__(self, workload: Workload) -> None:
        self.workload = workload
        device = workload.device
        random.manual_seed(0)
        sizes = workload.net.sizes
        self.model = nn.MLP(sizes[0], sizes[1:-1], sizes[-1], device=device)
        self.optimizer = BY_NAME[workload.optimizer](self.model.parameters(), lr=RATE)
        self.x, self.y = arrays.to_device(workload.x, device), arrays.to_device(workload.y, device)
        self._provider = None if device == "cpu" else accelerator_for(device)
        cuda = None if self._provider is None else getattr(self._provider.xp, "cuda", None)
        self._elapsed = getattr(cuda, "get_elapsed_time", None)
        self.events: Callable[[], Any] | None = getattr(cuda, "Event", None) if self._elapsed else None
        self._operands: list[Any] = []
        self.capture_seconds: dict[int, float] = {}

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

    def training(self) -> Callable[[Any, Any], None]:
        """The step on a batch."""
        model, optimizer = self.model, self.optimizer

        def train(x: Any, y: Any) -> None:
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()

        return train

    def step(self, batch: int) -> Call:
        feed, train = self.batches(batch), self.training()

        def step() -> None:
            x, y = next(feed)
            train(x, y)

        return step

    def step_bytes(self, batch: int) -> int:
        """The most memory that a step holds beyond parameters, gradients, state and its batch."""
        return memory.step_bytes(self.step(batch), self.workload.device)

    def verify(self) -> None:
        """Raise if what was timed is not what the name says."""

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


class Capture(Eager):
    """The same step through `mg.capture`: recorded when it is made, replayed when it is timed.

    A step that runs in Python after all is an error, never a figure.
    """

    name = "capture"
    pool = "scipy"  # whose BLAS compiled code calls, with threads of its own
    executor = "auto"

    def __init__(self, workload: Workload) -> None:
        super().__init__(workload)
        self._steps: dict[int, Call] = {}
        self._recorded: dict[int, _Recorded] = {}

    def configuration(self) -> dict[str, Any]:
        on_cpu = self.workload.device == "cpu"
        runs = compiler(self.executor).__name__.removeprefix("compile_") if on_cpu else "CUDA graph"
        return super().configuration() | {"executor": runs}

    def step(self, batch: int) -> Call:
        """The call of a replay; the first time for a batch size the step is recorded, which `capture_seconds` tells."""
        if batch not in self._steps:
            feed = self.batches(batch)
            start = time.perf_counter()
            recorded = self._record(feed)
            self.wait()
            self.capture_seconds[batch] = time.perf_counter() - start
            replay = recorded.replay
            replay(*next(feed))
            recorded.settled = recorded.runs
            self._recorded[batch] = recorded

            def step() -> None:
                x, y = next(feed)
                replay(x, y)

            self._steps[batch] = step
        return self._steps[batch]

    def _record(self, feed: Any) -> _Recorded:
        recorded = _Recorded(self.training(), self.executor)
        with warnings.catch_warnings():
            warnings.simplefilter("error", CaptureWarning)
            try:
                recorded.replay(*next(feed))
            except CaptureWarning as refusal:
                reason = next(iter(recorded.replay.refusals.values()), str(refusal))
                raise CaptureError(
                    f"the mode {self.name!r} cannot be timed: {reason} (--mode eager goes without)"
                ) from None
        return recorded

    def step_bytes(self, batch: int) -> int:
        """What a recording keeps, found by making another one, and what its replay takes beside that."""
        made: list[_Recorded] = []
        kept = memory.kept_bytes(lambda: made.append(self._record(self.batches(batch))), self.workload.device)
        made[0].replay.clear()
        return kept + super().step_bytes(batch)

    def verify(self) -> None:
        for batch, recorded in self._recorded.items():
            for reason in recorded.replay.refusals.values():
                raise CaptureError(f"the mode {self.name!r} was not replayed at batch size {batch}: {reason}")
            if recorded.runs != recorded.settled:
                raise CaptureError(
                    f"the mode {self.name!r} ran {recorded.runs - recorded.settled} steps of batch size {batch} in "
                    "Python where it should have replayed them: leave the mode out, and report this"
                )


class CaptureOnNumPy(Capture):
    """The same, replayed by NumPy whatever is installed."""

    name = "capture-numpy"
    pool = "numpy"
    executor = "numpy"


class _Recorded:
    """A captured step that knows how often it ran in Python."""

    def __init__(self, train: Callable[[Any, Any], None], executor: str) -> None:
        self.runs = self.settled = 0

        def counted(x: Any, y: Any) -> None:
            self.runs += 1
            train(x, y)

        self.replay: CapturedStep = capture(counted, executor=executor)


MODES: dict[str, Callable[[Workload], Eager]] = {
    "eager": Eager,
    "capture": Capture,
    "capture-numpy": CaptureOnNumPy,
}
"""Name of a mode -> what makes its contestant."""
ON_CPU_ONLY = ("capture-numpy",)
"""Modes that are the same as another one on a GPU, or nothing."""


def states_of(optimizer: str) -> int:
    """How many state buffers an optimizer of that name keeps for each parameter."""
    made = BY_NAME[optimizer](nn.MLP(1, [], 2).parameters(), lr=RATE)
    return len(made.state_names(made.param_groups[0]))
