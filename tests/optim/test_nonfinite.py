"""nonfinite: what is done about gradients that are no numbers, and that a skipped step leaves no trace."""

from __future__ import annotations

import contextlib
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lives import gradients, parameters, set_gradients
from on_device import host
from optimizer_rows import ONE_EACH, Row
from strict_provider import StrictProvider

import minigrad as mg
from minigrad import optim
from minigrad.optim.fused_update import AHEAD, BACK

each = pytest.mark.parametrize("row", ONE_EACH, ids=lambda row: row.cls.__name__)
BAD = [math.nan, math.inf, -math.inf]


def spoilt(step: int, dtype: Any, bad: float = math.nan) -> list[Any]:
    grads = gradients(step, dtype)
    grads[step % 4] = np.array(grads[step % 4])
    grads[step % 4].reshape(-1)[-1] = bad
    return grads


def run(row: Row, dtype: Any, device: str, good: list[bool], leave_out: bool, **options: Any) -> optim.Optimizer:
    """Steps with good and bad gradients; or without the bad ones."""
    optimizer = row.cls(parameters(dtype, device), **row.kwargs, **options)
    params = optimizer.param_groups[0]["params"]
    for step, fine in enumerate(good):
        if step == len(good) // 2:
            optimizer.param_groups[0]["lr"] *= 0.5
        if fine or not leave_out:
            set_gradients(params, gradients(step, dtype) if fine else spoilt(step, dtype, BAD[step % 3]))
            optimizer.step()
    return optimizer


def same(a: optim.Optimizer, b: optim.Optimizer) -> None:
    for p, q in zip(a.param_groups[0]["params"], b.param_groups[0]["params"], strict=True):
        np.testing.assert_array_equal(host(p), host(q))
    mine, other = a.state_dict()["state"], b.state_dict()["state"]
    np.testing.assert_equal(mine, other)


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(good=st.lists(st.booleans(), min_size=2, max_size=12))
def test_a_skipped_step_is_one_that_was_not_made(row: Row, dtype: Any, good: list[bool], device: str) -> None:
    options = {"nonfinite": "skip", "ema": 0.9, "max_norm": 3.0}
    with np.errstate(all="raise", under="ignore"):
        ours = run(row, dtype, device, good, leave_out=False, **options)
    due = run(row, dtype, device, good, leave_out=True, **options)
    same(ours, due)
    assert ours.skipped == good.count(False)
    assert due.skipped == 0


@pytest.mark.gxx
@pytest.mark.parametrize("row", [row for row in ONE_EACH if row.cls in (optim.Adam, optim.NAdam)], ids=str)
def test_many_steps_are_skipped_without_a_look(row: Row, strict: StrictProvider) -> None:
    """Through the end of the rows, with as many skipped as the device may keep to itself."""
    good = [step % 5 > 0 for step in range(5 * BACK)]
    assert len(good) > 2 * AHEAD
    optimizer = row.cls(parameters(np.float32, "cuda"), **row.kwargs, nonfinite="skip")
    params = optimizer.param_groups[0]["params"]
    with strict.machine.no_sync():
        for step, fine in enumerate(good):
            if step == len(good) // 2:
                optimizer.param_groups[0]["lr"] *= 0.5
            set_gradients(params, gradients(step, np.float32) if fine else spoilt(step, np.float32))
            optimizer.step()
    same(optimizer, run(row, np.float32, "cuda", good, leave_out=True, nonfinite="skip"))
    assert optimizer.skipped == BACK
    assert optimizer.skipped == BACK  # to ask does not change it


def test_the_count_is_saved(device: str) -> None:
    row = ONE_EACH[1]
    ours = run(row, np.float32, device, [True, False, False, True], False, nonfinite="skip")
    again = row.cls(parameters(np.float32, device), **row.kwargs, nonfinite="skip")
    again.load_state_dict(ours.state_dict())
    assert again.skipped == 2
    set_gradients(again.param_groups[0]["params"], spoilt(0, np.float32))
    again.step()
    assert again.skipped == 3


def test_a_saved_state_is_right_between_skips(device: str) -> None:
    row = ONE_EACH[1]
    options = {"nonfinite": "skip"}
    ours = run(row, np.float32, device, [True, False, True], False, **options)
    due = run(row, np.float32, device, [True, False, True], True, **options)
    for step in range(3, 9):
        for optimizer in (ours, due):
            if optimizer is ours or step % 2:
                params = optimizer.param_groups[0]["params"]
                set_gradients(params, gradients(step, np.float32) if step % 2 else spoilt(step, np.float32))
                optimizer.step()
        assert ours.state_dict()["state"][0]["step"] == due.state_dict()["state"][0]["step"]
    same(ours, due)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("bad", BAD)
def test_raise(dtype: Any, bad: float, device: str) -> None:
    params = parameters(dtype, device)
    optimizer = optim.Adam(params, nonfinite="raise")
    before = [host(p) for p in params]
    set_gradients(params, spoilt(3, dtype, bad))
    what = "nan" if math.isnan(bad) else "an infinite number"
    with pytest.raises(mg.GradientError, match=rf"parameter of shape \(70,\) holds {what}; nothing was updated"):
        optimizer.step()
    for p, value in zip(params, before, strict=True):
        np.testing.assert_array_equal(host(p), value)
    assert optimizer.state_dict()["state"] == {}
    optimizer.zero_grad()
    assert params[0].grad is None
    set_gradients(params, gradients(3, dtype))
    optimizer.step()
    assert (host(params[0]) != before[0]).all()


def test_an_error_within_accumulation_ends_the_cycle(device: str) -> None:
    params = parameters(np.float32, device)
    optimizer = optim.Adam(params, nonfinite="raise", accumulate=2)
    set_gradients(params, spoilt(0, np.float32))
    optimizer.step()
    with pytest.raises(mg.GradientError):
        optimizer.step()
    optimizer.zero_grad()
    assert params[0].grad is None


def test_by_default_nothing_is_looked_at(device: str) -> None:
    params = parameters(np.float32, device)
    optimizer = optim.SGD(params)
    set_gradients(params, spoilt(0, np.float32))
    optimizer.step()
    assert np.isnan(host(params[0])).any()


@pytest.mark.parametrize("nonfinite", ["skip", "raise"])
def test_large_finite_gradients_pass(nonfinite: Any, device: str) -> None:
    """Their squares are beyond float32."""
    params = parameters(np.float32, device)
    optimizer = optim.SGD(params, lr=1e-30, nonfinite=nonfinite)
    before = host(params[0])
    set_gradients(params, [g * np.float32(1e25) for g in gradients(0, np.float32)])
    optimizer.step()
    assert optimizer.skipped == 0
    np.testing.assert_allclose(host(params[0]), before - 1e-5 * gradients(0)[0], rtol=1e-4)


def test_clipping_without_a_check_does_as_pytorch(device: str) -> None:
    """nan everywhere, so that it is seen."""
    params = parameters(np.float32, device)
    optimizer = optim.SGD(params, max_norm=1.0)
    set_gradients(params, spoilt(0, np.float32))
    optimizer.step()
    assert all(np.isnan(host(p)).all() for p in params)


def test_nothing_to_look_at(device: str) -> None:
    params = parameters(np.float32, device)
    optimizer = optim.SGD(params, nonfinite="raise", max_norm=1.0)
    optimizer.step()
    assert optimizer.skipped == 0


@pytest.mark.gxx
def test_a_recorded_step_skips_too(strict: StrictProvider) -> None:
    """The device decides, so a graph that was recorded on good gradients leaves bad ones out."""
    xp = strict.xp
    found = []
    for captured in (True, False):
        params = parameters(np.float32, "cuda")
        optimizer = optim.NAdam(params, lr=0.02, nonfinite="skip", max_norm=1.0, ema=0.9)

        def feed(step: int, params: list[mg.Tensor] = params) -> None:
            grads = spoilt(step, np.float32) if step in (4, 5, 8) else gradients(step, np.float32)
            set_gradients(params, grads)

        stream, pool = xp.cuda.Stream(non_blocking=True), xp.cuda.MemoryPool()
        with stream if captured else contextlib.nullcontext(), xp.cuda.using_allocator(pool.malloc):
            for step in range(2):
                feed(step)
                optimizer.step()
            if captured:
                stream.begin_capture()
                optimizer.step()
                graph = stream.end_capture()
            for step in range(2, 12):
                feed(step)
                if captured:
                    graph.launch()
                else:
                    optimizer.step()
        found.append([host(p) for p in params])
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.gxx
def test_parameters_of_two_devices_are_refused(strict: StrictProvider) -> None:
    params = [mg.tensor([1.0], device=d, requires_grad=True) for d in ("cpu", "cuda")]
    optimizer = optim.SGD(params, nonfinite="skip")
    set_gradients(params, [np.ones(1, np.float32)] * 2)
    with pytest.raises(ValueError, match=r"on one device, got \['cpu', 'cuda:0'\]: give each device an optimizer"):
        optimizer.step()


@pytest.mark.parametrize("dtypes", [(np.float32, np.float64), (np.float64, np.float32)])
def test_parameters_of_two_dtypes_are_skipped_together(dtypes: Any, device: str) -> None:
    params = [mg.tensor(np.ones(3, t), device=device, requires_grad=True) for t in dtypes]
    optimizer = optim.Adam(params, nonfinite="skip", max_norm=1.0)
    for good in (True, False, True):
        grads = [np.ones(3, t) for t in dtypes]
        if not good:
            grads[1][1] = np.nan
        set_gradients(params, grads)
        optimizer.step()
    assert optimizer.skipped == 1
    assert [s["step"] for s in optimizer.state_dict()["state"].values()] == [2, 2]


ERRORS = [
    ({"accumulate": 0}, ValueError, "accumulate must be an integer >= 1, got 0"),
    ({"accumulate": 2.0}, ValueError, "accumulate must be an integer >= 1, got 2.0"),
    ({"max_norm": -1.0}, ValueError, "max_norm must be finite and >= 0, got -1.0"),
    ({"max_norm": "much"}, ValueError, "max_norm must be a number"),
    ({"ema": 1.0}, ValueError, "ema must be finite and >= 0 and < 1, got 1.0"),
    ({"ema": -0.1}, ValueError, "ema"),
    ({"nonfinite": "ignore"}, ValueError, 'nonfinite must be "raise", "skip" or None, got \'ignore\''),
    ({"nonfinite": True}, ValueError, "nonfinite"),
    ({"fused": True}, TypeError, "got an unexpected argument 'fused'; its options are accumulate, max_norm, ema, non"),
]


@each
@pytest.mark.parametrize(("options", "kind", "message"), ERRORS, ids=[str(e[0]) for e in ERRORS])
def test_errors(row: Row, options: dict[str, Any], kind: Any, message: str) -> None:
    with pytest.raises(kind, match=message):
        row.cls(parameters(), **options)


def test_a_bad_option_is_refused_at_the_step(device: str) -> None:
    params = parameters(device=device)
    optimizer = optim.Adam(params)
    set_gradients(params, gradients(0))
    optimizer.nonfinite = "never"  # type: ignore[assignment]
    with pytest.raises(ValueError, match="nonfinite"):
        optimizer.step()
    optimizer.nonfinite = "skip"
    optimizer.step()
