"""The strict device itself: exact counts, memory, several devices, kernels."""

from __future__ import annotations

import sys
import types
from typing import Any

import numpy as np
import pytest
from strict_device import HostSync, StrictDevice
from strict_memory import UNIT, MemoryPool, OutOfMemoryError
from strict_provider import StrictProvider, host_kernels

ONES = np.ones((2, 3), np.float32)


@pytest.fixture
def provider() -> StrictProvider:
    return StrictProvider()


@pytest.fixture
def xp(provider: StrictProvider) -> Any:
    return provider.xp


@pytest.fixture
def machine(provider: StrictProvider) -> StrictDevice:
    return provider.machine


# --- counting --------------------------------------------------------------------------------------------------------


def test_launches_are_counted_by_name(xp: Any, machine: StrictDevice) -> None:
    x = xp.asarray(ONES)
    machine.reset()
    y = x * 2 + x
    y += 1.0
    y[0] = 0.0
    y[1] = x[1]
    (y @ x.T).sum()
    x.var()
    x[:, None].reshape(-1)
    xp.zeros(3)
    xp.empty(3)
    xp.exp(xp.empty((0, 3)))
    assert machine.tally.launches == {
        "multiply": 1, "add": 2, "fill": 1, "copy": 1, "matmul": 1, "sum": 1, "var": 2, "zeros": 1,
    }  # fmt: skip
    assert machine.tally.launch_count == 10
    assert machine.tally.log[:4] == ["multiply", "add", "add", "fill"]
    assert machine.tally.syncs == []


def test_copies_are_counted_in_bytes(xp: Any, machine: StrictDevice) -> None:
    x = xp.asarray(ONES)
    x.set(ONES)
    x[[1, 0]]
    assert (machine.tally.to_device.count, machine.tally.to_device.nbytes) == (3, 24 + 24 + 16)
    x.get()
    float(x[0, 0])
    assert (machine.tally.to_host.count, machine.tally.to_host.nbytes) == (2, 24 + 4)
    assert machine.tally.syncs == ["get", "float()"]


def test_counts_of_a_part(xp: Any, machine: StrictDevice) -> None:
    x = xp.asarray(ONES)
    x + x
    with machine.counting() as inside:
        x * x
    x - x
    assert inside.launches == {"multiply": 1}
    assert machine.tally.launches == {"add": 1, "subtract": 1}


def test_waiting_can_be_forbidden(xp: Any, machine: StrictDevice) -> None:
    x = xp.asarray(ONES)
    with machine.no_sync():
        y = x.sum()
        for wait in (lambda: float(y), lambda: x[x > 0], lambda: xp.cuda.get_current_stream().synchronize()):
            with pytest.raises(HostSync, match="waits for the device"):
                wait()
    assert float(y) == 6.0


def test_more_than_eight_arrays_need_a_table_on_the_device(xp: Any, machine: StrictDevice) -> None:
    parts = [xp.zeros(2) for _ in range(9)]
    machine.reset()
    xp.stack(parts[:8])
    assert machine.tally.launches == {"stack": 8}
    assert machine.tally.to_device.count == 0
    xp.stack(parts)
    assert machine.tally.launches == {"stack": 9}
    assert machine.tally.to_device.count == 1


# --- memory ----------------------------------------------------------------------------------------------------------


def test_live_and_peak_bytes(xp: Any, machine: StrictDevice) -> None:
    x = xp.zeros(256, np.float32)
    y = x[::2]
    assert (machine.live_bytes, machine.peak_bytes) == (1024, 1024)
    z = x + 1
    del z
    assert (machine.live_bytes, machine.peak_bytes) == (1024, 2048)
    del x
    assert machine.live_bytes == 1024
    del y
    assert machine.live_bytes == 0
    machine.reset()
    assert machine.peak_bytes == 0
    assert machine.tally.allocations.count == 0


def test_a_pool_reuses_splits_and_merges(xp: Any, machine: StrictDevice) -> None:
    pool = machine.default_pool
    x = xp.zeros(4 * UNIT, np.uint8)
    assert (pool.total_bytes(), pool.used_bytes(), pool.free_bytes()) == (4 * UNIT, 4 * UNIT, 0)
    del x
    assert (pool.total_bytes(), pool.used_bytes(), pool.n_free_blocks()) == (4 * UNIT, 0, 1)
    parts = [xp.zeros(1, np.uint8) for _ in range(4)]
    assert (pool.total_bytes(), pool.n_free_blocks(), pool.growths) == (4 * UNIT, 0, 1)
    del parts[1], parts[1]
    assert pool.n_free_blocks() == 1
    xp.zeros(2 * UNIT, np.uint8)
    assert pool.growths == 1
    parts.clear()
    assert (pool.n_free_blocks(), pool.used_bytes()) == (1, 0)
    pool.free_all_blocks()
    assert (pool.total_bytes(), machine.reserved) == (0, [0, 0])
    assert machine.tally.syncs == ["free_all_blocks"]


def test_each_stream_has_free_blocks_of_its_own(xp: Any, machine: StrictDevice) -> None:
    xp.zeros(UNIT, np.uint8)
    with xp.cuda.Stream(non_blocking=True):
        xp.zeros(UNIT, np.uint8)
    assert machine.default_pool.growths == 2


@pytest.mark.parametrize("whose", ["machine", "pool"])
def test_out_of_memory_names_the_sizes(whose: str, xp: Any, machine: StrictDevice) -> None:
    if whose == "machine":
        machine.memory_limit = 4096
    else:
        machine.default_pool.set_limit(4096)
    x = xp.zeros(512, np.float32)
    with pytest.raises(
        OutOfMemoryError,
        match=r"Out of memory allocating 4,096 bytes \(allocated so far: 2,048 bytes, limit set to: 4,096 bytes\)",
    ):
        xp.zeros(1000, np.float32)
    del x
    assert xp.zeros(1000, np.float32).size == 1000  # free blocks were given back for it
    assert issubclass(xp.cuda.memory.OutOfMemoryError, MemoryError)


def test_a_pool_of_its_own(xp: Any, machine: StrictDevice) -> None:
    pool = xp.cuda.MemoryPool()
    assert isinstance(pool, MemoryPool)
    with xp.cuda.using_allocator(pool.malloc):
        x = xp.zeros(128)
    y = x * 2
    assert (pool.used_bytes(), machine.default_pool.used_bytes()) == (1024, 1024)
    del x, y
    assert machine.reserved[0] == 2048
    del pool
    assert machine.reserved[0] == 1024


def test_memory_is_aligned_and_without_gaps(xp: Any) -> None:
    for shape in ((7,), (3, 5), (100_003,)):
        x = xp.asarray(np.ones(shape))
        for made in (x, x + 1, x.sum(axis=0), x.T.copy(), xp.empty(shape), x.astype(np.float32)):
            assert made.data.ptr % 256 == 0
            assert made.flags.c_contiguous
            assert made.flags.owndata
        assert not x[1:].flags.owndata
    x = xp.zeros((2, 3, 4)).transpose(1, 2, 0)[:, ::2]
    assert x.astype(np.float32).strides == (8, 4, 24)  # the order of the axes is kept
    assert xp.asarray(np.ones((2, 3)).T).flags.f_contiguous


def test_uninitialised_memory_is_nonsense(xp: Any) -> None:
    assert np.isnan(xp.empty(3).get()).all()
    assert (xp.empty_like(xp.zeros(3, np.int32)).get() == np.iinfo(np.int32).max).all()


# --- several devices -------------------------------------------------------------------------------------------------


def test_arrays_of_two_devices_do_not_mix(xp: Any, provider: StrictProvider) -> None:
    a, b = provider.from_host(ONES, "cuda:0"), provider.from_host(ONES, "cuda:1")
    assert (provider.device_of(a), provider.device_of(b)) == ("cuda:0", "cuda:1")
    assert (a.device.id, b.device.id, int(b.device)) == (0, 1, 1)
    for mix in (
        lambda: a + b,
        lambda: a @ b.T,
        lambda: xp.stack([a, b]),
        lambda: xp.add(a, a, out=b),
        lambda: a.__setitem__(0, b[0]),
        lambda: b * 2,
        lambda: b.sum(),
        lambda: b.astype(np.float64),
    ):
        with pytest.raises(ValueError, match=r"device where the array resides \(1\) is different from the current"):
            mix()
    assert provider.device_of(b.reshape(-1)[1:].T) == "cuda:1"  # a view can be had from anywhere
    with provider.scope("cuda:1"):
        c = b + 1
        assert provider.device_of(c) == "cuda:1"
    assert provider.device_of(c.copy()) == "cuda:0"
    assert provider.device_of(xp.asarray(c)) == "cuda:0"
    assert c.get().tolist() == [[2.0] * 3] * 2
    with pytest.raises(NotImplementedError, match="non-contiguous"):
        c[:, ::2].copy()
    with pytest.raises(RuntimeError, match="invalid device"), provider.scope("cuda:2"):
        pass
    assert provider.labels() == ("cuda:0", "cuda:1")
    assert StrictProvider(1).labels() == ("cuda:0",)


# --- kernels ---------------------------------------------------------------------------------------------------------


class Doubling:
    """Stands for compiled kernels."""

    def __init__(self, text: str) -> None:
        self.text = text

    def launch(self, entry: str, grid: int, block: int, args: tuple[Any, ...]) -> None:
        x, y, factor = args
        (x if y is None else y)[...] = x * factor


def test_kernels_are_counted_and_captured() -> None:
    provider = StrictProvider(kernels=Doubling)
    xp, machine = provider.xp, provider.machine
    module = provider.compile("source", ("-fmad=false",))
    assert provider.compiled == [("source", ("-fmad=false",))]
    twice = provider.function(module, "twice_f32")
    x, y, factor = xp.asarray(ONES), xp.zeros((2, 3), np.float32), np.float32(2)
    machine.reset()
    provider.launch(twice, 1, 128, (x, y, factor))
    provider.launch(twice, 1, 128, (y, None, factor))
    assert machine.tally.launches == {"twice_f32": 2}
    assert y.get().tolist() == [[4.0] * 3] * 2
    stream = xp.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        provider.launch(twice, 1, 128, (y[0], None, factor))
        provider.library_call("gemm", lambda: x._host.__iadd__(1), (x,))
        graph = stream.end_capture()
    assert y.get().tolist() == [[4.0] * 3] * 2
    graph.launch()
    graph.launch()
    assert y.get().tolist() == [[16.0] * 3, [4.0] * 3]
    assert x.get().tolist() == [[3.0] * 3] * 2
    assert graph.names == ("twice_f32", "gemm")


@pytest.mark.parametrize("wrong", [2, 2.0, ONES, [1]])
def test_a_kernel_takes_arrays_none_and_sized_numbers(wrong: Any) -> None:
    provider = StrictProvider(kernels=Doubling)
    x = provider.xp.asarray(ONES)
    with pytest.raises(TypeError, match="arrays, None and NumPy scalars"):
        provider.launch(provider.function(provider.compile("", ()), "twice"), 1, 1, (x, None, wrong))
    with pytest.raises(TypeError, match="tuple"):
        provider.compile("", ["-fmad=false"])  # type: ignore[arg-type]


def test_kernels_come_from_the_shim(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = types.ModuleType("shim")
    fake.HostKernels = Doubling  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "shim", fake)
    assert isinstance(host_kernels("text"), Doubling)


def test_what_else_the_provider_answers(provider: StrictProvider, xp: Any) -> None:
    assert provider.cublas() is None
    assert StrictProvider(cublas="/lib/x.so").cublas() == "/lib/x.so"
    block = provider.allocate_bytes(1000, "cuda:1")
    assert (block.nbytes, block.dtype, provider.device_of(block)) == (1000, np.uint8, "cuda:1")
    x = xp.asarray(np.array([0.5, -1.0]))
    np.testing.assert_allclose(provider.special("erf", x).get(), [0.5204998778130465, -0.8427007929497149], rtol=1e-14)
    assert x.data.ptr == x[1:].data.ptr - 8 == x._host.ctypes.data
    assert np.shares_memory(x._host, x[::-1]._host)
    assert provider.to_host(x).tolist() == [0.5, -1.0]
