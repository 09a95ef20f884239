"""Every row of the tables: value, gradients of both orders, dtypes, layouts, both backward paths, torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from draws import Case, as_tuple, cases, cast, is_array, raw
from hypothesis import given
from hypothesis import strategies as st
from inventory import all_ops, noting
from rows import ROWS

from minigrad import Tensor, tensor
from minigrad.core import engine
from minigrad.testing import OpSpec, gradcheck

DIFFERENTIABLE = [row for row in ROWS if row.order]
every_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
every_differentiable_row = pytest.mark.parametrize("row", DIFFERENTIABLE, ids=lambda row: row.name)


def close(got: Any, expected: Any, tolerance: float) -> None:
    """Equal to `tolerance`, relative to the largest element, or to 1 where cancellation left less."""
    got, expected = np.asarray(got, np.float64), np.asarray(expected, np.float64)
    scale = np.abs(expected).max(initial=1.0)
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance * scale)


def test_names_are_unique() -> None:
    names = [row.name for row in ROWS]
    assert len(set(names)) == len(names)


@every_row
@given(data=st.data())
def test_value_is_the_reference_and_kinds_are_kept(row: OpSpec, data: st.DataObject) -> None:
    for dtype in row.dtypes:
        case = data.draw(cases(row, dtype, layouts=True))
        before = [a.copy() for a in case.arrays]
        plain = as_tuple(case.call(*case.arrays))
        wrapped = as_tuple(case.call(*[tensor(a) for a in case.arrays]))
        expected, precise = as_tuple(case.expected()), as_tuple(case.expected(np.float64))
        assert len(plain) == len(wrapped) == len(expected)
        for p, w, e, exact in zip(plain, wrapped, expected, precise, strict=True):
            e = np.asarray(e)
            assert is_array(p)
            assert isinstance(w, Tensor)
            assert not w.requires_grad
            assert p.shape == w.shape == e.shape
            assert p.dtype == w.dtype == e.dtype
            close(p, exact, row.tolerance[dtype])
            assert np.array_equal(p, w.data) or np.allclose(p, w.data, rtol=row.tolerance[dtype], atol=0)
        assert all(np.array_equal(a, b) for a, b in zip(case.arrays, before, strict=True))


@pytest.mark.parametrize("row", [row for row in ROWS if not row.order], ids=lambda row: row.name)
@given(data=st.data())
def test_functions_without_gradient_return_untracked(row: OpSpec, data: st.DataObject) -> None:
    case = data.draw(cases(row))
    for out in as_tuple(case.call(*[a if isinstance(a, Tensor) else tensor(a) for a in case.tracked()])):
        assert isinstance(out, Tensor)
        assert not out.requires_grad


@every_differentiable_row
@given(data=st.data())
def test_gradients_against_differences(row: OpSpec, data: st.DataObject) -> None:
    case = data.draw(cases(row, layouts=True))
    chosen = case.differentiable()
    report = gradcheck(
        case.call, *case.arrays, order=row.order, argnums=chosen, max_entries=9, directions=1, seed=case.seed
    )
    assert report.arguments == tuple(chosen)


@pytest.mark.parametrize("row", [r for r in DIFFERENTIABLE if "float32" in r.dtypes], ids=lambda row: row.name)
@given(data=st.data())
def test_float32_gradients_are_float32_and_close(row: OpSpec, data: st.DataObject) -> None:
    case = data.draw(cases(row, np.float32))
    single = _gradients(case, case.arrays)
    double = _gradients(case, tuple(cast(a, np.float64) for a in case.arrays))
    for s, d in zip(single, double, strict=True):
        assert s.dtype == np.float32
        close(s, d, max(2e-5, row.tolerance["float32"]))


def _outputs(case: Case, args: list[Any]) -> list[Any]:
    return [o for o in as_tuple(case.call(*args)) if o.requires_grad]


def _gradients(case: Case, arrays: tuple[np.ndarray, ...], **how: Any) -> list[np.ndarray]:
    """The leaves' gradients by one backward pass per output, into gradients that may be there already."""
    args = case.tracked(arrays)
    leaves = [args[i] for i in case.differentiable()]
    outs = _outputs(case, args)
    for leaf in leaves:
        if "overwrite" in how:  # as of a packed parameter after zero_grad: storage with stale numbers in it
            leaf.grad = np.full(leaf.shape, np.nan, leaf.dtype)
            leaf._node.live = False
        if "onto" in how:
            leaf.grad = np.full(leaf.shape, how["onto"], leaf.dtype)
    for out, w in zip(outs, case.cotangents(outs), strict=True):
        out.backward(w, retain_graph=True, create_graph=how.get("create_graph", False))
    return [np.zeros(leaf.shape, leaf.dtype) if leaf.grad is None else leaf.grad.data for leaf in leaves]


def _has_raw_rule(row: OpSpec) -> bool:
    """Whether any op of the row has a first-order rule of its own."""
    shapes = (row.shapes or ((((2, 3),) * row.arity),))[0]
    case = Case(row, row.arguments(np.random.default_rng(0), shapes), dict(row.variants(shapes)[0]), 0)
    with noting() as seen:
        case.call(*case.tracked())
    return any(all_ops()[name].vjp_raw is not None for name in seen)


RAW_RULE = {row.name: _has_raw_rule(row) for row in DIFFERENTIABLE}


def test_some_rows_compare_a_raw_rule_with_the_ordinary_one() -> None:
    found = {name for name, raw_rule in RAW_RULE.items() if raw_rule}
    assert {"matmul", "linear", "softmax_cross_entropy", "standardize"} <= found


@every_differentiable_row
@given(data=st.data())
def test_both_backward_paths_agree(row: OpSpec, data: st.DataObject) -> None:
    """Raw arrays against recorded tensors: the same bits, or to rounding where an op has a raw rule of its own."""
    case = data.draw(cases(row))
    tolerance = 1e-12 if RAW_RULE[row.name] else 0.0
    plain = _gradients(case, case.arrays)
    recorded = _gradients(case, case.arrays, create_graph=True)
    overwritten = _gradients(case, case.arrays, overwrite=True)
    added = _gradients(case, case.arrays, onto=1.0)
    for p, r, o, a in zip(plain, recorded, overwritten, added, strict=True):
        close(p, r, tolerance)
        assert np.array_equal(p, o, equal_nan=True) or (np.isnan(o).all() and not p.any())
        close(a, p + 1.0, 1e-12)


@every_differentiable_row
@given(data=st.data())
def test_gradients_asked_for_by_name_equal_accumulated_ones(row: OpSpec, data: st.DataObject) -> None:
    case = data.draw(cases(row))
    accumulated = _gradients(case, case.arrays)
    args = case.tracked()
    outs = _outputs(case, args)
    nodes = [args[i]._node for i in case.differentiable()]
    named = engine.backward([o._node for o in outs], case.cotangents(outs), nodes)
    for g, a in zip(named, accumulated, strict=True):
        close(np.zeros_like(a) if g is None else g, a, 1e-12)
    assert all(args[i].grad is None for i in case.differentiable())


@pytest.fixture(scope="module")
def torch() -> Any:
    """Imported here, once: inside a test the seconds that it takes would count against the example."""
    torch = pytest.importorskip("torch")
    x = torch.tensor(np.ones(2), requires_grad=True)  # the first conversions and the first backward are slow as well
    torch.add(x, x).backward(torch.tensor(np.ones(2)))
    x.grad.numpy()
    return torch


@pytest.mark.torch
@pytest.mark.parametrize("row", [row for row in ROWS if row.torch], ids=lambda row: row.name)
@given(data=st.data())
def test_torch_agrees(row: OpSpec, torch: Any, data: st.DataObject) -> None:
    case = data.draw(cases(row))
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
        close(args[i].grad.data, theirs[i].grad.numpy(), 1e-11)
