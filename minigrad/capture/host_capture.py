"""A step on the CPU: recorded, compiled, checked, replayed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backend import random
from ..backend.flush_to_zero import Switch, flush_to_zero
from . import check
from .arguments import Arguments, Results
from .door import open_door
from .executors import compiler
from .passes import simplify
from .program import Program
from .recorded import Recorded
from .recorder import Recorder
from .replay import Replay
from .schedule import schedule
from .state import undo


class HostReplay(Replay):
    """A recorded step on NumPy arrays.

    Args:
        recorder: that has seen the step.
        program: what it saw.
        results: the results of the step.
        executor: name of an executor.
        copies: whether results get memory of their own.
        eager: the step itself on raw arrays.
    """

    def __init__(
        self,
        recorder: Recorder,
        program: Program,
        results: Results,
        executor: str,
        copies: bool,
        eager: Callable[[list[Any]], list[Any]],
    ) -> None:
        leaves = {leaf: state[0] for leaf, state in recorder.leaves.items()}
        cells = [cell for cell, before in recorder.cells.values() if cell[0] != before]
        tensors = recorder.tensors.values()
        super().__init__(recorder.optimizers, leaves, tensors, recorder.cleared, cells, results, copies, eager)
        self.depend_on_modes(recorder)
        self.compiled = compiler(executor)(program)
        self.own = recorder.kept
        self._flush = None if getattr(self.compiled, "flushes", False) else Switch()
        written = {w.buffer for call in program.calls for w in call.writes}
        self.memory = [program.roots[b] for b in sorted(written) if program.kinds[b] == "state"]

    def run(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        if self._flush is None or not self._flush.on():
            return self.compiled(arrays)
        try:
            return self.compiled(arrays)
        finally:
            self._flush.off()


def record(
    function: Callable[..., Any], arguments: Arguments, constants: Sequence[np.ndarray], executor: str, copies: bool
) -> HostReplay:
    """The replay of a step, made by running it under a recorder; everything is as it was before.

    Args:
        function: the step.
        arguments: its arguments, NumPy arrays and Tensors on the CPU.
        constants: arrays from outside that stay as they are.
        executor: name of an executor.
        copies: whether results of replays get memory of their own.

    Raises:
        CaptureError: the step does what no replay can repeat.
    """

    def eager(arrays: list[np.ndarray]) -> list[np.ndarray]:
        args, kwargs = arguments.with_arrays(arrays)
        with flush_to_zero():
            return results.arrays_of(function(*args, **kwargs))

    recorder = Recorder(constants)
    streams = random.get_state()
    batch = [np.array(a, order="C") for a in arguments.arrays]
    try:
        inputs = [recorder.window(a, "input") for a in batch]
        with flush_to_zero(), open_door(recorder):
            args, kwargs = arguments.with_arrays([Recorded(a) for a in batch])
            results = Results(function(*args, **kwargs))
            outputs = [recorder.lift(a) for a in results.arrays]
            arguments.check_untouched(args, kwargs)
        check.steps_once(recorder.optimizers)
        program = schedule(simplify(recorder.program(inputs, outputs)))
        replay = HostReplay(recorder, program, results, executor, copies, eager)
    finally:
        _take_back(recorder, streams)

    check.check(replay, batch)
    return replay


def _take_back(recorder: Recorder, streams: dict[str, Any]) -> None:
    """Undo what a step did."""
    undo(recorder.before, recorder.roots)
    random.set_state(streams)
    for optimizer, (state, _) in recorder.optimizers.items():
        optimizer.restore_host_state(state)
    for leaf, (live, array, node) in recorder.leaves.items():
        leaf.live, leaf.array, leaf.grad_node = live, array, node
