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
from minigrad.optim.options import SHARED_COLUMNS, shared_coefficients

BLOCK = 64

SKIP, DECAY, DECOUPLED = 1, 2, 4
AMSGRAD = 8
MOMENTUM, NESTEROV, VELOCITY_HOLDS_LR = 8, 16, 32
CENTERED = 16

Coefficients = dict[str, Any]


def descent(c: Coefficients, flags: int, p: Any, g: Any) -> tuple[Any, Any]:
    if not flags & DECAY:
        return p, g
    return (p * c["shrink"], g) if flags & DECOUPLED else (p, fmaf(p, c["weight_decay"], g))


def adam_moments(c: Coefficients, g: Any, m: Any, v: Any) -> tuple[Any, Any]:
    return fmaf(m, c["beta1"], g * c["keep1"]), fmaf(v, c["beta2"], g * g * c["keep2"])


def adam_reference(c: Coefficients, flags: int, p: Any, g: Any, m: Any, v: Any, largest: Any) -> tuple[Any, ...]:
    """The update of one step, in float32."""
    p, g = descent(c, flags, p, g)
    m, v = adam_moments(c, g, m, v)
    largest = np.maximum(v, largest) if flags & AMSGRAD else largest
    denominator = np.sqrt(largest if flags & AMSGRAD else v) + c["eps"]
    return fmaf(-c["step_size"], m / denominator, p), m, v, largest


def sgd_reference(c: Coefficients, flags: int, p: Any, g: Any, velocity: Any) -> tuple[Any, ...]:
    p, g = descent(c, flags, p, g)
    if not flags & MOMENTUM:
        return fmaf(-c["lr"], g, p), velocity
    velocity = fmaf(velocity, c["momentum"], g * c["gain"])
    if flags & VELOCITY_HOLDS_LR:
        ahead = fmaf(velocity, c["momentum"], g * c["lr"]) if flags & NESTEROV else velocity
        return p - ahead, velocity
    return fmaf(-c["lr"], fmaf(velocity, c["momentum"], g) if flags & NESTEROV else velocity, p), velocity


def adagrad_reference(c: Coefficients, flags: int, p: Any, g: Any, total: Any) -> tuple[Any, ...]:
    p, g = descent(c, flags, p, g)
    total = fmaf(g, g, total)
    return fmaf(-c["lr"], g / (np.sqrt(total) + c["eps"]), p), total


def adadelta_reference(c: Coefficients, flags: int, p: Any, g: Any, square: Any, travel: Any) -> tuple[Any, ...]:
    p, g = descent(c, flags, p, g)
    square = fmaf(square, c["rho"], g * g * c["keep"])
    step = np.sqrt(travel + c["eps"]) / np.sqrt(square + c["eps"]) * g
    return fmaf(-c["lr"], step, p), square, fmaf(travel, c["rho"], step * step * c["keep"])


def rmsprop_reference(
    c: Coefficients, flags: int, p: Any, g: Any, square: Any, velocity: Any, mean: Any
) -> tuple[Any, ...]:
    p, g = descent(c, flags, p, g)
    square = fmaf(square, c["alpha"], g * g * c["keep"])
    second = square
    if flags & CENTERED:
        mean = fmaf(mean, c["alpha"], g * c["keep"])
        second = np.maximum(fmaf(-mean, mean, square), f4(0))
    step = g / (np.sqrt(second) + c["eps"])
    if flags & MOMENTUM:
        velocity = step = fmaf(velocity, c["momentum"], step)
    return fmaf(-c["lr"], step, p), square, velocity, mean


def adamax_reference(c: Coefficients, flags: int, p: Any, g: Any, m: Any, largest: Any) -> tuple[Any, ...]:
    p, g = descent(c, flags, p, g)
    m = fmaf(m, c["beta1"], g * c["keep1"])
    largest = np.maximum(largest * c["beta2"], np.abs(g) + c["eps"])
    return fmaf(-c["step_size"], m / largest, p), m, largest


def nadam_reference(c: Coefficients, flags: int, p: Any, g: Any, m: Any, v: Any) -> tuple[Any, ...]:
    p, g = descent(c, flags, p, g)
    m, v = adam_moments(c, g, m, v)
    return p - fmaf(m, c["of_momentum"], g * c["of_gradient"]) / (np.sqrt(v) + c["eps"]), m, v


def radam_reference(c: Coefficients, flags: int, p: Any, g: Any, m: Any, v: Any) -> tuple[Any, ...]:
    p, g = descent(c, flags, p, g)
    m, v = adam_moments(c, g, m, v)
    return fmaf(-m, c["plain"] + c["rectified"] / (np.sqrt(v) + c["eps"]), p), m, v


def lion_reference(c: Coefficients, flags: int, p: Any, g: Any, m: Any) -> tuple[Any, ...]:
    p, g = descent(c, flags, p, g)
    ahead = fmaf(m, c["beta1"], g * c["keep1"])
    sign = np.where(ahead == 0, ahead, np.sign(ahead))  # a zero keeps its own sign
    return fmaf(-c["lr"], sign, p), fmaf(m, c["beta2"], g * c["keep2"])


@dataclass(frozen=True)
class Formula:
    """What a kernel is compared with.

    optimizer: the class whose kernel it is.
    reference: (coefficients by name, flags, p, g, *states) -> (p, *states) of one step, rounded as the kernel does.
    flags: all that the kernel may be given, besides SKIP.
    positive: state buffers that hold no negative numbers.
    optional: state buffers that are null without a flag.
    """

    optimizer: type[optim.Optimizer]
    reference: Callable[..., tuple[Any, ...]]
    flags: tuple[int, ...] = (0, DECAY)
    positive: tuple[str, ...] = ()
    optional: dict[str, int] = field(default_factory=dict)


EITHER_DECAY = (0, DECAY, DECAY | DECOUPLED)


def with_flags(bases: tuple[int, ...], *further: int) -> tuple[int, ...]:
    return tuple(base | more for base in bases for more in (0, *further))


FORMULAS = {
    "adam_f32": Formula(
        optim.Adam, adam_reference, with_flags(EITHER_DECAY, AMSGRAD), ("v", "largest"), {"largest": AMSGRAD}
    ),
    "sgd_f32": Formula(
        optim.SGD,
        sgd_reference,
        with_flags((0, DECAY), *(MOMENTUM | more for more in (0, NESTEROV, VELOCITY_HOLDS_LR, 48))),
        optional={"velocity": MOMENTUM},
    ),
    "adagrad_f32": Formula(optim.Adagrad, adagrad_reference, positive=("sum",)),
    "adadelta_f32": Formula(optim.Adadelta, adadelta_reference, positive=("square", "travel")),
    "rmsprop_f32": Formula(
        optim.RMSprop,
        rmsprop_reference,
        with_flags((0, DECAY), MOMENTUM, CENTERED, MOMENTUM | CENTERED),
        ("square",),
        {"velocity": MOMENTUM, "mean": CENTERED},
    ),
    "adamax_f32": Formula(optim.Adamax, adamax_reference, positive=("largest",)),
    "nadam_f32": Formula(optim.NAdam, nadam_reference, EITHER_DECAY, ("v",)),
    "radam_f32": Formula(optim.RAdam, radam_reference, EITHER_DECAY, ("v",)),
    "lion_f32": Formula(optim.Lion, lion_reference, (DECOUPLED, DECAY | DECOUPLED)),
}


def check_one_step(host: HostKernels, entry: str, n: int, seed: int, flags: int, special: bool) -> None:
    """Bits of one step against the reference, under any classes, live bytes, capacity, cursor, scale, limit of the norm
    and skipped steps, with and without an average and a total."""
    rng = np.random.default_rng(seed)
    formula, names = FORMULAS[entry], updates()[entry][1]
    columns_read = formula.optimizer.columns + SHARED_COLUMNS
    classes, capacity = int(rng.integers(1, 4)), int(rng.integers(1, 4))
    columns = len(columns_read) + int(rng.integers(0, 3))  # room for more than the kernel reads
    cursor, skipped = int(rng.integers(0, 2**32)), int(rng.integers(0, 3))
    number = cursor % capacity
    number -= min(number, skipped)
    table = rng.uniform(0.01, 1.0, (capacity, classes, columns))
    table[..., columns_read.index("scale")] *= rng.choice([-1, 1])
    live = rng.integers(0, classes + 1, -(-n // BLOCK), np.uint8)
    p, g = values(rng, n, special), values(rng, n, special)
    buffers = [values(rng, n, special) for _ in names]
    buffers = [np.abs(x) if name in formula.positive else x for name, x in zip(names, buffers, strict=True)]
    average = values(rng, n, special) if rng.random() < 0.5 else None
    total = rng.choice([0.0, 0.04, 4.0, np.nan, np.inf]) if rng.random() < 0.5 else None
    skips = bool(flags & SKIP) and total is not None and not np.isfinite(total)

    want = {"p": p, **dict(zip(names, buffers, strict=True)), "average": average}
    of_class = np.repeat(live, BLOCK)[:n]
    with np.errstate(all="ignore"):
        for k in range(0 if skips else classes):
            row = dict(zip(columns_read, table[number, k], strict=False))
            if total is not None:
                share = row["max_norm"] / (np.sqrt(total) * abs(row["scale"]) + 1e-6)
                row["scale"] *= 1.0 if share >= 1.0 else share
            c = {name: f4(value) for name, value in row.items()}
            after = dict(zip(want, formula.reference(c, flags, p, g * c["scale"], *buffers), strict=False))
            if average is not None:
                after["average"] = fmaf(average, c["ema_keep"], after["p"] * c["ema_gain"])
            for name, value in after.items():
                want[name] = np.where(of_class == k + 1, value, want[name]).astype(f4)

    null = {name for name, flag in formula.optional.items() if not flags & flag}
    arrays = {name: None if name in null else x for name, x in zip(names, buffers, strict=True)}
    got = launch_all(
        host,
        entry,
        p=p,
        g=g,
        **arrays,
        n=i8(n),
        average=average,
        table=table,
        classes=i4(classes),
        columns=i4(columns),
        capacity=i4(capacity),
        state=np.array([cursor, 0, skipped], u4),
        live=live,
        total=None if total is None else np.array([total]),
        flags=i4(flags),
    )
    for name, expected in want.items():
        if name in got:
            assert same_bits(got[name], expected), f"{entry}: {name} is not the reference's"
    expected_state = [(cursor + 1) % 2**32, 0, skipped + skips]
    assert got["state"].tolist() == expected_state, "the cursor moves on by one, the ticket is back at 0"


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
    flat = {name: guarded(np.zeros(n, f4)) for name in ("p", "g", *kernel.states, "average")}

    def view(name: str, i: int) -> np.ndarray:
        start = starts[i] * BLOCK
        return flat[name][start : start + int(np.prod(SHAPES[i]))].reshape(SHAPES[i])

    for i, p in enumerate(params):
        view("p", i)[...] = view("average", i)[...] = p.data
        for name in names:
            view(name, i)[...] = optimizer.initial(group, name)
    shared = shared_coefficients(group["maximize"], 1, optimizer.max_norm, optimizer.ema)
    width = len(cls.columns) + len(shared)
    steps, scalars = [0] * len(SHAPES), [tuple(cls.scalars.values())] * len(SHAPES)
    state = np.zeros(3, u4)
    for t in range(6):
        alive = [True, t > 1, t not in (2, 3)]
        live = np.zeros(starts[-1], np.uint8)
        table = np.full((4, len(SHAPES), width), np.nan)
        total = np.zeros(1)
        for i, p in enumerate(params):
            p.grad = None
            if not alive[i]:
                continue
            gradient = rng.standard_normal(SHAPES[i]).astype(f4)
            total += np.sum(gradient.astype(float) ** 2)
            p.grad = mg.tensor(gradient)
            view("g", i)[...] = gradient
            steps[i] += 1
            scalars[i] = optimizer.advance(group, steps[i], scalars[i])
            live[starts[i] : starts[i + 1]] = i + 1
            table[t % 4, i] = (*optimizer.row(group, steps[i], scalars[i]), *shared)
        optimizer.step()
        buffers = [flat[name] if name in names else None for name in kernel.states]
        average = flat["average"] if optimizer.ema is not None else None
        counts = [i4(len(SHAPES)), i4(width), i4(4)]
        tail = [total if optimizer.max_norm is not None else None, i4(optimizer.kernel_flags(group))]
        arguments = [flat["p"], flat["g"], *buffers, i8(n), average, table, *counts, state, live, *tail]
        host.launch(entry, 3, 64, arguments)
        for i, p in enumerate(params):
            np.testing.assert_allclose(view("p", i), p.data, rtol=1e-5, atol=1e-6, err_msg=f"{entry}, step {t + 1}")
    assert state.tolist() == [6, 0, 0]
    saved = optimizer.state_dict()["state"]
    for i in range(len(SHAPES)):
        for name in names:
            np.testing.assert_allclose(view(name, i), saved[i][name], rtol=1e-5, atol=1e-6)
        if optimizer.ema is not None:
            np.testing.assert_allclose(view("average", i), saved[i]["ema"], rtol=1e-5, atol=1e-6)
