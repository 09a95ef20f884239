"""Tensor: an array that records what is done with it."""

from .tensor import Tensor, as_raw, tensor

__all__ = ["Tensor", "as_raw", "tensor"]
