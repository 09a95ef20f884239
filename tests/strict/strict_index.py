"""Indexing as CuPy does it: views without a launch, gathers and scatters with one, masks that wait for the device.

Stricter than CuPy in one thing: an integer index out of range raises, where CuPy wraps around silently.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from strict_calls import Caller

_SCATTER_DTYPES = "ilqefdILQ"
"""What `add.at` takes: atomic additions exist for these alone."""
_AT = {"add": np.add, "subtract": np.subtract, "maximum": np.maximum, "minimum": np.minimum}
_AT_DTYPES = {"add": _SCATTER_DTYPES, "subtract": "iI", "maximum": "ilqfdILQ", "minimum": "ilqfdILQ"}


class Index:
    """An index taken apart: what NumPy is given, and which arrays it holds."""

    def __init__(self, caller: Caller, index: Any) -> None:
        parts = list(index) if isinstance(index, tuple) else [index]
        self.arrays: list[Any] = []
        self.masked = False
        for i, part in enumerate(parts):
            if part is None or part is Ellipsis or isinstance(part, slice):
                continue
            if isinstance(part, (int, np.integer)) and not isinstance(part, bool):
                continue
            if not isinstance(part, caller.array_type):
                part = caller.index_from_host(part)
            caller.machine.check_here(part._buffer.device_id)
            if part.dtype.kind not in "biu":
                raise IndexError(
                    f"arrays used as indices must be of integer or boolean type. (actual: {part.dtype.type})"
                )
            self.masked = self.masked or part.dtype.kind == "b"
            self.arrays.append(part)
            parts[i] = part._host
        # with an ellipsis a single element stays a view
        self.host = tuple(parts) if any(p is Ellipsis for p in parts) else (*parts, Ellipsis)


def getitem(caller: Caller, array: Any, raw: Any) -> Any:
    """array[raw]"""
    index, host = Index(caller, raw), array._host
    if not index.arrays:
        return caller.view(host[index.host], array)
    caller.machine.check_here(array._buffer.device_id)
    _prepare(caller, index, "getitem")
    buffers = [array._buffer, *(a._buffer for a in index.arrays)]
    return caller._fresh("getitem", host[index.host], lambda: host[index.host], buffers)


def setitem(caller: Caller, array: Any, raw: Any, value: Any) -> None:
    """array[raw] = value"""
    machine, index, host = caller.machine, Index(caller, raw), array._host
    is_array = isinstance(value, caller.array_type)
    if not index.arrays:
        target = host[index.host]
        if is_array:
            machine.check_here(value._buffer.device_id)
            source = value._host
            if np.shares_memory(source, target) and source.strides == target.strides and _same_place(source, target):
                return
            name, buffers = "copy", [array._buffer, value._buffer]
        else:
            source = np.asarray(value, dtype=host.dtype)
            if source.shape:
                raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
            name, buffers = "fill", [array._buffer]
        machine.check_here(array._buffer.device_id)
        caller._check_writable([target])
        np.broadcast_shapes(_lean(source.shape, target.ndim), target.shape)
        if target.size:
            machine.launch(name, lambda: np.copyto(target, _squeezed(source, target.ndim), "unsafe"), [target], buffers)
        return
    if not is_array:  # a number too: CuPy makes an array of it
        value = caller.from_host(np.asarray(value, dtype=host.dtype), "value of an indexed assignment")
    machine.check_here(array._buffer.device_id)
    machine.check_here(value._buffer.device_id)
    caller._check_writable([host])
    _prepare(caller, index, "setitem")
    source = value._host

    def work() -> None:
        host[index.host] = source

    buffers = [array._buffer, value._buffer, *(a._buffer for a in index.arrays)]
    machine.launch("setitem", work, [host], buffers)


def scatter(caller: Caller, name: str, array: Any, raw: Any, value: Any) -> None:
    """cupy.<name>.at(array, raw, value): duplicates are all applied."""
    if name not in _AT:
        raise NotImplementedError(f"`cupy_{name}.at` is not supported yet")
    ufunc, index, host = _AT[name], Index(caller, raw), array._host
    if not index.arrays:
        target = caller.view(host[index.host], array)
        caller.elementwise(name, ufunc, (target, value), [target], {})
        return
    if host.dtype.char not in _AT_DTYPES[name]:
        raise TypeError(f"cupy.{name}.at does not support {host.dtype}")
    if not isinstance(value, caller.array_type):
        value = caller.from_host(np.asarray(value, dtype=host.dtype), f"value of {name}.at")
    caller.machine.check_here(array._buffer.device_id)
    _prepare(caller, index, f"{name}.at")
    source = value._host.astype(host.dtype, copy=False)
    buffers = [array._buffer, value._buffer, *(a._buffer for a in index.arrays)]
    caller.machine.launch(f"{name}.at", lambda: ufunc.at(host, index.host, source), [host], buffers)


def take(caller: Caller, array: Any, indices: Any, axis: int | None = None, out: Any = None) -> Any:
    """cupy.take: an out of range index raises here."""
    host = array._host
    caller.machine.check_here(array._buffer.device_id)
    if isinstance(indices, (int, np.integer)):
        where, buffers = indices, [array._buffer]
    else:
        if not isinstance(indices, caller.array_type):
            indices = caller.from_host(np.asarray(indices, dtype=int), "indices of take")
        if indices.dtype.kind not in "iu":
            raise TypeError(f"take: integers are due, got {indices.dtype}")
        where, buffers = indices._host, [array._buffer, indices._buffer]
    if out is None:
        return caller._fresh("take", np.take(host, where, axis), lambda: np.take(host, where, axis), buffers)
    if out.dtype != host.dtype:
        raise TypeError("Output dtype mismatch")
    if out.shape != np.take(host, where, axis).shape:
        raise ValueError("Output shape mismatch")
    into = out._host
    caller.machine.launch("take", lambda: np.copyto(into, np.take(host, where, axis)), [into], [*buffers, out._buffer])
    return out


def _prepare(caller: Caller, index: Index, name: str) -> None:
    """What comes before the gather: a mask is counted and waited for, several arrays become one."""
    machine = caller.machine
    if index.masked:
        machine.launch(f"{name} scan", lambda: None, (), [a._buffer for a in index.arrays], done=True)
        machine.synchronise("boolean mask")
    if len(index.arrays) > 1:
        for a in index.arrays:
            machine.launch(f"{name} index", lambda: None, (), [a._buffer], done=True)


def _same_place(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and a.__array_interface__["data"][0] == b.__array_interface__["data"][0]


def _lean(shape: tuple[int, ...], ndim: int) -> tuple[int, ...]:
    """A shape without the leading ones that an assignment may drop."""
    while len(shape) > ndim and shape[0] == 1:
        shape = shape[1:]
    return shape


def _squeezed(source: np.ndarray, ndim: int) -> np.ndarray:
    return source.reshape(_lean(source.shape, ndim))
