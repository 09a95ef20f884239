"""Random streams: Philox by its definition, masks as integers, independence of streams, saved state."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from on_device import host

import minigrad as mg
from minigrad.backend import random

MASK = (1 << 64) - 1


def philox4x64(counter: list[int], key: list[int]) -> list[int]:
    """Ten rounds of Philox4x64 (Salmon et al. 2011, section 4.3), in Python integers."""
    (c0, c1, c2, c3), (k0, k1) = counter, key
    for _ in range(10):
        p0, p1 = 0xD2E7470EE14C6C93 * c0, 0xCA5A826395121157 * c2
        c0, c1, c2, c3 = (p1 >> 64) ^ c1 ^ k0, p1 & MASK, (p0 >> 64) ^ c3 ^ k1, p0 & MASK
        k0, k1 = (k0 + 0x9E3779B97F4A7C15) & MASK, (k1 + 0xBB67AE8584CAA73B) & MASK
    return [c0, c1, c2, c3]


def words(seed: int, first_block: int, count: int) -> np.ndarray:
    """32-bit words of the dropout stream, starting at a block, from the definition alone."""
    state = random.stream_of(seed, "dropout").bit_generator.state["state"]
    assert list(state["counter"]) == [0, 0, 0, 0]
    key = [int(k) for k in state["key"]]
    blocks = [philox4x64([first_block + i + 1, 0, 0, 0], key) for i in range(-(-count // 8))]
    return np.array(blocks, np.uint64).ravel().view(np.uint32)[:count]


@given(st.integers(0, 2**40), st.lists(st.integers(0, 40), min_size=1, max_size=4), st.floats(0, 1))
def test_masks_are_philox_words_compared_as_integers(device: str, seed: int, sizes: list[int], drop: float) -> None:
    mg.manual_seed(seed)
    block = 0
    for size in sizes:
        mask = random.keep_mask((size,), drop, device)
        np.testing.assert_array_equal(host(mask), words(seed, block, size) >= np.uint64(round(drop * 2**32)))
        block += -(-size // 8)  # every mask starts at a block of its own


def test_certain_masks(device: str) -> None:
    assert random.keep_mask((100,), 0.0, device).all()
    assert not random.keep_mask((100,), 1.0, device).any()
    assert random.keep_mask((3, 0, 2), 0.5, device).shape == (3, 0, 2)
    share = random.keep_mask((1000, 100), 0.3, device).mean()
    assert abs(share - 0.7) < 0.006  # four standard deviations


def test_streams_differ_and_repeat() -> None:
    draws = {name: random.stream_of(7, name).random(4).tobytes() for name in random.STREAMS}
    assert len(set(draws.values())) == len(random.STREAMS)
    assert (
        random.stream_of(7, "shuffle", 3).random(4).tobytes() != random.stream_of(7, "shuffle", 4).random(4).tobytes()
    )
    for name, draw in draws.items():
        mg.manual_seed(7)
        assert random.generator(name).random(4).tobytes() == draw
        assert random.generator(name).random(4).tobytes() != draw  # it runs on


def test_one_stream_does_not_disturb_another(device: str) -> None:
    mg.manual_seed(1)
    expected = random.generator("init").random(3)
    mg.manual_seed(1)
    random.generator("shuffle").random(100)
    random.keep_mask((50,), 0.5, device)
    np.testing.assert_array_equal(random.generator("init").random(3), expected)


@given(st.integers(0, 30))
def test_state_round_trip_is_exact_and_plain(device: str, drawn: int) -> None:
    import json

    mg.manual_seed(5)
    random.generator("init").standard_normal(drawn)
    random.keep_mask((drawn,), 0.5, device)
    state = json.loads(json.dumps(random.get_state()))

    def draws() -> tuple[Any, ...]:
        mask = host(random.keep_mask((9,), 0.5, device))
        return random.generator("init").standard_normal(5), mask, random.draw_seed("noise")

    expected = draws()
    mg.manual_seed(99)
    random.set_state(state)
    again = draws()
    np.testing.assert_array_equal(again[0], expected[0])
    np.testing.assert_array_equal(again[1], expected[1])
    assert again[2] == expected[2]


@pytest.mark.parametrize(
    ("seed", "kind", "message"),
    [
        (-1, ValueError, "must not be negative, got -1"),
        (1.5, TypeError, "must be an integer, got float"),
        (True, TypeError, "must be an integer, got bool"),
        ("0", TypeError, "must be an integer, got str"),
    ],
)
def test_bad_seeds(seed: Any, kind: Any, message: str) -> None:
    before = random.get_state()
    with pytest.raises(kind, match=message):
        mg.manual_seed(seed)
    assert random.get_state() == before
