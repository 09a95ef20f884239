"""Layers and activations: values, second derivatives, fusion, dtypes, degenerate sizes, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from on_device import host, put

import minigrad as mg
from minigrad import nn
from minigrad.nn import functional as F
from minigrad.nn.mlp import ACTIVATIONS
from minigrad.testing import gradcheck

rng = np.random.default_rng(5)
X = rng.normal(size=(4, 3))

POINTWISE: dict[str, Callable[[Any], Any]] = {
    "relu": F.relu,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.2),
    "elu": lambda x: F.elu(x, 0.7),
    "gelu": F.gelu,
    "gelu tanh": lambda x: F.gelu(x, "tanh"),
    "silu": F.silu,
    "sigmoid": F.sigmoid,
    "tanh": F.tanh,
    "softplus": F.softplus,
    "softplus beta": lambda x: F.softplus(x, 3.0),
    "softmax": F.softmax,
    "log_softmax": lambda x: F.log_softmax(x, 0),
    "logsumexp": lambda x: F.logsumexp(x, 1),
    "flatten": lambda x: F.flatten(x) * 2.0,
    "dropout": lambda x: F.dropout(x, 0.0),
    "layer_norm": lambda x: F.layer_norm(x, 3),
    "layer_norm all": lambda x: F.layer_norm(x, (4, 3)),
}


@pytest.mark.parametrize("name", POINTWISE)
def test_two_derivatives(name: str, device: str) -> None:
    gradcheck(POINTWISE[name], put(X, device), order=2)


@pytest.mark.parametrize("name", POINTWISE)
def test_float32_stays_float32_and_arrays_stay_arrays(name: str, device: str) -> None:
    f = POINTWISE[name]
    single = put(X.astype(np.float32), device)
    x = mg.tensor(single, requires_grad=True)
    y = f(x)
    assert y.dtype == np.float32
    y.sum().backward(create_graph=True)
    assert x.grad is not None
    assert x.grad.dtype == np.float32
    plain = f(single)
    assert isinstance(plain, type(single))
    np.testing.assert_allclose(host(plain), host(y), rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(host(y), f(X), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [n for n in POINTWISE if n not in ("logsumexp", "flatten")])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_extreme_and_empty_inputs(name: str, dtype: str, device: str) -> None:
    f = POINTWISE[name]
    extreme = np.array([[1e4, -1e4, 0.0], [-1e4, 0.0, 1e4], [1, 2, 3], [0, 0, 1]], dtype)
    x = mg.tensor(extreme, device=device, requires_grad=True)
    y = f(x)
    y.sum().backward()
    assert np.isfinite(host(y)).all()
    assert np.isfinite(host(x.grad)).all()
    if name != "layer_norm all":
        assert f(mg.tensor(np.zeros((0, 3), dtype), device=device)).shape == (0, 3)


def test_activation_modules_call_their_functions(device: str) -> None:
    pairs: list[tuple[nn.Module, Callable[[Any], Any]]] = [
        (nn.ReLU(), F.relu),
        (nn.LeakyReLU(), F.leaky_relu),
        (nn.LeakyReLU(0.2), POINTWISE["leaky_relu"]),
        (nn.ELU(0.7), POINTWISE["elu"]),
        (nn.GELU(), F.gelu),
        (nn.GELU("tanh"), POINTWISE["gelu tanh"]),
        (nn.SiLU(), F.silu),
        (nn.Sigmoid(), F.sigmoid),
        (nn.Tanh(), F.tanh),
        (nn.Softplus(3.0), POINTWISE["softplus beta"]),
        (nn.Softmax(), F.softmax),
        (nn.LogSoftmax(0), POINTWISE["log_softmax"]),
        (nn.Identity(), lambda x: x),
        (nn.Flatten(0), F.flatten),
        (nn.LayerNorm(3, elementwise_affine=False), POINTWISE["layer_norm"]),
    ]
    for module, function in pairs:
        found, due = module(mg.tensor(X, device=device)), function(put(X, device))
        np.testing.assert_array_equal(host(found), host(due), err_msg=repr(module))


# --- Linear and its fusion ------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None)
@given(
    lead=st.lists(st.integers(0, 3), max_size=2),
    sizes=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    bias=st.booleans(),
    activation=st.sampled_from([None, nn.ReLU, nn.Tanh]),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_linear_of_every_size_and_its_fusion(
    lead: list[int], sizes: tuple[int, int], bias: bool, activation: Any, dtype: str, device: str
) -> None:
    layer = nn.Linear(*sizes, bias=bias, dtype=dtype).to(device)
    model = nn.Sequential(layer, *([activation()] if activation else []))
    data = np.random.default_rng(0).normal(size=(*lead, sizes[0])).astype(dtype)
    x, y = (mg.tensor(data, device=device, requires_grad=True) for _ in range(2))
    fused = model(x)
    plain = mg.matmul(y, layer.weight.T) if lead or sizes[0] else mg.matmul(y.reshape(1, 0), layer.weight.T)[0]
    plain = plain if layer.bias is None else plain + layer.bias
    plain = activation()(plain) if activation else plain
    assert fused.shape == (*lead, sizes[1])
    assert fused.dtype == np.dtype(dtype)
    tolerance = {"rtol": 1e-5 if dtype == "float32" else 1e-12, "atol": 1e-6}
    np.testing.assert_allclose(host(fused), host(plain), **tolerance)
    gradients = []
    for out, leaf in ((fused, x), (plain, y)):
        model.zero_grad()
        (out * out).sum().backward()
        gradients.append([host(t.grad) for t in (leaf, *model.parameters())])
    for got, due in zip(*gradients, strict=True):
        assert got.dtype == np.dtype(dtype)
        np.testing.assert_allclose(got, due, **tolerance)


class Shifted(nn.Linear):
    def forward(self, x: Any) -> Any:
        return super().forward(x) + 1


class Doubled(nn.ReLU):
    def forward(self, x: Any) -> Any:
        return super().forward(x) * 2


def test_fusion_takes_exact_types_only_and_makes_one_node(device: str) -> None:
    x = mg.tensor(X, device=device)
    layer = Shifted(3, 2, dtype="float64").to(device)
    np.testing.assert_array_equal(host(nn.Sequential(layer, nn.ReLU())(x)), host(F.relu(layer(x))))
    linear = nn.Linear(3, 2, dtype="float64").to(device)
    np.testing.assert_array_equal(host(nn.Sequential(linear, Doubled())(x)), host(F.relu(linear(x))) * 2)
    out = nn.Sequential(linear, nn.ReLU())(x)
    assert out._node.op.name == "linear"
    # a new weight is seen: only the order of the modules is remembered
    linear.weight = nn.Parameter(put(np.ones((2, 3)), device))
    np.testing.assert_array_equal(host(nn.Sequential(linear, nn.ReLU())(x)), host(F.relu(linear(x))))


def test_two_derivatives_of_layers_in_all_parameters(device: str) -> None:
    x, w, b, v, c = (put(a, device) for a in (X, *(rng.normal(size=s) for s in ((2, 3), 2, 3, 3))))
    gradcheck(F.linear, x, w, b, order=2)
    gradcheck(lambda x, v, c: F.layer_norm(x, 3, v, c, eps=0.1), x, v, c, order=2)
    for shape in ((4, 3), (3, 3, 2)):
        norm = nn.BatchNorm1d(3, dtype="float64").to(device)
        gradcheck(norm, put(rng.normal(size=shape), device), order=2)


# --- normalisation ----------------------------------------------------------------------------------------------------


def test_batch_norm_normalises_and_tracks(device: str) -> None:
    norm = nn.BatchNorm1d(2, eps=0.0, momentum=0.5, dtype="float64").to(device)
    x = put(np.array([[1.0, 10.0], [3.0, 30.0]]), device)
    np.testing.assert_allclose(host(norm(x)), [[-1, -1], [1, 1]])
    state = norm.state_dict()
    np.testing.assert_allclose(host(state["running_mean"]), [1, 10])
    np.testing.assert_allclose(host(state["running_var"]), [0.5 + 0.5 * 2, 0.5 + 0.5 * 200])
    assert state["num_batches_tracked"].item() == 1
    norm.eval()
    np.testing.assert_allclose(host(norm(x[:1])), [[0, 0]])
    assert state["num_batches_tracked"].item() == 1


@pytest.mark.parametrize("momentum", [0.1, None])
def test_batch_norm_in_float32(momentum: float | None, device: str) -> None:
    norm = nn.BatchNorm1d(3, momentum=momentum).to(device)
    x = mg.tensor(X.astype(np.float32), device=device, requires_grad=True)
    for _ in range(2):
        y = norm(x)
        (y * y * y).sum().backward()
        assert {t.dtype.name for t in (y, x.grad, *norm.parameters(), *(p.grad for p in norm.parameters()))} == {
            "float32"
        }
        assert [b.dtype.name for b in norm.buffers()] == ["float32", "float32", "int64"]
    assert [b.shape for b in norm.buffers()] == [(3,), (3,), ()]


def test_batch_norm_in_evaluation_after_a_tracked_training_step(device: str) -> None:
    """Moving the running statistics must not spoil a graph that is still to be differentiated."""
    norm = nn.BatchNorm1d(3, dtype="float64").to(device)
    first = norm(mg.tensor(X, device=device, requires_grad=True))
    norm(put(X + 1, device))
    first.sum().backward()
    norm.eval()
    x = mg.tensor(X, device=device, requires_grad=True)
    out = norm(x)
    norm.train()(put(X, device))
    out.sum().backward()
    mean, var = np.zeros(3), np.ones(3)
    for batch in (X, X + 1):
        mean, var = 0.9 * mean + 0.1 * batch.mean(0), 0.9 * var + 0.1 * batch.var(0, ddof=1)
    np.testing.assert_allclose(host(out), (X - mean) / np.sqrt(var + 1e-5), rtol=1e-12)
    np.testing.assert_allclose(host(x.grad), np.broadcast_to(1 / np.sqrt(var + 1e-5), X.shape), rtol=1e-12)


def test_a_constant_feature_normalises_to_zero(device: str) -> None:
    x = mg.tensor(np.full((3, 1), 7.0, np.float32), device=device, requires_grad=True)
    for norm in (nn.BatchNorm1d(1).to(device), nn.LayerNorm(1).to(device)):
        x.grad = None
        y = norm(x)
        y.sum().backward()
        np.testing.assert_array_equal(host(y), np.zeros((3, 1)))
        np.testing.assert_array_equal(host(x.grad), np.zeros((3, 1)))


# --- dropout ----------------------------------------------------------------------------------------------------------


def test_dropout(device: str) -> None:
    mg.manual_seed(1)
    ones = np.ones((100, 50), np.float32)
    x = mg.tensor(ones, device=device, requires_grad=True)
    layer = nn.Dropout(0.3)
    y = layer(x)
    y.sum().backward()
    assert y.dtype == np.float32
    values = host(y)
    assert set(np.unique(values)) == {np.float32(0), np.float32(1 / 0.7)}
    assert 0.27 < (values == 0).mean() < 0.33
    np.testing.assert_array_equal(host(x.grad), values)
    assert not np.array_equal(host(layer(x)), values)
    mg.manual_seed(1)
    np.testing.assert_array_equal(host(layer(x)), values)
    mg.manual_seed(1)
    np.testing.assert_array_equal(layer(mg.tensor(ones)).data, values, err_msg="one seed, one mask on every device")
    assert layer.eval()(x) is x
    raw = put(X, device)
    np.testing.assert_array_equal(host(F.dropout(raw, 1.0)), np.zeros_like(X))
    assert F.dropout(raw, 0.0) is raw


# --- MLP, one_hot -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("normalization", [None, "batch", "layer"])
def test_mlp(activation: str, normalization: str | None, device: str) -> None:
    model = nn.MLP(3, (5, 4), 2, activation, 0.25, normalization).to(device)
    kinds = [type(m).__name__ for m in model.layers]
    hidden = ["Linear", *([] if normalization is None else [type(model.layers[1]).__name__])]
    hidden += [type(ACTIVATIONS[activation]()).__name__, "Dropout"]
    assert kinds == [*hidden, *hidden, "Linear"]
    x = mg.tensor(X.astype(np.float32), device=device, requires_grad=True)
    y = model(x)
    assert (y.shape, y.dtype, y.device) == ((4, 2), np.float32, device)
    y.sum().backward()
    assert all(p.grad is not None and p.grad.dtype == np.float32 for p in model.parameters())


def test_mlp_of_no_and_of_one_hidden_layer(device: str) -> None:
    assert [n for n, _ in nn.MLP(3, [], 2).named_parameters()] == ["layers.0.weight", "layers.0.bias"]
    assert [type(m).__name__ for m in nn.MLP(3, 7, 2, "tanh").layers] == ["Linear", "Tanh", "Linear"]
    x = put(X, device)
    assert nn.MLP(3, 7, 2, dtype="float64").to(device)(x[0]).shape == (2,)
    many = nn.MLP(3, np.array([4, 5]), 2, dtype="float64").to(device)  # type: ignore[arg-type]
    assert many(x[:0]).shape == (0, 2)


def test_one_hot(device: str) -> None:
    np.testing.assert_array_equal(host(F.one_hot(put(np.array([2, 0]), device), 3)), [[0, 0, 1], [1, 0, 0]])
    assert F.one_hot(put(np.array([[1, 0]]), device), 2).shape == (1, 2, 2)
    assert F.one_hot(mg.tensor(np.array([1]), device=device), 2, "float64").dtype == np.float64
    assert F.one_hot(put(np.zeros(0, int), device), 3).shape == (0, 3)


def test_flatten(device: str) -> None:
    x = put(np.zeros((2, 3, 4, 0)), device)
    assert nn.Flatten()(x).shape == (2, 0)
    assert nn.Flatten(-2)(put(np.zeros((2, 3, 4)), device)).shape == (2, 12)
    assert F.flatten(put(np.array(1.0), device)).shape == (1,)


ROW = np.ones((2, 3), np.float32)
ERRORS: list[tuple[str, Callable[[], Any], type[Exception], str]] = [
    ("Linear width", lambda: nn.Linear(4, 2)(ROW), mg.ShapeError, r"in_features=4.*\(2, 3\).*Flatten"),
    ("Linear 0-d", lambda: nn.Linear(1, 2)(np.float32(1)), mg.ShapeError, r"got shape \(\)"),
    ("Linear dtype", lambda: nn.Linear(3, 2)(X), mg.DTypeError, r"float64.*float32.*x\.astype\('float32'\)"),
    ("Linear integers", lambda: nn.Linear(3, 2)(np.ones((2, 3), int)), mg.DTypeError, r"int64.*astype"),
    ("Linear list", lambda: nn.Linear(3, 2)([[1, 2, 3]]), TypeError, "must be an array or a Tensor, got list"),
    ("Linear size", lambda: nn.Linear(3.0, 2), TypeError, r"in_features must be an integer, got 3\.0"),  # type: ignore[arg-type]
    ("Linear negative", lambda: nn.Linear(3, -2), ValueError, "out_features must not be negative, got -2"),
    ("Linear int dtype", lambda: nn.Linear(3, 2, dtype=int), mg.DTypeError, "floating dtype"),
    ("fused width", lambda: nn.Sequential(nn.Linear(4, 2), nn.ReLU())(ROW), mg.ShapeError, "in_features=4"),
    ("F.linear dtype", lambda: F.linear(X, ROW), mg.DTypeError, "astype"),
    ("gelu", lambda: F.gelu(X, "sigmoid"), ValueError, r"\['none', 'tanh'\], got 'sigmoid'"),
    ("GELU", lambda: nn.GELU("sigmoid"), ValueError, "'none' or 'tanh', got 'sigmoid'"),
    ("softplus", lambda: nn.Softplus(0), ValueError, "beta must be positive, got 0"),
    ("softmax axis", lambda: F.softmax(X, 2), mg.ShapeError, "axis 2"),
    ("dropout p", lambda: nn.Dropout(1.5), ValueError, r"in \[0, 1\], got 1\.5"),
    ("dropout nan", lambda: F.dropout(X, float("nan")), ValueError, "got nan"),
    ("dropout int", lambda: F.dropout(np.ones(3, int)), mg.DTypeError, "floating point, got int64"),
    ("layer_norm", lambda: F.layer_norm(X, 4), mg.ShapeError, r"\(4,\).*got \(4, 3\)"),
    ("layer_norm weight", lambda: F.layer_norm(X, 3, np.ones(4)), mg.ShapeError, r"weight.*\(3,\), got \(4,\)"),
    ("LayerNorm dtype", lambda: nn.LayerNorm(3)(X), mg.DTypeError, "astype"),
    ("LayerNorm ()", lambda: nn.LayerNorm(()), ValueError, "at least one axis"),
    ("BatchNorm one row", lambda: nn.BatchNorm1d(3)(ROW[:1]), ValueError, r"more than 1 value.*\(1, 3\).*drop_last"),
    ("BatchNorm shape", lambda: nn.BatchNorm1d(4)(ROW), mg.ShapeError, r"\(n, 4\).*got \(2, 3\)"),
    ("BatchNorm dtype", lambda: nn.BatchNorm1d(3)(X), mg.DTypeError, "astype"),
    ("BatchNorm integers", lambda: nn.BatchNorm1d(3)(np.ones((2, 3), int)), mg.DTypeError, "floating point"),
    ("MLP activation", lambda: nn.MLP(1, 2, 3, "swish"), ValueError, "one of relu, leaky_relu.*got 'swish'"),
    ("MLP norm", lambda: nn.MLP(1, 2, 3, normalization="group"), ValueError, "batch, layer; got 'group'"),
    ("MLP dropout", lambda: nn.MLP(1, 2, 3, dropout=-1), ValueError, "got -1"),
    ("MLP hidden", lambda: nn.MLP(1, [2.5], 3), TypeError, r"hidden must be an integer, got 2\.5"),  # type: ignore[list-item]
    ("MLP images", lambda: nn.MLP(3, 2, 3)(np.ones((2, 3, 3), np.float32)), mg.ShapeError, r"\(2, 3, 3\).*Flatten"),
    ("flatten axis", lambda: F.flatten(X, 2), mg.ShapeError, r"start_axis 2.*\(4, 3\)"),
    ("one_hot classes", lambda: F.one_hot(np.array([0]), -1), ValueError, "must not be negative"),
]


@pytest.mark.parametrize(("call", "error", "message"), [e[1:] for e in ERRORS], ids=[e[0] for e in ERRORS])
def test_error(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
