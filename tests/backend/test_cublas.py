"""Products through cuBLAS' C interface: layouts, sizes and dtypes, on a host library that stands in for cuBLAS."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from cublas_stand_in import HERE, HostArray, StandIn, Workspaces, base, closing, fresh_stand_in, numbers, product

from minigrad.backend.cublas import Cublas, LayoutError
from minigrad.errors import DTypeError, ShapeError

pytestmark = pytest.mark.gxx
both_dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
both_modes = pytest.mark.parametrize("accumulate", [False, True])


@pytest.fixture
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    yield from fresh_stand_in(tmp_path_factory)


@pytest.fixture
def workspaces() -> Workspaces:
    return Workspaces()


@pytest.fixture
def blas(stand_in: StandIn, workspaces: Workspaces) -> Iterator[Cublas]:
    yield from closing(Cublas(stand_in.path, workspaces, 1 << 12, on_device=stand_in.on_device), stand_in)


def stored(rows: int, cols: int, dtype: Any, transposed: bool, gap: int, seed: int, stack: tuple[int, ...] = ()) -> Any:
    """A (*stack, rows, cols) view of memory with `gap` more columns, or of the transposed one."""
    if transposed:
        return numbers((*stack, cols, rows + gap), dtype, seed)[..., :rows].swapaxes(-1, -2)
    return numbers((*stack, rows, cols + gap), dtype, seed)[..., :cols]


SIZES = list(itertools.product((1, 3, 17), (1, 4, 9), (1, 5, 8)))
LAYOUTS = list(itertools.product((False, True), (False, True), (0, 3), (0, 2)))


@both_dtypes
@both_modes
@pytest.mark.parametrize(("a_t", "b_t", "gap", "out_gap"), LAYOUTS)  # 64 of these, each with 27 sizes
def test_layouts(
    blas: Cublas, stand_in: StandIn, a_t: bool, b_t: bool, gap: int, out_gap: int, dtype: Any, accumulate: bool
) -> None:
    for m, k, n in SIZES:
        a, b = stored(m, k, dtype, a_t, gap, 1), stored(k, n, dtype, b_t, gap, 2)
        memory = numbers((m, n + out_gap), dtype, 3)
        expected = memory.copy()
        expected[:, :n] = a @ b + (expected[:, :n] if accumulate else 0)
        product(blas, a, b, memory[:, :n], accumulate=accumulate)
        np.testing.assert_array_equal(memory, expected)  # the gaps too
    if gap:
        larger = [event for event in stand_in.events() if event.name == "gemm" and min(event.m, event.n, event.k) > 1]
        assert len(larger) == 8
        # The operands trade places. A transposed view is read where it lies: nothing was copied.
        assert {(event.op_a, event.op_b) for event in larger} == {(b_t, a_t)}
        assert {event.ld_a - (event.k if b_t else event.m) for event in larger} == {gap}


@both_dtypes
@both_modes
@pytest.mark.parametrize(("a_t", "b_t", "gap", "out_gap"), LAYOUTS)
def test_stacks(
    blas: Cublas, stand_in: StandIn, a_t: bool, b_t: bool, gap: int, out_gap: int, dtype: Any, accumulate: bool
) -> None:
    for batch, (m, k, n) in itertools.product((1, 4), SIZES[::2]):
        a, b = stored(m, k, dtype, a_t, gap, 1, (batch,)), stored(k, n, dtype, b_t, gap, 2, (batch,))
        memory = numbers((batch, m, n + out_gap), dtype, 3)
        expected = memory.copy()
        expected[..., :n] = a @ b + (expected[..., :n] if accumulate else 0)
        product(blas, a, b, memory[..., :n], accumulate=accumulate)
        np.testing.assert_array_equal(memory, expected)
    assert {event.name for event in stand_in.events()} == {"create", "set_stream", "set_workspace", "gemm_batched"}


@pytest.mark.parametrize("shared", ["a", "b", "both"])
@pytest.mark.parametrize("how", ["stride 0", "length 1"])
def test_one_matrix_for_the_whole_stack(blas: Cublas, stand_in: StandIn, shared: str, how: str) -> None:
    a, b = numbers((5, 3, 4), np.float32, 1), numbers((5, 4, 2), np.float32, 2)
    if shared != "b":
        a = a[:1] if how == "length 1" else np.broadcast_to(a[0], a.shape)
    if shared != "a":
        b = b[:1] if how == "length 1" else np.broadcast_to(b[0], b.shape)
    out = np.zeros((5, 3, 2), np.float32)
    product(blas, a, b, out)
    np.testing.assert_array_equal(out, np.broadcast_to(a @ b, out.shape))
    call = stand_in.events()[-1]
    assert (call.step_b, call.step_a) == (0 if shared != "b" else 12, 0 if shared != "a" else 8)


def test_stacks_that_lie_between_one_anothers_rows(blas: Cublas) -> None:
    """(rows, batch, columns) in memory, as with the heads of an attention layer."""
    a, b = (numbers((6, 3, 6), np.float64, seed).transpose(1, 0, 2) for seed in (1, 2))
    memory = np.zeros((6, 3, 6))
    product(blas, a, b, memory.transpose(1, 0, 2))
    np.testing.assert_array_equal(memory.transpose(1, 0, 2), a @ b)


STRANGE = (0, -4, 3, 4, 12345, 2**40)
"""What the step of an axis of length 1 may be."""


@pytest.mark.parametrize(("m", "k", "n"), [(1, 5, 3), (5, 1, 3), (5, 3, 1), (1, 1, 3), (1, 3, 1), (3, 1, 1), (1, 1, 1)])
@pytest.mark.parametrize("step", STRANGE)
def test_steps_of_single_rows_and_columns_say_nothing(blas: Cublas, m: int, k: int, n: int, step: int) -> None:
    a, b = numbers((m, k), np.float32, 1), numbers((k, n), np.float32, 2)
    for turned in (False, True):
        memory = np.full((m, n), np.nan, np.float32)
        arrays = [np.asfortranarray(x) if turned else x for x in (a, b)] + [memory]
        operands = [HostArray(x) for x in arrays]
        for x in operands:
            x.strides = tuple(step if size == 1 else s for size, s in zip(x.shape, x.strides, strict=True))
        blas.gemm(*operands, **HERE)
        np.testing.assert_array_equal(memory, a @ b)


def test_a_column_and_a_row_of_a_matrix(blas: Cublas) -> None:
    x, out = numbers((6, 5), np.float64, 1), np.zeros((6, 5))
    product(blas, x[:, 2:3], x[1:2], out)
    np.testing.assert_array_equal(out, np.outer(x[:, 2], x[1]))
    product(blas, x[:, 2:3].T, x, out[:1])
    np.testing.assert_array_equal(out[:1], x[:, 2:3].T @ x)
    product(blas, x[::3, :1], x[:1, ::2], out[:2, :3])  # steps, but nothing to step over in the other direction
    np.testing.assert_array_equal(out[:2, :3], x[::3, :1] @ x[:1, ::2])
    product(blas, x, x[:1].T, out[:, 3:4])
    np.testing.assert_array_equal(out[:, 3:4], x @ x[:1].T)


@both_dtypes
@pytest.mark.parametrize("stack", [(), (3,)])
def test_what_was_in_out_is_ignored(blas: Cublas, dtype: Any, stack: tuple[int, ...]) -> None:
    a, b = numbers((*stack, 4, 5), dtype, 1), numbers((*stack, 5, 6), dtype, 2)
    out = np.full((*stack, 4, 6), np.nan, dtype)
    product(blas, a, b, out)
    np.testing.assert_array_equal(out, a @ b)


@both_modes
@pytest.mark.parametrize("stack", [(), (3,)])
def test_an_inner_length_of_zero(blas: Cublas, stand_in: StandIn, accumulate: bool, stack: tuple[int, ...]) -> None:
    memory = np.full((*stack, 4, 8), 7.0)
    product(blas, np.ones((*stack, 4, 0)), np.ones((*stack, 0, 6)), memory[..., :6], accumulate=accumulate)
    assert (memory[..., :6] == (7 if accumulate else 0)).all()
    assert (memory[..., 6:] == 7).all()
    assert stand_in.calls() == []


@both_modes
@pytest.mark.parametrize(("m", "k", "n"), [(0, 3, 4), (3, 4, 0), (0, 0, 0), (0, 3, 0)])
def test_empty_results_are_no_work(
    blas: Cublas, stand_in: StandIn, workspaces: Workspaces, m: int, k: int, n: int, accumulate: bool
) -> None:
    for stack in ((), (3,), (0,)):
        product(blas, np.ones((*stack, m, k)), np.ones((*stack, k, n)), np.ones((*stack, m, n)), accumulate=accumulate)
    product(blas, np.ones((0, 2, 3)), np.ones((1, 3, 4)), np.ones((0, 2, 4)))
    assert stand_in.calls() == []
    assert workspaces.made == []


def with_strides(array: np.ndarray, *strides: int) -> HostArray:
    changed = HostArray(array)
    changed.strides = strides
    return changed


BAD_LAYOUTS = {
    "two steps": lambda: HostArray(base(8, 8)[::2, ::2]),
    "rows backwards": lambda: HostArray(base(4, 4)[::-1]),
    "columns backwards": lambda: HostArray(base(4, 4)[:, ::-1]),
    "a broadcast row": lambda: HostArray(np.broadcast_to(base(4), (4, 4))),
    "a broadcast column": lambda: HostArray(np.broadcast_to(base(4, 1), (4, 4))),
    "overlapping rows": lambda: HostArray(np.lib.stride_tricks.sliding_window_view(base(7), 4)),
    "half an element": lambda: with_strides(base(4, 4), 18, 4),
    "half an element, transposed": lambda: with_strides(base(4, 4), 4, 18),
    "rows too far apart": lambda: with_strides(base(4, 4), 2**31 * 4, 4),
    "columns too far apart": lambda: with_strides(base(4, 4), 4, 2**31 * 4),
}


@pytest.mark.parametrize("layout", BAD_LAYOUTS)
@pytest.mark.parametrize("operand", ["a", "b", "out"])
def test_layouts_that_need_a_copy(blas: Cublas, stand_in: StandIn, layout: str, operand: str) -> None:
    arrays = {name: HostArray(base(4, 4)) for name in ("a", "b", "out")}
    arrays[operand] = BAD_LAYOUTS[layout]()
    with pytest.raises(LayoutError, match=rf"^{operand} of shape \(4, 4\) with strides .*copy it first") as caught:
        blas.gemm(**arrays, **HERE)
    assert caught.value.operand == operand
    assert stand_in.calls() == []


def test_a_column_major_result_is_refused(blas: Cublas, stand_in: StandIn) -> None:
    for out in (base(4, 4).T, base(3, 4, 4).swapaxes(1, 2)):
        a = base(*out.shape)
        with pytest.raises(LayoutError, match=r"out .* is not row-major"):
            product(blas, a, a, out)
    assert stand_in.calls() == []


@pytest.mark.parametrize(
    "out",
    [
        np.lib.stride_tricks.as_strided(base(64), (3, 4, 4), (0, 16, 4)),  # one matrix thrice
        np.lib.stride_tricks.as_strided(base(64), (3, 4, 4), (60, 16, 4)),  # the last element is the next one's first
        np.lib.stride_tricks.as_strided(base(64), (3, 4, 4), (16, 16, 4)),  # from row to row
        np.lib.stride_tricks.as_strided(base(64), (3, 4, 4), (16, 44, 4)),  # into the gaps, and further
        np.lib.stride_tricks.as_strided(base(64), (3, 4, 4), (12, 48, 4)),
    ],
)
def test_results_that_overlap_are_refused(blas: Cublas, stand_in: StandIn, out: np.ndarray) -> None:
    with pytest.raises(LayoutError, match=r"out .* overlap") as caught:
        product(blas, base(3, 4, 4), base(3, 4, 4), out)
    assert caught.value.operand == "out"
    assert stand_in.calls() == []


@pytest.mark.parametrize("operand", ["a", "b", "out"])
@pytest.mark.parametrize("step", [-64, 66])
def test_batch_steps_that_need_a_copy(blas: Cublas, operand: str, step: int) -> None:
    arrays = {name: HostArray(base(3, 4, 4)) for name in ("a", "b", "out")}
    arrays[operand] = with_strides(base(3, 4, 4), step, 16, 4)
    with pytest.raises(LayoutError, match=f"^{operand} .*batch stride"):
        blas.gemm_batched(**arrays, **HERE)


@pytest.mark.parametrize(
    ("a", "b", "out"),
    [
        ((3, 4), (5, 6), (3, 6)),
        ((3, 4), (4, 6), (6, 3)),
        ((3, 4), (4, 6), (4, 6)),
        ((3, 4), (4, 6), (3, 5)),
        ((4,), (4, 6), (1, 6)),
        ((3, 4), (4,), (3, 1)),
        ((3, 4), (4, 6), (3,)),
        ((), (), ()),
        ((2, 3, 4), (2, 4, 6), (3, 6)),
        ((3, 4), (2, 4, 6), (2, 3, 6)),
    ],
)
def test_shapes_that_do_not_fit(blas: Cublas, a: Any, b: Any, out: Any) -> None:
    for call in (blas.gemm, blas.gemm_batched):
        with pytest.raises(ShapeError, match="shapes do not fit"):
            call(HostArray(np.ones(a)), HostArray(np.ones(b)), HostArray(np.ones(out)), **HERE)


@pytest.mark.parametrize(("a", "b", "out"), [(2, 3, 3), (3, 2, 3), (3, 3, 2), (3, 3, 1)])
def test_stacks_of_other_lengths(blas: Cublas, a: int, b: int, out: int) -> None:
    with pytest.raises(ShapeError, match="shapes do not fit"):
        product(blas, base(a, 3, 4), base(b, 4, 5), base(out, 3, 5))
    with pytest.raises(ShapeError, match="shapes do not fit"):
        blas.gemm(HostArray(base(3, 3, 4)), HostArray(base(3, 4, 5)), HostArray(base(3, 3, 5)), **HERE)


def vast(*shape: int) -> np.ndarray:
    return np.lib.stride_tricks.as_strided(np.zeros(1), shape, (0,) * len(shape))


@pytest.mark.parametrize(("m", "k", "n"), [(2**31, 1, 1), (1, 2**31, 1), (1, 1, 2**31)])
def test_sizes_that_are_no_c_int(blas: Cublas, stand_in: StandIn, m: int, k: int, n: int) -> None:
    for stack in ((), (2,)):
        with pytest.raises(ShapeError, match=r"2147483647.*split"):
            product(blas, vast(*stack, m, k), vast(*stack, k, n), vast(*stack, m, n))
    with pytest.raises(ShapeError, match=r"2147483647.*split"):
        product(blas, vast(2**31, 1, 1), vast(2**31, 1, 1), vast(2**31, 1, 1))
    assert stand_in.calls() == []


@pytest.mark.parametrize(
    "dtypes",
    [("f4", "f4", "f8"), ("f4", "f8", "f4"), ("f8", "f4", "f4"), ("f2",) * 3, ("i4",) * 3, ("c8",) * 3, (">f4",) * 3],
)
def test_dtypes_that_do_not_fit(blas: Cublas, stand_in: StandIn, dtypes: tuple[str, str, str]) -> None:
    for shape in ((2, 2), (2, 2, 2)):
        with pytest.raises(DTypeError, match="float32, or all float64, got"):
            product(blas, *(np.ones(shape, dtype) for dtype in dtypes))
    assert stand_in.calls() == []


@pytest.mark.parametrize("shape", [(2, 2), (3, 2, 2)])
def test_tf32_is_opt_in_and_for_float32_alone(blas: Cublas, stand_in: StandIn, shape: tuple[int, ...]) -> None:
    for tf32 in (False, True, False):
        blas.tf32 = tf32
        for dtype in (np.float32, np.float64):
            product(blas, *(np.ones(shape, dtype) for _ in range(3)))
    computed = [event.compute for event in stand_in.events() if event.name.startswith("gemm")]
    assert computed == [68, 70, 77, 70, 68, 70]


def test_tf32_by_argument(stand_in: StandIn) -> None:
    blas = Cublas(stand_in.path, None, tf32=True)
    product(blas, base(2, 2), base(2, 2), base(2, 2))
    assert stand_in.events()[-1].compute == 77
    blas.close()
