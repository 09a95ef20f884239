"""Calls in the forms that compiled code has. Rounding may change, so that only the compiling executor does this."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from .program import Call, Program
from .schedule import schedule
from .statements import DTYPES
from .window import Window

_MEANS = (np.mean, np.ndarray.mean)
_REDUCTIONS: dict[Any, Any] = {
    np.sum: np.add.reduce,
    np.ndarray.sum: np.add.reduce,
    np.any: np.logical_or.reduce,
    np.ndarray.any: np.logical_or.reduce,
    np.all: np.logical_and.reduce,
    np.ndarray.all: np.logical_and.reduce,
}


def rewritten(program: Program) -> Program:
    """The same program with other calls, and with units of these.

    Args:
        program: simplified; it stays as it is.
    """
    calls = []
    for call in program.calls:
        plain = not call.effect and not call.partial and len(call.writes) == 1
        calls += list(_forms(program, call)) if plain and call.args and isinstance(call.args[0], Window) else [call]
    return schedule(replace(program, calls=calls, units=[]))


def _forms(program: Program, call: Call) -> Iterator[Call]:
    """The calls that do what a call does."""
    source, write = call.args[0], call.write
    if call.fn is np.dot and not call.kwargs and _is_ones(program, source) and isinstance(call.args[1], Window):
        # which is how NumPy adds columns fastest
        yield replace(call, fn=np.add.reduce, args=call.args[1:], kwargs={"axis": 0, "keepdims": False})
    elif call.fn is np.vdot and len(source.shape) == 1 and source.dtype[1] == "f":
        yield replace(call, fn=np.dot)
    elif call.fn in _REDUCTIONS and _reduces(call):
        yield replace(call, fn=_REDUCTIONS[call.fn], args=(source,), kwargs=_how(call))
    elif call.fn in _MEANS and _reduces(call) and write.dtype[1:] in ("f4", "f8") and source.dtype[1:] in DTYPES:
        count = source.size // max(write.size, 1)
        yield replace(call, fn=np.add.reduce, args=(source,), kwargs=_how(call))
        yield Call(np.divide, (write, float(count) if count else math.nan), writes=(write,))
    elif call.fn in (np.clip, np.ndarray.clip) and _clips(call):
        for function, bound in zip((np.maximum, np.minimum), call.args[1:], strict=True):
            if bound is not None:
                yield Call(function, (source, bound), writes=(write,))
                source = write
    else:
        yield call


def _is_ones(program: Program, window: Window) -> bool:
    """Whether it is a constant vector of ones."""
    owner = program.roots[window.buffer]
    one = program.kinds[window.buffer] == "constant" and len(window.shape) == 1 and window.dtype == owner.dtype.str
    return one and bool((owner == 1).all())


def _how(call: Call) -> dict[str, Any]:
    """axis and keepdims of a reduction."""
    axis = call.args[1] if len(call.args) > 1 else call.kwargs.get("axis")
    return {"axis": axis, "keepdims": bool(call.kwargs.get("keepdims", False))}


def _reduces(call: Call) -> bool:
    """Whether it says no more than axis, keepdims and the dtype of its result."""
    dtype = call.kwargs.get("dtype")
    return (
        len(call.args) <= 2
        and set(call.kwargs) <= {"axis", "keepdims", "dtype"}
        and (dtype is None or np.dtype(dtype) == np.dtype(call.write.dtype))
        and not call.args[0].overlaps(call.write)
    )


def _clips(call: Call) -> bool:
    """Whether it is a maximum and a minimum in the dtype of the array, with bounds that it does not overwrite."""
    source, write = call.args[0], call.write
    if len(call.args) != 3 or call.kwargs or source.dtype != write.dtype or call.args[1] is call.args[2] is None:
        return False
    kind = np.dtype(source.dtype).kind
    for bound in call.args[1:]:
        if isinstance(bound, Window):
            if bound.dtype != source.dtype or bound.overlaps(write):
                return False
        elif not (bound is None or type(bound) is int or (type(bound) is float and kind == "f")) or kind == "b":
            return False
    return True
