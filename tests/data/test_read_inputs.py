"""data.read_inputs: columns by name in the model's order, known and unknown targets, errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minigrad import data
from minigrad.errors import DTypeError, FileFormatError

X = np.array([[1.5, 2, 3], [4, 5, 6], [7, 8, 9]])


def write(folder: Path, text: str) -> Path:
    path = folder / "new.csv"
    path.write_text(text)
    return path


@given(order=st.permutations(range(6)), seed=st.integers(0, 2**32))
def test_columns_are_found_whatever_their_order(
    tmp_path_factory: pytest.TempPathFactory, order: list[int], seed: int
) -> None:
    """Also after a model was trained: the class of each row does not depend on the order of the columns."""
    rng = np.random.default_rng(seed)
    x, labels = rng.normal(size=(5, 4)), rng.choice(["no", "yes"], 5)
    columns: dict[str, Any] = {f"c{i}": x[:, i].tolist() for i in range(4)}
    columns |= {"Label": labels.tolist(), "further": ["text"] * 5}
    names = [list(columns)[i] for i in order]
    rows = zip(*(columns[n] for n in names), strict=True)
    text = "\n".join(",".join(map(str, row)) for row in [names, *rows])
    path = write(tmp_path_factory.getbasetemp(), text)
    found, y = data.read_inputs(path, ("c2", "c0", "c3"), target_names=("yes", "no"))
    np.testing.assert_array_equal(found, x[:, [2, 0, 3]])
    assert found.dtype == np.float64
    assert found.flags.c_contiguous
    assert y is not None
    assert y.dtype == np.int64
    np.testing.assert_array_equal(y, labels == "no")


CSV: list[tuple[str, dict[str, Any], list[float] | None]] = [
    ("a,b\n1,2\n3,4\n", {}, None),
    ("a,b\n1,2\n3,4\n", {"target": "price"}, None),
    ("a,b,y\n1,2,\n3,4, \n", {}, None),
    ("a,b,price\n1,2,\n3,4,\n", {"target": "price"}, None),
    ("a,b,price\n1,2,5.5\n3,4,6\n", {}, None),
    ("a,b,price\n1,2,5.5\n3,4,6\n", {"target": "price"}, [5.5, 6]),
    ("a,b,y,class\n1,2,5,p\n3,4,6,q\n", {"target": "y"}, [5, 6]),
    ("a,b,y\n1,2,1\n3,4,0\n", {"target_names": ("0", "1")}, [1, 0]),
    ("a,b,y\n1,2,1.0\n3,4,0e5\n", {"target_names": ("0", "1")}, [1, 0]),
    ("a,b,y\n1,2,p\n3,4,1\n", {"target_names": ("1", "p")}, [1, 0]),
    ("a,b,y\n1,2,1.50\n3,4,1.50\n", {"target_names": ("1.50", "n/a")}, [0, 0]),
    ("b,y,a\n2,q,1\n4,q,3\n", {"target_names": ("p", "q")}, [1, 1]),
]


@pytest.mark.parametrize(("text", "options", "due"), CSV)
def test_targets_where_they_are_known(
    tmp_path: Path, text: str, options: dict[str, Any], due: list[float] | None
) -> None:
    x, y = data.read_inputs(write(tmp_path, text), ["a", "b"], dtype=np.float32, **options)
    np.testing.assert_array_equal(x, [[1, 2], [3, 4]])
    assert x.dtype == np.float32
    if due is None:
        assert y is None
    else:
        assert y is not None
        assert y.dtype == (np.int64 if options.get("target_names") else np.float32)
        np.testing.assert_array_equal(y, due)


def test_a_single_column_and_a_single_row(tmp_path: Path) -> None:
    x, y = data.read_inputs(write(tmp_path, "a\n5\n"), ["a"])
    np.testing.assert_array_equal(x, [[5]])
    assert y is None


def test_a_model_may_have_an_input_called_y(tmp_path: Path) -> None:
    path = write(tmp_path, "x,y,label\n1,2,p\n3,4,q\n")
    x, y = data.read_inputs(path, ["x", "y"], target_names=["p", "q"])
    np.testing.assert_array_equal(x, [[1, 2], [3, 4]])
    np.testing.assert_array_equal(y, [0, 1])


NPZ: list[tuple[dict[str, Any], tuple[str, ...], list[float] | None]] = [
    ({}, (), None),
    ({"y": [0.5, 1, 2]}, (), [0.5, 1, 2]),
    ({"y": [1, 0, 1]}, ("0", "1"), [1, 0, 1]),
    ({"y": [1.0, 0, 1]}, ("0", "1"), [1, 0, 1]),
    ({"y": [True, False, True]}, ("False", "True"), [1, 0, 1]),
    ({"y": ["q", "p", "q"]}, ("p", "q"), [1, 0, 1]),
    ({"y": [1, 1, 1]}, ("0", "1"), [1, 1, 1]),
    ({"y": [0, 1, 0], "target_names": ["q", "p"]}, ("p", "q"), [1, 0, 1]),
    ({"y": [0, 0, 0], "target_names": ["q", "p"]}, ("p", "q"), [1, 1, 1]),
]


@pytest.mark.parametrize(("arrays", "classes", "due"), NPZ)
def test_archives(tmp_path: Path, arrays: dict[str, Any], classes: tuple[str, ...], due: list[float] | None) -> None:
    path = tmp_path / "new.npz"
    np.savez(path, x=X, **arrays)
    x, y = data.read_inputs(path, ["a", "b", "c"], target_names=classes)
    np.testing.assert_array_equal(x, X)
    assert x.flags.writeable
    if due is None:
        assert y is None
    else:
        np.testing.assert_array_equal(y, due)
    np.savez(path, x=X, feature_names=["c", "a", "b"], **arrays)
    x, _ = data.read_inputs(path, ["a", "b", "c"], target_names=classes)
    np.testing.assert_array_equal(x, X[:, [1, 2, 0]])
    assert x.flags.c_contiguous


@pytest.mark.parametrize("name", ["iris", "digits", "diabetes"])
def test_a_named_set_is_read_whole(name: str) -> None:
    whole = data.load(name, dtype=np.float64)
    x, y = data.read_inputs(name, whole.feature_names, target=whole.target, target_names=whole.target_names)
    np.testing.assert_array_equal(x, whole.x)
    np.testing.assert_array_equal(y, whole.y)


def test_what_load_reads_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path, "b,kind,a\n1,9,2\n3,10,4\n5,9,6\n7,10,8\n")
    found = data.load(path, target="kind")
    x, y = data.read_inputs(path, found.feature_names, target=found.target, target_names=found.target_names)
    np.testing.assert_array_equal(x, found.x)
    np.testing.assert_array_equal(y, found.y)


CSV_ERRORS: list[tuple[str, dict[str, Any], str]] = [
    ("b,c\n1,2\n", {}, r"the model's column\(s\) 'a' are missing; there are 'b', 'c'"),
    ("c\n1\n", {}, r"column\(s\) 'a', 'b' are missing"),
    ("a,b\n", {}, "no rows under the header"),
    ("a,b\n1,x\n", {}, "line 2, column 'b': 'x' is not a number"),
    ("a,b\n1,\n", {}, "line 2, column 'b': the value is missing"),
    ("a,b,y\n1,2,3\n1,2,\n", {}, "line 3, column 'y': the value is missing"),
    ("a,b,y\n1,2,p\n", {}, "line 2, column 'y': 'p' is not a number; a regression needs numbers"),
    (
        "a,b,y\n1,2,p\n1,2,cat\n",
        {"target_names": ("p", "q")},
        "line 3, column 'y': 'cat' is not a class of the model, which has 'p', 'q'",
    ),
    ("a,b,y\n1,2,0.5\n", {"target_names": ("0", "1")}, "line 2, column 'y': '0.5' is not a class of the model"),
    ("a,b,y\n1,2,1e99\n", {"target_names": ("0", "1")}, "'1e99' is not a class of the model"),
    ("a,b,y\n1,2,nan\n", {"target_names": ("0", "1")}, "'nan' is not a class of the model"),
    ("a,b,y,label\n1,2,3,4\n", {}, "several columns .*'y', 'label'; name one by target= or --target"),
    ("1,2\n3,4\n", {}, "the first line must name the columns"),
]


@pytest.mark.parametrize(("text", "options", "match"), CSV_ERRORS)
def test_errors_of_tables(tmp_path: Path, text: str, options: dict[str, Any], match: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(FileFormatError, match=match) as caught:
        data.read_inputs(path, ["a", "b"], **options)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).isprintable()


NPZ_ERRORS: list[tuple[dict[str, Any], tuple[str, ...], str]] = [
    ({"x": X[:, :2]}, (), "x has 2 columns, the model takes 3: 'a', 'b', 'c'"),
    ({"x": X, "feature_names": ["a", "b", "d"]}, (), r"column\(s\) 'c' are missing; there are 'a', 'b', 'd'"),
    ({"x": X, "y": ["p", "q", "p"]}, (), "y holds text such as 'p'; a regression needs numbers"),
    ({"x": X, "y": ["p", "q", "p"]}, ("p", "r"), r"y\[1\]: 'q' is not a class of the model, which has 'p', 'r'"),
    ({"x": X, "y": [0, 1, 2]}, ("0", "1"), r"y\[2\]: '2' is not a class of the model"),
    ({"x": X, "y": [0, 1, 0.5]}, ("0", "1"), r"y\[2\]: '0.5' is not a class of the model"),
    ({"y": [0, 1]}, (), r"must hold the array x \(and y, if it is known\)"),
]


@pytest.mark.parametrize(("arrays", "classes", "match"), NPZ_ERRORS)
def test_errors_of_archives(tmp_path: Path, arrays: dict[str, Any], classes: tuple[str, ...], match: str) -> None:
    path = tmp_path / "new.npz"
    np.savez(path, **arrays)
    with pytest.raises(FileFormatError, match=match) as caught:
        data.read_inputs(path, ["a", "b", "c"], target_names=classes)
    assert str(caught.value).startswith(f"{path}: ")


OTHER_ERRORS: list[tuple[Any, Any, dict[str, Any], type[Exception], str]] = [
    ("iris", ["a"], {}, FileFormatError, r"iris: the model's column\(s\) 'a' are missing; there are 'sepal length"),
    ("nonsense", ["a"], {}, ValueError, "unknown data set 'nonsense'"),
    (3, ["a"], {}, ValueError, "unknown data set 3"),
    ("none.csv", ["a"], {}, FileNotFoundError, "none.csv: there is no such file"),
    ("none.npz", ["a"], {}, FileNotFoundError, "none.npz: there is no such file"),
    ("none/such", ["a"], {}, FileNotFoundError, "none/such: there is no such file"),
    ("none.csv", [], {}, ValueError, "feature_names is empty"),
    ("none.csv", ["a"], {"target": "a"}, ValueError, "target='a' is one of the model's inputs"),
    ("none.csv", ["a"], {"target": 1}, TypeError, "int 1"),
    ("none.csv", ["a"], {"dtype": int}, DTypeError, "float32 or float64"),
]


@pytest.mark.parametrize(("source", "features", "options", "error", "match"), OTHER_ERRORS)
def test_other_errors(source: Any, features: Any, options: Any, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        data.read_inputs(source, features, **options)


def test_classes_of_another_set() -> None:
    iris = data.load("iris")
    with pytest.raises(
        FileFormatError, match=r"iris: y\[0\]: 'setosa' is not a class of the model, which has 'p', 'q'"
    ):
        data.read_inputs("iris", iris.feature_names, target_names=("p", "q"))
    with pytest.raises(FileFormatError, match="iris: y holds text such as 'setosa'; a regression needs numbers"):
        data.read_inputs("iris", iris.feature_names)
