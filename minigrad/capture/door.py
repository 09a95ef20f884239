"""The door through which tensors enter a recording: every op sees its operands through the recorder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from weakref import ref

from ..backend.recording import seam
from ..core.node import Leaf
from ..core.op import Op
from ..core.variable import Variable, wrap
from ..tensor import operators
from .recorded import Recorded
from .recorder import Recorder


@contextmanager
def open_door(recorder: Recorder) -> Iterator[None]:
    """While inside, ops of this thread work on recorded arrays; tensors that were made are ordinary ones afterwards."""
    general = Op.__dict__["__call__"]
    classes: list[Any] = [Op, *Op.by_arity.values()]
    own = [cls.__dict__["__call__"] for cls in classes]
    made: list[ref[Any]] = []

    def call(op: Op, *args: Any, **params: Any) -> Any:
        if seam.watcher is not recorder:
            return general(op, *args, **params)
        if any(isinstance(a, (Variable, Recorded)) for a in args):
            args = tuple(_entered(recorder, a) for a in args)
        result = general(op, *args, **params)
        for tensor in result if isinstance(result, tuple) else (result,):
            if isinstance(tensor, Variable):
                made.append(ref(tensor))
        return result

    for cls in classes:
        cls.__call__ = call
    operators.bind()
    try:
        with recorder:
            yield
    finally:
        for cls, method in zip(classes, own, strict=True):
            cls.__call__ = method
        operators.bind()
        for found in made:
            tensor = found()
            if tensor is not None and isinstance(tensor._data, Recorded):
                tensor._data = tensor._data.value


def _entered(recorder: Recorder, operand: Any) -> Any:
    """An operand as the recording has it: memory of tensors is known by reference, other arrays must be known."""
    if isinstance(operand, Variable):
        node = operand._node
        if node.__class__ is Leaf and recorder.outlives(node) and node not in recorder.leaves:
            recorder.leaves[node] = (node.live, node.array, node.grad_node)
        leaf = getattr(operand, "_leaf", None)
        if leaf is not None and recorder.outlives(leaf):
            recorder.tensors.setdefault(id(operand), (operand, node))
        recorder.cells.setdefault(id(operand._cell), (operand._cell, operand._cell[0]))
        data = recorder.lift(operand._data)
        return operand if data is operand._data else wrap(data, operand._node, operand._cell)
    return recorder.operand(operand)
