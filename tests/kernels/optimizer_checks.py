"""Checks of the optimizer kernels, as functions of the compiled kernels: tests run them on the real ones, and tests of
the tests on damaged ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from kernel_support import f4, fmaf, i4, i8, launch_all, same_bits, u4, updates, values
from shim import HostKernels, guarded

import minigrad as mg
from minigrad import optim

BLOCK = 64

MAXIMIZE, DECAY, DECOUPLED = 1, 2, 4
AMSGRAD = 8
MOMENTUM, NESTEROV, VELOCITY_HOLDS_LR = 8, 16, 32


def adam_reference(c: dict[str, Any], flags: int, p: Any, g: Any, m: Any, v: Any, largest: Any) -> tuple[Any, ...]:
    """The update of one step, in float32."""
    if flags & MAXIMIZE:
        g = -g
    if flags & DECAY:
        p, g = (p * c["shrink"], g) if flags & DECOUPLED else (p, fmaf(p, c["weight_decay"], g))
    m = fmaf(m, c["beta1"], g * c["keep1"])
    v = fmaf(v, c["beta2"], g * g * c["keep2"])
    largest = np.maximum(v, largest) if flags & AMSGRAD else largest
    denominator = np.sqrt(largest if flags & AMSGRAD else v) + c["eps"]
    return fmaf(-c["step_size"], m / denominator, p), m, v, largest


def sgd_reference(c: dict[str, Any], flags: int, p: Any, g: Any, velocity: Any) -> tuple[Any, ...]:
    """The update of one step, in float32."""
    if flags & MAXIMIZE:
        g = -g
    if flags & DECAY:
        g = fmaf(p, c["weight_decay"], g)
    if not flags & MOMENTUM:
        return fmaf(-c["lr"], g, p), velocity
    velocity = fmaf(velocity, c["momentum"], g * c["gain"])
    if flags & VELOCITY_HOLDS_LR:
        ahead = fmaf(velocity, c["momentum"], g * c["lr"]) if flags & NESTEROV else velocity
        return p - ahead, velocity
    return fmaf(-c["lr"], fmaf(velocity, c["momentum"], g) if flags & NESTEROV else velocity, p), velocity


@dataclass(frozen=True)
class Formula:
    """What a kernel is compared with.

    optimizer: the class whose kernel it is.
    reference: (coefficients by name, flags, p, g, *states) -> (p, *states) of one step, rounded as the kernel does.
    positive: state buffers that hold no negative numbers.
    optional: state buffers that are null without a flag.
    """

    optimizer: type[optim.Optimizer]
    reference: Callable[..., tuple[Any, ...]]
    positive: tuple[str, ...] = ()
    optional: dict[str, int] = field(default_factory=dict)


FORMULAS = {
    "adam_f32": Formula(optim.Adam, adam_reference, ("v", "largest"), {"largest": AMSGRAD}),
    "sgd_f32": Formula(optim.SGD, sgd_reference, optional={"velocity": MOMENTUM}),
}


def check_one_step(host: HostKernels, entry: str, n: int, seed: int, flags: int, special: bool) -> None:
    """Bits of one step against the reference, under any classes, live bytes, capacity and cursor."""
    rng = np.random.default_rng(seed)
    formula, names = FORMULAS[entry], updates()[entry][1]
    columns_read = formula.optimizer.columns
    classes, capacity = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    columns = len(columns_read) + int(rng.integers(0, 3))  # room for more than the kernel reads
    cursor = int(rng.integers(0, 2**32))
    table = rng.uniform(0.01, 1.0, (capacity, classes, columns))
    live = rng.integers(0, classes + 1, -(-n // BLOCK), np.uint8)
    p, g = values(rng, n, special), values(rng, n, special)
    buffers = [values(rng, n, special) for _ in names]
    buffers = [np.abs(x) if name in formula.positive else x for name, x in zip(names, buffers, strict=True)]

    want = [p, *buffers]
    of_class = np.repeat(live, BLOCK)[:n]
    with np.errstate(all="ignore"):
        for k in range(classes):
            row = dict(zip(columns_read, table[cursor % capacity, k].astype(f4), strict=False))
            after = formula.reference(row, flags, p, g, *buffers)
            want = [np.where(of_class == k + 1, a, w).astype(f4) for a, w in zip(after, want, strict=True)]

    null = {name for name, flag in formula.optional.items() if not flags & flag}
    arrays = {name: None if name in null else x for name, x in zip(names, buffers, strict=True)}
    got = launch_all(
        host,
        entry,
        p=p,
        g=g,
        **arrays,
        n=i8(n),
        table=table,
        classes=i4(classes),
        columns=i4(columns),
        capacity=i4(capacity),
        state=np.array([cursor, 0], u4),
        live=live,
        flags=i4(flags),
    )
    for name, expected in zip(("p", *names), want, strict=True):
        if name in got:
            assert same_bits(got[name], expected), f"{entry}: {name} is not the reference's"
    assert got["state"].tolist() == [(cursor + 1) % 2**32, 0], "the cursor moves on by one, the ticket is back at 0"


SHAPES = [(7, 9), (130,), (3, 40)]


def check_against_optimizer(host: HostKernels, cls: type[optim.Optimizer], kwargs: dict[str, Any]) -> None:
    """Six steps of the kernel and of the optimizer on the CPU.

    The second parameter has no gradient at first, so that it is a class of its own later; the third none in the middle.
    """
    rng = np.random.default_rng(5)
    params = [mg.tensor(rng.standard_normal(s).astype(f4), requires_grad=True) for s in SHAPES]
    optimizer = cls(params, **kwargs)
    group = optimizer.param_groups[0]
    kernel = cls.kernel
    assert kernel is not None
    entry, names = kernel.entry, optimizer.state_names(group)
    blocks = [-(-int(np.prod(s)) // BLOCK) for s in SHAPES]
    starts = np.concatenate([[0], np.cumsum(blocks)])
    n = int(starts[-1]) * BLOCK
    flat = {name: guarded(np.zeros(n, f4)) for name in ("p", "g", *kernel.states)}

    def view(name: str, i: int) -> np.ndarray:
        start = starts[i] * BLOCK
        return flat[name][start : start + int(np.prod(SHAPES[i]))].reshape(SHAPES[i])

    for i, p in enumerate(params):
        view("p", i)[...] = p.data
    steps = [0] * len(SHAPES)
    state = np.zeros(2, u4)
    for t in range(6):
        alive = [True, t > 1, t not in (2, 3)]
        live = np.zeros(starts[-1], np.uint8)
        table = np.full((4, len(SHAPES), len(cls.columns)), np.nan)
        for i, p in enumerate(params):
            p.grad = None
            if not alive[i]:
                continue
            gradient = rng.standard_normal(SHAPES[i]).astype(f4)
            p.grad = mg.tensor(gradient)
            view("g", i)[...] = gradient
            steps[i] += 1
            live[starts[i] : starts[i + 1]] = i + 1
            table[t % 4, i] = optimizer.coefficients(group, steps[i])
        optimizer.step()
        buffers = [flat[name] if name in names else None for name in kernel.states]
        counts = [i4(len(SHAPES)), i4(len(cls.columns)), i4(4)]
        flags = i4(optimizer.kernel_flags(group))
        host.launch(entry, 3, 64, [flat["p"], flat["g"], *buffers, i8(n), table, *counts, state, live, flags])
        for i, p in enumerate(params):
            np.testing.assert_allclose(view("p", i), p.data, rtol=1e-5, atol=1e-6, err_msg=f"{entry}, step {t + 1}")
    assert state.tolist() == [6, 0]
    saved = optimizer.state_dict()["state"]
    for i in range(len(SHAPES)):
        for name in names:
            np.testing.assert_allclose(view(name, i), saved[i][name], rtol=1e-5, atol=1e-7)
