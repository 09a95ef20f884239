"""Every row of the tables on every device: value, gradients of both orders, dtypes, layouts, backward paths, torch."""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from draws import Case, as_tuple, drawn_case, fixed_case, is_array, raw
from hypothesis import given, settings
from hypothesis import strategies as st
from inventory import all_ops, noting
from on_device import host
from row_exceptions import CPU_BOUND, MOVING, WAITING
from rows import ROWS
from strict_provider import StrictProvider

from minigrad import Tensor, tensor
from minigrad.backend.device import device_of
from minigrad.core import engine
from minigrad.testing import OpSpec, gradcheck

DIFFERENTIABLE = [row for row in ROWS if row.order]

FEWER = 4
"""So many times fewer cases on a device than on the CPU: a call there costs many times as much."""
BATCH = 3
"""So many cases an example, which costs hypothesis as much as a small case costs the test."""


def each(rows: list[OpSpec]) -> Any:
    return pytest.mark.parametrize("row", rows, ids=lambda row: row.name)


def drawn(test: Callable[..., None]) -> Callable[..., None]:
    """The test is run with many values of `seed`, which makes its cases.

    One number, and no strategy for shapes, parameters and layouts: drawing those would take longer than the test.
    """

    @functools.wraps(test)
    def batch(*, seed: int, **arguments: Any) -> None:
        for k in range(BATCH):
            test(seed=seed + k, **arguments)

    def examples(cases: int) -> Callable[..., None]:
        return settings(max_examples=max(1, cases // BATCH))(given(seed=st.integers(0, 2**32))(batch))

    cases = settings.default.max_examples
    many, few = examples(cases), examples(cases // FEWER)

    @functools.wraps(test)
    def run(row: OpSpec, **arguments: Any) -> None:
        on_cpu = arguments.get("device", "cpu") == "cpu"
        if not on_cpu and row.name in CPU_BOUND:
            pytest.skip(CPU_BOUND[row.name])
        (many if on_cpu else few)(row=row, **arguments)

    parameters = inspect.signature(test).parameters.values()
    run.__signature__ = inspect.Signature([p for p in parameters if p.name != "seed"])  # type: ignore[attr-defined]
    return run


def close(got: Any, expected: Any, tolerance: float) -> None:
    """Equal to `tolerance`, relative to the largest element, or to 1 where cancellation left less."""
    got, expected = host(got).astype(np.float64), host(expected).astype(np.float64)
    scale = np.abs(expected).max(initial=1.0)
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * scale)


def test_names_are_unique_and_the_exceptions_are_rows() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)
    assert CPU_BOUND.keys() | MOVING.keys() | WAITING.keys() <= set(names)


@each(ROWS)
@drawn
def test_value_is_the_reference_and_kinds_are_kept(row: OpSpec, device: str, seed: int) -> None:
    for dtype in row.dtypes:
        case = drawn_case(row, seed, device, dtype, layouts=True)
        arrays = case.placed()
        plain = as_tuple(case.call(*arrays))
        wrapped = as_tuple(case.call(*[tensor(a) for a in arrays]))
        expected, precise = as_tuple(case.expected()), as_tuple(case.expected(np.float64))
        assert len(plain) == len(wrapped) == len(expected)
        for p, w, e, exact in zip(plain, wrapped, expected, precise, strict=True):
            e = np.asarray(e)
            assert is_array(p)
            assert isinstance(w, Tensor)
            assert not w.requires_grad
            assert device_of(p) == w.device == ("cpu" if row.name in MOVING else device)
            assert p.shape == w.shape == e.shape
            assert p.dtype == w.dtype == e.dtype
            close(p, exact, row.tolerance[dtype])
            assert np.allclose(host(p), host(w), rtol=row.tolerance[dtype], atol=0)
        assert all(np.array_equal(host(a), b) for a, b in zip(arrays, case.arrays, strict=True)), "modified"


@each([row for row in ROWS if not row.order])
@drawn
def test_functions_without_gradient_return_untracked(row: OpSpec, device: str, seed: int) -> None:
    case = drawn_case(row, seed, device)
    for out in as_tuple(case.call(*[a if isinstance(a, Tensor) else tensor(a) for a in case.tracked()])):
        assert isinstance(out, Tensor)
        assert not out.requires_grad


@each(DIFFERENTIABLE)
@drawn
def test_gradients_against_differences(row: OpSpec, device: str, seed: int) -> None:
    case = drawn_case(row, seed, device, layouts=True)
    chosen = case.differentiable()
    # entry by entry on the CPU, along a random direction where a call costs many times as much
    effort = {"max_entries": 9 if device == "cpu" else 0, "directions": 1}
    report = gradcheck(case.call, *case.placed(), order=row.order, argnums=chosen, seed=case.seed, **effort)
    assert report.arguments == tuple(chosen)


@each([row for row in DIFFERENTIABLE if "float32" in row.dtypes])
@drawn
def test_float32_gradients_are_float32_and_close(row: OpSpec, device: str, seed: int) -> None:
    case = drawn_case(row, seed, device, np.float32)
    for single, double in zip(_gradients(case), _gradients(case.cast(np.float64)), strict=True):
        assert single.dtype == np.float32
        close(single, double, max(2e-5, row.tolerance["float32"]))


def _outputs(case: Case, args: list[Any]) -> list[Any]:
    return [o for o in as_tuple(case.call(*args)) if o.requires_grad]


def _gradients(case: Case, **how: Any) -> list[np.ndarray]:
    """The leaves' gradients by one backward pass per output, into gradients that may be there already."""
    args = case.tracked()
    leaves = [args[i] for i in case.differentiable()]
    outs = _outputs(case, args)
    for leaf in leaves:
        if "overwrite" in how:  # as of a packed parameter after zero_grad: storage with stale numbers in it
            leaf.grad = case.put(np.full(leaf.shape, np.nan, leaf.dtype))
            leaf._node.live = False
        if "onto" in how:
            leaf.grad = case.put(np.full(leaf.shape, how["onto"], leaf.dtype))
    for out, w in zip(outs, case.cotangents(outs), strict=True):
        out.backward(w, retain_graph=True, create_graph=how.get("create_graph", False))
    for leaf in leaves:
        assert leaf.grad is None or leaf.grad.device == leaf.device
    return [np.zeros(leaf.shape, leaf.dtype) if leaf.grad is None else host(leaf.grad) for leaf in leaves]


@functools.cache
def with_raw_rules() -> set[str]:
    """The rows that run an op with a first-order rule of its own."""
    raw_rules = {name for name, op in all_ops().items() if op.vjp_raw is not None}
    found = set()
    with noting() as seen:
        for row in DIFFERENTIABLE:
            seen.clear()
            case = fixed_case(row, 1)
            with contextlib.suppress(Exception):  # tests of its own say what is wrong with the row
                if case is not None:
                    case.call(*case.tracked())
            if seen & raw_rules:
                found.add(row.name)
    return found


def test_some_rows_compare_a_raw_rule_with_the_ordinary_one() -> None:
    assert {"matmul", "linear", "softmax_cross_entropy", "standardize"} <= with_raw_rules()


@each(DIFFERENTIABLE)
@drawn
def test_both_backward_paths_agree(row: OpSpec, device: str, seed: int) -> None:
    """Raw arrays against recorded tensors: the same bits, or to rounding where an op has a raw rule of its own."""
    case = drawn_case(row, seed, device)
    tolerance = 1e-12 if row.name in with_raw_rules() else 0.0
    plain = _gradients(case)
    recorded = _gradients(case, create_graph=True)
    overwritten = _gradients(case, overwrite=True)
    added = _gradients(case, onto=1.0)
    for p, r, o, a in zip(plain, recorded, overwritten, added, strict=True):
        close(p, r, tolerance)
        assert np.array_equal(p, o, equal_nan=True) or (np.isnan(o).all() and not p.any())
        close(a, p + 1.0, 1e-12)


@each(DIFFERENTIABLE)
@drawn
def test_gradients_asked_for_by_name_equal_accumulated_ones(row: OpSpec, device: str, seed: int) -> None:
    case = drawn_case(row, seed, device)
    accumulated = _gradients(case)
    args = case.tracked()
    outs = _outputs(case, args)
    nodes = [args[i]._node for i in case.differentiable()]
    named = engine.backward([o._node for o in outs], case.cotangents(outs), nodes)
    for g, a in zip(named, accumulated, strict=True):
        close(np.zeros_like(a) if g is None else g, a, 1e-12)
    assert all(args[i].grad is None for i in case.differentiable())


@each([row for row in ROWS if row.name not in CPU_BOUND.keys() | MOVING.keys() | WAITING.keys()])
def test_an_operation_waits_for_nothing(row: OpSpec, strict: StrictProvider) -> None:
    """Forward and backward ask a device for no value: the host runs ahead of it."""
    case = fixed_case(row, 1, "cuda:0")
    assert case is not None
    args = case.tracked()
    strict.machine.reset()
    with strict.machine.no_sync():
        for out in as_tuple(case.call(*args)):
            if isinstance(out, Tensor) and out.requires_grad:
                out.sum().backward(retain_graph=True)
    assert strict.machine.tally.launch_count or not any(a.size for a in args)


@pytest.fixture(scope="module")
def torch() -> Any:
    """Imported here, once: inside a test the seconds that it takes would count against the example."""
    torch = pytest.importorskip("torch")
    x = torch.tensor(np.ones(2), requires_grad=True)  # the first conversions and the first backward are slow as well
    torch.add(x, x).backward(torch.tensor(np.ones(2)))
    x.grad.numpy()
    return torch


@pytest.mark.torch
@each([row for row in ROWS if row.torch])
@drawn
def test_torch_agrees(row: OpSpec, torch: Any, seed: int) -> None:
    case = drawn_case(row, seed)
    chosen = case.differentiable()
    theirs = [torch.tensor(a, requires_grad=i in chosen) for i, a in enumerate(case.arrays)]
    args = case.tracked()
    ours = case.call(*args)
    value = row.torch(*theirs, **case.params)  # type: ignore[misc]
    close(raw(ours), value.detach().numpy(), 1e-11)
    (w,) = case.cotangents([ours])
    ours.backward(w)
    value.backward(torch.tensor(w))
    for i in chosen:
        assert args[i].grad.shape == tuple(theirs[i].grad.shape)
        close(args[i].grad, theirs[i].grad.numpy(), 1e-11)
