"""Every kernel compiled as CuPy compiles it, for every architecture, and what the output must and must not hold."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import nvrtc
import pytest
from kernel_support import updates

from minigrad.backend import kernels

SOURCES = {name: kernels.source(name) for name in kernels.names()}
ENTRIES = {entry: name for name, text in SOURCES.items() for entry in kernels.signatures(text)}

# Whose definition in CUDA's library uses the hardware's approximations, and which.
APPROXIMATE = {
    "bias_act_f32": {"ex2.approx.ftz.f32", "rcp.approx.ftz.f32"},  # tanhf
    "softmax_cross_entropy_f32": {"ex2.approx.ftz.f32"},  # expf
}

# Loads and stores of 16 bytes: at least so many.
VECTORS = {
    **{entry: (2 + len(states), 1 + len(states)) for entry, (_, states) in updates().items()},
    "sum_of_squares_f32": (1, 0),
    "clip_by_norm_f32": (1, 1),
    "bias_act_f32": (2, 1),
    "dropout_f32": (2, 2),
    "gather_rows_f32": (1, 1),
    "gather_rows_i64": (1, 1),
}

REGISTERS = 64
"""A multiprocessor has 65536: with more a thread, a block of 1024 could not be launched."""


@cache
def body(entry: str, contract: bool = False) -> str:
    return nvrtc.entry_body(nvrtc.ptx_of(SOURCES[ENTRIES[entry]], contract), entry)


@pytest.mark.nvrtc
@pytest.mark.parametrize("architecture", nvrtc.ARCHITECTURES)
@pytest.mark.parametrize("name", SOURCES)
def test_compiles_in_silence(name: str, architecture: str) -> None:
    options = (*kernels.OPTIONS, *nvrtc.CUPY_OPTIONS, f"-arch=sm_{architecture}")
    compiled = nvrtc.compile_text(SOURCES[name], options, f"{name}.cu")
    assert compiled.log == ""
    assert compiled.code[:4] == b"\x7fELF"


@pytest.mark.nvrtc
@pytest.mark.parametrize("architecture", ["75", "90", "120"])
@pytest.mark.parametrize("name", SOURCES)
def test_registers(name: str, architecture: str) -> None:
    options = (*kernels.OPTIONS, *nvrtc.CUPY_OPTIONS, f"-arch=sm_{architecture}", "--ptxas-options=-v")
    log = nvrtc.compile_text(SOURCES[name], options).log
    assert len(re.findall("Compiling entry function", log)) == len(kernels.signatures(SOURCES[name]))
    assert set(re.findall(r"(\d+) bytes stack frame, (\d+) bytes spill stores", log)) == {("0", "0")}
    assert max(int(n) for n in re.findall(r"Used (\d+) registers", log)) <= REGISTERS


@pytest.mark.nvrtc
@pytest.mark.parametrize("entry", ENTRIES)
def test_signature(entry: str) -> None:
    parameters = kernels.signatures(SOURCES[ENTRIES[entry]])[entry]
    assert nvrtc.ptx_signature(nvrtc.ptx_of(SOURCES[ENTRIES[entry]]), entry) == [nvrtc.as_ptx(p) for p in parameters]


@pytest.mark.nvrtc
@pytest.mark.parametrize("entry", ENTRIES)
def test_rounding_is_decided_by_the_source(entry: str) -> None:
    assert nvrtc.loose_operations(body(entry)) == APPROXIMATE.get(entry, set())


@pytest.mark.nvrtc
@pytest.mark.parametrize("entry", ENTRIES)
def test_no_local_memory(entry: str) -> None:
    assert not nvrtc.uses_local_memory(body(entry))


@pytest.mark.nvrtc
@pytest.mark.parametrize("entry", VECTORS)
def test_memory_moves_by_16_bytes(entry: str) -> None:
    loads, stores = nvrtc.vector_accesses(body(entry))
    assert loads >= VECTORS[entry][0]
    assert stores >= VECTORS[entry][1]


# --- the gate sees what it is there for -----------------------------------------------------------------------------


@pytest.mark.nvrtc
def test_contraction_is_seen() -> None:
    assert nvrtc.loose_operations(body("adam_f32", contract=True)) >= {"mul.ftz.f32"}


def compiled(text: str) -> str:
    return nvrtc.compile_text(text, (*kernels.OPTIONS, *nvrtc.CUPY_OPTIONS, "-arch=compute_90")).ptx


@pytest.mark.nvrtc
def test_local_memory_is_seen() -> None:
    ptx = compiled('extern "C" __global__ void f(float* x, int n) { float t[9]; for (int i = 0; i < n; i++) '
                   "t[i % 9] = x[i]; x[0] = t[n % 9]; }")  # fmt: skip
    assert nvrtc.uses_local_memory(nvrtc.entry_body(ptx, "f"))


@pytest.mark.nvrtc
def test_vectors_are_counted() -> None:
    ptx = compiled('extern "C" __global__ void f(float4* x, const float* y) { x[1] = x[0]; x[2].x = y[0]; }')
    assert nvrtc.vector_accesses(nvrtc.entry_body(ptx, "f")) == (1, 1)


@pytest.mark.nvrtc
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('extern "C" __global__ void f(float* x) { x[0] = nothing; }', "nothing"),
        ("#include <stdint.h>", "stdint"),
        # what CuPy's own options would let pass
        (
            'float twice(float x) { return 2 * x; } extern "C" __global__ void f(float* x) { x[0] = twice(x[0]); }',
            "twice",
        ),
    ],
)
def test_what_is_refused(text: str, message: str) -> None:
    with pytest.raises(nvrtc.CompileError, match=message):
        compiled(text)


@pytest.mark.nvrtc
def test_a_warning_is_no_silence() -> None:
    text = 'extern "C" __global__ void f(float* x) { int unused; x[0] = 1; }'
    assert "unused" in nvrtc.compile_text(text, (*kernels.OPTIONS, "-arch=sm_90")).log


@pytest.mark.nvrtc
def test_signatures_differ_where_types_do() -> None:
    text = 'extern "C" __global__ void f(float* x, long long n, float s, unsigned char c) { x[n] = s + c; }'
    ptx = compiled(text)
    (parameters,) = kernels.signatures(text).values()
    assert nvrtc.ptx_signature(ptx, "f") == [nvrtc.as_ptx(p) for p in parameters] == ["u64", "u64", "f32", "u8"]
    (swapped,) = kernels.signatures(text.replace("long long n, float s", "float s, long long n")).values()
    assert nvrtc.ptx_signature(ptx, "f") != [nvrtc.as_ptx(p) for p in swapped]


# --- rules that need no compiler ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SOURCES)
def test_house_rules(name: str) -> None:
    text = SOURCES[name]
    assert "#include" not in text, "a kernel includes nothing but our own .cuh files, each on a line of its own"
    assert "extern __shared__" not in text
    assert not re.search(r"atomicAdd|__expf|__logf|__fdividef|use_fast_math", text)
    assert len(re.findall("__global__", text)) == len(kernels.signatures(text)), (
        "an entry that the launcher cannot read"
    )


def test_entries_have_names_of_their_own() -> None:
    assert len(ENTRIES) == sum(len(kernels.signatures(text)) for text in SOURCES.values())


# --- what CuPy really does ------------------------------------------------------------------------------------------


@pytest.mark.cupy
def test_options_that_cupy_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """RawModule's path up to the call of NVRTC; it needs no driver once the architecture is known."""
    pytest.importorskip("cupy")
    from cupy._core import core
    from cupy.cuda import compiler

    class Seen(Exception):
        pass

    def spy(program: Any, options: tuple[str, ...] = (), *args: Any) -> tuple[bytes, dict[str, str]]:
        if "-arch=sm_90" in options:
            assert program.src == SOURCES["adam"]
            raise Seen(*options)
        return b"", {}  # CuPy first compiles an empty file, to tell compilers apart in its cache

    monkeypatch.setattr(compiler, "_get_arch_for_options_for_nvrtc", lambda arch=None: (f"-arch=sm_{arch}", "cubin"))
    monkeypatch.setattr(compiler._NVRTCProgram, "compile", spy)
    monkeypatch.setenv("CUPY_CACHE_IN_MEMORY", "1")
    with pytest.raises(Seen) as seen:
        core.compile_with_cache(SOURCES["adam"], kernels.OPTIONS, arch="90", prepend_cupy_headers=False)
    options = [o for o in seen.value.args if not o.startswith("-I")]
    ours = [*kernels.OPTIONS, *nvrtc.CUPY_OPTIONS, "-arch=sm_90", "--device-as-default-execution-space"]
    assert options == ours
