"""A host library with cuBLAS' C interface, and arrays over NumPy memory with what CuPy's arrays have."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

from minigrad.backend.cublas import Cublas

SOURCE = Path(__file__).with_name("cublas_stand_in.cpp")
KINDS = ("create", "destroy", "set_stream", "set_workspace", "gemm", "gemm_batched")
HERE = {"device": 0, "stream": 0x10}


class Event(NamedTuple):
    """One call, with the handle's device, stream and workspace at that time; field by field as in the C++ file."""

    kind: int
    thread: int
    handle: int
    device: int
    stream: int
    workspace: int
    workspace_bytes: int
    op_a: int
    op_b: int
    m: int
    n: int
    k: int
    ld_a: int
    ld_b: int
    ld_c: int
    step_a: int
    step_b: int
    step_c: int
    batch: int
    compute: int

    @property
    def name(self) -> str:
        """What was called."""
        return KINDS[self.kind]


def need_gxx() -> None:
    """Skip a test where there is no g++."""
    if shutil.which("g++") is None:
        pytest.skip("gxx is not installed")


def compile_with_gxx(source: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run g++ on a file; the result tells whether it went well."""
    command = ["g++", "-std=c++17", "-Wall", "-Wextra", "-Werror", *options, str(source)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


class StandIn:
    """The built library.

    Args:
        folder: an empty folder of this process alone.
    """

    def __init__(self, folder: Path) -> None:
        library = folder / "libcublas_stand_in.so"
        built = compile_with_gxx(SOURCE, "-O2", "-shared", "-fPIC", "-o", str(library))
        if built.returncode:
            raise RuntimeError(f"g++ refused {SOURCE.name}:\n{built.stderr}")
        self.path = str(library)
        self._lib = ctypes.CDLL(self.path)
        for name in ("event_fields", "event_count", "live_handles"):
            getattr(self._lib, f"stand_in_{name}").restype = ctypes.c_int64
        if self._lib.stand_in_event_fields() != len(Event._fields):
            raise RuntimeError("Event differs from the one in the C++ file")

    def events(self) -> list[Event]:
        """All calls since `reset`, oldest first."""
        count = self._lib.stand_in_event_count()
        table = np.zeros((count, len(Event._fields)), np.int64)
        self._lib.stand_in_read_events(ctypes.c_void_p(table.ctypes.data), ctypes.c_int64(count))
        return [Event(*row) for row in table.tolist()]

    def calls(self) -> list[str]:
        """The names of all calls since `reset`."""
        return [event.name for event in self.events()]

    def reset(self) -> None:
        """Forget calls and failures, not handles."""
        self._lib.stand_in_reset()

    def fail(self, kind: str, status: int) -> None:
        """Let all calls of a kind return this status."""
        self._lib.stand_in_fail(KINDS.index(kind), status)

    def live_handles(self) -> int:
        """How many handles are not destroyed."""
        return self._lib.stand_in_live_handles()

    def forget_handles(self) -> None:
        """Free all handles, as only the end of a process would."""
        self._lib.stand_in_forget_handles()

    @contextmanager
    def on_device(self, device: int) -> Iterator[None]:
        """Make a device the current one of this thread; at first device 0 is."""
        before = self._lib.stand_in_set_device(device)
        try:
            yield
        finally:
            self._lib.stand_in_set_device(before)


class HostArray:
    """NumPy memory with the attributes of a CuPy array that matrix products read, and no others."""

    def __init__(self, array: np.ndarray) -> None:
        self._array = array
        self.shape, self.strides = array.shape, array.strides
        self.itemsize, self.dtype = array.itemsize, array.dtype
        self.data = SimpleNamespace(ptr=array.ctypes.data)

    def fill(self, value: float) -> None:
        self._array.fill(value)


class Workspaces:
    """Allocates workspaces, as CuPy would: aligned to 512 bytes. Remembers them."""

    def __init__(self) -> None:
        self.made: list[Any] = []

    def __call__(self, nbytes: int) -> Any:
        memory = np.zeros(nbytes + 512, np.uint8)
        memory = memory[-memory.ctypes.data % 512 :][:nbytes]
        made = SimpleNamespace(data=SimpleNamespace(ptr=memory.ctypes.data), nbytes=nbytes, memory=memory)
        self.made.append(made)
        return made


_built: list[StandIn] = []


def fresh_stand_in(factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    """The body of a fixture: the library, built once a process, with nothing noted; no handle may be left."""
    need_gxx()
    if not _built:
        _built.append(StandIn(factory.mktemp("cublas")))  # a folder for each xdist worker
    (built,) = _built
    built.reset()
    yield built
    assert built.live_handles() == 0, "a handle was not destroyed"


def closing(blas: Cublas, stand_in: StandIn) -> Iterator[Cublas]:
    """The body of a fixture: `blas`, closed afterwards."""
    yield blas
    stand_in.reset()
    blas.close()


def base(*shape: int) -> np.ndarray:
    """Ones in float32."""
    return np.ones(shape, np.float32)


def numbers(shape: tuple[int, ...], dtype: Any, seed: int) -> np.ndarray:
    """Small integers: sums of their products are exact in either dtype."""
    return np.random.default_rng(seed).integers(-8, 9, shape).astype(dtype)


def product(blas: Cublas, a: Any, b: Any, out: Any, **options: Any) -> None:
    """The product of NumPy arrays, written into `out`."""
    call = blas.gemm if a.ndim == 2 else blas.gemm_batched
    result = HostArray(out)
    assert call(HostArray(a), HostArray(b), result, **{**HERE, **options}) is result
