"""The update as a loop over the elements: in Python as it is written, and compiled by numba."""

from __future__ import annotations

import platform
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from lives import live, parameters, set_gradients
from on_device import host
from optimizer_rows import ONE_EACH, ROWS, Row

import minigrad as mg
from minigrad import nn, optim
from minigrad.errors import OptionalDependencyError
from minigrad.optim import fast, partition
from minigrad.optim.update_pass import _switches

OPTIONS = {"ema": 0.9, "max_norm": 8.0, "accumulate": 2}
by_name = pytest.mark.parametrize("row", ROWS, ids=str)


def run(row: Row, dtype: Any, steps: int = 30, **options: Any) -> dict[str, list[np.ndarray]]:
    """Where a rough life ends: the parameters, and all of the state."""
    params = parameters(dtype)
    optimizer = row.cls([{"params": params[:2]}, {"params": params[2:], "lr": 0.01}], **row.kwargs, **options)
    with np.errstate(under="ignore"):
        live(params, optimizer, set_gradients, dtype, steps)
    found = {"parameters": [host(p) for p in params]}
    for number, entry in optimizer.state_dict()["state"].items():
        found[f"state {number}"] = [np.asarray(value) for value in entry.values()]
    return found


def close(a: dict[str, list[np.ndarray]], b: dict[str, list[np.ndarray]], rtol: float) -> None:
    assert a.keys() == b.keys()
    for name in a:
        for x, y in zip(a[name], b[name], strict=True):
            assert x.dtype == y.dtype
            np.testing.assert_allclose(x, y, rtol=rtol, atol=rtol, err_msg=name)


@by_name
@pytest.mark.parametrize("options", [{}, OPTIONS], ids=["plain", "options"])
def test_the_loop_is_the_pass(row: Row, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run as Python: what is compiled elsewhere is tested without a compiler."""
    monkeypatch.setenv("MINIGRAD_FAST", "0")
    due = run(row, np.float64, **options)
    used = []

    def as_it_is(loop: Any, size: int) -> Any:
        used.append(loop)
        return loop

    monkeypatch.setattr(partition, "loop_for", as_it_is)
    close(run(row, np.float64, **options), due, 1e-12)
    assert set(used) == {row.cls.loop}


# the same compiled; a case takes a second or two the first time, and comes from numba's cache later


@pytest.mark.numba
@by_name
def test_the_compiled_loop_is_the_pass_in_single_precision(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for fast_ in "01":
        monkeypatch.setenv("MINIGRAD_FAST", fast_)
        found.append(run(row, np.float32, ema=0.9))
    close(*found, 2e-5)


@pytest.mark.numba
@pytest.mark.parametrize("row", ONE_EACH, ids=lambda row: row.cls.__name__)
def test_the_compiled_loop_is_the_pass_in_double_precision(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    found = []
    for fast_ in "01":
        monkeypatch.setenv("MINIGRAD_FAST", fast_)
        found.append(run(row, np.float64, **OPTIONS))
    close(*found, 1e-12)


@pytest.mark.numba
@pytest.mark.skipif(platform.machine() != "x86_64", reason="the names of instructions are those of x86-64")
@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_compiled_loop_works_on_many_elements_at_once(row: Row) -> None:
    """In the registers for vectors, and in no wider type than the parameters'."""
    import numba

    optimizer = row.cls([mg.tensor([1.0], requires_grad=True)], **row.kwargs)
    group, kernel = optimizer.param_groups[0], row.cls.kernel
    assert kernel is not None
    x = np.ones(8, np.float32)
    states = [x if name in optimizer.state_names(group) else None for name in kernel.states]
    c = tuple(np.ones(len(row.cls.columns) + 4, np.float32))
    loop = numba.njit(row.cls.loop, error_model="numpy")  # what comes from the cache cannot be looked at
    loop(x, x, *states, x, c, *_switches(optimizer, group))
    [text] = loop.inspect_asm().values()
    assert "mulps" in text
    assert "cvtss2sd" not in text
    assert "cvtps2pd" not in text


@pytest.mark.numba
def test_special_values_come_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """nan, infinity and zeros, as in NumPy."""
    for row in ROWS:
        found = []
        for fast_ in "01":
            monkeypatch.setenv("MINIGRAD_FAST", fast_)
            p = mg.tensor(np.ones(6, np.float32), requires_grad=True)
            optimizer = row.cls([p], **row.kwargs)
            with np.errstate(all="ignore"):
                for g in ([0, 0, 1, np.nan, np.inf, -np.inf], [0, 1, -1, 1, 1, 1]):
                    p.grad = mg.tensor(np.array(g, np.float32))
                    optimizer.step()
            found.append(host(p))
        np.testing.assert_allclose(*found, rtol=1e-6, err_msg=str(row))


# --- when it is used --------------------------------------------------------------------------------------------------


def used(size: int) -> bool:
    return fast.loop_for(optim.Adam.loop, size) is not None


@pytest.mark.numba
def test_small_partitions_are_left_to_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINIGRAD_FAST", raising=False)
    assert [used(size) for size in (100, fast.FROM - 1, fast.FROM)] == [False, False, True]
    monkeypatch.setenv("MINIGRAD_FAST", "0")
    assert not used(10**7)
    monkeypatch.setenv("MINIGRAD_FAST", "1")
    assert used(1)
    assert fast.loop_for(None, 10**7) is None


def test_without_numba(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast, "_is_installed", lambda: False)
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delenv("MINIGRAD_FAST", raising=False)
    assert not used(10**7)
    monkeypatch.setenv("MINIGRAD_FAST", "1")
    with pytest.raises(OptionalDependencyError, match=r"MINIGRAD_FAST=1 needs .*numba.*minigrad-cupy\[fast\]"):
        used(10)


def test_a_numba_that_does_not_start_is_said_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def loop() -> None: ...

    monkeypatch.setattr(fast, "_is_installed", lambda: True)
    monkeypatch.setitem(sys.modules, "numba", None)
    monkeypatch.delenv("MINIGRAD_FAST", raising=False)
    with pytest.warns(mg.GraphWarning, match="updates go on in NumPy"):
        assert fast.loop_for(loop, 10**7) is None
    assert fast.loop_for(loop, 10**7) is None


@pytest.mark.numba
def test_a_place_without_a_cache_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    import numba

    asked = []

    def njit(function: Any, cache: bool = False, **how: Any) -> Any:
        asked.append(cache)
        if cache:
            raise RuntimeError("cannot cache function: no locator available")
        return function

    monkeypatch.setattr(numba, "njit", njit)

    def loop() -> None: ...

    assert fast._compiled(loop) is loop
    assert asked == [True, False]


def test_numba_is_not_imported_before_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINIGRAD_FAST", raising=False)
    code = (
        "import sys, numpy as np, minigrad as mg\n"
        "p = mg.tensor(np.ones(1000, 'f'), requires_grad=True); o = mg.optim.Adam([p])\n"
        "p.grad = mg.tensor(np.ones(1000, 'f')); o.step(); print('numba' in sys.modules)"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "False"


@pytest.mark.numba
def test_large_models_train_the_same_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Across the boundary of sizes, with parameters that are frozen for a while."""
    found = []
    for fast_ in ("0", ""):
        monkeypatch.setenv("MINIGRAD_FAST", fast_)
        mg.manual_seed(0)
        model = nn.MLP(300, [300], 4)
        optimizer = optim.AdamW(model.parameters(), lr=1e-3)
        x = mg.tensor(np.random.default_rng(0).standard_normal((8, 300)).astype(np.float32))
        for step in range(6):
            next(iter(model.parameters())).requires_grad = step not in (2, 3)
            optimizer.zero_grad()
            (model(x) ** 2).mean().backward()
            optimizer.step()
        found.append([host(p) for p in model.parameters()])
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-6)
