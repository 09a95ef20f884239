"""Steps recorded and compiled for tests, and how far results are from NumPy's."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from minigrad.capture.arguments import Results
from minigrad.capture.door import open_door
from minigrad.capture.numba_executor import compile_numba
from minigrad.capture.passes import simplify
from minigrad.capture.program import Program
from minigrad.capture.recorded import Recorded
from minigrad.capture.recorder import Recorder
from minigrad.capture.schedule import schedule


def recorded(step: Callable[..., Any], *arrays: np.ndarray, state: Sequence[np.ndarray] = ()) -> Program:
    """The program of a step on arrays, simplified and scheduled; the step has then run once.

    Args:
        step: of the arrays, and of `state` behind them.
        arrays: arguments.
        state: memory that it may write to.
    """
    recorder = Recorder()
    copies = [np.array(a, order="C") for a in arrays]
    inputs = [recorder.window(a, "input") for a in copies]
    with np.errstate(all="ignore"), open_door(recorder):
        results = Results(step(*[Recorded(a) for a in copies], *map(recorder.lift, state)))
        outputs = [recorder.lift(a) for a in results.arrays]
    return schedule(simplify(recorder.program(inputs, outputs)))


def compiled(step: Callable[..., Any], *arrays: np.ndarray, state: Sequence[np.ndarray] = ()) -> Any:
    """The step compiled for such arrays; it has then run once."""
    return compile_numba(recorded(step, *arrays, state=state), flushes=False)


def numpy_calls(run: Any) -> list[str]:
    """The lines of a compiled step that NumPy runs, but for those that bring arguments in."""
    _, _, body = run.source.partition("def run(inputs):")
    lines = [line.strip() for line in body.splitlines()]
    return [line for line in lines if re.search(r"\bf\w*_\w+\(|copyto\(a\d+, [^i]", line)]


def assert_close(found: np.ndarray, due: np.ndarray, ulps: float, message: str = "", scale: float = 0.0) -> None:
    """Equal shape and dtype, nan and infinity at the same places, the rest within some units in the last place.

    Args:
        found: the result.
        due: NumPy's.
        ulps: permitted distance.
        message: what it is about.
        scale: size of what was added up, where that is more than the result.
    """
    assert (found.shape, found.dtype) == (due.shape, due.dtype), message
    if due.dtype.kind != "f":
        np.testing.assert_array_equal(found, due, err_msg=message)
        return
    finite = np.isfinite(due)
    np.testing.assert_array_equal(found[~finite], due[~finite], err_msg=message)
    with np.errstate(all="ignore"):
        size = np.maximum(np.abs(due[finite]), max(scale, np.finfo(due.dtype).tiny))
        unit = np.spacing(size.astype(due.dtype)).astype(np.float64)
        distance = np.abs(found[finite].astype(np.float64) - due[finite]) / unit
    assert (distance <= ulps).all(), f"{message}: {distance.max()} ulp, {found[finite]} instead of {due[finite]}"
