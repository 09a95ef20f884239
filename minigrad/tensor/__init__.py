"""Tensor: an array that records what is done with it."""

from .numpy_protocols import implements
from .tensor import Tensor, as_raw, tensor

__all__ = ["Tensor", "as_raw", "implements", "tensor"]
