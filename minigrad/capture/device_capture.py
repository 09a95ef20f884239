"""A step on a GPU: watched once, recorded as a CUDA graph, checked, replayed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..backend import recording
from ..backend.array import to_device, to_host
from ..backend.device import on_device
from ..errors import CaptureError
from . import check
from .arguments import Arguments, Results
from .cuda_graph import GraphStep
from .replay import Replay
from .state import HostState


class RefusedAfterwards(Exception):
    """A step that was made, and cannot be replayed.

    Args:
        value: what it returned.
        reason: why not.
    """

    def __init__(self, value: Any, reason: str) -> None:
        super().__init__(reason)
        self.value = value


class Observer(recording.Watcher):
    """Sees what a step writes to, which optimizers it uses, and whose gradients it drops first.

    Attributes:
        written: arrays that outlive the step and are written to.
        optimizers: those that stepped, with the state of their host before, and the number of times.
        leaves: gradient cells of their parameters, and whether they had a gradient before.
        cleared: those that lost theirs before they were given one.
        cells: version cells of what is written to, other than gradients and what optimizers see to.
        refused: what cannot be repeated, if something cannot.
    """

    def __init__(self) -> None:
        super().__init__()
        self.written: list[Any] = []
        self.optimizers: dict[Any, list[Any]] = {}
        self.leaves: dict[Any, bool] = {}
        self.cleared: set[Any] = set()
        self.cells: list[Any] = []
        self.refused = ""

    def target(self, array: Any, leaf: Any = None, cell: Any = None) -> Any:
        if leaf is not None and self.outlives(leaf):
            self.leaves.setdefault(leaf, leaf.live)
        if cell is not None and not any(cell is known for known in self.cells):
            self.cells.append(cell)
        if not any(array is known for known in self.written):
            self.written.append(array)
        return array

    def keep(self, array: Any, leaf: Any) -> Any:
        return self.target(super().keep(array, leaf), leaf)

    def stepping(self, optimizer: Any) -> None:
        self.optimizers.setdefault(optimizer, [optimizer.host_state(), 0])[1] += 1
        for leaf in (p._leaf for p in optimizer.parameters()):
            self.leaves.setdefault(leaf, leaf.live)  # those without a gradient in this step

    def refuse(self, what: str) -> None:
        self.refused = self.refused or what  # the step that is watched is a real one: it goes on

    def clearing(self, leaves: Iterable[Any]) -> None:
        self.cleared.update(leaf for leaf in leaves if leaf not in self.leaves)


class DeviceReplay(Replay):
    """A step as a CUDA graph.

    Args:
        function: the step on raw arrays, to its raw results.
        arrays: its arguments.
        device: full label.
        observer: that has seen the step.
        results: what it returned.
        copies: whether results get memory of their own.
    """

    def __init__(
        self,
        function: Callable[[Sequence[Any]], list[Any]],
        arrays: Sequence[Any],
        device: str,
        observer: Observer,
        results: Results,
        copies: bool,
    ) -> None:
        tensors = [(p, p._node) for o in observer.optimizers for p in o.parameters()]
        leaves, cleared = observer.leaves, observer.cleared
        super().__init__(observer.optimizers, leaves, tensors, cleared, observer.cells, results, copies, function)
        self.depend_on_modes(observer)
        known = [array for optimizer in self.optimizers for array in optimizer.memory()]
        self.memory = known + [a for a in observer.written if not any(_inside(a, other) for other in known)]

        def step(*inputs: Any) -> list[Any]:
            before = HostState(self.optimizers, self.leaves)
            try:
                found = function(inputs)
                self._exit = [(leaf, leaf.live, leaf.array) for leaf in self.leaves]  # the recorded run's, in the end
                return found
            finally:
                before.restore()

        def prepare() -> None:
            self.prepare()
            self.enter()

        before = HostState(self.optimizers, self.leaves)
        self.enter()
        self._graph = GraphStep(step, arrays, device, prepare, lambda: self.memory)
        before.restore()

    def run(self, arrays: Sequence[Any]) -> list[Any]:
        return list(self._graph.replay(arrays))

    def close(self) -> None:
        self._graph.close()


def _inside(array: Any, other: Any) -> bool:
    """Whether the memory of one array lies in that of another."""
    start, other_start = array.data.ptr, other.data.ptr
    return bool(other_start <= start and start + array.nbytes <= other_start + other.nbytes)


def record(function: Callable[..., Any], arguments: Arguments, device: str, copies: bool) -> tuple[Any, DeviceReplay]:
    """Run a step once, and make its replay, which agrees with it in every bit.

    Args:
        function: the step.
        arguments: its arguments, on the device.
        device: full label.
        copies: whether results of replays get memory of their own.

    Returns:
        What the step returned, and the replay.

    Raises:
        RefusedAfterwards: the step does what a graph cannot repeat; it has been made.
    """

    def raw(arrays: Sequence[Any]) -> list[Any]:
        args, kwargs = arguments.with_arrays([to_device(a, device) for a in arrays])
        return Results(function(*args, **kwargs)).arrays

    with on_device(device):
        with recording.watching(Observer()) as observer:
            args, kwargs = arguments.with_arrays(arguments.arrays)
            value = function(*args, **kwargs)
        results = Results(value)
        replay = None
        try:
            if observer.refused:
                raise CaptureError(observer.refused)
            check.steps_once(observer.optimizers)
            arguments.check_untouched(args, kwargs)
            replay = DeviceReplay(raw, arguments.arrays, device, observer, results, copies)
            check.check(replay, [to_host(a) for a in arguments.arrays])
        except CaptureError as error:
            if replay is not None:
                replay.close()
            raise RefusedAfterwards(value, str(error)) from error
    return value, replay
