"""Convolution and correlation of two vectors. Each gradient is one convolution more, with the other vector reversed."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core.op import Op
from ..errors import ShapeError
from .joining import as_arrays

NUMPY = ("convolve", "correlate")

MODES = ("full", "same", "valid")


def _window(n: int, m: int, mode: str) -> tuple[int, int]:
    """Where the result of a mode begins in the full convolution of n and m elements, and how long it is."""
    if mode == "full":
        return 0, n + m - 1
    long, short = (n, m) if n >= m else (m, n)
    return ((short - 1) // 2, long) if mode == "same" else (short - 1, long - short + 1)


def _embedded(xp: Any, x: Any, *, start: int, length: int) -> Any:
    out = xp.zeros(length, x.dtype)
    out[start : start + x.shape[0]] = x
    return out


embedded_ = Op("embedded", _embedded, saves=(), doc="A vector with zeros on either side.")
embedded_.defvjp(lambda g, out, x, *, start, length: g[start : start + x.shape[0]])

convolve_: Op = Op("convolve", lambda xp, a, v, *, mode: xp.convolve(a, v, mode), saves=(0, 1))


def _convolve_vjp(needs: Any, g: Any, out: Any, a: Any, v: Any, *, mode: str) -> tuple[Any, Any]:
    n, m = a.shape[0], v.shape[0]
    start, length = _window(n, m, mode)
    if length != n + m - 1:
        g = embedded_(g, start=start, length=n + m - 1)
    return (
        convolve_(g, v[::-1], mode="valid") if needs[0] else None,
        convolve_(g, a[::-1], mode="valid") if needs[1] else None,
    )


convolve_.defvjp_all(_convolve_vjp)


def _correlated(n: int, m: int, mode: str) -> tuple[int, int]:
    """The window of a correlation: NumPy exchanges the two vectors and turns the result around where m > n."""
    start, length = _window(n, m, mode)
    return (n + m - 1 - start - length, length) if m > n else (start, length)


def _correlate(xp: Any, a: Any, v: Any, *, mode: Any) -> Any:
    if xp is np:
        return np.correlate(a, v, mode)
    start, length = _correlated(a.shape[0], v.shape[0], mode)
    return xp.convolve(a, v[::-1], "full")[start : start + length]


correlate_: Op = Op("correlate", _correlate, saves=(0, 1))


def _correlate_vjp(needs: Any, g: Any, out: Any, a: Any, v: Any, *, mode: str) -> tuple[Any, Any]:
    n, m = a.shape[0], v.shape[0]
    start, length = _correlated(n, m, mode)
    if length != n + m - 1:
        g = embedded_(g, start=start, length=n + m - 1)
    return (
        convolve_(g, v, mode="valid") if needs[0] else None,
        convolve_(g[::-1], a, mode="valid") if needs[1] else None,
    )


correlate_.defvjp_all(_correlate_vjp)


def _vectors(name: str, a: Any, v: Any, mode: str) -> list[Any]:
    """Two vectors that are not empty.

    Raises:
        ShapeError, ValueError: they are something else; the mode is unknown.
    """
    if mode not in MODES:
        raise ValueError(f"{name}: mode must be one of {', '.join(MODES)}, got {mode!r}")
    arrays = [x.reshape(1) if x.ndim == 0 else x for x in as_arrays(name, (a, v))]
    if any(x.ndim != 1 or not x.size for x in arrays):
        raise ShapeError(f"{name}: two vectors that are not empty are due, got {arrays[0].shape} and {arrays[1].shape}")
    return arrays


def convolve(a: Any, v: Any, mode: str = "full") -> Any:
    """The convolution of two vectors, out[k] = sum_i a[i] * v[k - i].

    Args:
        a: (n,) array or Tensor.
        v: (m,).
        mode: "full" for all n + m - 1 sums, "same" for the max(n, m) in the middle, "valid" for those in which all
            of the shorter vector takes part.

    Returns:
        A vector: an array, or a Tensor where an argument is one.

    Raises:
        ShapeError, ValueError: the arguments are no vectors or empty; the mode is unknown.
    """
    return convolve_(*_vectors("convolve", a, v, mode), mode=mode)


def correlate(a: Any, v: Any, mode: str = "valid") -> Any:
    """The correlation of two vectors, out[k] = sum_i a[i + k] * v[i], where k runs from 1 - m in the full result.

    Args:
        a: (n,) array or Tensor.
        v: (m,).
        mode: as for `convolve`.

    Returns:
        A vector: an array, or a Tensor where an argument is one.

    Raises:
        ShapeError, ValueError: the arguments are no vectors or empty; the mode is unknown.
    """
    return correlate_(*_vectors("correlate", a, v, mode), mode=mode)
