"""Random interleavings of everything a tape allows, against a model that knows no tape: polynomials and times."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from tape_model import Entry, Known, Polynomial, Storage, Symbol, constant, pairs

import minigrad as mg
from minigrad import GraphError, optim
from minigrad.core import engine
from minigrad.core.node import Leaf
from minigrad.core.variable import wrap
from minigrad.ops import index, shape
from minigrad.optim import update_pass
from minigrad.testing import strategies

RATE = 1 / 8
LARGEST = 60
"""Larger polynomials are not multiplied."""

kept = mg.Op("kept", lambda xp, x: x * 1.0, saves=("out",)).defvjp(lambda g, out, x: g + out * 0.0)
doubled = mg.Op("doubled", lambda xp, x: x * 2.0, saves=()).defvjp(lambda g, out, x: g * 2.0)
numbers = st.sampled_from([0.5, -1.0, 2.0, -0.25])
NAMES = ("reversed", "reshaped", "detached")
"""Of a tensor's memory beside its own."""


def module_of(thing: Any) -> ModuleType:
    """The module in which a class is defined, and whose names its methods look up."""
    return sys.modules[thing.__module__]


def value(tensor: Any) -> np.ndarray:
    return np.array(tensor.detach().numpy()).ravel()


class TapeMachine(RuleBasedStateMachine):
    """Tensors are drawn from `known`, which forgets those whose memory was written through another name."""

    @initialize(x=strategies.arrays(shape=(2,), low=-2, high=2), y=strategies.arrays(shape=(2,), low=-2, high=2))
    def begin(self, x: np.ndarray, y: np.ndarray) -> None:
        self.time = 0
        self.values: dict[Symbol, float] = {}
        self.leaves: list[Known] = []
        self.gradients: list[np.ndarray | None] = [None, None]
        self.known: list[Known] = []
        self.optimizer: optim.SGD | None = None
        self.refusals = 0
        for i, start in enumerate((x, y)):
            tensor = mg.tensor(start, requires_grad=True)
            leaf = Known(tensor, [], Storage(), Entry(0, (), leaf=i), is_leaf=True)
            self.leaves.append(leaf)
            self.known.append(leaf)
            self._new_version(i, start)

    # --- the model's side ---------------------------------------------------------------------------------------

    def _new_version(self, leaf: int, numbers_: np.ndarray) -> None:
        symbols = [Symbol(leaf, k, self.time) for k in range(2)]
        self.values.update(zip(symbols, map(float, numbers_), strict=True))
        self.leaves[leaf].elements = [Polynomial({(s,): 1.0}) for s in symbols]

    def _tick(self) -> int:
        self.time += 1
        return self.time

    def _add(
        self, tensor: Any, elements: list[Polynomial], parents: tuple[Known, ...], reads: Any = (), **how: Any
    ) -> Known:
        """Take a result up; `view` shares memory with the first parent, `out` is read by its own rule."""
        storage = parents[0].storage if how.get("view") else Storage()
        entries = tuple(p.entry for p in parents if p.entry is not None)
        entry = None
        if entries and not how.get("plain"):
            read = tuple(p.storage for p in reads) + ((storage,) if how.get("out") else ())
            entry = Entry(self._tick(), entries, read)
        if entry is None:
            elements = [constant(e.at(self.values)) for e in elements]
        assert tensor.requires_grad == (entry is not None)
        found = Known(tensor, elements, storage, entry, shape=tensor.shape)
        self._compare(found)
        self.known.append(found)
        del self.known[2:-12]
        return found

    def _compare(self, known: Known) -> None:
        due = [e.at(self.values) for e in known.elements]
        np.testing.assert_allclose(value(known.tensor), due, rtol=1e-9, atol=1e-9)

    def _written(self, known: Known) -> None:
        """Its memory was written: forget whoever else looks at it."""
        known.storage.written = self._tick()
        self.known = [k for k in self.known if k is known or k.storage is not known.storage]

    def _pick(self, number: int) -> Known:
        return self.known[number % len(self.known)]

    # --- operations ---------------------------------------------------------------------------------------------

    @rule(a=st.integers(0, 99), b=st.integers(0, 99))
    def add(self, a: int, b: int) -> None:
        x, y = self._pick(a), self._pick(b)
        self._add(x.tensor + y.tensor, [p + q for p, q in pairs(x, y)], (x, y))

    @rule(a=st.integers(0, 99), b=st.integers(0, 99))
    def multiply(self, a: int, b: int) -> None:
        self._multiply(self._pick(a), self._pick(b))

    def _multiply(self, x: Known, y: Known) -> Known | None:
        if x.size + y.size > LARGEST:
            return None
        return self._add(x.tensor * y.tensor, [p * q for p, q in pairs(x, y)], (x, y), reads=(x, y))

    @rule(a=st.integers(0, 99), which=st.sampled_from(["negative", "doubled", "kept", "square"]))
    def unary(self, a: int, which: str) -> None:
        x = self._pick(a)
        if which == "negative":
            self._add(-x.tensor, [e.scaled(-1.0) for e in x.elements], (x,))
        elif which == "doubled":
            self._add(doubled(x.tensor), [e.scaled(2.0) for e in x.elements], (x,))
        elif which == "kept":
            self._add(kept(x.tensor), list(x.elements), (x,), out=True)
        elif x.size < LARGEST / 2:
            self._add(mg.square(x.tensor), [e * e for e in x.elements], (x,), reads=(x,))

    @rule(a=st.integers(0, 99))
    def total(self, a: int) -> None:
        x = self._pick(a)
        everything = constant(0.0)
        for e in x.elements:
            everything += e
        self._add(x.tensor.sum(), [everything], (x,))

    @rule(a=st.integers(0, 99), which=st.sampled_from(NAMES))
    def view(self, a: int, which: str) -> None:
        self._view(self._pick(a), which)

    def _view(self, x: Known, which: str) -> Known:
        """Another name of the same memory."""
        if which == "detached":
            return self._add(x.tensor.detach(), list(x.elements), (x,), view=True, plain=True)
        if which == "reversed" and x.shape:
            return self._add(x.tensor[::-1], x.elements[::-1], (x,), view=True)
        return self._add(x.tensor.reshape(-1), list(x.elements), (x,), view=True)

    @rule(a=st.integers(0, 99), b=st.integers(0, 99))
    def multiply_without_grad(self, a: int, b: int) -> None:
        x, y = self._pick(a), self._pick(b)
        if x.size + y.size > LARGEST:
            return
        with mg.no_grad():
            self._add(x.tensor * y.tensor, [p * q for p, q in pairs(x, y)], (x, y), plain=True)

    # --- writes -------------------------------------------------------------------------------------------------

    @rule(i=st.integers(0, 1), c=numbers, which=st.sampled_from(["+=", "*=", "data", "items"]))
    def edit_a_leaf(self, i: int, c: float, which: str) -> None:
        leaf = self.leaves[i]
        due = value(leaf.tensor) * c if which == "*=" else value(leaf.tensor) + c
        with mg.no_grad():
            if which == "+=":
                leaf.tensor += c
            elif which == "*=":
                leaf.tensor *= c
            elif which == "data":
                leaf.tensor.data = due
            else:
                leaf.tensor[:] = due
        self._leaf_written(i, due)

    def _leaf_written(self, i: int, due: np.ndarray) -> None:
        self._written(self.leaves[i])
        self._new_version(i, due)
        self._compare(self.leaves[i])

    @rule(a=st.integers(0, 99), c=numbers)
    def edit_a_result(self, a: int, c: float) -> None:
        self._edit(self._pick(a), c)

    def _edit(self, x: Known, c: float) -> None:
        """Add to a tensor in place: to a leaf where the tensor is another name of it."""
        with mg.no_grad():
            x.tensor += c
        for i, leaf in enumerate(self.leaves):
            if leaf.storage is x.storage:
                self._leaf_written(i, np.array([e.at(self.values) for e in leaf.elements]) + c)
                return
        self._written(x)
        x.elements = [e + constant(c) for e in x.elements]
        self._compare(x)

    # --- backward -----------------------------------------------------------------------------------------------

    def _first(self, root: Known, weights: np.ndarray) -> list[np.ndarray]:
        scaled = [e.scaled(w) for e, w in zip(root.elements, weights, strict=True)]
        return [np.array([sum(e.derivative(i, k).at(self.values) for e in scaled) for k in range(2)]) for i in range(2)]

    def _reached(self, root: Known) -> set[int]:
        entries = (root.entry.reach() if root.entry else set()) | ({root.entry} if root.entry else set())
        found = {p.leaf for e in entries for p in (*e.parents, e) if p.leaf is not None}
        return {leaf for leaf in found if leaf is not None}

    @rule(a=st.integers(0, 99), c=numbers, retain=st.booleans(), create_graph=st.booleans())
    def backward(self, a: int, c: float, retain: bool, create_graph: bool) -> None:
        self._backward(self._pick(a), c, retain, create_graph)

    def _backward(self, root: Known, c: float, retain: bool = True, create_graph: bool = False) -> None:
        if root.entry is None or root.is_leaf:
            return
        weights = np.full(len(root.elements), c) * np.arange(1, len(root.elements) + 1)
        seed = mg.tensor(weights.reshape(root.shape))
        if root.entry.refused():
            early = root.entry.frees_first()
            with pytest.raises(GraphError):
                root.tensor.backward(seed, retain_graph=retain, create_graph=create_graph)
            self.refusals += 1
            if not (early or retain):  # it stopped halfway: part of the graph is gone
                visited = root.entry.reach()
                self.known = [k for k in self.known if k.entry is None or k.is_leaf or not k.entry.reach() & visited]
        else:
            root.tensor.backward(seed, retain_graph=retain, create_graph=create_graph)
            for i, g in enumerate(self._first(root, weights)):
                if i in self._reached(root):
                    before = self.gradients[i]
                    self.gradients[i] = g if before is None else before + g
            if not retain:
                for entry in root.entry.reach():
                    entry.freed = True
            for leaf in self.leaves if create_graph else ():  # its graph is not in the model
                if leaf.tensor.grad is not None:
                    leaf.tensor.grad = leaf.tensor.grad.detach()

    @rule(a=st.integers(0, 99), c=numbers)
    def backward_twice(self, a: int, c: float) -> None:
        """The gradient of <c, gradient>."""
        root = self._pick(a)
        if root.entry is None or root.is_leaf or root.entry.refused():
            return
        for leaf in self.leaves:
            leaf.tensor.grad = None
        self.gradients = [None, None]
        ones = np.ones(len(root.elements))
        root.tensor.backward(mg.tensor(ones.reshape(root.shape)), create_graph=True)
        gradients = [leaf.tensor.grad for leaf in self.leaves]
        for leaf in self.leaves:
            leaf.tensor.grad = None
        tracked = [g for g in gradients if g is not None and g.requires_grad]
        if tracked:
            sum(((g * c).sum() for g in tracked[1:]), start=(tracked[0] * c).sum()).backward(retain_graph=True)
        inner = constant(0.0)
        for e in root.elements:
            for i in range(2):
                for k in range(2):
                    inner = inner + e.derivative(i, k).scaled(c)
        for i, leaf in enumerate(self.leaves):
            due = [inner.derivative(i, k).at(self.values) for k in range(2)]
            got = np.zeros(2) if leaf.tensor.grad is None else value(leaf.tensor.grad)
            np.testing.assert_allclose(got, due, rtol=1e-9, atol=1e-9)
            leaf.tensor.grad = None

    # --- optimizer ----------------------------------------------------------------------------------------------

    @rule()
    def pack(self) -> None:
        """An optimizer moves the leaves into one buffer; their other names stay behind, nothing else may notice."""
        moved = [leaf.storage for leaf in self.leaves]
        self.known = [k for k in self.known if k.is_leaf or k.storage not in moved]
        self.optimizer = optim.SGD([leaf.tensor for leaf in self.leaves], lr=RATE)

    @precondition(lambda self: self.optimizer is not None)
    @rule()
    def step(self) -> None:
        assert self.optimizer is not None
        before = [value(leaf.tensor) for leaf in self.leaves]
        self.optimizer.step()
        for i, leaf in enumerate(self.leaves):
            g = self.gradients[i]
            if g is not None:
                self._leaf_written(i, before[i] - RATE * g)
            self._compare(leaf)

    @rule()
    def zero_grad(self) -> None:
        if self.optimizer is not None:
            self.optimizer.zero_grad()
        else:
            for leaf in self.leaves:
                leaf.tensor.grad = None
        self.gradients = [None, None]

    # --- writes between forward and backward: by chance alone they are rare -------------------------------------

    @rule(a=st.integers(0, 99), i=st.integers(0, 1), c=numbers, name=st.sampled_from(["itself", *NAMES]))
    def write_what_will_be_read(self, a: int, i: int, c: float, name: str) -> None:
        """Through the tensor that a rule will read, or through another name of its memory."""
        x = self._pick(a)
        product = self._multiply(x, self.leaves[i])
        if product is not None:
            self._edit(x if name == "itself" else self._view(x, name), c)
            self._backward(product, c)

    @rule(i=st.integers(0, 1), c=numbers)
    def step_over_what_will_be_read(self, i: int, c: float) -> None:
        leaf = self.leaves[i]
        first, second = (self._multiply(leaf, leaf) for _ in range(2))
        assert first is not None
        assert second is not None
        self._backward(first, c)
        if self.optimizer is None:
            self.pack()
        self.step()
        self._backward(second, c)

    @rule(i=st.integers(0, 1), c=numbers)
    def overwrite_a_gradient_that_will_be_read(self, i: int, c: float) -> None:
        leaf = self.leaves[i]
        root = self._multiply(leaf, leaf)
        assert root is not None
        self._backward(root, c)
        g = Known(leaf.tensor.grad, [constant(x) for x in value(leaf.tensor.grad)], Storage())
        product = self._multiply(g, leaf)
        assert product is not None
        self._backward(root, c)
        g.storage.written = self._tick()
        self._backward(product, c)

    @invariant()
    def gradients_are_those_of_the_model(self) -> None:
        for leaf, g in zip(getattr(self, "leaves", ()), getattr(self, "gradients", ()), strict=True):
            if g is None:
                assert leaf.tensor.grad is None
            else:
                np.testing.assert_allclose(value(leaf.tensor.grad), g, rtol=1e-9, atol=1e-9)


TestTape = TapeMachine.TestCase
TestTape.settings = settings(max_examples=max(20, settings.default.max_examples), stateful_step_count=40, deadline=None)


def forgets(leaf: Any, g: Any, create_graph: bool) -> None:
    """accumulate, but the last gradient wins."""
    leaf.live = False
    accumulate(leaf, g, create_graph)


accumulate = engine.accumulate
FAULTS: dict[str, tuple[Any, str, Any]] = {
    "stale values are read": (engine, "_refuse_stale", lambda node: None),
    "the last gradient wins": (engine, "accumulate", forgets),
    "a slice is no view": (index.getitem_, "view", False),
    "a reshape is no view": (shape.reshape_, "view", False),
    "detach is no view": (mg.Tensor, "detach", lambda t: wrap(t._data)),
    "in-place operations are not noted": (module_of(mg.Tensor), "mark_written", lambda *cells: None),
    "steps are not noted": (update_pass, "mark_written", lambda *cells: None),
    "writes to gradients are not noted": (module_of(Leaf), "mark_written", lambda *cells: None),
}


@pytest.mark.parametrize("name", FAULTS)
def test_the_model_sees_a_broken_tape(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(*FAULTS[name])
    effort = settings(max_examples=100, stateful_step_count=40, deadline=None, database=None, derandomize=True,
                      phases=[Phase.generate], suppress_health_check=list(HealthCheck))  # fmt: skip
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        run_state_machine_as_test(TapeMachine, settings=effort)
