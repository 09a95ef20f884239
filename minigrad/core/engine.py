"""The backward pass: from cotangents of some outputs to gradients of what they depend on.

One loop over the nodes in reverse order of creation, so no recursion at any depth. The engine, not the rule, sums
over broadcast axes, checks shape and dtype of every gradient, accumulates, and frees what the pass has used.
"""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from ..backend.array import owned, zeros
from ..errors import DTypeError, GraphError, ShapeError
from .modes import enable_grad
from .node import Indexed, Leaf, MultiNode, Node, Output, Spec
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

    for root, seed in zip(roots, seeds, strict=True):
        pending[root] = pending[root] + seed if root in pending else seed

    for node in order:
        g = pending.pop(node, None)
        if node in pieces:
            dense = _combine(pieces.pop(node), node)
            g = dense if g is None else g + dense
        if node in wanted:
            results[node] = g
        op = node.op
        if op is None:
            if g is not None:
                if node.__class__ is Output:
                    multi = node.parents[0]
                    slots = pending.setdefault(multi, [None] * len(multi.specs))
                    slots[node.position] = g if slots[node.position] is None else slots[node.position] + g
                elif inputs is None:
                    _accumulate(node, g, create_graph)
            continue
        parents = node.parents
        if useful is not None:
            parents = [p if p in useful else None for p in parents]
        if g is not None and (useful is None or node in useful):
            for position, cell, count in node.versions:
                if cell[0] != count:
                    raise GraphError(_stale_message(node, position, cell[0] - count))
            args, out = node.saved, node.out
            if out is None:
                out = node
            if create_graph:
                args, out = _lift(node)
            if node.__class__ is MultiNode:
                g = _with_zeros(g, node, create_graph)

            if op.vjp_raw is not None and not create_graph:
                parts = _run_raw_rule(op, node, parents, g, out, args, inputs is None, pending)
            elif op.vjp_all is not None:
                parts = op.vjp_all([p is not None for p in parents], g, out, *args, **node.params)
            else:
                params = node.params
                parts = [
                    None if p is None else rule(g, out, *args, **params)
                    for p, rule in zip(parents, op.vjps, strict=True)
                ]

            for position, (parent, part) in enumerate(zip(parents, parts, strict=True)):
                if parent is None or part is None:
                    continue
                if part.__class__ is Indexed:
                    pieces.setdefault(parent, []).append(part)
                    continue
                try:
                    fits = part.shape == parent.shape and part.dtype is parent.dtype
                except AttributeError:
                    raise DTypeError(
                        f"gradient rule of {op.name} returned a {type(part).__name__} for argument {position}; an array is due"
                    ) from None
                if not fits:
                    part = _fit(part, parent, node, position)
                if parent not in pending:
                    pending[parent] = part
                elif parent in summed:
                    total = pending[parent]
                    total += part
                    pending[parent] = total
                else:
                    pending[parent] = pending[parent] + part
                    if not create_graph:
                        summed.add(parent)
        if not retain:
            node.parents = node.saved = node.out = node.residual = None
            node.versions = []
    return [results.get(node) for node in inputs or ()]


def _reachable(roots: list[Any]) -> list[Any]:
    """Every node that the roots depend on, newest first: an order in which a node comes after all its users."""
    order = list(dict.fromkeys(roots))
    seen = set(order)
    stack = list(order)
    while stack:
        parents = stack.pop().parents
        if parents is None:
            raise GraphError(
                "backward through a graph that an earlier backward has freed: pass retain_graph=True to the first "
                "backward, or compute the forward again"
            )
        for p in parents:
            if p is not None and p not in seen:
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
    cells = {position: cell for position, cell, _ in node.versions}
    args = [
        value if parent is None or value is parent else wrap(value, parent, cells.get(i))
        for i, (value, parent) in enumerate(zip(node.saved or (), node.parents or (), strict=True))
    ]
    if node.out is None:
        return args, node
    if isinstance(node, MultiNode):
        outs = [
            wrap(o, Output(node, i) if o.dtype.kind == "f" else None, cells[-1 - i]) for i, o in enumerate(node.out)
        ]
        return args, tuple(outs)
    return args, wrap(node.out, node, cells[-1])


def _with_zeros(cotangents: list[Any], node: MultiNode, create_graph: bool) -> tuple[Any, ...]:
    """The cotangents of a multi-output node, zeros where nothing flowed back."""
    full = []
    for g, spec in zip(cotangents, node.specs, strict=True):
        if g is None:
            g = zeros(spec.shape, spec.dtype, spec.device)
            g = wrap(g) if create_graph else g
        full.append(g)
    return tuple(full)


def _run_raw_rule(
    op: Any, node: Node, parents: list[Any], g: Any, out: Any, args: Any, into_leaves: bool, pending: dict[Any, Any]
) -> Any:
    """Run a raw rule, giving it the gradient storage of those leaves that it may write to directly."""
    dest: list[Any] = [None] * len(parents)
    if into_leaves:
        given = set()
        for i, p in enumerate(parents):
            if p.__class__ is Leaf and p.array is not None and p.grad_node is None and p not in given:
                if p.dtype == node.dtype:
                    dest[i] = (p.array, p.live)
                    given.add(p)
    needs = [p is not None for p in parents]
    parts = op.vjp_raw(dest, needs, g, out, node.residual, *args, **node.params)
    for d, p, part in zip(dest, parents, parts, strict=True):
        if d is not None and part is None:
            p.live = True
            p.grad_cell[0] += 1
    return parts


def _combine(pieces: list[Indexed], node: Any) -> Any:
    """One dense gradient from all element and slice gradients of a node, in one call whatever their number."""
    spec = Spec(node.shape, node.dtype, node.device)
    return pieces[0].scatter(*[p.values for p in pieces], indices=tuple(p.index for p in pieces), spec=spec)


def _fit(part: Any, parent: Any, node: Node, position: int) -> Any:
    """Sum a gradient over broadcast axes and cast it to its argument's dtype; raise where neither is called for."""
    op = node.op
    if part.shape != parent.shape:
        if not op.broadcasts or part.shape != node.shape:
            raise ShapeError(
                f"gradient rule of {op.name} returned shape {part.shape} for argument {position}, "
                f"whose shape is {parent.shape}"
            )
        lead = len(part.shape) - len(parent.shape)
        ones = tuple(i + lead for i, n in enumerate(parent.shape) if n == 1 and part.shape[i + lead] != 1)
        part = part.sum(axis=tuple(range(lead)) + ones).reshape(parent.shape)
    if part.dtype != parent.dtype:
        if node.dtype == parent.dtype:
            raise DTypeError(
                f"gradient rule of {op.name} returned dtype {part.dtype} for argument {position}, "
                f"whose dtype is {parent.dtype}"
            )
        part = part.astype(parent.dtype)  # the op promoted its operands; the gradient takes the argument's dtype
    return part


def _accumulate(leaf: Leaf, g: Any, create_graph: bool) -> None:
    """Add a gradient to a leaf. Never keeps `g` itself, which other nodes may share."""
    node = None
    if create_graph or leaf.grad_node is not None:
        total = wrap(leaf.array, leaf.grad_node, leaf.grad_cell) + g if leaf.live else g
        g, node = (total._data, total._node) if isinstance(total, Variable) else (total, None)
        leaf.live = False
    if leaf.array is None or (node is not None and leaf.store is None):
        leaf.array = owned(g)
        leaf.grad_cell = [0]
    else:
        if leaf.live:
            leaf.array += g
        else:
            leaf.array[...] = g
        leaf.grad_cell[0] += 1
    leaf.live = True
    leaf.grad_node = node


def _stale_message(node: Node, position: int, writes: int) -> str:
    if position < 0:
        what = "its output"
    else:
        names = node.op.arg_names
        what = f"argument {position}" + (f" ({names[position]!r})" if position < len(names) else "")
    return (
        f"backward of {node.op.name} (shape {node.shape}) needs {what}, which has been overwritten {writes} time(s) since "
        "the forward (an in-place operation, an assignment to .data or an optimizer step): run backward before the "
        "write, or write to a .clone()"
    )
