"""The Tensor class: an array plus its place on the tape. Methods are thin; the work is in ops/ and core/."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..backend import array as arrays
from ..backend.device import Array, device_of, on_device, resolve_device
from ..backend.recording import keep, lift, seam, target
from ..backend.spec import check_like
from ..backend.versions import mark_written
from ..core import engine
from ..core.modes import mode
from ..core.node import Leaf
from ..core.variable import Variable, wrap
from ..errors import DTypeError, GraphError, ShapeError
from ..ops import elementwise as ew
from ..ops import shape
from .hooks import Hookable


def as_raw(x: Any) -> Any:
    """The raw array of a Tensor; anything else as it is."""
    return lift(x._data) if isinstance(x, Variable) else x


class Tensor(Hookable):
    """An array that records what is done with it, so that gradients can be computed.

    Args:
        obj: numbers, nested lists of them, an array or a Tensor; copied.
        dtype: dtype; None makes Python numbers float32 and keeps the dtype of an array.
        device: "cpu", "cuda", "cuda:1" or "auto"; None keeps an array where it is.
        requires_grad: collect a gradient in `.grad` when backward runs.
    """

    __slots__ = ()

    def __init__(self, obj: Any, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> None:
        if isinstance(obj, (list, tuple)) and any(isinstance(x, Variable) for x in obj):
            raise TypeError("a list of Tensors would lose their graph here: join them with mg.stack or mg.concatenate")
        self._data = arrays.asarray(as_raw(obj), dtype, device, copy=True)
        self._node = None
        self._cell = [0]
        if requires_grad:
            self.requires_grad = True

    # --- what it is ---------------------------------------------------------------------------------------------

    @property
    def data(self) -> Array:
        """The raw array. Writing into it is not seen by the tape; assigning copies into it and is."""
        return lift(self._data)

    @data.setter
    def data(self, value: Any) -> None:
        self._write("assignment to .data", as_raw(value))

    @property
    def shape(self) -> tuple[int, ...]:
        return self._data.shape

    @property
    def dtype(self) -> np.dtype:
        return self._data.dtype

    @property
    def ndim(self) -> int:
        return self._data.ndim

    @property
    def size(self) -> int:
        return self._data.size

    @property
    def device(self) -> str:
        """ "cpu" or "cuda:<index>"."""
        return device_of(self._data)

    @property
    def is_leaf(self) -> bool:
        """True where no recorded operation made it."""
        return self._node is None or self._node.__class__ is Leaf

    @property
    def requires_grad(self) -> bool:
        return self._node is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not self.is_leaf:
            if not value:
                raise GraphError("requires_grad of a computed tensor cannot be switched off; use .detach()")
            return
        if not value:
            self._node = None
        elif self._node is None:
            self._node = self._gradient_cell()

    def _gradient_cell(self) -> Leaf:
        """The leaf of this tensor, made when first asked for and kept while frozen."""
        leaf: Leaf | None = getattr(self, "_leaf", None)
        if leaf is None:
            if not arrays.is_floating(self.dtype):
                raise DTypeError(
                    f"only floating-point tensors can require a gradient, got dtype {self.dtype}; "
                    "use .astype('float32') first"
                )
            self._leaf = leaf = Leaf(self.shape, self.dtype, self.device, self._cell)
        return leaf

    def requires_grad_(self, value: bool = True) -> Tensor:
        """Set requires_grad and return self."""
        self.requires_grad = value
        return self

    @property
    def grad(self) -> Tensor | None:
        """The gradient that backward accumulated, or None. Of a packed parameter: a view of the flat buffer."""
        leaf: Leaf | None = getattr(self, "_leaf", None)
        return leaf.gradient() if leaf is not None and leaf.live else None

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is None:
            if getattr(self, "_leaf", None) is not None:
                if seam.watcher is not None:
                    seam.watcher.clearing((self._leaf,))
                self._leaf.clear()
            return
        if not self.is_leaf:
            raise GraphError("only a leaf tensor has a .grad to assign")
        raw, leaf = as_raw(value), self._gradient_cell()
        check_like("assignment to .grad", raw, self)
        node = getattr(value, "_node", None)
        if (value._data if isinstance(value, Variable) else value) is leaf.array:  # as in p.grad *= 0.5
            leaf.written(node)
        elif leaf.store is not None:
            target(leaf.array, leaf)[...] = raw
            leaf.written(node)
        elif seam.watcher is not None:
            leaf.array, leaf.grad_cell = keep(raw, leaf), None
            leaf.written(node)
        else:
            if not raw.flags.c_contiguous:
                raw, value = raw.copy(), None  # rules write into this storage, which takes rows
            leaf.array, leaf.grad_cell = raw, getattr(value, "_cell", None)
            leaf.live, leaf.grad_node = True, getattr(value, "_node", None)

    # --- the tape -------------------------------------------------------------------------------------------------

    def backward(self, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False) -> None:
        """Accumulate the gradient of this tensor into `.grad` of every leaf it was computed from.

        Args:
            gradient: cotangent of the shape of this tensor; None means 1 and needs a tensor of one element.
            retain_graph: keep the graph for another backward; None means create_graph.
            create_graph: record the gradients, so that they can be differentiated again.

        Raises:
            GraphError: nothing to differentiate, no gradient given for many elements, or a freed graph.
            ShapeError, DTypeError: the cotangent does not fit.
        """
        if self._node is None:
            raise GraphError(
                "backward on a tensor that no tracked tensor led to: set requires_grad=True on the inputs, and compute "
                "outside no_grad"
            )
        if gradient is None:
            if self.size != 1:
                raise GraphError(
                    f"backward of a tensor of shape {self.shape} needs a gradient of that shape; "
                    "reduce it with .sum() or .mean() first, or pass gradient="
                )
            seed: Any = arrays.ones_like(self._data)
        else:
            seed = gradient if isinstance(gradient, Variable) and create_graph else as_raw(gradient)
            if isinstance(seed, (int, float)) and self.size == 1:
                value, seed = seed, arrays.owned(arrays.ones_like(self._data))
                seed *= value
            check_like("gradient passed to backward", as_raw(seed), self)
        engine.backward([self._node], [seed], None, retain_graph, create_graph)

    def detach(self) -> Tensor:
        """The same storage without a graph."""
        return wrap(self._data, None, self._cell)

    def clone(self) -> Tensor:
        """A copy in storage of its own; the gradient passes through."""
        return shape.copy(self)

    copy = clone

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return self.shape[0]

    def __iter__(self) -> Iterator[Tensor]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d tensor")
        return (self[i] for i in range(self.shape[0]))

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if not self.is_leaf:
            raise GraphError("only leaf tensors can be deep-copied: call .detach() first")
        new: Tensor = object.__new__(type(self))
        memo[id(self)] = new
        new._data, new._node, new._cell = arrays.owned(self._data), None, [0]
        if self._node is not None:
            new.requires_grad = True
        if (grad := self.grad) is not None:
            new.grad = wrap(arrays.owned(grad._data))
        return new

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the values, the device and requires_grad; not the gradient, nor a place in a flat buffer."""
        if not self.is_leaf:
            raise GraphError("only leaf tensors can be pickled: call .detach() first")
        return _restore, (type(self), arrays.to_host(self._data), self.device, self.requires_grad)

    def __copy__(self) -> Tensor:
        return copy.deepcopy(self)

    # --- devices and dtypes --------------------------------------------------------------------------------------

    def to(self, device_or_dtype: Any) -> Tensor:
        """This tensor on another device or in another dtype (itself when nothing changes); the gradient comes back.

        Args:
            device_or_dtype: a device label, or a dtype.
        """
        if isinstance(device_or_dtype, str) and device_or_dtype.partition(":")[0] in ("cpu", "cuda", "auto"):
            device = resolve_device(device_or_dtype)
            return self if device == self.device else shape.to_device_(self, device=device)
        dtype = np.dtype(device_or_dtype)
        return self if dtype == self.dtype else self.astype(dtype)

    def cpu(self) -> Tensor:
        """This tensor on the CPU."""
        return self.to("cpu")

    def cuda(self) -> Tensor:
        """This tensor on the first GPU."""
        return self.to("cuda")

    def astype(self, dtype: Any) -> Tensor:
        """A copy in another dtype."""
        return shape.astype(self, dtype)

    # --- writing ----------------------------------------------------------------------------------------------------

    def _write(self, what: str, raw: Any) -> None:
        """Copy values of the same shape, dtype and device into the storage, and let the tape know."""
        check_like(what, raw, self)
        with on_device(self.device):
            memory = target(self._data, cell=self._cell)
            if raw is not self._data:  # else it has been written to already, as in t.data -= x
                memory[...] = raw
        mark_written(self._cell)

    def _rebind(self, array: Array) -> None:
        """Take other storage, of another dtype or device perhaps (Module.to). The gradient is moved along.

        A packed parameter leaves its flat store; the store's new epoch tells the optimizer to pack again.
        """
        gradient = self.grad
        self._data = array
        mark_written(self._cell)
        leaf: Leaf | None = getattr(self, "_leaf", None)
        if leaf is None:
            return
        if leaf.store is not None:
            leaf.store.epoch += 1
            leaf.store = None
        leaf.clear()
        leaf.shape, leaf.dtype, leaf.device = array.shape, array.dtype, device_of(array)
        if gradient is not None:
            with on_device(gradient.device):
                values = arrays.owned(gradient._data).astype(leaf.dtype)
            leaf.array = arrays.to_device(values, leaf.device)
            leaf.live = True

    def _inplace(self, op: Any, symbol: str, other: Any) -> Tensor:
        if mode.recording:
            if self._node is not None and self.is_leaf:
                raise GraphError(
                    f"in-place {symbol} on a leaf tensor that requires a gradient: use mg.no_grad() (an update), "
                    f"or write t = t {symbol[:-1]} x (a computation)"
                )
            return op(self, other)
        result = op(as_raw(self), as_raw(other))
        if result.shape != self.shape:
            raise ShapeError(f"in-place {symbol}: the result has shape {result.shape}, the tensor {self.shape}")
        if not np.can_cast(result.dtype, self.dtype, casting="same_kind"):
            raise DTypeError(
                f"in-place {symbol}: a result of dtype {result.dtype} does not fit a tensor of {self.dtype}"
            )
        with on_device(self.device):
            target(self._data, cell=self._cell)[...] = result
        mark_written(self._cell)
        return self

    def __iadd__(self, other: Any) -> Tensor:
        return self._inplace(ew.add, "+=", other)

    def __isub__(self, other: Any) -> Tensor:
        return self._inplace(ew.subtract, "-=", other)

    def __imul__(self, other: Any) -> Tensor:
        return self._inplace(ew.multiply, "*=", other)

    def __itruediv__(self, other: Any) -> Tensor:
        return self._inplace(ew.divide, "/=", other)

    def __ipow__(self, other: Any) -> Tensor:
        return self._inplace(ew.power, "**=", other)

    def __setitem__(self, index: Any, value: Any) -> None:
        if mode.recording and (self._node is not None or (isinstance(value, Variable) and value._node is not None)):
            raise TypeError(
                "t[i] = v has no gradient: use a functional update, t = mg.index_update(t, i, v), mg.index_add or "
                "mg.where(mask, v, t), or write under mg.no_grad()"
            )
        parts = index if isinstance(index, tuple) else (index,)
        parts = tuple(as_raw(p) for p in parts)
        with on_device(self.device):
            target(self._data, cell=self._cell)[parts if isinstance(index, tuple) else parts[0]] = as_raw(value)
        mark_written(self._cell)


def _restore(cls: type[Tensor], values: np.ndarray, device: str, requires_grad: bool) -> Tensor:
    """The tensor that was pickled."""
    new: Tensor = object.__new__(cls)
    new._data, new._node, new._cell = arrays.to_device(arrays.owned(values), device), None, [0]
    if requires_grad:
        new.requires_grad = True
    return new


Variable._tensor_class = Tensor


def tensor(obj: Any, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """A tensor with a copy of `obj`.

    Args:
        obj: numbers, nested lists of them, an array or a Tensor.
        dtype: dtype; None makes Python numbers float32 and keeps the dtype of an array.
        device: "cpu", "cuda", "cuda:1" or "auto"; None keeps an array where it is.
        requires_grad: collect a gradient in `.grad` when backward runs.

    Returns:
        The tensor, a leaf.

    Raises:
        DTypeError: not real numbers; or requires_grad of integers.
        DeviceError: the device is not there.
    """
    return Tensor(obj, dtype, device, requires_grad)
