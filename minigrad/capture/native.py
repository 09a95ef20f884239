"""What compiled steps are written with, beside plain Python: memory by address, sums in any order, products by BLAS.

Only a compiled step imports this module: it needs numba. Each function here takes part in compiled code alone.

A `Pointer` knows in its type what it points to and which memory that is, so that the compiler may assume that two of
them never meet: without that it would not use vector instructions where a loop reads and writes more than a few arrays.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

from ..errors import require
from . import flushing
from .compiled_math import exponential, hyperbolic_tangent
from .small_products import Product
from .transposition import Transposition

_WHY = "A compiled step"
_extending: Any = require("numba.extending", "fast", _WHY)
_types: Any = require("numba.core.types", "fast", _WHY)
_ir: Any = require("llvmlite.ir", "fast", _WHY)
_arrays: Any = require("numba.np.arrayobj", "fast", _WHY)
_numpy_support: Any = require("numba.np.numpy_support", "fast", _WHY)

ANY_ORDER = ("reassoc", "contract", "nsz")
"""What an accumulation permits beyond rounding as written: terms may be added in any order. nan and infinity stay."""


class Pointer(_types.Type):
    """The type of an address of elements.

    Args:
        dtype: numba's type of the elements.
        memory: number of the memory it is in; memories of different numbers share no byte.
        memories: how many there are.
    """

    def __init__(self, dtype: Any, memory: int, memories: int) -> None:
        super().__init__(f"Pointer({dtype}, {memory} of {memories})")
        self.dtype, self.memory, self.memories = dtype, memory, memories


_extending.register_model(Pointer)(_extending.models.OpaqueModel)


def _address(context: Any, builder: Any, table_type: Any, table: Any, slot: int) -> Any:
    """The integer in a slot of the table."""
    data = _arrays.make_array(table_type)(context, builder, table).data
    return builder.load(builder.gep(data, [_ir.Constant(_ir.IntType(64), slot)]))


@_extending.intrinsic(prefer_literal=True)
def pointer(_: Any, table: Any, slot: Any, dtype: Any, memory: Any, memories: Any) -> Any:
    """pointer(table, 3, "f4", 0, 7): the address in slot 3, of float32 in the first of seven memories."""
    element = _numpy_support.from_dtype(_numpy_support.np.dtype(dtype.literal_value))
    kind = Pointer(element, memory.literal_value, memories.literal_value)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        at = _address(context, builder, signature.args[0], args[0], slot.literal_value)
        return builder.inttoptr(at, context.get_value_type(kind))

    return kind(table, slot, dtype, memory, memories), generate


def _element(context: Any, builder: Any, kind: Any, base: Any, index: Any) -> Any:
    """Where the element of an index is."""
    stored = context.get_data_type(kind.dtype)
    return builder.gep(builder.bitcast(base, stored.as_pointer()), [index], inbounds=True)


_scopes: Any = WeakKeyDictionary()
"""Module of LLVM's -> Pointer type -> what an access through it says of its memory."""


def _mark(builder: Any, access: Any, kind: Any) -> None:
    """Tell the compiler which memory an access is in, and that it is in no other."""
    module = builder.module
    known = _scopes.setdefault(module, {})
    if kind not in known:
        domain = module.add_metadata(["minigrad"])
        scopes = [module.add_metadata([f"memory {k}", domain]) for k in range(kind.memories)]
        others = scopes[: kind.memory] + scopes[kind.memory + 1 :]
        known[kind] = module.add_metadata([scopes[kind.memory]]), module.add_metadata(others) if others else None
    own, others = known[kind]
    access.set_metadata("alias.scope", own)
    if others is not None:
        access.set_metadata("noalias", others)


@_extending.intrinsic
def load(_: Any, base: Any, index: Any) -> Any:
    """load(p, i): element i."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = signature.args[0]
        access = builder.load(_element(context, builder, kind, *args))
        _mark(builder, access, kind)
        return context.data_model_manager[kind.dtype].from_data(builder, access)

    return base.dtype(base, _types.intp), generate


@_extending.intrinsic
def store(_: Any, base: Any, index: Any, value: Any) -> Any:
    """store(p, i, x): element i = x."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kind = signature.args[0]
        stored = context.data_model_manager[kind.dtype].as_data(builder, args[2])
        access = builder.store(stored, _element(context, builder, kind, *args[:2]))
        _mark(builder, access, kind)
        return context.get_dummy_value()

    return _types.none(base, _types.intp, base.dtype), generate


def _accumulation(on_floats: Any, on_integers: Any) -> Any:
    """An intrinsic of an accumulator and a term, both of the same type."""

    def operation(_: Any, total: Any, term: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return (on_floats if isinstance(total, _types.Float) else on_integers)(builder, *args)

        return total(total, total), generate

    return _extending.intrinsic(operation)


add = _accumulation(lambda b, x, y: b.fadd(x, y, flags=ANY_ORDER), lambda b, x, y: b.add(x, y))
"""add(total, term), where terms may be added in any order."""
multiply = _accumulation(lambda b, x, y: b.fmul(x, y, flags=ANY_ORDER), lambda b, x, y: b.mul(x, y))
"""multiply(total, term), where factors may be multiplied in any order."""


def _extremum(name: str) -> Any:
    """An intrinsic of two floats that gives nan where one is, as NumPy does."""

    def operation(_: Any, x: Any, y: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            kind = args[0].type
            whole = _ir.FunctionType(kind, [kind, kind])
            function = builder.module.declare_intrinsic(f"llvm.{name}", [kind], whole)
            return builder.call(function, args, fastmath=("nsz",))

        return x(x, x), generate

    return _extending.intrinsic(operation)


maximum, minimum = _extremum("maximum"), _extremum("minimum")


def _function(formula: Any) -> Any:
    """An intrinsic of one float from a formula for the LLVM builder."""

    def operation(_: Any, x: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return formula(builder, args[0])

        return x(x), generate

    return _extending.intrinsic(operation)


exp, tanh = _function(exponential), _function(hyperbolic_tangent)


@_extending.intrinsic(prefer_literal=True)
def flush(_: Any, on: Any) -> Any:
    """flush(True): subnormal numbers count as zero from here on; flush(False): as before. What `restored` takes."""
    return _types.uint32(on), lambda context, builder, signature, args: flushing.exchange(builder, on.literal_value)


@_extending.intrinsic
def restored(_: Any, before: Any, result: Any) -> Any:
    """restored(before, x): x, with subnormal numbers as they were before `flush`."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        flushing.restore(builder, args[0])
        return args[1]

    return _types.int64(_types.uint32, _types.int64), generate


def _blas(context: Any, builder: Any, table_type: Any, table: Any, slot: int, values: list[Any]) -> None:
    """Call a BLAS routine of Fortran's kind, whose address is in a slot: every argument goes by address."""
    pointers = []
    for value in values:
        if isinstance(value, _ir.Constant):
            constant = _ir.GlobalVariable(builder.module, value.type, builder.module.get_unique_name("blas"))
            constant.initializer, constant.global_constant, constant.linkage = value, True, "internal"
            value = constant
        pointers.append(builder.bitcast(value, _ir.IntType(8).as_pointer()))
    kind = _ir.FunctionType(_ir.VoidType(), [p.type for p in pointers])
    at = _address(context, builder, table_type, table, slot)
    builder.call(builder.inttoptr(at, kind.as_pointer()), pointers)


def _number(value: int) -> Any:
    return _ir.Constant(_ir.IntType(32), value)


def _letter(value: str) -> Any:
    return _ir.Constant(_ir.IntType(8), ord(value))


@_extending.intrinsic(prefer_literal=True)
def gemm(_: Any, table: Any, slot: Any, how: Any, a: Any, a_at: Any, b: Any, b_at: Any, c: Any, c_at: Any) -> Any:
    """gemm(table, slot, "N T m n k lda ldb ldc", a, 0, b, 0, c, 0): C = op(A) op(B) of column-major matrices.

    "N T": A as it is, B transposed. Behind each pointer comes the index of its first element.
    """
    left, right, *sizes = how.literal_value.split()
    m, n, k, lda, ldb, ldc = (_number(int(size)) for size in sizes)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        element = context.get_data_type(a.dtype)
        x, y, z = (_element(context, builder, kind, args[i], args[i + 1]) for kind, i in ((a, 3), (b, 5), (c, 7)))
        one, zero = _ir.Constant(element, 1.0), _ir.Constant(element, 0.0)
        values = [_letter(left), _letter(right), m, n, k, one, x, lda, y, ldb, zero, z, ldc]
        _blas(context, builder, signature.args[0], args[0], slot.literal_value, values)
        return context.get_dummy_value()

    return _types.none(table, slot, how, a, _types.intp, b, _types.intp, c, _types.intp), generate


@_extending.intrinsic(prefer_literal=True)
def gemv(_: Any, table: Any, slot: Any, how: Any, a: Any, a_at: Any, x: Any, x_at: Any, y: Any, y_at: Any) -> Any:
    """gemv(table, slot, "T m n lda incx incy", a, 0, x, 0, y, 0): y = op(A) x, where A is column-major, (m, n)."""
    letter, *sizes = how.literal_value.split()
    m, n, lda, incx, incy = (_number(int(size)) for size in sizes)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        element = context.get_data_type(a.dtype)
        matrix, vector, result = (
            _element(context, builder, kind, args[i], args[i + 1]) for kind, i in ((a, 3), (x, 5), (y, 7))
        )
        one, zero = _ir.Constant(element, 1.0), _ir.Constant(element, 0.0)
        values = [_letter(letter), m, n, one, matrix, lda, vector, incx, zero, result, incy]
        _blas(context, builder, signature.args[0], args[0], slot.literal_value, values)
        return context.get_dummy_value()

    return _types.none(table, slot, how, a, _types.intp, x, _types.intp, y, _types.intp), generate


@_extending.intrinsic(prefer_literal=True)
def product(_: Any, how: Any, a: Any, a_at: Any, b: Any, b_at: Any, c: Any, c_at: Any) -> Any:
    """product("m n k, the steps and the tile of `Product`", a, 0, b, 0, c, 0): C = A B, written out."""
    numbers = [int(number) for number in how.literal_value.split()]

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        kinds = a, b, c
        pointers = [
            _element(context, builder, kind, args[i], args[i + 1]) for kind, i in zip(kinds, (1, 3, 5), strict=True)
        ]
        mark = lambda access, which: _mark(builder, access, kinds[which])
        Product(
            builder, context.get_data_type(a.dtype), numbers[:3], numbers[3:7], numbers[7:], pointers, mark
        ).generate()
        return context.get_dummy_value()

    return _types.none(how, a, _types.intp, b, _types.intp, c, _types.intp), generate


@_extending.intrinsic(prefer_literal=True)
def transpose(_: Any, how: Any, a: Any, a_at: Any, b: Any, b_at: Any) -> Any:
    """transpose("rows columns step vector", a, 0, b, 0): B = A^T; see `Transposition`."""
    rows, columns, step, vector = (int(number) for number in how.literal_value.split())

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        pointers = [_element(context, builder, a, args[1], args[2]), _element(context, builder, b, args[3], args[4])]
        mark = lambda access, which: _mark(builder, access, (a, b)[which])
        Transposition(builder, context.get_data_type(a.dtype), (rows, columns), step, vector, pointers, mark).generate()
        return context.get_dummy_value()

    return _types.none(how, a, _types.intp, b, _types.intp), generate
