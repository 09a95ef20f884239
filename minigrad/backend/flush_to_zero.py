"""Subnormal numbers count as zero: for a block of code, on the CPU.

Where a unit's gradient has died, the moments of its weights decay into numbers below the smallest normal one (1e-38 in
float32), and arithmetic with those is 30 times slower than with others: a step that takes 0.5 ms then takes 3.6. The
processor can take them for zeros and make zeros of them, which costs nothing and changes no result by more than that
number. CuPy's kernels do so anyway.

It is a setting of a thread (MXCSR on x86-64), reached through the C library's floating-point environment. The helper
threads of a BLAS keep theirs.
"""

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Callable
from contextlib import ContextDecorator
from functools import cache
from types import TracebackType

import numpy as np

_MXCSR = 28
"""Where it lies in x86-64's fenv_t of 32 bytes, in glibc."""
BITS = 1 << 15 | 1 << 6
"""Results that are subnormal become zero; operands that are count as zero."""

_Environment = ctypes.c_uint32 * 8


@cache
def _calls() -> tuple[Callable[..., int], Callable[..., int]] | None:
    """fegetenv and fesetenv, where their environment is laid out as we know it."""
    if not (sys.platform == "linux" and platform.machine() == "x86_64" and sys.maxsize > 2**32):
        return None
    try:
        if not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"):
            return None
        library = ctypes.CDLL("libm.so.6")
        found = library.fegetenv, library.fesetenv
    except (OSError, AttributeError):
        return None
    for call in found:
        call.argtypes, call.restype = [ctypes.POINTER(_Environment)], ctypes.c_int
    # NumPy looks for the smallest subnormal number when it is first asked about a dtype, and warns where there is none
    np.finfo(np.float32), np.finfo(np.float64)
    return found if _works(*found) else None


def _exchange(bits: int, get: Callable[..., int], set_: Callable[..., int]) -> int:
    """Set our two bits of the control register, and no other; what they were before."""
    environment = _Environment()
    get(ctypes.byref(environment))
    place = _MXCSR // 4
    before = environment[place] & BITS
    if before != bits:
        environment[place] = environment[place] & ~BITS | bits
        set_(ctypes.byref(environment))
    return before


def _works(get: Callable[..., int], set_: Callable[..., int]) -> bool:
    small = np.full(1, 1e-39, np.float32)
    before = _exchange(BITS, get, set_)
    flushed = float((small * np.float32(0.5)).view(np.int32)[0])  # a comparison of floats would take it for zero
    _exchange(0, get, set_)
    kept = float((small * np.float32(0.5)).view(np.int32)[0])
    _exchange(before, get, set_)
    return flushed == 0 and kept != 0


def available() -> bool:
    """Whether this machine can: x86-64 with glibc. Elsewhere the block changes nothing."""
    return _calls() is not None


class flush_to_zero(ContextDecorator):
    """A block, or a function, in which subnormal numbers count as zero.

        with flush_to_zero():
            train()

    Only the thread that enters it is concerned. Blocks nest, and leave the setting as they found it, whatever else
    changed the floating-point environment inside. Where `available()` is false it does nothing.

    Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, 10.2.3: FTZ and DAZ of MXCSR.
    """

    def __init__(self) -> None:
        self._before: list[int] = []

    def _recreate_cm(self) -> flush_to_zero:  # one object a call, so that a decorated function may recurse
        return flush_to_zero()

    def __enter__(self) -> flush_to_zero:
        calls = _calls()
        if calls is not None:
            self._before.append(_exchange(BITS, *calls))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        calls = _calls()
        if calls is not None:
            _exchange(self._before.pop(), *calls)


class Switch:
    """The same for a call that takes microseconds: what it needs is made once. For one thread at a time."""

    def __init__(self) -> None:
        self._environment = _Environment()
        self._pointer = ctypes.byref(self._environment)
        self._calls = _calls()

    def on(self) -> bool:
        """Have subnormal numbers count as zero; whether they did not before."""
        if self._calls is None:
            return False
        environment = self._environment
        self._calls[0](self._pointer)
        if environment[_MXCSR // 4] & BITS == BITS:
            return False
        self._before = environment[_MXCSR // 4]
        environment[_MXCSR // 4] = self._before | BITS
        self._calls[1](self._pointer)
        return True

    def off(self) -> None:
        """As it was before `on`."""
        if self._calls is not None:
            self._environment[_MXCSR // 4] = self._before
            self._calls[1](self._pointer)
