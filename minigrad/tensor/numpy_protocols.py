"""NumPy's two protocols, as tables: which of the library's functions answers np.exp(t) or np.sum(t).

Adding a row makes a NumPy function differentiable. A function without a row is a TypeError that names it;
nothing silently drops a graph.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..backend.versions import mark_written
from ..core.variable import Variable
from ..ops import elementwise, index, linalg, reduce, shape

_ELEMENTWISE = [
    *("add", "subtract", "multiply", "divide", "negative", "power", "square", "sqrt", "reciprocal"),
    *("exp", "expm1", "log", "log1p", "log2", "log10", "sin", "cos", "tan", "sinh", "cosh", "tanh", "arctan"),
    *("absolute", "sign", "maximum", "minimum", "logical_not", "isfinite"),
    *("equal", "not_equal", "less", "less_equal", "greater", "greater_equal"),
]
UFUNCS: dict[str, Callable[..., Any]] = {
    **{name: getattr(elementwise, name) for name in _ELEMENTWISE},
    "matmul": linalg.matmul,
}
"""ufunc name -> function. By name, so that CuPy's ufuncs find the same row."""

FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {
    np.sum: reduce.sum,
    np.mean: reduce.mean,
    np.var: reduce.var,
    np.std: reduce.std,
    np.max: reduce.max,
    np.min: reduce.min,
    np.argmax: reduce.argmax,
    np.where: elementwise.where,
    np.clip: elementwise.clip,
    np.reshape: shape.reshape,
    np.transpose: shape.transpose,
    np.swapaxes: shape.swapaxes,
    np.expand_dims: shape.expand_dims,
    np.squeeze: shape.squeeze,
    np.broadcast_to: shape.broadcast_to,
    np.concatenate: shape.concatenate,
    np.stack: shape.stack,
    np.copy: shape.copy,
    np.take: index.take,
    np.dot: linalg.matmul,
    np.shape: lambda t: t.shape,
    np.ndim: lambda t: t.ndim,
    np.size: lambda t: t.size,
}
# np.amax and np.amin are other objects with the same meaning; np.dot differs from matmul only beyond two dimensions
FUNCTIONS[np.amax], FUNCTIONS[np.amin] = reduce.max, reduce.min


def array_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Answer a ufunc called with a Tensor.

    Raises:
        TypeError: the ufunc has no row, or is called with a method or keyword that is not supported.
    """
    name = {"true_divide": "divide", "abs": "absolute"}.get(ufunc.__name__, ufunc.__name__)
    function = UFUNCS.get(name)
    if function is None:
        raise TypeError(
            f"np.{ufunc.__name__} has no gradient rule for Tensors: define one with mg.Op(...).defvjp(...), or call it "
            "on .data to leave the graph"
        )
    if method != "__call__":
        raise TypeError(f"np.{ufunc.__name__}.{method} is not supported on Tensors; use the function itself")
    out = kwargs.pop("out", None)
    if "where" in kwargs:
        raise TypeError(f"np.{ufunc.__name__}: where= is not supported on Tensors; use mg.where(condition, a, b)")
    if kwargs:
        raise TypeError(f"np.{ufunc.__name__}: keyword(s) {', '.join(kwargs)} are not supported on Tensors")
    result = function(*inputs)
    return result if out is None else _store(ufunc.__name__, result, out[0])


def _store(name: str, result: Any, out: Any) -> Any:
    """np.f(t, out=a) and `a += t`: allowed where no graph could be lost."""
    if any(isinstance(x, Variable) and x._node is not None for x in (result, out)):
        raise TypeError(
            f"np.{name}: out= (or an in-place operator on an array) would drop the graph of a tracked Tensor; "
            "write a = a + t, or use t.detach()"
        )
    target = out._data if isinstance(out, Variable) else out
    np.copyto(target, result._data if isinstance(result, Variable) else result, casting="same_kind")
    if isinstance(out, Variable):
        mark_written(out._cell)
    return out


def array_function(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Answer a NumPy function called with a Tensor.

    Raises:
        TypeError: the function has no row.
    """
    function = FUNCTIONS.get(func)
    if function is None:
        raise TypeError(
            f"np.{func.__name__} has no gradient rule for Tensors: write it with supported functions, define one with "
            "mg.Op(...).defvjp(...), or call it on .data to leave the graph"
        )
    return function(*args, **kwargs)
