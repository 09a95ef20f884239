"""The text of CUDA kernels, compiled by g++ behind a header and run on the CPU: what they compute is tested without a
GPU. Launches are as strict about their arguments as a GPU is careless."""

from __future__ import annotations

import ctypes
import hashlib
import mmap
import os
import subprocess
import tempfile
import weakref
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from minigrad.backend import kernels

HEADERS = Path(__file__).resolve().parent / "shim"
FLAGS = (
    *("-std=c++17", "-O2", "-ffp-contract=off", *(["-mfma"] if os.uname().machine == "x86_64" else [])),
    *("-fno-strict-aliasing", "-shared", "-fPIC", "-U_FORTIFY_SOURCE"),
    # One library must not see the shared memory and the fibers of another one.
    *("-fvisibility=hidden", "-fno-gnu-unique"),
    # A float4 at an address that is not its, an index past shared memory, an overflow: ends the launch.
    *("-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"),
    *("-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas", "-Wno-unused-function"),
)

_CTYPES = {
    np.dtype(np.float32): ctypes.c_float,
    np.dtype(np.float64): ctypes.c_double,
    np.dtype(np.int32): ctypes.c_int,
    np.dtype(np.uint32): ctypes.c_uint,
    np.dtype(np.int64): ctypes.c_longlong,
    np.dtype(np.uint64): ctypes.c_ulonglong,
    np.dtype(np.uint8): ctypes.c_ubyte,
}

VERDICTS = (
    "good",
    "some threads had left the kernel when the others passed a barrier",
    "some lanes had left the kernel when the others of their warp shuffled",
    "threads of a block waited at different barriers",
    "deadlock: no thread of the block can go on",
    "touched memory behind an array",
    "undefined: a misaligned vector, an index out of range, or an overflow",
    "an access that no barrier, and no fence with an atomic, orders behind another thread's",
)

MEMORY_ORDER = (
    *("-DMEMORY_ORDER", "-fsanitize=thread", "-O1"),
    # without the library of the sanitizer, which could not be loaded into a running Python
    *("-nodefaultlibs", "-Wl,--no-as-needed", "-lstdc++", "-lm", "-lgcc_s", "-lc"),
)
"""Extra flags for HostKernels: accesses that nothing orders end a launch. Slow; see shim/cuda_order.h."""


class KernelFault(Exception):
    """A launch that would be undefined on a GPU."""


def _cache_folder() -> Path:
    folder = Path(tempfile.gettempdir()) / f"minigrad-kernels-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


@cache
def _toolchain() -> bytes:
    """What a library depends on beside its own text."""
    version = subprocess.run(["g++", "--version"], capture_output=True, check=True).stdout
    return version + b"".join(path.read_bytes() for path in sorted(HEADERS.glob("*.h")))


def build(text: str, flags: Sequence[str]) -> Path:
    """Compile C++ text with g++, or find it compiled.

    Args:
        text: may include the headers of the folder shim.
        flags: of g++, all of them.

    Raises:
        RuntimeError: g++ refused it; the message is what it said.
    """
    key = hashlib.sha256(b"\0".join([text.encode(), " ".join(flags).encode(), _toolchain()])).hexdigest()[:24]
    target = _cache_folder() / key
    if target.exists():
        return target
    # Several test processes may be here at once. Each builds its own and puts it in place at one stroke.
    with tempfile.TemporaryDirectory(dir=_cache_folder()) as scratch:
        source, made = Path(scratch) / "kernels.cpp", Path(scratch) / "made"
        source.write_text(text, "utf-8")
        command = ["g++", *flags, f"-I{HEADERS}", str(source), "-o", str(made)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        if ran.returncode:
            raise RuntimeError(f"g++ refused the kernels:\n{ran.stderr}")
        os.replace(made, target)
    return target


class HostKernels:
    """The kernels of one source, for NumPy arrays.

    Args:
        text: of the source, what it includes in its place.
        extra_flags: for g++, behind the usual ones.

    Raises:
        RuntimeError: g++ refused the source.
    """

    def __init__(self, text: str, extra_flags: Iterable[str] = ()) -> None:
        self.signatures = kernels.signatures(text)
        exports = "\n".join(f"CPU_EXPORT({entry})" for entry in self.signatures)
        glue = f'#include "cuda_cpu.h"\n#line 1 "kernels.cu"\n{text}\n{exports}\n'
        self._library = ctypes.CDLL(str(build(glue, (*FLAGS, *extra_flags))))

    def launch(
        self,
        entry: str,
        grid: int | tuple[int, ...],
        block: int | tuple[int, ...],
        args: Sequence[Any],
        *,
        reverse: bool = False,
    ) -> None:
        """Run a kernel to its end.

        Args:
            entry: its name.
            grid: blocks.
            block: threads a block.
            args: an array or None for each pointer, a NumPy scalar of the very type for each number.
            reverse: run blocks and threads from last to first.

        Raises:
            TypeError: an argument that a GPU would misread.
            KernelFault: a bad barrier, or an access to a forbidden page.
        """
        parameters = self.signatures[entry]
        if len(args) != len(parameters):
            raise TypeError(f"{entry} takes {len(parameters)} arguments, got {len(args)}")
        cells = [_cell(entry, p, a) for p, a in zip(parameters, args, strict=True)]
        pointers = (ctypes.c_void_p * len(cells))(*(ctypes.addressof(c) for c in cells))
        dims = [*_three(grid), *_three(block)]
        if np.prod(dims[3:]) > 1024 or min(dims) < 1:
            raise ValueError(f"{entry}: impossible grid {grid} or block {block}")
        verdict = getattr(self._library, f"cpu_{entry}")(pointers, *dims, int(reverse))
        if verdict:
            where = (ctypes.c_uint * 2)()
            getattr(self._library, f"where_{entry}")(where)
            raise KernelFault(f"{entry}: {VERDICTS[verdict]} (last at block {where[0]}, thread {where[1]})")


def _three(size: int | tuple[int, ...]) -> list[int]:
    given = [size] if isinstance(size, int) else list(size)
    return given + [1] * (3 - len(given))


def _cell(entry: str, parameter: kernels.Parameter, value: Any) -> Any:
    """The memory from which a launch copies one argument."""
    if parameter.pointer:
        if value is None:
            return ctypes.c_void_p(None)
        if not isinstance(value, np.ndarray):
            raise TypeError(f"{entry}: {parameter} is due, got {type(value).__name__}")
        if value.dtype != parameter.dtype:
            raise TypeError(f"{entry}: {parameter} is due, got an array of {value.dtype}")
        if not value.flags.c_contiguous:
            raise TypeError(f"{entry}: {parameter.name} is not contiguous: strides {value.strides}")
        if not (parameter.const or value.flags.writeable):
            raise TypeError(f"{entry}: {parameter.name} is written to, and the array is read-only")
        return ctypes.c_void_p(value.ctypes.data)
    # A GPU launch packs a Python number as eight bytes, whatever the kernel reads.
    if not isinstance(value, np.generic) or value.dtype != parameter.dtype:
        raise TypeError(f"{entry}: {parameter} is due, got {type(value).__name__} {value!r}")
    return _CTYPES[parameter.dtype](value.item())


@cache
def host_kernels(name: str) -> HostKernels:
    """The kernels of kernels/<name>.cu, compiled once a process."""
    return HostKernels(kernels.source(name))


# --- memory ---------------------------------------------------------------------------------------------------------


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    return libc


def guarded(values: Any, dtype: Any = None) -> np.ndarray:
    """A copy of an array whose end touches a page that can be neither read nor written.

    The start is as far from a 16-byte boundary as the size in bytes is from a multiple of 16.
    """
    given = np.ascontiguousarray(values, dtype)
    page = mmap.PAGESIZE
    inside = -(-max(given.nbytes, 1) // page) * page
    libc = _libc()
    private, anonymous = 2, 0x20
    base = libc.mmap(None, inside + page, mmap.PROT_READ | mmap.PROT_WRITE, private | anonymous, -1, 0)
    if base in (None, ctypes.c_void_p(-1).value) or libc.mprotect(base + inside, page, 0):
        raise MemoryError("no guarded memory")
    memory = (ctypes.c_char * given.nbytes).from_address(base + inside - given.nbytes)
    weakref.finalize(memory, libc.munmap, base, inside + page)
    array = np.frombuffer(memory, given.dtype).reshape(given.shape)
    array[...] = given
    return array


_CANARY = 0xA5


def shifted(values: Any, offset: int = 0, dtype: Any = None) -> np.ndarray:
    """A copy of an array that starts `offset` bytes behind a 256-byte boundary, where device memory starts.

    The bytes before and behind it are watched by `intact`.
    """
    given = np.ascontiguousarray(values, dtype)
    raw = np.full(given.nbytes + 512, _CANARY, np.uint8)
    start = -raw.ctypes.data % 256 + offset
    array = raw[start : start + given.nbytes].view(given.dtype).reshape(given.shape)
    array[...] = given
    return array


def intact(array: np.ndarray) -> bool:
    """Whether nobody wrote to the bytes around an array of `shifted`. (Those of `guarded` need no check.)"""
    raw = array
    while isinstance(raw.base, np.ndarray):
        raw = raw.base
    if raw.dtype != np.uint8 or raw.nbytes != array.nbytes + 512:
        return True
    start = array.ctypes.data - raw.ctypes.data
    return bool(np.all(raw[:start] == _CANARY) and np.all(raw[start + array.nbytes :] == _CANARY))
