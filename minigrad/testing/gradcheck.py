"""gradcheck: gradients against central differences in float64, with a measured error bar.

For outputs F(x), a fixed random cotangent w and a direction v, the tape gives <v, J^T w> and differences give
<w, J v>. The difference is taken with steps h and h/2, h near the cube root of the machine epsilon:
Richardson's combination of the two is the number to compare with, their distance is the error bar.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backend.array import is_floating, to_device, to_host, zeros
from ..backend.device import device_of, provider_of
from ..core import engine
from ..core.modes import enable_grad, no_grad
from ..core.variable import Variable, wrap
from ..errors import GradientError

_EPS = float(np.finfo(np.float64).eps)
_H = 2.0**-17  # about cbrt(eps); a power of two adds no rounding of its own
_OTHER_STEPS = (0.7, 1.6, 2.9, 5.3)  # in units of the step: a second look at the reference
_FACTOR = 16.0  # how many error bars a right gradient may be off
_TINY = 1e-300

# (tensors, record) -> outputs. record: the tensors are tracked, and the outputs must carry their graph.
_Evaluate = Callable[[list[Any], bool], list[Any]]


@dataclass(frozen=True)
class GradcheckReport:
    """What a passed check has looked at.

    Args:
        order: highest order of differentiation checked.
        arguments: positions of the arguments checked.
        comparisons: how many pairs of numbers were compared.
        worst: largest difference found, as a fraction of what was allowed.
    """

    order: int
    arguments: tuple[int, ...]
    comparisons: int
    worst: float


def gradcheck(
    f: Callable[..., Any],
    *xs: Any,
    order: int = 2,
    argnums: Sequence[int] | None = None,
    max_entries: int = 24,
    directions: int = 3,
    seed: int = 0,
) -> GradcheckReport:
    """Check the gradients of f at xs against central differences in float64.

    Also checked: each gradient has its argument's shape, dtype and device; a zero cotangent gives a zero gradient;
    backward gives the same bits when run again, and the same numbers with create_graph; the inputs are not modified.

    Args:
        f: function of Tensors that returns a Tensor or a tuple of them, of any shape. It must be smooth around xs.
        *xs: its arguments: arrays, Tensors or Python floats. Floating-point ones are cast to float64 (float64 arrays
            keep their memory layout); anything else is a constant.
        order: 1 checks the gradient, 2 also the gradient of the gradient, and so on.
        argnums: positions of the arguments to differentiate; None means every floating-point one.
        max_entries: up to that many entries in all, every entry is compared; beyond, random directions.
        directions: how many random directions per argument.
        seed: of the random cotangents and directions.

    Returns:
        A report; its `worst` says how close it came to failing.

    Raises:
        GradientError: a gradient is wrong; the message names argument, entry, order, both numbers and the error bar.
        ValueError: nothing to check, or f is not finite near xs.
    """
    if order < 1:
        raise ValueError(f"gradcheck: order must be at least 1, got {order!r}")
    arguments = [_as_float64(x) for x in xs]
    floating = [i for i, a in enumerate(arguments) if provider_of(a) is not None and is_floating(a.dtype)]
    chosen = floating if argnums is None else [i % len(xs) for i in argnums]
    if not chosen or not set(chosen) <= set(floating):
        raise ValueError(f"gradcheck: arguments {chosen} of {len(xs)} are to be checked, floating-point are {floating}")

    template = [wrap(a) if i in floating else x for i, (a, x) in enumerate(zip(arguments, xs, strict=True))]
    evaluate = _of_function(f, template, chosen)
    points = [arguments[i] for i in chosen]
    names = [f"argument {i}" for i in chosen]
    before = [to_host(a).copy() for a in points]
    rng = np.random.default_rng(seed)
    comparisons, worst = 0, 0.0
    with enable_grad():
        for level in range(1, order + 1):
            check = _Level(evaluate, points, names, level, len(chosen), rng)
            check.contract()
            check.compare(max_entries, directions)
            comparisons, worst = comparisons + check.comparisons, max(worst, check.worst)
            for name, old, a in zip(names, before, points, strict=False):
                if not np.array_equal(old, to_host(a)):
                    raise GradientError(f"gradcheck: {name} was modified by f or by its backward")
            evaluate = _derivative(evaluate, len(points))
            points = points + check.cotangents
            names = names + [f"cotangent {i} of order {level}" for i in range(len(check.cotangents))]
    return GradcheckReport(order, tuple(chosen), comparisons, worst)


def _as_float64(x: Any) -> Any:
    """A raw float64 array of a floating-point argument; anything else as it is."""
    raw = x._data if isinstance(x, Variable) else x
    if isinstance(raw, (float, np.floating)):
        return np.asarray(raw, np.float64)
    if provider_of(raw) is not None and is_floating(raw.dtype):
        return raw.astype(np.float64, copy=False)
    return raw


def _leaf(array: Any) -> Any:
    """A tracked tensor around the array itself: no copy, so the memory layout is kept and a write is noticed."""
    tensor = wrap(array)
    tensor.requires_grad = True
    return tensor


def _of_function(f: Callable[..., Any], template: list[Any], chosen: list[int]) -> _Evaluate:
    def evaluate(tensors: list[Any], record: bool) -> list[Any]:
        args = list(template)
        for i, t in zip(chosen, tensors, strict=True):
            args[i] = t
        result = f(*args)
        outs = result if isinstance(result, (tuple, list)) else (result,)
        wrapped = [o if isinstance(o, Variable) else wrap(np.asarray(o)) for o in outs]
        return [o for o in wrapped if is_floating(o._data.dtype)]

    return evaluate


def _derivative(previous: _Evaluate, count: int) -> _Evaluate:
    """The gradients of <cotangents, previous(points)> as a function of both, points first."""

    def evaluate(tensors: list[Any], record: bool) -> list[Any]:
        points = tensors[:count] if record else [_leaf(t._data) for t in tensors[:count]]
        with enable_grad():
            outs = previous(points, True)
        return _pull(points, outs, tensors[count:], create_graph=record)

    return evaluate


def _pull(points: list[Any], outs: list[Any], cotangents: list[Any], create_graph: bool, retain: bool = False) -> Any:
    """One gradient per point, as tensors; zeros where the outputs do not depend on it."""
    tied = [(o._node, w) for o, w in zip(outs, cotangents, strict=True) if o._node is not None]
    roots, seeds = [node for node, _ in tied], [w if create_graph else w._data for _, w in tied]
    found = engine.backward(roots, seeds, [p._node for p in points], retain or None, create_graph)
    grads = []
    for p, g in zip(points, found, strict=True):
        if g is None:
            g = zeros(p.shape, p.dtype, p.device)
        if not isinstance(g, Variable):
            g = wrap(np.asarray(g) if provider_of(g) is None else g)
        grads.append(g)
    return grads


class _Level:
    """The check at one order: the function whose gradient is looked at, its point, and random cotangents."""

    def __init__(
        self,
        evaluate: _Evaluate,
        points: list[Any],
        names: list[str],
        level: int,
        curved: int,
        rng: np.random.Generator,
    ) -> None:
        self.evaluate, self.points, self.names, self.level, self.rng = evaluate, points, names, level, rng
        self.curved = curved  # points from here on are cotangents, in which everything is linear: any step is exact
        self.comparisons, self.worst = 0, 0.0

    def contract(self) -> None:
        """Run the tape: the gradients by the first-order path and by create_graph, and what holds exactly of both."""
        leaves = [_leaf(p) for p in self.points]
        outs = self.evaluate(leaves, True)
        if not outs:
            raise ValueError("gradcheck: f returned nothing of floating-point dtype")
        if not np.isfinite(_flat(outs)).all():
            raise ValueError(f"gradcheck: f is not finite at the point (order {self.level})")
        self.cotangents = [to_device(self._random(o.shape).astype(o.dtype), o.device) for o in outs]
        seeds = [wrap(w) for w in self.cotangents]
        self.gradients = _pull(leaves, outs, seeds, create_graph=False, retain=True)
        for name, p, g in zip(self.names, self.points, self.gradients, strict=True):
            got, due = (g.shape, g.dtype, g.device), (p.shape, p.dtype, device_of(p))
            if got != due:
                raise GradientError(f"gradcheck: gradient of {name} has shape, dtype, device {got}; {due} is due")
        again = _pull(leaves, outs, seeds, create_graph=False, retain=True)
        for name, g, other in zip(self.names, self.gradients, again, strict=True):
            if not np.array_equal(_flat([g]), _flat([other]), equal_nan=True):
                raise GradientError(
                    f"gradcheck: two backward passes gave different gradients of {name} at order {self.level}: "
                    "not deterministic, or a saved value was modified"
                )
        none = _pull(leaves, outs, [wrap(w * 0) for w in self.cotangents], create_graph=False, retain=True)
        for name, g in zip(self.names, none, strict=True):
            if _flat([g]).any():
                raise GradientError(f"gradcheck: a zero cotangent gave a gradient of {name} that is not zero")
        self.recorded = _pull(leaves, outs, [_leaf(w) for w in self.cotangents], create_graph=True)

    def compare(self, max_entries: int, directions: int) -> None:
        """Compare with differences: entry by entry, or along random directions."""
        w = _flat([wrap(c) for c in self.cotangents])
        value = _flat(self._at(0, 0.0, None))
        sizes = [math.prod(p.shape) for p in self.points]
        for i, p in enumerate(self.points):
            if not sizes[i]:
                continue
            # powers of two keep x + h exact where x is short
            reach = np.exp2(np.ceil(np.log2(np.maximum(1.0, np.abs(to_host(p))))))
            if sum(sizes) <= max_entries:
                for entry in np.ndindex(p.shape):
                    direction = np.zeros(p.shape)
                    direction[entry] = reach[entry]
                    self._judge(i, direction, w, value, f"entry {entry}", float(reach[entry]))
            else:
                for k in range(directions):
                    self._judge(i, self._random(p.shape) * reach, w, value, f"random direction {k}", 1.0)

    def _judge(self, i: int, v: np.ndarray, w: np.ndarray, value: np.ndarray, where: str, unit: float) -> None:
        h = _H if i < self.curved else 1.0
        numeric, bar, scale = self._difference(i, v, w, h)
        if not math.isfinite(numeric):
            raise ValueError(f"gradcheck: f is not finite near {self.names[i]}, {where}")
        rounding = _EPS / h * (scale + float(np.abs(w) @ np.abs(value)))
        allowed = _FACTOR * (bar + rounding) + _TINY
        for path, gradients in (("", self.gradients), (" (with create_graph)", self.recorded)):
            analytic = float(_flat([gradients[i]]) @ v.ravel())
            error = abs(analytic - numeric)
            self.comparisons += 1
            if not error <= allowed:
                # Two steps may agree by luck where f cancels inside: look at the reference again before judging.
                others = [self._difference(i, v, w, h * factor)[0] for factor in _OTHER_STEPS]
                bar = max(bar, *(abs(other - numeric) for other in others))
                allowed = _FACTOR * (bar + rounding) + _TINY
            if not error <= allowed:
                raise GradientError(
                    f"gradcheck: wrong gradient of {self.names[i]}, {where}, order {self.level}{path}: "
                    f"analytic {analytic / unit:.12g}, numeric {numeric / unit:.12g}, error bar {bar / unit:.3g}, "
                    f"allowed difference {allowed / unit:.3g}"
                )
            self.worst = max(self.worst, error / allowed)

    def _difference(self, i: int, v: np.ndarray, w: np.ndarray, h: float) -> tuple[float, float, float]:
        """<w, dF/dx_i v> by Richardson's rule, its error bar, and the sum of its terms' magnitudes."""
        coarse = (_flat(self._at(i, h, v)) - _flat(self._at(i, -h, v))) / (2 * h)
        fine = (_flat(self._at(i, h / 2, v)) - _flat(self._at(i, -h / 2, v))) / h
        sizes = np.abs(w)
        return float(w @ (4 * fine - coarse)) / 3, float(sizes @ np.abs(coarse - fine)), float(sizes @ np.abs(fine))

    def _at(self, i: int, step: float, v: np.ndarray | None) -> list[Any]:
        """The outputs with point i moved by step * v."""
        tensors = [wrap(p) for p in self.points]
        if v is not None:
            p = self.points[i]
            tensors[i] = wrap(to_device(np.asarray(to_host(p) + step * v), device_of(p)))
        with no_grad():
            return self.evaluate(tensors, False)

    def _random(self, shape: tuple[int, ...]) -> np.ndarray:
        """Components between 1/2 and 3/2 in magnitude, of either sign, in steps of 1/64."""
        magnitude = self.rng.integers(32, 97, size=shape) / 64
        return np.asarray(magnitude * self.rng.choice([-1.0, 1.0], size=shape))


def _flat(tensors: list[Any]) -> np.ndarray:
    """All values as one float64 vector on the host."""
    parts = [np.asarray(to_host(t._data), np.float64).ravel() for t in tensors]
    return np.concatenate(parts) if parts else np.zeros(0)
