"""Matrix products by ctypes on the cuBLAS library that the array library has loaded itself.

CuPy refuses matmul while a stream is being captured, so a training step that is recorded as a CUDA graph needs a call
of its own. It also writes into a given array, adds to it at no extra cost, and reads transposed views without a copy.

cuBLAS is column-major. The memory of a row-major C = A B, read with rows and columns swapped, is C^T = B^T A^T: the
operands trade places and keep their flags, and nothing is copied.

Source: https://docs.nvidia.com/cuda/cublas (cublasGemmEx, cublasGemmStridedBatchedEx, cublasSetWorkspace).
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from enum import IntEnum
from threading import Lock, get_ident
from typing import Any, NoReturn, Protocol

import numpy as np

from ..errors import DeviceError, DTypeError, MinigradError, ShapeError


class cublasStatus_t(IntEnum):
    CUBLAS_STATUS_SUCCESS = 0
    CUBLAS_STATUS_NOT_INITIALIZED = 1
    CUBLAS_STATUS_ALLOC_FAILED = 3
    CUBLAS_STATUS_INVALID_VALUE = 7
    CUBLAS_STATUS_ARCH_MISMATCH = 8
    CUBLAS_STATUS_MAPPING_ERROR = 11
    CUBLAS_STATUS_EXECUTION_FAILED = 13
    CUBLAS_STATUS_INTERNAL_ERROR = 14
    CUBLAS_STATUS_NOT_SUPPORTED = 15
    CUBLAS_STATUS_LICENSE_ERROR = 16


class cublasOperation_t(IntEnum):
    CUBLAS_OP_N = 0
    CUBLAS_OP_T = 1


class cudaDataType(IntEnum):
    CUDA_R_32F = 0
    CUDA_R_64F = 1


class cublasComputeType_t(IntEnum):
    CUBLAS_COMPUTE_32F = 68
    CUBLAS_COMPUTE_64F = 70
    CUBLAS_COMPUTE_32F_FAST_TF32 = 77


class cublasGemmAlgo_t(IntEnum):
    CUBLAS_GEMM_DEFAULT = -1


ENUMS = (cublasStatus_t, cublasOperation_t, cudaDataType, cublasComputeType_t, cublasGemmAlgo_t)

C_TYPES: dict[str, Any] = {
    "cublasHandle_t": ctypes.c_void_p,
    "cublasHandle_t*": ctypes.POINTER(ctypes.c_void_p),
    "cudaStream_t": ctypes.c_void_p,
    "void*": ctypes.c_void_p,
    "const void*": ctypes.c_void_p,
    "int": ctypes.c_int,
    "long long int": ctypes.c_longlong,
    "size_t": ctypes.c_size_t,
} | {enum.__name__: ctypes.c_int for enum in ENUMS}

_HEAD = ("cublasHandle_t", "cublasOperation_t", "cublasOperation_t", "int", "int", "int", "const void*")
_IN = ("const void*", "cudaDataType", "int")
_OUT = ("const void*", "void*", "cudaDataType", "int")
_STEP = "long long int"
_TAIL = ("cublasComputeType_t", "cublasGemmAlgo_t")

PROTOTYPES: dict[str, tuple[str, ...]] = {
    "cublasCreate_v2": ("cublasHandle_t*",),
    "cublasDestroy_v2": ("cublasHandle_t",),
    "cublasSetStream_v2": ("cublasHandle_t", "cudaStream_t"),
    "cublasSetWorkspace_v2": ("cublasHandle_t", "void*", "size_t"),
    "cublasGemmEx": (*_HEAD, *_IN, *_IN, *_OUT, *_TAIL),
    "cublasGemmStridedBatchedEx": (*_HEAD, *_IN, _STEP, *_IN, _STEP, *_OUT, _STEP, "int", *_TAIL),
}
"""Function -> the C types of its parameters. All return cublasStatus_t."""

INT_MAX = 2**31 - 1
"""cuBLAS takes sizes and leading dimensions as C ints; ctypes would cut longer ones off silently."""

_N, _T = cublasOperation_t.CUBLAS_OP_N.value, cublasOperation_t.CUBLAS_OP_T.value
_DEFAULT = cublasGemmAlgo_t.CUBLAS_GEMM_DEFAULT.value


class Memory(Protocol):
    """Bytes on a device: cupy.ndarray, say."""

    data: Any
    """`data.ptr` is the address."""
    nbytes: int


class DeviceArray(Protocol):
    """What is read of an array: cupy.ndarray has all of it."""

    shape: tuple[int, ...]
    strides: tuple[int, ...]
    itemsize: int
    dtype: np.dtype
    data: Any

    def fill(self, value: float) -> None:
        """Set every element, on the current stream."""


class LayoutError(MinigradError, ValueError):
    """Strides that cuBLAS cannot take. Nothing was done: copy the operand into a C-contiguous array and try again."""

    operand = ""
    """The argument to copy: "a", "b" or "out"."""


def _refuse_layout(name: str, array: DeviceArray, why: str) -> NoReturn:
    error = LayoutError(f"{name} of shape {array.shape} with strides of {array.strides} bytes {why}: copy it first")
    error.operand = name
    raise error


class _Kind:
    """What a dtype means to cuBLAS; `zero` and `one` are addresses of scalars, which it reads at the call."""

    def __init__(self, data: int, compute: int, compute_tf32: int, scalar: Any) -> None:
        self.data, self.compute, self.compute_tf32 = data, compute, compute_tf32
        self._cells = (scalar * 2)(0, 1)
        self.zero = ctypes.addressof(self._cells)
        self.one = self.zero + ctypes.sizeof(scalar)


_F32 = (cudaDataType.CUDA_R_32F, cublasComputeType_t.CUBLAS_COMPUTE_32F)
_F64 = (cudaDataType.CUDA_R_64F, cublasComputeType_t.CUBLAS_COMPUTE_64F)
_KINDS = {
    np.dtype(np.float32): _Kind(*_F32, cublasComputeType_t.CUBLAS_COMPUTE_32F_FAST_TF32, ctypes.c_float),
    np.dtype(np.float64): _Kind(*_F64, cublasComputeType_t.CUBLAS_COMPUTE_64F, ctypes.c_double),
}

_Handle = tuple[int, int, int, Memory | None]
"""A cuBLAS handle, the address and size of its workspace (0: cuBLAS' own), and what keeps that memory."""


def _layout(name: str, array: DeviceArray, rows: int, cols: int, row_step: int, col_step: int) -> tuple[int, int]:
    """How a matrix with rows, cols >= 1 lies in memory: (row-major N or column-major T, leading dimension).

    A result has to be row-major. The step of an axis of length 1 says nothing: NumPy and CuPy leave any number there.
    """
    item = array.itemsize
    if col_step == item or cols == 1:
        if rows == 1:
            return _N, cols
        if cols * item <= row_step <= INT_MAX * item and not row_step % item:
            return _N, row_step // item
    by_columns = (row_step == item or rows == 1) and name != "out"
    if by_columns and rows * item <= col_step <= INT_MAX * item and not col_step % item:
        return _T, col_step // item
    _refuse_layout(name, array, "is not row-major" if name == "out" else "is neither row- nor column-major")


def _batch_step(name: str, array: DeviceArray) -> int:
    """Elements from one matrix of a stack to the next; 0 where a single one serves the whole batch."""
    if array.shape[0] == 1:
        return 0
    step, item = array.strides[0], array.itemsize
    if step < 0 or step % item:
        _refuse_layout(name, array, "has a batch stride that cuBLAS cannot take")
    return step // item


def _checked(a: DeviceArray, b: DeviceArray, out: DeviceArray, axes: int) -> tuple[_Kind, int, int, int]:
    """The kind, m, k and n of a product of arrays with 2 or 3 axes. A first axis is left to the caller."""
    shape, shape_b, shape_out = a.shape, b.shape, out.shape
    if not len(shape) == len(shape_b) == len(shape_out) == axes:
        _refuse_shapes(a, b, out)
    (m, k), n = shape[-2:], shape_b[-1]
    if shape_b[-2] != k or shape_out[-2] != m or shape_out[-1] != n:
        _refuse_shapes(a, b, out)
    if m > INT_MAX or k > INT_MAX or n > INT_MAX or shape_out[0] > INT_MAX:
        raise ShapeError(f"gemm: cuBLAS takes sizes up to {INT_MAX}, got {shape} @ {shape_b}; split the product")
    dtype = out.dtype
    kind = _KINDS.get(dtype)
    if kind is None or a.dtype != dtype or b.dtype != dtype:
        got = f"{a.dtype} @ {b.dtype} -> {dtype}"
        raise DTypeError(f"gemm: all three arrays have to be float32, or all float64, got {got}; use .astype")
    return kind, m, k, n


def _refuse_shapes(a: DeviceArray, b: DeviceArray, out: DeviceArray) -> NoReturn:
    raise ShapeError(
        f"gemm: shapes do not fit, got {a.shape} @ {b.shape} -> {out.shape}, needed (m, k) @ (k, n) -> (m, n), "
        "or the same with a batch axis in front for gemm_batched"
    )


def _fail(function: str, status: int, what: str = "") -> NoReturn:
    known = status in cublasStatus_t.__members__.values()
    name = cublasStatus_t(status).name if known else "a status unknown to minigrad"
    raise DeviceError(f"{function}{what} failed with {name} ({status})")


class Cublas:
    """Matrix products of one cuBLAS library, with a handle and a workspace for each device, thread and stream.

    After the first product on a (device, thread, stream) nothing is allocated and nothing waits for the device, so
    further ones may be captured. A handle and its workspace live until `close`: use few streams, and use them again.
    What an ended thread had goes to the next thread with its identifier.

    Args:
        library: path of libcublas, best the one that the array library uses.
        workspace: allocates bytes on the current device; None leaves workspaces to cuBLAS, which then makes one for
            every captured graph.
        workspace_bytes: the size of each workspace. 32 MiB is NVIDIA's advice for Hopper, older devices need less.
        tf32: let float32 products round their operands to TF32; may be changed at any time.
        on_device: a context in which a device is the current one, like cupy.cuda.Device; None where there is but one.

    Raises:
        DeviceError: the library cannot be loaded, or lacks a function.
    """

    def __init__(
        self,
        library: str,
        workspace: Callable[[int], Memory] | None,
        workspace_bytes: int = 32 << 20,
        *,
        tf32: bool = False,
        on_device: Callable[[int], AbstractContextManager[Any]] | None = None,
    ) -> None:
        self.tf32 = tf32
        self._workspace = workspace
        self._workspace_bytes = workspace_bytes
        self._on_device = on_device or nullcontext
        self._handles: dict[tuple[int, int, int], _Handle] = {}
        self._closed = False
        self._lock = Lock()
        try:
            loaded = ctypes.CDLL(library)
            functions = {name: getattr(loaded, name) for name in PROTOTYPES}
        except (OSError, AttributeError) as error:
            raise DeviceError(f"{library} is not a usable cuBLAS library: {error}") from error
        for name, function in functions.items():
            function.argtypes = [C_TYPES[parameter] for parameter in PROTOTYPES[name]]
            function.restype = ctypes.c_int
        self._create = functions["cublasCreate_v2"]
        self._destroy = functions["cublasDestroy_v2"]
        self._set_stream = functions["cublasSetStream_v2"]
        self._set_workspace = functions["cublasSetWorkspace_v2"]
        self._gemm = functions["cublasGemmEx"]
        self._gemm_batched = functions["cublasGemmStridedBatchedEx"]

    def gemm(
        self, a: DeviceArray, b: DeviceArray, out: DeviceArray, *, accumulate: bool = False, device: int, stream: int
    ) -> DeviceArray:
        """out = a @ b, or out += a @ b, on a stream.

        Args:
            a: (m, k), float32 or float64, row- or column-major with any leading dimension.
            b: (k, n), like a.
            out: (m, n), row-major with any leading dimension; shares no memory with a and b.
            accumulate: add to `out` instead of overwriting it.
            device: index of the device that holds all three; it has to be the current one.
            stream: address of the stream, which has to be the array library's current one.

        Returns:
            `out`.

        Raises:
            ShapeError: the shapes do not fit, or a size is over 2^31 - 1.
            DTypeError: the dtypes differ, or are neither float32 nor float64.
            LayoutError: strides that cuBLAS cannot take; a copy of the operand that it names will do.
            DeviceError: cuBLAS failed, or `close` was called.
        """
        kind, m, k, n = _checked(a, b, out, 2)
        if not m or not n:
            return out
        _, ld_out = _layout("out", out, m, n, *out.strides)
        if not k:
            if not accumulate:
                out.fill(0)
            return out
        op_a, ld_a = _layout("a", a, m, k, *a.strides)
        op_b, ld_b = _layout("b", b, k, n, *b.strides)
        # fmt: off
        status = self._gemm(
            self._handle(device, stream), op_b, op_a, n, m, k, kind.one,
            b.data.ptr, kind.data, ld_b,
            a.data.ptr, kind.data, ld_a,
            kind.one if accumulate else kind.zero,
            out.data.ptr, kind.data, ld_out,
            kind.compute_tf32 if self.tf32 else kind.compute, _DEFAULT,
        )
        # fmt: on
        if status:
            _fail("cublasGemmEx", status, f" for {a.shape} @ {b.shape} in {out.dtype} on device {device}")
        return out

    def gemm_batched(
        self, a: DeviceArray, b: DeviceArray, out: DeviceArray, *, accumulate: bool = False, device: int, stream: int
    ) -> DeviceArray:
        """out[i] = a[i] @ b[i], or out[i] += a[i] @ b[i], for a stack of matrices in one call.

        Args:
            a: (batch, m, k), float32 or float64, each matrix as in `gemm`; with (1, m, k), or a batch stride of 0, the
                same matrix serves them all.
            b: (batch, k, n), like a.
            out: (batch, m, n), each matrix row-major with any leading dimension, no two sharing an element; shares no
                memory with a and b.
            accumulate: add to `out` instead of overwriting it.
            device, stream: as in `gemm`.

        Returns:
            `out`.

        Raises:
            ShapeError, DTypeError, LayoutError, DeviceError: as `gemm`.
        """
        kind, m, k, n = _checked(a, b, out, 3)
        batch = out.shape[0]
        if a.shape[0] not in (1, batch) or b.shape[0] not in (1, batch):
            _refuse_shapes(a, b, out)
        if not batch or not m or not n:
            return out
        _, ld_out = _layout("out", out, m, n, *out.strides[1:])
        step_out = _batch_step("out", out)
        # One matrix after the other, or each within the gaps between the rows of the first.
        apart = step_out >= (m - 1) * ld_out + n or (step_out >= n and (batch - 1) * step_out + n <= ld_out)
        if batch > 1 and not apart:
            _refuse_layout("out", out, "may hold matrices that overlap")
        if not k:
            if not accumulate:
                out.fill(0)
            return out
        op_a, ld_a = _layout("a", a, m, k, *a.strides[1:])
        op_b, ld_b = _layout("b", b, k, n, *b.strides[1:])
        # fmt: off
        status = self._gemm_batched(
            self._handle(device, stream), op_b, op_a, n, m, k, kind.one,
            b.data.ptr, kind.data, ld_b, _batch_step("b", b),
            a.data.ptr, kind.data, ld_a, _batch_step("a", a),
            kind.one if accumulate else kind.zero,
            out.data.ptr, kind.data, ld_out, step_out, batch,
            kind.compute_tf32 if self.tf32 else kind.compute, _DEFAULT,
        )
        # fmt: on
        if status:
            _fail("cublasGemmStridedBatchedEx", status, f" for {a.shape} @ {b.shape} in {out.dtype} on device {device}")
        return out

    def close(self) -> None:
        """Destroy all handles and let go of the workspaces; waits for the devices. No other thread may be in a call.

        Raises:
            DeviceError: a handle could not be destroyed; the others are.
        """
        with self._lock:
            self._closed = True
            handles, self._handles = self._handles, {}
        failed = 0
        for (device, _, _), (handle, *_) in handles.items():
            with self._on_device(device):
                failed = self._destroy(handle) or failed
        if failed:
            _fail("cublasDestroy_v2", failed)

    def _handle(self, device: int, stream: int) -> int:
        """This thread's handle for a device and stream, ready for a product."""
        handle, workspace, nbytes, _ = self._handles.get((device, get_ident(), stream)) or self._new(device, stream)
        # In this order: setting the stream takes the workspace away. Every time, as a stream may have been destroyed
        # and another one made at its address.
        status = self._set_stream(handle, stream)
        if status:
            _fail("cublasSetStream_v2", status)
        if nbytes:
            status = self._set_workspace(handle, workspace, nbytes)
            if status:
                _fail("cublasSetWorkspace_v2", status)
        return handle

    def _new(self, device: int, stream: int) -> _Handle:
        with self._lock, self._on_device(device):
            if self._closed:
                raise DeviceError("this Cublas was closed")
            # The memory first: if there is none, no handle is left behind.
            memory = None if self._workspace is None else self._workspace(self._workspace_bytes)
            created = ctypes.c_void_p()
            status = self._create(ctypes.byref(created))
            if status:
                _fail("cublasCreate_v2", status, f" on device {device}")
            where = (0, 0) if memory is None else (memory.data.ptr, memory.nbytes)
            self._handles[device, get_ident(), stream] = entry = (created.value or 0, *where, memory)
        return entry
