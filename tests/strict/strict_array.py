"""The array of the strict device: cupy.ndarray's surface over a NumPy array that nobody else may touch."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np
import strict_index
from strict_calls import METHODS, SCALARS, check_signature
from strict_memory import Buffer, MemoryPointer

_COMPARISONS = frozenset({"greater", "greater_equal", "less", "less_equal", "equal", "not_equal"})


class Flags:
    """Layout of an array. There is no `writeable`, as in CuPy."""

    def __init__(self, host: np.ndarray, owndata: bool) -> None:
        self.c_contiguous = host.flags.c_contiguous
        self.f_contiguous = host.flags.f_contiguous
        self.owndata = owndata
        self.forc = host.flags.forc
        self.fnc = host.flags.fnc


class StrictArray:
    """Stands for cupy.ndarray."""

    __slots__ = ("__weakref__", "_buffer", "_host", "_is_view", "_machine")
    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, host: np.ndarray, buffer: Buffer, machine: Any, view: bool = False) -> None:
        self._host = host
        self._buffer = buffer
        self._machine = machine
        self._is_view = view

    # --- what it is ---------------------------------------------------------------------------------------------------

    shape = property(lambda self: self._host.shape)
    strides = property(lambda self: self._host.strides)
    dtype = property(lambda self: self._host.dtype)
    ndim = property(lambda self: self._host.ndim)
    size = property(lambda self: self._host.size)
    itemsize = property(lambda self: self._host.itemsize)
    nbytes = property(lambda self: self._host.nbytes)
    flags = property(lambda self: Flags(self._host, not self._is_view))
    data = property(lambda self: MemoryPointer(self._host, self._buffer))
    device = property(lambda self: self._machine.xp.cuda.Device(self._buffer.device_id))
    T = property(lambda self: self._view(self._host.T))
    mT = property(lambda self: self._view(self._host.mT))

    @property
    def _caller(self) -> Any:
        return self._machine.xp.caller

    def _view(self, host: np.ndarray) -> StrictArray:
        return StrictArray(host, self._buffer, self._machine, view=True)

    # --- leaving the device: all of these wait ------------------------------------------------------------------------

    def _to_host(self, why: str) -> np.ndarray:
        self._machine.copy_out(why, self._host.nbytes)
        return self._host

    def get(self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True) -> np.ndarray:
        if out is not None:
            if not isinstance(out, np.ndarray):
                raise TypeError("Only numpy.ndarray can be obtained from cupy.ndarray")
            if out.dtype != self.dtype or out.shape != self.shape:
                raise ValueError(f"Shape mismatch. Expected shape: {self.shape}, actual shape: {out.shape}")
        if self.size:
            self._to_host("get")
        if out is None:
            return self._host.copy(order if order in ("C", "F") else "A")
        out[...] = self._host
        return out

    def item(self) -> Any:
        if self.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        return self._to_host("item").item()

    def tolist(self) -> Any:
        return self._to_host("tolist").tolist()

    def tobytes(self, order: str = "C") -> bytes:
        return self._to_host("tobytes").tobytes()

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct a NumPy array "
            "explicitly."
        )

    def __float__(self) -> float:
        return float(self._to_host("float()").item())

    def __int__(self) -> int:
        return int(self._to_host("int()").item())

    def __complex__(self) -> complex:
        return complex(self._to_host("complex()").item())

    def __bool__(self) -> bool:
        if self.size == 0:
            warnings.warn("The truth value of an empty array is ambiguous.", DeprecationWarning, stacklevel=2)
            return False
        if self.size > 1:
            raise ValueError(
                "The truth value of an array with more than one element is ambiguous. Use a.any() or a.all()"
            )
        return bool(self._to_host("bool()").item())

    def __repr__(self) -> str:
        return repr(self._to_host("repr"))

    def __str__(self) -> str:
        return str(self._to_host("str"))

    def __format__(self, spec: str) -> str:
        return format(self._to_host("format"), spec)

    # --- staying ------------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of unsized object")
        return len(self._host)

    def __iter__(self) -> Iterator[StrictArray]:
        if not self.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Any) -> StrictArray:
        return strict_index.getitem(self._caller, self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        strict_index.setitem(self._caller, self, index, value)

    def __copy__(self) -> StrictArray:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> StrictArray:
        with self._machine.scope(self._buffer.device_id):
            return self.copy()

    def copy(self, order: str = "C") -> StrictArray:
        """A copy on the current device, wherever the array is."""
        host = self._host
        if self.size and order != "C":
            return self.astype(self.dtype, order)
        if self._buffer.device_id != self._machine.current and not (host.flags.c_contiguous or host.flags.f_contiguous):
            raise NotImplementedError("CuPy cannot copy non-contiguous array between devices.")
        return self._caller._fresh("copy", host, lambda: host, [self._buffer])

    def astype(
        self, dtype: Any, order: str = "K", casting: Any = None, subok: Any = None, copy: bool = True
    ) -> StrictArray:
        if casting is not None or subok is not None:
            raise TypeError("casting and subok are not supported yet")
        self._caller.check_dtype(np.dtype(dtype))
        if not copy and self.dtype == np.dtype(dtype):
            return self
        self._machine.check_here(self._buffer.device_id)
        host = self._host
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a complex value loses its imaginary part silently there
            made = self._caller.new(host.astype(dtype, order=order))
        into = made._host
        if made.size:
            work = functools.partial(np.copyto, into, host, "unsafe")
            self._machine.launch("astype", work, [into], [self._buffer, made._buffer], done=True)
        return made

    def set(self, arr: np.ndarray, stream: Any = None) -> None:
        """Copy from a host array of the same shape and dtype."""
        if not isinstance(arr, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if arr.dtype != self.dtype:
            raise TypeError(f"{arr.dtype} array cannot be set to {self.dtype} array")
        if arr.shape != self.shape:
            raise ValueError(f"Shape mismatch. Old shape: {self.shape}, new shape: {arr.shape}")
        if not (self._host.flags.c_contiguous or self._host.flags.f_contiguous):
            raise RuntimeError("Cannot set to non-contiguous array")
        self._machine.copy_in("set", arr.nbytes)
        self._host[...] = arr

    def fill(self, value: Any) -> None:
        if isinstance(value, StrictArray) and value.shape:
            raise ValueError("non-scalar cupy.ndarray cannot be used for fill")
        strict_index.setitem(self._caller, self, Ellipsis, value)

    def take(self, indices: Any, axis: int | None = None, out: Any = None) -> StrictArray:
        return strict_index.take(self._caller, self, indices, axis, out)

    def clip(self, min: Any = None, max: Any = None, out: Any = None) -> StrictArray:
        # a missing bound is an infinity there: the result has a value for every bound that is given
        low, high = (None if b is None else self._caller.operand(b) for b in (min, max))
        given = [b for b in (min, max) if b is not None]
        pick = lambda x, *_, **k: np.clip(x, low, high, **k)
        return self._caller.elementwise("clip", pick, (self, *given), [] if out is None else [out], {})

    def sort(self, axis: int = -1, kind: Any = None) -> None:
        self._caller.call("sort_", lambda host, axis: host.sort(axis), (self, axis), {})

    # --- dispatch from NumPy ------------------------------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """np.add(array, 1) is cupy.add(array, 1); foreign types get their own chance, NumPy arrays are refused."""
        operands = inputs
        if "out" in kwargs:
            if len(kwargs["out"]) != 1:
                raise ValueError("The 'out' parameter must have exactly one array value")
            operands += kwargs["out"]
            kwargs["out"] = kwargs["out"][0]
        try:
            function = getattr(self._machine.xp, ufunc.__name__)
            if method != "__call__":
                function = getattr(function, method)
        except AttributeError:
            return NotImplemented
        if not all(isinstance(x, (*SCALARS, StrictArray, np.ndarray)) for x in operands):
            return NotImplemented
        if ufunc.__name__ in _COMPARISONS:
            inputs = tuple(x.item() if isinstance(x, np.ndarray) and x.ndim == 0 else x for x in inputs)
        return function(*inputs, **kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """np.sum(array) is cupy.sum(array)."""
        try:
            module = functools.reduce(getattr, function.__module__.split(".")[1:], self._machine.xp)
            found = getattr(module, function.__name__)
        except AttributeError:
            return NotImplemented
        if not all(issubclass(t, (StrictArray, np.ndarray)) for t in types):
            return NotImplemented
        return found(*args, **kwargs)


def _defers(x: Any, y: Any) -> bool:
    """Whether an operator leaves the work to its right operand: NEP 13, as CuPy reads it."""
    nothing = object()
    other = getattr(y, "__array_ufunc__", nothing)
    if other is not nothing:
        return other is None
    return getattr(x, "__array_priority__", 0) < getattr(y, "__array_priority__", 0)


def _binary(name: str) -> tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]]:
    def plain(self: StrictArray, other: Any) -> Any:
        if isinstance(other, StrictArray):
            return getattr(self._machine.xp, name)(self, other)
        return NotImplemented if _defers(self, other) else getattr(np, name)(self, other)

    def reflected(self: StrictArray, other: Any) -> Any:
        return getattr(self._machine.xp, name)(other, self)

    def in_place(self: StrictArray, other: Any) -> Any:
        return getattr(self._machine.xp, name)(self, other, self)

    return plain, reflected, in_place


def _equality(name: str, otherwise: str) -> Callable[..., Any]:
    plain = _binary(name)[0]

    def compare(self: StrictArray, other: Any) -> Any:
        if other is None or (type(other).__eq__ is object.__eq__ and not hasattr(other, "__array_ufunc__")):
            return getattr(self._machine.xp, otherwise)(self.shape, np.bool_)
        return plain(self, other)

    return compare


def _refuse_imatmul(self: StrictArray, other: Any) -> NoReturn:
    raise TypeError("a @= b makes a new array in CuPy, which whoever holds the old one does not see: a[...] = a @ b")


def _power(self: StrictArray, exponent: Any, modulo: Any = None) -> Any:
    """The powers that CuPy computes without pow()."""
    quick = {2.0: "square", 0.5: "sqrt", -1.0: "reciprocal"}
    if (
        self.dtype.kind == "f"
        and (type(exponent) is float or (type(exponent) is int and exponent == 2))
        and exponent in quick
    ):
        return getattr(self._machine.xp, quick[exponent])(self)
    return _binary("power")[0](self, exponent)


def _method(name: str) -> Callable[..., Any]:
    entry = METHODS[name]

    def method(self: StrictArray, *args: Any, **kwargs: Any) -> Any:
        check_signature(name, entry, len(args), kwargs)
        if name in ("cstruct", "mdspan", "toDlpack", "dump", "dumps", "tofile"):
            raise NotImplementedError(f"ndarray.{name} is not modelled by the strict device")
        if name == "reduced_view":
            return self
        if hasattr(np.ndarray, name):
            return self._caller.call(name, lambda host, *a, **k: getattr(host, name)(*a, **k), (self, *args), kwargs)
        return self._caller.call(name, getattr(np, name), (self, *args), kwargs)

    method.__name__ = name
    return method


def _fill_class() -> None:
    """Operators and methods that need no word of their own."""
    operators = {
        "add": "add",
        "sub": "subtract",
        "mul": "multiply",
        "truediv": "true_divide",
        "floordiv": "floor_divide",
        "mod": "remainder",
        "divmod": "divmod",
        "pow": "power",
        "matmul": "matmul",
        "and": "bitwise_and",
        "or": "bitwise_or",
        "xor": "bitwise_xor",
        "lshift": "left_shift",
        "rshift": "right_shift",
    }
    for short, name in operators.items():
        for prefix, function in zip(("", "r", "i"), _binary(name), strict=True):
            if f"__{prefix}{short}__" in METHODS:  # there is no __imatmul__: `a @= b` rebinds
                setattr(StrictArray, f"__{prefix}{short}__", function)
    StrictArray.__pow__ = _power  # type: ignore[attr-defined]
    for short, name in {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal"}.items():
        setattr(StrictArray, f"__{short}__", _binary(name)[0])
    StrictArray.__eq__ = _equality("equal", "zeros")  # type: ignore[method-assign]
    StrictArray.__ne__ = _equality("not_equal", "ones")  # type: ignore[method-assign]
    for short, name in {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}.items():
        setattr(StrictArray, f"__{short}__", lambda self, name=name: getattr(self._machine.xp, name)(self))
    for name, entry in METHODS.items():
        if not name.startswith("_") and not hasattr(StrictArray, name):
            if entry["kind"] == "function":
                setattr(StrictArray, name, _method(name))
            elif name in ("real", "imag"):
                get = lambda self, name=name: self._caller.call(name, lambda h: getattr(h, name), (self,), {})
                setattr(StrictArray, name, property(get))


_fill_class()
