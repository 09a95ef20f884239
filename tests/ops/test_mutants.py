"""The tables tested: every gradient rule, made wrong by a factor of 1.001, must be caught by some row that runs it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from draws import fixed_case
from inventory import all_ops, noting
from rows import ROWS

from minigrad.core.node import Indexed
from minigrad.core.op import Op
from minigrad.errors import GradientError
from minigrad.testing import Case, gradcheck
from minigrad.testing.cases import as_tuple

FACTOR = 1.001
SEEDS = 12


@pytest.fixture(scope="module")
def cases_of() -> dict[str, list[Case]]:
    """Op -> the cases in which it runs, forwards or backwards."""
    found: dict[str, list[Case]] = {}
    cases = [fixed_case(row, seed) for row in ROWS if row.order for seed in range(SEEDS)]
    with noting() as seen:
        for case in cases:
            if case is None:
                continue
            seen.clear()
            for out in as_tuple(case.call(*case.tracked())):
                if out.requires_grad:
                    out.backward(np.ones(out.shape, out.dtype), create_graph=True)
            for name in seen:
                found.setdefault(name, []).append(case)
    return found


def wrong(part: Any) -> Any:
    if part is None:
        return None
    if isinstance(part, Indexed):
        return Indexed(part.scatter, part.values * FACTOR, part.index)
    return part * FACTOR


def mutants() -> list[tuple[str, str, int]]:
    """(op, which rule, argument): each ordinary rule, each part of a shared one, each part of a raw one."""
    found = []
    for name, op in all_ops().items():
        found += [(name, "vjps", i) for i, rule in enumerate(op.vjps) if rule is not None]
        for kind in ("vjp_all", "vjp_raw"):
            if getattr(op, kind) is not None:
                found += [(name, kind, i) for i in range(max(1, len(op.arg_names)))]
    # constants of the loss, moments that belong to x, a gradient of zero, a rule that refuses
    nothing = {
        "softmax_cross_entropy in fused": {1, 2}, "standardize in normalize": {1, 2},
        "identity_like in matrix_chains": {0}, "first_order in first_order": {0},
    }  # fmt: skip
    return sorted((n, k, i) for n, k, i in found if i not in nothing.get(n, ()))


def plant(op: Op, kind: str, position: int, patch: pytest.MonkeyPatch) -> None:
    original = getattr(op, kind)
    if kind == "vjps":
        rule = original[position]
        planted = (*original[:position], lambda *a, **p: wrong(rule(*a, **p)), *original[position + 1 :])
        patch.setattr(op, kind, planted)
        return

    def shared(*args: Any, **params: Any) -> Any:
        parts = list(original(*args, **params))
        parts[position] = wrong(parts[position])
        return tuple(parts)

    patch.setattr(op, kind, shared)


@pytest.mark.parametrize(("name", "kind", "position"), mutants(), ids=[f"{n}, {k}[{i}]" for n, k, i in mutants()])
def test_a_wrong_factor_is_caught(name: str, kind: str, position: int, device: str, cases_of: Any) -> None:
    op = all_ops()[name]
    cases = [c for c in cases_of.get(name, ()) if device == "cpu" or not c.row.host_only]
    with pytest.MonkeyPatch.context() as patch:
        plant(op, kind, position, patch)
        for case in (replace(case, device=device) for case in cases):
            try:
                gradcheck(case.call, *case.placed(), argnums=case.differentiable(), seed=case.seed)
            except GradientError:
                return
    pytest.fail(f"no row notices a gradient of {name} ({kind}, argument {position}) that is wrong by {FACTOR}")
