"""Every operation on the strict device: values and gradients are the CPU's, and nothing waits."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from neighbours import ROWS, Case, as_tuple, fixed_case
from strict_provider import StrictProvider, install

import minigrad as mg
from minigrad.testing import OpSpec

pytestmark = pytest.mark.gxx  # minigrad's kernels run as C++ here

CPU_BOUND = {
    "clip by arrays": "its bounds are NumPy arrays of the row's own, which no device takes",
    "to_device": "it moves its result to the CPU by itself",
}
"""Rows that are about the CPU."""

WAITING = {"index by a boolean Tensor": "the size of the result is a matter of the values, in CuPy too"}
"""Rows that may wait for the device."""


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> StrictProvider:
    return install(monkeypatch, StrictProvider())


def op_rows(without: Any = ()) -> list[Any]:
    found = []
    for row in ROWS:
        if row.name not in CPU_BOUND and row.name not in without:
            found.append(pytest.param(row, id=row.name))
    return found


def run(case: Case, device: str) -> tuple[list[np.ndarray], list[np.ndarray | None]]:
    """Outputs and first-order gradients on a device, as NumPy arrays."""
    chosen = case.differentiable()
    args = [mg.tensor(a, device=device, requires_grad=i in chosen) for i, a in enumerate(case.arrays)]
    outs = list(as_tuple(case.call(*args)))
    tracked = [o for o in outs if o.requires_grad]
    for out, weight in zip(tracked, case.cotangents(tracked), strict=True):
        out.backward(mg.tensor(weight, device=device), retain_graph=True)
    assert all(o.device == args[0].device for o in outs)
    grads = [args[i].grad for i in chosen]
    return [o.detach().cpu().numpy() for o in outs], [None if g is None else g.cpu().numpy() for g in grads]


@pytest.mark.parametrize("row", op_rows())
def test_an_operation_is_that_of_the_cpu(row: OpSpec, strict: StrictProvider) -> None:
    cases = [case for seed in range(4) if (case := fixed_case(row, seed)) is not None]
    assert cases
    for case in cases:
        host, device = run(case, "cpu"), run(case, "cuda")
        for theirs, ours in zip((*host[0], *host[1]), (*device[0], *device[1]), strict=True):
            assert (theirs is None) == (ours is None)
            if theirs is not None:
                assert (ours.shape, ours.dtype) == (theirs.shape, theirs.dtype)
                np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-6 * np.abs(theirs).max(initial=0))


@pytest.mark.parametrize("row", op_rows(WAITING))
def test_an_operation_does_not_wait(row: OpSpec, strict: StrictProvider) -> None:
    case = fixed_case(row, 1)
    assert case is not None
    chosen = case.differentiable()
    args = [mg.tensor(a, device="cuda", requires_grad=i in chosen) for i, a in enumerate(case.arrays)]
    with strict.machine.no_sync():
        for out in as_tuple(case.call(*args)):
            if out.requires_grad:
                out.sum().backward(retain_graph=True)
    assert strict.machine.tally.launch_count or not any(a.size for a in args)


def test_what_is_left_out_is_in_the_table() -> None:
    assert (CPU_BOUND.keys() | WAITING.keys()) <= {row.name for row in ROWS}


DISPATCH = {
    "array * tensor": lambda a, t: a * t,
    "array - tensor": lambda a, t: a - t,
    "array @ tensor": lambda a, t: a @ t.T,
    "array < tensor": lambda a, t: a < t,
    "np.exp": lambda a, t: np.exp(t),
    "np.multiply": lambda a, t: np.multiply(a, t),
    "np.sum": lambda a, t: np.sum(t, axis=0),
    "np.concatenate": lambda a, t: np.concatenate([a, t]),
    "np.float32 * tensor": lambda a, t: np.float32(2) * t,
}


@pytest.mark.parametrize("call", DISPATCH.values(), ids=DISPATCH.keys())
def test_a_tensor_among_device_arrays_is_seen(call: Any, strict: StrictProvider) -> None:
    found = []
    for device in ("cpu", "cuda"):
        t = mg.tensor(np.arange(6, dtype=np.float32).reshape(2, 3), device=device, requires_grad=True)
        out = call(mg.tensor(np.full((2, 3), 2, np.float32), device=device).data, t)
        assert isinstance(out, mg.Tensor)
        assert out.device == t.device
        found.append(out.detach().cpu().numpy())
    np.testing.assert_allclose(*found, rtol=1e-6)
