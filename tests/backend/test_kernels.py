"""The launcher of CUDA kernels: sources, signatures, and every wrong argument refused before a launch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from on_device import put
from strict_provider import StrictProvider, install

from minigrad.backend import kernels
from minigrad.errors import DeviceError, DTypeError, ShapeError

SOURCE = """
#include "shared.cuh"
#include "shared.cuh"
// extern "C" __global__ void not_one(int x) is a comment
extern "C" __global__ void scale_f32(float* x, const float *__restrict__ by, long long n, float factor,
                                     const unsigned char* live, unsigned long long seed, int flags)
{
    twice(x);
}
/* extern "C" __global__ void nor_this(int x) */
extern "C" __global__ void __launch_bounds__(256) nothing() {}
"""


@pytest.fixture(autouse=True)
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "test.cu").write_text(SOURCE)
    (tmp_path / "shared.cuh").write_text("__device__ void twice(float* x) { x[0] *= 2; }\n")
    monkeypatch.setattr(kernels, "folder", lambda: tmp_path)
    monkeypatch.setattr(kernels, "_compiled", {})
    kernels.source.cache_clear()
    yield tmp_path
    kernels.source.cache_clear()


class Launcher(StrictProvider):
    """Notes what would be compiled and launched."""

    def __init__(self) -> None:
        super().__init__()
        self.launched: list[tuple[Any, ...]] = []

    def compile(self, source: str, options: tuple[str, ...]) -> Any:
        self.compiled.append((source, options))
        return source

    def function(self, module: Any, entry: str) -> Any:
        return entry

    def launch(self, function: Any, grid: int, block: int, args: tuple[Any, ...]) -> None:
        self.launched.append((function, grid, block, args))


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Launcher:
    found = Launcher()
    install(monkeypatch, found)
    return found


def on(values: Any, device: str = "cuda:0") -> Any:
    return put(values, device)


def good() -> list[Any]:
    f32 = np.zeros(8, np.float32)
    return [on(f32), on(f32), 8, 0.5, on(np.ones(1, np.uint8)), 2**64 - 1, 3]


def test_what_is_included_stands_in_the_text_once() -> None:
    text = kernels.source("test")
    assert text.count("void twice(") == 1
    assert "#include" not in text
    assert kernels.names() == ("test",)


def test_signatures() -> None:
    found = kernels.signatures(kernels.source("test"))
    assert list(found) == ["scale_f32", "nothing"]
    assert found["nothing"] == ()
    assert [str(p) for p in found["scale_f32"]] == [
        "float32* x",
        "const float32* by",
        "int64 n",
        "float32 factor",
        "const uint8* live",
        "uint64 seed",
        "int32 flags",
    ]
    with pytest.raises(ValueError, match=r"kernel f: parameter 'size_t n' has a type that cannot be launched"):
        kernels.signatures('extern "C" __global__ void f(size_t n)')


def test_a_launch_passes_sized_numbers_and_arrays(provider: Launcher) -> None:
    arguments = good()
    kernels.kernel("test", "scale_f32", "cuda:0")(4, 256, *arguments)
    kernels.kernel("test", "scale_f32", "cuda:0")(1, 32, None, *arguments[1:4], None, np.uint64(5), np.int32(-1))
    (entry, grid, block, args), (_, _, _, second) = provider.launched
    assert (entry, grid, block) == ("scale_f32", 4, 256)
    assert args[0] is arguments[0]
    assert [type(a) for a in args[2:4]] == [np.int64, np.float32]
    assert [type(a) for a in args[5:]] == [np.uint64, np.int32]
    assert second[0] is second[4] is None
    assert len(provider.compiled) == 1  # once, for both launches
    assert provider.compiled[0][1] == kernels.OPTIONS


def test_each_device_has_its_own_module(provider: Launcher) -> None:
    for device in ("cuda:0", "cuda:1", "cuda:0"):
        kernels.kernel("test", "nothing", device)(1, 1)
    assert len(provider.compiled) == 2
    with pytest.raises(KeyError, match="missing"):
        kernels.kernel("test", "missing", "cuda:0")
    with pytest.raises(DeviceError, match="'cpu' is no usable GPU"):
        kernels.kernel("test", "nothing", "cpu")


@pytest.mark.parametrize(
    ("position", "value", "error", "message"),
    [
        (0, np.zeros(8, np.float32), TypeError, r"float32\* x is due, an array on cuda:0, got ndarray"),
        (0, [0.0], TypeError, "got list"),
        (0, 3, TypeError, "got int"),
        (0, lambda: on(np.zeros(8)), DTypeError, "got an array of float64"),
        (0, lambda: on(np.zeros(8, np.int32)), DTypeError, "got an array of int32"),
        (0, lambda: on(np.zeros(8, np.float32), "cuda:1"), DeviceError, "is for cuda:0; x lies on cuda:1"),
        (0, lambda: on(np.zeros((4, 4), np.float32))[:, :2], ShapeError, r"of shape \(4, 2\) .* not contiguous"),
        (2, 8.0, TypeError, "int64 n is due, got float 8.0"),
        (2, True, TypeError, "int64 n is due, got bool"),
        (2, np.int32(8), DTypeError, "int64 n is due, got int32"),
        (2, None, TypeError, "int64 n is due, got NoneType"),
        (2, 2**63, DTypeError, "does not fit int64 n"),
        (3, np.float64(0.5), DTypeError, "float32 factor is due, got float64"),
        (3, "0.5", TypeError, "float32 factor is due, got str"),
        (3, lambda: on(np.zeros(1, np.float32)), TypeError, "float32 factor is due"),
        (5, -1, DTypeError, "-1 does not fit uint64 seed"),
        (6, 2**31, DTypeError, "does not fit int32 flags"),
    ],
)
def test_wrong_arguments_are_refused_before_the_launch(
    provider: Launcher, position: int, value: Any, error: type[Exception], message: str
) -> None:
    arguments = good()
    arguments[position] = value() if callable(value) else value
    with pytest.raises(error, match=f"kernel scale_f32.*{message}"):
        kernels.kernel("test", "scale_f32", "cuda:0")(1, 32, *arguments)
    assert provider.launched == []


def test_wrong_counts_and_sizes_are_refused(provider: Launcher) -> None:
    scale = kernels.kernel("test", "scale_f32", "cuda:0")
    with pytest.raises(TypeError, match=r"takes 7 arguments \(float32\* x, .*\), got 6"):
        scale(1, 32, *good()[:-1])
    for grid, block in ((0, 32), (1, 0), (1, 1025), (2**31, 32)):
        with pytest.raises(ValueError, match=f"grid {grid} and block {block}"):
            scale(grid, block, *good())
    assert provider.launched == []


def test_an_incomplete_package_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.undo()
    monkeypatch.setattr(kernels, "__file__", str(tmp_path / "minigrad" / "backend" / "kernels.py"))
    kernels.folder.cache_clear()
    with pytest.raises(FileNotFoundError, match="the package is incomplete"):
        kernels.folder()
    kernels.folder.cache_clear()
