"""What the kernel tests share: float32 arithmetic that rounds like the kernels, comparisons, and the launch of one
kernel under several grids, blocks, orders and placements, which must not matter."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import numpy as np
from hypothesis import strategies as st
from shim import HostKernels, guarded, intact, shifted

from minigrad.backend import kernels

f4 = np.float32
i4, i8, u4 = np.int32, np.int64, np.uint32

SIZES = st.sampled_from([0, 1, 3, 31, 33, 4095]) | st.integers(0, 600)
SEEDS = st.integers(0, 2**32 - 1)

SPECIAL = np.array([0.0, -0.0, 1e-45, -3e-39, np.inf, -np.inf, np.nan, 1e30, -1e30], f4)


def values(rng: np.random.Generator, shape: int | tuple[int, ...], special: bool = False) -> np.ndarray:
    """Normal numbers over eight decades; every tenth one special if asked for."""
    x = (rng.standard_normal(shape) * 10.0 ** rng.uniform(-6, 2, shape)).astype(f4)
    return np.where(rng.random(shape) < 0.1, rng.choice(SPECIAL, shape), x).astype(f4) if special else x


def fmaf(a: Any, b: Any, c: Any) -> np.ndarray:
    """float32 a * b + c, rounded once.

    The product is exact in double precision. The sum is rounded to odd there, which keeps the second rounding from
    adding to the first.
    """
    with np.errstate(all="ignore"):
        product = np.multiply(a, b, dtype=np.float64)
        c = np.asarray(c, np.float64)
        total = np.asarray(product + c)
        back = total - product
        error = (product - (total - back)) + (c - back)
        bits = total.view(np.int64)
        inexact = np.isfinite(total) & (error != 0) & (bits & 1 == 0)
        odd = bits + np.where(inexact, np.where((error > 0) == (total > 0), 1, -1), 0)
        return odd.view(np.float64).astype(f4)


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays hold the same bits; one nan is as good as another."""
    if a.dtype != b.dtype or a.shape != b.shape:
        return False
    if a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    both = np.isnan(a) & np.isnan(b)
    unsigned = np.dtype(f"u{a.dtype.itemsize}")
    return bool(np.all(both | (a.view(unsigned) == b.view(unsigned))))


def ulps(a: np.ndarray, b: np.ndarray) -> int:
    """How many float32 numbers lie between two arrays, at most; nan only matches nan."""
    assert np.array_equal(np.isnan(a), np.isnan(b)), "nan in different places"

    def ordered(x: np.ndarray) -> np.ndarray:
        bits = np.where(np.isnan(x), f4(0), x).astype(f4).view(i4).astype(i8)
        return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)

    return int(np.abs(ordered(a) - ordered(b)).max(initial=0))


@dataclass(frozen=True)
class Variant:
    """One way to launch the same thing."""

    grid: int
    block: int
    place: Callable[[Any], np.ndarray]
    reverse: bool = False


aligned, off_by_four = partial(shifted, offset=0), partial(shifted, offset=4)

VARIANTS = (
    Variant(1, 32, guarded),
    Variant(7, 128, aligned),
    Variant(2, 1024, aligned, reverse=True),
    Variant(5, 96, partial(shifted, offset=8)),
    Variant(40, 32, off_by_four, reverse=True),
    Variant(3, 256, guarded, reverse=True),
)
"""Offsets by 4 exist for floats and bytes only; a launch with 8-byte elements puts those at 8."""


def _put(variant: Variant, value: Any) -> Any:
    if not isinstance(value, np.ndarray):
        return value
    if variant.place is off_by_four and value.dtype.itemsize == 8:
        return shifted(value, 8)
    return variant.place(value)


def launch(host: HostKernels, entry: str, variant: Variant, /, **args: Any) -> dict[str, np.ndarray]:
    """Launch on copies.

    Args:
        host: the kernels.
        entry: which one.
        variant: how.
        **args: all arguments by the names of the kernel's parameters.

    Returns:
        The arrays that the kernel could write to, by name.
    """
    parameters = host.signatures[entry]
    assert set(args) == {p.name for p in parameters}
    placed = {p.name: _put(variant, args[p.name]) for p in parameters}
    host.launch(entry, variant.grid, variant.block, list(placed.values()), reverse=variant.reverse)
    for p in parameters:
        if isinstance(placed[p.name], np.ndarray):
            assert intact(placed[p.name]), f"{entry} wrote outside of {p.name}"
        if p.pointer and p.const and args[p.name] is not None:
            assert same_bits(placed[p.name], args[p.name]), f"{entry} wrote to {p.name}"
    return {p.name: placed[p.name] for p in parameters if p.pointer and not p.const and args[p.name] is not None}


def launch_all(
    host: HostKernels, entry: str, /, variants: Sequence[Variant] = VARIANTS, **args: Any
) -> dict[str, np.ndarray]:
    """Launch in every variant; all must give the same bits. Arguments and result as of `launch`."""
    first, *others = (launch(host, entry, v, **args) for v in variants)
    for variant, other in zip(variants[1:], others, strict=True):
        for name, array in first.items():
            assert same_bits(array, other[name]), f"{entry}: {name} under {variant} is not as under {variants[0]}"
    return first


def ticket() -> np.ndarray:
    return np.zeros(1, u4)


@cache
def _bodies() -> dict[str, tuple[str, str]]:
    """For each kernel its file, and its text from the parameters on."""
    entry = re.compile(r'^extern "C" __global__ void (\w+)\((.*?)^\}', re.DOTALL | re.MULTILINE)
    return {e: (name, body) for name in kernels.names() for e, body in entry.findall(kernels.source(name))}


_SHARES = re.compile("__syncthreads|last_block|tree_reduce|block_sum|update_all|each_row|sum_columns")


def entries_with_barriers() -> set[str]:
    """The kernels whose threads share memory, in any file."""
    return {entry for entry, (_, body) in _bodies().items() if _SHARES.search(body)}


def updates() -> dict[str, tuple[str, list[str]]]:
    """For each optimizer's kernel its file, and the names of its state buffers: those between g and n."""
    found = {entry: name for entry, (name, body) in _bodies().items() if "update_all<" in body}
    parameters = {e: [p.name for p in kernels.signatures(kernels.source(name))[e]] for e, name in found.items()}
    return {e: (name, parameters[e][2 : parameters[e].index("n")]) for e, name in found.items()}


def update_arguments(entry: str, n: int, seed: int) -> dict[str, Any]:
    """All arguments of an optimizer's kernel, with every flag set and one class of parameters."""
    rng = np.random.default_rng(seed)
    return {
        **{name: np.abs(values(rng, n)) for name in ("p", "g", *updates()[entry][1])},
        "n": i8(n),
        "average": values(rng, n),
        "table": rng.uniform(0.1, 1.0, (2, 1, 16)),
        "classes": i4(1),
        "columns": i4(16),
        "capacity": i4(2),
        "state": np.array([7, 0, 0], u4),
        "live": np.ones(-(-n // 64), np.uint8),
        "total": np.array([4.0]),
        "flags": i4(255),
    }
