"""Rows of minigrad.ops.solvers, determinants, least_squares, matrix_parts and first_order.

A gradient check moves every entry of a matrix by itself, so symmetric ones are made inside the function.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from draws import torch_function as th

from minigrad import Tensor
from minigrad.ops import determinants, first_order, least_squares, matrix_parts, solvers
from minigrad.testing import OpSpec

SQUARE = (((3, 3),), ((2, 2),), ((1, 1),), ((2, 2, 2),), ((0, 0),), ((0, 2, 2),))
FULL = (((3, 3),), ((2, 2),), ((1, 1),), ((2, 2, 2),))
"""Square matrices, where all functions have a value."""
TALL = (((3, 2),), ((2, 3, 2),), ((3, 3),), ((3, 1),), ((1, 1),))
WIDE = (((2, 3),), ((2, 2, 3),), ((1, 3),))
LOOSE = {"float64": 1e-11, "float32": 2e-4}
"""Tolerances where the condition of the matrices, up to some hundreds, comes in."""


def detached(x: Any) -> Any:
    return x.detach() if isinstance(x, Tensor) else x


def flipped(x: Any) -> Any:
    return x.swapaxes(-1, -2)


def symmetric(x: Any) -> Any:
    return x + x.swapaxes(-1, -2)


def smallest(*arrays: Any) -> Any:
    """How far the first argument is from a singular matrix."""
    s = np.linalg.svd(arrays[0], compute_uv=False)
    return s[..., -1:] / 8 if s.size else np.ones(1)


def _dominant(rng: np.random.Generator, shapes: Any, position: int) -> Any:
    """Square matrices far from singular ones."""
    shape = shapes[position]
    return rng.integers(-16, 17, size=shape) / 16 + 2 * np.eye(*shape[-2:])


def _values(rng: np.random.Generator, shapes: Any, position: int) -> Any:
    return rng.integers(-32, 33, size=shapes[position]) / 16


SOLVE = (
    ((3, 3), (3,)), ((3, 3), (3, 2)), ((1, 1), (1,)), ((2, 2, 2), (2,)), ((2, 2, 2), (2, 2, 3)), ((2, 2), (2, 2, 1)),
    ((1, 2, 2), (2, 2, 1)), ((2, 2, 2), (1, 2, 1)), ((2, 2, 2), (2, 3)), ((2, 1, 2, 2), (2, 2, 1)), ((0, 0), (0,)),
    ((2, 2), (2, 0)), ((0, 2, 2), (2, 1)), ((2, 2), (0, 2, 1)),
)  # fmt: skip
LSTSQ = (((3, 2), (3,)), ((3, 2), (3, 2)), ((2, 2), (2, 1)), ((2, 3), (2,)), ((2, 3), (2, 2)), ((3, 1), (3,)))


def _three(x: Any) -> tuple[Any, ...]:
    """lstsq's x, residuals (where there are some) and singular values."""
    found = [x[0], x[1], x[3]] if x[1].shape[0] else [x[0], x[3]]
    return tuple(found)


def _np_cofactors(x: Any) -> Any:
    return (np.linalg.det(x)[..., None, None] * np.linalg.inv(x).swapaxes(-1, -2)).astype(x.dtype)


def _np_cofactor_vjp(g: Any, x: Any) -> Any:
    b = np.linalg.inv(x)
    trace = np.trace(b @ g, axis1=-2, axis2=-1)[..., None, None]
    return (np.linalg.det(x)[..., None, None] * (trace * b - b @ g @ b).swapaxes(-1, -2)).astype(x.dtype)


def _logdet(result: Any) -> Any:
    return result[1]


ROWS = [
    OpSpec(
        "inv",
        solvers.inv,
        np.linalg.inv,
        shapes=SQUARE,
        domain=(_dominant,),
        kinks=(smallest,),
        tolerance=LOOSE,
        torch=th("linalg.inv"),
    ),
    OpSpec(
        "solve",
        solvers.solve,
        np.linalg.solve,
        2,
        shapes=SOLVE,
        domain=(_dominant, _values),
        kinks=(smallest,),
        tolerance=LOOSE,
    ),
    OpSpec(
        "solve against torch",
        solvers.solve,
        np.linalg.solve,
        2,
        domain=(_dominant, _values),
        kinks=(smallest,),
        shapes=(((3, 3), (3,)), ((3, 3), (3, 2)), ((2, 2, 2), (2, 2, 3))),
        tolerance=LOOSE,
        torch=th("linalg.solve"),
    ),
    OpSpec(
        "tensorsolve",
        lambda a, b, axes: solvers.tensorsolve(a, b, axes),
        np.linalg.tensorsolve,
        2,
        tolerance=LOOSE,
        params=lambda a, b: [{"axes": (1,)} if a[1] == 4 else {"axes": None}],
        kinks=(
            lambda a, b: (
                np.linalg.svd(
                    np.moveaxis(a, 1, -1).reshape(4, 4) if a.shape[1] == 4 else a.reshape(4, 4), compute_uv=False
                )[-1]
                / 8
            ),
        ),
        shapes=(((2, 2, 4), (2, 2)), ((2, 4, 2), (2, 2)), ((4, 2, 2), (4,))),
    ),
    OpSpec(
        "tensorinv",
        solvers.tensorinv,
        np.linalg.tensorinv,
        params=lambda s: [{"ind": 1 if s[0] == 4 else 2}],
        shapes=(((2, 2, 4),), ((4, 2, 2),)),
        kinks=(lambda a: smallest(a.reshape(4, 4)),),
        tolerance=LOOSE,
    ),
    OpSpec(
        "det",
        determinants.det,
        np.linalg.det,
        shapes=SQUARE,
        kinks=(smallest,),
        tolerance=LOOSE,
        torch=th("linalg.det"),
    ),
    OpSpec(
        "slogdet",
        determinants.slogdet,
        np.linalg.slogdet,
        shapes=SQUARE,
        domain=(_dominant,),
        kinks=(smallest,),
        tolerance=LOOSE,
    ),
    OpSpec(
        "slogdet, the logarithm",
        lambda x: determinants.slogdet(x).logabsdet,
        lambda x: _logdet(np.linalg.slogdet(x)),
        shapes=FULL,
        kinks=(smallest,),
        tolerance=LOOSE,
        torch=lambda x: _logdet(th("linalg.slogdet")(x)),
    ),
    OpSpec(
        "cofactor",
        determinants.cofactor_,
        _np_cofactors,
        shapes=SQUARE,
        domain=(_dominant,),
        kinks=(smallest,),
        tolerance=LOOSE,
    ),
    OpSpec(
        "cofactor_vjp",
        determinants.cofactor_vjp_,
        _np_cofactor_vjp,
        2,
        domain=(_values, _dominant),
        kinks=(lambda g, x: smallest(x),),
        tolerance=LOOSE,
        shapes=(((3, 3), (3, 3)), ((2, 2), (2, 2)), ((1, 1), (1, 1)), ((2, 4, 4), (2, 4, 4))),
    ),
    OpSpec(
        "pinv",
        least_squares.pinv,
        np.linalg.pinv,
        shapes=(*TALL, *WIDE, ((0, 2),), ((0, 2, 3),)),
        params=({}, {"rcond": 1e-6}, {"rtol": None}),
        kinks=(smallest,),
        tolerance=LOOSE,
        torch=lambda x, **_: th("linalg.pinv")(x),
    ),
    OpSpec(
        "pinv of symmetric matrices",
        lambda x: least_squares.pinv(symmetric(x), hermitian=True),
        lambda x: np.linalg.pinv(symmetric(x), hermitian=True),
        shapes=FULL,
        kinks=(lambda x: smallest(symmetric(x)),),
        tolerance=LOOSE,
    ),
    OpSpec(
        "pinv of rank 1",
        lambda x: least_squares.pinv(x[:, None] * x[:2], rcond=1e-6),
        lambda x: np.linalg.pinv(x[:, None] * x[:2], rcond=1e-6),
        shapes=(((3,),),),
        kinks=(lambda x: np.abs(x) - 0.25,),
        tolerance=LOOSE,
    ),
    OpSpec(
        "lstsq",
        lambda a, b: _three(least_squares.lstsq(a, b)),
        lambda a, b: _three(np.linalg.lstsq(a, b)),
        2,
        shapes=LSTSQ,
        kinks=(smallest,),
        tolerance=LOOSE,
    ),
    OpSpec(
        "lstsq, x",
        lambda a, b, rcond: least_squares.lstsq(a, b, rcond).x,
        lambda a, b, rcond: np.linalg.lstsq(a, b, rcond)[0],
        2,
        params=({"rcond": None}, {"rcond": 1e-3}, {"rcond": -1}),
        shapes=LSTSQ,
        kinks=(smallest,),
        tolerance=LOOSE,
    ),
    OpSpec(
        "lstsq's rank",
        lambda a, b: least_squares.lstsq(a, b).rank,
        lambda a, b: np.linalg.lstsq(a, b)[2],
        2,
        shapes=LSTSQ,
        kinks=(smallest,),
        order=0,
    ),
    OpSpec(
        "triangle",
        lambda x: matrix_parts.triangle_(x, below=2.0, on=0.5, above=0.0),
        lambda x: 2 * np.tril(x, -1) + 0.5 * (np.tril(x) - np.tril(x, -1)),
        shapes=(((3, 3),), ((2, 2, 3),), ((0, 2),)),
    ),
    OpSpec(
        "parts of matrices",
        lambda x: matrix_parts.onto_diagonals(
            matrix_parts.symmetric(matrix_parts.transposed(matrix_parts.as_matrices("f", x)))
        ),
        lambda x: np.eye(2) * (0.5 * (x + x.T))[:, None, :],
        shapes=(((2, 2),),),
        dtypes=("float64",),
    ),
    OpSpec("first_order", lambda x: first_order.first_order(detached(x), "f") * 1.0, lambda x: x, order=0),
]
