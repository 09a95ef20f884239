"""Rows of minigrad.ops.activations, losses and normalize."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from draws import raw
from draws import torch_function as th
from rows_elementwise import mask

from minigrad.ops import activations, losses, normalize
from minigrad.testing import OpSpec

_erf = np.vectorize(math.erf, otypes=[float])


def _gelu(x: np.ndarray, approximate: str = "none") -> np.ndarray:
    z = x.astype(np.float64)
    if approximate == "none":
        return (z * 0.5 * (1 + _erf(z / math.sqrt(2)))).astype(x.dtype)
    return (0.5 * z * (1 + np.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))).astype(x.dtype)


def _probability(rng: np.random.Generator, shapes: Any, position: int) -> np.ndarray:
    return rng.integers(0, 9, size=shapes[position]) / 8


def _cross_entropy(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.log1p(np.exp(x)) - x * y


def _standardize(x: Any, axis: Any, eps: float) -> Any:
    return normalize.standardize(x, *normalize.moments(raw(x), axis), axis, eps)


def _np_standardize(x: np.ndarray, axis: Any, eps: float) -> np.ndarray:
    return (x - x.mean(axis=axis, keepdims=True)) / np.sqrt(x.var(axis=axis, keepdims=True) + eps)


ROWS = [
    OpSpec("leaky_relu", activations.leaky_relu, lambda x, negative_slope=0.01: np.where(x > 0, x, x * negative_slope),
           params=({}, {"negative_slope": 0.25}), kinks=(0.0,), batched=(0,), torch=th("nn.functional.leaky_relu"),
           notes="slope of the left branch at 0"),
    OpSpec("elu", activations.elu, lambda x, alpha=1.0: np.where(x > 0, x, np.expm1(x) * alpha),
           params=({}, {"alpha": 0.5}), kinks=(0.0,), batched=(0,), torch=th("nn.functional.elu"),
           notes="slope alpha at 0"),
    OpSpec("gelu", activations.gelu, _gelu, params=({}, {"approximate": "none"}, {"approximate": "tanh"}),
           torch=th("nn.functional.gelu"), batched=(0,)),
    OpSpec("silu", activations.silu, lambda x: x / (1 + np.exp(-x)), torch=th("nn.functional.silu"), batched=(0,)),
    OpSpec("masked_scale", activations.masked_scale, lambda x, mask, scale: x * mask * scale, 2,
           shapes=(((3,), (3,)), ((2, 3), (2, 3)), ((), ()), ((0, 2), (0, 2))), domain=((-2.0, 2.0), mask),
           params=({"scale": 2.0}, {"scale": 1.25})),
    OpSpec("bce_with_logits", losses.bce_with_logits, _cross_entropy, 2, domain=((-3.0, 3.0), _probability),
           batched=(0, 1),
           torch=lambda x, y: th("nn.functional.binary_cross_entropy_with_logits")(x, y, reduction="none"), order=2),
    OpSpec("standardize", _standardize, _np_standardize, shapes=(((3, 2),), ((4, 1),), ((2, 3, 2),)),
           params=tuple({"axis": a, "eps": e} for a in ((0,), (0, 1)) for e in (1e-5, 0.5)),
           tolerance={"float64": 1e-11, "float32": 1e-4}),
    OpSpec("standardize, last axis", _standardize, _np_standardize, shapes=(((2, 3),), ((3, 2, 2),), ((0, 3),)),
           params=({"axis": (1,), "eps": 1e-5},), tolerance={"float64": 1e-11, "float32": 1e-4}, batched=(0,)),
]  # fmt: skip
