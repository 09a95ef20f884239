"""What the rows and the tests of the tables share: torch's functions by name, and one full case of a row."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from minigrad import Tensor
from minigrad.testing import Case, OpSpec, case_of
from minigrad.testing.cases import as_tuple

__all__ = ["as_tuple", "drawn_case", "fixed_case", "raw", "torch_function"]


def torch_function(name: str) -> Any:
    """torch.<name>, imported when called: torch is optional."""

    def call(*args: Any, **params: Any) -> Any:
        function: Any = importlib.import_module("torch")
        for part in name.split("."):
            function = getattr(function, part)
        return function(*args, **params)

    return call


def drawn_case(row: OpSpec, seed: int, device: str = "cpu", dtype: Any = np.float64, layouts: bool = False) -> Case:
    """The case of a row that belongs to a seed; contiguous unless asked for."""
    return case_of(row, seed, device, dtype, layouts)


def raw(value: Any) -> Any:
    return value.data if isinstance(value, Tensor) else value


def fixed_case(row: OpSpec, seed: int, device: str = "cpu") -> Case | None:
    """A deterministic case that is not empty, another for each seed."""
    shapes = row.shapes or tuple((s,) * row.arity for s in [(2, 3), (3,), (1, 2)])
    able = [case for case in shapes if len(row.variants(case))]
    if not able:
        return None
    full = [case for case in able if not any(0 in s for s in case)] or able
    chosen = full[seed % len(full)]
    variants = row.variants(chosen)
    arrays = row.arguments(np.random.default_rng(seed), chosen)
    return Case(row, arrays, dict(variants[seed % len(variants)]), seed, device)
