"""A barrier in a gradient rule that holds for the first order only."""

from __future__ import annotations

from typing import Any, NoReturn

from ..core.op import Op
from ..errors import GraphError


def _refuse(g: Any, out: Any, x: Any, *, name: str) -> NoReturn:
    raise GraphError(
        f"{name}: second derivatives are not supported, only first ones: compute this gradient without create_graph, "
        "or pass .detach() to the part that must not be differentiated twice"
    )


first_order_ = Op("first_order", lambda xp, x, *, name: x, saves=(), view=True)
first_order_.defvjp(_refuse)


def first_order(value: Any, name: str) -> Any:
    """`value`, through which no gradient can be taken: what a first-order rule reads of the saved values.

    A rule that is right to first order wraps the saved arguments (not the cotangent `g`, in which every rule is linear,
    so that forward-mode products by two backward passes still work):

        rule = lambda g, out, x: g * slope(first_order(x, "median"))

    Args:
        value: array or Tensor.
        name: of the function, for the error.

    Returns:
        The array itself, or a Tensor that shares its memory.

    Raises:
        GraphError: later, when a gradient reaches this value.
    """
    return first_order_(value, name=name)
