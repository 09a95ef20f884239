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
from typing import Any

from ..backend.array import is_floating
from ..backend.device import HOST, common_provider, device_of, provider_of
from ..errors import GraphError
from .modes import mode
from .node import MultiNode, Node, Output, Spec, next_index
from .variable import Variable, wrap

Rule = Callable[..., Any]

_HostArray: Any = HOST.array_type
# Operands that need no look at their device. Anything else takes the slower road through `_operands`.
_PLAIN = frozenset({_HostArray, float, int, bool, type(None)})


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
        self.saves_all = saves is None
        self._keep = tuple(saves is None or i in saves for i in range(len(positional)))
        unknown = [s for s in saves or () if s != "out" and s not in range(len(positional)) and not self.variadic]
        if unknown:
            raise ValueError(
                f"{name}: saves={saves!r} names {unknown[0]!r}, which is no argument position and not 'out'"
            )
        if self.variadic and not self.saves_all:
            self._keep = ()
        self._has_rules = False

    def __repr__(self) -> str:
        return f"<Op {self.name}>"

    def defvjp(self, *rules: Rule | None) -> Op:
        """Set one rule per positional array argument.

        Args:
            *rules: `rule(g, out, *args, **params)` returns the gradient of that argument; None where the op is not
                differentiable. A rule runs only when its argument is tracked.

        Returns:
            This op.
        """
        if len(rules) != len(self.arg_names) or self.variadic:
            raise ValueError(
                f"{self.name}: forward takes {len(self.arg_names)} array arguments "
                f"({', '.join(self.arg_names)}{', *...' if self.variadic else ''}) but {len(rules)} rules were given; "
                "use defvjp_all for a variable number"
            )
        self.vjps = rules
        self._has_rules = True
        return self

    def defvjp_all(self, rule: Rule) -> Op:
        """Set one rule for all arguments, for ops whose gradients share work.

        Args:
            rule: `rule(needs, g, out, *args, **params)` returns a tuple with one gradient per argument, None where
                `needs` is false.

        Returns:
            This op.
        """
        self.vjp_all = rule
        self._has_rules = True
        return self

    def def_raw_vjp(self, rule: Rule) -> Op:
        """Add a first-order rule on raw arrays; the ordinary rule still serves create_graph.

        Args:
            rule: `rule(dest, needs, g, out, residual, *args, **params)` returns a tuple as for `defvjp_all`.
                `dest[i]`, where not None, is (array, accumulate): write the gradient there and return None for it.

        Returns:
            This op.
        """
        self.vjp_raw = rule
        return self

    def __call__(self, *args: Any, **params: Any) -> Any:
        arrays: list[Any] = []
        parents: list[Any] = []
        wrapped = tracked = odd = False
        for a in args:
            if isinstance(a, Variable):
                wrapped = True
                a, node = a._data, a._node
                if node is not None:
                    tracked = True
                parents.append(node)
            else:
                parents.append(None)
            if a.__class__ not in _PLAIN:
                odd = True
            arrays.append(a)
        if odd:
            if wrapped:
                arrays = self._operands(arrays)
            provider, device = common_provider(self.name, arrays)
            xp = provider.xp
        else:
            provider, device, xp = HOST, "cpu", HOST.xp

        out = self.forward(xp, *arrays, **params)
        residual = None
        if self.residual:
            out, residual = out
        if not wrapped:
            return out
        if out.__class__ is tuple:
            return self._wrap_many(out, args, arrays, parents, params, provider, device)
        if out.__class__ is not _HostArray:
            if provider_of(out) is None:
                out = xp.asarray(out)  # NumPy hands out scalars for 0-d results
            device = device_of(out)
        elif odd:
            device = "cpu"  # a copy from another device

        cell = args[0]._cell if self.view and isinstance(args[0], Variable) else None
        if not tracked or not mode.recording or not self.differentiable or out.dtype.kind != "f":
            return wrap(out, None, cell)
        node = Node.__new__(Node)
        node.shape = out.shape
        node.dtype = out.dtype
        node.device = device
        result = wrap(out, node, cell)
        self._fill(node, args, arrays, parents, params)
        if self.saves_out:
            node.out = out
            node.versions.append((-1, result._cell, result._cell[0]))
        else:
            node.out = None
        node.residual = residual
        return result

    def _fill(self, node: Node, args: Any, arrays: list[Any], parents: list[Any], params: dict[str, Any]) -> None:
        """Everything of a node but its output."""
        if not self._has_rules or None in self.vjps:
            self._check_rules(parents)
        versions = []
        if self.saves_all:
            for i, a in enumerate(args):
                if isinstance(a, Variable):
                    versions.append((i, a._cell, a._cell[0]))
        else:
            for i, keep in enumerate(self._keep or (False,) * len(arrays)):
                if keep:
                    a = args[i]
                    if isinstance(a, Variable):
                        versions.append((i, a._cell, a._cell[0]))
                elif parents[i] is not None:
                    arrays[i] = parents[i]  # a node is the spec of its output
                elif hasattr(arrays[i], "dtype"):
                    arrays[i] = Spec(arrays[i].shape, arrays[i].dtype, node.device)
        node.op = self
        node.saved = arrays
        node.versions = versions
        node.params = params
        node.parents = parents
        node.index = next_index()

    def _wrap_many(
        self, outs: Any, args: Any, arrays: Any, parents: Any, params: Any, provider: Any, device: str
    ) -> Any:
        """Wrap the outputs of a multi-output op, each tied to the node by an Output of its own."""
        outs = tuple(provider.xp.asarray(o) if provider_of(o) is None else o for o in outs)
        tracked = any(p is not None for p in parents) and mode.recording and self.differentiable
        if not tracked:
            return tuple(wrap(o) for o in outs)
        node = MultiNode.__new__(MultiNode)
        node.shape, node.dtype, node.device = (), None, device
        node.specs = [Spec(o.shape, o.dtype, device) for o in outs]
        self._fill(node, args, arrays, parents, params)
        node.residual = None
        results = tuple(wrap(o, Output(node, i) if is_floating(o.dtype) else None) for i, o in enumerate(outs))
        node.out = outs if self.saves_out else None
        if self.saves_out:
            node.versions += [(-1 - i, r._cell, 0) for i, r in enumerate(results)]
        return results

    def _operands(self, arrays: list[Any]) -> list[Any]:
        """Lists and tuples among the operands of a Tensor become arrays, as NumPy's operators do."""
        result = []
        for a in arrays:
            if isinstance(a, (list, tuple)):
                if any(isinstance(item, Variable) for item in a):
                    raise TypeError(
                        f"{self.name}: a {type(a).__name__} that holds Tensors is not an array; join them with mg.stack first"
                    )
                provider, _ = common_provider(self.name, [x for x in arrays if x is not a])
                a = provider.xp.asarray(a)
            result.append(a)
        return result

    def _check_rules(self, parents: list[Any]) -> None:
        """Report a missing rule at the call, where the traceback still points at the user's line."""
        if not self._has_rules:
            raise GraphError(
                f"{self.name} has no gradient rule, but is called with a tracked Tensor: add one with "
                f"{self.name}.defvjp(...), or pass .detach()"
            )
        for i, (rule, parent) in enumerate(zip(self.vjps, parents, strict=False)):
            if rule is None and parent is not None:
                raise GraphError(
                    f"{self.name} is not differentiable in argument {i} ({self.arg_names[i]!r}), which is a tracked "
                    "Tensor; pass .detach() to treat it as a constant"
                )
