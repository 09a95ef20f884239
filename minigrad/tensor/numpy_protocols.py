"""NumPy's two protocols: which of the library's functions answers np.exp(t), np.sum(t) or np.add.reduce(t).

A module of minigrad.ops lists in NUMPY (NUMPY_LINALG) the names under which its functions answer for numpy's
(numpy.linalg's). `implements` adds a row of a user's own. A function without a row is a TypeError that names it, as
soon as a tracked Tensor is among its arguments: nothing silently drops a graph.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np

from ..backend.device import HOST, provider_of
from ..backend.recording import lift
from ..backend.versions import mark_written
from ..core.variable import Variable, wrap
from ..ops import NUMPY_MODULES, cumulative, product_reductions, reduce, shape, softmax

F = TypeVar("F", bound=Callable[..., Any])

UFUNCS: dict[str, Callable[..., Any]] = {}
"""ufunc name -> function. By name, so that CuPy's ufuncs find the same row."""

FUNCTIONS: dict[Callable[..., Any], Callable[..., Any]] = {}
"""NumPy function -> function."""


def _row(target: Any, function: Callable[..., Any]) -> None:
    if isinstance(target, np.ufunc):
        UFUNCS[target.__name__] = function
    elif target is not None:  # None: a name that this version of NumPy does not have
        FUNCTIONS[target] = function


for _module in NUMPY_MODULES:
    for _library, _names in ((np, "NUMPY"), (np.linalg, "NUMPY_LINALG")):
        for _name in getattr(_module, _names, ()):
            _row(getattr(_library, _name, None), getattr(_module, _name))
    FUNCTIONS.update(getattr(_module, "NUMPY_OTHER", {}))
for _function in (np.array_repr, np.array_str):
    FUNCTIONS[_function] = lambda t, *args, **kwargs: repr(t)

_REDUCE: dict[str, Callable[..., Any]] = {
    "add": reduce.sum, "multiply": product_reductions.prod, "maximum": reduce.max, "minimum": reduce.min,
    "logical_and": reduce.all, "logical_or": reduce.any, "logaddexp": softmax.logsumexp,
}  # fmt: skip
_ACCUMULATE: dict[str, Callable[..., Any]] = {"add": cumulative.cumsum, "multiply": product_reductions.cumprod}
_USUAL: dict[str, Any] = {"casting": "same_kind", "order": "K", "subok": True, "signature": None}
"""Keywords of ufuncs whose usual value asks for nothing."""


def implements(numpy_function: Callable[..., Any]) -> Callable[[F], F]:
    """Decorator: the function below answers for a NumPy function when a Tensor is among its arguments.

        @mg.implements(np.fft.rfft)
        def rfft(a, n=None): ...

    Args:
        numpy_function: a function or ufunc of NumPy, or of a library that follows its protocols.

    Returns:
        A decorator that registers its function and returns it.
    """

    def register(function: F) -> F:
        _row(numpy_function, function)
        return function

    return register


def array_ufunc(ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Answer a ufunc, or one of its methods, called with a Tensor.

    Raises:
        TypeError: it has no row, or a keyword or method that is not supported.
    """
    name = ufunc.__name__
    for key, usual in _USUAL.items():
        if key in kwargs and kwargs[key] == usual:
            del kwargs[key]
    out = kwargs.pop("out", None)
    function, inputs = _resolve(ufunc, method, inputs, kwargs)
    if method == "__call__" or method == "outer":
        if kwargs.pop("where", True) is not True:
            raise TypeError(f"np.{name}: where= is not supported on Tensors; use mg.where(condition, a, b)")
        dtype = kwargs.pop("dtype", None)
        if kwargs:
            raise TypeError(f"np.{name}: keyword(s) {', '.join(kwargs)} are not supported on Tensors")
        if dtype is not None:
            inputs = tuple(shape.astype(x, dtype) if hasattr(x, "dtype") else np.asarray(x, dtype) for x in inputs)
        result = function(*inputs)
    else:
        result = function(*inputs, **kwargs)
    if out is None or all(o is None for o in out):
        return result
    if isinstance(result, tuple):
        return tuple(r if o is None else _store(name, r, o) for r, o in zip(result, out, strict=True))
    return _store(name, result, out[0])


def _resolve(
    ufunc: Any, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """The function that answers a ufunc's method, and its operands."""
    name = ufunc.__name__
    rows = {"reduce": _REDUCE, "accumulate": _ACCUMULATE}.get(method, UFUNCS)
    if method == "at":
        raise TypeError(f"np.{name}.at writes into its argument and is not supported on Tensors; use mg.index_add")
    if name not in UFUNCS:
        if not _tracked(inputs):
            return lambda *a, **k: _on_host(getattr(ufunc, method), a, k), inputs
        raise TypeError(_no_rule(f"np.{name}"))
    if name not in rows or method == "reduceat":
        raise TypeError(f"np.{name}.{method} is not supported on Tensors; use the function itself")
    if method in ("reduce", "accumulate"):
        kwargs.setdefault("axis", 0)
        if method == "reduce" and kwargs.get("where", True) is True:
            kwargs.pop("where", None)
    elif method == "outer":
        x, y = (a if hasattr(a, "ndim") else np.asarray(a) for a in inputs)
        inputs = (shape.reshape(x, (*x.shape, *(1,) * y.ndim)), y)
    return rows[name], inputs


def _store(name: str, result: Any, out: Any) -> Any:
    """np.f(t, out=a) and `a += t`: allowed where no graph could be lost."""
    if any(isinstance(x, Variable) and x._node is not None for x in (result, out)):
        raise TypeError(
            f"np.{name}: out= (or an in-place operator on an array) would drop the graph of a tracked Tensor; "
            "write a = a + t, or use t.detach()"
        )
    target = out._data if isinstance(out, Variable) else out
    value = result._data if isinstance(result, Variable) else result
    if value.shape != target.shape:
        raise ValueError(f"np.{name}: a result of shape {value.shape} does not fit out= of shape {target.shape}")
    np.copyto(target, value, casting="same_kind")
    if isinstance(out, Variable):
        mark_written(out._cell)
    return out


def array_function(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Answer a NumPy function called with a Tensor.

    Raises:
        TypeError: the function has no row, and a tracked Tensor or one on a GPU is among the arguments.
    """
    function = FUNCTIONS.get(func)
    if function is not None:
        return function(*args, **kwargs)
    if _tracked((args, kwargs)):
        raise TypeError(_no_rule(f"{func.__module__.replace('numpy', 'np')}.{func.__name__}"))
    return _on_host(func, args, kwargs)


def _no_rule(name: str) -> str:
    return (
        f"{name} has no gradient rule for Tensors: write it with supported functions; or define one with "
        f"mg.Op(...).defvjp(...) and register it with mg.implements({name}); or call it on .detach() to leave the graph"
    )


def _tracked(value: Any) -> bool:
    """Whether a tracked Tensor is among nested arguments."""
    if isinstance(value, Variable):
        return value._node is not None
    if isinstance(value, dict):
        return _tracked(tuple(value.values()))
    return isinstance(value, (list, tuple)) and any(_tracked(v) for v in value)


def _on_host(func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
    """NumPy's own function on the values of untracked Tensors; arrays among its results become Tensors."""
    result = func(*_values(args), **_values(kwargs))
    if isinstance(result, tuple) and type(result) is tuple:
        return tuple(map(_wrapped, result))
    return _wrapped(result)


def _wrapped(value: Any) -> Any:
    return wrap(value) if isinstance(value, np.ndarray) and value.dtype.kind in "fiub" else value


def _values(value: Any) -> Any:
    """Nested arguments with arrays in the place of Tensors."""
    if isinstance(value, Variable):
        if provider_of(value._data) is not HOST:
            raise TypeError("this NumPy function has no counterpart on a GPU: call .cpu() first")
        return lift(value._data)
    if isinstance(value, dict):
        return {k: _values(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(map(_values, value))
    return value
