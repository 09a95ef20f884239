"""The battery: everything that a row of the table promises, as checks of one call of it.

    for check in checks_of(ROW): check.run(case_of(ROW, seed=3))

`given_op` and `parametrize_ops` make tests of it. A check raises BatteryError, or gradcheck's own error.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Any

import numpy as np

from ..backend.device import device_of, provider_of
from ..core import engine
from ..errors import MinigradError, require
from ..tensor import Tensor, tensor
from .cases import Case, as_tuple, case_of, host
from .gradcheck import gradcheck
from .memory_layouts import fits
from .opspec import OpSpec
from .record import record

SAME_PATH = 1e-12
SAME_GRADIENT = 1e-10
LOW_PRECISION = 2e-5
PARITY = 1e-11
_GAPS = ("transposed", "sliced", "reversed")
_NAN_AND_INFINITIES = (np.nan, np.inf, -np.inf)


class BatteryError(MinigradError, AssertionError):
    """A row does not hold; the message names the row, what differs and by how much, and the call."""


@dataclass(frozen=True)
class Check:
    """One promise of a row.

    Args:
        name: how tests and `OpSpec.waived` call it.
        run: called with a Case; raises where the promise is broken.
        applies: whether a row promises it at all.
        needs: an optional package without which it cannot run; "" is none.
    """

    name: str
    run: Callable[[Case], None]
    applies: Callable[[OpSpec], bool]
    needs: str = ""

    def __repr__(self) -> str:
        return self.name

    @property
    def is_installed(self) -> bool:
        """Whether the package that it needs is here."""
        return not self.needs or find_spec(self.needs) is not None

    def __call__(self, row: OpSpec, device: str = "cpu", max_examples: int | None = None) -> None:
        """Run it on cases of a row that hypothesis draws.

        Args:
            row: the row.
            device: where.
            max_examples: how many cases; None is the profile's.
        """
        from .op_tests import draw_and_run

        draw_and_run(row, [self], device, max_examples)


def checks_of(row: OpSpec) -> tuple[Check, ...]:
    """The checks that a row promises and that can run here, without those it waives.

    Raises:
        ValueError: it waives a check that there is not.
    """
    return tuple(check for check in promised(row) if check.is_installed)


def promised(row: OpSpec) -> tuple[Check, ...]:
    """The checks that a row promises, without those it waives, whether or not the packages that they need are here.

    Raises:
        ValueError: it waives a check that there is not.
    """
    unknown = sorted(set(row.waived) - {check.name for check in CHECKS})
    if unknown:
        raise ValueError(f"OpSpec {row.name}: waives {unknown[0]!r}; checks are {', '.join(c.name for c in CHECKS)}")
    return tuple(check for check in CHECKS if check.applies(row) and check.name not in row.waived)


def run_battery(row: OpSpec, *, seeds: Sequence[int] = range(5), device: str = "cpu") -> None:
    """Run every check of a row on cases made from seeds; needs neither hypothesis nor pytest.

    Args:
        row: the row.
        seeds: one case each.
        device: full label.

    Raises:
        BatteryError, GradientError: a promise is broken.
    """
    for check in checks_of(row):
        for seed in seeds:
            check.run(case_of(row, seed, device))


def check_value(case: Case) -> None:
    """fn is the reference, in shape, dtype and device too; raw arrays give raw arrays, Tensors give Tensors."""
    for dtype in case.row.dtypes:
        one = case.cast(dtype)
        arrays = one.placed()
        plain, wrapped = as_tuple(one.call(*arrays)), as_tuple(one.call(*[tensor(a) for a in arrays]))
        due, exact = one.expected(), one.cast(np.float64).expected()
        _is(one, len(plain) == len(wrapped) == len(due), f"has {len(plain)} outputs, the reference {len(due)}")
        for p, w, e, precise in zip(plain, wrapped, due, exact, strict=True):
            _is(one, _is_array(p), f"gave a {type(p).__name__} for raw arrays; a raw array is due")
            _is(one, isinstance(w, Tensor) and not w.requires_grad, "gave no untracked Tensor for untracked Tensors")
            _is(one, device_of(p) == w.device == one.device, f"gave a value on {w.device}")
            got, want = (p.shape, p.dtype), (e.shape, e.dtype)
            _is(one, got == want == (w.shape, w.dtype), f"gave shape and dtype {got}; the reference has {want}")
            _close(one, "the value", p, precise, one.row.tolerance.get(dtype, 1e-5))
            _close(one, "the value for Tensors", w, host(p), one.row.tolerance.get(dtype, 1e-5))


def check_unmodified(case: Case) -> None:
    """Neither fn nor its backward writes to an argument, or to the cotangent."""
    args = case.tracked()
    before = [host(a) for a in args]
    outs = case.outputs(args) if case.row.order else list(as_tuple(case.call(*args)))[:0]
    cotangents = case.cotangents(outs)
    kept = [host(w) for w in cotangents]
    for out, w in zip(outs, cotangents, strict=True):
        out.backward(w, retain_graph=True)
    for i, (a, b) in enumerate(zip(args, before, strict=True)):
        _is(case, np.array_equal(host(a), b, equal_nan=True), f"modified argument {i}")
    for w, k in zip(cotangents, kept, strict=True):
        _is(case, np.array_equal(host(w), k), "its backward modified the cotangent")


def check_untracked(case: Case) -> None:
    """A function without gradient returns untracked Tensors for tracked ones."""
    for out in as_tuple(case.call(*[a if isinstance(a, Tensor) else tensor(a) for a in case.tracked()])):
        _is(case, not isinstance(out, Tensor) or not out.requires_grad, "has order=0, and yet a tracked output")


def check_gradients(case: Case) -> None:
    """Gradients to the row's order against differences (gradcheck)."""
    with record(case.row.name):
        # entry by entry on the CPU, along a random direction where a call costs many times as much
        gradcheck(
            case.call, *case.placed(), order=case.row.order, argnums=case.differentiable(), seed=case.seed,
            max_entries=9 if case.device == "cpu" else 0, directions=1, layouts=False,  # a check of its own
        )  # fmt: skip


def check_low_precision(case: Case) -> None:
    """Gradients of float32 arguments are float32, and those of float64 to rounding."""
    tolerance = max(LOW_PRECISION, case.row.tolerance.get("float32", 0.0))
    exact = case if all(a.dtype == np.float64 for a in case.arrays if a.dtype.kind == "f") else case.cast(np.float64)
    pairs = zip(case.cast(np.float32).gradients(), exact.own_gradients, strict=True)
    for i, (single, double) in zip(case.differentiable(), pairs, strict=True):
        _is(case, single.dtype == np.float32, f"gave a gradient of dtype {single.dtype} for float32 argument {i}")
        _close(case, f"the float32 gradient of argument {i}", single, double, tolerance)


def check_paths(case: Case) -> None:
    """One gradient whichever way back: raw rule, recorded, into stale storage, added to, asked for by name."""
    plain = case.own_gradients
    recorded = case.gradients(create_graph=True)
    overwritten = case.gradients(overwrite=True)
    added = case.gradients(onto=1.0)
    named = _by_name(case)
    for i, p, r, o, a, n in zip(case.differentiable(), plain, recorded, overwritten, added, named, strict=True):
        _close(case, f"the gradient of argument {i} with create_graph", r, p, SAME_PATH)
        if not (np.isnan(o).all() and not p.any()):  # nothing flowed there, so nothing was written
            _close(case, f"the gradient of argument {i} written over old storage", o, p, SAME_PATH)
        _close(case, f"the gradient of argument {i} added to 1", a, p + 1.0, SAME_PATH)
        _close(case, f"the gradient of argument {i} asked for by name", n, p, SAME_PATH)


def _by_name(case: Case) -> list[np.ndarray]:
    args = case.tracked()
    outs = case.outputs(args)
    leaves = [args[i] for i in case.differentiable()]
    found = engine.backward([o._node for o in outs], case.cotangents(outs), [t._node for t in leaves])
    return [np.zeros(t.shape, t.dtype) if g is None else host(g) for t, g in zip(leaves, found, strict=True)]


def check_layouts(case: Case) -> None:
    """Value and gradients do not depend on how the arguments lie in memory: one way a case."""
    plain = replace(case, layouts=(), arrays=tuple(np.ascontiguousarray(a).reshape(a.shape) for a in case.arrays))
    able = [layout for layout in _GAPS if any(fits(layout, a.shape) for a in plain.arrays)]
    if not able:
        return
    layout = able[case.seed % len(able)]
    other = replace(plain, layouts=tuple(layout if fits(layout, a.shape) else "contiguous" for a in plain.arrays))
    value, found = as_tuple(plain.call(*plain.placed())), as_tuple(other.call(*other.placed()))
    for e, g in zip(value, found, strict=True):
        _close(other, f"the value of {layout} arguments", g, host(e), SAME_GRADIENT)
    if case.row.order:
        for i, e, g in zip(case.differentiable(), plain.gradients(), other.gradients(), strict=True):
            _close(other, f"the gradient of {layout} argument {i}", g, e, SAME_GRADIENT)


def check_devices(case: Case) -> None:
    """The device gives what the CPU gives. Says nothing where the case is the CPU's."""
    if case.device == "cpu":
        return
    cpu = replace(case, device="cpu")
    tolerance = max(SAME_GRADIENT, case.row.tolerance.get("float64", 0.0))
    for e, g in zip(as_tuple(cpu.call(*cpu.placed())), as_tuple(case.call(*case.placed())), strict=True):
        _close(case, "the value, against the CPU's,", g, host(e), tolerance)
    if case.row.order:
        for i, e, g in zip(case.differentiable(), cpu.gradients(), case.gradients(), strict=True):
            _close(case, f"the gradient of argument {i}, against the CPU's,", g, e, tolerance)


def check_batch(case: Case) -> None:
    """f of a batch is f of its two parts; gradients of shared arguments add up over them."""
    batched = case.row.batched
    lengths = {case.arrays[i].shape[0] if case.arrays[i].ndim else 0 for i in batched}
    if len(lengths) != 1 or min(lengths) < 2:
        return
    whole, n = replace(case, layouts=()), lengths.pop() // 2

    def part(rows: slice) -> Case:
        return replace(whole, arrays=tuple(a[rows] if i in batched else a for i, a in enumerate(whole.arrays)))

    parts = [part(slice(None, n)), part(slice(n, None))]
    values = [as_tuple(p.call(*p.placed())) for p in parts]
    for k, e in enumerate(as_tuple(whole.call(*whole.placed()))):
        joined = np.concatenate([host(v[k]) for v in values])
        _close(whole, "the value of two half batches", joined, host(e), SAME_GRADIENT)
    if not case.row.order:
        return
    cotangents = whole.cotangents(whole.outputs(whole.tracked()))
    first, second = (p.gradients([w[s] for w in cotangents]) for p, s in
                     zip(parts, (slice(None, n), slice(n, None)), strict=True))  # fmt: skip
    due = whole.gradients(cotangents)
    for i, e, a, b in zip(case.differentiable(), due, first, second, strict=True):
        joined = np.concatenate([a, b]) if i in batched else a + b
        _close(whole, f"the gradient of argument {i} from two half batches", joined, e, SAME_GRADIENT)


def check_nonfinite(case: Case) -> None:
    """NaN and infinities come out where the reference has them, with its signs; nothing else is touched."""
    rng = np.random.default_rng(case.seed)
    for i in case.differentiable():
        if not case.arrays[i].size:
            continue
        for bad in _NAN_AND_INFINITIES:
            planted = np.array(case.arrays[i])
            planted[tuple(rng.integers(0, n) for n in planted.shape)] = bad
            arrays = (*case.arrays[:i], planted, *case.arrays[i + 1 :])
            one = replace(case, arrays=arrays, layouts=())
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")  # NumPy warns of all-NaN slices
                try:
                    due = one.expected()
                except (ValueError, ArithmeticError):  # a reference that refuses them promises nothing
                    continue
                try:
                    got = [host(g) for g in as_tuple(one.call(*one.placed()))]
                except (ValueError, ArithmeticError) as error:
                    text = f"raises {type(error).__name__} with {bad} in argument {i}; the reference does not"
                    raise BatteryError(f"{one.row.name}: {text}\n  {one!r}") from error
            for e, g in zip(due, got, strict=True):
                if e.dtype.kind != "f" or g.dtype.kind != "f":
                    continue
                for kind, same in (("NaN", np.isnan), ("+inf", np.isposinf), ("-inf", np.isneginf)):
                    text = f"with {bad} in argument {i} has {kind} at other places than the reference"
                    _is(one, np.array_equal(same(g), same(e)), text)


def check_torch(case: Case) -> None:
    """Value and gradients are PyTorch's, on the CPU and from contiguous arrays."""
    torch: Any = require("torch", "torch", "the check 'torch'")
    reference: Any = case.row.torch
    chosen, tolerance = case.differentiable(), max(PARITY, case.row.tolerance.get("float64", 0.0))
    theirs = [torch.tensor(np.array(a, order="C"), requires_grad=i in chosen) for i, a in enumerate(case.arrays)]
    args = case.tracked()
    ours, values = as_tuple(case.call(*args)), as_tuple(reference(*theirs, **case.params))
    _is(case, len(ours) == len(values), f"has {len(ours)} outputs, PyTorch {len(values)}")
    for out, value in zip(ours, values, strict=True):
        _close(case, "the value, against PyTorch's,", out, value.detach().numpy(), tolerance)
    if not case.row.order:
        return
    outs = case.outputs(args, ours)
    values = tuple(v for v, out in zip(values, ours, strict=True) if any(out is o for o in outs))
    for out, value, w in zip(outs, values, case.cotangents(outs), strict=True):
        out.backward(w, retain_graph=True)
        value.backward(torch.tensor(host(w)), retain_graph=True)
    for i in chosen:
        due = np.zeros(theirs[i].shape) if theirs[i].grad is None else theirs[i].grad.numpy()
        got = np.zeros(args[i].shape) if args[i].grad is None else host(args[i].grad)
        _close(case, f"the gradient of argument {i}, against PyTorch's,", got, due, tolerance)


def _floats(row: OpSpec) -> bool:
    return row.order > 0


CHECKS: tuple[Check, ...] = (
    Check("value", check_value, lambda row: True),
    Check("unmodified", check_unmodified, lambda row: True),
    Check("untracked", check_untracked, lambda row: row.order == 0),
    Check("gradients", check_gradients, _floats),
    Check("low_precision", check_low_precision, lambda row: row.order > 0 and "float32" in row.dtypes),
    Check("paths", check_paths, _floats),
    Check("layouts", check_layouts, lambda row: True),
    Check("devices", check_devices, lambda row: True),
    Check("batch", check_batch, lambda row: bool(row.batched)),
    Check("nonfinite", check_nonfinite, lambda row: True),
    Check("torch", check_torch, lambda row: row.torch is not None, "torch"),
)
"""Everything that a row can promise."""


def _is_array(value: Any) -> bool:
    return provider_of(value) is not None or isinstance(value, np.generic)


def _is(case: Case, holds: bool, text: str) -> None:
    if not holds:
        raise BatteryError(f"{case.row.name}: {text}\n  {case!r}")


def _close(case: Case, what: str, got: Any, due: np.ndarray, tolerance: float) -> None:
    """Equal to `tolerance`, relative to the largest element, or to 1 where cancellation left less."""
    a, b = host(got), np.asarray(due)
    _is(case, a.shape == b.shape, f"{what} has shape {a.shape}; {b.shape} is due")
    if a.dtype.kind in "fc" or b.dtype.kind in "fc":
        a, b = a.astype(np.float64), b.astype(np.float64)
        finite = b[np.isfinite(b)]
        allowed = tolerance * (np.abs(finite).max(initial=1.0) + np.where(np.isfinite(b), np.abs(b), 0.0))
        with np.errstate(invalid="ignore"):
            wrong = ~((np.abs(a - b) <= allowed) | (a == b) | (np.isnan(a) & np.isnan(b)))
    else:
        wrong = np.asarray(a != b)
    if wrong.any():
        at = tuple(int(k) for k in np.argwhere(wrong)[0])
        where = f" at {at}" if at else ""
        text = f"{what} is {a[at].item()!r}{where}; {b[at].item()!r} is due, to {tolerance:g}"
        raise BatteryError(f"{case.row.name}: {text}\n  {case!r}")
