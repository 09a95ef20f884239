"""OpSpec: one row of a table that says all a test must know of an operation.

    OpSpec("sqrt", ops.sqrt, np.sqrt, domain=(0.25, 4.0), torch=torch.sqrt)

A row describes where the operation may be evaluated (domain, kinks, gaps), with which shapes and static
parameters, what its value must be, and how often it can be differentiated. `OpSpec.arguments` draws data from
that description: distinct nonzero numbers on a dyadic grid, which every dtype holds exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Shape = tuple[int, ...]
Params = Mapping[str, Any]
Draw = Callable[[np.random.Generator, tuple[Shape, ...], int], Any]
Domain = tuple[float, float] | Draw

_STEP = 1 / 16
_ATTEMPTS = 100


@dataclass(frozen=True, repr=False)
class OpSpec:
    """What a test must know of one operation.

    Args:
        name: how a test report calls it.
        fn: called as `fn(*arrays, **params)` with arrays or Tensors.
        reference: NumPy function with the same call that gives the expected value.
        arity: number of array arguments.
        domain: the open interval that values are drawn from, or a function `(rng, shapes, position) -> array`
            for arguments of another kind (labels, masks); one for all arguments or one per argument.
        kinks: where the operation is not differentiable (or singular): numbers, which every argument keeps away
            from, or functions of the arguments whose zeros are meant.
        distance: how far from the kinks.
        min_gap: smallest difference between two elements of one argument; positive where ties matter.
        shapes: the shapes to try, one tuple of shapes per case; None tries any.
        broadcasts: the arguments broadcast against each other; otherwise, where `shapes` is None, all have one shape.
        params: static parameters: the variants, or a function of the shapes that lists those that fit them.
        differentiable: positions of the arguments that have a gradient; None means all floating-point ones.
        order: how often it can be differentiated in a check: 2, 1, or 0 for results without a gradient.
        dtypes: dtypes to test.
        tolerance: per dtype, largest relative difference from the reference.
        torch: the same function of torch tensors, with the same parameters; None where there is none.
        notes: conventions worth knowing.
        batched: positions of the arguments whose rows (axis 0) are treated one by one, so that f of a batch is f of its
            parts; the other arguments are shared by all rows.
        waived: names of checks of the battery that do not hold, each with its reason.
        host_only: why it runs on the CPU alone; "" where it runs on every device.
    """

    name: str
    fn: Callable[..., Any]
    reference: Callable[..., Any]
    arity: int = 1
    domain: Domain | tuple[Domain, ...] = (-2.0, 2.0)
    kinks: tuple[float | Callable[..., Any], ...] = ()
    distance: float = 1 / 32
    min_gap: float = 0.0
    shapes: tuple[tuple[Shape, ...], ...] | None = None
    broadcasts: bool = False
    params: Sequence[Params] | Callable[..., Sequence[Params]] = ({},)
    differentiable: tuple[int, ...] | None = None
    order: int = 2
    dtypes: tuple[str, ...] = ("float64", "float32")
    tolerance: Mapping[str, float] = field(default_factory=lambda: {"float64": 1e-12, "float32": 1e-5})
    torch: Callable[..., Any] | None = None
    notes: str = ""
    batched: tuple[int, ...] = ()
    waived: Mapping[str, str] = field(default_factory=dict)
    host_only: str = ""

    def __post_init__(self) -> None:
        if self.order not in (0, 1, 2):
            raise ValueError(f"OpSpec {self.name}: order must be 0, 1 or 2, got {self.order!r}")
        for case in self.shapes or ():
            if len(case) != self.arity:
                raise ValueError(f"OpSpec {self.name}: shapes {case} are {len(case)}, but arity is {self.arity}")
        if isinstance(self.domain, tuple) and self._per_argument() and len(self.domain) != self.arity:
            raise ValueError(f"OpSpec {self.name}: {len(self.domain)} domains for {self.arity} arguments")
        if not set(self.batched) <= set(range(self.arity)):
            raise ValueError(f"OpSpec {self.name}: batched={self.batched!r} must name arguments below {self.arity}")

    def __repr__(self) -> str:
        return f"OpSpec({self.name})"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))  # hypothesis and IPython would list every field

    def _per_argument(self) -> bool:
        return isinstance(self.domain, tuple) and not all(isinstance(end, (int, float)) for end in self.domain)

    def domain_of(self, position: int) -> Domain:
        """The domain of one argument."""
        return self.domain[position] if self._per_argument() else self.domain  # type: ignore[index,return-value]

    def variants(self, shapes: tuple[Shape, ...]) -> Sequence[Params]:
        """The static parameters that fit arguments of these shapes."""
        return self.params(*shapes) if callable(self.params) else self.params

    def arguments(
        self, rng: np.random.Generator, shapes: tuple[Shape, ...], dtype: Any = np.float64
    ) -> tuple[np.ndarray, ...]:
        """Draw one array per argument: distinct, nonzero, away from the kinks, exact in any dtype.

        Args:
            rng: source of randomness; the same state gives the same arrays.
            shapes: one shape per argument.
            dtype: dtype of the floating-point arguments.

        Returns:
            New C-contiguous arrays.

        Raises:
            ValueError: no such arrays were found: the domain is too narrow for the kinks and gaps.
        """
        for _ in range(_ATTEMPTS):
            arrays = tuple(self._argument(rng, shapes, i, dtype) for i in range(self.arity))
            if all(self._away(kink, arrays) for kink in self.kinks if callable(kink)):
                return arrays
        raise ValueError(f"OpSpec {self.name}: no arguments of shapes {shapes} stay away from the kinks")

    def _argument(self, rng: np.random.Generator, shapes: tuple[Shape, ...], position: int, dtype: Any) -> np.ndarray:
        domain = self.domain_of(position)
        if callable(domain):
            array = np.asarray(domain(rng, shapes, position))
            return array.astype(dtype) if array.dtype.kind == "f" else array
        shape = shapes[position]
        size = math.prod(shape)
        points = self._grid(*domain, position, size)
        return rng.permutation(points)[:size].reshape(shape).astype(dtype)

    def _grid(self, low: float, high: float, position: int, size: int) -> np.ndarray:
        """At least `size` points of a grid in (low, high) that is refined until it has that many."""
        kinks = [kink for kink in self.kinks if not callable(kink)]
        step = max(_STEP, self.min_gap)
        while True:
            # each argument has a grid of its own, so that two arguments are never equal
            points = np.arange(math.ceil(low / step), math.floor(high / step) + 1) * step + position * step / 4
            points = points[(points > low) & (points < high) & (points != 0)]
            for kink in kinks:
                points = points[np.abs(points - kink) >= self.distance]
            if len(points) >= size:
                return points
            step /= 2
            if step < max(self.min_gap, _STEP / 64):
                raise ValueError(f"OpSpec {self.name}: ({low}, {high}) is too narrow for {size} distinct elements")

    def _away(self, kink: Callable[..., Any], arrays: tuple[np.ndarray, ...]) -> bool:
        return bool(np.all(np.abs(kink(*arrays)) >= self.distance))
