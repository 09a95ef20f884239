"""The step by hand that a replay is held against: the same training, and the promises of a replay."""

from __future__ import annotations

import numpy as np
import pytest
from scripts import script

by_hand = script("handwritten_step")
SIZES = ((5, 3), (6, 4, 3), (20, 16, 8, 4))
BATCHES = (1, 2, 7)


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("batch", BATCHES)
def test_it_is_the_eager_step(sizes: tuple[int, ...], batch: int) -> None:
    """Fresh batches, and a learning rate that changes from step to step."""
    assert by_hand.difference("numpy", sizes, batch, 4) < 1e-3


@pytest.mark.slow
@pytest.mark.numba
def test_compiled_it_is_the_eager_step() -> None:
    """One number of layers alone: each is compiled by itself."""
    for batch in BATCHES:
        assert by_hand.difference("fast", SIZES[1], batch, 4) < 1e-3


def test_adam_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_hand, "BLOCK", 10)
    assert by_hand.difference("numpy", (6, 4, 3), 5) < 1e-3


def test_a_wrong_step_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(by_hand, "BETA1", 0.5)
    with pytest.raises(RuntimeError, match="parameters differ by"):  # the losses before the second update do not
        by_hand.difference("numpy", (6, 4, 3), 5, 2)


def test_a_wrong_loss_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Wrong(by_hand.NumPyStep):  # type: ignore[name-defined,misc]
        def _loss(self) -> list[str]:
            return [*super()._loss(), "add(loss, share, loss)"]

    monkeypatch.setitem(by_hand.KINDS, "numpy", Wrong)
    with pytest.raises(RuntimeError, match="step 0: loss"):
        by_hand.difference("numpy", (6, 4, 3), 5)


def test_calls_are_counted() -> None:
    """Lines of the program but for the coefficients and the returned loss, one call in each."""
    made = by_hand.NumPyStep((6, 4, 3), 5)
    lines = [line.strip() for line in made.source.splitlines()[2:-1]]
    assert len(lines) == made.calls
    assert all(line.count("(") - line.count("()") == 1 for line in lines)


def test_a_batch_is_copied_in() -> None:
    made = by_hand.NumPyStep((6, 4, 3), 2)
    x, y = np.ones((2, 6), np.float32), np.array([0, 2])
    loss = made.run(x, y)
    kept = loss.copy()
    x[:] = 0
    made.run(x, y)
    np.testing.assert_array_equal(loss, kept, "the loss of a step stays what it was")
    assert np.shares_memory(made.weights[0], made.p)
    assert made.steps == 2
