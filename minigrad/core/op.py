"""Op: a differentiable function, written once as a forward on raw arrays and one VJP rule per argument.

    mul = Op("mul", lambda xp, x, y: x * y, saves=(0, 1), broadcasts=True)
    mul.defvjp(lambda g, out, x, y: g * y,
               lambda g, out, x, y: g * x)

Arrays are positional, static parameters keyword-only. A rule uses operators, array methods and ops only, so the
engine can run it on raw arrays (first order) or on tensors (create_graph) alike.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, ClassVar
from weakref import WeakSet

from ..backend.array import is_floating
from ..backend.device import HOST, common_provider, compute, device_of, provider_of
from ..backend.recording import target, zeros
from ..backend.spec import Spec
from ..backend.versions import next_index
from ..errors import GraphError
from .modes import mode
from .node import Leaf, MultiNode, Node, Output, far_devices
from .variable import Variable, wrap

Rule = Callable[..., Any]

HostArray: Any = HOST.array_type
# Operands that need no look at their device; anything else takes the slower road through `common_provider`.
PLAIN = frozenset({HostArray, float, int, bool, type(None)})
HOST_MODULE = HOST.xp
_new: Any = object.__new__


class Op:
    """A function on arrays with gradient rules; called with a Tensor it records, with raw arrays it just runs.

    Args:
        name: how errors call it.
        forward: `forward(xp, *arrays, **params)`, xp the array module of the operands. Returns an array, a tuple
            of arrays (a multi-output op), or (output, residual) where `residual` is set.
        saves: what the rules read: argument positions and/or "out". None keeps everything.
        broadcasts: operands broadcast; the engine sums each gradient over the broadcast axes.
        view: the output may share memory with argument 0.
        residual: forward returns a pair (output, extra raw value handed to the raw rule).
        differentiable: False for functions whose output carries no gradient (comparisons, argmax).
        doc: docstring.
    """

    arity = 0
    """1 or 2 where the engine may call the rules without looking further; set in ops/short_calls.py."""
    by_arity: ClassVar[dict[int, type[Op]]] = {}
    """Subclasses with a short way for calls of so many arrays (ops/short_calls.py)."""
    takes: ClassVar[frozenset[str]] = frozenset()
    """Of "params", "view" and "residual", what a short way can deal with."""
    instances: ClassVar[WeakSet[Op]] = WeakSet()
    """Every op there is."""

    def __new__(cls, name: str, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Op:
        kinds = [p.kind for p in inspect.signature(forward).parameters.values()][1:]
        arrays = kinds.count(inspect.Parameter.POSITIONAL_OR_KEYWORD)
        needs = {name for name in ("view", "residual") if kwargs.get(name)} | (
            {"params"} if arrays < len(kinds) else set()
        )
        short = cls.by_arity.get(arrays) if cls is Op and inspect.Parameter.VAR_POSITIONAL not in kinds else None
        return super().__new__(cls if short is None or needs - short.takes else short)

    def __init__(
        self,
        name: str,
        forward: Callable[..., Any],
        saves: Sequence[int | str] | None = None,
        broadcasts: bool = False,
        *,
        view: bool = False,
        residual: bool = False,
        differentiable: bool = True,
        doc: str | None = None,
    ) -> None:
        self.name = self.__name__ = name
        self.__doc__ = doc if doc is not None else forward.__doc__
        self.forward = forward
        self.broadcasts = broadcasts
        self.view = view
        self.residual = residual
        self.differentiable = differentiable
        self.vjps: tuple[Rule | None, ...] = ()
        self.vjp_all: Rule | None = None
        self.vjp_raw: Rule | None = None
        parameters = list(inspect.signature(forward).parameters.values())[1:]
        positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        self.arg_names = tuple(p.name for p in positional)
        self.variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        self.saves_out = saves is None or "out" in saves
        unknown = [s for s in saves or () if s != "out" and s not in range(len(positional)) and not self.variadic]
        if unknown:
            raise ValueError(
                f"{name}: saves={saves!r} names {unknown[0]!r}, which is no argument position and not 'out'"
            )
        # Positions not saved. A variadic op saves all or none: any entry here drops all.
        count = 0 if saves is None else 1 if self.variadic else len(positional)
        self.drops = tuple(i for i in range(count) if self.variadic or i not in (saves or ()))
        self.rules_complete = False
        Op.instances.add(self)

    def __repr__(self) -> str:
        return f"<Op {self.name}>"

    def defvjp(self, *rules: Rule | None) -> Op:
        """Set one rule per positional array argument; returns the op.

        Args:
            *rules: `rule(g, out, *args, **params)` returns the gradient of that argument; None where the op is not
                differentiable. A rule runs only when its argument is tracked.
        """
        if len(rules) != len(self.arg_names) or self.variadic:
            raise ValueError(
                f"{self.name}: forward takes {len(self.arg_names)} array arguments "
                f"({', '.join(self.arg_names)}{', *...' if self.variadic else ''}) but {len(rules)} rules were given; "
                "use defvjp_all for a variable number"
            )
        self.vjps = rules
        self.rules_complete = self.differentiable and None not in rules
        return self

    def defvjp_all(self, rule: Rule) -> Op:
        """Set one rule for all arguments, for ops whose gradients share work; returns the op.

        Args:
            rule: `rule(needs, g, out, *args, **params)` returns a tuple with one gradient per argument, None where
                `needs` is false.
        """
        self.vjp_all = rule
        self.arity = 0
        self.rules_complete = self.differentiable
        return self

    def def_raw_vjp(self, rule: Rule) -> Op:
        """Add a first-order rule on raw arrays; the ordinary rule still serves create_graph. Returns the op.

        Args:
            rule: `rule(dest, needs, g, out, residual, *args, **params)` returns a tuple as for `defvjp_all`.
                `dest[i]`, where not None, is (array, accumulate): write the gradient there and return None for it.
        """
        self.vjp_raw = rule
        self.arity = 0
        return self

    def __call__(self, *args: Any, **params: Any) -> Any:
        arrays: list[Any] = []
        parents: list[Any] = []
        cells: list[Any] = []
        wrapped = odd = False
        for a in args:
            if isinstance(a, Variable):
                wrapped = True
                parents.append(a._node)
                cells.append(a._cell)
                a = a._data
            else:
                parents.append(None)
                cells.append(None)
            if a.__class__ is not HostArray and a.__class__ not in PLAIN:
                odd = True
            arrays.append(a)
        if odd:
            if wrapped:
                arrays = self._operands(arrays)
            xp, out = compute(self.name, self.forward, arrays, params)
        else:
            xp, out = HOST_MODULE, self.forward(HOST_MODULE, *arrays, **params)
        if wrapped:
            return self.record(out, arrays, parents, cells, params, xp)
        return out[0] if self.residual else out

    def record(
        self, out: Any, arrays: list[Any], parents: list[Any], cells: list[Any], params: dict[str, Any], xp: Any
    ) -> Any:
        """Wrap what the forward returned, and tie it to a new node where a gradient may be asked for."""
        residual = None
        if self.residual:
            out, residual = out
        if out.__class__ is not HostArray:
            if out.__class__ is tuple:
                return self.record_many(out, arrays, parents, cells, params, xp)
            if provider_of(out) is None:
                out = xp.asarray(out)  # NumPy hands out scalars for 0-d results
        result: Any = _new(Variable._tensor_class)
        result._data = out
        result._cell = cell = (cells[0] if self.view else None) or [0]
        result._node = None
        if mode.recording and self.traces(parents) and out.dtype.kind == "f":
            result._node = node = self._node(Node, out, arrays, parents, cells, params)
            node.residual = residual
            if self.saves_out:
                node.out = out
                cells.append(cell)
        return result

    def record_many(
        self, outs: Any, arrays: list[Any], parents: list[Any], cells: list[Any], params: dict[str, Any], xp: Any
    ) -> tuple[Any, ...]:
        """The same for a tuple of outputs, each tied to the node by an Output of its own."""
        outs = tuple(xp.asarray(o) if provider_of(o) is None else o for o in outs)
        self.arity = 0  # its cotangents need zeros filled in, which the engine's short ways do not do
        results = tuple(wrap(o) for o in outs)
        if mode.recording and self.traces(parents):
            node = self._node(MultiNode, outs[0], arrays, parents, cells, params)
            node.specs = [Spec(o.shape, o.dtype, node.device) for o in outs]
            if self.saves_out:
                node.out = outs
                cells += [r._cell for r in results]
            for i, result in enumerate(results):
                if is_floating(result._data.dtype):
                    result._node = Output(node, i)
        return results

    def _node(
        self, cls: Any, out: Any, arrays: list[Any], parents: list[Any], cells: list[Any], params: dict[str, Any]
    ) -> Any:
        """A node whose output is shaped like `out`, with specs in the place of what the rules do not read."""
        for i in range(len(parents)) if self.variadic and self.drops else self.drops:
            arrays[i], cells[i] = unsaved(arrays[i], parents[i]), None
        node = _new(cls)
        node.op = self
        node.shape = out.shape
        node.dtype = out.dtype
        node.device = device = "cpu" if out.__class__ is HostArray else device_of(out)
        if device != "cpu" and device != "cuda:0":
            far_devices.add(device)
        node.parents = parents
        node.saved = arrays
        node.cells = cells
        node.params = params
        node.out = node.residual = None
        node.index = next_index()
        return node

    def _operands(self, arrays: list[Any]) -> list[Any]:
        """Lists and tuples among the operands of a Tensor become arrays, as NumPy's operators do."""
        result = []
        for a in arrays:
            if isinstance(a, (list, tuple)):
                if any(isinstance(item, Variable) for item in a):
                    raise TypeError(
                        f"{self.name}: a {type(a).__name__} of Tensors is not an array; join them with mg.stack first"
                    )
                provider, _ = common_provider(self.name, [x for x in arrays if x is not a])
                a = provider.xp.asarray(a)
            result.append(a)
        return result

    def pull(
        self, node: Any, parents: Sequence[Any], g: Any, out: Any, args: Any, create_graph: bool, into_leaves: bool
    ) -> Sequence[Any]:
        """The gradients of all arguments of a recorded call, for ops of any kind.

        None stands for no gradient: among `parents` where none is asked for, in the cotangents `g` of a MultiNode where
        nothing flowed back, in the answer also where a raw rule has written straight into a leaf (`into_leaves`).
        """
        if node.__class__ is MultiNode:
            g = tuple(zeros(s.shape, s.dtype, s.device) if x is None else x for x, s in zip(g, node.specs, strict=True))
            g = tuple(x if isinstance(x, Variable) or not create_graph else wrap(x) for x in g)
        params = node.params
        raw = self.vjp_raw is not None and not create_graph
        if self.vjp_all is None and not raw:
            return [None if p is None else r(g, out, *args, **params) for p, r in zip(parents, self.vjps, strict=True)]  # type: ignore[misc]
        needs: list[bool] = []
        dest: list[Any] = []
        given: list[Any] = []
        for p in parents:
            needs.append(p is not None)
            # not twice for one leaf in one call: the rule's second write would not know of the first
            if raw and into_leaves and p.__class__ is Leaf and p.is_writable(node.dtype) and p not in given:
                dest.append((target(p.array, p), p.live))
                given.append(p)
            else:
                dest.append(None)
        rule: Any = self.vjp_raw if raw else self.vjp_all
        if raw:
            parts = rule(dest, needs, g, out, node.residual, *args, **params)
        else:
            parts = rule(needs, g, out, *args, **params)
        if len(parts) != len(parents):
            raise GraphError(
                f"the gradient rule of {self.name} returned {len(parts)} gradient(s) for {len(parents)} arguments; "
                "return a tuple with None where `needs` is false"
            )
        for leaf in given:
            if parts[parents.index(leaf)] is None:
                leaf.written()
        return parts

    def traces(self, parents: Sequence[Any]) -> bool:
        """Whether a call with these parents is recorded.

        Raises:
            GraphError: a rule is missing, said at the call, where the traceback still points at the user's line.
        """
        if self.rules_complete:
            for parent in parents:  # noqa: SIM110  any() over a generator costs three times as much
                if parent is not None:
                    return True
            return False
        tracked = [i for i, parent in enumerate(parents) if parent is not None]
        if not tracked or not self.differentiable:
            return False
        if not self.vjps:
            raise GraphError(
                f"{self.name} has no gradient rule, but is called with a tracked Tensor: add one with "
                f"{self.name}.defvjp(...), or pass .detach()"
            )
        for i in tracked:
            if self.vjps[i] is None:
                raise GraphError(
                    f"{self.name} is not differentiable in argument {i} ({self.arg_names[i]!r}), which is a tracked "
                    "Tensor; pass .detach() to treat it as a constant"
                )
        return True


def unsaved(array: Any, parent: Any) -> Any:
    """What stands for an argument that no rule reads: its node, which is its spec; a scalar as it is."""
    if parent is not None:
        return parent
    return Spec(array.shape, array.dtype, device_of(array)) if hasattr(array, "dtype") else array
