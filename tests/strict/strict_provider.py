"""The strict device as an accelerator of minigrad: what `minigrad.backend.device.install` takes."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
from strict_array import StrictArray
from strict_device import StrictDevice
from strict_module import StrictModule
from strict_stream import nonsense

from minigrad.backend import device as devices

_SHIM = Path(__file__).resolve().parents[1] / "kernels"


def host_kernels(text: str) -> Any:
    """The kernels of a CUDA source compiled for the CPU, by the shim in tests/kernels."""
    if str(_SHIM) not in sys.path:
        sys.path.append(str(_SHIM))
    from shim import HostKernels

    return HostKernels(text)


class StrictProvider:
    """Stands for CupyProvider.

    Args:
        count: number of GPUs.
        kernels: makes of a CUDA source an object with `launch(entry, grid, block, args)` on NumPy arrays.
        cublas: path of a library with cuBLAS' interface on host memory.

    machine: what is counted and forbidden.
    """

    array_type: Any = StrictArray

    def __init__(self, count: int = 2, kernels: Callable[[str], Any] = host_kernels, cublas: str | None = None) -> None:
        self.machine = StrictDevice(count)
        self.xp: Any = StrictModule(self.machine)
        self.cublas_path = cublas
        self._kernels = functools.cache(kernels)
        self.compiled: list[tuple[str, tuple[str, ...]]] = []
        """Every source with its options, in the order of compilation."""

    def labels(self) -> tuple[str, ...]:
        return tuple(f"cuda:{i}" for i in range(self.machine.count))

    def device_of(self, array: Any) -> str:
        return f"cuda:{array._buffer.device_id}"

    def from_host(self, array: np.ndarray, device: str) -> Any:
        with self.scope(device):
            return self.xp.array(array)

    def to_host(self, array: Any) -> np.ndarray:
        return np.asarray(array.get())

    def zeros(self, shape: tuple[int, ...], dtype: Any, device: str) -> Any:
        with self.scope(device):
            return self.xp.zeros(shape, dtype)

    def special(self, name: str, *arrays: Any) -> Any:
        return self.xp.caller.elementwise(name, functools.partial(devices.HOST.special, name), arrays, [], {})

    # --- kernels ------------------------------------------------------------------------------------------------------

    def compile(self, source: str, options: tuple[str, ...]) -> Any:
        if not isinstance(options, tuple):
            raise TypeError("options must be a tuple, as in CuPy")
        self.compiled.append((source, options))
        return self._kernels(source)

    def function(self, module: Any, entry: str) -> tuple[Any, str]:
        return module, entry

    def launch(self, function: tuple[Any, str], grid: int, block: int, args: tuple[Any, ...]) -> None:
        """Run a kernel; counted under its own name."""
        module, entry = function
        host: list[Any] = []
        arrays: list[Any] = []
        for a in args:
            if isinstance(a, StrictArray):
                self.machine.check_here(a._buffer.device_id)
                arrays.append(a)
                host.append(a._host)
            elif a is None or isinstance(a, np.generic):
                host.append(a)
            else:
                raise TypeError(f"{entry}: arrays, None and NumPy scalars can be passed to a kernel, got {type(a)}")
        self._run(entry, lambda: module.launch(entry, grid, block, tuple(host)), arrays)

    def library_call(self, name: str, call: Callable[[], Any], arrays: tuple[Any, ...]) -> None:
        """Run a call of a library that works on the memory of `arrays`, so that a capture records it too."""
        self._run(name, call, list(arrays))

    def _run(self, name: str, work: Callable[[], Any], arrays: list[Any]) -> None:
        # a kernel may write to any of its arrays; the whole storage is put back after a capture
        whole = {id(base): base for a in arrays for base in (_storage(a._host),)}
        self.machine.launch(name, work, list(whole.values()), [a._buffer for a in arrays])

    # --- devices ------------------------------------------------------------------------------------------------------

    def scope(self, device: str) -> AbstractContextManager[Any]:
        return self.machine.scope(int(device.partition(":")[2]))

    def stream(self, device: str) -> int:
        with self.scope(device):
            return self.machine.stream().ptr

    def synchronize(self, device: str) -> None:
        self.machine.synchronize(int(device.partition(":")[2]))

    def cublas(self) -> str | None:
        return self.cublas_path

    def allocate_bytes(self, size: int, device: str) -> Any:
        with self.scope(device):
            return self.xp.empty(size, np.uint8)

    # --- graphs -------------------------------------------------------------------------------------------------------

    def current_stream(self, device: str) -> Any:
        with self.scope(device):
            return self.machine.stream()

    def side_stream(self, device: str) -> Any:
        with self.scope(device):
            return self.xp.cuda.Stream(non_blocking=True)

    def event(self, device: str) -> Any:
        with self.scope(device):
            return self.xp.cuda.Event(disable_timing=True)

    def memory_pool(self) -> Any:
        return self.xp.cuda.MemoryPool()

    def allocating(self, malloc: Callable[[int], Any]) -> AbstractContextManager[Any]:
        return self.machine.using_allocator(malloc)

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        made = np.empty(shape, dtype)
        made[...] = nonsense(made.dtype)
        return made


def _storage(host: np.ndarray) -> np.ndarray:
    """The array that owns the memory."""
    while isinstance(host.base, np.ndarray):
        host = host.base
    return host


def install(monkeypatch: Any, provider: StrictProvider) -> StrictProvider:
    """Make it minigrad's accelerator until the end of the test."""
    for name in ("_accelerator", "_reason", "_probed"):
        monkeypatch.setattr(devices, name, getattr(devices, name))
    devices.install(provider)
    return provider
