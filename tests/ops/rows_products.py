"""Rows of minigrad.ops.products, einsum, contraction and matrix_chains."""

from __future__ import annotations

from typing import Any

import numpy as np
from draws import torch_function as th

from minigrad.ops import contraction, last_axes, matrix_chains, products
from minigrad.ops.einsum import einsum, einsum_
from minigrad.testing import OpSpec

VECTORS = (((3,), (3,)), ((1,), (1,)), ((0,), (0,)))
DOTS = (
    *VECTORS, ((), ()), ((), (2, 3)), ((2,), ()), ((2, 3), (3,)), ((3,), (3, 2)), ((2, 3), (3, 2)), ((2, 2, 3), (3,)),
    ((3,), (2, 3, 2)), ((2, 2, 3), (2, 3, 2)), ((2, 3), (2, 3, 2)), ((2, 2, 3), (3, 2)), ((2, 0), (0, 3)),
    ((1, 2, 0), (2, 0, 1)),
)  # fmt: skip
INNERS = (
    *VECTORS, ((), (2, 3)), ((2, 3), (3,)), ((2, 3), (2, 3)), ((2, 2, 3), (2, 3)), ((0, 3), (2, 3)), ((2, 0), (3, 0)),
)  # fmt: skip
STACKED = (
    *VECTORS, ((2, 3), (3,)), ((2, 3), (2, 3)), ((2, 1, 3), (2, 3)), ((1, 3), (2, 3)), ((2, 2, 3), (2, 1, 3)),
    ((2, 0), (2, 0)),
)  # fmt: skip
TENSORDOT = {
    ((2, 3), (3, 2)): (1, 0, ((1,), (0,)), ((0, 1), (1, 0)), (-1, 0)),
    ((2, 3), (2, 3)): (2, ((0,), (0,)), ((-1,), (1,)), ((1, 0), (1, 0))),
    ((2, 2, 3), (3, 2)): (1, ((2, 1), (0, 1)), ((0,), (1,))),
    ((2, 1, 3), (3, 2, 1)): (1, ((0,), (1,)), ((1,), (2,)), ((0, 2), (1, 0)), ((2, 0, 1), (0, 1, 2))),
    ((), (2,)): (0,), ((3,), ()): (0,), ((3,), (3,)): (1, 0), ((2, 0), (0, 2)): (1, 0),
}  # fmt: skip
"""shapes -> the axes to try."""
KRON = (((), ()), ((), (2,)), ((2,), (3,)), ((2, 3), (2, 2)), ((2,), (2, 3)), ((2, 1, 2), (2, 3)), ((2, 0), (2, 3)))
EINSUM: dict[tuple[tuple[int, ...], ...], tuple[str, ...]] = {
    # one operand
    ((3, 3),): ("ii", "ii->i", "ij->ji", "ij->", "ij->i", "ji", "...", "i...->...", "...i->i..."),
    ((2, 3),): ("ij", "ba", "ij->j", "...j->...", "i...->i..."),
    ((2, 2, 2),): ("iii", "iii->i", "iij->ij", "iji->j", "iji->ij", "ijj", "...ii->...i", "i...i->i..."),
    ((2, 3, 3),): ("ijj->i", "ijj->ij", "ijj", "...jj", "kij->jk"),
    ((0, 2),): ("ij->", "ij->j", "ij->ji"), ((),): ("", "->", "..."), ((1, 3),): ("ij->j", "ij->i", "ij"),
    # two
    ((2, 3), (3, 2)): ("ij,jk->ik", "ij,jk", "ij,ji", "ij,jk->ki", "ij,ji->i", "ij,ji->ij", "ij,kl->ljik", "ij,jk->",
                       "ij,jk->j", "ij,kl->il", "ij,jk->ijk", "ij,kl"),
    ((3, 3), (3, 3)): ("ii,ii", "ii,jj->ij", "ij,ij", "ij,kj->ki", "ii,ij->ij", "...i,...i->...", "i...,i...->..."),
    ((2, 3), (3,)): ("ij,j", "ij,j->i", "ij,j->ij", "ij,k->ijk", "...j,j->...", "...j,j", "ij,j->j", "...,..."),
    ((3,), (3,)): ("i,i", "i,i->i", "i,j", "i,j->ji", "i,j->i", "...,...", "i,i->"),
    ((3,), (1,)): ("i,i", "i,i->i", "i,j->ij"),
    ((2, 2, 3), (2, 3, 2)): ("bij,bjk->bik", "bij,bjk->ikb", "bij,cjk->bcik", "bij,bji->b", "bij,bjk", "bij,bjk->ik",
                             "...ij,...jk->...ik", "bij,cjb->ic", "bij,bji->ij"),
    ((1, 2, 3), (2, 3, 2)): ("...ij,...jk->...ik", "bij,bjk->bik", "bij,bjk->ik"),
    ((2, 3), (2, 1)): ("ij,ij->ij", "ij,ij->i", "ij,ij->j", "ij,ij"),
    ((2, 3), (2, 3)): ("bi,bi->b", "bi,bj->bij", "bi,ci->bc", "bi,bi->i", "bi,bi->bi", "ib,ib->b", "bi,bj"),
    ((2, 3), ()): ("ij,", "ij,->ji", "ij,->"), ((0, 3), (3, 2)): ("ij,jk", "ij,jk->k"),
    ((2, 0), (0, 3)): ("ij,jk", "ij,jk->"), ((2, 3, 2), (2, 3)): ("ibj,jb->bi", "iki,ik->k", "ijk,kj->i", "ijk,ij"),
    # three and more
    ((2, 3), (3, 2), (2, 2)): ("ij,jk,kl->il", "ij,jk,kl", "ij,jk,ki", "ij,jk,kl->ikl", "ij,jk,ll->ik", "ij,jk,lm->"),
    ((3,), (3,), (3,)): ("i,i,i", "i,i,i->i", "i,j,k", "i,j,k->kij", "i,j,i->j", "i,j,k->", "...,...,..."),
    ((2, 2, 3), (2, 2, 2), (2, 2, 2)): ("abc,abd,abe->cde", "abc,abd,abe", "abc,bad,dea->ce"),
    ((2, 3), (1, 3), (2, 1)): ("ij,ij,ij->ij", "ij,ij,ij", "ij,ij,ij->j", "...,...,..."),
}  # fmt: skip
"""shapes -> the subscripts to try."""
INTERLEAVED: dict[tuple[tuple[int, ...], ...], tuple[Any, ...]] = {
    ((2, 3), (3, 2)): (([0, 1], [1, 2], [0, 2]), ([0, 1], [1, 2], None), ([40, 3], [3, 40], []),
                       ([Ellipsis, 1], [1, 2], [2, Ellipsis])),
    ((3, 3), (3,)): (([0, 0], [0], [0]), ([1, 0], [0], None)),
}  # fmt: skip
CHAINS = (
    ((2, 3), (3, 2), (2, 3)), ((2,), (2, 3), (3, 2)), ((3, 2), (2, 3), (3,)), ((2,), (2, 3), (3,)),
    ((1, 3), (3, 3), (3, 1)), ((2, 0), (0, 3), (3, 2)),
)  # fmt: skip


def _subscripts(*shapes: Any) -> list[dict[str, Any]]:
    return [{"subscripts": s} for s in EINSUM[shapes]]


def _einsum(*xs: Any, subscripts: str) -> Any:
    return einsum(subscripts, *xs)


def _np_einsum(*xs: Any, subscripts: str) -> Any:
    return np.einsum(subscripts, *xs)


def _torch_einsum(*xs: Any, subscripts: str) -> Any:
    return th("einsum")(subscripts, *xs)


def _listed(function: Any) -> Any:
    def call(x: Any, y: Any, *, labels: Any) -> Any:
        return function(x, labels[0], y, labels[1], *([] if labels[2] is None else [labels[2]]))

    return call


def _with_torch(shapes: Any) -> Any:
    """torch wants a letter a broadcast axis no less than NumPy, but has no axes of length 1 for a named label."""
    return tuple(s for s in shapes if not any(1 in shape for shape in s))


def _torch_tensordot(x: Any, y: Any, axes: Any) -> Any:
    pair = isinstance(axes, tuple) and isinstance(axes[0], int)
    return th("tensordot")(x, y, dims=([axes[0]], [axes[1]]) if pair else axes)


def _of_arity(n: int) -> Any:
    return tuple(s for s in EINSUM if len(s) == n)


def _cross_params(a: Any, b: Any) -> list[dict[str, Any]]:
    if a == b == (3, 2):
        return [{"axis": 0}, {"axisa": 0, "axisb": 0}, {"axisa": 0, "axisb": 0, "axisc": 1}, {}]
    if a == (2, 3) and b == (3, 2):
        return [{"axisb": 0}, {"axisb": 0, "axisc": 0}, {"axisb": 0, "axisc": -2}]
    return [{}]


def _np_cross(a: Any, b: Any, **params: Any) -> Any:
    """NumPy's, with a third component 0 in the place of a missing one, of which it warns."""
    axis = params.pop("axis", None)
    axes = {name: axis if axis is not None else params.get(name, -1) for name in ("axisa", "axisb", "axisc")}
    a, b = np.moveaxis(a, axes["axisa"], -1), np.moveaxis(b, axes["axisb"], -1)
    flat = a.shape[-1] == b.shape[-1] == 2
    a, b = (np.pad(x, [(0, 0)] * (x.ndim - 1) + [(0, 3 - x.shape[-1])]) for x in (a, b))
    made = np.cross(a, b)
    return made[..., 2] if flat else np.moveaxis(made, -1, axes["axisc"])


def _powers(shape: Any) -> list[dict[str, Any]]:
    return [{"n": n} for n in (0, 1, 2, 3, 4, 5, -1, -2, -3)]


def _matrices(rng: np.random.Generator, shapes: Any, position: int) -> Any:
    """Far from singular: a dominating diagonal."""
    shape = shapes[position]
    return rng.integers(-16, 17, size=shape) / 16 + 3 * np.eye(*shape[-2:])


ROWS = [
    OpSpec("dot", products.dot, np.dot, 2, shapes=DOTS),
    OpSpec("dot of up to two axes", products.dot, np.dot, 2, shapes=VECTORS, torch=th("dot")),
    OpSpec("vdot", products.vdot, np.vdot, 2, shapes=(*VECTORS, ((2, 3), (3, 2)), ((2, 3), (6,)), ((), (1,)))),
    OpSpec("inner", products.inner, np.inner, 2, shapes=INNERS, torch=th("inner")),
    OpSpec(
        "outer",
        products.outer,
        np.outer,
        2,
        shapes=(((3,), (2,)), ((2, 2), (3,)), ((), (2,)), ((0,), (2,)), ((1,), (1,))),
    ),
    OpSpec("vecdot", products.vecdot, np.vecdot, 2, shapes=STACKED, torch=th("linalg.vecdot")),
    OpSpec(
        "vecdot along axis 0",
        lambda x, y: products.vecdot(x, y, axis=0),
        lambda x, y: np.vecdot(x, y, axis=0),
        2,
        shapes=(((3, 2), (3, 2)), ((3, 2), (3,)), ((3, 2, 2), (3, 2))),
    ),
    OpSpec(
        "matvec",
        products.matvec,
        lambda x, y: (x @ y[..., None])[..., 0],
        2,
        shapes=(((2, 3), (3,)), ((2, 2, 3), (3,)), ((2, 3), (2, 3)), ((2, 1, 2, 3), (2, 3)), ((0, 3), (3,))),
    ),
    OpSpec(
        "vecmat",
        products.vecmat,
        lambda x, y: (x[..., None, :] @ y)[..., 0, :],
        2,
        shapes=(((2,), (2, 3)), ((2,), (2, 2, 3)), ((2, 2), (2, 3)), ((2, 1, 2), (2, 2, 3)), ((0,), (0, 3))),
    ),
    OpSpec(
        "tensordot",
        products.tensordot,
        np.tensordot,
        2,
        shapes=tuple(TENSORDOT),
        params=lambda *s: [{"axes": axes} for axes in TENSORDOT[s]],
        torch=_torch_tensordot,
    ),
    OpSpec("kron", products.kron, np.kron, 2, shapes=KRON, torch=th("kron")),
    OpSpec(
        "cross",
        products.cross,
        _np_cross,
        2,
        params=_cross_params,
        shapes=(
            ((3,), (3,)),
            ((2, 3), (3,)),
            ((3, 2), (3, 2)),
            ((2, 3), (3, 2)),
            ((2, 1, 3), (2, 3)),
            ((0, 3), (3,)),
            ((2,), (2,)),
            ((2, 2), (3,)),
            ((2, 3), (2, 2)),
        ),
    ),
    OpSpec(
        "cross of three components",
        products.cross,
        np.cross,
        2,
        torch=th("linalg.cross"),
        shapes=(((3,), (3,)), ((2, 3), (1, 3)), ((2, 1, 3), (2, 2, 3))),
    ),
    OpSpec(
        "linalg.cross",
        last_axes.cross,
        np.linalg.cross,
        2,
        params=({"axis": 0}, {"axis": -2}),
        shapes=(((3, 2), (3, 2)), ((3, 1), (3, 2))),
    ),
    OpSpec("linalg.outer", last_axes.outer, np.linalg.outer, 2, shapes=(((3,), (2,)), ((0,), (2,))), torch=th("outer")),
    OpSpec(
        "linalg.trace",
        last_axes.trace,
        np.linalg.trace,
        shapes=(((2, 3),), ((2, 3, 3),), ((0, 2, 2),)),
        params=({}, {"offset": 1}, {"offset": -1}),
    ),
    OpSpec(
        "linalg.diagonal",
        last_axes.diagonal,
        np.linalg.diagonal,
        shapes=(((2, 3),), ((2, 3, 3),), ((0, 2, 2),)),
        params=({}, {"offset": 1}, {"offset": -1}),
    ),
    *[OpSpec(f"einsum of {n}", _einsum, _np_einsum, n, shapes=_of_arity(n), params=_subscripts) for n in (1, 2, 3)],
    *[
        OpSpec(
            f"einsum of {n}, compared with torch",
            _einsum,
            _np_einsum,
            n,
            shapes=_with_torch(_of_arity(n)),
            params=_subscripts,
            torch=_torch_einsum,
        )
        for n in (1, 2, 3)
    ],
    OpSpec(
        "einsum with lists",
        _listed(einsum),
        _listed(np.einsum),
        2,
        shapes=tuple(INTERLEAVED),
        params=lambda *s: [{"labels": labels} for labels in INTERLEAVED[s]],
    ),
    OpSpec(
        "einsum, all at once",
        lambda *xs: einsum_(*xs, subscripts=((0, 1, 2), (0, 1, 3), (0, 1, 4)), output=(2, 3, 4)),
        lambda *xs: np.einsum("abc,abd,abe->cde", *xs),
        3,
        shapes=(((2, 2, 3), (2, 2, 2), (2, 2, 2)),),
    ),
    OpSpec("einsum of the same twice", lambda x: einsum("ij,kj->ik", x, x), lambda x: x @ x.T, shapes=(((2, 3),),)),
    OpSpec(
        "contract",
        lambda x, y: contraction.contract(x, (0, 1), y, (1, 2), (2, 0)),
        lambda x, y: (x @ y).T,
        2,
        shapes=(((2, 3), (3, 2)), ((1, 1), (1, 3))),
    ),
    OpSpec(
        "contract with sums and broadcasting",
        lambda x, y: contraction.contract(x, (0, 1, 3), y, (1, 2), (2,)),
        lambda x, y: x.sum(axis=(0, 2)) @ np.broadcast_to(y, (3, 2)),
        2,
        shapes=(((2, 3, 2), (3, 2)), ((2, 3, 1), (1, 2))),
    ),
    OpSpec(
        "reduction",
        lambda x: contraction.reduction((0, 1), x.shape, {0: 2, 1: 3}, (1,)).apply(x),
        lambda x: x.sum(axis=0),
        shapes=(((2, 3),),),
    ),
    OpSpec(
        "matrix_power",
        matrix_chains.matrix_power,
        np.linalg.matrix_power,
        params=_powers,
        domain=(_matrices,),
        kinks=(np.linalg.det,),
        shapes=(((3, 3),), ((2, 2, 2),), ((1, 1),), ((0, 2, 2),)),
        tolerance={"float64": 1e-12, "float32": 1e-4},
    ),
    OpSpec(
        "matrix_power against torch",
        matrix_chains.matrix_power,
        np.linalg.matrix_power,
        domain=(_matrices,),
        kinks=(np.linalg.det,),
        params=({"n": 2}, {"n": 5}, {"n": -2}),
        shapes=(((3, 3),), ((2, 2, 2),)),
        tolerance={"float64": 1e-12, "float32": 1e-4},
        torch=th("linalg.matrix_power"),
    ),
    OpSpec(
        "multi_dot",
        lambda *xs: matrix_chains.multi_dot(xs),
        lambda *xs: np.linalg.multi_dot(xs),
        3,
        shapes=CHAINS,
        torch=lambda *xs: th("linalg.multi_dot")(xs),
    ),
    OpSpec(
        "multi_dot of four",
        lambda *xs: matrix_chains.multi_dot(xs),
        lambda *xs: np.linalg.multi_dot(xs),
        4,
        shapes=(((2, 3), (3, 1), (1, 3), (3, 2)), ((3,), (3, 2), (2, 1), (1,))),
    ),
    OpSpec(
        "multi_dot of two",
        lambda *xs: matrix_chains.multi_dot(xs),
        lambda *xs: np.linalg.multi_dot(xs),
        2,
        shapes=(((2, 3), (3, 1)), ((3,), (3,))),
    ),
]
