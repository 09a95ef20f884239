"""The hot path: ops of one, two and three arrays, called on host tensors.

Same semantics as Op.__call__, spelled out per arity: on one-element arrays the loop over the arguments there costs
as much as the arithmetic. Whatever is not an everyday call goes to Op.__call__ before anything has happened.
"""

from __future__ import annotations

from typing import Any

from ..backend.versions import next_index
from ..core.modes import mode
from ..core.node import Node
from ..core.op import HOST_MODULE, PLAIN, HostArray, Op, unsaved
from ..core.variable import Variable

_new: Any = object.__new__
_Scalar: Any = HOST_MODULE.generic  # what NumPy hands out for 0-d results
_FLOAT32 = HOST_MODULE.dtype("float32")  # NumPy has one object for it; comparing that is quicker than asking its kind


class HostNode(Node):
    """A node for a call on the CPU without parameters: constants of the class instead of three stores a call."""

    __slots__ = ()
    device = "cpu"
    params: dict[str, Any] = {}  # noqa: RUF012  shared and never written
    residual = None


class UnaryOp(Op):
    """An op of one array."""

    arity = 1
    takes = frozenset({"params", "view"})

    def __call__(self, x: Any, **params: Any) -> Any:
        if not isinstance(x, Variable):
            if x.__class__ is not HostArray:
                return Op.__call__(self, x, **params)
            return self.forward(HOST_MODULE, x, **params) if params else self.forward(HOST_MODULE, x)
        a = x._data
        if a.__class__ is not HostArray:
            return Op.__call__(self, x, **params)
        parent = x._node
        out = self.forward(HOST_MODULE, a, **params) if params else self.forward(HOST_MODULE, a)
        if out.__class__ is not HostArray:
            if not isinstance(out, _Scalar):  # several outputs, or one on another device
                return self.record(out, [a], [parent], [x._cell], params, HOST_MODULE)
            out = HOST_MODULE.asarray(out)
        result: Any = _new(Variable._tensor_class)
        result._data = out
        result._cell = cell = x._cell if self.view else [0]
        result._node = None
        dtype = out.dtype
        if (
            parent is not None
            and mode.recording
            and (dtype is _FLOAT32 or dtype.kind == "f")
            and (self.rules_complete or self.traces([parent]))
        ):
            if params:
                result._node = node = _new(Node)
                node.params = params
                node.device = "cpu"
            else:
                result._node = node = _new(HostNode)
            node.op = self
            node.shape = out.shape
            node.dtype = dtype
            node.parents = parents = (parent,)
            # a parent is the spec of what is not saved
            node.saved = parents if self.drops else (a,)
            if self.saves_out:
                node.out = out
                node.cells = (None if self.drops else x._cell, cell)
            else:
                node.out = None
                node.cells = (None,) if self.drops else (x._cell,)
            node.index = next_index()
        return result


class BinaryOp(Op):
    """An op of two arrays."""

    arity = 2

    def __call__(self, x: Any, y: Any) -> Any:
        if isinstance(x, Variable):
            a, x_parent, x_cell = x._data, x._node, x._cell
        else:
            a, x_parent, x_cell = x, None, None
        if isinstance(y, Variable):
            b, y_parent, y_cell = y._data, y._node, y._cell
        elif x_cell is None:
            plain = x.__class__ in PLAIN and y.__class__ in PLAIN
            return self.forward(HOST_MODULE, x, y) if plain else Op.__call__(self, x, y)
        else:
            b, y_parent, y_cell = y, None, None
        if (a.__class__ is not HostArray and a.__class__ not in PLAIN) or (
            b.__class__ is not HostArray and b.__class__ not in PLAIN
        ):
            return Op.__call__(self, x, y)
        out = self.forward(HOST_MODULE, a, b)
        if out.__class__ is not HostArray:
            return self.record(out, [a, b], [x_parent, y_parent], [x_cell, y_cell], {}, HOST_MODULE)
        result: Any = _new(Variable._tensor_class)
        result._data = out
        result._cell = cell = [0]
        result._node = None
        dtype = out.dtype
        tracked = x_parent is not None or y_parent is not None
        if (
            tracked
            and mode.recording
            and (dtype is _FLOAT32 or dtype.kind == "f")
            and (self.rules_complete or self.traces([x_parent, y_parent]))
        ):
            if self.drops:
                if 0 in self.drops:
                    a, x_cell = unsaved(a, x_parent), None
                if 1 in self.drops:
                    b, y_cell = unsaved(b, y_parent), None
            result._node = node = _new(HostNode)
            node.op = self
            node.shape = out.shape
            node.dtype = dtype
            node.parents = (x_parent, y_parent)
            node.saved = (a, b)
            if self.saves_out:
                node.out = out
                node.cells = (x_cell, y_cell, cell)
            else:
                node.out = None
                node.cells = (x_cell, y_cell)
            node.index = next_index()
        return result


class TernaryOp(Op):
    """An op of three arrays (or None): the fused ones of a training step."""

    takes = frozenset({"params", "residual"})

    def __call__(self, x: Any, y: Any, z: Any, **params: Any) -> Any:
        a, b, c = x, y, z
        x_parent = y_parent = z_parent = x_cell = y_cell = z_cell = None
        if isinstance(x, Variable):
            a, x_parent, x_cell = x._data, x._node, x._cell
        if isinstance(y, Variable):
            b, y_parent, y_cell = y._data, y._node, y._cell
        if isinstance(z, Variable):
            c, z_parent, z_cell = z._data, z._node, z._cell
        if (
            (a.__class__ is not HostArray and a.__class__ not in PLAIN)
            or (b.__class__ is not HostArray and b.__class__ not in PLAIN)
            or (c.__class__ is not HostArray and c.__class__ not in PLAIN)
        ):
            return Op.__call__(self, x, y, z, **params)
        out = self.forward(HOST_MODULE, a, b, c, **params)
        cells = [x_cell, y_cell, z_cell]
        parents = (x_parent, y_parent, z_parent)
        residual = None
        if self.residual:
            out, residual = out
        if x_cell is None and y_cell is None and z_cell is None:
            return out
        if out.__class__ is not HostArray:
            if out.__class__ is tuple:
                return self.record_many(out, [a, b, c], list(parents), cells, params, HOST_MODULE)
            out = HOST_MODULE.asarray(out)
        result: Any = _new(Variable._tensor_class)
        result._data = out
        result._cell = cell = [0]
        result._node = None
        if mode.recording and self.traces(parents) and (out.dtype is _FLOAT32 or out.dtype.kind == "f"):
            saved = [a, b, c]
            for i in self.drops:
                saved[i], cells[i] = unsaved(saved[i], parents[i]), None
            result._node = node = _new(Node)
            node.op = self
            node.shape = out.shape
            node.dtype = out.dtype
            node.device = "cpu"
            node.params = params
            node.parents = parents
            node.saved = saved
            node.residual = residual
            if self.saves_out:
                node.out = out
                cells.append(cell)
            else:
                node.out = None
            node.cells = cells
            node.index = next_index()
        return result


Op.by_arity.update({1: UnaryOp, 2: BinaryOp, 3: TernaryOp})
