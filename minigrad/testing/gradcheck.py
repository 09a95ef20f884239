"""gradcheck: gradients against an oracle in float64, with a measured error bar and a verdict for every number.

For outputs F(x), a random cotangent w and a direction v, the tape gives <v, J^T w> and the oracle <w, J v>. The
gradient of the gradient is checked in the same way, as a function of x and w.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..backend.array import to_host
from ..backend.device import device_of, on_device, provider_of
from ..core.modes import enable_grad
from ..core.variable import wrap
from .contract import contract, fault, modified
from .examine import Manner, examine
from .kinks import Subgradient
from .layouts import layouts as in_layouts
from .level import Level
from .oracles import Oracle, oracle_named
from .precision import LowPrecision
from .report import GradcheckReport, raise_unless_passed
from .snippet import snippet
from .tape import Derivative, Evaluate, Function, floating, in_dtype, raw_of
from .verdict import Finding, Verdict, allowed_verdicts


def gradcheck(
    f: Callable[..., Any],
    *xs: Any,
    order: int = 2,
    argnums: Sequence[int] | None = None,
    oracle: str | Oracle = "differences",
    allow: str | Iterable[str] = (),
    subgradient: Subgradient = "any",
    max_entries: int = 24,
    directions: int = 3,
    layouts: bool = True,
    seed: int = 0,
) -> GradcheckReport:
    """Check the gradients of f at xs against an oracle in float64.

    Also checked: each gradient has its argument's shape, dtype and device; it is linear in the cotangent, and zero for
    a zero one; backward gives the same bits when run again, and the same numbers with create_graph and in other
    memory layouts; f gives the same value again; the arguments are not modified. Where an argument is of lower
    precision, the gradients in that precision are compared with the float64 ones.

    Args:
        f: function of Tensors that returns a Tensor or a tuple of them, of any shape.
        *xs: its arguments: arrays, Tensors or Python floats. Floating-point ones are cast to float64 (float64 arrays
            keep their memory layout); anything else is a constant.
        order: 1 checks the gradient, 2 also the gradient of the gradient, and so on. At a kink no higher order is.
        argnums: positions of the arguments to differentiate; None means every floating-point one.
        oracle: what the gradients are compared with: "differences", "complex_step", "taylor", "directional",
            "fixed_step", "weight_difference", or an Oracle. Orders that it cannot judge are left to the differences.
        allow: "noisy", "domain" or both: verdicts that do not raise.
        subgradient: what is right at a kink: "any" number between the slopes on both sides; a number, the
            derivative that every output with a kink must have; or a function (left, right) of its slopes.
        max_entries: up to that many entries in all, every entry is compared; beyond, random directions.
        directions: how many random directions per argument.
        layouts: also run f on strided arguments, and on rows repeated by a stride of 0.
        seed: of the random cotangents and directions.

    Returns:
        A report; its `verdict` is OK, KINK, or one that was allowed; its `worst` says how close it came to failing.

    Raises:
        GradientError: a gradient is wrong or not deterministic, or at a kink no subgradient; the message names
            argument, entry, order, both numbers and the error bar, and the error carries the `report`.
        InconclusiveError: NOISY or DOMAIN, and not allowed; a ValueError that carries the `report`.
        ValueError: nothing to check.
    """
    if order < 1:
        raise ValueError(f"gradcheck: order must be at least 1, got {order!r}")
    allowed = allowed_verdicts(allow)
    manner = Manner(oracle_named(oracle), _checked(subgradient), max_entries, directions)
    where = next((device_of(x) for x in map(raw_of, xs) if provider_of(x) is not None), "cpu")
    with on_device(where):
        arguments = [in_dtype(raw_of(x), np.float64, where) for x in xs]
    able = [i for i, a in enumerate(arguments) if floating(a)]
    chosen = able if argnums is None else [i % len(xs) for i in argnums]
    if not chosen or not set(chosen) <= set(able):
        raise ValueError(f"gradcheck: arguments {chosen} of {len(xs)} are to be checked, floating-point are {able}")

    def function(raws: Sequence[Any]) -> Function:
        return Function(f, [wrap(a) if i in able else xs[i] for i, a in enumerate(raws)], chosen)

    run = _Run(function(arguments), [arguments[i] for i in chosen], chosen, manner, layouts, seed)
    with enable_grad(), on_device(where):
        given = _as_given(xs, where)
        if given is not None:
            run.low = LowPrecision(function(given), [given[i] for i in chosen])
        reached = 0
        for _ in range(order):
            reached += 1
            if not run.level(reached):
                break
    options = {
        "order": reached, "argnums": None if argnums is None else tuple(argnums), "oracle": oracle,
        "subgradient": subgradient, "max_entries": max_entries, "directions": directions, "layouts": layouts,
        "seed": seed,
    }  # fmt: skip
    findings = tuple(run.findings)
    text = ""
    if any(finding.verdict is not Verdict.OK for finding in findings):
        changed = {name: value for name, value in options.items() if name == "order" or value != _DEFAULTS[name]}
        text = snippet(f, xs, changed)
    report = GradcheckReport(reached, tuple(chosen), findings, text)
    raise_unless_passed(report, allowed)
    return report


_DEFAULTS: dict[str, Any] = dict(gradcheck.__kwdefaults__ or {})


def _as_given(xs: Sequence[Any], where: str) -> list[Any] | None:
    """The arguments in their own dtypes, numbers in the shortest of them; None where none is short of float64."""
    raws = [raw_of(x) for x in xs]
    short = [raw.dtype for raw in raws if floating(raw) and raw.dtype.itemsize < 8]
    if not short:
        return None
    least = min(short, key=lambda dtype: dtype.itemsize)
    return [raw if floating(raw) else in_dtype(raw, least, where) for raw in raws]


def _checked(subgradient: Subgradient) -> Subgradient:
    if isinstance(subgradient, str) and subgradient != "any":
        raise ValueError(f"gradcheck: subgradient={subgradient!r} must be 'any', a number or a function (left, right)")
    return subgradient


class _Run:
    """A check in progress.

    Args:
        function: f of the points.
        points: as raw float64 arrays.
        chosen: their positions among the arguments.
        manner: how gradients are compared.
        layouts: whether other memory layouts are tried.
        seed: of everything random.
    """

    def __init__(
        self, function: Function, points: list[Any], chosen: list[int], manner: Manner, layouts: bool, seed: int
    ) -> None:
        self.evaluate: Evaluate = function
        self.points, self.chosen, self.manner, self.layouts = points, chosen, manner, layouts
        self.names = [f"argument {i}" for i in chosen]
        self.rng = np.random.default_rng(seed)
        self.unmodified = [to_host(a).copy() for a in points]
        self.findings: list[Finding] = []
        self.low: LowPrecision | None = None
        self.extent = 0.0

    def level(self, order: int) -> bool:
        """Check one order and get ready for the next; whether that should follow."""
        level = Level(self.evaluate, self.points, self.names, self.chosen, order, self.rng, self.extent)
        level.run()
        if not level.finite:
            self.findings.append(fault(level, None, Verdict.DOMAIN, "f is not finite at the point"))
            return False
        self.findings += contract(level, self.unmodified)
        if self._wrong():
            return False
        if self.layouts and order == 1:
            self.findings += in_layouts(level)
        for finding in examine(level, self.manner):
            self.findings.append(finding)
            if finding.is_wrong:
                return False
        if self.low is not None:
            self.findings += self.low.check(level)
        self.findings += modified(level, self.unmodified)
        if self._wrong() or any(f.verdict is Verdict.KINK for f in self.findings):
            return False
        self.extent = level.extent
        self.evaluate = Derivative(self.evaluate, len(self.points))
        if self.low is not None:
            self.low.advance(level)
        self.points = self.points + level.cotangents
        self.names = self.names + [f"cotangent {i} of order {order}" for i in range(len(level.cotangents))]
        return True

    def _wrong(self) -> bool:
        return any(f.is_wrong for f in self.findings)
