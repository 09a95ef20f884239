"""The number of threads of NumPy's BLAS, also after NumPy was imported."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

_PREFIXES = ("scipy_openblas_", "openblas_")
_SUFFIXES = ("64_", "")


def _openblas() -> tuple[Any, Any] | None:
    """(get, set) of the OpenBLAS that NumPy's wheel brings; None with another BLAS."""
    base = Path(np.__file__).parent
    folders = (base.parent / "numpy.libs", base / ".dylibs")
    paths = [p for folder in folders if folder.is_dir() for p in sorted(folder.iterdir()) if "openblas" in p.name]
    for path in paths:
        try:
            library = ctypes.CDLL(str(path))  # loaded already: the very one that NumPy calls
        except OSError:
            continue
        for prefix in _PREFIXES:
            for suffix in _SUFFIXES:
                get = getattr(library, f"{prefix}get_num_threads{suffix}", None)
                set_ = getattr(library, f"{prefix}set_num_threads{suffix}", None)
                if get is not None and set_ is not None:
                    return get, set_
    return None


def blas_threads() -> int | None:
    """Threads that NumPy's BLAS uses; None where it does not tell."""
    found = _openblas()
    return None if found is None else int(found[0]())


@contextlib.contextmanager
def limited(threads: int | None) -> Iterator[int | None]:
    """A block in which NumPy's BLAS uses so many threads.

    Args:
        threads: None leaves it alone.

    Yields:
        How many it uses, None where it does not tell: then set OMP_NUM_THREADS before the program starts.
    """
    found = _openblas()
    if found is None or threads is None:
        yield blas_threads()
        return
    get, set_ = found
    before = int(get())
    set_(threads)
    try:
        yield int(get())
    finally:
        set_(before)
