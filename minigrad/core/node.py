"""What the tape is made of: a Node per recorded call, a Leaf per tensor that collects a gradient.

Nodes hold raw arrays and other nodes, never a Tensor: there are no cycles, and an activation that no rule
reads dies as soon as the user lets go of it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn

from ..errors import GraphError

if TYPE_CHECKING:
    from .op import Op

VersionCell = list[int]
"""A one-element list that counts the writes to one storage; views share it. The cheapest shared integer."""

next_index: Callable[[], int] = itertools.count().__next__
"""Creation order: a node's index is larger than its parents'."""


def _refuse(self: Spec, *_: Any) -> NoReturn:
    raise GraphError(
        f"a gradient rule computes with a value that was not saved ({self!r}): only its shape, dtype and device are "
        "known. Name the argument's position, or 'out', in the saves= of its Op"
    )


class Spec:
    """Shape, dtype and device of an array that is not at hand; any arithmetic on it fails at once."""

    __slots__ = ("device", "dtype", "shape")
    __array_ufunc__ = None  # makes ndarray * spec a TypeError too, instead of an object array

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

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _refuse
    __pow__ = __rpow__ = __matmul__ = __rmatmul__ = __neg__ = __abs__ = __getitem__ = __array__ = _refuse
    __lt__ = __le__ = __gt__ = __ge__ = __bool__ = __float__ = __int__ = __len__ = __iter__ = _refuse


class Node(Spec):
    """One recorded call. Shape, dtype and device are its output's.

    saved: the arguments as the rules will see them: raw arrays, Python scalars, and specs for what was not saved.
    out: the raw output when the op saves it (a tuple for a multi-output op), else None.
    versions: (argument position, cell, count at recording) of every saved array that belongs to a tensor; the
        output's position is -1 (-1 - i in a multi-output op).
    parents: per argument the Node, Leaf or Output that it came from, or None where untracked.
    """

    __slots__ = ("index", "op", "out", "params", "parents", "residual", "saved", "versions")

    op: Op
    parents: list[Any] | None
    saved: list[Any] | None
    params: dict[str, Any]
    versions: list[tuple[int, VersionCell, int]]
    out: Any
    residual: Any
    index: int

    def __repr__(self) -> str:
        return f"<output of {self.op.name}: shape={self.shape} dtype={self.dtype} device={self.device}>"


class MultiNode(Node):
    """A recorded call with several outputs, whose specs it keeps."""

    __slots__ = ("specs",)

    specs: list[Spec]


class Output(Spec):
    """One output of a MultiNode; its only parent."""

    __slots__ = ("index", "parents", "position")
    op = None

    def __init__(self, node: MultiNode, position: int) -> None:
        spec = node.specs[position]
        super().__init__(spec.shape, spec.dtype, spec.device)
        self.parents = (node,)
        self.position = position
        self.index = next_index()


class Leaf(Spec):
    """The gradient cell of a leaf tensor.

    array: storage of the gradient; of a packed parameter its view of the flat buffer, for good.
    live: whether there is a gradient (a packed view keeps stale numbers after zero_grad).
    grad_node, grad_cell: graph (after create_graph) and version cell of the gradient.
    store, position: the flat store that holds a packed parameter, and its place there.
    """

    __slots__ = ("__weakref__", "array", "grad_cell", "grad_node", "index", "live", "position", "store")
    op = None
    parents = ()

    def __init__(self, shape: tuple[int, ...], dtype: Any, device: str) -> None:
        super().__init__(shape, dtype, device)
        self.index = next_index()
        self.array: Any = None
        self.live = False
        self.grad_node: Any = None
        self.grad_cell: VersionCell = [0]
        self.store: Any = None
        self.position = 0

    def clear(self) -> None:
        """No gradient. A packed parameter keeps its storage, so that this costs nothing on any device."""
        self.live = False
        self.grad_node = None
        if self.store is None:
            self.array = None


class Indexed:
    """A gradient that touches only part of its argument: `values` at `index`, zero elsewhere.

    scatter: the op `scatter(*values, indices=..., spec=...)` that makes one dense array of many such pieces.
    """

    __slots__ = ("index", "scatter", "values")

    def __init__(self, scatter: Op, values: Any, index: Any) -> None:
        self.scatter = scatter
        self.values = values
        self.index = index
