"""Hypothesis strategies for OpSpec rows: shapes, parameters, memory layouts; data comes from a seed, all at once."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import hypothesis.extra.numpy as hnp
import numpy as np
from hypothesis import strategies as st

from minigrad import Tensor, tensor
from minigrad.backend.device import provider_of
from minigrad.core.variable import wrap
from minigrad.testing import OpSpec

LAYOUTS = ("contiguous", "transposed", "strided", "reversed", "broadcast")


def torch_function(name: str) -> Any:
    """torch.<name>, imported when called: torch is optional."""

    def call(*args: Any, **params: Any) -> Any:
        function: Any = importlib.import_module("torch")
        for part in name.split("."):
            function = getattr(function, part)
        return function(*args, **params)

    return call


def lay_out(array: np.ndarray, layout: str) -> np.ndarray:
    """The same values in another memory layout; "broadcast" repeats the first entry of axis 0 by a stride of 0."""
    if layout == "transposed":
        return array.T.copy().T
    if array.ndim == 0 or layout == "contiguous":
        return array.copy()
    if layout == "strided":
        return np.repeat(array, 2, axis=-1)[..., ::2]
    if layout == "reversed":
        return array[::-1].copy()[::-1]
    return np.broadcast_to(array[:1], array.shape) if len(array) else array.copy()


@dataclass(frozen=True)
class Case:
    """One call of a row: arguments and static parameters."""

    row: OpSpec
    arrays: tuple[np.ndarray, ...]
    params: dict[str, Any]
    seed: int

    def call(self, *args: Any) -> Any:
        return self.row.fn(*args, **self.params)

    def expected(self, dtype: Any = None) -> Any:
        """The reference's value, computed on the arrays cast to `dtype`."""
        arrays = [a if dtype is None else cast(a, dtype) for a in self.arrays]
        return self.row.reference(*arrays, **self.params)

    def differentiable(self) -> list[int]:
        chosen = self.row.differentiable
        floats = [i for i, a in enumerate(self.arrays) if a.dtype.kind == "f"]
        return floats if chosen is None else [i for i in chosen if i in floats]

    def tracked(self, arrays: tuple[np.ndarray, ...] | None = None) -> list[Any]:
        """Arguments with a tracked tensor for each differentiable one; constants stay raw arrays."""
        arrays = self.arrays if arrays is None else arrays
        chosen = self.differentiable()
        return [tensor(a, requires_grad=True) if i in chosen else a for i, a in enumerate(arrays)]

    def cotangents(self, outs: list[Any]) -> list[np.ndarray]:
        rng = np.random.default_rng(self.seed + 1)
        return [np.asarray(rng.integers(-16, 17, size=o.shape) / 8).astype(o.dtype) for o in outs]


def cast(array: np.ndarray, dtype: Any) -> np.ndarray:
    """Floating-point arrays in another dtype, anything else as it is."""
    return array.astype(dtype) if array.dtype.kind == "f" else array


def as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def raw(value: Any) -> Any:
    return value.data if isinstance(value, Tensor) else value


def view_of(array: np.ndarray) -> Any:
    """A tracked tensor around this very memory, whatever its layout."""
    leaf = wrap(array)
    leaf.requires_grad = True
    return leaf


def is_array(value: Any) -> bool:
    return provider_of(value) is not None or isinstance(value, np.generic)


def _shapes(row: OpSpec) -> st.SearchStrategy[tuple[tuple[int, ...], ...]]:
    if row.shapes is not None:
        return st.sampled_from(row.shapes)
    if row.broadcasts:
        drawn = hnp.mutually_broadcastable_shapes(num_shapes=row.arity, min_side=0, max_side=3, max_dims=3)
        return drawn.map(lambda broadcast: tuple(broadcast.input_shapes))
    one = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)
    return one.map(lambda shape: (shape,) * row.arity)


@st.composite
def cases(draw: Any, row: OpSpec, dtype: Any = np.float64, layouts: bool = False) -> Case:
    """Cases of a row. With `layouts` the arguments are strided, reversed, transposed or stride-0 too."""
    shapes = draw(_shapes(row).filter(lambda s: len(row.variants(s)) > 0))
    variants = row.variants(shapes)
    params = dict(variants[draw(st.integers(0, len(variants) - 1))])
    seed = draw(st.integers(0, 2**16))
    arrays = row.arguments(np.random.default_rng(seed), shapes, dtype)
    if layouts:
        # a stride of 0 makes equal elements, which rows with gaps or kinks in the arguments' differences forbid
        allowed = LAYOUTS[:-1] if row.min_gap or any(callable(k) for k in row.kinks) else LAYOUTS
        arrays = tuple(lay_out(a, draw(st.sampled_from(allowed))) for a in arrays)
    return Case(row, arrays, params, seed)


def fixed_case(row: OpSpec, seed: int) -> Case | None:
    """A deterministic case that is not empty, another for each seed."""
    shapes = row.shapes or tuple((s,) * row.arity for s in [(2, 3), (3,), (1, 2)])
    full = [case for case in shapes if not any(0 in s for s in case)] or shapes
    chosen = full[seed % len(full)]
    variants = row.variants(chosen)
    if not variants:
        return None
    arrays = row.arguments(np.random.default_rng(seed), chosen)
    return Case(row, arrays, dict(variants[seed % len(variants)]), seed)
