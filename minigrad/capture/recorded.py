"""The array that stands for a NumPy array in a recording, and the array module that goes with it."""

from __future__ import annotations

import operator
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from ..backend import device as devices
from ..backend.device import HostProvider
from ..backend.recording import seam
from ..core.variable import Variable
from ..errors import CaptureError

if TYPE_CHECKING:
    from .recorder import Recorder

METADATA = frozenset({"shape", "dtype", "ndim", "size", "nbytes", "strides", "itemsize", "flags"})
METHODS = frozenset(
    {
        "all", "any", "argmax", "argmin", "argsort", "astype", "clip", "copy", "cumprod", "cumsum", "diagonal", "dot",
        "fill", "flatten", "max", "mean", "min", "partition", "prod", "ravel", "repeat", "reshape", "round", "sort",
        "squeeze", "std", "sum", "swapaxes", "take", "trace", "transpose", "var", "view",
    }
)  # fmt: skip
ABOUT = frozenset({np.shape, np.ndim, np.size, np.result_type, np.can_cast, np.iscomplexobj, np.isrealobj})
"""Functions that look at shapes and dtypes alone."""


class Elsewhere(Exception):
    """The step works on a device.

    Args:
        device: full label.
    """

    def __init__(self, device: str) -> None:
        super().__init__(device)
        self.device = device


def active() -> Recorder:
    """The recorder that runs in this thread."""
    watcher: Any = seam.watcher
    if watcher is None or not watcher.records:
        raise CaptureError("this array belongs to a recording that has ended")
    recorder: Recorder = watcher
    return recorder


def _refuse(what: str) -> Any:
    def method(self: Recorded, *_: Any, **__: Any) -> NoReturn:
        raise CaptureError(
            f"{what} of an array of the recorded step (shape {self.shape}, {self.dtype}): its value differs from step "
            "to step. Keep it an array (mg.where in place of a branch), or read it after the step"
        )

    return method


class Recorded(np.lib.mixins.NDArrayOperatorsMixin):
    """A NumPy array under the eyes of a recorder: calls are noted, questions about its value are refused."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **kwargs: Any) -> Any:
        if any(isinstance(x, Variable) for x in inputs):
            return NotImplemented  # the Tensor's turn
        function = ufunc if method == "__call__" else getattr(ufunc, method)
        if method == "at":
            return active().write(function, inputs, kwargs)
        return active().record(function, inputs, kwargs, None if out is None else out[0] if len(out) == 1 else out)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if any(issubclass(kind, Variable) for kind in types):
            return NotImplemented
        return active().function(function, args, kwargs)

    def __getitem__(self, index: Any) -> Any:
        index = index if isinstance(index, tuple) else (index,)
        for part in index:
            if isinstance(part, Recorded) and part.dtype.kind == "b":
                raise CaptureError(
                    "a boolean index of an array of the recorded step: the shape of the result would differ from step "
                    "to step; use mg.where, or a product with the mask"
                )
        if all(isinstance(i, (int, np.integer)) for i in index):
            index += (...,)  # NumPy would hand out a scalar, which is a copy; this is a 0-d view
        return active().record(operator.getitem, (self, index), {}, None)

    def __setitem__(self, index: Any, value: Any) -> None:
        parts = index if isinstance(index, tuple) else (index,)
        if any(hasattr(part, "dtype") or isinstance(part, list) for part in parts):
            active().write(operator.setitem, (self, index, value), {})
            return
        parts = parts if any(part is Ellipsis for part in parts) else (*parts, ...)
        active().copy_to(self.value[parts], value)

    def __getattr__(self, name: str) -> Any:
        if name in METADATA:
            return getattr(self.value, name)
        if name == "T":
            return active().record(np.transpose, (self,), {}, None)
        if name == "mT":
            return active().record(np.matrix_transpose, (self,), {}, None)
        if name in METHODS:
            method = getattr(np.ndarray, name)
            if name in ("fill", "partition", "sort"):
                return lambda *args, **kwargs: active().write(method, (self, *args), kwargs)
            return lambda *args, **kwargs: active().function(method, (self, *args), kwargs)
        if name.startswith("__"):
            raise AttributeError(name)
        raise CaptureError(f"an array of the recorded step has no {name!r}: a replay could not repeat it")

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self.value)))

    def __repr__(self) -> str:
        return f"<an array of the recorded step: shape={self.shape} dtype={self.dtype}>"

    __bool__, __float__, __int__, __complex__ = map(_refuse, ("bool()", "float()", "int()", "complex()"))
    __index__, item, tolist, __array__ = map(_refuse, ("index()", "item()", "tolist()", "np.asarray()"))
    nonzero, tobytes, tofile = map(_refuse, ("nonzero()", "tobytes()", "tofile()"))
    __hash__ = object.__hash__


class _Function:
    """A function of NumPy's as the recorder's array module has it: what it creates is noted too."""

    def __init__(self, function: Any) -> None:
        self.function = function
        self.__name__ = getattr(function, "__name__", "")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return active().function(self.function, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        return _Function(getattr(self.function, name))


class _Module:
    """NumPy's names; the arrays are recorded ones."""

    def __init__(self, module: Any) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._module, name)
        if type(found) is type(np):
            return _Module(found)
        return _Function(found) if callable(found) and not isinstance(found, type) else found


class RecordedProvider(HostProvider):
    """The provider of recorded arrays: the CPU."""

    xp: Any = _Module(np)
    array_type: Any = Recorded

    def __init__(self) -> None:
        self.keeps_memory = False

    def from_host(self, array: np.ndarray, device: str) -> Any:
        return active().constant(array.copy())

    def send(self, array: Any, device: str) -> Any:
        raise Elsewhere(device)

    def to_host(self, array: Any) -> Any:
        return _refuse("bool(), float(), item() or np.asarray()")(array)

    def zeros(self, shape: tuple[int, ...], dtype: Any, device: str) -> Any:
        return self.xp.zeros(shape, dtype)

    def special(self, name: str, *arrays: Any) -> Any:
        from ..backend import special

        return active().call(getattr(special, name), arrays, False)


devices.install_stand_in(RecordedProvider())
