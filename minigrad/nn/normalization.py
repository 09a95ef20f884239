"""Layer and batch normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..backend.device import device_of, on_device
from ..errors import ShapeError
from ..ops.elementwise import sqrt
from ..ops.normalize import moments, standardize
from ..tensor import as_raw
from . import functional as F
from ._checks import check_count, check_floating, check_input
from .module import Buffer, Module, Parameter, _floating_dtype


class LayerNorm(Module):
    """(x - mean) / sqrt(var + eps) * weight + bias over the last axes (Ba et al. 2016), var the biased variance.

    Args:
        normalized_shape: lengths of the last axes; an integer for one.
        eps: added to the variance.
        elementwise_affine: learn weight (from ones) and bias (from zeros), of normalized_shape.
        dtype: dtype of the parameters, and of the input.
        device: where they live; None is the CPU.
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        *,
        dtype: Any = np.float32,
        device: str | None = None,
    ) -> None:
        super().__init__()
        lengths = normalized_shape if isinstance(normalized_shape, (tuple, list)) else (normalized_shape,)
        self.normalized_shape = tuple(check_count("LayerNorm", "normalized_shape", n) for n in lengths)
        if not self.normalized_shape:
            raise ValueError("LayerNorm: normalized_shape must name at least one axis, got ()")
        self.eps = eps
        dtype = _floating_dtype("LayerNorm", dtype)
        shape = self.normalized_shape
        self.weight = Parameter(np.ones(shape), dtype=dtype, device=device) if elementwise_affine else None
        self.bias = Parameter(np.zeros(shape), dtype=dtype, device=device) if elementwise_affine else None

    def forward(self, x: Any) -> Any:
        """Normalise.

        Args:
            x: (..., *normalized_shape), of the dtype of the weight.

        Returns:
            An array of the shape of x.

        Raises:
            ShapeError: the last axes of x are not normalized_shape.
            DTypeError: x has another dtype than the weight.
        """
        if self.weight is not None:
            check_input("LayerNorm", x, self.weight.dtype)
        return F.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        affine = self.weight is not None
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={affine}"


class BatchNorm1d(Module):
    """(x - mean) / sqrt(var + eps) * weight + bias per feature over the batch (Ioffe and Szegedy 2015).

    In training, mean and biased variance are the batch's, and the running statistics move towards its mean and unbiased
    variance: running = (1 - momentum) * running + momentum * batch. In evaluation the running ones are used.

    Args:
        num_features: length of axis 1.
        eps: added to the variance.
        momentum: weight of the newest batch; None averages all batches equally.
        affine: learn weight (from ones) and bias (from zeros), of shape (num_features,).
        track_running_stats: False uses the batch's statistics in evaluation too.
        dtype: dtype of the parameters and statistics, and of the input.
        device: where they live; None is the CPU.

    Attributes:
        running_mean, running_var: Buffers (num_features,), or None.
        num_batches_tracked: Buffer, an int64 scalar, or None.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        dtype: Any = np.float32,
        device: str | None = None,
    ) -> None:
        super().__init__()
        self.num_features = n = check_count("BatchNorm1d", "num_features", num_features)
        self.eps = eps
        self.momentum = momentum
        dtype = _floating_dtype("BatchNorm1d", dtype)
        self.weight = Parameter(np.ones(n), dtype=dtype, device=device) if affine else None
        self.bias = Parameter(np.zeros(n), dtype=dtype, device=device) if affine else None
        tracking = track_running_stats
        self.running_mean = Buffer(np.zeros(n), dtype=dtype, device=device) if tracking else None
        self.running_var = Buffer(np.ones(n), dtype=dtype, device=device) if tracking else None
        self.num_batches_tracked = Buffer(np.zeros((), np.int64), device=device) if tracking else None

    def forward(self, x: Any) -> Any:
        """Normalise.

        Args:
            x: (n, num_features) or (n, num_features, length), of the dtype of the parameters.

        Returns:
            An array of the shape of x.

        Raises:
            ShapeError: another shape.
            DTypeError: x has another dtype than the parameters.
            ValueError: less than two values per feature where the batch's statistics are used.
        """
        check_floating("BatchNorm1d", "the input", x)
        own = self.weight if self.weight is not None else self.running_mean
        if own is not None:
            check_input("BatchNorm1d", x, own.dtype)
        shape = tuple(x.shape)
        if len(shape) not in (2, 3) or shape[1] != self.num_features:
            raise ShapeError(
                f"BatchNorm1d({self.num_features}): input of shape (n, {self.num_features}) or "
                f"(n, {self.num_features}, length) is due, got {shape}"
            )
        with on_device(device_of(as_raw(x))):  # the statistics are raw arrays
            return self._normalize(x, (1, self.num_features, 1)[: len(shape)])

    def _normalize(self, x: Any, column: tuple[int, ...]) -> Any:
        """`forward` of an input that was checked; `column` is the shape of the statistics beside it."""
        if self.running_mean is None or self.running_var is None or self.training:
            out = self._by_batch(x)
        else:
            mean, variance = (as_raw(s).reshape(column) for s in (self.running_mean, self.running_var))
            out = (x - mean) * (1 / sqrt(variance + self.eps))
        if self.weight is not None and self.bias is not None:
            out = out * self.weight.reshape(column) + self.bias.reshape(column)
        return out

    def _by_batch(self, x: Any) -> Any:
        """x standardised by its own moments, which in training move the running statistics."""
        count = x.shape[0] * (x.shape[2] if x.ndim == 3 else 1)
        if count < 2:
            raise ValueError(
                f"BatchNorm1d: more than 1 value per feature is needed to normalise by the batch, got shape {x.shape}; "
                "use a larger batch (drop_last=True in the loader drops a last batch of one), or .eval()"
            )
        axis = (0, 2)[: x.ndim - 1]
        mean, variance = moments(as_raw(x), axis)
        if self.training:
            self._track(mean, variance * (count / (count - 1)))
        return standardize(x, mean, variance, axis, self.eps)

    def _track(self, mean: Any, variance: Any) -> None:
        """Move the running statistics towards raw ones, without reading anything from the device."""
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked[...] = as_raw(self.num_batches_tracked) + 1
        factor: Any = self.momentum
        if factor is None:
            factor = (1 / as_raw(self.num_batches_tracked)).astype(mean.dtype)
        for running, batch in ((self.running_mean, mean), (self.running_var, variance)):
            running[...] = as_raw(running) * (1 - factor) + batch.reshape((self.num_features,)) * factor

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.weight is not None}, "
            f"track_running_stats={self.running_mean is not None}"
        )
