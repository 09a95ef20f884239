"""What a ufunc is as a line of a compiled loop, in the dtypes that NumPy would compute it in."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import numpy as np

from ..errors import require

DTYPES = frozenset(["f4", "f8", "b1", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
"""What compiled code can hold."""


class Unsupported(Exception):
    """There is no compiled form: NumPy is to do it."""


_FLOATS = {
    "add": "{0} + {1}", "subtract": "{0} - {1}", "multiply": "{0} * {1}", "divide": "{0} / {1}",
    "negative": "-{0}", "positive": "{0}", "absolute": "abs({0})", "fabs": "abs({0})", "square": "{0} * {0}",
    "reciprocal": "{t}(1) / {0}", "sqrt": "math.sqrt({0})", "maximum": "maximum({0}, {1})",
    "minimum": "minimum({0}, {1})", "clip": "minimum(maximum({0}, {1}), {2})", "exp": "exp({0})", "tanh": "tanh({0})",
    "expm1": "math.expm1({0})", "log": "math.log({0})", "log1p": "math.log1p({0})", "sinh": "math.sinh({0})",
    "cosh": "math.cosh({0})", "sin": "math.sin({0})", "cos": "math.cos({0})", "tan": "math.tan({0})",
    "arctan": "math.atan({0})", "isnan": "{0} != {0}", "isfinite": "abs({0}) < {t}(np.inf)",
    "isinf": "abs({0}) == {t}(np.inf)", "sign": "({t}(1) if {0} > 0 else {t}(-1) if {0} < 0 else {0})",
    "heaviside": "({t}(0) if {0} < 0 else {t}(1) if {0} > 0 else {1} if {0} == 0 else {0})",
}  # fmt: skip
_INTEGERS = {
    "add": "{0} + {1}", "subtract": "{0} - {1}", "multiply": "{0} * {1}", "negative": "-{0}", "positive": "{0}",
    "square": "{0} * {0}", "maximum": "max({0}, {1})", "minimum": "min({0}, {1})",
    "bitwise_and": "{0} & {1}", "bitwise_or": "{0} | {1}", "bitwise_xor": "{0} ^ {1}", "invert": "~{0}",
    "clip": "min(max({0}, {1}), {2})",
}  # fmt: skip
_UNSIGNED = {**_INTEGERS, "sign": "({0} != 0)", "absolute": "{0}"}
_NUMBERS = {
    "greater": "{0} > {1}", "greater_equal": "{0} >= {1}", "less": "{0} < {1}", "less_equal": "{0} <= {1}",
    "equal": "{0} == {1}", "not_equal": "{0} != {1}", "logical_not": "{0} == 0",
    "logical_and": "({0} != 0) & ({1} != 0)", "logical_or": "({0} != 0) | ({1} != 0)",
    "logical_xor": "({0} != 0) != ({1} != 0)",
}  # fmt: skip
_POWERS = {0.5: "math.sqrt({0})", 1.0: "{0}", 2.0: "{0} * {0}", 3.0: "{0} * {0} * {0}", -1.0: "{t}(1) / {0}"}
"""Exponents that are numbers and need no power function."""
_DIFFERENT = frozenset({("floor_divide", "f")})
"""Ufuncs and kinds of operands where numba's own form is not NumPy's: at infinity."""

STARTS = frozenset(["add", "multiply", "maximum", "minimum", "logical_and", "logical_or"])
"""Ufuncs whose reductions have a compiled form."""


def dtype_name(dtype: Any) -> str:
    """f4, i8 and so on.

    Raises:
        Unsupported: a dtype that compiled code cannot hold, or foreign byte order.
    """
    dtype = np.dtype(dtype)
    if dtype.str[1:] not in DTYPES or not dtype.isnative:
        raise Unsupported(f"no compiled form of {dtype}")
    return dtype.str[1:]


def converted(text: str, source: Any, target: Any) -> str:
    """The text of a value in another dtype."""
    source, target = np.dtype(source), np.dtype(target)
    if source == target:
        return text
    return f"({text} != 0)" if target.kind == "b" else f"np.{target.name}({text})"


def constant(value: Any, dtype: Any) -> str:
    """The text of a number in a dtype.

    Raises:
        Unsupported: it is no real number.
    """
    dtype = np.dtype(dtype)
    if isinstance(value, np.ndarray) and not value.ndim:
        value = value[()]
    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, (bool, int, float)):
        raise Unsupported(f"no compiled form of the operand {value!r}")
    if dtype.kind == "b":
        return repr(bool(value))
    if isinstance(value, float) and not math.isfinite(value):
        text = "np.nan" if math.isnan(value) else "np.inf" if value > 0 else "-np.inf"
        return f"np.{dtype.name}({text})"
    return f"np.{dtype.name}({(float if dtype.kind == 'f' else int)(value)!r})"


def operand_type(operand: Any) -> Any:
    """What NumPy's promotion sees: a dtype, or the class of a Python number, which adapts to its company."""
    if type(operand) in (int, float):
        return type(operand)
    if isinstance(operand, (bool, np.generic, np.ndarray)):
        return np.asarray(operand).dtype
    if hasattr(operand, "dtype"):
        return np.dtype(operand.dtype)
    raise Unsupported(f"no compiled form of the operand {operand!r}")


def formula(function: np.ufunc, operands: tuple[Any, ...]) -> tuple[str, list[Any], Any]:
    """How a ufunc is written for its operands.

    Args:
        function: with one output.
        operands: Windows and numbers.

    Returns:
        A format string of the operands' texts; the dtypes that they are to be in; the dtype of the result.

    Raises:
        Unsupported: it has no compiled form for them.
    """
    if function.nout != 1 or function.nin != len(operands):
        raise Unsupported(f"{function.__name__} of {len(operands)} operands")
    kinds = [operand_type(operand) for operand in operands]
    try:
        *takes, gives = function.resolve_dtypes((*kinds, None))
    except TypeError as error:
        raise Unsupported(str(error)) from None
    names = [dtype_name(dtype) for dtype in (*takes, gives)]
    exponent = operands[-1]
    if function is np.power and names[0][0] == "f" and type(exponent) in (int, float) and float(exponent) in _POWERS:
        return _POWERS[float(exponent)].replace("{t}", f"np.{takes[0].name}"), takes, gives
    letters = {name[0] for name in names[:-1]}
    own = _FLOATS if letters == {"f"} else _UNSIGNED if letters == {"u"} else _INTEGERS if letters == {"i"} else {}
    text = own.get(function.__name__) or ({} if "b" in letters else _NUMBERS).get(function.__name__)
    if text is not None:
        return text.replace("{t}", f"np.{takes[0].name}"), takes, gives
    chars = "".join(d.char for d in takes)
    if (function.__name__, *letters) in _DIFFERENT or not _has_loop(function, chars, gives.char):
        raise Unsupported(f"no compiled form of {function.__name__} of {', '.join(names[:-1])}")
    places = ", ".join(f"{{{i}}}" for i in range(len(operands)))
    return f"np.{function.__name__}({places})", takes, gives


@cache
def _has_loop(function: np.ufunc, takes: str, gives: str) -> bool:
    """Whether numba knows NumPy's ufunc for these dtypes."""
    known: Any = require("numba.np.ufunc_db", "fast", "A compiled step")
    if function not in known.get_ufuncs() or getattr(np, function.__name__, None) is not function:
        return False
    loops = known.get_ufunc_info(function)
    spellings = {f"{takes}->{gives}".translate(str.maketrans(*pair)) for pair in (("qQ", "lL"), ("lL", "qQ"))}
    return f"{takes}->{gives}" in loops or bool(spellings & set(loops))


def start(name: str, dtype: Any) -> str:
    """What a reduction begins with.

    Raises:
        Unsupported: it has no compiled form.
    """
    dtype = np.dtype(dtype)
    if name not in STARTS or (name.startswith("logical") and dtype.kind != "b"):
        raise Unsupported(f"no compiled form of {name}.reduce to {dtype}")
    if dtype.kind == "b":
        if name in ("add", "multiply"):
            raise Unsupported(f"no compiled form of {name}.reduce to {dtype}")
        return repr(name in ("logical_and", "minimum"))
    if name in ("add", "multiply"):
        return constant(int(name == "multiply"), dtype)
    if dtype.kind == "f":
        return constant(-math.inf if name == "maximum" else math.inf, dtype)
    limits = np.iinfo(dtype)
    return constant(limits.min if name == "maximum" else limits.max, dtype)


def accumulated(name: str, dtype: Any, total: str, term: str) -> str:
    """The text of one more term of a reduction."""
    dtype = np.dtype(dtype)
    if dtype.kind == "b":
        return f"{total} {'&' if name in ('logical_and', 'minimum') else '|'} {term}"
    if dtype.kind == "f":
        return f"{name}({total}, {term})"
    operation = {"add": "{} + {}", "multiply": "{} * {}", "maximum": "max({}, {})", "minimum": "min({}, {})"}[name]
    return f"np.{dtype.name}({operation.format(total, term)})"
