"""Metamorphic properties of optimizers and training: no expected numbers, only what two runs must have in common.

    problem = small_problem()
    check_state_dict(problem, lambda params: MyOptimizer(params, lr=0.1))

A check raises TrainingError, an AssertionError that says after which step which parameter differs, and by how much.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import io
from ..backend.array import to_device
from ..backend.device import resolve_device
from ..errors import MinigradError
from ..ops.hyperbolic import tanh
from ..tensor import Tensor, tensor
from .cases import host

Make = Callable[[list[Tensor]], Any]
"""An optimizer over these parameters: what has step, zero_grad, state_dict and load_state_dict."""
Begin = Callable[[], tuple[list[Tensor], Callable[[Any], Any]]]
"""New parameters, always with the same values, and the mean loss of a batch as a function of them."""


class TrainingError(MinigradError, AssertionError):
    """A property of an optimizer or a training does not hold."""


@dataclass(frozen=True)
class Problem:
    """A training that can begin again any number of times.

    Args:
        begin: returns new leaves, always with the same values, and a function that takes a batch to the mean loss of
            its rows, computed from these leaves.
        batches: tuples of raw arrays with the rows on axis 0; step t takes batch t, and again from the front.
    """

    begin: Begin
    batches: Sequence[tuple[Any, ...]]

    def batch(self, step: int) -> tuple[Any, ...]:
        """The batch of a step, counted from 0."""
        return self.batches[step % len(self.batches)]


def small_problem(dtype: Any = "float64", device: str = "cpu", *, rows: int = 8, seed: int = 0) -> Problem:
    """A regression by a tanh network with parameters of several shapes, a 0-d one among them.

    Args:
        dtype: of parameters and data.
        device: where they live.
        rows: of a batch.
        seed: of weights and data.

    Returns:
        The problem.
    """
    rng, label = np.random.default_rng(seed), resolve_device(device)
    start = [np.asarray(rng.standard_normal(s) / 2, dtype) for s in ((3, 5), (5,), (5, 2), (2,), ())]
    data = [tuple(np.asarray(rng.standard_normal((rows, n)), dtype) for n in (3, 2)) for _ in range(3)]
    batches = [tuple(to_device(a, label) for a in batch) for batch in data]

    def begin() -> tuple[list[Tensor], Callable[[Any], Any]]:
        w1, b1, w2, b2, scale = params = [tensor(a, device=label, requires_grad=True) for a in start]

        def loss(batch: Any) -> Any:
            x, y = batch
            error = (tanh(x @ w1 + b1) @ w2 + b2) * scale - y
            return (error * error).mean()

        return params, loss

    return Problem(begin, batches)


class Run:
    """A training in progress.

    Args:
        problem: what is trained.
        make: with what.
    """

    def __init__(self, problem: Problem, make: Make) -> None:
        self.problem, self.steps = problem, 0
        self.params, self.loss = problem.begin()
        self.optimizer = make(self.params)

    def step(self, parts: int = 1) -> None:
        """One step, on `parts` equal parts of the batch whose gradients add up."""
        batch = self.problem.batch(self.steps)
        self.optimizer.zero_grad()
        for part in _split(batch, parts):
            loss = self.loss(part)
            (loss if parts == 1 else loss * (1 / parts)).backward()
        self.optimizer.step()
        self.steps += 1

    def go(self, steps: int) -> Iterator[list[np.ndarray]]:
        """The parameters after each of so many steps."""
        for _ in range(steps):
            self.step()
            yield self.values()

    def values(self) -> list[np.ndarray]:
        """The parameters, copied to the host."""
        return [host(p) for p in self.params]

    def take(self, values: Sequence[np.ndarray], state: Any, steps: int) -> None:
        """Go on from saved parameters and a saved optimizer."""
        for p, v in zip(self.params, values, strict=True):
            p.data = to_device(np.array(v), p.device)
        self.optimizer.load_state_dict(state)
        self.steps = steps


def check_same_run(problem: Problem, make: Make, *, steps: int = 8) -> None:
    """Two runs from the same start give the same bits.

    Args:
        problem: what is trained.
        make: the optimizer.
        steps: how many.

    Raises:
        TrainingError: they do not.
    """
    pairs = zip(Run(problem, make).go(steps), Run(problem, make).go(steps), strict=True)
    for step, (a, b) in enumerate(pairs, 1):
        _same_bits(a, b, f"two runs from the same start differ after step {step}")


def check_same_seed(train: Callable[[int], Sequence[Any]], *, seed: int = 0, other: int | None = 1) -> None:
    """The same seed gives the same bits, and another seed other ones.

    Args:
        train: takes a seed, trains from the very beginning, returns arrays or Tensors (the parameters, say).
        seed: which is run twice.
        other: a seed that must give something else; None where none does.

    Raises:
        TrainingError: it is not so.
    """
    first, second = ([host(a) for a in train(seed)] for _ in range(2))
    _same_bits(first, second, f"two runs with seed {seed} differ: something is drawn that the seed does not fix")
    if other is not None and all(np.array_equal(a, host(b)) for a, b in zip(first, train(other), strict=True)):
        raise TrainingError(f"seeds {seed} and {other} gave the same run: the seed is not used")


def check_state_dict(
    problem: Problem, make: Make, *, steps: int = 6, through: Callable[[Any], Any] = lambda state: state
) -> None:
    """After any step, a new optimizer that loads the state goes on with the same bits.

    Args:
        problem: what is trained.
        make: the optimizer.
        steps: how many.
        through: what happens to the state on the way: a file, JSON.

    Raises:
        TrainingError: a state lacks something.
    """
    run = Run(problem, make)
    saved = [(run.values(), through(run.optimizer.state_dict()))]
    for values in run.go(steps):
        saved.append((values, through(run.optimizer.state_dict())))
    for at, (values, state) in enumerate(saved[:-1]):
        resumed = Run(problem, make)
        resumed.take(values, state, at)
        for step, got in enumerate(resumed.go(steps - at), at + 1):
            _same_bits(saved[step][0], got, f"resumed after step {at} from its state_dict, the run differs at {step}")


def check_resume(problem: Problem, make: Make, folder: str | Path, *, steps: int = 6, at: int = 3) -> None:
    """A run that is saved to a file and loaded into new objects goes on with the same bits.

    Args:
        problem: what is trained.
        make: the optimizer.
        folder: where the file may be written.
        steps: how many in all.
        at: after which the run is saved.

    Raises:
        TrainingError: it does not.
    """
    run = Run(problem, make)
    due = list(run.go(at))
    path = Path(folder) / "resume.safetensors"
    io.save(path, values=run.values(), optimizer=run.optimizer.state_dict())
    due += list(run.go(steps - at))
    resumed, state = Run(problem, make), io.load(path)
    resumed.take(state["values"], state["optimizer"], at)
    for step, got in enumerate(resumed.go(steps - at), at + 1):
        _same_bits(due[step - 1], got, f"resumed from a file after step {at}, the run differs at step {step}")


def check_accumulation(
    problem: Problem, make: Make, *, parts: Sequence[int] = (2, 4), steps: int = 3, tolerance: float | None = None
) -> None:
    """k backward passes on parts of a batch, each loss scaled by 1/k, and one step: the step on the whole batch.

    Args:
        problem: with a mean loss; its batches have a multiple of k rows.
        make: the optimizer.
        parts: the values of k.
        steps: how many.
        tolerance: relative; None is 2048 roundings of the parameters' dtype.

    Raises:
        TrainingError: the parameters differ: the gradients do not add up, or the loss is no mean over the rows.
    """
    for k in parts:
        whole, split = Run(problem, make), Run(problem, make)
        for step in range(1, steps + 1):
            before = whole.values()
            whole.step()
            split.step(k)
            text = f"{k} parts of a batch make another step {step} than the whole"
            _near(whole.values(), split.values(), before, tolerance, 2048, text)


def check_reference(
    problem: Problem, make: Make, reference: Make | None = None, *, steps: int = 8, tolerance: float | None = None
) -> None:
    """The fused optimizer makes the steps of a reference, to rounding.

    Args:
        problem: what is trained.
        make: the optimizer over all parameters.
        reference: another one; None is `make` for each parameter by itself: neither the flat buffer nor its padding may
            change a number.
        steps: how many.
        tolerance: relative to the parameter and its step; None is 64 roundings a step.

    Raises:
        TrainingError: they differ.
    """
    plain = Run(problem, reference or (lambda params: Separate(params, make)))
    _together(plain, Run(problem, make), steps, tolerance, "the optimizer and its reference differ")


def check_devices(
    problem: Problem, other: Problem, make: Make, *, steps: int = 8, tolerance: float | None = None
) -> None:
    """The same training on another device makes the same steps, to rounding: one kernel there, plain NumPy here.

    Args:
        problem: what is trained, on one device.
        other: the same on another.
        make: the optimizer.
        steps: how many.
        tolerance: relative to the parameter and its step; None is 64 roundings a step.

    Raises:
        TrainingError: they differ.
    """
    _together(Run(problem, make), Run(other, make), steps, tolerance, "the devices differ")


def _together(due: Run, got: Run, steps: int, tolerance: float | None, text: str) -> None:
    for step in range(1, steps + 1):
        before = due.values()
        due.step()
        got.step()
        _near(due.values(), got.values(), before, tolerance, 64 * step, f"{text} after step {step}")


def check_gradient_scale(
    problem: Problem,
    make: Make,
    behaviour: str,
    *,
    factor: float = 64.0,
    steps: int = 4,
    tolerance: float | None = None,
) -> None:
    """What a loss of another scale does: nothing to Adam's kind, a proportional way to SGD.

    The gradients are those at the start, one batch a step, so that nothing but the optimizer is seen.

    Args:
        problem: what is trained.
        make: the optimizer, without weight decay that is added to the gradient.
        behaviour: "linear" (the way is `factor` times as long) or "invariant" (it is the same).
        factor: on the gradients; a power of two adds no rounding.
        steps: how many.
        tolerance: relative to the longest way of a parameter; None is 1e-3 where it is invariant (its eps is not
            scaled), else 1e-6.

    Raises:
        TrainingError: it behaves otherwise.
        ValueError: no such behaviour.
    """
    if behaviour not in ("linear", "invariant"):
        raise ValueError(f"check_gradient_scale: behaviour must be 'linear' or 'invariant', got {behaviour!r}")
    ways = [_way(problem, make, steps, scale) for scale in (1.0, factor)]
    gain = factor if behaviour == "linear" else 1.0
    allowed = tolerance if tolerance is not None else 1e-3 if behaviour == "invariant" else 1e-6
    for i, (one, scaled) in enumerate(zip(*ways, strict=True)):
        error = float(np.abs(scaled - gain * one).max(initial=0.0)) / float(np.abs(gain * one).max(initial=1e-300))
        if not error <= allowed:
            raise TrainingError(
                f"gradients {factor:g} times as large should move parameter {i} {gain:g} times as far ({behaviour}), "
                f"but the way is off by {error:.3g} of its length; {allowed:g} is allowed"
            )


class Separate:
    """An optimizer of its own for every parameter: the slow road that a step on one flat buffer must equal.

    Args:
        params: the parameters.
        make: the optimizer.
    """

    def __init__(self, params: Sequence[Tensor], make: Make) -> None:
        self.members = [make([p]) for p in params]

    def step(self) -> None:
        """Each in turn."""
        for member in self.members:
            member.step()

    def zero_grad(self) -> None:
        """Each in turn."""
        for member in self.members:
            member.zero_grad()


def _way(problem: Problem, make: Make, steps: int, scale: float) -> list[np.ndarray]:
    """How far each parameter goes under scaled gradients, in float64."""
    run = Run(problem, make)
    start, gradients = run.values(), []
    for step in range(steps):
        params, loss = problem.begin()
        loss(problem.batch(step)).backward()
        gradients.append([None if p.grad is None else host(p.grad) for p in params])
    for given in gradients:
        for p, g in zip(run.params, given, strict=True):
            p.grad = None if g is None else tensor(np.asarray(g * scale, g.dtype), device=p.device)
        run.optimizer.step()
    return [np.subtract(v, s, dtype=np.float64) for v, s in zip(run.values(), start, strict=True)]


def _split(batch: tuple[Any, ...], parts: int) -> Iterator[tuple[Any, ...]]:
    rows = len(batch[0])
    if rows % parts:
        raise ValueError(f"a batch of {rows} rows cannot be split into {parts} equal parts")
    n = rows // parts
    for k in range(parts):
        yield tuple(a[k * n : (k + 1) * n] for a in batch)


def _same_bits(due: Sequence[np.ndarray], got: Sequence[np.ndarray], text: str) -> None:
    for i, (a, b) in enumerate(zip(due, got, strict=True)):
        if a.dtype != b.dtype or a.shape != b.shape:
            raise TrainingError(f"{text}: array {i} is {b.dtype}{b.shape} instead of {a.dtype}{a.shape}")
        if a.tobytes() != b.tobytes():
            raise TrainingError(f"{text}: {_largest(i, a, b)}; the same bits are due")


def _near(
    due: Sequence[np.ndarray],
    got: Sequence[np.ndarray],
    before: Sequence[np.ndarray],
    tolerance: float | None,
    roundings: int,
    text: str,
) -> None:
    """Equal relative to the parameters and to the step they have just made."""
    for i, (a, b, old) in enumerate(zip(due, got, before, strict=True)):
        allowed = float(np.finfo(a.dtype).eps) * roundings if tolerance is None else tolerance
        size = float(np.abs(a).max(initial=0.0) + np.abs(a - old).max(initial=0.0))
        if not np.abs(a - b).max(initial=0.0) <= allowed * size:
            raise TrainingError(f"{text}: {_largest(i, a, b)}; a difference of {allowed * size:.3g} is allowed")


def _largest(i: int, a: np.ndarray, b: np.ndarray) -> str:
    at = np.unravel_index(int(np.argmax(np.abs(np.float64(a) - np.float64(b)))), a.shape)
    where = f" at {tuple(int(k) for k in at)}" if at else ""
    return f"array {i}{where} is {b[at].item()!r} instead of {a[at].item()!r}"
