"""Mutants of an operation: the same forward, and a gradient rule with one fault in it.

    for mutant in mutants(my_op):
        if mutant.differs(f, x):
            with mutant.planted(), pytest.raises(GradientError):
                gradcheck(f, x)

A test that does not notice them is no test: `power` counts.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..core.op import Op, Rule
from .faults import Call, Fault, usual_faults
from .gradients import gradients_of
from .tape import floating, raw_of

_EQUAL = 1e-9


@dataclass(frozen=True)
class Mutant:
    """An operation with a fault.

    Args:
        original: the operation.
        fault: what is wrong.
        kind: which of its rules: "vjps", "vjp_all" or "vjp_raw".
        position: of the argument whose gradient is wrong; None where all are.
        dtype: the fault shows in this dtype only; None shows it in all.
    """

    original: Op
    fault: Fault
    kind: str
    position: int | None
    dtype: Any = None
    rules: Any = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """Operation, fault, rule and argument."""
        where = "" if self.position is None else f", argument {self.position}"
        raw = ", raw rule" if self.kind == "vjp_raw" else ""
        only = "" if self.dtype is None else f", only in {np.dtype(self.dtype)}"
        return f"{self.original.name}: {self.fault.name}{where}{raw}{only}"

    def __repr__(self) -> str:
        return f"<Mutant {self.name}>"

    @property
    def op(self) -> Op:
        """A copy of the operation with the fault; the original stays right."""
        copy = object.__new__(type(self.original))
        vars(copy).update(vars(self.original))
        setattr(copy, self.kind, self.rules)
        return copy

    @contextlib.contextmanager
    def planted(self) -> Iterator[Op]:
        """The fault in the operation itself, so that everything that uses it is wrong inside the `with`."""
        right = getattr(self.original, self.kind)
        setattr(self.original, self.kind, self.rules)
        try:
            yield self.original
        finally:
            setattr(self.original, self.kind, right)

    def differs(
        self, f: Callable[..., Any], *xs: Any, order: int = 2, argnums: Sequence[int] | None = None, seed: int = 0
    ) -> bool:
        """Whether the fault changes any gradient of f at xs, up to an order, in float64 or the dtypes of xs.

        A mutant that does not is no fault there: a missing sum where nothing was broadcast, a transposed diagonal.

        Raises:
            Exception: whatever the faulty rule makes of shapes that do not fit.
        """
        right = gradients_of(f, *xs, order=order, argnums=argnums, seed=seed)
        with self.planted():
            wrong = gradients_of(f, *xs, order=order, argnums=argnums, seed=seed)
        # what is zero but for rounding in the dtypes of xs is equal to anything of its size
        eps = max((float(np.finfo(raw_of(x).dtype).eps) for x in xs if floating(raw_of(x))), default=0.0)
        scale = max((float(np.abs(a).max(initial=0.0)) for a in right), default=0.0)
        return len(right) != len(wrong) or any(
            a.shape != b.shape or not (np.abs(a - b) <= max(_EQUAL, 4 * eps) * scale).all()
            for a, b in zip(right, wrong, strict=True)
        )


def mutants(
    op: Op | Callable[..., Any], *rules: Rule | None, faults: Sequence[Fault] | None = None, dtype: Any = None
) -> Iterator[Mutant]:
    """Every fault in every rule of an operation.

    Args:
        op: an Op; or a function of raw arrays with one gradient rule per argument in `rules`, of which an Op is made.
        *rules: `rule(g, out, *args)` per argument of the function; none for an Op.
        faults: which; None takes `usual_faults()`.
        dtype: the faults show in this dtype only, as a fault in a kernel for one dtype does.

    Yields:
        Mutants; some may equal the original on given inputs, which `Mutant.differs` tells.

    Raises:
        TypeError: rules beside an Op, or none beside a function.
    """
    whole = _as_op(op, rules)
    for fault in usual_faults() if faults is None else faults:
        for i, rule in enumerate(whole.vjps):
            if rule is not None:
                faulty = _one(rule, i, fault, dtype)
                yield Mutant(whole, fault, "vjps", i, dtype, (*whole.vjps[:i], faulty, *whole.vjps[i + 1 :]))
        for kind, skip in (("vjp_all", 1), ("vjp_raw", 2)):
            shared = getattr(whole, kind)
            if shared is None:
                continue
            if fault.after is None:
                yield Mutant(whole, fault, kind, None, dtype, _shared(shared, skip, None, fault, dtype))
                continue
            for i in range(max(1, len(whole.arg_names))):
                yield Mutant(whole, fault, kind, i, dtype, _shared(shared, skip, i, fault, dtype))


def _as_op(op: Any, rules: tuple[Rule | None, ...]) -> Op:
    if isinstance(op, Op):
        if rules:
            raise TypeError(f"mutants: {op!r} has its own rules; pass rules only with a plain function")
        return op
    if not rules:
        raise TypeError(f"mutants: {op!r} is no Op; pass one gradient rule per argument after it")

    def forward(xp: Any, *args: Any, **params: Any) -> Any:
        return op(*args, **params)

    signature = inspect.signature(op)
    first = inspect.Parameter("xp", inspect.Parameter.POSITIONAL_ONLY)
    forward.__signature__ = signature.replace(parameters=[first, *_positional_only(signature)])  # type: ignore[attr-defined]
    return Op(getattr(op, "__name__", "function"), forward).defvjp(*rules)


def _positional_only(signature: inspect.Signature) -> list[inspect.Parameter]:
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [
        p.replace(kind=inspect.Parameter.POSITIONAL_ONLY) if p.kind in positional else p
        for p in signature.parameters.values()
    ]


def _shows(g: Any, dtype: Any) -> bool:
    """Whether a fault that is limited to a dtype shows for this cotangent."""
    first = g[0] if isinstance(g, tuple) else g
    return dtype is None or raw_of(first).dtype == np.dtype(dtype)


def _right_inside(right: Rule, faulty: Rule) -> Rule:
    """`faulty`, but right where a fault itself runs the rule, as a transposed Jacobian does."""
    running = [False]

    def once(*args: Any, **params: Any) -> Any:
        if running[0]:
            return right(*args, **params)
        running[0] = True
        try:
            return faulty(*args, **params)
        finally:
            running[0] = False

    return once


def _one(rule: Rule, i: int, fault: Fault, dtype: Any) -> Rule:
    def faulty(g: Any, out: Any, *args: Any, **params: Any) -> Any:
        if not _shows(g, dtype):
            return rule(g, out, *args, **params)
        call = Call(g, out, args)
        seen = fault.before(call) if fault.before else call
        part = rule(seen.g, seen.out, *seen.args, **params)
        if fault.after is None or part is None:
            return part
        return fault.after(part, call, i, lambda u: rule(u, out, *args, **params))

    return _right_inside(rule, faulty)


def _shared(rule: Rule, skip: int, position: int | None, fault: Fault, dtype: Any) -> Rule:
    """A shared rule `rule(needs, g, out, *args)` or a raw one `rule(dest, needs, g, out, residual, *args)`."""

    def faulty(*all_: Any, **params: Any) -> Any:
        lead, g, out = all_[:skip], all_[skip], all_[skip + 1]
        extra, args = all_[skip + 2 : 2 * skip + 1], all_[2 * skip + 1 :]
        if not _shows(g, dtype):
            return rule(*all_, **params)
        call = Call(g, out, args)
        seen = fault.before(call) if fault.before else call
        parts = list(rule(*lead, seen.g, seen.out, *extra, *seen.args, **params))
        i = position
        if fault.after is not None and i is not None and i < len(parts) and parts[i] is not None:
            parts[i] = fault.after(parts[i], call, i, lambda u: rule(*lead, u, out, *extra, *args, **params)[i])
        return tuple(parts)

    return _right_inside(rule, faulty)
