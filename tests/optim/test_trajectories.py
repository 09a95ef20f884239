"""Two hundred steps beside PyTorch, through everything that happens to an optimizer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from lives import gradients, live, parameters, set_gradients
from on_device import host
from optimizer_rows import ONE_EACH, ROWS, Row

from minigrad import optim

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

PRECISIONS = pytest.mark.parametrize(
    ("dtype", "rtol"), [(np.float64, 1e-10), (np.float32, 2e-5)], ids=["float64", "float32"]
)
IN_BOTH = [row for row in ROWS if row.torch]
STEPS = 200


@pytest.fixture(autouse=True)
def _double_scalars() -> Iterator[None]:
    """PyTorch keeps NAdam's mu_product in its default dtype, whatever the parameters are."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


def assign(params: list[Any], grads: list[Any]) -> None:
    for p, g in zip(params, grads, strict=True):
        p.grad = None if g is None else torch.tensor(g)


def twins(dtype: Any, device: str) -> tuple[list[Any], list[Any]]:
    params = parameters(dtype, device)
    return params, [torch.tensor(host(p), requires_grad=True) for p in params]


def in_groups(params: list[Any]) -> list[dict[str, Any]]:
    return [{"params": params[:2], "lr": 0.03}, {"params": params[2:]}]


def theirs_of(row: Row, params: list[Any]) -> Any:
    return getattr(torch.optim, row.cls.__name__)(params, **row.kwargs)


def same(ours: list[Any], theirs: list[Any], rtol: float) -> None:
    for p, q in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(host(p), q.detach().numpy(), rtol=rtol, atol=rtol)


@PRECISIONS
@pytest.mark.parametrize("row", IN_BOTH, ids=str)
def test_trajectory(row: Row, dtype: Any, rtol: float, device: str) -> None:
    """Groups, rates and betas that change, frozen parameters, missing gradients; and a resume half-way."""
    params, others = twins(dtype, device)
    ours = row.cls(in_groups(params), **row.kwargs)
    live(params, ours, set_gradients, dtype, STEPS // 2)
    resumed = row.cls(in_groups(params), **{**row.kwargs, "lr": 9.0})
    resumed.load_state_dict(ours.state_dict())
    live(params, resumed, set_gradients, dtype, STEPS, since=STEPS // 2)
    live(others, theirs_of(row, in_groups(others)), assign, dtype, STEPS)
    same(params, others, rtol)


class Clipped:
    """PyTorch's optimizer with clipping before each step."""

    def __init__(self, params: list[Any], optimizer: Any, max_norm: float) -> None:
        self.params, self.optimizer, self.max_norm = params, optimizer, max_norm
        self.param_groups = optimizer.param_groups

    def step(self) -> None:
        torch.nn.utils.clip_grad_norm_(self.params, self.max_norm)
        self.optimizer.step()


@PRECISIONS
@pytest.mark.parametrize("by", ["function", "option"])
@pytest.mark.parametrize("row", [row for row in ONE_EACH if row.torch], ids=str)
def test_clipping(row: Row, by: str, dtype: Any, rtol: float, device: str) -> None:
    params, others = twins(dtype, device)
    if by == "option":
        ours = row.cls(in_groups(params), **row.kwargs, max_norm=5.0)
        live(params, ours, set_gradients, dtype, STEPS)
    else:
        ours = row.cls(in_groups(params), **row.kwargs)

        def set_clipped(ps: list[Any], grads: list[Any]) -> None:
            set_gradients(ps, grads)
            optim.clip_grad_norm(ps, 5.0)

        live(params, ours, set_clipped, dtype, STEPS)
    live(others, Clipped(others, theirs_of(row, in_groups(others)), 5.0), assign, dtype, STEPS)
    same(params, others, rtol)


@PRECISIONS
@pytest.mark.parametrize("row", [row for row in ONE_EACH if row.torch], ids=str)
def test_accumulation_and_averages(row: Row, dtype: Any, rtol: float, device: str) -> None:
    """Against the loop that PyTorch's users write: loss / 3, a step every third time, and AveragedModel's formula."""
    params, others = twins(dtype, device)
    ours = row.cls(params, **row.kwargs, accumulate=3, max_norm=2.0, ema=0.9)
    theirs = theirs_of(row, others)
    averages = [q.detach().clone() for q in others]
    for step in range(60):
        ours.zero_grad()
        for p, q, g in zip(params, others, gradients(step, dtype), strict=True):
            p.grad = g_on(p, g) if p.grad is None else p.grad + g_on(p, g)
            part = torch.tensor(g) / 3
            q.grad = part if q.grad is None else q.grad + part
        ours.step()
        if step % 3 == 2:
            torch.nn.utils.clip_grad_norm_(others, 2.0)
            theirs.step()
            theirs.zero_grad()
            for average, q in zip(averages, others, strict=True):
                average.lerp_(q.detach(), 1 - 0.9)
    same(params, others, rtol)
    with ours.averaged():
        same(params, averages, rtol)
    same(params, others, rtol)


def g_on(p: Any, g: Any) -> Any:
    import minigrad as mg

    return mg.tensor(g, device=p.device)


def test_the_names_of_the_state_are_theirs(device: str) -> None:
    for row in IN_BOTH:
        params, others = twins(np.float64, device)
        ours, theirs = row.cls(params, **row.kwargs), theirs_of(row, others)
        set_gradients(params, gradients(0))
        assign(others, gradients(0))
        ours.step()
        theirs.step()
        mine, other = ours.state_dict()["state"], theirs.state_dict()["state"]
        assert mine.keys() == other.keys() or not other  # theirs of SGD without momentum is empty
        for i, entry in mine.items() if other else ():
            found = {k: v for k, v in other[i].items() if v is not None}  # SGD without momentum keeps a None
            assert set(entry) - {"step"} == set(found) - {"step"}, row
            for name in set(entry) - {"step"}:
                np.testing.assert_allclose(entry[name], found[name].numpy(), rtol=1e-12, atol=1e-14)


def test_arguments_and_defaults_are_theirs() -> None:
    """Names, order and values; but not how PyTorch computes it."""
    import inspect

    switches = {"foreach", "fused", "capturable", "differentiable"}
    for cls in {row.cls for row in IN_BOTH}:
        their = inspect.signature(getattr(torch.optim, cls.__name__).__init__).parameters
        due = {n: p.default for n, p in their.items() if n not in switches | {"self"}}
        parameters = inspect.signature(cls).parameters
        own = {n: p.default for n, p in parameters.items() if p.kind is not inspect.Parameter.VAR_KEYWORD}
        extra = {"scale_velocity_by_lr"}
        assert {n: v for n, v in own.items() if n not in extra} == due, cls
        positional = [n for n, p in their.items() if p.kind is p.POSITIONAL_OR_KEYWORD and n in due and n != "maximize"]
        assert [n for n, p in parameters.items() if p.kind is p.POSITIONAL_OR_KEYWORD] == positional
