"""What the tape is made of: a Node per recorded call, a Leaf per tensor that collects a gradient.

Nodes hold raw arrays and other nodes, never a Tensor: there are no cycles, and an activation that no rule
reads dies as soon as the user lets go of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..backend.spec import Spec
from ..backend.versions import VersionCell, mark_written, next_index
from .variable import wrap

if TYPE_CHECKING:
    from .op import Op


hooks_alive = [0]
"""How many nodes have hooks (tensor/hooks.py): with none, a pass does not look for them."""


far_devices: set[str] = set()
"""Devices other than the CPU and the first GPU on which something was recorded: none, and every array is in reach."""


class Node(Spec):
    """One recorded call. Shape, dtype and device are its output's.

    saved: the arguments as the rules will see them: raw arrays, Python scalars, and specs for what was not saved.
    out: the raw output when the op saves it (a tuple for a multi-output op), else None.
    cells: version cells of the saved arrays, by argument position, None where not saved or not a tensor's; after
        them those of the outputs, where the op saves them.
    parents: per argument the Node, Leaf or Output that it came from, or None where untracked.
    hooks: unset until there is one; its run(node, g, create_graph) returns the gradient to go on with.
    """

    __slots__ = ("cells", "hooks", "index", "op", "out", "params", "parents", "residual", "saved")

    op: Op
    parents: Any
    saved: Any
    params: dict[str, Any]
    cells: Any
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
    """One output of a MultiNode; its only parent. Its hooks are the parent's, which sees the whole gradient."""

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

    index: minus the time when it was made, so that a search for nodes newer than some time leaves it out.
    cell: version cell of the tensor's storage.
    array: storage of the gradient; of a packed parameter its view of the flat buffer, for good.
    live: whether there is a gradient (a packed view keeps stale numbers after zero_grad).
    grad_node: graph of the gradient, after create_graph.
    grad_cell: version cell of the gradient's storage; None until somebody holds the gradient as a tensor.
    store, position: the flat store that holds a packed parameter, and its place there.
    """

    __slots__ = ("array", "cell", "grad_cell", "grad_node", "hooks", "index", "live", "position", "store")
    op = None
    parents = ()

    def __init__(self, shape: tuple[int, ...], dtype: Any, device: str, cell: VersionCell | None = None) -> None:
        super().__init__(shape, dtype, device)
        self.index = -next_index()
        self.cell = cell
        self.hooks: Any = None
        self.array: Any = None
        self.live = False
        self.grad_node: Any = None
        self.grad_cell: VersionCell | None = None
        self.store: Any = None
        self.position = 0

    def is_writable(self, dtype: Any) -> bool:
        """Whether a raw rule may write a gradient of this dtype straight into the storage."""
        return self.dtype is dtype and self.array is not None and self.grad_node is None and self.hooks is None

    def written(self, node: Any = None) -> None:
        """Note that the storage holds a new gradient, and the graph that leads to it."""
        self.live = True
        self.grad_node = node
        if self.grad_cell is not None:
            mark_written(self.grad_cell)

    def gradient(self) -> Any:
        """The gradient as a tensor."""
        if self.grad_cell is None:
            self.grad_cell = [0]
        return wrap(self.array, self.grad_node, self.grad_cell)

    def clear(self) -> None:
        """No gradient. A packed parameter keeps its storage, so that this costs nothing on any device."""
        self.live = False
        self.grad_node = None
        if self.store is None:
            self.array = self.grad_cell = None


class Indexed:
    """A gradient that touches only part of its argument: `values` at `index`, zero elsewhere.

    scatter: the op `scatter(*values, indices=..., spec=...)` that makes one dense array of many such pieces.
    """

    __slots__ = ("index", "scatter", "values")

    def __init__(self, scatter: Op, values: Any, index: Any) -> None:
        self.scatter = scatter
        self.values = values
        self.index = index
