"""Every row of the op tables in a captured step: its replay is the op, or it is refused, and never anything else."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import minigrad as mg
from minigrad.errors import CaptureWarning
from minigrad.testing import OpSpec

sys.path.insert(0, str(Path(__file__).parents[1] / "ops"))
from rows import ROWS

VARIANTS = 2
"""Parameters of a row that are tried."""
NO_STEPS = {
    "spread_ties", "average_ties",  # not differentiable in everything that is tracked here
    "putmask", "copyto", "copyto where a condition holds", "put_along_axis in place", "fill_diagonal in place",  # raise
}  # fmt: skip
SHAPES = [((),), ((3,),), ((2, 3),), ((3, 3),), ((2, 3, 2),)]


def calls(row: OpSpec) -> list[tuple[Any, Any, Any]]:
    """Arguments, others of the same shapes, and parameters."""
    for sides in row.shapes or [shapes * row.arity for shapes in reversed(SHAPES)]:
        variants = list(row.variants(sides))[:VARIANTS]
        if variants:
            return [(*(row.arguments(np.random.default_rng(n), sides) for n in (0, 1)), params) for params in variants]
    return []


def step_of(row: OpSpec, arrays: Any, params: Any) -> tuple[list[mg.Tensor], Callable[[], list[mg.Tensor]]]:
    """The op and its gradients, as a step without arguments on tensors that it reads from memory."""
    tensors = [mg.tensor(a, requires_grad=a.dtype.kind == "f") for a in arrays]

    def step() -> list[mg.Tensor]:
        for t in tensors:
            t.grad = None
        out = row.fn(*tensors, **params)
        outs = [o for o in (out if isinstance(out, (tuple, list)) else (out,)) if isinstance(o, mg.Tensor)]
        losses = [(o * o).sum() for o in outs if o.requires_grad]
        if losses:
            sum(losses[1:], losses[0]).backward()
        return [o.detach() for o in outs] + [t.grad for t in tensors if t.grad is not None]

    return tensors, step


@pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("row", [row for row in ROWS if row.name not in NO_STEPS], ids=lambda row: row.name)
def test_a_replay_is_the_op(row: OpSpec) -> None:
    for arrays, others, params in calls(row):
        (mine, step), (theirs, other) = (step_of(row, arrays, params) for _ in range(2))
        captured = mg.capture(other, executor="numpy")
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore", CaptureWarning)
            for _ in range(2):
                for a, b in zip(step(), captured(), strict=True):
                    np.testing.assert_allclose(b.data, a.data, rtol=1e-12, atol=1e-12, strict=True)
                for t, value in zip([*mine, *theirs], [*others, *others], strict=True):
                    t.data = value
        refused = list(captured.refusals.values())
        assert not any("its replay is not what it computes" in reason for reason in refused), refused


def test_few_rows_are_refused() -> None:
    """Those whose shapes or checks depend on values, or that bring arrays of their own: networks are made of others."""
    refused = []
    for row in ROWS:
        if row.name in NO_STEPS:
            continue
        for arrays, _, params in calls(row)[:1]:
            captured = mg.capture(step_of(row, arrays, params)[1], executor="numpy")
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                captured()
            refused += [row.name] * bool(captured.refusals)
    assert len(refused) < len(ROWS) / 6, refused
    everyday = {
        "add", "multiply", "exp", "matmul", "sum", "mean", "var", "max", "where", "concatenate", "stack", "softmax",
        "relu", "sigmoid", "reshape", "transpose", "getitem", "split", "pad", "einsum", "take", "norm",
    }  # fmt: skip
    assert everyday.isdisjoint(refused)
