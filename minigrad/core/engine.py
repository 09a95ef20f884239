"""The backward pass: from cotangents of some outputs to gradients of what they depend on.

One loop over the nodes in reverse order of creation, so no recursion at any depth. The engine, not the rule, sums
over broadcast axes, checks shape and dtype of every gradient, accumulates, and frees what the pass has used.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from ..backend.array import owned, zeros
from ..backend.spec import Spec
from ..backend.versions import last_write
from ..errors import DTypeError, GraphError, ShapeError
from .modes import enable_grad
from .node import Indexed, Leaf, MultiNode, Node, Output
from .variable import Variable, wrap

_by_index = attrgetter("index")


def backward(
    roots: list[Any],
    seeds: list[Any],
    inputs: list[Any] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
) -> list[Any]:
    """Run the backward pass.

    Args:
        roots: nodes of the outputs.
        seeds: their cotangents, checked by the caller: raw arrays; with create_graph also tensors.
        inputs: nodes whose gradients to return; leaves are then left alone. None accumulates into the leaves.
        retain_graph: keep what the nodes saved; None means create_graph.
        create_graph: run the rules on tensors, so that the gradients can be differentiated again.

    Returns:
        One gradient per entry of `inputs` (None where nothing flows to it): raw arrays, or tensors with create_graph.

    Raises:
        GraphError: part of the graph was freed by an earlier pass, or a saved value was overwritten since.
        ShapeError, DTypeError: a rule returned a gradient that does not fit its argument.
    """
    if create_graph:
        with enable_grad():
            return _run(roots, [s if isinstance(s, Variable) else wrap(s) for s in seeds], inputs, retain_graph, True)
    return _run(roots, seeds, inputs, retain_graph, False)


def _run(roots: list[Any], seeds: list[Any], inputs: Any, retain_graph: bool | None, create_graph: bool) -> list[Any]:
    retain = create_graph if retain_graph is None else retain_graph
    order = _reachable(roots)
    useful = None if inputs is None else _leading_to(order, inputs)
    wanted = frozenset(inputs or ())
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
                parts = _apply_rules(op, node, parents, g, out, args, create_graph, inputs is None)

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
    # what is left has reached a leaf
    for leaf, found in pieces.items():
        dense = _combine(found, leaf)
        pending[leaf] = pending[leaf] + dense if leaf in pending else dense
    for leaf, g in pending.items():
        if inputs is None:
            _accumulate(leaf, g, create_graph)
        elif leaf in wanted:
            results[leaf] = g
    return [results.get(node) for node in inputs or ()]


def _reachable(roots: list[Any]) -> list[Any]:
    """Every node but the leaves that the roots depend on, newest first: each comes after all its users."""
    order = [root for root in roots if root.__class__ is not Leaf]
    order = order if len(order) < 2 else list(dict.fromkeys(order))
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
            if p is not None and p.__class__ is not Leaf and p not in seen:
                seen.add(p)
                order.append(p)
                stack.append(p)
    order.sort(key=_by_index, reverse=True)
    return order


def _leading_to(order: list[Any], inputs: list[Any]) -> set[Any]:
    """The nodes of `order` through which a gradient can reach one of `inputs`."""
    useful = set(inputs)
    for node in reversed(order):
        if any(p in useful for p in node.parents if p is not None):
            useful.add(node)
    return useful


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


def _with_zeros(cotangents: list[Any], node: MultiNode, create_graph: bool) -> tuple[Any, ...]:
    """The cotangents of a multi-output node, zeros where nothing flowed back."""
    made = [zeros(s.shape, s.dtype, s.device) if g is None else g for g, s in zip(cotangents, node.specs, strict=True)]
    return tuple(g if isinstance(g, Variable) or not create_graph else wrap(g) for g in made)


def _apply_rules(
    op: Any, node: Node, parents: Any, g: Any, out: Any, args: Any, create_graph: bool, into_leaves: bool
) -> Any:
    """The gradients of all arguments, for ops of any kind.

    A raw rule is given the gradient storage of those leaves that it may write to directly.
    """
    if node.__class__ is MultiNode:
        g = _with_zeros(g, node, create_graph)
    params = node.params
    raw = op.vjp_raw is not None and not create_graph
    if op.vjp_all is None and not raw:
        return [None if p is None else r(g, out, *args, **params) for p, r in zip(parents, op.vjps, strict=True)]
    needs: list[bool] = []
    dest: list[Any] = []
    given: list[Leaf] = []
    for p in parents:
        needs.append(p is not None)
        # not twice for one leaf in one call: the rule's second write would not know of the first
        if raw and into_leaves and p.__class__ is Leaf and p.is_writable(node.dtype) and p not in given:
            dest.append((p.array, p.live))
            given.append(p)
        else:
            dest.append(None)
    if raw:
        parts = op.vjp_raw(dest, needs, g, out, node.residual, *args, **params)
    else:
        parts = op.vjp_all(needs, g, out, *args, **params)
    if len(parts) != len(parents):
        raise GraphError(
            f"the gradient rule of {op.name} returned {len(parts)} gradient(s) for {len(parents)} arguments; "
            "return a tuple with None where `needs` is false"
        )
    for leaf in given:
        if parts[parents.index(leaf)] is None:
            leaf.written()
    return parts


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


def _accumulate(leaf: Leaf, g: Any, create_graph: bool) -> None:
    """Add a gradient to a leaf. Never keeps `g` itself, which other nodes may share."""
    node = None
    if create_graph or leaf.grad_node is not None:
        total = leaf.gradient() + g if leaf.live else g
        g, node = (total._data, total._node) if isinstance(total, Variable) else (total, None)
        leaf.live = False
    if leaf.array is None or (node is not None and leaf.store is None):
        leaf.array, leaf.grad_cell = owned(g), None
    elif leaf.live:
        leaf.array += g
    else:
        leaf.array[...] = g
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
