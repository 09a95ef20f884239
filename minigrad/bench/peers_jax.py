"""JAX as a peer: the whole step under jit, with optax's optimizer and donated state."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any

from .contestant import Call
from .peers import PeerError
from .workload import RATE, Workload, normal_matrices

NAMES = ("sgd", "adam", "adamw", "adagrad", "adadelta", "rmsprop", "adamax", "nadam", "radam", "lion")


class Jax:
    """The step in JAX.

    Args:
        workload: what is trained.
        threads: of XLA on the CPU, set before it starts: the first choice in a process holds.

    Raises:
        PeerError: JAX or optax is not installed, optax has no such optimizer, or JAX does not reach the device.
    """

    name = library = pool = "jax"
    events: Callable[[], Any] | None = None

    def __init__(self, workload: Workload, threads: int | None) -> None:
        if threads is not None:
            os.environ["NPROC"] = str(threads)  # what XLA sizes its pool by when it starts; its flags do not reach that
        jax: Any = _package("jax")
        optax: Any = _package("optax")
        self.jax, self.workload = jax, workload
        if workload.optimizer not in NAMES:
            raise PeerError(f"optax has no optimizer {workload.optimizer!r}")
        kind = "cpu" if workload.device == "cpu" else "gpu"
        try:
            devices = jax.devices(kind)
        except RuntimeError as error:
            raise PeerError(f"JAX {jax.__version__} does not reach {workload.device}: {error}") from error
        self.device = devices[int(workload.device.partition(":")[2] or 0)]
        self._optimizer = getattr(optax, workload.optimizer)(RATE)
        self._update = jax.jit(self._one_step(optax), donate_argnums=(0, 1))
        keys = jax.random.split(jax.random.key(0), len(workload.net.layers))
        drawn = [
            (jax.random.normal(k, (n, m)) / n**0.5, jax.numpy.zeros(m))
            for k, (n, m) in zip(keys, workload.net.layers, strict=True)
        ]
        self._parameters = jax.device_put(drawn, self.device)
        self._state = jax.device_put(self._optimizer.init(self._parameters), self.device)
        self._done: Any = None
        self._operands: list[Any] = []
        self.versions = {"jax": jax.__version__, "optax": optax.__version__}

    def _one_step(self, optax: Any) -> Callable[..., Any]:
        jax, optimizer = self.jax, self._optimizer

        def loss(parameters: Any, x: Any, y: Any) -> Any:
            for w, b in parameters[:-1]:
                x = jax.nn.relu(x @ w + b)
            w, b = parameters[-1]
            return optax.softmax_cross_entropy_with_integer_labels(x @ w + b, y).mean()

        def step(parameters: Any, state: Any, x: Any, y: Any) -> Any:
            gradients = jax.grad(loss)(parameters, x, y)
            updates, state = optimizer.update(gradients, state, parameters)
            return optax.apply_updates(parameters, updates), state

        return step

    def configuration(self) -> dict[str, Any]:
        return {
            "version": self.versions["jax"],
            "optax": self.versions["optax"],
            "optimizer": f"optax.{self.workload.optimizer}",
            "compile": "jit, donated parameters and state",
            "threads": os.environ.get("NPROC"),
        }

    def wait(self) -> None:
        if self._done is not None:
            self.jax.block_until_ready(self._done)

    def elapsed_us(self, start: Any, end: Any) -> float:
        return 0.0

    def step(self, batch: int) -> Call:
        put = self.jax.device_put
        parts = [put((self.workload.x[s], self.workload.y[s]), self.device) for s in self.workload.slices(batch)]
        feed, update = itertools.cycle(parts), self._update

        def step() -> None:
            x, y = next(feed)
            self._parameters, self._state = update(self._parameters, self._state, x, y)
            self._done = self._parameters

        return step

    def products(self, batch: int) -> Call:
        jax, layers = self.jax, self.workload.net.layers
        if not self._operands or len(self._operands[0][0]) < batch:
            shapes = [shape for n, m in layers for shape in ((batch, n), (batch, m), (n, m))]
            made = [jax.device_put(a, self.device) for a in normal_matrices(shapes)]
            self._operands = [tuple(made[i : i + 3]) for i in range(0, len(made), 3)]
        parts = [(x[:batch], g[:batch], w) for x, g, w in self._operands]

        @jax.jit
        def work(parts: Any) -> Any:
            forward = [x @ w for x, _, w in parts]
            backward = [g @ w.T for _, g, w in parts[1:]]
            return forward, backward, [x.T @ g for x, g, _ in parts]

        def products() -> None:
            self._done = work(parts)

        return products


def _package(name: str) -> object:
    """JAX and optax belong to no extra of this library."""
    import importlib

    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise PeerError(
            f"needs the package {name!r}, which is not installed: pip install jax optax ({error})"
        ) from error
