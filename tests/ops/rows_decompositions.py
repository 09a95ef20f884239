"""Rows of minigrad.ops.decompositions.

The signs of the factors are not determined, so squares of their entries are looked at; symmetric matrices are made
inside the function, as in rows_solvers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from draws import torch_function as th
from rows_solvers import FULL, LOOSE, SQUARE, TALL, WIDE, detached, flipped, smallest, symmetric

from minigrad import Tensor, tensor
from minigrad.ops import decompositions
from minigrad.testing import OpSpec


def _gaps(*arrays: Any) -> Any:
    """The smallest gap between eigenvalues of the symmetric part."""
    w = np.linalg.eigvalsh(symmetric(arrays[0]))
    return np.diff(w, axis=-1) / 8


def _value_gaps(*arrays: Any) -> Any:
    """The smallest gap between singular values, and between them and zero."""
    s = np.linalg.svd(arrays[0], compute_uv=False)
    return np.concatenate([np.diff(s, axis=-1), s], axis=-1) / 8


def _q_and_r(result: Any) -> tuple[Any, Any]:
    return result[0] * result[0], result[1] * result[1]


def _space(q: Any, k: int) -> tuple[Any, Any]:
    """Of a square q: the squares of its first columns, and the projection on what the others span."""
    first, rest = q[..., :k], q[..., k:]
    return first * first, rest @ flipped(rest)


def _full_svd(svd: Any) -> Any:
    def call(x: Any, **params: Any) -> tuple[Any, ...]:
        u, s, vh = svd(x, **params)
        k = min(x.shape[-2:])
        return (s, *_space(u, k), *_space(flipped(vh), k))

    return call


def _full_qr(qr: Any) -> Any:
    def call(x: Any) -> tuple[Any, ...]:
        q, r = qr(x, mode="complete")
        k = min(x.shape[-2:])
        return (r[..., :k, :] * r[..., :k, :], *_space(q, k))

    return call


def _svd_squares(result: Any) -> tuple[Any, Any, Any]:
    u, s, vh = result
    return u * u, s, vh * vh


def _back(result: Any) -> Any:
    u, s, vh = result
    return (u * s[..., None, :]) @ vh


def _w_and_v(result: Any) -> tuple[Any, Any]:
    return result[0], result[1] * result[1]


def _for_arrays(function: Any) -> Any:
    """A function that refuses Tensors, of the array in one."""

    def call(x: Any) -> Any:
        if not isinstance(x, Tensor):
            return function(symmetric(x))
        with pytest.raises(TypeError, match=function.__name__):
            function(x)
        found = function(symmetric(x.data))
        return tuple(map(tensor, found)) if isinstance(found, tuple) else tensor(found)

    return call


UPLO = ({}, {"UPLO": "U"})

ROWS = [
    OpSpec(
        "cholesky",
        lambda x: decompositions.cholesky(x @ flipped(x)),
        lambda x: np.linalg.cholesky(x @ flipped(x)),
        shapes=SQUARE,
        kinks=(smallest,),
        tolerance=LOOSE,
        torch=lambda x: th("linalg.cholesky")(x @ x.mT),
    ),
    OpSpec(
        "cholesky, upper",
        lambda x: decompositions.cholesky(x @ flipped(x), upper=True),
        lambda x: np.linalg.cholesky(x @ flipped(x), upper=True),
        shapes=FULL,
        kinks=(smallest,),
        tolerance=LOOSE,
    ),
    OpSpec(
        "qr",
        lambda x: _q_and_r(decompositions.qr(x)),
        lambda x: _q_and_r(np.linalg.qr(x)),
        shapes=(*TALL, *WIDE),
        kinks=(lambda x: smallest(x[..., : x.shape[-2]]),),
        tolerance=LOOSE,
    ),
    OpSpec(
        "qr, r",
        lambda x: decompositions.qr(x, "r") ** 2,
        lambda x: np.linalg.qr(x, "r") ** 2,
        shapes=(*TALL, *WIDE),
        kinks=(lambda x: smallest(x[..., : x.shape[-2]]),),
        tolerance=LOOSE,
        torch=lambda x: th("linalg.qr")(x)[1] ** 2,
    ),
    OpSpec(
        "qr, r without gradient",
        lambda x: decompositions.qr(detached(x), "r") ** 2,
        lambda x: np.linalg.qr(x, "r") ** 2,
        shapes=(((3, 2),), ((0, 2),)),
        order=0,
        tolerance=LOOSE,
    ),
    OpSpec(
        "qr, q",
        lambda x: decompositions.qr(x).Q ** 2,
        lambda x: np.linalg.qr(x)[0] ** 2,
        shapes=TALL,
        kinks=(smallest,),
        tolerance=LOOSE,
        torch=lambda x: th("linalg.qr")(x)[0] ** 2,
    ),
    OpSpec(
        "qr, complete",
        _full_qr(decompositions.qr),
        _full_qr(np.linalg.qr),
        shapes=(*TALL, *WIDE),
        kinks=(lambda x: smallest(x[..., : x.shape[-2]]),),
        tolerance=LOOSE,
    ),
    OpSpec(
        "svd",
        lambda x: _svd_squares(decompositions.svd(x, full_matrices=False)),
        lambda x: _svd_squares(np.linalg.svd(x, full_matrices=False)),
        shapes=(*TALL, *WIDE),
        kinks=(_value_gaps,),
        tolerance=LOOSE,
    ),
    OpSpec(
        "svd, full",
        _full_svd(lambda x: decompositions.svd(x)),
        _full_svd(np.linalg.svd),
        shapes=(*TALL, *WIDE),
        kinks=(_value_gaps,),
        tolerance=LOOSE,
    ),
    OpSpec(
        "svd of symmetric matrices",
        lambda x: _svd_squares(decompositions.svd(symmetric(x), hermitian=True)),
        lambda x: _svd_squares(np.linalg.svd(symmetric(x), hermitian=True)),
        shapes=FULL,
        kinks=(lambda x: _value_gaps(symmetric(x)),),
        tolerance=LOOSE,
    ),
    OpSpec(
        "svd, u",
        lambda x: decompositions.svd(x, False).U ** 2,
        lambda x: np.linalg.svd(x, False)[0] ** 2,
        shapes=(*TALL, *WIDE),
        kinks=(_value_gaps,),
        tolerance=LOOSE,
        torch=lambda x: th("linalg.svd")(x, False)[0] ** 2,
    ),
    OpSpec(
        "svd, v",
        lambda x: decompositions.svd(x, False).Vh ** 2,
        lambda x: np.linalg.svd(x, False)[2] ** 2,
        shapes=(*TALL, *WIDE),
        kinks=(_value_gaps,),
        tolerance=LOOSE,
        torch=lambda x: th("linalg.svd")(x, False)[2] ** 2,
    ),
    OpSpec(
        "svd, back together",
        lambda x: _back(decompositions.svd(x, full_matrices=False)),
        lambda x: x,
        shapes=(*TALL, *WIDE),
        kinks=(_value_gaps,),
        tolerance=LOOSE,
    ),
    OpSpec(
        "svdvals",
        decompositions.svdvals,
        lambda x: np.linalg.svd(x, compute_uv=False),
        tolerance=LOOSE,
        shapes=(*TALL, *WIDE, ((0, 2),)),
        kinks=(_value_gaps,),
        torch=th("linalg.svdvals"),
    ),
    OpSpec(
        "svdvals without gradient",
        lambda x: decompositions.svdvals(detached(x)),
        np.linalg.svdvals,
        order=0,
        shapes=(((3, 2),), ((0, 2, 2),)),
        tolerance=LOOSE,
    ),
    OpSpec(
        "eigh",
        lambda x, **p: _w_and_v(decompositions.eigh(symmetric(x), **p)),
        lambda x, **p: _w_and_v(np.linalg.eigh(symmetric(x), **p)),
        shapes=FULL,
        params=UPLO,
        kinks=(_gaps,),
        tolerance=LOOSE,
    ),
    OpSpec(
        "eigh, vectors",
        lambda x: decompositions.eigh(symmetric(x)).eigenvectors ** 2,
        lambda x: np.linalg.eigh(symmetric(x))[1] ** 2,
        shapes=FULL,
        kinks=(_gaps,),
        tolerance=LOOSE,
        torch=lambda x: th("linalg.eigh")(x + x.mT)[1] ** 2,
    ),
    OpSpec(
        "eigvalsh",
        lambda x, **p: decompositions.eigvalsh(symmetric(x), **p),
        lambda x, **p: np.linalg.eigvalsh(symmetric(x), **p),
        shapes=SQUARE,
        params=UPLO,
        kinks=(_gaps,),
        tolerance=LOOSE,
        torch=lambda x, **p: th("linalg.eigvalsh")(x + x.mT, **p),
    ),
    OpSpec(
        "eigvalsh without gradient",
        lambda x: decompositions.eigvalsh(detached(x)),
        np.linalg.eigvalsh,
        order=0,
        shapes=(((3, 3),), ((0, 2, 2),)),
        tolerance=LOOSE,
    ),
    OpSpec(
        "eig",
        lambda x: _for_arrays(decompositions.eig)(x),
        lambda x: tuple(np.linalg.eig(symmetric(x))),
        shapes=FULL,
        order=0,
        tolerance=LOOSE,
        dtypes=("float64",),
    ),
    OpSpec(
        "eigvals",
        lambda x: _for_arrays(decompositions.eigvals)(x),
        lambda x: np.linalg.eigvals(symmetric(x)),
        shapes=FULL,
        order=0,
        tolerance=LOOSE,
    ),
]
