"""Matrices with a known condition: singular values, eigenvalues and their gaps are bounded by theorems, not by luck."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from ...backend.array import to_device
from ...backend.device import resolve_device

Shape = tuple[int, ...]


def well_conditioned(
    n: int, *, batch: Shape = (), dtype: Any = "float64", device: str = "cpu"
) -> st.SearchStrategy[Any]:
    """Square matrices with all singular values in [1/2, 5/2], so a condition number of at most 5.

    Diagonally dominant ones with their rows permuted: sigma >= min(|a_ii| - (r_i + c_i) / 2), r and c the sums of the
    other magnitudes of row and column i (Qi 1984, Linear Algebra Appl. 56).

    Args:
        n: rows and columns.
        batch: leading axes.
        dtype: floating-point dtype; the numbers are dyadic.
        device: where they go.

    Returns:
        A strategy of raw arrays of shape (*batch, n, n).
    """

    def one(rng: np.random.Generator | None) -> np.ndarray:
        a = _small(rng, n)
        signs, rows = np.ones(n), np.arange(n)
        diagonal = 1 + np.arange(n) / _power(n)
        if rng is not None:
            signs, rows, diagonal = rng.choice([-1.0, 1.0], n), rng.permutation(n), rng.permutation(diagonal)
        np.fill_diagonal(a, signs * diagonal)
        return a[rows]

    return _batched(one, batch, dtype, device)


def symmetric(
    n: int, *, min_gap: float = 1 / 4, batch: Shape = (), dtype: Any = "float64", device: str = "cpu"
) -> st.SearchStrategy[Any]:
    """Symmetric matrices whose eigenvalues are at least `min_gap` apart, by disjoint Gershgorin discs.

    Args:
        n: rows and columns.
        min_gap: between two eigenvalues.
        batch: leading axes.
        dtype: floating-point dtype; the numbers are dyadic where min_gap is.
        device: where they go.

    Returns:
        A strategy of raw arrays of shape (*batch, n, n).
    """
    return _batched(lambda rng: _gershgorin(rng, n, -(n // 2) * (1 + min_gap) - 1 / 2, min_gap), batch, dtype, device)


def positive_definite(
    n: int, *, min_gap: float = 1 / 4, batch: Shape = (), dtype: Any = "float64", device: str = "cpu"
) -> st.SearchStrategy[Any]:
    """Symmetric matrices whose eigenvalues are at least 1/2, and `min_gap` apart.

    Args:
        n: rows and columns.
        min_gap: between two eigenvalues.
        batch: leading axes.
        dtype: floating-point dtype.
        device: where they go.

    Returns:
        A strategy of raw arrays of shape (*batch, n, n).
    """
    return _batched(lambda rng: _gershgorin(rng, n, 1.0, min_gap), batch, dtype, device)


def _power(n: int) -> int:
    """The power of two that is at least n."""
    return 1 << max(n - 1, 0).bit_length()


def _small(rng: np.random.Generator | None, n: int) -> np.ndarray:
    """Entries off the diagonal that add up to at most 1/2 in every row and column, none of them 0."""
    unit = 1 / (16 * _power(n))
    if rng is None:
        return np.full((n, n), unit)
    return rng.choice([-1, 1], (n, n)) * rng.integers(1, 9, (n, n)) * unit


def _gershgorin(rng: np.random.Generator | None, n: int, start: float, gap: float) -> np.ndarray:
    """Discs of radius at most 1/2 around start, start + 1 + gap, ..."""
    a = _small(rng, n)
    a = np.triu(a, 1)
    a = a + a.T
    centres = start + (1 + gap) * np.arange(n)
    np.fill_diagonal(a, centres if rng is None else rng.permutation(centres))
    return a


def _batched(one: Any, batch: Shape, dtype: Any, device: str) -> st.SearchStrategy[Any]:
    label = resolve_device(device)
    count = int(np.prod(batch, dtype=int))

    def build(seed: int) -> Any:
        rng = np.random.default_rng(seed) if seed else None
        matrices = [one(rng) for _ in range(count)]
        n = one(None).shape[0]
        stacked = np.array(matrices).reshape(*batch, n, n)
        return to_device(np.ascontiguousarray(stacked, np.dtype(dtype)), label)

    return st.integers(0, 2**16).map(build)
