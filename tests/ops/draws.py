"""Calls of OpSpec rows made from a seed: shapes, parameters, memory layouts, data; and their arrays on a device."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from hypothesis import note
from on_device import put

from minigrad import Tensor, tensor
from minigrad.backend.device import provider_for, provider_of
from minigrad.testing import OpSpec

LAYOUTS = ("contiguous", "transposed", "strided", "reversed", "broadcast")
SIDES = (0, 1, 1, 2, 2, 2, 3, 3)
AXES = (0, 1, 1, 2, 2, 2, 3, 3)
"""Lengths and numbers of axes, each as often as it is drawn."""


def torch_function(name: str) -> Any:
    """torch.<name>, imported when called: torch is optional."""

    def call(*args: Any, **params: Any) -> Any:
        function: Any = importlib.import_module("torch")
        for part in name.split("."):
            function = getattr(function, part)
        return function(*args, **params)

    return call


def lay_out(array: np.ndarray, layout: str, device: str) -> Any:
    """The same values in another memory layout; "broadcast" repeats the first entry of axis 0 by a stride of 0."""
    if layout == "transposed":
        return put(array.T.copy(), device).T
    if array.ndim == 0 or layout == "contiguous":
        return put(array, device)
    if layout == "strided":
        return put(np.repeat(array, 2, axis=-1), device)[..., ::2]
    if layout == "reversed":
        return put(array[::-1].copy(), device)[::-1]
    if not len(array):
        return put(array, device)
    return provider_for(device).xp.broadcast_to(put(array[:1], device), array.shape)


@dataclass(frozen=True)
class Case:
    """One call of a row: the arguments' values, and how and where they lie in memory; static parameters."""

    row: OpSpec
    arrays: tuple[np.ndarray, ...]
    params: dict[str, Any]
    seed: int
    device: str = "cpu"
    layouts: tuple[str, ...] = ()

    def call(self, *args: Any) -> Any:
        params = {k: self.put(v) if isinstance(v, np.ndarray) else v for k, v in self.params.items()}
        return self.row.fn(*args, **params)

    def expected(self, dtype: Any = None) -> Any:
        """The reference's value, computed on the arrays cast to `dtype`."""
        arrays = self.arrays if dtype is None else self.cast(dtype).arrays
        return self.row.reference(*arrays, **self.params)

    def differentiable(self) -> list[int]:
        chosen = self.row.differentiable
        floats = [i for i, a in enumerate(self.arrays) if a.dtype.kind == "f"]
        return floats if chosen is None else [i for i in chosen if i in floats]

    def cast(self, dtype: Any) -> Case:
        """The same with floating-point arguments of another dtype."""
        return replace(self, arrays=tuple(cast(a, dtype) for a in self.arrays))

    def put(self, array: np.ndarray) -> Any:
        """A copy on the device."""
        return put(array, self.device)

    def placed(self) -> list[Any]:
        """The arguments as raw arrays on the device."""
        layouts = self.layouts or ("contiguous",) * len(self.arrays)
        return [lay_out(a, layout, self.device) for a, layout in zip(self.arrays, layouts, strict=True)]

    def tracked(self) -> list[Any]:
        """The arguments with a tracked tensor for each differentiable one; constants stay raw arrays."""
        chosen = self.differentiable()
        return [tensor(a, requires_grad=True) if i in chosen else a for i, a in enumerate(self.placed())]

    def cotangents(self, outs: list[Any]) -> list[Any]:
        """A raw array for each output, where that is."""
        rng = np.random.default_rng(self.seed + 1)
        return [put((rng.integers(-16, 17, size=o.shape) / 8).astype(o.dtype), o.device) for o in outs]


def cast(array: np.ndarray, dtype: Any) -> np.ndarray:
    """Floating-point arrays in another dtype, anything else as it is."""
    return array.astype(dtype) if array.dtype.kind == "f" else array


def as_tuple(value: Any) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,)


def raw(value: Any) -> Any:
    return value.data if isinstance(value, Tensor) else value


def is_array(value: Any) -> bool:
    return provider_of(value) is not None or isinstance(value, np.generic)


def _some_shapes(row: OpSpec, rng: np.random.Generator) -> tuple[tuple[int, ...], ...]:
    """One shape an argument, of up to three axes of up to three elements where the row does not say."""
    if row.shapes is not None:
        return row.shapes[rng.integers(len(row.shapes))]
    whole = tuple(rng.choice(SIDES, size=rng.choice(AXES)).tolist())
    if not row.broadcasts:
        return (whole,) * row.arity
    parts = []
    for _ in range(row.arity):
        ones = rng.random(len(whole)) < 0.25
        narrow = tuple(1 if one else n for n, one in zip(whole, ones, strict=True))
        parts.append(narrow[rng.integers(len(whole) + 1) if rng.random() < 0.25 else 0 :])
    return tuple(parts)


def _call_of(row: OpSpec, rng: np.random.Generator) -> tuple[tuple[tuple[int, ...], ...], dict[str, Any]]:
    """Shapes, and static parameters that fit them."""
    for _ in range(100):
        shapes = _some_shapes(row, rng)
        variants = row.variants(shapes)
        if len(variants):
            return shapes, dict(variants[rng.integers(len(variants))])
    raise ValueError(f"{row.name}: no parameters fit any of 100 shapes")


def drawn_case(row: OpSpec, seed: int, device: str = "cpu", dtype: Any = np.float64, layouts: bool = False) -> Case:
    """The case of a row that belongs to a seed. With `layouts` the arguments lie in memory in other ways too."""
    rng = np.random.default_rng(seed)
    shapes, params = _call_of(row, rng)
    arrays = row.arguments(rng, shapes, dtype)
    chosen: tuple[str, ...] = ()
    if layouts:
        # a stride of 0 makes equal elements, which rows with gaps or kinks in the arguments' differences forbid
        allowed = LAYOUTS[:-1] if row.min_gap or any(callable(k) for k in row.kinks) else LAYOUTS
        chosen = tuple(allowed[i] for i in rng.integers(len(allowed), size=len(arrays)))
        arrays = tuple(
            np.broadcast_to(a[:1], a.shape) if layout == "broadcast" and a.ndim and len(a) else a
            for a, layout in zip(arrays, chosen, strict=True)
        )
    case = Case(row, arrays, params, seed, device, chosen)
    note(case)
    return case


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
