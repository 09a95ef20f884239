"""Piecewise linear interpolation, differentiable in the values, in the points and where they are asked for."""

from __future__ import annotations

from typing import Any

from ..backend.recording import lift
from ..core.op import Op
from ..core.variable import Variable
from ..errors import GraphError, ShapeError
from .comparison import logical_or
from .elementwise import equal, greater, less
from .elementwise import where as select
from .index import take_
from .joining import as_arrays, concatenate_
from .sorting import argsort_

NUMPY = ("interp",)

interp_ = Op(
    "interp",
    lambda xp, x, knots, values, *, left, right: xp.interp(x, knots, values, left, right),
    saves=(0, 1, 2),
)

piece_ = Op(
    "piece",
    lambda xp, x, knots: xp.clip(xp.searchsorted(knots, x, side="right") - 1, 0, knots.shape[0] - 2),
    saves=(),
    differentiable=False,
    doc="The number of the piece between two knots in which x lies; the outermost one where it lies outside.",
)


def _add_at(xp: Any, g: Any, at: Any, *, length: int) -> Any:
    out = xp.zeros(length, g.dtype)
    xp.add.at(out, at.reshape(-1), g.reshape(-1))
    return out


add_at_ = Op("add_at", _add_at, saves=(1,), doc="A vector of zeros to which each g is added at its place.")
add_at_.defvjp(lambda g, out, x, at, *, length: take_(g, at, axis=0), None)


def _interp_vjp(
    needs: Any, g: Any, out: Any, x: Any, knots: Any, values: Any, *, left: Any, right: Any
) -> tuple[Any, Any, Any]:
    n = knots.shape[0]
    before, after = less(x, knots[0]), greater(x, knots[n - 1])
    if left is not None:
        g = select(before, 0.0, g)  # a constant of its own
    if right is not None:
        g = select(after, 0.0, g)
    if n == 1:
        return None, None, g.sum().reshape(1) if needs[2] else None
    at = piece_(x, knots)
    x0, x1, y0, y1 = (take_(a, i, axis=0) for a in (knots, values) for i in (at, at + 1))
    width = x1 - x0
    jump = equal(width, 0)  # two points above one another, of which the second counts
    width = select(jump, 1.0, width)
    # the fraction of the way; outside it stops, and so does the slope
    t = select(before, 0.0, select(logical_or(after, jump), 1.0, (x - x0) / width))
    slope = (y1 - y0) / width
    inner = select(before, 0.0, select(logical_or(after, jump), 0.0, g))

    def at_both(low: Any, high: Any) -> Any:
        return add_at_(low, at, length=n) + add_at_(high, at + 1, length=n)

    return (
        inner * slope if needs[0] else None,
        at_both(inner * slope * (t - 1), -(inner * slope * t)) if needs[1] else None,
        at_both(g * (1 - t), g * t) if needs[2] else None,
    )


interp_.defvjp_all(_interp_vjp)

wrapped_ = Op("wrapped", lambda xp, x, *, period: x % period, saves=(), doc="x modulo a period; slope 1.")
wrapped_.defvjp(lambda g, out, x, *, period: g)


def _constant(name: str, value: Any) -> Any:
    if isinstance(value, Variable):
        if value._node is not None:
            raise GraphError(f"interp: {name} is a constant; use mg.where, or pass .detach()")
        return lift(value._data)
    return value


def interp(x: Any, xp: Any, fp: Any, left: Any = None, right: Any = None, period: float | None = None) -> Any:
    """Piecewise linear interpolation through points; at a point the slope is that of the piece on its right.

    Args:
        x: where to interpolate: array or Tensor.
        xp: (n,) abscissas of the points, ascending unless there is a period.
        fp: (n,) their ordinates.
        left: the result for x < xp[0], a constant; None continues with fp[0].
        right: the result for x > xp[-1], a constant; None continues with fp[-1].
        period: of x; then left and right do not matter.

    Returns:
        float64 of the shape of x: an array, or a Tensor where an argument is one. Gradients flow to x, xp and fp.

    Raises:
        ShapeError, ValueError, GraphError: xp and fp are no vectors of one length; period is 0; left or right is
            tracked.
    """
    x, knots, values = as_arrays("interp", (x, xp, fp))
    if knots.ndim != 1 or knots.shape != values.shape or not knots.size:
        raise ShapeError(
            f"interp: xp and fp must be vectors of one length that are not empty, got {knots.shape} and {values.shape}"
        )
    left, right = _constant("left", left), _constant("right", right)
    if period is not None:
        if period == 0:
            raise ValueError("interp: period must not be 0")
        period = abs(period)
        left = right = None
        x, knots = wrapped_(x, period=period), wrapped_(knots, period=period)
        order = argsort_(knots, axis=0)
        knots, values = take_(knots, order, axis=0), take_(values, order, axis=0)
        knots = concatenate_(knots[-1:] - period, knots, knots[:1] + period, axis=0)
        values = concatenate_(values[-1:], values, values[:1], axis=0)
    return interp_(x, knots, values, left=left, right=right)
