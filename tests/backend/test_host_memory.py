"""Freed memory is kept on glibc, unless the environment says otherwise."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
CODE = """
import resource
import numpy as np
from minigrad.backend.device import HOST
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        kept = [np.ones(1_000_000) for _ in range(4)]
        del kept
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(HOST.keeps_memory, faults())
"""


def run(**environment: str) -> tuple[bool, int]:
    """(whether memory is kept, page faults of making and freeing four arrays of 8 MB ten times)."""
    own = {k: v for k, v in os.environ.items() if not k.startswith(("MALLOC_", "GLIBC_TUNABLES", "MINIGRAD_KEEP"))}
    done = subprocess.run(
        [sys.executable, "-c", CODE], env={**own, **environment}, capture_output=True, text=True, check=True
    )
    kept, faults = done.stdout.split()
    return kept == "True", int(faults)


@glibc
def test_new_arrays_reuse_freed_memory() -> None:
    kept, faults = run()
    assert kept
    assert faults < 1000
    off, more = run(MINIGRAD_KEEP_MEMORY="0")
    assert not off
    assert more > 10 * faults


@pytest.mark.parametrize(
    "environment",
    [
        {"MINIGRAD_KEEP_MEMORY": "0"},
        {"MINIGRAD_KEEP_MEMORY": "lots"},
        {"MINIGRAD_KEEP_MEMORY": "-1"},
        {"MALLOC_TRIM_THRESHOLD_": "131072"},
        {"GLIBC_TUNABLES": "glibc.malloc.trim_threshold=131072"},
    ],
    ids=str,
)
def test_a_choice_of_the_users_stands(environment: dict[str, str]) -> None:
    assert not run(**environment)[0]
