"""Module: a piece of a model that finds its parameters, buffers and parts by looking at its own attributes.

No registration: whatever sits in `vars(module)` counts, in the order of assignment, also inside lists, tuples and
dicts ("layers.0.weight"). So a Module is an ordinary Python object, and forgetting `super().__init__()` is harmless.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

import numpy as np

from ..backend.array import asarray, is_floating, to_device
from ..backend.device import device_of, on_device, provider_of, resolve_device
from ..backend.recording import seam
from ..errors import DTypeError, GraphError, GraphWarning, ShapeError
from ..tensor import Tensor, as_raw

_DEVICES = ("cpu", "cuda", "auto")


class Parameter(Tensor):
    """A Tensor that a Module trains.

    Args:
        data: values, copied; an array or a Tensor keeps its dtype.
        requires_grad: False freezes it.
        dtype: dtype; None as for `mg.tensor`.
        device: device label; None keeps an array where it is.

    Raises:
        DTypeError: not floating point, but requires_grad.
    """

    __slots__ = ()

    def __init__(self, data: Any, requires_grad: bool = True, *, dtype: Any = None, device: str | None = None) -> None:
        super().__init__(data, dtype, device, requires_grad)

    @property
    def is_packed(self) -> bool:
        """Whether it lies in a flat buffer, which is so once an optimizer holds it."""
        leaf = getattr(self, "_leaf", None)
        return leaf is not None and leaf.store is not None


class Buffer(Tensor):
    """State of a Module that belongs in its state_dict but is not trained, such as running statistics.

    Args:
        data: values, copied; an array or a Tensor keeps its dtype.
        dtype: dtype; None as for `mg.tensor`.
        device: device label; None keeps an array where it is.
    """

    __slots__ = ()

    def __init__(self, data: Any, *, dtype: Any = None, device: str | None = None) -> None:
        super().__init__(data, dtype, device)

    @property
    def requires_grad(self) -> bool:
        """False."""
        return False

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if value:
            raise GraphError("a Buffer holds state that is not trained; make it a Parameter to train it")


def _walk(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The members in an attribute: itself, or what lists, tuples and dicts hold."""
    if isinstance(value, (Parameter, Buffer, Module)):
        yield name, value
    elif isinstance(value, (list, tuple)):
        for i, item in enumerate(value):
            yield from _walk(f"{name}.{i}", item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _walk(f"{name}.{key}", item)


class _Mode:
    """Module.training, which a step that is recorded depends on."""

    def __get__(self, module: Module | None, _: type) -> bool:
        if module is None:
            return True
        mode: bool = module.__dict__.get("training", True)
        if seam.watcher is not None and id(module) not in seam.watcher.modes_set:
            seam.watcher.modes[id(module)] = module, mode
        return mode

    def __set__(self, module: Module, mode: bool) -> None:
        if seam.watcher is not None:
            seam.watcher.modes_set[id(module)] = module, mode
        module.__dict__["training"] = mode


class Module:
    """Base class of layers and models: assign Parameters and Modules in `__init__`, write `forward`.

    training: True in training mode; what dropout and batch normalisation look at.
    """

    training = _Mode()

    def __setattr__(self, name: str, value: Any) -> None:
        old = self.__dict__.get(name)
        if isinstance(old, Parameter) and isinstance(value, Parameter) and old is not value and old.is_packed:
            warnings.warn(
                f"{type(self).__name__}.{name} is replaced, but an optimizer holds the old one and will not train "
                "the new one: assign values with .data = ..., or make a new optimizer",
                GraphWarning,
                stacklevel=2,
            )
        object.__setattr__(self, name, value)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The computation; every subclass writes its own."""
        raise NotImplementedError(f"{type(self).__name__} has no forward method: define forward(self, x)")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.forward(*args, **kwargs)

    # --- members ------------------------------------------------------------------------------------------------------

    def _members(self) -> Iterator[tuple[str, Any]]:
        """What this module itself holds, by name: Parameters, Buffers and Modules, tied ones under every name."""
        for name, value in vars(self).items():
            yield from _walk(name, value)

    def _tree(self, prefix: str = "", above: tuple[int, ...] = ()) -> Iterator[tuple[str, Any]]:
        """Every member of this module and of the modules in it, depth first, by full name."""
        if id(self) in above:
            raise ValueError(
                f"module {type(self).__name__} at {prefix[:-1]!r} contains itself; keep a reference to a parent "
                "outside the attributes, for example in a closure"
            )
        for name, value in self._members():
            yield prefix + name, value
            if isinstance(value, Module):
                yield from value._tree(f"{prefix}{name}.", (*above, id(self)))

    def _distinct(self, kind: type) -> Iterator[tuple[str, Any]]:
        """The members of a kind, each object once, under its first name."""
        seen: set[int] = set()
        for name, value in self._tree():
            if isinstance(value, kind) and id(value) not in seen:
                seen.add(id(value))
                yield name, value

    def named_parameters(self) -> Iterator[tuple[str, Parameter]]:
        """(name, parameter) pairs; a tied parameter comes once, under its first name."""
        return self._distinct(Parameter)

    def parameters(self) -> Iterator[Parameter]:
        """The parameters, tied ones once."""
        return (p for _, p in self._distinct(Parameter))

    def named_buffers(self) -> Iterator[tuple[str, Buffer]]:
        """(name, buffer) pairs, each buffer once."""
        return self._distinct(Buffer)

    def buffers(self) -> Iterator[Buffer]:
        """The buffers, each once."""
        return (b for _, b in self._distinct(Buffer))

    def named_modules(self) -> Iterator[tuple[str, Module]]:
        """(name, module) pairs of this module (named "") and all modules in it, each once."""
        yield "", self
        yield from self._distinct(Module)

    def modules(self) -> Iterator[Module]:
        """This module and all modules in it, each once."""
        return (m for _, m in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) pairs of the modules that this module itself holds, each once."""
        seen: set[int] = set()
        for name, value in self._members():
            if isinstance(value, Module) and id(value) not in seen:
                seen.add(id(value))
                yield name, value

    def children(self) -> Iterator[Module]:
        """The modules that this module itself holds, each once."""
        return (m for _, m in self.named_children())

    def apply(self, fn: Callable[[Module], Any]) -> Self:
        """Call `fn` on every module inside, parts before wholes, and on this one last.

        Args:
            fn: for example a function that initialises weights.

        Returns:
            This module.
        """
        for child in self.children():
            child.apply(fn)
        fn(self)
        return self

    # --- modes --------------------------------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Set training mode here and in all modules inside; returns this module."""
        if not isinstance(mode, bool):
            raise TypeError(f"train: mode must be True or False, got {mode!r}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Set evaluation mode here and in all modules inside; returns this module."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Freeze (False) or train (True) every parameter; returns this module."""
        for p in self.parameters():
            p.requires_grad = requires_grad
        return self

    def zero_grad(self) -> None:
        """Drop the gradient of every parameter."""
        for p in self.parameters():
            p.grad = None

    # --- devices and dtypes -------------------------------------------------------------------------------------------

    def to(self, device_or_dtype: Any) -> Self:
        """Move, or convert, every parameter and buffer in place.

        Args:
            device_or_dtype: "cpu", "cuda", "cuda:1", "auto", or a floating dtype. Integer and boolean buffers move,
                but keep their dtype.

        Returns:
            This module. Parameters keep their identity, so an optimizer goes on with them.

        Raises:
            DeviceError: the device is not there.
            DTypeError: not a floating dtype.
        """
        device, dtype = None, None
        if isinstance(device_or_dtype, str) and device_or_dtype.partition(":")[0] in _DEVICES:
            device = resolve_device(device_or_dtype)
        else:
            dtype = _floating_dtype("Module.to", device_or_dtype)
        tensors: list[Tensor] = [*self.parameters(), *self.buffers()]
        moved = []  # all copies are made before the first is bound: running out of memory leaves the module whole
        for t in tensors:
            raw = t.data
            if dtype is not None and is_floating(raw.dtype) and raw.dtype != dtype:
                moved.append((t, raw.astype(dtype)))
            elif device is not None and t.device != device:
                moved.append((t, to_device(raw, device)))
        for t, raw in moved:
            t._rebind(raw)
        return self

    def cpu(self) -> Self:
        """Move to the CPU in place; returns this module."""
        return self.to("cpu")

    def cuda(self) -> Self:
        """Move to the first GPU in place; returns this module."""
        return self.to("cuda")

    # --- state --------------------------------------------------------------------------------------------------------

    def _state(self) -> dict[str, Tensor]:
        return {name: value for name, value in self._tree() if isinstance(value, Tensor)}

    def state_dict(self) -> dict[str, Tensor]:
        """Every parameter and buffer by name, tied ones under all their names.

        Returns:
            Detached Tensors that share storage with the module: `.clone()` what must not change with it.
        """
        return {name: t.detach() for name, t in self._state().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Copy values into the parameters and buffers. Everything is checked before anything is written.

        Args:
            state: name -> Tensor or array, with exactly the names of `state_dict()`. A floating value is cast to the
                dtype of its parameter and moved to its device.

        Raises:
            KeyError: names are missing or unexpected.
            ShapeError: a shape differs.
            DTypeError: floating values for an integer buffer, or the other way around.
            TypeError: a value is neither a Tensor nor an array.
        """
        own = self._state()
        missing, unexpected = [k for k in own if k not in state], [k for k in state if k not in own]
        if missing or unexpected:
            raise KeyError(
                f"load_state_dict of {type(self).__name__}: missing keys {missing}, unexpected keys {unexpected}"
            )
        ready = {name: _fitting(name, state[name], t) for name, t in own.items()}
        for name, raw in ready.items():
            own[name].data = raw

    # --- repr ---------------------------------------------------------------------------------------------------------

    def extra_repr(self) -> str:
        """What repr shows between the parentheses, such as "in_features=2, out_features=3"."""
        return ""

    def __repr__(self) -> str:
        own = self.extra_repr()
        lines = [f"({name}): {child!r}".replace("\n", "\n  ") for name, child in self.named_children()]
        if not lines:
            return f"{type(self).__name__}({own})"
        return "\n  ".join([f"{type(self).__name__}({own}", *lines]) + "\n)"


def _floating_dtype(what: str, dtype: Any) -> np.dtype:
    """`dtype` as a floating np.dtype.

    Raises:
        DTypeError: not a dtype, or not floating point.
    """
    try:
        result = np.dtype(dtype)
    except TypeError as error:
        raise DTypeError(
            f"{what}: a device label ('cpu', 'cuda', 'cuda:1', 'auto') or a floating dtype is due, got {dtype!r}"
        ) from error
    if dtype is None or not is_floating(result):
        raise DTypeError(f"{what}: a floating dtype such as 'float32' is due, got {dtype!r}")
    return result


def _fitting(name: str, value: Any, target: Tensor) -> Any:
    """A copy of `value` in the dtype and on the device of `target`; KeyError messages name the entry."""
    raw = as_raw(value)
    if provider_of(raw) is None:
        if not isinstance(raw, np.generic):
            raise TypeError(f"load_state_dict: {name!r} must be a Tensor or an array, got {type(value).__name__}")
        raw = asarray(raw)
    if raw.shape != target.shape:
        raise ShapeError(f"load_state_dict: {name!r} has shape {raw.shape}, the module's has {target.shape}")
    kinds = ["f" if d.kind == "f" else "i" if d.kind in "iu" else d.kind for d in (raw.dtype, target.dtype)]
    if kinds[0] != kinds[1]:
        raise DTypeError(
            f"load_state_dict: {name!r} has dtype {raw.dtype}, the module's has {target.dtype}; convert it with astype"
        )
    # always a copy: the values may be views of what is about to be overwritten
    with on_device(device_of(raw)):
        return to_device(raw.astype(target.dtype), target.device)
