"""CupyProvider, line by line, against a module that notes what CuPy would be asked."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from minigrad.backend import device as devices
from minigrad.backend.device import CupyProvider


class Array(np.ndarray):
    """Stands for cupy.ndarray."""

    device = SimpleNamespace(id=1)

    def get(self) -> np.ndarray:
        return np.array(self.view(np.ndarray))


class Cupy:
    """The part of CuPy that the provider touches; `said` holds the calls with the device that was current."""

    ndarray = Array
    __version__ = "14.2.0"

    def __init__(self, usable: bool = True) -> None:
        self.said: list[Any] = []
        self.current = 0
        outer = self

        class Device:
            def __init__(self, index: int) -> None:
                self.index = index

            def __enter__(self) -> None:
                self.before, outer.current = outer.current, self.index

            def __exit__(self, *error: object) -> None:
                outer.current = self.before

            def synchronize(self) -> None:
                outer.said.append(("synchronize", self.index))

        self.is_available = lambda: usable
        self.cuda = SimpleNamespace(
            Device=Device,
            runtime=SimpleNamespace(getDeviceCount=lambda: 2),
            get_current_stream=lambda: SimpleNamespace(ptr=7 + outer.current),
        )

    def _new(self, name: str, array: Any) -> Array:
        self.said.append((name, self.current))
        return np.asarray(array).view(Array)

    def array(self, a: Any) -> Array:
        return self._new("array", np.array(a))

    def zeros(self, shape: Any, dtype: Any) -> Array:
        return self._new("zeros", np.zeros(shape, dtype))

    def empty(self, shape: Any, dtype: Any) -> Array:
        return self._new("empty", np.empty(shape, dtype))

    def RawModule(self, *, code: str, options: tuple[str, ...]) -> Any:
        self.said.append(("RawModule", code, options))
        return SimpleNamespace(get_function=lambda entry: lambda *launch: self.said.append((entry, *launch)))


@pytest.fixture
def cupy() -> Cupy:
    return Cupy()


@pytest.fixture
def provider(cupy: Cupy) -> CupyProvider:
    return CupyProvider(cupy)


def test_devices_and_copies(cupy: Cupy, provider: CupyProvider) -> None:
    assert provider.labels() == ("cuda:0", "cuda:1")
    array = provider.from_host(np.arange(3), "cuda:1")
    assert provider.device_of(array) == "cuda:1"
    assert type(provider.to_host(array)) is np.ndarray
    assert provider.zeros((2,), np.float32, "cuda:0").dtype == np.float32
    assert provider.allocate_bytes(5, "cuda:1").nbytes == 5
    provider.synchronize("cuda:1")
    assert cupy.said == [("array", 1), ("zeros", 0), ("empty", 1), ("synchronize", 1)]
    assert (provider.stream("cuda:0"), provider.stream("cuda:1")) == (7, 8)
    assert cupy.current == 0


def test_launches(cupy: Cupy, provider: CupyProvider) -> None:
    function = provider.function(provider.compile("source", ("-fmad=false",)), "entry")
    array, number = np.zeros(1).view(Array), np.int64(3)
    provider.launch(function, 4, 256, (array, None, number))
    assert cupy.said[0] == ("RawModule", "source", ("-fmad=false",))
    entry, grid, block, arguments = cupy.said[1]
    assert (entry, grid, block) == ("entry", (4,), (256,))
    assert arguments[0] is array
    assert arguments[1:] == (0, number)  # CuPy packs an int as the eight bytes of a null pointer
    done = []
    provider.library_call("gemm", lambda: done.append(1), (array,))
    assert done == [1]


def test_the_error_function_comes_from_cupyx(provider: CupyProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    special = ModuleType("cupyx.scipy.special")
    special.erf = lambda x: x + 1  # type: ignore[attr-defined]
    for name in ("cupyx", "cupyx.scipy"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setitem(sys.modules, "cupyx.scipy.special", special)
    assert provider.special("erf", np.float32(1)) == 2


@pytest.mark.parametrize("found", ["libcublas.so", None])
def test_where_cublas_is(provider: CupyProvider, monkeypatch: pytest.MonkeyPatch, found: str | None) -> None:
    class DynamicLibNotFoundError(RuntimeError):
        pass

    def load(name: str) -> Any:
        if found is None:
            raise DynamicLibNotFoundError(name)
        return SimpleNamespace(abs_path=found)

    pathfinder = ModuleType("cuda.pathfinder")
    pathfinder.DynamicLibNotFoundError = DynamicLibNotFoundError  # type: ignore[attr-defined]
    pathfinder.load_nvidia_dynamic_lib = load  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "cuda", ModuleType("cuda"))
    monkeypatch.setitem(sys.modules, "cuda.pathfinder", pathfinder)
    assert provider.cublas() == found


def test_without_the_pathfinder_there_is_no_cublas(provider: CupyProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cuda.pathfinder", None)
    assert provider.cublas() is None


@contextmanager
def unprobed(monkeypatch: pytest.MonkeyPatch) -> Any:
    with monkeypatch.context() as patch:
        patch.setattr(devices, "_accelerator", None)
        patch.setattr(devices, "_reason", "")
        patch.setattr(devices, "_probed", False)
        yield


def test_the_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Importable is not usable; and what is not importable says so."""
    for module, expected in (
        (Cupy(), ""),
        (Cupy(usable=False), "CuPy 14.2.0 imports, but no CUDA device is usable"),
        (None, "CuPy is not installed"),
    ):
        monkeypatch.setitem(sys.modules, "cupy", module)
        with unprobed(monkeypatch):
            assert expected in devices.accelerator_reason()
            assert isinstance(devices.accelerator(), CupyProvider) is (expected == "")
