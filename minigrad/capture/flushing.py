"""Subnormal numbers as zero, by compiled code itself: two instructions, where Python needs two calls of a library.

See `backend/flush_to_zero.py` for what it is good for.
"""

from __future__ import annotations

import platform
from typing import Any

from ..backend.flush_to_zero import BITS
from ..errors import require

_WHY = "A compiled step"
_ir: Any = require("llvmlite.ir", "fast", _WHY)
_cgutils: Any = require("numba.core.cgutils", "fast", _WHY)

FLUSHES = platform.machine().lower() in ("x86_64", "amd64")
"""Whether the processor has the control register that this writes to (MXCSR)."""
_REGISTER = _ir.IntType(32)


def exchange(builder: Any, on: bool) -> Any:
    """Have subnormal numbers count as zero, or not; what the register held before."""
    if not FLUSHES:
        return _ir.Constant(_REGISTER, 0)
    place = _cgutils.alloca_once(builder, _REGISTER)
    _call(builder, "stmxcsr", place)
    before = builder.load(place)
    if on:
        _write(builder, place, builder.or_(before, _ir.Constant(_REGISTER, BITS)))
    return before


def restore(builder: Any, before: Any) -> None:
    """Write back what the register held."""
    if FLUSHES:
        _write(builder, _cgutils.alloca_once(builder, _REGISTER), before)


def _write(builder: Any, place: Any, value: Any) -> None:
    builder.store(value, place)
    _call(builder, "ldmxcsr", place)


def _call(builder: Any, name: str, place: Any) -> None:
    """An instruction that moves the register: no access to memory is moved across it, and so no arithmetic either."""
    byte = _ir.IntType(8).as_pointer()
    kind = _ir.FunctionType(_ir.VoidType(), [byte])
    function = _cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.sse.{name}")
    builder.call(function, [builder.bitcast(place, byte)])
