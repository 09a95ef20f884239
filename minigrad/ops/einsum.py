"""einsum: products and sums over named axes, taken two operands at a time.

What the subscripts ask for is worked out once a call pattern, as a short program: the diagonals to take, the axes to
sum, the order of the products (numpy.einsum_path). Products of two are `contract`, so they reach BLAS, and gradients
are contractions themselves.
"""

from __future__ import annotations

import string
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from ..backend.array import is_integer
from ..core.op import Op
from ..errors import DTypeError, ShapeError
from .arguments import no_out
from .contraction import Labels, contract_
from .joining import as_arrays
from .reduce import sum_
from .shape import astype, reshape_, transpose_
from .triangles import diagonal_

NUMPY = ("einsum",)

_ALPHABET = string.ascii_uppercase + string.ascii_lowercase
_ELLIPSIS = 1000  # broadcast axes are labelled -1, -2, ... from the right; this stands for all of them

# Three or more operands at once, where every product of two would be larger than what goes in or out. Every label is
# in the output or in two operands, so that the rule is the same operation with the cotangent in an operand's place.
einsum_ = Op("einsum", lambda xp, *xs, subscripts, output: _loops(xp, xs, subscripts, output), saves=None)


def _loops(xp: Any, xs: Sequence[Any], subscripts: tuple[Labels, ...], output: Labels) -> Any:
    letters = dict(zip(dict.fromkeys(n for labels in subscripts for n in labels), _ALPHABET, strict=False))
    spelled = ["".join(letters[n] for n in labels) for labels in (*subscripts, output)]
    return xp.einsum(f"{','.join(spelled[:-1])}->{spelled[-1]}", *xs)


def _einsum_vjp(needs: Any, g: Any, out: Any, *xs: Any, subscripts: Any, output: Labels) -> tuple[Any, ...]:
    def rule(i: int) -> Any:
        others = (*subscripts[:i], output, *subscripts[i + 1 :])
        return einsum_(*xs[:i], g, *xs[i + 1 :], subscripts=others, output=subscripts[i])

    return tuple(rule(i) if needed else None for i, needed in enumerate(needs))


einsum_.defvjp_all(_einsum_vjp)


Step = tuple[Op, tuple[int, ...], dict[str, Any]]
"""An operation, which of the arrays so far it takes, and its parameters; its result is put behind them."""


def einsum(*operands: Any, out: Any = None, optimize: Any = False, **kwargs: Any) -> Any:
    """Sums of products by Einstein's convention, as numpy.einsum writes them.

    `einsum("ij,jk->ik", a, b)` or `einsum(a, [0, 1], b, [1, 2], [0, 2])`. A label that occurs twice in one operand
    takes its diagonal, one that is not in the output is summed over, an ellipsis stands for axes that broadcast.

    Args:
        *operands: subscripts and arrays, Tensors or nested lists; or each operand followed by its list of labels.
        out: not supported.
        optimize: as in NumPy. Products of two operands are always taken one at a time, in a good order; "optimal" or a
            path of numpy.einsum_path chooses another one.
        **kwargs: dtype (of the result; operands are cast) and casting, as in NumPy; order must be "K" or "A".

    Returns:
        An array, or a Tensor where an operand is one; a view where no arithmetic is asked for.

    Raises:
        ShapeError: lengths of one label differ, or an operand has not the axes that the subscripts name.
        ValueError: the subscripts are malformed.
        DTypeError: casting forbids the dtype.
    """
    no_out("einsum", out)
    subscripts, output, given = _split(operands)
    xs = _cast(as_arrays("einsum", given), **kwargs)
    floating = xs[0].dtype.kind == "f"
    key = (subscripts, output, tuple([x.shape for x in xs]), _how(optimize), None if floating else xs[0].dtype)
    for op, slots, params in _program(*key):
        xs.append(op(*[xs[i] for i in slots], **params))
    result = xs[-1]
    # CuPy sums booleans in integers, whatever dtype it is told
    return result if floating or result.dtype == xs[0].dtype else astype(result, xs[0].dtype)


def _split(operands: tuple[Any, ...]) -> tuple[Any, Any, tuple[Any, ...]]:
    """Subscripts per operand and of the output (None where it is implied), and the operands."""
    if not operands:
        raise ValueError("einsum: no subscripts and no operands were given")
    first = operands[0]
    if isinstance(first, str):
        return first, None, operands[1:]
    lists = [*operands[1::2], *operands[len(operands) - len(operands) % 2 :]]
    if len(operands) < 2 or not all(isinstance(labels, (list, tuple)) for labels in lists):
        raise TypeError(
            "einsum: give a string of subscripts and then the operands, or after each operand a list of its labels"
        )
    output = tuple(lists.pop()) if len(operands) % 2 else None
    return tuple(tuple(labels) for labels in lists), output, operands[: len(operands) - len(operands) % 2 : 2]


def _cast(xs: list[Any], dtype: Any = None, casting: str = "safe", order: str = "K", **unknown: Any) -> list[Any]:
    """The operands in one dtype, that of the result."""
    if unknown:
        raise TypeError(f"einsum: unknown keyword argument(s) {', '.join(unknown)}")
    if order not in ("K", "A"):
        raise TypeError(f"einsum: order={order!r} is not supported; the memory layout of the result is not chosen")
    if not xs:
        raise ValueError("einsum: no operands were given")
    if dtype is None and all(x.dtype == xs[0].dtype for x in xs):
        return xs
    common = np.result_type(*(x.dtype for x in xs)) if dtype is None else np.dtype(dtype)
    for x in xs:
        if not np.can_cast(x.dtype, common, casting):  # type: ignore[arg-type]
            raise DTypeError(f"einsum: casting={casting!r} does not cast an operand of {x.dtype} to {common}")
    return [x if x.dtype == common else astype(x, common) for x in xs]


def _how(optimize: Any) -> Any:
    """The argument for numpy.einsum_path, hashable."""
    if isinstance(optimize, (list, tuple)):
        if optimize and optimize[0] == "einsum_path":
            return tuple(tuple(step) if isinstance(step, list) else step for step in optimize)
        return tuple(optimize)
    return optimize if isinstance(optimize, str) else "greedy"


@lru_cache(maxsize=1024)
def _program(
    subscripts: Any, output: Any, shapes: tuple[tuple[int, ...], ...], how: Any, dtype: Any
) -> tuple[Step, ...]:
    """The operations that a call comes down to; `dtype` is what to sum in, None for floating-point operands."""
    if isinstance(subscripts, str):
        parts, output = _read(subscripts)
    else:
        parts = [_from_list(labels) for labels in subscripts]
        output = None if output is None else _from_list(output)
    if len(parts) != len(shapes):
        raise ValueError(f"einsum: subscripts for {len(parts)} operand(s), but {len(shapes)} were given")
    labels = tuple(_spread(i, part, shape) for i, (part, shape) in enumerate(zip(parts, shapes, strict=True)))
    lengths = _lengths(labels, shapes)
    output = _output(output, lengths, labels)
    writer = _Writer(len(shapes), lengths, dtype)
    at_hand = [writer.operand(i, *pair) for i, pair in enumerate(zip(labels, shapes, strict=True))]
    for step in _path(labels, output, lengths, how):
        taken = [at_hand[i] for i in step]
        at_hand = [pair for i, pair in enumerate(at_hand) if i not in step]
        wanted = output
        if at_hand:  # an intermediate product: what the others or the output need, in no order that costs
            elsewhere = {*output, *(n for _, labels in at_hand for n in labels)}
            wanted = tuple(dict.fromkeys(n for _, labels in taken for n in labels if n in elsewhere))
        at_hand.append(writer.product(taken, wanted))
    return tuple(writer.steps)


Placed = tuple[int, Labels]
"""Which of the arrays so far, and the labels of its axes."""


class _Writer:
    """Writes the program of a call.

    Args:
        count: number of operands.
        lengths: length of each label.
        dtype: to sum in.
    """

    def __init__(self, count: int, lengths: dict[int, int], dtype: Any) -> None:
        self.steps: list[Step] = []
        self.count, self.lengths, self.dtype = count, lengths, dtype

    def add(self, op: Op, *slots: int, **params: Any) -> int:
        self.steps.append((op, slots, params))
        return self.count + len(self.steps) - 1

    def operand(self, slot: int, labels: Labels, shape: tuple[int, ...]) -> Placed:
        """An operand with each label once, and without the axes of length 1 that broadcast."""
        for j, n in enumerate(labels):
            i = labels.index(n)
            if i < j:
                slot = self.add(diagonal_, slot, offset=0, axes=(i, j))
                rest = [k for k in range(len(labels)) if k not in (i, j)]
                return self.operand(slot, (*(labels[k] for k in rest), n), (*(shape[k] for k in rest), shape[i]))
        kept = [(n, length) for n, length in zip(labels, shape, strict=True) if length == self.lengths[n]]
        if len(kept) < len(labels):
            slot = self.add(reshape_, slot, shape=tuple(length for _, length in kept))
        return slot, tuple(n for n, _ in kept)

    def summed(self, placed: Placed, wanted: Iterable[int]) -> Placed:
        """An array summed over the labels that nobody wants."""
        slot, labels = placed
        alone = tuple(i for i, n in enumerate(labels) if n not in wanted)
        if alone:
            slot = self.add(sum_, slot, axis=alone, keepdims=False, dtype=self.dtype)
        return slot, tuple(n for n in labels if n in wanted)

    def product(self, taken: list[Placed], output: Labels) -> Placed:
        """The product of some arrays."""
        counts = Counter(n for _, labels in taken for n in labels)
        wanted = {*output, *(n for n, count in counts.items() if count > 1)}
        left = [self.summed(placed, wanted) for placed in taken]
        slots, labels = [slot for slot, _ in left], [labels for _, labels in left]
        if len(left) == 1:
            return self.add(transpose_, *slots, axes=tuple(labels[0].index(n) for n in output)), output
        if len(left) == 2:
            return self.add(contract_, *slots, xl=labels[0], yl=labels[1], ol=output), output
        return self.add(einsum_, *slots, subscripts=tuple(labels), output=output), output


def _read(subscripts: str) -> tuple[list[Labels], Labels | None]:
    """The labels in a string: letters by their code points, an ellipsis as itself."""
    text = subscripts.replace(" ", "")
    inputs, arrow, output = text.partition("->")
    return [_from_text(part) for part in inputs.split(",")], _from_text(output) if arrow else None


def _from_text(part: str) -> Labels:
    before, dots, after = part.partition("...")
    for letter in before + after:
        if letter not in _ALPHABET:
            raise ValueError(f"einsum: {letter!r} in the subscripts {part!r} is not a letter, '...', ',' or '->'")
    return (*map(ord, before), *((_ELLIPSIS,) if dots else ()), *map(ord, after))


def _from_list(labels: Sequence[Any]) -> Labels:
    for n in labels:
        if n is not Ellipsis and not (is_integer(n) and 0 <= n < len(_ALPHABET)):
            raise ValueError(f"einsum: label {n!r} is not an integer from 0 to {len(_ALPHABET) - 1}, or Ellipsis")
    made = tuple(_ELLIPSIS if n is Ellipsis else ord(_ALPHABET[n]) for n in labels)
    if made.count(_ELLIPSIS) > 1:
        raise ValueError("einsum: a list of labels holds more than one Ellipsis")
    return made


def _spread(position: int, part: Labels, shape: tuple[int, ...]) -> Labels:
    """The labels of an operand with those of the broadcast axes in the place of its ellipsis."""
    extra = len(shape) - len(part) + (_ELLIPSIS in part)
    if extra < 0 or (extra and _ELLIPSIS not in part):
        raise ShapeError(
            f"einsum: operand {position} has shape {shape}, but the subscripts name {len(part) - (_ELLIPSIS in part)} "
            f"axes{'' if _ELLIPSIS in part else ' and have no ellipsis'}"
        )
    return tuple(m for n in part for m in (range(-extra, 0) if n == _ELLIPSIS else (n,)))


def _lengths(labels: tuple[Labels, ...], shapes: tuple[tuple[int, ...], ...]) -> dict[int, int]:
    found: dict[int, int] = {}
    for operand, shape in zip(labels, shapes, strict=True):
        own: dict[int, int] = {}
        for n, length in zip(operand, shape, strict=True):
            if own.setdefault(n, length) != length:
                raise ShapeError(f"einsum: the diagonal of {_name(n)} in shape {shape} needs axes of one length")
            known = found.setdefault(n, length)
            if known != length and 1 not in (known, length):
                raise ShapeError(f"einsum: {_name(n)} has length {known} in one operand and {length} in another")
            found[n] = known if length == 1 else length
    return found


def _name(label: int) -> str:
    return f"label {chr(label)!r}" if label > 0 else f"axis {label} of the ellipsis"


def _output(output: Labels | None, lengths: dict[int, int], labels: Any) -> Labels:
    """The labels of the result: as said, or the broadcast axes and whatever label occurs just once, sorted."""
    broadcast = tuple(sorted(n for n in lengths if n < 0))
    if output is None:
        counts = Counter(n for operand in labels for n in operand)
        return (*broadcast, *sorted(n for n, count in counts.items() if count == 1 and n > 0))
    if broadcast and _ELLIPSIS not in output:
        raise ValueError("einsum: the operands have axes in the ellipsis, but the output has none ('...')")
    for n in output:
        if output.count(n) > 1:
            raise ValueError(f"einsum: the output has {_name(n)} more than once")
        if n != _ELLIPSIS and n not in lengths:
            raise ValueError(f"einsum: the output has {_name(n)}, which is in no operand")
    return tuple(m for n in output for m in (broadcast if n == _ELLIPSIS else (n,)))


def _path(labels: tuple[Labels, ...], output: Labels, lengths: dict[int, int], how: Any) -> tuple[tuple[int, ...], ...]:
    """The order of the products, by numpy.einsum_path on shapes alone."""
    if len(labels) < 3:
        return (tuple(range(len(labels))),)
    letters = dict(zip(lengths, _ALPHABET, strict=False))
    if len(letters) < len(lengths):
        return ((0, 1), *((0, i) for i in range(len(labels) - 2, 0, -1)))
    unique = [tuple(dict.fromkeys(operand)) for operand in labels]
    spelled = ["".join(letters[n] for n in operand) for operand in (*unique, output)]
    dummies = [np.broadcast_to(0.0, tuple(lengths[n] for n in operand)) for operand in unique]
    text = f"{','.join(spelled[:-1])}->{spelled[-1]}"
    path = np.einsum_path(text, *dummies, optimize=how if isinstance(how, str) else list(how))[0]
    return tuple(tuple(step) for step in path[1:])
