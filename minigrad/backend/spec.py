"""Spec: what is known of an array without its values."""

from __future__ import annotations

import math
from typing import Any, NoReturn

from ..errors import DeviceError, DTypeError, GraphError, ShapeError
from .device import device_of, provider_of


def _refuse(self: Spec, *_: Any) -> NoReturn:
    raise GraphError(
        f"a gradient rule computes with a value that was not saved ({self!r}): only its shape, dtype and device are "
        "known. Name the argument's position, or 'out', in the saves= of its Op"
    )


class Spec:
    """Shape, dtype and device of an array that is not at hand; any arithmetic on it fails at once."""

    __slots__ = ("device", "dtype", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: Any, device: str) -> None:
        self.shape = shape
        self.dtype = dtype
        self.device = device

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} shape={self.shape} dtype={self.dtype} device={self.device}>"

    __array_ufunc__ = _refuse  # np.exp(spec), ndarray * spec
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __pow__ = __rpow__ = __matmul__ = __rmatmul__ = __neg__ = __abs__ = __getitem__ = __array__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __float__ = __int__ = __len__ = __iter__ = _refuse


def check_like(what: str, raw: Any, spec: Any) -> None:
    """Raise unless `raw` is an array of the shape, dtype and device of `spec`, a Spec or a Tensor.

    Raises:
        ShapeError, DTypeError, DeviceError: the message starts with `what`.
    """
    if provider_of(raw) is None:
        raise DTypeError(f"{what}: an array or Tensor is due, got {type(raw).__name__}")
    if raw.shape != spec.shape:
        raise ShapeError(f"{what}: shape {spec.shape} is due, got {raw.shape}")
    if raw.dtype != spec.dtype:
        raise DTypeError(
            f"{what}: dtype {spec.dtype} is due, got {raw.dtype}; convert it, or change the tensor with .to(dtype)"
        )
    if device_of(raw) != spec.device:
        raise DeviceError(f"{what}: device {spec.device} is due, got {device_of(raw)}; move one with .to(device)")
