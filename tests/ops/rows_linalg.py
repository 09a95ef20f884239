"""Rows of minigrad.ops.linalg and minigrad.ops.fused."""

from __future__ import annotations

from typing import Any

import numpy as np
from draws import torch_function as th

from minigrad.core import engine
from minigrad.ops import fused, linalg
from minigrad.testing import OpSpec

PAIRS = (
    ((3,), (3,)), ((0,), (0,)), ((1,), (1,)),
    ((2, 3), (3,)), ((3,), (3, 2)), ((0, 3), (3,)), ((3,), (3, 0)), ((2, 0), (0,)),
    ((2, 3), (3, 2)), ((1, 1), (1, 1)), ((2, 1), (1, 3)), ((0, 2), (2, 3)), ((2, 0), (0, 3)), ((2, 3), (3, 0)),
    ((2, 2, 3), (3, 2)), ((2, 3), (2, 3, 1)), ((2, 2, 3), (2, 3, 2)), ((1, 2, 3), (2, 3, 1)), ((2, 1, 2), (1, 2, 2)),
    ((2, 2, 3), (3,)), ((3,), (2, 3, 2)), ((2, 1, 1, 2), (3, 2, 1)), ((0, 2, 3), (3, 2)), ((0, 2, 3), (1, 3, 2)),
    ((1, 2, 3), (3,)), ((3,), (1, 3, 2)), ((1, 2, 3), (1, 3, 2)), ((2, 2, 0), (0, 2)), ((2, 0, 2), (2, 2)),
)  # fmt: skip


def _np_linear(x: Any, w: Any, b: Any = None, activation: str | None = None) -> Any:
    z = np.asarray(x @ w.T)
    z = z if b is None else z + b
    return z if activation is None else np.tanh(z) if activation == "tanh" else np.maximum(z, 0)


def _torch_linear(x: Any, w: Any, b: Any = None, activation: str | None = None) -> Any:
    z = th("nn.functional.linear")(x, w, b)
    return z if activation is None else th(activation)(z)


ACTIVATIONS = tuple({"activation": a} for a in fused.FUSED_ACTIVATIONS)
LINEAR = (
    ((2, 3), (2, 3)), ((1, 2), (3, 2)), ((3, 1), (1, 1)), ((3,), (2, 3)), ((2, 2, 2), (1, 2)), ((0, 2), (2, 2)),
    ((2, 0, 2), (3, 2)), ((2, 2), (0, 2)),
)  # fmt: skip


def _preactivation(*args: Any) -> Any:
    """relu's kink: where the pre-activation is 0."""
    return _np_linear(*args)


def labels(rng: np.random.Generator, shapes: Any, position: int) -> np.ndarray:
    return rng.integers(0, shapes[0][1], size=shapes[position])


def _np_cross_entropy(z: Any, labels: Any, scale: Any) -> Any:
    return (np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(z)), labels]) * scale


def _torch_cross_entropy(z: Any, labels: Any, scale: Any) -> Any:
    return th("nn.functional.cross_entropy")(z, labels, reduction="none") * scale


def _one_hot(labels: Any, classes: int, dtype: Any) -> Any:
    return np.eye(classes, dtype=dtype)[labels]


def _sum_to_shapes(s: tuple[int, ...]) -> list[dict[str, Any]]:
    return [{"shape": s}, {"shape": s[1:]}, {"shape": (1,) * len(s)}, {"shape": ()}]


ROWS = [
    OpSpec("matmul", linalg.matmul, np.matmul, 2, shapes=PAIRS, torch=th("matmul")),
    OpSpec("x @ y", lambda x, y: x @ y, np.matmul, 2, shapes=PAIRS),
    OpSpec("x @ x.T", lambda x: linalg.matmul(x, x.T), lambda x: x @ x.T, shapes=(((2, 3),), ((3, 1),))),
    OpSpec("sum_to", engine.sum_to, lambda x, shape: x.sum(axis=tuple(range(x.ndim - len(shape)))).reshape(shape)
           if shape != (1,) * x.ndim else x.sum().reshape(shape), shapes=(((2, 3),), ((2, 1),)), params=_sum_to_shapes),
    OpSpec("linear", fused.linear, _np_linear, 3, shapes=tuple((x, w, w[:1]) for x, w in LINEAR), params=ACTIVATIONS,
           kinks=(_preactivation,), distance=1e-3, torch=_torch_linear),
    OpSpec("linear without bias", lambda x, w, activation: fused.linear(x, w, None, activation),
           lambda x, w, activation: _np_linear(x, w, None, activation), 2, shapes=LINEAR, params=ACTIVATIONS,
           kinks=(_preactivation,), distance=1e-3,
           torch=lambda x, w, activation=None: _torch_linear(x, w, None, activation)),
    OpSpec("linear of a batch", fused.linear, _np_linear, 3, params=ACTIVATIONS, kinks=(_preactivation,), distance=1e-3,
           shapes=(((4, 3), (2, 3), (2,)), ((3, 2), (1, 2), (1,)), ((5, 2, 1), (2, 1), (2,))), batched=(0,)),
    OpSpec("softmax_cross_entropy", fused.softmax_cross_entropy, _np_cross_entropy, 3,
           shapes=(((3, 2), (3,), (3,)), ((2, 3), (2,), ()), ((1, 1), (1,), (1,)), ((0, 3), (0,), (0,))),
           domain=((-2.0, 2.0), labels, (0.25, 3.0)), differentiable=(0,), torch=_torch_cross_entropy),
    OpSpec("softmax_cross_entropy, scale 1/n", lambda z, y: fused.softmax_cross_entropy(z, y, 1 / z.shape[0]),
           lambda z, y: _np_cross_entropy(z, y, 1 / len(z)), 2, shapes=(((3, 2), (3,)), ((2, 4), (2,))),
           domain=((-2.0, 2.0), labels)),
    OpSpec("softmax_cross_entropy, reduced", lambda z, y: fused.softmax_cross_entropy(z, y, reduce=True),
           lambda z, y: np.asarray(_np_cross_entropy(z, y, 1.0).sum()), 2, shapes=(((3, 2), (3,)), ((2, 4), (2,))),
           domain=((-2.0, 2.0), labels),
           torch=lambda z, y: th("nn.functional.cross_entropy")(z, y, reduction="sum")),
    OpSpec("one_hot", fused.one_hot_, _one_hot, order=0, batched=(0,),
           domain=(lambda rng, shapes, i: rng.integers(0, 3, shapes[i]),),
           params=({"classes": 3, "dtype": np.float32}, {"classes": 4, "dtype": np.float64}),
           shapes=(((3,),), ((0,),))),
]  # fmt: skip
