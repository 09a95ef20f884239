"""Which calls reach cuBLAS, and in which order: handles, streams, workspaces, threads, and what failures leave."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cublas_stand_in import (
    StandIn,
    Workspaces,
    base,
    closing,
    compile_with_gxx,
    fresh_stand_in,
    numbers,
    product,
)

from minigrad.backend import cublas as api
from minigrad.backend.cublas import Cublas
from minigrad.errors import DeviceError

pytestmark = pytest.mark.gxx
PRODUCT = ["set_stream", "set_workspace", "gemm"]


@pytest.fixture
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    yield from fresh_stand_in(tmp_path_factory)


@pytest.fixture
def workspaces() -> Workspaces:
    return Workspaces()


@pytest.fixture
def blas(stand_in: StandIn, workspaces: Workspaces) -> Iterator[Cublas]:
    yield from closing(Cublas(stand_in.path, workspaces, 1 << 12, on_device=stand_in.on_device), stand_in)


def test_order_of_calls(blas: Cublas, stand_in: StandIn, workspaces: Workspaces) -> None:
    """Only the first product allocates; afterwards there is nothing that a capture would refuse."""
    for _ in range(3):
        product(blas, base(2, 3), base(3, 4), base(2, 4), stream=0x77)
    product(blas, base(5, 2, 3), base(5, 3, 4), base(5, 2, 4), stream=0x77)
    assert stand_in.calls() == ["create", *PRODUCT * 3, *PRODUCT[:2], "gemm_batched"]
    (memory,) = workspaces.made
    assert memory.nbytes == 1 << 12
    for event in stand_in.events():
        if event.name.startswith("gemm"):
            assert (event.stream, event.workspace, event.workspace_bytes) == (0x77, memory.data.ptr, 1 << 12)


def test_without_a_workspace_cublas_uses_its_own(stand_in: StandIn) -> None:
    blas = Cublas(stand_in.path, None)
    product(blas, base(2, 3), base(3, 4), base(2, 4))
    assert stand_in.calls() == ["create", "set_stream", "gemm"]
    blas.close()


def test_a_handle_and_a_workspace_for_each_device_and_stream(
    blas: Cublas, stand_in: StandIn, workspaces: Workspaces
) -> None:
    places = [(device, stream) for device in (0, 1) for stream in (0, 0x10, 0x20)]
    for device, stream in places * 2:
        with stand_in.on_device(device):
            product(blas, base(2, 3), base(3, 4), base(2, 4), device=device, stream=stream)
    events = [event for event in stand_in.events() if event.name == "gemm"]
    assert [(event.device, event.stream) for event in events] == places * 2
    assert [event.handle for event in events[:6]] == [event.handle for event in events[6:]]
    assert len({event.handle for event in events}) == len({event.workspace for event in events}) == 6
    assert len(workspaces.made) == 6


def test_a_handle_is_made_on_its_device(blas: Cublas, stand_in: StandIn) -> None:
    with pytest.raises(DeviceError, match=r"cublasSetStream_v2 failed with CUBLAS_STATUS_EXECUTION_FAILED"):
        product(blas, base(2, 3), base(3, 4), base(2, 4), device=1)  # device 0 is the current one
    assert stand_in.events()[0].device == 1


def test_threads_share_no_handle(blas: Cublas, stand_in: StandIn, workspaces: Workspaces) -> None:
    everybody, results, count = threading.Barrier(4, timeout=60), [], 200
    a, b = numbers((6, 7), np.float64, 1), numbers((7, 5), np.float64, 2)

    def work() -> None:
        everybody.wait()  # all alive at once: an identifier is free again when its thread has ended
        out = np.zeros((6, 5))
        for _ in range(count):
            product(blas, a, b, out, accumulate=True)
        everybody.wait()
        results.append(out)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 4
    for out in results:
        np.testing.assert_array_equal(out, count * (a @ b))
    users: dict[int, set[int]] = {}
    for event in stand_in.events():
        users.setdefault(event.handle, set()).add(event.thread)
    assert sorted(map(len, users.values())) == [1, 1, 1, 1]
    assert len({event.workspace for event in stand_in.events() if event.name == "gemm"}) == 4
    assert len(workspaces.made) == 4


def test_close(stand_in: StandIn, workspaces: Workspaces) -> None:
    blas = Cublas(stand_in.path, workspaces, 1 << 12, on_device=stand_in.on_device)
    for device in (0, 1):
        with stand_in.on_device(device):
            product(blas, base(2, 3), base(3, 4), base(2, 4), device=device)
    assert stand_in.live_handles() == 2
    stand_in.reset()
    blas.close()
    assert [(event.name, event.device) for event in stand_in.events()] == [("destroy", 0), ("destroy", 1)]
    blas.close()
    with pytest.raises(DeviceError, match="closed"):
        product(blas, base(2, 3), base(3, 4), base(2, 4))
    assert stand_in.calls() == ["destroy", "destroy"]


def test_close_that_fails_tries_every_handle(blas: Cublas, stand_in: StandIn) -> None:
    for stream in (1, 2):
        product(blas, base(2, 3), base(3, 4), base(2, 4), stream=stream)
    handles = {event.handle for event in stand_in.events() if event.name == "create"}
    stand_in.reset()
    stand_in.fail("destroy", 14)
    with pytest.raises(DeviceError, match=r"cublasDestroy_v2 failed with CUBLAS_STATUS_INTERNAL_ERROR \(14\)"):
        blas.close()
    assert {event.handle for event in stand_in.events()} == handles
    assert len(handles) == 2
    stand_in.forget_handles()


FUNCTIONS = {
    "create": ("cublasCreate_v2 on device 0", []),
    "set_stream": ("cublasSetStream_v2", ["create"]),
    "set_workspace": ("cublasSetWorkspace_v2", ["create", "set_stream"]),
    "gemm": (r"cublasGemmEx for \(2, 3\) @ \(3, 4\) in float32 on device 0", ["create", *PRODUCT[:2]]),
    "gemm_batched": (
        r"cublasGemmStridedBatchedEx for \(1, 2, 3\) @ \(1, 3, 4\) in float32 on device 0",
        ["create", *PRODUCT[:2]],
    ),
}


@pytest.mark.parametrize("kind", FUNCTIONS)
@pytest.mark.parametrize("status", [s for s in api.cublasStatus_t if s], ids=lambda s: s.name)
def test_a_status_becomes_an_error(blas: Cublas, stand_in: StandIn, kind: str, status: api.cublasStatus_t) -> None:
    where, before = FUNCTIONS[kind]
    stack = (1,) if kind == "gemm_batched" else ()
    a, b, out = base(*stack, 2, 3), base(*stack, 3, 4), np.zeros((*stack, 2, 4), np.float32)
    stand_in.fail(kind, status)
    with pytest.raises(DeviceError, match=rf"^{where} failed with {status.name} \({status:d}\)$"):
        product(blas, a, b, out)
    assert stand_in.calls() == [*before, kind]
    assert not out.any()
    stand_in.reset()
    product(blas, a, b, out)  # nothing half-made was kept
    np.testing.assert_array_equal(out, a @ b)


def test_a_status_of_the_future(blas: Cublas, stand_in: StandIn) -> None:
    stand_in.fail("gemm", 999)
    with pytest.raises(DeviceError, match=r"failed with a status unknown to minigrad \(999\)"):
        product(blas, base(2, 3), base(3, 4), base(2, 4))


def test_no_memory_for_a_workspace(stand_in: StandIn) -> None:
    def no_memory(nbytes: int) -> Any:
        raise MemoryError(f"no {nbytes} bytes")

    blas = Cublas(stand_in.path, no_memory)
    with pytest.raises(MemoryError, match=f"no {32 << 20} bytes"):
        product(blas, base(2, 3), base(3, 4), base(2, 4))
    assert stand_in.calls() == []


def test_no_library(stand_in: StandIn, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"nowhere\.so is not a usable cuBLAS library"):
        Cublas(str(tmp_path / "nowhere.so"), None)
    (tmp_path / "other.cpp").write_text("int other() { return 1; }\n")
    other = tmp_path / "other.so"
    assert compile_with_gxx(tmp_path / "other.cpp", "-shared", "-fPIC", "-o", str(other)).returncode == 0
    with pytest.raises(DeviceError, match=r"other\.so is not a usable cuBLAS library: .*cublasCreate_v2"):
        Cublas(str(other), None)


@pytest.mark.parametrize("change", ["ld_a", "ld_b", "ld_c", "type", "compute", "workspace", "handle"])
def test_the_stand_in_refuses_what_cublas_refuses(blas: Cublas, stand_in: StandIn, change: str) -> None:
    """Or else the tests above would show nothing."""
    a = base(4, 4)
    product(blas, a, a, a.copy())
    (handle, *_), one = blas._handles.popitem()[1], api._KINDS[a.dtype].one
    blas._handles[0, 0, 0] = (handle, 0, 0, None)  # for close
    bad = {change: 3}
    if change == "workspace":
        assert blas._set_workspace(handle, a.ctypes.data // 256 * 256 + 64, 64) == 7
        return
    x, kind, compute = a.ctypes.data, bad.get("type", 0), bad.get("compute", 68)
    status = blas._gemm(
        *(None if change == "handle" else handle, 0, 0, 4, 4, 4, one, x, kind, bad.get("ld_a", 4)),
        *(x, kind, bad.get("ld_b", 4), one, np.zeros_like(a).ctypes.data, kind, bad.get("ld_c", 4), compute, -1),
    )
    assert status == {"type": 15, "compute": 15, "handle": 1}.get(change, 7)
