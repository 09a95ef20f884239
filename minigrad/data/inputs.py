"""Inputs for a trained model: the columns it was trained on, in its order, and targets where they are known."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import FileFormatError
from . import targets
from .csv_file import Table, read_csv
from .datasets import NAMES, load
from .files import check_dtype, is_path, listed, shown_path, suffix_of
from .npz_file import read_npz


def read_inputs(
    source: str | os.PathLike[str],
    feature_names: Sequence[str],
    *,
    target: str | None = None,
    target_names: Sequence[str] = (),
    dtype: Any = np.float64,
) -> tuple[np.ndarray, np.ndarray | None]:
    """Samples for a trained model, from a file or a named set.

    Columns that have names are picked by them, in the model's order; columns that the model does not know are left
    alone. An .npz file without feature_names must have as many columns as the model, in its order.

    Args:
        source: a name or a path, as `load` takes it; y and the column of targets may be missing.
        feature_names: of the model's inputs.
        target: the column of a .csv file that may hold targets; None looks for one called target, label, class or y.
        target_names: of the model's classes; empty for a regression.
        dtype: of x and of a regression's y: float32 or float64.

    Returns:
        x (n, features), and y: (n,) int64 classes by target_names, (n,) values, or None where none are known. Targets
        that are all empty are not known.

    Raises:
        ValueError, OptionalDependencyError, OSError, FileFormatError: as `load`; a column is missing, or a target is
            no class of the model.
    """
    kind = check_dtype("data.read_inputs", dtype)
    targets.check_options("data.read_inputs", target, None)
    features, classes = tuple(feature_names), tuple(target_names)
    if not features:
        raise ValueError("data.read_inputs: feature_names is empty; give the names of the model's inputs")
    if target is not None and target in features:
        raise ValueError(f"data.read_inputs: target={target!r} is one of the model's inputs")
    name = os.fspath(source) if isinstance(source, os.PathLike) else source
    path = isinstance(name, str) and name not in NAMES and is_path(name)
    if path and suffix_of(name) == ".npz":
        return _from_npz(name, features, classes, kind)
    if path and suffix_of(name):
        return _from_csv(read_csv(name), features, target, classes, kind)
    data = load(name, dtype=kind)  # a named set; whatever else is no source, and load says why
    rows: targets.Values = [data.target_names[i] for i in data.y] if data.classes else data.y
    x = np.ascontiguousarray(data.x[:, _positions(name, data.feature_names, features)])
    return x, _targets(f"{name}: y", rows, classes, kind)


def _positions(name: str, have: Sequence[str], due: Sequence[str]) -> list[int]:
    """Where the columns due are among those there."""
    missing = [n for n in due if n not in have]
    if missing:
        raise FileFormatError(f"{name}: the model's column(s) {listed(missing)} are missing; there are {listed(have)}")
    place = {n: i for i, n in enumerate(have)}
    return [place[n] for n in due]


def _from_csv(
    table: Table, features: tuple[str, ...], target: str | None, classes: tuple[str, ...], dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray | None]:
    _positions(table.path, table.names, features)
    x = table.matrix(features, dtype)
    found = table.find_target(target, features)
    if found is None or not any(table.column(found)):
        return x, None
    if not classes:
        return x, targets.as_values(table.targets(found, "regression"), dtype)
    return x, targets.classes_by_name(lambda row: table.place(row, found), table.texts(found), classes)


def _from_npz(
    path: str, features: tuple[str, ...], classes: tuple[str, ...], dtype: np.dtype
) -> tuple[np.ndarray, np.ndarray | None]:
    arrays = read_npz(path, need_y=False)
    x = arrays.x
    if arrays.feature_names is not None:
        x = x[:, _positions(arrays.path, arrays.feature_names, features)]
    elif x.shape[1] != len(features):
        raise FileFormatError(
            f"{shown_path(path)}: x has {x.shape[1]} columns, the model takes {len(features)}: {listed(features)}"
        )
    y = arrays.y
    if y is not None and arrays.target_names is not None and not isinstance(y, list):
        numbers, names = targets.as_classes(f"{arrays.path}: y", y, arrays.target_names, least=1)
        y = [names[i] for i in numbers]
    known = None if y is None else _targets(f"{arrays.path}: y", y, classes, dtype)
    return np.array(x, dtype, order="C"), known


def _targets(where: str, values: targets.Values, classes: tuple[str, ...], dtype: np.dtype) -> np.ndarray:
    """Targets of any source as the model has them; `where` is the file and its targets, as an error begins."""
    if classes:
        return targets.classes_by_name(lambda row: f"{where}[{row}]", values, classes)
    targets.decide(where, values, "regression")
    return targets.as_values(values, dtype)
