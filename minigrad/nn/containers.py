"""Modules made of modules."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, overload

from .activations import ReLU, Tanh
from .linear import Linear
from .module import Module

_FUSED: dict[type, str] = {ReLU: "relu", Tanh: "tanh"}


class Sequential(Module):
    """Modules called one after another; their names are "0", "1", ...

    A Linear followed by a ReLU or a Tanh runs as one operation with the same result. Subclasses of these, which may
    compute something else, run as they are.

    Args:
        *modules: what to call, in order.

    Raises:
        TypeError: something that is no Module; wrap a function in one.
    """

    def __init__(self, *modules: Module) -> None:
        super().__init__()
        self._set(list(modules))

    def _set(self, modules: list[Any]) -> None:
        for i, module in enumerate(modules):
            if not isinstance(module, Module):
                hint = "; unpack a list with Sequential(*modules)" if isinstance(module, (list, tuple)) else ""
                raise TypeError(f"Sequential: member {i} must be a Module, got {type(module).__name__}{hint}")
        self._modules = modules
        # (module, activation fused into it): decided here, so that a call only walks the list
        self._plan: list[tuple[Any, str | None]] = []
        i = 0
        while i < len(modules):
            following = type(modules[i + 1]) if i + 1 < len(modules) else None
            activation = _FUSED.get(following) if type(modules[i]) is Linear and following is not None else None
            self._plan.append((modules[i], activation))
            i += 1 if activation is None else 2

    def _members(self) -> Iterator[tuple[str, Any]]:
        for i, module in enumerate(self._modules):
            yield str(i), module
        for name, value in super()._members():  # what a subclass adds
            if not name.startswith(("_modules.", "_plan.")):
                yield name, value

    def forward(self, x: Any) -> Any:
        """The last module's output; x itself where there is none."""
        for module, activation in self._plan:
            x = module(x) if activation is None else module.activated(x, activation)
        return x

    def append(self, module: Module) -> Sequential:
        """Add a module at the end; returns this module."""
        self._set([*self._modules, module])
        return self

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules)

    @overload
    def __getitem__(self, index: int) -> Module: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: int | slice) -> Module:
        """One module; for a slice a Sequential of the same modules."""
        return Sequential(*self._modules[index]) if isinstance(index, slice) else self._modules[index]

    def __setitem__(self, index: int, module: Module) -> None:
        modules = list(self._modules)
        modules[index] = module
        self._set(modules)
