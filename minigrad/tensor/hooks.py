"""Looking at the gradients of tensors that backward passes through: hooks, and kept gradients of intermediates."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from ..backend.array import owned
from ..backend.spec import check_like
from ..core import engine
from ..core.modes import no_grad
from ..core.node import Leaf, Output, hooks_alive
from ..core.variable import Variable, wrap
from ..errors import GraphError
from .conversions import Conversions

_next_key = itertools.count().__next__
_LAST = 1 << 62
"""The key of the hook that keeps a gradient: it runs after all others."""


class Hooks(dict[int, tuple[int | None, Callable[[Any], Any]]]):
    """The hooks of one node, run in the order of their keys: which of its outputs (None: it has one), the function."""

    def __init__(self) -> None:
        hooks_alive[0] += 1

    def __del__(self, alive: list[int] = hooks_alive) -> None:
        alive[0] -= 1

    def run(self, node: Any, g: Any, create_graph: bool) -> Any:
        """The gradient of the node after its hooks; of a node with several outputs, the list of their gradients."""
        for _, (position, function) in sorted(self.items()):
            if position is None:
                g = _call(function, g, node, create_graph)
            elif g[position] is not None:
                g[position] = _call(function, g[position], node.specs[position], create_graph)
        return g


def _call(function: Callable[[Any], Any], g: Any, spec: Any, create_graph: bool) -> Any:
    with nullcontext() if create_graph else no_grad():
        result = function(g if create_graph else wrap(owned(g)))  # a copy: others may read this memory
    if result is None:
        return g
    raw = result._data if isinstance(result, Variable) else result
    check_like(f"gradient returned by the hook {getattr(function, '__name__', function)!r}", raw, spec)
    return raw if not create_graph else result if isinstance(result, Variable) else wrap(raw)


class HookHandle:
    """What registering a hook returns: `remove()` undoes it."""

    __slots__ = ("_key", "_node")

    def __init__(self, node: Any, key: int) -> None:
        self._node, self._key = node, key

    def remove(self) -> None:
        """Take the hook away; a second time does nothing."""
        node, self._node = self._node, None
        if node is not None and node.hooks is not None:
            node.hooks.pop(self._key, None)
            if not node.hooks:
                node.hooks = None


def _register(node: Any, function: Callable[[Any], Any], key: int) -> HookHandle:
    position = None
    if node.__class__ is Output:  # second derivatives make other Outputs of the same node, which alone sees all of them
        position, node = node.position, node.parents[0]
    if getattr(node, "hooks", None) is None:
        node.hooks = Hooks()
    node.hooks[key] = position, function
    return HookHandle(node, key)


class Hookable(Conversions):
    """The hooks of a Tensor."""

    __slots__ = ("_leaf",)
    # Results of operations leave _leaf unset: it exists on tensors that are, or were, leaves or keep their gradient.
    _leaf: Leaf

    def register_hook(self, function: Callable[[Any], Any]) -> HookHandle:
        """Have a function called with the gradient of this tensor in every backward that reaches it.

        Args:
            function: `function(gradient)`, a Tensor of its own; with create_graph it carries its graph. It sees the
                whole gradient of the pass, before a leaf adds it to `.grad`, and may return a Tensor or array of the
                same shape, dtype and device to go on with, or None. Several run in the order of registration.

        Returns:
            A handle; its `remove()` takes the hook away.

        Raises:
            GraphError: the tensor is not tracked.
            TypeError: not a function.
        """
        if not callable(function):
            raise TypeError(f"register_hook takes a function of the gradient, got {type(function).__name__}")
        return _register(self._tracked("register_hook"), function, _next_key())

    def retain_grad(self) -> None:
        """Keep the gradient of this computed tensor in `.grad`, after its hooks; that of a leaf is kept anyway.

        Raises:
            GraphError: the tensor is not tracked.
        """
        node = self._tracked("retain_grad")
        if node.__class__ is Leaf or getattr(self, "_leaf", None) is not None:
            return
        self._leaf = kept = Leaf(node.shape, node.dtype, node.device)

        def keep(gradient: Any) -> None:  # holds the cell, not the tensor: no cycle
            recorded = gradient._node is not None
            engine.accumulate(kept, gradient if recorded else gradient._data, recorded)

        _register(node, keep, _LAST + (node.position if node.__class__ is Output else 0))

    def _tracked(self, what: str) -> Any:
        if self._node is None:
            raise GraphError(
                f"{what} on a tensor that is not tracked: no gradient ever reaches it. Set requires_grad=True on what "
                "it is computed from, and compute outside no_grad"
            )
        return self._node
