"""How a call reaches NumPy: CuPy's surface decides whether it is allowed, NumPy does the work, the machine counts."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from generate_surface import UFUNC_KEYWORDS, load
from strict_kinds import (
    CREATION,
    CUBLAS,
    IN_PLACE,
    JOINS,
    LAUNCHES,
    QUESTIONS,
    SEQUENCES,
    TABLE_AFTER,
    VIEWS,
    WAITS,
)
from strict_memory import Buffer, aligned_like

SURFACE = load()
FUNCTIONS: dict[str, Any] = SURFACE["functions"]
METHODS: dict[str, Any] = SURFACE["methods"]

SCALARS = (bool, int, float, complex, np.generic)


def missing(name: str, owner: str) -> AttributeError:
    return AttributeError(f"{owner} has no attribute {name!r} (CuPy {SURFACE['version']})")


def unsupported(value: Any) -> TypeError:
    return TypeError(f"Unsupported type {type(value)}")


def check_signature(name: str, entry: dict[str, Any], count: int, kwargs: Iterable[str]) -> None:
    """Raise what CuPy raises when a call does not fit the signature."""
    if entry["kind"] == "ufunc":
        wrong = [k for k in kwargs if k not in UFUNC_KEYWORDS]
        if wrong:
            raise TypeError(f"Wrong arguments {wrong} for {name}")
        if not entry["nin"] <= count <= entry["nin"] + entry["nout"]:
            raise TypeError(
                f"Wrong number of arguments for {name}. It must be either {entry['nin']} or "
                f"{entry['nin'] + entry['nout']} (with outputs), but given {count}."
            )
        return
    params = entry.get("params")
    if params is None:
        return
    wrong = [k for k in kwargs if k not in params]
    if wrong and not entry.get("any_keyword"):
        raise TypeError(f"{name}() got an unexpected keyword argument {wrong[0]!r}")
    positional = len(params) - len(entry.get("keyword_only", ()))
    if count > positional and not entry.get("any_number"):
        raise TypeError(f"{name}() takes at most {positional} positional arguments ({count} given)")


@functools.cache
def _results(name: str) -> frozenset[np.dtype]:
    """The dtypes that a ufunc of CuPy's has loops to."""
    return frozenset(np.dtype(c) for loop in FUNCTIONS[name]["types"] for c in loop.rpartition(">")[2])


class Caller:
    """Runs calls of one machine.

    Args:
        machine: the StrictDevice.
        array_type: the class of its arrays, made as `array_type(host, buffer, machine)`.
    """

    def __init__(self, machine: Any, array_type: Any) -> None:
        self.machine = machine
        self.array_type = array_type

    # --- arrays -------------------------------------------------------------------------------------------------------

    def new(self, host: np.ndarray) -> Any:
        """A copy of a host array in fresh memory on the current device."""
        self.check_dtype(host.dtype)
        buffer = self.machine.pool.allocate(host.nbytes)
        memory = aligned_like(host)
        memory[...] = host
        return self.array_type(memory, buffer, self.machine)

    def view(self, host: np.ndarray, source: Any) -> Any:
        """An array that shares the memory of `source`."""
        return self.array_type(host, source._buffer, self.machine, view=True)

    def check_dtype(self, dtype: np.dtype) -> None:
        if dtype.kind not in "biufc" or dtype.itemsize > 16 or dtype.char in "gG":
            raise ValueError(f"Unsupported dtype {dtype}")

    def from_host(self, host: np.ndarray, name: str) -> Any:
        """Copy a host array to the device."""
        self.check_dtype(host.dtype)
        self.machine.copy_in(name, host.nbytes)
        return self.new(host if host.flags.forc else np.ascontiguousarray(host))

    def index_from_host(self, value: Any) -> Any:
        """A list or NumPy array used as an index: CuPy copies it to the device."""
        host = np.asarray(value)
        if host.size == 0 and not isinstance(value, np.ndarray):
            host = host.astype(np.int32)
        if host.dtype.kind not in "biu":
            raise IndexError(f"arrays used as indices must be of integer or boolean type (actual: {host.dtype.type})")
        return self.from_host(host, "index")

    def operand(self, value: Any) -> Any:
        """What NumPy computes with in the place of an operand."""
        if isinstance(value, self.array_type):
            self.machine.check_here(value._buffer.device_id)
            return value._host
        if isinstance(value, SCALARS):
            if isinstance(value, np.generic):
                self.check_dtype(value.dtype)
            return value
        raise unsupported(value)

    # --- ufuncs -------------------------------------------------------------------------------------------------------

    def ufunc(self, name: str, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """A ufunc of the surface."""
        entry = FUNCTIONS[name]
        check_signature(name, entry, len(args), kwargs)
        ins, outs = args[: entry["nin"]], [o for o in args[entry["nin"] :] if o is not None]
        given = kwargs.pop("out", None)
        if given is not None:
            if outs:
                raise ValueError("Cannot specify 'out' as both a positional and keyword argument")
            outs = list(given) if isinstance(given, tuple) else [given]
        return self.elementwise(name, function, ins, outs, kwargs, _results(name))

    def elementwise(
        self,
        name: str,
        function: Callable[..., Any],
        inputs: Iterable[Any],
        outs: list[Any],
        kwargs: dict[str, Any],
        results: frozenset[np.dtype] | None = None,
    ) -> Any:
        """An elementwise function to `results` (any): exact shapes for `outs`, one launch, none for an empty result."""
        inputs = tuple(inputs)
        ins = [self.operand(a) for a in inputs]
        for o in outs:
            if not isinstance(o, self.array_type):
                raise TypeError("Output arguments type must be cupy.ndarray")
            self.machine.check_here(o._buffer.device_id)
        buffers = [a._buffer for a in (*inputs, *outs) if isinstance(a, self.array_type)]
        if not outs:
            with np.errstate(all="ignore"):
                found = function(*ins, **kwargs)
            if results is not None:
                self._check_loop(name, results, found)
            return self._fresh(name, found, lambda: function(*ins, **kwargs), buffers)
        shape = np.broadcast_shapes(*(np.shape(i) for i in ins))
        for o in outs:
            if o.shape != shape:
                raise ValueError("Out shape is mismatched")
        into = tuple(o._host for o in outs)
        self._check_writable(into)
        kwargs = {**kwargs, "out": into if len(into) > 1 else into[0]}
        if outs[0].size:
            self.machine.launch(name, lambda: function(*ins, **kwargs), into, buffers)
        else:
            function(*ins, **kwargs)  # raises where the dtypes do not fit
        return outs[0] if len(outs) == 1 else tuple(outs)

    @staticmethod
    def _check_loop(name: str, results: frozenset[np.dtype], found: Any) -> None:
        """CuPy has fewer loops than NumPy: the result's dtype has to be one of theirs."""
        for f in found if isinstance(found, tuple) else (found,):
            if f.dtype not in results:
                raise TypeError(f"Wrong type ({f.dtype.char}) of arguments for {name}")

    @staticmethod
    def _check_writable(arrays: Iterable[np.ndarray]) -> None:
        for array in arrays:
            if not array.flags.writeable:
                raise ValueError("a write to an array that repeats its elements (broadcast_to) is a race on a GPU")

    # --- everything else ----------------------------------------------------------------------------------------------

    def call(self, name: str, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A function of the module or a method (with the array in front)."""
        machine = self.machine
        out = kwargs.get("out")
        if out is not None and not isinstance(out, self.array_type):
            raise unsupported(out)
        arrays: list[Any] = []
        host_args = [self._argument(name, a, arrays, i == 0) for i, a in enumerate(args)]
        host_kwargs = {k: self._argument(name, v, arrays, False) for k, v in kwargs.items()}
        if name in JOINS:
            self._check_join(name, arrays if out is None else arrays[:-1])
        library = name in CUBLAS or (name.startswith("linalg.") and name != "linalg.norm")
        if library and any(a.dtype.kind in "fc" for a in arrays):
            machine.refuse_library(name, "cuBLAS")
        if name in WAITS:
            machine.synchronise(name)
        buffers = [a._buffer for a in arrays]
        if name in IN_PLACE:
            self._check_writable([arrays[0]._host])
            machine.launch(name, lambda: function(*host_args, **host_kwargs), [arrays[0]._host], buffers)
            return None
        if out is not None:
            self._check_writable([out._host])
            machine.launch(name, lambda: function(*host_args, **host_kwargs), [out._host], buffers)
            return out
        with np.errstate(all="ignore"):
            found = function(*host_args, **host_kwargs)
        if name in QUESTIONS:
            return found
        count = LAUNCHES.get(name, 1)
        if name in JOINS and len(arrays) <= TABLE_AFTER:
            count = len(arrays)
        for _ in range(count - 1):
            machine.launch(name, lambda: None, (), buffers, done=True)
        if name in VIEWS and arrays:
            return self._maybe_view(name, found, lambda: function(*host_args, **host_kwargs), arrays)
        return self._fresh(name, found, lambda: function(*host_args, **host_kwargs), buffers)

    def _argument(self, name: str, value: Any, arrays: list[Any], first: bool) -> Any:
        if isinstance(value, self.array_type):
            if name not in VIEWS and name not in QUESTIONS:  # a view can be had from anywhere
                self.machine.check_here(value._buffer.device_id)
            arrays.append(value)
            return value._host
        if isinstance(value, np.ndarray) and name not in QUESTIONS:
            raise unsupported(value)
        if isinstance(value, (list, tuple)):
            if first and not (name in CREATION or name in SEQUENCES or name in QUESTIONS):
                raise unsupported(value)
            if first and name in JOINS and not all(isinstance(v, self.array_type) for v in value):
                raise TypeError("Only cupy arrays can be concatenated")
            return type(value)(self._argument(name, v, arrays, False) for v in value)
        if first and isinstance(value, SCALARS) and not (name in CREATION or name in QUESTIONS):
            raise unsupported(value)
        return value

    def _check_join(self, name: str, arrays: list[Any]) -> None:
        """Only arrays, and their addresses have to get to the device somehow."""
        if len(arrays) > TABLE_AFTER:
            self.machine.copy_in(f"{name} of {len(arrays)} arrays: table of addresses", 8 * len(arrays))

    def _maybe_view(self, name: str, found: Any, again: Callable[[], Any], arrays: list[Any]) -> Any:
        if isinstance(found, (list, tuple)):
            return type(found)(self._maybe_view(name, f, lambda i=i: again()[i], arrays) for i, f in enumerate(found))
        for a in arrays:
            if found is a._host:
                return a
            if found.size == 0 or np.may_share_memory(found, a._host):
                return self.view(found, a)
        for a in arrays:
            self.machine.check_here(a._buffer.device_id)
        return self._fresh(name, found, again, [a._buffer for a in arrays])

    def _fresh(self, name: str, found: Any, again: Callable[[], Any], buffers: list[Buffer]) -> Any:
        """Results in new memory, C-contiguous; 0-d ones are arrays too."""
        if isinstance(found, (list, tuple)):
            made = [self.new(np.asarray(f, order="C")) for f in found]
            into = [m._host for m in made]

            def repeat() -> None:
                for target, value in zip(into, again(), strict=True):
                    target[...] = value

            if any(m.size for m in made):
                self.machine.launch(name, repeat, into, [*buffers, *(m._buffer for m in made)], done=True)
            return type(found)(made) if type(found) in (list, tuple) else tuple(made)
        array = self.new(np.asarray(found, order="C"))
        host = array._host
        if host.size:
            self.machine.launch(name, lambda: np.copyto(host, again()), [host], [*buffers, array._buffer], done=True)
        return array
