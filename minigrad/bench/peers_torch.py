"""PyTorch as a peer: eager with its default optimizer or the fused one, the whole step compiled, or as a CUDA graph."""

from __future__ import annotations

import itertools
import logging
import types
from collections.abc import Callable, Iterator
from typing import Any

from ..errors import require
from .contestant import Call
from .peers import PeerError
from .workload import RATE, Workload, normal_matrices

NAMES = {
    "sgd": "SGD",
    "adam": "Adam",
    "adamw": "AdamW",
    "adagrad": "Adagrad",
    "adadelta": "Adadelta",
    "rmsprop": "RMSprop",
    "adamax": "Adamax",
    "nadam": "NAdam",
    "radam": "RAdam",
}
CAPTURABLE = ("adam", "adamw", "adadelta", "rmsprop", "adamax", "nadam", "radam")
"""Those that can be told to keep their step count on the GPU."""
FUSED = ("sgd", "adam", "adamw", "adagrad")


class Torch:
    """The step in PyTorch.

    Args:
        workload: what is trained.
        threads: of PyTorch; None leaves them alone.
        form: "default", "fused" (its one-kernel optimizer), "compile" (torch.compile of the whole step, for each batch
            size by itself; with CUDA graphs on a GPU) or "graph" (the whole step with the fused optimizer captured as
            a CUDA graph, which a batch is copied into).

    Raises:
        OptionalDependencyError: PyTorch is not installed.
        PeerError: it has no such optimizer, or does not reach the device.
    """

    library = pool = "torch"

    def __init__(self, workload: Workload, threads: int | None, form: str) -> None:
        torch: Any = require("torch", "torch", f"The peer torch ({form})")
        self.torch, self.form, self.workload = torch, form, workload
        self.name = "torch" if form == "default" else f"torch-{form}"
        on_gpu = workload.device != "cpu"
        if on_gpu and not torch.cuda.is_available():
            raise PeerError(f"PyTorch {torch.__version__} does not reach {workload.device}")
        if workload.optimizer not in NAMES:
            raise PeerError(f"PyTorch has no optimizer {workload.optimizer!r}")
        if form == "graph" and not on_gpu:
            raise PeerError("CUDA graphs need a GPU")
        if form in ("fused", "graph") and workload.optimizer not in FUSED:
            raise PeerError(f"PyTorch has no fused {NAMES[workload.optimizer]}")
        if threads is not None:
            torch.set_num_threads(threads)
        self.device = torch.device(workload.device)
        torch.manual_seed(0)
        self.x = torch.from_numpy(workload.x).to(self.device)
        self.y = torch.from_numpy(workload.y).to(self.device)
        self._options: dict[str, Any] = {"fused": True} if form in ("fused", "graph") else {}
        if (form == "graph" or (form == "compile" and on_gpu)) and workload.optimizer in CAPTURABLE:
            self._options["capturable"] = True
        self._model, self._optimizer = self._network()
        self.events: Callable[[], Any] | None = None
        if on_gpu:
            self.events = lambda: torch.cuda.Event(enable_timing=True)
        self._operands: list[Any] = []
        self._steps: dict[int, Call] = {}

    def _network(self) -> tuple[Any, Any]:
        nn = self.torch.nn
        layers: list[Any] = []
        for n, m in self.workload.net.layers:
            layers += [nn.Linear(n, m), nn.ReLU()]
        model = nn.Sequential(*layers[:-1]).to(self.device)
        optimizer = getattr(self.torch.optim, NAMES[self.workload.optimizer])
        return model, optimizer(model.parameters(), lr=RATE, **self._options)

    def configuration(self) -> dict[str, Any]:
        return {
            "version": self.torch.__version__,
            "optimizer": NAMES[self.workload.optimizer],
            "options": self._options,
            "compile": self._compile_options() if self.form == "compile" else None,
            "threads": self.torch.get_num_threads(),
        }

    def _compile_options(self) -> dict[str, Any]:
        on_gpu = self.workload.device != "cpu"
        return {"dynamic": False, "fullgraph": False, "mode": "reduce-overhead" if on_gpu else "default"}

    def wait(self) -> None:
        if self.workload.device != "cpu":
            self.torch.cuda.synchronize(self.device)

    def elapsed_us(self, start: Any, end: Any) -> float:
        return 1e3 * float(start.elapsed_time(end))

    def step(self, batch: int) -> Call:
        if batch not in self._steps:  # to compile takes seconds
            self._steps[batch] = self._make_step(batch)
        return self._steps[batch]

    def _make_step(self, batch: int) -> Call:
        feed = itertools.cycle([(self.x[s], self.y[s]) for s in self.workload.slices(batch)])
        cross_entropy = self.torch.nn.functional.cross_entropy
        model, optimizer = self._network() if self.form in ("compile", "graph") else (self._model, self._optimizer)

        def work(x: Any, y: Any) -> None:
            optimizer.zero_grad()
            loss = cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()

        run = work
        if self.form == "graph":
            return self._graph(work, feed)
        if self.form == "compile":
            # the compiler keeps its programs by code object: a fresh one for each batch size has no guards of others
            fresh = types.FunctionType(
                work.__code__.replace(co_name=f"step_{batch}"), globals(), None, None, work.__closure__
            )
            self.torch._logging.set_logs(all=logging.ERROR)  # its remarks would tear the progress bar
            run = self.torch.compile(fresh, **self._compile_options())

        def step() -> None:
            run(*next(feed))

        return step

    def _graph(self, work: Callable[[Any, Any], None], feed: Iterator[Any]) -> Call:
        """The step as one graph, after PyTorch's documentation: warmed up on a side stream, static input."""
        cuda = self.torch.cuda
        with cuda.device(self.device):
            x, y = (t.clone() for t in next(feed))
            side = cuda.Stream()
            side.wait_stream(cuda.current_stream())
            with cuda.stream(side):
                for _ in range(3):
                    work(x, y)
            cuda.current_stream().wait_stream(side)
            graph = cuda.CUDAGraph()
            with cuda.graph(graph):
                work(x, y)

        def step() -> None:
            new_x, new_y = next(feed)
            x.copy_(new_x)
            y.copy_(new_y)
            graph.replay()

        return step

    def products(self, batch: int) -> Call:
        torch, layers = self.torch, self.workload.net.layers
        if not self._operands or len(self._operands[0][0]) < batch:
            shapes = [shape for n, m in layers for shape in ((batch, n), (batch, m), (m, n), (m, n))]
            made = [torch.from_numpy(a).to(self.device) for a in normal_matrices(shapes)]
            self._operands = [made[i : i + 4] for i in range(0, len(made), 4)]
        parts = [(x[:batch], g[:batch], w, into) for x, g, w, into in self._operands]

        def products() -> None:
            for x, _, w, _ in parts:
                torch.mm(x, w.t())
            for i in range(len(parts) - 1, -1, -1):
                x, g, w, into = parts[i]
                if i:
                    torch.mm(g, w)
                torch.mm(g.t(), x, out=into)

        return products
