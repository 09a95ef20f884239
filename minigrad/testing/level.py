"""One order of a check: the function whose gradient is looked at, its point, cotangents, and the tape's gradients."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backend.array import to_device, to_host
from ..backend.device import device_of
from ..core.modes import no_grad
from ..core.variable import wrap
from .line import EPS, Direction, Line
from .tape import Evaluate, Function, Unsupported, flat, leaf, pull

_AWAY, _CLOSE = 2.0**-14, 2.0**-22
"""How far the points around are, and the step there."""


class Level:
    """The check at one order.

    Args:
        evaluate: the function: f at order 1, its gradient at order 2, and so on.
        points: where, as raw float64 arrays on one device.
        names: how a report calls the points.
        positions: of the first points among the arguments of f; the others are cotangents of lower orders.
        order: which derivative the gradient of this function is.
        rng: source of the cotangents and directions.
        below: how large the weighted outputs of the order below were.

    Attributes:
        extent: how large the weighted outputs have been, here or at the order below.
        hosts: the points on the host.
        cotangents, gradients, recorded: after `run`: random cotangents, the gradients by the ordinary backward, and by
            the one that can be differentiated again.
        value, rounding: all outputs as one vector, and the rounding error to expect in each.
        finite: whether they are.
    """

    def __init__(
        self,
        evaluate: Evaluate,
        points: Sequence[Any],
        names: Sequence[str],
        positions: Sequence[int],
        order: int,
        rng: np.random.Generator,
        below: float = 0.0,
    ) -> None:
        self.evaluate, self.points, self.names = evaluate, list(points), list(names)
        self.positions, self.order, self.rng, self.below = tuple(positions), order, rng, below
        self.extent = below
        self.curved = len(self.positions)  # in what comes after them everything is linear
        self.hosts = [np.asarray(to_host(p)) for p in points]
        self.devices = [device_of(p) for p in points]
        self._tensors = [wrap(p) for p in points]
        self._near = all(d == "cpu" for d in self.devices)

    def run(self, cotangents: Sequence[Any] | None = None) -> None:
        """Run the tape forwards and backwards.

        Args:
            cotangents: raw arrays, one an output; None draws them.

        Raises:
            ValueError: f returned nothing that has a gradient.
        """
        self.leaves = [leaf(p) for p in self.points]
        self.outs = self.evaluate(self.leaves, True)
        if not self.outs:
            raise ValueError("gradcheck: f returned nothing of floating-point dtype")
        self.recorded_value = flat(self.outs)
        self.finite = bool(np.isfinite(self.recorded_value).all())
        if not self.finite:
            return
        self.cotangents = list(cotangents) if cotangents is not None else self.draw_cotangents()
        self.gradients = self.pulled(self.cotangents)
        self.weights = flat([wrap(c) for c in self.cotangents])
        self.extent = max(self.extent, float(np.abs(self.weights) @ np.abs(self.recorded_value)))

    def evaluate_plainly(self) -> np.ndarray:
        """The outputs at the point without recording; they are what differences start from."""
        with no_grad():
            outs = self.evaluate(self._tensors, False)
        self.value = flat(outs)
        self.rounding = np.abs(self.value)
        if all(o.dtype == np.float64 for o in outs):
            self.rounding = self.rounding * EPS
        else:
            self.rounding = self.rounding * np.repeat([np.finfo(o.dtype).eps for o in outs], [o.size for o in outs])
        return self.value

    def draw_cotangents(self) -> list[Any]:
        """A random cotangent for each output, where that is."""
        return [to_device(self.random(o.shape).astype(o.dtype), o.device) for o in self.outs]

    def pulled(self, cotangents: Sequence[Any], create_graph: bool = False) -> list[Any]:
        """The points' gradients for these cotangents, as tensors."""
        seeds = [leaf(w) if create_graph else wrap(w) for w in cotangents]
        return pull(self.leaves, self.outs, seeds, create_graph, retain=True)

    # --- directions ---------------------------------------------------------------------------------------------

    def random(self, shape: tuple[int, ...]) -> np.ndarray:
        """Components between 1/2 and 3/2 in magnitude, of either sign, in steps of 1/64."""
        magnitude = self.rng.integers(32, 97, size=shape) / 64
        return np.asarray(magnitude * self.rng.choice([-1.0, 1.0], size=shape))

    def noise_rng(self) -> np.random.Generator:
        """Another source of randomness, so that a closer look changes nothing that comes after it."""
        return np.random.default_rng(self.order)

    def reach(self, i: int) -> np.ndarray:
        """The step of each entry of point i in units of the line: max(1, |x|) as a power of two, which adds exactly."""
        return np.asarray(np.exp2(np.ceil(np.log2(np.maximum(1.0, np.abs(self.hosts[i]))))))

    def entry(self, i: int, index: tuple[int, ...], reach: float, weights: np.ndarray | None = None) -> Line:
        """The line along one entry of point i."""
        v = np.zeros(self.hosts[i].shape)
        v[index] = reach
        return self.line({i: v}, weights, reach)

    def line(self, direction: Direction, weights: np.ndarray | None = None, unit: float = 1.0) -> Line:
        """The line along a direction, for the level's own cotangent unless weights are given."""
        w = self.weights if weights is None else weights
        return Line(self, direction, w, unit, all(i >= self.curved for i in direction))

    # --- what a line asks for -----------------------------------------------------------------------------------

    def moved(self, direction: Direction, t: float) -> np.ndarray:
        """The outputs with points moved by t; nan where f is not defined there."""
        tensors = list(self._tensors)
        for i, v in direction.items():
            host = self.hosts[i] + t * v
            tensors[i] = wrap(host if self._near and type(host) is np.ndarray else self.put(host, i))
        try:
            with no_grad(), np.errstate(all="ignore"):
                found = flat(self.evaluate(tensors, False))
        except (ValueError, ArithmeticError, Warning):  # f is defined at the point, and refuses what is beside it
            return np.full(self.value.shape, np.nan)
        return found if found.shape == self.value.shape else np.full(self.value.shape, np.nan)

    def put(self, host: Any, i: int) -> Any:
        """An array of the host on the device of point i."""
        return to_device(np.asarray(host), self.devices[i])

    def moved_complex(self, direction: Direction, t: complex) -> np.ndarray:
        """The same for complex t."""
        if not isinstance(self.evaluate, Function):
            raise Unsupported("a gradient cannot be evaluated on complex arrays")
        if not self._near:
            raise Unsupported("complex arrays are for NumPy")
        moved = [np.asarray(h + t * direction[i]) if i in direction else h for i, h in enumerate(self.hosts)]
        return self.evaluate.on_complex(moved)

    def _moved_leaves(self, direction: Direction, t: float) -> list[Any]:
        moved = [h + t * direction[i] if i in direction else h.copy() for i, h in enumerate(self.hosts)]
        return [leaf(self.put(h, i)) for i, h in enumerate(moved)]

    def split(self, weights: np.ndarray) -> list[Any]:
        """A vector of weights as cotangents of the outputs."""
        ends = np.cumsum([math.prod(o.shape) for o in self.outs])[:-1]
        parts = zip(np.split(weights, ends), self.outs, strict=True)
        return [wrap(to_device(part.reshape(o.shape).astype(o.dtype), o.device)) for part, o in parts]

    def tape_slope(self, direction: Direction, t: float, weights: np.ndarray, recorded: bool) -> float:
        """<gradient of <w, F>, v> by the tape at the moved points; nan where f is not defined there.

        Args:
            direction: v.
            t: how far.
            weights: w.
            recorded: by the backward that can be differentiated again.
        """
        leaves = self._moved_leaves(direction, t)
        try:
            with np.errstate(all="ignore"):
                gradients = pull(leaves, self.evaluate(leaves, True), self.split(weights), create_graph=recorded)
        except (ValueError, ArithmeticError, Warning):
            return math.nan
        return along(gradients, direction)

    def slopes_around(self, direction: Direction, weights: np.ndarray, count: int) -> list[float]:
        """<w, dF/dt> along a direction at random points around, by differences with a step far below their distance."""
        rng = self.noise_rng()
        found = []
        for _ in range(count):
            offset = {i: _AWAY * rng.standard_normal(self.hosts[i].shape) for i in range(self.curved)}
            ends = []
            for t in (-_CLOSE, _CLOSE):
                move = {i: v + t * direction[i] if i in direction else v for i, v in offset.items()}
                ends.append(self.moved(move, 1.0))
            found.append(float(weights @ (ends[1] - ends[0])) / (2 * _CLOSE))
        return found

    def descent_slope(
        self, direction: Direction, weights: np.ndarray, step: Callable[[list[Any], float], None], rate: float
    ) -> tuple[float, float]:
        """<(before - after) / rate, v> of one step of descent on the loss <w, F>, and the rounding error in it."""
        weights_before = self._moved_leaves({}, 0.0)
        loss: Any = None
        for out, w in zip(self.evaluate(weights_before, True), self.split(weights), strict=True):
            loss = (out * w).sum() if loss is None else loss + (out * w).sum()
        if loss.requires_grad:
            loss.backward()
        before = [np.array(to_host(t._data)) for t in weights_before]
        step([t for t in weights_before if t.grad is not None], rate)
        slope = rounding = 0.0
        for i, v in direction.items():
            moved = np.flatnonzero(v)  # an infinite slope elsewhere is no part of this one
            old, new = (np.asarray(a).ravel()[moved] for a in (before[i], to_host(weights_before[i]._data)))
            slope += float(((old - new) / rate) @ v.ravel()[moved])
            sizes = np.maximum(np.abs(old), np.abs(new))
            rounding += EPS / rate * float(sizes @ np.abs(v.ravel()[moved]))
        return slope, rounding


def along(gradients: Sequence[Any], direction: Direction) -> float:
    """<gradients, direction>."""
    total = 0.0
    for i, v in direction.items():
        total += float(flat([gradients[i]]) @ v.ravel())
    return total
