"""Making raw arrays, copying them between devices, and the dtype policy."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..errors import DTypeError
from .device import HOST, Array, device_of, host_arrays, on_device, provider_for, provider_of, resolve_device


def is_floating(dtype: Any) -> bool:
    """True for the dtypes that can carry a gradient (real floating point)."""
    return np.dtype(dtype).kind == "f"


def is_integer(value: Any) -> bool:
    """True for a Python or NumPy integer that is not a bool."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def _first_leaf(obj: Any) -> Any:
    """The first innermost element of nested lists and tuples."""
    while isinstance(obj, (list, tuple)) and obj:
        obj = obj[0]
    return obj


def default_dtype(obj: Any) -> np.dtype | None:
    """The dtype policy: Python numbers become float32 (bools stay bool); whatever has a dtype keeps it (None)."""
    leaf = _first_leaf(obj)
    if isinstance(leaf, (int, float)) and not isinstance(leaf, (bool, np.generic)):
        return np.dtype(np.float32)
    if isinstance(leaf, (list, tuple)):  # an empty list
        return np.dtype(np.float32)
    return None


def asarray(obj: Any, dtype: Any = None, device: str | None = None, copy: bool = False) -> Array:
    """A raw array of `obj`.

    Args:
        obj: a raw array, a number, or nested lists of numbers.
        dtype: dtype of the result; None applies `default_dtype`.
        device: device label; None keeps an array where it is and puts anything else on the CPU.
        copy: never share memory with `obj`.

    Returns:
        The array on `device`.

    Raises:
        DTypeError: `obj` is not numeric.
        DeviceError: the device is not there.
    """
    provider = provider_of(obj)
    if provider is None:
        host = np.asarray(obj, dtype=default_dtype(obj) if dtype is None else dtype)
        if host.dtype.kind not in "fiub":
            raise DTypeError(
                f"cannot make a tensor of {type(obj).__name__} with dtype {host.dtype}: "
                "real numbers and booleans are supported"
            )
        array: Array = host
        if copy and host is obj:
            array = host.copy()
    else:
        array = obj
        if array.dtype.kind not in "fiub":
            raise DTypeError(f"dtype {array.dtype} is not supported: real numbers and booleans are")
        with on_device(provider.device_of(array)):  # CuPy copies to the current device, wherever the array is
            if dtype is not None and array.dtype != np.dtype(dtype):
                array = array.astype(dtype)
            elif copy:
                array = array.copy()
    return array if device is None else to_device(array, resolve_device(device))


def to_device(array: Array, device: str) -> Array:
    """`array` on `device` (a full label): itself when it is there already, else a copy."""
    source = device_of(array)
    if source == device:
        return array
    if source == "cpu":
        host: Any = provider_of(array) or HOST  # what stands for an array in a recording has a say in this
        return host.send(array, device)
    values = provider_for(source).to_host(array)
    return values if device == "cpu" else provider_for(device).from_host(values, device)


def to_host(array: Array) -> np.ndarray:
    """`array` as a NumPy array: itself when it is one."""
    provider = provider_of(array)
    return np.asarray(array) if provider is None or provider is HOST else provider.to_host(array)


def double(array: Array) -> Any:
    """A 0-d array as the cheapest thing that adds up in double precision: a Python float on the host."""
    return float(array) if provider_of(array) in (HOST, None) else array.astype(np.float64)


def zeros(shape: tuple[int, ...], dtype: Any, device: str) -> Array:
    """New zeros on `device` (a full label)."""
    return provider_for(device).zeros(shape, dtype, device)


def _read_only(array: np.ndarray) -> np.ndarray:
    array.flags.writeable = False
    return array


@lru_cache(maxsize=8)
def _host_zero(dtype: Any) -> np.ndarray:
    return _read_only(np.zeros((), dtype))


def zero(array: Array) -> Any:
    """0 as the cheapest operand beside `array`: on the host a 0-d array, which NumPy takes faster than a number."""
    return _host_zero(array.dtype) if type(array) in host_arrays else 0


SMALL = 4096
"""Below so many elements a call costs NumPy more than the work."""


@lru_cache(maxsize=32)
def _zero_row(length: int, dtype: Any) -> np.ndarray:
    return _read_only(np.zeros(length, dtype))


def relu_in_place(xp: Any, array: Array) -> None:
    """array = max(array, 0) for a two-dimensional array.

    NumPy's maximum runs 2.5 times as fast against a row of zeros as against a single one, once there is some work.
    """
    if type(array) not in host_arrays or array.size < SMALL:
        xp.maximum(array, zero(array), out=array)
    else:
        rows = array if array.flags.c_contiguous else array.T
        xp.maximum(rows, _zero_row(rows.shape[1], rows.dtype), out=rows)


def relu_slope(out: Any) -> Any:
    """1 where a relu's output is positive, else 0: an array, or a Tensor where `out` is one."""
    if type(out) in host_arrays and out.size < SMALL:
        return np.sign(out)  # slower than a comparison, but NumPy multiplies few floats faster than a few bools
    return out > zero(out)


def ones_like(array: Array) -> Array:
    """Ones of the shape, dtype and device of `array`; not to be written to."""
    if type(array) is np.ndarray:
        return np.ones(array.shape, array.dtype)  # quicker than ones_like
    provider = provider_of(array) or HOST
    device = provider.device_of(array)
    return provider.xp.ones_like(array) if array.ndim or device == "cpu" else _one(provider, device, array.dtype)  # type: ignore[arg-type]  # hashed by identity


def is_seed(g: Array) -> bool:
    """Whether a gradient is the very 1 that a backward from a scalar began with, on a device: told without a look."""
    provider = provider_of(g)
    device = "cpu" if provider is None else provider.device_of(g)
    return device != "cpu" and not g.ndim and g is _one(provider, device, g.dtype)  # type: ignore[arg-type]


@lru_cache(maxsize=32)
def _one(provider: Any, device: str, dtype: Any) -> Array:
    """The seed of every backward from a scalar: nobody writes to it, so it is made once a device."""
    return provider.from_host(np.ones((), dtype), device)


def owned(array: Array) -> Array:
    """A fresh C-contiguous copy that shares memory with nobody; a NumPy scalar becomes a 0-d array."""
    provider = provider_of(array)
    if provider is None:
        return np.array(array)
    if provider is HOST:
        return array.copy()
    with on_device(provider.device_of(array)):
        return array.copy()


def aligned_zeros(size: int, dtype: Any, device: str, alignment: int = 256) -> Array:
    """A flat array of zeros whose first byte lies on a multiple of `alignment` bytes (device pools do so anyway)."""
    if device != "cpu":
        return zeros((size,), dtype, device)
    if not size:
        return np.zeros(0, dtype)
    memory = np.zeros(size * np.dtype(dtype).itemsize + alignment, np.uint8)
    # not a view of the memory: where in it the array begins is nobody's business (a capture would note it)
    return np.frombuffer(memory.data, dtype, size, -memory.ctypes.data % alignment)


def max_rows(array: Array) -> Array:
    """The maximum over the first axis; on the host without ndarray.max's wrappers, which cost as much as a row."""
    return np.maximum.reduce(array) if type(array) in host_arrays else array.max(axis=0)


@lru_cache(maxsize=32)
def _host_arange(n: int) -> np.ndarray:
    return _read_only(np.arange(n))


def flat_positions(xp: Any, rows: Array, count: int, columns: int) -> Array:
    """row * columns + column for column = 0, 1, ...: where one entry of each column lies in a flat (count, columns).

    Args:
        xp: the array module.
        rows: (columns,) integers in [0, count).
        count: number of rows.
        columns: number of columns.

    Returns:
        (columns,) integers.

    Raises:
        ValueError: a row out of range, on the host only (a look at the values would stall a device).
    """
    if type(rows) not in host_arrays:
        return xp.multiply(rows, columns, dtype=xp.int64) + xp.arange(columns)  # small integer dtypes would overflow
    each = _host_arange(columns)
    if rows.dtype == np.uint64:
        rows = rows.astype(np.int64)  # NumPy indexes with signed integers
    return np.ravel_multi_index((rows, each), (count, columns)) if columns else each
