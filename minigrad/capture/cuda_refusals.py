"""Which line of a step cannot be recorded as a CUDA graph, in words."""

from __future__ import annotations

import linecache
import sys
from pathlib import Path
from types import FrameType, TracebackType

from ..backend.device import Accelerator
from ..errors import CaptureError, MinigradError

PACKAGE = Path(__file__).resolve().parents[1]

ADVICE = (
    "while a graph is recorded nothing may be read back (float, item, print, numpy), copied from the host, or be of a "
    "size that values decide, and matrix products go through minigrad. Return what is to be looked at from the step, "
    "and pass what changes from step to step as an argument"
)


def refusal(error: BaseException, provider: Accelerator) -> BaseException:
    """What to raise for an error that ended a recording.

    Args:
        error: as it was raised, with its traceback.
        provider: of the device.

    Returns:
        A CaptureError that names the line of the step, for what the array library raises; anything else as it is.
    """
    if isinstance(error, MinigradError) or not isinstance(error, (RuntimeError, MemoryError)):
        return error
    why = f"the step cannot be captured: {place(error.__traceback__, provider)}: {error}"
    return CaptureError(why if isinstance(error, MemoryError) else f"{why}; {ADVICE}")


def place(traceback: TracebackType | None, provider: Accelerator) -> str:
    """The innermost line of a traceback that belongs to neither minigrad nor the array library."""
    found = "in minigrad"
    while traceback is not None:
        frame, line = traceback.tb_frame, traceback.tb_lineno
        if not _is_library(frame, provider):
            file, name = frame.f_code.co_filename, frame.f_code.co_name
            text = linecache.getline(file, line).strip()
            found = f"{file}, line {line}, in {name}" + (f": {text!r}" if text else "")
        traceback = traceback.tb_next
    return found


def _is_library(frame: FrameType, provider: Accelerator) -> bool:
    """Whether a frame belongs to minigrad, to the array library, to NumPy or to Python."""
    module = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    owner = str(provider.array_type.__module__).partition(".")[0]
    if module in {owner, "cupyx", "numpy"} or module in sys.stdlib_module_names:
        return True
    file = Path(frame.f_code.co_filename).resolve()
    origin = getattr(sys.modules.get(owner), "__file__", None)
    return file.is_relative_to(PACKAGE) or (origin is not None and file.is_relative_to(Path(origin).resolve().parent))
