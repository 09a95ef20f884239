"""exp and tanh as plain arithmetic, so that compiled loops run them on whole vectors.

A call of the mathematical library takes one number at a time and keeps a loop from being vectorised. Written out of
additions, products and a few bit tricks the functions are as exact (within 2 units in the last place, which a test
proves) and several times as fast. They are written for the builder of LLVM's intermediate code: compiling them costs
next to nothing, and no other permission than that to fuse a product with a sum applies to them.

Formulas and coefficients: S. L. Moshier, Cephes Mathematical Library (netlib.org/cephes).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import require

_ir: Any = require("llvmlite.ir", "fast", "A compiled step")

_FLAGS = ("contract",)
"""Not the module's: it must not reorder what follows, nor divide by way of a reciprocal."""


@dataclass(frozen=True)
class _Format:
    """What the formulas need to know of a floating-point format.

    Attributes:
        bits: of a number.
        mantissa: bits of the fraction stored.
        bias: of the exponent.
        low, high: beyond them exp is 0 and infinite.
        ln2: log 2 as a number of few bits and the rest.
    """

    bits: int
    mantissa: int
    bias: int
    low: float
    high: float
    ln2: tuple[float, float]


_SINGLE = _Format(32, 23, 127, -105.0, 89.5, (0.693359375, -2.12194440e-4))
_DOUBLE = _Format(64, 52, 1023, -746.0, 710.5, (6.93145751953125e-1, 1.42860682030941723212e-6))

_EXP_SINGLE = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
_EXP_DOUBLE_P = (1.26177193074810590878e-4, 3.02994407707441961300e-2, 9.99999999999999999910e-1)
_EXP_DOUBLE_Q = (
    3.00198505138664455042e-6,
    2.52448340349684104192e-3,
    2.27265548208155028766e-1,
    2.00000000000000000009e0,
)
_TANH_SINGLE = (-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1)
_TANH_DOUBLE_P = (-9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3)
_TANH_DOUBLE_Q = (1.0, 1.12811678491632931402e2, 2.23548839060100448583e3, 4.84406305325125486048e3)
_TANH_NEAR = 0.625


class _Arithmetic:
    """The operations of one format on the values of a builder; a Python number stands for a constant."""

    def __init__(self, builder: Any, x: Any) -> None:
        self.builder, self.type = builder, x.type
        self.format = _SINGLE if isinstance(x.type, _ir.FloatType) else _DOUBLE
        self.integer = _ir.IntType(self.format.bits)

    def _value(self, x: Any) -> Any:
        return _ir.Constant(self.type, x) if isinstance(x, (int, float)) else x

    def add(self, x: Any, y: Any) -> Any:
        return self.builder.fadd(self._value(x), self._value(y), flags=_FLAGS)

    def subtract(self, x: Any, y: Any) -> Any:
        return self.builder.fsub(self._value(x), self._value(y), flags=_FLAGS)

    def multiply(self, x: Any, y: Any) -> Any:
        return self.builder.fmul(self._value(x), self._value(y), flags=_FLAGS)

    def divide(self, x: Any, y: Any) -> Any:
        return self.builder.fdiv(self._value(x), self._value(y), flags=_FLAGS)

    def is_less(self, x: Any, y: Any) -> Any:
        """False where one is not a number."""
        return self.builder.fcmp_ordered("<", self._value(x), self._value(y), flags=_FLAGS)

    def choose(self, condition: Any, x: Any, y: Any) -> Any:
        return self.builder.select(condition, self._value(x), self._value(y))

    def call(self, name: str, *args: Any) -> Any:
        kind = _ir.FunctionType(self.type, [self.type] * len(args))
        function = self.builder.module.declare_intrinsic(f"llvm.{name}", [self.type], kind)
        return self.builder.call(function, [self._value(x) for x in args])

    def polynomial(self, x: Any, coefficients: Sequence[float]) -> Any:
        """Horner's scheme, the highest power first."""
        total: Any = self._value(coefficients[0])
        for c in coefficients[1:]:
            total = self.add(self.multiply(total, x), c)
        return total

    def bits_of(self, x: Any) -> Any:
        return self.builder.bitcast(self._value(x), self.integer)

    def power_of_two(self, exponent: Any) -> Any:
        """2 to an integer for which that is a normal number."""
        biased = self.builder.add(exponent, _ir.Constant(self.integer, self.format.bias))
        shifted = self.builder.shl(biased, _ir.Constant(self.integer, self.format.mantissa))
        return self.builder.bitcast(shifted, self.type)


def exponential(builder: Any, x: Any) -> Any:
    """exp(x) = 2^n exp(r) with |r| <= log(2) / 2.

    Args:
        builder: of LLVM's intermediate code.
        x: a float or double value.

    Returns:
        A value of the type of x.
    """
    a = _Arithmetic(builder, x)
    f = a.format
    # A nan passes both comparisons unchanged.
    x = a.choose(a.is_less(x, f.low), f.low, x)
    x = a.choose(a.is_less(f.high, x), f.high, x)
    # Added to 1.5 * 2^mantissa a number is rounded to an integer, which then are the last bits of the sum.
    shift = 1.5 * 2.0**f.mantissa
    shifted = a.add(a.multiply(x, 1.4426950408889634), shift)
    n = a.subtract(shifted, shift)
    r = a.subtract(a.subtract(x, a.multiply(n, f.ln2[0])), a.multiply(n, f.ln2[1]))
    square = a.multiply(r, r)
    if f is _SINGLE:
        y = a.add(a.add(a.multiply(a.polynomial(r, _EXP_SINGLE), square), r), 1.0)
    else:
        p = a.multiply(r, a.polynomial(square, _EXP_DOUBLE_P))
        quotient = a.divide(p, a.subtract(a.polynomial(square, _EXP_DOUBLE_Q), p))
        y = a.add(a.multiply(quotient, 2.0), 1.0)
    # In two factors: the ends of the range are no normal powers of two.
    whole = builder.sub(a.bits_of(shifted), a.bits_of(shift))
    half = builder.ashr(whole, _ir.Constant(a.integer, 1))
    return a.multiply(a.multiply(y, a.power_of_two(half)), a.power_of_two(builder.sub(whole, half)))


def hyperbolic_tangent(builder: Any, x: Any) -> Any:
    """tanh(x): x + x^3 P(x^2) near 0, else 1 - 2 / (exp(2 |x|) + 1) with the sign of x.

    Args:
        builder: of LLVM's intermediate code.
        x: a float or double value.

    Returns:
        A value of the type of x.
    """
    a = _Arithmetic(builder, x)
    size = a.call("fabs", x)
    square = a.multiply(x, x)
    if a.format is _SINGLE:
        ratio = a.polynomial(square, _TANH_SINGLE)
    else:
        ratio = a.divide(a.polynomial(square, _TANH_DOUBLE_P), a.polynomial(square, _TANH_DOUBLE_Q))
    near = a.add(a.multiply(a.multiply(x, square), ratio), x)
    grown = exponential(builder, a.multiply(size, 2.0))
    far = a.call("copysign", a.subtract(1.0, a.divide(2.0, a.add(grown, 1.0))), x)
    return a.choose(a.is_less(size, _TANH_NEAR), near, far)
