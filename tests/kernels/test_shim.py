"""The host shim itself: it refuses what a GPU would misread, and sees what would be undefined there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kernel_support import f4, fmaf, i4, i8, same_bits, ulps
from shim import HostKernels, KernelFault, guarded, host_kernels, intact, shifted

pytestmark = pytest.mark.gxx


def arguments() -> list[Any]:
    """Those of a good launch of clip_by_norm_f32 that halves four gradients."""
    return [np.full(4, 1.0, f4), i8(4), np.array([4.0]), np.array([1.0]), np.zeros(1, f4)]


def test_a_good_launch() -> None:
    args = arguments()
    host_kernels("norm").launch("clip_by_norm_f32", 2, 64, args)
    np.testing.assert_allclose(args[0], 0.5, rtol=1e-5)
    assert args[4][0] == 2.0


BAD = {
    "a bare int": (1, 4, "int64 n is due, got int"),
    "a smaller integer": (1, i4(4), "int64 n is due, got int32"),
    "an array for a number": (1, np.zeros(1, i8), "int64 n is due, got ndarray"),
    "a bare float for an array": (2, 4.0, "const float64\\* total is due, got float"),
    "a float32 array for doubles": (2, np.zeros(1, f4), "const float64\\* total is due, got an array of float32"),
    "an int32 array for floats": (0, np.zeros(4, i4), "float32\\* g is due, got an array of int32"),
    "a strided array": (0, np.zeros(8, f4)[::2], "g is not contiguous"),
    "an array that must not change": (0, np.frombuffer(bytes(16), f4), "g is written to, and the array is read-only"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments_are_refused(case: str) -> None:
    at, value, message = BAD[case]
    args = arguments()
    args[at] = value
    with pytest.raises(TypeError, match=message):
        host_kernels("norm").launch("clip_by_norm_f32", 1, 32, args)


@pytest.mark.parametrize("scale", [1.5, np.float64(1.5), 2, np.int32(2)])
def test_numbers_for_a_float_are_float32(scale: Any) -> None:
    x, state = np.ones(4, f4), np.zeros(6, np.uint64)
    args = [x, x, np.zeros(4, np.uint8), i8(4), state, np.uint64(0)]
    with pytest.raises(TypeError, match="float32 scale is due"):
        host_kernels("dropout").launch("dropout_f32", 1, 32, [*args, scale])
    host_kernels("dropout").launch("dropout_f32", 1, 32, [*args, f4(1.5)])
    assert x.tolist() == [1.5] * 4


def test_the_number_of_arguments_and_the_size_of_a_launch() -> None:
    host = host_kernels("norm")
    with pytest.raises(TypeError, match="takes 5 arguments, got 4"):
        host.launch("clip_by_norm_f32", 1, 32, arguments()[:-1])
    for grid, block in [(0, 32), (1, 0), (1, 1056), (1, (64, 32))]:
        with pytest.raises(ValueError, match="impossible"):
            host.launch("clip_by_norm_f32", grid, block, arguments())


def test_what_the_compiler_refuses() -> None:
    with pytest.raises(RuntimeError, match=r"kernels\.cu:2"):
        HostKernels('extern "C" __global__ void broken(float* x)\n{ x[0] = nothing; }')


def test_a_kernel_sees_its_place() -> None:
    text = """
extern "C" __global__ void places(int* out)
{
    const int block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
    const int thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
    out[block * blockDim.x * blockDim.y * blockDim.z + thread] = 100 * block + thread;
}
"""
    for reverse in (False, True):
        out = np.zeros(12 * 24, i4)
        HostKernels(text).launch("places", (2, 3, 2), (4, 3, 2), [out], reverse=reverse)
        assert out.tolist() == [100 * block + thread for block in range(12) for thread in range(24)]


DEADLOCK = """
extern "C" __global__ void stuck(float* x)
{
    if (threadIdx.x == 0)
        __syncthreads();
    x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 1);
}
"""


def test_a_deadlock_ends() -> None:
    host = HostKernels(DEADLOCK)
    for _ in range(3):  # and leaves the library usable
        with pytest.raises(KernelFault, match="deadlock"):
            host.launch("stuck", 1, 64, [np.zeros(64, f4)])


EARLY = """
extern "C" __global__ void early(float* x, int n)
{
    if ((int)threadIdx.x >= n)
        return;
    x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 1);
}
"""


def test_lanes_that_left_are_missed() -> None:
    host, x = HostKernels(EARLY), np.arange(64, dtype=f4)
    host.launch("early", 1, 64, [x, i4(32)])  # whole warps may leave
    assert x.tolist() == [i ^ 1 if i < 32 else i for i in range(64)]
    with pytest.raises(KernelFault, match="lanes had left"):
        host.launch("early", 1, 64, [x, i4(20)])


def test_guarded_memory() -> None:
    x = guarded(np.arange(5, dtype=f4))
    assert x.tolist() == [0, 1, 2, 3, 4]
    assert (x.ctypes.data + x.nbytes) % 4096 == 0
    reads = HostKernels('extern "C" __global__ void sum(const float* x, int n, float* out)\n'
                        "{ out[0] = 0; for (int i = 0; i < n; i++) out[0] += x[i]; }")  # fmt: skip
    out = np.zeros(1, f4)
    reads.launch("sum", 1, 1, [x, i4(5), out])
    assert out[0] == 10
    with pytest.raises(KernelFault, match="behind an array"):
        reads.launch("sum", 1, 1, [x, i4(6), out])


def test_placed_memory() -> None:
    assert shifted(np.ones(3, f4), 4).ctypes.data % 256 == 4
    x = shifted(np.ones(3, f4))
    assert x.ctypes.data % 256 == 0
    beyond = np.lib.stride_tricks.as_strided(x, (5,), (4,))
    x[:] = 2
    assert intact(x)
    beyond[3] = 2
    assert not intact(x)


def test_processes_may_build_at_once(tmp_path: Path) -> None:
    here = str(Path(__file__).resolve().parent)
    program = (
        f"import sys; sys.path.insert(0, {here!r}); import numpy as np; from shim import HostKernels\n"
        "x = np.zeros(3, np.float32)\n"
        "text = 'extern \"C\" __global__ void one(float* x) { x[threadIdx.x] = 1; }'\n"
        "HostKernels(text).launch('one', 1, 3, [x]); assert x.tolist() == [1, 1, 1]\n"
    )
    environment = {"TMPDIR": str(tmp_path), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    running = [subprocess.Popen([sys.executable, "-c", program], env=environment) for _ in range(3)]
    assert [process.wait() for process in running] == [0, 0, 0]
    (folder,) = tmp_path.iterdir()
    assert len(list(folder.iterdir())) == 1  # the library, and nothing left over


def test_the_reference_fma_rounds_once() -> None:
    """Against libm's, through a kernel of one line; the drawn numbers cancel, which is where two roundings show."""
    text = """
extern "C" __global__ void fma_each(const float* a, const float* b, const float* c, float* out)
{
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    out[i] = fmaf(a[i], b[i], c[i]);
}
"""
    rng = np.random.default_rng(0)
    a, b = (rng.standard_normal(65536).astype(f4) for _ in range(2))
    noise = (10.0 ** rng.uniform(-9, 2, a.shape)).astype(f4)
    c = (-a * b * (1 + noise)).astype(f4)
    for scale in (f4(1), f4(1e-22), f4(1e19)):
        out = np.zeros_like(a)
        with np.errstate(all="ignore"):
            given = [a * scale, b * scale, c * scale * scale]
        HostKernels(text).launch("fma_each", 64, 1024, [*given, out])
        assert same_bits(out, fmaf(*given))


def test_contraction_shows() -> None:
    """Without -ffp-contract=off g++ fuses what the source does not, as NVRTC would without -fmad=false."""
    text = 'extern "C" __global__ void f(const float* a, const float* b, const float* c, float* out)\n'
    text += "{ out[threadIdx.x] = a[threadIdx.x] * b[threadIdx.x] + c[threadIdx.x]; }"
    given = list(np.random.default_rng(0).standard_normal((3, 512)).astype(f4))
    exact, fused = np.zeros(512, f4), np.zeros(512, f4)
    HostKernels(text).launch("f", 1, 512, [*given, exact])
    HostKernels(text, ["-ffp-contract=fast"]).launch("f", 1, 512, [*given, fused])
    assert same_bits(exact, given[0] * given[1] + given[2])
    assert same_bits(fused, fmaf(*given)) or os.uname().machine != "x86_64"
    assert not same_bits(exact, fmaf(*given))


def test_ulps() -> None:
    one = np.array([1.0, -1.0, 0.0], f4)
    assert ulps(one, one) == 0
    assert ulps(one, np.nextafter(one, f4(2))) == 1
    assert ulps(np.array([1e-45], f4), np.array([-1e-45], f4)) == 2
    with pytest.raises(AssertionError):
        ulps(one, np.array([1.0, -1.0, np.nan], f4))


def test_bits_and_nan() -> None:
    zeros = np.zeros(2, f4)
    assert not same_bits(zeros, -zeros)
    assert not same_bits(zeros, zeros.astype(np.float64))
    assert same_bits(np.array([np.nan], f4), -np.array([np.nan], f4))
