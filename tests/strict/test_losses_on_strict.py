"""Cross-entropy on the strict device: one launch forward, none or one backward, and the CPU's numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from strict_provider import StrictProvider, install

import minigrad as mg
from minigrad.backend import fused_kernels
from minigrad.nn import functional as F


@pytest.fixture
def strict(monkeypatch: pytest.MonkeyPatch) -> StrictProvider:
    return install(monkeypatch, StrictProvider())


RNG = np.random.default_rng(0)
LOGITS = RNG.standard_normal((9, 5)).astype(np.float32) * 3
LABELS = RNG.integers(0, 5, 9)
SOME_IGNORED = np.where(np.arange(9) % 3 == 0, -100, LABELS)


def run(device: str, labels: np.ndarray, backward: Any, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    logits = mg.tensor(LOGITS, device=device, requires_grad=True)
    loss = F.cross_entropy(logits, mg.tensor(labels, device=device), **options)
    backward(loss)
    return loss.detach().cpu().numpy(), logits.grad.cpu().numpy()  # type: ignore[union-attr]


def twice(loss: Any) -> None:
    """Two backward passes through one graph: what the first returned must not have changed the second."""
    loss.backward(retain_graph=True)
    loss.backward()


BACKWARDS = {
    "seed": lambda loss: loss.backward(),
    "scaled": lambda loss: (3 * loss).backward(),
    "given": lambda loss: loss.backward(0.5),
    "twice": twice,
}


@pytest.mark.parametrize("few", [2048, 0], ids=["few rows", "many rows"])
@pytest.mark.parametrize("backward", BACKWARDS.values(), ids=BACKWARDS.keys())
@pytest.mark.parametrize("labels", [LABELS, SOME_IGNORED], ids=["all", "some ignored"])
@pytest.mark.parametrize("options", [{}, {"ignore_index": 2}, {"ignore_index": None}, {"reduction": "sum"}], ids=str)
def test_the_numbers_of_the_cpu(
    strict: StrictProvider,
    monkeypatch: pytest.MonkeyPatch,
    options: dict[str, Any],
    labels: np.ndarray,
    backward: Any,
    few: int,
) -> None:
    monkeypatch.setattr(fused_kernels, "FEW_ROWS", few)
    if labels is SOME_IGNORED and options.get("ignore_index", -100) != -100:
        labels = LABELS  # -100 would be a label out of range
    for ours, host in zip(
        run("cuda", labels, backward, **options), run("cpu", labels, backward, **options), strict=True
    ):
        np.testing.assert_allclose(ours, host, rtol=1e-5, atol=1e-6)


def test_second_order(strict: StrictProvider) -> None:
    found = []
    for device in ("cpu", "cuda"):
        logits = mg.tensor(LOGITS, device=device, requires_grad=True)
        F.cross_entropy(logits, mg.tensor(SOME_IGNORED, device=device)).backward(create_graph=True)
        first = logits.grad
        logits.grad = None
        (first * first).sum().backward()  # type: ignore[operator]
        found.append(logits.grad.cpu().detach().numpy())  # type: ignore[union-attr]
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-7)


def test_one_launch_forward_and_none_backward(strict: StrictProvider) -> None:
    logits = mg.tensor(LOGITS, device="cuda", requires_grad=True)
    labels = mg.tensor(LABELS, device="cuda")
    F.cross_entropy(logits, labels).backward()  # makes the ticket and the seed
    strict.machine.reset()
    loss = F.cross_entropy(logits * 1.0, labels)
    assert dict(strict.machine.tally.launches) == {"multiply": 1, "softmax_cross_entropy_f32": 1}
    strict.machine.reset()
    loss.backward()
    assert "softmax_cross_entropy_backward_f32" not in strict.machine.tally.launches


@pytest.mark.parametrize("few", [2048, 0], ids=["few rows", "many rows"])
def test_labels_out_of_range_give_nan_not_a_wrong_number(
    strict: StrictProvider, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(fused_kernels, "FEW_ROWS", few)
    wrong = LABELS.copy()
    wrong[4] = 5
    loss, gradient = run("cuda", wrong, lambda loss: loss.backward())
    assert np.isnan(loss)
    assert np.isnan(gradient[4]).all()
    assert np.isfinite(gradient[:4]).all()
