"""class_weights and sample_weights: against scikit-learn and PyTorch's meaning of weight, and errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import sklearn.utils.class_weight
from hypothesis import given
from hypothesis import strategies as st
from on_device import host, put

import minigrad as mg
from minigrad.data import class_weights, sample_weights
from minigrad.errors import DTypeError, ShapeError


@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(0, 2**32))
def test_as_in_scikit_learn(device: str, counts: list[int], seed: int) -> None:
    y = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    expected = sklearn.utils.class_weight.compute_class_weight("balanced", classes=np.arange(len(counts)), y=y)
    there = put(y, device)
    found = class_weights(there)
    assert isinstance(found, type(there))
    assert found.dtype == np.float32
    np.testing.assert_allclose(host(found), expected, rtol=1e-6)
    again = class_weights(mg.tensor(there), classes=len(counts))
    np.testing.assert_array_equal(host(again), host(found))
    each = sample_weights(there)
    assert isinstance(each, np.ndarray)
    assert each.dtype == np.float32
    np.testing.assert_array_equal(each, host(found)[y])
    np.testing.assert_allclose(each.mean(), 1, rtol=1e-5)
    np.testing.assert_array_equal(sample_weights(y.tolist()), each)


def test_every_class_counts_alike_in_the_loss(device: str) -> None:
    """With these weights the loss is the mean over the classes of each class' mean."""
    y = np.array([0, 0, 0, 0, 1, 2, 2])
    logits = mg.tensor(np.random.default_rng(0).normal(size=(7, 3)), device=device)
    labels = mg.tensor(y, device=device)
    rows = host(mg.nn.functional.cross_entropy(logits, labels, reduction="none"))
    loss = mg.nn.functional.cross_entropy(logits, labels, class_weights(labels).astype(float))
    np.testing.assert_allclose(loss.item(), np.mean([rows[y == c].mean() for c in range(3)]), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["int8", "uint64", ">i4"])
def test_integers_of_any_width(dtype: str) -> None:
    np.testing.assert_array_equal(class_weights(np.array([0, 1, 1, 1], dtype)), np.float32([2, 4 / 6]))


ERRORS: list[tuple[Any, dict[str, Any], type[Exception], str]] = [
    ([0, 2, 2], {}, ValueError, "class 1 of 3 has no rows"),
    ([1, 1], {}, ValueError, "class 0 of 2 has no rows"),
    ([0, 1], {"classes": 3}, ValueError, "class 2 of 3 has no rows"),
    ([0, 10**18], {}, ValueError, "class 1 of 1000000000000000001 has no rows"),
    ([0, 1], {"classes": 1}, ValueError, r"the classes must be 0\.\.0, got 1"),
    ([0, -1], {}, ValueError, r"must be 0\.\.0, got -1"),
    ([], {}, DTypeError, "float64"),
    (np.zeros(0, int), {}, ValueError, "y has no rows"),
    ([[0, 1]], {}, ShapeError, r"y must be \(n,\), got shape \(1, 2\)"),
    ([0.0, 1.0], {}, DTypeError, r"y must be integers 0\.\.C-1, got dtype float64"),
    (["a", "b"], {}, DTypeError, "<U1; data.load codes text so"),
    ([0, 1], {"classes": 2.0}, TypeError, r"float 2\.0"),
    ([0, 1], {"classes": True}, TypeError, "bool True"),
]


@pytest.mark.parametrize(("y", "options", "error", "match"), ERRORS)
def test_errors(y: Any, options: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=f"class_weights: .*{match}"):
        class_weights(y, **options)
    if not options:
        with pytest.raises(error, match=f"sample_weights: .*{match}"):
            sample_weights(y)
