"""NVRTC from its wheel, by ctypes: CUDA sources are compiled and their PTX is read, without a GPU and a driver."""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from minigrad.backend import kernels

ARCHITECTURES = ("75", "80", "90", "100", "120")
"""Turing, Ampere, Hopper, data-centre Blackwell, consumer Blackwell."""

# What CuPy adds. It also passes --device-as-default-execution-space, which is left out on purpose: with it a function
# without __device__ would compile, which g++ and nvcc refuse.
CUPY_OPTIONS = ("-ftz=true",)


class CompileError(Exception):
    """The compiler refused a source; the message is what it said."""


@dataclass(frozen=True)
class Compiled:
    """The compiler's output: a cubin where the target is sm_XX, PTX where it is compute_XX; and what it said."""

    code: bytes
    log: str

    @property
    def ptx(self) -> str:
        return self.code.rstrip(b"\0").decode()


@cache
def _library() -> ctypes.CDLL:
    from cuda.pathfinder import load_nvidia_dynamic_lib

    library = ctypes.CDLL(load_nvidia_dynamic_lib("nvrtc").abs_path)
    library.nvrtcGetErrorString.restype = ctypes.c_char_p
    return library


def _call(name: str, *args: object) -> None:
    status = getattr(_library(), f"nvrtc{name}")(*args)
    if status:
        raise RuntimeError(f"nvrtc{name}: {_library().nvrtcGetErrorString(status).decode()}")


def _output(program: ctypes.c_void_p, what: str) -> bytes:
    size = ctypes.c_size_t()
    _call(f"Get{what}Size", program, ctypes.byref(size))
    buffer = ctypes.create_string_buffer(size.value)
    _call(f"Get{what}", program, buffer)
    return buffer.raw


def compile_text(text: str, options: Sequence[str], filename: str = "kernel.cu") -> Compiled:
    """Compile a source.

    Args:
        text: with everything that it includes.
        options: all of them, the target too.
        filename: for messages.

    Raises:
        CompileError: the compiler refused it.
    """
    program = ctypes.c_void_p()
    _call("CreateProgram", ctypes.byref(program), text.encode(), filename.encode(), 0, None, None)
    try:
        encoded = (ctypes.c_char_p * len(options))(*(o.encode() for o in options))
        status = _library().nvrtcCompileProgram(program, len(options), encoded)
        log = _output(program, "ProgramLog").rstrip(b"\0").decode().strip()
        if status:
            raise CompileError(log or _library().nvrtcGetErrorString(status).decode())
        binary = any(o.startswith("-arch=sm_") for o in options)
        return Compiled(_output(program, "CUBIN" if binary else "PTX"), log)
    finally:
        _library().nvrtcDestroyProgram(ctypes.byref(program))


@cache
def ptx_of(text: str, contract: bool = False) -> str:
    """PTX for Hopper, by the options of the library, or with contraction of multiplications and additions."""
    options = [o for o in kernels.OPTIONS if not (contract and o.startswith("-fmad"))]
    return compile_text(text, (*options, *CUPY_OPTIONS, "-arch=compute_90")).ptx


def entry_body(ptx: str, entry: str) -> str:
    """The instructions of one entry.

    Raises:
        KeyError: there is no such entry.
    """
    found = re.search(rf"\.entry {entry}\((.*?)^\}}", ptx, re.DOTALL | re.MULTILINE)
    if found is None:
        raise KeyError(f"no entry {entry!r} in this PTX")
    return found[1]


_FLOAT_MATH = re.compile(
    r"(?<![\w.])(?:mul|add|sub|div|sqrt|rcp|rsqrt|ex2|lg2|sin|cos|tanh)\.[a-z0-9.]*f32\b|(?<![\w.])mad\.[a-z0-9.]*f32\b"
)


def loose_operations(body: str) -> set[str]:
    """Float operations without a rounding mode: the assembler may contract them, or they are approximations."""
    return {op for op in _FLOAT_MATH.findall(body) if ".rn" not in op}


def vector_accesses(body: str) -> tuple[int, int]:
    """How many loads and stores of 16 bytes there are in global memory."""
    wide = r"\.global[a-z0-9.:]*\.(?:v4\.[a-z]32|v2\.[a-z]64)\b"
    return len(re.findall(r"\bld" + wide, body)), len(re.findall(r"\bst" + wide, body))


def uses_local_memory(body: str) -> bool:
    """Whether anything is kept in memory of a thread that should be in registers."""
    return re.search(r"\.local\b", body) is not None


def ptx_signature(ptx: str, entry: str) -> list[str]:
    """PTX types of an entry's parameters."""
    found = re.search(rf"\.entry {entry}\((.*?)\)", ptx, re.DOTALL)
    if found is None:
        raise KeyError(f"no entry {entry!r} in this PTX")
    return re.findall(r"\.param (?:\.align \d+ )?\.([a-z]\d+)", found[1])


def as_ptx(parameter: kernels.Parameter) -> str:
    """The PTX type of a parameter; PTX knows neither pointers nor signs."""
    if parameter.pointer:
        return "u64"
    dtype = np.dtype(parameter.dtype)
    return f"{'f' if dtype.kind == 'f' else 'u'}{8 * dtype.itemsize}"
