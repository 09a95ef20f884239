"""The BLAS that NumPy brings, and SciPy's: which kernels it chose, and its threads, also after it was imported."""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

_PREFIXES = ("scipy_openblas_", "openblas_")
_SUFFIXES = ("64_", "")


class OpenBlas(NamedTuple):
    """What we ask of a library."""

    threads: Callable[[], int]
    set_threads: Callable[[int], object]
    kernels: Callable[[], bytes] | None


def _openblas(package: str) -> OpenBlas | None:
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
                    kernels = getattr(library, f"{prefix}get_corename{suffix}", None)
                    if kernels is not None:
                        kernels.restype = ctypes.c_char_p
                    return OpenBlas(get, set_, kernels)
    return None


def blas_threads() -> int | None:
    """Threads that NumPy's BLAS uses; None where it does not tell."""
    found = _openblas("numpy")
    return None if found is None else int(found.threads())


def blas_kernels() -> str | None:
    """The processor that the kernels of NumPy's BLAS were made for; None where it does not tell.

    OpenBLAS chooses by the processor it finds, unless OPENBLAS_CORETYPE tells it to: "Haswell" uses half the width of
    the vectors that "SkylakeX" does.
    """
    found = _openblas("numpy")
    return None if found is None or found.kernels is None else found.kernels().decode()


@contextlib.contextmanager
def limited(threads: int | None) -> Iterator[int | None]:
    """A block in which NumPy's BLAS, and SciPy's, which compiled steps call, use so many threads.

    Args:
        threads: None leaves them alone.

    Yields:
        How many NumPy's uses, None where it does not tell: then set OMP_NUM_THREADS before the program starts.
    """
    libraries = [] if threads is None else [found for name in ("numpy", "scipy") if (found := _openblas(name))]
    before = [int(library.threads()) for library in libraries]
    try:
        for library in libraries:
            library.set_threads(threads or 1)
        yield blas_threads()
    finally:
        for library, count in zip(libraries, before, strict=True):
            library.set_threads(count)
