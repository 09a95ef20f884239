"""The training step of a captured MLP as one would write it by hand: straight-line NumPy, and one numba function.

    python benchmarks/handwritten_step.py       compares both with the library's eager step

Forward, softmax cross-entropy, backward and Adam for one network and batch size, float32. Everything is allocated
beforehand and every call writes into memory that is there. What a replay promises holds here too: the step takes any
batch of its shape, copies it in, reads the learning rate anew, counts its steps and returns the loss. It has no tape,
checks nothing, and is what `benchmarks/replay.py` holds a replay against.

What a hand finds: logits class by class, so that the softmax runs along rows; labels as rows of an identity matrix
divided by the batch; moments kept as m / (1 - beta1) and v / (1 - beta2), which saves two calls of Adam; bias gradients
as products with ones; Adam in blocks that fit the cache.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8
BLOCK = 1 << 16
"""Parameters that Adam works on at a time."""
f4 = np.float32


class Step:
    """A step written by hand.

    Args:
        sizes: features, hidden layers, classes.
        batch: rows.

    Attributes:
        weights, biases: of each layer, (out, in) and (out,), views of one flat buffer.
        lr: the learning rate, free to change.
        steps: how many were made.
        run: makes one on x (batch, features) float32 and y (batch,) int64, and returns the loss.
        calls: of NumPy in a step; 1 where it is one compiled function.
    """

    run: Callable[[np.ndarray, np.ndarray], np.ndarray]
    calls: int

    def __init__(self, sizes: tuple[int, ...], batch: int, lr: float = 1e-3) -> None:
        self.sizes, self.batch, self.lr, self.steps = sizes, batch, lr, 0
        layers = list(itertools.pairwise(sizes))
        total = sum((n + 1) * m for n, m in layers)
        self.p, self.g, self.m, self.v = (_aligned(total) for _ in range(4))
        self.weights, self.biases = _views(self.p, layers)
        self.weight_gradients, self.bias_gradients = _views(self.g, layers)

    def coefficients(self) -> tuple[float, float]:
        """Of the next step, for moments m / (1 - beta1) and v / (1 - beta2): p -= rate * m / (sqrt(v) + floor)."""
        self.steps = t = self.steps + 1
        root = math.sqrt((1 - BETA2**t) / (1 - BETA2))
        return self.lr * (1 - BETA1) * root / (1 - BETA1**t), EPS * root


def _aligned(count: int) -> np.ndarray:
    """float32 zeros that begin at a cache line."""
    raw = np.zeros(count + 16, f4)
    start = -raw.__array_interface__["data"][0] % 64 // 4
    return raw[start : start + count]


def _views(flat: np.ndarray, layers: list[tuple[int, int]]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    weights, biases, at = [], [], 0
    for n, m in layers:
        weights.append(flat[at : at + m * n].reshape(m, n))
        biases.append(flat[at + m * n : at + m * n + m])
        at += m * n + m
    return weights, biases


class NumPyStep(Step):
    """The step as straight-line NumPy. The lines are put together from the sizes, so that no loop is left in them."""

    def __init__(self, sizes: tuple[int, ...], batch: int, lr: float = 1e-3) -> None:
        super().__init__(sizes, batch, lr)
        self.names: dict[str, Any] = {
            "coefficients": self.coefficients, "copyto": np.copyto, "dot": np.dot, "add": np.add, "exp": np.exp,
            "subtract": np.subtract, "multiply": np.multiply, "divide": np.divide, "maximum": np.maximum,
            "largest": np.maximum.reduce, "sign": np.sign, "log": np.log, "sqrt": np.sqrt,
            "rate": np.zeros((), f4), "floor": np.zeros((), f4),
        }  # fmt: skip
        lines = ["rate[()], floor[()] = coefficients()"]
        calls = [*self._forward(), *self._loss(), *self._backward(), *self._adam()]
        text = "\n    ".join(["def step(x, y):", *lines, *calls, "return loss.copy()"])
        exec(compile(text, "<step by hand>", "exec"), self.names)
        self.run, self.calls, self.source = self.names["step"], len(calls), text

    def _forward(self) -> list[str]:
        """x0 = x; x(l+1) = relu(x(l) W(l)^T + b(l)); the logits z (classes, batch) = W x^T + b."""
        names, last = self.names, len(self.sizes) - 2
        names["x0"] = _aligned(self.batch * self.sizes[0]).reshape(self.batch, -1)
        lines = ["copyto(x0, x)"]
        for i, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            names |= {f"w{i}": w, f"wt{i}": w.T, f"xt{i}": names[f"x{i}"].T}
            if i == last:
                names |= {"z": _aligned(len(w) * self.batch).reshape(len(w), -1), "b_column": b[:, None]}
                return [*lines, f"dot(w{i}, xt{i}, z)", "add(z, b_column, z)"]
            out = _aligned(self.batch * len(w)).reshape(self.batch, -1)
            names |= {f"x{i + 1}": out, f"b{i}": b, f"slope{i + 1}": np.empty_like(out), f"zeros{i}": np.zeros_like(b)}
            lines += [
                f"dot(x{i}, wt{i}, x{i + 1})",
                f"add(x{i + 1}, b{i}, x{i + 1})",
                f"maximum(x{i + 1}, zeros{i}, out=x{i + 1})",
                f"sign(x{i + 1}, slope{i + 1})",
            ]
        return lines

    def _loss(self) -> list[str]:
        """mean(log sum exp(z) - z[label]), and its gradient d (classes, batch) = (softmax(z) - onehot) / batch."""
        classes, batch = self.sizes[-1], self.batch
        d, hot = (_aligned(classes * batch).reshape(classes, batch) for _ in range(2))
        self.names |= {
            "top": np.empty(batch, f4), "d": d, "z_flat": self.names["z"].reshape(-1), "own": np.zeros((), f4),
            "shares": np.eye(classes, dtype=f4) / f4(batch), "hot": hot, "hot_flat": hot.reshape(-1),
            "total": np.empty(batch, f4), "each": np.empty(batch, f4), "classes": np.ones(classes, f4),
            "mean": np.full(batch, 1 / batch, f4), "loss": np.zeros((), f4), "share": np.array(1 / batch, f4),
        }  # fmt: skip
        return [
            "largest(z, 0, None, top)",
            "subtract(z, top, z)",
            "exp(z, d)",
            "dot(classes, d, total)",
            "shares.take(y, 1, hot, 'clip')",
            "log(total, each)",
            "dot(each, mean, loss)",
            "dot(z_flat, hot_flat, own)",
            "subtract(loss, own, loss)",
            "divide(share, total, total)",
            "multiply(d, total, d)",
            "subtract(d, hot, d)",
        ]

    def _backward(self) -> list[str]:
        """W' = d^T x, b' = d^T 1, and d(l-1) = d W relu'(x)."""
        names, lines, batch = self.names, [], self.batch
        names |= {"ones": np.ones(batch, f4), "d_rows": names["d"].T}
        for i in reversed(range(len(self.weights))):
            names |= {f"gw{i}": self.weight_gradients[i], f"gb{i}": self.bias_gradients[i]}
            last = i == len(self.weights) - 1
            d, dt = ("d_rows", "d") if last else (f"d{i + 1}", f"dt{i + 1}")
            if batch == 1:  # an outer product is no work for BLAS, nor is a sum over one row
                names[f"d_flat{i}"] = names["d" if last else d].reshape(-1)
                lines += [f"multiply({dt}, x{i}, gw{i})", f"copyto(gb{i}, d_flat{i})"]
            else:
                lines += [f"dot({dt}, x{i}, gw{i})", f"dot({dt}, ones, gb{i})" if last else f"dot(ones, {d}, gb{i})"]
            if i:
                below = np.empty_like(names[f"x{i}"])
                names |= {f"d{i}": below, f"dt{i}": below.T}
                lines += [f"dot({d}, w{i}, d{i})", f"multiply(d{i}, slope{i}, d{i})"]
        return lines

    def _adam(self) -> list[str]:
        lines = []
        self.names |= {"beta1": np.array(BETA1, f4), "beta2": np.array(BETA2, f4)}
        scratch = _aligned(BLOCK)
        for k, start in enumerate(range(0, len(self.p), BLOCK)):
            parts = {n: getattr(self, n)[start : start + BLOCK] for n in "pgmv"}
            self.names |= {f"{n}_{k}": part for n, part in parts.items()} | {f"t_{k}": scratch[: len(parts["p"])]}
            lines += [
                line.format(*(f"{n}_{k}" for n in "pgmvt"))
                for line in (
                    "multiply({2}, beta1, {2})", "add({2}, {1}, {2})", "multiply({3}, beta2, {3})",
                    "multiply({1}, {1}, {4})", "add({3}, {4}, {3})", "sqrt({3}, {4})", "add({4}, floor, {4})",
                    "divide({2}, {4}, {4})", "multiply({4}, rate, {4})", "subtract({0}, {4}, {0})",
                )
            ]  # fmt: skip
        return lines


class NumbaStep(Step):
    """The step as one function compiled by numba, products by SciPy's BLAS."""

    calls = 1

    def __init__(self, sizes: tuple[int, ...], batch: int, lr: float = 1e-3) -> None:
        super().__init__(sizes, batch, lr)
        whole = compiled()
        xs = tuple(_aligned(batch * n).reshape(batch, n) for n in sizes)
        ds = tuple(np.empty((batch, n), f4) for n in sizes[1:])
        weights, turned = tuple(self.weights), tuple(w.T for w in self.weights)
        memory = (xs, ds, weights, turned, tuple(self.biases), tuple(self.weight_gradients), tuple(self.bias_gradients))
        flat = (self.p, self.g, self.m, self.v)
        coefficients = self.coefficients

        def run(x: np.ndarray, y: np.ndarray) -> np.ndarray:
            rate, floor = coefficients()
            return np.array(whole(x, y, *memory, *flat, f4(rate), f4(floor)), f4)

        self.run = run


def compiled() -> Callable[..., float]:
    """The compiled function, one for all sizes."""
    if not _COMPILED:
        import numba

        _COMPILED.append(numba.njit(_whole_step, fastmath=True, error_model="numpy", nogil=True))
    return _COMPILED[0]


_COMPILED: list[Any] = []


def _whole_step(
    x: Any, y: Any, xs: Any, ds: Any, ws: Any, turned: Any, bs: Any, gws: Any, gbs: Any,
    p: Any, g: Any, m: Any, v: Any, rate: Any, floor: Any,
) -> Any:  # fmt: skip
    """In loops; xs, ds: activations and gradients by layer, ws, turned: weights as they are and transposed."""
    rows, last = x.shape[0], len(ws) - 1
    xs[0][:] = x
    for layer in range(last + 1):
        z, b = xs[layer + 1], bs[layer]
        np.dot(xs[layer], turned[layer], z)
        if layer < last:
            for i in range(rows):
                for j in range(b.size):
                    z[i, j] = max(z[i, j] + b[j], np.float32(0))
        else:
            for i in range(rows):
                for j in range(b.size):
                    z[i, j] += b[j]
    z, d = xs[last + 1], ds[last]
    share = np.float32(1) / np.float32(rows)
    loss = np.float32(0)
    for i in range(rows):
        top, total = z[i, 0], np.float32(0)
        for j in range(1, z.shape[1]):
            top = max(top, z[i, j])
        for j in range(z.shape[1]):
            d[i, j] = np.exp(z[i, j] - top)
        for j in range(z.shape[1]):
            total += d[i, j]
        loss += np.log(total) - (z[i, y[i]] - top)
        factor = share / total
        for j in range(z.shape[1]):
            d[i, j] *= factor
        d[i, y[i]] -= share
    for layer in range(last, -1, -1):
        d, gb = ds[layer], gbs[layer]
        np.dot(d.T, xs[layer], gws[layer])
        gb[:] = 0
        for i in range(rows):
            for j in range(gb.size):
                gb[j] += d[i, j]
        if layer:
            below, h = ds[layer - 1], xs[layer]
            np.dot(d, ws[layer], below)
            for i in range(rows):
                for j in range(h.shape[1]):
                    below[i, j] = below[i, j] if h[i, j] > 0 else np.float32(0)
    for k in range(p.size):
        m[k] = np.float32(BETA1) * m[k] + g[k]
        v[k] = np.float32(BETA2) * v[k] + g[k] * g[k]
        p[k] -= rate * m[k] / (np.sqrt(v[k]) + floor)
    return loss * share


KINDS: dict[str, Callable[..., Step]] = {"numpy": NumPyStep, "fast": NumbaStep}
"""By the name of the executor that it is held against."""


def difference(kind: str, sizes: tuple[int, ...], batch: int, steps: int = 5) -> float:
    """How far a step by hand is from the library's eager step.

    Args:
        kind: one of KINDS.
        sizes: of the network.
        batch: rows.
        steps: how many are made, each on another batch and with another learning rate.

    Returns:
        The norm of the parameters' difference as a share of their change's. Not the largest difference: where a
        gradient is next to nothing, Adam's first steps have its sign, which rounding decides.

    Raises:
        RuntimeError: a loss differs by more than 1e-4 of it, or the parameters by more than 1e-3 of their change.
    """
    import minigrad as mg
    from minigrad import nn, optim
    from minigrad.nn import functional as F

    mg.manual_seed(0)
    model = nn.MLP(sizes[0], sizes[1:-1], sizes[-1])
    optimizer = optim.Adam(model.parameters())
    made = KINDS[kind](sizes, batch)
    parameters = [p.detach().numpy() for p in model.parameters()]
    mine = [a for pair in zip(made.weights, made.biases, strict=True) for a in pair]
    for to, source in zip(mine, parameters, strict=True):
        np.copyto(to, source)
    start = made.p.copy()
    rng = np.random.default_rng(1)
    for i in range(steps):
        x, y = rng.standard_normal((batch, sizes[0]), f4), rng.integers(0, sizes[-1], batch)
        made.lr = optimizer.param_groups[0]["lr"] = 1e-3 / (i + 1)
        optimizer.zero_grad()
        loss = F.cross_entropy(model(mg.tensor(x)), mg.tensor(y))
        loss.backward()
        optimizer.step()
        other = made.run(x, y)
        if not np.allclose(other, loss.item(), rtol=1e-4, atol=1e-6):
            raise RuntimeError(f"{kind}, {sizes}, batch {batch}, step {i}: loss {other}, the library has {loss.item()}")
    theirs = np.concatenate([p.detach().numpy().ravel() for p in model.parameters()])
    found = float(np.linalg.norm(made.p - theirs) / np.linalg.norm(theirs - start))
    if not found < 1e-3:
        raise RuntimeError(f"{kind}, {sizes}, batch {batch}: parameters differ by {found:.2g} of their change")
    return found


def main() -> None:
    for sizes in ((64, 32, 10), (784, 256, 128, 10)):
        for batch in (1, 8, 512):
            for kind in KINDS:
                calls = KINDS[kind](sizes, batch).calls
                print(f"{kind:6s} {sizes}, batch {batch}: {calls} calls, off by {difference(kind, sizes, batch):.1e}")


if __name__ == "__main__":
    main()
