"""Matrix products and look-ups in compiled code against NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from compiled_steps import assert_close, compiled, numpy_calls, recorded
from hypothesis import given
from hypothesis import strategies as st

from minigrad.capture import products
from minigrad.capture.flushing import FLUSHES
from minigrad.capture.numba_executor import compile_numba

pytestmark = pytest.mark.numba


@pytest.fixture(autouse=True)
def _nothing_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIGRAD_CACHE", "")


# --- matrix products --------------------------------------------------------------------------------------------------

LAYOUTS = {
    "rows": lambda x: x,
    "columns": lambda x: x.T,
    "part": lambda x: x[: x.shape[0] // 2, : x.shape[1] // 2],
    "part of columns": lambda x: x.T[: x.shape[1] // 2, : x.shape[0] // 2],
}


@pytest.mark.parametrize("tile", [((1, 16), 0), ((6, 32), 1e9), ((12, 64), 1e9)], ids=["blas", "half", "whole"])
@given(data=st.data(), dtype=st.sampled_from(["f4", "f8"]))
def test_products(tile: Any, data: Any, dtype: str) -> None:
    """Of matrices in rows and columns, of parts of them, and of vectors, into results of either order."""
    sizes = [data.draw(st.sampled_from([1, 2, 3, 8, 33, 46])) for _ in range(3)]
    m, k, n = sizes
    rng = np.random.default_rng(0)
    how = [data.draw(st.sampled_from(sorted(LAYOUTS))) for _ in range(2)]

    def source(rows: int, columns: int, layout: str) -> np.ndarray:
        shape = (columns, rows) if "columns" in layout else (rows, columns)
        return rng.standard_normal([2 * s if "part" in layout else s for s in shape]).astype(dtype)

    a, b = source(m, k, how[0]), source(k, n, how[1])
    vector, factor = data.draw(st.sampled_from(["", "left", "right", "both"])), data.draw(st.booleans())
    memory = np.zeros((n, m) if factor else (m, n), dtype)

    def step(a: Any, b: Any, memory: Any) -> list[Any]:
        x, y = LAYOUTS[how[0]](a), LAYOUTS[how[1]](b)
        if vector in ("left", "both"):
            x = x[0]
        if vector in ("right", "both"):
            y = y[:, 0]
        if not vector:
            np.dot(x, y, out=memory.T if factor else memory) if not factor else np.copyto(memory.T, np.dot(x, y))
        return [np.dot(x, y), np.matmul(x, y)]

    expected = memory.copy()
    due = step(a, b, expected)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(products, "tile", lambda: tile)
        patch.setattr(products, "_PACKING_ROWS", 1)
        run = compiled(step, a, b, state=[memory])
    memory[...] = 0
    found = run([a, b])
    assert "f_dot" not in run.source
    assert tile[1] == 0 or "gemm(table" not in run.source
    for value, right in zip([*found, memory], [*due, expected], strict=True):
        assert_close(value, np.asarray(right), 30, scale=float(np.abs(a).max() * np.abs(b).max()) * k)


@pytest.mark.parametrize(
    ("threads", "features", "due"),
    [
        ("1", ("avx2", "fma", "avx512f"), ((12, 64), 60e6)),
        ("2", ("avx2", "fma", "avx512f"), ((12, 64), 7.5e6)),
        ("64", ("avx2", "fma"), ((6, 32), 4e6)),
        ("1", ("neon",), ((1, 16), 0)),
    ],
)
def test_what_is_written_out_where(threads: str, features: Any, due: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tile for the registers of the processor, less the more threads BLAS has."""
    import llvmlite.binding

    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    monkeypatch.setattr(llvmlite.binding, "get_host_cpu_features", lambda: dict.fromkeys(features, True))
    assert products.tile.__wrapped__() == due


def test_products_of_other_kinds_stay_with_numpy() -> None:
    rng = np.random.default_rng(0)
    a, stack = rng.integers(0, 5, (4, 4)), rng.random((2, 4, 4))

    def step(a: Any, stack: Any) -> list[Any]:
        return [a @ a, stack @ stack, stack[0, ::2, ::2] @ stack[1, :2, ::2], stack[0, :3, :0] @ stack[0, :0]]

    run = compiled(step, a, stack)
    assert len(numpy_calls(run)) >= 3
    for found, due in zip(run([a, stack]), step(a, stack), strict=True):
        np.testing.assert_allclose(found, due)


# --- look-ups ---------------------------------------------------------------------------------------------------------


def look_ups(x: Any, rows: Any, columns: Any, w: Any) -> list[Any]:
    """Every compiled form of one."""
    y = x.copy()
    y[rows] = w
    z = x.copy()
    z[rows, columns] -= 1.0
    flat = x.copy().reshape(-1)
    flat[np.ravel_multi_index((columns + 8, rows * 0 + 2), (12, 5))] = 7
    added = x.copy()
    np.add.at(added, rows, w)
    return [
        np.take(x, rows, axis=0), x[rows], x[rows, columns], x[:, 1][rows], x.T[columns], x[rows[:, None], columns],
        x.reshape(-1).take(rows), y, z, flat, added,
    ]  # fmt: skip


@pytest.mark.parametrize("index", ["i8", "i4", "u1"])
def test_look_ups(index: str) -> None:
    rng = np.random.default_rng(0)
    x, w = rng.standard_normal((12, 5)), rng.standard_normal((6, 5)).astype("f4")
    rows, columns = np.array([3, 0, 11, 3, 7, 1], index), np.array([2, 0, 1, 3, 0, 2], index)
    if index != "u1":
        rows[3], columns[3] = -1, -3  # from the end
    run = compiled(look_ups, x, rows, columns, w)
    assert numpy_calls(run) == []
    for found, due in zip(run([x, rows, columns, w]), look_ups(x, rows, columns, w), strict=True):
        assert_close(found, due, 0)


@pytest.mark.parametrize("wrong", [12, -13, 2**40, -(2**62)])
def test_positions_are_checked(wrong: int) -> None:
    x, rows, w = np.zeros((12, 5)), np.array([1, 2, 3]), np.ones((3, 5))

    def put(x: Any, rows: Any, w: Any) -> Any:
        x = x.copy()
        x[rows] = w
        return x

    for step in (lambda x, rows, w: x[rows], put, lambda x, rows, w: np.take(x, rows, 0)):
        run = compiled(step, x, rows, w)
        bad = rows.copy()
        bad[1] = wrong
        for _ in range(2):
            with pytest.raises(IndexError, match="out of bounds for axis 0 with size 12"):
                run([x, bad, w])
        assert_close(run([x, rows, w])[0], step(x, rows, w), 0)


def test_positions_of_which_some_repeat_are_written_in_order() -> None:
    at = np.array([2, 2, 2, 0, 2])
    values = np.arange(5.0)

    def step(at: Any, values: Any) -> Any:
        x = np.zeros_like(values)
        x[at] = values
        return x

    np.testing.assert_array_equal(compiled(step, at, values)([at, values])[0], [3, 0, 4, 0, 0])


# --- subnormal numbers ------------------------------------------------------------------------------------------------


def is_subnormal(x: Any) -> bool:
    return bool(np.array(x * np.float32(0.5)).view(np.int32))  # as bits: where they count as zero it equals zero


@pytest.mark.skipif(not FLUSHES, reason="this processor has no such switch")
def test_subnormal_numbers_are_zero_in_compiled_code_alone() -> None:
    """Also after a step that gave up in the middle."""
    small = np.full(3, np.finfo(np.float32).tiny)
    at = np.array([0, 1, 2])
    run = compile_numba(recorded(lambda x, at: (x * np.float32(0.5))[at], small, at))
    assert run.flushes
    assert run([small, at])[0].view(np.int32).tolist() == [0, 0, 0]
    assert is_subnormal(small[0])
    with pytest.raises(IndexError):
        run([small, np.array([0, 1, 7])])
    assert is_subnormal(small[0])


def test_where_numpy_does_a_part_of_it_someone_else_has_to_say_so() -> None:
    run = compile_numba(recorded(lambda x: np.median(x * 2) * 3, np.ones(5, np.float32)))
    assert numpy_calls(run)
    assert not run.flushes
