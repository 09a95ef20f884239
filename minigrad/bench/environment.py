"""What a reader needs to know of the machine and the versions behind a result."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np

from ..backend.device import accelerator, provider_for
from ..version import __version__
from .blas import blas_kernels


def environment(device: str, threads: int | None) -> dict[str, Any]:
    """Machine, versions and commit.

    Args:
        device: the full label of where the steps ran.
        threads: of NumPy's BLAS, None where that is not known.
    """
    blas = np.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})
    provider = accelerator() if device != "cpu" else None
    return {
        "machine": platform.machine(),
        "system": platform.system(),
        "processor": processor(),
        "cpus": os.cpu_count(),
        "blas": f"{blas.get('name', 'unknown')} {blas.get('version', '')}".strip(),
        "blas_kernels": blas_kernels(),
        "blas_threads": threads,
        "device": device,
        "provider": type(provider or provider_for("cpu")).__name__,
        "versions": {"minigrad": __version__, "python": platform.python_version(), "numpy": np.__version__},
        "commit": commit(),
        "date": time.strftime("%Y-%m-%d"),
    }


def processor() -> str:
    """The name of the processor, as far as the system tells."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text("utf-8"), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor()


def commit() -> str | None:
    """The commit of the checkout that this library runs from, with "+" where it was changed since; None outside one."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(root), *words], capture_output=True, text=True, check=True, timeout=20)
        return done.stdout.strip()

    try:
        changed = git("status", "--porcelain", "--untracked-files=no", "--", "minigrad", "kernels")
        return git("rev-parse", "--short", "HEAD") + ("+" if changed else "")
    except (OSError, subprocess.SubprocessError):
        return None
