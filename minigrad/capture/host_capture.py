"""A step on the CPU: recorded, compiled, checked, replayed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backend import random
from ..backend.flush_to_zero import flush_to_zero
from ..backend.versions import mark_written
from . import check
from .arguments import Arguments, Results
from .door import open_door
from .executors import compiler
from .passes import simplify
from .program import Program
from .recorded import Recorded
from .recorder import Recorder
from .schedule import schedule
from .state import undo


UNSEEN = (
    "It depends on something that no recorder sees: a Python number that changes, NumPy arrays computed with outside of "
    "Tensors, or random numbers of its own"
)


class StaleCapture(Exception):
    """What was recorded no longer fits: parameters moved, froze, or changed their optimizer's options."""


class HostReplay:
    """A recorded step.

    Args:
        recorder: that has seen the step.
        program: what it saw.
        results: the results of the step.
        executor: name of an executor.
    """

    def __init__(self, recorder: Recorder, program: Program, results: Results, executor: str) -> None:
        self._results = results
        self.run = compiler(executor)(program)
        written = {w.buffer for call in program.calls for w in call.writes}
        self.memory = [program.roots[b] for b in sorted(written) if program.kinds[b] == "state"]
        self.leaves = list(recorder.leaves)
        self._entry = [(leaf, state[0]) for leaf, state in recorder.leaves.items() if leaf not in recorder.cleared]
        self._exit = [(leaf, leaf.live, leaf.array) for leaf in recorder.leaves]
        self._cells = [cell for cell, before in recorder.cells.values() if cell[0] != before]
        self.optimizers = list(recorder.optimizers)
        self._phases = [(o, state[0][0]) for o, state in recorder.optimizers.items()]
        self._layouts = [(o, o.revision) for o in self.optimizers]

    def fits(self) -> bool:
        """Whether things stand as they stood when it was recorded: which gradients there are, and the phase."""
        for optimizer, phase in self._phases:
            if optimizer.phase != phase:
                return False
        return all(leaf.live is live for leaf, live in self._entry)

    def results(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
        """One step on raw arrays: raw results, in memory that the next step writes to.

        Raises:
            StaleCapture: it has to be recorded again.
        """
        for optimizer, revision in self._layouts:
            optimizer.prepare_replay()
            if optimizer.revision != revision:
                raise StaleCapture
        with flush_to_zero():
            found = self.run(arrays)
        for optimizer in self.optimizers:
            optimizer.count_replay()
        for leaf, live, array in self._exit:
            if leaf.live is not live or leaf.array is not array:
                leaf.live, leaf.array, leaf.grad_node = live, array, None
        if self._cells:
            mark_written(*self._cells)
        return found

    def replay(self, arrays: Sequence[np.ndarray]) -> Any:
        """One step: what the step returns, in memory of its own."""
        return self._results.rebuilt([array.copy() for array in self.results(arrays)])


def record(
    function: Callable[..., Any], arguments: Arguments, constants: Sequence[np.ndarray], executor: str
) -> tuple[Any, HostReplay | None, str]:
    """Run a step once under a recorder, and make its replay.

    Args:
        function: the step.
        arguments: its arguments, NumPy arrays and Tensors on the CPU.
        constants: arrays from outside that stay as they are.
        executor: name of an executor.

    Returns:
        What the step returned; the replay, or None; and why there is none.

    Raises:
        CaptureError: the step did what no replay can repeat; everything is as it was before.
    """
    recorder = Recorder(constants)
    streams = random.get_state()
    copies = [np.array(a, order="C") for a in arguments.arrays]
    try:
        inputs = [recorder.window(a, "input") for a in copies]
        with flush_to_zero(), open_door(recorder):
            args, kwargs = arguments.with_arrays([Recorded(a) for a in copies])
            results = Results(function(*args, **kwargs))
            outputs = [recorder.lift(a) for a in results.arrays]
    except BaseException:
        _take_back(recorder, streams)
        raise
    value = results.rebuilt([o.value.copy() for o in outputs])
    for optimizer, (_, times) in recorder.optimizers.items():
        if times > 1:
            return value, None, f"{type(optimizer).__name__}.step() is called {times} times in it: one is due"
    replay = HostReplay(recorder, schedule(simplify(recorder.program(inputs, outputs))), results, executor)

    def eager(arrays: list[np.ndarray]) -> list[np.ndarray]:
        args, kwargs = arguments.with_arrays(arrays)
        with flush_to_zero():
            return Results(function(*args, **kwargs)).arrays

    found = check.difference(eager, replay.results, copies, replay.memory, replay.optimizers, replay.leaves)
    if found:
        return value, None, f"its replay is not what it computes ({found}). {UNSEEN}"
    return value, replay, ""


def _take_back(recorder: Recorder, streams: dict[str, Any]) -> None:
    """Undo what a step did until it failed."""
    undo(recorder.before, recorder.roots)
    random.set_state(streams)
    for optimizer, (state, _) in recorder.optimizers.items():
        optimizer.restore_host_state(state)
    for leaf, (live, array, node) in recorder.leaves.items():
        leaf.live, leaf.array, leaf.grad_node = live, array, node
