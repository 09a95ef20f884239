"""where: one of two arrays, elementwise. Other rules use it to keep nan out of the branch not taken."""

from __future__ import annotations

from typing import Any

from ..backend.device import HOST
from ..core.op import Op
from ..core.variable import Variable, wrap
from .arguments import as_operand
from .comparison import constant


def untracked(x: Any) -> Any:
    """An operand that only switches: a Tensor without its graph, for its gradient is 0 wherever it exists."""
    return wrap(x._data, None, x._cell) if isinstance(x, Variable) and x._node is not None else x


def _where(xp: Any, condition: Any, x: Any, y: Any) -> Any:
    if xp is not HOST.xp and not hasattr(condition, "astype"):
        condition = xp.asarray(condition)  # CuPy asks for an array
    return xp.where(condition, x, y)


_BITS = {HOST.xp.dtype(f"float{n}"): HOST.xp.dtype(f"int{n}") for n in (16, 32, 64)}


def _masked(xp: Any, x: Any, mask: Any, *, keep: bool) -> Any:
    bits = _BITS.get(x.dtype) if xp is HOST.xp else None
    if bits is None:
        return xp.where(mask, x, 0.0) if keep else xp.where(mask, 0.0, x)
    ones = mask.view(HOST.xp.int8)
    # -1 has all bits, 0 none
    return xp.bitwise_and(x.view(bits), xp.negative(ones, dtype=bits) if keep else ones - bits.type(1)).view(x.dtype)


masked: Op = Op(
    "masked",
    _masked,
    saves=(1,),
    doc="""x where a boolean mask is true, else 0; the other way round with keep=False. The shape is x's.

    A product with the mask would turn inf * 0 into nan, and NumPy's where takes up to 20 times as long on the host,
    whose processor cannot foresee a random mask: bits are taken instead.
    """,
)
masked.defvjp(lambda g, out, x, mask, *, keep: masked(g, mask, keep=keep), None)

true_ = constant("true", lambda xp, condition: xp.asarray(condition, dtype=xp.bool_))

where_ = Op("where", _where, saves=(0,), broadcasts=True)
where_.defvjp(
    None,
    lambda g, out, condition, x, y: masked(g, true_(condition), keep=True),
    lambda g, out, condition, x, y: masked(g, true_(condition), keep=False),
)

where_true_ = constant("where_true", lambda xp, condition: xp.nonzero(condition))


def where(condition: Any, x: Any = None, y: Any = None, /) -> Any:
    """x where condition is true, else y, elementwise with broadcasting; what is not taken gets gradient 0, never nan.

    Args:
        condition: booleans, or numbers that are true unless 0; no gradient flows to it.
        x: array, Tensor or number.
        y: array, Tensor or number; left out together with x, the indices of the true elements are returned.

    Returns:
        An array, or a Tensor where an operand is one; without x and y a tuple with one array of indices an axis.

    Raises:
        ValueError: only one of x and y was given.
    """
    if x is None or y is None:
        if x is not y:
            raise ValueError("where: give both x and y, or neither")
        return where_true_(as_operand(condition))
    return where_(untracked(condition), x, y)


NUMPY = ("where",)
