"""Keeps freed host memory for the next arrays: a fresh page costs more than the arithmetic done in it.

glibc hands the memory of large freed arrays back to the system at once, and each new array of 8 MB then takes 2000
page faults, about 1 ms, where exp of a million numbers takes 0.7 ms. Deep-learning libraries have allocators of their
own for this reason; here glibc is asked to keep up to a limit (mallopt(3): M_TRIM_THRESHOLD, M_MMAP_THRESHOLD).
"""

from __future__ import annotations

import ctypes
import os

VARIABLE = "MINIGRAD_KEEP_MEMORY"
"""Environment variable: mebibytes to keep at most, 0 for the system's own behaviour."""
_DEFAULT_MIB = 256
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # <malloc.h>
_LARGEST_MMAP_THRESHOLD = 32 << 20  # glibc refuses more; larger arrays stay the system's matter


def keep_freed_memory() -> bool:
    """Ask the C library to keep freed memory up to the limit of MINIGRAD_KEEP_MEMORY (256 MiB).

    Returns:
        Whether it agreed: False with another C library, a limit of 0, or a choice of the user's own in the environment.
    """
    try:
        limit = int(os.environ.get(VARIABLE, _DEFAULT_MIB)) << 20
    except ValueError:
        limit = 0
    chosen = any(n.startswith("MALLOC_") and n.endswith("_THRESHOLD_") for n in os.environ)
    if not 0 < limit < 1 << 31 or chosen or "malloc" in os.environ.get("GLIBC_TUNABLES", ""):
        return False
    if not _is_glibc():
        return False
    mallopt = ctypes.CDLL(None).mallopt
    return bool(mallopt(_TRIM_THRESHOLD, limit) and mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD))


def _is_glibc() -> bool:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (AttributeError, ValueError, OSError):  # another system, or another C library
        return False
