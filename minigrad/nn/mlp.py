"""The multilayer perceptron."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import ShapeError
from . import activations as act
from ._checks import check_count, check_probability
from .containers import Sequential
from .dropout import Dropout
from .linear import Linear
from .module import Module
from .normalization import BatchNorm1d, LayerNorm

ACTIVATIONS: dict[str, Callable[[], Module]] = {
    "relu": act.ReLU,
    "leaky_relu": act.LeakyReLU,
    "elu": act.ELU,
    "gelu": act.GELU,
    "silu": act.SiLU,
    "sigmoid": act.Sigmoid,
    "tanh": act.Tanh,
    "softplus": act.Softplus,
    "identity": act.Identity,
}
NORMALIZATIONS: dict[str, Callable[..., Module]] = {"batch": BatchNorm1d, "layer": LayerNorm}


class MLP(Module):
    """Linear, normalisation, activation, dropout for each hidden layer, then one Linear.

    Args:
        in_features: length of an input row.
        hidden: length of the hidden layer, or a sequence of lengths; an empty one leaves the last Linear alone.
        out_features: length of an output row.
        activation: one of ACTIVATIONS.
        dropout: probability of dropping a hidden unit, in [0, 1].
        normalization: None, "batch" or "layer".
        dtype: dtype of the parameters, and of the input.
        device: where they live; None is the CPU.

    Attributes:
        layers: the Sequential.

    Raises:
        ValueError: an unknown name, or dropout outside [0, 1].
    """

    def __init__(
        self,
        in_features: int,
        hidden: int | Sequence[int],
        out_features: int,
        activation: str = "relu",
        dropout: float = 0.0,
        normalization: str | None = None,
        *,
        dtype: Any = np.float32,
        device: str | None = None,
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ValueError(f"MLP: activation must be one of {', '.join(ACTIVATIONS)}; got {activation!r}")
        if normalization is not None and normalization not in NORMALIZATIONS:
            raise ValueError(
                f"MLP: normalization must be None or one of {', '.join(NORMALIZATIONS)}; got {normalization!r}"
            )
        p = check_probability("MLP", dropout)
        widths: Sequence[int] = (hidden,) if isinstance(hidden, (int, float, np.number)) else hidden
        layers: list[Module] = []
        width = in_features
        for h in widths:
            layers.append(Linear(width, check_count("MLP", "hidden", h), dtype=dtype, device=device))
            if normalization is not None:
                layers.append(NORMALIZATIONS[normalization](h, dtype=dtype, device=device))
            layers.append(ACTIVATIONS[activation]())
            if p:
                layers.append(Dropout(p))
            width = h
        layers.append(Linear(width, out_features, dtype=dtype, device=device))
        self.layers = Sequential(*layers)
        self.in_features = in_features

    def forward(self, x: Any) -> Any:
        """The network's output.

        Args:
            x: (n, in_features), or one row (in_features,) without batch normalisation; of the dtype of the parameters.

        Returns:
            (n, out_features), or (out_features,).

        Raises:
            ShapeError: another shape; images go through nn.Flatten() or .reshape first.
            DTypeError: another dtype.
        """
        if getattr(x, "ndim", 0) > 2:
            raise ShapeError(
                f"MLP(in_features={self.in_features}): rows of shape (n, {self.in_features}) are due, got {x.shape}; "
                "use x.reshape(len(x), -1), or put nn.Flatten() before the network"
            )
        return self.layers.forward(x)
