"""The kernels of a training step as functions of arrays: one launch where the CPU makes several calls.

Each takes float32 arrays of one accelerator, C-contiguous; `usable` says whether that is what is at hand. Nothing here
waits for the device.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .device import Accelerator, Array, accelerator, accelerator_for
from .kernels import THREADS, blocks, kernel

TILE = 32
"""Columns that a block of bias_act_backward_f32 adds up at a time."""
BAND = 256
"""Rows that are worth a block of their own there."""
JOBS = 256
"""Tiles times bands, at most: one block adds up all the bands in the end."""
COLUMN_THREADS = 512
"""A block there: two cells of its table a thread, and three such blocks fit into the registers of a multiprocessor."""
ACTIVATIONS: dict[str | None, int] = {None: 0, "relu": 1, "tanh": 2}

_tickets: dict[tuple[Accelerator, str, int], Array] = {}
_generators: dict[tuple[Accelerator, str, int], tuple[Array, bytes]] = {}
"""For each device and stream the state of the dropout generator there, and what the host's must be to agree with it."""
_counts: dict[tuple[Accelerator, str, int], MaskCount] = {}
"""Who counts the masks of a device and stream."""
WORDS = 8
"""Elements of a mask that a block of the generator serves."""


@dataclass
class MaskCount:
    """How many blocks of the dropout generator were drawn."""

    blocks: int = 0


def usable(*arrays: Array) -> bool:
    """Whether these are all float32, C-contiguous arrays of the accelerator."""
    provider = accelerator()
    return provider is not None and all(
        isinstance(a, provider.array_type) and a.dtype == np.float32 and a.flags.c_contiguous for a in arrays
    )


def _device(array: Array) -> str:
    provider = accelerator()
    return "cpu" if provider is None else provider.device_of(array)


def _empty(shape: tuple[int, ...], dtype: type, device: str) -> Array:
    """A new array on a device, whichever is current."""
    provider = accelerator_for(device)
    with provider.scope(device):
        return provider.xp.empty(shape, dtype)


def _ticket(device: str) -> Array:
    """The counter by which a kernel's last block knows itself; the kernels of a stream take turns with it.

    It is copied from the host and not zeroed on the device: while a stream captures, that is refused, where a recorded
    zeroing would leave nonsense until the graph runs. One eager step on the stream makes it.
    """
    provider = accelerator_for(device)
    key = (provider, device, provider.stream(device))
    if key not in _tickets:
        _tickets[key] = provider.from_host(np.zeros(1, np.uint32), device)
    return _tickets[key]


def bias_act(z: Array, bias: Array | None, activation: str | None) -> None:
    """z = activation(z + bias) in place: one launch, none where there is nothing to do.

    Args:
        z: (rows, columns).
        bias: (columns,), or None.
        activation: one of ACTIVATIONS.
    """
    if bias is None and activation is None:
        return
    rows, columns = z.shape
    launch = kernel("bias_act", "bias_act_f32", _device(z))
    launch(blocks(z.size // 4 + 1), THREADS, z, bias, rows, columns, ACTIVATIONS[activation])


def bands_of(rows: int, columns: int) -> tuple[int, int]:
    """How the rows of a column sum are shared out: by the shape alone, so that every GPU adds in the same order.

    Returns:
        Rows a band, and the number of bands.
    """
    tiles = max(1, -(-columns // TILE))
    most = max(1, min(rows // BAND, JOBS // tiles))
    band = max(1, -(-rows // most))
    return band, max(1, -(-rows // band))


def bias_act_backward(
    g: Array, out: Array, activation: str | None, needs_bias: bool, dest: tuple[Array, bool] | None
) -> tuple[Array, Array | None]:
    """g * activation'(z) from the output, and its column sums: one launch.

    Args:
        g: (rows, columns), gradient of the output.
        out: (rows, columns), the output.
        activation: one of ACTIVATIONS.
        needs_bias: whether the column sums are asked for.
        dest: (array of (columns,), whether to add to it) where they go, or None for a new array.

    Returns:
        (rows, columns), the gradient before the activation (g itself without one), and the new array, if any.
    """
    rows, columns = g.shape
    device = _device(g)
    gz = None if activation is None else _empty(g.shape, np.float32, device)
    new = _empty((columns,), np.float32, device) if needs_bias and dest is None else None
    sums, accumulate = dest if needs_bias and dest is not None else (new, False)
    if sums is None and gz is None:
        return g, None
    band, bands = bands_of(rows, columns)
    partial = _empty((bands, columns), np.float32, device) if sums is not None and bands > 1 else None
    ticket = None if partial is None else _ticket(device)
    grid = blocks(g.size, COLUMN_THREADS) if sums is None else max(1, bands * -(-columns // TILE))
    arguments = (g, out, gz, sums, partial, ticket, rows, columns, band, ACTIVATIONS[activation], int(accumulate))
    kernel("bias_act", "bias_act_backward_f32", device)(grid, COLUMN_THREADS, *arguments)
    return (g if gz is None else gz), new


FEW_ROWS = 2048
"""Up to so many rows every block may count the labels by itself."""
NOTHING = -(2**63)
"""A label that no row has."""


def takes_labels(logits: Array, labels: Array, scale: Array | float) -> bool:
    """Whether `cross_entropy` takes these."""
    return (
        usable(logits)
        and logits.ndim == 2
        and labels.dtype == np.int64
        and labels.flags.c_contiguous
        and labels.shape == logits.shape[:1]
        and (type(scale) is float or (not isinstance(scale, float) and usable(scale) and scale.shape == labels.shape))
    )


def cross_entropy(
    logits: Array, labels: Array, factor: Array | None, scale: float, reduce: bool, ignored: int | None
) -> tuple[Array, Array, Array | None, bool]:
    """scale * factor_i * (logsumexp(row i) - row i[label i]), and the softmax: one launch.

    Args:
        logits: (rows, classes).
        labels: (rows,) int64. A label out of range makes its row nan.
        factor: (rows,), or None for ones.
        scale: of all rows.
        reduce: add the rows up.
        ignored: take the mean over the rows of other labels instead; only with `reduce`.

    Returns:
        The losses, (rows,) or 0-d; the probabilities (rows, classes); the number of rows in the mean, (1,); and whether
        it is their gradient that stands in the place of the probabilities, which saves the backward its launch.
    """
    rows, classes = logits.shape
    device = _device(logits)
    probability = _empty(logits.shape, np.float32, device)
    losses = _empty((rows,), np.float32, device)
    total = _empty((1,), np.float32, device) if reduce else None
    ticket = _ticket(device) if reduce else None
    kept = None if ignored is None else _empty((1,), np.float32, device)
    label = NOTHING if ignored is None else ignored
    done = kept is not None and rows <= FEW_ROWS
    arguments = (
        logits,
        labels,
        factor,
        scale,
        label,
        probability,
        losses,
        total,
        kept,
        ticket,
        rows,
        classes,
        int(done),
    )
    kernel("cross_entropy", "softmax_cross_entropy_f32", device)(blocks(32 * rows), THREADS, *arguments)
    return (losses if total is None else total.reshape(())), probability, kept, done


def cross_entropy_backward(
    g: Array,
    probability: Array,
    labels: Array,
    factor: Array | None,
    scale: float,
    ignored: int | None,
    kept: Array | None,
) -> Array:
    """(softmax - onehot) * g * factor * scale, divided by `kept` and 0 for ignored rows: one launch.

    Args:
        g: gradient of the losses, (rows,) or 0-d.
        probability, kept: from `cross_entropy`.
        labels, factor, scale, ignored: as there.

    Returns:
        (rows, classes).
    """
    rows, classes = probability.shape
    device = _device(probability)
    out = _empty(probability.shape, np.float32, device)
    label = NOTHING if ignored is None else ignored
    arguments = (g, probability, labels, factor, scale, label, kept, out, rows, classes, int(g.ndim > 0))
    kernel("cross_entropy", "softmax_cross_entropy_backward_f32", device)(blocks(out.size), THREADS, *arguments)
    return out


def sum_of_squares(runs: Sequence[Array]) -> Array:
    """The sum of the squares of all elements of flat arrays, in double precision: one launch an array.

    Returns:
        (1,) float64, on their device.
    """
    device = _device(runs[0])
    total = _empty((1,), np.float64, device)
    launch = kernel("norm", "sum_of_squares_f32", device)
    for number, x in enumerate(runs):
        grid = blocks(x.size // 4 + 1)
        launch(grid, THREADS, x, x.size, _empty((grid,), np.float64, device), total, _ticket(device), int(number > 0))
    return total


@lru_cache(maxsize=64)
def _limit(provider: Accelerator, device: str, max_norm: float) -> Array:
    """A limit in device memory, copied there once: nobody writes to it."""
    return provider.from_host(np.array([max_norm]), device)


def clip_by_norm(runs: Sequence[Array], max_norm: float) -> Array:
    """Scale flat arrays together by min(1, max_norm / (norm + 1e-6)): two launches an array.

    Returns:
        0-d float32, the norm before.
    """
    device = _device(runs[0])
    provider = accelerator_for(device)
    total = sum_of_squares(runs)
    limit = _limit(provider, device, float(max_norm))  # type: ignore[arg-type]  # hashed by identity
    norm = _empty((1,), np.float32, device)
    launch = kernel("norm", "clip_by_norm_f32", device)
    for x in runs:
        launch(blocks(x.size // 4 + 1), THREADS, x, x.size, total, limit, norm)
    return norm.reshape(())


def keep_mask(before: np.ndarray, after: np.ndarray, size: int, threshold: int, device: str) -> Array:
    """One byte an element: whether its 32-bit word of Philox4x64-10 is at least a threshold. Two launches.

    The generator's state stays on the device and moves on there, so a recorded step draws anew at every replay.

    Args:
        before, after: (6,) uint64 on the host: key and counter as NumPy's Philox holds them at a block's boundary, now
            and once the mask is drawn.
        size: elements.
        threshold: in [0, 2**32].
        device: full label.

    Returns:
        (size,) booleans.
    """
    provider = accelerator_for(device)
    key = (provider, device, provider.stream(device))
    state = _generator_at(before, key)
    mask = provider.allocate_bytes(size, device)
    drawn = -(-size // WORDS)
    kernel("dropout", "keep_mask", device)(blocks(size // WORDS + 1), THREADS, mask, size, state, threshold)
    kernel("dropout", "advance_philox", device)(1, 32, state, drawn)
    _generators[key] = state, after.tobytes()
    if key in _counts:
        _counts[key].blocks += drawn
    return mask.view(np.bool_)


def _generator_at(before: np.ndarray, key: tuple[Accelerator, str, int]) -> Array:
    """The generator of a device and stream, where the host's stands.

    It is copied only where the two have parted: after another seed, or draws made elsewhere.
    """
    provider, device, _ = key
    state, expected = _generators.get(key, (None, b""))
    if state is None:
        return provider.from_host(before, device)
    if expected != before.tobytes():
        with provider.scope(device):
            state[...] = provider.from_host(before, device)
    return state


def expect_masks(before: np.ndarray, after: np.ndarray, device: str) -> None:
    """Make ready for masks that a graph is about to draw on the current stream.

    Args:
        before, after: as in `keep_mask`, of all the masks together.
        device: full label.
    """
    provider = accelerator_for(device)
    key = (provider, device, provider.stream(device))
    _generators[key] = _generator_at(before, key), after.tobytes()


@contextmanager
def counting_masks(device: str) -> Iterator[MaskCount]:
    """Count what masks draw on the current stream, in a block whose draws are undone or have only been recorded.

    Args:
        device: full label.
    """
    provider = accelerator_for(device)
    key = (provider, device, provider.stream(device))
    count = _counts[key] = MaskCount()
    try:
        yield count
    finally:
        del _counts[key]
        if key in _generators:  # it does not stand where it would after draws for good
            _generators[key] = _generators[key][0], b""


def gather_rows(table: Array, rows: Array) -> Array | None:
    """table[rows] for a whole table of rows: one launch; None where no kernel takes such a table.

    Args:
        table: (height, ...), float32 or int64, C-contiguous.
        rows: (count,) int64.
    """
    entry = {np.dtype(np.float32): "gather_rows_f32", np.dtype(np.int64): "gather_rows_i64"}.get(table.dtype)
    if entry is None or rows.dtype != np.int64 or not table.flags.c_contiguous:
        return None
    device = _device(table)
    width = table.size // table.shape[0] if table.shape[0] else 0
    out = _empty((len(rows), *table.shape[1:]), table.dtype.type, device)
    launch = kernel("gather", entry, device)
    launch(blocks(len(rows) * width // 4 + 1), THREADS, table, rows, out, len(rows), width, table.shape[0])
    return out
