"""Statistics made of sums: range, weighted average, covariance and correlation."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..backend.device import device_of
from ..backend.recording import lift
from ..core.op import Op
from ..core.variable import Variable, wrap
from ..errors import ShapeError
from .arguments import Axis
from .elementwise import clip, sqrt
from .joining import as_arrays, concatenate_
from .linalg import matmul
from .moments import center_, count, mean_
from .reduce import max_, min_
from .reduction_arguments import operand
from .shape import broadcast_to, reshape_, squeeze, transpose

NUMPY = ("ptp", "average", "cov", "corrcoef")


def ptp(a: Any, axis: Axis = None, out: Any = None, keepdims: bool = False) -> Any:
    """The range over axes, max(a) - min(a); ties share the gradient evenly.

    Args:
        a: array or Tensor, not empty along the axes.
        axis: axis or axes; None for all.
        out: not supported.
        keepdims: keep reduced axes with length 1.

    Returns:
        An array, or a Tensor where a is one.
    """
    a, axis, keepdims = operand("ptp", a, axis, out, keepdims)
    return max_(a, axis=axis, keepdims=keepdims) - min_(a, axis=axis, keepdims=keepdims)


constant_ = Op(
    "constant_like",
    lambda xp, x, *, value: xp.full_like(x, value),
    saves=(),
    differentiable=False,
    doc="An array like x whose elements are all `value`.",
)


def _raw(x: Any) -> Any:
    return lift(x._data) if isinstance(x, Variable) else x


def _on_cpu(x: Any) -> bool:
    """Whether a look at the values of x stalls nobody."""
    return device_of(_raw(x)) == "cpu"


def _aligned(a: Any, weights: Any, axis: tuple[int, ...] | None) -> Any:
    """Weights of an average in a shape that broadcasts to a.

    Raises:
        TypeError, ShapeError: theirs does not fit.
    """
    if weights.shape == a.shape:
        return weights
    if axis is None:
        raise TypeError(f"average: weights of shape {weights.shape} for an array of shape {a.shape} need axis=")
    if weights.shape != tuple(a.shape[i] for i in axis):
        raise ShapeError(
            f"average: weights of shape {weights.shape} fit neither an array of shape {a.shape} nor its axis {axis}"
        )
    order = tuple(sorted(range(len(axis)), key=axis.__getitem__))
    return reshape_(transpose(weights, order), shape=tuple(n if i in axis else 1 for i, n in enumerate(a.shape)))


def average(a: Any, axis: Axis = None, weights: Any = None, returned: bool = False, *, keepdims: bool = False) -> Any:
    """The weighted average over axes, sum(a * weights) / sum(weights).

    Args:
        a: array or Tensor.
        axis: axis or axes; None for all.
        weights: of the shape of a, or of its axes `axis`; None for ones. A gradient flows to them too.
        returned: also return the sum of the weights.
        keepdims: keep reduced axes with length 1.

    Returns:
        An array, or a Tensor where a or weights is one; with `returned` two of one shape.

    Raises:
        ZeroDivisionError: weights sum to 0 (on the CPU only: a look at the values would stall a device).
    """
    if weights is None:
        a, axis, keepdims = operand("average", a, axis, None, keepdims)
        result = mean_(a, axis=axis, keepdims=keepdims)
        return (result, constant_(result, value=count(a.shape, axis))) if returned else result
    a, weights = as_arrays("average", (a, weights))
    a, axis, keepdims = operand("average", a, axis, None, keepdims)
    if isinstance(a, Variable) and not isinstance(weights, Variable):
        weights = wrap(weights)  # so that the sum of the weights is of the kind of the average
    weights = _aligned(a, weights, axis)
    dtype = np.result_type(a.dtype, weights.dtype, *([np.float64] if a.dtype.kind in "iub" else []))
    total = weights.sum(axis=axis, dtype=dtype, keepdims=keepdims)
    if _on_cpu(total) and np.any(_raw(total) == 0):
        raise ZeroDivisionError("average: the weights sum to 0, so they cannot be normalised")
    a = a if a.dtype == dtype else a.astype(dtype)
    result = (a * weights).sum(axis=axis, keepdims=keepdims) / total
    return (result, broadcast_to(total, result.shape)) if returned else result


# --- covariance -----------------------------------------------------------------------------------------------------


def _variables(name: str, x: Any, rowvar: bool, dtype: Any) -> Any:
    """x as a matrix of one variable per row."""
    if x.ndim > 2:
        raise ShapeError(f"{name}: one or two dimensions are due, got an array of shape {x.shape}")
    x = x if x.dtype == dtype else x.astype(dtype)
    if x.ndim < 2:
        return reshape_(x, shape=(1, x.size))
    return x if rowvar else transpose(x)


def _weight(name: str, values: Any, n: int, integer: bool) -> Any:
    """fweights or aweights of n observations, checked as far as their values are at hand."""
    if values.ndim != 1 or values.shape[0] != n:
        raise ShapeError(f"cov: {name} must be {n} numbers, one per observation, got an array of shape {values.shape}")
    if _on_cpu(values):
        if integer and np.any(_raw(values) != np.around(_raw(values))):
            raise TypeError(f"cov: {name} must be integers: they say how often an observation occurs")
        if np.any(_raw(values) < 0):
            raise ValueError(f"cov: {name} must not be negative")
    return values if values.dtype == np.float64 else values.astype(np.float64)


def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> Any:
    """The covariance matrix of variables, (X - mean) @ (X - mean).T / (n - 1).

    Args:
        m: (variables, observations), or (observations,) of one variable: array or Tensor.
        y: more variables of the same observations.
        rowvar: False where observations are rows.
        bias: divide by n.
        ddof: divide by n - ddof instead.
        fweights: integers, how often each observation occurs.
        aweights: weights of the observations; a gradient flows to them too.
        dtype: dtype of the result; None promotes to float64 at least, as NumPy does.

    Returns:
        (variables, variables), or 0-d for one variable: an array, or a Tensor where an argument is one.

    Raises:
        ShapeError, TypeError, ValueError: an argument does not fit.
    """
    if ddof is not None and ddof != int(ddof):
        raise ValueError(f"cov: ddof must be an integer, got {ddof!r}")
    ddof = (0 if bias else 1) if ddof is None else ddof
    given = {"m": m, "y": y, "fweights": fweights, "aweights": aweights}
    names = [k for k, v in given.items() if v is not None]
    arrays = dict(zip(names, as_arrays("cov", [given[k] for k in names]), strict=True))
    if dtype is None:
        dtype = np.result_type(*(arrays[k].dtype for k in ("m", "y") if k in arrays), np.float64)
    x = _variables("cov", arrays["m"], rowvar, dtype)
    if x.shape[0] == 0:
        return reshape_(x, shape=(0, 0)) if x.size == 0 else x
    if y is not None:
        y = arrays["y"]
        x = concatenate_(x, _variables("cov", y, rowvar or y.shape[:1] == (1,), dtype), axis=0)
    n = x.shape[1]
    w = None
    for name in ("fweights", "aweights"):
        if name in arrays:
            weight = _weight(name, arrays[name], n, name == "fweights")
            w = weight if w is None else w * weight
    if w is None:
        centred = weighted = center_(x, axis=(1,))
        divisor: Any = n - ddof
    else:
        middle, sums = average(x, axis=1, weights=w, returned=True)
        total = sums[0]
        centred = x - reshape_(middle, shape=(x.shape[0], 1))
        weighted = centred * w
        of_aweights = (w * arrays["aweights"]).sum() / total if aweights is not None else 1
        divisor = total if ddof == 0 else total - ddof * of_aweights
    if (isinstance(divisor, int) or _on_cpu(divisor)) and _raw(divisor) <= 0:
        warnings.warn("Degrees of freedom <= 0 for slice", RuntimeWarning, stacklevel=2)
        divisor = 0.0
    return squeeze(matmul(centred, transpose(weighted)) / divisor)


def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> Any:
    """Pearson's correlation coefficients, cov[i, j] / sqrt(cov[i, i] * cov[j, j]).

    Args:
        x: (variables, observations), or (observations,) of one variable: array or Tensor.
        y: more variables of the same observations.
        rowvar: False where observations are rows.
        dtype: dtype of the result; None promotes to float64 at least, as NumPy does.

    Returns:
        (variables, variables) between -1 and 1, or 0-d for one variable: an array, or a Tensor where an argument is.
    """
    c = cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    n = c.shape[0]
    deviation = sqrt(reshape_(c, shape=(n * n,))[:: n + 1])
    scaled = c / reshape_(deviation, shape=(n, 1)) / deviation
    return clip(scaled, -1, 1)
