"""Products of vectors and tensors: dot, inner, outer, tensordot, kron, cross."""

from __future__ import annotations

import operator
from functools import lru_cache
from typing import Any

from ..core.op import Op
from ..errors import ShapeError
from .alignment import common_shape
from .arguments import no_out
from .arithmetic import multiply
from .contraction import Labels, contract
from .joining import as_arrays, stack
from .linalg import matmul
from .shape import reshape, transpose

NUMPY = ("dot", "vdot", "inner", "outer", "vecdot", "matvec", "vecmat", "tensordot", "kron", "cross")
NUMPY_LINALG = ("vecdot", "tensordot")


def dot(a: Any, b: Any, out: Any = None) -> Any:
    """The sum of products over the last axis of a and the second to last of b (its only one where b is a vector).

    Args:
        a: array, Tensor, number or lists; for a number or a 0-d array the result is a * b.
        b: likewise.
        out: not supported.

    Returns:
        The other axes of a, then those of b: an array, or a Tensor where an operand is one.

    Raises:
        ShapeError: the lengths of the two axes differ.
    """
    no_out("dot", out)
    a, b = as_arrays("dot", (a, b))
    if not a.ndim or not b.ndim:
        return multiply(a, b)
    if a.ndim <= 2 and b.ndim <= 2:
        return matmul(a, b)
    return tensordot(a, b, axes=(-1, -2 if b.ndim > 1 else -1))


def vdot(a: Any, b: Any, /) -> Any:
    """The sum of products of all elements of two arrays of one size.

    Args:
        a: array, Tensor, number or lists.
        b: of as many elements, in any shape.

    Returns:
        0-d: an array, or a Tensor where an operand is one.

    Raises:
        ShapeError: the sizes differ.
    """
    a, b = as_arrays("vdot", (a, b))
    if a.size != b.size:
        raise ShapeError(f"vdot: operands must have as many elements, got shapes {a.shape} and {b.shape}")
    return matmul(reshape(a, -1), reshape(b, -1))


def inner(a: Any, b: Any, /) -> Any:
    """The sum of products over the last axes of both.

    Args:
        a: array, Tensor, number or lists; for a number or a 0-d array the result is a * b.
        b: likewise, with a last axis as long.

    Returns:
        The other axes of a, then those of b: an array, or a Tensor where an operand is one.

    Raises:
        ShapeError: the lengths of the last axes differ.
    """
    a, b = as_arrays("inner", (a, b))
    return multiply(a, b) if not a.ndim or not b.ndim else tensordot(a, b, axes=(-1, -1))


def outer(a: Any, b: Any, out: Any = None) -> Any:
    """The products of every element of a with every element of b.

    Args:
        a: array, Tensor, number or lists, read as one row of elements.
        b: likewise.
        out: not supported.

    Returns:
        (a.size, b.size): an array, or a Tensor where an operand is one.
    """
    no_out("outer", out)
    a, b = as_arrays("outer", (a, b))
    return contract(reshape(a, -1), (0,), reshape(b, -1), (1,), (0, 1))


def vecdot(x1: Any, x2: Any, /, *, axis: int = -1) -> Any:
    """The sum of products of vectors along an axis; the other axes broadcast.

    Args:
        x1: array, Tensor or lists.
        x2: likewise.
        axis: of the vectors, in each operand.

    Returns:
        The broadcast shape without the axis: an array, or a Tensor where an operand is one.

    Raises:
        ShapeError: an operand has no such axis, the lengths differ, or the other axes do not broadcast.
    """
    x1, x2 = as_arrays("vecdot", (x1, x2))
    for x in (x1, x2):
        if not -x.ndim <= axis < x.ndim:
            raise ShapeError(f"vecdot: axis {axis} is out of range for an array with {x.ndim} dimension(s)")
    return _stacked("vecdot", x1, (axis,), (0,), x2, (axis,), (0,), ())


def matvec(x1: Any, x2: Any, /) -> Any:
    """Matrices times vectors: sum_j x1[..., i, j] x2[..., j].

    Args:
        x1: (..., m, n), array, Tensor or lists.
        x2: (..., n); leading axes broadcast.

    Returns:
        (..., m): an array, or a Tensor where an operand is one.

    Raises:
        ShapeError: the operands do not fit.
    """
    x1, x2 = as_arrays("matvec", (x1, x2))
    return _stacked("matvec", x1, (-2, -1), (1, 0), x2, (-1,), (0,), (1,))


def vecmat(x1: Any, x2: Any, /) -> Any:
    """Vectors times matrices: sum_i x1[..., i] x2[..., i, j].

    Args:
        x1: (..., m), array, Tensor or lists.
        x2: (..., m, n); leading axes broadcast.

    Returns:
        (..., n): an array, or a Tensor where an operand is one.

    Raises:
        ShapeError: the operands do not fit.
    """
    x1, x2 = as_arrays("vecmat", (x1, x2))
    return _stacked("vecmat", x1, (-1,), (0,), x2, (-2, -1), (0, 1), (1,))


def _stacked(
    name: str, x: Any, x_axes: Any, x_core: Labels, y: Any, y_axes: Any, y_core: Labels, out_core: Labels
) -> Any:
    """A product over a few named axes of x and y whose other axes broadcast."""
    labels, leads = [], []
    for a, axes, core in ((x, x_axes, x_core), (y, y_axes, y_core)):
        if a.ndim < len(axes):
            raise ShapeError(f"{name}: {len(axes)} axes or more are due, got shapes {x.shape} and {y.shape}")
        named = {i % a.ndim: n for i, n in zip(axes, core, strict=True)}
        rest = [i for i in range(a.ndim) if i not in named]
        named.update({i: k - len(rest) for k, i in enumerate(rest)})
        labels.append(tuple(named[i] for i in range(a.ndim)))
        leads.append(tuple(a.shape[i] for i in rest))
    (xl, yl), (a, b) = labels, leads
    if x.shape[xl.index(0)] != y.shape[yl.index(0)]:
        raise ShapeError(f"{name}: the axes to sum over differ in length, in shapes {x.shape} and {y.shape}")
    lead = common_shape(name, a, b)
    return contract(x, xl, y, yl, (*range(-len(lead), 0), *out_core))


@lru_cache(maxsize=1024)
def _summed_axes(axes: Any, a: tuple[int, ...], b: tuple[int, ...]) -> tuple[Labels, Labels, Labels]:
    """The labels of both operands and of the result of a tensordot of shapes a and b."""
    if isinstance(axes, tuple):
        first, second = ((x,) if isinstance(x, int) else x for x in axes)
    else:
        first, second = tuple(range(-axes, 0)), tuple(range(axes))
    where = f"tensordot: axes={axes!r} for shapes {a} and {b}"
    if len(first) != len(second):
        raise ShapeError(f"{where}: as many axes of one as of the other are due")
    for shape, chosen in ((a, first), (b, second)):
        if not all(-len(shape) <= i < len(shape) for i in chosen):
            raise ShapeError(f"{where}: an axis is out of range")
        if len({i % len(shape) for i in chosen}) != len(chosen):
            raise ShapeError(f"{where}: an axis is named twice")
    al, bl = list(range(len(a))), list(range(len(a), len(a) + len(b)))
    for i, j in zip(first, second, strict=True):
        if a[i] != b[j]:
            raise ShapeError(f"{where}: length {a[i]} of axis {i} differs from length {b[j]} of axis {j}")
        bl[j] = al[i]
    return tuple(al), tuple(bl), (*(n for n in al if n not in bl), *(n for n in bl if n not in al))


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """The sum of products over some axes of a and as many of b.

    Args:
        a: array, Tensor or lists.
        b: likewise.
        axes: n for the last n axes of a and the first n of b, in order; or a pair (axes of a, axes of b), each an
            integer or a sequence of them.

    Returns:
        The other axes of a, then those of b: an array, or a Tensor where an operand is one.

    Raises:
        ShapeError: an axis is out of range or named twice, or lengths differ.
    """
    a, b = as_arrays("tensordot", (a, b))
    if hasattr(axes, "__iter__"):
        pair = tuple(axes)
        if len(pair) != 2:
            raise ShapeError(f"tensordot: axes must be an integer or a pair, got {axes!r}")
        axes = tuple(tuple(map(operator.index, x)) if hasattr(x, "__iter__") else operator.index(x) for x in pair)
    else:
        axes = operator.index(axes)
    al, bl, ol = _summed_axes(axes, a.shape, b.shape)
    return contract(a, al, b, bl, ol)


def kron(a: Any, b: Any) -> Any:
    """The Kronecker product: every element of a times the whole of b, as blocks.

    Args:
        a: array, Tensor, number or lists.
        b: likewise; the shorter shape is filled up with axes of length 1 in front.

    Returns:
        The product of the lengths, axis by axis: an array, or a Tensor where an operand is one.
    """
    a, b = as_arrays("kron", (a, b))
    ndim = max(a.ndim, b.ndim)
    of_a, of_b = tuple(range(2 * (ndim - a.ndim), 2 * ndim, 2)), tuple(range(2 * (ndim - b.ndim) + 1, 2 * ndim, 2))
    pairs = contract(a, of_a, b, of_b, tuple(sorted(of_a + of_b)))
    lengths = [(1,) * (ndim - x.ndim) + x.shape for x in (a, b)]
    return reshape(pairs, tuple(m * n for m, n in zip(*lengths, strict=True)))


cross_: Op = Op(
    "cross",
    lambda xp, x, y: xp.cross(x, y),
    saves=(0, 1),
    broadcasts=True,
    doc="The cross product of vectors of length 3 along the last axis.",
)
cross_.defvjp(lambda g, out, x, y: cross_(y, g), lambda g, out, x, y: cross_(g, x))


def cross(a: Any, b: Any, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Any:
    """The cross product of vectors in three dimensions, or in two (where a third component 0 is understood).

    Args:
        a: vectors of length 2 or 3 along an axis: array, Tensor or lists.
        b: likewise; the other axes broadcast.
        axisa: axis of the vectors of a.
        axisb: axis of the vectors of b.
        axisc: axis of the vectors of the result; not read where all are of length 2.
        axis: all three at once.

    Returns:
        Vectors of length 3; for vectors of length 2 on both sides, the third component alone.

    Raises:
        ShapeError: an axis is out of range, or of another length.
    """
    a, b = as_arrays("cross", (a, b))
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = _last("cross", a, axisa), _last("cross", b, axisb)
    if a.shape[-1] not in (2, 3) or b.shape[-1] not in (2, 3):
        raise ShapeError(f"cross: vectors of length 2 or 3 are due, got shapes {a.shape} and {b.shape} with them last")
    common_shape("cross", a.shape[:-1], b.shape[:-1])
    if a.shape[-1] == b.shape[-1] == 2:
        return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    if a.shape[-1] == 2 or b.shape[-1] == 2:
        made = _cross_in_the_plane(a, b) if a.shape[-1] == 2 else -_cross_in_the_plane(b, a)
    else:
        made = cross_(a, b)
    order = list(range(made.ndim - 1))
    if not -made.ndim <= axisc < made.ndim:
        raise ShapeError(f"cross: axisc {axisc} is out of range for a result with {made.ndim} dimension(s)")
    order.insert(axisc % made.ndim, made.ndim - 1)
    return transpose(made, order)


def _last(name: str, x: Any, axis: int) -> Any:
    """x with an axis moved to the end."""
    if not -x.ndim <= axis < x.ndim:
        raise ShapeError(f"{name}: axis {axis} is out of range for an array with {x.ndim} dimension(s)")
    return transpose(x, [*(i for i in range(x.ndim) if i != axis % x.ndim), axis % x.ndim])


def _cross_in_the_plane(a: Any, b: Any) -> Any:
    """a x b for a of length 2 and b of length 3: NumPy has this too, with a warning that it will go."""
    a0, a1, b0, b1, b2 = a[..., 0], a[..., 1], b[..., 0], b[..., 1], b[..., 2]
    return stack([a1 * b2, -(a0 * b2), a0 * b1 - a1 * b0], axis=-1)
