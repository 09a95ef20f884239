"""One seed for every random stream: initial weights, shuffles, splits, dropout masks.

All streams are Philox4x64-10 (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"), keyed by the
seed and the stream's name. Weights and permutations are drawn on the host and copied once. Dropout masks are
integers of the generator's raw blocks, so any device that implements Philox makes the same mask.
"""

from __future__ import annotations

import secrets
from typing import Any

import numpy as np

from . import fused_kernels, recording
from .array import is_integer
from .device import Array

STREAMS = ("init", "shuffle", "split", "dropout", "noise")
_BLOCK = 8  # one Philox4x64 block is four 64-bit words, used as eight 32-bit ones


def _seed_sequence(seed: int, stream: str, *path: int) -> np.random.SeedSequence:
    return np.random.SeedSequence(seed, spawn_key=(STREAMS.index(stream), *path))


def stream_of(seed: int, stream: str, *path: int) -> np.random.Generator:
    """A fresh generator for one stream of `seed`, independent of the global state.

    Args:
        seed: non-negative integer.
        stream: one of STREAMS.
        *path: further non-negative integers that tell generators apart, such as the number of an epoch.

    Returns:
        A NumPy generator on Philox; equal arguments give equal numbers.
    """
    return np.random.Generator(np.random.Philox(_seed_sequence(seed, stream, *path)))


class _State:
    """The global seed and the streams drawn from it so far."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.streams: dict[str, np.random.Generator] = {}

    def generator(self, stream: str) -> np.random.Generator:
        if stream not in self.streams:
            self.streams[stream] = stream_of(self.seed, stream)
        return self.streams[stream]


_state = _State(secrets.randbits(63))


def manual_seed(seed: int) -> None:
    """Seed every random stream of the library and start each anew.

    Args:
        seed: non-negative integer.

    Raises:
        TypeError: not an integer.
        ValueError: negative.
    """
    global _state
    if not is_integer(seed):
        raise TypeError(f"seed must be an integer, got {type(seed).__name__}")
    if seed < 0:
        raise ValueError(f"seed must not be negative, got {seed}")
    _state = _State(int(seed))


def generator(stream: str) -> np.random.Generator:
    """The running generator of a stream under the global seed."""
    if stream != "dropout":
        recording.refuse(f"a recorded step cannot draw from the stream {stream!r}: a replay would repeat its numbers")
    return _state.generator(stream)


def draw_seed(stream: str) -> int:
    """A new seed drawn from a stream, for objects that keep a seed of their own."""
    return int(generator(stream).integers(1 << 63))


def get_state() -> dict[str, Any]:
    """The seed and the position of every stream, as plain data: `set_state` continues from there bitwise."""
    return {
        "seed": _state.seed,
        "streams": {name: _plain(g.bit_generator.state) for name, g in _state.streams.items()},
    }


def set_state(state: dict[str, Any]) -> None:
    """Restore what `get_state` returned."""
    global _state
    fresh = _State(int(state["seed"]))
    for name, value in state["streams"].items():
        fresh.generator(name).bit_generator.state = value
    _state = fresh


def _plain(value: Any) -> Any:
    """Nested dicts with arrays turned into lists and NumPy integers into ints."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return [int(v) for v in value]
    return int(value) if isinstance(value, np.integer) else value


def _philox_state(source: Any) -> np.ndarray:
    """Key and counter, (6,) uint64."""
    place = source.state["state"]
    return np.concatenate([place["key"], place["counter"]])


def keep_mask(shape: tuple[int, ...], drop: float, device: str) -> Array:
    """A boolean mask, False with probability `drop`: 32-bit Philox words compared with round(drop * 2**32).

    Args:
        shape: shape of the mask.
        drop: probability of False, in [0, 1].
        device: full device label.

    Returns:
        A boolean array on `device`; the same for one seed on every device.
    """
    size = int(np.prod(shape, dtype=np.int64))
    # Whole blocks, so that a counter alone says where the stream stands. A seeded Philox is at a block boundary.
    blocks = -(-size // _BLOCK)
    threshold = round(drop * 2**32)
    if device != "cpu":
        source: Any = generator("dropout").bit_generator  # a Philox, which has advance()
        before = _philox_state(source)
        source.advance(blocks)
        return fused_kernels.keep_mask(before, _philox_state(source), size, threshold, device).reshape(shape)
    return recording.call(_host_mask, shape, size, blocks, threshold, effect=True)


def _host_mask(shape: tuple[int, ...], size: int, blocks: int, threshold: int) -> np.ndarray:
    """`keep_mask` on the host."""
    source: Any = generator("dropout").bit_generator
    words = source.random_raw(4 * blocks)
    keep = words.view(np.uint32)[:size] >= threshold if threshold < 2**32 else np.zeros(size, bool)
    return keep.reshape(shape)


def expect_masks(blocks: int, device: str) -> None:
    """Do the host's part of masks that a graph is about to draw on the current stream of a device.

    Args:
        blocks: of the generator, that the masks take together.
        device: full device label.
    """
    source: Any = generator("dropout").bit_generator
    before = _philox_state(source)
    source.advance(blocks)
    fused_kernels.expect_masks(before, _philox_state(source), device)
