"""Whole steps compiled: training steps, and what NumPy does in between."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
from compiled_steps import assert_close, compiled, numpy_calls, recorded

import minigrad as mg
from minigrad import nn, optim
from minigrad.capture import numba_executor, products
from minigrad.capture.numba_executor import compile_numba
from minigrad.capture.numpy_executor import compile_numpy
from minigrad.errors import OptionalDependencyError
from minigrad.nn import functional as F

pytestmark = pytest.mark.numba


@pytest.fixture(autouse=True)
def _nothing_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINIGRAD_CACHE", "")


# --- training steps ---------------------------------------------------------------------------------------------------


def a_step(sizes: list[int], optimizer: str, activation: str = "relu", **options: Any) -> Any:
    """A step of a classifier."""
    model = nn.MLP(sizes[0], sizes[1:-1], sizes[-1], activation=activation)
    own = getattr(optim, optimizer)(model.parameters(), lr=0.01, **options)

    def step(x: Any, y: Any) -> Any:
        own.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        own.step()
        return loss

    return step


def batch(sizes: list[int], n: int, seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.standard_normal((n, sizes[0]), np.float32), rng.integers(0, sizes[-1], n)]


def float_memory(program: Any) -> list[np.ndarray]:
    """The state of a program as far as it is numbers."""
    state = [root for root, kind in zip(program.roots, program.kinds, strict=True) if kind == "state"]
    return [a for a in state if a.dtype.kind == "f" and np.isfinite(a).all()]


def after(run: Any, memory: list[np.ndarray], batches: list[list[np.ndarray]]) -> list[np.ndarray]:
    """Results and memory after steps; the memory is put back."""
    start = [a.copy() for a in memory]
    found = [np.array(r) for b in batches for r in run(b)] + [a.copy() for a in memory]
    for array, values in zip(memory, start, strict=True):
        array[...] = values
    return found


@pytest.mark.parametrize(
    ("sizes", "n", "optimizer", "activation", "options"),
    [
        ([8, 16, 4], 1, "Adam", "relu", {}),
        ([8, 16, 4], 32, "SGD", "tanh", {"momentum": 0.9, "nesterov": True}),
        ([60, 300, 200, 7], 96, "AdamW", "relu", {"amsgrad": True}),
        ([8, 16, 4], 5, "RMSprop", "sigmoid", {"centered": True}),
    ],
)
def test_a_training_step_is_one_call(sizes: Any, n: int, optimizer: str, activation: str, options: Any) -> None:
    """Forward, cross-entropy, backward and update: the same as NumPy's replay but for rounding, over several steps."""
    step = a_step(sizes, optimizer, activation, **options)
    batches = [batch(sizes, n, seed) for seed in range(4)]
    step(*map(mg.tensor, batches[0]))  # after the first step all state is there
    program = recorded(step, *batches[0])
    memory = float_memory(program)
    run, due = compile_numba(program), compile_numpy(program)
    assert numpy_calls(run) == []
    assert run.source.count("(table)\n") == 1 + run.source.count("def step0(table):\n") - 1
    for found, value in zip(after(run, memory, batches), after(due, memory, batches), strict=True):
        np.testing.assert_allclose(found, value, rtol=2e-4, atol=2e-6)


def test_a_label_out_of_range_is_an_error() -> None:
    step, (x, y) = a_step([4, 8, 3], "SGD"), batch([4, 8, 3], 6)
    step(mg.tensor(x), mg.tensor(y))
    run = compile_numba(recorded(step, x, y))
    for label in (3, -1, 2**40):
        wrong = y.copy()
        wrong[4] = label
        with pytest.raises(ValueError, match="out of range"):
            run([x, wrong])
    assert np.isfinite(run([x, y])[0])


@pytest.mark.parametrize("loss", ["mse_loss", "huber_loss", "binary_cross_entropy_with_logits"])
def test_means_and_bounds_are_compiled_too(loss: str) -> None:
    model = nn.Sequential(nn.Linear(5, 9), nn.LayerNorm(9), nn.GELU(), nn.Linear(9, 2))
    own = optim.Lion(model.parameters(), lr=1e-3)

    def step(x: Any, y: Any) -> Any:
        own.zero_grad()
        loss_ = getattr(F, loss)(model(x), y)
        loss_.backward()
        own.step()
        return loss_

    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((11, 5), np.float32), rng.random((11, 2), np.float32)
    step(mg.tensor(x), mg.tensor(y))
    program = recorded(step, x, y)
    run = compile_numba(program)
    assert numpy_calls(run) == []
    memory = float_memory(program)
    for found, due in zip(after(run, memory, [[x, y]]), after(compile_numpy(program), memory, [[x, y]]), strict=True):
        np.testing.assert_allclose(found, due, rtol=1e-4, atol=1e-6)


def test_the_update_of_a_large_network() -> None:
    """Adam over 235 146 parameters: one loop, the same as NumPy's passes."""
    w = mg.Tensor(np.linspace(-1, 1, 235146, dtype=np.float32), requires_grad=True)
    own = optim.Adam([w], lr=1e-3)

    def step(g: Any) -> Any:
        own.zero_grad()
        loss = (w * g).sum()
        loss.backward()
        own.step()
        return w.detach()

    g = np.random.default_rng(0).standard_normal(235146).astype(np.float32)
    step(mg.tensor(g))
    program = recorded(step, g)
    memory = float_memory(program)
    run = compile_numba(program)
    assert numpy_calls(run) == []
    assert run.source.count("math.sqrt") == 1
    batches = [[g], [g * 0.5]]
    for found, due in zip(after(run, memory, batches), after(compile_numpy(program), memory, batches), strict=True):
        assert np.isfinite(due).sum() == np.isfinite(found).sum()
        np.testing.assert_allclose(found, due, rtol=1e-5, atol=1e-7)


# --- between NumPy's lines --------------------------------------------------------------------------------------------


def test_what_has_no_compiled_form_runs_in_its_place() -> None:
    """Sorting, complex numbers and half precision, among sums that they depend on."""

    def step(x: Any, h: Any) -> list[Any]:
        y = np.sort(x * 2.0 + 1.0, axis=0)
        y -= y.sum(axis=0)
        z = np.cumsum(y, axis=1) * 0.5
        return [y, z, (z * 1j) + 1, h + h, np.median(x) + z]

    rng = np.random.default_rng(0)
    x, h = rng.standard_normal((6, 4)), rng.standard_normal(3).astype("f2")
    run = compiled(step, x, h)
    assert "step1(table)" in run.source
    for found, due in zip(run([x, h]), step(x, h), strict=True):
        np.testing.assert_allclose(found, due, rtol=1e-12)


def test_overlapping_memory_is_left_to_numpy() -> None:
    state = np.arange(6.0)

    def step(x: Any, state: Any) -> Any:
        state[1:] += state[:-1]
        state += x
        return state.sum()

    expected = state.copy()
    run = compiled(step, np.ones(6), state=[state])
    step(np.ones(6), expected)
    for _ in range(2):
        np.testing.assert_array_equal(state, expected)
        run([np.ones(6)])
        step(np.ones(6), expected)


def test_a_result_over_an_operand_that_is_read_elsewhere() -> None:
    """The memory of a dead operand is used again, which a loop must not do while it still reads there."""
    x = np.random.default_rng(0).standard_normal((5, 5))

    def step(x: Any) -> list[Any]:
        y = (x @ x) * 2.0
        z = y + y.T
        return [np.sqrt((z @ x) ** 2)]

    assert_close(compiled(step, x)([x])[0], step(x)[0], 200, scale=10)


def test_large_arguments_are_read_where_they_are() -> None:
    x = np.random.default_rng(0).standard_normal((300, 100)).astype("f4")
    y = np.arange(3.0)
    run = compiled(lambda x, y: [x.sum(axis=0), y * 2], x, y)
    for given_ in (x, np.asfortranarray(x + 1), (np.repeat(x, 2, axis=1) * 3)[:, ::2]):
        found = run([given_, y + given_[0, 0]])
        assert_close(found[0], given_.sum(axis=0, dtype="f8").astype("f4"), 50, scale=300)
        assert_close(found[1], (y + given_[0, 0]) * 2, 0)
    for wrong in (x[:-1], x.astype("f8")):
        with pytest.raises(ValueError, match=r"captured for an argument of shape \(300, 100\), float32"):
            run([wrong, y])


def test_results_are_in_the_programs_own_memory() -> None:
    run = compiled(lambda x: x + 1, np.zeros(3))
    first = run([np.zeros(3)])[0]
    assert run([np.ones(3)])[0] is first
    np.testing.assert_array_equal(first, [2, 2, 2])


def test_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    program = recorded(lambda x: x + 1, np.zeros(3))
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(OptionalDependencyError, match=r"minigrad-cupy\[fast\]"):
        compile_numba(program)


def test_with_numba_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    with pytest.raises(OptionalDependencyError, match="NUMBA_DISABLE_JIT"):
        compile_numba(recorded(lambda x: x + 1, np.zeros(3)))


def test_without_a_fitting_blas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products then are NumPy's."""
    monkeypatch.setattr(numba_executor, "blas_addresses", dict)
    monkeypatch.setattr(products, "tile", lambda: ((1, 16), 0))
    x = np.random.default_rng(0).standard_normal((5, 5))
    run = compiled(lambda x: (x @ x) * 2, x)
    assert len(numpy_calls(run)) == 1
    np.testing.assert_allclose(run([x])[0], x @ x * 2)
