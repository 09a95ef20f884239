"""Nested lists, tuples and dicts of arrays: taken apart into leaves, and put together again.

None inside a container belongs to the structure: a bias that is missing is missing in the gradient too.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Any


class _Leaf:
    """What stands for a leaf in a skeleton; there is one."""

    def __repr__(self) -> str:
        return "*"


LEAF = _Leaf()


def flatten(tree: Any, leaves: list[Any], names: list[str], name: str) -> Any:
    """Append the leaves of a tree to a list, in order.

    Args:
        tree: a leaf, or lists, tuples (named ones too) and dicts of trees.
        leaves: the list.
        names: gets what each leaf is called, such as "argument 0['weight'][1]".
        name: what the tree itself is called.

    Returns:
        The skeleton: the same containers with LEAF for every leaf.
    """
    if isinstance(tree, dict):
        items = {k: None if v is None else flatten(v, leaves, names, f"{name}[{k!r}]") for k, v in tree.items()}
        return _dict_like(tree, items)
    if isinstance(tree, (list, tuple)):
        parts = [None if v is None else flatten(v, leaves, names, f"{name}[{i}]") for i, v in enumerate(tree)]
        return _list_like(tree, parts)
    leaves.append(tree)
    names.append(name)
    return LEAF


def rebuild(skeleton: Any, leaves: Iterable[Any]) -> Any:
    """The tree with that skeleton and these leaves."""
    remaining = iter(leaves)
    return map_tree(lambda _: next(remaining), skeleton)


def map_tree(function: Callable[[Any], Any], tree: Any) -> Any:
    """A tree with the function of every leaf."""
    if isinstance(tree, dict):
        return _dict_like(tree, {k: None if v is None else map_tree(function, v) for k, v in tree.items()})
    if isinstance(tree, (list, tuple)):
        return _list_like(tree, [None if v is None else map_tree(function, v) for v in tree])
    return function(tree)


def _dict_like(original: dict[Any, Any], items: dict[Any, Any]) -> Any:
    if type(original) is dict:
        return items
    result = copy.copy(original)  # keeps the factory of a defaultdict
    result.update(items)
    return result


def _list_like(original: Any, items: list[Any]) -> Any:
    kind = type(original)
    if kind is list:
        return items
    return kind._make(items) if hasattr(kind, "_make") else kind(items)
