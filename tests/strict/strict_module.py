"""The module of the strict device: stands for `import cupy as xp`."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any, NoReturn

import numpy as np
import strict_index
from strict_array import StrictArray
from strict_calls import FUNCTIONS, METHODS, SURFACE, Caller, check_signature, missing
from strict_device import StrictDevice
from strict_memory import MemoryPool, OutOfMemoryError
from strict_stream import Event, Graph, Stream, nonsense

_NAMES = frozenset(SURFACE["names"])


class StrictUfunc:
    """One of the module's elementwise functions."""

    def __init__(self, module: StrictModule, name: str, function: Callable[..., Any]) -> None:
        entry = FUNCTIONS[name]
        self._module, self.__name__, self._function = module, name, function
        self.nin, self.nout, self.types = entry["nin"], entry["nout"], entry["types"]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._module.caller.ufunc(self.__name__, self._function, *args, **kwargs)

    def at(self, a: Any, indices: Any, b: Any = None) -> None:
        strict_index.scatter(self._module.caller, self.__name__, a, indices, b)

    def outer(self, a: Any, b: Any, **kwargs: Any) -> Any:
        a, b = self._module.asarray(a), self._module.asarray(b)
        return self(a.reshape(a.shape + (1,) * b.ndim), b, **kwargs)

    def reduce(self, array: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False) -> Any:
        method = {"add": "sum", "multiply": "prod"}.get(self.__name__)
        if method is None:
            raise NotImplementedError(f"`cupy_{self.__name__}.reduce` is not supported yet")
        return getattr(array, method)(axis=axis, dtype=dtype, out=out, keepdims=keepdims)

    def accumulate(self, array: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        method = {"add": "cumsum", "multiply": "cumprod"}.get(self.__name__)
        if method is None:
            raise NotImplementedError(f"`cupy_{self.__name__}.accumulate` is not supported yet")
        return getattr(array, method)(axis=axis, dtype=dtype, out=out)


class _Device:
    """Stands for cupy.cuda.Device."""

    def __init__(self, machine: StrictDevice, index: int | None = None) -> None:
        self._machine = machine
        self.id = machine.current if index is None else int(index)
        self._scopes: list[AbstractContextManager[None]] = []

    def __enter__(self) -> _Device:
        scope = self._machine.scope(self.id)
        scope.__enter__()
        self._scopes.append(scope)
        return self

    def __exit__(self, *error: Any) -> None:
        self._scopes.pop().__exit__(*error)

    def __int__(self) -> int:
        return self.id

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Device) and self.id == other.id

    def __hash__(self) -> int:
        return self.id

    def __repr__(self) -> str:
        return f"<CUDA Device {self.id}>"

    def use(self) -> _Device:
        self._machine.check_index(self.id)
        self._machine.current = self.id
        return self

    def synchronize(self) -> None:
        self._machine.synchronize(self.id)


def _cuda(machine: StrictDevice) -> SimpleNamespace:
    """Stands for cupy.cuda."""

    def make_stream(null: bool = False, non_blocking: bool = False, ptds: bool = False) -> Stream:
        if ptds:
            raise NotImplementedError("per-thread default streams are not modelled")
        return machine.null_stream() if null else machine.new_stream(non_blocking)

    def make_event(block: bool = False, disable_timing: bool = False, interprocess: bool = False) -> Event:
        return Event(machine)

    return SimpleNamespace(
        Device=lambda index=None: _Device(machine, index),
        Stream=make_stream,
        Event=make_event,
        Graph=Graph,
        MemoryPool=lambda: MemoryPool(machine),
        OutOfMemoryError=OutOfMemoryError,
        memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
        get_current_stream=machine.stream,
        get_elapsed_time=lambda start, end: end.time - start.time,
        using_allocator=machine.using_allocator,
        is_available=lambda: True,
        runtime=SimpleNamespace(
            getDeviceCount=lambda: machine.count,
            getDevice=lambda: machine.current,
            deviceSynchronize=lambda: machine.synchronize(machine.current),
        ),
    )


class _Namespace:
    """xp.linalg: CuPy's names, done by NumPy; as in CuPy, not to be called while a stream captures."""

    def __init__(self, module: StrictModule) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        full = f"linalg.{name}"
        if full not in FUNCTIONS:
            raise missing(name, "module 'cupy.linalg'")
        return self._module._function(full, getattr(np.linalg, name))


class _Random:
    """xp.random: the legacy functions, with numbers of their own."""

    def __init__(self, module: StrictModule) -> None:
        self._module = module
        self._state = np.random.RandomState(0)

    def __getattr__(self, name: str) -> Any:
        entry = FUNCTIONS.get(f"random.{name}")
        if entry is None:
            raise missing(name, "module 'cupy.random'")
        if not hasattr(self._state, name):
            raise NotImplementedError(f"cupy.random.{name} is not modelled by the strict device")

        def call(*args: Any, **kwargs: Any) -> Any:
            dtype = kwargs.pop("dtype", None)
            machine, caller = self._module.machine, self._module.caller
            if machine.capturing():
                raise NotImplementedError(f"random.{name}: calling cuRAND API during stream capture is unsupported.")
            check_signature(name, entry, len(args), kwargs)
            found = getattr(self._state, name)(*args, **kwargs)
            if found is None:
                return None
            host = np.asarray(found) if dtype is None else np.asarray(found).astype(dtype)
            return caller._fresh(f"random.{name}", host, lambda: host, [])

        return call


class StrictModule:
    """CuPy's names over NumPy. What CuPy lacks is an AttributeError; what it has and this does not, says so.

    Args:
        machine: the StrictDevice to run on.
    """

    def __init__(self, machine: StrictDevice) -> None:
        self.machine = machine
        self.caller = Caller(machine, StrictArray)
        self.ndarray = StrictArray
        self.linalg = _Namespace(self)
        self.random = _Random(self)
        self.cuda = _cuda(machine)
        machine.xp = self

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if name in FUNCTIONS:
            found = self._function(name, getattr(np, name, None))
        elif name in _NAMES and hasattr(np, name) and name not in ("r_", "c_", "mgrid", "ogrid", "vectorize"):
            found = getattr(np, name)
        elif name in _NAMES:
            raise NotImplementedError(f"cupy.{name} is not modelled by the strict device")
        else:
            raise missing(name, "module 'cupy'")
        setattr(self, name, found)  # looked up once
        return found

    def _function(self, name: str, function: Callable[..., Any] | None) -> Callable[..., Any]:
        entry = FUNCTIONS[name]
        if function is None:
            return self._not_modelled(name)
        if entry["kind"] == "ufunc":
            return StrictUfunc(self, name, function)

        def call(*args: Any, **kwargs: Any) -> Any:
            check_signature(name, entry, len(args), kwargs)
            return self.caller.call(name, function, args, kwargs)

        call.__name__ = name
        return call

    @staticmethod
    def _not_modelled(name: str) -> Callable[..., Any]:
        def refuse(*_: Any, **__: Any) -> NoReturn:
            raise NotImplementedError(f"cupy.{name} is not modelled by the strict device")

        return refuse

    # --- making arrays ------------------------------------------------------------------------------------------------

    def array(
        self,
        obj: Any,
        dtype: Any = None,
        copy: bool | None = True,
        order: str | None = "K",
        subok: bool = False,
        ndmin: int = 0,
        *,
        blocking: bool = False,
    ) -> Any:
        if subok or ndmin:
            raise NotImplementedError("subok and ndmin are not modelled by the strict device")
        if isinstance(obj, StrictArray):
            if obj._buffer.device_id != self.machine.current:
                obj = obj.copy()
            elif not copy and (dtype is None or obj.dtype == np.dtype(dtype)):
                return obj
            return obj.astype(obj.dtype if dtype is None else dtype, order=order or "K")
        made = self.caller.from_host(np.asarray(obj, dtype=dtype), "array")
        if blocking:
            self.machine.synchronise("array(blocking=True)")
        return made

    def asarray(
        self, a: Any, dtype: Any = None, order: str | None = None, *, copy: bool | None = None, blocking: bool = False
    ) -> Any:
        return self.array(a, dtype, copy, order, blocking=blocking)

    def asnumpy(self, a: Any, stream: Any = None, order: str = "C", out: Any = None, *, blocking: bool = True) -> Any:
        return a.get(stream, order, out, blocking) if isinstance(a, StrictArray) else np.asarray(a)

    def empty(self, shape: Any, dtype: Any = float, order: str = "C") -> Any:
        """Uninitialised: full of nonsense, so that who reads it is found out."""
        return self._uninitialised(np.empty(shape, float if dtype is None else dtype, order))  # type: ignore[call-overload]

    def empty_like(
        self, prototype: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None
    ) -> Any:
        self.caller.operand(prototype)
        return self._uninitialised(np.empty_like(prototype._host, dtype, order, shape=shape))  # type: ignore[call-overload]

    def _uninitialised(self, host: np.ndarray) -> Any:
        made = self.caller.new(host)
        made._host[...] = nonsense(host.dtype)
        return made

    def arange(self, start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Any:
        if any(isinstance(x, StrictArray) for x in (start, stop, step)):
            self.machine.synchronise("arange with an array for a bound")
        given = [x.item() if isinstance(x, StrictArray) else x for x in (start, stop)]
        bounds = (given[0],) if stop is None else (given[0], given[1], step)
        host = np.arange(*bounds, dtype=dtype)
        return self.caller._fresh("arange", host, lambda: host, [])

    # --- functions that are not as NumPy's ----------------------------------------------------------------------------

    def where(self, condition: Any, x: Any = None, y: Any = None) -> Any:
        if (x is None) != (y is None):
            raise ValueError("Must provide both 'x' and 'y' or neither.")
        if x is None:
            return self.nonzero(condition)
        truth = condition.astype(np.bool_, copy=False)  # so a Python bool is an AttributeError, as it is there
        return self.caller.elementwise("where", np.where, (truth, x, y), [], {})

    def clip(self, a: Any, a_min: Any, a_max: Any, out: Any = None) -> Any:
        if not isinstance(a, StrictArray):
            raise AttributeError(f"{type(a).__name__!r} object has no attribute 'clip'")
        return a.clip(a_min, a_max, out=out)

    def take(self, a: Any, indices: Any, axis: int | None = None, out: Any = None) -> Any:
        if not isinstance(a, StrictArray):
            raise AttributeError(f"{type(a).__name__!r} object has no attribute 'take'")
        return a.take(indices, axis, out)

    def astype(self, x: Any, dtype: Any, /, *, copy: bool = True) -> Any:
        return x.astype(dtype, copy=copy)

    def copy(self, a: Any, order: str = "K") -> Any:
        return a.copy(order)

    def repeat(self, a: Any, repeats: Any, axis: int | None = None) -> Any:
        if isinstance(repeats, StrictArray):
            self.machine.synchronise("repeat by an array")
            repeats = repeats._host
        elif isinstance(repeats, (list, tuple, np.ndarray)) and math.prod(np.shape(repeats)) > 1:
            self.machine.copy_in("repeat by a list", 8 * len(repeats))
        host = self.caller.operand(a)
        make = lambda: np.repeat(host, repeats, axis)
        return self.caller._fresh("repeat", make(), make, [a._buffer])

    def get_default_memory_pool(self) -> MemoryPool:
        return self.machine.default_pool

    def get_array_module(self, *args: Any) -> Any:
        return self if any(isinstance(a, StrictArray) for a in args) else np

    def is_available(self) -> bool:
        return True


def method_names() -> list[str]:
    """The public attributes of CuPy's arrays."""
    return sorted(name for name in METHODS if not name.startswith("_"))
