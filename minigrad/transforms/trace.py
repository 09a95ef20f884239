"""One call of a user's function on fresh inputs, and the backward passes over the graph it leaves.

Every array to differentiate enters through a node of its own, newer than all that was there before. So a pass stops at
the inputs, an inner transform pays for its own part of a long program only, and no transform takes another's input for
its own. Whether the function also reached something older that is tracked decides whether the results stay on the tape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..backend import array as arrays
from ..backend.device import device_of, provider_of
from ..backend.recording import zeros
from ..backend.spec import Spec, check_like
from ..backend.versions import next_index
from ..core import engine
from ..core.modes import mode
from ..core.node import Node
from ..core.op import Op
from ..core.variable import Variable, wrap
from ..errors import DTypeError, ShapeError
from ..ops.shape import copy
from .trees import LEAF, flatten, rebuild

_argument = Op("argument", lambda xp, x: x, saves=(), view=True).defvjp(lambda g, out, x: g)


def as_input(x: Any, name: str, tied: bool) -> Any:
    """A Tensor around the storage of x with a node of its own, through which x's own graph is reached where `tied`.

    Raises:
        DTypeError: x is no floating-point number, array or Tensor; the message says how to mend it.
    """
    parent, cell = None, None
    if isinstance(x, Variable):
        data, cell = x._data, x._cell
        parent = x._node if tied else None
    elif type(x) is np.ndarray:
        data = x
    elif isinstance(x, (float, np.floating)):  # a NumPy scalar keeps its dtype
        data = np.asarray(x)
    elif provider_of(x) is not None:
        data = x if device_of(x) != "cpu" else np.asarray(x)  # np.matrix has another idea of multiplication
    else:
        raise DTypeError(_not_floating(name, x))
    if data.dtype.kind != "f":
        raise DTypeError(_not_floating(name, x))
    return wrap(data, _argument._node(Node, data, [data], [parent], [None], {}), cell)


def _not_floating(name: str, x: Any) -> str:
    what = f"an array of dtype {x.dtype}" if hasattr(x, "dtype") and hasattr(x, "shape") else f"{x!r:.60}"
    mend = "name the arguments to differentiate by argnums"
    if hasattr(x, "dtype"):
        mend = f"convert it, as in x.astype('float64'), or {mend}"
    elif isinstance(x, (int, bool)):
        mend = f"write {float(x)}, or {mend}"
    return f"{name} is {what} ({type(x).__name__}): only floating-point numbers have gradients; {mend}"


class Trace:
    """One call of a function.

    inputs: a Tensor per array to differentiate.
    outputs: per leaf of the result a floating-point Tensor, array or number.
    walk: what a pass from the outputs to the inputs visits.
    tied: the outputs depend on something tracked besides, and the caller is recording.
    """

    def __init__(
        self,
        transform: str,
        f: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        argnums: int | Sequence[int] | None,
        has_aux: bool = False,
    ) -> None:
        self.name = f"{transform} of {getattr(f, '__name__', None) or type(f).__name__}"
        given = list(args)
        self.was_tensor: list[bool] = []
        self.inputs: list[Any] = []
        self.floor = next_index()
        recording = mode.recording
        mode.recording = True
        try:
            skeletons = [self._enter(given, i, recording) for i in self._positions(argnums, len(args))]
            self.skeleton = skeletons[0] if hasattr(argnums, "__index__") else tuple(skeletons)
            result = f(*given, **kwargs)
        finally:
            mode.recording = recording
        self.aux: Any = None
        if has_aux:
            if not isinstance(result, tuple) or len(result) != 2:
                raise TypeError(f"{self.name}: with has_aux=True the function must return a pair (value, extra)")
            result, self.aux = result
        self.outputs: list[Any] = []
        if isinstance(result, Variable):
            self.outputs.append(result)
            self.form = LEAF
        else:
            self.form = flatten(result, self.outputs, [], "")
        for i, y in enumerate(self.outputs):
            self.outputs[i] = self._output(y)
        roots = [y._node for y in self.outputs if isinstance(y, Variable) and y._node is not None]
        self.walk = engine.Walk(roots, [x._node for x in self.inputs], self.floor)
        self.tied = recording and bool(self.walk.outside)
        self.keep = self.tied
        if has_aux:
            self._leave_aux(recording)

    def _positions(self, argnums: int | Sequence[int] | None, count: int) -> list[int]:
        if argnums is None:
            return list(range(count))
        positions: list[Any] = [argnums] if hasattr(argnums, "__index__") else list(argnums)
        for i in positions:
            if isinstance(i, bool) or not isinstance(i, (int, np.integer)):
                raise TypeError(f"{self.name}: argnums must be an integer or a sequence of them, got {argnums!r}")
            if not -count <= i < count:
                raise TypeError(
                    f"{self.name}: argnums={argnums!r}, but the call has {count} positional argument(s); what is "
                    "differentiated must be given by position"
                )
        positions = [i % count for i in positions]
        if len(set(positions)) < len(positions):
            raise TypeError(f"{self.name}: argnums={argnums!r} names an argument twice")
        return positions

    def _enter(self, given: list[Any], position: int, recording: bool) -> Any:
        """Put an input in the place of every array of an argument."""
        leaves: list[Any] = []
        names: list[str] = []
        skeleton = flatten(given[position], leaves, names, f"{self.name}: argument {position}")
        entered = [as_input(x, name, recording) for x, name in zip(leaves, names, strict=True)]
        given[position] = entered[0] if skeleton is LEAF else rebuild(skeleton, entered)
        self.inputs += entered
        self.was_tensor += [isinstance(x, Variable) for x in leaves]
        return skeleton

    def _output(self, y: Any) -> Any:
        """One leaf of what the function returned, checked; a number becomes an array."""
        if not isinstance(y, Variable):
            if provider_of(y) is None:
                if not isinstance(y, (float, int, np.generic)):
                    raise TypeError(f"{self.name}: the function returned {y!r:.60} ({type(y).__name__}), not an array")
                y = np.asarray(y)
            kind = y.dtype.kind
        else:
            kind = y._data.dtype.kind
        if kind != "f":
            raise DTypeError(
                f"{self.name}: the function returned {y.dtype}, which has no derivative; return floating-point numbers"
                + (" (is a comparison or an index what you want?)" if kind in "biu" else "")
            )
        return y

    def _leave_aux(self, recording: bool) -> None:
        """Take this call's graph off what the function returned beside its value, unless somebody outside needs it."""
        leaves: list[Any] = []
        form = flatten(self.aux, leaves, [], "")
        for i, x in enumerate(leaves):
            if isinstance(x, Variable):
                older = engine.reachable([x._node], self.floor)[1] if recording and x._node is not None else None
                self.keep = self.keep or bool(older)
                leaves[i] = x if older else self.free(x)
        self.aux = rebuild(form, leaves)

    @property
    def tensors(self) -> bool:
        """Whether a Tensor was to be differentiated; then values come as Tensors."""
        return True in self.was_tensor

    def free(self, y: Any) -> Any:
        """A value without a graph in storage of its own, in the form of the arguments."""
        data = arrays.owned(y._data if isinstance(y, Variable) else y)
        return wrap(data) if self.tensors else data

    def value(self) -> Any:
        """What the function returned."""
        if self.form is LEAF:
            return self._value(self.outputs[0])
        return rebuild(self.form, map(self._value, self.outputs))

    def _value(self, y: Any) -> Any:
        if not self.tied or not isinstance(y, Variable) or y._node is None:
            return self.free(y)
        outside = abs(y._node.index) <= self.floor
        return copy(y) if outside or any(y._cell is x._cell for x in self.inputs) else y

    def scalar(self) -> Any:
        """The only output, of one element.

        Raises:
            TypeError: several outputs.
            ShapeError: several elements.
        """
        y = self.only()
        if y.size != 1:
            raise ShapeError(
                f"{self.name}: the function returned shape {tuple(y.shape)}, but a gradient is that of one number: "
                "reduce it with mg.sum or mg.mean, or use mg.jacobian (all derivatives) or mg.elementwise_grad (of the "
                "sum of all)"
            )
        return y

    def only(self) -> Any:
        """The only output."""
        if self.form is not LEAF:
            raise TypeError(
                f"{self.name}: the function returned a {type(self.form).__name__}; return one array (with "
                "has_aux=True, a pair of it and anything else), or use mg.vjp or mg.jacobian"
            )
        return self.outputs[0]

    def pull(self, seeds: Sequence[Any], create_graph: bool = False, retain: bool | None = None) -> list[Any]:
        """The gradients for one cotangent per output (None for zero), as the engine gives them."""
        pairs = [
            (y._node, seed)
            for y, seed in zip(self.outputs, seeds, strict=True)
            if seed is not None and isinstance(y, Variable) and y._node is not None
        ]
        return engine.backward([n for n, _ in pairs], [s for _, s in pairs], self.walk, retain, create_graph)

    def gradients(self, found: Sequence[Any], used: Sequence[Any] = ()) -> Any:
        """What `pull` found, in the structure of the arguments; zeros where nothing flowed.

        Args:
            found: one gradient per input.
            used: tensors that the result must not share storage with.
        """
        taken = {id(t._cell) for t in (*used, *self.inputs)}
        leaves = [self._gradient(x, t, g, taken) for x, t, g in zip(self.inputs, self.was_tensor, found, strict=True)]
        return leaves[0] if self.skeleton is LEAF else rebuild(self.skeleton, leaves)

    def _gradient(self, x: Any, was_tensor: bool, g: Any, taken: set[int]) -> Any:
        if g is None:
            g = zeros(x.shape, x.dtype, x.device)
        elif isinstance(g, Variable):
            if g._node is not None:
                g = copy(g) if id(g._cell) in taken else g
                taken.add(id(g._cell))
                return g
            g = arrays.owned(g._data)
        return wrap(g) if was_tensor else g


def as_cotangent(what: str, value: Any, like: Any) -> Any:
    """A raw array, or a Tensor, of the shape, dtype and device of `like`; a number where that has no axes."""
    if isinstance(value, (int, float)) and not isinstance(value, (bool, np.generic)) and like.shape == ():
        return arrays.to_device(np.asarray(value, like.dtype), device_of(raw_of(like)))
    raw = raw_of(value)
    if isinstance(raw, np.generic):
        value = raw = np.asarray(raw)
    check_like(what, raw, spec_of(like))
    return value


def raw_of(x: Any) -> Any:
    """The raw array of a Tensor, or x itself."""
    return x._data if isinstance(x, Variable) else x


def spec_of(x: Any) -> Spec:
    """Shape, dtype and device of an array or Tensor."""
    raw = raw_of(x)
    return Spec(tuple(raw.shape), raw.dtype, device_of(raw))


def cotangents(what: str, tree: Any, form: Any, likes: Sequence[Any]) -> list[Any]:
    """The leaves of a tree that must have the structure `form` and the shapes, dtypes and devices of `likes`.

    Raises:
        TypeError: another structure.
        ShapeError, DTypeError, DeviceError: another kind of array.
    """
    leaves: list[Any] = []
    names: list[str] = []
    found = flatten(tree, leaves, names, what)
    if found != form:
        raise TypeError(f"{what}: the structure {form!r} is due, got {found!r} (* is an array)")
    return [as_cotangent(name, x, like) for name, x, like in zip(names, leaves, likes, strict=True)]
