"""A functional model of the tape: every element is a polynomial in the leaves' elements, every write has a time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Monomial = tuple["Symbol", ...]
"""Sorted, with repetitions: x x y is (x, x, y)."""


@dataclass(frozen=True, order=True)
class Symbol:
    """One element of a leaf between two writes to it."""

    leaf: int
    element: int
    version: int


@dataclass(frozen=True)
class Polynomial:
    """A sum of coefficient times monomial."""

    terms: dict[Monomial, float]

    def __add__(self, other: Polynomial) -> Polynomial:
        total = dict(self.terms)
        for m, c in other.terms.items():
            total[m] = total.get(m, 0.0) + c
        return Polynomial(total)

    def __mul__(self, other: Polynomial) -> Polynomial:
        total: dict[Monomial, float] = {}
        for (m, c), (n, d) in itertools.product(self.terms.items(), other.terms.items()):
            product = tuple(sorted(m + n))
            total[product] = total.get(product, 0.0) + c * d
        return Polynomial(total)

    def scaled(self, factor: float) -> Polynomial:
        return Polynomial({m: c * factor for m, c in self.terms.items()})

    def derivative(self, leaf: int, element: int) -> Polynomial:
        """By an element of a leaf, whichever its version: the tape knows no versions of a leaf."""
        total: dict[Monomial, float] = {}
        for m, c in self.terms.items():
            for i, s in enumerate(m):
                if (s.leaf, s.element) == (leaf, element):
                    rest = m[:i] + m[i + 1 :]
                    total[rest] = total.get(rest, 0.0) + c
        return Polynomial(total)

    def at(self, values: dict[Symbol, float]) -> float:
        return sum(c * float(np.prod([values[s] for s in m])) for m, c in self.terms.items())

    @property
    def size(self) -> int:
        return len(self.terms) * max((len(m) for m in self.terms), default=0)


def constant(value: float) -> Polynomial:
    return Polynomial({(): float(value)})


@dataclass(eq=False)
class Storage:
    """A piece of memory that one or more tensors look at."""

    written: int = 0


@dataclass(eq=False)
class Entry:
    """A tape entry: what it comes from, and what its rule will read."""

    time: int
    parents: tuple[Entry, ...]
    reads: tuple[Storage, ...] = ()
    leaf: int | None = None
    freed: bool = False

    def reach(self) -> set[Entry]:
        """The entries, without leaves, that a backward from here visits."""
        seen: set[Entry] = set()
        stack = [self]
        while stack:
            entry = stack.pop()
            if entry.leaf is None and entry not in seen:
                seen.add(entry)
                stack += entry.parents
        return seen

    def refused(self) -> bool:
        """Whether a backward must raise: something was freed, or overwritten since."""
        return any(e.freed or any(s.written > e.time for s in e.reads) for e in self.reach())

    def frees_first(self) -> bool:
        """Whether it raises before it has done anything."""
        return any(e.freed for e in self.reach())


@dataclass(eq=False)
class Known:
    """A tensor and what the model knows of it."""

    tensor: Any
    elements: list[Polynomial]
    storage: Storage
    entry: Entry | None = None
    is_leaf: bool = False
    shape: tuple[int, ...] = field(default=(2,))

    @property
    def size(self) -> int:
        return max(e.size for e in self.elements)


def pairs(a: Known, b: Known) -> Iterator[tuple[Polynomial, Polynomial]]:
    """Elements side by side, a 0-d one beside all of the other."""
    n = max(len(a.elements), len(b.elements))
    for i in range(n):
        yield a.elements[i % len(a.elements)], b.elements[i % len(b.elements)]
