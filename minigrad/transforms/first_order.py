"""Gradients of functions: grad, value_and_grad, elementwise_grad."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

from ..backend.array import ones_like
from .trace import Trace, raw_of

Argnums = int | Sequence[int]


def value_and_grad(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function with the arguments of f that returns f's value and gradient.

    The gradient has the structure, shapes, dtypes and devices of the argument: arrays for arrays (and 0-d float64
    arrays for Python floats), Tensors for Tensors, zeros where f does not depend on it. It is in storage of its own.

    Transforms nest to any depth. Where an argument is a tracked Tensor, or f depends on one from outside, the results
    are Tensors that can be differentiated further (unless inside no_grad).

    Args:
        f: function of arrays (it is given Tensors) that returns one floating-point number: an array or Tensor of one
            element. It must not write into its arguments.
        argnums: position of the argument to differentiate, or several. Each is an array, a Tensor, a float, or lists,
            tuples and dicts of them. All other arguments pass untouched.
        has_aux: f returns a pair (value, extra), of which only the value is differentiated.

    Returns:
        A function that returns (value, gradient), or ((value, extra), gradient) with has_aux; the gradient is a tuple
        where argnums is a sequence.

    Raises:
        DTypeError: an argument, or the value, is not floating point (when called; so are the others).
        ShapeError: the value has several elements.
        TypeError: f does not return one array, or argnums names no positional argument.
    """

    @wraps(f, updated=())
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        trace = Trace("value_and_grad", f, args, kwargs, argnums, has_aux)
        gradient = _gradient(trace, trace.scalar())
        value = trace.value()
        return ((value, trace.aux) if has_aux else value), gradient

    return wrapper


def grad(f: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False) -> Callable[..., Any]:
    """A function with the arguments of f that returns f's gradient. See `value_and_grad` for all that holds of it.

    Args:
        f: function that returns one floating-point number.
        argnums: position of the argument to differentiate, or several.
        has_aux: f returns a pair (value, extra).

    Returns:
        A function that returns the gradient, or (gradient, extra) with has_aux.
    """

    @wraps(f, updated=())
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        trace = Trace("grad", f, args, kwargs, argnums, has_aux)
        gradient = _gradient(trace, trace.scalar())
        return (gradient, trace.aux) if has_aux else gradient

    return wrapper


def elementwise_grad(f: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """A function that returns the gradient of the sum of f's outputs: of an elementwise f, its derivative everywhere.

    Args:
        f: function that returns one floating-point array of any shape.
        argnums: position of the argument to differentiate, or several.

    Returns:
        A function with the arguments of f; see `value_and_grad` for its result.
    """

    @wraps(f, updated=())
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        trace = Trace("elementwise_grad", f, args, kwargs, argnums)
        return _gradient(trace, trace.only())

    return wrapper


def _gradient(trace: Trace, y: Any) -> Any:
    return trace.gradients(trace.pull([ones_like(raw_of(y))], trace.tied, trace.keep))
