"""What can run a program on the CPU: NumPy, or code compiled by numba (the extra `fast`)."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable
from functools import cache

from ..errors import require
from .numpy_executor import Run, compile_numpy
from .program import Program

EXECUTORS = ("auto", "numpy", "fast")


@cache
def _is_installed() -> bool:
    return all(importlib.util.find_spec(name) is not None for name in ("numba", "scipy"))


def compiler(name: str) -> Callable[[Program], Run]:
    """The compiler of an executor by name.

    Args:
        name: one of EXECUTORS. "auto" takes "fast" where numba and SciPy are installed and MINIGRAD_FAST is not 0.

    Raises:
        OptionalDependencyError: "fast", and they are not installed.
    """
    if name == "numpy" or (name == "auto" and (os.environ.get("MINIGRAD_FAST") == "0" or not _is_installed())):
        return compile_numpy
    for module in ("numba", "scipy"):
        require(module, "fast", 'The executor "fast"')
    from .numba_executor import compile_numba

    return compile_numba
