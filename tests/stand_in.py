"""A stand-in accelerator: an array class of its own behind the provider interface, with two devices."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
from shim import HostKernels

from minigrad.backend import device as devices


class FakeArray(np.ndarray):
    """An array on the stand-in device. Which of its devices is an attribute."""

    label = "cuda:0"

    def __array_finalize__(self, obj: Any) -> None:
        self.label = getattr(obj, "label", "cuda:0")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Refuses host arrays, as CuPy does; results stay on the device."""
        out = kwargs.get("out", ())
        if any(type(x) is np.ndarray and x.ndim for x in (*inputs, *out)):
            raise TypeError(f"Unsupported type {np.ndarray}")
        plain = [x.view(np.ndarray) if isinstance(x, FakeArray) else x for x in inputs]
        if out:
            kwargs["out"] = tuple(o.view(np.ndarray) for o in out)
        result = getattr(ufunc, method)(*plain, **kwargs)
        return out[0] if out else _on(result, self.label)


def _on(array: Any, label: str) -> FakeArray:
    result = np.asarray(array).view(FakeArray)
    result.label = label
    return result


class FakeModule:
    """The stand-in's array module: NumPy's functions, with arrays of its own."""

    def __getattr__(self, name: str) -> Any:
        function = getattr(np, name)
        if not callable(function) or isinstance(function, (type, np.ufunc)):
            return function

        def call(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            return result if isinstance(result, FakeArray) or not hasattr(result, "dtype") else _on(result, "cuda:0")

        return call


class FakeProvider:
    xp: Any = FakeModule()
    array_type: Any = FakeArray

    def labels(self) -> tuple[str, ...]:
        return ("cuda:0", "cuda:1")

    def device_of(self, array: Any) -> str:
        return array.label

    def from_host(self, array: np.ndarray, device: str) -> Any:
        return _on(array.copy(), device)

    def to_host(self, array: Any) -> np.ndarray:
        return np.array(array.view(np.ndarray))

    def zeros(self, shape: tuple[int, ...], dtype: Any, device: str) -> Any:
        return _on(np.zeros(shape, dtype), device)

    def compile(self, source: str, options: tuple[str, ...]) -> Any:
        return HostKernels(source)

    def scope(self, device: str) -> Any:
        return nullcontext()

    def stream(self, device: str) -> int:
        return 0

    def cublas(self) -> None:
        return None

    def allocate_bytes(self, size: int, device: str) -> Any:
        return _on(np.empty(size, np.uint8), device)

    def function(self, module: Any, entry: str) -> Any:
        return module, entry

    def launch(self, function: Any, grid: int, block: int, args: tuple[Any, ...]) -> None:
        module, entry = function
        module.launch(entry, grid, block, [a.view(np.ndarray) if isinstance(a, FakeArray) else a for a in args])

    def special(self, name: str, *arrays: Any) -> Any:
        return _on(devices.HOST.special(name, *(a.view(np.ndarray) for a in arrays)), arrays[-1].label)
