"""How values leave a Tensor: as Python numbers, NumPy arrays and text. What would lose a graph says so."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ..backend.array import to_host
from ..backend.device import device_of
from ..backend.recording import lift
from ..core.node import Leaf
from ..errors import DeviceError, GraphError, GraphWarning
from .array_methods import ArrayMethods


class Conversions(ArrayMethods):
    """The conversions of a Tensor."""

    __slots__ = ()

    def item(self) -> Any:
        """The value of a one-element tensor as a Python number (waits for the device)."""
        return to_host(lift(self._data)).item()

    def tolist(self) -> Any:
        """The values as nested lists (waits for the device)."""
        return to_host(lift(self._data)).tolist()

    def numpy(self) -> np.ndarray:
        """The values as a NumPy array: the storage itself on the CPU, a copy from a GPU.

        Raises:
            GraphError: the tensor is tracked.
        """
        if self._node is not None:
            raise GraphError("numpy() of a tracked tensor would leave the graph: call .detach().numpy()")
        return to_host(lift(self._data))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if self._node is not None:
            raise GraphError(
                "NumPy asked for the values of a tracked tensor: pass .detach(), or .data to leave the graph"
            )
        if device_of(self._data) != "cpu":
            raise DeviceError(f"NumPy asked for a tensor on {device_of(self._data)}: call .cpu() first")
        return np.array(lift(self._data), dtype=dtype, copy=copy)

    def __float__(self) -> float:
        self._warn_leaving("float")
        return float(self.item())

    def __int__(self) -> int:
        self._warn_leaving("int")
        return int(self.item())

    def _warn_leaving(self, name: str) -> None:
        if self._node is not None:
            warnings.warn(
                f"{name}() of a tracked tensor leaves the graph: .item() says so explicitly; to build an array from "
                "tensors use mg.stack",
                GraphWarning,
                stacklevel=3,
            )

    def __index__(self) -> int:
        if self._data.dtype.kind not in "iu":
            raise TypeError(f"only an integer tensor can be an index, got dtype {self._data.dtype}")
        return int(self.item())

    def __bool__(self) -> bool:
        return bool(to_host(lift(self._data)))

    def __repr__(self) -> str:
        text = np.array2string(to_host(lift(self._data)), separator=", ", prefix="tensor(", threshold=100)
        device = "" if device_of(self._data) == "cpu" else f", device={device_of(self._data)!r}"
        if self._node is None:
            graph = ""
        elif self._node.__class__ is Leaf:
            graph = ", requires_grad=True"
        else:
            op = getattr(self._node, "op", None) or self._node.parents[0].op
            graph = f", op={op.name}"
        return f"tensor({text}, dtype={self._data.dtype}{device}{graph})"

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and self._data.size == 1 else super().__format__(spec)
