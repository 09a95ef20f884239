"""The backward pass: from cotangents of some outputs to gradients of what they depend on.

One loop over the nodes in reverse order of creation, so no recursion at any depth. The engine, not the rule, sums
over broadcast axes, checks shape and dtype of every gradient, accumulates, and frees what the pass has used.
"""

from __future__ import annotations

from contextlib import nullcontext
from operator import attrgetter
from typing import Any

from ..backend.array import owned
from ..backend.device import on_device
from ..backend.recording import keep, target
from ..backend.spec import Spec
from ..backend.versions import last_write
from ..errors import DTypeError, GraphError, ShapeError
from .modes import enable_grad, no_grad
from .node import Indexed, Leaf, MultiNode, Node, Output, far_devices, hooks_alive
from .variable import Variable, wrap

_by_index = attrgetter("index")
_NONE: set[Any] = set()  # never written to


class Walk:
    """What a pass from some roots to some inputs visits, found once for any number of passes.

    order: the nodes newer than `floor` that the roots depend on, newest first.
    outside: the older ones where the search stopped. A pass over the walk neither enters nor frees them.
    useful: the nodes through which a gradient can reach one of `inputs`.
    """

    __slots__ = ("floor", "inputs", "order", "outside", "useful")

    def __init__(self, roots: list[Any], inputs: list[Any], floor: int | None = None) -> None:
        # nothing that was recorded before the oldest input depends on any of them
        self.floor = min((abs(node.index) for node in inputs), default=1) - 1 if floor is None else floor
        self.inputs = inputs
        self.order, self.outside = reachable(roots, self.floor)
        self.useful = useful = set(inputs)
        for node in reversed(self.order):
            for p in node.parents:
                if p in useful:
                    useful.add(node)
                    break


def backward(
    roots: list[Any],
    seeds: list[Any],
    inputs: list[Any] | Walk | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
) -> list[Any]:
    """Run the backward pass.

    Args:
        roots: nodes of the outputs, on one device.
        seeds: their cotangents, checked by the caller: raw arrays; with create_graph also tensors.
        inputs: distinct nodes whose gradients to return, or a Walk; leaves are then left alone, and nothing older than
            every input is looked at. None accumulates into the leaves.
        retain_graph: keep what the nodes saved; None means create_graph.
        create_graph: run the rules on tensors, so that the gradients can be differentiated again.

    Returns:
        One gradient per input, None where nothing flows to it: arrays in storage of their own; with create_graph
        tensors, which may share theirs.

    Raises:
        GraphError: part of the graph was freed by an earlier pass, or a saved value was overwritten since.
        ShapeError, DTypeError: a rule returned a gradient that does not fit its argument.
    """
    if not roots:
        return [None] * len(inputs.inputs if isinstance(inputs, Walk) else inputs or ())
    retain = create_graph if retain_graph is None else retain_graph
    walk = inputs if inputs is None or isinstance(inputs, Walk) else Walk(roots, inputs)
    device = roots[0].device
    if device == "cpu" and not create_graph and not far_devices:
        return _run(roots, seeds, walk, retain, False)
    # A rule needs the device of its arrays current. Tensors see to that; on raw arrays there is one device a pass.
    spread = far_devices and not create_graph and any(n.device != device for n in (walk or Walk(roots, [])).order)
    with on_device(device), enable_grad() if create_graph else no_grad() if spread else nullcontext():
        if create_graph or spread:
            seeds = [s if isinstance(s, Variable) else wrap(s) for s in seeds]
        found = _run(roots, seeds, walk, retain, create_graph or bool(spread))
    return [None if g is None else owned(g._data) for g in found] if spread else found


def _run(roots: list[Any], seeds: list[Any], walk: Walk | None, retain: bool, create_graph: bool) -> list[Any]:
    useful = None if walk is None else walk.useful
    order = reachable(roots)[0] if walk is None else walk.order
    hooks = hooks_alive[0]
    hooked = {n for n in order if getattr(n, "hooks", None)} if hooks else _NONE
    wanted = hooked if walk is None else hooked.union(walk.inputs)
    results: dict[Any, Any] = {}
    pending: dict[Any, Any] = {}  # node -> gradient so far
    summed: set[Any] = set()  # nodes whose gradient is a sum made here, hence ours to add to in place
    pieces: dict[Any, list[Indexed]] = {}  # node -> gradients of single elements and slices

    for root, seed in zip(roots, seeds):  # noqa: B905  (strict= is slow; both come from our own callers)
        pending[root] = pending[root] + seed if root in pending else seed

    pop = pending.pop
    for node in order:
        g = pop(node, None)
        if pieces and node in pieces:
            dense = _combine(pieces.pop(node), node)
            g = dense if g is None else g + dense
        if wanted and node in wanted:
            if node in hooked and g is not None:
                g = node.hooks.run(node, g, create_graph)
                summed.discard(node)  # it may be the hook's own
            results[node] = g
        op = node.op
        if op is None:  # an Output
            if g is not None:
                multi = node.parents[0]
                slots = pending.setdefault(multi, [None] * len(multi.specs))
                slots[node.position] = g if slots[node.position] is None else slots[node.position] + g
            continue
        parents = node.parents
        if useful is not None:
            parents = [p if p in useful else None for p in parents]
            if node not in useful:
                g = None
        if g is not None:
            if last_write[0] > node.index:
                _refuse_stale(node)
            if create_graph:
                args, out = _lift(node)
            else:
                args, out = node.saved, node.out
            if out is None:
                out = node
            # Everyday ops are spelled out: a star, a zip or a comprehension costs as much as a small op's arithmetic.
            arity = op.arity
            parts: Any
            if arity == 1:
                params = node.params
                parts = (op.vjps[0](g, out, args[0], **params) if params else op.vjps[0](g, out, args[0]),)
            elif arity == 2:
                first, second = op.vjps
                x, y = args
                parts = (
                    None if parents[0] is None else first(g, out, x, y),
                    None if parents[1] is None else second(g, out, x, y),
                )
            else:
                parts = op.pull(node, parents, g, out, args, create_graph, useful is None)

            position = -1
            for part in parts:
                position += 1
                parent = parents[position]
                if parent is None or part is None:
                    continue
                if part.__class__ is Indexed:
                    pieces.setdefault(parent, []).append(part)
                    continue
                try:
                    if part.shape != parent.shape or part.dtype is not parent.dtype:
                        part = _fit(part, parent, node, position)
                except AttributeError:
                    raise DTypeError(
                        f"a gradient rule of {op.name} returned a {type(part).__name__}, not an array"
                    ) from None
                if parent not in pending:
                    pending[parent] = part
                elif parent in summed and part.size > 1:  # NumPy adds one element in place 3 times slower
                    total = pending[parent]
                    total += part
                    pending[parent] = total
                else:
                    pending[parent] = pending[parent] + part
                    if not create_graph:
                        summed.add(parent)
        if not retain:
            node.parents = node.saved = node.out = None
            if op.residual:
                node.residual = None
    # what is left has reached a leaf, or a node outside
    for leaf, found in pieces.items():
        dense = _combine(found, leaf)
        pending[leaf] = pending[leaf] + dense if leaf in pending else dense
    for leaf, g in pending.items():
        if hooks and (walk is None or abs(leaf.index) > walk.floor) and leaf.hooks:
            g = leaf.hooks.run(leaf, g, create_graph)
            summed.discard(leaf)
        if walk is not None:
            if leaf in wanted:
                results[leaf] = g
        elif create_graph:
            with on_device(leaf.device):
                accumulate(leaf, g, True)
        else:
            accumulate(leaf, g, False)
    if walk is None or create_graph:
        return [] if walk is None else [results.get(node) for node in walk.inputs]
    return [None if (g := results.get(n)) is None else g if n in summed and g.ndim else owned(g) for n in walk.inputs]


def reachable(roots: list[Any], floor: int = 0) -> tuple[list[Any], set[Any]]:
    """The nodes newer than `floor` that the roots depend on, newest first: each comes after all its users.

    And the older ones that were met. Leaves, whose index is negative, are never among the first.
    """
    order = [root for root in roots if root.index > floor]
    order = order if len(order) < 2 else list(dict.fromkeys(order))
    outside = {root for root in roots if abs(root.index) <= floor} if floor else _NONE
    seen = set(order)
    stack = order.copy()
    while stack:
        parents = stack.pop().parents
        if parents is None:
            raise GraphError(
                "backward through a graph that an earlier backward has freed: pass retain_graph=True to the first "
                "backward, or compute the forward again"
            )
        for p in parents:
            if p is None:
                continue
            if p.index > floor:
                if p not in seen:
                    seen.add(p)
                    order.append(p)
                    stack.append(p)
            elif floor and abs(p.index) <= floor:
                outside.add(p)
    order.sort(key=_by_index, reverse=True)
    return order, outside


def _lift(node: Node) -> tuple[list[Any], Any]:
    """What a node saved, as tensors tied to where they came from."""
    args = [
        value if parent is None or value is parent else wrap(value, parent, cell)
        for value, parent, cell in zip(node.saved or (), node.parents or (), node.cells, strict=False)
    ]
    if node.out is None:
        return args, node
    if not isinstance(node, MultiNode):
        return args, wrap(node.out, node, node.cells[-1])
    nodes = [Output(node, i) if o.dtype.kind == "f" else None for i, o in enumerate(node.out)]
    return args, tuple(map(wrap, node.out, nodes, node.cells[len(args) :]))


def _combine(pieces: list[Indexed], node: Any) -> Any:
    """One dense gradient from all element and slice gradients of a node, in one call whatever their number."""
    spec = Spec(node.shape, node.dtype, node.device)
    return pieces[0].scatter(*[p.values for p in pieces], indices=tuple(p.index for p in pieces), spec=spec)


def sum_to(part: Any, shape: tuple[int, ...]) -> Any:
    """A gradient, array or Tensor, summed over the axes along which its argument of `shape` was broadcast."""
    lead = len(part.shape) - len(shape)
    ones = tuple(i + lead for i, n in enumerate(shape) if n == 1 and part.shape[i + lead] != 1)
    return part if part.shape == shape else part.sum(axis=tuple(range(lead)) + ones).reshape(shape)


def _fit(part: Any, parent: Any, node: Node, position: int) -> Any:
    """Sum a gradient over broadcast axes and cast it to its argument's dtype; raise where neither is called for."""
    op = node.op
    where = f"gradient rule of {op.name}, argument {_named(node, position)}"
    if part.shape != parent.shape:
        if not op.broadcasts or part.shape != node.shape:
            raise ShapeError(f"{where}: returned shape {part.shape}, the argument's is {parent.shape}")
        part = sum_to(part, parent.shape)
    if part.dtype != parent.dtype:
        if node.dtype == parent.dtype:
            raise DTypeError(f"{where}: returned dtype {part.dtype}, the argument's is {parent.dtype}")
        part = part.astype(parent.dtype)  # the op promoted its operands; the gradient takes the argument's dtype
    return part


def accumulate(leaf: Leaf, g: Any, create_graph: bool) -> None:
    """Add a gradient to a leaf. Never keeps `g` itself, which other nodes may share."""
    node = None
    if create_graph or leaf.grad_node is not None:
        total = leaf.gradient() + g if leaf.live else g
        g, node = (total._data, total._node) if isinstance(total, Variable) else (total, None)
        leaf.live = False
    if leaf.array is None or (node is not None and leaf.store is None):
        leaf.array, leaf.grad_cell = keep(g, leaf), None
    elif leaf.live:
        array = target(leaf.array, leaf)
        array += g
    else:
        target(leaf.array, leaf)[...] = g
    leaf.written(node)


def _named(node: Node, position: int) -> str:
    names = node.op.arg_names
    return f"{position} ({names[position]!r})" if position < len(names) else str(position)


def _refuse_stale(node: Node) -> None:
    """Raise when a value that the node saved was written to after it was saved."""
    for position, cell in enumerate(node.cells):
        if cell is not None and cell[0] > node.index:
            what = f"argument {_named(node, position)}" if position < len(node.saved or ()) else "its output"
            raise GraphError(
                f"backward of {node.op.name} (shape {node.shape}) needs {what}, which has been overwritten since the "
                "forward (an in-place operation, an assignment to .data or an optimizer step): run backward before the "
                "write, or write to a .clone()"
            )
