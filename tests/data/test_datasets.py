"""data.load: shapes, dtypes, names and classes of every set; unknown names; scikit-learn missing."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from minigrad import data
from minigrad.errors import OptionalDependencyError

SETS = [
    ("digits", (1797, 64), 10),
    ("iris", (150, 4), 3),
    ("wine", (178, 13), 3),
    ("breast_cancer", (569, 30), 2),
    ("diabetes", (442, 10), 0),
]


@pytest.mark.parametrize(("name", "shape", "classes"), SETS)
def test_what_is_in_it(name: str, shape: tuple[int, int], classes: int) -> None:
    found = data.load(name)
    x, y = found
    assert x is found.x
    assert y is found.y
    assert found.name == name
    assert x.shape == shape
    assert x.dtype == np.float32
    assert x.flags.c_contiguous
    assert np.isfinite(x).all()
    assert y.shape == shape[:1]
    assert len(found) == shape[0]
    assert len(found.feature_names) == shape[1]
    assert all(isinstance(n, str) for n in found.feature_names + found.target_names)
    assert found.classes == classes
    if classes:
        assert found.task == "classification"
        assert y.dtype == np.int64
        assert np.unique(y).tolist() == list(range(classes))
        assert len(found.target_names) == classes
    else:
        assert found.task == "regression"
        assert y.dtype == np.float32
    assert name in repr(found)
    assert (found == data.load(name)) is False  # identity: comparing arrays gives no bool


def test_every_name_is_tested() -> None:
    assert {name for name, *_ in SETS} == set(data.NAMES)


def test_each_call_gives_arrays_of_its_own() -> None:
    data.load("iris").x[:] = 0
    assert data.load("iris").x.any()


@pytest.mark.parametrize("name", ["mnist", "", "Digits", 3, None])
def test_an_unknown_name_lists_the_known_ones(name: object) -> None:
    with pytest.raises(ValueError, match="digits, iris, wine, breast_cancer, diabetes"):
        data.load(name)  # type: ignore[arg-type]


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(OptionalDependencyError, match=r"(?s)data\.load\('digits'\).*sklearn.*minigrad-cupy\[train\]"):
        data.load("digits")
