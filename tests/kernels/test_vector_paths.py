"""Aligned memory goes by 16 bytes at a time: with the other path taken out, results are still right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_support import (
    Variant,
    aligned,
    f4,
    i4,
    i8,
    launch,
    off_by_four,
    same_bits,
    update_arguments,
    updates,
    values,
)
from shim import HostKernels, host_kernels

from minigrad.backend import kernels

pytestmark = pytest.mark.gxx

N = 512
RNG = np.random.default_rng(0)
X, Y, Z = (np.abs(values(RNG, N)) for _ in range(3))
MATRIX = {"rows": i8(8), "columns": i4(64)}
TAIL = ("i = done + grid_index(); i < n", "i = done + grid_index(); i < done")
CASES: dict[str, tuple[str, tuple[str, str], dict[str, Any]]] = {
    **{entry: (name, TAIL, update_arguments(entry, N, 1)) for entry, (name, _) in updates().items()},
    "clip_by_norm_f32": (
        "norm",
        TAIL,
        {"g": X, "n": i8(N), "total": np.array([4.0]), "max_norm": np.array([1.0]), "norm_out": np.zeros(1, f4)},
    ),
    "bias_act_f32": (
        "bias_act",
        ("*cell = activate(", "if (at.row < 0) *cell = activate("),
        {"z": X, "bias": Y[:64], **MATRIX, "activation": i4(1)},
    ),
    "dropout_f32": (
        "dropout",
        ("            out[first + k] = masked", "            if (k < 0) out[first + k] = masked"),
        {"x": X, "out": Y, "mask": np.zeros(N, np.uint8), "n": i8(N), "state": np.ones(6, np.uint64),
         "threshold": np.uint64(2**31), "scale": f4(2)},
    ),
    "gather_rows_f32": (
        "gather",
        ("        copy_rows(table, rows, out,", "        copy_rows(table, rows, out, 0 *"),
        {"table": X, "rows": np.array([3, 1, 9]), "out": Y[:192], "count": i8(3), "width": i8(64), "height": i8(8)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("entry", CASES)
def test_the_vector_path_is_taken(entry: str) -> None:
    name, (old, new), args = CASES[entry]
    text = kernels.source(name)
    assert old in text
    crippled = HostKernels(text.replace(old, new), ("-O1",))
    written = {p.name for p in crippled.signatures[entry] if p.pointer and not p.const}
    for place, works in ((aligned, True), (off_by_four, False)):
        variant = Variant(2, 64, place)
        want, got = (launch(host, entry, variant, **args) for host in (host_kernels(name), crippled))
        assert all(same_bits(want[k], got[k]) for k in written) == works
