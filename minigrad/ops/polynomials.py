"""Polynomials: their values, and the matrix of powers that fits them."""

from __future__ import annotations

from typing import Any

from ..backend.device import HOST
from ..errors import ShapeError
from .arguments import as_operand
from .joining import stack
from .likes import zeros_like
from .shape import astype

NUMPY = ("polyval", "vander")


def polyval(p: Any, x: Any) -> Any:
    """The value of a polynomial, by Horner's rule: p[0] x**(n-1) + ... + p[n-1].

    Args:
        p: (n,) coefficients, the highest power first: array or Tensor.
        x: where, of any shape: array, Tensor or number.

    Returns:
        Of the shape of x: an array, or a Tensor where p or x is one.

    Raises:
        ShapeError: p is not one-dimensional.
    """
    p, x = as_operand(p), as_operand(x)
    if p.ndim != 1:
        raise ShapeError(f"polyval: the coefficients must be one-dimensional, got shape {p.shape}")
    y = zeros_like(x)
    for i in range(p.shape[0]):
        y = y * x + p[i]
    return y


def vander(x: Any, N: int | None = None, increasing: bool = False) -> Any:
    """The Vandermonde matrix: column j is x**(N - 1 - j), or x**j where increasing.

    Args:
        x: (n,) array or Tensor.
        N: number of columns; None means n.
        increasing: the lowest power first.

    Returns:
        (n, N): an array, or a Tensor where x is one.

    Raises:
        ShapeError: x is not one-dimensional.
    """
    x = as_operand(x)
    if x.ndim != 1:
        raise ShapeError(f"vander: x must be one-dimensional, got shape {x.shape}")
    count = x.shape[0] if N is None else N
    x = astype(x, HOST.xp.promote_types(x.dtype, int))  # as NumPy does: float32 becomes float64
    if count == 0:
        return x[:, None][:, :0]
    power = zeros_like(x) + 1
    columns = []
    for _ in range(count):
        columns.append(power)
        power = power * x
    return stack(columns if increasing else columns[::-1], axis=1)
