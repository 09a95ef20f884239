"""detect_anomaly: which operation made the first NaN or infinity, and where in the user's program it stands.

While the mode is on, every Op of the process has attributes of its own in the place of its class's methods: the forward
notes what it was given and what came out, `traces` looks at that once the call is to be recorded, `pull` looks at what
the gradient rules return. With the mode off there is nothing of this anywhere.
"""

from __future__ import annotations

import os
import sys
import threading
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import ContextDecorator
from pathlib import Path
from typing import Any

import numpy as np

from .backend.array import to_host
from .backend.device import on_device, provider_of
from .backend.versions import next_index
from .core.node import Indexed
from .core.op import Op
from .core.variable import Variable
from .errors import GradientError

_PACKAGE = str(Path(__file__).parent) + os.sep
_KEEP = 1_000_000
"""Of so many recorded calls at least the places are remembered."""


class _Places(threading.local):
    """Per thread: whether it watches, the last forward, and where the calls it recorded stand in the user's program."""

    def __init__(self) -> None:
        self.depth = 0
        self.forget()

    def forget(self) -> None:
        """Let go of all that was noted."""
        self.last: tuple[Any, Sequence[Any], Any] = (None, (), None)  # the last forward: its op, operands and result
        self.gradient_of = ""  # the place of the call whose rule is running
        self.numbers: dict[str, int] = {}
        self.names: list[str] = []
        self.times, self.which = array("Q"), array("L")

    def note(self) -> str:
        """The place of the call that is about to be recorded."""
        place = _users_line() or self.gradient_of
        number = self.numbers.setdefault(place, len(self.names))
        if number == len(self.names):
            self.names.append(place)
        if len(self.times) >= 2 * _KEEP:
            del self.times[:_KEEP], self.which[:_KEEP]
        self.times.append(next_index())  # the next time on the clock but one is the node's
        self.which.append(number)
        return place

    def of(self, node: Any) -> str:
        """The place of a recorded call."""
        i = bisect_right(self.times, node.index) - 1
        return self.names[self.which[i]] if i >= 0 else "a line that ran outside detect_anomaly"


_places = _Places()
_lock = threading.Lock()
_watching = 0  # contexts open in all threads
_watched: list[tuple[Op, dict[str, Any], dict[str, Any]]] = []  # op, its attributes before, what was put there


class detect_anomaly(ContextDecorator):
    """Context manager and decorator: the first NaN or infinity that an operation makes is an error that names it.

    It is raised where finite operands gave a result that is not finite, in a recorded forward or in a gradient rule,
    with the file and line of the forward call. Run forward and backward inside. Every operation is looked at, which
    waits for the device each time: for finding an error, not for training. Outside it costs nothing.

    Raises:
        GradientError: from the operation, or from backward.
    """

    def __enter__(self) -> None:
        global _watching
        with _lock:
            _watching += 1
            if _watching == 1:
                _watched.extend((op, dict(vars(op)), _watch(op)) for op in list(Op.instances))
        _places.depth += 1

    def __exit__(self, *_: Any) -> None:
        global _watching
        _places.depth -= 1
        if not _places.depth:
            _places.forget()
        with _lock:
            _watching -= 1
            if not _watching:
                for op, before, ours in _watched:
                    for name, value in ours.items():
                        if vars(op)[name] is value:  # and nobody has set it since
                            delattr(op, name)
                            vars(op).update({name: before[name]} if name in before else {})
                _watched.clear()


def _watch(op: Op) -> dict[str, Any]:
    """Put an op under watch; returns the attributes that do it."""
    forward, complete = op.forward, op.rules_complete

    def noted_forward(xp: Any, *arrays: Any, **params: Any) -> Any:
        out = forward(xp, *arrays, **params)
        if _places.depth:
            _places.last = op, arrays, out
        return out

    def watched_traces(parents: Sequence[Any]) -> bool:
        recorded = any(p is not None for p in parents) if complete else Op.traces(op, parents)
        if recorded and _places.depth:
            place = _places.note()
            last, operands, out = _places.last
            out = out[0] if op.residual and last is op else out
            looked = last is op and not _places.gradient_of  # what a rule computes is looked at as a whole
            bad = _not_finite(out if isinstance(out, tuple) else (out,)) if looked else ""
            if bad and not _not_finite(operands):
                raise GradientError(f"forward: {op.name} made the first {bad} out of finite operands, at {place}")
        return recorded

    def watched_pull(
        node: Any, parents: Sequence[Any], g: Any, out: Any, args: Any, create_graph: bool, into_leaves: bool
    ) -> Sequence[Any]:
        if not _places.depth:
            return Op.pull(op, node, parents, g, out, args, create_graph, into_leaves)
        place = _places.of(node)
        if bad := _not_finite(g if isinstance(g, list) else (g,)):
            raise GradientError(
                f"backward: the gradient of the output of {op.name}, called at {place}, is {bad}, although no gradient "
                "rule returned such: it was passed to backward, came from a hook, or a sum overflowed"
            )
        outer, _places.gradient_of = _places.gradient_of, place
        try:
            # the leaves' storage may hold anything: let the rules return what they would write there
            parts = Op.pull(op, node, parents, g, out, args, create_graph, False)
        finally:
            _places.gradient_of = outer
        for i, (part, parent) in enumerate(zip(parts, parents, strict=True)):
            if parent is not None and (bad := _not_finite((part.values if isinstance(part, Indexed) else part,))):
                name = f" ({op.arg_names[i]!r})" if i < len(op.arg_names) else ""
                before = _not_finite([*args, *(out if isinstance(out, tuple) else (out,))])
                raise GradientError(
                    f"backward: the gradient rule of {op.name}, for argument {i}{name}, made the first {bad}; the call "
                    f"stands at {place}" + (f", and had operands with {before} already" if before else "")
                )
        return parts

    # no short ways: neither in the engine, nor around `traces`
    ours = {"forward": noted_forward, "traces": watched_traces, "pull": watched_pull, "arity": -1, "rules_complete": 0}
    vars(op).update(ours)
    return ours


def _not_finite(values: Sequence[Any]) -> str:
    """What is not finite among arrays, tensors and numbers: "NaN", "inf" or nothing."""
    found = ""
    for x in values:
        raw = x._data if isinstance(x, Variable) else x
        if isinstance(raw, (float, np.floating)):
            raw = np.asarray(raw)
        provider = provider_of(raw)
        if provider is None or raw.dtype.kind != "f":
            continue
        with on_device(provider.device_of(raw)):
            if to_host(provider.xp.isnan(raw).any()):
                return "NaN"
            if not found and not to_host(provider.xp.isfinite(raw).all()):
                found = "inf"
    return found


def _users_line() -> str:
    """file:line of the innermost frame outside this package (and outside NumPy, which calls it).

    Nothing inside a gradient rule, unless it runs a function of the user's (checkpoint).
    """
    frame: Any = sys._getframe(1)
    while frame.f_back is not None and _is_ours(frame):
        if frame.f_code.co_name == "watched_pull":
            return ""
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _is_ours(frame: Any) -> bool:
    return frame.f_code.co_filename.startswith(_PACKAGE) or frame.f_globals.get("__name__", "").startswith("numpy.")
