"""Exponentials, logarithms, and the functions made of them that must not overflow."""

from __future__ import annotations

from typing import Any

from ..backend.device import HOST
from ..core.op import Op

_LOG_2 = 0.6931471805599453
_LOG_10 = 2.302585092994046

exp = Op("exp", lambda xp, x: xp.exp(x), saves=("out",), doc="e**x, elementwise.")
exp.defvjp(lambda g, out, x: g * out)

exp2 = Op("exp2", lambda xp, x: xp.exp2(x), saves=("out",), doc="2**x, elementwise.")
exp2.defvjp(lambda g, out, x: g * (out * _LOG_2))

expm1 = Op("expm1", lambda xp, x: xp.expm1(x), saves=("out",), doc="e**x - 1, elementwise, accurate near 0.")
expm1.defvjp(lambda g, out, x: g * (out + 1))

log: Op = Op("log", lambda xp, x: xp.log(x), saves=(0,), doc="The natural logarithm, elementwise.")
log.defvjp(lambda g, out, x: g / x)

log1p = Op("log1p", lambda xp, x: xp.log1p(x), saves=(0,), doc="log(1 + x), elementwise, accurate near 0.")
log1p.defvjp(lambda g, out, x: g / (1 + x))

log2 = Op("log2", lambda xp, x: xp.log2(x), saves=(0,), doc="The base-2 logarithm, elementwise.")
log2.defvjp(lambda g, out, x: g / (x * _LOG_2))

log10 = Op("log10", lambda xp, x: xp.log10(x), saves=(0,), doc="The base-10 logarithm, elementwise.")
log10.defvjp(lambda g, out, x: g / (x * _LOG_10))


def _sigmoid(xp: Any, x: Any) -> Any:
    # no exponential above 1, so no overflow, and full relative accuracy in both tails
    return xp.exp(xp.minimum(x, 0)) / (1.0 + xp.exp(-xp.abs(x)))


sigmoid = Op("sigmoid", _sigmoid, saves=("out",), doc="1 / (1 + exp(-x)), elementwise, without overflow.")
sigmoid.defvjp(lambda g, out, x: g * (out * (1 - out)))

softplus = Op(
    "softplus",
    lambda xp, x: xp.logaddexp(x, 0.0),
    saves=(0,),
    doc="log(1 + exp(x)), elementwise, without overflow.",
)
softplus.defvjp(lambda g, out, x: g * sigmoid(x))


def _gap(xp: Any, x: Any, y: Any) -> Any:
    with HOST.xp.errstate(invalid="ignore"):
        return xp.where(xp.equal(x, y), 0.0, xp.subtract(x, y))


gap = Op(
    "gap", _gap, saves=(), broadcasts=True, doc="x - y, elementwise with broadcasting: 0 between equal infinities."
)
gap.defvjp(lambda g, out, x, y: g, lambda g, out, x, y: -g)

logaddexp = Op(
    "logaddexp",
    lambda xp, x, y: xp.logaddexp(x, y),
    saves=(0, 1),
    broadcasts=True,
    doc="log(exp(x) + exp(y)), elementwise with broadcasting; equal infinities share the gradient.",
)
logaddexp.defvjp(lambda g, out, x, y: g * sigmoid(gap(x, y)), lambda g, out, x, y: g * sigmoid(gap(y, x)))

logaddexp2 = Op(
    "logaddexp2",
    lambda xp, x, y: xp.logaddexp2(x, y),
    saves=(0, 1),
    broadcasts=True,
    doc="log2(2**x + 2**y), elementwise with broadcasting; equal infinities share the gradient.",
)
logaddexp2.defvjp(
    lambda g, out, x, y: g * sigmoid(gap(x, y) * _LOG_2), lambda g, out, x, y: g * sigmoid(gap(y, x) * _LOG_2)
)

NUMPY = ("exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "logaddexp", "logaddexp2")
