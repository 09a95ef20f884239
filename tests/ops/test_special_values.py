"""Values where a convention decides or a careless formula overflows: expected value and gradient, written out."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import pytest
from on_device import host, put

import minigrad as mg
from minigrad.ops import activations, fused, index, losses, reduce, shape, softmax
from minigrad.ops import elementwise as ew

INF, NAN = math.inf, math.nan


class Special(NamedTuple):
    """fn at `at` has `value` and, for a cotangent of ones, `gradient` (one per argument)."""

    name: str
    fn: Any
    at: tuple[Any, ...]
    value: Any
    gradient: tuple[Any, ...]
    rtol: float = 1e-14


BIG = 1e4
KINKS = [
    Special("relu at 0", ew.relu, ([-1, 0.0, -0.0, 2],), [0, 0, 0, 2], ([0, 0, 0, 1],)),
    Special("abs at 0", ew.absolute, ([-1, 0.0, -0.0, 2],), [1, 0, 0, 2], ([-1, 0, 0, 1],)),
    Special("maximum splits ties", ew.maximum, ([1, 2, 3.0], [1, 3, 2.0]), [1, 3, 3], ([0.5, 0, 1], [0.5, 1, 0])),
    Special("minimum splits ties", ew.minimum, ([1, 2, 3.0], [1, 3, 2.0]), [1, 2, 2], ([0.5, 1, 0], [0.5, 0, 1])),
    Special("maximum with a number", lambda x: ew.maximum(x, 0), ([-1, 0, 2.0],), [0, 0, 2], ([0, 0.5, 1],)),
    Special("max splits ties", reduce.max, ([[1, 3, 3.0], [0, 3, -1]],), 3, ([[0, 1 / 3, 1 / 3], [0, 1 / 3, 0]],)),
    Special("min splits ties", lambda x: reduce.min(x, 1), ([[1, 1, 3.0], [5, 5, 5]],), [1, 5],
            ([[0.5, 0.5, 0], [1 / 3, 1 / 3, 1 / 3]],)),
    Special("max of equal infinities", reduce.max, ([-INF, INF, INF],), INF, ([0, 0.5, 0.5],)),
    Special("clip passes at its bounds", lambda x: ew.clip(x, -1, 1), ([-2, -1, 0, 1, 2.0],), [-1, -1, 0, 1, 1],
            ([0, 1, 1, 1, 0],)),
    Special("leaky_relu at 0", activations.leaky_relu, ([-1, 0, 2.0],), [-0.01, 0, 2], ([0.01, 0.01, 1],)),
    Special("elu at 0", activations.elu, ([0, 2.0],), [0, 2], ([1, 1],)),
    Special("where of a guarded log", lambda x: ew.where(x > 0, ew.log(ew.where(x > 0, x, 1.0)), x),
            ([-1, 1, 2.0],), [-1, 0, math.log(2)], ([1, 1, 0.5],)),
    Special("where with nan in the branch not taken", lambda x, y: ew.where([True, False], x, y),
            ([1, NAN], [NAN, 2.0]), [1, 2], ([1, 0], [0, 1])),
    Special("where of an infinite cotangent", lambda x: ew.reciprocal(ew.where([True, False], x, 1.0)), ([2.0, 0.0],),
            [0.5, 1], ([-0.25, 0],)),
]  # fmt: skip
POWERS = [
    Special("x**0 at 0", lambda x: ew.power(x, 0), ([0, 2.0],), [1, 1], ([0, 0],)),
    Special("x**1 at 0", lambda x: ew.power(x, 1), ([0, 2.0],), [0, 2], ([1, 1],)),
    Special("x**2 at 0", lambda x: ew.power(x, 2), ([0, -2.0],), [0, 4], ([0, -4],)),
    Special("x**3 of a negative", lambda x: ew.power(x, 3), ([-2, 0.0],), [-8, 0], ([12, 0],)),
    Special("x**-1 of a negative", lambda x: ew.power(x, -1), ([-2.0],), [-0.5], ([-0.25],)),
    Special("0**0 and 0**y", ew.power, ([0, 0, 0, 2.0], [0, 1, 2, 0.0]), [1, 0, 0, 1],
            ([0, 1, 0, 0], [0, 0, 0, math.log(2)])),
    Special("0**y of a number", lambda y: ew.power(0, y), ([1, 2.0],), [0, 0], ([0, 0],)),
    Special("1**y of a number", lambda y: ew.power(1.0, y), ([1, -2.0],), [1, 1], ([0, 0],)),
]  # fmt: skip
SATURATION = [
    Special("sigmoid", ew.sigmoid, ([-INF, -800, 0, 800, INF],), [0, 0, 0.5, 1, 1], ([0, 0, 0.25, 0, 0],)),
    Special("sigmoid's left tail", ew.sigmoid, ([-700.0],), [math.exp(-700)], ([math.exp(-700)],)),
    Special("tanh", ew.tanh, ([-INF, -400, 0, 400, INF],), [-1, -1, 0, 1, 1], ([0, 0, 1, 0, 0],)),
    Special("softplus", ew.softplus, ([-INF, -800, 0, 800, INF],), [0, 0, math.log(2), 800, INF], ([0, 0, 0.5, 1, 1],)),
    Special("softplus' left tail", ew.softplus, ([-40.0],), [math.log1p(math.exp(-40))], ([math.exp(-40)],)),
    Special("erf", ew.erf, ([-INF, -30, 0, 30, INF],), [-1, -1, 0, 1, 1], ([0, 0, 2 / math.sqrt(math.pi), 0, 0],)),
    Special("arctan", ew.arctan, ([-INF, 0, INF],), [-math.pi / 2, 0, math.pi / 2], ([0, 1, 0],)),
    Special("exp of -inf", ew.exp, ([-INF, -800.0],), [0, 0], ([0, 0],)),
    Special("log1p and expm1 near 0", lambda x: ew.expm1(x) + ew.log1p(x), ([1e-20],), [2e-20], ([2],)),
    Special("gelu", activations.gelu, ([-40, 0, 40.0],), [0, 0, 40], ([0, 0.5, 1],)),
    Special("gelu by tanh", lambda x: activations.gelu(x, "tanh"), ([-40, 0, 40.0],), [0, 0, 40], ([0, 0.5, 1],)),
    Special("silu", activations.silu, ([-800, 0, 800.0],), [0, 0, 800], ([0, 0.5, 1],)),
    Special("elu", activations.elu, ([-800, 800.0],), [-1, 800], ([0, 1],)),
    Special("bce_with_logits", losses.bce_with_logits, ([BIG, -BIG, BIG, -BIG], [1, 0, 0, 1.0]), [0, 0, BIG, BIG],
            ([0, 0, 1, -1], [-BIG, BIG, -BIG, BIG])),
]  # fmt: skip
LOGITS = [
    Special("softmax of large logits", softmax.softmax, ([[BIG, -BIG, BIG]],), [[0.5, 0, 0.5]], ([[0, 0, 0]],)),
    Special("softmax of one -inf", softmax.softmax, ([[0, -INF, 0.0]],), [[0.5, 0, 0.5]], ([[0, 0, 0]],)),
    Special("log_softmax of large logits", lambda x: softmax.log_softmax(x)[..., 0], ([[BIG, 0, -BIG]],), [0],
            ([[0, 0, 0]],)),
    Special("log_softmax where softmax underflows", lambda x: softmax.log_softmax(x)[..., 1], ([[BIG, 0, -BIG]],),
            [-BIG], ([[-1, 1, 0]],)),
    Special("logsumexp of large logits", lambda x: softmax.logsumexp(x, 1), ([[BIG, BIG], [-BIG, -BIG]],),
            [BIG + math.log(2), -BIG + math.log(2)], ([[0.5, 0.5], [0.5, 0.5]],), rtol=BIG * 4e-16),
    Special("logsumexp with -inf", softmax.logsumexp, ([0, -INF],), 0, ([1, 0],)),
    Special("logsumexp with inf", lambda x: softmax.logsumexp(x, 0).detach() + x[0], ([INF, 0],), INF, ([1, 0],)),
    Special("softmax_cross_entropy", lambda z: fused.softmax_cross_entropy(z, put([0, 0], z.device), 1.0),
            ([[BIG, -BIG], [-BIG, BIG]],), [0, 2 * BIG], ([[0, 0], [-1, 1]],)),
]  # fmt: skip
EMPTY = [
    Special("sum of nothing", reduce.sum, ([],), 0, ([],)),
    Special("sum of no rows", lambda x: reduce.sum(x, 0), (np.zeros((0, 2)),), [0, 0], (np.zeros((0, 2)),)),
    Special("softmax of nothing", softmax.softmax, (np.zeros((2, 0)),), np.zeros((2, 0)), (np.zeros((2, 0)),)),
    Special("take of nothing", lambda x: index.take(x, put(np.array([], int), x.device)), ([1, 2.0],), [], ([0, 0],)),
    Special("concatenate with nothing", lambda x, y: shape.concatenate([x, y]), ([], [1, 2.0]), [1, 2], ([], [1, 1])),
    Special("take of duplicates", lambda x: index.take(x, [0, -1, 1, 0]), ([5, 7.0],), [5, 7, 7, 5], ([2, 2],)),
]  # fmt: skip
EVERY = KINKS + POWERS + SATURATION + LOGITS + EMPTY


def leaf(values: Any, device: str, dtype: Any = np.float64) -> Any:
    return mg.tensor(np.asarray(values, dtype), device=device, requires_grad=True)


def ones(t: Any) -> Any:
    """A cotangent for a tensor, where that is."""
    return put(np.ones(t.shape, t.dtype), t.device)


@pytest.mark.parametrize("create_graph", [False, True], ids=["raw", "recorded"])
@pytest.mark.parametrize("row", EVERY, ids=lambda row: row.name)
def test_value_and_gradient(row: Special, create_graph: bool, device: str) -> None:
    leaves = [leaf(a, device) for a in row.at]
    out = row.fn(*leaves)
    np.testing.assert_allclose(host(out), np.asarray(row.value, np.float64), rtol=1e-14, atol=0)
    out.backward(ones(out), create_graph=create_graph)
    for x, expected in zip(leaves, row.gradient, strict=True):
        np.testing.assert_allclose(host(x.grad), np.asarray(expected, np.float64), rtol=row.rtol, atol=1e-300)


# --- at the edge of a domain, NumPy's answer (with its warning) is the library's ---------------------------------

EDGES = [
    Special("sqrt at 0", ew.sqrt, ([0, 4.0],), [0, 2], ([INF, 0.25],)),
    Special("log at 0", ew.log, ([0, 1.0],), [-INF, 0], ([INF, 1],)),
    Special("reciprocal at 0", ew.reciprocal, ([0, 1.0],), [INF, 1], ([-INF, -1],)),
    Special("division by 0", ew.divide, ([1, 0.0], [0, 0.0]), [INF, NAN], ([INF, INF], [-INF, NAN])),
    Special("log of a negative", ew.log, ([-1.0],), [NAN], ([-1],)),
    Special("power of a negative", ew.power, ([-2.0], [0.5]), [NAN], ([NAN], [NAN])),
    Special("variance of one, ddof=1", lambda x: reduce.var(x, ddof=1), ([3.0],), NAN, ([NAN],)),
    Special("mean of nothing", reduce.mean, ([],), NAN, ([],)),
    Special("softmax of inf", softmax.softmax, ([[INF, 0.0]],), [[NAN, 0.0]], ([[NAN, NAN]],)),
]  # fmt: skip


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("row", EDGES, ids=lambda row: row.name)
def test_edge_of_the_domain(row: Special, device: str) -> None:
    leaves = [leaf(a, device) for a in row.at]
    out = row.fn(*leaves)
    np.testing.assert_array_equal(host(out), np.asarray(row.value, np.float64))
    out.backward(ones(out))
    for x, expected in zip(leaves, row.gradient, strict=True):
        np.testing.assert_array_equal(host(x.grad), np.asarray(expected, np.float64))


@pytest.mark.parametrize("name", ["sqrt", "log", "reciprocal"])
def test_a_domain_edge_warns_as_numpy_does(name: str) -> None:
    """On the CPU: no device warns."""
    x = mg.tensor(np.zeros(1), requires_grad=True)
    if name != "sqrt":
        with pytest.raises(RuntimeWarning, match="divide by zero"):
            getattr(ew, name)(x)
    else:
        with pytest.raises(RuntimeWarning, match="divide by zero"):
            ew.sqrt(x).backward()


NO_NUMPY_WARNING = [np.float32(3e4), np.float32(-3e4)]


@pytest.mark.parametrize("value", NO_NUMPY_WARNING)
@pytest.mark.parametrize("fn", [ew.sigmoid, ew.tanh, ew.softplus, activations.gelu, activations.silu, activations.elu])
def test_activations_of_large_float32_neither_warn_nor_leave_float32(fn: Any, value: np.float32, device: str) -> None:
    x = leaf(np.full(3, value), device, np.float32)
    out = fn(x)
    assert out.dtype == np.float32
    out.backward(ones(out))
    assert x.grad.dtype == np.float32
    assert np.isfinite(host(x.grad)).all()


def test_second_derivative_of_power_at_zero(device: str) -> None:
    """d2/dx2 x**2 = 2 at x = 0, for an exponent given as an array too."""
    x = leaf(np.zeros(1), device)
    ew.power(x, put(np.full(1, 2.0), device)).backward(create_graph=True)
    first, x.grad = x.grad, None
    first.backward()
    assert np.array_equal(host(x.grad), [2.0])


def test_bounds_of_clip_may_be_untracked_tensors(device: str) -> None:
    x: Any = put(np.array([-2.0, 0.5, 2.0]), device)
    low, high = mg.tensor(-1.0, device=device), mg.tensor(np.ones(3), device=device)
    for clipped in (ew.clip(x, low, 1), ew.clip(mg.tensor(x), -1, high)):
        assert np.array_equal(host(clipped), [-1.0, 0.5, 1.0])


def test_a_sum_in_another_dtype_gives_the_gradient_in_its_own(device: str) -> None:
    x = leaf(np.ones(3), device, np.float32)
    total = reduce.sum(x, dtype=np.float64)
    assert total.dtype == np.float64
    total.backward()
    assert x.grad.dtype == np.float32


ERRORS = [
    (lambda x: reduce.sum(x, 2), mg.ShapeError, "sum: axis 2 is out of range for an array with 2 dimension"),
    (lambda x: reduce.max(x, (0, -2)), mg.ShapeError, "max: axis .* names a dimension twice"),
    (lambda x: reduce.mean(x, 0.5), TypeError, "mean: axis must be an integer"),
    (lambda x: reduce.mean(x, True), TypeError, "mean: axis must be an integer"),
    (lambda x: softmax.softmax(x, 3), mg.ShapeError, "softmax: axis 3 is out of range"),
    (lambda x: shape.reshape(x, (4, 2)), mg.ShapeError, r"shape \(2, 3\) the shape \(4, 2\)"),
    (lambda x: shape.transpose(x, (0, 0)), mg.ShapeError, r"axes \(0, 0\) are no permutation"),
    (lambda x: shape.swapaxes(x, 0, 2), mg.ShapeError, "swapaxes: axis 2 is out of range"),
    (lambda x: shape.expand_dims(x, 4), mg.ShapeError, "expand_dims: axis 4 is out of range"),
    (lambda x: shape.expand_dims(x, (0, 0)), mg.ShapeError, "names a dimension twice"),
    (lambda x: shape.squeeze(x, 0), mg.ShapeError, r"axis 0 of shape \(2, 3\) is not of length 1"),
    (lambda x: shape.broadcast_to(x, (3, 3)), mg.ShapeError, r"\(2, 3\) does not broadcast to \(3, 3\)"),
    (lambda x: activations.gelu(x, "erf"), ValueError, "approximate must be one of"),
    (lambda x: index.getitem(x, 5), IndexError, "out of bounds"),
]


@pytest.mark.parametrize("wrapped", [False, True], ids=["array", "tensor"])
@pytest.mark.parametrize(("call", "kind", "message"), ERRORS, ids=[m[:24] for _, _, m in ERRORS])
def test_errors(call: Any, kind: type[Exception], message: str, wrapped: bool, device: str) -> None:
    x: Any = put(np.ones((2, 3)), device)
    with pytest.raises(kind, match=message):
        call(mg.tensor(x, requires_grad=True) if wrapped else x)
