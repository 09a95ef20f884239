"""Losses: second derivatives, extreme logits, dtypes, empty inputs, kernels and roads of a device, and errors."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from on_device import host, put
from strict_provider import StrictProvider

import minigrad as mg
from minigrad import nn
from minigrad.backend import fused_kernels
from minigrad.backend.device import device_of
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


def weights(x: Any, values: np.ndarray = CLASS_WEIGHT) -> Any:
    """A constant, as a raw array on the device of x."""
    return put(values, device_of(x.data if isinstance(x, mg.Tensor) else x))


WITH_TARGET: dict[str, tuple[Callable[..., Any], np.ndarray]] = {
    "mse_loss": (F.mse_loss, Y),
    "l1_loss": (F.l1_loss, Y),
    "huber_loss": (F.huber_loss, Y),
    "hinge_loss": (F.hinge_loss, Y),
    "bce": (F.binary_cross_entropy_with_logits, P),
    "bce weights": (
        lambda x, y, reduction="mean": F.binary_cross_entropy_with_logits(
            x, y, weights(x, np.full((3, 1), 1.5)), reduction=reduction, pos_weight=weights(x)
        ),
        P,
    ),
    "kl_div": (F.kl_div, P),
    "kl_div log": (lambda x, y, reduction="mean": F.kl_div(x, y, reduction=reduction, log_target=True), Y),
    "cross_entropy soft": (F.cross_entropy, P),
    "cross_entropy soft smooth": (
        lambda x, y, reduction="mean": F.cross_entropy(x, y, weights(x), reduction=reduction, label_smoothing=0.2),
        P,
    ),
}
WITH_LABELS: dict[str, tuple[Callable[..., Any], np.ndarray]] = {
    "cross_entropy": (F.cross_entropy, LABELS),
    "cross_entropy ignored": (F.cross_entropy, IGNORED),
    "cross_entropy weight": (lambda x, y, **k: F.cross_entropy(x, y, weights(x), **k), IGNORED),
    "cross_entropy smooth": (lambda x, y, **k: F.cross_entropy(x, y, weights(x), label_smoothing=0.1, **k), IGNORED),
    "nll_loss": (F.nll_loss, LABELS),
    "nll_loss weight": (lambda x, y, **k: F.nll_loss(x, y, weights(x), **k), IGNORED),
}


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", WITH_TARGET)
def test_two_derivatives_in_prediction_and_target(name: str, reduction: str, device: str) -> None:
    loss, y = WITH_TARGET[name]
    gradcheck(lambda x, t: loss(x, t, reduction=reduction), put(X, device), put(y, device), order=2)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", WITH_LABELS)
def test_two_derivatives_in_logits(name: str, reduction: str, device: str) -> None:
    loss, labels = WITH_LABELS[name]
    gradcheck(lambda x: loss(x, put(labels, device), reduction=reduction), put(X, device), order=2)


def test_two_derivatives_of_images_of_logits(device: str) -> None:
    labels = put(np.array([[0, 3], [-100, 1]]), device)
    gradcheck(lambda x: F.cross_entropy(x, labels), put(rng.normal(size=(2, 4, 2)), device), order=2)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("name", [*WITH_TARGET, *WITH_LABELS])
def test_the_dtype_of_the_prediction_is_kept(name: str, dtype: str, reduction: str, device: str) -> None:
    """Weights and targets of float64 must not turn a float32 step into a float64 one."""
    loss, y = (WITH_TARGET | WITH_LABELS)[name]
    x = mg.tensor(X.astype(dtype), device=device, requires_grad=True)
    out = loss(x, put(y, device), reduction=reduction)
    assert out.dtype == np.dtype(dtype)
    out.sum().backward(create_graph=True)
    assert x.grad is not None
    assert x.grad.dtype == np.dtype(dtype)
    raw = loss(put(X, device), put(y, device), reduction=reduction)
    assert isinstance(raw, (type(x.data), np.float64)), "arrays in, arrays out"
    tolerance = {"rtol": 2e-2 if dtype == "float16" else 1e-5, "atol": 1e-3}
    np.testing.assert_allclose(host(out), loss(X, y, reduction=reduction), **tolerance)


@pytest.mark.parametrize("kind", ["int64", "int8", "bool", "uint8"])
def test_integer_targets_are_cast(kind: str, device: str) -> None:
    y = put(np.array([0, 1, 1]).astype(kind), device)
    x = mg.tensor(np.array([0.5, -1.0, 2.0], np.float32), device=device, requires_grad=True)
    for loss in (F.mse_loss, F.hinge_loss, F.l1_loss, F.huber_loss, F.binary_cross_entropy_with_logits):
        assert loss(x, y).dtype == np.float32
        assert loss(x, y).item() == pytest.approx(loss(x, y.astype(np.float32)).item())


EXTREME = np.array([[1e4, -1e4, 0.0], [-1e4, 1e4, 1e4]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_logits(dtype: str, device: str) -> None:
    labels, ones = put(np.array([1, 1]), device), put(np.ones((2, 3)), device)
    cases: list[tuple[Callable[..., Any], np.ndarray, np.ndarray]] = [
        (
            lambda x: F.cross_entropy(x, labels, reduction="none"),
            np.array([2e4, math.log(2)]),
            np.array([[1, -1, 0], [0, -0.5, 0.5]]),
        ),
        (
            lambda x: F.binary_cross_entropy_with_logits(x, ones, reduction="none"),
            np.array([[0, 1e4, math.log(2)], [1e4, 0, 0]]),
            np.array([[0, -1, -0.5], [-1, 0, 0]]),
        ),
        (
            lambda x: F.binary_cross_entropy_with_logits(
                x, ones, reduction="none", pos_weight=put(np.array([2.0]), device)
            ),
            np.array([[0, 2e4, 2 * math.log(2)], [2e4, 0, 0]]),
            np.array([[0, -2, -1], [-2, 0, 0]]),
        ),
        (
            lambda x: F.cross_entropy(x, labels, reduction="none", label_smoothing=0.3),
            np.array([0.8 * 2e4 + 0.1 * 1e4, 0.9 * math.log(2) + 0.1 * (2e4 + math.log(2))]),
            np.array([[0.9, -0.8, -0.1], [-0.1, -0.3, 0.4]]),
        ),
    ]
    for loss, value, gradient in cases:
        x = mg.tensor(EXTREME.astype(dtype), device=device, requires_grad=True)
        out = loss(x)
        np.testing.assert_allclose(host(out), value, rtol=1e-6, atol=1e-6)
        out.sum().backward()
        np.testing.assert_allclose(host(x.grad), gradient, rtol=1e-5, atol=1e-6)


def test_small_losses_keep_their_relative_accuracy(device: str) -> None:
    x, y = put(np.array([30.0, -30.0], np.float32), device), put(np.array([1.0, 0.0]), device)
    losses = F.binary_cross_entropy_with_logits(x, y, reduction="none")
    np.testing.assert_allclose(host(losses), [9.357623e-14] * 2, rtol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 6),
    classes=st.integers(1, 5),
    dtype=st.sampled_from(["int8", "uint8", "int64", "uint64", "int32"]),
    seed=st.integers(0, 2**31),
)
def test_cross_entropy_is_its_definition(n: int, classes: int, dtype: str, seed: int, device: str) -> None:
    draw = np.random.default_rng(seed)
    x, labels = draw.normal(size=(n, classes)) * 5, draw.integers(0, classes, n).astype(dtype)
    rows = np.log(np.exp(x).sum(1)) - x[np.arange(n), labels.astype(int)]
    x, labels = put(x, device), put(labels, device)
    np.testing.assert_allclose(host(F.cross_entropy(x, labels, reduction="none")), rows, rtol=1e-10, atol=1e-12)
    for mean in (
        F.cross_entropy(mg.tensor(x), mg.tensor(labels)),
        F.nll_loss(F.log_softmax(x), labels, ignore_index=None),
        F.cross_entropy(x, F.one_hot(labels, classes)),
    ):
        np.testing.assert_allclose(host(mean), rows.mean(), atol=1e-12)


EMPTY = np.zeros((0, 4), np.float32)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss", "hinge_loss", "bce", "kl_div"])
def test_no_elements(name: str, device: str) -> None:
    """The mean of nothing is nan, as in PyTorch, without a warning; the sum is 0."""
    loss, empty = WITH_TARGET[name][0], put(EMPTY, device)
    for reduction, value in (("mean", math.nan), ("sum", 0.0)):
        x = mg.tensor(empty, requires_grad=True)
        out = loss(x, empty, reduction=reduction)
        np.testing.assert_equal(out.item(), value)
        out.backward()
        assert x.grad is not None
        assert x.grad.shape == (0, 4)
    assert loss(empty, empty, reduction="none").shape == (0, 4)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weight", [None, CLASS_WEIGHT])
def test_no_rows(weight: Any, smoothing: float, device: str) -> None:
    empty, labels = put(EMPTY, device), put(np.zeros(0, np.int64), device)
    weight = weight if weight is None else put(weight, device)
    for reduction, value in (("mean", math.nan), ("sum", 0.0)):
        out = F.cross_entropy(empty, labels, weight, reduction=reduction, label_smoothing=smoothing)
        np.testing.assert_equal(float(out), value)
        np.testing.assert_equal(float(F.nll_loss(empty, labels, weight, reduction=reduction)), value)
    assert F.cross_entropy(empty, labels, weight, reduction="none", label_smoothing=smoothing).shape == (0,)


def test_one_class_costs_nothing(device: str) -> None:
    x = mg.tensor(np.array([[3.0], [-2.0]]), device=device, requires_grad=True)
    loss = F.cross_entropy(x, put(np.zeros(2, int), device))
    loss.backward()
    assert loss.item() == 0
    np.testing.assert_array_equal(host(x.grad), np.zeros((2, 1)))


def test_modules_pass_their_options_on(device: str) -> None:
    x, y, p, labels, weight = (mg.tensor(a, device=device) for a in (X, Y, P, LABELS, CLASS_WEIGHT))
    pairs = [
        (nn.MSELoss("sum")(x, y), F.mse_loss(x, y, "sum")),
        (nn.L1Loss("sum")(x, y), F.l1_loss(x, y, "sum")),
        (nn.HuberLoss("sum", 0.5)(x, y), F.huber_loss(x, y, "sum", 0.5)),
        (nn.HingeLoss("sum")(x, y), F.hinge_loss(x, y, "sum")),
        (nn.KLDivLoss("batchmean", True)(x, y), F.kl_div(x, y, reduction="batchmean", log_target=True)),
        (nn.NLLLoss(weight, 3, "sum")(x, labels), F.nll_loss(x, labels, weight, ignore_index=3, reduction="sum")),
        (
            nn.CrossEntropyLoss(weight, 3, "sum", 0.5)(x, labels),
            F.cross_entropy(x, labels, weight, ignore_index=3, reduction="sum", label_smoothing=0.5),
        ),
        (
            nn.BCEWithLogitsLoss(weight, "sum", weight)(x, p),
            F.binary_cross_entropy_with_logits(x, p, weight, reduction="sum", pos_weight=weight),
        ),
    ]
    for module, function in pairs:
        assert module.item() == function.item()
        assert module.item() not in (0.0, x.sum().item())


def test_a_weight_of_a_loss_is_a_buffer_of_it(device: str) -> None:
    loss = nn.CrossEntropyLoss(CLASS_WEIGHT).to("float32").to(device)
    assert list(loss.parameters()) == []
    weight = loss.state_dict()["weight"]
    assert (weight.dtype, weight.device) == (np.float32, device)
    x, labels = mg.tensor(X.astype(np.float32), device=device), mg.tensor(LABELS, device=device)
    assert loss(x, labels).item() == pytest.approx(F.cross_entropy(X, LABELS, CLASS_WEIGHT), rel=1e-6)


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


def test_labels_changed_after_the_forward_are_noticed(device: str) -> None:
    labels = mg.tensor(LABELS, device=device)
    x = mg.tensor(X.astype(np.float32), device=device, requires_grad=True)
    loss = F.cross_entropy(x, labels)
    labels[0] = 0
    with pytest.raises(mg.GraphError, match="overwritten"):
        loss.backward()


@pytest.mark.parametrize("kind", ["int64", "uint8"])
@pytest.mark.parametrize("weight", [None, CLASS_WEIGHT])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_labels_on_a_device_are_not_read(strict: StrictProvider, reduction: str, weight: Any, kind: str) -> None:
    """On a GPU nothing may look at the labels: every row is masked, or none with ignore_index=None."""
    labels = LABELS.astype(kind)
    there = [a if a is None else put(a, "cuda:0") for a in (X, labels, weight)]
    for ignore_index in (-100, None, 0, 1):
        options = {"ignore_index": ignore_index, "reduction": reduction}
        with strict.machine.no_sync():
            got = F.cross_entropy(*there, **options)
        due = F.cross_entropy(X, labels, weight, **options)
        np.testing.assert_allclose(host(got), due, rtol=1e-12, err_msg=f"ignore_index={ignore_index}")


# --- float32 on a device: one kernel for the loss and its gradient ----------------------------------------------------

LOGITS = (rng.normal(size=(9, 5)) * 3).astype(np.float32)
ROWS = rng.integers(0, 5, 9)
SOME_IGNORED = np.where(np.arange(9) % 3 == 0, -100, ROWS)
few_or_many = pytest.mark.parametrize("few", [2048, 0], ids=["few rows", "many rows"])


def value_and_gradient(device: str, labels: np.ndarray, backward: Any, **options: Any) -> tuple[np.ndarray, np.ndarray]:
    logits = mg.tensor(LOGITS, device=device, requires_grad=True)
    loss = F.cross_entropy(logits, mg.tensor(labels, device=device), **options)
    backward(loss)
    return host(loss), host(logits.grad)


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


@few_or_many
@pytest.mark.parametrize("backward", BACKWARDS.values(), ids=BACKWARDS.keys())
@pytest.mark.parametrize("labels", [ROWS, SOME_IGNORED], ids=["all", "some ignored"])
@pytest.mark.parametrize("options", [{}, {"ignore_index": 2}, {"ignore_index": None}, {"reduction": "sum"}], ids=str)
def test_the_kernel_gives_the_numbers_of_the_cpu(
    monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], labels: np.ndarray, backward: Any, few: int, device: str
) -> None:
    monkeypatch.setattr(fused_kernels, "FEW_ROWS", few)
    if labels is SOME_IGNORED and options.get("ignore_index", -100) != -100:
        labels = ROWS  # -100 would be a label out of range
    found, due = (value_and_gradient(d, labels, backward, **options) for d in (device, "cpu"))
    for a, b in zip(found, due, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_the_second_derivative_behind_the_kernel(device: str) -> None:
    found = []
    for there in (device, "cpu"):
        logits = mg.tensor(LOGITS, device=there, requires_grad=True)
        F.cross_entropy(logits, mg.tensor(SOME_IGNORED, device=there)).backward(create_graph=True)
        first = logits.grad
        logits.grad = None
        (first * first).sum().backward()  # type: ignore[operator]
        found.append(host(logits.grad))
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-7)


def test_one_launch_forward_and_none_backward(strict: StrictProvider) -> None:
    logits = mg.tensor(LOGITS, device="cuda", requires_grad=True)
    labels = mg.tensor(ROWS, device="cuda")
    F.cross_entropy(logits, labels).backward()  # makes the ticket and the seed
    strict.machine.reset()
    loss = F.cross_entropy(logits * 1.0, labels)
    assert dict(strict.machine.tally.launches) == {"multiply": 1, "softmax_cross_entropy_f32": 1}
    strict.machine.reset()
    loss.backward()
    assert "softmax_cross_entropy_backward_f32" not in strict.machine.tally.launches


@few_or_many
def test_labels_out_of_range_give_nan_on_a_device_not_a_wrong_number(
    strict: StrictProvider, monkeypatch: pytest.MonkeyPatch, few: int
) -> None:
    monkeypatch.setattr(fused_kernels, "FEW_ROWS", few)
    wrong = ROWS.copy()
    wrong[4] = 5
    loss, gradient = value_and_gradient("cuda", wrong, lambda loss: loss.backward())
    assert np.isnan(loss)
    assert np.isnan(gradient[4]).all()
    assert np.isfinite(gradient[:4]).all()
