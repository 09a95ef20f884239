"""Penalties on weights, to be added to a loss."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..ops.elementwise import absolute, square
from ..tensor import Tensor


def _penalty(name: str, parameters: Iterable[Any] | Any, weight: float, of: Any) -> Any:
    if not weight >= 0:
        raise ValueError(f"{name}: the weight must be a number >= 0, got {weight!r}")
    given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    if not given:
        raise ValueError(f"{name}: got no parameters; is the generator used up?")
    total = of(given[0]).sum()
    for p in given[1:]:
        total = total + of(p).sum()
    return total * weight


def l1_penalty(parameters: Iterable[Any] | Any, weight: float = 1.0) -> Any:
    """weight * sum |w|, which pulls weights to exactly 0 (Tibshirani 1996, the lasso); slope 0 at 0.

    Args:
        parameters: Tensors, or one.
        weight: >= 0.

    Returns:
        A 0-d Tensor.

    Raises:
        ValueError: a negative weight, or no parameters.
    """
    return _penalty("l1_penalty", parameters, weight, absolute)


def l2_penalty(parameters: Iterable[Any] | Any, weight: float = 1.0) -> Any:
    """weight * sum w**2 / 2 (Hoerl and Kennard 1970, ridge): its gradient is an optimizer's `weight_decay` * w.

    Args:
        parameters: Tensors, or one.
        weight: >= 0.

    Returns:
        A 0-d Tensor.

    Raises:
        ValueError: a negative weight, or no parameters.
    """
    return _penalty("l2_penalty", parameters, weight / 2, square)


def elastic_net(parameters: Iterable[Any] | Any, l1: float, l2: float) -> Any:
    """l1 * sum |w| + l2 * sum w**2 / 2 (Zou and Hastie 2005).

    Args:
        parameters: Tensors, or one.
        l1: weight of the absolute values, >= 0.
        l2: weight of the squares, >= 0.

    Returns:
        A 0-d Tensor.

    Raises:
        ValueError: a negative weight, or no parameters.
    """
    given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    return l1_penalty(given, l1) + l2_penalty(given, l2)
