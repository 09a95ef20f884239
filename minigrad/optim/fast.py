"""Updates as one compiled loop over the parameters, by numba: the extra `fast`.

A loop is written in Python beside the optimizer's NumPy pass, and takes one element after the other through the whole
formula, so that every buffer goes through the processor once. It is compiled when a large partition first meets it
(one to three seconds) and kept in numba's cache on disk; numba itself takes a second to import.

MINIGRAD_FAST=0 never uses numba; MINIGRAD_FAST=1 does for every size, and raises where it is not installed. Otherwise
it is used where it is installed and a partition has at least FROM elements.
"""

from __future__ import annotations

import importlib.util
import os
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

from ..errors import GraphWarning, OptionalDependencyError, require

FROM = 1 << 16
"""Elements from which a loop is worth its start."""

Loop = Callable[..., None]


@cache
def _is_installed() -> bool:
    return importlib.util.find_spec("numba") is not None


@cache
def _compiled(loop: Loop) -> Loop | None:
    """The loop compiled, or None where numba does not start."""
    try:
        numba: Any = require("numba", "fast", "An update by a compiled loop")
    except OptionalDependencyError as error:
        warnings.warn(f"{error}; updates go on in NumPy", GraphWarning, stacklevel=2)
        return None
    how = {"nogil": True, "error_model": "numpy"}  # as NumPy divides: no test for zero, which would cost the vectors
    try:
        return numba.njit(loop, cache=True, **how)
    except RuntimeError:  # neither the package's folder nor the user's can be written to
        return numba.njit(loop, **how)


def loop_for(loop: Loop | None, size: int) -> Loop | None:
    """The compiled loop that is to update a partition, or None where NumPy does.

    Args:
        loop: of the optimizer, if it has one.
        size: elements of the partition.

    Raises:
        OptionalDependencyError: MINIGRAD_FAST=1, and numba is not installed.
    """
    wish = os.environ.get("MINIGRAD_FAST", "")
    if loop is None or wish == "0" or (wish != "1" and size < FROM):
        return None
    if wish == "1":
        require("numba", "fast", "MINIGRAD_FAST=1")
    elif not _is_installed():
        return None
    return _compiled(loop)
