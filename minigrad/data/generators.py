"""Made-up data sets, small and plane enough to be drawn: one seed gives the same samples on every device."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backend import random
from ..backend.array import is_integer, to_device, to_host
from ..backend.device import resolve_device
from ..errors import DTypeError, ShapeError
from ..tensor import as_raw
from .checks import check_seed
from .datasets import Dataset


def moons(n: int = 200, noise: float = 0.1, *, seed: int | None = None, device: str | None = None) -> Dataset:
    """Two half circles that reach into one another: (cos t, sin t) and (1 - cos t, 1/2 - sin t), t from 0 to pi.

    As scikit-learn's make_moons. No straight line parts the classes.

    Args:
        n: samples, at least 2; the classes get equally many, or the first one more.
        noise: standard deviation of what is added to both coordinates.
        seed: fixes the samples; None draws from the global seed.
        device: where x and y live; None is the CPU.

    Returns:
        x (n, 2) float32, y (n,) int64 in {0, 1}, rows in random order.

    Raises:
        TypeError, ValueError: arguments that are no such numbers.
        DeviceError: the device is not there.
    """
    n, noise = _count("moons", "n", n, 2), _spread("moons", "noise", noise)
    y, t = _classes_and_steps(n, 2)
    t = math.pi * t
    x = np.where(y[:, None] == 0, np.stack([np.cos(t), np.sin(t)], 1), np.stack([1 - np.cos(t), 0.5 - np.sin(t)], 1))
    rng = _generator("moons", seed)
    return _classification("moons", x + noise * rng.standard_normal(x.shape), y, 2, rng, device)


def spirals(
    n: int = 300,
    classes: int = 3,
    noise: float = 0.1,
    turns: float = 0.75,
    *,
    seed: int | None = None,
    device: str | None = None,
) -> Dataset:
    """Arms of a spiral around the origin, one per class: radius r in (0, 1], angle 2 pi (turns r + class / classes).

    After the spiral of Karpathy, "CS231n: a minimal neural network case study".

    Args:
        n: samples, at least one per class.
        classes: arms, at least 2.
        noise: standard deviation of the angle, in radians.
        turns: how often an arm winds around the origin.
        seed: fixes the samples; None draws from the global seed.
        device: where x and y live; None is the CPU.

    Returns:
        x (n, 2) float32, y (n,) int64, rows in random order.

    Raises:
        TypeError, ValueError: arguments that are no such numbers.
        DeviceError: the device is not there.
    """
    classes = _count("spirals", "classes", classes, 2)
    n, noise = _count("spirals", "n", n, classes), _spread("spirals", "noise", noise)
    turns = _number("spirals", "turns", turns)
    y, radius = _classes_and_steps(n, classes, first=False)
    rng = _generator("spirals", seed)
    angle = 2 * math.pi * (turns * radius + y / classes) + noise * rng.standard_normal(n)
    x = radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    return _classification("spirals", x, y, classes, rng, device)


def blobs(
    n: int = 300,
    centers: Any = 3,
    features: int = 2,
    spread: float = 1.0,
    *,
    seed: int | None = None,
    device: str | None = None,
) -> Dataset:
    """Round heaps of points, one per class: center + spread * normal.

    As scikit-learn's make_blobs.

    Args:
        n: samples, at least one per class.
        centers: how many heaps, at least 2, each coordinate of theirs drawn from [-10, 10); or the centers themselves,
            (classes, features).
        features: coordinates of a point; centers that are given say it themselves.
        spread: standard deviation of a heap.
        seed: fixes the samples; None draws from the global seed.
        device: where x and y live; None is the CPU.

    Returns:
        x (n, features) float32, y (n,) int64, rows in random order.

    Raises:
        TypeError, ValueError: arguments that are no such numbers; ShapeError for centers of another shape.
        DeviceError: the device is not there.
    """
    rng = _generator("blobs", seed)
    if np.ndim(to_host(as_raw(centers))) == 0:
        classes, features = _count("blobs", "centers", centers, 2), _count("blobs", "features", features, 1)
        middle = rng.uniform(-10, 10, (classes, features))
    else:
        middle = _array("blobs", "centers", centers)
        if middle.ndim != 2 or len(middle) < 2 or middle.shape[1] < 1:
            raise ShapeError(f"data.blobs: centers must be a number or (classes >= 2, features), got {middle.shape}")
        classes = len(middle)
    n, spread = _count("blobs", "n", n, classes), _spread("blobs", "spread", spread)
    y, _ = _classes_and_steps(n, classes)
    x = middle[y] + spread * rng.standard_normal((n, middle.shape[1]))
    return _classification("blobs", x, y, classes, rng, device)


def linear(
    n: int = 200,
    features: int = 1,
    noise: float = 0.1,
    *,
    weight: Any = None,
    bias: float = 0.5,
    seed: int | None = None,
    device: str | None = None,
) -> Dataset:
    """Samples of a straight line or plane: y = x . weight + bias + noise * normal, x standard normal.

    Args:
        n: samples, at least 2.
        features: coordinates of a point; a weight that is given says it itself.
        noise: standard deviation of what is added to y.
        weight: (features,), the true slopes; None takes 1, -2, 3, -4, ...
        bias: the true value at the origin.
        seed: fixes the samples; None draws from the global seed.
        device: where x and y live; None is the CPU.

    Returns:
        x (n, features) float32, y (n,) float32.

    Raises:
        TypeError, ValueError: arguments that are no such numbers; ShapeError for a weight of another shape.
        DeviceError: the device is not there.
    """
    n, noise = _count("linear", "n", n, 2), _spread("linear", "noise", noise)
    bias = _number("linear", "bias", bias)
    if weight is None:
        count = np.arange(1.0, _count("linear", "features", features, 1) + 1)
        slopes = np.where(count % 2 == 1, count, -count)
    else:
        slopes = _array("linear", "weight", weight)
        if slopes.ndim != 1 or not len(slopes):
            raise ShapeError(f"data.linear: weight must be (features,), got shape {slopes.shape}")
    rng = _generator("linear", seed)
    x = rng.standard_normal((n, len(slopes)))
    return _dataset("linear", x, x @ slopes + bias + noise * rng.standard_normal(n), "regression", 0, device)


def _classes_and_steps(n: int, classes: int, first: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Classes 0, 1, .., 0, 1, .. and equal steps within each that end at 1; they start at 0 unless `first` is False."""
    y = np.arange(n) % classes
    steps = np.empty(n)
    for c in range(classes):
        count = len(range(c, n, classes))
        steps[c::classes] = np.linspace(0, 1, count) if first else np.linspace(0, 1, count + 1)[1:]
    return y, steps


def _generator(owner: str, seed: int | None) -> np.random.Generator:
    return random.generator("noise") if seed is None else random.stream_of(check_seed(f"data.{owner}", seed), "noise")


def _classification(
    name: str, x: np.ndarray, y: np.ndarray, classes: int, rng: np.random.Generator, device: str | None
) -> Dataset:
    order = rng.permutation(len(x))
    return _dataset(name, x[order], y[order], "classification", classes, device)


def _dataset(name: str, x: np.ndarray, y: np.ndarray, task: str, classes: int, device: str | None) -> Dataset:
    """The samples on the device, after the only copy."""
    label = resolve_device(device)
    return Dataset(
        name,
        to_device(x.astype(np.float32), label),
        to_device(y.astype(np.int64 if classes else np.float32), label),
        task,
        tuple(f"x{i}" for i in range(x.shape[1])),
        tuple(map(str, range(classes))),
    )


def _count(owner: str, name: str, value: Any, least: int) -> int:
    if not is_integer(value):
        raise TypeError(f"data.{owner}: {name} must be an integer, got {type(value).__name__} {value!r}")
    if value < least:
        raise ValueError(f"data.{owner}: {name} must be at least {least}, got {value}")
    return int(value)


def _number(owner: str, name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"data.{owner}: {name} must be a number, got {type(value).__name__} {value!r}")
    if not math.isfinite(value):
        raise ValueError(f"data.{owner}: {name} must be finite, got {value}")
    return float(value)


def _spread(owner: str, name: str, value: Any) -> float:
    number = _number(owner, name, value)
    if number < 0:
        raise ValueError(f"data.{owner}: {name} must not be negative, got {value}")
    return number


def _array(owner: str, name: str, values: Any) -> np.ndarray:
    array = to_host(as_raw(values))
    if array.dtype.kind not in "fiu":
        raise DTypeError(f"data.{owner}: {name} must hold numbers, got dtype {array.dtype}")
    if not np.isfinite(array).all():
        raise ValueError(f"data.{owner}: {name} holds nan or inf")
    return array.astype(np.float64)
