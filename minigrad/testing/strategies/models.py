"""Random networks, optimizer configurations and batches."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ... import optim
from ...backend import random
from ...backend.device import resolve_device
from ...nn.mlp import ACTIVATIONS, MLP
from ...tensor import tensor
from .arrays import arrays

SMOOTH = ("elu", "gelu", "identity", "sigmoid", "silu", "softplus", "tanh")
"""Activations with a continuous derivative: gradients of any network of these can be checked anywhere."""


@st.composite
def mlps(
    draw: Any,
    in_features: int = 3,
    out_features: int = 2,
    *,
    max_depth: int = 2,
    max_width: int = 4,
    activations: Sequence[str] = SMOOTH,
    normalizations: Sequence[str | None] = (None, "layer"),
    dropout: float = 0.0,
    dtype: Any = "float64",
    device: str = "cpu",
) -> MLP:
    """Multilayer perceptrons of random depth, widths, activation, normalisation and weights.

    Args:
        draw: hypothesis'.
        in_features, out_features: lengths of the rows that go in and come out.
        max_depth: hidden layers at most.
        max_width: units of a hidden layer at most.
        activations: which to choose from, names as of nn.MLP; the smooth ones if not given.
        normalizations: which to choose from: None, "layer", "batch".
        dropout: probability of dropping a unit while training.
        dtype: of the parameters.
        device: where they live.

    Returns:
        A strategy of nn.MLP in training mode; they shrink to one linear layer.
    """
    unknown = [name for name in activations if name not in ACTIVATIONS]
    if unknown:
        raise ValueError(f"mlps: activations are {', '.join(ACTIVATIONS)}; got {unknown[0]!r}")
    hidden = draw(st.lists(st.integers(1, max_width), max_size=max_depth))
    activation, normalization = draw(st.sampled_from(list(activations))), draw(st.sampled_from(list(normalizations)))
    state = random.get_state()  # the library's random streams go on as if nothing had been drawn
    try:
        random.manual_seed(draw(st.integers(0, 2**16)))
        return MLP(
            in_features, hidden, out_features, activation, dropout, normalization, dtype=np.dtype(dtype),
            device=resolve_device(device),
        )  # fmt: skip
    finally:
        random.set_state(state)


@dataclass(frozen=True)
class OptimizerConfig:
    """An optimizer class and its hyper-parameters.

    Args:
        cls: the class.
        options: keyword arguments.
    """

    cls: type[optim.Optimizer]
    options: dict[str, Any] = field(default_factory=dict)

    def build(self, params: Iterable[Any]) -> optim.Optimizer:
        """A new optimizer over these parameters."""
        return self.cls(params, **self.options)

    def __str__(self) -> str:
        return f"{self.cls.__name__}({', '.join(f'{k}={v}' for k, v in self.options.items())})"


_CHOICES: dict[str, Sequence[Any]] = {
    "momentum": (0.0, 0.5, 0.9),
    "dampening": (0.0, 0.25),
    "weight_decay": (0.0, 0.01, 0.125),
    "nesterov": (False, True),
    "maximize": (False, True),
    "scale_velocity_by_lr": (False, True),
    "betas": ((0.9, 0.99), (0.5, 0.75), (0.875, 0.999)),
    "eps": (1e-8, 1e-4),
    "amsgrad": (False, True),
    "alpha": (0.99, 0.875),
    "rho": (0.9, 0.75),
    "centered": (False, True),
    "lr_decay": (0.0, 0.01),
    "decoupled_weight_decay": (False, True),
    "momentum_decay": (0.004, 0.05),
    "initial_accumulator_value": (0.0, 0.5),
}
"""What is tried for each hyper-parameter that a class has, the simplest first."""
_RATES = (1 / 64, 1 / 16, 1 / 256)


def optimizer_classes() -> list[type[optim.Optimizer]]:
    """Every optimizer of minigrad.optim, by name."""
    found = {name: getattr(optim, name) for name in dir(optim)}
    kinds = [c for c in found.values() if inspect.isclass(c) and issubclass(c, optim.Optimizer)]
    return sorted((c for c in dict.fromkeys(kinds) if c is not optim.Optimizer), key=lambda c: c.__name__)


@st.composite
def optimizers(draw: Any, classes: Sequence[type[optim.Optimizer]] | None = None) -> OptimizerConfig:
    """Optimizers with random hyper-parameters; combinations that the class refuses are not drawn.

    Args:
        draw: hypothesis'.
        classes: which to choose from; every class of minigrad.optim if not given.

    Returns:
        A strategy of OptimizerConfig; they shrink towards few options.
    """
    cls = draw(st.sampled_from(list(optimizer_classes() if classes is None else classes)))
    known = [name for name in inspect.signature(cls.__init__).parameters if name in _CHOICES]
    options: dict[str, Any] = {"lr": draw(st.sampled_from(_RATES))}
    for name in known:
        if draw(st.booleans()):
            wanted = options | {name: draw(st.sampled_from(list(_CHOICES[name])))}
            if _is_valid(cls, wanted):
                options = wanted
    return OptimizerConfig(cls, options)


def _is_valid(cls: type[optim.Optimizer], options: dict[str, Any]) -> bool:
    try:
        cls([tensor(np.zeros(1), requires_grad=True)], **options)
    except ValueError:
        return False
    return True


@st.composite
def batches(
    draw: Any,
    features: int = 3,
    targets: int = 2,
    *,
    min_rows: int = 1,
    max_rows: int = 6,
    classes: bool = False,
    dtype: Any = "float64",
    device: str = "cpu",
) -> tuple[Any, Any]:
    """Batches (x, y) of a regression or a classification.

    Args:
        draw: hypothesis'.
        features: columns of x.
        targets: columns of y, or how many classes.
        min_rows, max_rows: how many rows.
        classes: y holds class numbers of shape (rows,) instead of numbers of shape (rows, targets).
        dtype: of x, and of y where it holds numbers.
        device: where they go.

    Returns:
        A strategy of pairs of raw arrays.
    """
    rows = draw(st.integers(min_rows, max_rows))
    x = draw(arrays(dtype, (rows, features), device=device))
    if classes:
        return x, draw(arrays("int64", (rows,), device=device, low=0, high=targets - 1, nonzero=False))
    return x, draw(arrays(dtype, (rows, targets), device=device))
