"""Products of many matrices: powers and chains."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

from ..core.op import Op
from ..errors import ShapeError
from .arguments import no_out
from .joining import as_arrays
from .linalg import matmul
from .matrix_parts import MatrixShapeError, as_matrices
from .products import dot
from .solvers import inv

NUMPY_LINALG = ("matrix_power", "multi_dot")

identity_like_ = Op(
    "identity_like",
    lambda xp, x: xp.broadcast_to(xp.eye(x.shape[-1], dtype=x.dtype), x.shape).copy(),
    saves=(),
    doc="The identity matrix in the place of every matrix; the gradient is zero.",
)
identity_like_.defvjp(lambda g, out, x: g * 0.0)


def matrix_power(a: Any, n: int) -> Any:
    """Square matrices to an integer power, by repeated squaring.

    Args:
        a: (..., m, m), array, Tensor or lists.
        n: the exponent; of a negative one the inverse is raised.

    Returns:
        (..., m, m): an array, or a Tensor where a is one; the identity for n = 0.

    Raises:
        MatrixShapeError: a is not square.
        TypeError: n is not an integer.
        numpy.linalg.LinAlgError: n is negative and a matrix singular.
    """
    a = as_matrices("matrix_power", a, square=True)
    try:
        n = operator.index(n)
    except TypeError:
        raise TypeError(f"matrix_power: the exponent must be an integer, got {n!r}") from None
    if n == 0:
        return identity_like_(a)
    if n < 0:
        a, n = inv(a), -n
    if n == 3:  # in NumPy's order
        return matmul(matmul(a, a), a)
    result = None
    while True:
        n, odd = divmod(n, 2)
        if odd:
            result = a if result is None else matmul(result, a)
        if not n:
            return result
        a = matmul(a, a)


def multi_dot(arrays: Sequence[Any], *, out: Any = None) -> Any:
    """The product of a chain of matrices, in the order that takes the fewest multiplications.

    Args:
        arrays: two or more matrices: arrays, Tensors or lists; the first and the last may be vectors.
        out: not supported.

    Returns:
        What dot gives from the left to the right: an array, or a Tensor where one of them is.

    Raises:
        ValueError: fewer than two arrays.
        MatrixShapeError: one is neither a matrix nor a vector at an end.
        ShapeError: two neighbours do not fit.
    """
    no_out("multi_dot", out)
    xs = as_arrays("multi_dot", arrays)
    if len(xs) < 2:
        raise ValueError(f"multi_dot: two arrays or more are due, got {len(xs)}")
    if len(xs) == 2:
        return dot(*xs)
    shapes = [x.shape for x in xs]
    for i, shape in enumerate(shapes):
        if len(shape) != 2 and not (len(shape) == 1 and i in (0, len(xs) - 1)):
            raise MatrixShapeError(f"multi_dot: array {i} must be a matrix, got shape {shape}")
    for left, right in pairwise(shapes):
        if left[-1] != right[0]:
            raise ShapeError(f"multi_dot: neighbours of shapes {left} and {right} do not fit")
    first, last = (1 if len(shapes[0]) == 1 else shapes[0][0]), (1 if len(shapes[-1]) == 1 else shapes[-1][1])
    splits = _best_splits((first, *(s[0] for s in shapes[1:]), last))

    def chain(i: int, j: int) -> Any:
        return xs[i] if i == j else matmul(chain(i, splits[i, j]), chain(splits[i, j] + 1, j))

    return chain(0, len(xs) - 1)


@lru_cache(maxsize=256)
def _best_splits(sizes: tuple[int, ...]) -> dict[tuple[int, int], int]:
    """Where to split the product of matrices i to j, of sizes[i] rows each (Cormen et al., Matrix-chain order)."""
    count = len(sizes) - 1
    cost: dict[tuple[int, int], int] = {(i, i): 0 for i in range(count)}
    splits = {}
    for length in range(1, count):
        for i in range(count - length):
            j = i + length
            cost[i, j], splits[i, j] = min(
                (cost[i, k] + cost[k + 1, j] + sizes[i] * sizes[k + 1] * sizes[j + 1], k) for k in range(i, j)
            )
    return splits
