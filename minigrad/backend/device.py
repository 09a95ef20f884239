"""Devices and the array library behind each: the only module that imports cupy.

A *provider* answers for one array library. The host provider (NumPy) is always there; one
accelerator provider may stand beside it: CuPy where a GPU is usable, or whatever `install` is
given (a test's stand-in). Everything else in minigrad asks this module.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import numpy as np

from ..errors import DeviceError
from .host_memory import keep_freed_memory

Array = Any
"""A raw array of some provider: numpy.ndarray, cupy.ndarray, ..."""


class Provider(Protocol):
    """What minigrad needs from an array library."""

    xp: Any
    """The array module: NumPy's names, this library's arrays."""
    array_type: Any
    """The class of its arrays."""

    def labels(self) -> tuple[str, ...]:
        """The labels of its devices, such as ("cuda:0", "cuda:1")."""

    def device_of(self, array: Array) -> str:
        """The label of the device that holds `array`."""

    def from_host(self, array: np.ndarray, device: str) -> Array:
        """A copy of a NumPy array on `device`."""

    def to_host(self, array: Array) -> np.ndarray:
        """A copy of one of its arrays as a NumPy array."""

    def zeros(self, shape: tuple[int, ...], dtype: Any, device: str) -> Array:
        """New zeros on `device`."""

    def special(self, name: str, *arrays: Array) -> Array:
        """A special function under its name in scipy.special, elementwise: one of backend/special.py's."""


class Accelerator(Provider, Protocol):
    """What minigrad needs besides from the array library of a GPU."""

    def compile(self, source: str, options: tuple[str, ...]) -> Any:
        """A module of the kernels in a CUDA source."""

    def function(self, module: Any, entry: str) -> Any:
        """One kernel of a module."""

    def launch(self, function: Any, grid: int, block: int, args: tuple[Any, ...]) -> None:
        """Run a kernel on the current stream; arguments are arrays, None (the null pointer) and NumPy scalars."""

    def scope(self, device: str) -> AbstractContextManager[Any]:
        """Makes a device current."""

    def stream(self, device: str) -> int:
        """The address of the current stream."""

    def synchronize(self, device: str) -> None:
        """Wait until a device has done all its work."""

    def cublas(self) -> str | None:
        """The path of the cuBLAS library that the array library uses; None where there is none."""

    def allocate_bytes(self, size: int, device: str) -> Array:
        """An uninitialised array of bytes."""

    def library_call(self, name: str, call: Callable[[], Any], arrays: tuple[Array, ...]) -> None:
        """Run a call of a library that works on arrays by their addresses."""

    # What follows is for steps that are recorded as graphs; streams, events, pools and graphs are as CuPy's.

    def current_stream(self, device: str) -> Any:
        """The current stream."""

    def side_stream(self, device: str) -> Any:
        """A new stream that does not wait for the default one, and can therefore record while others work."""

    def event(self, device: str) -> Any:
        """A new event, without a time."""

    def memory_pool(self) -> Any:
        """A new pool of device memory."""

    def allocating(self, malloc: Callable[[int], Any]) -> AbstractContextManager[Any]:
        """Has this thread's new arrays take their memory from a pool's `malloc`, or a function that calls one."""

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """An uninitialised host array that a device reads on its own, while the host goes on."""


class HostProvider:
    """NumPy on the CPU."""

    xp: Any = np
    array_type: Any = np.ndarray

    def __init__(self) -> None:
        self.keeps_memory = keep_freed_memory()

    def labels(self) -> tuple[str, ...]:
        return ("cpu",)

    def device_of(self, array: Array) -> str:
        return "cpu"

    def from_host(self, array: np.ndarray, device: str) -> Array:
        return array.copy()

    def to_host(self, array: Array) -> np.ndarray:
        return np.array(array)

    def send(self, array: Array, device: str) -> Array:
        """A copy on an accelerator."""
        return provider_for(device).from_host(np.asarray(array), device)

    def zeros(self, shape: tuple[int, ...], dtype: Any, device: str) -> Array:
        return np.zeros(shape, dtype)

    def special(self, name: str, *arrays: Array) -> Array:
        from . import special

        return getattr(special, name)(*arrays)


class CupyProvider:
    """CuPy on the CUDA devices of this machine. Kernels are launched on CuPy's current stream."""

    def __init__(self, cupy: Any) -> None:
        self.xp = cupy
        self.array_type = cupy.ndarray

    def labels(self) -> tuple[str, ...]:
        return tuple(f"cuda:{i}" for i in range(self.xp.cuda.runtime.getDeviceCount()))

    def device_of(self, array: Array) -> str:
        return f"cuda:{array.device.id}"

    def from_host(self, array: np.ndarray, device: str) -> Array:
        with self.scope(device):
            return self.xp.array(array)

    def to_host(self, array: Array) -> np.ndarray:
        return np.asarray(array.get())

    def zeros(self, shape: tuple[int, ...], dtype: Any, device: str) -> Array:
        with self.scope(device):
            return self.xp.zeros(shape, dtype)

    def special(self, name: str, *arrays: Array) -> Array:
        from cupyx.scipy import special

        return getattr(special, name)(*arrays)

    def compile(self, source: str, options: tuple[str, ...]) -> Any:
        return self.xp.RawModule(code=source, options=options)

    def function(self, module: Any, entry: str) -> Any:
        return module.get_function(entry)

    def launch(self, function: Any, grid: int, block: int, args: tuple[Any, ...]) -> None:
        # CuPy packs an integer as eight bytes, which is what a null pointer is
        function((grid,), (block,), tuple(0 if a is None else a for a in args))

    def scope(self, device: str) -> AbstractContextManager[Any]:
        return self.xp.cuda.Device(_index(device))

    def stream(self, device: str) -> int:
        with self.scope(device):
            return int(self.xp.cuda.get_current_stream().ptr)

    def synchronize(self, device: str) -> None:
        self.xp.cuda.Device(_index(device)).synchronize()

    def cublas(self) -> str | None:
        try:
            from cuda.pathfinder import DynamicLibNotFoundError, load_nvidia_dynamic_lib
        except ImportError:
            return None
        try:
            return str(load_nvidia_dynamic_lib("cublas").abs_path)  # the very library that CuPy has loaded
        except DynamicLibNotFoundError:
            return None

    def allocate_bytes(self, size: int, device: str) -> Array:
        with self.scope(device):
            return self.xp.empty(size, np.uint8)

    def library_call(self, name: str, call: Callable[[], Any], arrays: tuple[Array, ...]) -> None:
        call()

    def current_stream(self, device: str) -> Any:
        return self.xp.cuda.get_current_stream(_index(device))

    def side_stream(self, device: str) -> Any:
        with self.scope(device):
            return self.xp.cuda.Stream(non_blocking=True)

    def event(self, device: str) -> Any:
        with self.scope(device):
            return self.xp.cuda.Event(disable_timing=True)

    def memory_pool(self) -> Any:
        return self.xp.cuda.MemoryPool()

    def allocating(self, malloc: Callable[[int], Any]) -> AbstractContextManager[Any]:
        return self.xp.cuda.using_allocator(malloc)

    def pinned(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        from cupyx import empty_pinned

        return empty_pinned(shape, dtype)


def _index(device: str) -> int:
    """The number in "cuda:1"."""
    return int(device.partition(":")[2])


HOST: Provider = HostProvider()
host_arrays: set[type] = {np.ndarray}
"""Classes of arrays on which code for the host works: NumPy's, and those that stand for them in a recording."""
_stand_ins: dict[type, Provider] = {}
_accelerator: Accelerator | None = None
_reason = "not probed yet"
_probed = False


def install(provider: Accelerator | None, reason: str = "none installed") -> None:
    """Set the accelerator provider; None means that there is none, for `reason`."""
    global _accelerator, _reason, _probed
    _accelerator, _reason, _probed = provider, reason, True


def install_stand_in(provider: Provider) -> None:
    """Add a provider whose arrays stand for NumPy's."""
    host_arrays.add(provider.array_type)
    _stand_ins[provider.array_type] = provider


def _probe() -> None:
    """Look for a usable GPU once. "CuPy imports" is not "a GPU is usable": ask both, keep the reason."""
    try:
        import cupy
    except ImportError as error:  # anything else is a broken install and must be loud
        install(None, f"CuPy is not installed ({error}); pip install 'minigrad-cupy[cuda13]' or [cuda12]")
        return
    if cupy.is_available():
        install(CupyProvider(cupy))
    else:
        install(None, f"CuPy {cupy.__version__} imports, but no CUDA device is usable (driver missing or no GPU)")


def accelerator() -> Accelerator | None:
    """The accelerator provider, or None; `accelerator_reason` says why not."""
    if not _probed:
        _probe()
    return _accelerator


def accelerator_reason() -> str:
    """Why there is no accelerator ("" when there is one)."""
    return "" if accelerator() is not None else _reason


def resolve_device(device: str | None) -> str:
    """The full label of a device.

    Args:
        device: "cpu", "cuda" (the first GPU), "cuda:1", "auto" (a GPU where one is usable) or None ("cpu").

    Returns:
        "cpu" or "cuda:<index>".

    Raises:
        DeviceError: no such label, or that device is not there; the message says why.
    """
    if device is None or device == "cpu":
        return "cpu"
    if device == "auto":
        return accelerator().labels()[0] if accelerator() is not None else "cpu"  # type: ignore[union-attr]
    kind, colon, index = device.partition(":") if isinstance(device, str) else ("", "", "")
    if kind != "cuda" or (colon and not index.isdecimal()):
        raise DeviceError(f"unknown device {device!r}: use 'cpu', 'cuda', 'cuda:<index>' or 'auto'")
    provider = accelerator()
    if provider is None:
        raise DeviceError(f"device {device!r} is not usable here: {_reason}")
    label = f"cuda:{int(index or 0)}"
    if label not in provider.labels():
        raise DeviceError(f"device {device!r} is not there: this machine has {', '.join(provider.labels())}")
    return label


def provider_for(device: str) -> Provider:
    """The provider behind a full device label."""
    if device == "cpu":
        return HOST
    provider = accelerator()
    if provider is None:
        raise DeviceError(f"device {device!r} is not usable here: {_reason}")
    return provider


def accelerator_for(device: str) -> Accelerator:
    """The accelerator behind a full device label that is not the CPU's.

    Raises:
        DeviceError: there is none, or the CPU was named.
    """
    provider = accelerator()
    if provider is None or device == "cpu":
        raise DeviceError(f"device {device!r} is no usable GPU: {_reason}")
    return provider


def provider_of(array: Array) -> Provider | None:
    """The provider that owns `array`; None when it is no array at all (a Python or NumPy scalar, a list)."""
    if type(array) is np.ndarray:
        return HOST
    if _probed or "cupy" in sys.modules:  # no array of a library that nobody imported
        provider = accelerator()
        if provider is not None and isinstance(array, provider.array_type):
            return provider
    return HOST if isinstance(array, np.ndarray) else _stand_ins.get(type(array))


def device_of(array: Array) -> str:
    """The label of the device that holds a raw array."""
    provider = provider_of(array)
    return "cpu" if provider is None else provider.device_of(array)


def compute(name: str, function: Callable[..., Any], arrays: list[Array], params: dict[str, Any]) -> tuple[Any, Any]:
    """The array module of all arrays in a call, and function(module, *arrays, **params) with their device current.

    Raises:
        DeviceError: the operands live on different devices.
    """
    provider, device = common_provider(name, arrays)
    with on_device(device):
        return provider.xp, function(provider.xp, *arrays, **params)


_NOTHING = nullcontext()


def on_device(device: str) -> AbstractContextManager[Any]:
    """Makes the device of a full label current: new arrays and launches go there. The CPU needs nothing."""
    return _NOTHING if device == "cpu" else accelerator_for(device).scope(device)


def common_provider(name: str, arrays: list[Array]) -> tuple[Provider, str]:
    """The one provider and device of all arrays in a call (scalars belong to any).

    Args:
        name: the operation, for the error.
        arrays: raw operands.

    Returns:
        The provider and its device label; the host for scalars alone.

    Raises:
        DeviceError: the operands live on different devices.
    """
    found: Provider | None = None
    label = "cpu"
    for array in arrays:
        provider = provider_of(array)
        if provider is None:
            continue
        if found is None:
            found, label = provider, provider.device_of(array)
        elif provider is not found or provider.device_of(array) != label:
            raise DeviceError(
                f"{name}: operands on different devices, {label} and {provider.device_of(array)}; "
                "move one with .to(device)"
            )
    return found or HOST, label
