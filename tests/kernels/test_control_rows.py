"""The rows of coefficients on the device stay in one place, so that a recorded update finds those of later steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from strict_provider import StrictProvider

import minigrad as mg
from minigrad import nn, optim
from minigrad.optim.fused_update import AHEAD, FusedUpdate
from minigrad.optim.options import SHARED_COLUMNS, shared_coefficients
from minigrad.optim.parameters import Store

pytestmark = pytest.mark.gxx

DEVICE = "cuda:0"
COLUMNS = len(optim.Adam.columns + SHARED_COLUMNS)


class Updates:
    """Adam's kernel on two parameters, the second always three steps ahead, and what an optimizer does around it."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        self.parameters = [
            mg.tensor(rng.standard_normal(n).astype(np.float32), device=DEVICE, requires_grad=True) for n in (70, 9)
        ]
        self.optimizer = optim.Adam(self.parameters, lr=0.01)
        self.store = Store(self.parameters)
        self.store.g[...] = 0.5
        self.moments = [mg.tensor(np.zeros(self.store.size, np.float32), device=DEVICE).data for _ in range(2)]
        self.fused = FusedUpdate(optim.Adam.kernel, self.store, [*self.moments, None], [[0], [1]], COLUMNS)
        self.count = 0

    def prepare(self, lr: float) -> None:
        self.count += 1
        group = {**self.optimizer.param_groups[0], "lr": lr}
        steps = [[self.count + ahead, self.count + ahead + 3] for ahead in range(AHEAD)]
        shared = shared_coefficients(False, 1, None, None)
        rows = [[self.optimizer.coefficients(group, t) + shared for t in row] for row in steps]
        self.fused.prepare(lr, lambda ahead: rows[:ahead])


def rate(step: int) -> float:
    return 0.01 if step < 40 else 0.003


def test_a_recorded_update_reads_the_rows_of_later_steps(strict: StrictProvider) -> None:
    """Past the end of the rows, after a change of the rate, and with a step in between that was not recorded."""
    steps = 2 * AHEAD + 5
    eager = Updates()
    for step in range(steps):
        eager.prepare(rate(step))
        eager.fused.launch(0)

    recorded = Updates()
    with (stream := strict.xp.cuda.Stream(non_blocking=True)):
        recorded.prepare(rate(0))
        recorded.fused.launch(0)  # compiles
        stream.begin_capture()
        recorded.fused.launch(0)
        graph = stream.end_capture()
        for step in range(1, steps):
            recorded.prepare(rate(step))
            if step == 50:
                recorded.fused.launch(0)
            else:
                graph.launch()
    np.testing.assert_array_equal(strict.to_host(recorded.store.p), strict.to_host(eager.store.p))
    assert not np.array_equal(strict.to_host(eager.store.p), np.zeros(eager.store.size))


def test_new_rows_put_the_cursor_right_whatever_has_run(strict: StrictProvider) -> None:
    """A graph that was replayed without `prepare` is the caller's fault until the next rows, and no longer."""
    found = []
    for replays in (0, 7):
        updates = Updates()
        updates.prepare(0.01)
        before = strict.to_host(updates.store.p)
        for _ in range(replays):
            updates.fused.launch(0)
        updates.store.p[...] = strict.from_host(before, DEVICE)
        for moment in updates.moments:
            moment[...] = 0
        updates.prepare(0.02)
        updates.fused.launch(0)
        found.append(strict.to_host(updates.store.p))
    np.testing.assert_array_equal(*found)


def test_an_upload_is_one_copy_into_the_same_place(strict: StrictProvider) -> None:
    updates = Updates()
    updates.prepare(0.01)
    strict.machine.reset()
    with strict.machine.no_sync():
        for _ in range(AHEAD - 1):
            updates.prepare(0.01)
        assert strict.machine.tally.log == []
        updates.prepare(0.01)
    rows = 8 * (1 + AHEAD * 2 * COLUMNS)
    assert (strict.machine.tally.to_device.count, strict.machine.tally.to_device.nbytes) == (1, rows)
    assert dict(strict.machine.tally.launches) == {"copy": 1}


def test_rows_that_run_out_inside_a_capture_are_refused(strict: StrictProvider) -> None:
    """And nothing is counted that did not happen."""
    updates = Updates()
    with (stream := strict.xp.cuda.Stream(non_blocking=True)):
        updates.prepare(0.01)
        updates.fused.launch(0)
        stream.begin_capture()
        with pytest.raises(RuntimeError, match="captur"):
            updates.prepare(0.5)
        stream.end_capture()
        before = strict.machine.tally.to_device.count
        updates.prepare(0.5)
        assert strict.machine.tally.to_device.count == before + 1


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("make", [optim.Adam, lambda p: optim.SGD(p, 1e-3, 0.9)], ids=["adam", "sgd"])
def test_a_step_on_a_device_that_is_not_current(strict: StrictProvider, make: Any, dtype: Any) -> None:
    """Also by the array functions, which have rows of their own."""
    weights = []
    for device in ("cuda:1", "cpu"):
        mg.manual_seed(0)
        model = nn.Linear(3, 2, dtype=dtype).to(device)
        optimizer = make(model.parameters())
        for _ in range(2):
            optimizer.zero_grad()
            (model(mg.tensor(np.ones((4, 3), dtype), device=device)) ** 2).mean().backward()
            optimizer.step()
        weights.append(model.weight.detach().cpu().numpy())
    np.testing.assert_allclose(*weights, rtol=1e-5)
