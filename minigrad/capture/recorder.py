"""The recorder: runs a step on recorded arrays, which is a real step, and notes every call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..backend.device import HOST, device_of, provider_of
from ..backend.recording import Watcher, seam, watching
from ..errors import CaptureError
from .program import Call, Kind, Program
from .recorded import ABOUT, Elsewhere, Recorded, RecordedProvider
from .window import Window, address, leaves, replaced, root

_LIKE = frozenset({np.zeros_like, np.ones_like, np.empty_like, np.full_like})
"""Functions that look at a shape alone."""
_TARGET_FIRST = frozenset({np.put, np.place, np.putmask, np.put_along_axis, np.fill_diagonal})
"""Functions that write into their first argument."""
_AS_ARRAY = frozenset({np.asarray, np.ascontiguousarray, np.array, np.asanyarray})
"""Functions that do not ask their argument's class."""


class Recorder(Watcher):
    """Collects calls and buffers while a step runs.

    Args:
        constants: raw arrays from outside that stay as they are from step to step.

    Attributes:
        optimizers: those that stepped, with the state of their host at that time and the number of times.
        before: for each buffer of outside memory that was written to, what it held before.
        cleared: leaves that lost their gradients before anything was done with those.
        leaves: gradient cells of the tensors that entered, with how they stood: live, array, grad_node.
        kept: memory of gradients that the step makes anew each time.
        tensors: by identity, leaf tensors that entered, with their nodes.
        cells: by identity, version cells of the tensors that entered, with what they held.
    """

    records = True

    def __init__(self, constants: Sequence[np.ndarray] = ()) -> None:
        super().__init__()
        self.calls: list[Call] = []
        self.kinds: list[Kind] = []
        self.roots: list[np.ndarray] = []
        self._numbers: dict[int, int] = {}
        self._constants = {id(root(a)) for a in constants}
        self._keep_alive = list(constants)
        self.before: dict[int, np.ndarray] = {}
        self.optimizers: dict[Any, list[Any]] = {}
        self.cleared: set[Any] = set()
        self.leaves: dict[Any, tuple[bool, Any, Any]] = {}
        self.kept: list[np.ndarray] = []
        self.tensors: dict[int, tuple[Any, Any]] = {}
        self.cells: dict[int, tuple[Any, int]] = {}

    def __enter__(self) -> Recorder:
        if seam.watcher is not None:
            raise CaptureError("a step is being recorded already: a captured step cannot be captured inside another")
        seam.watcher = self
        return self

    def __exit__(self, *_: Any) -> None:
        seam.watcher = None

    # --- buffers ------------------------------------------------------------------------------------------------------

    def window(self, array: np.ndarray, kind: Kind = "state") -> Window:
        """The window of an array, on a new buffer where its memory has not been seen."""
        owner = root(array)
        number = self._numbers.get(id(owner))
        if number is None:
            number = self._numbers[id(owner)] = len(self.roots)
            self.roots.append(owner)  # which keeps it alive, so that its id stays its own
            self.kinds.append("constant" if id(owner) in self._constants else kind)
        return Window(number, address(array) - address(owner), array.shape, array.strides, array.dtype.str)

    def is_known(self, array: np.ndarray) -> bool:
        """Whether its memory has been seen."""
        return id(root(array)) in self._numbers

    def constant(self, array: np.ndarray) -> Recorded:
        """An array that nobody will write to."""
        self.window(array, "constant")
        return Recorded(array)

    def lift(self, array: Any) -> Any:
        """A leaf's array: memory that outlives the step."""
        if type(array) is np.ndarray:
            self.window(array)
            return Recorded(array)
        if type(array) is not Recorded and provider_of(array) not in (HOST, None):
            raise Elsewhere(device_of(array))
        return array

    def operand(self, array: Any) -> Any:
        """A raw array that meets recorded ones, where it may."""
        if type(array) is not np.ndarray:
            return array
        if not self.is_known(array):
            owner = root(array)
            if not array.flags.writeable or not owner.flags.writeable or id(owner) in self._constants:
                return self.constant(array)
            raise CaptureError(
                f"an array of shape {array.shape}, {array.dtype} enters the recorded step from outside: a replay could "
                "not tell when it changes. Make it an argument of the step or a Tensor (whose memory is read anew each "
                "time), or name it in capture(..., constants=[...]) if it stays as it is; for one that the step makes "
                "anew, take mg.arange and the like in place of NumPy's"
            )
        return Recorded(array)

    # --- calls --------------------------------------------------------------------------------------------------------

    def _raw(self, value: Any) -> tuple[Any, Any]:
        """Arguments with raw arrays, and with windows, in the place of recorded ones."""
        value = replaced(value, np.ndarray, self.operand)
        raw = replaced(value, Recorded, lambda a: a.value)
        return raw, replaced(value, Recorded, lambda a: self.window(a.value))

    def _about_to_write(self, array: np.ndarray) -> None:
        """Keep what outside memory held, so that the step can be undone."""
        number = self.window(array).buffer
        kind = self.kinds[number]
        if kind == "input":
            raise CaptureError(
                f"the step writes into its argument of shape {self.roots[number].shape}: the caller's array would "
                "change; write into a copy"
            )
        if kind == "constant":
            raise CaptureError(f"the step writes into an array of shape {array.shape} that was declared constant")
        if kind == "state" and number not in self.before:
            self.before[number] = self.roots[number].copy()

    def function(self, function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
        """Any function of NumPy's: recorded, unless it asks for shapes and dtypes alone."""
        if function in ABOUT:
            return function(
                *replaced(args, Recorded, lambda a: a.value), **replaced(kwargs, Recorded, lambda a: a.value)
            )
        if function in _LIKE:
            return self._like(function, *args, **kwargs)
        if function in _AS_ARRAY and isinstance(args[0], Recorded):
            return self._as_array(function, *args, **kwargs)
        if function is np.copyto and kwargs.get("where", True) is True:
            self.copy_to(args[0].value if isinstance(args[0], Recorded) else args[0], args[1])
            return None
        at = getattr(function, "__name__", "") == "at" and isinstance(getattr(function, "__self__", None), np.ufunc)
        if at or function in _TARGET_FIRST or function is np.copyto:
            return self.write(function, args, kwargs)
        if isinstance(function, np.ufunc):  # NumPy sorts its many spellings of out and where
            return (
                function(*replaced(args, np.ndarray, self.operand), **kwargs)
                if leaves((args, kwargs), Recorded)
                else self.record(function, args, kwargs, None)
            )
        kwargs = dict(kwargs)
        return self.record(function, args, kwargs, kwargs.pop("out", None))

    def record(self, function: Callable[..., Any], args: Any, kwargs: dict[str, Any], out: Any) -> Any:
        """Make a call on the true arrays and note it, unless its result is only a view.

        Args:
            function: called with raw arrays.
            args, kwargs: its arguments, without `out`.
            out: where the result goes; None for a new array.

        Returns:
            The result, recorded.
        """
        raw, windows = self._raw(args)
        raw_kwargs, window_kwargs = self._raw(kwargs)
        partial = False
        if out is not None:
            target = out.value if isinstance(out, Recorded) else out
            if not isinstance(target, np.ndarray):
                raise CaptureError(f"{_named(function)}: several outputs at once cannot be recorded")
            self._about_to_write(target)
            partial = kwargs.get("where", True) is not True
            raw_kwargs["out"] = target
        result = function(*raw, **raw_kwargs)
        if function is np.empty:
            self.window(result, "temporary")
            return Recorded(result)
        return self._wrapped(Call(function, windows, window_kwargs, partial=partial), result, out is not None)

    def _wrapped(self, call: Call, result: Any, written: bool) -> Any:
        """Recorded results; the call is noted where there is memory that it filled."""
        several = isinstance(result, (tuple, list))
        members = list(result) if several else [result]
        if not members or not all(isinstance(r, (np.ndarray, np.generic)) for r in members):
            raise CaptureError(
                f"{call.name} gives a Python {type(result).__name__}, which a replay would keep as it is"
            )
        members = [np.asarray(r) for r in members]
        fresh = [r for r in members if not self.is_known(r)]
        if written or len(fresh) == len(members) or not fresh:
            call.writes = tuple(self.window(r, "temporary") for r in members) if written or fresh else ()
            if call.writes:
                self.calls.append(call)
        else:
            raise CaptureError(f"{call.name} gives both views and new arrays, which cannot be recorded")
        found = [Recorded(r) for r in members]
        if not several:
            return found[0]
        return result._make(found) if hasattr(result, "_make") else type(result)(found)

    def write(self, function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> None:
        """A call that writes into its first argument, part of it perhaps."""
        target = args[0].value if isinstance(args[0], Recorded) else args[0]
        self._about_to_write(target)
        raw, windows = self._raw(args)
        raw_kwargs, window_kwargs = self._raw(kwargs)
        function(*raw, **raw_kwargs)
        self.calls.append(Call(function, windows, window_kwargs, (self.window(target),), partial=True))

    def copy_to(self, target: np.ndarray, value: Any) -> None:
        """target[...] = value."""
        if isinstance(value, Recorded) and self.is_known(target) and self.window(value.value) == self.window(target):
            return  # the last third of ``a[i] += b``
        self._about_to_write(target)
        raw, windows = self._raw((value,))
        target[...] = raw[0]
        self.calls.append(Call(np.copyto, windows, {}, (self.window(target),)))

    def call(self, function: Callable[..., Any], args: tuple[Any, ...], effect: bool) -> Any:
        """A function of the library's own, in one piece."""
        raw, windows = self._raw(args)
        with watching(None):
            result = function(*raw)
        call = Call(function, windows, {}, effect=effect)
        if isinstance(result, (np.ndarray, np.generic)) or (isinstance(result, tuple) and result):
            return self._wrapped(call, result, False)
        self.calls.append(call)
        return result

    def _like(self, function: Any, array: Any, *args: Any, dtype: Any = None, shape: Any = None, **_: Any) -> Any:
        """zeros_like and its likes look at a shape, not at values."""
        made = np.empty_like(replaced(array, Recorded, lambda a: a.value), dtype=dtype, shape=shape)
        self.window(made, "temporary")  # in the layout of its model, which sums depend on
        out = Recorded(made)
        if function is not np.empty_like:
            self.copy_to(out.value, args[0] if args else int(function is np.ones_like))
        return out

    def _as_array(self, function: Any, array: Any, dtype: Any = None, *, copy: bool | None = None, **_: Any) -> Any:
        same = dtype is None or np.dtype(dtype) == array.dtype
        if function is np.array and copy is not False:
            return array.astype(dtype) if not same else array.copy()
        if not same:
            return array.astype(dtype)
        return array.copy("C") if function is np.ascontiguousarray and not array.flags.c_contiguous else array

    # --- what the library tells ---------------------------------------------------------------------------------------

    def target(self, array: Any, leaf: Any, cell: Any) -> Any:
        return self.lift(array)

    def keep(self, array: Any, leaf: Any) -> np.ndarray:
        raw = np.empty(array.shape, array.dtype)
        self.window(raw, "state")
        self.kept.append(raw)
        self.before[self.window(raw).buffer] = np.zeros_like(raw)
        self.copy_to(raw, array)
        return raw

    def zeros(self, shape: tuple[int, ...], dtype: Any, device: str) -> Any:
        return RecordedProvider.xp.zeros(shape, dtype) if device == "cpu" else super().zeros(shape, dtype, device)

    def made(self, found: Any) -> Any:
        for array in found if isinstance(found, tuple) else (found,):
            if type(array) is np.ndarray:
                self.window(array, "constant")
        return found

    def stepping(self, optimizer: Any) -> None:
        state = self.optimizers.setdefault(optimizer, [optimizer.host_state(), 0])
        state[1] += 1

    def clearing(self, leaves: Iterable[Any]) -> None:
        for leaf in leaves:
            if leaf.array is None or not self.is_known(leaf.array):
                self.cleared.add(leaf)
            else:
                self.leaves.setdefault(leaf, (leaf.live, leaf.array, leaf.grad_node))

    # --- the result ---------------------------------------------------------------------------------------------------

    def program(self, inputs: list[Window], outputs: list[Any]) -> Program:
        """What was recorded.

        Args:
            inputs: windows of the arguments.
            outputs: recorded results.
        """
        return Program(self.calls, self.kinds, self.roots, inputs, [self.window(o.value) for o in outputs])


def _named(function: Any) -> str:
    return str(getattr(function, "__name__", function))
