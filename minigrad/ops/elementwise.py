"""The elementwise operations that many modules need, from the modules of their concepts."""

from __future__ import annotations

from .arithmetic import add, divide, multiply, negative, subtract
from .bounds import clip, maximum, minimum, relu
from .comparison import equal, greater, greater_equal, isfinite, less, less_equal, logical_not, not_equal
from .exponential import exp, expm1, log, log1p, log2, log10, sigmoid, softplus
from .hyperbolic import cosh, sinh, tanh
from .parts import absolute, sign
from .powers import power, reciprocal, scalar_power, sqrt, square
from .special import erf
from .trigonometric import arctan, cos, sin, tan
from .where import where

__all__ = [
    "absolute", "add", "arctan", "clip", "cos", "cosh", "divide", "equal", "erf", "exp", "expm1", "greater",
    "greater_equal", "isfinite", "less", "less_equal", "log", "log1p", "log2", "log10", "logical_not", "maximum",
    "minimum", "multiply", "negative", "not_equal", "power", "reciprocal", "relu", "scalar_power", "sigmoid", "sign",
    "sin", "sinh", "softplus", "sqrt", "square", "subtract", "tan", "tanh", "where",
]  # fmt: skip
