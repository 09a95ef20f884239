"""Random programs: 10 to 30 operations over a few leaves of broadcasting shapes, checked to second order."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from on_device import host, put

import minigrad as mg
from minigrad.ops import elementwise as ew
from minigrad.ops import linalg, reduce, shape, softmax
from minigrad.testing import gradcheck

SHAPES = ((), (3,), (2, 3), (2, 1), (1, 3), (1,))

# Smooth everywhere, and kept in range by what follows: values stay near 1 however deep the program is.
UNARY: tuple[Callable[[Any], Any], ...] = (
    ew.tanh,
    ew.sin,
    ew.sigmoid,
    ew.arctan,
    lambda x: ew.exp(ew.sin(x)),
    lambda x: ew.log1p(x * x),
    lambda x: ew.sqrt(x * x + 1),
    lambda x: 1 / (x * x + 1),
    lambda x: -x,
    lambda x: ew.softplus(x) - 0.5,
    lambda x: x.reshape(-1).sum(keepdims=True) * 0.25,
    lambda x: x.T.T,
    lambda x: x.mean() + x,
    lambda x: x[..., None].squeeze(-1),
    lambda x: x if x.ndim == 0 else x[::-1],
    lambda x: x if x.ndim == 0 else x[[0, -1, 0][: x.shape[0]]],
    lambda x: x if x.ndim == 0 else softmax.softmax(x, 0),
    lambda x: softmax.logsumexp(x) * 0.5,
    lambda x: x if x.ndim != 2 else linalg.matmul(x, x.T)[:, :1] * 0.25,
    lambda x: x if x.ndim == 0 else reduce.var(x, 0),
)
BINARY: tuple[Callable[[Any, Any], Any], ...] = (
    lambda x, y: x + y,
    lambda x, y: x - y,
    lambda x, y: x * y,
    lambda x, y: x / (y * y + 1),
    lambda x, y: ew.power(x * x + 1, ew.tanh(y)),
    lambda x, y: ew.where([True, False, True], x, y),
    lambda x, y: shape.stack([x, x * y.mean()], 0).sum(0),
    lambda x, y: shape.concatenate([x.reshape(-1), y.reshape(-1)]).mean() * x,
)


class Step(NamedTuple):
    function: int
    left: int
    right: int
    unary: bool


def run(program: list[Step], leaves: tuple[Any, ...]) -> Any:
    """The sum of the last three values; each step reads any value before it."""
    values = list(leaves)
    for step in program:
        x = values[step.left % len(values)]
        y = values[step.right % len(values)]
        out = UNARY[step.function % len(UNARY)](x) if step.unary else BINARY[step.function % len(BINARY)](x, y)
        values.append(ew.tanh(out) if len(values) % 5 == 4 else out)
    return sum((v.sum() for v in values[-3:]), start=mg.tensor(np.zeros(()), device=leaves[0].device))


steps = st.builds(Step, st.integers(0, 99), st.integers(0, 40), st.integers(0, 40), st.booleans())


@given(
    program=st.lists(steps, min_size=10, max_size=30),
    shapes=st.lists(st.sampled_from(SHAPES), min_size=2, max_size=3),
    seed=st.integers(0, 2**16),
)
def test_random_programs(program: list[Step], shapes: list[tuple[int, ...]], seed: int, device: str) -> None:
    rng = np.random.default_rng(seed)
    leaves = [put(rng.integers(-16, 17, size=s) / 16 + 1 / 32, device) for s in shapes]
    gradcheck(lambda *xs: run(program, xs), *leaves, max_entries=0, directions=1, seed=seed)


@given(
    program=st.lists(steps, min_size=10, max_size=30),
    shapes=st.lists(st.sampled_from(SHAPES), min_size=2, max_size=3),
    seed=st.integers(0, 2**16),
)
def test_both_backward_paths_give_the_same_bits(program: list[Step], shapes: list[Any], seed: int, device: str) -> None:
    rng = np.random.default_rng(seed)
    arrays = [rng.integers(-16, 17, size=s) / 16 + 1 / 32 for s in shapes]
    found = []
    for create_graph in (False, True):
        leaves = [mg.tensor(a, device=device, requires_grad=True) for a in arrays]
        out = run(program, tuple(leaves))
        if out.requires_grad:
            out.backward(create_graph=create_graph)
        found.append([None if t.grad is None else host(t.grad) for t in leaves])
    for plain, recorded in zip(*found, strict=True):
        assert (plain is None) == (recorded is None)
        if plain is not None:
            np.testing.assert_allclose(plain, recorded, rtol=1e-12, atol=1e-13)
