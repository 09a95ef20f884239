"""The arguments of a captured step: which are arrays, whose values change, and which stay as they are."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..backend.device import provider_of
from ..core.variable import wrap
from ..errors import CaptureError
from ..tensor import Tensor
from ..transforms.trees import LEAF, flatten, rebuild

_PLAIN = frozenset({Tensor, np.ndarray})


class Arguments:
    """Arguments taken apart.

    Attributes:
        arrays: the raw arrays among them, in order.
        key: what a program depends on: shapes, dtypes and classes of the arrays, and everything else.
    """

    __slots__ = ("_given", "_skeleton", "arrays", "key")

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not kwargs and all(type(a) in _PLAIN for a in args):
            self._given: list[Any] = list(args)
            self._skeleton: Any = None
            self.arrays = [a._data if type(a) is Tensor else a for a in args]
            self.key: Any = tuple([_kind(a) for a in args])
            return
        self._given = []
        names: list[str] = []
        self._skeleton = flatten((args, kwargs), self._given, names, "argument")
        self.arrays = [a._data if isinstance(a, Tensor) else a for a in self._given if is_array(a)]
        fixed: list[tuple[Any, ...]] = []
        for value, name in zip(self._given, names, strict=True):
            if is_array(value):
                fixed.append(_kind(value))
                continue
            try:
                hash(value)
            except TypeError:
                raise CaptureError(
                    f"{name} of a captured step is a {type(value).__name__}: arrays, Tensors, numbers, strings and "
                    "nested lists, tuples and dicts of them are due"
                ) from None
            fixed.append((type(value), value))
        self.key = (repr(self._skeleton), tuple(fixed))

    @property
    def is_plain(self) -> bool:
        """Whether they are positional Tensors and NumPy arrays and nothing else: what `same_arrays` compares."""
        return self._skeleton is None

    @property
    def tracked(self) -> bool:
        """Whether one of them collects a gradient."""
        return any(map(_is_tracked, self._given))

    def check_untouched(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Raise CaptureError where a step on what `with_arrays` gave has made an argument collect a gradient."""
        found: list[Any] = []
        flatten((args, kwargs), found, [], "argument")
        if any(map(_is_tracked, found)):
            raise CaptureError("it makes an argument require a gradient, which a replay would not: .detach() it first")

    def with_arrays(self, arrays: list[Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """The same arguments with other arrays in the place of theirs.

        Args:
            arrays: as many as `arrays`.

        Returns:
            args and kwargs.
        """
        remaining = iter(arrays)
        values = [
            (wrap(next(remaining)) if isinstance(a, Tensor) else next(remaining)) if is_array(a) else a
            for a in self._given
        ]
        if self._skeleton is None:
            return tuple(values), {}
        args, kwargs = rebuild(self._skeleton, values)
        return args, kwargs


def _is_tracked(value: Any) -> bool:
    """Whether it is a Tensor that collects a gradient, or leads to one that does."""
    return isinstance(value, Tensor) and value._node is not None


def _kind(array: Any) -> tuple[Any, ...]:
    """What of an array a program depends on."""
    kind = type(array), array.shape, array.dtype
    return (*kind, "tracked") if _is_tracked(array) else kind


def same_arrays(args: tuple[Any, ...], key: tuple[Any, ...]) -> list[Any] | None:
    """The raw arrays of arguments, if their key is this one; the short way for what comes again and again.

    Args:
        args: of a call.
        key: of arguments that are plain.
    """
    if len(args) != len(key):
        return None
    arrays = []
    for a, (cls, shape, dtype) in zip(args, key):  # noqa: B905  strict= is slow
        if type(a) is not cls:
            return None
        if cls is Tensor:
            if a._node is not None:
                return None
            array = a._data
        else:
            array = a
        if array.shape != shape or array.dtype is not dtype or type(array) is not np.ndarray:
            return None
        arrays.append(array)
    return arrays


def is_array(value: Any) -> bool:
    """Whether it is a Tensor or a raw array."""
    return isinstance(value, Tensor) or provider_of(value) is not None


class Results:
    """What a step returned, taken apart.

    Args:
        value: a Tensor, an array, None, a number, or nested lists, tuples and dicts of them.

    Attributes:
        arrays: the raw arrays among them, in order.
    """

    def __init__(self, value: Any) -> None:
        given: list[Any] = []
        self._skeleton = None if value is None else flatten(value, given, [], "result")
        self.arrays = [a._data if isinstance(a, Tensor) else a for a in given if is_array(a)]
        # of everything else the value itself; of arrays only whether they are Tensors
        self._fixed = [None if is_array(a) else (a,) for a in given]
        self._is_tensor = [isinstance(a, Tensor) for a in given]
        self._is_scalar = [False] * len(given)
        self._alone = self._skeleton is LEAF and self._is_tensor == [True]

    def arrays_of(self, value: Any) -> list[Any]:
        """The raw arrays of what the step returned another time, where this time it returned some.

        A recording has 0-d arrays where NumPy hands out scalars: which those are is noted here.

        Raises:
            CaptureError: it does not return as many things.
        """
        given: list[Any] = []
        if value is not None:
            flatten(value, given, [], "result")
        if len(given) != len(self._fixed):
            raise CaptureError(f"it returns {len(self._fixed)} things at one time and {len(given)} at another")
        self._is_scalar = [isinstance(a, np.generic) for a in given]
        arrays = [a._data if isinstance(a, Tensor) else a for a, f in zip(given, self._fixed, strict=True) if f is None]
        return [np.asarray(a) if isinstance(a, np.generic) else a for a in arrays]

    def rebuilt(self, arrays: list[Any]) -> Any:
        """The same result with other raw arrays."""
        if self._skeleton is None:
            return None
        if self._alone:
            return wrap(arrays[0])
        remaining = iter(arrays)
        values = []
        for fixed, tensor, scalar in zip(self._fixed, self._is_tensor, self._is_scalar, strict=True):
            if fixed is not None:
                values.append(fixed[0])
                continue
            array = next(remaining)
            values.append(wrap(array) if tensor else array[()] if scalar else array)
        return rebuild(self._skeleton, values)
