"""What is asked for in words: a network as 784-256-128-10, batch sizes as 1..65536 or 1,8,32."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

LARGEST_BATCH = 1 << 24
LARGEST_WIDTH = 1 << 20


@dataclass(frozen=True)
class Net:
    """A multilayer perceptron by its sizes: features, hidden layers, classes.

    Attributes:
        sizes: at least two.
    """

    sizes: tuple[int, ...]

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of every linear layer."""
        return list(itertools.pairwise(self.sizes))

    @property
    def parameters(self) -> int:
        """Weights and biases: sum of (inputs + 1) outputs."""
        return sum((n + 1) * m for n, m in self.layers)

    @property
    def hollow(self) -> Net:
        """As many layers of width 1 and two classes: every call of the step, next to no work in any of them."""
        return Net((*(1 for _ in self.sizes[:-1]), 2))

    def __str__(self) -> str:
        return "-".join(map(str, self.sizes))


def parse_net(text: str) -> Net:
    """The network that a text such as 784-256-128-10 describes.

    Args:
        text: features, hidden sizes, classes.

    Returns:
        The network.

    Raises:
        ValueError: fewer than two sizes, something that is no size, or a single class.
    """
    due = f"sizes such as 784-256-128-10 are due (features, hidden layers, classes), got {text!r}"
    words = text.split("-")
    if len(words) < 2 or not all(w.isascii() and w.isdecimal() for w in words):
        raise ValueError(due)
    sizes = tuple(int(w) if len(w) < 16 else LARGEST_WIDTH + 1 for w in words)
    if not all(1 <= n <= LARGEST_WIDTH for n in sizes):
        raise ValueError(f"{due}: each is from 1 to {LARGEST_WIDTH}")
    if sizes[-1] < 2:
        raise ValueError(f"{due}: the last one counts classes, at least 2")
    return Net(sizes)


def parse_batches(text: str) -> tuple[int, ...]:
    """Batch sizes in rising order.

    Args:
        text: "1..65536", the powers of two in that range, or a list such as "1,8,32".

    Returns:
        The sizes, each once.

    Raises:
        ValueError: not such a text, a size out of range, or a range without a power of two.
    """
    low, dots, high = text.partition("..")
    words = [low, high] if dots else text.split(",")
    due = f"a range such as 1..65536 or a list such as 1,8,32 is due, got {text!r}"
    if not all(w.strip().isascii() and w.strip().isdecimal() for w in words):
        raise ValueError(due)
    numbers = [int(w) if len(w) < 16 else LARGEST_BATCH + 1 for w in words]
    if not all(1 <= n <= LARGEST_BATCH for n in numbers):
        raise ValueError(f"{due}: each size is from 1 to {LARGEST_BATCH}")
    if not dots:
        return tuple(sorted(set(numbers)))
    first, last = numbers
    powers = range(math.ceil(math.log2(first)), last.bit_length())
    if not powers:
        raise ValueError(f"{due}: there is no power of two in it")
    return tuple(1 << k for k in powers)
