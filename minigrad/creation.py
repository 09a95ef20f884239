"""New arrays under NumPy's names, so that `import minigrad as np` (or `as cp`) is a workable namespace.

They return plain arrays, on the CPU unless `device=` or `set_default_device` says otherwise. Only `array`, `asarray`
and `full` look at Tensors: what holds one becomes a Tensor, and gradients pass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .backend.device import HOST, device_of, on_device, provider_for, provider_of, resolve_device
from .backend.recording import made
from .core.variable import Variable
from .ops import ranges
from .ops.shape import astype, broadcast_to, stack, to_device_
from .ops.shape import copy as _copy

_default = "cpu"


def set_default_device(device: str) -> None:
    """Choose where the functions of this module put new arrays when called without `device`.

    Args:
        device: "cpu", "cuda", "cuda:1" or "auto".

    Raises:
        DeviceError: it is not there.
    """
    global _default
    _default = resolve_device(device)


def get_default_device() -> str:
    """The full label of the device that `set_default_device` chose; "cpu" at first."""
    return _default


def _make(name: str, device: str | None, *args: Any, **kwargs: Any) -> Any:
    """The array library's function of this name, called with its device current."""
    label = _default if device is None else resolve_device(device)
    with on_device(label):
        return made(getattr(provider_for(label).xp, name)(*args, **kwargs))


def _creator(name: str, what: str) -> Callable[..., Any]:
    def create(*args: Any, device: str | None = None, **kwargs: Any) -> Any:
        return _make(name, device, *args, **kwargs)

    create.__name__ = create.__qualname__ = name
    create.__doc__ = f"{what}: NumPy's `{name}` with its arguments, and `device=` beside them."
    return create


zeros = _creator("zeros", "An array of zeros")
ones = _creator("ones", "An array of ones")
empty = _creator("empty", "An array whose values are not set")
eye = _creator("eye", "A matrix with ones on a diagonal")
identity = _creator("identity", "The identity matrix")
arange = _creator("arange", "Evenly spaced values within a half-open interval")
tri = _creator("tri", "Ones at and below a diagonal, zeros above")
indices = _creator("indices", "The indices of a grid")
tril_indices = _creator("tril_indices", "The indices of a lower triangle")
triu_indices = _creator("triu_indices", "The indices of an upper triangle")


def linspace(start: Any, stop: Any, *args: Any, device: str | None = None, **kwargs: Any) -> Any:
    """Evenly spaced values over an interval: NumPy's `linspace`, whose ends may be Tensors, and `device=`."""
    if isinstance(start, Variable) or isinstance(stop, Variable):
        return ranges.linspace(start, stop, *args, **kwargs)
    return _make("linspace", device, start, stop, *args, **kwargs)


def logspace(start: Any, stop: Any, *args: Any, device: str | None = None, **kwargs: Any) -> Any:
    """Values evenly spaced on a logarithmic scale: NumPy's `logspace`, whose ends may be Tensors, and `device=`."""
    if isinstance(start, Variable) or isinstance(stop, Variable):
        return ranges.logspace(start, stop, *args, **kwargs)
    return _make("logspace", device, start, stop, *args, **kwargs)


def full(shape: Any, fill_value: Any, dtype: Any = None, *, device: str | None = None) -> Any:
    """An array of one value.

    Args:
        shape: shape of the result.
        fill_value: a number, or an array or Tensor that broadcasts to `shape`.
        dtype: dtype; None takes that of the value.
        device: where; None keeps an array where it is and puts anything else on the default device.

    Returns:
        A new array; a Tensor where `fill_value` is one.
    """
    return _copy(broadcast_to(array(fill_value, dtype, copy=False, device=device), shape))


def array(object: Any, dtype: Any = None, *, copy: bool = True, device: str | None = None) -> Any:
    """An array of numbers, of nested lists or of another array; a Tensor where Tensors are among them.

    Args:
        object: what to copy. Tensors in nested lists are stacked, so that their gradients pass.
        dtype: dtype; None takes NumPy's choice (float64 for Python floats, unlike `mg.tensor`).
        copy: False keeps an array of the right dtype and device as it is.
        device: where; None keeps arrays and Tensors where they are and puts anything else on the default device.

    Returns:
        A new array, or a Tensor.
    """
    if _joins(object):
        object, copy = stack([array(item, copy=False) for item in object]), False
    if isinstance(object, Variable) or provider_of(object) is not None:
        made: Any = object
    else:
        made = HOST.xp.array(object, dtype)
        device = _default if device is None else device
    if dtype is not None and made.dtype != dtype:
        made = astype(made, dtype)
    if device is not None and _device_of(made) != resolve_device(device):
        made = to_device_(made, device=resolve_device(device))
    return _copy(made) if copy and made is object else made


def asarray(object: Any, dtype: Any = None, *, device: str | None = None) -> Any:
    """`array` that keeps an array or Tensor of the right dtype and device as it is."""
    return array(object, dtype, copy=False, device=device)


def _device_of(x: Any) -> str:
    return device_of(x._data if isinstance(x, Variable) else x)


def _joins(object: Any) -> bool:
    """Whether nested lists hold Tensors, or arrays of a device, which NumPy cannot join."""
    if not isinstance(object, (list, tuple)):
        return False
    return any(isinstance(i, Variable) or device_of(i) != "cpu" or _joins(i) for i in object)
