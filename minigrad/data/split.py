"""Splitting samples into a training and a test set."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backend import random
from ..backend.array import is_integer, to_device, to_host
from ..backend.device import device_of, on_device, provider_of
from ..errors import ShapeError
from ..tensor import Tensor, as_raw
from .checks import check_lengths, check_seed
from .datasets import Dataset


def train_test_split(
    *arrays: Any, test_size: float | int = 0.2, seed: int | None = None, shuffle: bool = True, stratify: Any = None
) -> list[Any]:
    """Split arrays by rows, all in the same way.

    As scikit-learn's function of that name, except that test_size is 0.2 unless given, that the seed is called `seed`,
    and that a stratified split puts a row of every class on both sides.

    Args:
        *arrays: arrays, Tensors or lists of equal first lengths; a Dataset stands for its x and y.
        test_size: share of the rows in (0, 1), rounded up, or a number of rows.
        seed: fixes the split; None draws one from the global seed.
        shuffle: draw the test rows at random; False takes the last ones.
        stratify: (n,) classes; every class is split in the same proportion, each with a row on both sides.

    Returns:
        [train, test] for each array in turn: x_train, x_test, y_train, y_test = train_test_split(x, y). Copies, of the
        kind that was given (arrays for lists).

    Raises:
        ShapeError: an array without rows to count, or lengths that differ.
        TypeError: a test_size or seed that is no number.
        ValueError: no arrays, no rows, a test_size that leaves a side empty, a class with fewer than two rows, or
            stratify without shuffle.
    """
    items = [item for a in arrays for item in (a if isinstance(a, Dataset) else (a,))]
    if not items:
        raise ValueError("train_test_split: no arrays were given")
    items = [a if provider_of(as_raw(a)) is not None else np.asarray(a) for a in items]
    n = check_lengths("train_test_split", items)
    n_test = _test_rows(test_size, n)
    if seed is not None:
        check_seed("train_test_split", seed)
    if stratify is not None:
        if not shuffle:
            raise ValueError("train_test_split: stratify needs shuffle=True")
        test = _stratified(np.asarray(to_host(as_raw(stratify))), n, n_test, _generator(seed))
    elif shuffle:
        test = _generator(seed).permutation(n)[:n_test]
    else:
        test = np.arange(n - n_test, n)
    chosen = np.zeros(n, bool)
    chosen[test] = True
    order = _generator(seed).permutation(n) if shuffle else np.arange(n)
    # both sides in shuffled order: the rows of a file are often sorted by class
    train_rows, test_rows = order[~chosen[order]], order[chosen[order]]
    return [_rows(a, rows) for a in items for rows in (train_rows, test_rows)]


def _test_rows(test_size: Any, n: int) -> int:
    """The number of test rows that test_size asks for."""
    if is_integer(test_size):
        n_test = int(test_size)
    elif isinstance(test_size, (float, np.floating)):
        if not 0 < test_size < 1:
            raise ValueError(f"train_test_split: a share test_size must be in (0, 1), got {test_size}")
        n_test = math.ceil(test_size * n)
    else:
        raise TypeError(
            f"train_test_split: test_size must be a share or an integer, got {type(test_size).__name__} {test_size!r}"
        )
    if not 0 < n_test < n:
        raise ValueError(f"train_test_split: test_size={test_size!r} of {n} rows leaves one side empty")
    return n_test


def _generator(seed: int | None) -> np.random.Generator:
    return random.generator("split") if seed is None else random.stream_of(seed, "split")


def _rows(array: Any, rows: np.ndarray) -> Any:
    """The rows of an array or Tensor, on its device."""
    raw = as_raw(array)
    index = to_device(rows, device_of(raw))
    if isinstance(array, Tensor):
        return array[index]
    provider = provider_of(raw)
    with on_device(device_of(raw)):
        return raw[rows] if provider is None else provider.xp.take(raw, index, axis=0)


def _stratified(classes: np.ndarray, n: int, n_test: int, generator: np.random.Generator) -> np.ndarray:
    """Test rows with every class in proportion: the largest remainders get the rows that rounding leaves over."""
    if classes.shape != (n,):
        raise ShapeError(f"train_test_split: stratify must have shape ({n},), got {classes.shape}")
    names, inverse, counts = np.unique(classes, return_inverse=True, return_counts=True)
    if counts.min() < 2:
        raise ValueError(
            f"train_test_split: class {names[counts.argmin()].item()!r} has {counts.min()} row(s); stratify needs two"
        )
    if n_test < len(names) or n - n_test < len(names):
        raise ValueError(f"train_test_split: {n_test} test rows of {n} cannot hold each of {len(names)} classes")
    exact = counts * (n_test / n)
    share = np.clip(np.floor(exact).astype(int), 1, counts - 1)
    while share.sum() != n_test:
        step = 1 if share.sum() < n_test else -1
        room = share < counts - 1 if step > 0 else share > 1
        share[np.where(room, (exact - share) * step, -np.inf).argmax()] += step
    rows = [generator.permutation(np.flatnonzero(inverse == i))[:k] for i, k in enumerate(share)]
    return np.concatenate(rows)
