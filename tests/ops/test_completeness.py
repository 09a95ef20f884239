"""No operation without a row: every Op and every public function of minigrad.ops is reached by some row."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from draws import fixed_case
from inventory import all_ops, noting, public_functions
from rows import ROWS

# Helpers that compute no value of their own; the functions that call them are in the tables.
HELPERS = {
    "arguments.as_operand": "turns lists into arrays",
    "arguments.no_out": "refuses an argument",
    "arguments.normalize_axis": "checks an axis argument",
    "arguments.kept_shape": "works on shapes",
    "linalg.product_into": "half of a raw rule",
    "linalg.column_sum_into": "half of a raw rule",
    "normalize.moments": "raw arrays only; the argument of standardize",
    "where.untracked": "leaves the graph",
    "index.add_at": "half of scatter and index_add",
    "index.device_arrays": "makes index arrays",
    "index.is_basic": "asks for a kind of index",
    "index.repeats": "asks for a kind of index",
    "cumulative.along": "checks an axis argument",
    "cumulative.along_only": "checks an axis argument",
    "moments.count": "works on shapes",
    "moments.divisor": "checks two arguments",
    "moments.masked_mean": "half of mean(where=) and nanmean",
    "moments.masked_var": "half of var(where=) and nanvar",
    "moments.spread": "half of a rule",
    "order_statistics.beside": "moves an array to a device",
    "quantile_methods.bounds": "half of an op",
    "quantile_methods.interpolates": "asks for a method",
    "reduce.extremum": "half of max, min, nanmax and nanmin",
    "reduce.extremum_vjp": "a rule",
    "reduction_arguments.axes_back": "the inverse of axes_last in a rule",
    "reduction_arguments.axes_last": "moves axes",
    "reduction_arguments.given": "checks an argument",
    "reduction_arguments.mask_for": "checks an argument",
    "reduction_arguments.operand": "checks arguments",
    "reduction_arguments.selected": "half of where=",
    "reduction_arguments.start": "casts an argument",
}


@pytest.fixture(scope="module")
def reached() -> set[str]:
    """The ops that ran in the forwards of the rows, over a few shapes and parameters of each."""
    with noting() as seen:
        for row in ROWS:
            for seed in range(6):
                case = fixed_case(row, seed)
                if case is not None:
                    case.call(*case.tracked())
    return seen


def test_there_are_operations_to_look_at() -> None:
    assert len(all_ops()) > 50
    assert len(public_functions()) > 25
    assert set(HELPERS) <= set(public_functions()), "a helper listed here is gone"


@pytest.mark.parametrize("name", sorted(all_ops()))
def test_every_op_is_reached_by_a_row(name: str, reached: set[str]) -> None:
    assert name in reached, f"{name} runs in no row of tests/ops/rows_*.py: add one"


def _mentions(function: Any) -> set[int]:
    """The functions that a row's callable is, or names in its code (a lambda around the call)."""
    found = {id(function)}
    code = getattr(function, "__code__", None)
    if code is not None:
        scope = function.__globals__
        owners = [scope[n] for n in code.co_names if n in scope]
        found |= {id(o) for o in owners}
        found |= {id(vars(o)[n]) for o in owners if isinstance(o, ModuleType) for n in code.co_names if n in vars(o)}
    return found


@pytest.mark.parametrize("name", sorted(set(public_functions()) - set(HELPERS)))
def test_every_public_function_has_a_row(name: str) -> None:
    named = set().union(*(_mentions(row.fn) for row in ROWS))
    assert id(public_functions()[name]) in named, f"minigrad.ops.{name} has no row in tests/ops/rows_*.py: add one"
