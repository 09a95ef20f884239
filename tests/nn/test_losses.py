"""Losses: second derivatives, extreme logits, dtypes, empty inputs, and what they refuse."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import minigrad as mg
from minigrad import nn
from minigrad.nn import functional as F
from minigrad.testing import gradcheck

rng = np.random.default_rng(11)
X = rng.normal(size=(3, 4))
Y = rng.normal(size=(3, 4))
P = rng.uniform(0.1, 0.9, size=(3, 4))
LABELS = np.array([3, 0, 2])
IGNORED = np.array([3, -100, 2])
CLASS_WEIGHT = np.array([0.5, 2.0, 0.25, 1.0])
REDUCTIONS = ("mean", "sum", "none")

WITH_TARGET: dict[str, tuple[Callable[..., Any], np.ndarray]] = {
    "mse_loss": (F.mse_loss, Y),
    "l1_loss": (F.l1_loss, Y),
    "huber_loss": (F.huber_loss, Y),
    "hinge_loss": (F.hinge_loss, Y),
    "bce": (F.binary_cross_entropy_with_logits, P),
    "bce weights": (
        lambda x, y, reduction="mean": F.binary_cross_entropy_with_logits(
            x, y, np.full((3, 1), 1.5), reduction=reduction, pos_weight=CLASS_WEIGHT
        ),
        P,
    ),
    "kl_div": (F.kl_div, P),
    "kl_div log": (lambda x, y, reduction="mean": F.kl_div(x, y, reduction=reduction, log_target=True), Y),
    "cross_entropy soft": (F.cross_entropy, P),
    "cross_entropy soft smooth": (
        lambda x, y, reduction="mean": F.cross_entropy(x, y, CLASS_WEIGHT, reduction=reduction, label_smoothing=0.2),
        P,
    ),
}
WITH_LABELS: dict[str, Callable[..., Any]] = {
    "cross_entropy": lambda x, **k: F.cross_entropy(x, LABELS, **k),
    "cross_entropy ignored": lambda x, **k: F.cross_entropy(x, IGNORED, **k),
    "cross_entropy weight": lambda x, **k: F.cross_entropy(x, IGNORED, CLASS_WEIGHT, **k),
    "cross_entropy smooth": lambda x, **k: F.cross_entropy(x, IGNORED, CLASS_WEIGHT, label_smoothing=0.1, **k),
    "nll_loss": lambda x, **k: F.nll_loss(x, LABELS, **k),
    "nll_loss weight": lambda x, **k: F.nll_loss(x, IGNORED, CLASS_WEIGHT, **k),
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", WITH_TARGET)
def test_two_derivatives_in_prediction_and_target(name: str, reduction: str) -> None:
    loss, y = WITH_TARGET[name]
    gradcheck(lambda x, t: loss(x, t, reduction=reduction), X, y, order=2)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", WITH_LABELS)
def test_two_derivatives_in_logits(name: str, reduction: str) -> None:
    loss = WITH_LABELS[name]
    gradcheck(lambda x: loss(x, reduction=reduction), X, order=2)


def test_two_derivatives_of_images_of_logits() -> None:
    labels = np.array([[0, 3], [-100, 1]])
    gradcheck(lambda x: F.cross_entropy(x, labels), rng.normal(size=(2, 4, 2)), order=2)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("name", [*WITH_TARGET, *WITH_LABELS])
def test_the_dtype_of_the_prediction_is_kept(name: str, dtype: str, reduction: str) -> None:
    """Weights and targets of float64 must not turn a float32 step into a float64 one."""
    x = mg.tensor(X.astype(dtype), requires_grad=True)
    if name in WITH_TARGET:
        loss, y = WITH_TARGET[name]
        out = loss(x, y, reduction=reduction)
    else:
        out = WITH_LABELS[name](x, reduction=reduction)
    assert out.dtype == np.dtype(dtype)
    out.sum().backward(create_graph=True)
    assert x.grad is not None
    assert x.grad.dtype == np.dtype(dtype)
    reference = (
        WITH_TARGET[name][0](X, WITH_TARGET[name][1], reduction=reduction)
        if name in WITH_TARGET
        else WITH_LABELS[name](X, reduction=reduction)
    )
    assert isinstance(reference, (np.ndarray, np.float64)), "arrays in, arrays out"
    np.testing.assert_allclose(out.data, reference, rtol=2e-2 if dtype == "float16" else 1e-5, atol=1e-3)


@pytest.mark.parametrize("kind", ["int64", "int8", "bool", "uint8"])
def test_integer_targets_are_cast(kind: str) -> None:
    y = np.array([0, 1, 1]).astype(kind)
    x = mg.tensor(np.array([0.5, -1.0, 2.0], np.float32), requires_grad=True)
    for loss in (F.mse_loss, F.hinge_loss, F.l1_loss, F.huber_loss, F.binary_cross_entropy_with_logits):
        assert loss(x, y).dtype == np.float32
        assert loss(x, y).item() == pytest.approx(loss(x, y.astype(np.float32)).item())


EXTREME = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_logits(dtype: str) -> None:
    logits = EXTREME.astype(dtype)
    cases: list[tuple[Callable[..., Any], np.ndarray, np.ndarray]] = [
        (
            lambda x: F.cross_entropy(x, np.array([1, 1]), reduction="none"),
            np.array([2e4, math.log(2)]),
            np.array([[1, -1, 0], [0, -0.5, 0.5]]),
        ),
        (
            lambda x: F.binary_cross_entropy_with_logits(x, np.ones((2, 3)), reduction="none"),
            np.array([[0, 1e4, math.log(2)], [1e4, 0, 0]]),
            np.array([[0, -1, -0.5], [-1, 0, 0]]),
        ),
        (
            lambda x: F.binary_cross_entropy_with_logits(
                x, np.ones((2, 3)), reduction="none", pos_weight=np.array([2.0])
            ),
            np.array([[0, 2e4, 2 * math.log(2)], [2e4, 0, 0]]),
            np.array([[0, -2, -1], [-2, 0, 0]]),
        ),
        (
            lambda x: F.cross_entropy(x, np.array([1, 1]), reduction="none", label_smoothing=0.3),
            np.array([0.8 * 2e4 + 0.1 * 1e4, 0.9 * math.log(2) + 0.1 * (2e4 + math.log(2))]),
            np.array([[0.9, -0.8, -0.1], [-0.1, -0.3, 0.4]]),
        ),
    ]
    for loss, value, gradient in cases:
        x = mg.tensor(logits, requires_grad=True)
        out = loss(x)
        np.testing.assert_allclose(out.data, value, rtol=1e-6, atol=1e-6)
        out.sum().backward()
        assert x.grad is not None
        np.testing.assert_allclose(x.grad.data, gradient, rtol=1e-5, atol=1e-6)


def test_small_losses_keep_their_relative_accuracy() -> None:
    x = np.array([30.0, -30.0], np.float32)
    losses = F.binary_cross_entropy_with_logits(x, np.array([1.0, 0.0]), reduction="none")
    np.testing.assert_allclose(losses, [9.357623e-14] * 2, rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 6),
    classes=st.integers(1, 5),
    dtype=st.sampled_from(["int8", "uint8", "int64", "uint64", "int32"]),
    seed=st.integers(0, 2**31),
)
def test_cross_entropy_is_its_definition(n: int, classes: int, dtype: str, seed: int) -> None:
    draw = np.random.default_rng(seed)
    x, labels = draw.normal(size=(n, classes)) * 5, draw.integers(0, classes, n).astype(dtype)
    rows = np.log(np.exp(x).sum(1)) - x[np.arange(n), labels.astype(int)]
    np.testing.assert_allclose(F.cross_entropy(x, labels, reduction="none"), rows, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(F.cross_entropy(mg.tensor(x), mg.tensor(labels)).item(), rows.mean(), atol=1e-12)
    np.testing.assert_allclose(F.nll_loss(F.log_softmax(x), labels, ignore_index=None), rows.mean(), atol=1e-12)
    np.testing.assert_allclose(F.cross_entropy(x, F.one_hot(labels, classes)), rows.mean(), atol=1e-12)


EMPTY = np.zeros((0, 4), np.float32)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss", "hinge_loss", "bce", "kl_div"])
def test_no_elements(name: str) -> None:
    """The mean of nothing is nan, as in PyTorch, without a warning; the sum is 0."""
    loss = WITH_TARGET[name][0]
    for reduction, value in (("mean", math.nan), ("sum", 0.0)):
        x = mg.tensor(EMPTY, requires_grad=True)
        out = loss(x, EMPTY, reduction=reduction)
        np.testing.assert_equal(out.item(), value)
        out.backward()
        assert x.grad is not None
        assert x.grad.shape == (0, 4)
    assert loss(EMPTY, EMPTY, reduction="none").shape == (0, 4)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weight", [None, CLASS_WEIGHT])
def test_no_rows(weight: Any, smoothing: float) -> None:
    labels = np.zeros(0, np.int64)
    for reduction, value in (("mean", math.nan), ("sum", 0.0)):
        out = F.cross_entropy(EMPTY, labels, weight, reduction=reduction, label_smoothing=smoothing)
        np.testing.assert_equal(float(out), value)
        np.testing.assert_equal(float(F.nll_loss(EMPTY, labels, weight, reduction=reduction)), value)
    assert F.cross_entropy(EMPTY, labels, weight, reduction="none", label_smoothing=smoothing).shape == (0,)


def test_one_class_costs_nothing() -> None:
    x = mg.tensor(np.array([[3.0], [-2.0]]), requires_grad=True)
    loss = F.cross_entropy(x, np.zeros(2, int))
    loss.backward()
    assert loss.item() == 0
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.data, np.zeros((2, 1)))


def test_modules_pass_their_options_on() -> None:
    x, weight = mg.tensor(X), CLASS_WEIGHT
    pairs = [
        (nn.MSELoss("sum")(x, Y), F.mse_loss(x, Y, "sum")),
        (nn.L1Loss("sum")(x, Y), F.l1_loss(x, Y, "sum")),
        (nn.HuberLoss("sum", 0.5)(x, Y), F.huber_loss(x, Y, "sum", 0.5)),
        (nn.HingeLoss("sum")(x, Y), F.hinge_loss(x, Y, "sum")),
        (nn.KLDivLoss("batchmean", True)(x, Y), F.kl_div(x, Y, reduction="batchmean", log_target=True)),
        (nn.NLLLoss(weight, 3, "sum")(x, LABELS), F.nll_loss(x, LABELS, weight, ignore_index=3, reduction="sum")),
        (
            nn.CrossEntropyLoss(weight, 3, "sum", 0.5)(x, LABELS),
            F.cross_entropy(x, LABELS, weight, ignore_index=3, reduction="sum", label_smoothing=0.5),
        ),
        (
            nn.BCEWithLogitsLoss(weight, "sum", weight)(x, P),
            F.binary_cross_entropy_with_logits(x, P, weight, reduction="sum", pos_weight=weight),
        ),
    ]
    for module, function in pairs:
        assert module.item() == function.item()
        assert module.item() not in (0.0, x.sum().item())


def test_a_weight_of_a_loss_is_a_buffer_of_it() -> None:
    loss = nn.CrossEntropyLoss(CLASS_WEIGHT).to("float32")
    assert list(loss.parameters()) == []
    assert loss.state_dict()["weight"].dtype == np.float32


ONE = np.ones((2, 3))
ERRORS: list[tuple[str, Callable[[], Any], type[Exception], str]] = [
    ("mse (n,1) and (n,)", lambda: F.mse_loss(np.ones((3, 1)), np.ones(3)), mg.ShapeError, r"\(3, 1\).*\(3,\)"),
    ("bce shapes", lambda: F.binary_cross_entropy_with_logits(ONE, np.ones(3)), mg.ShapeError, "does not broadcast"),
    ("integer prediction", lambda: F.mse_loss(np.ones(3, int), np.ones(3)), mg.DTypeError, "int64.*astype"),
    ("a list", lambda: F.mse_loss(np.ones(3), [1, 2, 3]), TypeError, "target.*list"),
    ("reduction", lambda: F.l1_loss(ONE, ONE, "avg"), ValueError, "'mean', 'sum', 'none'; got 'avg'"),
    ("module reduction", lambda: nn.MSELoss("batchmean"), ValueError, "MSELoss.*'batchmean'"),
    ("kl reduction", lambda: F.kl_div(ONE, ONE, reduction="avg"), ValueError, "'batchmean'; got 'avg'"),
    ("delta", lambda: F.huber_loss(ONE, ONE, delta=0), ValueError, "delta must be positive, got 0"),
    (
        "bce weight",
        lambda: F.binary_cross_entropy_with_logits(ONE, ONE, np.ones((5, 2, 3))),
        mg.ShapeError,
        r"weight has shape \(5, 2, 3\)",
    ),
    ("label too large", lambda: F.cross_entropy(ONE, np.array([0, 3])), ValueError, r"labels\[1\] is 3.*0\.\.2"),
    ("label negative", lambda: F.cross_entropy(ONE, np.array([-1, 5])), ValueError, r"labels\[0\] is -1.*-100"),
    ("image label", lambda: F.nll_loss(np.ones((1, 2, 2)), np.array([[0, 7]])), ValueError, r"labels\[0, 1\] is 7"),
    ("no ignore", lambda: F.cross_entropy(ONE, np.array([0, -100]), ignore_index=None), ValueError, "-100"),
    ("scalar label", lambda: F.cross_entropy(np.ones(3), np.array(4)), ValueError, "the label is 4"),
    ("uint8 label", lambda: F.cross_entropy(ONE, np.array([0, 200], np.uint8)), ValueError, "200"),
    ("float labels", lambda: F.cross_entropy(ONE, np.array([0.0, 1.0])), mg.DTypeError, "astype"),
    ("bool labels", lambda: F.cross_entropy(ONE, np.array([True, False])), mg.DTypeError, "bool.*astype"),
    ("float nll labels", lambda: F.nll_loss(ONE, np.array([0.0, 1.0])), mg.DTypeError, "astype"),
    ("label shape", lambda: F.cross_entropy(ONE, np.array([[0], [1]])), mg.ShapeError, r"shape \(2,\), got \(2, 1\)"),
    ("0-d logits", lambda: F.cross_entropy(np.array(1.0), np.array(0)), mg.ShapeError, r"got \(\)"),
    ("no class", lambda: F.cross_entropy(np.ones((2, 0)), np.array([0, 0])), mg.ShapeError, "C > 0"),
    ("weight shape", lambda: F.cross_entropy(ONE, np.array([0, 1]), np.ones(2)), mg.ShapeError, r"\(3,\), got \(2,\)"),
    (
        "tracked weight",
        lambda: F.cross_entropy(ONE, np.array([0, 1]), mg.tensor(np.ones(3), requires_grad=True)),
        mg.GraphError,
        "detach",
    ),
    ("smoothing", lambda: F.cross_entropy(ONE, np.array([0, 1]), label_smoothing=1.5), ValueError, "1.5"),
    ("soft ignore", lambda: F.cross_entropy(ONE, ONE, ignore_index=1), ValueError, "ignore_index=1"),
    ("one_hot range", lambda: F.one_hot(np.array([0, 3]), 3), ValueError, r"labels\[1\] is 3"),
    ("one_hot dtype", lambda: F.one_hot(np.array([0.5]), 3), mg.DTypeError, "astype"),
]


@pytest.mark.parametrize(("call", "error", "message"), [e[1:] for e in ERRORS], ids=[e[0] for e in ERRORS])
def test_error(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


def test_labels_changed_after_the_forward_are_noticed() -> None:
    labels = mg.tensor(LABELS)
    x = mg.tensor(X, requires_grad=True)
    loss = F.cross_entropy(x, labels)
    labels[0] = 0
    with pytest.raises(mg.GraphError, match="overwritten"):
        loss.backward()


@pytest.mark.parametrize("kind", ["int64", "uint8"])
@pytest.mark.parametrize("weight", [None, CLASS_WEIGHT])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_the_road_of_labels_that_may_not_be_read(
    monkeypatch: pytest.MonkeyPatch, reduction: str, weight: Any, kind: str
) -> None:
    """On a GPU nothing may look at the labels: every row is masked, or none with ignore_index=None."""
    labels = LABELS.astype(kind)
    due = F.cross_entropy(X, labels, weight, reduction=reduction)
    monkeypatch.setattr("minigrad.nn._checks.device_of", lambda array: "cuda:0")
    for ignore_index in (-100, None, 1):
        got = F.cross_entropy(X, labels, weight, ignore_index=ignore_index, reduction=reduction)
        np.testing.assert_allclose(got, due, rtol=1e-12, err_msg=f"ignore_index={ignore_index}")
    ignored = F.cross_entropy(X, labels, weight, ignore_index=0, reduction="sum")
    assert ignored < F.cross_entropy(X, labels, weight, reduction="sum")
