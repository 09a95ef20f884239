"""How a special function is computed on the host: in float64, each formula only on the elements meant for it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

Formula = Callable[[np.ndarray], np.ndarray]


def in_double(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """An elementwise function with broadcasting out of one on flat float64 arrays of one length.

    The result's dtype is that of the operands where that is a floating one, else float64. Poles and overflows are
    silent, as in SciPy and CuPy.
    """

    @functools.wraps(function)
    def elementwise(*operands: Any) -> np.ndarray:
        operands = tuple(o if isinstance(o, (int, float)) else np.asarray(o) for o in operands)
        dtype = np.result_type(*operands)
        arrays = np.broadcast_arrays(*(np.asarray(o, np.float64) for o in operands))
        with np.errstate(all="ignore"):
            result = function(*(a.ravel() for a in arrays)).reshape(arrays[0].shape)
            return result.astype(dtype if dtype.kind == "f" else np.float64, copy=False)

    return elementwise


def polynomial(coefficients: tuple[float, ...], x: np.ndarray) -> np.ndarray:
    """sum_i coefficients[i] x**i by Horner's rule."""
    result = np.full_like(x, coefficients[-1])
    for c in coefficients[-2::-1]:
        result *= x
        result += c
    return result


def pieces(x: np.ndarray, *formulas: tuple[Any, Formula | float]) -> np.ndarray:
    """Each formula, or constant, where its condition holds; nan where none does. A later one wins over an earlier."""
    result = np.full_like(x, np.nan)
    for condition, formula in formulas:
        inside = np.flatnonzero(condition)
        if inside.size:
            result[inside] = formula(x[inside]) if callable(formula) else formula
    return result
