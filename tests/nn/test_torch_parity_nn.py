"""Layers, activations and losses against PyTorch: values and gradients, float64 tightly, float32 loosely.

Losses on the CPU only: test_losses.py compares those of a device with the CPU's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from on_device import host, put

import minigrad as mg
from minigrad import nn
from minigrad.nn import functional as F

torch = pytest.importorskip("torch")
TF = torch.nn.functional
pytestmark = pytest.mark.torch

TOLERANCE = {"float64": 1e-10, "float32": 2e-5}
DTYPES = tuple(TOLERANCE)
rng = np.random.default_rng(7)


def compare(
    ours: Callable[..., Any],
    theirs: Callable[..., Any],
    arrays: list[np.ndarray],
    dtype: str,
    device: str = "cpu",
) -> None:
    """Equal values and equal gradients of every array, for a random cotangent."""
    arrays = [a.astype(dtype) for a in arrays]
    mine = [mg.tensor(a, device=device, requires_grad=True) for a in arrays]
    other = [torch.tensor(a, requires_grad=True) for a in arrays]
    out, expected = ours(*mine), theirs(*other)
    assert out.dtype == np.dtype(dtype)
    assert out.shape == tuple(expected.shape)
    tolerance = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    np.testing.assert_allclose(host(out), expected.detach().numpy(), **tolerance)
    g = np.random.default_rng(3).normal(size=out.shape).astype(dtype)
    out.backward(put(g, device))
    expected.backward(torch.tensor(g))
    for i, (m, o) in enumerate(zip(mine, other, strict=True)):
        due = np.zeros_like(arrays[i]) if o.grad is None else o.grad.numpy()
        got = np.zeros_like(arrays[i]) if m.grad is None else host(m.grad)
        assert got.dtype == np.dtype(dtype)
        np.testing.assert_allclose(got, due, **tolerance, err_msg=f"gradient of argument {i}")


X = np.concatenate([rng.normal(size=(4, 5)) * 3, [[0.0, -0.5, 15.0, -15.0, 4.0]]])

ACTIVATIONS = {
    "relu": (F.relu, TF.relu),
    "leaky_relu": (F.leaky_relu, TF.leaky_relu),
    "leaky_relu 0.3": (nn.LeakyReLU(0.3), torch.nn.LeakyReLU(0.3)),
    "elu": (F.elu, TF.elu),
    "elu 0.7": (nn.ELU(0.7), torch.nn.ELU(0.7)),
    "gelu": (F.gelu, TF.gelu),
    "gelu tanh": (nn.GELU("tanh"), torch.nn.GELU("tanh")),
    "silu": (F.silu, TF.silu),
    "sigmoid": (F.sigmoid, torch.sigmoid),
    "tanh": (F.tanh, torch.tanh),
    "softplus": (F.softplus, lambda x: TF.softplus(x, threshold=100)),
    "softplus 2": (nn.Softplus(2.0), lambda x: TF.softplus(x, 2.0, 100)),
    "softmax": (F.softmax, lambda x: TF.softmax(x, -1)),
    "softmax 0": (nn.Softmax(0), torch.nn.Softmax(0)),
    "log_softmax": (F.log_softmax, lambda x: TF.log_softmax(x, -1)),
    "log_softmax 0": (nn.LogSoftmax(0), torch.nn.LogSoftmax(0)),
    "logsumexp": (lambda x: F.logsumexp(x, 1), lambda x: torch.logsumexp(x, 1)),
    "flatten": (nn.Flatten(0), torch.nn.Flatten(0)),
    "layer_norm": (lambda x: F.layer_norm(x, 5), lambda x: TF.layer_norm(x, (5,))),
    "layer_norm both": (lambda x: F.layer_norm(x, (5, 5), eps=0.1), lambda x: TF.layer_norm(x, (5, 5), eps=0.1)),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation(name: str, dtype: str, device: str) -> None:
    compare(*ACTIVATIONS[name], [X], dtype, device)


Y = rng.normal(size=(6, 4))
T = rng.normal(size=(6, 4))
T[0, 0] = Y[0, 0] + 1.0  # on the joint of the Huber loss
SIGN = np.sign(rng.normal(size=(6, 4)))
P = rng.uniform(size=(6, 4))
P[0] = [0.0, 1.0, 0.0, 1.0]
W = rng.uniform(0.1, 2, size=(6, 1))
PW = rng.uniform(0.1, 3, size=4)
DIST = P / P.sum(1, keepdims=True)
BCE = "binary_cross_entropy_with_logits"


def as_torch(a: Any) -> Any:
    return torch.tensor(a.data if isinstance(a, mg.Tensor) else a)


def bce(weight: Any, pos_weight: Any, r: str) -> tuple[Any, Any]:
    def ours(x: Any, y: Any) -> Any:
        return F.binary_cross_entropy_with_logits(x, y, weight, reduction=r, pos_weight=pos_weight)

    def theirs(x: Any, y: Any) -> Any:
        w, p = (None if v is None else torch.tensor(v).to(x.dtype) for v in (weight, pos_weight))
        return TF.binary_cross_entropy_with_logits(x, y, w, reduction=r, pos_weight=p)

    return ours, theirs


def pairs(r: str) -> dict[str, tuple[Any, Any, list[np.ndarray]]]:
    return {
        "mse": (lambda x, y: F.mse_loss(x, y, r), lambda x, y: TF.mse_loss(x, y, reduction=r), [Y, T]),
        "l1": (lambda x, y: F.l1_loss(x, y, r), lambda x, y: TF.l1_loss(x, y, reduction=r), [Y, T]),
        "huber": (lambda x, y: F.huber_loss(x, y, r), lambda x, y: TF.huber_loss(x, y, reduction=r), [Y, T]),
        "huber 0.3": (nn.HuberLoss(r, 0.3), torch.nn.HuberLoss(reduction=r, delta=0.3), [Y, T]),
        "hinge": (
            lambda x, y: F.hinge_loss(x, y, r),
            lambda x, y: getattr(TF.relu(1 - x * y), r)() if r != "none" else TF.relu(1 - x * y),
            [Y, SIGN],
        ),
        "bce": (*bce(None, None, r), [Y * 5, P]),
        "bce weight": (*bce(W, None, r), [Y * 5, P]),
        "bce pos_weight": (*bce(None, PW, r), [Y * 5, P]),
        "bce both": (*bce(W, PW, r), [Y * 5, P]),
        "kl": (lambda x, y: F.kl_div(x, y, reduction=r), lambda x, y: TF.kl_div(x, y, reduction=r), [Y, P + 0.1]),
        "kl log": (
            nn.KLDivLoss(r, log_target=True),
            torch.nn.KLDivLoss(reduction=r, log_target=True),
            [Y, np.log(P + 0.1)],
        ),
    }


REDUCTIONS = ("mean", "sum", "none")


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides the total loss")  # torch's, about its own kl_div
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("name", pairs("mean"))
def test_loss_of_a_prediction_and_a_target(name: str, reduction: str, dtype: str) -> None:
    ours, theirs, arrays = pairs(reduction)[name]
    compare(ours, theirs, arrays, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_kl_div_batchmean_and_zero_targets(dtype: str) -> None:
    target = DIST.astype(dtype)  # has zeros, whose gradient torch answers with nan, so only the input is tracked
    compare(
        lambda x: F.kl_div(x, target, reduction="batchmean"),
        lambda x: TF.kl_div(x, torch.tensor(target), reduction="batchmean"),
        [Y],
        dtype,
    )


CLASS_WEIGHT = np.array([0.5, 2.0, 0.0, 1.0])
LABELS = np.array([0, 3, 1, 2, 3, -100])
SHAPES = {
    "rows": (Y, LABELS[[0, 1, 2, 3, 4, 0]]),
    "ignored": (Y, LABELS),
    "ignored zero": (Y, np.array([0, 1, 0, 3, 1, 2])),
    "one row": (Y[0], np.array(1)),
    "images": (rng.normal(size=(2, 4, 3, 2)), np.array([0, 3, -100, 2, 1, 0, 3, 3, 1, 1, -100, 0]).reshape(2, 3, 2)),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_cross_entropy(shape: str, weighted: bool, smoothing: float, reduction: str, dtype: str) -> None:
    logits, labels = SHAPES[shape]
    weight = CLASS_WEIGHT.astype(dtype) if weighted else None
    ignore = 0 if shape == "ignored zero" else -100
    ours = nn.CrossEntropyLoss(weight, ignore, reduction, smoothing)
    theirs = torch.nn.CrossEntropyLoss(
        None if weight is None else torch.tensor(weight),
        ignore_index=ignore,
        reduction=reduction,
        label_smoothing=smoothing,
    )
    compare(lambda x: ours(x, labels), lambda x: theirs(x, torch.tensor(labels)), [logits * 3], dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", ["rows", "one row", "images"])
def test_cross_entropy_of_probabilities(
    shape: str, weighted: bool, smoothing: float, reduction: str, dtype: str
) -> None:
    logits = SHAPES[shape][0]
    p = np.random.default_rng(2).uniform(0.1, 1, size=logits.shape)
    weight = CLASS_WEIGHT.astype(dtype) if weighted else None
    options = {"reduction": reduction, "label_smoothing": smoothing}
    tw = None if weight is None else torch.tensor(weight)
    compare(
        lambda x, y: F.cross_entropy(x, y, weight, **options),
        lambda x, y: TF.cross_entropy(x, y, tw, **options),
        [logits, p],
        dtype,
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", SHAPES)
def test_nll(shape: str, weighted: bool, reduction: str, dtype: str) -> None:
    logits, labels = SHAPES[shape]
    weight = CLASS_WEIGHT.astype(dtype) if weighted else None
    ignore = 0 if shape == "ignored zero" else -100
    ours = nn.NLLLoss(weight, ignore, reduction)
    tw = None if weight is None else torch.tensor(weight)
    theirs = torch.nn.NLLLoss(tw, ignore_index=ignore, reduction=reduction)
    compare(lambda x: ours(x, labels), lambda x: theirs(x, torch.tensor(labels)), [logits], dtype)


@pytest.mark.parametrize("labels", [np.full(3, -100), np.zeros(0, np.int64)])
def test_mean_over_no_rows_is_nan_as_in_torch(labels: np.ndarray) -> None:
    x = rng.normal(size=(len(labels), 4))
    assert np.isnan(F.cross_entropy(mg.tensor(x), labels).item())
    assert torch.isnan(TF.cross_entropy(torch.tensor(x), torch.tensor(labels)))


def copy_state(ours: nn.Module, theirs: Any) -> None:
    """Our values into torch's module, by the same names."""
    theirs.load_state_dict({k: torch.tensor(host(v)) for k, v in ours.state_dict().items()})


def randomise(module: nn.Module) -> nn.Module:
    for p in module.parameters():
        nn.init.normal_(p, 0.5, 1.0, generator=1)
    return module


TD = torch.float64
LAYERS = {
    "Linear": (lambda: nn.Linear(5, 3, dtype="f8"), lambda: torch.nn.Linear(5, 3, dtype=TD), (6, 5)),
    "Linear no bias": (
        lambda: nn.Linear(5, 3, False, dtype="f8"),
        lambda: torch.nn.Linear(5, 3, False, dtype=TD),
        (6, 5),
    ),
    "Linear row": (lambda: nn.Linear(5, 3, dtype="f8"), lambda: torch.nn.Linear(5, 3, dtype=TD), (5,)),
    "Linear 3d": (lambda: nn.Linear(5, 3, dtype="f8"), lambda: torch.nn.Linear(5, 3, dtype=TD), (2, 3, 5)),
    "LayerNorm": (lambda: nn.LayerNorm(5, dtype="f8"), lambda: torch.nn.LayerNorm(5, dtype=TD), (6, 5)),
    "LayerNorm 2": (
        lambda: nn.LayerNorm((3, 5), 0.1, dtype="f8"),
        lambda: torch.nn.LayerNorm((3, 5), 0.1, dtype=TD),
        (2, 3, 5),
    ),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(5, dtype="f8"), lambda: torch.nn.BatchNorm1d(5, dtype=TD), (6, 5)),
    "BatchNorm1d 3d": (
        lambda: nn.BatchNorm1d(5, 0.1, 0.3, dtype="f8"),
        lambda: torch.nn.BatchNorm1d(5, 0.1, 0.3, dtype=TD),
        (4, 5, 2),
    ),
    "BatchNorm1d cumulative": (
        lambda: nn.BatchNorm1d(5, momentum=None, dtype="f8"),
        lambda: torch.nn.BatchNorm1d(5, momentum=None, dtype=TD),
        (4, 5),
    ),
    "BatchNorm1d plain": (
        lambda: nn.BatchNorm1d(5, affine=False, track_running_stats=False, dtype="f8"),
        lambda: torch.nn.BatchNorm1d(5, affine=False, track_running_stats=False, dtype=TD),
        (4, 5),
    ),
    "Sequential": (
        lambda: nn.Sequential(
            nn.Linear(5, 4, dtype="f8"), nn.ReLU(), nn.Linear(4, 4, dtype="f8"), nn.Tanh(), nn.Linear(4, 2, dtype="f8")
        ),
        lambda: torch.nn.Sequential(
            torch.nn.Linear(5, 4, dtype=TD),
            torch.nn.ReLU(),
            torch.nn.Linear(4, 4, dtype=TD),
            torch.nn.Tanh(),
            torch.nn.Linear(4, 2, dtype=TD),
        ),
        (6, 5),
    ),
}


@pytest.mark.parametrize("name", LAYERS)
def test_layer(name: str, device: str) -> None:
    """Three steps in training mode, one in evaluation: outputs, gradients and the whole state."""
    make, make_torch, shape = LAYERS[name]
    ours, theirs = randomise(make().to(device)), make_torch()
    copy_state(ours, theirs)
    for step in range(4):
        if step == 3:
            ours.eval()
            theirs.eval()
        x = np.random.default_rng(step).normal(size=shape) + step
        compare(ours, theirs, [x], "float64", device)
        for (k, p), (tk, tp) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
            assert k == tk
            np.testing.assert_allclose(host(p.grad), tp.grad.numpy(), rtol=1e-10, atol=1e-10, err_msg=k)
        for k, v in theirs.state_dict().items():
            np.testing.assert_allclose(host(ours.state_dict()[k]), v.numpy(), rtol=1e-10, err_msg=k)


def test_state_names_and_repr_are_torchs() -> None:
    ours = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2), nn.ReLU(), nn.Dropout(0.3))
    theirs = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2), torch.nn.ReLU(), torch.nn.Dropout(0.3))
    assert list(ours.state_dict()) == list(theirs.state_dict())
    assert repr(ours).splitlines()[1] == repr(theirs).splitlines()[1]
    assert [m[0] for m in ours.named_modules()] == [m[0] for m in theirs.named_modules()]


@pytest.mark.parametrize("nonlinearity", ["linear", "sigmoid", "tanh", "relu", "leaky_relu", "selu"])
def test_gain(nonlinearity: str) -> None:
    assert nn.init.calculate_gain(nonlinearity) == pytest.approx(torch.nn.init.calculate_gain(nonlinearity), rel=1e-12)
