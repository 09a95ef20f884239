"""The slots that the tape knows of a tensor, and the door by which the Tensor class registers itself."""

from __future__ import annotations

from typing import Any, ClassVar

from ..backend.versions import VersionCell


class Variable:
    """Base class of Tensor: a raw array, its node (None when untracked), its storage's version cell.

    _tensor_class: the class that results are wrapped in; set once, by minigrad.tensor.
    """

    __slots__ = ("__weakref__", "_cell", "_data", "_node")

    _data: Any
    _node: Any
    _cell: VersionCell
    _tensor_class: ClassVar[Any]


_new = object.__new__


def wrap(data: Any, node: Any = None, cell: VersionCell | None = None) -> Any:
    """A tensor around a raw array, without a check or a copy."""
    tensor = _new(Variable._tensor_class)
    tensor._data = data
    tensor._node = node
    tensor._cell = [0] if cell is None else cell
    return tensor
