"""What targets mean: classes or values, and the number of each class."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..errors import FileFormatError
from .files import NUMBER, listed, shown

TASKS = ("classification", "regression")
MOST_CLASSES = 50
"""Integers with more distinct values than this are values, not classes, unless the task is given."""
_EXACT = 2.0**53  # beyond, float64 no longer tells whole numbers apart

Values = np.ndarray | list[str]
"""Targets as a file holds them: bools, integers, finite floats, or text."""


def check_options(owner: str, target: str | None, task: str | None) -> None:
    """Whether a caller's target and task can be such.

    Raises:
        TypeError: target is no name.
        ValueError: task is neither None nor one of TASKS.
    """
    if target is not None and not isinstance(target, str):
        raise TypeError(f"{owner}: target must be the name of a column, got {type(target).__name__} {target!r}")
    if task is not None and task not in TASKS:
        raise ValueError(f"{owner}: task must be 'classification', 'regression' or None, got {task!r}")


def decide(where: str, values: Values, task: str | None) -> str:
    """The task that targets are for.

    Text and bools are classes. Whole numbers are, if there are at most 50 distinct ones and at most half as many as
    rows. Everything else is values.

    Args:
        where: the file and its targets, as an error begins.
        values: the targets.
        task: what was asked for; None decides.

    Returns:
        "classification" or "regression".

    Raises:
        FileFormatError: the targets cannot be what was asked for.
    """
    if isinstance(values, list):
        if task == "regression":
            raise FileFormatError(f"{where} holds text such as {shown(values[0])}; a regression needs numbers")
        return "classification"
    if values.dtype.kind == "b":
        return task or "classification"
    if values.dtype.kind == "f":
        broken = values != np.floor(values)
        if task == "classification" and broken.any():
            first = float(values[broken.argmax()])
            raise FileFormatError(
                f"{where} holds {first}, which is no class; use whole numbers or text, or a regression"
            )
        exact = float(np.abs(values).max()) < _EXACT
        if task == "classification" and not exact:
            raise FileFormatError(
                f"{where} holds whole numbers from 2**53 on, which floats mix up; put a letter before"
            )
        if broken.any() or not exact:
            return "regression"
    if task is not None:
        return task
    distinct = len(np.unique(values))
    return "classification" if distinct <= MOST_CLASSES and 2 * distinct <= len(values) else "regression"


def as_values(values: Values, dtype: np.dtype) -> np.ndarray:
    """Targets of a regression: (n,) of that dtype."""
    return np.asarray(values).astype(dtype)


def as_classes(
    where: str, values: Values, names: Sequence[str] | None = None, least: int = 2
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Targets of a classification as classes 0..C-1, in the order of the classes' names.

    Args:
        where: the file and its targets, as an error begins.
        values: the targets.
        names: of the classes, where the file gives them: text targets are among them, whole numbers their positions.
            None takes the targets' own, sorted, numbers by size.
        least: how many classes must occur.

    Returns:
        (n,) int64, and the names.

    Raises:
        FileFormatError: one class only, or a target that does not fit the names.
    """
    own: list[str]
    if isinstance(values, list):
        own = sorted(set(values))
        number = {text: i for i, text in enumerate(own)}
        labels = np.fromiter((number[v] for v in values), np.int64, len(values))
    else:
        distinct, labels = np.unique(values, return_inverse=True)
        own = [label_text(v) for v in distinct.tolist()]
    if len(own) < least:
        raise FileFormatError(f"{where} holds one class only, {shown(own[0])}; a classification needs two")
    if names is None:
        return labels.astype(np.int64), tuple(own)
    by_name = isinstance(values, list)
    known = {n: i for i, n in enumerate(names)} if by_name else {str(i): i for i in range(len(names))}
    odd = next((v for v in own if v not in known), None)
    if odd is not None:
        due = "one of target_names" if by_name else f"one of 0 to {len(names) - 1}, the positions in target_names"
        raise FileFormatError(f"{where} holds {shown(odd)}, which is not {due}")
    return np.array([known[v] for v in own], np.int64)[labels], tuple(names)


def label_text(value: bool | int | float) -> str:
    """The name of a class that a file gives as a bool or whole number."""
    return str(value) if isinstance(value, bool) else str(int(value))


def classes_by_name(place: Callable[[int], str], values: Values, names: Sequence[str]) -> np.ndarray:
    """Targets as the classes of a trained model.

    Args:
        place: where target number i is, as an error begins.
        values: the targets.
        names: of the model's classes. A whole number is the class of that name, however it is written: 1 or 1.0.

    Returns:
        (n,) int64.

    Raises:
        FileFormatError: a target that is no class of the model.
    """
    texts = values if isinstance(values, list) else values.tolist()
    number: dict[object, int | None] = {v: _class_of(v, names) for v in set(texts)}
    for i, value in enumerate(texts):
        if number[value] is None:
            raise FileFormatError(
                f"{place(i)}: {shown(str(value))} is not a class of the model, which has {listed(names)}"
            )
    return np.fromiter((number[v] for v in texts), np.int64, len(texts))


def _class_of(value: str | bool | int | float, names: Sequence[str]) -> int | None:
    if isinstance(value, str):
        if value in names:
            return names.index(value)
        if not NUMBER.fullmatch(value) or abs(float(value)) >= _EXACT:
            return None
        value = float(value)
    if value != int(value):
        return None
    text = label_text(value)
    return names.index(text) if text in names else None
