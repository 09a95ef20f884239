"""train_test_split: a partition, in scikit-learn's order and sizes, reproducible, stratified; errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn.model_selection
from hypothesis import given
from hypothesis import strategies as st
from on_device import host, put

import minigrad as mg
from minigrad import data
from minigrad.data import train_test_split
from minigrad.errors import ShapeError


@given(st.integers(2, 60), st.floats(0.01, 0.99), st.integers(0, 2**63), st.booleans())
def test_a_partition_of_scikit_learns_sizes(device: str, n: int, fraction: float, seed: int, shuffle: bool) -> None:
    x, y = np.arange(n, dtype=np.float32)[:, None], np.arange(n)
    try:
        sizes = [len(a) for a in sklearn.model_selection.train_test_split(x, y, test_size=fraction)]
    except ValueError:
        with pytest.raises(ValueError, match="leaves one side empty"):
            train_test_split(x, y, test_size=fraction)
        return
    there = train_test_split(put(x, device), put(y, device), test_size=fraction, seed=seed, shuffle=shuffle)
    assert {type(a) for a in there} == {type(put(x, device))}
    x_train, x_test, y_train, y_test = map(host, there)
    assert [len(a) for a in (x_train, x_test, y_train, y_test)] == sizes
    np.testing.assert_array_equal(x_train[:, 0], y_train)
    np.testing.assert_array_equal(x_test[:, 0], y_test)
    both = np.concatenate([y_train, y_test])
    np.testing.assert_array_equal(np.sort(both), y)
    if not shuffle:
        np.testing.assert_array_equal(both, y)


def test_seeds() -> None:
    y = np.arange(50)
    first = train_test_split(y, seed=1)
    for again, part in zip(train_test_split(y, seed=1), first, strict=True):
        np.testing.assert_array_equal(again, part)
    assert not np.array_equal(train_test_split(y, seed=2)[1], first[1])
    assert not np.array_equal(np.sort(first[0]), first[0])  # the training part is shuffled too

    def unseeded() -> list[np.ndarray]:
        mg.manual_seed(3)
        return [train_test_split(y)[1], train_test_split(y)[1]]

    a, b = unseeded()
    c, d = unseeded()
    np.testing.assert_array_equal([a, b], [c, d])
    assert not np.array_equal(a, b)


def test_kinds_of_input(device: str) -> None:
    x = np.arange(20, dtype=np.float64).reshape(10, 2)
    text = np.array(list("abcdefghij"))
    parts = train_test_split(x, mg.tensor(x, device=device), text, list(range(10)), seed=0, test_size=3)
    assert [type(p) for p in parts[::2]] == [np.ndarray, mg.Tensor, np.ndarray, np.ndarray]
    assert [len(p) for p in parts[::2]] == [7] * 4
    for i in (0, 1):
        np.testing.assert_array_equal(parts[i], host(parts[2 + i]))
        assert parts[i].dtype == parts[2 + i].dtype == np.float64
        assert parts[2 + i].device == device
        np.testing.assert_array_equal(text[parts[6 + i]], parts[4 + i])
    iris = data.load("iris")
    assert [len(p) for p in train_test_split(iris, seed=0)] == [120, 30, 120, 30]


def test_the_parts_are_copies(device: str) -> None:
    x = put(np.arange(10), device)
    for shuffle in (True, False):
        for part in train_test_split(x, shuffle=shuffle):
            part[...] = -1
    np.testing.assert_array_equal(host(x), np.arange(10))


@given(st.lists(st.integers(2, 30), min_size=1, max_size=5), st.floats(0.1, 0.9), st.integers(0, 2**32))
def test_stratified_parts_have_the_proportions_of_the_whole(sizes: list[int], fraction: float, seed: int) -> None:
    classes = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(sizes)), sizes))
    n, k = len(classes), len(sizes)
    n_test = int(np.ceil(fraction * n))
    if n_test < k or n - n_test < k:
        with pytest.raises(ValueError, match=r"cannot hold|one side empty"):
            train_test_split(classes, test_size=fraction, stratify=classes)
        return
    train, test = train_test_split(classes, test_size=fraction, seed=seed, stratify=classes)
    assert len(test) == n_test
    counts = np.bincount(test, minlength=k)
    np.testing.assert_array_equal(counts + np.bincount(train, minlength=k), sizes)
    assert counts.min() >= 1
    assert (np.asarray(sizes) - counts).min() >= 1
    if min(sizes) * min(n_test, n - n_test) >= n:  # nowhere does the minimum of one sample interfere
        assert np.abs(counts - np.asarray(sizes) * n_test / n).max() <= 1


def test_stratify_by_text_and_by_tensor(device: str) -> None:
    labels = np.repeat(["b", "a"], [30, 10])
    _, test = train_test_split(labels, stratify=labels, seed=0)
    assert sorted(test) == ["a"] * 2 + ["b"] * 6
    assert list(test) != sorted(test)  # not grouped by class
    numbers = mg.tensor(np.repeat([0, 1], [30, 10]), device=device)
    _, test = train_test_split(numbers, stratify=numbers, seed=0)
    assert host(test).sum() == 2


X = np.zeros((10, 2))
ERRORS: list[tuple[tuple[Any, ...], dict[str, Any], type[Exception], str]] = [
    ((), {}, ValueError, "no arrays"),
    ((X, X[:9]), {}, ShapeError, "10, 9"),
    ((X, np.array(0)), {}, ShapeError, "array 1 is 0-d"),
    ((X[:0],), {}, ValueError, "length 0"),
    ((X[:1],), {}, ValueError, "1 rows leaves one side empty"),
    ((X,), {"test_size": 0}, ValueError, "test_size=0 of 10"),
    ((X,), {"test_size": 10}, ValueError, "test_size=10 of 10"),
    ((X,), {"test_size": -2}, ValueError, "test_size=-2"),
    ((X,), {"test_size": 1.0}, ValueError, "1.0"),
    ((X,), {"test_size": 0.0}, ValueError, "0.0"),
    ((X,), {"test_size": float("nan")}, ValueError, "nan"),
    ((X,), {"test_size": 0.95}, ValueError, "0.95"),
    ((X,), {"test_size": "0.2"}, TypeError, "str '0.2'"),
    ((X,), {"test_size": True}, TypeError, "bool True"),
    ((X,), {"seed": -1}, ValueError, "-1"),
    ((X,), {"seed": 0.5}, TypeError, "0.5"),
    ((X,), {"stratify": np.zeros(9)}, ShapeError, r"\(9,\)"),
    ((X,), {"stratify": np.arange(10) // 9}, ValueError, r"class 1 has 1 row"),
    ((X,), {"stratify": np.arange(10) // 2}, ValueError, "2 test rows of 10 cannot hold each of 5 classes"),
    ((X,), {"stratify": np.arange(10) % 2, "shuffle": False}, ValueError, "shuffle=True"),
]


@pytest.mark.parametrize(("arrays", "options", "error", "match"), ERRORS)
def test_errors_say_what_was_received(arrays: Any, options: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        train_test_split(*arrays, **options)
