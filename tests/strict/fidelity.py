"""What CuPy does, as data: the same table is asked of the strict device and, where there is a GPU, of CuPy itself.

    for row in ROWS:
        verdict = run_row(row, xp, Samples(xp), no_sync=...)
        # "" where the row holds, else what happened instead

Nothing here imports pytest, CuPy or the strict device.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Raises:
    """The call is refused."""

    errors: type[Exception] | tuple[type[Exception], ...]
    pattern: str = ""


@dataclass(frozen=True)
class Gives:
    """The call returns a device array of this shape, dtype and, where given, values."""

    shape: tuple[int, ...]
    dtype: str
    values: Any = None


@dataclass(frozen=True)
class Is:
    """The call returns this host value."""

    value: Any


@dataclass(frozen=True)
class Row:
    """One fact.

    label: says it.
    call: `call(xp, samples)`.
    expect: what comes of it.
    mode: "" | "no_sync" (host waits are forbidden) | "capture" (a non-blocking stream captures).
    stricter: CuPy itself does not raise; it is silently wrong.
    counts: what the strict device counts meanwhile: syncs, to_device, to_host, launches.
    """

    label: str
    call: Callable[[Any, Samples], Any]
    expect: Raises | Gives | Is
    mode: str = ""
    stricter: bool = False
    counts: dict[str, int] = field(default_factory=dict)


class Samples:
    """Operands, made before a capture begins.

    Args:
        xp: the array module.
        make: `make(host array)` puts it on the device; None for xp.asarray.
    """

    def __init__(self, xp: Any, make: Callable[[np.ndarray], Any] | None = None) -> None:
        self.make = make = make or xp.asarray
        self.host = np.arange(6, dtype=np.float32).reshape(2, 3)
        self.x = make(self.host)
        self.y = make(np.full((2, 3), 2, np.float32))
        self.w = make(np.arange(6, dtype=np.float32).reshape(3, 2))
        self.v = make(np.array([1, 2, 3], np.float32))
        self.d = make(np.arange(6, dtype=np.float64).reshape(2, 3))
        self.n = make(np.array([3, 1, 2], np.int64))
        self.i = make(np.array([1, 0, 1], np.int64))
        self.far = make(np.array([0, 99], np.int64))
        self.mask = make(np.array([[True, False, True], [False, True, False]]))
        self.zero_d = make(np.array(2.0, np.float32))
        self.empty = make(np.zeros((0, 3), np.float32))
        self.one = make(np.array([7.0], np.float32))
        self.many = [make(np.full(2, k, np.float32)) for k in range(9)]


def run_row(
    row: Row,
    xp: Any,
    samples: Samples,
    no_sync: Callable[[], AbstractContextManager[Any]] = nullcontext,
    tally: Callable[[], Any] | None = None,
) -> str:
    """Ask one row of an array module.

    Args:
        row: the fact.
        xp: cupy, or the strict device's module.
        samples: its operands.
        no_sync: a context that makes host waits raise.
        tally: resets the strict device's counts and returns them; None where nothing counts.

    Returns:
        "" where the row holds, otherwise what happened.
    """
    mode = {"": nullcontext, "no_sync": no_sync, "capture": lambda: _capturing(xp)}[row.mode]
    counted = None if tally is None else tally()
    try:
        with mode():
            found = row.call(xp, samples)
    except Exception as error:
        if not isinstance(row.expect, Raises):
            return f"raised {type(error).__name__}: {error}"
        if not isinstance(error, row.expect.errors):
            return f"raised {type(error).__name__} ({error}) instead of {row.expect.errors}"
        if not re.search(row.expect.pattern, str(error), re.IGNORECASE):
            return f"said {str(error)!r}, {row.expect.pattern!r} is due"
        return "" if counted is None else _miscounted(row.counts, counted)
    wrong = "" if counted is None else _miscounted(row.counts, counted)  # before a look at the values counts too
    return wrong or _differs(row.expect, found, xp)


def _differs(expect: Raises | Gives | Is, found: Any, xp: Any) -> str:
    if isinstance(expect, Raises):
        return f"was not refused: {type(found).__name__}"
    if isinstance(expect, Is):
        same = type(found) is type(expect.value) and bool(np.all(found == expect.value))
        return "" if same else f"gave {found!r} instead of {expect.value!r}"
    if not isinstance(found, xp.ndarray):
        return f"gave a {type(found).__name__}, not a device array"
    if (found.shape, str(found.dtype)) != (expect.shape, expect.dtype):
        return f"gave shape {found.shape} dtype {found.dtype}"
    if expect.values is not None and not np.allclose(found.get(), expect.values, equal_nan=True):
        return f"gave {found.get()!r}"
    return ""


def _miscounted(due: dict[str, int], counted: Any) -> str:
    found = {
        "syncs": len(counted.syncs),
        "to_device": counted.to_device.count,
        "to_host": counted.to_host.count,
        "launches": counted.launch_count,
    }
    wrong = {k: found[k] for k, n in due.items() if found[k] != n}
    return f"counted {wrong}, due {due}" if wrong else ""


@contextmanager
def _capturing(xp: Any) -> Iterator[None]:
    stream = xp.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        try:
            yield
        finally:
            stream.end_capture()


def set_item(array: Any, index: Any, value: Any) -> Any:
    """array[index] = value as an expression; returns the array."""
    array[index] = value
    return array


def in_place(array: Any, operator: str, value: Any) -> Any:
    """array += value and the like as an expression."""
    return getattr(array, f"__{operator}__")(value)
