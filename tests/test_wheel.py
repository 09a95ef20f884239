"""What is in the wheel: an installed minigrad finds its CUDA kernels inside itself, and they compile."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shim import HostKernels

from minigrad.backend import kernels

ROOT = Path(__file__).resolve().parents[1]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("pip") is None, reason="pip is not installed"),
]

PROGRAM = """
import json, pathlib, sys
root, site = sys.argv[1:]
sys.path[:] = [site, *(p for p in sys.path if pathlib.Path(p).resolve() != pathlib.Path(root))]
import minigrad
from minigrad.backend import kernels
sources = {name: kernels.source(name) for name in kernels.names()}
entries = {name: sorted(kernels.signatures(text)) for name, text in sources.items()}
print(json.dumps([minigrad.__file__, str(kernels.folder()), entries, sources]))
"""


def pip(*arguments: str | Path) -> None:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *map(str, arguments)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """Where the wheel of this checkout is installed, and what PROGRAM finds there."""
    wheels, site, away = (tmp_path_factory.mktemp(name) for name in ("wheels", "site", "away"))
    here = importlib.util.find_spec("hatchling") is not None
    pip("wheel", "--no-deps", *(["--no-build-isolation"] if here else []), "--wheel-dir", wheels, ROOT)
    pip("install", "--no-deps", "--no-index", "--target", site, *wheels.iterdir())
    command = [sys.executable, "-c", PROGRAM, str(ROOT), str(site)]
    ran = subprocess.run(command, cwd=away, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return site, json.loads(ran.stdout)


def test_an_installed_package_has_its_kernels(installed: tuple[Path, Any]) -> None:
    site, (module, folder, entries, sources) = installed
    assert Path(module) == site / "minigrad" / "__init__.py"
    assert Path(folder) == site / "minigrad" / "_kernels"
    assert "adam_f32" in entries["adam"]
    assert sources == {name: kernels.source(name) for name in kernels.names()}


@pytest.mark.gxx
def test_an_installed_kernel_compiles(installed: tuple[Path, Any]) -> None:
    _, (_, _, _, sources) = installed
    x, out = np.ones((2, 3), np.float32), np.zeros(2, np.float32)
    HostKernels(sources["rows"]).launch("row_sum_f32", 1, 32, [x, out, np.int64(2), np.int32(3)])
    assert out.tolist() == [3, 3]
