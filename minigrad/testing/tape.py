"""The function under test as outputs of points, of any order of differentiation, on tensors and on raw arrays."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backend.array import is_floating, to_device, to_host, zeros
from ..backend.device import provider_of
from ..core import engine
from ..core.modes import enable_grad
from ..core.variable import Variable, wrap

Evaluate = Callable[[list[Any], bool], list[Any]]
"""(tensors, record) -> outputs. record: the tensors are tracked, and the outputs must carry their graph."""


class Unsupported(Exception):
    """An oracle cannot evaluate the function; the message says why."""


def raw_of(x: Any) -> Any:
    """The array in a Tensor; anything else as it is."""
    return x._data if isinstance(x, Variable) else x


def floating(raw: Any) -> bool:
    """Whether it is an array that can carry a gradient."""
    return provider_of(raw) is not None and is_floating(raw.dtype)


def in_dtype(raw: Any, dtype: Any, where: str) -> Any:
    """A raw array of a floating-point argument, of a number on the device `where`; anything else as it is."""
    if isinstance(raw, (float, np.floating)):
        return to_device(np.asarray(raw, dtype), where)
    return raw.astype(dtype, copy=False) if floating(raw) else raw


def leaf(array: Any) -> Any:
    """A tracked tensor around the array itself: no copy, so the memory layout is kept and a write is noticed."""
    tensor = wrap(array)
    tensor.requires_grad = True
    return tensor


def flat(tensors: Sequence[Any]) -> np.ndarray:
    """All values as one float64 vector on the host."""
    parts = [np.asarray(to_host(t._data), np.float64).ravel() for t in tensors]
    return parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else np.zeros(0)


class Function:
    """f as a function of some of its arguments; the rest are constants.

    Args:
        f: the function under test.
        template: all arguments: tensors for floating-point ones, constants as they are given to f.
        chosen: positions of the arguments that are its points.
    """

    def __init__(self, f: Callable[..., Any], template: Sequence[Any], chosen: Sequence[int]) -> None:
        self.f, self.template, self.chosen = f, list(template), list(chosen)

    def __call__(self, tensors: list[Any], record: bool) -> list[Any]:
        args = list(self.template)
        for i, t in zip(self.chosen, tensors, strict=True):
            args[i] = t
        result = self.f(*args)
        outs = result if isinstance(result, (tuple, list)) else (result,)
        wrapped = [o if isinstance(o, Variable) else wrap(np.asarray(o) if provider_of(o) is None else o) for o in outs]
        return [o for o in wrapped if is_floating(o._data.dtype)]

    def on_complex(self, points: Sequence[np.ndarray]) -> np.ndarray:
        """All outputs as one vector, f called with raw complex arrays.

        Raises:
            Unsupported: f does not take them, or drops their imaginary part.
        """
        args = [raw_of(a) for a in self.template]
        for i, p in zip(self.chosen, points, strict=True):
            args[i] = p
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("error", np.exceptions.ComplexWarning)
                result = self.f(*args)
        except Exception as error:  # whatever f says of complex numbers
            raise Unsupported(f"f does not take complex arrays: {type(error).__name__}: {error}") from error
        outs = [np.asarray(raw_of(o)) for o in (result if isinstance(result, (tuple, list)) else (result,))]
        return np.concatenate([o.ravel().astype(np.complex128) for o in outs if o.dtype.kind in "fc"])


class Derivative:
    """The gradients of <cotangents, previous(points)> as a function of both, points first."""

    def __init__(self, previous: Evaluate, count: int) -> None:
        self.previous, self.count = previous, count

    def __call__(self, tensors: list[Any], record: bool) -> list[Any]:
        points = tensors[: self.count] if record else [leaf(t._data) for t in tensors[: self.count]]
        with enable_grad():
            outs = self.previous(points, True)
        return pull(points, outs, tensors[self.count :], create_graph=record)


def pull(
    points: Sequence[Any], outs: Sequence[Any], cotangents: Sequence[Any], create_graph: bool, retain: bool = False
) -> list[Any]:
    """One gradient per point, as tensors; zeros where the outputs do not depend on it."""
    tied = [(o._node, w) for o, w in zip(outs, cotangents, strict=True) if o._node is not None]
    roots, seeds = [node for node, _ in tied], [w if create_graph else w._data for _, w in tied]
    found = engine.backward(roots, seeds, [p._node for p in points], retain or None, create_graph)
    grads = []
    for p, g in zip(points, found, strict=True):
        if g is None:
            g = zeros(p.shape, p.dtype, p.device)
        if not isinstance(g, Variable):
            g = wrap(np.asarray(g) if provider_of(g) is None else g)
        grads.append(g)
    return grads
