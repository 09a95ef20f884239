"""The transforms beside torch.func."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import minigrad as mg

pytestmark = [
    pytest.mark.torch,
    pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated"),  # torch's own forward mode uses it
]

RNG = np.random.default_rng(0)
W = RNG.standard_normal((3, 4))


def both(name: str, m: Any) -> Any:
    """One function of an array, in either library."""
    w = W if m is mg else _torch().tensor(W)
    return {
        "network": lambda x: m.tanh(m.matmul(x, w)) if m is mg else m.tanh(x @ w),
        "rational": lambda x: x * x / (1 + x * x),
        "reduced": lambda x: m.exp(-(x * x)).sum(1),
        "indexed": lambda x: x[0] * x[-1, 1],
        "scalar": lambda x: (m.sin(x) * x).sum(),
    }[name]


NAMES = ["network", "rational", "reduced", "indexed", "scalar"]


def _torch() -> Any:
    return pytest.importorskip("torch")


def scalar(f: Any) -> Any:
    return lambda x: (f(x) ** 2).sum()


cases = given(name=st.sampled_from(NAMES), rows=st.integers(2, 4), seed=st.integers(0, 99))


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=1e-11, atol=1e-13)


@cases
def test_first_order(name: str, rows: int, seed: int) -> None:
    torch = _torch()
    rng = np.random.default_rng(seed)
    x, v = rng.standard_normal((rows, 3)), rng.standard_normal((rows, 3))
    tx, tv = torch.tensor(x), torch.tensor(v)
    ours, theirs = both(name, mg), both(name, torch)
    close(mg.grad(scalar(ours))(x), torch.func.grad(scalar(theirs))(tx))
    value, gradient = mg.value_and_grad(scalar(ours))(x)
    t_gradient, t_value = torch.func.grad_and_value(scalar(theirs))(tx)
    close(value, t_value)
    close(gradient, t_gradient)
    y, pullback = mg.vjp(ours, x)
    ty, t_pullback = torch.func.vjp(theirs, tx)
    close(y, ty)
    u = rng.standard_normal(y.shape)
    close(pullback(np.asarray(u)), t_pullback(torch.tensor(u, dtype=torch.float64))[0])
    t_primal, t_tangent = torch.func.jvp(theirs, (tx,), (tv,))
    for found, expected in zip(mg.jvp(ours, (x,), (v,)), (t_primal, t_tangent), strict=True):
        close(found, expected)
    close(mg.jacobian(ours)(x), torch.func.jacrev(theirs)(tx))
    close(mg.jacobian(ours)(x), torch.func.jacfwd(theirs)(tx))


@cases
def test_second_order(name: str, rows: int, seed: int) -> None:
    torch = _torch()
    rng = np.random.default_rng(seed)
    x, v = rng.standard_normal((rows, 3)), rng.standard_normal((rows, 3))
    tx, tv = torch.tensor(x), torch.tensor(v)
    ours, theirs = scalar(both(name, mg)), scalar(both(name, torch))
    close(mg.hessian(ours)(x), torch.func.hessian(theirs)(tx))
    close(mg.hvp(ours)(x, v), torch.func.jvp(torch.func.grad(theirs), (tx,), (tv,))[1])
    third = mg.jvp(lambda t: mg.hvp(ours)(t, v), (x,), (v,))[1]
    inner = lambda t: torch.func.jvp(torch.func.grad(theirs), (t,), (tv,))[1]
    close(third, torch.func.jvp(inner, (tx,), (tv,))[1])


def test_argnums_aux_and_structures() -> None:
    torch = _torch()
    p = {"w": RNG.standard_normal((3, 2)), "b": RNG.standard_normal(2)}
    x = RNG.standard_normal((4, 3))

    def loss(m: Any) -> Any:
        def f(p: Any, x: Any) -> Any:
            h = m.tanh(x @ p["w"] + p["b"]) if m is not mg else m.tanh(mg.matmul(x, p["w"]) + p["b"])
            return (h * h).sum(), h

        return f

    (value, aux), (gp, gx) = mg.value_and_grad(loss(mg), (0, 1), has_aux=True)(p, x)
    tp, tx = {k: torch.tensor(a) for k, a in p.items()}, torch.tensor(x)
    (tgp, tgx), (t_value, t_aux) = torch.func.grad_and_value(loss(torch), (0, 1), has_aux=True)(tp, tx)
    for found, expected in ((value, t_value), (aux, t_aux), (gx, tgx), (gp["w"], tgp["w"]), (gp["b"], tgp["b"])):
        close(found, expected)


def test_checkpoint() -> None:
    torch = _torch()
    from torch.utils.checkpoint import checkpoint

    x = RNG.standard_normal((4, 3))
    tx = torch.tensor(x, requires_grad=True)
    checkpoint(scalar(both("network", torch)), tx, use_reentrant=False).backward()
    close(mg.grad(mg.checkpoint(scalar(both("network", mg))))(x), tx.grad)
