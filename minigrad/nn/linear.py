"""The fully connected layer."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..backend import random
from ..errors import ShapeError
from ..ops import fused
from ..tensor import Tensor
from ._checks import check_count, check_input
from .module import Module, Parameter, _floating_dtype


class Linear(Module):
    """x @ weight.T + bias.

    Both start from U(-1/sqrt(in), 1/sqrt(in)), as in PyTorch, drawn in float64 on the host: the same weights for one
    seed in every dtype and on every device.

    Args:
        in_features: length of the last axis of the input; may be 0.
        out_features: length of the last axis of the output; may be 0.
        bias: add a bias.
        dtype: dtype of the parameters, and of the input.
        device: where they live; None is the CPU.

    Attributes:
        weight: Parameter (out_features, in_features).
        bias: Parameter (out_features,), or None.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        *,
        dtype: Any = np.float32,
        device: str | None = None,
    ) -> None:
        super().__init__()
        self.in_features = check_count("Linear", "in_features", in_features)
        self.out_features = check_count("Linear", "out_features", out_features)
        dtype = _floating_dtype("Linear", dtype)
        bound = 1 / math.sqrt(self.in_features) if self.in_features else 0.0
        draw = random.generator("init").uniform
        self.weight = Parameter(draw(-bound, bound, (self.out_features, self.in_features)), dtype=dtype, device=device)
        self.bias = Parameter(draw(-bound, bound, self.out_features), dtype=dtype, device=device) if bias else None

    def forward(self, x: Any) -> Any:
        """The layer's output.

        Args:
            x: (..., in_features), of the dtype of the weight.

        Returns:
            (..., out_features).

        Raises:
            ShapeError: the last axis of x is not in_features long.
            DTypeError: x has another dtype than the weight.
        """
        return self.activated(x, None)

    def activated(self, x: Any, activation: str | None) -> Any:
        """`forward` with an activation in the same operation.

        Args:
            x: as for `forward`.
            activation: None, "relu" or "tanh".

        Returns:
            (..., out_features).
        """
        weight = self.weight
        if isinstance(x, Tensor) and x._data.ndim == 2 and x._data.dtype is weight._data.dtype:
            try:  # the everyday case; what fails is explained below
                return fused.linear_(x, weight, self.bias, activation=activation)
            except ValueError:
                pass
        if getattr(x, "dtype", None) is not weight.dtype:
            check_input("Linear", x, weight.dtype)
        shape = x.shape
        if not shape or shape[-1] != self.in_features:
            raise ShapeError(
                f"Linear(in_features={self.in_features}): the last axis of the input must have length "
                f"{self.in_features}, got shape {shape}; reshape it, or put nn.Flatten() before the layer"
            )
        return fused.linear(x, weight, self.bias, activation)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"
