"""The number of threads of the BLAS that NumPy brings, and of SciPy's, also after they were imported."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

_PREFIXES = ("scipy_openblas_", "openblas_")
_SUFFIXES = ("64_", "")

Threads = tuple[Callable[[], int], Callable[[int], object]]
"""How many threads a library uses, and what sets that."""


def _openblas(package: str) -> Threads | None:
    """Of the OpenBLAS that the wheel of numpy or scipy brings; None with another BLAS, or without that package."""
    base = Path(np.__file__).parent.parent
    folders = (base / f"{package}.libs", base / package / ".dylibs")
    paths = [p for folder in folders if folder.is_dir() for p in sorted(folder.iterdir()) if "openblas" in p.name]
    for path in paths:
        try:
            library = ctypes.CDLL(str(path))  # NumPy's is loaded already: the very one that it calls
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
    found = _openblas("numpy")
    return None if found is None else int(found[0]())


@contextlib.contextmanager
def limited(threads: int | None) -> Iterator[int | None]:
    """A block in which NumPy's BLAS, and SciPy's, which compiled steps call, use so many threads.

    Args:
        threads: None leaves them alone.

    Yields:
        How many NumPy's uses, None where it does not tell: then set OMP_NUM_THREADS before the program starts.
    """
    libraries = [] if threads is None else [found for name in ("numpy", "scipy") if (found := _openblas(name))]
    before = [int(get()) for get, _ in libraries]
    try:
        for _, set_ in libraries:
            set_(threads or 1)
        yield blas_threads()
    finally:
        for (_, set_), count in zip(libraries, before, strict=True):
            set_(count)
