"""One call of an OpSpec row: arguments, their layout and device, static parameters; and its outputs and gradients."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..backend.array import to_device, to_host
from ..core.variable import Variable
from ..tensor import Tensor
from .memory_layouts import fits, lay_out
from .opspec import OpSpec, Shape
from .tape import leaf

SIDES = (0, 1, 1, 2, 2, 2, 3, 3)
AXES = (0, 1, 1, 2, 2, 2, 3, 3)
"""Lengths and numbers of axes, each as often as it is drawn."""
ORDINARY = ("contiguous", "transposed", "sliced", "reversed", "broadcast")


@dataclass(frozen=True)
class Case:
    """One call of a row.

    Args:
        row: the row.
        arrays: the arguments' values, on the host.
        params: static parameters.
        seed: of what is drawn on the way, as cotangents are.
        device: full label of where the call runs.
        layouts: of the arguments in memory; () is C order.
    """

    row: OpSpec
    arrays: tuple[np.ndarray, ...]
    params: dict[str, Any]
    seed: int = 0
    device: str = "cpu"
    layouts: tuple[str, ...] = ()

    def __repr__(self) -> str:
        arrays = ", ".join(f"{a.dtype}{list(a.shape)} {a.tolist()}" for a in self.arrays)
        more = "".join(f", {k}={v!r}" for k, v in self.params.items())
        where = "" if self.device == "cpu" else f" on {self.device}"
        lay = f", layouts {', '.join(self.layouts)}" if any(lay != "contiguous" for lay in self.layouts) else ""
        return f"{self.row.name}({arrays}{more}){lay}{where}"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))  # hypothesis would list every field

    def call(self, *args: Any) -> Any:
        """fn of these arguments and the row's parameters, arrays among which go to the device."""
        params = {k: to_device(v, self.device) if isinstance(v, np.ndarray) else v for k, v in self.params.items()}
        return self.row.fn(*args, **params)

    def expected(self) -> tuple[np.ndarray, ...]:
        """The reference's outputs."""
        return tuple(np.asarray(e) for e in as_tuple(self.row.reference(*self.arrays, **self.params)))

    def differentiable(self) -> list[int]:
        """Positions of the arguments that have a gradient."""
        floats = [i for i, a in enumerate(self.arrays) if a.dtype.kind == "f"]
        return floats if self.row.differentiable is None else [i for i in self.row.differentiable if i in floats]

    def cast(self, dtype: Any) -> Case:
        """The same with floating-point arguments of another dtype."""
        arrays = tuple(a.astype(dtype) if a.dtype.kind == "f" else a for a in self.arrays)
        return replace(self, arrays=arrays)

    def placed(self) -> list[Any]:
        """The arguments as new raw arrays on the device, in their layouts."""
        layouts = self.layouts or ("contiguous",) * len(self.arrays)
        return [lay_out(a, layout, self.device) for a, layout in zip(self.arrays, layouts, strict=True)]

    def tracked(self) -> list[Any]:
        """The arguments with a leaf for each differentiable one; constants stay raw arrays."""
        chosen = self.differentiable()
        return [leaf(a) if i in chosen else a for i, a in enumerate(self.placed())]

    def outputs(self, args: Sequence[Any], values: Sequence[Any] | None = None) -> list[Any]:
        """The outputs that carry a gradient: of a call with these arguments, or those that it gave."""
        found = as_tuple(self.call(*args)) if values is None else values
        return [o for o in found if isinstance(o, Variable) and o._node is not None]

    def cotangents(self, outs: Sequence[Any]) -> list[Any]:
        """A raw array for each output, where that is."""
        rng = np.random.default_rng(self.seed + 1)
        return [to_device(np.asarray(rng.integers(-16, 17, size=o.shape) / 8, o.dtype), o.device) for o in outs]

    @functools.cached_property
    def own_gradients(self) -> list[np.ndarray]:
        """What `gradients()` gives, computed once for all checks; not to be written to."""
        return self.gradients()

    def gradients(self, cotangents: Sequence[Any] | None = None, **how: Any) -> list[np.ndarray]:
        """The leaves' gradients by one backward pass per output, on the host.

        Args:
            cotangents: one raw array per output; None draws them.
            **how: overwrite=True starts from gradients that are dead storage full of NaN; onto=1.0 adds to gradients of
                that value; create_graph=True records.

        Returns:
            One array per differentiable argument.
        """
        args = self.tracked()
        leaves = [args[i] for i in self.differentiable()]
        outs = self.outputs(args)
        for t in leaves:
            start = np.nan if "overwrite" in how else how.get("onto")
            if start is not None:
                t.grad = to_device(np.full(t.shape, start, t.dtype), self.device)
            if "overwrite" in how:  # as of a packed parameter after zero_grad: storage with stale numbers in it
                t._node.live = False
        for out, w in zip(outs, self.cotangents(outs) if cotangents is None else cotangents, strict=True):
            out.backward(w, retain_graph=True, create_graph=how.get("create_graph", False))
        return [np.zeros(t.shape, t.dtype) if t.grad is None else host(t.grad) for t in leaves]


def as_tuple(value: Any) -> tuple[Any, ...]:
    """Several outputs as they are, one as a tuple of one."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def host(value: Any) -> np.ndarray:
    """A copy of the values of a Tensor or raw array on the host."""
    return np.array(to_host(value._data if isinstance(value, Tensor) else value))


def allowed_layouts(row: OpSpec) -> tuple[str, ...]:
    """The layouts that a row's arguments may have: a stride of 0 makes the ties that gaps and distances rule out."""
    return ORDINARY[:-1] if row.min_gap or any(callable(k) for k in row.kinks) else ORDINARY


def case_of(row: OpSpec, seed: int = 0, device: str = "cpu", dtype: Any = np.float64, layouts: bool = True) -> Case:
    """The case of a row that belongs to a seed; needs no hypothesis.

    Args:
        row: the row.
        seed: another one for another case.
        device: full label.
        dtype: of the floating-point arguments.
        layouts: whether the arguments lie in memory in other ways too.

    Returns:
        The case.

    Raises:
        ValueError: no parameters, or no arguments away from the kinks, were found.
    """
    rng = np.random.default_rng(seed)
    for _ in range(100):
        shapes = _some_shapes(row, rng)
        variants = row.variants(shapes)
        if len(variants):
            break
    else:
        raise ValueError(f"OpSpec {row.name}: no parameters fit any of 100 shapes")
    params = dict(variants[int(rng.integers(len(variants)))])
    arrays = row.arguments(rng, shapes, dtype)
    names: tuple[str, ...] = ()
    if layouts:
        able = [[n for n in allowed_layouts(row) if fits(n, a.shape)] for a in arrays]
        names = tuple(names[rng.integers(len(names))] for names in able)
    return laid_out(Case(row, arrays, params, seed, device), names)


def laid_out(case: Case, layouts: tuple[str, ...]) -> Case:
    """The case in these layouts; "broadcast" repeats the first row of the values."""
    arrays = tuple(
        np.broadcast_to(a[:1], a.shape) if layout == "broadcast" else a
        for a, layout in zip(case.arrays, layouts or ("",) * len(case.arrays), strict=True)
    )
    return replace(case, arrays=arrays, layouts=layouts)


def _some_shapes(row: OpSpec, rng: np.random.Generator) -> tuple[Shape, ...]:
    """One shape an argument, of up to three axes of up to three elements where the row does not say."""
    if row.shapes is not None:
        return row.shapes[rng.integers(len(row.shapes))]
    whole = tuple(rng.choice(SIDES, size=rng.choice(AXES)).tolist())
    if not row.broadcasts:
        return (whole,) * row.arity
    parts = []
    for _ in range(row.arity):
        narrow = tuple(1 if one else n for n, one in zip(whole, rng.random(len(whole)) < 0.25, strict=True))
        parts.append(narrow[rng.integers(len(whole) + 1) if rng.random() < 0.25 else 0 :])
    return tuple(parts)
