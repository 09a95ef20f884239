"""The values and prototypes of backend/cublas.py, and the stand-in's, against NVIDIA's cublas_api.h, by compiling."""

from __future__ import annotations

import os
import site
import sys
from pathlib import Path

import pytest
from cublas_stand_in import SOURCE, compile_with_gxx, need_gxx

from minigrad.backend import cublas as api

pytestmark = pytest.mark.gxx


def header_folders() -> list[Path]:
    """Include folders of CUDA toolkits: of the environment's, of pip's packages, and the usual place."""
    named = [os.environ[name] for name in ("CUDA_HOME", "CUDA_PATH") if os.environ.get(name)]
    packages = [Path(p) / "nvidia" for p in {*site.getsitepackages(), *sys.path} if (Path(p) / "nvidia").is_dir()]
    roots = [*map(Path, named), *(r for p in packages for r in sorted(p.iterdir())), Path("/usr/local/cuda")]
    return [root / "include" for root in roots if (root / "include").is_dir()]


@pytest.fixture(scope="module")
def header() -> list[str]:
    """Options by which g++ finds NVIDIA's header."""
    need_gxx()
    folders = header_folders()
    if not any((folder / "cublas_api.h").is_file() for folder in folders):
        pytest.skip("cublas_api.h is not here: no CUDA toolkit with cuBLAS and no package nvidia-cublas")
    return [f"-isystem{folder}" for folder in folders]


def check_file() -> str:
    """C++ that compiles only where the header has the values, the sizes and the functions of cublas.py."""
    lines = ["#include <cublas_v2.h>  // which includes cublas_api.h as it wants to be"]
    for enum in api.ENUMS:
        lines += [f"static_assert({m.name} == {m.value} && sizeof({enum.__name__}) == sizeof(int));" for m in enum]
        lines += [f"static_assert({enum.__name__}({m.value}) == {m.name});" for m in enum]
    lines += [f"static_assert(sizeof({name}) == {api.ctypes.sizeof(c)});" for name, c in api.C_TYPES.items()]
    for name, types in api.PROTOTYPES.items():
        lines.append(f"cublasStatus_t (*const check_{name})({', '.join(types)}) = {name};")
        lines.append(f"const void* use_{name}() {{ return reinterpret_cast<const void*>(check_{name}); }}")
    return "\n".join([*lines, ""])


def test_values_and_prototypes_are_those_of_the_header(header: list[str], tmp_path: Path) -> None:
    source = tmp_path / "check.cpp"
    right = check_file()
    source.write_text(right)
    result = compile_with_gxx(source, "-fsyntax-only", *header)
    assert result.returncode == 0, result.stderr
    for old, new in (
        ("CUBLAS_OP_T == 1", "CUBLAS_OP_T == 2"),
        ("void*, size_t)", "void*, int)"),
        ("int, long long int, ", "int, int, "),
    ):
        assert old in right
        source.write_text(right.replace(old, new, 1))
        assert compile_with_gxx(source, "-fsyntax-only", *header).returncode != 0, f"{new} for {old} went unnoticed"


def test_the_stand_in_has_the_interface_of_the_header(header: list[str]) -> None:
    result = compile_with_gxx(SOURCE, "-fsyntax-only", "-DWITH_CUBLAS_HEADER", *header)
    assert result.returncode == 0, result.stderr
