"""Training steps as CUDA graphs for the tests: what a caller of GraphStep has to do, and no more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from on_device import host, put
from strict_provider import StrictProvider

import minigrad as mg
from minigrad import nn, optim
from minigrad.backend import device as devices
from minigrad.capture.cuda_graph import GraphStep
from minigrad.core.variable import wrap
from minigrad.nn import functional as F

GPUS = ["strict", *(["cuda"] if devices.accelerator() is not None else [])]
"""Where graphs are tested: the strict device, and a GPU where there is one."""
EAGER = 2
"""Updates before a capture: optimizers have their state by then."""


@dataclass
class Gpu:
    """A device with what it counts, if it counts."""

    device: str
    provider: Any
    machine: Any

    def put(self, array: Any) -> Any:
        return self.provider.from_host(np.asarray(array), self.device)


def gpu_named(name: str, request: pytest.FixtureRequest) -> Gpu:
    """One of GPUS. Matrix products of the strict device are not its library's, so that they can be recorded."""
    if name == "cuda":
        return Gpu("cuda:0", devices.accelerator(), None)
    provider: StrictProvider = request.getfixturevalue("strict")
    provider.machine.own_gemm = True
    return Gpu("cuda:0", provider, provider.machine)


@dataclass
class Training:
    """A model, what trains it, and its step: a function of a batch of Tensors that returns Tensors."""

    model: nn.Module
    optimizers: Sequence[optim.Optimizer]
    step: Callable[..., Sequence[Any]]

    def eager(self, *batch: Any) -> list[np.ndarray]:
        return [host(t) for t in self.step(*(wrap(a) for a in batch))]

    def memory(self) -> list[Any]:
        """Every array that a step writes and that outlives it."""
        return [*(b.data for b in self.model.buffers()), *(a for o in self.optimizers for a in o.memory())]

    def values(self) -> list[np.ndarray]:
        """What a run leaves behind: parameters, buffers, state, averages."""
        state = [e for o in self.optimizers for e in o.state_dict()["state"].values()]
        found = [host(t) for t in (*self.model.parameters(), *self.model.buffers())]
        return found + [np.asarray(v) for entry in state for v in entry.values()]


class Graphed:
    """The step of a training as one graph for each phase of an accumulation."""

    def __init__(self, training: Training, device: str) -> None:
        self.training = training
        self.device = device
        self.graphs: dict[Any, GraphStep] = {}

    def _run(self, *arrays: Any) -> list[Any]:
        optimizers = self.training.optimizers
        before = [o.host_state() for o in optimizers]
        try:
            return [t.data for t in self.training.step(*(wrap(a) for a in arrays))]
        finally:
            for o, state in zip(optimizers, before, strict=True):
                o.restore_host_state(state)

    def _prepare(self) -> None:
        for o in self.training.optimizers:
            o.prepare_replay()

    def capture(self, *batch: Any) -> GraphStep:
        """The current phase as a graph."""
        return GraphStep(self._run, batch, self.device, self._prepare, self.training.memory)

    def launch(self, *batch: Any) -> Sequence[Any]:
        """A step; its results on the device."""
        phase = tuple(o.phase for o in self.training.optimizers)
        if phase not in self.graphs:
            self.graphs[phase] = self.capture(*batch)
        self._prepare()
        found = self.graphs[phase].replay(batch)
        for o in self.training.optimizers:
            o.count_replay()
        return found

    def __call__(self, *batch: Any) -> list[np.ndarray]:
        return [host(a) for a in self.launch(*batch)]


def classifier(
    gpu: Gpu,
    make: Callable[[nn.Module], list[optim.Optimizer]],
    widths: tuple[int, ...] = (6, 9, 8, 3),
    clip: float | None = None,
    **how: Any,
) -> Training:
    mg.manual_seed(7)
    model = nn.MLP(widths[0], list(widths[1:-1]), widths[-1], **how).to(gpu.device)
    optimizers = make(model)

    def step(x: Any, y: Any) -> list[Any]:
        for o in optimizers:
            o.zero_grad()
        out = model(x)
        loss = F.cross_entropy(out, y)
        loss.backward()
        if clip is not None:
            optim.clip_grad_norm(model.parameters(), clip)
        for o in optimizers:
            o.step()
        return [loss, out]

    return Training(model, optimizers, step)


def batch(number: int, rows: int = 16, width: int = 6, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(number)
    return rng.standard_normal((rows, width)).astype(np.float32), rng.integers(0, classes, rows)


def two_groups(model: nn.Module) -> list[optim.Optimizer]:
    first, *rest = model.parameters()
    return [optim.AdamW([{"params": [first], "lr": 0.1}, {"params": rest, "lr": 0.01, "weight_decay": 0.0}])]


def two_optimizers(model: nn.Module) -> list[optim.Optimizer]:
    first, *rest = model.parameters()
    return [optim.SGD([first], lr=0.1, momentum=0.9), optim.Adam(rest, lr=0.01)]


def one(kind: Any, **how: Any) -> Callable[[nn.Module], list[optim.Optimizer]]:
    return lambda model: [kind(model.parameters(), **how)]


TRAININGS: dict[str, tuple[Callable[[nn.Module], list[optim.Optimizer]], dict[str, Any]]] = {
    "sgd": (one(optim.SGD, lr=0.1), {}),
    "momentum": (one(optim.SGD, lr=0.1, momentum=0.9, nesterov=True), {}),
    "adam": (one(optim.Adam, lr=0.01), {}),
    "nadam": (one(optim.NAdam, lr=0.01), {}),
    "lion": (one(optim.Lion, lr=0.01), {}),
    "dropout": (one(optim.Adam, lr=0.01), {"dropout": 0.3}),
    "batch norm": (one(optim.SGD, lr=0.1), {"normalization": "batch"}),
    "layer norm": (one(optim.Adam, lr=0.01), {"normalization": "layer"}),
    "tanh": (one(optim.Adam, lr=0.01), {"activation": "tanh"}),
    "max_norm": (one(optim.Adam, lr=0.01, max_norm=0.1), {}),
    "clip_grad_norm": (one(optim.Adam, lr=0.01), {"clip": 0.1}),
    "accumulate": (one(optim.Adam, lr=0.01, accumulate=3), {}),
    "accumulate, clip, dropout": (one(optim.SGD, lr=0.1, accumulate=2, max_norm=0.1), {"dropout": 0.3}),
    "ema": (one(optim.Adam, lr=0.01, ema=0.9), {}),
    "skip": (one(optim.Adam, lr=0.01, nonfinite="skip"), {}),
    "two groups": (two_groups, {}),
    "two optimizers": (two_optimizers, {}),
    "everything": (
        one(optim.AdamW, lr=0.01, accumulate=2, max_norm=0.1, ema=0.9, nonfinite="skip"),
        {"dropout": 0.3, "normalization": "batch", "clip": 5.0},
    ),
}


def settled(gpu: Gpu, name: str, **how: Any) -> Graphed:
    """One of TRAININGS after EAGER updates, ready to be captured."""
    make, given = TRAININGS[name]
    training = classifier(gpu, make, **{**given, **how})
    for number in range(EAGER * training.optimizers[0].accumulate):
        training.eager(*(gpu.put(a) for a in batch(number)))
    return Graphed(training, gpu.device)


def plus_one(gpu: Gpu) -> GraphStep:
    """A graph of x + 1 for three numbers."""
    return GraphStep(lambda x: [x + 1], [gpu.put(np.ones(3))], gpu.device, lambda: None, list)


def tensors(place: Gpu, number: int, rows: int = 16) -> tuple[mg.Tensor, mg.Tensor]:
    x, y = batch(number, rows)
    return mg.tensor(put(x, place.device)), mg.tensor(put(y, place.device))


def same(first: Training, second: Training) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(first.values(), second.values(), strict=True))
