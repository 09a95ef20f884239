"""The strict device's functions give what NumPy gives, and a graph of each gives it for other operands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from strict_provider import StrictProvider

X = np.arange(12, dtype=np.float64).reshape(3, 4) + 0.5
OTHER = np.array([[4.0, -1.5, 0.25, 7.0], [2.0, 2.5, -3.0, 1.0], [0.5, 9.0, 6.0, -8.0]])

CALLS: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda m, x: x + x[0],
    "divmod": lambda m, x: divmod(x, 3),
    "modf": lambda m, x: m.modf(x),
    "logaddexp": lambda m, x: m.logaddexp(x, 0.0),
    "power": lambda m, x: (x * x) ** 1.5 + x**2 + (x * x) ** 0.5 + x**-1.0,
    "comparison": lambda m, x: (x > 3) & ~(x > 7),
    "isclose": lambda m, x: m.isclose(x, x[0]),
    "where": lambda m, x: m.where(x > 3, x, 0.0),
    "clip": lambda m, x: m.clip(x, 1.0, x[0] + 1),
    "select": lambda m, x: m.select([x > 3, x > 5], [x, x * 2], 0.0),
    "sum": lambda m, x: x.sum(axis=0, keepdims=True),
    "mean": lambda m, x: m.mean(x, axis=1),
    "var": lambda m, x: x.var(axis=0, ddof=1),
    "std": lambda m, x: x.std(),
    "ptp": lambda m, x: m.ptp(x),
    "any": lambda m, x: (x > 3).any(axis=0),
    "argmax": lambda m, x: m.argmax(x, axis=1, keepdims=True),
    "count_nonzero": lambda m, x: m.count_nonzero(x > 2),
    "cumsum": lambda m, x: m.cumsum(x, axis=1),
    "add.reduce": lambda m, x: m.add.reduce(x),
    "add.accumulate": lambda m, x: m.add.accumulate(x),
    "maximum.outer": lambda m, x: m.maximum.outer(x[0], x[1]),
    "median": lambda m, x: m.median(x),
    "percentile": lambda m, x: m.percentile(x, 30),
    "norm": lambda m, x: m.linalg.norm(x),
    "sort": lambda m, x: m.sort(x, axis=0),
    "argsort": lambda m, x: x.argsort(),
    "diff": lambda m, x: m.diff(x),
    "pad": lambda m, x: m.pad(x, ((1, 1), (0, 2))),
    "tile": lambda m, x: m.tile(x, (2, 1)),
    "repeat": lambda m, x: m.repeat(x, 2, 0),
    "roll": lambda m, x: m.roll(x, 1, 0),
    "triu": lambda m, x: m.triu(x),
    "outer": lambda m, x: m.outer(x, x),
    "meshgrid": lambda m, x: m.meshgrid(x[0], x[1]),
    "stack": lambda m, x: m.stack([x, x * 2], 1),
    "concatenate": lambda m, x: m.concatenate([x, x], axis=1),
    "split": lambda m, x: m.split(x, 3),
    "reshape": lambda m, x: m.reshape(x.T, (2, 6)),
    "transpose": lambda m, x: x.transpose(1, 0),
    "moveaxis": lambda m, x: m.moveaxis(x, 0, 1),
    "broadcast_to": lambda m, x: m.broadcast_to(x[0], (5, 4)),
    "squeeze": lambda m, x: x[None].squeeze(0),
    "flip": lambda m, x: m.flip(x, 0),
    "diagonal": lambda m, x: x.diagonal(),
    "copy": lambda m, x: x.T.copy(),
    "astype": lambda m, x: x.astype(np.int32),
    "full_like": lambda m, x: m.full_like(x, 2),
    "eye": lambda m, x: m.eye(3),
    "linspace": lambda m, x: m.linspace(0, 1, 5),
    "integer matmul": lambda m, x: x.astype(np.int64) @ x.astype(np.int64).T,
}
LIBRARY: dict[str, Callable[[Any, Any], Any]] = {
    "matmul": lambda m, x: x @ x.T,
    "batched matmul": lambda m, x: x[None] @ x.T[None],
    "dot": lambda m, x: x.dot(x.T),
    "vdot": lambda m, x: m.vdot(x, x),
    "inner": lambda m, x: m.inner(x, x),
    "tensordot": lambda m, x: m.tensordot(x, x, 2),
    "einsum": lambda m, x: m.einsum("ij,kj->ik", x, x),
    "solve": lambda m, x: m.linalg.solve(m.eye(3) * 2 + x[:, :3] * 0.01, x),
}


def leaves(found: Any) -> list[Any]:
    return [leaf for f in found for leaf in leaves(f)] if isinstance(found, (list, tuple)) else [found]


def same(ours: Any, theirs: Any) -> None:
    for a, b in zip(leaves(ours), leaves(theirs), strict=True):
        b = np.asarray(b)
        assert (a.shape, a.dtype) == (b.shape, b.dtype)
        np.testing.assert_allclose(a.get(), b, rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("call", [*CALLS.values(), *LIBRARY.values()], ids=[*CALLS, *LIBRARY])
def test_a_function_gives_what_numpys_does(call: Any) -> None:
    xp = StrictProvider().xp
    x = xp.asarray(X)
    same(call(xp, x), call(np, X))
    np.testing.assert_array_equal(x.get(), X)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_graph_of_it_gives_it_again_for_other_operands(call: Any) -> None:
    xp = StrictProvider().xp
    x, pool, stream = xp.asarray(X), xp.cuda.MemoryPool(), xp.cuda.Stream(non_blocking=True)
    with stream, xp.cuda.using_allocator(pool.malloc):
        stream.begin_capture()
        out = call(xp, x)
        graph = stream.end_capture()
    for values in (OTHER, X):
        x.set(values)
        graph.launch()
        same(out, call(np, values))


@pytest.mark.parametrize("call", LIBRARY.values(), ids=LIBRARY)
def test_a_capture_refuses_libraries(call: Any) -> None:
    xp = StrictProvider().xp
    x, stream = xp.asarray(X), xp.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        with pytest.raises(NotImplementedError, match="during stream capture is currently unsupported"):
            call(xp, x)
        stream.end_capture()


IN_PLACE: dict[str, Callable[[Any, Any], Any]] = {
    "copyto": lambda m, x: m.copyto(x, x[0] * 2),
    "copyto(where=)": lambda m, x: m.copyto(x, 1.0, where=x > 2),
    "putmask": lambda m, x: m.putmask(x, x > 2, x * 0),
    "fill_diagonal": lambda m, x: m.fill_diagonal(x, 7.0),
    "fill": lambda m, x: x.fill(3.0),
    "sort": lambda m, x: x.sort(axis=0),
    "+=": lambda m, x: x.__iadd__(x[0].copy()),
    "/=": lambda m, x: x.__itruediv__(4.0),
    "**=": lambda m, x: x.__ipow__(2),
    "exp(out=)": lambda m, x: m.exp(x, out=x),
    "positional out": lambda m, x: m.multiply(x, x, x),
    "slice": lambda m, x: x.__setitem__((slice(1, None), slice(None, None, 2)), 0.0),
    "row": lambda m, x: x.__setitem__(0, x[1]),
    "sum(out=)": lambda m, x: m.sum(x[1:], axis=0, out=x[0]),
}


@pytest.mark.parametrize("call", IN_PLACE.values(), ids=IN_PLACE)
def test_writing_in_place_and_its_graph(call: Any) -> None:
    xp = StrictProvider().xp
    x, stream = xp.asarray(X), xp.cuda.Stream(non_blocking=True)
    call(xp, x)
    due = X.copy()
    call(np, due)
    same(x, due)
    kept: list[Any] = []
    pool = xp.cuda.MemoryPool()
    with stream, xp.cuda.using_allocator(pool.malloc):
        stream.begin_capture()
        kept.append(call(xp, x))
        graph = stream.end_capture()
    same(x, due)  # nothing has run
    for values in (OTHER, X):
        x.set(values)
        graph.launch()
        due = values.copy()
        call(np, due)
        same(x, due)
