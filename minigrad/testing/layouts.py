"""The same values in other memory layouts: strided, and repeated by a stride of 0."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ..backend.array import to_host
from ..backend.device import provider_of
from ..core.variable import wrap
from .contract import fault
from .level import Level
from .tape import flat, leaf, pull
from .verdict import Finding, Verdict

_SAME = 1e-6  # another layout may sum in another order; a stride that is not heeded gives other numbers altogether
_NUDGE = 1e-9
_STABLE = 1e-3


def strided(array: Any) -> Any:
    """A copy that is neither C- nor F-contiguous: every second element of a buffer, last axis first."""
    return array.T.repeat(2, axis=-1)[..., ::2].T if array.ndim and array.size else array


def repeated(array: Any) -> Any:
    """The first row for all rows, by a stride of 0."""
    provider = provider_of(array)
    if provider is None or not array.ndim or not array.size:
        return array
    return provider.xp.broadcast_to(array[:1], array.shape)


def layouts(level: Level) -> Iterator[Finding]:
    """Findings where value or gradients depend on how the arguments lie in memory. `level` has run."""
    if not any(p.ndim and p.size for p in level.points):
        return
    here = [level.recorded_value, *(flat([g]) for g in level.gradients)]
    yield from _compare(level, level.points, here, [strided(p) for p in level.points], "strided")
    rows = [repeated(p) for p in level.points]
    copies = [r.copy() for r in rows]  # in rows; np.ascontiguousarray would make a 0-d array one of one axis
    try:
        plain = _tape(level, copies)
    except Exception:  # equal rows may be outside the domain of f, which is no fault of the layout
        return
    yield from _compare(level, copies, plain, rows, "stride 0")


def _compare(
    level: Level, points: Sequence[Any], expected: list[np.ndarray], other: Sequence[Any], name: str
) -> Iterator[Finding]:
    if not all(np.isfinite(e).all() for e in expected):
        return
    for i, (a, b) in enumerate(zip(expected, _tape(level, other), strict=True)):
        if _close(a, b, _SAME):
            continue
        if not _is_stable(level, points, expected):
            return
        what = "value of f" if i == 0 else f"gradient of {level.names[i - 1]}"
        yield fault(level, i - 1 if i else None, Verdict.WRONG, f"the {what} changes with the memory layout: {name}")


def _close(a: np.ndarray, b: np.ndarray, tolerance: float) -> bool:
    return a.shape == b.shape and bool((np.abs(a - b) <= tolerance * np.abs(a).max(initial=0.0)).all())


def _tape(level: Level, points: Sequence[Any]) -> list[np.ndarray]:
    """The value and the gradients, each as a vector.

    Raises:
        ValueError: the outputs have other shapes than at the level's point.
    """
    leaves = [leaf(p) for p in points]
    with np.errstate(all="ignore"):
        outs = level.evaluate(leaves, True)
        if [o.shape for o in outs] != [o.shape for o in level.outs]:
            raise ValueError(f"outputs of shapes {[o.shape for o in outs]}, not {[o.shape for o in level.outs]}")
        gradients = pull(leaves, outs, [wrap(w) for w in level.cotangents], create_graph=False)
    return [flat(outs), *(flat([g]) for g in gradients)]


def _is_stable(level: Level, points: Sequence[Any], expected: list[np.ndarray]) -> bool:
    """Whether value and gradients stay what they are when the points move a little.

    At ties and singularities they do not, and then rounding in another order is enough to change them.
    """
    noise = level.noise_rng()
    hosts = [np.asarray(to_host(p)) for p in points]
    moved = [level.put(h + h * noise.choice([-_NUDGE, _NUDGE], size=h.shape), i) for i, h in enumerate(hosts)]
    return all(_close(a, b, _STABLE) for a, b in zip(expected, _tape(level, moved), strict=True))
